"""The commands of the evaluation that run models: complexity, speed, predict and then score."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from evaluation import results
from evaluation.cli import main
from evaluation.complexity import count, measure_complexity
from evaluation.model_source import ModelSource
from evaluation.models import open_model
from evaluation.prediction import merged
from evaluation.throughput import _timer, endurance
from vos_kd import build_model, load_model
from vos_kd.artefact import GRAPHS, Artefact, save_artefact
from vos_kd.checkpoint import save_weights
from vos_kd.config import PRESETS
from vos_kd.data.masks import read_mask, write_mask
from vos_kd.data.synthetic import render_clip
from vos_kd.exported import Call
from vos_kd.modeling.network import FrameFeatures, ObjectPrior


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_weights(path, build_model("student_small").state_dict(), PRESETS["student_small"])
    return path


@pytest.fixture
def exported(weights: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`weights` exported to a stand-in for a runtime, whose graphs are names of a torch network's calls."""
    original = load_model(weights, device="cpu", dtype="float32")

    def open_graph(backend: str, graph: bytes, inputs: tuple[str, ...], dtype: torch.dtype) -> Call:
        @torch.inference_mode()
        def call(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
            if graph == b"encode_key":
                return tuple(original.network.encode_key(*tensors))
            f16, f8 = tensors[:2]
            if graph == b"encode_value":
                return (original.network.encode_value(None, FrameFeatures(None, None, f16, f8, None), *tensors[2:]),)
            f4, readout, *prior = tensors[2:]
            return (original.network.segment(FrameFeatures(None, None, f16, f8, f4), readout, ObjectPrior(*prior)),)

        return call

    monkeypatch.setattr("vos_kd.exported.open_graph", open_graph)
    path = weights.with_name("tiny.onnx.zip")
    graphs = {name: name.encode() for name in GRAPHS}
    mean, stride = original.network.image_mean, original.network.mask_stride
    save_artefact(Artefact(original.config, 1, mean, stride, original.weights_sha256, graphs), path)
    return path


@pytest.fixture(scope="module")
def davis(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DAVIS tree of two sequences of synthetic frames."""
    root = tmp_path_factory.mktemp("davis")
    for name in ("fish", "twins"):
        clip = render_clip(name, frames=5, height=48, width=80)
        for index, (image, mask) in enumerate(zip(clip.images, clip.masks, strict=True)):
            file = root / "JPEGImages" / "480p" / name / f"{index:05d}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(file), image[..., ::-1])
            write_mask(root / "Annotations" / "480p" / name / f"{index:05d}.png", mask)
    (root / "ImageSets" / "2017").mkdir(parents=True)
    (root / "ImageSets" / "2017" / "val.txt").write_text("fish\ntwins\n")
    return root


def test_the_yardstick_costs_what_is_published() -> None:
    stcn = measure_complexity("stcn_r50")
    assert stcn.params == 54_434_180
    assert stcn.gflops == pytest.approx(305.5, abs=0.1)
    assert stcn.gmacs == pytest.approx(152.8, abs=0.1)


def test_the_student_costs_at_most_a_thirtieth_of_it() -> None:
    student, stcn = measure_complexity("student"), measure_complexity("stcn_r50")
    assert student.memory_frames == stcn.memory_frames == 6
    assert student.gflops <= stcn.gflops / 30
    assert student.memory_interval == 1  # it needs a value for every frame, and that is counted
    assert stcn.memory_interval == 5
    teacher = PRESETS["teacher"]
    assert count(teacher).memory_interval == 5
    with_the_frame_before = replace(teacher, memory=replace(teacher.memory, keep_previous=True))
    assert count(with_the_frame_before).memory_interval == 1
    assert student.params <= 1_350_000


def test_stff_is_a_small_part_of_the_student() -> None:
    with_stff, without = measure_complexity("student"), measure_complexity("student_no_stff")
    assert 0 < with_stff.decode - without.decode < 0.05 * with_stff.gflops


def test_a_further_object_costs_little() -> None:
    one, two = (measure_complexity("student", objects=n) for n in (1, 2))
    assert two.gflops - one.gflops < 0.4 * one.gflops


def test_an_exported_model_costs_what_the_original_does(weights: Path, exported: Path) -> None:
    # torch sees no product of another runtime, so counting its calls would give 0.
    _, *figures = measure_complexity("student_small").to_json().values()
    assert figures[0] == 306_939
    for path in (weights, exported):
        assert list(measure_complexity(str(path)).to_json().values()) == [str(path), *figures]


def test_an_exported_model_has_the_record_of_the_original(
    tmp_path: Path, davis: Path, weights: Path, exported: Path
) -> None:
    command = ["all", "--dataset", "davis2017", "--root", str(davis), "--device", "cpu", "--dtype", "float32"]
    assert main([*command, "--models", f"{weights},{exported}", "--output", str(tmp_path), "--no-speed"]) == 0
    original, other = (
        results.load(tmp_path / f"{name}.davis2017-float32-partial.json") for name in ("tiny", "tiny.onnx")
    )
    assert original.complexity is not None
    assert original.complexity["params"] == 306_939
    assert original.complexity["gflops"] == pytest.approx(measure_complexity("student_small").gflops)
    assert other.complexity == original.complexity
    assert other.sequences == original.sequences
    assert (other.model.name, other.model.role) == ("tiny.onnx", "student")
    assert other.model.weights_sha256 == original.model.weights_sha256
    assert original.options["runtime"] == f"torch {torch.__version__}"
    assert re.fullmatch(r"(openvino|onnxruntime) \d.*", other.options["runtime"])


def test_complexity_command_writes_its_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "c.json"
    assert main(["complexity", "--models", "student_small,student", "--output", str(out)]) == 0
    rows = json.loads(out.read_text())
    assert [row["model"] for row in rows] == ["student_small", "student"]
    assert rows[1]["gflops"] == pytest.approx(2 * rows[1]["gmacs"])
    assert f"{rows[1]['params']:,}" in capsys.readouterr().out
    assert main(["complexity", "--models", "studnt"]) == 2
    assert "Did you mean 'student'" in capsys.readouterr().err


def test_speed_command_writes_its_figures(tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "s.json"
    command = [
        "speed",
        "--models",
        f"student_small,{weights}",
        "--size",
        "64x96",
        "--objects",
        "1,2",
        "--device",
        "cpu",
    ]
    assert main([*command, "--frames", "3", "--warm-up", "2", "--endurance", "4", "--output", str(out)]) == 0
    figures = json.loads(out.read_text())
    model = figures["models"]["student_small"]
    latency = model["latency_ms"]
    assert 0 < latency["network"]["p5"] <= latency["network"]["median"] <= latency["network"]["p95"]
    assert latency["network"]["median"] < latency["end_to_end"]["median"]
    assert model["fps_network"] > model["fps_end_to_end"] > 0
    assert model["params"] == 306_939
    assert model["gmacs"] == pytest.approx(measure_complexity("student_small").gmacs)
    assert [row["objects"] for row in model["by_objects"]] == [1, 2]
    assert model["by_objects"][0]["latency_ms"] == latency
    assert [row["frames"] for row in model["by_length"]] == [1, 2, 3, 4]
    assert figures["models"]["tiny"]["peak_memory_mib"] > 100
    assert model["threads"] == figures["environment"]["threads"] == torch.get_num_threads()
    assert (model["size"], model["objects"], model["device"]) == ([64, 96], 1, "cpu")
    assert "x   1.0" in capsys.readouterr().out


def test_memory_holds_as_many_frames_after_a_long_clip_as_after_a_short_one() -> None:
    model = open_model(ModelSource("student_small", device="cpu", random_weights=True))
    rows = list(endurance(model, frames=60, every=20, height=48, width=64))
    assert [row["frames"] for row in rows] == [20, 40, 60]
    assert [row["memory_frames"] for row in rows] == [2, 2, 2]  # the first and a recent one


def test_speed_is_that_of_the_size_that_was_asked_for() -> None:
    model = open_model(ModelSource("student_small", device="cpu", random_weights=True, short_side=32))
    assert model.short_side == 32
    assert _timer(model, is_bounded=True).segmenter.short_side == 32  # type: ignore[attr-defined]


def test_predicted_masks_are_scored(
    tmp_path: Path, davis: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ["--dataset", "davis2017", "--root", str(davis), "--split", "val"]
    assert main(["predict", *data, "--models", str(weights), "--results", str(tmp_path)]) == 0
    first = read_mask(tmp_path / "tiny" / "fish" / "00000.png")
    np.testing.assert_array_equal(first, read_mask(davis / "Annotations" / "480p" / "fish" / "00000.png"))
    assert len(list((tmp_path / "tiny").glob("*/*.png"))) == 10
    record = tmp_path / "record.json"
    assert main(["score", *data, "--results", str(tmp_path / "tiny"), "--output", str(record)]) == 0
    assert "J&F" in capsys.readouterr().out
    # What is there is left as it is, and other masks under the same name are not taken for it.
    touched = (tmp_path / "tiny" / "fish" / "00001.png").stat().st_mtime_ns
    assert main(["predict", *data, "--models", str(weights), "--results", str(tmp_path), "--resume"]) == 0
    assert (tmp_path / "tiny" / "fish" / "00001.png").stat().st_mtime_ns == touched
    assert main(["predict", *data, "--models", str(weights), "--results", str(tmp_path), "--short-side", "32"]) == 0
    assert len(list((tmp_path / "tiny-32p").glob("*/*.png"))) == 10, "another size is another row"
    other = shutil.copytree(davis, tmp_path / "other")
    moved = [str(other) if part == str(davis) else part for part in data]
    assert main(["predict", *moved, "--models", str(weights), "--results", str(tmp_path), "--resume"]) == 2
    assert "holds masks of other weights, data or options" in capsys.readouterr().err
    # Nor are masks of one object for those of several, though sequences have the same names.
    data += ["--dataset", "davis2016", "--split", "all"]
    assert main(["predict", *data, "--models", str(weights), "--results", str(tmp_path)]) == 2
    assert "holds masks of other weights, data or options" in capsys.readouterr().err


def test_void_of_a_davis_2017_mask_is_no_object_when_merged() -> None:
    np.testing.assert_array_equal(merged(np.array([[0, 1, 7, 255]], np.uint8)), [[0, 1, 1, 0]])
    np.testing.assert_array_equal(merged(np.array([[0, 255]], np.uint8)), [[0, 1]])
