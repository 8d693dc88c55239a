"""Files to one table: what is read, what is left out and why, and what is never ranked together."""

from __future__ import annotations

import json
import math
import re
import runpy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from evaluation import results
from evaluation.results import ModelInfo, Protocol
from leaderboard.benchmarks import benchmark_of
from leaderboard.payload import make_payload
from leaderboard.rows import NUMBERS, TEXTS, role_of, select
from leaderboard.store import load_board

made = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "leaderboard_factory.py")))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return made.write_folder(tmp_path / "results")


def problem_of(folder: Path, name: str) -> str:
    board = load_board(folder)
    assert {entry.record.model.name for entry in board.entries} >= {"student", "teacher"}, "the others are still shown"
    return {problem.file: problem.message for problem in board.problems}[name]


def test_all_kinds_become_one_table(folder: Path) -> None:
    board = load_board(folder)
    assert board.problems == ()
    assert [entry.entry_id for entry in board.entries] == [
        *("made-up-000-davis2016", "made-up-001-davis2016", "student-davis2016", "teacher-davis2016")
    ]
    assert [run.run_id.split("-")[0] for run in board.runs] == ["speed", "run"]
    assert [one.file for one in board.ablations] == ["ablation.json"]
    frame = board.frame
    assert list(frame.columns) == [*TEXTS, *NUMBERS, "is_latest"]
    assert frame["row"].is_unique
    assert (frame[list(NUMBERS)].dtypes == "float64").all()
    assert set(frame["source"]) == {"measured", "architecture", "published"}
    student = frame[(frame["entry"] == "student-davis2016") & (frame["run"] == "speed-cpu")].iloc[0]
    record = board.entry("student-davis2016").record
    assert student["jf_mean"] == record.scores.jf_mean
    assert student["jf_low"] < student["jf_mean"] < student["jf_high"]
    assert (student["fps_end_to_end"], student["latency_ms"]) == (13.0, 1000 / 13)
    assert student["params"] == record.complexity["params"], "the record's own count comes before a run's"


def test_a_view_has_the_speeds_of_one_run(folder: Path) -> None:
    board = load_board(folder)
    benchmark = board.benchmarks[0].benchmark_id
    file_run, record_run = (run.run_id for run in board.runs)
    rows = select(board.frame, benchmark, file_run)
    own = rows[rows["source"] != "published"].set_index("model")
    assert set(own.index) == {"student", "teacher", "made-up-000", "made-up-001", "stcn_r50", "made-up-net"}
    assert own.loc["made-up-000", "source"] == "measured"
    assert math.isnan(own.loc["made-up-000", "fps_end_to_end"]), "that run did not time it"
    assert own.loc["stcn_r50", "source"] == "architecture"
    assert math.isnan(own.loc["stcn_r50", "jf_mean"])
    rows = select(board.frame, benchmark, record_run)
    own = rows[rows["source"] != "published"].set_index("model")
    assert set(own.index) == {"student", "teacher", "made-up-000", "made-up-001"}
    assert own["fps_end_to_end"].notna().all()


@pytest.mark.parametrize(
    "protocol",
    [
        Protocol("davis2016", "val", "full", "davis"),
        Protocol("davis2016", "val", "480p", "vos-benchmark"),
        Protocol("davis2017", "val", "480p", "davis"),
        Protocol("davis2016", "train", "480p", "davis"),
    ],
)
def test_unlike_protocols_are_never_in_one_view(folder: Path, protocol: Protocol) -> None:
    results.save(made.make_record("other", "baseline", 0.99, 7, protocol=protocol), folder / "other.json")
    board = load_board(folder)
    assert len(board.benchmarks) == 2
    for one in board.benchmarks:
        models = set(select(board.frame, one.benchmark_id, board.runs[0].run_id)["model"])
        assert ("other" in models) != ("student" in models)


def test_a_part_of_a_split_is_a_benchmark_of_its_own() -> None:
    whole = made.make_record()
    part, other_part = (replace(whole, is_partial=True, sequences=whole.sequences[:n]) for n in (2, 3))
    assert len({benchmark_of(one).benchmark_id for one in (whole, part, other_part)}) == 3
    assert benchmark_of(part).label == "DAVIS-2016 val, 480p, 2 sequences only"


