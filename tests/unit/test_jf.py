"""J and F of hand-made masks, and counts against a reference written straight from the definitions."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from evaluation.jf import PixelCounts, boundary, boundary_tolerance, count_foreground, count_frame


def reference(truth: np.ndarray, prediction: np.ndarray, radius: int) -> tuple[float, float]:
    """J and F of two bool masks by the text of the protocol: pixel by pixel, no crop, no dilation."""
    height, width = truth.shape

    def boundary_of(mask: np.ndarray) -> set[tuple[int, int]]:
        found = set()
        for y, x in itertools.product(range(height), range(width)):
            if y == height - 1 and x == width - 1:
                continue
            if y == height - 1:
                others = [(y, x + 1)]
            elif x == width - 1:
                others = [(y + 1, x)]
            else:
                others = [(y, x + 1), (y + 1, x), (y + 1, x + 1)]
            if any(mask[other] != mask[y, x] for other in others):
                found.add((y, x))
        return found

    def near(points: set[tuple[int, int]], others: set[tuple[int, int]]) -> int:
        return sum(any((y - v) ** 2 + (x - u) ** 2 <= radius**2 for v, u in others) for y, x in points)

    union = np.logical_or(truth, prediction).sum()
    j = 1.0 if union == 0 else np.logical_and(truth, prediction).sum() / union
    of_truth, of_prediction = boundary_of(truth), boundary_of(prediction)
    if not of_truth and not of_prediction:
        return j, 1.0
    if not of_truth or not of_prediction:
        return j, 0.0
    precision = near(of_prediction, of_truth) / len(of_prediction)
    recall = near(of_truth, of_prediction) / len(of_truth)
    return j, 0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)


def blobs(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A few rectangles that may touch the edges, and some noise; ids 0 to 3."""
    mask = np.zeros((height, width), np.uint8)
    for object_id in rng.permutation([1, 2, 3])[: rng.integers(0, 4)]:
        y, x = rng.integers(-3, height), rng.integers(-3, width)
        mask[max(y, 0) : y + rng.integers(1, height + 1), max(x, 0) : x + rng.integers(1, width + 1)] = object_id
    noise = rng.random((height, width)) < rng.choice([0, 0.02])
    return np.where(noise, rng.integers(0, 4, (height, width)), mask).astype(np.uint8)


@pytest.mark.parametrize("seed", range(60))
def test_counts_agree_with_the_definitions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    height, width = (int(n) for n in rng.integers(1, 26, 2))
    truth, prediction = blobs(rng, height, width), blobs(rng, height, width)
    radius = boundary_tolerance(height, width)
    assert radius == 1
    for object_id, counts in zip((1, 2, 3), count_frame(truth, prediction, (1, 2, 3)), strict=True):
        assert (counts.j, counts.f) == reference(truth == object_id, prediction == object_id, radius)
    foreground = count_foreground(truth, prediction)
    assert (foreground.j, foreground.f) == reference(truth > 0, prediction > 0, radius)


