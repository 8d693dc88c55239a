"""Videos as clips: every container and pixel format upright, exact and lazy; damage said; nonsense refused."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from vos_kd.errors import InputError
from vos_kd.video_io import ClipLimits, open_clip
from vos_kd.video_io.decode import _decoded

W, H = 64, 48
QUADRANTS = ((220, 30, 30), (30, 200, 40), (40, 60, 210), (240, 240, 240))


def greys(count: int) -> list[NDArray[np.uint8]]:
    """Frame i is (20 + 10 i) grey with a little noise, so that no encoder drops it."""
    noise = np.random.default_rng(0).integers(0, 3, (count, H, W, 3))
    return [(20 + 10 * index + noise[index]).astype(np.uint8) for index in range(count)]


def quadrants(width: int = W, height: int = H) -> NDArray[np.uint8]:
    image = np.empty((height, width, 3), np.uint8)
    for index, colour in enumerate(QUADRANTS):
        y, x = divmod(index, 2)
        image[y * height // 2 : (y + 1) * height // 2, x * width // 2 : (x + 1) * width // 2] = colour
    return image


def make(
    path: Path,
    frames: Sequence[NDArray[np.uint8]],
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    *,
    rate: Fraction | int = 25,
    source_format: str = "rgb24",
    matrix: Sequence[int] | None = None,
    options: dict[str, str] | None = None,
    title: bytes = b"",
) -> Path:
    """Write a tiny clip as other programs would, without the package's own writers."""
    with av.open(str(path), "w", container_options={"movflags": "+faststart"} if path.suffix == ".mp4" else {}) as out:
        stream = out.add_stream(codec, rate, options=options or {})
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pixel_format
        if matrix is not None:
            stream.set_display_matrix(matrix)
        for index, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format=source_format)
            frame.pts = index
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def near(image: NDArray[np.uint8], expected: NDArray[np.uint8] | tuple[int, ...], tolerance: float = 4.5) -> bool:
    """Within a tolerance on average, and nowhere far off: lossy formats blur edges."""
    return bool(np.abs(image.astype(int) - np.asarray(expected, int)).mean() <= tolerance)


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format", "has_count"),
    [
        ("a.mp4", "libx264", "yuv420p", True),
        ("a.mov", "mpeg4", "yuv420p", True),
        ("a.mkv", "ffv1", "yuv444p", False),
        ("a.webm", "libvpx-vp9", "yuv420p", False),
        ("a.avi", "mjpeg", "yuvj420p", True),
        ("a.gif", "gif", "gray", True),
        ("misnamed.txt", None, None, True),
    ],
)
def test_every_container_gives_its_frames_in_order(
    tmp_path: Path, name: str, codec: str | None, pixel_format: str, has_count: bool
) -> None:
    frames = greys(12)
    if codec is None:
        make(tmp_path / "a.mp4", frames).rename(tmp_path / name)
    else:
        make(tmp_path / name, frames, codec, pixel_format, rate=10)
    with open_clip(tmp_path / name) as clip:
        assert (clip.info.width, clip.info.height, clip.info.source) == (W, H, "video")
        assert clip.info.frame_count == (12 if has_count else None)
        assert clip.info.frame_names is None
        assert clip.info.fps == (25 if codec is None else 10)
        decoded = list(clip.frames())
        assert clip.warnings == []
    assert [index for index, _ in decoded] == list(range(12))
    for (_, image), expected in zip(decoded, frames, strict=True):
        assert image.dtype == np.uint8
        assert image.shape == (H, W, 3)
        assert near(image, expected)


def test_skipping_gives_the_very_frames_and_reading_again_begins_anew(tmp_path: Path) -> None:
    # B-frames: frames are stored in another order than they are shown in.
    with open_clip(make(tmp_path / "a.mp4", greys(20), options={"bf": "3"})) as clip:
        every = list(clip)
        assert len(every) == 20
        taken = list(clip.frames(3, 15, 4))
        assert [index for index, _ in taken] == [3, 7, 11]
        for index, image in taken:
            np.testing.assert_array_equal(image, every[index])
        assert [index for index, _ in clip.frames(18, 99)] == [18, 19]
        assert clip.warnings == []  # a cut that was asked for is no damage


def test_frames_that_are_not_there_or_make_no_sense(tmp_path: Path) -> None:
    with open_clip(make(tmp_path / "a.mp4", greys(4))) as clip:
        with pytest.raises(InputError, match=r"a.mp4 has no frame 4, counted from 0. It announces 4 frames"):
            next(clip.frames(4))
        for start, end, every in [(-1, None, 1), (0, None, 0), (2, 2, 1), (3, 1, 1)]:
            with pytest.raises(InputError, match=f"frames from {start} to {end} in steps of {every}; expected"):
                clip.frames(start, end, every)


