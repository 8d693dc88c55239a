"""Distractors: pieces of an object far from where it was a frame ago, which look like it but are something else.

A memory read by appearance alone finds the object's looks anywhere in the frame. RMNet (Xie et al., CVPR 2021) reads
only around where the object was; here only what is found apart from it is dropped, so that fast objects stay whole.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

_LEAST_FOUND = 0.1
"""Share of an object's area before that must be found in reach: a speck left of it is no reason to drop the rest."""


def without_distractors(probs: Tensor, before: Tensor, reach: float) -> Tensor:
    """Drop connected pieces of objects that lie out of reach of where the objects were.

    An object that was not seen before, or of which hardly anything is in reach, keeps all of them: it may have come
    back, or jumped.

    Args:
        probs: `[O, H, W]` in 0-1, of each object for itself; above 0.5 is the object.
        before: likewise, of the frame before.
        reach: of the shorter side of a mask, how far a piece may lie from the object before; 0-1.

    Returns:
        `probs`, zero in the dropped pieces.
    """
    shown = _shown(probs)
    radius = max(1, round(reach * min(probs.shape[-2:])))
    kernel = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    dropped = np.zeros(shown.shape, bool)
    for index, mask in enumerate(shown):
        count, pieces = cv2.connectedComponents(mask)
        if count <= 2:  # background and one piece: the usual case
            continue
        where = _shown(before[index])
        is_near = np.bincount(pieces[cv2.dilate(where, kernel) > 0], minlength=count) > 0
        is_near[0] = True  # the background, which is no piece
        near = np.bincount(pieces[mask > 0], minlength=count)[is_near].sum()
        if near > _LEAST_FOUND * np.count_nonzero(where):
            dropped[index] = ~is_near[pieces]
    if not dropped.any():
        return probs
    return probs.masked_fill(torch.from_numpy(dropped).to(probs.device), 0)


def _shown(probs: Tensor) -> np.ndarray:
    mask: np.ndarray = (probs > 0.5).to(torch.uint8).cpu().numpy()
    return mask
