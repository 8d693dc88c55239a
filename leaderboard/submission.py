"""A result that somebody sends: checked, put on the board for a look, and turned into the text of a pull request.

Nothing of it is stored; what is on the leaderboard comes from files in the repository alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from evaluation.results import ProtocolError
from leaderboard.columns import COLUMNS
from leaderboard.export import safe_markdown
from leaderboard.rows import select
from leaderboard.speeds import machine_name
from leaderboard.store import Board, Contents, Entry, make_board, parse_entry

MAX_BYTES = 16 * 2**20
"""Of a record that is sent: all of YouTube-VOS takes about 10 MiB."""
FOLDER = "leaderboard/results"


@dataclass(frozen=True)
class Submission:
    """A checked result and what to do with it."""

    entry: Entry
    board: Board
    """With the result on it."""
    file_name: str
    """What the file should be called in `leaderboard/results`."""
    notes: tuple[str, ...]
    """What is not wrong, but should be known."""
    pull_request: str
    """Markdown."""


def submit(data: bytes, board: Board) -> Submission:
    """Check a record that somebody sends, and put it on a board of its own.

    Raises:
        ProtocolError: it is too large, no record of this version, says what does not follow from its values, or is on
            the board already. Says where and what to do.
    """
    if len(data) > MAX_BYTES:
        raise ProtocolError(
            f"the file has {len(data) / 2**20:.1f} MiB; a result has at most {MAX_BYTES >> 20}. Send the JSON that "
            "`python evaluation/run.py` wrote, without masks."
        )
    entry = parse_entry(data, "submission.json", "submitted")
    name = file_name(entry)
    entry = Entry(Path(name).stem, entry.record, name, "submitted")
    _refuse_repeated(entry, board)
    if entry.entry_id in {one.entry_id for one in board.entries}:
        entry = Entry(f"{entry.entry_id}-new", entry.record, name, "submitted")  # beside the one of that name
    preview = _with_entry(board, entry)
    return Submission(entry, preview, name, _notes(entry, board), pull_request(entry, preview))


def file_name(entry: Entry) -> str:
    """What the file of a result should be called: model, benchmark and machine, in plain letters.

    Letters that are not plain become `-`, so that no name leaves the folder.
    """
    parts = (entry.record.model.name, entry.benchmark.benchmark_id, machine_name(entry.record.environment))
    plain = (re.sub(r"[^a-z0-9.]+", "-", part.lower()).strip("-.") for part in parts)
    return "-".join(part[:60] for part in plain if part) + ".json"


def pull_request(entry: Entry, board: Board) -> str:
    """The text of a pull request that adds a result; what the record says is text in it, never markup."""
    record = entry.record
    rows = select(board.frame, entry.benchmark.benchmark_id, "")
    run = next((run.run_id for run in board.runs if entry.entry_id in run.by_entry), "")
    if run:
        rows = select(board.frame, entry.benchmark.benchmark_id, run)
    row = rows[rows["key"] == entry.entry_id].iloc[0]
    shown = ("jf_mean", "j_mean", "f_mean", "g_overall", "fps_end_to_end", "latency_ms", "params", "gflops")
    values = [(COLUMNS[key].title, COLUMNS[key].format(row[key])) for key in shown if row[key] == row[key]]
    lines = [
        f"# Leaderboard: {safe_markdown(record.model.name)} on {safe_markdown(entry.benchmark.label)}",
        "",
        f"Adds `{FOLDER}/{entry.file}`.",
        "",
        "| | |",
        "|---|---:|",
        *(f"| {safe_markdown(title)} | {value} |" for title, value in values),
        "",
        f"- Machine: {safe_markdown(machine_name(record.environment))}",
        f"- Measured: {safe_markdown(record.date)}",
        f"- Weights (SHA-256): {record.model.weights_sha256 or 'not known'}",
        f"- Code: {safe_markdown(record.commit or 'not known')}",
        "",
        "Command:",
        "",
        *(f"    {line}" for line in record.command.splitlines()),
        "",
        "- [ ] The file is unchanged as `python evaluation/run.py` wrote it.",
        "- [ ] The weights are public, at:",
        "- [ ] The model was not trained or chosen on the benchmark's sequences.",
    ]
    return "\n".join(lines) + "\n"


def _with_entry(board: Board, entry: Entry) -> Board:
    contents = Contents(
        entries=[*board.entries, entry],
        runs=[run for run in board.runs if run.models],  # those in records are found again
        ablations=list(board.ablations),
        problems=list(board.problems),
    )
    made = make_board(contents)
    if entry.entry_id not in {one.entry_id for one in made.entries}:
        raise ProtocolError(next(one.message for one in made.problems if one.file == entry.file))
    return made


def _refuse_repeated(entry: Entry, board: Board) -> None:
    for other in board.entries:
        if other.record.sequences == entry.record.sequences and other.benchmark == entry.benchmark:
            raise ProtocolError(
                f"it repeats {other.file}, value by value: that result is on the leaderboard already, as "
                f"{other.record.model.name!r:.60}. Send another one."
            )


def _notes(entry: Entry, board: Board) -> tuple[str, ...]:
    record = entry.record
    notes = []
    if record.is_partial:
        notes.append("It lacks sequences of the split, so it is ranked with results of the same sequences alone.")
    if entry.benchmark not in board.benchmarks:
        notes.append(f"It is the first result on {entry.benchmark.label}.")
    if record.speed is None:
        notes.append("It has no speed: `python evaluation/run.py all` measures accuracy and speed in one go.")
    if record.complexity is None:
        notes.append("It has no parameters and FLOPs.")
    if record.model.weights_sha256 is None:
        notes.append("It does not say which weights were used; it was scored from masks.")
    if record.commit is None or record.commit.endswith("-dirty"):
        notes.append("It was not made with a committed state of the code.")
    return tuple(notes)
