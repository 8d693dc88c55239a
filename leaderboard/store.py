"""Everything stored as one validated table: records, speed runs, ablations and published numbers.

A file that cannot be read, or that says what cannot be, is left out and named; the others are shown all the same.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from evaluation.results import ProtocolError, Record, load, loads
from leaderboard.ablations import Ablation, parse_ablation
from leaderboard.benchmarks import Benchmark, benchmark_of
from leaderboard.checks import optional_positive
from leaderboard.hub import REPOSITORY, pull
from leaderboard.published import Published, load_published
from leaderboard.rows import COSTS, make_frame
from leaderboard.speeds import SpeedRun, machine_name, parse_run, parse_speed, runs_of_records

RESULTS = Path(__file__).with_name("results")
MAX_FILES = 2000
"""Most result files of a folder that are read."""


class Problem(NamedTuple):
    """A file that was left out, and why."""

    file: str
    message: str


@dataclass(frozen=True)
class Entry:
    """A record, and where it lies."""

    entry_id: str
    """The file's name without its ending; unique on a board."""
    record: Record
    file: str
    origin: str
    """`bundled`, `hub` or `submitted`."""

    @property
    def benchmark(self) -> Benchmark:
        """What it is ranked in."""
        return benchmark_of(self.record)


@dataclass(frozen=True)
class Board:
    """What the leaderboard shows. `frame` has a row for each model, benchmark and speed run; see `make_frame`."""

    entries: tuple[Entry, ...]
    runs: tuple[SpeedRun, ...]
    """The one with most models first."""
    ablations: tuple[Ablation, ...]
    """The newest first."""
    published: tuple[Published, ...]
    problems: tuple[Problem, ...]
    frame: pd.DataFrame
    benchmarks: tuple[Benchmark, ...]
    """The one with most entries first."""

    def entry(self, entry_id: str) -> Entry:
        """The entry of that id.

        Raises:
            KeyError: there is none.
        """
        for entry in self.entries:
            if entry.entry_id == entry_id:
                return entry
        raise KeyError(entry_id)


@dataclass
class Contents:
    """What was found in folders, not yet a board."""

    entries: list[Entry] = field(default_factory=list)
    runs: list[SpeedRun] = field(default_factory=list)
    ablations: list[Ablation] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def load_board(folder: Path | None = None) -> Board:
    """Read a folder of results and the published numbers.

    Args:
        folder: with `*.json` of `evaluation/run.py` and `vos_kd.ablation`. One that is empty or missing makes an empty
            board. None for the bundled one, with the results of the hub's data set over it that the environment names
            in `VOS_KD_LEADERBOARD`.
    """
    contents = Contents()
    read_folder(Path(folder or RESULTS), "bundled", contents)
    repository = os.environ.get(REPOSITORY)
    if folder is None and repository:
        pulled = pull(repository)
        if pulled.problem:
            contents.problems.append(Problem(repository, pulled.problem))
        contents = _laid_over(contents, pulled.folder)
    return make_board(contents)


def _laid_over(below: Contents, folder: Path) -> Contents:
    """The hub's folder, and what it does not replace. A file that cannot be used replaces nothing."""
    above = Contents()
    read_folder(folder, "hub", above)
    files = {one.file for one in above.entries} | {one.file for one in above.runs}
    files |= {one.file for one in above.ablations}
    return Contents(
        [*(one for one in below.entries if one.file not in files), *above.entries],
        [*(one for one in below.runs if one.file not in files), *above.runs],
        [*(one for one in below.ablations if one.file not in files), *above.ablations],
        [*(one for one in below.problems if one.file not in files), *above.problems],
    )


def read_folder(folder: Path, origin: str, contents: Contents) -> None:
    """Add what lies in a folder to `contents`; what cannot be used is added to its problems."""
    paths = sorted(folder.glob("*.json"))
    if len(paths) > MAX_FILES:
        contents.problems.append(Problem(folder.name, f"{len(paths)} files; only the first {MAX_FILES} are read."))
    for path in paths[:MAX_FILES]:
        try:
            _read(path, origin, contents)
        except ProtocolError as error:
            # Messages name files as a visitor may see them: without the machine's folders.
            contents.problems.append(Problem(path.name, str(error).replace(str(path), path.name)))


