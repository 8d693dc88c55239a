"""The leaderboard as one HTML page that works from disk, without a server or network: `python -m leaderboard.build`.

The page is the tab's own; the answers that a server would give are inside it.
"""

from __future__ import annotations

import argparse
import html
import itertools
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from leaderboard import assets
from leaderboard.api import Api
from leaderboard.export import FORMATS
from leaderboard.files import write_text
from leaderboard.filmstrip import Folders
from leaderboard.options import folders_of
from leaderboard.payload import make_payload
from leaderboard.store import RESULTS, Board, load_board

MOST_PAIRS = 500
"""Pairs of models whose comparison is put into a page, about 2 MB; beyond, those with a teacher or student alone."""


def build(board: Board, folders: Folders | None = None, title: str = "vos-kd leaderboard") -> str:
    """The page as text.

    Args:
        board: what it shows.
        folders: of data sets and masks, whose pictures are put in.
        title: of the page.
    """
    api = Api(board, folders)
    answers = {}
    for question, arguments in questions(board, folders):
        answer = api.answer(question, arguments)
        if "error" not in answer:
            key = json.dumps(
                [question, *arguments], separators=(",", ":"), ensure_ascii=False
            )  # as JavaScript writes it
            answers[key] = json.dumps(answer, allow_nan=False)
    parts = {
        "title": html.escape(title),
        "style": assets.style(),
        "payload": _inert(make_payload(board)),
        "answers": _inert(answers),
        "plotly": assets.PLOTLY.read_text(encoding="utf-8").replace("</script", "<\\/script"),
        "script": assets.static_script(),
    }
    # All at once: what is put in may itself hold the sign of a place.
    return re.sub(r"%%(\w+)%%", lambda match: parts[match[1]], assets.static_page())


def questions(board: Board, folders: Folders | None = None) -> Iterator[tuple[str, list[str]]]:
    """All that the page can ask about a board."""
    payload = make_payload(board)
    runs = [run.run_id for run in board.runs]
    benchmarks = [one.benchmark_id for one in board.benchmarks]
    architectures = board.frame[board.frame["source"] == "architecture"]
    for benchmark, run in itertools.product(benchmarks, runs or [""]):
        yield from (("trade_off", [benchmark, run, x, y]) for x in payload["x_axes"] for y in payload["y_axes"])
        yield from (("export", [name, benchmark, run]) for name in FORMATS)
    for run in runs or [""]:
        yield from (("detail", [entry.entry_id, run]) for entry in board.entries)
        yield from (("detail", [key, run]) for key in architectures[architectures["run"] == run]["key"])
    yield from (("costs", [run]) for run in runs)
    yield from (("ablation", [one.file]) for one in board.ablations)
    yield from (("over_time", [benchmark]) for benchmark in benchmarks)
    yield from (("compare", list(pair)) for pair in _pairs(board))
    if folders is not None:
        for entry in board.entries:
            if folders.has(entry.record):
                yield from (("filmstrip", [entry.entry_id, one.name]) for one in entry.record.sequences)


def _pairs(board: Board) -> list[tuple[str, str]]:
    roles = dict(zip(board.frame["key"], board.frame["role"], strict=True))
    by_benchmark: dict[str, list[str]] = {}
    for entry in board.entries:
        by_benchmark.setdefault(entry.benchmark.benchmark_id, []).append(entry.entry_id)
    pairs = [pair for ids in by_benchmark.values() for pair in itertools.permutations(ids, 2)]
    if len(pairs) > MOST_PAIRS:
        pairs = [pair for pair in pairs if {roles[one] for one in pair} & {"teacher", "student"}][:MOST_PAIRS]
    return pairs


def _inert(data: Any) -> str:
    """JSON that cannot end the element it stands in."""
    return json.dumps(data, allow_nan=False, ensure_ascii=False).replace("<", "\\u003c").replace("\u2028", "\\u2028")


def main(argv: list[str] | None = None) -> int:
    """Run the command; 0 when done, 2 when the page cannot be written."""
    parser = argparse.ArgumentParser(prog="python -m leaderboard.build", description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, required=True, metavar="FILE.html", help="where to write the page")
    parser.add_argument(
        "--results", type=Path, default=RESULTS, metavar="DIR", help="of result files; default: bundled"
    )
    parser.add_argument("--root", action="append", default=[], metavar="DATASET=DIR", help="a data set, for pictures")
    parser.add_argument("--predictions", type=Path, metavar="DIR", help="MODEL/SEQUENCE/FRAME.png, for pictures")
    arguments = parser.parse_args(argv)
    try:
        folders = folders_of(arguments.root, arguments.predictions)
        board = load_board(arguments.results)
        write_text(arguments.output, build(board, folders))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"leaderboard.build: error: {error}\n")
        return 2
    for problem in board.problems:
        sys.stderr.write(f"left out {problem.file}: {problem.message}\n")
    sys.stdout.write(f"{arguments.output}: {len(board.entries)} results, {len(board.runs)} speed runs\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