def test_a_whole_result_of_other_sequences_is_not_ranked(folder: Path) -> None:
    whole = made.make_record("easy", "baseline", 0.99, 7)
    easy = replace(whole, sequences=whole.sequences[:1])
    results.save(easy, folder / "easy.json")
    found = problem_of(folder, "easy.json")
    assert "its sequences (1) are not those of others (6): they differ in 'clip-01', 'clip-02', 'clip-03'" in found
    assert "easy" not in set(load_board(folder).frame["model"])
    results.save(replace(easy, is_partial=True), folder / "easy.json")
    assert "easy" in set(load_board(folder).frame["model"])


def test_of_two_results_the_one_of_more_sequences_stays(tmp_path: Path) -> None:
    part, whole = (made.make_record(name, name, 0.7, sequences=n) for name, n in (("teacher", 1), ("student", 6)))
    for record in (part, whole):
        results.save(record, tmp_path / f"{record.model.name}.json")
    board = load_board(tmp_path)
    assert ([one.file for one in board.problems], [one.entry_id for one in board.entries]) == (
        ["teacher.json"],
        ["student"],
    )


def test_a_newer_result_that_cannot_be_ranked_replaces_nothing(folder: Path) -> None:
    record = replace(results.load(folder / "student-davis2016.json"), date="2027-01-01T00:00:00+00:00")
    results.save(replace(record, sequences=record.sequences[:1]), folder / "part.json")
    results.save(replace(record, speed={"fps_end_to_end": 0}), folder / "slow.json")
    board = load_board(folder)
    assert sorted(problem.file for problem in board.problems) == ["part.json", "slow.json"]
    assert "student-davis2016" in {entry.entry_id for entry in board.entries}


@pytest.mark.parametrize("value", [0, -3.0, "12", True])
@pytest.mark.parametrize("key", ["params", "gmacs", "gflops"])
def test_odd_sizes_leave_the_record_out(folder: Path, key: str, value: object) -> None:
    results.save(made.make_record("odd", "baseline", 0.6, 5, complexity={key: value}), folder / "odd.json")
    found = problem_of(folder, "odd.json")
    assert found.startswith(f"the record odd.json, complexity.{key} is {value!r}; expected a number above 0")


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("environment", "cpu"), "\ud800 chip", "environment.cpu is '\\ud800 chip', which is no Unicode text"),
        (("command",), "\ud800", "command is '\\ud800', which is no Unicode text"),
        (("models", "\ud800"), {}, "models is '\\ud800', which is no Unicode text"),
        (("models", "student", "fps_network"), 10**400, "; expected a number up to 2**53"),
        (("models", "student", "threads"), 10**400, "; expected a number up to 2**53"),
        (("date",), "9999-12-31T00:00:00+00:00", "expected a time such as"),
    ],
)
def test_odd_values_leave_a_speed_file_out(folder: Path, keys: tuple[str, ...], value: object, message: str) -> None:
    data = json.loads((folder / "speed-cpu.json").read_text())
    place = data
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    (folder / "odd.json").write_text(json.dumps(data))
    found = problem_of(folder, "odd.json")
    assert message in found
    json.dumps(make_payload(load_board(folder)), ensure_ascii=False).encode()


def test_the_latest_result_is_that_of_the_latest_moment(folder: Path) -> None:
    for name, date, seed in (("east", "2027-01-31T20:00:00+09:00", 20), ("west", "2027-01-31T12:00:00+00:00", 21)):
        record = results.to_json(made.make_record("student", "student", 0.8, seed))
        (folder / f"{name}.json").write_text(json.dumps({**record, "date": date}))
    frame = load_board(folder).frame
    assert set(frame[frame["is_latest"] & (frame["model"] == "student")]["entry"]) == {"west"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not the JSON of one"),
        ("[1, 2]", r"the file is \[1, 2\]; expected an object"),
        ('{"name": "package", "version": "1.0"}', "schema_version is None"),
        ('{"kind": "record", "schema_version": 99}', "schema_version is 99; this program reads 1"),
        ('{"kind": "speed", "schema_version": 99}', "schema_version is 99; this program reads 1"),
        ('{"kind": "ablation", "schema_version": "1"}', "schema_version is '1'; this program reads 1"),
        ('{"kind": "speed", "schema_version": 1}', "models is None; expected an object"),
        ('{"kind": "ablation", "schema_version": 1, "rows": []}', r"rows is \[\]; expected a list of 1 to 64"),
    ],
)
def test_damaged_and_foreign_files_are_named(folder: Path, content: str, message: str) -> None:
    (folder / "odd.json").write_text(content)
    found = problem_of(folder, "odd.json")
    assert re.search(message, found), found
    assert str(folder) not in found, "a visitor need not know where the server keeps its files"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_what_is_no_number_is_left_out(folder: Path, number: str) -> None:
    record = (folder / "student-davis2016.json").read_text()
    (folder / "odd.json").write_text(record.replace('"fps_network": ', f'"fps_network": {number}, "x": ', 1))
    assert "NaN" in (found := problem_of(folder, "odd.json")) or "inf" in found.lower(), found
    speed = json.loads((folder / "speed-cpu.json").read_text())
    speed["models"]["student"]["fps_network"] = float(number)
    (folder / "odd.json").write_text(json.dumps(speed))
    assert "fps_network" in problem_of(folder, "odd.json")


