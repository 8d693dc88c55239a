"""Weights on disk: what comes back, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from vos_kd import checkpoint
from vos_kd.checkpoint import find_weights, load_model, read_config, read_weights, save_weights
from vos_kd.config import PRESETS, ModelConfig
from vos_kd.errors import InputError
from vos_kd.modeling.network import STMNetwork
from vos_kd.modeling.registry import build_model

CONFIG = PRESETS["student_small"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_weights(path, build_model(CONFIG).state_dict(), CONFIG, {"steps": "0"})
    return path


def test_weights_come_back_in_half_precision(weights: Path) -> None:
    torch.manual_seed(0)
    network = build_model(CONFIG)
    config, state = read_weights(weights)
    assert config == CONFIG
    for name, value in network.state_dict().items():
        expected = value.half() if value.is_floating_point() else value
        torch.testing.assert_close(state[name], expected, rtol=0, atol=0)


def test_a_loaded_model_computes_what_was_saved(weights: Path) -> None:
    model = load_model(weights, device="cpu", dtype="float32")
    torch.manual_seed(0)
    network = build_model(CONFIG)
    network.load_state_dict({k: v.half().to(v.dtype) for k, v in network.state_dict().items()})
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(
            model.network.encode_key(image).key, network.encode_key(image).key, rtol=1e-3, atol=1e-3
        )
    assert model.parameters == sum(p.numel() for p in network.parameters())
    assert model.weights_sha256 == checkpoint.sha256(weights)
    assert not [p for p in model.network.parameters() if p.requires_grad]


def test_a_configuration_is_read_without_its_network(weights: Path, tmp_path: Path) -> None:
    assert read_config(weights) == CONFIG
    assert read_config("stcn_r50") == PRESETS["stcn_r50"]  # no weights are bundled for it
    with pytest.raises(InputError, match="not there; expected a weight file"):
        read_config(tmp_path / "none.safetensors")


def test_saving_twice_gives_the_same_bytes(weights: Path, tmp_path: Path) -> None:
    config, state = read_weights(weights)
    save_weights(tmp_path / "again.safetensors", state, config, {"steps": "0"})
    assert (tmp_path / "again.safetensors").read_bytes() == weights.read_bytes()


def test_damaged_weights_are_refused(weights: Path, tmp_path: Path) -> None:
    data = weights.read_bytes()
    for name, content in (("cut", data[: len(data) // 2]), ("empty", b""), ("text", b"hello" * 100)):
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(content)
        with pytest.raises(InputError, match=f"{name}.safetensors is not a readable safetensors file"):
            load_model(path)


def test_a_foreign_safetensors_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(InputError, match="has format 'none'; expected 'vos-kd/1'"):
        load_model(path)


def test_weights_of_another_model_are_refused_with_the_entries(weights: Path, tmp_path: Path) -> None:
    _, state = read_weights(weights)
    wrong = tmp_path / "wrong.safetensors"
    save_weights(wrong, state, PRESETS["student"])
    with pytest.raises(InputError, match=r"does not fit its network: .* and \d+ more"):
        load_model(wrong)
    save_weights(wrong, state, replace(CONFIG, network=replace(CONFIG.network, key_dim=40)))
    with pytest.raises(InputError, match=r"key_and_shrinkage.0.weight is \(33, 48, 3, 3\), expected \(41, 48, 3, 3\)"):
        load_model(wrong)


def test_weights_that_are_not_finite_are_refused(weights: Path, tmp_path: Path) -> None:
    state = load_file(weights)
    name = "decoder.logit.weight"
    state[name].view(-1)[0] = float("nan")
    with pytest.raises(InputError, match=f"weight {name} is not finite"):
        save_weights(tmp_path / "nan.safetensors", state, CONFIG)
    assert not list(tmp_path.iterdir())
    with safe_open(weights, framework="pt") as file:
        save_file(state, tmp_path / "nan.safetensors", metadata=file.metadata())
    with pytest.raises(InputError, match=f"{name} is not finite"):
        load_model(tmp_path / "nan.safetensors")


@pytest.mark.parametrize("dtype", [torch.float64, torch.int64, torch.complex64, torch.float8_e4m3fn])
def test_weights_of_another_kind_of_number_are_refused(weights: Path, tmp_path: Path, dtype: torch.dtype) -> None:
    """float64 holds finite numbers that the network's float32 does not; of the others most are no weights at all."""
    state = load_file(weights)
    name = "decoder.logit.weight"
    state[name] = state[name].to(dtype)
    with safe_open(weights, framework="pt") as file:
        save_file(state, tmp_path / "odd.safetensors", metadata=file.metadata())
    with pytest.raises(InputError, match=f"{name} is {dtype}, expected torch.float16 or"):
        load_model(tmp_path / "odd.safetensors")


@pytest.mark.parametrize("config", ["[" * 100_000, '{"format": ' + "9" * 5000 + "}"])
def test_headers_that_no_reader_takes_are_refused(tmp_path: Path, config: str) -> None:
    path = tmp_path / "odd.safetensors"
    save_file({"a": torch.zeros(2)}, path, metadata={"vos_kd": config})
    with pytest.raises(InputError, match=r"odd\.safetensors has a damaged header"):
        load_model(path)


def test_a_header_that_asks_for_more_than_its_weights_gets_no_memory(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, state = read_weights(weights)
    path = tmp_path / "wide.safetensors"
    save_weights(path, state, replace(CONFIG, network=replace(CONFIG.network, decoder_widths=(4096, 4096, 4096))))
    devices = []

    def build(config: ModelConfig) -> STMNetwork:
        devices.append(torch.get_default_device().type)
        return build_model(config)

    monkeypatch.setattr(checkpoint, "build_model", build)
    with pytest.raises(InputError, match="does not fit its network"):
        load_model(path)
    assert devices == ["meta"]
    load_model(weights)
    assert devices == ["meta", "meta", "cpu"]


def test_sources_that_lead_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="no model 'studnt'"):
        load_model("studnt")
    with pytest.raises(InputError, match="is not there"):
        load_model(tmp_path / "missing.safetensors")
    with pytest.raises(InputError, match=r"no weights are bundled for 'stcn_r50'; give a public STCN \.pth"):
        load_model("stcn_r50")
    with pytest.raises(InputError, match="has no revision; pin one as someone/model@COMMIT"):
        load_model("someone/model")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(InputError, match=r"cannot get model.safetensors of hub repository 'someone/model@abc'"):
        load_model("someone/model@abc")


def test_unknown_device_and_precision_are_refused(weights: Path) -> None:
    for name in ("tpu9", "meta", "cuda:", "cpu:1"):
        with pytest.raises(InputError, match=f"no device '{name}'; expected cpu, cuda"):
            load_model(weights, device=name)
    with pytest.raises(InputError, match="no precision 'int3'"):
        load_model(weights, dtype="int3")


def test_a_bundled_name_is_found_without_the_network() -> None:
    for name in PRESETS:
        path = checkpoint.WEIGHTS_FOLDER / f"{name}.safetensors"
        if path.is_file():
            assert find_weights(name) == path


def test_a_full_disk_leaves_nothing_behind(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, state = read_weights(weights)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(InputError, match="No space left on device"):
        save_weights(tmp_path / "new.safetensors", state, config)
    assert not list(tmp_path.iterdir())
