"""The ablation command: rows as a table, figures that follow from the runs, and going on where it stopped."""

from __future__ import annotations

import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from vos_kd import ablation
from vos_kd.ablation import ROWS, Ablation, Run, format_record, main, make_record, plan, train_rows
from vos_kd.checkpoint import save_weights
from vos_kd.config import PRESETS
from vos_kd.errors import InputError
from vos_kd.files import sha256
from vos_kd.modeling.registry import build_model
from vos_kd.recipes import Recipe, all_keys, get_recipe
from vos_kd.training.stopping import Stop

SMALL = [
    "student=student",
    "teacher=student_small",
    "data.height=48",
    "data.width=48",
    "optim.steps=3",
    "optim.warmup_steps=1",
    "log_every=1",
    "save_every=1",
    "validate_every=9",
    "validation_clips=2",
    "precision=no",
]
NAMES = ["student_alone", "logit_offline", "adaptive_rate"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the weights of a teacher that has learned nothing."""
    out = tmp_path_factory.mktemp("ablation")
    torch.manual_seed(0)
    config = PRESETS["student_small"]
    save_weights(out / "taught.safetensors", build_model(config).state_dict(), config)
    return out


@pytest.fixture(scope="module")
def command(folder: Path) -> list[str]:
    words = ["--recipe", "smoke", *(word for setting in SMALL for word in ("--set", setting))]
    return [
        *words,
        "--rows",
        ",".join(NAMES),
        "--seeds",
        "1,2",
        "--teacher-weights",
        str(folder / "taught.safetensors"),
    ]


@pytest.fixture(scope="module")
def whole(folder: Path, command: list[str]) -> tuple[dict[str, Any], str]:
    """The record and the table of three rows with two seeds."""
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        assert main([*command, "--out", str(folder / "runs")]) == 0
    return json.loads((folder / "runs" / "ablation.json").read_text()), shown.getvalue()


def small(*settings: str) -> Recipe:
    return get_recipe("smoke", [*SMALL, *settings])


def last_row(run: Path) -> dict[str, float]:
    return json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])


def never(*_: object) -> bool:
    raise AssertionError("a finished run was trained again")


def test_every_row_switches_one_part(tmp_path: Path) -> None:
    base = get_recipe("cpu")

    def flat(recipe: Recipe) -> dict[str, Any]:
        values = {}
        for key in all_keys(recipe):
            value: Any = recipe
            for part in key.split("."):
                value = getattr(value, part)
            values[key] = value
        return values

    recipes = {name: flat(row.recipe(base)) for name, row in ROWS.items()}
    switched = {
        name: {key for key in values if values[key] != recipes[str(ROWS[name].before)][key]}
        for name, values in recipes.items()
        if ROWS[name].before
    }
    off = {"distill.adaptive_rate", *(f"distill.{loss}_weight" for loss in ("affinity", "feature", "adversarial"))}
    assert switched == {
        "logit_offline": {"distill.teacher_mode", *off},  # with no teacher these are off whatever they say
        "online": {"distill.teacher_mode"},
        "adaptive_rate": {"distill.adaptive_rate"},
        "affinity": {"distill.affinity_weight"},
        "feature": {"distill.feature_weight", "distill.smooth_block"},  # a Smooth Block without a loss is none
        "smooth_block": {"distill.smooth_block"},
        "stff": {"student"},
        "discriminator": {"distill.adversarial_weight"},
        "contrastive": {"distill.feature_weight", "distill.contrastive_weight"},
    }
    assert recipes["student_alone"]["distill.teacher_mode"] == "none"
    assert recipes["student_alone"]["student"] == "student_no_stff"
    assert recipes["logit_offline"]["distill.teacher_mode"] == "frozen"
    assert recipes["feature"]["distill.smooth_block"] is False
    assert ROWS["discriminator"].recipe(base) == base
    assert recipes["contrastive"]["distill.feature_weight"] == 0


def test_figures_follow_from_the_runs(whole: tuple[dict[str, Any], str], folder: Path) -> None:
    record, _ = whole
    assert [row["name"] for row in record["rows"]] == NAMES
    assert record["is_complete"] is True
    values = {}
    for row in record["rows"]:
        place = row["name"].replace("logit_offline", f"logit_offline-{sha256(folder / 'taught.safetensors')[:8]}")
        logged = [last_row(folder / "runs" / place / f"seed-{seed}") for seed in (1, 2)]
        assert [run["seed"] for run in row["runs"]] == [1, 2]
        values[row["name"]] = [run["student_j"] for run in row["runs"]]
        assert values[row["name"]] == [one["validation/student_j"] for one in logged]
        assert [run["teacher_j"] for run in row["runs"]] == [one.get("validation/teacher_j") for one in logged]
        assert row["student_j_mean"] == pytest.approx(statistics.fmean(values[row["name"]]))
        assert row["student_j_std"] == pytest.approx(statistics.stdev(values[row["name"]]))
        assert {run["steps"] for run in row["runs"]} == {3}
        assert all(0 < run["train_seconds"] < 60 for run in row["runs"])
    alone, offline, adaptive = record["rows"]
    assert alone["runs"][0]["teacher_j"] is alone["teacher_j_mean"] is alone["difference_mean"] is None
    assert offline["runs"][0]["teacher_j"] == offline["runs"][1]["teacher_j"] == offline["teacher_j_mean"]  # frozen
    assert adaptive["runs"][0]["teacher_j"] != adaptive["runs"][1]["teacher_j"]
    for row, before in ((offline, "student_alone"), (adaptive, "logit_offline")):  # `online` was not asked for
        assert row["compared_with"] == before
        differences = [a - b for a, b in zip(values[row["name"]], values[before], strict=True)]
        assert row["difference_mean"] == pytest.approx(statistics.fmean(differences))
        assert row["difference_std"] == pytest.approx(statistics.stdev(differences))


def test_a_record_says_how_it_came_about(whole: tuple[dict[str, Any], str], folder: Path, command: list[str]) -> None:
    record, _ = whole
    assert (record["schema_version"], record["kind"], record["seeds"]) == (1, "ablation", [1, 2])
    assert record["recipe"]["optim"]["steps"] == 3
    assert len(record["recipe_sha256"]) == 64
    weights = folder / "taught.safetensors"
    assert record["frozen_teacher"] == {"source": str(weights), "sha256": sha256(weights)}
    assert record["environment"]["torch"] == torch.__version__.split("+")[0]
    assert record["command"].startswith("python -m vos_kd.ablation --recipe smoke --set student=student")
    assert record["date"].endswith("+00:00")
    assert {"commit"} <= record.keys()


def test_the_table_shows_means_in_percent(whole: tuple[dict[str, Any], str]) -> None:
    record, table = whole
    assert table == format_record(record)
    title, _, alone, offline, _ = table.splitlines()
    assert "after 3 steps" in title
    row = record["rows"][1]
    assert f"{100 * row['student_j_mean']:.1f} ± {100 * row['student_j_std']:.1f}" in offline
    assert f"{100 * row['difference_mean']:+.1f} ± {100 * row['difference_std']:.1f}  student_alone" in offline
    assert alone.startswith("student alone")
    assert "2/2" in alone


def test_a_finished_run_is_not_repeated_and_leaves_no_checkpoint(
    whole: tuple[dict[str, Any], str], folder: Path, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    record, _ = whole
    monkeypatch.setattr(ablation, "train", never)
    assert not list(folder.rglob("checkpoint.pt"))
    output = folder / "again.json"
    assert main([*command, "--seeds", "2", "--out", str(folder / "runs"), "--output", str(output)]) == 0
    again = json.loads(output.read_text())
    assert [row["runs"] for row in again["rows"]] == [[row["runs"][1]] for row in record["rows"]]
    assert again["rows"][0]["student_j_mean"] == record["rows"][0]["runs"][1]["student_j"]
    assert again["rows"][0]["student_j_std"] is None  # one seed has no spread


def test_an_interrupted_ablation_goes_on(
    whole: tuple[dict[str, Any], str],
    folder: Path,
    command: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Ctrl-C in the third run, then the time limit in the same one, then to the end of seed 1."""
    record, _ = whole
    out = folder / "interrupted"
    words = [*command, "--out", str(out)]
    real, asked = ablation.train, []

    def until_the_third(recipe: Recipe, run: Path, time_limit: float | None = None) -> bool:
        asked.append((run.parent.name.split("-")[0], recipe.seed))
        if len(asked) == 3:
            raise KeyboardInterrupt
        return real(recipe, run, time_limit)

    monkeypatch.setattr(ablation, "train", until_the_third)
    assert main(words) == 130
    assert asked == [("student_alone", 1), ("logit_offline", 1), ("adaptive_rate", 1)]  # seed by seed
    half = json.loads((out / "ablation.json").read_text())
    assert half["is_complete"] is False
    for row, count in zip(half["rows"], (1, 1, 0), strict=True):
        assert (row["seed_count"], row["is_complete"]) == (count, False)
        assert row["student_j_mean"] is row["student_j_std"] is row["difference_mean"] is None

    limits = []

    def one_step(recipe: Recipe, run: Path, time_limit: float | None = None) -> bool:
        limits.append(time_limit)
        with monkeypatch.context() as patch:  # time is up at the first save
            patch.setattr(Stop, "is_due", lambda _: (run / "checkpoint.pt").is_file())
            return real(recipe, run, time_limit)

    monkeypatch.setattr(ablation, "train", one_step)
    capsys.readouterr()
    assert main([*words, "--time-limit", "1000"]) == 0
    assert len(limits) == 1
    assert 900 < limits[0] <= 1000
    table = capsys.readouterr().out
    assert "1/2 incomplete" in table
    assert "±" not in table.split("\n", 1)[1]
    begun = out / "adaptive_rate" / "seed-1"
    assert [json.loads(line)["step"] for line in (begun / "metrics.jsonl").read_text().splitlines()] == [1]

    monkeypatch.setattr(ablation, "train", real)
    assert main([*words, "--seeds", "1"]) == 0
    done = json.loads((out / "ablation.json").read_text())
    assert done["is_complete"] is True
    steps = [json.loads(line)["step"] for line in (begun / "metrics.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 3, 3]  # went on after step 1; the last is the validation
    for row, same in zip(done["rows"], record["rows"], strict=True):
        assert row["runs"][0]["student_j"] == pytest.approx(same["runs"][0]["student_j"], abs=1e-6)


def made(names: list[str], seeds: tuple[int, ...]) -> Ablation:
    return Ablation(small(), {name: ROWS[name].recipe(small()) for name in names}, {}, seeds, None)


def test_a_row_without_all_seeds_has_no_mean_and_no_difference() -> None:
    js = {
        ("student_alone", 1): 0.50,
        ("student_alone", 2): 0.54,
        ("student_alone", 3): 0.55,
        ("online", 1): 0.53,
        ("online", 2): 0.60,
        ("online", 3): 0.64,
        ("smooth_block", 1): 0.6,
        ("smooth_block", 3): 0.7,
        ("contrastive", 1): 0.5,
        ("contrastive", 2): 0.5,
        ("contrastive", 3): 0.5,
    }
    runs = {(name, seed): Run(seed, j, 0.7, 3, 9.0) for (name, seed), j in js.items()}
    asked = made(["student_alone", "online", "smooth_block", "contrastive"], (1, 2, 3))
    record = make_record(asked, runs, "x")
    alone, online, smooth, rival = record["rows"]
    assert online["compared_with"] == "student_alone"
    assert online["difference_mean"] == pytest.approx(0.06)  # of 0.03, 0.06, 0.09
    assert online["difference_std"] == pytest.approx(0.03)
    assert alone["student_j_mean"] == pytest.approx(0.53)
    assert (smooth["compared_with"], rival["compared_with"]) == ("online", "smooth_block")
    assert smooth["student_j_mean"] is smooth["difference_mean"] is smooth["teacher_j_mean"] is None
    assert len(smooth["runs"]) == 2
    assert rival["student_j_mean"] == pytest.approx(0.5)
    assert rival["difference_mean"] is None  # its other half lacks a seed
    lines = format_record(record).splitlines()
    assert lines[3].split() == [
        *ROWS["online"].title.split(),
        *("3/3", "59.0", "±", "5.6", "+6.0", "±", "3.0", "student_alone", "70.0", "±", "0.0"),
    ]
    assert lines[4].split()[-6:] == ["2/3", "incomplete", "-", "-", "online", "-"]


def test_seconds_are_those_of_the_steps_and_count_repeated_ones_once(tmp_path: Path) -> None:
    asked = replace(made(["student_alone"], (5,)), folders={"student_alone": tmp_path})
    run = tmp_path / "seed-5"
    run.mkdir()
    (run / "recipe.json").write_text(replace(asked.recipes["student_alone"], seed=5).to_json())
    rows = [
        {"step": 1, "clips_per_second": 8.0},
        {"step": 1, "clips_per_second": 4.0},  # 1 step of 2 clips: half a second
        {"step": 3, "clips_per_second": 1.0},  # 2 steps: 4 seconds
        {"step": 3, "validation/student_j": 0.25},
    ]
    (run / "metrics.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert next(train_rows(asked)) == {("student_alone", 5): Run(5, 0.25, None, 3, 4.5)}


def test_a_run_without_j_and_a_failing_one_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = replace(made(["online"], (4,)), folders={"online": tmp_path / "online"})
    monkeypatch.setattr(ablation, "train", lambda *_: True)
    with pytest.raises(InputError, match=r"row 1 of 1 \(online\), seed 4: it gave no J"):
        list(train_rows(asked))

    def fail(*_: object) -> bool:
        raise InputError("5 steps in a row")

    monkeypatch.setattr(ablation, "train", fail)
    with pytest.raises(InputError, match=r"\(online\), seed 4: 5 steps in a row"):
        list(train_rows(asked))


def test_runs_of_another_recipe_are_refused_before_anything_trains(
    whole: tuple[dict[str, Any], str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ablation, "train", never)
    other = plan(small("optim.lr=1"), ["student_alone"], [3, 1], folder / "runs")
    with pytest.raises(InputError, match=r"student_alone/seed-1 holds a run of another recipe"):
        list(train_rows(other))


@pytest.mark.parametrize(
    ("settings", "rows", "seeds", "message"),
    [
        ([], ["online", "smoth_block"], [1], r"no row 'smoth_block'; near it: smooth_block"),
        ([], ["online"], [1, 1], r"seeds are \[1, 1\]; expected different numbers"),
        ([], ["online"], [-1], r"seeds are \[-1\]"),
        (["distill.feature_weight=0"], ["online"], [1], "a part of the method off"),
        (["distill.contrastive_weight=1"], ["online"], [1], "or its rival on"),
        (["distill.teacher_mode=frozen"], ["online"], [1], "a part of the method off"),
        (["student=student_small"], ["online"], [1], "'student_small' has no twin without STFF; give --set student="),
        (["student=student_no_stff"], ["online"], [1], "'student_no_stff' has no twin without STFF"),
    ],
)
def test_bad_input_is_named(
    settings: list[str], rows: list[str], seeds: list[int], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        plan(small(*settings), rows, seeds, tmp_path)


def test_the_frozen_teacher_is_the_one_that_was_asked_for(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vos_kd.checkpoint.WEIGHTS_FOLDER", tmp_path)
    with pytest.raises(InputError, match=r"logit_offline needs --teacher-weights FILE.* bundled for 'student_small'"):
        plan(small(), NAMES, [1], tmp_path)
    assert plan(small(), ["student_alone", "online"], [1], tmp_path).frozen_teacher is None
    weights = folder / "taught.safetensors"
    (tmp_path / "student_small.safetensors").write_bytes(weights.read_bytes())
    bundled = plan(small(), NAMES, [1], tmp_path)
    assert bundled.frozen_teacher == {"source": "student_small", "sha256": sha256(weights)}
    assert bundled.recipes["logit_offline"].teacher_weights == "student_small"
    assert bundled.recipes["adaptive_rate"].teacher_weights is None  # starts as the recipe says
    with pytest.raises(InputError, match="does not fit its network"):
        plan(small("teacher=student"), NAMES, [1], tmp_path, str(weights))


def test_the_command_names_bad_input(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "vos_kd.ablation", "--recipe", "smoke", "--rows", "onlin"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    bad = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert bad.returncode == 2
    assert "vos_kd.ablation: error: there is no row 'onlin'; near it: online" in bad.stderr
    assert "Traceback" not in bad.stderr
    assert list(tmp_path.iterdir()) == []
