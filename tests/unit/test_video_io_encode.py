"""Videos written: what browsers play, colours, sizes and rates; whole or not at all, whatever interrupts."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from vos_kd.errors import InputError
from vos_kd.video_io import AlphaWriter, VideoWriter, open_clip

COLOURS = ((220, 30, 30), (30, 200, 40), (40, 60, 210), (128, 128, 128))
Writer = VideoWriter | AlphaWriter


def bands(channels: int = 3, width: int = 64, height: int = 48) -> NDArray[np.uint8]:
    """Four upright bands of colour, opaque."""
    image = np.full((height, width, channels), 255, np.uint8)
    for index, colour in enumerate(COLOURS):
        image[:, index * width // 4 : (index + 1) * width // 4, :3] = colour
    return image


def both(path: Path) -> list[tuple[Callable[..., Writer], Path, int]]:
    return [(VideoWriter, path / "out.mp4", 3), (AlphaWriter, path / "out.webm", 4)]


def decode_rgba(path: Path) -> NDArray[np.uint8]:
    """With alpha, which only the decoder of that name gives; FFmpeg's own VP9 decoder drops it."""
    decoder = av.CodecContext.create("libvpx-vp9", "r")
    images = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        for packet in container.demux(stream):
            for frame in decoder.decode(packet if packet.size else None):
                assert frame.format.name == "yuva420p"
                images.append(frame.reformat(format="gbrap", threads=1).to_ndarray())
    return np.stack(images)


def test_h264_is_what_browsers_play(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "out.mp4"
    with VideoWriter(path, 25) as writer:
        for _ in range(8):
            writer.write(bands())
        assert writer.frame_count == 8
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # plays before all is loaded
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert (context.name, context.pix_fmt, stream.frames) == ("h264", "yuv420p", 8)
        assert (context.colorspace, context.color_range) == (1, 1)  # BT.709, 16 to 235
        assert (context.color_primaries, context.color_trc) == (1, 1)
        assert stream.average_rate == 25
    with open_clip(path) as clip:
        images = list(clip)
    assert len(images) == 8
    for index, colour in enumerate(COLOURS):
        np.testing.assert_allclose(images[4][24, index * 16 + 8], colour, atol=4)


def test_transparent_webm_keeps_colour_and_alpha(tmp_path: Path) -> None:
    image = bands(4)
    image[:24, :, 3] = 0
    image[24:36, :, 3] = 128
    path = tmp_path / "out.webm"
    with AlphaWriter(path, 25) as writer:
        for _ in range(4):
            writer.write(image)
    decoded = decode_rgba(path)
    assert decoded.shape == (4, 48, 64, 4)
    for rows, alpha in [(slice(0, 22), 0), (slice(26, 34), 128), (slice(38, 48), 255)]:
        np.testing.assert_allclose(decoded[2, rows, :, 3], alpha, atol=3)
    for index, colour in enumerate(COLOURS):
        np.testing.assert_allclose(decoded[2, 44, index * 16 + 8, :3], colour, atol=8)
    with open_clip(path) as clip:  # and our own reader lays it over black
        image = next(iter(clip))
    np.testing.assert_allclose(image[:20], 0, atol=3)
    np.testing.assert_allclose(image[44, 8], COLOURS[0], atol=8)


def test_frames_keep_their_order_and_number(tmp_path: Path) -> None:
    for make_writer, path, channels in both(tmp_path):
        with make_writer(path, 10) as writer:
            for index in range(30):
                writer.write(np.full((48, 64, channels), 8 * index, np.uint8) | np.uint8(channels == 4))
        with open_clip(path) as clip:
            levels = [image.mean() for image in clip]
            assert clip.info.fps == 10
            assert clip.warnings == []
        if channels == 3:
            np.testing.assert_allclose(levels, [8 * index for index in range(30)], atol=3)
        else:  # grey times alpha
            np.testing.assert_allclose(levels, [(8 * index) ** 2 / 255 for index in range(30)], atol=6)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (63, 47), (17, 2), (2, 9)])
