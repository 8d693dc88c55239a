"""The first lines: ratios of one run, what the student loses, two models compared."""

from __future__ import annotations

import json
import runpy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from evaluation import results
from evaluation.results import ObjectResult, Protocol, SequenceResult
from leaderboard.answers import answers
from leaderboard.comparison import compare
from leaderboard.store import load_board

made = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "leaderboard_factory.py")))


def of(board, run_index: int = 0):
    runs = [run.run_id for run in board.runs] or [""]
    return answers(board, board.benchmarks[0].benchmark_id, runs[run_index])


def test_ratios_are_those_of_one_run(tmp_path: Path) -> None:
    board = load_board(made.write_folder(tmp_path))
    found = answers(board, board.benchmarks[0].benchmark_id, "speed-cpu")
    student, teacher = (board.entry(f"{name}-davis2016").record.complexity for name in ("student", "teacher"))
    larger = teacher["params"] / student["params"]
    assert found["costs"]["teacher"]["other"] == [f"{13 / 3.4:.1f}x", f"{larger:.1f}x", "1.1x"]
    assert found["costs"]["teacher"]["student"] == ["3.8x", "1/1.1", "1/1.1"]
    assert found["costs"]["yardstick_name"] == "stcn_r50"
    assert found["costs"]["yardstick"]["student"][0] == "10x"
    assert found["costs"]["peer_name"] == "made-up-net", "the fastest baseline of that run that is not the yardstick"
    assert found["costs"]["peer"]["student"][0] == f"{13 / 6:.1f}x"


def test_speeds_of_two_runs_make_no_ratio(tmp_path: Path) -> None:
    for name, command in (("student", "first"), ("teacher", "second")):
        results.save(made.make_record(name, name, 0.7, command=command), tmp_path / f"{name}.json")
    board = load_board(tmp_path)
    assert len(board.runs) == 2
    for index in (0, 1):
        ratios = of(board, index)["costs"]["teacher"]
        assert ratios["student"][0] == ratios["other"][0] == "N/A"
        assert ratios["other"][1] != "N/A", "sizes do not depend on a machine"


def test_without_a_teacher_nothing_is_said(tmp_path: Path) -> None:
    results.save(made.make_record("student", "student", 0.7), tmp_path / "student.json")
    found = of(load_board(tmp_path))
    assert (found["teacher"], found["loss"], found["costs"]["teacher"], found["costs"]["peer"]) == (None,) * 4


def test_the_fastest_peer_is_told_also_where_its_network_is_not_timed_alone(tmp_path: Path) -> None:
    results.save(made.make_record("student", "student", 0.7, speed=None), tmp_path / "student.json")
    speeds = made.make_speed_file(student=10.0, slow=2.0, fast=5.0, stcn_r50=9.0)
    speeds["models"]["fast"]["fps_network"] = None
    (tmp_path / "speed.json").write_text(json.dumps(speeds))
    costs = of(load_board(tmp_path))["costs"]
    assert costs["peer_name"] == "fast"
    assert costs["peer"]["student"][0] == costs["peer"]["other"][0] == "N/A"
    assert costs["peer"]["student"][1].startswith("1/")


def test_a_teacher_without_weights_costs_but_loses_nothing(tmp_path: Path) -> None:
    results.save(made.make_record("student", "student", 0.7, speed=None), tmp_path / "student.json")
    (tmp_path / "speed.json").write_text(json.dumps(made.make_speed_file(student=10.0, teacher=2.0)))
    found = of(load_board(tmp_path))
    assert found["loss"] is None
    assert found["costs"]["teacher"]["other"][0] == "5.0x"


def test_results_that_cannot_be_compared_lose_nothing(tmp_path: Path) -> None:
    board = load_board(made.write_folder(tmp_path))
    *others, teacher = board.entries
    part = replace(teacher, record=replace(teacher.record, sequences=teacher.record.sequences[:1]))
    assert teacher.record.model.name == "teacher"
    assert of(replace(board, entries=(*others, part)))["loss"] is None


def record_of(name: str, values: dict[str, float], **changes):
    sequences = tuple(
        SequenceResult(key, ("1", "2"), (ObjectResult(1, 0, (value,) * 2, (value,) * 2),))
        for key, value in values.items()
    )
    return replace(made.make_record(name), sequences=sequences, **changes)


def test_two_compared() -> None:
    a = record_of("a", {"x": 0.9, "y": 0.4, "z": 0.5})
    b = record_of("b", {"z": 0.5, "y": 0.6, "x": 0.5})
    found = compare(a, b)
    assert [(one.sequence, round(one.gain, 9)) for one in found.sequences] == [("y", -0.2), ("z", 0.0), ("x", 0.4)]
    assert (found.wins, found.losses) == (1, 1)
    assert found.difference == pytest.approx(0.2 / 3)
    assert found.mean is not None
    assert found.mean.value == pytest.approx(found.difference)
    assert not found.is_clear
    back = compare(b, a)
    assert (back.mean.low, back.mean.high) == pytest.approx((-found.mean.high, -found.mean.low))


def test_a_clear_difference_is_called_one() -> None:
    a = record_of("a", {str(n): 0.8 + n / 100 for n in range(10)})
    b = record_of("b", {str(n): 0.6 + n / 90 for n in range(10)})
    assert compare(a, b).is_clear


def test_one_sequence_compares_without_an_interval() -> None:
    found = compare(record_of("a", {"x": 0.9}), record_of("b", {"x": 0.5}))
    assert found.mean is None
    assert found.difference == pytest.approx(0.4)
    assert not found.is_clear


def test_unlike_benchmarks_are_not_compared() -> None:
    a, b = (
        record_of("a", {"x": 0.9}),
        record_of("b", {"x": 0.9}, protocol=Protocol("davis2017", "val", "480p", "davis")),
    )
    with pytest.raises(ValueError, match=r"a is scored on DAVIS-2016 val, 480p .* choose two of one benchmark"):
        compare(a, b)
    with pytest.raises(ValueError, match=r"\(1 sequences\), b on .* \(2 sequences\)"):
        compare(a, record_of("b", {"x": 0.9, "y": 0.1}))
