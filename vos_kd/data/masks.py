"""Object masks: `uint8 [H, W]` of object ids, read from any PNG a person may hand over, written as DAVIS writes them.

0 is background, 1 to 254 are objects, 255 is void: pixels of which nobody says what they show. Void belongs to no
object. How a PNG is understood, and what is refused, is told at `decode_mask`.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from vos_kd.errors import InputError
from vos_kd.files import atomic_write, read_limited

VOID_ID = 255
MAX_PIXELS = 2**26
"""Largest image that is decoded, about 8192x8192; a file may claim any size in a few bytes."""
MAX_BYTES = 2**26
"""Largest mask file that is read."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_FOREIGN = {b"\xff\xd8\xff": "JPEG", b"GIF8": "GIF", b"BM": "BMP", b"RIFF": "WebP", b"II*\0": "TIFF", b"MM\0*": "TIFF"}
_PACK = np.array([1 << 16, 1 << 8, 1], np.uint32)  # RGB to one number
# So many ids that fill nothing are no objects but the rims of a smoothed mask, or the ripples of a JPEG.
_MANY_STRAY = 8
_ADVICE = "Save it as a palette or grey PNG with 0 for the background and 1, 2, ... for the objects"
_NEAREST = f"{_ADVICE}, without anti-aliasing, and scale it with nearest-neighbour only."


@cache
def palette() -> np.ndarray:
    """The palette of DAVIS, which is the colour map of PASCAL VOC.

    Bits 0, 1, 2 of an id are the highest bits of red, green and blue, bits 3, 4, 5 the next ones, and so on.

    Returns:
        RGB uint8 `[256, 3]`, not writeable.
    """
    ids = np.arange(256)
    colours = np.zeros((256, 3), np.uint8)
    for level in range(3):
        for channel in range(3):
            colours[:, channel] |= ((ids >> (3 * level + channel) & 1) << (7 - level)).astype(np.uint8)
    colours.flags.writeable = False
    return colours


def read_mask(path: Path | str) -> np.ndarray:
    """Read a mask file; see `decode_mask`.

    Raises:
        InputError: the file cannot be read or is no mask.
    """
    return decode_mask(read_limited(Path(path), MAX_BYTES), str(path))


