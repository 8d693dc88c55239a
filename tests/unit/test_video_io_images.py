"""Folders and zips of images as clips: order, orientation, colour modes; and every way to smuggle something in."""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from vos_kd.errors import InputError
from vos_kd.video_io import ClipLimits, open_clip
from vos_kd.video_io.archive import ZipImages, natural_key
from vos_kd.video_io.images import ImageClip


def picture(value: int, width: int = 6, height: int = 4) -> NDArray[np.uint8]:
    return np.full((height, width, 3), value, np.uint8)


def encoded(image: NDArray[np.uint8] | Image.Image, suffix: str = ".png", **options: object) -> bytes:
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    buffer = io.BytesIO()
    formats = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".bmp": "BMP"}
    image.save(buffer, formats[suffix], **options)
    return buffer.getvalue()


def zipped(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def filled(folder: Path, members: dict[str, bytes]) -> Path:
    folder.mkdir()
    for name, data in members.items():
        (folder / name).write_bytes(data)
    return folder


# Named so that sorting as text gives another order.
NAMES = ["frame2.png", "frame10.bmp", "Frame11.webp", "frame_020.JPG"]


def four_images() -> dict[str, bytes]:
    return {
        name: encoded(
            picture(40 + 50 * index), Path(name).suffix.lower(), **({"lossless": True} if "webp" in name else {})
        )
        for index, name in enumerate(NAMES)
    }


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_images_come_in_natural_order_with_their_names(tmp_path: Path, kind: str) -> None:
    shuffled = dict(reversed(four_images().items()))
    others = {"notes.txt": b"hello", ".hidden.png": b"no image", "Thumbs.db": b""}
    if kind == "folder":
        path = filled(tmp_path / "clip", shuffled | others)
        (path / "sub").mkdir()
    else:
        inside = {f"a clip/{name}": data for name, data in (shuffled | others).items()}
        path = zipped(tmp_path / "clip.dat", {"a clip/": b"", "__MACOSX/a clip/._frame2.png": b"x", **inside})
    with open_clip(path) as clip:
        assert (clip.info.width, clip.info.height, clip.info.fps) == (6, 4, 24)
        assert (clip.info.frame_count, clip.info.source) == (4, kind)
        assert clip.info.frame_names == ("frame2", "frame10", "Frame11", "frame_020")
        for _ in range(2):
            for index, image in enumerate(clip):
                np.testing.assert_array_equal(image, picture(40 + 50 * index))
        assert [index for index, _ in clip.frames(1, 9, 2)] == [1, 3]
        with pytest.raises(InputError, match="has no frame 4"):
            next(clip.frames(4))
        assert clip.warnings == []
    with open_clip(path, fps=12) as clip:
        assert clip.info.fps == 12


def test_natural_order_of_hard_names() -> None:
    names = ["b", "a10", "a9", "A9b", "a09", "a" + "9" * 5000, "a1.png", "1", "0002", "10"]
    assert sorted(names, key=natural_key) == [
        "1", "0002", "10", "a1.png", "a09", "a9", "A9b", "a10", "a" + "9" * 5000, "b",
    ]  # fmt: skip
    assert len({natural_key(name) for name in names}) == len(names)


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_only_what_is_asked_for_is_read(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    members = {f"{index}.png": encoded(picture(index)) for index in range(9)}
    path = filled(tmp_path / "clip", members) if kind == "folder" else zipped(tmp_path / "clip.zip", members)
    with open_clip(path) as clip:
        read: list[int] = []
        assert isinstance(clip, ImageClip)
        original = clip._source.read

        def recorded(index: int) -> bytes:
            read.append(index)
            return original(index)

        monkeypatch.setattr(clip._source, "read", recorded)
        frames = clip.frames(2, None, 3)
        assert read == []
        assert next(frames)[0] == 2
        assert read == [2]
        assert next(frames)[0] == 5
        assert read == [2, 5]


ORIENTATIONS = {
    2: lambda image: image[:, ::-1],
    3: lambda image: np.rot90(image, 2),
    6: lambda image: np.rot90(image, -1),
    8: lambda image: np.rot90(image, 1),
}


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_photos_come_upright(tmp_path: Path, orientation: int, suffix: str) -> None:
    stored = np.zeros((32, 48, 3), np.uint8)
    stored[:16, :24] = 250  # the corner at the top left
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = filled(tmp_path / "clip", {f"1{suffix}": encoded(stored, suffix, exif=exif)})
    upright = ORIENTATIONS[orientation](stored)
    with open_clip(path) as clip:
        assert (clip.info.height, clip.info.width) == upright.shape[:2]
        assert np.abs(next(iter(clip)).astype(int) - upright).max() < 12


def test_colour_modes_become_rgb_with_alpha_over_black(tmp_path: Path) -> None:
    rgba = np.full((4, 6, 4), (200, 100, 50, 128), np.uint8)
    palette = Image.new("P", (6, 4), 1)
    palette.putpalette([0, 0, 0, 10, 200, 30])
    cases: dict[str, tuple[Image.Image, dict[str, object], tuple[int, ...]]] = {
        "grey": (Image.fromarray(np.full((4, 6), 77, np.uint8)), {}, (77, 77, 77)),
        "grey16": (Image.fromarray(np.full((4, 6), 51207, np.uint16)), {}, (200, 200, 200)),
        "grey_alpha": (Image.fromarray(np.full((4, 6, 2), (100, 255), np.uint8)), {}, (100, 100, 100)),
        "bilevel": (Image.new("1", (6, 4), 1), {}, (255, 255, 255)),
        "palette": (palette, {}, (10, 200, 30)),
        "palette_hole": (palette, {"transparency": 1}, (0, 0, 0)),
        "rgb_hole": (Image.fromarray(picture(9)), {"transparency": (9, 9, 9)}, (0, 0, 0)),
        "rgba": (Image.fromarray(rgba), {}, (100, 50, 25)),
    }
    members = {f"{name}.png": encoded(image, ".png", **options) for name, (image, options, _) in cases.items()}
    cmyk = Image.new("CMYK", (6, 4), (0, 255, 255, 0))
    members["cmyk.jpg"] = encoded(cmyk, ".jpg", quality=95)
    with open_clip(zipped(tmp_path / "clip.zip", members)) as clip:
        images = dict(zip(clip.info.frame_names or (), clip, strict=True))
    for name, (_, _, colour) in cases.items():
        np.testing.assert_allclose(images[name], np.broadcast_to(colour, (4, 6, 3)), atol=1, err_msg=name)
    np.testing.assert_allclose(images["cmyk"], np.broadcast_to((255, 0, 0), (4, 6, 3)), atol=12)


@pytest.mark.parametrize("kind", ["folder", "zip"])
@pytest.mark.parametrize("damage", ["cut", "noise", "empty"])
def test_damaged_image_ends_the_clip_with_a_warning(tmp_path: Path, kind: str, damage: str) -> None:
    noisy = np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    good = encoded(noisy)
    bad = {"cut": good[: len(good) // 2], "noise": b"\x00\x01garbage" * 20, "empty": b""}[damage]
    members = {"1.png": good, "2.png": good, "3.png": bad, "4.png": good}
    path = filled(tmp_path / "clip", members) if kind == "folder" else zipped(tmp_path / "clip.zip", members)
    with open_clip(path) as clip:
        assert [index for index, _ in clip.frames()] == [0, 1]
        assert len(clip.warnings) == 1
        assert "ends early, 2 of 4 frames are sound" in clip.warnings[0]
        assert "3.png cannot be decoded" in clip.warnings[0]
        assert [index for index, _ in clip.frames(3)] == [3]
        with pytest.raises(InputError, match=r"has no frame 2, .* 3.png cannot be decoded"):
            next(clip.frames(2))
    members["1.png"] = bad
    path = filled(tmp_path / "none", members) if kind == "folder" else zipped(tmp_path / "none.zip", members)
    with pytest.raises(InputError, match=r"1.png cannot be decoded: .* Expected a whole jpg, png, webp or bmp"):
        open_clip(path)


def test_random_damage_never_escapes_as_another_error(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noisy = rng.integers(0, 255, (24, 24, 3), dtype=np.uint8)
    for suffix in (".png", ".jpg", ".webp", ".bmp"):
        good = encoded(noisy, suffix)
        for attempt in range(60):
            data = bytearray(good)
            for place in rng.integers(0, min(len(data), 200), 6):
                data[place] = rng.integers(0, 256)
            path = filled(tmp_path / f"{suffix[1:]}{attempt}", {f"1{suffix}": bytes(data)})
            with suppress(InputError), open_clip(path) as clip:  # either of the two, and no other error
                assert len(list(clip)) == 1


def test_size_that_changes_midway_ends_in_an_error(tmp_path: Path) -> None:
    path = filled(tmp_path / "clip", {"1.png": encoded(picture(1)), "2.png": encoded(picture(2, 8, 4))})
    with open_clip(path) as clip:
        frames = clip.frames()
        assert next(frames)[0] == 0
        with pytest.raises(InputError, match=r"frame 1 \(2.png\) is 8x4, but those before it are 6x4"):
            next(frames)


def test_folders_without_a_clip(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no images; expected .bmp, .jpeg, .jpg, .png, .webp"):
        open_clip(filled(tmp_path / "empty", {"notes.txt": b""}))
    with pytest.raises(InputError, match=r"1.jpg and 1.png would give outputs of one name, 1\."):
        open_clip(filled(tmp_path / "twins", {"1.png": encoded(picture(1)), "1.jpg": encoded(picture(1), ".jpg")}))
    with pytest.raises(InputError, match="images in 2 folders, among them a and b"):
        open_clip(zipped(tmp_path / "two.zip", {"a/1.png": encoded(picture(1)), "b/2.png": encoded(picture(2))}))
    with pytest.raises(InputError, match="holds no images"):
        open_clip(zipped(tmp_path / "empty.zip", {}))


def test_links_out_of_a_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(encoded(picture(1)))
    folder = filled(tmp_path / "clip", {"1.png": encoded(picture(1))})
    (folder / "2.png").symlink_to("1.png")
    with open_clip(folder) as clip:
        assert len(list(clip)) == 2  # within the folder a link is fine
    (folder / "3.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(InputError, match=r"3.png is a link that leads out of its folder"):
        open_clip(folder)
    (folder / "3.png").unlink()
    os.mkfifo(folder / "3.png")  # reading it would wait for ever
    with pytest.raises(InputError, match=r"3.png is no plain file"):
        open_clip(folder)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("../1.png", "leads out of the zip"),
        ("a/../../1.png", "leads out of the zip"),
        ("a\\..\\..\\1.png", "leads out of the zip"),
        ("/etc/1.png", "absolute name"),
        ("\\\\server\\1.png", "absolute name"),
        ("C:\\1.png", "absolute name"),
        ("../notes.txt", "leads out of the zip"),
        ("in\x1b[2J.png", "control characters"),
        ("more.zip", "archive within the archive"),
        ("more.tar.gz", "archive within the archive"),
    ],
)
def test_zip_members_with_bad_names_are_refused_by_name(tmp_path: Path, name: str, problem: str) -> None:
    path = zipped(tmp_path / "clip.zip", {"0.png": encoded(picture(1)), name: encoded(picture(1))})
    with pytest.raises(InputError, match=problem) as raised:
        open_clip(path)
    assert f"member {name!r}" in str(raised.value)


def test_zip_links_and_devices_are_refused(tmp_path: Path) -> None:
    for mode in (stat.S_IFLNK | 0o777, stat.S_IFCHR | 0o600, stat.S_IFIFO | 0o600):
        with zipfile.ZipFile(tmp_path / "clip.zip", "w") as archive:
            archive.writestr("1.png", encoded(picture(1)))
            member = zipfile.ZipInfo("2.png")
            member.external_attr = mode << 16
            archive.writestr(member, "/etc/passwd")
        with pytest.raises(InputError, match=r"member '2.png' is a link or a device"):
            open_clip(tmp_path / "clip.zip")


def test_encrypted_and_unusual_zip_members_are_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "clip.zip", {"1.png": encoded(picture(1))})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"member '1.png' is encrypted"):
        open_clip(path)
    path = zipped(tmp_path / "lzma.zip", {"1.png": encoded(picture(1))}, zipfile.ZIP_LZMA)
    with pytest.raises(InputError, match=r"'1.png' is packed by method 14, and only stored and deflated"):
        open_clip(path)


def test_zip_bombs_are_refused_before_anything_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ZipImages, "read", lambda *_: pytest.fail("unpacked"))
    bomb = zipped(tmp_path / "bomb.zip", {"0.png": encoded(picture(1)), "1.png": bytes(20 * 2**20)})
    with pytest.raises(InputError, match=r"'1.png' unpacks to \d{3,4} times its packed size, and at most 200"):
        open_clip(bomb)
    with pytest.raises(InputError, match=r"'1.png' unpacks to 20,971,520 bytes, and at most 1,000,000"):
        open_clip(bomb, ClipLimits(max_image_bytes=1_000_000))
    images = {f"{index}.png": os.urandom(5000) for index in range(20)}
    many = zipped(tmp_path / "many.zip", images)
    with pytest.raises(InputError, match=r"unpacks to 100,000 bytes; expected at most 99,999"):
        open_clip(many, ClipLimits(max_unpacked_bytes=99_999))
    with pytest.raises(InputError, match=r"holds 20 entries or more; expected at most 19"):
        open_clip(many, ClipLimits(max_members=19))
    with pytest.raises(InputError, match=r"holds 3 entries or more; expected at most 2"):
        open_clip(filled(tmp_path / "many", images), ClipLimits(max_members=2))


@pytest.mark.parametrize("declared", [50, 100_000])
def test_member_that_lies_about_its_size_is_not_trusted(tmp_path: Path, declared: int) -> None:
    noisy = np.random.default_rng(0).integers(0, 255, (24, 24, 3), dtype=np.uint8)
    path = zipped(tmp_path / "clip.zip", {"1.png": encoded(noisy)})
    data = bytearray(path.read_bytes())
    struct.pack_into("<L", data, data.index(b"PK\x01\x02") + 24, declared)
    path.write_bytes(data)
    with pytest.raises(
        InputError, match=r"member '1.png' (cannot be unpacked|has [\d,]+ bytes, but the zip's list says)"
    ):
        open_clip(path)


def test_cut_off_and_corrupt_zips(tmp_path: Path) -> None:
    path = zipped(tmp_path / "clip.zip", {f"{index}.png": encoded(picture(index)) for index in range(5)})
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="is not a readable zip"):
        open_clip(path)
    corrupt = bytearray(data)
    place = corrupt.index(b"3.png") + 20  # within the packed bytes of that member
    corrupt[place : place + 8] = bytes(8)
    path.write_bytes(corrupt)
    with open_clip(path) as clip:
        assert len(list(clip)) == 3
        assert "3.png" in clip.warnings[0]


def huge_png(width: int, height: int) -> bytes:
    """A PNG of a few bytes that announces any size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))

    header = struct.pack(">LLBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_images_above_the_limits_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    path = filled(tmp_path / "clip", {"1.png": encoded(picture(1)), "2.png": huge_png(8192, 8192)})
    with open_clip(path) as clip:
        frames = clip.frames()
        next(frames)
        with pytest.raises(InputError, match=r"2.png is 8192x8192 = 67,108,864 pixels; .* at most 35,389,440 pixels"):
            next(frames)
    # Pillow's own alarm: a warning from 89 million pixels, an error from twice as many.
    for side in (10_000, 60_000):
        (path / "1.png").write_bytes(huge_png(side, side))
        with pytest.raises(InputError, match=r"1.png is (too large|10000x10000)"):
            open_clip(path, ClipLimits(max_side=65_000, max_pixels=10**8 - 1))
    with pytest.raises(InputError, match=r"1.png is larger than 60 bytes"):
        open_clip(path, ClipLimits(max_image_bytes=60))


def test_too_many_frames(tmp_path: Path) -> None:
    path = filled(tmp_path / "clip", {f"{index}.png": encoded(picture(1)) for index in range(4)})
    with pytest.raises(InputError, match="has 4 frames or more; expected at most 3"):
        open_clip(path, ClipLimits(max_frames=3))
    with open_clip(path, ClipLimits(max_frames=4)) as clip:
        assert len(list(clip)) == 4


def test_one_pixel_is_a_frame(tmp_path: Path) -> None:
    with open_clip(filled(tmp_path / "clip", {"1.bmp": encoded(picture(7, 1, 1), ".bmp")})) as clip:
        np.testing.assert_array_equal(next(iter(clip)), [[[7, 7, 7]]])
