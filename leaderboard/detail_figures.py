"""Charts of one result, of two compared, of costs, of the ablation and of progress over time."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any

import plotly.graph_objects as go

from evaluation.results import Record
from leaderboard.ablations import Ablation
from leaderboard.comparison import Comparison
from leaderboard.speeds import ModelSpeed, SpeedRun
from leaderboard.store import Board, Entry
from leaderboard.style import (
    BLUE,
    FAINT,
    GREY,
    INK,
    ORANGE,
    ROLE_COLOURS,
    ROLE_SYMBOLS,
    SERIES,
    figure,
    log_ticks,
    safe,
)

_BAR = 22
"""Pixels that a sequence takes in a chart of bars."""


def per_sequence(record: Record) -> go.Figure:
    """J and F of each sequence, the best at the top."""
    rows = [(one.name, one.scores) for one in record.sequences if one.scores.jf_mean is not None]
    rows.sort(key=lambda row: row[1].jf_mean or 0)
    names = [safe(name) for name, _ in rows]
    marks = (("J", "j_mean", BLUE, "circle"), ("F", "f_mean", ORANGE, "diamond"))
    traces: list[go.Scatter | go.Bar] = [
        go.Scatter(
            x=[round(100 * getattr(scores, key), 2) for _, scores in rows],
            y=names,
            customdata=[name for name, _ in rows],
            mode="markers",
            name=label,
            meta="sequences",
            marker={"color": colour, "symbol": symbol, "size": 9},
            hovertemplate=f"%{{y}}: {label} %{{x:.1f}} %<extra></extra>",
        )
        for label, key, colour, symbol in marks
    ]
    return figure(
        traces,
        height=max(220, 96 + _BAR * len(rows)),
        xaxis={"title": {"text": "J and F (%)"}, "range": [-3, 103]},
        yaxis={"type": "category", "tickfont": {"size": 11}},
    )


def per_frame(record: Record) -> go.Figure:
    """J of every object over its frames; all sequences, each trace's `meta` naming its own."""
    traces: list[go.Scatter | go.Bar] = []
    for sequence in record.sequences:
        for number, one in enumerate(sequence.objects):
            traces.append(
                go.Scatter(
                    x=list(range(one.start, len(sequence.frames))),
                    y=[round(100 * value, 2) for value in one.j],
                    mode="lines",
                    name=f"object {one.object_id}",
                    meta=sequence.name,
                    showlegend=len(sequence.objects) > 1,
                    visible=sequence is record.sequences[0],
                    line={"color": SERIES[number % len(SERIES)], "width": 2},
                    hovertemplate="scored frame %{x}: J %{y:.1f} %<extra></extra>",
                )
            )
    return figure(
        traces,
        height=260,
        xaxis={"title": {"text": "scored frame"}},
        yaxis={"title": {"text": "J (%)"}, "range": [-3, 103]},
    )


def compared(comparison: Comparison, name_a: str, name_b: str) -> go.Figure:
    """J&F of one model less that of the other, a bar for each sequence."""
    ordered = comparison.sequences[::-1]
    gains = [round(100 * one.gain, 2) for one in ordered]
    trace = go.Bar(
        x=gains,
        y=[safe(one.sequence) for one in ordered],
        customdata=[[round(100 * one.a, 1), round(100 * one.b, 1)] for one in ordered],
        orientation="h",
        marker={"color": [BLUE if gain > 0 else ORANGE for gain in gains]},
        hovertemplate=f"%{{y}}: %{{x:+.1f}} points<br>{safe(name_a)} %{{customdata[0]}} %, "
        f"{safe(name_b)} %{{customdata[1]}} %<extra></extra>",
        showlegend=False,
    )
    most = max((abs(gain) for gain in gains), default=1) * 1.08 or 1
    return figure(
        [trace],
        height=max(220, 96 + _BAR * len(ordered)),
        bargap=0.35,
        xaxis={
            "title": {"text": f"J&F of {safe(name_a)}<br>less that of {safe(name_b)} (points)"},
            "range": [-most, most],
            "zeroline": True,
            "zerolinewidth": 2,
        },
        yaxis={"type": "category", "tickfont": {"size": 11}},
    )


def fps_by_objects(board: Board, run: SpeedRun) -> go.Figure | None:
    """Frames a second against the number of objects; None where no model has such a curve."""
    curves = {name: speed.by_objects for name, speed in _named(board, run) if speed.by_objects}
    traces: list[go.Scatter | go.Bar] = [
        _line(
            [point.objects for point in points],
            [point.fps_end_to_end for point in points],
            name,
            number,
            "%{x} objects: %{y:.1f} frames/s",
        )
        for number, (name, points) in enumerate(curves.items())
    ]
    if not traces:
        return None
    ticks = sorted({point.objects for points in curves.values() for point in points})
    return figure(
        traces,
        height=320,
        xaxis={"title": {"text": "objects"}, "tickvals": ticks},
        yaxis={"title": {"text": "FPS, end to end (frames/s)"}, **_log_axis(traces)},
    )


def latency_by_length(board: Board, run: SpeedRun) -> go.Figure | None:
    """Time of a frame against the clip's length so far; None where no model has such a curve."""
    traces: list[go.Scatter | go.Bar] = [
        _line(
            [point.frames for point in speed.by_length],
            [point.latency_ms for point in speed.by_length],
            name,
            number,
            "after %{x} frames: %{y:.1f} ms",
        )
        for number, (name, speed) in enumerate(_named(board, run))
        if speed.by_length
    ]
    if not traces:
        return None
    return figure(
        traces,
        height=320,
        xaxis={"title": {"text": "frames of the clip so far"}, "rangemode": "tozero"},
        yaxis={"title": {"text": "latency, end to end (ms)"}, **_log_axis(traces)},
    )


