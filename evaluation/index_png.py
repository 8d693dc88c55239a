"""Truth and predictions are index PNGs: the samples are the object ids. Read strictly, and fast.

A prediction that has to be guessed at is no result, so what is not an index PNG is refused rather than converted.
Checksums of all parts are verified (Pillow does not, and gives wrong masks for some damaged files), so a mask
is either as it was written or an error. OpenCV decodes faster than Pillow but turns palettes into colours; it is given
the file with its palette taken off, that is as a grey image of the same samples.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import cast

import cv2
import numpy as np

from evaluation.errors import ProtocolError
from evaluation.jf import Mask

MAX_PIXELS = 2**26
"""Largest image that is decoded, 8192x8192; a file may claim any size in a few bytes."""
MAX_BYTES = 2**24
"""Largest file that is read; a mask of 4K with a hundred objects stays below 1 MiB."""
HEADER_BYTES = 33
"""Signature and header; `image_size` needs no more."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _PALETTE = 0, 3
_COLOURS = {2: "an RGB image", 4: "a grey image with alpha", 6: "an RGBA image"}
_ADVICE = "Save it as palette or grey PNG of 8 bits whose samples are the object ids: 0 background, 1, 2, ... objects."
_AGAIN = "Write or download it again."
# OpenCV stretches samples of fewer bits to 0-255.
_STRETCH = {1: 255, 2: 85, 4: 17, 8: 1}


def decode_ids(data: bytes, name: str, size: tuple[int, int] | None = None, *, accepts_grey_rgb: bool = False) -> Mask:
    """Decode an index PNG.

    Args:
        data: content of the file.
        name: what it is, for messages: whose mask, sequence and frame.
        size: height and width it must have.
        accepts_grey_rgb: whether an RGB or RGBA image of equal red, green and blue is read as its grey samples, as in
            some masks of DAVIS-2016. For truth only.

    Returns:
        uint8 `[H, W]`, the samples as stored.

    Raises:
        ProtocolError: not a PNG, damaged, in colour, of 16 bits, or of another size.
    """
    height, width, depth, colour_type = _header(data, name)
    if size is not None and (height, width) != size:
        raise ProtocolError(
            f"{name} is {width}x{height}; expected {size[1]}x{size[0]}, the size of the first true mask. "
            "Scale masks with nearest-neighbour, so that no new ids appear."
        )
    if depth == 16:
        raise ProtocolError(f"{name} has 16-bit samples; expected 8 bits. {_ADVICE}")
    if colour_type in _COLOURS:
        return _grey_of_rgb(data, name, _COLOURS[colour_type], accepts_grey_rgb)
    if colour_type not in (_GREY, _PALETTE) or depth not in _STRETCH:
        raise ProtocolError(f"{name} has an impossible header. {_AGAIN}")
    header = data[16:25] + bytes([_GREY]) + data[26:29]
    samples = _decode(b"".join([_SIGNATURE, _part(b"IHDR", header), *_pixel_parts(data, name)]), name)
    return samples if depth == 8 else samples // np.uint8(_STRETCH[depth])


def image_size(data: bytes, name: str) -> tuple[int, int]:
    """Height and width of a PNG, from its first `HEADER_BYTES`.

    Raises:
        ProtocolError: not a PNG, or its header is damaged.
    """
    return _header(data, name)[:2]


def present_ids(mask: Mask) -> tuple[int, ...]:
    """The ids in a mask, ascending, 0 and 255 among them.

    >>> present_ids(np.uint8([[3, 0], [3, 255]]))
    (0, 3, 255)
    """
    histogram = cv2.calcHist([mask], [0], None, [256], [0, 256])
    return tuple(np.flatnonzero(histogram).tolist())


def _header(data: bytes, name: str) -> tuple[int, int, int, int]:
    """Height, width, bits for each sample and colour type."""
    if not data:
        raise ProtocolError(f"{name} is an empty file. {_AGAIN}")
    if not data.startswith(_SIGNATURE):
        raise ProtocolError(f"{name} is not a PNG. {_ADVICE}")
    if len(data) < HEADER_BYTES or data[12:16] != b"IHDR":
        raise ProtocolError(f"{name} is damaged: its header is not complete. {_AGAIN}")
    width, height, depth, colour_type = struct.unpack(">IIBB", data[16:26])
    if not 0 < width * height <= MAX_PIXELS:
        raise ProtocolError(f"{name} says it is {width}x{height}; expected 1 to {MAX_PIXELS} pixels. {_AGAIN}")
    return height, width, depth, colour_type


def _pixel_parts(data: bytes, name: str) -> Iterator[bytes]:
    """The parts with pixels and the end mark, all parts before it verified."""
    position = len(_SIGNATURE)
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4])
        kind = data[position + 4 : position + 8]
        end = position + 12 + length
        if end > len(data):
            break
        if zlib.crc32(data[position + 4 : end - 4]) != int.from_bytes(data[end - 4 : end]):
            raise ProtocolError(f"{name} is damaged: a checksum at byte {position} does not agree. {_AGAIN}")
        if kind in (b"IDAT", b"IEND"):
            yield data[position:end]
        if kind == b"IEND":
            return
        position = end
    raise ProtocolError(f"{name} is damaged: it ends after {len(data)} bytes, in the middle. {_AGAIN}")


def _part(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def _decode(data: bytes, name: str) -> Mask:
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise ProtocolError(f"{name} is damaged: its pixels cannot be decoded. {_AGAIN}")
    return cast("Mask", pixels)


def _grey_of_rgb(data: bytes, name: str, kind: str, accepts_grey: bool) -> Mask:
    if accepts_grey:
        list(_pixel_parts(data, name))  # for its checksums
        pixels = _decode(data, name)
        blue, green, red = (pixels[..., n] for n in range(3))
        if np.array_equal(blue, green) and np.array_equal(blue, red):
            return np.ascontiguousarray(blue)
    raise ProtocolError(f"{name} is {kind}, whose colours are not object ids. {_ADVICE}")
