"""`python evaluation/run.py benchmark`, with a stand-in for vos-benchmark, whose OpenCV excludes ours."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from evaluation.cli import main
from vos_kd import write_mask

# Objects of 12x12, moved by 2 down and 3 right and grown by a disk: what J and F are, another scorer must say.
STAND_IN = """
import os
from pathlib import Path
import numpy as np
from PIL import Image

def benchmark(truth, masks, num_processes, verbose):
    js = []
    for folder in sorted(Path(truth[0]).iterdir()):
        frames = sorted(os.listdir(folder))[1:-1]
        pairs = [[np.asarray(Image.open(f"{root}/{folder.name}/{frame}")) > 0 for root in (truth[0], masks[0])]
                 for frame in frames]
        js.append(100 * np.mean([(a & b).sum() / (a | b).sum() for a, b in pairs]))
    return [0], [np.mean(js) + float(os.environ.get("OFF", 0))], [100.0], {}
"""


@pytest.fixture
def davis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("bear", "cat"):
        for n in range(5):
            mask = np.zeros((480, 854), np.uint8)  # so large that boundaries within 8 pixels match: F is 1
            mask[10 + n : 22 + n, 10:22] = 255
            write_mask(tmp_path / "davis" / "Annotations" / "480p" / name / f"{n:05}.png", mask)
    (tmp_path / "davis" / "ImageSets" / "2016").mkdir(parents=True)
    (tmp_path / "davis" / "ImageSets" / "2016" / "mine.txt").write_text("bear\ncat\n")
    (tmp_path / "modules" / "vos_benchmark").mkdir(parents=True)
    (tmp_path / "modules" / "vos_benchmark" / "__init__.py").write_text("")
    (tmp_path / "modules" / "vos_benchmark" / "benchmark.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"))
    return tmp_path / "davis"


def command(davis: Path, *options: str) -> list[str]:
    data = ["--dataset", "davis2016", "--root", str(davis), "--split", "mine"]
    return ["benchmark", *data, "--with", sys.executable, "--repeat", "1", *options]


def test_both_tools_are_timed_and_compared(davis: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(davis, "--processes", "1", "--output", str(tmp_path / "b.json"))) == 0
    figures = json.loads((tmp_path / "b.json").read_text())
    [row] = figures["rows"]
    assert (figures["pairs"], row["processes"]) == (10, 1)
    assert row["ratio"] == row["vos_benchmark_seconds"] / row["seconds"] > 0
    assert row["cpu_ratio"] == row["vos_benchmark_cpu_seconds"] / row["cpu_seconds"] > 0
    assert row["difference"] < 1e-9
    assert f"{row['ratio']:.1f} times as fast" in capsys.readouterr().out


def test_tools_that_do_not_agree_are_an_error(
    davis: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OFF", "0.001")
    assert main(command(davis, "--processes", "1")) == 2
    assert "the tools do not agree: means differ by " in capsys.readouterr().err


def test_a_missing_tool_is_named(
    davis: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("PYTHONPATH")
    for python in (sys.executable, str(davis / "no-python")):
        assert main([*command(davis), "--with", python]) == 2
        error = capsys.readouterr().err
        assert f"{python} has no vos-benchmark" in error
        assert "bench/bin/pip install vos-benchmark" in error