def test_odd_sides_grow_by_a_copy_of_the_edge(tmp_path: Path, width: int, height: int) -> None:
    for make_writer, path, channels in both(tmp_path):
        image = np.full((height, width, channels), 40, np.uint8)
        image[:, -1] = image[-1] = 200
        image[..., 3:] = 255
        with make_writer(path, 25) as writer:
            for _ in range(3):
                writer.write(image)
        with open_clip(path) as clip:
            assert (clip.info.width, clip.info.height) == (width + width % 2, height + height % 2)
            decoded = list(clip)[1]
        expected = np.pad(image[..., :3], ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        np.testing.assert_allclose(decoded[-1, -1], expected[-1, -1], atol=16)
        assert np.abs(decoded.astype(int) - expected).mean() < 6


@pytest.mark.parametrize(
    ("fps", "expected"),
    [
        (30000 / 1001, Fraction(30000, 1001)),
        (29.97, Fraction(2997, 100)),
        (Fraction(24000, 1001), None),
        (0.5, None),
        (12, None),
    ],
)
def test_fractional_rates_are_kept(tmp_path: Path, fps: float | Fraction, expected: Fraction | None) -> None:
    path = tmp_path / "out.mp4"
    with VideoWriter(path, fps) as writer:
        for _ in range(4):
            writer.write(bands())
    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate == (expected or Fraction(fps))


def test_rates_that_are_none(tmp_path: Path) -> None:
    for fps in (0, -5, 1e-4, float("nan"), float("inf")):
        with pytest.raises(InputError, match="frames a second; expected a finite number above"):
            VideoWriter(tmp_path / "out.mp4", fps)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_seen_under_the_name_until_it_is_whole(tmp_path: Path) -> None:
    for make_writer, path, channels in both(tmp_path):
        path.write_bytes(b"the one before")
        with make_writer(path, 25) as writer:
            writer.write(bands(channels))
            assert path.read_bytes() == b"the one before"
        with open_clip(path) as clip:
            assert len(list(clip)) == 1
        writer.close()  # twice is no matter
        with pytest.raises(ValueError, match="is closed"):
            writer.write(bands(channels))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["out.mp4", "out.webm"]


def _fail_after(writer: Writer, image: NDArray[np.uint8], error: Exception) -> None:
    with writer:
        writer.write(image)
        raise error


def test_an_exception_leaves_nothing_behind(tmp_path: Path) -> None:
    for make_writer, path, channels in both(tmp_path):
        with pytest.raises(KeyError, match="mine"):
            _fail_after(make_writer(path, 25), bands(channels), KeyError("mine"))
        writer = make_writer(path, 25)
        writer.write(bands(channels))
        writer.discard()
        writer.close()
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_that_is_caught_keeps_what_is_done(tmp_path: Path) -> None:
    for make_writer, path, channels in both(tmp_path):
        with make_writer(path, 25) as writer:
            try:
                for index in range(100):
                    if index == 5:
                        raise KeyboardInterrupt
                    writer.write(bands(channels))
            except KeyboardInterrupt:
                assert writer.frame_count == 5
        with open_clip(path) as clip:
            assert len(list(clip)) == 5


def test_no_frames_make_no_file(tmp_path: Path) -> None:
    for make_writer, path, _ in both(tmp_path):
        with pytest.raises(InputError, match="no frame to write, so no video was made"), make_writer(path, 25):
            pass
    assert list(tmp_path.iterdir()) == []


def test_frames_of_another_size_or_kind(tmp_path: Path) -> None:
    for make_writer, path, channels in both(tmp_path):
        writer = make_writer(path, 25)
        writer.write(bands(channels))
        with pytest.raises(InputError, match="frame 1 is 32x48, expected 64x48"), writer:
            writer.write(bands(channels)[:, :32])
        with (
            pytest.raises(InputError, match="frame 0 is 64x48, expected 10x10"),
            make_writer(path, 25, size=(10, 10)) as writer,
        ):
            writer.write(bands(channels))
        wrong = [bands(7 - channels), bands(channels).astype(np.float32), bands(channels)[0]]
        for image in wrong:
            with (
                pytest.raises(ValueError, match=rf"expected uint8 \[H, W, {channels}\]"),
                make_writer(path, 25) as writer,
            ):
                writer.write(image)
    assert list(tmp_path.iterdir()) == []


def test_a_view_that_is_not_contiguous_is_written_as_it_looks(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    with VideoWriter(path, 25) as writer:
        for _ in range(3):
            writer.write(bands()[:, ::-1])
    with open_clip(path) as clip:
        np.testing.assert_allclose(list(clip)[1][24, 56], COLOURS[0], atol=4)


def test_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match=r"cannot write .*out.mp4"):
        VideoWriter(tmp_path / "file" / "out.mp4", 25)


FILL = """
import resource, sys
from pathlib import Path
import numpy as np
from vos_kd.errors import InputError
from vos_kd.video_io import AlphaWriter, VideoWriter

writer_class, channels = {"mp4": (VideoWriter, 3), "webm": (AlphaWriter, 4)}[sys.argv[1]]
count, limit, path = int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
noise = np.random.default_rng(0)
try:
    with writer_class(path, 25) as writer:
        for _ in range(count):
            writer.write(noise.integers(0, 255, (128, 128, channels), dtype=np.uint8))
except InputError as error:
    sys.exit(f"InputError after {writer.frame_count}: {error}")
"""


@pytest.mark.parametrize("suffix", ["mp4", "webm"])
@pytest.mark.parametrize(
    ("count", "limit", "is_noticed_early"), [(300, 20_000, True), (4, 2_000, False)], ids=["while writing", "at close"]
)
def test_full_disk_is_an_input_error_and_leaves_no_file(
    tmp_path: Path, suffix: str, count: int, limit: int, is_noticed_early: bool
) -> None:
    # A limit on the size of files is as near to a full disk as a test comes.
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    path = tmp_path / f"out.{suffix}"
    command = [sys.executable, "-c", FILL, suffix, str(count), str(limit), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == 1, done.stderr
    written, message = done.stderr.strip().removeprefix("InputError after ").split(": ", 1)
    assert (int(written) < count) == is_noticed_early
    assert message == (f"cannot write {path}: File too large. Choose another place with --out, or free space there.")
    assert list(tmp_path.iterdir()) == []
