"""One Chromium for all browser tests, and servers that end with the module that started them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

ROOT = Path(__file__).parents[2]
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]

expect.set_options(timeout=60_000)  # milliseconds: other tests fill the cores


def chromium() -> str | None:
    """The browser of this machine; None for Playwright's own."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((found for name in names if (found := shutil.which(name))), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Sequence[str]], str]]:
    """Start a command that serves a page; gives the address that it prints."""
    running = []

    def start(command: Sequence[str]) -> str:
        folder = tmp_path_factory.mktemp("server")
        environment = {**os.environ, "GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}
        environment |= {"GRADIO_TEMP_DIR": str(folder / "uploads"), "VOS_KD_EXAMPLES": str(folder / "examples")}
        environment |= {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        log = folder / "log"
        with log.open("w") as said:
            app = subprocess.Popen(command, cwd=folder, env=environment, stdout=said, stderr=subprocess.STDOUT)
        running.append(app)
        while not (found := re.search(r"(http://\S+)\s", log.read_text(encoding="utf-8"))):
            assert app.poll() is None, log.read_text(encoding="utf-8")
            time.sleep(0.1)
        return found[1]

    yield start
    for app in running:
        app.terminate()
        app.wait()
