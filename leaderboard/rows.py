"""The leaderboard's DataFrame: a row for each model, benchmark and speed run, numbers as they are, NaN for missing."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from evaluation.results import Record, means
from leaderboard.benchmarks import benchmark_of
from leaderboard.published import Published
from leaderboard.ranking import Units, bootstrap_mean
from leaderboard.speeds import Latency, ModelSpeed, SpeedRun

SCORES = ("jf_mean", "j_mean", "j_recall", "j_decay", "f_mean", "f_recall", "f_decay")
SEEN_UNSEEN = ("g_overall", "j_seen", "f_seen", "j_unseen", "f_unseen")
COSTS = ("params", "gmacs", "gflops")
SPEED = (
    *("fps_end_to_end", "fps_network", "latency_ms", "latency_p5", "latency_p95"),
    *("network_ms", "network_p5", "network_p95", "peak_memory_mib"),
)
NUMBERS = (*SCORES, "jf_low", "jf_high", *SEEN_UNSEEN, *COSTS, *SPEED)
TEXTS = (
    "row",
    "key",
    "entry",
    "source",
    "model",
    "role",
    "benchmark",
    "dataset",
    "run",
    "device",
    "dtype",
    "date",
    "where",
)
ROLES = ("student", "teacher", "baseline", "published")


def make_frame(
    entries: Sequence[tuple[str, Record, str]], runs: Sequence[SpeedRun], published: Iterable[Published]
) -> pd.DataFrame:
    """Bring records, speed runs and published numbers to rows.

    Args:
        entries: entry id, record, origin.
        runs: each gives a row of its own to every model that it timed.
        published: likewise, a row for each data set.

    Returns:
        Columns `TEXTS`, `NUMBERS` (float64, fractions for scores, NaN where missing) and `is_latest`. `source` is
        `measured`, `architecture` (speed and size only, no weights) or `published`; `run` is empty in a row without
        speed. `key` names the model's result whatever the run, `row` is unique, `where` is
        the file or address that says so.
    """
    rows: list[dict[str, Any]] = []
    for entry_id, record, origin in entries:
        base = _measured(entry_id, record)
        timed = [(run, speed) for run in runs if (speed := speed_of(entry_id, record, origin, run)) is not None]
        sizes = [_costs(speed) for _, speed in timed]
        for costs in sizes:  # as counted by the record, else by any run
            base |= {key: value for key, value in costs.items() if math.isnan(base[key])}
        rows += [base | _speed(run.run_id, speed, entry_id) for run, speed in timed]
        if len(timed) < len(runs) or not runs:
            rows.append(base | {"row": f"{entry_id}@", "run": ""})
    recorded = {record.model.name for _, record, origin in entries if origin != "submitted"}
    for run in runs:
        rows += [
            _architecture(name, speed) | _speed(run.run_id, speed, f"arch:{name}") | {"where": run.file or ""}
            for name, speed in run.models.items()
            if name not in recorded
        ]
    rows += [row for number, one in enumerate(published) for row in _published(one, number)]
    frame = pd.DataFrame(rows, columns=[*TEXTS, *NUMBERS])
    frame = frame.astype(dict.fromkeys(TEXTS, "object") | dict.fromkeys(NUMBERS, "float64"))
    frame["is_latest"] = _is_latest(frame)
    return frame


def select(frame: pd.DataFrame, benchmark: str, run: str) -> pd.DataFrame:
    """The rows of one benchmark with the speeds of one run.

    A measured model that the run did not time stays, without speed. Of what has no weights, only what the run timed
    and the benchmark does not know is shown.
    """
    measured = frame[(frame["source"] == "measured") & (frame["benchmark"] == benchmark)]
    timed = measured[measured["run"] == run] if run else measured.iloc[:0]
    blank = measured[(measured["run"] == "") & ~measured["key"].isin(timed["key"])]
    architecture = frame[(frame["source"] == "architecture") & (frame["run"] == run)]
    dataset = next(iter(measured["dataset"]), None)
    published = frame[(frame["source"] == "published") & (frame["dataset"] == dataset)]
    return pd.concat([timed, blank, architecture, published]).sort_values("row").reset_index(drop=True)


def units_of(record: Record) -> Units:
    """J&F of a record's sequences, for resampling; in the order of their names."""
    sums, counts = [], []
    for sequence in sorted(record.sequences, key=lambda one: one.name):
        values = [value for one in sequence.objects if (value := one.scores.jf_mean) is not None]
        sums.append(math.fsum(values))
        counts.append(len(values))
    return Units(np.array(sums, np.float64), np.array(counts, np.float64))


