"""Ranks, Pareto fronts and bootstrap intervals: numbers in, numbers out.

A missing value is NaN and stays N/A: it has no rank, is on no front and takes no part in any mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RESAMPLES = 2000
SEED = 0
LEVEL = 0.95


class Interval(NamedTuple):
    """A value and where it would lie for other sequences of the same kind."""

    value: float
    low: float
    high: float


class Units(NamedTuple):
    """What a mean over objects is made of, a sequence each: resampling draws whole sequences."""

    sums: Floats
    """Float64 `(S,)`: the scores of each sequence's objects, added up."""
    counts: Floats
    """Float64 `(S,)`: how many objects have a score."""


def ranks(values: Sequence[float] | Floats, *, higher_is_better: bool = True) -> list[int | None]:
    """Competition ranks: equal values share the best place, and the next one counts them all.

    Args:
        values: float `(N,)`; NaN is missing.
        higher_is_better: whether the largest value comes first.

    Returns:
        Rank from 1 on for each value; None where it is missing.

    >>> ranks([0.5, 0.7, float("nan"), 0.7])
    [3, 1, None, 1]
    """
    array = np.asarray(values, np.float64)
    present = array[~np.isnan(array)]
    better = np.greater if higher_is_better else np.less
    return [None if np.isnan(value) else 1 + int(better(present, value).sum()) for value in array]


def pareto_front(
    x: Sequence[float] | Floats, y: Sequence[float] | Floats, *, x_higher: bool, y_higher: bool
) -> list[bool | None]:
    """Which points no other point beats: none is at least as good in both and better in one.

    Args:
        x: float `(N,)`; NaN is missing.
        y: likewise.
        x_higher: whether more of x is better.
        y_higher: likewise.

    Returns:
        For each point whether it is on the front, equal points alike; None where x or y is missing.

    >>> pareto_front([1, 2, 2, 3], [5, 6, 6, 4], x_higher=True, y_higher=True)
    [False, True, True, True]
    """
    gains = np.stack(
        [np.asarray(x, np.float64) * (1 if x_higher else -1), np.asarray(y, np.float64) * (1 if y_higher else -1)]
    )
    is_known: NDArray[np.bool_] = ~np.logical_or.reduce(np.isnan(gains), axis=0)
    known = gains[:, is_known]
    # [i, j]: whether point j beats point i.
    no_worse = np.logical_and.reduce(known[:, None, :] >= known[:, :, None], axis=0)
    better = np.logical_or.reduce(known[:, None, :] > known[:, :, None], axis=0)
    beaten_by: NDArray[np.int64] = np.count_nonzero(no_worse & better, axis=1)
    on_front = iter((beaten_by == 0).tolist())
    return [next(on_front) if known_here else None for known_here in is_known]


def bootstrap_mean(units: Units, *, resamples: int = RESAMPLES, seed: int = SEED) -> Interval | None:
    """The mean over all objects, with its percentile interval over resampled sequences.

    Args:
        units: at least one object must have a score.
        resamples: how often sequences are drawn.
        seed: the same one gives the same interval.

    Returns:
        Mean and 95 % interval; None with fewer than two sequences, which say nothing about others.
    """
    if len(units.sums) < 2 or units.counts.sum() == 0:
        return None
    means = _means(units, _draws(len(units.sums), resamples, seed))
    return _interval(float(units.sums.sum() / units.counts.sum()), means)


def paired_bootstrap(a: Units, b: Units, *, resamples: int = RESAMPLES, seed: int = SEED) -> Interval | None:
    """The difference of two models' means, `a` less `b`, each resample drawing the same sequences for both.

    Args:
        a: of the same sequences as `b`, in the same order.
        b: likewise.
        resamples: how often sequences are drawn.
        seed: the same one gives the same interval.

    Returns:
        Difference and 95 % interval; None with fewer than two sequences.

    Raises:
        ValueError: different numbers of sequences.
    """
    if a.sums.shape != b.sums.shape:
        raise ValueError(f"{len(a.sums)} and {len(b.sums)} sequences; expected the same ones for both")
    if len(a.sums) < 2 or a.counts.sum() == 0 or b.counts.sum() == 0:
        return None
    draws = _draws(len(a.sums), resamples, seed)
    value = float(a.sums.sum() / a.counts.sum() - b.sums.sum() / b.counts.sum())
    return _interval(value, _means(a, draws) - _means(b, draws))


def _draws(sequences: int, resamples: int, seed: int) -> Floats:
    """Float64 `(R, S)`: how often each resample draws each sequence."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(sequences, np.full(sequences, 1 / sequences), size=resamples).astype(np.float64)


def _means(units: Units, draws: Floats) -> Floats:
    counts: Floats = draws @ units.counts
    sums: Floats = draws @ units.sums
    # A resample without any scored object has no mean.
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)


def _interval(value: float, resampled: Floats) -> Interval:
    low, high = np.nanquantile(resampled, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Interval(value, float(low), float(high))
