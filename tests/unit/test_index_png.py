"""Index PNGs: read as stored, or refused."""

from __future__ import annotations

import io
import zlib

import numpy as np
import pytest
from PIL import Image

from evaluation.errors import ProtocolError
from evaluation.index_png import MAX_PIXELS, decode_ids, image_size, present_ids

MASK = np.kron(np.array([[0, 1, 2], [3, 0, 1]], np.uint8), np.ones((9, 7), np.uint8))
NAME = "the prediction of sequence 'bear', frame '00001'"


def png(mask: np.ndarray, mode: str = "L", **options: object) -> bytes:
    image = Image.fromarray(mask)
    if mode == "P":
        image.putpalette(bytes(range(255, -1, -1)) * 3)
    buffer = io.BytesIO()
    (image if mode in ("L", "P") else image.convert(mode)).save(buffer, "PNG", **options)
    return buffer.getvalue()


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("mode", ["L", "P"])
def test_samples_are_read_as_pillow_reads_them(mode: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 90, 2)
    mask = rng.integers(0, 256, (height, width), np.uint8) if seed % 2 else np.full((height, width), 7 * seed, np.uint8)
    data = png(mask, mode)
    assert np.array_equal(decode_ids(data, NAME), np.asarray(Image.open(io.BytesIO(data))))
    assert np.array_equal(decode_ids(data, NAME), mask)
    assert image_size(data[:33], NAME) == (height, width)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palettes_of_few_bits(bits: int) -> None:
    mask = MASK & np.uint8(2**bits - 1)
    data = png(mask, "P", bits=bits)
    assert data[24] == bits
    assert np.array_equal(decode_ids(data, NAME), mask)


def test_black_and_white_of_one_bit_is_0_and_1() -> None:
    buffer = io.BytesIO()
    Image.fromarray(MASK > 0).save(buffer, "PNG")
    assert buffer.getvalue()[24] == 1
    assert np.array_equal(decode_ids(buffer.getvalue(), NAME), (MASK > 0).astype(np.uint8))


def test_transparency_and_text_change_nothing() -> None:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("comment", "made by hand")
    assert np.array_equal(decode_ids(png(MASK, "P", transparency=0, pnginfo=info), NAME), MASK)


@pytest.mark.parametrize(
    ("mode", "kind"), [("RGB", "an RGB image"), ("RGBA", "an RGBA image"), ("LA", "a grey image with alpha")]
)
def test_colours_are_refused(mode: str, kind: str) -> None:
    with pytest.raises(ProtocolError, match=f"{NAME} is {kind}, whose colours are not object ids. Save it as palette"):
        decode_ids(png(MASK * 60, mode), NAME)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_grey_rgb_is_read_where_it_is_allowed(mode: str) -> None:
    mask = (MASK > 0).astype(np.uint8) * 255
    assert np.array_equal(decode_ids(png(mask, mode), NAME, accepts_grey_rgb=True), mask)


def test_coloured_rgb_is_refused_everywhere() -> None:
    colours = np.dstack([MASK, MASK, MASK[:, ::-1]])
    buffer = io.BytesIO()
    Image.fromarray(colours).save(buffer, "PNG")
    with pytest.raises(ProtocolError, match="is an RGB image"):
        decode_ids(buffer.getvalue(), NAME, accepts_grey_rgb=True)


def test_another_size_is_refused_before_decoding() -> None:
    with pytest.raises(ProtocolError, match=r"is 21x18; expected 20x18, .* nearest-neighbour"):
        decode_ids(png(MASK)[:40], NAME, (18, 20))


def test_sixteen_bits_are_refused() -> None:
    buffer = io.BytesIO()
    Image.fromarray(MASK.astype(np.uint16)).save(buffer, "PNG")
    with pytest.raises(ProtocolError, match="16-bit samples; expected 8 bits"):
        decode_ids(buffer.getvalue(), NAME)


@pytest.mark.parametrize("length", [0, 5, 20, 32, 60, -1, -13, -20])
def test_every_cut_is_noticed(length: int) -> None:
    data = png(np.random.default_rng(0).integers(0, 9, (40, 40), np.uint8))
    with pytest.raises(ProtocolError, match=r"is an empty file|is not a PNG|is damaged"):
        decode_ids(data[:length], NAME)


def test_every_flipped_byte_is_noticed() -> None:
    # Pillow reads some of these, as another mask.
    data = png(MASK)
    for position in range(len(data)):
        broken = bytearray(data)
        broken[position] ^= 0x10
        with pytest.raises(ProtocolError):
            decode_ids(bytes(broken), NAME)


def test_pixels_that_are_no_stream_are_damaged(capfd: pytest.CaptureFixture[str]) -> None:
    data = png(MASK)
    start = data.index(b"IDAT")
    body = b"IDAT" + bytes(20)
    part = (20).to_bytes(4) + body + zlib.crc32(body).to_bytes(4)
    with pytest.raises(ProtocolError, match="its pixels cannot be decoded"):
        decode_ids(data[: start - 4] + part + data[-12:], NAME)


def test_a_claim_of_many_pixels_is_refused() -> None:
    data = bytearray(png(MASK))
    data[16:24] = (2**16).to_bytes(4) * 2
    with pytest.raises(ProtocolError, match=f"says it is 65536x65536; expected 1 to {MAX_PIXELS} pixels"):
        decode_ids(bytes(data), NAME)


def test_present_ids() -> None:
    assert present_ids(MASK) == (0, 1, 2, 3)
    assert present_ids(np.full((2, 2), 255, np.uint8)) == (255,)
