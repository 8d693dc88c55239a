"""How a result came about, in the order in which somebody who doubts it would ask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evaluation.results import Record
from leaderboard.rows import speed_of
from leaderboard.speeds import ModelSpeed, SpeedRun, machine_name
from leaderboard.store import Board, Entry

_MOST = 400
"""Characters of a value that are shown."""


def of_entry(board: Board, entry: Entry, run: SpeedRun | None) -> dict[str, Any]:
    """Provenance of a record and of the speed that is shown with it.

    Returns:
        `facts`: pairs of name and text; `command`: what repeats it; `speed`: the same for the speed, or None.
    """
    record = entry.record
    options = {key: value for key, value in record.options.items() if value is not None}
    facts = [
        ("Record", entry.file),
        ("Measured", record.date),
        ("Machine", machine_name(record.environment)),
        *_flat("Environment", record.environment),
        ("Weights (SHA-256)", record.model.weights_sha256 or "not known: scored from masks"),
        ("Code", record.commit or "not known"),
        *(_flat("Options", options) or [("Options", "the defaults")]),
        ("Frames and objects", _counted(record)),
    ]
    speed = None
    if run is not None:
        timed = speed_of(entry.entry_id, record, entry.origin, run)
        speed = None if timed is None else of_speed(run, timed)
    return {"facts": _plain(facts), "command": record.command, "speed": speed}


def of_speed(run: SpeedRun, speed: ModelSpeed) -> dict[str, Any]:
    """Provenance of a speed."""
    facts = [
        ("File", run.file or "in the records of its models"),
        ("Measured", run.date),
        ("Machine", machine_name(run.environment, speed.device)),
        ("Device", speed.device),
        ("Type", speed.dtype),
        ("Threads", speed.threads),
        ("Frames", f"{speed.size[0]}x{speed.size[1]}" if speed.size else None),
        ("Objects", speed.objects),
        ("Memory", speed.memory_policy),
        ("Code", run.commit),
    ]
    return {"facts": _plain([fact for fact in facts if fact[1] is not None]), "command": run.command}


def _counted(record: Record) -> str:
    objects = sum(len(sequence.objects) for sequence in record.sequences)
    frames = sum(len(sequence.frames) for sequence in record.sequences)
    return f"{len(record.sequences)} sequences, {objects} objects, {frames} scored frames"


def _flat(title: str, values: Mapping[str, Any]) -> list[tuple[str, object]]:
    plain = ", ".join(f"{key} {value}" for key, value in values.items() if not isinstance(value, dict | list))
    return [(title, plain)] if plain else []


def _plain(facts: list[tuple[str, Any]]) -> list[list[str]]:
    return [[name, str(value)[:_MOST]] for name, value in facts]
