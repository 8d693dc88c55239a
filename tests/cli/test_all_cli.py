"""`python evaluation/run.py all`: whole records, equal wherever the work is done, nothing lost when it is cut off."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from evaluation import results
from evaluation.all import _made_with
from evaluation.cli import main
from evaluation.datasets import load_dataset
from evaluation.journal import SUFFIX
from evaluation.model_source import ModelSource
from evaluation.protocols import Protocol
from vos_kd.data.masks import write_mask
from vos_kd.data.synthetic import render_clip

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
NAMES = ("fish", "kites", "twins")


@pytest.fixture(scope="module")
def davis(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DAVIS-2017 tree of three sequences of synthetic frames, the first the longest."""
    root = tmp_path_factory.mktemp("davis")
    for n, name in enumerate(NAMES):
        clip = render_clip(name, frames=8 - n, height=48, width=80)
        for index, (image, mask) in enumerate(zip(clip.images, clip.masks, strict=True)):
            file = root / "JPEGImages" / "480p" / name / f"{index:05d}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(file), image[..., ::-1])
            write_mask(root / "Annotations" / "480p" / name / f"{index:05d}.png", mask)
    (root / "ImageSets" / "2017").mkdir(parents=True)
    (root / "ImageSets" / "2017" / "mine.txt").write_text("".join(f"{name}\n" for name in NAMES))
    return root


def command(davis: Path, models: str, output: Path, *options: str) -> list[str]:
    data = ["--dataset", "davis2017", "--root", str(davis), "--split", "mine"]
    return ["all", *data, "--models", models, "--output", str(output), *options]