def make_board(contents: Contents) -> Board:
    """Put together what was found: what cannot be compared and duplicates out, speeds to their models."""
    problems = list(contents.problems)
    entries = _without_duplicates(_of_same_sequences(contents.entries, problems), problems)
    runs = [*contents.runs, *runs_of_records((entry.entry_id, entry.record) for entry in entries)]
    runs.sort(key=lambda run: (len(run.models) + len(run.by_entry), run.date, run.run_id), reverse=True)
    published = load_published()
    return Board(
        entries=tuple(entries),
        runs=tuple(runs),
        ablations=tuple(sorted(contents.ablations, key=lambda one: one.date, reverse=True)),
        published=published,
        problems=tuple(problems),
        frame=make_frame([(one.entry_id, one.record, one.origin) for one in entries], runs, published),
        benchmarks=_benchmarks(entries),
    )


def parse_entry(data: bytes | str, name: str, origin: str) -> Entry:
    """An entry from the text of a record.

    Raises:
        ProtocolError: it is none; says where and what to do.
    """
    return _checked(Entry(Path(name).stem, loads(data, name), name, origin))


def _checked(entry: Entry) -> Entry:
    """The entry, if its speed and size are such that ratios can be taken of them."""
    where = f"the record {entry.file}"
    if entry.record.speed is not None:
        parse_speed(entry.record.speed, f"{where}, speed")
    for key in COSTS:
        optional_positive((entry.record.complexity or {}).get(key), f"{where}, complexity.{key}")
    return entry


def _read(path: Path, origin: str, contents: Contents) -> None:
    kind, data = _peek(path)
    if kind == "speed":
        contents.runs.append(parse_run(data, path.name, path.stem))
    elif kind == "ablation":
        contents.ablations.append(parse_ablation(data, path.name))
    else:
        contents.entries.append(_checked(Entry(path.stem, load(path), path.name, origin)))


def _peek(path: Path) -> tuple[str | None, Any]:
    """The kind of a file, and what it holds unless it is a record, which `evaluation.results` reads itself."""
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None, None  # `load` says what is wrong
    kind = data.get("kind") if isinstance(data, dict) else None
    return (kind, data) if kind in ("speed", "ablation") else (None, None)


def _of_same_sequences(entries: Sequence[Entry], problems: list[Problem]) -> list[Entry]:
    """The entries, of each benchmark those of the sequences that most are of: means of others cannot be ranked."""
    counts = Counter((entry.benchmark.benchmark_id, _names(entry)) for entry in entries)
    usual: dict[str, frozenset[str]] = {}
    # Where as many are of others, some have probably left out sequences.
    for benchmark, names in sorted(counts, key=lambda key: (counts[key], len(key[1]))):
        usual[benchmark] = names
    kept = []
    for entry in entries:
        names, expected = _names(entry), usual[entry.benchmark.benchmark_id]
        if names == expected:
            kept.append(entry)
            continue
        odd = ", ".join(repr(name)[:60] for name in sorted(names ^ expected)[:3])
        problems.append(
            Problem(
                entry.file,
                f"it calls itself the whole of {entry.benchmark.label}, but its sequences ({len(names)}) are not those "
                f"of others ({len(expected)}): they differ in {odd}. Score the whole split, or mark it as partial.",
            )
        )
    return kept


def _names(entry: Entry) -> frozenset[str]:
    return frozenset(sequence.name for sequence in entry.record.sequences)


def _without_duplicates(entries: Iterable[Entry], problems: list[Problem]) -> list[Entry]:
    """The entries, of each model, weights, benchmark, machine and options the newest alone."""
    kept: dict[object, Entry] = {}
    ids: dict[str, Entry] = {}
    for entry in sorted(entries, key=lambda one: (one.record.date, one.file), reverse=True):
        record = entry.record
        options = json.dumps(dict(record.options), sort_keys=True)
        machine = machine_name(record.environment)
        key = (record.model.name, record.model.weights_sha256, entry.benchmark.benchmark_id, machine, options)
        twin = kept.get(key) or ids.get(entry.entry_id)
        if twin is None:
            kept[key] = ids[entry.entry_id] = entry
        else:
            problems.append(
                Problem(
                    entry.file,
                    f"it repeats {twin.file}, which is of the same model, weights, benchmark and machine and no older; "
                    "only that one is shown. Remove one of them.",
                )
            )
    return sorted(kept.values(), key=lambda one: one.entry_id)


def _benchmarks(entries: Iterable[Entry]) -> tuple[Benchmark, ...]:
    found: dict[str, Benchmark] = {}
    counts: dict[str, int] = {}
    partial: dict[str, bool] = {}
    for entry in entries:
        key = entry.benchmark.benchmark_id
        found.setdefault(key, entry.benchmark)
        counts[key] = counts.get(key, 0) + 1
        partial[key] = entry.record.is_partial
    return tuple(found[key] for key in sorted(found, key=lambda key: (partial[key], -counts[key], key)))
