"""What the page knows from the start: rows, columns, choices and first lines, as plain values for its script."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from leaderboard.answers import answers
from leaderboard.columns import COLUMNS, PRESETS, SEEN_UNSEEN_PRESET, SPEED_AXES, X_AXES, Y_AXES
from leaderboard.published import PAPER_RATIOS, PAPER_SOURCE, Published
from leaderboard.rows import select
from leaderboard.speeds import SpeedRun
from leaderboard.store import Board
from leaderboard.style import template

MAKE_RESULTS = "python evaluation/run.py all --help"
SUBMIT = "python evaluation/run.py all --models MODEL --dataset davis2016 --root DAVIS --output leaderboard/results"
BIBTEX = """@article{hou2025lightweight,
  title   = {Lightweight video object segmentation: Integrating online knowledge distillation for fast segmentation},
  author  = {Hou and Wang and Ma and Dong and Wang and Yu and Yang},
  journal = {Knowledge-Based Systems},
  volume  = {308},
  pages   = {112759},
  year    = {2025},
  doi     = {10.1016/j.knosys.2024.112759}
}"""
_DATA_SETS = (("davis2016", "jf_mean"), ("davis2017", "jf_mean"))
_DATA_SETS_G = (("youtubevos2018", "g_overall"), ("youtubevos2019", "g_overall"))


def make_payload(
    board: Board, *, runnable: Collection[str] = (), submitted: str | None = None, datasets: Collection[str] = ()
) -> dict[str, Any]:
    """Everything that the page shows before anybody clicks; no NaN in it, missing values are None.

    Args:
        board: what is shown.
        runnable: models that can be run beside the page.
        submitted: entry that is only previewed.
        datasets: those whose masks can be scored here.
    """
    frame = board.frame
    runs = [run.run_id for run in board.runs] or [""]
    ours = frame[frame["source"] != "published"]
    has_values = {key: bool(ours[key].notna().any()) for key in COLUMNS}
    presets = {name: [key for key in keys if has_values[key]] for name, keys in PRESETS.items()}
    if has_values["g_overall"]:
        presets["Seen and unseen"] = list(SEEN_UNSEEN_PRESET)
    return {
        "columns": [
            {
                "key": key,
                "label": column.label,
                "unit": column.unit,
                "title": column.title,
                "group": column.group,
                "help": column.help,
                "higher": column.higher_is_better,
                "is_log": column.is_log,
                "scale": column.scale,
                "is_speed": key in SPEED_AXES,
            }
            for key, column in COLUMNS.items()
            if has_values[key]
        ],
        "presets": presets,
        "x_axes": [key for key in X_AXES if ours[key].notna().any()],
        "y_axes": [key for key in Y_AXES if ours[key].notna().any()],
        "benchmarks": [
            {"id": one.benchmark_id, "label": one.label, "metric": one.metric, "dataset": one.dataset}
            for one in board.benchmarks
        ],
        "runs": [_run(run) for run in board.runs],
        "rows": {row["row"]: _row(row) for row in frame.to_dict("records")},
        "views": {
            one.benchmark_id: {run: select(frame, one.benchmark_id, run)["row"].tolist() for run in runs}
            for one in board.benchmarks
        },
        "answers": {
            one.benchmark_id: {run: answers(board, one.benchmark_id, run) for run in runs} for one in board.benchmarks
        },
        "ablations": [
            {"title": _ablation_title(one.date, one.steps, one.seeds), "id": one.file} for one in board.ablations
        ],
        "published": [_published(one) for one in board.published],
        "problems": [list(problem) for problem in board.problems],
        "template": template(),
        "bibtex": BIBTEX,
        "paper": {
            "names": [one.name for one in PAPER_RATIOS],
            "ratios": [one.text for one in PAPER_RATIOS],
            "source": PAPER_SOURCE,
        },
        "make_results": MAKE_RESULTS,
        "runnable": sorted(runnable),
        "submitted": submitted,
        "submit": {"command": SUBMIT, "datasets": list(datasets)},
    }


def _row(row: dict[str, Any]) -> dict[str, Any]:
    values = {key: None if math.isnan(row[key]) else float(row[key]) for key in COLUMNS}
    shown = {key: COLUMNS[key].format(row[key]) for key in COLUMNS if values[key] is not None}
    for key, low, high in (("jf_mean", "jf_low", "jf_high"), ("latency_ms", "latency_p5", "latency_p95")):
        if not math.isnan(row[low]):
            shown[f"{key}_interval"] = f"{COLUMNS[key].format(row[low])} to {COLUMNS[key].format(row[high])}"
    return {
        **{key: row[key] for key in ("key", "entry", "source", "model", "role", "run", "device", "dtype")},
        "date": row["date"][:10],
        "where": row["where"],
        "is_latest": bool(row["is_latest"]),
        "values": {key: value for key, value in values.items() if value is not None},
        "text": shown,
    }


def _run(run: SpeedRun) -> dict[str, Any]:
    return {"id": run.run_id, "label": run.label, "date": run.date[:10], "models": len(run.models) + len(run.by_entry)}


def _ablation_title(date: str, steps: int | None, seeds: tuple[int, ...]) -> str:
    plural = "" if len(seeds) == 1 else "s"
    return f"{date[:10]}, {len(seeds)} seed{plural}" + (f", {steps:,} steps" if steps else "")


def _published(one: Published) -> dict[str, Any]:
    def score(dataset: str, key: str) -> str:
        value = one.scores.get(dataset, {}).get(key, math.nan)
        return COLUMNS[key].format(value)

    return {
        "method": one.method,
        "backbone": one.backbone,
        "params": "N/A" if one.params is None else f"{one.params / 1e6:g}",
        "scores": [score(*pair) for pair in (*_DATA_SETS, *_DATA_SETS_G)],
        "fps": "N/A" if one.fps is None else f"{one.fps:g}",
        "fps_note": one.fps_note,
        "source": one.source,
        "note": one.note,
    }
