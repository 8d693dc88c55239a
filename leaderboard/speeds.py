"""Measured speed: of each model of a run, and which figures come from one run on one machine and may be compared."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from evaluation.results import ProtocolError, Record, check_plain, parse_date
from leaderboard.checks import (
    AGAIN,
    check_version,
    mapping,
    optional_positive,
    optional_text,
    optional_whole,
    positive,
    shown,
    text,
    whole,
)

SCHEMA_VERSION = 1
_CURVES = 64
"""Most points of a curve that are read."""


class Latency(NamedTuple):
    """Milliseconds a frame: the median, and what 5 and 95 of 100 frames stay below."""

    median: float
    p5: float
    p95: float


class ObjectsPoint(NamedTuple):
    """Speed with several objects to follow."""

    objects: int
    fps_network: float
    """NaN where a model does not tell what its network alone takes."""
    fps_end_to_end: float


class LengthPoint(NamedTuple):
    """What a clip costs after so many frames."""

    frames: int
    latency_ms: float
    resident_mib: float | None


@dataclass(frozen=True)
class ModelSpeed:
    """One model's speed, as `evaluation` measures it: `network` is the network alone, `end_to_end` frame to mask."""

    fps_network: float
    """NaN for a model that does not tell what its network alone takes."""
    fps_end_to_end: float
    network: Latency | None
    end_to_end: Latency | None
    peak_memory_mib: float | None
    device: str | None
    dtype: str | None
    threads: int | None
    size: tuple[int, int] | None
    """Height and width of the frames."""
    objects: int | None
    memory_policy: str | None
    by_objects: tuple[ObjectsPoint, ...] = ()
    by_length: tuple[LengthPoint, ...] = ()
    params: float | None = None
    gmacs: float | None = None


@dataclass(frozen=True)
class SpeedRun:
    """Models timed in one run on one machine: only within it are speeds compared."""

    run_id: str
    """Stable over restarts: it stands in permalinks."""
    date: str
    command: str
    commit: str | None
    environment: Mapping[str, Any]
    models: dict[str, ModelSpeed]
    file: str | None = None
    """Where it is stored if it has a file of its own; else its figures stand in the records of its models."""
    by_entry: dict[str, ModelSpeed] = field(default_factory=dict)
    """For a run stored in records: the entry each figure belongs to."""

    @property
    def label(self) -> str:
        """The machine and how it was used, for people."""
        speeds = [*self.models.values(), *self.by_entry.values()]
        first = speeds[0]
        machine = machine_name(self.environment, first.device)
        threads = first.threads or self.environment.get("threads")
        parts = [machine]
        if threads and (first.device or "cpu").startswith("cpu"):
            parts.append(f"{threads} thread{'s' if threads != 1 else ''}")
        if first.size:
            parts.append(f"{first.size[0]}x{first.size[1]}")
        if dtypes := sorted({speed.dtype.removeprefix("torch.") for speed in speeds if speed.dtype}):
            parts.append("/".join(dtypes))
        return ", ".join(parts)


def machine_name(environment: Mapping[str, Any], device: str | None = None) -> str:
    """What the figures were measured on, as far as the environment says."""
    keys = ("gpu", "device_name", "accelerator") if device and not device.startswith("cpu") else ()
    for key in (*keys, "cpu", "cpu_model", "processor"):
        if isinstance(environment.get(key), str) and environment[key]:
            return str(environment[key])
    system, cores = environment.get("system", "unknown machine"), environment.get("cpu_cores")
    return f"{device or 'cpu'} on {system}" + (f", {cores} cores" if cores else "")


def parse_run(data: object, name: str, run_id: str) -> SpeedRun:
    """Check what `evaluation/run.py speed --output` wrote.

    Args:
        data: the decoded JSON.
        name: of the file, for messages.
        run_id: what the run shall be called.

    Raises:
        ProtocolError: another kind or schema version, or a value is missing, no number, or out of range.
    """
    where = f"the speed file {name}"
    top = mapping(data, where)
    check_version(top, SCHEMA_VERSION, where)
    models = mapping(top.get("models"), f"{where}, models")
    if not models:
        raise ProtocolError(f"{where} has no models. {AGAIN}")
    shared = {key: top[key] for key in ("size", "objects") if key in top}
    environment = dict(mapping(top.get("environment"), f"{where}, environment"))
    check_plain(environment, f"{where}, environment")
    shared |= {key: environment[key] for key in ("threads",) if key in environment}
    return SpeedRun(
        run_id=run_id,
        date=parse_date(top.get("date"), f"{where}, date"),
        command=text(top.get("command"), f"{where}, command"),
        commit=None if top.get("commit") is None else text(top["commit"], f"{where}, commit"),
        environment=environment,
        models={
            text(model, f"{where}, models"): parse_speed(
                shared | dict(mapping(speed, f"{where}, {model}")), f"{where}, {model}"
            )
            for model, speed in models.items()
        },
        file=name,
    )


