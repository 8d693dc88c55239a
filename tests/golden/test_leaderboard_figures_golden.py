"""Charts as Plotly's JSON, against a snapshot; `UPDATE_GOLDEN=1 pytest THIS_FILE` writes it anew, to be seen in git.

What a chart must be is checked apart from it: axes with units, nothing clipped, missing values left out.
"""

from __future__ import annotations

import json
import math
import os
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import plotly.graph_objects as go
import pytest

from evaluation import results
from leaderboard import detail_figures
from leaderboard.columns import COLUMNS, X_AXES, Y_AXES
from leaderboard.comparison import compare
from leaderboard.figures import trade_off
from leaderboard.ranking import pareto_front
from leaderboard.rows import select
from leaderboard.store import Board, load_board
from leaderboard.style import to_plain

made = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "leaderboard_factory.py")))
SNAPSHOT = Path(__file__).with_name("leaderboard_figures.json")


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    return load_board(made.write_folder(tmp_path_factory.mktemp("results"), sequences=3, frames=5))


def figures_of(board: Board) -> dict[str, go.Figure]:
    benchmark, run = board.benchmarks[0].benchmark_id, board.runs[1]
    student, teacher = (board.entry(f"{name}-davis2016").record for name in ("student", "teacher"))
    found = {
        "trade_off": trade_off(board, benchmark, run.run_id, "fps_end_to_end", "jf_mean"),
        "trade_off_size": trade_off(board, benchmark, board.runs[0].run_id, "params", "jf_mean"),
        "per_sequence": detail_figures.per_sequence(student),
        "per_frame": detail_figures.per_frame(student),
        "compared": detail_figures.compared(compare(student, teacher), "student", "teacher"),
        "fps_by_objects": detail_figures.fps_by_objects(board, run),
        "latency_by_length": detail_figures.latency_by_length(board, run),
        "ablation": detail_figures.ablation(board.ablations[0]),
        "over_time": detail_figures.over_time(board, benchmark),
    }
    assert None not in found.values()
    return {name: one for name, one in found.items() if one is not None}


def rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    return [rounded(inner) for inner in value] if isinstance(value, list | tuple) else value


def test_figures_are_those_of_the_snapshot(board: Board) -> None:
    found = {name: rounded(to_plain(one)) for name, one in figures_of(board).items()}
    if os.environ.get("UPDATE_GOLDEN"):
        SNAPSHOT.write_text(json.dumps(found, indent=1, sort_keys=True, allow_nan=False) + "\n")
    expected = json.loads(SNAPSHOT.read_text())
    assert set(found) == set(expected)
    for name, one in found.items():
        assert json.loads(json.dumps(one)) == expected[name], name


def test_every_axis_names_what_it_shows(board: Board) -> None:
    for name, one in figures_of(board).items():
        for axis in (one.layout.xaxis, one.layout.yaxis):
            assert axis.title.text or axis.type == "category", name
        assert one.layout.paper_bgcolor is None, "the template makes it transparent"
        assert one.layout.template.layout.paper_bgcolor == "rgba(0,0,0,0)"
        for trace in one.data:
            assert trace.cliponaxis is False, name
            assert trace.hovertemplate or trace.hoverinfo == "skip", name


@pytest.mark.parametrize("x", X_AXES)
@pytest.mark.parametrize("y", Y_AXES)
def test_trade_off_for_every_pair_of_axes(board: Board, x: str, y: str) -> None:
    benchmark, run = board.benchmarks[0].benchmark_id, board.runs[0].run_id
    one = trade_off(board, benchmark, run, x, y)
    rows = select(board.frame, benchmark, run)
    column_x, column_y = COLUMNS[x], COLUMNS[y]
    drawn: dict[str, tuple[float, float]] = {}
    for trace in one.data:
        if trace.meta == "points":
            drawn |= dict(zip(trace.customdata, zip(trace.x, trace.y, strict=True), strict=True))
    is_speed = column_x.group == "Speed"
    wanted = rows[rows[x].notna() & rows[y].notna() & ((rows["source"] != "published") | (not is_speed))]
    assert set(drawn) == set(wanted["key"]), "missing values are left out, and nothing else"
    for _, row in wanted.iterrows():
        assert drawn[row["key"]] == pytest.approx((row[x] * column_x.scale, row[y] * column_y.scale))
    low, high = one.layout.xaxis.range or (-9, 9)
    assert all(low < math.log10(point[0]) < high for point in drawn.values())
    assert one.layout.xaxis.type == "log"
    assert bool(drawn) == (y != "g_overall")
    measured = wanted[wanted["source"] == "measured"]
    directions = {"x_higher": column_x.higher_is_better, "y_higher": column_y.higher_is_better}
    flags = pareto_front(measured[x].to_numpy(), measured[y].to_numpy(), **directions)
    front = next(trace for trace in one.data if trace.meta == "front")
    assert set(front.customdata) == {key for key, flag in zip(measured["key"], flags, strict=True) if flag}


def test_published_points_are_drawn_only_where_axes_can_be_shared(board: Board) -> None:
    benchmark, run = board.benchmarks[0].benchmark_id, board.runs[0].run_id
    for x, is_drawn in (("params", True), ("fps_end_to_end", False), ("latency_ms", False)):
        names = [trace.name for trace in trade_off(board, benchmark, run, x, "jf_mean").data]
        assert ("Published" in names) == is_drawn, x


def test_the_arrow_goes_from_teacher_to_student(board: Board) -> None:
    one = trade_off(board, board.benchmarks[0].benchmark_id, board.runs[0].run_id, "fps_end_to_end", "jf_mean")
    (arrow,) = one.layout.annotations
    assert arrow.name == "teacher-davis2016>student-davis2016"
    assert (arrow.ax, arrow.x) == pytest.approx((math.log10(3.4), math.log10(13)))


def test_names_are_no_markup(tmp_path: Path) -> None:
    record = made.make_record("<b>x</b>", "baseline", 0.7, 1)
    results.save(record, tmp_path / "odd.json")
    board = load_board(tmp_path)
    for one in (
        trade_off(board, board.benchmarks[0].benchmark_id, board.runs[0].run_id, "params", "jf_mean"),
        detail_figures.over_time(board, board.benchmarks[0].benchmark_id),
        detail_figures.fps_by_objects(board, board.runs[0]),
    ):
        text = json.dumps(to_plain(one))
        assert "<b>x" not in text
        assert "&lt;b&gt;x&lt;/b&gt;" in text
