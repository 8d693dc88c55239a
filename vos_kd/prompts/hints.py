"""What the prompts of a frame say of each object, put together: what every segmenter works from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from vos_kd.data.masks import require_size
from vos_kd.errors import InputError
from vos_kd.prompts.kinds import Box, Click, MaskPrompt, Prompt, Scribble, prompted_ids

UNKNOWN, FOREGROUND, BACKGROUND = 0, 1, 2

_CLICK_RADIUS = 0.006
"""Of the short side: how much around a click is as sure as the pixel itself."""


@dataclass
class Hints:
    """What is known of one object in one frame."""

    sure: np.ndarray
    """uint8 `[H, W]` of UNKNOWN, FOREGROUND and BACKGROUND: what was painted or clicked, for this object or another."""
    box: tuple[int, int, int, int] | None = None
    """Left, top, right, bottom within the image; the last one drawn."""
    clicks: tuple[tuple[int, int, bool], ...] = ()
    """x, y and whether the object is there, oldest first."""
    base: np.ndarray | None = None
    """bool `[H, W]`: a mask that was handed over and that the rest corrects."""

    @property
    def is_corrected(self) -> bool:
        """Whether anything but a mask was said of the object itself."""
        return self.box is not None or bool(self.clicks) or self.is_painted

    is_painted: bool = False
    """Whether there is a scribble, or an eraser's stroke, for this object."""


def gather(height: int, width: int, prompts: Sequence[Prompt]) -> dict[int, Hints]:
    """Sort prompts by object, in the order in which each object was spoken of last.

    Args:
        height: of the image.
        width: of the image.
        prompts: of one frame, oldest first.

    Raises:
        InputError: a prompt lies outside the image, or a mask has another size.
    """
    spoken_of = [prompted_ids(prompt) for prompt in prompts]
    found = {i: Hints(np.zeros((height, width), np.uint8)) for ids in spoken_of for i in ids}
    for prompt, ids in zip(prompts, spoken_of, strict=True):
        for i in ids:
            found[i] = found.pop(i)  # to the end
        match prompt:
            case MaskPrompt():
                mask = prompt.mask.unpack()
                require_size(mask, height, width, "prompt")
                for i in ids:
                    found[i] = Hints(np.zeros((height, width), np.uint8), base=mask == i)
            case Box():
                found[prompt.object_id].box = _within(prompt, height, width)
            case Click():
                if not (0 <= prompt.x < width and 0 <= prompt.y < height):
                    raise InputError(
                        f"the click at ({prompt.x}, {prompt.y}) lies outside the frame; expected x from 0 to "
                        f"{width - 1} and y from 0 to {height - 1}."
                    )
                found[prompt.object_id].clicks += ((prompt.x, prompt.y, prompt.is_foreground),)
                disk = np.zeros((height, width), np.uint8)
                radius = max(1, round(_CLICK_RADIUS * min(height, width)))
                cv2.circle(disk, (prompt.x, prompt.y), radius, 1, -1)
                _mark(found, prompt.object_id, disk > 0, prompt.is_foreground)
            case Scribble():
                painted = prompt.mask.unpack()
                require_size(painted, height, width, "that was painted")
                found[prompt.object_id].is_painted = True
                _mark(found, prompt.object_id, painted > 0, prompt.is_foreground)
    return found


def _within(box: Box, height: int, width: int) -> tuple[int, int, int, int]:
    left, top, right, bottom = box.bounds
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    if right - left < 2 or bottom - top < 2:
        raise InputError(
            f"the box from ({box.x0}, {box.y0}) to ({box.x1}, {box.y1}) lies outside the frame of {width}x{height}."
        )
    return left, top, right, bottom


def _mark(found: dict[int, Hints], object_id: int, where: np.ndarray, is_foreground: bool) -> None:
    """Note what is sure; what shows one object shows no other."""
    found[object_id].sure[where] = FOREGROUND if is_foreground else BACKGROUND
    if is_foreground:
        for other, hints in found.items():
            if other != object_id:
                hints.sure[where] = BACKGROUND