def parse_speed(data: Mapping[str, Any], where: str) -> ModelSpeed:
    """Check one model's speed.

    Raises:
        ProtocolError: a value is missing, no number, or out of range; says where.
    """
    latency = data.get("latency_ms")
    quantiles = {} if latency is None else mapping(latency, f"{where}, latency_ms")
    size = data.get("size")
    return ModelSpeed(
        fps_network=_untold(data.get("fps_network"), f"{where}, fps_network"),
        fps_end_to_end=positive(data.get("fps_end_to_end"), f"{where}, fps_end_to_end"),
        network=_latency(quantiles.get("network"), f"{where}, latency_ms.network"),
        end_to_end=_latency(quantiles.get("end_to_end"), f"{where}, latency_ms.end_to_end"),
        peak_memory_mib=optional_positive(data.get("peak_memory_mib"), f"{where}, peak_memory_mib"),
        device=optional_text(data.get("device"), f"{where}, device"),
        dtype=optional_text(data.get("dtype"), f"{where}, dtype"),
        threads=optional_whole(data.get("threads"), f"{where}, threads"),
        size=None if size is None else _size(size, f"{where}, size"),
        objects=optional_whole(data.get("objects"), f"{where}, objects"),
        memory_policy=optional_text(data.get("memory_policy"), f"{where}, memory_policy"),
        by_objects=tuple(
            ObjectsPoint(
                whole(point.get("objects"), f"{where}, by_objects"),
                _untold(point.get("fps_network"), f"{where}, by_objects, fps_network"),
                positive(point.get("fps_end_to_end"), f"{where}, by_objects, fps_end_to_end"),
            )
            for point in _points(data.get("by_objects"), f"{where}, by_objects")
        ),
        by_length=tuple(
            LengthPoint(
                whole(point.get("frames"), f"{where}, by_length"),
                positive(point.get("latency_ms"), f"{where}, by_length, latency_ms"),
                optional_positive(point.get("resident_mib"), f"{where}, by_length, resident_mib"),
            )
            for point in _points(data.get("by_length"), f"{where}, by_length")
        ),
        params=optional_positive(data.get("params"), f"{where}, params"),
        gmacs=optional_positive(data.get("gmacs"), f"{where}, gmacs"),
    )


def runs_of_records(records: Iterable[tuple[str, Record]]) -> list[SpeedRun]:
    """The runs whose figures stand in records: records of one command, commit and machine were measured together.

    Args:
        records: entry id and record.

    Raises:
        ProtocolError: a record's speed is not as `evaluation` writes it.
    """
    grouped: dict[str, list[tuple[str, Record]]] = {}
    for entry_id, record in records:
        if record.speed is not None:
            key = json.dumps([record.command, record.commit, dict(record.environment)], sort_keys=True)
            grouped.setdefault(hashlib.sha256(key.encode()).hexdigest()[:10], []).append((entry_id, record))
    return [
        SpeedRun(
            run_id=f"run-{key}",
            date=max(record.date for _, record in members),
            command=members[0][1].command,
            commit=members[0][1].commit,
            environment=members[0][1].environment,
            models={},
            by_entry={
                entry_id: parse_speed(record.speed or {}, f"the record {entry_id}, speed")
                for entry_id, record in members
            },
        )
        for key, members in grouped.items()
    ]


def _untold(value: object, where: str) -> float:
    """A number above 0; NaN for None, which `evaluation` writes of what an outside model does not tell."""
    return math.nan if value is None else positive(value, where)


def _latency(value: object, where: str) -> Latency | None:
    if value is None:
        return None
    row = mapping(value, where)
    found = Latency(*(positive(row.get(key), f"{where}.{key}") for key in ("median", "p5", "p95")))
    if not found.p5 <= found.median <= found.p95:
        raise ProtocolError(f"{where} has p5 {found.p5}, median {found.median}, p95 {found.p95}; not in order. {AGAIN}")
    return found


def _points(value: object, where: str) -> list[Mapping[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > _CURVES:
        raise ProtocolError(f"{where} is {shown(value)}; expected a list of at most {_CURVES} points. {AGAIN}")
    return [mapping(one, where) for one in value]


def _size(value: object, where: str) -> tuple[int, int]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ProtocolError(f"{where} is {shown(value)}; expected [height, width]. {AGAIN}")
    return whole(value[0], where), whole(value[1], where)
