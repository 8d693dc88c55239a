"""What a visitor wants to know first: what the teacher costs, and what the student loses for it.

Ratios of speed are taken between models of one run only.
"""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from leaderboard.columns import NOT_MEASURED
from leaderboard.comparison import compare
from leaderboard.rows import select
from leaderboard.store import Board

YARDSTICK = "stcn_r50"
"""The leanest published network of this kind; the paper's ratios are against networks like it."""


def answers(board: Board, benchmark: str, run: str) -> dict[str, Any]:
    """The first lines for a benchmark and a speed run.

    Returns:
        `student` and `teacher`: names and keys; `costs`: the ratios of teacher, yardstick and the fastest other
        baseline of the run to the student; `loss`: the difference of J&F. What cannot be said is None.
    """
    rows = select(board.frame, benchmark, run)
    student, teacher = (_chosen(rows, role) for role in ("student", "teacher"))
    baselines = rows[(rows["role"] == "baseline") & (rows["source"] != "published")]
    timed = baselines[(baselines["model"] != YARDSTICK) & baselines["fps_end_to_end"].notna()]
    yardstick = _first(baselines[baselines["model"] == YARDSTICK])
    peer = _first(timed.sort_values("fps_end_to_end", ascending=False))
    others = {"teacher": teacher, "yardstick": yardstick, "peer": peer}
    return {
        "student": _name(student),
        "teacher": _name(teacher),
        "costs": {
            **{role: None if student is None or row is None else _ratios(student, row) for role, row in others.items()},
            **{f"{role}_name": None if row is None else row["model"] for role, row in others.items()},
            **{f"{role}_key": None if row is None else row["key"] for role, row in others.items()},
        },
        "loss": None if student is None or teacher is None else _loss(board, student, teacher),
    }


def times(value: float) -> str:
    """How many times as much: `12x`, `3.4x`; N/A for NaN.

    >>> times(12.34), times(3.44), times(float("nan"))
    ('12x', '3.4x', 'N/A')
    """
    if math.isnan(value):
        return NOT_MEASURED
    return f"{value:.0f}x" if value >= 10 else f"{value:.1f}x"


def share(value: float) -> str:
    """A ratio below 1 as the field writes it, rounded to what a fraction says.

    >>> share(1 / 57.9), share(1 / 6.93), share(1.25)
    ('1/58', '1/6.9', '1.2x')
    """
    if math.isnan(value) or value <= 0:
        return NOT_MEASURED
    return f"1/{1 / value:.0f}" if value <= 0.1 else f"1/{1 / value:.1f}" if value < 1 else times(value)


def _ratios(student: pd.Series, other: pd.Series) -> dict[str, list[str]]:
    """Speed, parameters and GFLOPs, in the paper's order.

    Returns:
        `student`: the student's as a multiple or share of the other's, as the paper puts it; `other`: how many times
        slower, larger and costlier the other is.
    """
    is_one_run = student["run"] == other["run"] != ""
    speed = student["fps_network"] / other["fps_network"] if is_one_run else math.nan
    sizes = [student[key] / other[key] for key in ("params", "gflops")]
    return {
        "student": [times(speed) if not speed < 1 else share(speed), *(share(size) for size in sizes)],
        "other": [times(speed), *(times(1 / size) for size in sizes)],
    }


def _loss(board: Board, student: pd.Series, teacher: pd.Series) -> dict[str, Any] | None:
    try:
        comparison = compare(board.entry(student["entry"]).record, board.entry(teacher["entry"]).record)
    except (KeyError, ValueError):
        return None  # one of them has no weights, so there is nothing to lose; or they are not to be compared
    worst = comparison.sequences[0] if comparison.sequences else None
    interval = comparison.mean
    return {
        "points": f"{100 * comparison.difference:+.1f}",
        "interval": None if interval is None else f"{100 * interval.low:+.1f} to {100 * interval.high:+.1f}",
        "is_clear": comparison.is_clear,
        "wins": comparison.wins,
        "losses": comparison.losses,
        "sequences": len(comparison.sequences),
        "worst": None if worst is None else {"sequence": worst.sequence, "points": f"{100 * worst.gain:+.1f}"},
        "student_jf": f"{100 * student['jf_mean']:.1f}",
        "teacher_jf": f"{100 * teacher['jf_mean']:.1f}",
    }


def _chosen(rows: pd.DataFrame, role: str) -> pd.Series | None:
    """The model that stands for a role: the one of that name, else the best of the latest; without weights last."""
    of_role = rows[(rows["role"] == role) & (rows["source"] != "published")]
    order = pd.DataFrame(
        {
            "has_scores": of_role["source"] == "measured",
            "is_latest": of_role["is_latest"],
            "is_named": of_role["model"] == role,
            "jf_mean": of_role["jf_mean"].fillna(-1),
        }
    ).sort_values(["has_scores", "is_latest", "is_named", "jf_mean"], ascending=False)
    return _first(of_role.loc[order.index])


def _first(rows: pd.DataFrame) -> pd.Series | None:
    return None if rows.empty else rows.iloc[0]


def _name(row: pd.Series | None) -> dict[str, str] | None:
    return None if row is None else {"model": row["model"], "key": row["key"]}
