"""One object's mask from boxes, clicks and scribbles by GrabCut: Rother et al., SIGGRAPH 2004, as OpenCV has it.

The cut is made in a window around the hints, scaled down to what takes a tenth of a second.
"""

from __future__ import annotations

import cv2
import numpy as np

from vos_kd.prompts.hints import BACKGROUND, FOREGROUND, Hints

Bounds = tuple[int, int, int, int]
"""Left, top, right, bottom."""

_SIDE = 256
"""Pixels of the longer side of what is cut; smaller, small objects are cut away, larger, it is slow."""
_ROUNDS = 2
"""Of GrabCut; more change nothing."""
_MARGIN = 0.25
"""Of a box's sides: how much around it shows the background."""
_REACH = 0.7
"""Share of a box's width and height that an object in it has at least."""


def grabcut(image: np.ndarray, hints: Hints) -> np.ndarray:
    """Cut an object out.

    Args:
        image: RGB uint8 `[H, W, 3]`.
        hints: what is known of the object.

    Returns:
        bool `[H, W]`.
    """
    height, width = hints.sure.shape
    box = hints.box or _guess_box(hints)
    window = _grown(box, _MARGIN, height, width)
    left, top, right, bottom = window
    part = image[top:bottom, left:right]
    inside = tuple(value - shift for value, shift in zip(box, (left, top, left, top), strict=True))
    trimap = np.full(part.shape[:2], cv2.GC_BGD, np.uint8)
    trimap[inside[1] : inside[3], inside[0] : inside[2]] = cv2.GC_PR_FGD
    sure = hints.sure[top:bottom, left:right]
    found = _cut(part, _with_sure(trimap, sure))
    if hints.box is not None and _reach(found, inside) < _REACH:
        # All was taken for background: once more, from a guess of what belongs to the object for certain.
        trimap[trimap == cv2.GC_PR_FGD] = cv2.GC_PR_BGD
        for share, value in ((0.96, cv2.GC_PR_FGD), (0.16, cv2.GC_FGD)):
            _ellipse(trimap, inside, share, value)
        found = _cut(part, _with_sure(trimap, sure))
    mask = np.zeros((height, width), bool)
    mask[top:bottom, left:right] = found
    if hints.base is not None:
        mask |= hints.base
    return mask


def _guess_box(hints: Hints) -> Bounds:
    """Where an object may lie that was only clicked at or painted, or whose mask is corrected."""
    height, width = hints.sure.shape
    known = hints.sure == FOREGROUND if hints.base is None else hints.base | (hints.sure == FOREGROUND)
    if not known.any():
        return 0, 0, width, height
    left, top, across, down = cv2.boundingRect(known.astype(np.uint8))
    reach = min(height, width) // 5
    return (
        max(left - reach, 0),
        max(top - reach, 0),
        min(left + across + reach, width),
        min(top + down + reach, height),
    )


def _grown(box: Bounds, share: float, height: int, width: int) -> Bounds:
    left, top, right, bottom = box
    x, y = int((right - left) * share) + 4, int((bottom - top) * share) + 4
    return max(left - x, 0), max(top - y, 0), min(right + x, width), min(bottom + y, height)


def _with_sure(trimap: np.ndarray, sure: np.ndarray) -> np.ndarray:
    """A trimap in which what is sure is sure."""
    told = np.where(sure == FOREGROUND, np.uint8(cv2.GC_FGD), trimap)
    return np.where(sure == BACKGROUND, np.uint8(cv2.GC_BGD), told)


def _cut(part: np.ndarray, trimap: np.ndarray) -> np.ndarray:
    """Cut at a reduced size; bool, as large as `part`."""
    height, width = trimap.shape
    scale = min(1.0, _SIDE / max(height, width))
    size = (max(round(width * scale), 8), max(round(height * scale), 8))
    small = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    labels = cv2.resize(trimap, size, interpolation=cv2.INTER_NEAREST)
    is_object = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    if is_object.all():
        # A box around the whole image: its rim stands for the background.
        labels[[0, -1]] = labels[:, [0, -1]] = cv2.GC_BGD
    elif not is_object.any():
        return np.zeros((height, width), bool)
    cv2.setRNGSeed(0)  # the colour models begin with k-means
    nowhere = (0, 0, 0, 0)  # the rectangle, which an initial mask makes needless
    cv2.grabCut(small, labels, nowhere, np.zeros((1, 65)), np.zeros((1, 65)), _ROUNDS, cv2.GC_INIT_WITH_MASK)
    found = ((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)).astype(np.float32)
    return np.asarray(cv2.resize(found, (width, height), interpolation=cv2.INTER_LINEAR) > 0.5)


def _reach(found: np.ndarray, box: tuple[int, ...]) -> float:
    """How much of a box's width and height a mask spans, on the side where that is least."""
    x, y, across, down = cv2.boundingRect(found.astype(np.uint8))
    left, top, right, bottom = box
    gaps = (
        (x - left) / (right - left),
        (right - x - across) / (right - left),
        (y - top) / (bottom - top),
        (bottom - y - down) / (bottom - top),
    )
    return 1 - max(gaps) if across else 0.0


def _ellipse(trimap: np.ndarray, box: tuple[int, ...], share: float, value: int) -> None:
    left, top, right, bottom = box
    centre = ((left + right) // 2, (top + bottom) // 2)
    axes = (max(int((right - left) * share / 2), 1), max(int((bottom - top) * share / 2), 1))
    cv2.ellipse(trimap, centre, axes, 0, 0, 360, value, -1)
