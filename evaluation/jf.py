"""Region similarity J and boundary accuracy F of a frame, for all its objects in one call.

J and F are those of Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation",
CVPR 2016, to the last bit as davis2017-evaluation (metrics.py at ac7c43f) computes them.

Differs from it in speed only. Both masks are cropped to their joint bounding box and one pixel around it, outside
which there is neither area nor boundary. The disk of the tolerance is a union of rectangles, each a cheap separable
dilation, the largest first: as soon as every boundary pixel has met its partner the others are left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, cast

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.uint8]

TOLERANCE = 0.008
"""Of the image's diagonal: how far apart two boundaries may be and still match."""
_WINDOW = np.ones((2, 2), np.uint8)


class PixelCounts(NamedTuple):
    """Pixels of one object in one frame, from which J and F follow."""

    intersection: int
    truth: int
    prediction: int
    truth_boundary: int
    prediction_boundary: int
    truth_matched: int
    """Boundary pixels of the truth that have one of the prediction within the tolerance."""
    prediction_matched: int
    """The other way round."""

    @property
    def j(self) -> float:
        """Intersection over union in 0-1; 1 where both masks are empty."""
        union = self.truth + self.prediction - self.intersection
        return self.intersection / union if union else 1.0

    @property
    def f(self) -> float:
        """Harmonic mean of boundary precision and recall in 0-1; 1 where neither mask has a boundary, 0 where one has.

        A mask that fills the frame has none.
        """
        if not self.truth_boundary or not self.prediction_boundary:
            return float(self.truth_boundary == self.prediction_boundary)
        precision = self.prediction_matched / self.prediction_boundary
        recall = self.truth_matched / self.truth_boundary
        return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def count_frame(
    truth: Mask, prediction: Mask, object_ids: Sequence[int], void: NDArray[np.bool_] | None = None
) -> list[PixelCounts]:
    """Count what J and F of every object need.

    Args:
        truth: uint8 `[H, W]` of object ids. Ids that are not asked for, 255 among them, are background.
        prediction: likewise.
        object_ids: whom to count, 1-255.
        void: bool `[H, W]`, pixels that are background in both masks; None for none.

    Returns:
        One entry for each object id, in their order.

    Raises:
        ValueError: the masks are not uint8 of one shape.

    >>> mask = np.uint8([[0, 0, 0], [0, 1, 1], [0, 1, 1]])
    >>> [counts] = count_frame(mask, np.roll(mask, -1, axis=1), [1])
    >>> counts.intersection, counts.truth, counts.prediction, counts.j
    (2, 4, 4, 0.3333333333333333)
    """
    _check_alike(truth, prediction)
    if void is not None:
        truth, prediction = (np.where(void, np.uint8(0), mask) for mask in (truth, prediction))
    radius = boundary_tolerance(*truth.shape)
    truth, prediction = _crop(truth, prediction)
    masks = ((_is(truth, object_id), _is(prediction, object_id)) for object_id in object_ids)
    return [_count(*(_crop(*pair) if len(object_ids) > 1 else pair), radius) for pair in masks]


def count_foreground(truth: Mask, prediction: Mask) -> PixelCounts:
    """Count what J and F need of a single object: all that is not 0.

    Args:
        truth: uint8 `[H, W]`.
        prediction: likewise.

    Raises:
        ValueError: the masks are not uint8 of one shape.
    """
    _check_alike(truth, prediction)
    radius = boundary_tolerance(*truth.shape)
    truth, prediction = _crop(truth, prediction)
    return _count((truth > 0).view(np.uint8), (prediction > 0).view(np.uint8), radius)


def boundary_tolerance(height: int, width: int) -> int:
    """Pixels by which boundaries may differ.

    >>> boundary_tolerance(480, 854), boundary_tolerance(1080, 1920)
    (8, 18)
    """
    return math.ceil(TOLERANCE * math.sqrt(height**2 + width**2))


def boundary(mask: Mask) -> Mask:
    """Pixels that differ from their right, lower or lower-right neighbour; what lies outside differs from nothing.

    Args:
        mask: uint8 `[H, W]`, 0 or 1.

    Returns:
        uint8 `[H, W]`, 0 or 1.

    >>> boundary(np.uint8([[0, 0, 0], [0, 1, 1], [0, 1, 1]])).tolist()
    [[1, 1, 1], [1, 0, 0], [1, 0, 0]]
    """
    # Maximum less minimum of the 2x2 window whose upper left is this pixel.
    return cast("Mask", cv2.morphologyEx(mask, cv2.MORPH_GRADIENT, _WINDOW, anchor=(0, 0)))


def _count(truth: Mask, prediction: Mask, radius: int) -> PixelCounts:
    """Counts of one object from its masks of 0 and 1, which may be cropped."""
    if not truth.size:
        return PixelCounts(0, 0, 0, 0, 0, 0, 0)
    truth_boundary, prediction_boundary = boundary(truth), boundary(prediction)
    return PixelCounts(
        intersection=cv2.countNonZero(truth & prediction),
        truth=cv2.countNonZero(truth),
        prediction=cv2.countNonZero(prediction),
        truth_boundary=cv2.countNonZero(truth_boundary),
        prediction_boundary=cv2.countNonZero(prediction_boundary),
        truth_matched=_count_matched(truth_boundary, prediction_boundary, radius),
        prediction_matched=_count_matched(prediction_boundary, truth_boundary, radius),
    )


def _count_matched(points: Mask, others: Mask, radius: int) -> int:
    """Pixels of `points` with one of `others` within `radius`."""
    unmatched, left = points, cv2.countNonZero(points)
    total = left
    for rectangle in _disk(radius):
        if not left:
            break
        # Subtraction of uint8 stops at 0.
        unmatched = cast("Mask", cv2.subtract(unmatched, cv2.dilate(others, rectangle)))
        left = cv2.countNonZero(unmatched)
    return total - left


@lru_cache(maxsize=8)
def _disk(radius: int) -> list[Mask]:
    """Rectangles whose union is the disk x^2 + y^2 <= radius^2, largest first."""
    height_of = {math.isqrt(radius**2 - y**2): y for y in range(radius + 1)}  # for each width the greatest height
    sides = sorted(((2 * y + 1, 2 * x + 1) for x, y in height_of.items()), key=math.prod, reverse=True)
    return [np.ones(side, np.uint8) for side in sides]


def _is(mask: Mask, object_id: int) -> Mask:
    return np.equal(mask, object_id).view(np.uint8)


def _check_alike(truth: Mask, prediction: Mask) -> None:
    for name, mask in (("truth", truth), ("prediction", prediction)):
        if mask.ndim != 2 or mask.dtype != np.uint8 or mask.shape != truth.shape:
            raise ValueError(f"{name} is {mask.dtype} {mask.shape}; expected uint8 {truth.shape[:2]}, both alike")


def _crop(truth: Mask, prediction: Mask) -> tuple[Mask, Mask]:
    """Both masks in the joint bounding box of what is not 0, with a margin of a pixel; empty if both are."""
    boxes = [(x, y, x + w, y + h) for x, y, w, h in map(cv2.boundingRect, (truth, prediction)) if w]
    if not boxes:
        return truth[:0], prediction[:0]
    left, top = (max(min(box[n] for box in boxes) - 1, 0) for n in (0, 1))
    right, bottom = (max(box[n] for box in boxes) + 1 for n in (2, 3))
    return truth[top:bottom, left:right], prediction[top:bottom, left:right]