def run(arguments: list[str], cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """As a user runs it, from a folder where the outside models are."""
    (cwd / "outside_models.py").write_text((HERE / "outside_models.py").read_text())
    return subprocess.run(
        [sys.executable, str(ROOT / "evaluation" / "run.py"), *arguments],
        cwd=cwd,
        env={**os.environ, "OUTSIDE_NOTES": str(cwd), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def metrics(path: Path) -> str:
    """All that was measured of accuracy, byte for byte."""
    data = json.loads(path.read_text())
    return json.dumps({key: data[key] for key in ("sequences", *results.means(results.load(path)))})


@pytest.fixture(scope="module")
def alone(davis: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Records of the student and an outside model, made in one process."""
    folder = tmp_path_factory.mktemp("alone")
    options = (
        "--objects",
        "1,2",
        "--frames",
        "3",
        "--warm-up",
        "1",
        "--endurance",
        "10",
        "--threads",
        "1",
        "--device",
        "cpu",
    )
    done = run(command(davis, "student,outside_models:Still", folder / "out", *options), folder)
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr
    return {"folder": folder / "out", "stdout": done.stdout, "stderr": done.stderr}


def test_whole_records_are_written(alone: dict[str, Any]) -> None:
    folder = alone["folder"]
    assert sorted(path.name for path in folder.iterdir()) == [
        "Still.davis2017-mine.json",
        "student.davis2017-mine.json",
    ]
    student, still = (results.load(path) for path in sorted(folder.iterdir(), reverse=True))
    assert (student.model.name, student.model.role, student.is_partial) == ("student", "student", False)
    assert len(student.model.weights_sha256 or "") == 64
    assert [one.name for one in student.sequences] == list(NAMES)
    assert 0.05 < student.scores.jf_mean < 1
    assert student.command.startswith("python evaluation/run.py all --dataset davis2017 --root ")
    assert student.complexity is not None
    assert student.complexity["params"] > 10**5
    assert student.complexity["gflops"] == 2 * student.complexity["gmacs"]
    assert (student.complexity["height"], student.complexity["memory_frames"]) == (384, 6)
    assert "FlopCounterMode" in student.complexity["tool"]
    assert student.speed is not None
    assert (student.speed["threads"], student.speed["device"], student.speed["size"]) == (1, "cpu", [480, 854])
    assert [row["objects"] for row in student.speed["by_objects"]] == [1, 2]
    assert len(student.speed["by_length"]) == 10
    assert student.speed["memory_policy"] == student.options["memory_policy"]
    assert student.speed["peak_memory_mib"] > 100
    assert {"threads", "processor", "torch", "cpu_cores"} <= set(student.environment)
    assert (still.model.role, still.model.weights_sha256, still.complexity["params"]) == ("baseline", None, 7)
    assert still.speed["fps_network"] is None
    assert still.speed["fps_end_to_end"] > student.speed["fps_end_to_end"]
    assert "student on davis2017 mine (480p, davis)" in alone["stdout"]
    assert "scoring took" in alone["stderr"]


def test_in_memory_values_are_those_of_files(davis: Path, alone: dict[str, Any], tmp_path: Path) -> None:
    data = ["--dataset", "davis2017", "--root", str(davis), "--split", "mine"]
    assert main(["predict", *data, "--models", "student", "--results", str(tmp_path), "--device", "cpu"]) == 0
    output = tmp_path / "scored.json"
    assert main(["score", *data, "--results", str(tmp_path / "student"), "--output", str(output)]) == 0
    assert metrics(output) == metrics(alone["folder"] / "student.davis2017-mine.json")


@pytest.mark.parametrize("engine", [("--workers", "2"), ("--engine", "ray", "--workers", "4")])
def test_several_workers_give_equal_values_though_one_is_killed(
    davis: Path, alone: dict[str, Any], tmp_path: Path, engine: tuple[str, ...]
) -> None:
    if "ray" in engine:
        pytest.importorskip("ray", reason="Ray is not installed: pip install ray")
    (tmp_path / "once").write_text("die")
    models = "student,outside_models:Doomed"
    done = run(command(davis, models, tmp_path / "out", "--no-speed", "--device", "cpu", *engine), tmp_path)
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr
    assert not (tmp_path / "once").exists(), "no worker was killed"
    name = "{}.davis2017-mine.json"
    for ours, theirs in (("student", "student"), ("Doomed", "Still")):
        assert metrics(tmp_path / "out" / name.format(ours)) == metrics(alone["folder"] / name.format(theirs))
    assert results.load(tmp_path / "out" / name.format("student")).options["workers"] == int(engine[-1])


def test_what_kills_every_worker_is_an_error(davis: Path, tmp_path: Path) -> None:
    done = run(
        command(davis, "outside_models:Mortal", tmp_path / "out", "--no-speed", "--workers", "2", "--limit", "1"),
        tmp_path,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "was lost 3 times; it was killed, or memory ran out" in done.stderr
    assert list((tmp_path / "out").glob("*.json")) == []


def test_an_interrupted_run_goes_on(davis: Path, alone: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "once").write_text("interrupt")
    arguments = command(davis, "outside_models:Doomed", tmp_path / "out", "--no-speed")
    done = run(arguments, tmp_path)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        130,
        "interrupted; --resume goes on with what is done",
    )
    record = tmp_path / "out" / "Doomed.davis2017-mine.json"
    journal = record.with_name(record.name + SUFFIX)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [journal.name]
    journal.write_bytes(journal.read_bytes() + b'{"name": "kites", "fra')  # as if the power had gone
    done = run([*arguments, "--resume"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "starts").read_text() == "x" * 4, "one and a half sequences before, two after"
    assert metrics(record) == metrics(alone["folder"] / "Still.davis2017-mine.json")
    assert not journal.exists()


def test_resume_does_not_mix_runs(davis: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "a.json"
    journal = tmp_path / f"a.json{SUFFIX}"
    arguments = command(davis, "student", output, "--no-speed", "--device", "cpu", "--limit", "1", "--resume")
    for content, message in (
        (b"{}\n", "is of a run with other weights, data or options, so --resume cannot go on"),
        (b"\xff\n", "is of a run with other weights"),
    ):
        journal.write_bytes(content)
        assert main(arguments) == 2
        assert message in capsys.readouterr().err
        assert journal.read_bytes() == content
    assert main(arguments[:-1]) == 0  # begins anew
    assert results.load(output).is_partial
    assert capsys.readouterr().out.splitlines()[-2] == str(output)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("outside_models:broken", "cannot be made: RuntimeError: no weights here ("),
        ("outside_models:nothing", "is a int without start(); expected an object whose start()"),
        (
            "outside_models:missing",
            "cannot be made: AttributeError: module 'outside_models' has no attribute 'missing'",
        ),
        ("no_such_module:x", "cannot be made: ModuleNotFoundError: No module named 'no_such_module'"),
        (
            "outside_models:Wrong",
            "the prediction of sequence 'fish', frame '00000' is uint8 (47, 80); expected numpy uint8",
        ),
        ("studnt", "Did you mean 'student'"),
        ("stcn_r50", "no weights are bundled for 'stcn_r50'"),
        ("student,student", "several models are called student"),
    ],
)
def test_models_that_cannot_be_run(
    davis: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    model: str,
    message: str,
) -> None:
    monkeypatch.chdir(HERE)
    assert main(command(davis, model, tmp_path / "out", "--no-speed")) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.rglob("*.json")) == []


def test_a_peer_says_what_it_needs(
    davis: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "cutie", None)
    assert main(command(davis, "evaluation.peers:cutie_small", tmp_path, "--no-speed")) == 2
    error = capsys.readouterr().err
    assert "the outside model evaluation.peers:cutie_small cannot be made: ModuleNotFoundError: " in error
    assert "cutie" in error.partition("ModuleNotFoundError")[2]


def test_options_that_cannot_be(davis: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for options, message in (
        (("--address", "auto"), "--address auto is of a Ray cluster; add --engine ray"),
        (
            ("--output", str(tmp_path / "a.json"), "--models", "student,teacher"),
            "is one file for 2 models; name a folder",
        ),
        (("--short-side", "8"), "--short-side is 8; the network needs 16 pixels or more"),
        (("--convention", "youtubevos"), "davis2017 is not scored by 'youtubevos'"),
        (("--keep-given-frame",), "--keep-given-frame is for YouTube-VOS"),
    ):
        assert main(command(davis, "student", tmp_path, "--no-speed", *options)) == 2
        assert message in capsys.readouterr().err


def test_resume_is_of_one_commit_and_one_list_of_seen_categories(davis: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = load_dataset("davis2017", davis, split="mine")
    protocol = Protocol("davis2017", "mine", "480p", "davis")
    source = ModelSource("student", device="cpu")
    arguments = argparse.Namespace(root=davis, all_frames=False)

    def made_with(*seen: str) -> dict[str, Any]:
        return _made_with(source, dataset, protocol, seen, arguments)

    before = made_with("ape", "cat")
    assert made_with("cat", "ape") == before
    assert made_with("ape") != before
    monkeypatch.setattr("evaluation.provenance.commit", lambda: "another")
    assert made_with("ape", "cat") != before


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ((), "student.davis2017-mine-partial.json"),
        (("--short-side", "32"), "student-32p.davis2017-mine-partial.json"),
        (("--dtype", "float32"), "student.davis2017-mine-float32-partial.json"),
    ],
)
def test_what_differs_is_in_the_name(davis: Path, tmp_path: Path, options: tuple[str, ...], name: str) -> None:
    usual = ("--no-speed", "--device", "cpu", "--limit", "1")
    assert main(command(davis, "student", tmp_path / "out", *usual, *options)) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == [name]


def test_folders_of_different_names_have_records_of_their_own(davis: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        root = tmp_path / name
        root.mkdir()
        for kind in ("JPEGImages", "Annotations"):
            (root / kind).symlink_to(davis / kind / "480p")
        arguments = ["all", "--dataset", "folder", "--root", str(root), "--models", "student", "--device", "cpu"]
        assert main([*arguments, "--limit", "1", "--no-speed", "--output", str(tmp_path / "out")]) == 0
    found = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert found == ["student.folder-a-partial.json", "student.folder-b-partial.json"]


def test_a_frame_that_cannot_be_read_is_named(davis: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = davis / "JPEGImages" / "480p" / "twins" / "00003.jpg"
    whole = image.read_bytes()
    try:
        for content, found in (
            (b"no image", "cannot be decoded"),
            (cv2.imencode(".jpg", np.zeros((9, 8, 3)))[1], "is 8x9"),
        ):
            image.write_bytes(bytes(content))
            assert main(command(davis, "student", tmp_path, "--no-speed")) == 2
            error = capsys.readouterr().err
            assert f"the image of sequence 'twins', frame '00003' ({image}) {found}; expected 80x48" in error
    finally:
        image.write_bytes(whole)
