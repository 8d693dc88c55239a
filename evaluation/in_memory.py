"""Predicts a sequence and scores it at once: no mask is written or read."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from evaluation.jf import Mask
from evaluation.model_source import ModelSource
from evaluation.models import open_once
from evaluation.prediction import predict_sequence
from evaluation.protocols import Protocol
from evaluation.record import SequenceResult
from evaluation.scorer import SequenceScorer
from evaluation.sequences import Sequence


@dataclass(frozen=True)
class Job:
    """One sequence for one model."""

    source: ModelSource
    sequence: Sequence
    protocol: Protocol
    seen: Collection[str] | None = None
    """Categories of the training data; None where that is not known."""

    def __str__(self) -> str:
        return f"sequence {self.sequence.name!r}"


@dataclass(frozen=True)
class Done:
    """The result, and what it took."""

    result: SequenceResult
    model_seconds: float
    """From decoded frames to masks."""
    score_seconds: float
    """Of a processor, spent on scoring beside it."""


def predict_and_score(job: Job, on_frame: Callable[[], object] = lambda: None) -> Done:
    """Follow the objects of a sequence, and score each mask while the next one is made.

    Raises:
        ProtocolError: images or truth are missing or damaged, or the model's masks cannot be scored.
        InputError: the model cannot be loaded.
    """
    scorer = SequenceScorer(job.sequence, job.protocol, job.seen)
    score_seconds = 0.0

    def score(frame: str, mask: Mask) -> None:
        nonlocal score_seconds
        began = time.thread_time()
        scorer.add(frame, mask)
        score_seconds += time.thread_time() - began

    model_seconds = predict_sequence(
        open_once(job.source), job.sequence, is_binary=job.protocol.is_binary, take=score, on_frame=on_frame
    )
    return Done(scorer.result(), model_seconds, score_seconds)
