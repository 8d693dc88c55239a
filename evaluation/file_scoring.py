"""Scores the masks of a whole data set from files, in one process or several; the values are the same."""

from __future__ import annotations

import functools
import multiprocessing
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from evaluation.datasets import Dataset
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
    workers: int = 1,
    on_done: Callable[[SequenceResult], object] = lambda _: None,
) -> tuple[SequenceResult, ...]:
    """Score masks in a folder or a zip. That all are there is checked before any is read.

    Args:
        dataset: what to score.
        protocol: the rules.
        results: folder or zip.
        seen: categories of the training data; None where that is not known.
        workers: processes.
        on_done: called with each sequence's result as soon as it is there.

    Returns:
        One result for each sequence, in the data set's order.

    Raises:
        ProtocolError: truth or masks are missing or cannot be scored; names sequence, frame and remedy.
    """
    opened = open_results(results)
    opened.require({one.name: frames_to_score(one, protocol) for one in dataset.sequences})
    _keep_memory()
    jobs = [_Job(sequence, protocol, results, seen) for sequence in dataset.sequences]
    done = {}
    for result in _in_processes(jobs, workers) if workers > 1 else map(_score, jobs):
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


def _score(job: _Job) -> SequenceResult:
    return score_files(job.sequence, job.protocol, _open_once(job.results), job.seen)


@functools.lru_cache(maxsize=1)
def _open_once(results: Path) -> ResultFiles:
    """An open zip cannot be handed to another process, and its list of entries is long to read: once a process."""
    return open_results(results)


def _in_processes(jobs: list[_Job], workers: int) -> Iterator[SequenceResult]:
    # Spawned, as a fork would inherit the locks of threads that it does not have.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(jobs)), context, _prepare) as pool:
        # The longest first, or one process works on alone at the end.
        longest_first = sorted(jobs, key=lambda job: len(job.sequence.annotation_paths), reverse=True)
        futures = [pool.submit(_score, job) for job in longest_first]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _prepare() -> None:
    """Of a new process."""
    cv2.setNumThreads(1)  # it has a core; threads would fight over it
    _keep_memory()


def _keep_memory() -> None:
    """Let freed masks stay with the process.

    glibc gives blocks of a mask's size back to the system and takes them anew, page by page, a fifth of all time. Once
    it has freed a larger block it keeps them (mallopt(3), M_MMAP_THRESHOLD). Elsewhere this does nothing.
    """
    np.empty(2**24, np.uint8)
