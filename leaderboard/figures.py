"""The trade-off chart: accuracy against cost, with the Pareto front, intervals, and an arrow from teacher to student.

Points carry the key of their row as `customdata`: the page hides and finds them by it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from leaderboard.columns import COLUMNS, INTERVALS, NOT_MEASURED, SPEED_AXES, Column
from leaderboard.ranking import pareto_front
from leaderboard.rows import select
from leaderboard.store import Board
from leaderboard.style import FAINT, INK, ROLE_COLOURS, ROLE_SYMBOLS, figure, log_ticks, safe

SMALLEST, LARGEST = 11.0, 36.0
"""Diameters of bubbles in pixels."""
_LABELS = 14
"""Most points that still have their names beside them."""
_TITLES = {"student": "Student", "teacher": "Teacher", "baseline": "Baseline", "published": "Published"}


def trade_off(board: Board, benchmark: str, run: str, x: str, y: str) -> go.Figure:
    """Accuracy against cost, for the models of a benchmark with the speeds of a run.

    Args:
        board: everything.
        benchmark: id.
        run: id; empty for none.
        x: key of a column, on a logarithmic axis where its column is.
        y: likewise.

    Returns:
        A trace for each role, one for the Pareto front of what is measured (its `meta` is `front`), and marks on the
        axis for models without weights, whose cost alone is known. What is published is left out where x is a speed:
        an author's comes from another machine.
    """
    rows = select(board.frame, benchmark, run)
    if x in SPEED_AXES:
        rows = rows[rows["source"] != "published"]
    known = rows[rows[x].notna()]
    architecture = known[known["source"] == "architecture"]
    rows = known[known[y].notna()]
    measured = rows[rows["source"] == "measured"]
    column_x, column_y = COLUMNS[x], COLUMNS[y]
    sizes = _bubbles(rows["params"])
    has_labels = len(rows) <= _LABELS
    axis_x, axis_y = _axis(known, x, column_x), _axis(rows, y, column_y)
    span = axis_x.get("range", [0.0, 1.0])
    traces = [_front(measured, column_x, column_y)]
    for role, title in _TITLES.items():
        of_role = rows[rows["role"] == role]
        if not of_role.empty:
            traces.append(_points(of_role, column_x, column_y, role, title, sizes[of_role.index], has_labels, span))
    if not architecture.empty and "range" in axis_y:
        low, high = axis_y["range"]
        axis_y["range"] = [low - 0.12 * (high - low), high]  # room for their names
        traces.append(_at_the_foot(architecture, column_x, axis_y["range"][0], span))
    made = figure(traces, xaxis=axis_x, yaxis=axis_y, annotations=_arrows(rows, column_x, column_y))
    return made.update_layout(legend={"itemsizing": "constant"}, margin={"t": 36})


def hover_text(row: pd.Series) -> str:
    """What a point says: its values, and how they came about."""
    lines = [f"<b>{safe(row['model'])}</b>"]
    if row["source"] == "published":
        lines.append("published by its authors, not measured here")
    shown = ("jf_mean", "g_overall", "fps_end_to_end", "latency_ms", "params", "gflops", "peak_memory_mib")
    for key in shown:
        if not math.isnan(row[key]):
            column = COLUMNS[key]
            lines.append(f"{safe(column.label)}: {column.format(row[key])} {column.unit}".rstrip() + _spread(row, key))
    if row["source"] == "architecture":
        lines.append("no weights: speed and size only")
    provenance = [row["device"], row["dtype"], row["date"][:10]]
    if any(provenance):
        lines.append(safe(", ".join(part for part in provenance if part)))
    return "<br>".join(lines)


def _spread(row: pd.Series, key: str) -> str:
    if key not in INTERVALS:
        return ""
    low, high = (COLUMNS[key].format(row[end]) for end in INTERVALS[key])
    return "" if NOT_MEASURED in (low, high) else f" ({low} to {high})"


def _front(rows: pd.DataFrame, x: Column, y: Column) -> go.Scatter:
    flags = pareto_front(
        rows[x.key].to_numpy(), rows[y.key].to_numpy(), x_higher=x.higher_is_better, y_higher=y.higher_is_better
    )
    front = rows[np.array([flag is True for flag in flags], np.bool_)].sort_values([x.key, y.key])
    # Between two points a budget reaches the one that needs less: the faster, or the smaller.
    shape = "vh" if x.higher_is_better else "hv"
    return go.Scatter(
        x=(front[x.key] * x.scale).tolist(),
        y=(front[y.key] * y.scale).tolist(),
        customdata=front["key"].tolist(),
        mode="lines",
        line={"shape": shape, "color": FAINT, "width": 2, "dash": "dot"},
        name="Pareto front",
        meta="front",
        hoverinfo="skip",
    )


def _points(
    rows: pd.DataFrame,
    x: Column,
    y: Column,
    role: str,
    title: str,
    sizes: pd.Series,
    has_labels: bool,
    span: list[float],
) -> go.Scatter:
    symbols = [f"{ROLE_SYMBOLS[role]}-open" if one == "architecture" else ROLE_SYMBOLS[role] for one in rows["source"]]
    return go.Scatter(
        x=(rows[x.key] * x.scale).tolist(),
        y=(rows[y.key] * y.scale).tolist(),
        customdata=rows["key"].tolist(),
        text=[safe(model) for model in rows["model"]] if has_labels else None,
        textposition=_label_places(rows, x, span),
        textfont={"color": INK, "size": 12},
        mode="markers+text" if has_labels else "markers",
        marker={
            "size": sizes.tolist(),
            "color": ROLE_COLOURS[role],
            "symbol": symbols,
            "opacity": 0.9,
            "line": {"width": 1.5, "color": ROLE_COLOURS[role]},
        },
        error_x=_error(rows, x, ROLE_COLOURS[role]),
        error_y=_error(rows, y, ROLE_COLOURS[role]),
        hovertext=[hover_text(row) for _, row in rows.iterrows()],
        hovertemplate="%{hovertext}<extra></extra>",
        name=title,
        meta="points",
    )


def _label_places(rows: pd.DataFrame, x: Column, span: list[float]) -> list[str]:
    """Names go above and inwards: straight above or beside they would lie on an error bar, outwards they are cut."""
    shown = rows[x.key] * x.scale
    places = (np.log10(shown) if x.is_log else shown) - span[0]
    return ["top left" if place > 0.7 * (span[1] - span[0]) else "top right" for place in places]


def _at_the_foot(rows: pd.DataFrame, x: Column, y: float, span: list[float]) -> go.Scatter:
    """Models of which only the cost is known, on the axis; neighbours' names on three levels, so that all are read."""
    rows = rows.sort_values(x.key)
    levels = ["<br>\u00a0" * (number % 3) for number in range(len(rows))]
    return go.Scatter(
        x=(rows[x.key] * x.scale).tolist(),
        y=[y] * len(rows),
        customdata=rows["key"].tolist(),
        text=[safe(model) + level for model, level in zip(rows["model"], levels, strict=True)]
        if len(rows) <= _LABELS
        else None,
        textposition=_label_places(rows, x, span),
        textfont={"color": INK, "size": 11},
        mode="markers+text" if len(rows) <= _LABELS else "markers",
        marker={"symbol": "triangle-up-open", "size": 10, "color": ROLE_COLOURS["baseline"], "line": {"width": 1.5}},
        hovertext=[hover_text(row) for _, row in rows.iterrows()],
        hovertemplate="%{hovertext}<extra></extra>",
        name="No weights",
        meta="foot",
    )