ONE = 1 << 16
# Row by row, with the shift left out: players move the picture back into view.
MATRICES = {
    "clockwise": ((0, ONE, 0, -ONE, 0, 0, 0, 0, 1 << 30), lambda image: np.rot90(image, -1)),
    "upside down": ((-ONE, 0, 0, 0, -ONE, 0, 0, 0, 1 << 30), lambda image: np.rot90(image, 2)),
    "anticlockwise": ((0, -ONE, 0, ONE, 0, 0, 0, 0, 1 << 30), lambda image: np.rot90(image, 1)),
    "mirrored": ((-ONE, 0, 0, 0, ONE, 0, 0, 0, 1 << 30), lambda image: image[:, ::-1]),
    "mirrored, on its side": ((0, ONE, 0, ONE, 0, 0, 0, 0, 1 << 30), lambda image: image.swapaxes(0, 1)),
    "as it is": ((ONE, 0, 0, 0, ONE, 0, 0, 0, 1 << 30), lambda image: image),
}


@pytest.mark.parametrize("turn", MATRICES)
def test_phone_clips_come_upright(tmp_path: Path, turn: str) -> None:
    matrix, turned = MATRICES[turn]
    stored = quadrants()
    path = make(tmp_path / "a.mp4", [stored] * 3, matrix=matrix)
    with open_clip(path) as clip:
        images = list(clip)
        assert (clip.info.height, clip.info.width) == turned(stored).shape[:2]
    assert len(images) == 3
    assert images[0].flags.c_contiguous
    assert near(images[2], turned(stored), 6)
    with av.open(str(path)) as container:  # PyAV reads the same angle from it, where there is no mirror
        rotation = next(container.decode(video=0)).rotation
    if "mirrored" not in turn:
        np.testing.assert_array_equal(np.rot90(stored, rotation // 90), turned(stored))


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format"),
    [
        ("a.mp4", "libx264", "yuv420p10le"),
        ("a.mkv", "ffv1", "gbrp16le"),
        ("a.mkv", "ffv1", "yuv422p10le"),
        ("a.avi", "rawvideo", "bgr24"),
        ("a.mov", "qtrle", "rgb24"),
        ("a.gif", "gif", "rgb8"),
    ],
)
def test_deep_and_palette_formats_become_rgb(tmp_path: Path, name: str, codec: str, pixel_format: str) -> None:
    path = make(tmp_path / name, [quadrants()] * 2, codec, pixel_format)
    with open_clip(path) as clip:
        image = next(iter(clip))
    for y, x, colour in [(0, 0, 0), (0, 32, 1), (24, 0, 2), (24, 32, 3)]:
        mean = image[y + 4 : y + 20, x + 4 : x + 28].mean(axis=(0, 1))
        # A palette of 4 blues is dithered.
        np.testing.assert_allclose(mean, QUADRANTS[colour], atol=12 if pixel_format == "rgb8" else 4)


def test_grey_of_16_bit_keeps_its_scale(tmp_path: Path) -> None:
    ramp = np.broadcast_to(np.linspace(0, 65535, W).astype(np.uint16), (H, W))
    path = make(tmp_path / "a.mkv", [np.ascontiguousarray(ramp)], "ffv1", "gray16le", source_format="gray16le")
    with open_clip(path) as clip:
        image = next(iter(clip))
    np.testing.assert_allclose(image, np.repeat((ramp // 257)[..., None], 3, axis=2), atol=2)


@pytest.mark.parametrize(("matrix_number", "range_number"), [(1, 1), (1, 2), (5, 1), (5, 2)])
def test_colours_follow_the_tags(tmp_path: Path, matrix_number: int, range_number: int) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", 25, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = W, H, "yuv420p"
        stream.codec_context.colorspace = matrix_number
        stream.codec_context.color_range = range_number
        frame = av.VideoFrame.from_ndarray(quadrants(), format="rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace=matrix_number, dst_color_range=range_number)
        frame.pts = 0
        out.mux([*stream.encode(frame), *stream.encode(None)])
    with open_clip(path) as clip:
        image = next(iter(clip))
    for y, x, colour in [(12, 16, 0), (12, 48, 1), (36, 16, 2), (36, 48, 3)]:
        np.testing.assert_allclose(image[y, x], QUADRANTS[colour], atol=4)


@pytest.mark.parametrize("width", [18, 64, 66, 70])
@pytest.mark.parametrize(
    ("name", "codec", "pixel_format"),
    [("a.mov", "png", "rgba"), ("a.webm", "libvpx-vp9", "yuva420p"), ("a.mov", "qtrle", "argb")],
)
def test_alpha_is_laid_over_black(tmp_path: Path, name: str, codec: str, pixel_format: str, width: int) -> None:
    # Widths that are no multiple of 8, because FFmpeg forgets the last columns there on the straight way.
    image = np.empty((16, width, 4), np.uint8)
    image[...] = (200, 100, 50, 255)
    image[8:, :, 3] = 0
    options = {"auto-alt-ref": "0", "crf": "4", "b": "0"} if codec == "libvpx-vp9" else {}
    path = make(tmp_path / name, [image] * 2, codec, pixel_format, source_format="rgba", options=options)
    with open_clip(path) as clip:
        decoded = list(clip)
    assert len(decoded) == 2
    np.testing.assert_allclose(decoded[1][:6], np.broadcast_to((200, 100, 50), (6, width, 3)), atol=5)
    np.testing.assert_allclose(decoded[1][10:], 0, atol=2)


def test_half_transparent_is_half_as_bright(tmp_path: Path) -> None:
    image = np.full((16, 16, 4), (200, 100, 50, 128), np.uint8)
    with open_clip(make(tmp_path / "a.mov", [image], "png", "rgba", source_format="rgba")) as clip:
        np.testing.assert_array_equal(next(iter(clip)), np.broadcast_to((100, 50, 25), (16, 16, 3)))
    image[..., 3] = 255
    with open_clip(make(tmp_path / "b.mov", [image], "png", "rgba", source_format="rgba")) as clip:
        np.testing.assert_array_equal(next(iter(clip)), image[..., :3])  # opaque loses nothing


def test_transparent_palette_entry_is_black(tmp_path: Path) -> None:
    picture = Image.new("P", (32, 16), 1)
    picture.putpalette([0, 0, 0, 10, 200, 30, 90, 90, 90])
    picture.paste(2, (16, 0, 32, 16))
    png = io.BytesIO()
    picture.save(png, "PNG", transparency=2)
    with av.open(str(tmp_path / "a.mov"), "w") as out:
        stream = out.add_stream("png", 25)
        stream.width, stream.height, stream.pix_fmt = 32, 16, "pal8"
        packet = av.Packet(png.getvalue())
        packet.stream, packet.pts, packet.dts, packet.is_keyframe = stream, 0, 0, True
        out.mux(packet)
    with open_clip(tmp_path / "a.mov") as clip:
        image = next(iter(clip))
    assert image[8, 8].tolist() == [10, 200, 30]
    assert image[8, 24].tolist() == [0, 0, 0]


def test_frames_that_an_edit_list_leaves_out_are_not_announced(tmp_path: Path) -> None:
    # As phones store a clip that was trimmed at its start.
    path = tmp_path / "a.mp4"
    frames = greys(12)
    with av.open(str(path), "w", options={"avoid_negative_ts": "disabled"}) as out:
        stream = out.add_stream("libx264", 25)
        stream.width, stream.height, stream.pix_fmt = W, H, "yuv420p"
        for index, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = index - 4
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    with open_clip(path) as clip:
        assert clip.info.frame_count == 8
        images = list(clip)
        assert len(images) == 8
        assert near(images[0], frames[4])
        assert clip.warnings == []


@pytest.mark.parametrize(("width", "height"), [(1, 1), (3, 5), (17, 9)])
def test_tiny_and_odd_sizes(tmp_path: Path, width: int, height: int) -> None:
    image = np.full((height, width, 3), (10, 120, 250), np.uint8)
    with open_clip(make(tmp_path / "a.mov", [image] * 2, "png", "rgb24")) as clip:
        assert (clip.info.width, clip.info.height) == (width, height)
        for decoded in clip:
            np.testing.assert_array_equal(decoded, image)


def cut(path: Path, share: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format", "announced"),
    [
        ("a.mp4", "libx264", "yuv420p", "12"),
        ("a.mkv", "ffv1", "yuv420p", "about 12"),
        ("a.avi", "mjpeg", "yuvj420p", "12"),
    ],
)
def test_cut_off_clip_gives_what_decodes_and_says_how_much(
    tmp_path: Path, name: str, codec: str, pixel_format: str, announced: str
) -> None:
    noisy = np.random.default_rng(1).integers(0, 255, (12, H, W, 3), dtype=np.uint8)
    with open_clip(cut(make(tmp_path / name, list(noisy), codec, pixel_format), 0.7)) as clip:
        for _ in range(2):  # reading again does not say it twice
            decoded = list(clip)
            assert 3 <= len(decoded) < 12
            assert len(clip.warnings) == 1
            assert f"ends early, decoded {len(decoded)} of {announced} frames" in clip.warnings[0]
        with pytest.raises(InputError, match=r"has no frame 11.*ends early"):
            next(clip.frames(11))


def test_clip_damaged_in_the_middle_stops_there(tmp_path: Path) -> None:
    noisy = np.random.default_rng(1).integers(0, 255, (12, H, W, 3), dtype=np.uint8)
    path = make(tmp_path / "a.mov", list(noisy), "png", "rgb24")
    data = bytearray(path.read_bytes())
    middle = len(data) * 2 // 3
    data[middle : middle + 400] = bytes(400)
    path.write_bytes(data)
    with open_clip(path) as clip:
        decoded = list(clip)
        assert 6 <= len(decoded) <= 8
        np.testing.assert_array_equal(decoded, noisy[: len(decoded)])
        assert clip.warnings[0].startswith(f"the clip ends early, decoded {len(decoded)} of 12 frames: ")


def test_frames_the_decoder_mended_are_given_and_named(tmp_path: Path) -> None:
    noisy = np.random.default_rng(1).integers(0, 255, (12, H, W, 3), dtype=np.uint8)
    path = make(tmp_path / "a.mov", list(noisy), "mpeg4", "yuv420p")
    data = bytearray(path.read_bytes())
    middle = len(data) * 2 // 3
    data[middle : middle + 60] = np.random.default_rng(0).integers(0, 256, 60, dtype=np.uint8).tobytes()
    path.write_bytes(data)
    with open_clip(path) as clip:
        assert len(list(clip)) == 12
        assert clip.warnings == ["frame 5 is damaged, and so may be those after it."]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"a note, not a clip\n" * 40,
        np.random.default_rng(0).integers(0, 256, 20_000, dtype=np.uint8).tobytes(),
        b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom",
        b"GIF89a",
    ],
    ids=["empty", "text", "random", "header alone", "gif header"],
)
def test_what_is_no_video_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a.mp4 (cannot be read as a video|holds no).*xpected"):
        open_clip(path)


def test_lists_of_other_files_are_not_followed(tmp_path: Path) -> None:
    make(tmp_path / "secret.mp4", greys(3))
    (tmp_path / "concat.mp4").write_text("ffconcat version 1.0\nfile secret.mp4\n")
    (tmp_path / "hls.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.mp4\n#EXT-X-ENDLIST\n")
    with av.open(str(tmp_path / "concat.mp4")) as container:  # it is a danger: by itself FFmpeg does follow
        assert next(container.decode(video=0)).width == W
    for name in ("concat.mp4", "hls.m3u8"):
        with pytest.raises(InputError, match="cannot be read as a video"):
            open_clip(tmp_path / name)


def test_sound_alone_is_refused(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mov"), "w") as out:
        stream = out.add_stream("pcm_s16le", 8000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        frame.sample_rate = 8000
        frame.pts = 0
        out.mux(stream.encode(frame))
    with pytest.raises(InputError, match="holds no video, only sound"):
        open_clip(tmp_path / "a.mov")


def test_unknown_codec_is_refused(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mp4", greys(2))
    path.write_bytes(path.read_bytes().replace(b"avc1", b"xyz1"))
    with pytest.raises(InputError, match=r"a.mp4 is packed in a way unknown to this FFmpeg"):
        open_clip(path)


def test_missing_and_special_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent.mp4 is not there"):
        open_clip(tmp_path / "absent.mp4")
    with pytest.raises(InputError, match="/dev/null is no plain file"):
        open_clip(Path("/dev/null"))


def test_names_and_titles_have_no_meaning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make(tmp_path / "a.avi", greys(2), "mjpeg", "yuvj420p")
    data = path.read_bytes()
    odd = tmp_path / "http: %03d [x]?.avi"
    # A title in an old encoding is no UTF-8.
    odd.write_bytes(data.replace(b"Lavf", b"\xe9\xff\xe8\xfe"))
    monkeypatch.chdir(tmp_path)
    for name in (odd, odd.name):
        with open_clip(name) as clip:
            assert len(list(clip)) == 2


def test_absurd_frame_rates_are_refused_unless_one_is_given(tmp_path: Path) -> None:
    fast = make(tmp_path / "fast.mp4", greys(4), rate=500)
    with pytest.raises(InputError, match=r"fast.mp4: 500 frames a second; expected above 0 and at most 240"):
        open_clip(fast)
    none = make(tmp_path / "none.mp4", greys(2), options={"bf": "0"})
    data = bytearray(none.read_bytes())
    durations = data.index(b"stts")
    data[durations + 16 : durations + 20] = bytes(4)  # each frame lasts 0 ticks
    none.write_bytes(data)
    with pytest.raises(InputError, match=r"none.mp4: 0 frames a second"):
        open_clip(none)
    with open_clip(none, fps=12.5) as clip:
        assert clip.info.fps == 12.5
        assert len(list(clip)) == 2
    for fps in (0, -1, float("nan"), float("inf"), 241):
        with pytest.raises(InputError, match="frames a second; expected"):
            open_clip(fast, fps=fps)


def test_fractional_rates_are_kept(tmp_path: Path) -> None:
    with open_clip(make(tmp_path / "a.mp4", greys(5), rate=Fraction(30000, 1001))) as clip:
        assert clip.info.fps == pytest.approx(30000 / 1001, abs=1e-9)


def test_size_that_changes_midway_ends_in_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mjpeg", 25)
        stream.width, stream.height, stream.pix_fmt = W, H, "yuvj420p"
        for index, width in enumerate([W, W, W, 32, 32]):
            encoder = av.CodecContext.create("mjpeg", "w")
            encoder.width, encoder.height, encoder.pix_fmt = width, H, "yuvj420p"
            encoder.time_base, encoder.framerate = Fraction(1, 25), Fraction(25)
            frame = av.VideoFrame.from_ndarray(np.full((H, width, 3), 90, np.uint8), format="rgb24")
            frame = frame.reformat(format="yuvj420p")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            for packet in [*encoder.encode(frame), *encoder.encode(None)]:
                packet.stream = stream
                out.mux(packet)
    with open_clip(path) as clip:
        frames = clip.frames()
        assert [next(frames)[0] for _ in range(3)] == [0, 1, 2]
        with pytest.raises(InputError, match="frame 3 is 32x48, but those before it are 64x48"):
            next(frames)
        # Also where the frame itself is skipped.
        with pytest.raises(InputError, match="frame 3 is 32x48"):
            list(clip.frames(0, None, 2))


def test_limits_name_the_limit_and_the_measured_value(tmp_path: Path) -> None:
    mp4 = make(tmp_path / "a.mp4", greys(6))
    mkv = make(tmp_path / "a.mkv", greys(6), "ffv1", "yuv420p")
    with pytest.raises(InputError, match=r"64x48 = 3,072 pixels; expected sides of at most 63"):
        open_clip(mp4, ClipLimits(max_side=63))
    with pytest.raises(InputError, match=r"64x48 = 3,072 pixels; .* at most 3,071 pixels"):
        open_clip(mp4, ClipLimits(max_pixels=3071))
    with pytest.raises(InputError, match="has 6 frames or more; expected at most 5"):
        open_clip(mp4, ClipLimits(max_frames=5))
    with open_clip(mkv, ClipLimits(max_frames=5)) as clip:  # a count that is not known beforehand
        frames = clip.frames()
        assert [next(frames)[0] for _ in range(5)] == list(range(5))
        with pytest.raises(InputError, match="has 6 frames or more; expected at most 5"):
            next(frames)
    exact = ClipLimits(max_side=64, max_pixels=3072, max_frames=6)
    with open_clip(mp4, exact) as clip:
        assert len(list(clip)) == 6


def test_decoder_itself_refuses_frames_far_above_the_limit(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mp4", [np.full((256, 256, 3), 9, np.uint8)] * 2)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        with pytest.raises(av.FFmpegError):
            list(_decoded(container, stream, ClipLimits(max_side=16, max_pixels=256)))


def test_frames_are_decoded_when_asked_for(tmp_path: Path) -> None:
    noisy = np.random.default_rng(1).integers(0, 255, (100, H, W, 3), dtype=np.uint8)
    path = make(tmp_path / "a.avi", list(noisy), "rawvideo", "bgr24")
    with open_clip(path) as clip:
        frames = clip.frames()
        next(frames)
        with path.open("r+b") as file:  # what is not yet read is gone
            file.truncate(path.stat().st_size // 2)
        assert 10 < len(list(frames)) < 60
