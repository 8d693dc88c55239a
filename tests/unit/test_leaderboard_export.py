"""Exports: right numbers, and text that stays text in a spreadsheet, in LaTeX and in Markdown."""

from __future__ import annotations

import csv
import io
import json
import runpy
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from evaluation import results
from leaderboard.columns import COLUMNS
from leaderboard.export import FORMATS, export, safe_cell, safe_latex, safe_markdown
from leaderboard.rows import select
from leaderboard.store import load_board

made = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "leaderboard_factory.py")))
EVIL = '=HYPERLINK("http://x","|a_b")\n<script>&lt; \\input{x} 100%'


@pytest.fixture
def rows(tmp_path: Path) -> pd.DataFrame:
    folder = made.write_folder(tmp_path)
    results.save(made.make_record(EVIL, "baseline", 0.6, 4), folder / "odd.json")
    board = load_board(folder)
    return select(board.frame, board.benchmarks[0].benchmark_id, "speed-cpu")


def test_csv_holds_every_row_and_number(rows: pd.DataFrame) -> None:
    found = list(csv.DictReader(io.StringIO(export(rows, "csv").text(), newline="")))
    assert len(found) == len(rows)
    student = next(row for row in found if row["model"] == "student")
    source = rows[rows["model"] == "student"].iloc[0]
    assert float(student["jf_mean (%)"]) == pytest.approx(100 * source["jf_mean"])
    assert float(student["params (M)"]) == pytest.approx(source["params"] / 1e6)
    assert student["where"] == "student-davis2016.json"
    assert next(row for row in found if row["model"] == "stcn_r50")["jf_mean (%)"] == ""


def test_csv_has_no_formula(rows: pd.DataFrame) -> None:
    for row in csv.reader(io.StringIO(export(rows, "csv").text(), newline="")):
        for cell in row:
            assert not cell.startswith(("=", "@", "+", "\t", "\r")), cell
            assert not cell.startswith("-") or float(cell) < 0, cell


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\r=1", "\n=1", "|x", "%x"])
def test_formulas_are_neutralised(text: str) -> None:
    assert safe_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["student", "a=b", "STM+ (MiVOS)", "", "1/20"])
def test_plain_text_stays(text: str) -> None:
    assert safe_cell(text) == text


def test_json_is_json_with_null_for_missing(rows: pd.DataFrame) -> None:
    data = json.loads(export(rows, "json").text())
    assert len(data) == len(rows)
    by_model = {row["model"]: row for row in data}
    assert by_model["stcn_r50"]["jf_mean"] is None
    assert by_model["student"]["jf_mean"] == rows[rows["model"] == "student"].iloc[0]["jf_mean"]
    assert set(by_model["student"]) >= set(COLUMNS)
    assert EVIL in by_model


def test_chosen_rows_in_their_order(rows: pd.DataFrame) -> None:
    parts = export(rows, "json")
    chosen = ["teacher-davis2016", "student-davis2016", "nobody"]
    assert [row["model"] for row in json.loads(parts.text(chosen))] == ["teacher", "student"]
    assert json.loads(parts.text([])) == []


def test_markdown_is_a_table_of_plain_text(rows: pd.DataFrame) -> None:
    lines = export(rows, "md").text().splitlines()
    assert len(lines) == len(rows) + 2
    columns = lines[0].count("|")
    for line in lines:
        assert line.replace("\\|", "").count("|") == columns, line
        assert "<script" not in line
    assert any("no weights" in line for line in lines)


def test_latex_is_a_table_of_plain_text(rows: pd.DataFrame) -> None:
    text = export(rows, "tex").text()
    assert text.startswith("\\begin{tabular}")
    assert text.endswith("\\end{tabular}\n")
    body = [line for line in text.splitlines() if "&" in line]
    assert len(body) == len(rows) + 1
    assert len({line.replace("\\&", "").count("&") for line in body}) == 1
    assert "\\input" not in text
    assert "\\textbackslash{}input\\{x\\} 100\\%" in text


def test_special_characters() -> None:
    assert safe_latex("a_b^c~d#e$f{g}") == r"a\_b\textasciicircum{}c\textasciitilde{}d\#e\$f\{g\}"
    assert safe_markdown("[x](javascript:1) &lt; J&F") == r"\[x\]\(javascript:1\) &amp;lt; J&F"


def test_published_rows_say_so(rows: pd.DataFrame) -> None:
    assert set(FORMATS) == {"csv", "json", "md", "tex"}
    assert (rows["source"] == "published").sum() > 5
    for name in ("md", "tex"):
        assert export(rows, name).text().count("published, not measured here") == (rows["source"] == "published").sum()


def test_every_row_has_a_line(rows: pd.DataFrame) -> None:
    for name in FORMATS:
        assert export(rows, name).lines.keys() == set(rows["key"])
