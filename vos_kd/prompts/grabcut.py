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
_CLICK_REACH = 0.25
"""Of the image's short side: how far from what was clicked or painted an object is looked for."""
_FAR = 0.6
"""What a pixel's distance from there counts against its colour's, in `_SIDE` pixels and steps of 8 bits."""


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
    sure = hints.sure[top:bottom, left:right]
    mask = np.zeros((height, width), bool)
    if hints.box is None and hints.base is None:
        if (sure == FOREGROUND).any():
            mask[top:bottom, left:right] = _cut_from_seeds(part, sure)
        return mask
    inside = tuple(value - shift for value, shift in zip(box, (left, top, left, top), strict=True))
    trimap = np.full(part.shape[:2], cv2.GC_BGD, np.uint8)
    trimap[inside[1] : inside[3], inside[0] : inside[2]] = cv2.GC_PR_FGD
    found = _cut(part, _with_sure(trimap, sure))
    if hints.box is not None and _reach(found, inside) < _REACH:
        # All was taken for background: once more, from a guess of what belongs to the object for certain.
        trimap[trimap == cv2.GC_PR_FGD] = cv2.GC_PR_BGD
        for share, value in ((0.96, cv2.GC_PR_FGD), (0.16, cv2.GC_FGD)):
            _ellipse(trimap, inside, share, value)
        found = _cut(part, _with_sure(trimap, sure))
    mask[top:bottom, left:right] = found
    if hints.base is not None:
        mask |= hints.base
    return mask


def _cut_from_seeds(part: np.ndarray, sure: np.ndarray) -> np.ndarray:
    """Cut out what the sure pixels belong to; bool, as large as `part`.

    A cut needs an idea of the object's colours to begin with. Here it begins with what is joined to the seeds and looks
    like them, the nearer the sooner; the threshold is Otsu's.
    """
    trimap = np.full(sure.shape, cv2.GC_PR_BGD, np.uint8)
    trimap[_alike(part, sure == FOREGROUND)] = cv2.GC_PR_FGD
    trimap[[0, -1]] = trimap[:, [0, -1]] = cv2.GC_BGD
    return _cut(part, _with_sure(trimap, sure))


def _alike(part: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """Where pixels are like those around the seeds, and joined to them; bool, as large as `part`."""
    scale = _SIDE / max(seeds.shape)
    colours = cv2.cvtColor(cv2.bilateralFilter(part, 7, 30, 5), cv2.COLOR_RGB2LAB).astype(np.float32)
    colours[..., 0] *= 0.6  # shade tells objects apart less than hue does
    radius = max(round(4 / scale), 1)
    around = cv2.dilate(seeds.astype(np.uint8), np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)) > 0
    samples = colours[around]
    cv2.setRNGSeed(0)
    rule = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 10, 1.0)
    _, _, centres = cv2.kmeans(samples, min(3, len(samples)), None, rule, 1, cv2.KMEANS_PP_CENTERS)  # type: ignore[call-overload]
    unlike = np.min([np.linalg.norm(colours - centre, axis=2) for centre in centres], axis=0)
    far = cv2.distanceTransform((~seeds).astype(np.uint8), cv2.DIST_L2, 5) * scale
    cost = np.clip(2 * (unlike + _FAR * far), 0, 255).astype(np.uint8)
    most, _ = cv2.threshold(cost, 0, 255, cv2.THRESH_OTSU)
    likely = (cost <= most) | around
    _, parts = cv2.connectedComponents(likely.astype(np.uint8))
    return np.isin(parts, np.unique(parts[seeds])) & likely


def _guess_box(hints: Hints) -> Bounds:
    """Where an object may lie that was only clicked at or painted, or whose mask is corrected."""
    height, width = hints.sure.shape
    known = hints.sure == FOREGROUND if hints.base is None else hints.base | (hints.sure == FOREGROUND)
    if not known.any():
        return 0, 0, width, height
    left, top, across, down = cv2.boundingRect(known.astype(np.uint8))
    reach = int(min(height, width) * _CLICK_REACH)
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
    labels = cv2.resize(trimap, size, interpolation=cv2.INTER_NEAREST_EXACT)
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
