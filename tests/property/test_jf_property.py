"""What holds for J and F of any masks."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from evaluation.jf import count_frame

IDS = (1, 2, 3)
SHAPES = st.tuples(st.integers(1, 40), st.integers(1, 40))


def masks(shape: tuple[int, int]) -> st.SearchStrategy[np.ndarray]:
    """Coarse blocks scaled up, so that objects have an inside."""
    coarse = arrays.arrays(np.uint8, (-(-shape[0] // 5), -(-shape[1] // 5)), elements=st.integers(0, 3))
    return coarse.map(
        lambda mask: np.ascontiguousarray(np.kron(mask, np.ones((5, 5), np.uint8))[: shape[0], : shape[1]])
    )


PAIRS = SHAPES.flatmap(lambda shape: st.tuples(masks(shape), masks(shape)))


@given(PAIRS)
@settings(max_examples=60, deadline=None)
def test_both_are_fractions_and_symmetric(pair: tuple[np.ndarray, np.ndarray]) -> None:
    truth, prediction = pair
    for one, other in zip(count_frame(truth, prediction, IDS), count_frame(prediction, truth, IDS), strict=True):
        assert one.j == other.j
        assert one.f == other.f
        assert 0 <= one.j <= 1
        assert 0 <= one.f <= 1


@given(PAIRS)
@settings(max_examples=60, deadline=None)
def test_j_is_one_only_for_equal_masks(pair: tuple[np.ndarray, np.ndarray]) -> None:
    truth, prediction = pair
    for object_id, counts in zip(IDS, count_frame(truth, prediction, IDS), strict=True):
        assert (counts.j == 1) == np.array_equal(truth == object_id, prediction == object_id)
    assert all(counts.j == counts.f == 1 for counts in count_frame(truth, truth, IDS))


@given(PAIRS, st.permutations(IDS))
@settings(max_examples=60, deadline=None)
def test_permuting_ids_permutes_scores(pair: tuple[np.ndarray, np.ndarray], order: list[int]) -> None:
    truth, prediction = pair
    new_id = np.array([0, *order], np.uint8)
    before = dict(zip(order, count_frame(truth, prediction, IDS), strict=True))
    after = dict(zip(IDS, count_frame(new_id[truth], new_id[prediction], IDS), strict=True))
    assert before == after


@given(PAIRS, st.data())
@settings(max_examples=60, deadline=None)
def test_void_pixels_never_change_the_result(pair: tuple[np.ndarray, np.ndarray], data: st.DataObject) -> None:
    truth, prediction = pair
    void = data.draw(arrays.arrays(np.bool_, truth.shape))
    other_truth, other = (data.draw(masks(truth.shape)) for _ in range(2))
    changed = np.where(void, other_truth, truth), np.where(void, other, prediction)
    assert count_frame(truth, prediction, IDS, void) == count_frame(*changed, IDS, void)


@given(PAIRS, st.integers(0, 9), st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_a_crop_changes_nothing(pair: tuple[np.ndarray, np.ndarray], top: int, left: int) -> None:
    # Background added around the masks leaves areas as they are; the tolerance grows only with the diagonal.
    truth, prediction = (np.pad(mask, ((1, 1), (1, 1))) for mask in pair)
    wider = [np.pad(mask, ((top, 0), (left, 0))) for mask in (truth, prediction)]
    for one, other in zip(count_frame(truth, prediction, IDS), count_frame(wider[0], wider[1], IDS), strict=True):
        assert one == other