def speed_of(entry_id: str, record: Record, origin: str, run: SpeedRun) -> ModelSpeed | None:
    """What a run says of an entry's model; None if nothing."""
    # A name alone says little of a model that somebody sent: a run's own file does not speak of it.
    return run.by_entry.get(entry_id) or (None if origin == "submitted" else run.models.get(record.model.name))


def role_of(name: str, role: str | None = None) -> str:
    """What a model is on the board; known from its name where nothing says it."""
    if role in ROLES[:3]:
        return str(role)
    found = re.match(r"(student|teacher)([_.-]|$)", name)  # student_small, student.onnx, student-384p
    return found[1] if found else "baseline"


def _measured(entry_id: str, record: Record) -> dict[str, Any]:
    benchmark = benchmark_of(record)
    interval = bootstrap_mean(units_of(record))
    complexity = record.complexity or {}
    row: dict[str, Any] = _empty() | {key: _number(value) for key, value in means(record).items()}
    row |= {"jf_low": interval.low, "jf_high": interval.high} if interval else {}
    row |= {key: _number(complexity.get(key)) for key in COSTS}
    return row | {
        "key": entry_id,
        "entry": entry_id,
        "source": "measured",
        "model": record.model.name,
        "role": role_of(record.model.name, record.model.role),
        "benchmark": benchmark.benchmark_id,
        "dataset": benchmark.dataset,
        "date": record.date,
        "where": f"{entry_id}.json",
    }


def _architecture(name: str, speed: ModelSpeed) -> dict[str, Any]:
    known = {"key": f"arch:{name}", "source": "architecture", "model": name, "role": role_of(name)}
    return _empty() | known | _costs(speed)


def _published(one: Published, number: int) -> list[dict[str, Any]]:
    base = {
        "key": f"pub:{number}",
        "source": "published",
        "model": one.method,
        "role": "published",
        "where": one.source,
    }
    return [
        _empty() | base | values | {"row": f"pub:{number}@{dataset}", "dataset": dataset, "params": _number(one.params)}
        for dataset, values in one.scores.items()
    ]


def _speed(run_id: str, speed: ModelSpeed, key: str) -> dict[str, Any]:
    end_to_end, network = speed.end_to_end or _UNKNOWN, speed.network or _UNKNOWN
    return {
        "row": f"{key}@{run_id}",
        "run": run_id,
        "fps_end_to_end": speed.fps_end_to_end,
        "fps_network": speed.fps_network,
        "latency_ms": end_to_end.median,
        "latency_p5": end_to_end.p5,
        "latency_p95": end_to_end.p95,
        "network_ms": network.median,
        "network_p5": network.p5,
        "network_p95": network.p95,
        "peak_memory_mib": _number(speed.peak_memory_mib),
        "device": speed.device or "",
        "dtype": (speed.dtype or "").removeprefix("torch."),
    }


_UNKNOWN = Latency(math.nan, math.nan, math.nan)


def _costs(speed: ModelSpeed) -> dict[str, float]:
    gmacs = _number(speed.gmacs)
    return {"params": _number(speed.params), "gmacs": gmacs, "gflops": 2 * gmacs}


def _empty() -> dict[str, Any]:
    return dict.fromkeys(TEXTS, "") | dict.fromkeys(NUMBERS, math.nan)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


def _is_latest(frame: pd.DataFrame) -> pd.Series:
    """Whether no later result of the same model on the same benchmark is there."""
    newest = frame.groupby(["source", "model", "benchmark"])["date"].transform("max")
    return frame["date"] == newest
