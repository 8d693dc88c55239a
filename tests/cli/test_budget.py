"""The budget of a frame: what work there is, what it takes at least, and the table of a run."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from evaluation.budget import PARTS, Rates, Work, format_budget, measure_rates, works_of
from vos_kd import build_model, read_config
from vos_kd.checkpoint import save_weights

ROOT = Path(__file__).resolve().parents[2]


def test_work_is_that_of_convolutions_and_products_alone() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()).to("meta").eval()
    weights = torch.zeros(5, 20, device="meta")
    image = torch.zeros(1, 3, 10, 20, device="meta")
    convolution, product = works_of(lambda: network(image) @ weights.T)
    assert convolution == Work(flops=2 * 27 * 8 * 200, numbers=3 * 200 + 27 * 8 + 8 + 8 * 200)
    assert product.flops == 2 * 20 * 5 * 80


def test_the_slower_of_arithmetic_and_memory_is_the_limit() -> None:
    rates = Rates(flops=1e9, bytes=1e8)
    assert Work(flops=3e6, numbers=10).least_ms(rates, 4) == 3
    assert Work(flops=3e6, numbers=100_000).least_ms(rates, 4) == 4
    assert Work(flops=3e6, numbers=100_000).least_ms(rates, 2) == 3


def test_the_table_sums_limits_and_leaves_times_as_measured() -> None:
    times = dict.fromkeys(PARTS, 1.5)
    work = {"encode_key": [Work(2e9, 0), Work(1e9, 250_000)], "read": [Work(0, 250_000)]}
    table = format_budget({"plain": {**times, "whole": 9.0}}, work, Rates(1e12, 1e9), bytes_of_a_number=4)
    rows = {line[:20].strip(): line[20:].split() for line in table.splitlines()[1:]}
    assert rows["image to key"] == ["1.5", "3.0", "3.00", "1.0"]
    assert rows["reading of memory"] == ["1.5", "1.0", "0.00", "1.0"]
    assert rows["whole frame"] == ["9.0", "4.0", "3.00", "2.0"]


def test_rates_are_those_of_this_machine() -> None:
    rates = measure_rates(torch.float32)
    assert 1e8 < rates.flops < 1e15
    assert 1e8 < rates.bytes < 1e13


def test_the_command_prints_where_the_time_goes(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "evaluation" / "run.py"), "budget", "--models", "student,student_small"]
    options = ["--size", "64x96", "--frames", "5", "--threads", "1", "--device", "cpu", "--dtype", "float32"]
    done = subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first, head, *rows = done.stdout.splitlines()
    assert re.match(r"96x64, one object, 1 threads, float32: \d+ GFLOP/s", first)
    assert head.split() == ["plain", "student", "student_small", "limit", "GFLOPs", "MB"]
    numbers = [[float(cell) for cell in row[20:].split()] for row in rows]
    assert [row[:20].strip() for row in rows] == [*PARTS.values(), "whole frame"]
    assert all(cell >= 0 for row in numbers for cell in row)
    assert all(time > 0 for time in numbers[-1][:3])
    *parts, whole = numbers
    assert whole[4] == pytest.approx(sum(row[4] for row in parts), abs=0.03)


def test_a_weight_file_needs_no_name_of_a_preset(tmp_path: Path) -> None:
    config = replace(read_config("student_small"), name="mine")
    save_weights(tmp_path / "own.safetensors", build_model(config).state_dict(), config)
    command = [sys.executable, str(ROOT / "evaluation" / "run.py"), "budget", "--models", "own.safetensors"]
    options = ["--size", "64x96", "--frames", "5", "--threads", "1", "--device", "cpu", "--dtype", "float32"]
    done = subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1].split()[:2] == ["plain", "own"]


def test_what_it_cannot_take_apart_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "class M:\n    def start(self):\n        return self\ndef make(device=None, dtype=None):\n    return M()\n"
    )
    command = [sys.executable, str(ROOT / "evaluation" / "run.py"), "budget", "--models", "mine:make"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "budget is for this project's own networks on a CPU" in done.stderr
