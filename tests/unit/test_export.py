"""Exported models: the same masks from other runtimes, and files that are no such models."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vos_kd import VideoSegmenter, load_model, read_mask, write_mask
from vos_kd.artefact import BACKENDS, GRAPHS, Artefact, load_artefact, save_artefact
from vos_kd.checkpoint import find_weights
from vos_kd.config import PRESETS
from vos_kd.data.synthetic import training_clip
from vos_kd.errors import InputError
from vos_kd.export import compare, export_onnx, main
from vos_kd.export_graphs import Graph
from vos_kd.exported import load_exported, open_graph, pick_backend
from vos_kd.files import sha256
from vos_kd.modeling.memory import prepare_keys, read_memory
from vos_kd.modeling.registry import build_model
from vos_kd.segment import main as segment

ONE = (torch.nn.Identity(), {"x": torch.ones(3)}, ("y",), ({},))


@pytest.fixture(scope="module")
def weights() -> Path:
    """The bundled student: masks of an untrained network hang on every last digit."""
    return find_weights("student")


@pytest.fixture(scope="module")
def exported(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "student.onnx.zip"
    differences = export_onnx(weights, path)
    assert set(differences) == set(GRAPHS)
    assert all(0 <= value < 1e-4 for value in differences.values())
    return path


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("objects", [1, 2])
def test_an_exported_model_gives_the_masks_of_the_original(
    exported: Path, weights: Path, backend: str, objects: int
) -> None:
    clip = training_clip(np.random.default_rng(4), frames=8, size=(70, 100), max_objects=objects)
    assert len(clip.object_ids) == objects
    original = VideoSegmenter(load_model(weights, device="cpu", dtype="float32"))
    other = VideoSegmenter(load_model(exported, backend=backend, dtype="float32"))
    for index, image in enumerate(clip.images):
        given = clip.masks[0] if index == 0 else None
        expected, found = original.step(image, given), other.step(image, given)
        assert (expected == found).mean() > 0.999  # a pixel on the edge of a decision may fall to the other side


def test_segment_takes_an_exported_model_beside_another(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = training_clip(np.random.default_rng(4), frames=3, size=(70, 100), max_objects=1)
    (tmp_path / "clip").mkdir()
    for index, image in enumerate(clip.images):
        Image.fromarray(image).save(tmp_path / "clip" / f"{index:05d}.png")
    write_mask(tmp_path / "first.png", clip.masks[0])
    out = tmp_path / "out"
    command = [str(tmp_path / "clip"), "--mask", str(tmp_path / "first.png"), "--out", str(out), "--dtype", "float32"]
    assert segment([*command, "--model", f"student,{exported}", "--backend", "onnxruntime", "--quiet"]) == 0
    models = json.loads((out / "manifest.json").read_text())["models"]
    assert list(models) == ["student", "student.onnx"]
    assert (
        models["student"]["weights_sha256"]
        == models["student.onnx"]["weights_sha256"]
        == sha256(find_weights("student"))
    )
    masks = [read_mask(out / name / "Annotations" / "clip" / "00002.png") for name in models]
    assert (masks[0] == masks[1]).mean() > 0.999
    assert segment([*command, "--backend", "onnxruntime", "--overwrite"]) == 2
    assert "--backend onnxruntime is for exported models, and none is given" in capsys.readouterr().err


def test_what_a_file_says_of_its_model(exported: Path, weights: Path) -> None:
    model = load_exported(exported)
    original = load_model(weights)
    assert model.config == PRESETS["student"]
    assert model.parameters == original.parameters == 940_691
    assert model.weights_sha256 == sha256(weights)
    assert str(model.device) == "cpu"
    assert model.network.image_mean == original.network.image_mean
    manifest = json.loads(zipfile.ZipFile(exported).read("model.json"))
    assert any(line.startswith("read_memory:") for line in manifest["usage"])


def test_equal_models_are_equal_files(exported: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.onnx.zip"
    save_artefact(load_artefact(exported), again)
    assert again.read_bytes() == exported.read_bytes()


def changed(exported: Path, path: Path, name: str, content: bytes | None) -> Path:
    """A copy with one entry replaced, or left out."""
    with zipfile.ZipFile(exported) as old, zipfile.ZipFile(path, "w") as new:
        for entry in old.namelist():
            data = content if entry == name else old.read(entry)
            if data is not None:
                new.writestr(entry, data)
    return path


def test_files_that_are_no_exported_models(exported: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.onnx.zip"
    path.write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(InputError, match=r"x\.onnx\.zip is no exported model, or damaged"):
        load_model(path)
    with pytest.raises(InputError, match=r"has no segment\.onnx; expected a file that `python -m vos_kd.export` wrote"):
        load_model(changed(exported, path, "segment.onnx", None))
    with pytest.raises(InputError, match=r"cannot read the graph.*Export the model again"):
        load_model(changed(exported, path, "segment.onnx", b"damaged"))
    with pytest.raises(InputError, match="format 'vos-kd-onnx/9'"):
        load_model(changed(exported, path, "model.json", b'{"format": "vos-kd-onnx/9"}'))
    for manifest in (
        b"[]",
        b'{"format": "vos-kd-onnx/1", "image_mean": [0, 0, 0], "config": {"name": "x"}, "parameters": 1e999}',
    ):
        with pytest.raises(InputError, match="no exported model, or damaged"):
            load_model(changed(exported, path, "model.json", manifest))
    nameless = b'{"format": "vos-kd-onnx/1", "image_mean": [0, 0, 0], "config": {}}'
    with pytest.raises(InputError, match=r"x\.onnx\.zip: the model configuration has no name"):
        load_model(changed(exported, path, "model.json", nameless))
    with pytest.raises(InputError, match="not there; expected a weight file"):
        load_model(tmp_path / "none.onnx.zip")


def test_every_damaged_byte_is_noticed_or_does_no_harm(tmp_path: Path) -> None:
    graphs = {name: bytes(np.random.default_rng(0).integers(0, 9, 60, np.uint8)) for name in GRAPHS}
    model = Artefact(PRESETS["student"], 1, (0.5, 0.5, 0.5), 4, None, graphs)
    path = tmp_path / "x.onnx.zip"
    save_artefact(model, path)
    whole = path.read_bytes()
    refused = 0
    positions = range(0, len(whole), 9)
    for position in positions:
        broken = bytearray(whole)
        broken[position] ^= 0x10
        path.write_bytes(broken)
        try:
            assert load_artefact(path) == model
        except InputError:
            refused += 1
    assert refused > 0.7 * len(positions)
    for length in range(0, len(whole), 99):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"x\.onnx\.zip"):
            load_artefact(path)


@pytest.mark.parametrize(
    ("entry", "value", "message"),
    [
        ("image_mean", [float("nan")] * 3, "expected three numbers from 0 to 1"),
        ("mask_stride", 8, "mask_stride is 8; expected 4"),
        ("parameters", 0, "expected 1 or more"),
        ("weights_sha256", "nonsense", "'nonsense'; expected 64 hexadecimal digits or null"),
    ],
)
def test_values_that_no_exported_model_has(
    exported: Path, tmp_path: Path, entry: str, value: object, message: str
) -> None:
    with zipfile.ZipFile(exported) as file:
        manifest = json.loads(file.read("model.json")) | {entry: value}
    path = changed(exported, tmp_path / "x.onnx.zip", "model.json", json.dumps(manifest).encode())
    with pytest.raises(InputError, match=rf"x\.onnx\.zip is no exported model, or damaged.*{message}"):
        load_model(path)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_graph_in_the_place_of_another_is_refused(exported: Path, tmp_path: Path, backend: str) -> None:
    with zipfile.ZipFile(exported) as file:
        path = changed(exported, tmp_path / "x.onnx.zip", "segment.onnx", file.read("encode_value.onnx"))
    with pytest.raises(InputError, match=r"takes f16, f8, masks; expected f16, f8, f4, readout, previous_value, prev"):
        load_model(path, backend=backend)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("positions", [1, 6, 19, 20, 21])
def test_memory_smaller_than_what_is_read_of_a_large_one(exported: Path, backend: str, positions: int) -> None:
    config = PRESETS["student"]
    assert config.memory.top_k == 20
    artefact = load_artefact(exported)
    read = open_graph(backend, artefact.graphs["read_memory"], artefact.inputs["read_memory"])
    generator = torch.Generator().manual_seed(positions)
    query = torch.randn(config.network.key_dim, 2, 3, generator=generator)
    key = torch.randn(positions, config.network.key_dim, generator=generator)
    shrinkage = 1 + torch.rand(positions, generator=generator)
    value = torch.randn(positions, 2, config.network.value_dim, generator=generator)
    [found] = read(query, key, shrinkage, value)
    expected = read_memory(prepare_keys(key, shrinkage), value, query.flatten(1).mT, 20)
    torch.testing.assert_close(found[0].flatten(2).permute(2, 0, 1), expected, rtol=1e-4, atol=1e-4)


def test_graphs_larger_than_any_of_ours_are_not_unpacked(exported: Path, tmp_path: Path) -> None:
    path = tmp_path / "bomb.onnx.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name in ("model.json", *(f"{graph}.onnx" for graph in GRAPHS)):
            file.writestr(name, b"\0" * (257 << 20) if name == "segment.onnx" else b"{}")
    with pytest.raises(InputError, match=r"segment\.onnx has more than 256 MiB"):
        load_model(path)


def test_settings_that_an_exported_model_does_not_have(exported: Path) -> None:
    with pytest.raises(InputError, match="runs on the cpu; leave --device cuda out"):
        load_model(exported, device="cuda")
    with pytest.raises(InputError, match=r"cannot run .* in float16"):
        load_model(exported, dtype="float16")
    with pytest.raises(InputError, match=r"onnxruntime cannot run .* in bfloat16"):
        load_model(exported, dtype="bfloat16", backend="onnxruntime")
    with pytest.raises(InputError, match=r"no backend 'tensorrt'.*openvino or onnxruntime"):
        load_model(exported, backend="tensorrt")
    with pytest.raises(InputError, match="runs exported models, and student is none"):
        load_model("student", backend="openvino")


def test_a_missing_runtime_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vos_kd.exported.util.find_spec", lambda name: None if name == "openvino" else object())
    assert pick_backend() == "onnxruntime"
    with pytest.raises(InputError, match="pip install openvino"):
        pick_backend("openvino")
    monkeypatch.setattr("vos_kd.exported.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install openvino, or pip install onnxruntime"):
        pick_backend()


def test_the_command_refuses_what_it_cannot_export(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "x.onnx.zip"
    assert main(["stcn_r50", "--out", str(out)]) == 2
    assert "no weights are bundled for 'stcn_r50'" in caplog.text
    assert main([str(weights), "--out", str(tmp_path / "x.onnx")]) == 2
    assert "expected a name that ends in .onnx.zip" in caplog.text
    assert main(["studnet", "--out", str(out)]) == 2
    assert "Did you mean 'student'" in caplog.text
    assert not list(tmp_path.iterdir())
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("wrong", "expected"), [(1.5, 0.5), (float("nan"), float("nan"))])
def test_what_a_graph_differs_by(wrong: float, expected: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that gives half as much again, and one that gives no numbers, at the first of two sizes."""
    network, config = build_model("student_small"), PRESETS["student_small"]
    monkeypatch.setattr("vos_kd.export.graphs_of", lambda *_, **trial: {"one": Graph(*ONE, expected=lambda x: (x,))})
    factors = iter([wrong, 1.0])
    monkeypatch.setattr("vos_kd.export.open_graph", lambda *_: lambda x: (x * next(factors),))
    [found] = compare(network, config, {"one": b""}, "onnxruntime").values()
    np.testing.assert_allclose(found, expected)


def test_a_graph_that_differs_is_not_written(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vos_kd.export._serialise", lambda graph: b"")
    monkeypatch.setattr("vos_kd.export.compare", lambda *_: {"encode_key": 1e-6, "segment": float(np.float32(0.1))})
    with pytest.raises(InputError, match=r"exported segment of .* differs from the original by 1\.0e-01"):
        export_onnx(weights, tmp_path / "x.onnx.zip")
    assert not list(tmp_path.iterdir())