@pytest.mark.parametrize(("height", "width", "radius"), [(300, 250, 4), (40, 720, 6), (480, 854, 8), (1080, 1920, 18)])
def test_the_tolerance_is_a_disk(height: int, width: int, radius: int) -> None:
    # A dot's boundary is four pixels: itself and those above and left of it. Shift a dot, and all distances are known.
    assert boundary_tolerance(height, width) == math.ceil(0.008 * np.linalg.norm((height, width))) == radius
    four = [(0, 0), (-1, 0), (0, -1), (-1, -1)]
    y, x = height // 2, width // 2
    truth = np.zeros((height, width), np.uint8)
    truth[y, x] = 1
    for dy, dx in itertools.product(
        range(-radius - 1, radius + 2), (0, 1, radius // 2, radius - 1, radius, radius + 1)
    ):
        prediction = np.zeros_like(truth)
        prediction[y + dy, x + dx] = 1
        expected = sum(any((dy + a - c) ** 2 + (dx + b - d) ** 2 <= radius**2 for c, d in four) for a, b in four)
        [counts] = count_frame(truth, prediction, [1])
        assert (counts.prediction_boundary, counts.truth_boundary) == (4, 4)
        assert (counts.prediction_matched, counts.truth_matched) == (expected, expected), (dy, dx)


def square(top: int, left: int, size: int = 4) -> np.ndarray:
    mask = np.zeros((20, 30), np.uint8)
    mask[top : top + size, left : left + size] = 1
    return mask


NOTHING, EVERYTHING = np.zeros((20, 30), np.uint8), np.ones((20, 30), np.uint8)


@pytest.mark.parametrize(
    ("truth", "prediction", "j", "f"),
    [
        (square(5, 5), square(5, 5), 1, 1),
        (NOTHING, NOTHING, 1, 1),
        (square(5, 5), NOTHING, 0, 0),
        (NOTHING, square(5, 5), 0, 0),
        (EVERYTHING, EVERYTHING, 1, 1),  # no boundary at all
        (EVERYTHING, square(5, 5), 16 / 600, 0),
        (square(5, 5), square(5, 6), 12 / 20, 1),  # a pixel off is within the tolerance of one pixel
        (square(0, 0), square(10, 20), 0, 0),
        (square(16, 26), square(16, 26), 1, 1),  # in the corner
    ],
)
def test_cases_known_by_hand(truth: np.ndarray, prediction: np.ndarray, j: float, f: float) -> None:
    [counts] = count_frame(truth, prediction, [1])
    assert (counts.j, counts.f) == (j, f)


def test_boundary_at_the_edges_of_the_frame() -> None:
    mask = np.array([[1, 0, 0], [0, 0, 1], [1, 0, 1]], np.uint8)
    # The last row looks right only, the last column down only, the corner nowhere.
    assert boundary(mask).tolist() == [[1, 1, 1], [1, 1, 0], [1, 1, 0]]


def test_objects_are_counted_in_the_order_asked_for() -> None:
    truth = np.array([[1, 1, 2, 7]], np.uint8)
    prediction = np.array([[1, 2, 2, 7]], np.uint8)
    counts = count_frame(truth, prediction, [7, 2, 5, 1])
    assert [(c.intersection, c.truth, c.prediction) for c in counts] == [(1, 1, 1), (1, 1, 2), (0, 0, 0), (1, 2, 1)]
    assert [c.j for c in counts] == [1, 0.5, 1, 0.5]


def test_ids_that_are_not_asked_for_are_background() -> None:
    truth = np.where(square(5, 5) == 1, 3, 255).astype(np.uint8)
    assert count_frame(truth, square(5, 5) * np.uint8(3), [3]) == count_frame(square(5, 5), square(5, 5), [1])


def test_void_is_background_in_both() -> None:
    truth, prediction = square(5, 5), square(5, 6)
    void = np.zeros(truth.shape, bool)
    void[:, 5] = void[:, 9] = True  # just where they differ
    [counts] = count_frame(truth, prediction, [1], void)
    assert counts == PixelCounts(12, 12, 12, *[counts.truth_boundary] * 4)
    assert counts.f == counts.j == 1


@pytest.mark.parametrize(
    ("truth", "prediction", "message"),
    [
        (NOTHING, NOTHING[:, 1:], r"prediction is uint8 \(20, 29\); expected uint8 \(20, 30\)"),
        (NOTHING, NOTHING.astype(np.int64), r"prediction is int64"),
        (NOTHING[None], NOTHING[None], r"truth is uint8 \(1, 20, 30\)"),
    ],
)
def test_masks_of_another_kind_are_refused(truth: np.ndarray, prediction: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        count_frame(truth, prediction, [1])
    with pytest.raises(ValueError, match=message):
        count_foreground(truth, prediction)
