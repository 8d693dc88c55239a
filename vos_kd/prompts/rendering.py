"""Prompts to a mask: each object by itself, then all together.

A segmenter turns what is known of one object into its mask; GrabCut is the one that is always there. What was painted
or clicked is never overruled by it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from vos_kd.errors import InputError
from vos_kd.prompts.grabcut import grabcut
from vos_kd.prompts.hints import BACKGROUND, FOREGROUND, Hints, gather
from vos_kd.prompts.kinds import Prompt

Segmenter = Callable[[np.ndarray, Hints], np.ndarray]
"""RGB uint8 `[H, W, 3]` and what is known of an object to its mask, bool `[H, W]`."""

_LOSS = 0.5
"""Of a smaller object: if it would lose more than that to a larger one, it lies in front."""


def render(image: np.ndarray, prompts: Sequence[Prompt], segmenter: Segmenter = grabcut) -> np.ndarray:
    """Make the mask that a frame's prompts ask for; a pure function of them.

    Where two objects claim a pixel, what was painted or clicked decides. Elsewhere the object that was prompted last
    gets it, unless the other is smaller and would lose more than half of itself: then that lies in front.

    Args:
        image: RGB uint8 `[H, W, 3]`.
        prompts: of this frame, oldest first, as `PromptHistory.at` gives them.
        segmenter: of one object.

    Returns:
        uint8 `[H, W]` of object ids; all zero without prompts.

    Raises:
        InputError: a prompt lies outside the image, or its mask has another size; or prompts of several frames.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise InputError(f"the frame is {image.dtype} {image.shape}; expected RGB uint8 [H, W, 3].")
    if len({prompt.frame for prompt in prompts}) > 1:
        raise InputError("prompts of several frames were given; expected those of one.")
    found = gather(image.shape[0], image.shape[1], prompts)
    return _compose(image.shape[:2], {i: _segment(image, hints, segmenter) for i, hints in found.items()})


def _segment(image: np.ndarray, hints: Hints, segmenter: Segmenter) -> np.ndarray:
    """The mask of one object, bool `[H, W]`; what is sure of it holds."""
    mask = hints.base if hints.base is not None and not hints.is_corrected else segmenter(image, hints)
    return (mask | (hints.sure == FOREGROUND)) & (hints.sure != BACKGROUND)


def _compose(shape: tuple[int, ...], masks: dict[int, np.ndarray]) -> np.ndarray:
    """Lay masks over each other, in the order given."""
    ids = np.zeros(shape, np.uint8)
    areas: dict[int, int] = {}
    for object_id, mask in masks.items():
        area = int(np.count_nonzero(mask))
        claimed = np.bincount(ids[mask], minlength=256)
        shown = mask.copy()
        for other, other_area in areas.items():
            if claimed[other] > _LOSS * other_area and other_area < area:
                shown &= ids != other
        ids[shown] = object_id
        areas[object_id] = area
    return ids
