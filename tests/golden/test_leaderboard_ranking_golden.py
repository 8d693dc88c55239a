"""Ranks, Pareto fronts and bootstrap intervals against values worked out by hand, or computed another way."""

from __future__ import annotations

import math

import numpy as np
import pytest

from leaderboard.ranking import Units, bootstrap_mean, paired_bootstrap, pareto_front, ranks

NAN = math.nan


@pytest.mark.parametrize(
    ("values", "higher", "expected"),
    [
        ([0.3, 0.9, 0.6], True, [3, 1, 2]),
        ([0.3, 0.9, 0.6], False, [1, 3, 2]),
        ([0.9, 0.9, 0.6, 0.9, 0.1], True, [1, 1, 4, 1, 5]),
        ([NAN, 0.5, NAN, 0.7], True, [None, 2, None, 1]),
        ([NAN, NAN], True, [None, None]),
        ([0.0, -0.0], True, [1, 1]),
        ([], True, []),
    ],
)
def test_ranks(values: list[float], higher: bool, expected: list[int | None]) -> None:
    assert ranks(values, higher_is_better=higher) == expected


@pytest.mark.parametrize(
    ("x", "y", "directions", "expected"),
    [
        # fast and good: the slow but best, the fast but worst, and one between; one is beaten
        ([1, 5, 10, 4], [9, 7, 3, 6], (True, True), [True, True, True, False]),
        # the same points as costs: less x is better, so the smallest with the best y is all there is
        ([1, 5, 10, 4], [9, 7, 3, 6], (False, True), [True, False, False, False]),
        # equal points stay together, on the front and off it
        ([2, 2, 1, 1], [2, 2, 1, 1], (True, True), [True, True, False, False]),
        # equal in one: the better in the other alone
        ([2, 2, 3], [5, 6, 6], (True, True), [False, False, True]),
        # a missing value is N/A and beats nobody
        ([NAN, 1, 2], [9, NAN, 1], (True, True), [None, None, True]),
        ([7], [7], (True, True), [True]),
        ([], [], (True, True), []),
    ],
)
def test_pareto_front(
    x: list[float], y: list[float], directions: tuple[bool, bool], expected: list[bool | None]
) -> None:
    assert pareto_front(x, y, x_higher=directions[0], y_higher=directions[1]) == expected


def test_pareto_front_is_what_a_search_finds() -> None:
    rng = np.random.default_rng(5)
    for _ in range(200):
        points = rng.integers(0, 6, (rng.integers(1, 12), 2)).astype(float)
        points[rng.random(points.shape) < 0.1] = NAN
        expected: list[bool | None] = []
        for a in points:
            if np.isnan(a).any():
                expected.append(None)
                continue
            beaten = [
                b for b in points if not np.isnan(b).any() and b[0] <= a[0] and b[1] >= a[1] and tuple(b) != tuple(a)
            ]
            expected.append(not beaten)
        assert pareto_front(points[:, 0], points[:, 1], x_higher=False, y_higher=True) == expected


def units(*sequences: list[float]) -> Units:
    return Units(np.array([sum(one) for one in sequences]), np.array([len(one) for one in sequences], float))


def test_bootstrap_of_a_fixed_seed() -> None:
    found = bootstrap_mean(units([0.9], [0.5], [0.7, 0.1], [0.3]), resamples=500, seed=7)
    assert found is not None
    assert found.value == pytest.approx(0.5)
    assert (found.low, found.high) == pytest.approx(GOLDEN_MEAN, abs=1e-12)
    assert found == bootstrap_mean(units([0.9], [0.5], [0.7, 0.1], [0.3]), resamples=500, seed=7)


def test_bootstrap_agrees_with_drawing_sequences_one_by_one() -> None:
    rng = np.random.default_rng(1)
    sequences = [list(rng.random(rng.integers(1, 4))) for _ in range(20)]
    means = []
    for _ in range(4000):
        drawn = [value for index in rng.integers(0, 20, 20) for value in sequences[index]]
        means.append(np.mean(drawn))
    low, high = np.quantile(means, (0.025, 0.975))
    found = bootstrap_mean(units(*sequences), resamples=4000)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.01)


def test_one_sequence_has_no_interval() -> None:
    assert bootstrap_mean(units([0.4, 0.8])) is None
    assert paired_bootstrap(units([0.4]), units([0.5])) is None
    assert bootstrap_mean(units([], [])) is None


def test_sequences_without_a_scored_object_take_no_part() -> None:
    found = bootstrap_mean(units([0.4], [], [0.6]))
    assert found is not None
    assert found.value == pytest.approx(0.5)
    assert 0.4 <= found.low <= found.high <= 0.6


def test_equal_sequences_leave_no_doubt() -> None:
    found = bootstrap_mean(units([0.4], [0.4], [0.4]))
    assert found is not None
    assert tuple(found) == pytest.approx((0.4, 0.4, 0.4))


def test_pairing_takes_out_what_both_share() -> None:
    hard = np.linspace(0.1, 0.9, 12)
    a, b = units(*([one + 0.05] for one in hard)), units(*([one] for one in hard))
    difference, alone = paired_bootstrap(a, b), bootstrap_mean(a)
    assert difference is not None
    assert alone is not None
    assert tuple(difference) == pytest.approx((0.05, 0.05, 0.05))
    assert alone.high - alone.low > 0.2


def test_paired_bootstrap_of_a_fixed_seed() -> None:
    found = paired_bootstrap(units([0.9], [0.5], [0.7]), units([0.6], [0.7], [0.1]), resamples=500, seed=7)
    assert found is not None
    assert found.value == pytest.approx(0.7 / 3)
    assert (found.low, found.high) == pytest.approx(GOLDEN_DIFFERENCE, abs=1e-12)


def test_different_sequences_are_refused() -> None:
    with pytest.raises(ValueError, match="3 and 2 sequences; expected the same ones"):
        paired_bootstrap(units([1], [1], [1]), units([1], [1]))


# Of numpy's PCG64, seed 7: what 500 resamples of those sequences gave when this was written.
GOLDEN_MEAN = (0.35, 0.75)
GOLDEN_DIFFERENCE = (-0.19999999999999984, 0.5524999999999977)
