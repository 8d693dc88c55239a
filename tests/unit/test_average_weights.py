"""The mean of several trainings of one network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from vos_kd import average_weights, load_model
from vos_kd.checkpoint import read_weights, save_weights
from vos_kd.modeling.registry import build_model, get_config


def random_weights(path: Path, seed: int, name: str = "student_small") -> Path:
    torch.manual_seed(seed)
    save_weights(path, build_model(name).state_dict(), get_config(name), {})
    return path


def test_the_mean_of_two_files_is_written_and_loads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = (random_weights(tmp_path / f"{seed}.safetensors", seed) for seed in (1, 2))
    out = tmp_path / "mean.safetensors"
    assert average_weights.main([f"{a},{b}", "--out", str(out)]) == 0
    (config, mean), (_, first), (_, second) = (read_weights(path) for path in (out, a, b))
    assert config == get_config("student_small")
    assert list(mean) == list(first)
    key = next(k for k in mean if "key_projection" in k and first[k].dim() == 4)
    assert not torch.equal(first[key], second[key])
    torch.testing.assert_close(mean[key].float(), (first[key].float() + second[key].float()) / 2, atol=1e-3, rtol=1e-3)
    counters = [k for k, v in mean.items() if not v.is_floating_point()]
    assert counters
    assert all(torch.equal(mean[k], first[k]) for k in counters)
    sha = load_model(out, device="cpu").weights_sha256
    assert sha is not None
    assert sha in capsys.readouterr().out


def test_one_file_and_other_networks_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = random_weights(tmp_path / "a.safetensors", 1)
    b = random_weights(tmp_path / "b.safetensors", 1, "student_large")
    out = tmp_path / "mean.safetensors"
    assert average_weights.main([str(a), "--out", str(out)]) == 2
    assert "nothing to average" in capsys.readouterr().err
    assert average_weights.main([f"{a},{b}", "--out", str(out)]) == 2
    assert f"{b} is of another network than {a}" in capsys.readouterr().err
    assert average_weights.main([f"{a},{tmp_path / 'c.safetensors'}", "--out", str(out)]) == 2
    assert "c.safetensors" in capsys.readouterr().err
    damaged = tmp_path / "d.safetensors"
    config, state = read_weights(a)
    save_weights(damaged, dict(list(state.items())[1:]), config, {})
    assert average_weights.main([f"{a},{damaged}", "--out", str(out)]) == 2
    assert f"{damaged} is of another network" in capsys.readouterr().err
    assert not out.exists()


def test_the_command_runs_as_a_module() -> None:
    command = [sys.executable, "-m", "vos_kd.average_weights", "nothing", "--out", "x.safetensors"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stderr.startswith("vos_kd.average_weights: error: ")
