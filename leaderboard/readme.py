"""README's table of results, written from the records: `python -m leaderboard.readme`; `--check` only compares.

The table stands between two marks; without results there is nothing between them but a line that says so.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

import pandas as pd

from leaderboard.answers import answers
from leaderboard.columns import COLUMNS, NOT_MEASURED
from leaderboard.export import safe_markdown
from leaderboard.files import write_text
from leaderboard.published import PAPER_RATIOS
from leaderboard.ranking import ranks
from leaderboard.rows import select
from leaderboard.speeds import SpeedRun
from leaderboard.store import RESULTS, Board, load_board

README = Path(__file__).resolve().parents[1] / "README.md"
BEGIN, END = "<!-- leaderboard: begin -->", "<!-- leaderboard: end -->"
_COLUMNS = ("fps_end_to_end", "latency_ms", "params", "gflops")
_NONE = "No results yet: `python evaluation/run.py all --help` says how to make them."


def table(board: Board) -> str:
    """All benchmarks as Markdown: measured models by rank, then those without weights."""
    if not board.benchmarks:
        return _NONE + "\n"
    run = board.runs[0] if board.runs else None
    parts = []
    for one in board.benchmarks:
        rows = select(board.frame, one.benchmark_id, run.run_id if run else "")
        parts.append(_benchmark(rows[rows["is_latest"]], one.label, one.metric))
    parts.append(_notes(board, run))
    return "\n".join(parts)


def replace_table(text: str, new: str) -> str:
    """A README with a new table between its marks.

    Raises:
        ValueError: the marks are not there, each once and in order.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError(f"README needs the lines {BEGIN} and {END}, once each and in this order.")
    head, rest = text.split(BEGIN)
    return f"{head}{BEGIN}\n{new}{END}{rest.split(END)[1]}"


def _benchmark(rows: pd.DataFrame, label: str, metric: str) -> str:
    measured = rows[rows["source"] == "measured"].copy()
    measured["rank"] = ranks(measured[metric].to_numpy())
    measured = measured.sort_values(["rank", "model"])
    architecture = rows[rows["source"] == "architecture"].sort_values("model")
    columns = [COLUMNS[metric], *(COLUMNS[key] for key in _COLUMNS)]
    lines = [
        f"**{label}**",
        "",
        f"| | Model | {' | '.join(column.title for column in columns)} |",
        f"|---:|---|{'---:|' * len(columns)}",
    ]
    for _, row in pd.concat([measured, architecture]).iterrows():
        cells = [_cell(row, column.key) for column in columns]
        rank = "" if row["source"] == "architecture" else f"{row['rank']:.0f}"
        note = ", no weights" if row["source"] == "architecture" else ""
        lines.append(f"| {rank} | {safe_markdown(row['model'])} ({row['role']}{note}) | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(row: pd.Series, key: str) -> str:
    text = COLUMNS[key].format(row[key])
    ends = {"jf_mean": ("jf_low", "jf_high"), "latency_ms": ("latency_p5", "latency_p95")}.get(key)
    if text == NOT_MEASURED:
        return ""
    if ends and not math.isnan(row[ends[0]]):
        text += f" ({COLUMNS[key].format(row[ends[0]])}-{COLUMNS[key].format(row[ends[1]])})"
    return text


def _notes(board: Board, run: SpeedRun | None) -> str:
    lines = ["J&F with its 95 % interval over sequences; latency end to end with p5 and p95."]
    latest = set(board.frame[board.frame["is_latest"]]["entry"])
    made: dict[str, list[str]] = {}
    for entry in board.entries:
        if entry.entry_id in latest:
            made.setdefault(_made(entry.record.date, entry.record.commit), []).append(entry.file)
    lines += [f"Accuracy: {safe_markdown(', '.join(files))}, measured {when}." for when, files in made.items()]
    if run is not None:
        lines.append(f"Speed: {_told(run)}.")
        costs = answers(board, board.benchmarks[0].benchmark_id, run.run_id)["costs"]
        for name in ("teacher", "yardstick", "peer"):
            if costs[name]:
                speed, params, gflops = costs[name]["student"]
                against = "its teacher" if name == "teacher" else safe_markdown(costs[f"{name}_name"])
                against += ", the fastest peer here," if name == "peer" else ""
                has = [f"{speed} the speed", f"{params} of the parameters", f"{gflops} of the GFLOPs"]
                known = [one for one in has if not one.startswith(NOT_MEASURED)]
                lines.append(f"Against {against} the student has {', '.join(known)}.")
        files = [other for other in board.runs if other.file and other.run_id != run.run_id]
        lines += [line for other in files if (line := _other_run(board, other))]
        stated = ", ".join(f"{one.name} {one.text}" for one in PAPER_RATIOS)
        lines.append(f"The paper states, in its abstract and of its own networks: {stated}.")
    return "\n".join(lines) + "\n"


def _other_run(board: Board, run: SpeedRun) -> str:
    """The student's speed in a further run, and against what it was timed there; empty where it was not."""
    benchmark = board.benchmarks[0].benchmark_id
    answer = answers(board, benchmark, run.run_id)
    costs, rows = answer["costs"], select(board.frame, benchmark, run.run_id)
    if answer["student"] is None:
        return ""
    fps = rows[rows["key"] == answer["student"]["key"]]["fps_end_to_end"].dropna()
    if fps.empty:
        return ""
    found = [f"{COLUMNS['fps_end_to_end'].format(fps.iloc[0])} frames/s"]
    for name in ("teacher", "yardstick", "peer"):
        if costs[name] and not costs[name]["student"][0].startswith(NOT_MEASURED):
            against = "its teacher" if name == "teacher" else safe_markdown(costs[f"{name}_name"])
            found.append(f"{costs[name]['student'][0]} the speed of {against}")
    return f"Also, {_told(run)}: the student has {', '.join(found)}."


def _told(run: SpeedRun) -> str:
    """Where, in which file and when a run was measured."""
    file = f": {safe_markdown(run.file)}" if run.file else ""
    return f"{safe_markdown(run.label)}, in one run{file}, measured {_made(run.date, run.commit)}"


def _made(date: str, commit: str | None) -> str:
    """When and with which code, on one line."""
    if commit is None:
        return f"{date[:10]}"
    state, dirty, _ = commit.partition("-dirty")
    return f"{date[:10]} with code {safe_markdown(state[:10] + dirty)}"


def main(argv: list[str] | None = None) -> int:
    """Run the command; 0 when done, 1 when `--check` finds another table, 2 when README has no place for one."""
    parser = argparse.ArgumentParser(prog="python -m leaderboard.readme", description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when the table is another one")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR", help="result files; default: bundled")
    parser.add_argument("--readme", type=Path, default=README, metavar="FILE.md", help="default: the repository's")
    arguments = parser.parse_args(argv)
    try:
        text = arguments.readme.read_text(encoding="utf-8")
        new = replace_table(text, table(load_board(arguments.results)))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"leaderboard.readme: error: {error}\n")
        return 2
    if arguments.check:
        if new != text:
            sys.stderr.write("README's table is not that of the records; run `python -m leaderboard.readme`.\n")
        return int(new != text)
    if new != text:
        write_text(arguments.readme, new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
