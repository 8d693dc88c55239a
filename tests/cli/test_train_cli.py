"""The training command: runs anywhere, resumes exactly, survives a kill in the middle of a save."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from torch.utils.tensorboard import SummaryWriter

from vos_kd import export_weights, held_out
from vos_kd import train as train_module
from vos_kd.checkpoint import find_weights, load_model, read_weights
from vos_kd.data.clips import ClipBatch
from vos_kd.data.device_photos import DevicePhotos
from vos_kd.distill.adaptive_lr import AdaptiveRate
from vos_kd.distill.ema import Ema
from vos_kd.distill.task import OnlineDistillation
from vos_kd.errors import InputError
from vos_kd.export_weights import export
from vos_kd.recipes import get_recipe
from vos_kd.runtime import environment
from vos_kd.train import main, train
from vos_kd.training.checkpoints import load_checkpoint
from vos_kd.training.metrics import append_row, read_metrics
from vos_kd.training.optim import build_optimizer, rate_at
from vos_kd.training.run_log import RunLog
from vos_kd.training.stopping import Stop
from vos_kd.training.validation import validate

SMALL = [
    "data.height=48",
    "data.width=48",
    "optim.steps=6",
    "log_every=1",
    "save_every=2",
    "validate_every=6",
    "validation_clips=2",
    "precision=no",
]


def small(*settings: str):  # type: ignore[no-untyped-def]
    return get_recipe("smoke", [*SMALL, *settings])


def losses(run: Path) -> dict[int, float]:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {row["step"]: row["loss"] for row in rows if "loss" in row}


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "whole"
    assert train(small(), run)
    return run


def test_a_run_leaves_all_its_files(whole_run: Path) -> None:
    assert json.loads((whole_run / "recipe.json").read_text())["name"] == "smoke"
    assert json.loads((whole_run / "environment.json").read_text())["torch"] == torch.__version__.split("+")[0]
    assert list(losses(whole_run)) == [1, 2, 3, 4, 5, 6]
    rows = [json.loads(line) for line in (whole_run / "metrics.jsonl").read_text().splitlines()]
    validation = rows[-1]
    assert 0 <= validation["validation/student_j"] <= 1
    assert 0 <= validation["validation/teacher_j"] <= 1
    assert rows[0]["clips_per_second"] > 0
    assert 0 <= rows[0]["waiting_share"] <= 1
    assert {"student/dice", "distill/logit", "distill/discriminator", "rates/student"} <= set(rows[0])
    assert (whole_run / "validation.png").stat().st_size > 1000
    assert list(whole_run.glob("events.out.tfevents*"))


def test_a_run_in_slices_has_the_losses_of_a_whole_one(whole_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "sliced"
    slices = 0
    while not train(small(), run, time_limit=0.5 + slices):  # each slice gets further
        slices += 1
        assert slices < 20
    assert slices >= 1
    got, want = losses(run), losses(whole_run)
    assert got.keys() == want.keys()
    for step, loss in want.items():
        assert got[step] == pytest.approx(loss, rel=1e-6), f"step {step}"


class Eighths(Stop):
    """A clock on which a step takes an eighth of the time limit."""

    steps = 0

    def is_due(self) -> bool:
        self.steps += 1
        return super().is_due()

    def time_share(self) -> float:
        return self.steps / 8


@pytest.mark.parametrize("anneal", [True, False])
def test_the_learning_rate_can_come_down_by_the_time_limit(
    anneal: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[float] = []
    forward = OnlineDistillation.forward

    def spy(self: OnlineDistillation, clip: ClipBatch, progress: float, distillation: float) -> dict[str, torch.Tensor]:
        seen.append(progress)
        return forward(self, clip, progress, distillation)

    monkeypatch.setattr(OnlineDistillation, "forward", spy)
    monkeypatch.setattr("vos_kd.train.Stop", Eighths)
    recipe = small("optim.steps=1000", "optim.warmup_steps=2")
    assert not train(recipe, tmp_path, time_limit=1, anneal=anneal)
    state = load_checkpoint(tmp_path / "checkpoint.pt")
    assert state is not None
    assert state.content["step"] == 7
    rate = next(g["lr"] / g["scale"] for g in state.content["optimizer"]["param_groups"] if g["role"] == "parts")
    assert rate == pytest.approx(rate_at(6, recipe.optim, 7 / 8 if anneal else 0))
    assert (rate < 0.1 * recipe.optim.lr) == anneal
    assert seen == [n / 8 if anneal else (n - 1) / 1000 for n in range(1, 8)]  # losses that set in late do so in time
    # A rate that came down has made the weights that count: they are validated whatever step that is.
    validated = [row["step"] for row in read_metrics(tmp_path / "metrics.jsonl") if "validation/student_j" in row]
    assert validated == ([6, 7] if anneal else [6])
    card = export(tmp_path, "student", tmp_path / "weights")[1].read_text()
    assert f"training never saw, at step {validated[-1]}): 0." in card
    assert "7 steps of 2 clips" in card


def test_annealing_needs_a_time_limit(caplog: pytest.LogCaptureFixture) -> None:
    assert main(["--recipe", "smoke", "--anneal"]) == 2
    assert "--anneal needs an end; give --time-limit SECONDS" in caplog.text


def test_a_run_names_the_packages_that_its_machine_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacks_av(name: str) -> str:
        if name == "av":
            raise metadata.PackageNotFoundError(name)
        return "1.2.3"

    monkeypatch.setattr(metadata, "version", lacks_av)
    found = environment()
    assert (found["av"], found["timm"]) == ("not installed", "1.2.3")


def test_a_kill_in_the_middle_of_a_save_loses_nothing_but_that_save(whole_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "killed"
    # The second save stops half-way through writing and waits to be killed.
    code = f"""
