"""Image files as frames: a photo's bytes to upright RGB, and a clip of such photos."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageOps

from vos_kd.errors import InputError
from vos_kd.video_io.clip import Clip, ClipInfo, ClipLimits, Image, check_size

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
# What Pillow's decoders throw at damaged files; it has no class of its own for that.
_DAMAGE = (OSError, SyntaxError, ValueError, TypeError, LookupError, OverflowError, EOFError, struct.error, zlib.error)


class DamagedImageError(InputError):
    """An image file that is no image, or only a part of one."""


class ImageSource(Protocol):
    """Image files in the order of the frames, read one at a time."""

    path: Path
    names: tuple[str, ...]
    """File names, with their folders within a zip."""

    @property
    def kind(self) -> Literal["folder", "zip"]:
        """What they lie in."""

    def read(self, index: int) -> bytes:
        """Read the whole file of frame `index`; DamagedImageError where that fails."""

    def close(self) -> None:
        """Let go of what is open."""


def decode_image(data: bytes, name: str, limits: ClipLimits) -> Image:
    """Decode a JPEG, PNG, WebP or BMP file.

    Args:
        data: the file's bytes.
        name: for error texts.
        limits: checked against the header, before pixels are decoded.

    Returns:
        RGB uint8 `[H, W, 3]`, upright by the EXIF orientation. Grey and palette become RGB, 16 bit become the upper 8,
        what is transparent is laid over black, and of an animation the first picture is taken.

    Raises:
        DamagedImageError: no such image, or cut off.
        InputError: larger than `limits`.
    """
    try:
        with PillowImage.open(BytesIO(data), formats=_FORMATS) as image:
            check_size(name, *image.size, limits)
            ImageOps.exif_transpose(image, in_place=True)
            return _to_rgb(image)
    except (PillowImage.DecompressionBombError, PillowImage.DecompressionBombWarning) as error:
        raise InputError(f"{name} is too large: {error} Scale it down.") from error
    except InputError:
        raise
    except _DAMAGE as error:
        raise DamagedImageError(
            f"{name} cannot be decoded: {error}. Expected a whole jpg, png, webp or bmp file."
        ) from error


def _to_rgb(image: PillowImage.Image) -> Image:
    if image.mode.startswith("I"):  # Pillow clips 16 bit to 255 instead of scaling them
        grey = (np.asarray(image) >> 8).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if image.has_transparency_data:
        black = PillowImage.new("RGBA", image.size, (0, 0, 0, 255))
        image = PillowImage.alpha_composite(black, image.convert("RGBA"))
    return np.array(image.convert("RGB"))


class ImageClip(Clip):
    """A clip of image files; a damaged one after the first ends the clip with a warning."""

    def __init__(self, source: ImageSource, fps: float, limits: ClipLimits) -> None:
        self._source = source
        try:
            height, width, _ = decode_image(source.read(0), f"{source.path}: {source.names[0]}", limits).shape
            count = len(source.names)
            info = ClipInfo(width, height, fps, count, source.kind, _frame_names(source))
            super().__init__(source.path, info, limits)
        except BaseException:
            source.close()
            raise

    def close(self) -> None:
        """Let go of the zip."""
        self._source.close()

    def _decode(self, start: int, end: int | None, every: int) -> Iterator[tuple[int, Image]]:
        count = len(self._source.names)
        for index in range(start, min(count, end or count), every):
            name = f"{self.path}: {self._source.names[index]}"
            try:
                image = decode_image(self._source.read(index), name, self._limits)
            except DamagedImageError as error:
                self._warn(f"the clip ends early, {index} of {count} frames are sound: {error}")
                return
            self._check_same_size(f"frame {index} ({self._source.names[index]})", image.shape[1], image.shape[0])
            yield index, image


def _frame_names(source: ImageSource) -> tuple[str, ...]:
    """File names without folder and suffix; two alike would make one output overwrite the other."""
    by_stem: dict[str, str] = {}
    for name in source.names:
        stem = Path(name).stem
        if stem in by_stem:
            raise InputError(
                f"{source.path}: {by_stem[stem]} and {name} would give outputs of one name, {stem}. "
                "Put one clip in one folder, and name its frames differently."
            )
        by_stem[stem] = name
    return tuple(by_stem)
