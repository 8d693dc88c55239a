"""How fast the page is, and what visitors leave behind: `python tests/e2e/page_benchmark.py run|browser|visitors`.

A benchmark, not a test: the figures depend on the machine and on what else it does.

    run       both models over a 480p clip as the page runs them, beside the same models alone on decoded frames
    browser   first paint, first mask after a box, first picture after Run, as Chromium sees them
    visitors  programs at once with clips of their own: time, memory and files before and after
"""

from __future__ import annotations

import argparse
import os
import re
import runpy
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

HEIGHT, WIDTH = 480, 854
PATIENCE = 300_000
SWEEP = 1300.0  # Gradio deletes what is old every 600 s

# The page with short memories, so that one need not wait for an hour to see what is left.
APP = """
import sys

import app
from leaderboard.store import load_board
from vos_kd.demo.limits import Limits

desk = app.make_desk(Limits(grace_minutes=float(sys.argv[1]), idle_minutes=float(sys.argv[2])))
print("ROOT", desk.sessions.root, flush=True)
page = app.build_demo(desk, load_board())
desk.warm_up()
page.launch(**app.launch_options(desk))
"""


class Spent(NamedTuple):
    """Of a piece of work."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds of all threads of this process."""


def main(argv: list[str] | None = None) -> int:
    """Measure as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "browser", "visitors"))
    parser.add_argument("--frames", type=int, default=100, metavar="N", help="of a 480p clip (default: %(default)s)")
    parser.add_argument("--visitors", type=int, default=20, metavar="N", help="at once (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=2, metavar="N", help="of visitors (default: %(default)s)")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if arguments.what == "run":
            lines = measure_run(folder, arguments.frames)
        elif arguments.what == "browser":
            lines = measure_browser(folder, arguments.frames)
        else:
            lines = measure_visitors(folder, arguments.visitors, arguments.rounds)
        for line in lines:
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
    return 0


def write_clip(path: Path, frames: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    """Write a rendered clip; the mask of its first object in the first frame."""
    from vos_kd.data.synthetic import render_frames
    from vos_kd.video_io import VideoWriter

    first = np.zeros((height, width), np.uint8)
    with VideoWriter(path, 24) as video:
        for number, (image, ids) in enumerate(render_frames("kites", frames, height, width, seed)):
            video.write(image)
            if not number:
                first = (ids == 1).astype(np.uint8)
    return first


@contextmanager
def spending() -> Iterator[list[Spent]]:
    """Gives a list that holds, after the block, what the block took."""
    spent: list[Spent] = []
    wall, cpu = time.perf_counter(), time.process_time()
    yield spent
    spent.append(Spent(time.perf_counter() - wall, time.process_time() - cpu))


def measure_run(folder: Path, frames: int) -> Iterator[str]:
    """The page's run, and the models alone."""
    import torch

    import app
    import vos_kd
    from vos_kd.demo.prompting import with_mask
    from vos_kd.demo.upload import load_clip
    from vos_kd.prompts import PromptHistory

    first = write_clip(folder / "clip.mp4", frames, HEIGHT, WIDTH)
    desk = app.make_desk()
    session = desk.sessions.get("benchmark")
    with session.new_folder("clip") as place:
        loaded = load_clip(folder / "clip.mp4", "clip.mp4", place, desk.limits)
        session.begin(loaded, place, with_mask(PromptHistory(), 0, first), frames)
    with loaded.open() as clip:
        images = list(clip)
    names = list(desk.models)[:2]
    models = {name: vos_kd.load_model(name) for name in names}

    def alone(name: str, images: list[np.ndarray]) -> Spent:
        with spending() as spent:
            for _ in vos_kd.VideoSegmenter(models[name]).segment(images, {0: first}):
                pass
        return spent[0]

    list(desk.run("benchmark", {"end": min(8, frames), "models": names}))  # starts things up
    for name in names:
        alone(name, images[:8])
    by_model = {name: alone(name, images) for name in names}
    shown = None
    with spending() as spent:
        began = time.perf_counter()
        for told in desk.run("benchmark", {"end": frames, "models": names}):
            if shown is None and any(one["picture"] for one in told.get("models", [])):
                shown = time.perf_counter() - began
    desk.sessions.close()
    page = spent[0]
    wall, cpu = sum(one.wall for one in by_model.values()), sum(one.cpu for one in by_model.values())
    yield f"{len(images)} frames of {WIDTH}x{HEIGHT}, one object, {torch.get_num_threads()} threads of torch"
    for name, one in by_model.items():
        yield f"{name} alone      {one.wall:7.1f} s  {one.cpu:7.1f} CPU s"
    yield f"both on the page {page.wall:7.1f} s  {page.cpu:7.1f} CPU s; first picture after {shown or 0:.2f} s"
    yield f"page / models alone: {page.wall / wall:.2f} of the time, {page.cpu / cpu:.2f} of the CPU time"
    yield f"all that is not the models: {1 - cpu / page.cpu:.0%} of the page's CPU time"


