"""Forward-backward consistency: masks that following objects there and back agrees on can be learnt from.

Kalal et al., "Forward-Backward Error", ICPR 2010.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vos_kd.data.masks import VOID_ID, object_ids
from vos_kd.inference import VideoSegmenter
from vos_kd.model import Model

_LEAST_AGREEMENT = 0.8
"""Least IoU of an object's masks, followed from the mask before and from the mask after."""


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of bool masks; 0 where both are empty: nothing was followed."""
    either = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / either if either else 0.0


def agreed(there: np.ndarray, back: np.ndarray) -> np.ndarray:
    """Two masks of a frame, uint8 `[H, W]` of object ids, as one: void where they differ."""
    return np.where(there == back, there, np.uint8(VOID_ID))


def between(
    images: Sequence[np.ndarray], first: np.ndarray, last: np.ndarray, follower: Model
) -> list[np.ndarray | None]:
    """Masks of the frames between two masks, where following from either gives the same.

    Args:
        images: RGB uint8 `[H, W, 3]`, from the one mask to the other.
        first: uint8 `[H, W]` of object ids, of the first image.
        last: likewise, of the last.
        follower: follows, there and back.

    Returns:
        For each image but the first and last uint8 `[H, W]`, void where the ways differ, and all over an object on
        which they differ too much; None where they do on every object, or there is none.
    """
    ids = {*object_ids(first), *object_ids(last)}
    if not ids:
        return [None] * (len(images) - 2)
    there = list(VideoSegmenter(follower).segment(images, {0: first}))
    back = list(VideoSegmenter(follower).segment(images[::-1], {0: last}))[::-1]
    return [_agreed_objects(a, b, ids) for a, b in zip(there[1:-1], back[1:-1], strict=True)]


def _agreed_objects(there: np.ndarray, back: np.ndarray, ids: set[int]) -> np.ndarray | None:
    """Both masks as one, each object for itself: one may be hidden, or only come, while another is plain to see."""
    mask = agreed(there, back)
    doubted = [i for i in ids if iou(there == i, back == i) < _LEAST_AGREEMENT]
    if len(doubted) == len(ids):
        return None
    mask[np.isin(there, doubted) | np.isin(back, doubted)] = VOID_ID
    return mask
