"""Two models on the same sequences: who wins where, and whether the difference would hold on other clips."""

from __future__ import annotations

from dataclasses import dataclass

from evaluation.results import Record
from leaderboard.benchmarks import benchmark_of
from leaderboard.ranking import Interval, paired_bootstrap
from leaderboard.rows import units_of


@dataclass(frozen=True)
class Difference:
    """J&F of two models on a sequence, in 0-1."""

    sequence: str
    a: float
    b: float

    @property
    def gain(self) -> float:
        """`a` less `b`."""
        return self.a - self.b


@dataclass(frozen=True)
class Comparison:
    """Model `a` against model `b`, sequence by sequence."""

    sequences: tuple[Difference, ...]
    """Where `a` does worst against `b` first."""
    mean: Interval | None
    """Difference of J&F over all objects with its paired 95 % interval; None with one sequence alone."""
    difference: float

    @property
    def wins(self) -> int:
        """Sequences in which `a` is better."""
        return sum(one.gain > 0 for one in self.sequences)

    @property
    def losses(self) -> int:
        """Sequences in which `b` is better."""
        return sum(one.gain < 0 for one in self.sequences)

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves no doubt about who is better."""
        return self.mean is not None and (self.mean.low > 0 or self.mean.high < 0)


def compare(a: Record, b: Record) -> Comparison:
    """Compare two records of one benchmark.

    Raises:
        ValueError: they are of different protocols or sequences, so that a difference would say nothing.
    """
    ours, theirs = ({one.name: one for one in record.sequences} for record in (a, b))
    if benchmark_of(a) != benchmark_of(b) or ours.keys() != theirs.keys():
        raise ValueError(
            f"{a.model.name} is scored on {benchmark_of(a).label} ({len(ours)} sequences), {b.model.name} on "
            f"{benchmark_of(b).label} ({len(theirs)} sequences): choose two of one benchmark."
        )
    found = []
    for name in sorted(ours):
        one, other = ours[name].scores.jf_mean, theirs[name].scores.jf_mean
        if one is not None and other is not None:
            found.append(Difference(name, one, other))
    total_a, total_b = a.scores.jf_mean, b.scores.jf_mean
    assert total_a is not None  # a record without any mean is refused when it is read
    assert total_b is not None
    return Comparison(
        sequences=tuple(sorted(found, key=lambda one: one.gain)),
        mean=paired_bootstrap(units_of(a), units_of(b)),
        difference=total_a - total_b,
    )
