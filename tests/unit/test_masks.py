"""Every kind of mask file a person may hand over: the right ids, or a message that helps."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from vos_kd.data import masks
from vos_kd.data.masks import (
    VOID_ID,
    decode_mask,
    encode_mask,
    object_ids,
    palette,
    read_mask,
    require_objects,
    require_size,
    to_one_hot,
    void_mask,
    write_mask,
)
from vos_kd.errors import InputError


def png(picture: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def raw_png(samples: np.ndarray, depth: int, colour_type: int = 0) -> bytes:
    """A PNG with the very samples, packed: Pillow cannot write grey of 2 and 4 bits. `[H, W]` or `[H, W, C]`."""
    height, width = samples.shape[:2]
    flat = samples.reshape(height, -1).astype(np.uint16)
    bits = (flat[:, :, None] >> np.arange(depth - 1, -1, -1)) & 1
    rows = np.packbits(bits.reshape(height, -1).astype(np.uint8), axis=1)
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def two_objects() -> np.ndarray:
    """Objects 1 and 3 on background, 20x30."""
    mask = np.zeros((20, 30), np.uint8)
    mask[2:12, 3:13], mask[5:15, 15:25] = 1, 3
    return mask


def disc(height: int = 60, width: int = 80) -> np.ndarray:
    """White on black with smooth rims, as most editors paint."""
    canvas = np.zeros((height, width), np.uint8)
    cv2.circle(canvas, (width // 2, height // 2), height // 3, 255, -1, cv2.LINE_AA)
    return cv2.GaussianBlur(canvas, (0, 0), 1.5)


def check(data: bytes, expected: np.ndarray) -> None:
    found = decode_mask(data, "mask.png")
    assert found.dtype == np.uint8
    assert np.array_equal(found, expected)


def refused(data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        decode_mask(data, "first.png")
    assert "first.png" in str(caught.value)


def test_the_palette_is_that_of_davis() -> None:
    expected = {
        0: (0, 0, 0),
        1: (128, 0, 0),
        2: (0, 128, 0),
        3: (128, 128, 0),
        4: (0, 0, 128),
        7: (128, 128, 128),
        8: (64, 0, 0),
        20: (0, 64, 128),
        22: (0, 192, 128),
        255: (224, 224, 192),
    }
    assert {i: tuple(palette()[i].tolist()) for i in expected} == expected
    assert len(np.unique(palette(), axis=0)) == 256


# What is read


def test_palette_indices_are_the_ids_whatever_the_colours() -> None:
    mask = two_objects()
    mask[0] = VOID_ID
    picture = Image.fromarray(mask)
    picture.putpalette([*range(255, -1, -1)] * 3)
    check(png(picture), mask)


def test_small_palettes_of_few_bits() -> None:
    picture = Image.fromarray(two_objects())
    picture.putpalette([0, 0, 0, 250, 0, 0, 0, 250, 0, 0, 0, 250])
    data = png(picture, bits=2)
    assert data[24] == 2
    check(data, two_objects())


def test_transparent_palette_entries_keep_their_index() -> None:
    picture = Image.fromarray(two_objects())
    picture.putpalette(palette().tobytes())
    check(png(picture, transparency=1), two_objects())


def test_grey_samples_are_ids_and_255_among_them_is_void() -> None:
    mask = two_objects()
    check(png(Image.fromarray(mask)), mask)
    mask[0] = VOID_ID
    check(png(Image.fromarray(mask)), mask)


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_black_and_white_of_any_depth_is_one_object(depth: int) -> None:
    binary = (two_objects() > 0).astype(np.uint16)
    check(raw_png(binary * (2**depth - 1), depth), binary.astype(np.uint8))


@pytest.mark.parametrize("depth", [2, 4, 8, 16])
def test_grey_ids_of_any_depth(depth: int) -> None:
    mask = np.where(two_objects() == 3, 2, two_objects()).astype(np.uint8)
    check(raw_png(mask, depth), mask)


def test_8_bit_black_and_white_stored_in_16_bits() -> None:
    binary = (two_objects() > 0).astype(np.uint8)
    check(raw_png(binary * 255, 16), binary)


def test_a_white_image_is_one_object_and_a_black_one_none() -> None:
    check(png(Image.new("L", (30, 20), 255)), np.ones((20, 30), np.uint8))
    check(png(Image.new("L", (30, 20), 0)), np.zeros((20, 30), np.uint8))
    check(png(Image.new("1", (30, 20), 1)), np.ones((20, 30), np.uint8))


def test_a_grey_picture_saved_with_a_grey_palette_is_grey() -> None:
    binary = (two_objects() > 0).astype(np.uint8)
    data = png(Image.fromarray(binary * 255).convert("P"))
    assert Image.open(io.BytesIO(data)).mode == "P"
    check(data, binary)


@pytest.mark.parametrize("alpha", [False, True])
def test_painted_palette_colours_are_ids(alpha: bool) -> None:
    mask = two_objects()
    mask[0] = VOID_ID
    colours = palette()[mask]
    if alpha:
        colours = np.dstack([colours, np.full(mask.shape, 255, np.uint8)])
    check(png(Image.fromarray(colours)), mask)


def test_painted_objects_on_a_transparent_ground() -> None:
    mask = two_objects()
    colours = np.dstack([palette()[mask], np.where(mask, 255, 0).astype(np.uint8)])
    colours[mask == 0, :3] = (255, 255, 255)  # what is not seen does not matter
    check(png(Image.fromarray(colours)), mask)


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (12, 200, 90)])
def test_one_colour_with_alpha_is_a_binary_mask(colour: tuple[int, int, int]) -> None:
    alpha = disc()
    picture = np.dstack([np.broadcast_to(np.array(colour, np.uint8), (*alpha.shape, 3)), alpha])
    check(png(Image.fromarray(picture)), (alpha >= 128).astype(np.uint8))


def test_an_untouched_drawing_layer_is_empty() -> None:
    check(png(Image.new("RGBA", (30, 20), (0, 0, 0, 0))), np.zeros((20, 30), np.uint8))


def test_grey_with_alpha() -> None:
    mask = two_objects()
    opaque = np.dstack([mask, np.full(mask.shape, 255, np.uint8)])
    check(png(Image.fromarray(opaque, "LA")), mask)
    opaque[..., 0] = np.where(mask == 1, 64, 0)  # as a painted colour, this grey would be object 56
    check(png(Image.fromarray(opaque, "LA")), np.where(mask == 1, 64, 0).astype(np.uint8))
    drawn = np.dstack([np.full(mask.shape, 80, np.uint8), np.where(mask, 255, 0).astype(np.uint8)])
    check(png(Image.fromarray(drawn, "LA")), (mask > 0).astype(np.uint8))


def test_grey_saved_as_colour() -> None:
    binary = (two_objects() > 0).astype(np.uint8)
    check(png(Image.fromarray(np.dstack([binary * 255] * 3))), binary)
    check(png(Image.fromarray(np.dstack([two_objects()] * 3))), two_objects())


def test_all_254_ids() -> None:
    mask = np.kron(np.arange(256, dtype=np.uint8).reshape(16, 16), np.ones((4, 4), np.uint8))
    check(png(Image.fromarray(mask)), mask)
    check(encode_mask(mask), mask)
    assert object_ids(mask) == tuple(range(1, 255))


def test_a_file_is_read_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    path.write_bytes(png(Image.fromarray(two_objects())))
    assert np.array_equal(read_mask(path), two_objects())
    assert np.array_equal(read_mask(str(path)), two_objects())


# What is refused


def test_ids_above_255() -> None:
    samples = two_objects().astype(np.uint16)
    samples[4, 7] = 300
    refused(raw_png(samples, 16), "holds id 300 at row 4, column 7; expected 1 to 254")


@pytest.mark.parametrize("colour_type", [2, 4, 6])
def test_16_bit_colours_whose_low_bytes_would_be_lost(colour_type: int) -> None:
    channels = {2: 3, 4: 2, 6: 4}[colour_type]
    refused(raw_png(np.dstack([two_objects()] * channels), 16, colour_type), "16-bit colours; expected 8 bits")


def test_other_colours_are_named_with_count_and_place() -> None:
    colours = palette()[two_objects()]
    colours[6:9, 20] = (250, 10, 20)
    colours[19, 29] = (1, 2, 3)
    refused(
        png(Image.fromarray(colours)),
        r"colour \(250, 10, 20\) at 3 pixels, the first at row 6, column 20, .*2 of its 5 colours are not of the DAVIS",
    )


def test_photos() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    refused(png(Image.fromarray(noise)), "of its 1600 colours are not of the DAVIS palette")


def test_several_colours_with_soft_edges() -> None:
    mask = two_objects()
    colours = np.dstack([palette()[mask], np.where(mask, 255, 0).astype(np.uint8)])
    colours[2, 3, 3] = 100
    refused(png(Image.fromarray(colours)), "several colours and half-transparent pixels")


@pytest.mark.parametrize("kind", ["L", "P", "RGB"])
def test_smoothed_masks(kind: str) -> None:
    picture = Image.fromarray(disc())
    refused(png(picture.convert(kind)), "only scattered pixels and thin lines .*nearest-neighbour")


@pytest.mark.parametrize("quality", [50, 80, 95])
@pytest.mark.parametrize("ids", [(255, 255), (100, 200)])
def test_masks_that_were_jpegs(quality: int, ids: tuple[int, int]) -> None:
    mask = np.zeros((120, 160), np.uint8)
    cv2.circle(mask, (40, 60), 30, ids[0], -1)
    mask[30:90, 90:150] = ids[1]
    buffer = io.BytesIO()
    Image.fromarray(mask).save(buffer, "JPEG", quality=quality)
    refused(png(Image.open(buffer)), "only scattered pixels and thin lines")


def test_palette_masks_resized_with_interpolation() -> None:
    mask = np.zeros((30, 40), np.uint8)
    mask[5:25, 5:35] = 200
    resized = Image.fromarray(cv2.resize(mask, None, fx=4.3, fy=4.3, interpolation=cv2.INTER_CUBIC))
    resized.putpalette(palette().tobytes())
    refused(png(resized), "it was smoothed")


def test_a_few_tiny_objects_are_not_taken_for_smooth_rims() -> None:
    mask = np.zeros((40, 40), np.uint8)
    for n in range(7):
        mask[5, 5 * n] = n + 1
    check(encode_mask(mask), mask)
    mask[20:, :20], mask[20:, 20:] = 50, 60  # nine ids, seven of them tiny
    check(encode_mask(mask), mask)


def test_many_tiny_objects_side_by_side_are_objects() -> None:
    mask = np.zeros((40, 60), np.uint8)
    for n in range(20):
        mask[5 + 12 * (n % 3) : 7 + 12 * (n % 3), 3 * n : 3 * n + 2] = 10 * n + 1
    check(encode_mask(mask), mask)
    mask[30:, :] = 250  # they lie before something large
    check(encode_mask(mask), mask)


def test_many_large_objects_with_some_tiny_ones() -> None:
    mask = np.kron(np.arange(20, dtype=np.uint8).reshape(4, 5), np.ones((10, 10), np.uint8))
    mask[0, :9] = np.arange(100, 109)
    check(encode_mask(mask), mask)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "BMP", "GIF", "TIFF"])
def test_other_image_formats_are_refused_by_name(kind: str) -> None:
    buffer = io.BytesIO()
    Image.fromarray(two_objects()).save(buffer, kind)
    name = {"WEBP": "WebP"}.get(kind, kind)
    loss = ", whose compression changes ids" if kind in ("JPEG", "WEBP") else ""
    refused(buffer.getvalue(), f"is a {name} file{loss}; expected a PNG")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is an empty file"),
        (b"hello", "is no image; expected a PNG"),
        (b"\x89PNG\r\n\x1a\n", "damaged: its header is not complete"),
        (encode_mask(two_objects())[:60], r"is damaged \((?!.*BytesIO)"),
        (encode_mask(two_objects())[:-40], "is damaged"),
        (encode_mask(two_objects()).replace(b"IHDR", b"IHXX"), "damaged: its header"),
    ],
)
def test_damaged_files(data: bytes, message: str) -> None:
    refused(data, message)


def test_a_flipped_bit_in_the_pixels_is_noticed() -> None:
    data = bytearray(encode_mask(two_objects()))
    data[data.index(b"IDAT") + 8] ^= 0x55
    refused(bytes(data), "is damaged")


def test_sizes_that_a_few_bytes_claim() -> None:
    data = bytearray(encode_mask(two_objects()))
    data[16:24] = struct.pack(">II", 60_000, 50_000)
    refused(bytes(data), "says it is 60000x50000")
    data[16:24] = struct.pack(">II", 0, 20)
    refused(bytes(data), "says it is 0x20; expected 1 to")


def test_animations() -> None:
    frames = [Image.fromarray(two_objects()), Image.fromarray(np.roll(two_objects(), 1, axis=1))]
    buffer = io.BytesIO()
    frames[0].save(buffer, "PNG", save_all=True, append_images=frames[1:])
    refused(buffer.getvalue(), r"is animated \(2 frames\)")


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"cannot read .*none\.png: No such file"):
        read_mask(tmp_path / "none.png")
    with pytest.raises(InputError, match=r"is not a plain file"):
        read_mask(tmp_path)
    monkeypatch.setattr(masks, "MAX_BYTES", 10)
    (tmp_path / "large.png").write_bytes(encode_mask(two_objects()))
    with pytest.raises(InputError, match=r"large\.png is larger than"):
        read_mask(tmp_path / "large.png")


# What is written


def test_masks_are_written_as_davis_has_them(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "00000.png"
    mask = two_objects()
    mask[0] = VOID_ID
    write_mask(path, mask)
    with Image.open(path) as picture:
        assert (picture.format, picture.mode, picture.size) == ("PNG", "P", (30, 20))
        assert picture.getpalette() == palette().ravel().tolist()
        assert np.array_equal(np.array(picture), mask)
    assert path.read_bytes() == encode_mask(mask) == encode_mask(np.asfortranarray(mask))
    assert [p.name for p in path.parent.iterdir()] == ["00000.png"]


@pytest.mark.parametrize(
    "mask", [np.zeros((2, 3), int), np.zeros((2, 3, 1), np.uint8), np.zeros((0, 3), np.uint8), np.zeros((2, 3), bool)]
)
def test_what_is_no_mask_is_not_written(mask: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be written; expected uint8 \[H, W\]"):
        write_mask(tmp_path / "mask.png", mask)
    assert not list(tmp_path.iterdir())


# Ids and planes


def test_planes_leave_void_out() -> None:
    mask = np.array([[0, 1, 255], [3, 3, 0]], np.uint8)
    assert object_ids(mask) == (1, 3)
    assert void_mask(mask).tolist() == [[False, False, True], [False, False, False]]
    planes = to_one_hot(mask, (3, 2, 1))
    assert planes.dtype == bool
    assert planes.astype(int).tolist() == [
        [[0, 0, 0], [1, 1, 0]],
        [[0, 0, 0], [0, 0, 0]],
        [[0, 1, 0], [0, 0, 0]],
    ]
    assert to_one_hot(mask, ()).shape == (0, 2, 3)


def test_sizes_are_compared() -> None:
    require_size(two_objects(), 20, 30, "first.png")
    with pytest.raises(InputError, match=r"first\.png is 30x20 pixels but its image is 854x480"):
        require_size(two_objects(), 480, 854, "first.png")
    with pytest.raises(InputError, match="3x30x20"):
        require_size(np.zeros((20, 30, 3), np.uint8), 20, 30, "first.png")


def test_objects_can_be_required() -> None:
    require_objects(two_objects(), "first.png")
    for fill in (0, VOID_ID):
        with pytest.raises(InputError, match=r"first\.png shows no object"):
            require_objects(np.full((2, 2), fill, np.uint8), "first.png")


@pytest.mark.shared_data
def test_real_annotations_are_read(shared_data: Path) -> None:
    binary = read_mask(next(iter(sorted((shared_data / "data/davis16val/Annotations/480p/libby").iterdir()))))
    assert (binary.shape, object_ids(binary)) == ((480, 854), (1,))
    girls = read_mask(next(iter(sorted((shared_data / "data/train_video/Annotations/schoolgirls").iterdir()))))
    assert object_ids(girls) == (1, 2, 3, 4, 5, 6, 7)