@contextmanager
def serving(folder: Path, grace_minutes: float = 3.0, idle_minutes: float = 60.0) -> Iterator[tuple[str, Path, int]]:
    """A page: its address, its folder of sessions, and its process."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
    environment |= {"GRADIO_TEMP_DIR": str(folder / "uploads"), "VOS_KD_EXAMPLES": str(folder / "examples")}
    command = [sys.executable, "-c", APP, str(grace_minutes), str(idle_minutes)]
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as page:
        assert page.stdout is not None
        sessions = url = None
        for line in page.stdout:
            if line.startswith("ROOT"):
                sessions = Path(line.split()[1])
            elif found := re.search(r"http://\S+", line):
                url = found[0]
                break
        assert sessions is not None
        assert url is not None
        threading.Thread(target=lambda: list(page.stdout or ()), daemon=True).start()
        try:
            yield url, sessions, page.pid
        finally:
            page.terminate()


def measure_browser(folder: Path, frames: int) -> Iterator[str]:
    """What a person waits for."""
    from playwright.sync_api import sync_playwright

    shared = runpy.run_path(str(Path(__file__).with_name("conftest.py")))
    mask = write_clip(folder / "clip.mp4", frames, HEIGHT, WIDTH)
    rows, columns = np.nonzero(mask)
    began = time.perf_counter()
    with serving(folder) as (url, _, _), sync_playwright() as playwright:
        yield f"start to the first line said  {time.perf_counter() - began:6.2f} s"
        browser = playwright.chromium.launch(executable_path=shared["chromium"](), args=shared["FLAGS"])
        for visit in ("first", "second"):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.set_default_timeout(PATIENCE)
            began = time.perf_counter()
            page.goto(url, wait_until="domcontentloaded")
            page.get_by_text("Drop a video here").wait_for()
            yield f"{visit} visit to first paint   {time.perf_counter() - began:6.2f} s"
        time.sleep(30)  # models warm up meanwhile
        page.locator("input[type=file]").first.set_input_files(folder / "clip.mp4")
        canvas = page.locator("#stage-canvas")
        canvas.wait_for()
        box = canvas.bounding_box()
        assert box is not None
        scale = box["width"] / WIDTH
        place = [(box["x"] + x * scale, box["y"] + y * scale) for x, y in
                 ((columns.min() - 4, rows.min() - 4), (columns.max() + 4, rows.max() + 4))]  # fmt: skip
        for _ in range(3):
            page.mouse.move(*place[0])
            page.mouse.down()
            page.mouse.move(*place[1], steps=4)
            began = time.perf_counter()
            page.mouse.up()
            page.wait_for_selector("#stage img.tint:not([hidden])")
            yield f"box to mask                   {time.perf_counter() - began:6.2f} s"
            page.locator("#clear").click()
            page.wait_for_selector("#stage img.tint[hidden]", state="attached")
        page.locator("#stage-canvas").click(position={"x": columns.mean() * scale, "y": rows.mean() * scale})
        page.wait_for_selector("#stage img.tint:not([hidden])")
        began = time.perf_counter()
        page.locator("#run").click()
        page.wait_for_selector("figure.pane.first img:not([hidden])")
        yield f"Run to the first picture      {time.perf_counter() - began:6.2f} s"
        page.wait_for_function("() => [...document.querySelectorAll('video')].filter((v) => v.videoWidth).length >= 2")
        yield f"Run to two videos             {time.perf_counter() - began:6.2f} s"
        browser.close()


def measure_visitors(folder: Path, visitors: int, rounds: int) -> Iterator[str]:
    """Rounds of visitors, and what is left of them."""
    import psutil
    from gradio_client import Client, handle_file

    from vos_kd.data.masks import write_mask

    for number in range(visitors):
        mask = write_clip(folder / f"clip{number}.mp4", 8, 120, 214, seed=number)
        write_mask(folder / f"mask{number}.png", mask)

    def call(url: str, number: int) -> float:
        began = time.perf_counter()
        client = Client(url, verbose=False, download_files=str(folder / "downloads"))
        clip, mask = (handle_file(folder / name) for name in (f"clip{number}.mp4", f"mask{number}.png"))
        *_, figures = client.predict(clip=clip, masks={0: mask}, api_name="/compare")
        assert figures["frames"] == 8
        client.close()
        return time.perf_counter() - began

    with serving(folder, grace_minutes=0.1, idle_minutes=3.0) as (url, sessions, pid):
        process = psutil.Process(pid)
        call(url, 0)  # the models are loaded
        start = process.memory_info().rss / 2**20
        yield f"at the start  {start:7.0f} MiB, {process.num_threads()} threads"
        for turn in range(rounds):
            with ThreadPoolExecutor(visitors) as pool:
                began = time.perf_counter()
                waits = list(pool.map(lambda number: call(url, number), range(visitors)))
            busy = process.memory_info().rss / 2**20
            took = f"all done in {time.perf_counter() - began:.0f} s, the first after {min(waits):.0f} s"
            yield f"round {turn + 1}: {visitors} at once, {took}; {busy:.0f} MiB"
        began = time.perf_counter()
        while (files := _files(sessions, folder / "uploads")) and time.perf_counter() - began < SWEEP:
            time.sleep(5)
        took = time.perf_counter() - began
        left = process.memory_info().rss / 2**20
        yield f"at the end    {left:7.0f} MiB ({left / start - 1:+.1%}), {process.num_threads()} threads"
        yield f"after {took:.0f} s files left: {files}, folders of visitors: {len(list(sessions.iterdir()))}"


def _files(*roots: Path) -> int:
    """How many files there are below."""
    return sum(path.is_file() for root in roots for path in root.rglob("*"))


if __name__ == "__main__":
    sys.exit(main())
