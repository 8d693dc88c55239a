"""Endless streams of training batches, drawn from several sources by weight, exactly resumable.

Batch b of a stream depends on its seed and b alone, however many worker processes make it. So a resumed run needs one
number, the batches seen so far, and gets the very batches that the interrupted one would have had.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from torch.utils.data import IterableDataset, get_worker_info

from vos_kd.errors import InputError


class Source(Protocol):
    """Anything that makes samples: `PhotoClips`, `RealClips`, `DeviceScenes`."""

    def sample(self, rng: np.random.Generator) -> Any:
        """One sample; all of its randomness comes from `rng`."""


@dataclass(frozen=True)
class Mixture:
    """A source that draws from others by weight."""

    sources: Sequence[Source]
    weights: Sequence[float]

    def __post_init__(self) -> None:
        if len(self.sources) != len(self.weights) or not self.sources:
            raise InputError(f"{len(self.weights)} weights for {len(self.sources)} sources; expected one for each.")
        if min(self.weights) < 0 or not sum(self.weights):
            raise InputError(f"source weights {list(self.weights)}; expected numbers >= 0, not all 0.")

    def sample(self, rng: np.random.Generator) -> Any:
        """A sample of one of the sources."""
        weights = np.asarray(self.weights, float)
        return self.sources[int(rng.choice(len(weights), p=weights / weights.sum()))].sample(rng)


class BatchStream(IterableDataset[Any]):
    """Batches 'start', 'start' + 1, ... of a source, without end.

    Give it to `DataLoader(stream, batch_size=None, num_workers=N)`: workers take turns, and the loader hands their
    batches out in order. In distributed training, process `rank` of `ranks` sees every `ranks`-th batch.

    An `InputError` is raised as it is without workers; a worker hands it over in place of a batch and ends, because a
    loader would make its line a traceback.
    """

    def __init__(
        self,
        source: Source,
        collate: Callable[[Sequence[Any]], Any],
        batch_size: int,
        seed: int,
        start: int = 0,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        """Describe a stream.

        Args:
            source: makes the samples.
            collate: makes a batch of `batch_size` samples.
            batch_size: samples in a batch.
            seed: of the whole stream.
            start: batches that this process has already seen.
            rank: of this process.
            ranks: number of processes.
        """
        self.source, self.collate, self.batch_size = source, collate, batch_size
        self.seed, self.start, self.rank, self.ranks = seed, start, rank, ranks

    def batch(self, number: int) -> Any:
        """Batch `number` of the stream over all processes; the same however often it is asked for."""
        first = number * self.batch_size
        rngs = (np.random.default_rng([self.seed, first + n]) for n in range(self.batch_size))
        return self.collate([self.source.sample(rng) for rng in rngs])

    def __iter__(self) -> Iterator[Any]:
        worker = get_worker_info()
        step = self.start + (worker.id if worker else 0)
        while True:
            try:
                yield self.batch(step * self.ranks + self.rank)
            except InputError as error:
                if worker is None:
                    raise
                yield error
                return
            step += worker.num_workers if worker else 1
