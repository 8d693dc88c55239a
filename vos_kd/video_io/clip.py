"""What a clip is, whatever it is stored in: facts known before the first frame, limits, and frames one at a time."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from vos_kd.errors import InputError

Image = NDArray[np.uint8]
"""RGB uint8 `[H, W, 3]`."""

MAX_FPS = 240.0
"""Above it a rate is a broken header, such as a time base taken for a rate, and no camera's."""


@dataclass(frozen=True)
class ClipLimits:
    """What a clip may cost at most. Clips come from outside: a header of 40 bytes can ask for gigabytes."""

    max_side: int = 8192
    """Pixels of width or height; browsers and phones play no more."""
    max_pixels: int = 8192 * 4320
    """Pixels of a frame: 8K."""
    max_frames: int | None = None
    max_members: int = 50_000
    """Entries of a folder or zip, images or not."""
    max_image_bytes: int = 256 * 2**20
    """Bytes of one image file: what an 8K bitmap needs, and some more."""
    max_unpacked_bytes: int = 8 * 2**30
    """Bytes of all that a zip holds, unpacked."""
    max_ratio: float = 200.0
    """Unpacked to packed bytes of a zip member above 1 MiB. Images hardly shrink; bombs reach 1000."""


@dataclass(frozen=True)
class ClipInfo:
    """What is known of a clip before its frames are read."""

    width: int
    """Pixels, upright: after rotation."""
    height: int
    fps: float
    """Frames a second, above 0 and at most 240; a video of varying rate has its average here."""
    frame_count: int | None
    """As the file announces it: fewer may decode. None where it announces none (webm, mkv)."""
    source: Literal["video", "folder", "zip"]
    frame_names: tuple[str, ...] | None
    """Of images: their file names without folder and suffix, all different, in the order of the frames."""


class Clip(ABC):
    """Frames of a video, a folder or a zip of images, upright RGB, one at a time.

    A context manager, to be read as often as one likes: each call of `frames` begins anew with its own decoder, which
    is closed when the iterator ends or is closed. Where a clip is damaged its frames end early, and `warnings` says so.

    Attributes:
        info: what is known beforehand.
        warnings: filled while frames are read: how many were decoded of how many announced, and why no more.
    """

    def __init__(self, path: Path, info: ClipInfo, limits: ClipLimits) -> None:
        self.path = path
        self.info = info
        self.warnings: list[str] = []
        self._limits = limits
        if info.frame_count is not None:
            self._check_count(info.frame_count)

    def frames(self, start: int = 0, end: int | None = None, every: int = 1) -> Iterator[tuple[int, Image]]:
        """Give frames `start`, `start + every`, ... before `end`.

        Frames are counted as they decode, never by time stamps, so that a frame has one index however it is asked for.

        Args:
            start: first frame, from 0.
            end: the frame to stop before; None is the clip's end. It may lie behind that.
            every: 1 for each frame, 2 for every other one.

        Yields:
            Index within the clip, and the frame: upright, RGB uint8 `[H, W, 3]`, alpha laid over black.

        Raises:
            InputError: bad arguments (at the call); and, at the frame where it shows, no frame at `start`, another
                frame size, too many frames.
        """
        if start < 0 or every < 1 or (end is not None and end <= start):
            raise InputError(
                f"{self.path}: cannot take frames from {start} to {end} in steps of {every}; "
                "expected a start of at least 0, an end behind it, and a step of at least 1."
            )
        return self._frames(start, end, every)

    def __iter__(self) -> Iterator[Image]:
        return (image for _, image in self.frames())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Let go of the file; needless after a `with` block."""

    @abstractmethod
    def _decode(self, start: int, end: int | None, every: int) -> Iterator[tuple[int, Image]]:
        """Give the frames that `frames` promises, of any number; arguments are sound."""

    def _frames(self, start: int, end: int | None, every: int) -> Iterator[tuple[int, Image]]:
        is_empty = True
        for index, image in self._decode(start, end, every):
            is_empty = False
            yield index, image
        if is_empty:
            count = self.info.frame_count
            has = "" if count is None else f" It announces {count} frames."
            raise InputError(f"{self.path} has no frame {start}, counted from 0.{has} " + " ".join(self.warnings))

    def _warn(self, message: str) -> None:
        if message not in self.warnings:
            self.warnings.append(message)

    def _check_count(self, count: int) -> None:
        most = self._limits.max_frames
        if most is not None and count > most:
            raise InputError(f"{self.path} has {count} frames or more; expected at most {most}. Cut the clip.")

    def _check_same_size(self, frame: str, width: int, height: int) -> None:
        if (width, height) != (self.info.width, self.info.height):
            raise InputError(
                f"{self.path}: {frame} is {width}x{height}, but those before it are "
                f"{self.info.width}x{self.info.height}. Cut the clip there, or scale all frames to one size."
            )


def check_size(name: str, width: int, height: int, limits: ClipLimits) -> None:
    """Refuse a frame that is too large, before its pixels are decoded.

    Raises:
        InputError: a side or the number of pixels is above its limit, or there are none.
    """
    if width < 1 or height < 1:
        raise InputError(f"{name} is {width}x{height} pixels; expected at least 1x1.")
    if max(width, height) > limits.max_side or width * height > limits.max_pixels:
        raise InputError(
            f"{name} is {width}x{height} = {width * height:,} pixels; expected sides of at most {limits.max_side} "
            f"and at most {limits.max_pixels:,} pixels. Scale it down."
        )


def check_fps(name: str, fps: float) -> float:
    """Give `fps` back if frames can be shown at that rate.

    Raises:
        InputError: it is 0 or less, above 240, infinite or not a number.
    """
    if not (math.isfinite(fps) and 0 < fps <= MAX_FPS):
        raise InputError(
            f"{name}: {fps:g} frames a second; expected above 0 and at most {MAX_FPS:g}. "
            "Give the right rate, or store the clip anew."
        )
    return fps
