"""What the page may ask after it is shown: one function for each question, plain values in and out.

The tab asks them of a server; the static page has the answers inside. Arguments come from a browser, so none is
trusted: what is not on the board is refused with a message.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import plotly.graph_objects as go

from leaderboard import detail_figures
from leaderboard.columns import COLUMNS, X_AXES, Y_AXES
from leaderboard.comparison import compare
from leaderboard.export import FORMATS, export
from leaderboard.figures import trade_off
from leaderboard.filmstrip import Folders, filmstrip
from leaderboard.provenance import of_entry, of_speed
from leaderboard.rows import select
from leaderboard.store import Board, Entry
from leaderboard.style import to_plain

Answer = dict[str, Any]


class Api:
    """Questions about a board. `folders` are those of data sets and masks, for pictures."""

    def __init__(self, board: Board, folders: Folders | None = None) -> None:
        self._board = board
        self._folders = folders or Folders({}, None)
        self._runs = {run.run_id: run for run in board.runs}
        self._questions: Mapping[str, Callable[..., Answer]] = {
            "trade_off": self.trade_off,
            "detail": self.detail,
            "compare": self.compare,
            "costs": self.costs,
            "ablation": self.ablation,
            "over_time": self.over_time,
            "export": self.export,
            "filmstrip": self.filmstrip,
        }

    def answer(self, question: object, arguments: object) -> Answer:
        """Answer a question from a browser: plain values, or `{"error": message}`."""
        method = self._questions.get(question) if isinstance(question, str) else None
        if method is None or not isinstance(arguments, list) or not all(isinstance(one, str) for one in arguments):
            return {"error": f"the page asked {question!r:.60}, which this server does not answer. Reload the page."}
        try:
            return method(*arguments)
        except (KeyError, TypeError):
            return {"error": "what the page asked for is not on this leaderboard any more. Reload the page."}
        except ValueError as error:
            return {"error": str(error)}
        except OSError as error:  # whose text names this machine's folders
            return {"error": f"a file cannot be read here: {error.strerror or type(error).__name__}."}

    def trade_off(self, benchmark: str, run: str, x: str, y: str) -> Answer:
        """The chart of accuracy against cost."""
        self._require(benchmark, run)
        if x not in X_AXES or y not in Y_AXES:
            raise KeyError(x)
        return _figure(trade_off(self._board, benchmark, run, x, y))

    def detail(self, entry_id: str, run: str) -> Answer:
        """All of one result, or of an architecture that was only timed."""
        timed = self._runs[run] if run else None
        if entry_id.startswith("arch:"):
            if timed is None:
                raise KeyError(run)
            return {"provenance": {"speed": of_speed(timed, timed.models[entry_id.removeprefix("arch:")])}}
        entry = self._board.entry(entry_id)
        return {
            "sequences": _sequences(entry),
            "per_sequence": _figure(detail_figures.per_sequence(entry.record)),
            "per_frame": _figure(detail_figures.per_frame(entry.record)),
            "provenance": of_entry(self._board, entry, timed),
            "has_pictures": self._folders.has(entry.record),
        }

    def compare(self, a: str, b: str) -> Answer:
        """Two results of one benchmark."""
        one, other = self._board.entry(a), self._board.entry(b)
        found = compare(one.record, other.record)
        names = one.record.model.name, other.record.model.name
        interval = found.mean
        return {
            "figure": _figure(detail_figures.compared(found, *names)),
            "difference": f"{100 * found.difference:+.1f}",
            "interval": None if interval is None else f"{100 * interval.low:+.1f} to {100 * interval.high:+.1f}",
            "is_clear": found.is_clear,
            "wins": found.wins,
            "losses": found.losses,
            "worst": [[row.sequence, f"{100 * row.gain:+.1f}"] for row in found.sequences[:3] if row.gain < 0],
        }

    def costs(self, run: str) -> Answer:
        """Speed against objects and clip length."""
        timed = self._runs[run]
        figures = {
            "by_objects": detail_figures.fps_by_objects(self._board, timed),
            "by_length": detail_figures.latency_by_length(self._board, timed),
        }
        return {key: None if made is None else _figure(made) for key, made in figures.items()} | {
            "command": timed.command
        }

    def ablation(self, file: str) -> Answer:
        """An ablation: chart, table and command."""
        one = next((each for each in self._board.ablations if each.file == file), None)
        if one is None:
            raise KeyError(file)
        titles = {row.name: row.title for row in one.rows}
        return {
            "figure": _figure(detail_figures.ablation(one)),
            "rows": [
                [
                    row.title,
                    f"{len(row.student_j)}/{len(one.seeds)}",
                    _points(row.student_j_mean, row.student_j_std),
                    _points(row.difference_mean, row.difference_std, sign="+"),
                    titles.get(row.compared_with or "", ""),
                    _points(row.teacher_j_mean, None),
                ]
                for row in one.rows
            ],
            "command": one.command,
            "commit": one.commit or "not known",
            "is_complete": one.is_complete,
        }

    def over_time(self, benchmark: str) -> Answer:
        """Results by date."""
        self._require(benchmark, "")
        return _figure(detail_figures.over_time(self._board, benchmark))

    def export(self, format_name: str, benchmark: str, run: str) -> Answer:
        """The parts of a file with the rows of a view."""
        self._require(benchmark, run)
        if format_name not in FORMATS:
            raise KeyError(format_name)
        return export(select(self._board.frame, benchmark, run), format_name)._asdict()

    def filmstrip(self, entry_id: str, sequence: str) -> Answer:
        """Truth, prediction and difference of some frames, as data addresses of pictures."""
        return {"frames": filmstrip(self._board.entry(entry_id).record, sequence, self._folders)}

    def _require(self, benchmark: str, run: str) -> None:
        if benchmark not in {one.benchmark_id for one in self._board.benchmarks} or (run and run not in self._runs):
            raise KeyError(benchmark)


def _sequences(entry: Entry) -> list[list[str]]:
    """A line for each object: sequence, object, frames, and its scores as they are shown."""
    keys = ("jf_mean", "j_mean", "j_recall", "j_decay", "f_mean", "f_recall", "f_decay")
    lines = []
    for sequence in entry.record.sequences:
        for one in sequence.objects:
            scores = ((key, getattr(one.scores, key)) for key in keys)
            shown = [COLUMNS[key].format(math.nan if value is None else value) for key, value in scores]
            lines.append([sequence.name, str(one.object_id), str(len(one.j)), *shown])
    return lines


def _points(mean: float | None, spread: float | None, sign: str = "") -> str:
    if mean is None:
        return "N/A"
    return f"{100 * mean:{sign}.1f}" + ("" if spread is None else f" ± {100 * spread:.1f}")


def _figure(made: go.Figure) -> Answer:
    return to_plain(made)