def decode_mask(data: bytes, name: str) -> np.ndarray:
    """Decode a PNG to object ids.

    - Palette: the indices are the ids; the colours do not matter, unless the palette is the grey ramp: see grey.
    - Grey of any depth: the samples are the ids. Black and white alone (0 with 255, or with the largest sample of the
      depth) is a binary mask: white is object 1, not void.
    - Colour in exact colours of the DAVIS palette: their indices. Equal red, green and blue otherwise: as grey.
    - Transparency: what is fully transparent is background. If all that can be seen has one colour, alpha is the mask:
      object 1 where it is at least half opaque.

    Args:
        data: content of the file.
        name: for messages.

    Returns:
        uint8 `[H, W]`; it may be empty of objects, see `require_objects`.

    Raises:
        InputError: not a PNG, damaged, animated, too large, ids above 255, colours of no object, or smoothed rims.
    """
    colour_type, depth = check_header(data, name)
    mode, pixels = _decode_pixels(data, name)
    if depth == 16 and colour_type:  # 0 is grey; Pillow drops the low bytes of the others
        raise InputError(f"the mask {name} has 16-bit colours; expected 8 bits. {_ADVICE}.")
    if mode in ("LA", "RGBA"):
        pixels = _without_alpha(pixels, name)
    if mode == "P":
        mask = pixels
    elif pixels.ndim == 3:
        mask = _ids_of_colours(pixels, name)
    else:
        # Pillow stretches samples of 2 and 4 bits to 0-255.
        mask = _ids_of_grey(pixels // {2: 85, 4: 17}.get(depth, 1), 2**depth - 1, name)
    _refuse_smooth_rims(mask, name)
    return mask


def encode_mask(mask: np.ndarray) -> bytes:
    """Encode a mask as palette PNG with the DAVIS palette; equal masks give equal bytes.

    Args:
        mask: uint8 `[H, W]`.

    Raises:
        InputError: another dtype or shape.
    """
    if mask.dtype != np.uint8 or mask.ndim != 2 or not mask.size:
        raise InputError(f"a mask of {mask.dtype} {mask.shape} cannot be written; expected uint8 [H, W].")
    picture = Image.fromarray(mask)
    picture.putpalette(palette().tobytes())
    buffer = io.BytesIO()
    # Runs alone, 7 objects at 854x480: 0.8 ms and 6.2 kB; zlib level 1: 0.8 ms, 8.5 kB; level 6: 1.9 ms, 3.7 kB;
    # level 9: 10 ms, 3.3 kB; OpenCV, which writes no palette: 2.7 ms.
    picture.save(buffer, "PNG", compress_type=zlib.Z_RLE)
    return buffer.getvalue()


def write_mask(path: Path, mask: np.ndarray) -> None:
    """Write a mask as palette PNG with the DAVIS palette, whole or not at all.

    Raises:
        InputError: not a uint8 `[H, W]` mask, or the file cannot be written.
    """
    atomic_write(Path(path), encode_mask(mask))


def object_ids(mask: np.ndarray) -> tuple[int, ...]:
    """The ids in a mask, ascending, without background and void.

    >>> object_ids(np.array([[0, 3], [255, 1]], np.uint8))
    (1, 3)
    """
    counts = np.bincount(mask.ravel(), minlength=VOID_ID)
    return tuple(int(i) for i in np.flatnonzero(counts[1:VOID_ID]) + 1)


def void_mask(mask: np.ndarray) -> np.ndarray:
    """Where a mask is void: bool `[H, W]`."""
    return np.asarray(mask == VOID_ID)


def to_one_hot(mask: np.ndarray, object_ids: Sequence[int]) -> np.ndarray:
    """One plane for each object; void belongs to none.

    Args:
        mask: uint8 `[H, W]`.
        object_ids: O ids in the order of the planes; those not in the mask get an empty plane.

    Returns:
        bool `[O, H, W]`.
    """
    return np.asarray(mask[None] == np.asarray(object_ids, np.uint8)[:, None, None])


def require_size(mask: np.ndarray, height: int, width: int, name: str) -> None:
    """Raise `InputError` unless the mask is as large as its image; the text gives both sizes, width first."""
    if mask.shape != (height, width):
        size = "x".join(map(str, mask.shape[::-1]))
        raise InputError(
            f"the mask {name} is {size} pixels but its image is {width}x{height}; expected equal sizes. "
            "Scale the mask with nearest-neighbour, so that no new ids appear."
        )


def require_objects(mask: np.ndarray, name: str) -> None:
    """Raise `InputError` if the mask shows no object."""
    if not object_ids(mask):
        raise InputError(
            f"the mask {name} shows no object: every pixel is background or void. Expected object ids from 1 to "
            f"{VOID_ID - 1}, or white objects on black."
        )


def check_header(data: bytes, name: str) -> tuple[int, int]:
    """Colour type and bits for each sample of a PNG of acceptable size, before anything is decoded.

    Args:
        data: the file.
        name: for messages.

    Raises:
        InputError: it is no PNG, or says that it is too large.
    """
    if not data.startswith(_SIGNATURE):
        kind = next((kind for start, kind in _FOREIGN.items() if data.startswith(start)), None)
        loss = ", whose compression changes ids" if kind in ("JPEG", "WebP") else ""
        found = f"a {kind} file{loss}" if kind else "no image" if data else "an empty file"
        raise InputError(f"the mask {name} is {found}; expected a PNG. {_ADVICE}.")
    if len(data) < 26 or data[12:16] != b"IHDR":
        raise InputError(f"the mask {name} is damaged: its header is not complete. Save or copy it again.")
    width, height, depth, colour_type = struct.unpack(">IIBB", data[16:26])
    if not 0 < width * height <= MAX_PIXELS:
        raise InputError(f"the mask {name} says it is {width}x{height}; expected 1 to {MAX_PIXELS} pixels.")
    return colour_type, depth


def _decode_pixels(data: bytes, name: str) -> tuple[str, np.ndarray]:
    """Pillow's mode and the samples."""
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            mode, pixels, frames = picture.mode, np.array(picture), getattr(picture, "n_frames", 1)
            is_ramp = mode == "P" and picture.getpalette() == [i for i in range(256) for _ in range(3)]
    except (OSError, ValueError, SyntaxError, IndexError, EOFError, struct.error, zlib.error) as error:
        reason = "no readable PNG header" if isinstance(error, UnidentifiedImageError) else error
        raise InputError(f"the mask {name} is damaged ({reason}). Save or copy it again.") from error
    if frames > 1:
        raise InputError(f"the mask {name} is animated ({frames} frames); expected one image. {_ADVICE}.")
    # A grey picture converted to a palette is still one.
    return "L" if is_ramp else mode, pixels


def _ids_of_grey(samples: np.ndarray, white: int, name: str) -> np.ndarray:
    """Ids of grey samples; black and white alone is one object."""
    largest = int(samples.max())
    if largest in (white, VOID_ID) and not np.any((samples > 0) & (samples < largest)):
        return (samples > 0).astype(np.uint8)
    if largest > VOID_ID:
        row, column = np.argwhere(samples > VOID_ID)[0]
        where = f"id {samples[row, column]} at row {row}, column {column}"
        raise InputError(f"the mask {name} holds {where}; expected 1 to {VOID_ID - 1}. Number the objects 1, 2, ...")
    return samples.astype(np.uint8)


def _without_alpha(pixels: np.ndarray, name: str) -> np.ndarray:
    """Grey `[H, W]` or colours `[H, W, 3]` of pixels with alpha; black and white where alpha is the mask."""
    alpha, colours = pixels[..., -1], pixels[..., :-1]
    seen = alpha > 0
    if alpha.min() < 255:
        if not seen.any() or (colours[seen] == colours[seen][0]).all():
            return np.where(alpha >= 128, np.uint8(255), np.uint8(0))
        if np.any(seen & (alpha < 255)):
            raise InputError(f"the mask {name} has several colours and half-transparent pixels. {_NEAREST}")
    flat = np.where(seen[..., None], colours, 0)
    return flat if flat.shape[2] == 3 else flat[..., 0]


def _ids_of_colours(colours: np.ndarray, name: str) -> np.ndarray:
    """Ids of painted pixels `[H, W, 3]`."""
    packed = colours @ _PACK
    found, counts = np.unique(packed, return_counts=True)
    known = palette() @ _PACK
    unknown = ~np.isin(found, known)
    if not unknown.any():
        order = np.argsort(known)
        return order.astype(np.uint8)[np.searchsorted(known, packed, sorter=order)]
    if (colours == colours[..., :1]).all():
        return _ids_of_grey(colours[..., 0], VOID_ID, name)
    most = (counts * unknown).argmax()
    worst = int(found[most])
    row, column = np.argwhere(packed == worst)[0]
    raise InputError(
        f"the mask {name} shows the colour ({worst >> 16}, {worst >> 8 & 255}, {worst & 255}) at {counts[most]} "
        f"pixels, the first at row {row}, column {column}, which names no object; {np.count_nonzero(unknown)} of its "
        f"{len(found)} colours are not of the DAVIS palette (black, then (128, 0, 0) for object 1, (0, 128, 0) "
        f"for 2, ...). {_NEAREST}"
    )


def _refuse_smooth_rims(mask: np.ndarray, name: str) -> None:
    """Refuse anti-aliased masks and those that were JPEGs, whose rims and ripples would become objects.

    Such ids fill no 3x3 pixels, and lie mostly between a lower and a higher neighbour or in many pieces. Tiny objects
    lie on one thing, and are in one piece or two.
    """
    ids = object_ids(mask)
    if len(ids) < _MANY_STRAY:
        return
    square = np.ones((3, 3), np.uint8)
    low, high = cv2.erode(mask, square), cv2.dilate(mask, square)
    solid = set(object_ids(mask[low == high]))
    count, between = np.bincount(mask.ravel()), np.bincount(mask[(low < mask) & (mask < high)], minlength=256)
    stray = [i for i in ids if i not in solid and (2 * between[i] > count[i] or _pieces(mask == i) > 2)]
    if len(stray) >= _MANY_STRAY and 2 * len(stray) >= len(ids):
        shown = f"{len(stray)} are only scattered pixels and thin lines ({', '.join(map(str, stray[:5]))}, ...)"
        raise InputError(f"the mask {name} has {len(ids)} ids, of which {shown}: it was smoothed. {_NEAREST}")


def _pieces(where: np.ndarray) -> int:
    return int(cv2.connectedComponents(where.view(np.uint8))[0]) - 1
