"""The page in a browser: from a clip to two videos that play, and what is said of files that are no clips."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from vos_kd.data.synthetic import render_clip
from vos_kd.examples import list_examples
from vos_kd.video_io import VideoWriter

ROOT = Path(__file__).parents[2]
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
PATIENCE = 60_000
"""Milliseconds: other tests fill the cores."""
pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    path = next((found for name in names if (found := shutil.which(name))), None)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("page")
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}
    environment |= {"GRADIO_TEMP_DIR": str(folder / "uploads"), "VOS_KD_EXAMPLES": str(folder / "examples")}
    command = [sys.executable, str(ROOT / "app.py")]
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as app:
        assert app.stdout is not None
        said = []
        url = None
        for line in app.stdout:
            said.append(line)
            if found := re.search(r"http://\S+", line):
                url = found[0]
                break
        assert url is not None, "".join(said)
        yield url
        app.terminate()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE)
    errors: list[str] = []
    asked: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(address, wait_until="domcontentloaded")
    yield opened
    context.close()
    assert errors == []
    elsewhere = [url for url in asked if not url.startswith((address, "data:", "blob:"))]
    assert elsewhere == []
    assert len(asked) > 3


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """Ten small frames, and the truth of the first."""
    drawn = render_clip("kites", frames=10, height=120, width=200)
    path = tmp_path_factory.mktemp("clip") / "small clip.mp4"
    with VideoWriter(path, fps=10) as video:
        for image in drawn.images:
            video.write(image)
    return path, drawn.masks[0]


def test_the_page_offers_every_example(page: Page) -> None:
    for example in list_examples():
        expect(page.get_by_text(example.title, exact=True)).to_be_visible(timeout=PATIENCE)
    assert len(list_examples()) >= 4


def test_from_a_clip_to_two_videos_that_play(page: Page, clip: tuple[Path, np.ndarray]) -> None:
    path, mask = clip
    page.locator("input[type=file]").first.set_input_files(path)
    stage = page.locator("canvas:visible").first
    expect(stage).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_text("10 frames").first).to_be_visible()
    box = stage.bounding_box()
    assert box is not None
    rows, columns = np.nonzero(mask == 1)
    x, y = float(np.median(columns)) / mask.shape[1], float(np.median(rows)) / mask.shape[0]
    page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
    run = page.get_by_role("button", name="Run", exact=True)
    expect(run).to_be_enabled(timeout=PATIENCE)
    run.click()
    page.wait_for_function(
        "() => [...document.querySelectorAll('video')].filter((v) => v.videoWidth > 0).length >= 2", timeout=PATIENCE
    )
    sizes = page.evaluate("() => [...document.querySelectorAll('video')].map((v) => [v.videoWidth, v.videoHeight])")
    assert sizes[:2] == [[200, 120], [200, 120]]
    expect(page.get_by_text(re.compile(r"times as fast as")).first).to_be_visible()
    page.locator("#play").click()
    page.wait_for_function("() => document.querySelector('video').currentTime > 0.3", timeout=PATIENCE)


def test_a_file_that_is_no_clip_is_refused_in_words(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "<b>notes</b>.mp4".replace("/", "_")
    path.write_text("no video at all")
    page.locator("input[type=file]").first.set_input_files(path)
    expect(page.get_by_text(re.compile("cannot be|not a video|no video|damaged|decoded")).first).to_be_visible()
    expect(page.get_by_text("Drop a video here")).to_be_visible()  # and the page goes on
