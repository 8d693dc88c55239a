"""Settings of the process: tried in one of their own, since they cannot be taken back."""

from __future__ import annotations

import ctypes
import os
import platform
import runpy
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import app
from vos_kd import process, segment
from vos_kd.demo.engine import Engine, Job

ROOT = Path(__file__).resolve().parents[2]
on_glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")

# A block of 40 MB is got, filled and freed ten times; how many pages had to come from the system for all but the first?
FAULTS = """
import resource, sys, threading
import numpy as np
import vos_kd

if "prepare" in sys.argv:
    vos_kd.prepare_process()

def fill():
    np.empty(40_000_000, np.uint8).fill(1)

def count():
    fill()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(9):
        fill()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)

count()
thread = threading.Thread(target=count)
thread.start()
thread.join()
"""

RESIDENT = """
import numpy as np, psutil
from vos_kd.process import give_memory_back, prepare_process

prepare_process()
resident = lambda: psutil.Process().memory_info().rss
np.empty(200_000_000, np.uint8).fill(1)
before = resident()
give_memory_back()
print(before - resident())
"""


def run(program: str, *arguments: str) -> list[int]:
    command = [sys.executable, "-c", program, *arguments]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MALLOC_")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return [int(line) for line in done.stdout.split()]


@on_glibc
def test_large_blocks_are_used_again_in_every_thread() -> None:
    for plain, prepared in zip(run(FAULTS), run(FAULTS, "prepare"), strict=True):
        assert plain > 100  # ten thousand a block, fewer with huge pages
        assert prepared < plain / 10


@on_glibc
def test_what_is_free_goes_back_to_the_system() -> None:
    [given_back] = run(RESIDENT)
    assert given_back > 150_000_000


def test_another_libc_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    process.prepare_process()
    process.give_memory_back()
    assert os.environ["OMP_WAIT_POLICY"] == "passive"


def test_the_user_s_own_policy_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    process.prepare_process()
    assert os.environ["OMP_WAIT_POLICY"] == "active"


class PreparedError(Exception):
    """Raised in place of preparing: nothing else is to be run."""


def refuse() -> None:
    raise PreparedError


def test_programs_prepare_their_process_before_they_load_torch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("vos_kd.segment.prepare_process", refuse)
    with pytest.raises(PreparedError):
        segment.main(["clip.mp4", "--mask", "first.png"])
    monkeypatch.setattr("app.prepare_process", refuse)
    with pytest.raises(PreparedError):
        app.make_desk()
    monkeypatch.setattr(process, "prepare_process", refuse)
    monkeypatch.setattr(sys, "argv", ["run.py", "--help"])
    with pytest.raises(PreparedError):
        runpy.run_path(str(ROOT / "evaluation" / "run.py"), run_name="__main__")


def test_an_idle_engine_gives_memory_back(monkeypatch: pytest.MonkeyPatch) -> None:
    given_back = threading.Event()
    monkeypatch.setattr("vos_kd.demo.engine.give_memory_back", given_back.set)
    assert Engine(1).submit(Job(lambda job: None)).done.wait(10)
    assert given_back.wait(10)
