"""What a person can say about an object in one frame: a box, clicks, scribbles, or its mask."""

from __future__ import annotations

import operator
import zlib
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from vos_kd.data.masks import MAX_PIXELS, VOID_ID, object_ids
from vos_kd.errors import InputError

MAX_COORDINATE = 2**16
"""Of a pixel; no frame that is read is as large."""


@dataclass(frozen=True)
class PackedMask:
    """A mask made small: a few kB at 480p, equal masks compare equal, and nobody can write to it."""

    height: int
    width: int
    data: bytes
    """zlib of the pixels, uint8, row by row."""

    @classmethod
    def pack(cls, mask: np.ndarray) -> Self:
        """Pack a mask.

        Args:
            mask: `[H, W]` of object ids as uint8, or bool.

        Raises:
            InputError: another shape or dtype.
        """
        if mask.ndim != 2 or not mask.size or mask.dtype not in (np.uint8, np.bool_):
            raise InputError(f"a mask of {mask.dtype} {mask.shape} was given; expected uint8 or bool [H, W].")
        height, width = mask.shape
        return cls(height, width, zlib.compress(np.ascontiguousarray(mask).tobytes(), 1))

    def unpack(self) -> np.ndarray:
        """The mask as uint8 `[H, W]`, a new array.

        Raises:
            InputError: the data are damaged, or not of that size; they may come from anywhere.
        """
        expected = self.height * self.width
        if not 0 < expected <= MAX_PIXELS or min(self.height, self.width) < 1:
            raise InputError(f"a mask says it is {self.width}x{self.height}; expected 1 to {MAX_PIXELS} pixels.")
        unpacker = zlib.decompressobj()
        try:
            pixels = unpacker.decompress(self.data, expected + 1)
        except zlib.error as error:
            raise InputError(f"a packed mask is damaged: {error}. Draw it again.") from error
        if len(pixels) != expected:
            size = f"{self.width}x{self.height}"
            raise InputError(f"a packed mask of {size} holds another number of pixels. Draw it again.")
        return np.frombuffer(pixels, np.uint8).reshape(self.height, self.width).copy()


@dataclass(frozen=True)
class Box:
    """A rectangle around an object by two opposite corners, any two; the pixels of both belong to it."""

    object_id: int
    frame: int
    x0: int
    y0: int
    x1: int
    y1: int

    def __post_init__(self) -> None:
        _check_target(self)
        _check_coordinates(self, "x0", "y0", "x1", "y1")
        if self.x0 == self.x1 or self.y0 == self.y1:
            raise InputError(
                f"the box from ({self.x0}, {self.y0}) to ({self.x1}, {self.y1}) has no area; "
                "expected two opposite corners."
            )

    @property
    def bounds(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom; right and bottom are behind the last pixel."""
        left, right = sorted((self.x0, self.x1))
        top, bottom = sorted((self.y0, self.y1))
        return left, top, right + 1, bottom + 1


@dataclass(frozen=True)
class Click:
    """A pixel that shows the object, or that does not."""

    object_id: int
    frame: int
    x: int
    y: int
    is_foreground: bool

    def __post_init__(self) -> None:
        _check_target(self)
        _check_coordinates(self, "x", "y")
        _check_flag(self)


@dataclass(frozen=True)
class Scribble:
    """Pixels painted as the object's, or, with the eraser, as not the object's; none of them is doubted."""

    object_id: int
    frame: int
    mask: PackedMask
    """Not 0 where painted."""
    is_foreground: bool

    def __post_init__(self) -> None:
        _check_target(self)
        _check_flag(self)
        if not self.mask.unpack().any():
            raise InputError("the scribble is empty; paint over the object.")


@dataclass(frozen=True)
class MaskPrompt:
    """A mask as handed over: it says of each object it shows where that is, whatever was said before."""

    frame: int
    mask: PackedMask
    """Object ids; void is taken for background."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "frame", _index(self.frame, "frame", 0, 2**31))
        if not object_ids(self.mask.unpack()):
            raise InputError("the mask shows no object; expected object ids from 1 to 254, or white on black.")


Prompt = Box | Click | Scribble | MaskPrompt


def prompted_ids(prompt: Prompt) -> tuple[int, ...]:
    """The objects that a prompt speaks of."""
    return object_ids(prompt.mask.unpack()) if isinstance(prompt, MaskPrompt) else (prompt.object_id,)


def _check_target(prompt: Any) -> None:
    object.__setattr__(prompt, "object_id", _index(prompt.object_id, "object id", 1, VOID_ID - 1))
    object.__setattr__(prompt, "frame", _index(prompt.frame, "frame", 0, 2**31))


def _check_coordinates(prompt: Any, *names: str) -> None:
    for name in names:
        object.__setattr__(prompt, name, _index(getattr(prompt, name), name, -MAX_COORDINATE, MAX_COORDINATE))


def _check_flag(prompt: Any) -> None:
    if not isinstance(prompt.is_foreground, bool):
        raise InputError(f"is_foreground is {prompt.is_foreground!r}; expected true or false.")


def _index(value: object, name: str, least: int, most: int) -> int:
    """A whole number, also of numpy's kinds."""
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or not least <= number <= most:
        raise InputError(f"a prompt's {name} is {str(value)[:40]!r}; expected a whole number from {least} to {most}.")
    return number
