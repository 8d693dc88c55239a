"""The page as a Hugging Face Space: a borrowed GPU where there is one to borrow, and nothing of it elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

FAKE = """
borrowed = []


def GPU(duration):
    def decorate(function):
        def call(*args):
            borrowed.append(duration)
            yield from function(*args)
        return call
    return decorate
"""

RUN = """
import os, sys
from types import SimpleNamespace

import app
import spaces

desk = app.make_desk(segmenters=lambda model, short_side: (model, short_side))
assert "torch" not in sys.modules  # a Space wants its module before
app.follow = lambda plan, model, segmenter, f: iter([(model, segmenter)])
loaded, *reports = desk._run_model(SimpleNamespace(short_side=480), "student")
assert loaded.facts["role"] == "student"
print(reports)
print(sys.modules["spaces"].borrowed, os.environ["GRADIO_ANALYTICS_ENABLED"])
"""


def run(folder: Path, environment: dict[str, str]) -> list[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("SPACES_", "GRADIO_"))}
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        cwd=folder,
        env=clean | {"PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_elsewhere_no_gpu_is_borrowed_even_if_the_package_is_there(tmp_path: Path) -> None:
    (tmp_path / "spaces.py").write_text(FAKE)
    assert run(tmp_path, {}) == ["[('student', ('student', 480))]", "[] False"]


def test_on_a_space_with_zerogpu_each_model_borrows_one(tmp_path: Path) -> None:
    (tmp_path / "spaces.py").write_text(FAKE)
    assert run(tmp_path, {"SPACES_ZERO_GPU": "true"}) == ["[('student', ('student', 480))]", "[120] False"]


ENDED = """
import os, signal, time

import app


def launch(*_, **__):
    assert os.listdir(os.environ["TMPDIR"])
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(30)


app.gr.Blocks.launch = launch
app.Desk.warm_up = lambda desk: None
app.main([])
"""


def test_a_server_that_is_told_to_end_leaves_no_files(tmp_path: Path) -> None:
    (tmp_path / "temporary").mkdir()
    environment = {**os.environ, "TMPDIR": str(tmp_path / "temporary"), "GRADIO_TEMP_DIR": str(tmp_path / "gradio")}
    environment |= {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", ENDED], cwd=tmp_path, env=environment, check=False, timeout=250)
    assert done.returncode == 0
    assert list((tmp_path / "temporary").iterdir()) == []