import os, time
from pathlib import Path
from vos_kd import files
from vos_kd.recipes import get_recipe
from vos_kd.train import train
write, saves = Path.write_bytes, 0
def half(self, data):
    global saves
    if len(data) > 100_000:
        saves += 1
        if saves == 2:
            write(self, data[: len(data) // 2])
            print("half", flush=True)
            time.sleep(60)
    return write(self, data)
Path.write_bytes = half
train(get_recipe("smoke", {SMALL!r}), Path({str(run)!r}))
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=tmp_path, env=_environment())
    assert process.stdout is not None
    assert process.stdout.readline() == b"half\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    state = load_checkpoint(run / "checkpoint.pt")
    assert state is not None
    assert state.content["step"] == 2
    assert train(small(), run)
    got, want = losses(run), losses(whole_run)
    assert got[3] == pytest.approx(want[3], rel=1e-6)
    assert got[6] == pytest.approx(want[6], rel=1e-6)
    steps = [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 3, 4, 5, 6, 6]  # what was logged after the last checkpoint is replaced


def test_a_full_disk_keeps_the_last_good_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "full"
    write = Path.write_bytes
    saves = 0

    def full(self: Path, data: bytes) -> int:
        nonlocal saves
        if len(data) > 100_000:
            saves += 1
            if saves == 2:
                write(self, data[:1000])
                raise OSError(28, "No space left on device")
        return write(self, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="No space left on device"):
        train(small(), run)
    state = load_checkpoint(run / "checkpoint.pt")
    assert state is not None
    assert state.content["step"] == 2
    assert not list(run.glob(".partial-*"))


def test_ctrl_c_saves_what_is_done(whole_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "interrupted"
    many = [word for s in [*SMALL, "optim.steps=100000", "save_every=100000"] for word in ("--set", s)]
    command = [sys.executable, "-m", "vos_kd.train", "--recipe", "smoke", *many, "--out", str(run)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, cwd=tmp_path, env=_environment(), text=True)
    while not (run / "metrics.jsonl").is_file() or len((run / "metrics.jsonl").read_text().splitlines()) < 3:
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    state = load_checkpoint(run / "checkpoint.pt")
    assert state is not None
    assert state.content["step"] >= 3
    assert f"everything up to step {state.content['step']} is saved" in said
    assert "Traceback" not in said


def test_another_recipe_in_the_same_folder_is_refused(whole_run: Path) -> None:
    with pytest.raises(InputError, match="holds a run of another recipe"):
        train(small("optim.lr=1"), whole_run)


def test_a_damaged_checkpoint_is_named(whole_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "damaged"
    run.mkdir()
    (run / "checkpoint.pt").write_bytes((whole_run / "checkpoint.pt").read_bytes()[:5000])
    with pytest.raises(InputError, match=r"checkpoint.pt is damaged .* remove it to begin again"):
        train(small(), run)


def test_steps_that_are_not_finite_are_skipped_counted_and_abort(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "nan"
    forward = train_module.OnlineDistillation.forward

    def broken(self, clip, progress, distillation=1.0):  # type: ignore[no-untyped-def]
        out = forward(self, clip, progress, distillation)
        if 0.1 < progress < 0.3 or progress > 0.6:
            self.student.frame_projection[1].running_mean.data.fill_(float("nan"))  # as a forward of NaN leaves it
            return {**out, "loss": out["loss"] * float("nan")}
        return out

    monkeypatch.setattr(train_module.OnlineDistillation, "forward", broken)
    with pytest.raises(InputError, match=r"2 steps in a row up to step 6 had gradients that are not finite"):
        train(small("optim.max_bad_steps=2"), run)
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["skipped_steps"] for row in rows] == [0, 1, 1, 1, 2]
    assert all(torch.isfinite(value).all() for value in load_checkpoint_state(run).values())
    images = torch.load(run / "bad_batch.pt", weights_only=True)[0]
    assert images.dtype == torch.uint8


@pytest.mark.parametrize("is_fixed", [False, True])
def test_norms_of_loaded_weights_stay_where_they_are_told_to(tmp_path: Path, is_fixed: bool) -> None:
    run = tmp_path / "run"
    settings = ["student=student", "student_weights=student", "distill.teacher_mode=none", "optim.steps=1"]
    train(small(*settings, f"optim.fixed_norms={is_fixed}"), run)
    before = {name: value.float() for name, value in read_weights(find_weights("student"))[1].items()}
    after = {
        name.removeprefix("student."): value
        for name, value in load_checkpoint_state(run).items()
        if name.endswith(("running_mean", "running_var"))
    }
    moved = {name for name, value in after.items() if not torch.equal(value, before[name])}
    own = {name for name in after if not name.startswith("backbone.")}
    assert 0 < len(own) < len(after)
    assert moved == (set() if is_fixed else own)


def test_the_held_out_figure_of_a_run_can_be_repeated(
    whole_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    weights = [path for path in export(whole_run, "student", tmp_path, "rendered shapes") if path.suffix != ".md"]
    settings = [part for text in SMALL for part in ("--set", text)]
    assert held_out.main([str(weights[0]), "--recipe", "smoke", *settings]) == 0
    told = float(capsys.readouterr().out.split(": J ")[1].split()[0])
    last = json.loads((whole_run / "metrics.jsonl").read_text().splitlines()[-1])
    assert told == pytest.approx(last["validation/student_j"], abs=0.01)  # exported in half precision
    assert held_out.main([str(weights[0]), "--recipe", "smoke", *settings, "--frames", "9"]) == 0
    out = capsys.readouterr().out
    assert "held-out clips of 9 frames" in out
    assert float(out.split(": J ")[1].split()[0]) != told  # other clips
    assert held_out.main(["stcn_r50", "--recipe", "smoke"]) == 2
    assert "no weights are bundled for 'stcn_r50'" in caplog.text


def test_exported_weights_load_and_carry_no_train_time_part(whole_run: Path, tmp_path: Path) -> None:
    paths = export(whole_run, "student", tmp_path, "rendered shapes")
    assert [p.name for p in paths] == ["student_small.safetensors", "student_small.md"]
    model = load_model(paths[0], device="cpu")
    names = set(model.network.state_dict())
    assert not [n for n in names if "adaptor" in n or "discriminator" in n]
    card = paths[1].read_text()
    assert f"Parameters: {model.parameters:,}" in card
    assert model.weights_sha256 is not None
    assert model.weights_sha256 in card
    assert "6 steps of 2 clips of 3 frames at 48x48" in card
    with pytest.raises(InputError, match=r"holds no checkpoint\.pt"):
        export(tmp_path, "student", tmp_path)


def test_the_command_works_from_any_folder_and_names_bad_input(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "vos_kd.train"]
    bad = subprocess.run(
        [*command, "--recipe", "smok"], cwd=tmp_path, env=_environment(), capture_output=True, text=True
    )
    assert bad.returncode == 2
    assert "no recipe 'smok'; near it: smoke" in bad.stderr
    assert "Traceback" not in bad.stderr
    good = [*command, "--recipe", "smoke", *(word for s in SMALL for word in ("--set", s)), "--set", "optim.steps=1"]
    done = subprocess.run(good, cwd=tmp_path, env=_environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "finished" in done.stderr
    assert (tmp_path / "runs" / "smoke" / "checkpoint.pt").is_file()


def test_a_recipe_without_data_says_what_to_give(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert (
        main(
            [
                "--recipe",
                "cpu",
                "--set",
                "precision=no",
                "--set",
                "distill.teacher_mode=none",
                "--out",
                str(tmp_path / "x"),
            ]
        )
        == 2
    )
    assert "give --set data.photos=" in caplog.text


def test_too_few_photos_are_told_before_all_are_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(DevicePhotos, "load", None)
    for folder in ("images", "masks"):
        (tmp_path / "photos" / folder).mkdir(parents=True)
        (tmp_path / "photos" / folder / "photo_1.png").touch()
    settings = [*SMALL, "data.feed=device", f"data.photos={tmp_path / 'photos'}"]
    words = [word for setting in settings for word in ("--set", setting)]
    assert main(["--recipe", "smoke", *words, "--out", str(tmp_path / "run")]) == 2
    assert "one name in 20 is held out" in caplog.text
    assert not (tmp_path / "run").exists()


def load_checkpoint_state(run: Path) -> dict[str, torch.Tensor]:
    """Averaged weights and statistics of a run's checkpoint."""
    state = load_checkpoint(run / "checkpoint.pt")
    assert state is not None
    return dict(state.content["ema"]["state"])


def test_a_log_line_cut_off_by_a_kill_does_not_stop_the_next_run(whole_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "cut"
    shutil.copytree(whole_run, run)
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 7, "lo')
    assert train(small(), run)  # nothing is left to do, and nothing fails
    assert [row["step"] for row in read_metrics(run / "metrics.jsonl")] == [1, 2, 3, 4, 5, 6, 6]


def test_validation_reads_as_many_positions_as_the_networks_are_used_with(monkeypatch: pytest.MonkeyPatch) -> None:
    task = train_module.build_task(get_recipe("smoke", ["student=student_no_stff"]))
    assert task.top_k == {"student": 20, "teacher": 20}
    seen = []

    def counted(network: object, batches: object, accelerator: object, top_k: int | None = None) -> float:
        seen.append(top_k)
        return 0.5

    monkeypatch.setattr("vos_kd.training.validation.mean_jaccard", counted)
    task.top_k = {"student": 3, "teacher": 4}
    scores = validate(task, Ema(task, 0.9), [], Accelerator(cpu=True))
    assert scores == {"validation/student_j": 0.5, "validation/teacher_j": 0.5}
    assert seen == [3, 4]
    monkeypatch.setattr("vos_kd.held_out.mean_jaccard", counted)
    monkeypatch.setattr("vos_kd.held_out.validation_batches", lambda *_: [])
    assert held_out.main(["student", "--set", "precision=no"]) == 0
    assert seen == [3, 4, 20]


def test_a_teacher_trained_alone_may_be_as_large_as_one(
    whole_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = {"student": 0.1, "teacher": 0.1}
    monkeypatch.setattr("vos_kd.export_weights.LIMITS_MB", limits)
    monkeypatch.setattr("vos_kd.export_weights.BUNDLE", tmp_path / "bundle")
    with pytest.raises(InputError, match=r"a student in bundle has at most 0\.1 MB. Give another --out"):
        export(whole_run, "student", tmp_path / "bundle")
    assert export(whole_run, "student", tmp_path / "elsewhere")[0].is_file()  # what is not bundled has no limit
    limits["student_small"] = 5  # here what a teacher is in the student's place: a model with a limit of its own
    assert export(whole_run, "student", tmp_path / "bundle")[0].is_file()


def test_a_foreign_checkpoint_is_told(whole_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole_run, run)
    torch.save({"model": {}}, run / "checkpoint.pt")
    with pytest.raises(InputError, match=r"checkpoint.pt is not of a training run here: KeyError\('ema'\)"):
        export(run, "student", tmp_path / "out")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's always full device")
def test_a_full_disk_is_told() -> None:
    with pytest.raises(InputError, match=r"cannot write /dev/full: No space left on device\. Make room and continue\."):
        append_row({"step": 1.0}, Path("/dev/full"))


@pytest.mark.parametrize("fails", ["__init__", "add_scalar", "close"])
def test_tensorboard_on_a_full_disk_is_told(fails: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(SummaryWriter, fails, full)
    with pytest.raises(InputError, match=r"cannot write TensorBoard's file in .*: No space left on device\. Make room"):
        train(small("optim.steps=1"), tmp_path)
    if fails == "close":
        with pytest.raises(KeyError, match="first"), RunLog(tmp_path, 0):
            raise KeyError("first")


def test_a_checkpoint_of_anything_else_is_told(whole_run: Path, tmp_path: Path) -> None:
    state = load_checkpoint(whole_run / "checkpoint.pt")
    assert state is not None
    task = train_module.build_task(small())
    parts = (task, build_optimizer(task, small().optim), Ema(task, 0.9), AdaptiveRate(small().distill.rates))
    assert state.restore(*parts) == 6
    foreign = [5, None, [1, 2], torch.zeros(2), {"task": None}]
    for content in (*foreign, *({**state.content, part: [1.0]} for part in state.content)):
        torch.save(content, tmp_path / "checkpoint.pt")
        found = load_checkpoint(tmp_path / "checkpoint.pt")
        assert found is not None
        with pytest.raises(InputError, match=r"checkpoint.pt is of another configuration"):
            found.restore(*parts)
        if not isinstance(content, dict):
            with pytest.raises(InputError, match=r"checkpoint.pt is not of a training run here"):
                found.averaged()


@pytest.mark.filterwarnings("ignore:Detected pickle protocol:UserWarning")
def test_whatever_has_happened_to_a_checkpoint_it_is_read_or_refused(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    torch.save({"step": 3, "ema": {"state": {"weight": torch.zeros(3), "é": torch.ones(2, 2)}}}, file)
    sound = file.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(400):
        data = np.frombuffer(sound, np.uint8).copy()
        data[rng.integers(len(data), size=10)] = rng.integers(256, size=10)
        file.write_bytes(data.tobytes())
        try:
            load_checkpoint(file)
        except InputError as error:
            refused += "checkpoint.pt is damaged (" in str(error)
    assert refused > 100
    pickles = (b"\x80\x02\x8a", b"\x80\x02X\x01\x00\x00\x00\xff.", b"\x80\x02h\x05.", b"\x80\x02.", b"\x80\x02J\x01")
    for data in (*pickles, b"text", b""):
        file.write_bytes(data)
        with pytest.raises(InputError, match=r"checkpoint.pt is damaged \("):
            load_checkpoint(file)


def test_two_networks_of_one_name_are_not_written_to_one_file(
    whole_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole_run, run)
    recipe = json.loads((run / "recipe.json").read_text())
    (run / "recipe.json").write_text(json.dumps({**recipe, "teacher": recipe["student"]}))
    assert export_weights.main([str(run), "--out", str(tmp_path / "out")]) == 2
    assert "student and teacher of" in (told := capsys.readouterr().err)
    assert "are both 'student_small'" in told
    assert not (tmp_path / "out").exists()
    assert export_weights.main([str(run), "--out", str(tmp_path / "out"), "--only", "student"]) == 0
    assert export_weights.main([str(whole_run), "--out", str(tmp_path / "both")]) == 0
    assert len(list((tmp_path / "both").iterdir())) == 4


def _environment() -> dict[str, str]:
    root = str(Path(__file__).parents[2])
    return {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"}
