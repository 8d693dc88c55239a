"""What following there and back agrees on."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest

from vos_kd import consistency
from vos_kd.consistency import agreed, between, iou
from vos_kd.data.masks import VOID_ID


def test_where_both_ways_disagree_nothing_is_learnt() -> None:
    there, back = np.array([[0, 1, 2, 2, 3]], np.uint8), np.array([[0, 1, 1, 2, 0]], np.uint8)
    both = agreed(there, back)
    assert both.tolist() == [[0, 1, VOID_ID, 2, VOID_ID]]
    assert both.dtype == np.uint8


def test_iou_of_nothing_is_nothing_followed() -> None:
    a = np.array([True, True, False])
    assert iou(a, np.array([True, False, True])) == 1 / 3
    assert iou(a & False, a & False) == 0


class Sees:
    """Stands in for a network that follows: objects are as bright as 100 times their id, whatever it was given."""

    def __init__(self, drift: int) -> None:
        self.drift = drift

    def segment(self, images: list[np.ndarray], masks: dict[int, np.ndarray]) -> list[np.ndarray]:
        found = [np.round(image[..., 0] / 100).astype(np.uint8) for image in images]
        found = [np.roll(mask, self.drift * n, axis=1) for n, mask in enumerate(found)]
        known = [i for i in (1, 2) if (masks[0] == i).any()]
        return [np.where(np.isin(mask, known), mask, np.uint8(0)) for mask in found]


def two_squares(shift: int) -> np.ndarray:
    image = np.zeros((48, 64, 3), np.uint8)
    image[10:30, 4 + shift : 24 + shift] = 100
    image[5:25, 40:60] = 200
    return image


@pytest.mark.parametrize(("drift", "void"), [(0, 0), (1, 80), (3, None)])
def test_between_two_marks_what_both_ways_agree_on_is_kept(
    drift: int, void: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consistency, "VideoSegmenter", Sees)
    images = [two_squares(shift) for shift in range(4)]
    first, last = (np.round(image[..., 0] / 100).astype(np.uint8) for image in (images[0], images[-1]))
    found = between(images, first, last, cast(Any, drift))
    assert len(found) == 2
    if void is None:
        assert found == [None, None]
        return
    for n, mask in enumerate(found, start=1):
        assert mask is not None
        differs = mask == VOID_ID
        # Frame n has drifted n pixels from the one side and 3 - n from the other: two edges of two squares differ.
        assert differs.sum() == void
        expected = np.roll(images[n][..., 0] // 100, drift * n, axis=1)
        np.testing.assert_array_equal(mask[~differs], expected[~differs])


def test_an_object_that_only_one_mark_shows_is_void_and_the_other_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consistency, "VideoSegmenter", Sees)
    images = [two_squares(0)] * 4
    both = np.round(images[0][..., 0] / 100).astype(np.uint8)
    one = np.where(both == 2, both, np.uint8(0))
    for first, last in ((both, one), (one, both)):
        for mask in between(images, first, last, cast(Any, 0)):
            np.testing.assert_array_equal(mask, np.where(both == 1, np.uint8(VOID_ID), both))
    nothing = np.zeros_like(both)
    assert between(images, nothing, nothing, cast(Any, 0)) == [None, None]
    kept = between(images, one, one, cast(Any, 0))
    assert [np.unique(mask).tolist() for mask in kept if mask is not None] == [[0, 2]] * 2  # ids stay