def test_an_edited_mean_is_left_out(folder: Path) -> None:
    data = json.loads((folder / "student-davis2016.json").read_text())
    data["jf_mean"] = 0.99
    (folder / "edited.json").write_text(json.dumps(data))
    assert "jf_mean is 0.99, but its values give" in problem_of(folder, "edited.json")


def test_a_duplicate_is_named_and_the_newest_stays(folder: Path) -> None:
    record = results.load(folder / "student-davis2016.json")
    results.save(replace(record, date="2027-01-01T00:00:00+00:00"), folder / "again.json")
    board = load_board(folder)
    assert [problem.file for problem in board.problems] == ["student-davis2016.json"]
    assert "it repeats again.json" in board.problems[0].message
    assert "again" in {entry.entry_id for entry in board.entries}


def test_other_weights_are_another_version(folder: Path) -> None:
    newer = made.make_record("student", "student", 0.82, 33, date="2027-01-01T00:00:00+00:00")
    results.save(newer, folder / "newer.json")
    frame = load_board(folder).frame
    latest = frame[frame["model"] == "student"].groupby("entry")["is_latest"].all()
    assert latest.to_dict() == {"newer": True, "student-davis2016": False}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fps_network": 0}, "fps_network is 0; expected a number above 0"),
        ({"fps_end_to_end": "fast"}, "fps_end_to_end is 'fast'; expected a number"),
        ({"latency_ms": {"network": {"median": 5, "p5": 6, "p95": 7}}}, "not in order"),
        ({"by_objects": [{"objects": 0, "fps_network": 1, "fps_end_to_end": 1}]}, "objects is 0"),
        ({"by_length": "long"}, "by_length is 'long'; expected a list"),
        ({"size": [480]}, r"expected \[height, width\]"),
        ({"threads": True}, "threads is True"),
    ],
)
def test_odd_speed_leaves_the_record_out(folder: Path, change: dict[str, Any], message: str) -> None:
    odd = made.make_record("odd", "baseline", 0.6, 5, speed=made.make_speed(5.0, **change))
    results.save(odd, folder / "odd.json")
    found = problem_of(folder, "odd.json")
    assert re.search(message, found), found


@pytest.mark.parametrize("missing", [True, False])
def test_an_empty_folder_makes_an_empty_board(tmp_path: Path, missing: bool) -> None:
    board = load_board(tmp_path / "none" if missing else tmp_path)
    assert (board.entries, board.runs, board.problems, board.benchmarks) == ((), (), (), ())
    payload = make_payload(board)
    assert payload["make_results"].startswith("python evaluation/run.py all")
    assert len(payload["published"]) > 20
    json.dumps(payload, allow_nan=False)


def test_names_stay_text(folder: Path) -> None:
    name = "<img src=x onerror=alert(1)>"
    results.save(made.make_record(name, "baseline", 0.6, 5), folder / "odd.json")
    results.save(
        replace(made.make_record("b", "baseline", 0.6, 6), model=ModelInfo("=1+1", None, "owner<script>")),
        folder / "odd2.json",
    )
    board = load_board(folder)
    assert name in set(board.frame["model"])
    assert set(board.frame["role"]) <= {"student", "teacher", "baseline", "published"}


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("student", "student"),
        ("student_small", "student"),
        ("student.onnx", "student"),
        ("student-384p", "student"),
        ("teacher_large", "teacher"),
        ("students", "baseline"),
        ("stcn_r50", "baseline"),
    ],
)
def test_a_name_tells_the_role_where_nothing_else_does(name: str, role: str) -> None:
    assert role_of(name) == role
    assert role_of(name, "teacher") == "teacher"
