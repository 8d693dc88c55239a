"""Scores the masks of a whole data set from files, in one process, several or a cluster; the values are the same."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

import numpy as np

from evaluation.datasets import Dataset
from evaluation.engine import HERE, Engine, run_jobs
from evaluation.index_png import decode_ids
from evaluation.protocols import Protocol
from evaluation.record import SequenceResult
from evaluation.result_files import ResultFiles, open_results
from evaluation.scorer import SequenceScorer, frames_to_score
from evaluation.sequences import Sequence, prediction_name


def score_dataset(
    dataset: Dataset,
    protocol: Protocol,
    results: Path,
    *,
    seen: Collection[str] | None = None,
    engine: Engine = HERE,
    on_done: Callable[[SequenceResult], object] = lambda _: None,
) -> tuple[SequenceResult, ...]:
    """Score masks in a folder or a zip. That all are there is checked before any is read.

    Args:
        dataset: what to score.
        protocol: the rules.
        results: folder or zip.
        seen: categories of the training data; None where that is not known.
        engine: where the work is done.
        on_done: called with each sequence's result as soon as it is there.

    Returns:
        One result for each sequence, in the data set's order.

    Raises:
        ProtocolError: truth or masks are missing or cannot be scored; names sequence, frame and remedy.
    """
    opened = open_results(results)
    opened.require({one.name: frames_to_score(one, protocol) for one in dataset.sequences})
    # The longest first, or one worker works on alone at the end.
    longest_first = sorted(dataset.sequences, key=lambda one: -len(one.annotation_paths))
    jobs = [_Job(sequence, protocol, results.resolve(), seen) for sequence in longest_first]
    done = {}
    for _, result in run_jobs(_score, jobs, engine):
        done[result.name] = result
        on_done(result)
    return tuple(done[sequence.name] for sequence in dataset.sequences)


def score_files(
    sequence: Sequence, protocol: Protocol, results: ResultFiles, seen: Collection[str] | None = None
) -> SequenceResult:
    """Score a sequence whose masks are files.

    Raises:
        ProtocolError: truth or masks are missing or cannot be scored.
    """
    scorer = SequenceScorer(sequence, protocol, seen)
    for frame in scorer.frames:
        name = prediction_name(sequence.name, frame)
        scorer.add(frame, decode_ids(results.read(sequence.name, frame), name, sequence.size))
    return scorer.result()


class _Job(NamedTuple):
    sequence: Sequence
    protocol: Protocol
    results: Path
    seen: Collection[str] | None

    def __str__(self) -> str:
        return f"sequence {self.sequence.name!r}"


def _score(job: _Job) -> SequenceResult:
    _keep_memory()
    return score_files(job.sequence, job.protocol, _open_once(job.results), job.seen)


@functools.lru_cache(maxsize=1)
def _open_once(results: Path) -> ResultFiles:
    """An open zip cannot be handed to another process, and its list of entries is long to read: once a process."""
    return open_results(results)


@functools.cache
def _keep_memory() -> None:
    """Let freed masks stay with the process.

    glibc gives blocks of a mask's size back to the system and takes them anew, page by page, a fifth of all time. Once
    it has freed a larger block it keeps them (mallopt(3), M_MMAP_THRESHOLD). Elsewhere this does nothing.
    """
    np.empty(2**24, np.uint8)
