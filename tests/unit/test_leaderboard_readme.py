"""README's table is that of the records, and the commands that write it and the static page."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

from leaderboard import build, readme
from leaderboard.readme import BEGIN, END, README, replace_table, table
from leaderboard.store import load_board

made = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "leaderboard_factory.py")))


def test_readme_has_the_numbers_of_the_records() -> None:
    text = README.read_text(encoding="utf-8")
    assert replace_table(text, table(load_board())) == text, "run `python -m leaderboard.readme`"


def test_the_table_is_written_once_and_then_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = made.write_folder(tmp_path / "results")
    path = tmp_path / "README.md"
    path.write_text(f"# A\n\n{BEGIN}\nold\n{END}\n\n## B\n")
    options = ["--readme", str(path), "--results", str(folder)]
    assert readme.main(["--check", *options]) == 1
    assert "run `python -m leaderboard.readme`" in capsys.readouterr().err
    assert readme.main(options) == 0
    assert readme.main(["--check", *options]) == 0
    text = path.read_text()
    assert text.startswith(f"# A\n\n{BEGIN}\n**DAVIS-2016 val, 480p**\n")
    assert text.endswith(f"{END}\n\n## B\n")
    student = load_board(folder).entry("student-davis2016").record
    assert f"| 2 | student (student) | {100 * student.scores.jf_mean:.1f} (" in text
    assert "stcn\\_r50 (baseline, no weights) |  |" in text
    names = [f"made-up-00{n}-davis2016.json" for n in (0, 1)]
    names += [f"{name}-davis2016.json" for name in ("student", "teacher")]
    assert f"Accuracy: {', '.join(names)}, measured 2026-11-20 with code 0000000000." in text
    assert "in one run: speed-cpu.json, measured 2026-11-21 with code 0000000000." in text
    assert "Against made-up-net, the fastest peer here, the student has 2.2x the speed" in text
    (folder / "student-davis2016.json").unlink()
    assert readme.main(["--check", *options]) == 1


def test_further_speed_runs_are_told_in_a_line_each(tmp_path: Path) -> None:
    folder = made.write_folder(tmp_path / "results")
    (folder / "slow-cpu.json").write_text(json.dumps(made.make_speed_file(student=8.0, teacher=2.0)))
    (folder / "others.json").write_text(json.dumps(made.make_speed_file(teacher=2.0)))
    lines = [line for line in table(load_board(folder)).splitlines() if line.startswith("Also, ")]
    assert len(lines) == 1, "a run without the student says nothing of it"
    assert "slow-cpu.json, measured 2026-11-21" in lines[0]
    assert lines[0].endswith("the student has 8.0 frames/s, 4.0x the speed of its teacher.")


def test_without_results_nothing_is_invented(tmp_path: Path) -> None:
    assert (
        table(load_board(tmp_path)) == "No results yet: `python evaluation/run.py all --help` says how to make them.\n"
    )


@pytest.mark.parametrize("text", ["no marks", f"{END}\n{BEGIN}", f"{BEGIN}\n{BEGIN}\n{END}"])
def test_a_readme_without_a_place_is_refused(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "README.md"
    path.write_text(text)
    assert readme.main(["--readme", str(path)]) == 2
    assert "needs the lines" in capsys.readouterr().err
    assert path.read_text() == text


def test_the_static_page_is_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = made.write_folder(tmp_path / "results")
    (folder / "odd.json").write_text("{")
    output = tmp_path / "new" / "board.html"
    assert build.main(["--output", str(output), "--results", str(folder)]) == 0
    said = capsys.readouterr()
    assert "4 results" in said.out
    assert "left out odd.json" in said.err
    text = output.read_text()
    assert text.count("</script") == 4, "nothing that is put in ends its element"
    assert "%%" not in text.split("<script", 1)[0]
    assert list(output.parent.iterdir()) == [output]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--root", "davis2016"], "'davis2016' is no data set; expected DATASET=DIR"),
        (["--root", "davis2016=missing"], "expected DATASET=DIR with a folder that is there"),
        (["--predictions", "missing"], "there is no folder missing"),
    ],
)
def test_build_refuses_odd_folders(tmp_path: Path, options: list[str], message: str, capsys) -> None:
    assert build.main(["--output", str(tmp_path / "x.html"), *options]) == 2
    assert message in capsys.readouterr().err


def test_build_says_when_it_cannot_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert build.main(["--output", str(tmp_path / "file" / "x.html"), "--results", str(tmp_path)]) == 2
    assert "leaderboard.build: error:" in capsys.readouterr().err