def ablation(one: Ablation) -> go.Figure:
    """The student's J with each part of the method, mean and spread over seeds, and every seed as a dot."""
    rows = [row for row in one.rows if row.student_j][::-1]
    titles = [safe(row.title) for row in rows]
    dots = [(100 * value, title) for row, title in zip(rows, titles, strict=True) for value in row.student_j]
    means = [None if row.student_j_mean is None else round(100 * row.student_j_mean, 2) for row in rows]
    traces: list[go.Scatter | go.Bar] = [
        go.Scatter(
            x=[round(x, 2) for x, _ in dots],
            y=[title for _, title in dots],
            mode="markers",
            name="a seed",
            marker={"color": GREY, "size": 6, "opacity": 0.6},
            hovertemplate="%{y}: J %{x:.1f} %<extra></extra>",
        ),
        go.Scatter(
            x=means,
            y=titles,
            mode="markers",
            name="mean and spread of the seeds",
            marker={"color": BLUE, "size": 11},
            error_x={
                "type": "data",
                "array": [round(100 * (row.student_j_std or 0), 3) for row in rows],
                "color": BLUE,
                "thickness": 1.5,
            },
            hovertemplate="%{y}: mean J %{x:.1f} %<extra></extra>",
        ),
    ]
    return figure(
        traces,
        height=max(240, 110 + 30 * len(rows)),
        xaxis={"title": {"text": "student's J on<br>held-out clips (%)"}},
        yaxis={"type": "category", "categoryarray": titles},
    )


def over_time(board: Board, benchmark: str) -> go.Figure:
    """Results by the date of their measurement, and the best so far as a step."""
    entries = sorted(
        (one for one in board.entries if one.benchmark.benchmark_id == benchmark), key=lambda one: one.record.date
    )
    points = [(one, value) for one in entries if (value := _metric(one)) is not None]
    best, so_far = [], -math.inf
    for _, value in points:
        so_far = max(so_far, value)
        best.append(round(100 * so_far, 2))
    dates = [one.record.date for one, _ in points]
    roles = dict(zip(board.frame["entry"], board.frame["role"], strict=True))
    traces: list[go.Scatter | go.Bar] = [
        go.Scatter(
            x=dates,
            y=best,
            mode="lines",
            name="best so far",
            line={"shape": "hv", "color": FAINT, "dash": "dot"},
            hoverinfo="skip",
        )
    ]
    for role in dict.fromkeys(roles[one.entry_id] for one, _ in points):
        mine = [(one, value) for one, value in points if roles[one.entry_id] == role]
        traces.append(
            go.Scatter(
                x=[one.record.date for one, _ in mine],
                y=[round(100 * value, 2) for _, value in mine],
                customdata=[one.entry_id for one, _ in mine],
                text=[safe(one.record.model.name) for one, _ in mine],
                mode="markers+text" if len(points) <= 20 else "markers",
                textposition="top center",
                textfont={"color": INK, "size": 11},
                name=role.capitalize(),
                meta="points",
                marker={"color": ROLE_COLOURS[role], "symbol": ROLE_SYMBOLS[role], "size": 11},
                hovertemplate="%{text}, %{x|%Y-%m-%d}: %{y:.1f} %<extra></extra>",
            )
        )
    label = "G (%)" if points and points[0][0].benchmark.metric == "g_overall" else "J&F (%)"
    xaxis = {"title": {"text": "measured on"}, "type": "date", "range": _days_around(dates)}
    return figure(traces, height=340, xaxis=xaxis, yaxis={"title": {"text": label}})


def _days_around(dates: list[str]) -> list[str] | None:
    """A range with room at both ends, so that results of one day are not spread over its milliseconds."""
    if not dates:
        return None
    first, last = (datetime.fromisoformat(one) for one in (min(dates), max(dates)))
    room = max(timedelta(days=1), (last - first) * 0.1)
    return [(first - room).isoformat(), (last + room).isoformat()]


def _metric(entry: Entry) -> float | None:
    if entry.benchmark.metric == "g_overall":
        return entry.record.seen_unseen.g_overall
    return entry.record.scores.jf_mean


def _named(board: Board, run: SpeedRun) -> list[tuple[str, ModelSpeed]]:
    of_entries = [(board.entry(entry_id).record.model.name, speed) for entry_id, speed in run.by_entry.items()]
    return [*run.models.items(), *of_entries]


def _log_axis(traces: list[go.Scatter | go.Bar]) -> dict[str, Any]:
    """A logarithmic axis for curves that lie far apart; their values are above 0."""
    values = [math.log10(value) for trace in traces for value in trace.y]
    room = max(0.1, 0.06 * (max(values) - min(values)))
    ends = [min(values) - room, max(values) + room]
    return {"type": "log", "range": ends, **log_ticks(*ends)}


def _line(x: list[int], y: list[float], name: str, number: int, hover: str) -> go.Scatter:
    return go.Scatter(
        x=x,
        y=[float(f"{value:.4g}") for value in y],
        mode="lines+markers",
        name=safe(name),
        line={
            "color": SERIES[number % len(SERIES)],
            "width": 2,
            "dash": "solid" if number < len(SERIES) else "dot",
        },
        marker={"size": 8, "symbol": number % 5},
        hovertemplate=f"{safe(name)}, {hover}<extra></extra>",
    )
