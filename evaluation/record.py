"""The record of one model on one data set: every value of every frame, how it came about, and the means of it all.

Means are never held, they are computed from the values. Read and written by `evaluation.results`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from evaluation.protocols import Protocol, Scores, SeenUnseen, average, score_object, seen_unseen

SCHEMA_VERSION = 1
KIND = "record"
"""Tells a record from the other files of results: those of `speed`, and of the ablation."""


@dataclass(frozen=True)
class ObjectResult:
    """J and F of an object, for every frame from its first scored one on."""

    object_id: int
    start: int
    """Index of that frame in the sequence's `frames`; their number if no frame is scored."""
    j: tuple[float, ...]
    """In 0-1, one for each frame from `start` to the end."""
    f: tuple[float, ...]
    category: str | None = None
    is_seen: bool | None = None
    """Whether the category is in the training data; None where that is not known."""

    @property
    def scores(self) -> Scores:
        """Mean, recall and decay over its frames."""
        return score_object(self.j, self.f)


@dataclass(frozen=True)
class SequenceResult:
    """The objects of a sequence, and the names of its scored frames in order."""

    name: str
    frames: tuple[str, ...]
    objects: tuple[ObjectResult, ...]

    @property
    def scores(self) -> Scores:
        """Means over its objects."""
        return average(one.scores for one in self.objects)


@dataclass(frozen=True)
class ModelInfo:
    """Whose results these are."""

    name: str
    weights_sha256: str | None = None
    """None where only masks are known."""
    role: str | None = None
    """`student`, `teacher` or `baseline`; None where it is not known."""


@dataclass(frozen=True)
class Record:
    """Results of one model on one data set."""

    model: ModelInfo
    protocol: Protocol
    sequences: tuple[SequenceResult, ...]
    is_partial: bool
    """Whether sequences of the split are left out: never to be compared with a benchmark's numbers."""
    environment: Mapping[str, Any]
    """Versions and machine."""
    options: Mapping[str, Any]
    """Whatever the run could have done otherwise."""
    command: str
    date: str
    """ISO 8601 with time zone."""
    commit: str | None = None
    speed: Mapping[str, Any] | None = None
    """What `speed` measured of the model; its keys are those of `throughput.Figures`."""
    complexity: Mapping[str, Any] | None = None
    """What `complexity` counted."""

    @property
    def scores(self) -> Scores:
        """Means over all objects, each counting once however long its sequence is."""
        return average(one.scores for sequence in self.sequences for one in sequence.objects)

    @property
    def seen_unseen(self) -> SeenUnseen:
        """The four means of YouTube-VOS, and G."""
        return seen_unseen((one.is_seen, one.scores) for sequence in self.sequences for one in sequence.objects)


def to_json(record: Record) -> dict[str, Any]:
    """The record as it is stored: plain values, fractions, with all means."""
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": KIND,
        "model": asdict(record.model),
        "protocol": asdict(record.protocol),
        "is_partial": record.is_partial,
        **means(record),
        "speed": _plain(record.speed),
        "complexity": _plain(record.complexity),
        "environment": _plain(record.environment),
        "options": _plain(record.options),
        "command": record.command,
        "date": record.date,
        "commit": record.commit,
        "sequences": [sequence_json(sequence) for sequence in record.sequences],
    }


def means(result: Record | SequenceResult | ObjectResult) -> dict[str, float | None]:
    """The means of a record, a sequence or an object by the names that a file gives them."""
    scores = {**asdict(result.scores), "jf_mean": result.scores.jf_mean}
    if not isinstance(result, Record):
        return scores
    parts = result.seen_unseen
    return {**scores, **asdict(parts), "g_overall": parts.g_overall}


def sequence_json(sequence: SequenceResult) -> dict[str, Any]:
    """A sequence as it is stored, with its means."""
    objects = [
        {
            "object_id": one.object_id,
            "start": one.start,
            "category": one.category,
            "is_seen": one.is_seen,
            **means(one),
            "j": list(one.j),
            "f": list(one.f),
        }
        for one in sequence.objects
    ]
    return {"name": sequence.name, "frames": list(sequence.frames), **means(sequence), "objects": objects}


def _plain(values: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if values is None else dict(values)