def _error(rows: pd.DataFrame, column: Column, colour: str) -> dict[str, Any] | None:
    if column.key not in INTERVALS:
        return None
    low, high = (rows[end] for end in INTERVALS[column.key])
    if low.isna().all():
        return None
    return {
        "type": "data",
        "symmetric": False,
        "array": ((high - rows[column.key]) * column.scale).fillna(0).tolist(),
        "arrayminus": ((rows[column.key] - low) * column.scale).fillna(0).tolist(),
        "color": colour,
        "thickness": 1.2,
        "width": 4,
    }


def _bubbles(params: pd.Series) -> pd.Series:
    """Diameters whose areas follow the square root of the parameters: 1 M and 50 M both stay visible."""
    largest = params.max()
    if math.isnan(largest):
        return pd.Series(SMALLEST, index=params.index)
    return (SMALLEST + (LARGEST - SMALLEST) * np.sqrt(params / largest) ** 0.9).fillna(SMALLEST).round(1)


def _axis(rows: pd.DataFrame, key: str, column: Column) -> dict[str, Any]:
    """An axis whose range leaves room for bubbles, error bars and names, so that nothing is clipped."""
    axis: dict[str, Any] = {"title": {"text": safe(column.title)}}
    ends = [rows[end] for end in (key, *INTERVALS.get(key, ()))]
    values = pd.concat(ends).dropna() * column.scale
    if column.is_log:
        values = np.log10(values[values > 0])
        axis["type"] = "log"
    if len(values):
        low, high = float(values.min()), float(values.max())
        room = 0.12 * (high - low) or (0.15 if column.is_log else 2.0)
        axis["range"] = [low - room, high + room]
        if column.is_log:
            axis |= log_ticks(*axis["range"])
    return axis


def _arrows(rows: pd.DataFrame, x: Column, y: Column) -> list[dict[str, Any]]:
    """From the teacher to the student; an annotation's `name` holds both keys."""
    measured = rows[(rows["source"] == "measured") & rows["is_latest"]]
    teachers, students = (measured[(measured["role"] == role)] for role in ("teacher", "student"))
    teacher, student = teachers[teachers["model"] == "teacher"], students[students["model"] == "student"]
    if len(teacher) != 1 or len(student) != 1:
        return []
    head, tail = student.iloc[0], teacher.iloc[0]

    def place(row: pd.Series, column: Column) -> float:
        value = float(row[column.key] * column.scale)
        return math.log10(value) if column.is_log else value  # Plotly places annotations on a log axis by exponent

    return [
        {
            "name": f"{tail['key']}>{head['key']}",
            "x": place(head, x),
            "y": place(head, y),
            "ax": place(tail, x),
            "ay": place(tail, y),
            **{"xref": "x", "yref": "y", "axref": "x", "ayref": "y"},
            **{"showarrow": True, "arrowhead": 3, "arrowwidth": 1.5, "arrowcolor": FAINT, "text": ""},
            **{"standoff": 12, "startstandoff": 16},
        }
    ]
