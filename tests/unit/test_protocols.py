"""Which frames and objects count, and how values become means."""

from __future__ import annotations

import pytest

from evaluation.errors import ProtocolError
from evaluation.protocols import (
    Protocol,
    Scores,
    average,
    decay,
    first_scored,
    mean,
    recall,
    score_object,
    scored_frames,
    seen_unseen,
)

FRAMES = ["00000", "00005", "00010", "00015"]


def protocol(convention: str, *, drops: bool = True) -> Protocol:
    return Protocol("folder", "all", "original", convention, drops)


def scores(j: float | None, f: float | None) -> Scores:
    return Scores(j, None, None, f, None, None)


@pytest.mark.parametrize(
    ("convention", "expected"),
    [("davis", ("00005", "00010")), ("vos-benchmark", ("00005", "00010")), ("youtubevos", tuple(FRAMES))],
)
def test_first_and_last_frame(convention: str, expected: tuple[str, ...]) -> None:
    assert scored_frames(FRAMES, convention) == expected


@pytest.mark.parametrize(
    ("convention", "drops", "in_truth", "in_prediction", "start"),
    [
        ("davis", True, "...x", "....", 0),
        ("vos-benchmark", True, "..xx", "....", 2),
        ("vos-benchmark", True, "..xx", ".x..", 1),  # predicted too early: it counts against
        ("vos-benchmark", True, "....", ".xxx", 4),  # never in the truth: no score
        ("youtubevos", True, "....", "....", 2),
        ("youtubevos", False, "....", "....", 1),
    ],
)
def test_where_an_object_begins(convention: str, drops: bool, in_truth: str, in_prediction: str, start: int) -> None:
    seen = [[letter == "x" for letter in text] for text in (in_truth, in_prediction)]
    found = first_scored(protocol(convention, drops=drops), FRAMES, "00005", *seen)
    assert found == start


def test_unknown_convention_is_refused() -> None:
    with pytest.raises(ProtocolError, match="'coco' is not known; expected one of davis, vos-benchmark, youtubevos"):
        protocol("coco")


def test_only_davis_2016_merges_objects() -> None:
    assert [Protocol(name, "val", "480p", "davis").is_binary for name in ("davis2016", "davis2017")] == [True, False]


def test_recall_is_strict() -> None:
    assert recall([0.5, 0.5, 0.5000001, 1.0]) == 0.5


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.4], 0),
        ([1, 0], 1),
        ([1, 1, 0, 0], 1),  # edges 0, 1, 2, 2, 3: the first bin has two frames, the last two
        ([1, 0.5, 0, 0, 0], 0.75),  # edges 0, 1, 2, 3, 4
        ([1, 1, 1, 0, 0, 0], 1),  # edges 0, 1, 3, 4, 5
    ],
)
def test_decay_of_short_sequences(values: list[float], expected: float) -> None:
    assert decay(values) == pytest.approx(expected)


def test_missing_is_never_zero() -> None:
    assert (mean([]), recall([]), decay([])) == (None, None, None)
    nothing = score_object([], [])
    assert nothing == Scores(None, None, None, None, None, None)
    assert nothing.jf_mean is None
    both = average([score_object([1.0], [0.5]), nothing])
    assert (both.j_mean, both.f_mean, both.jf_mean) == (1.0, 0.5, 0.75)
    assert average([nothing]).j_mean is None


def test_every_object_counts_once() -> None:
    # However many frames each has.
    assert average([score_object([1.0], [1.0]), score_object([0.0] * 9, [0.5] * 9)]).j_mean == 0.5


def test_g_is_the_mean_of_four_means() -> None:
    rows = [(True, scores(1.0, 0.8)), (True, scores(0.5, 0.4)), (False, scores(0.25, 0.1))]
    groups = seen_unseen(rows)
    assert (groups.j_seen, groups.f_seen, groups.j_unseen, groups.f_unseen) == pytest.approx((0.75, 0.6, 0.25, 0.1))
    assert groups.g_overall == pytest.approx((0.75 + 0.6 + 0.25 + 0.1) / 4)


def test_g_needs_both_groups_and_every_category() -> None:
    seen = (True, scores(1.0, 1.0))
    only_seen = seen_unseen([seen])
    assert (only_seen.j_seen, only_seen.j_unseen, only_seen.g_overall) == (1.0, None, None)
    assert seen_unseen([seen, (None, scores(1.0, 1.0))]).j_seen is None
