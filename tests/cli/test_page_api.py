"""The page's endpoints, called as a program calls them; what "Reproduce" promises, done; and no call to the outside."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vos_kd.data.masks import read_mask, write_mask
from vos_kd.data.synthetic import render_clip
from vos_kd.video_io import VideoWriter, open_clip

ROOT = Path(__file__).parents[2]
ADDRESS = "http://127.0.0.1:7860/"
"""As README has it."""
pytestmark = pytest.mark.timeout(900)  # a page and several programs, which all load torch, on a busy machine

# Runs the program, and writes down whom it wanted to reach beyond this machine; it cannot reach anybody.
ALONE = """
import runpy, socket, sys

log, program, *sys.argv[1:] = sys.argv[1:]
sys.path.insert(0, program.rpartition("/")[0])
resolve, connect = socket.getaddrinfo, socket.socket.connect


def refuse(host):
    if str(host) not in ("None", "localhost", "127.0.0.1", "::1", "0.0.0.0", ""):
        with open(log, "a") as file:
            print(host, file=file)
        raise OSError("no way out")


def own_resolve(host, *args, **more):
    refuse(host.decode() if isinstance(host, bytes) else host)
    return resolve(host, *args, **more)


def own_connect(self, where):
    if isinstance(where, tuple):
        refuse(where[0])
    return connect(self, where)


socket.getaddrinfo, socket.socket.connect = own_resolve, own_connect
runpy.run_path(program, run_name="__main__")
"""


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the page writes down whom it wanted to reach."""
    return tmp_path_factory.mktemp("outside") / "log"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, outside: Path) -> Iterator[str]:
    """Of a page that runs, as a user starts it, on a machine without a network."""
    folder = tmp_path_factory.mktemp("page")
    quiet = {"GRADIO_ANALYTICS_ENABLED", "HF_HUB_OFFLINE"}  # the page itself must see to it
    environment = {key: value for key, value in os.environ.items() if key not in quiet}
    environment |= {"PYTHONUNBUFFERED": "1", "GRADIO_TEMP_DIR": str(folder / "uploads")}
    with subprocess.Popen(
        [sys.executable, "-c", ALONE, str(outside), str(ROOT / "app.py")],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as app:
        assert app.stdout is not None
        said = []
        found = None
        while found is None and (line := app.stdout.readline()):
            said.append(line)
            found = re.search(r"http://\S+", line)
        assert found is not None, "".join(said)
        url = found[0].rstrip("/") + "/"
        with urllib.request.urlopen(f"{url}config", timeout=200) as answer:  # noqa: S310 - gradio_client waits for 5 s
            assert answer.status == 200
        yield url
        app.terminate()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds `clip.mp4` of six small frames and `first.png` of two objects."""
    drawn = render_clip("kites", frames=6, height=120, width=200)
    path = tmp_path_factory.mktemp("given")
    with VideoWriter(path / "clip.mp4", fps=10) as video:
        for image in drawn.images:
            video.write(image)
    write_mask(path / "first.png", np.where(drawn.masks[0] <= 2, drawn.masks[0], 0).astype(np.uint8))
    return path


def readme_example() -> str:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    [example] = [block for block in blocks if "gradio_client" in block]
    return str(example)


def run_python(code: str, folder: Path) -> dict[str, Any]:
    """Run a script that calls an endpoint, in a folder; what it got."""
    code += '\nimport json; print("GOT", json.dumps([masks, video, figures]))'
    environment = {**os.environ, "GRADIO_TEMP_DIR": str(folder / "downloads")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    masks, video, figures = json.loads(done.stdout.split("GOT ")[1])
    return {"masks": Path(masks), "video": Path(video), "figures": figures}


def masks_in(archive: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as file:
        return {name: file.read(name) for name in file.namelist() if "/Annotations/" in name}


@pytest.fixture(scope="module")
def got(address: str, folder: Path) -> dict[str, Any]:
    """What README's own example gets, with the page's address put in."""
    example = readme_example()
    assert ADDRESS in example
    return run_python(example.replace(ADDRESS, address), folder)


def test_readme_example_gets_masks_of_both_models(got: dict[str, Any]) -> None:
    found = masks_in(got["masks"])
    assert sorted(found) == [
        f"{model}/Annotations/clip/{n:05}.png" for model in ("student", "teacher") for n in range(6)
    ]
    with zipfile.ZipFile(got["masks"]) as file:
        manifest = json.loads(file.read("manifest.json"))
    assert list(manifest["models"]) == ["student", "teacher"]
    assert all(len(model["weights_sha256"]) == 64 for model in manifest["models"].values())


def test_readme_example_gets_a_video_of_both(got: dict[str, Any]) -> None:
    with open_clip(got["video"]) as video:
        assert (video.info.width, video.info.height, video.info.frame_count) == (404, 140, 6)  # with names and a line


def test_readme_example_gets_figures(got: dict[str, Any]) -> None:
    figures = got["figures"]
    assert figures["frames"] == figures["planned"] == 6
    assert figures["objects"] == 2
    assert len(figures["agreement"]) == 6
    assert figures["agreement"][0] == 1.0  # both were given the first mask
    assert 0 < figures["mean_agreement"] <= 1
    for model in figures["models"].values():
        assert len(model["latency_ms"]) == 6
        assert min(model["latency_ms"]) > 0
        assert model["speed"]["network"]["median"] > 0
    assert figures["speed_up"]["fast"] == "student"


@pytest.fixture(scope="module")
def unpacked(got: dict[str, Any], folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip unpacked, with the clip beside it: where "Reproduce" is to be followed."""
    path = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(got["masks"]) as file:
        file.extractall(path)
    shutil.copy(folder / "clip.mp4", path)
    return path


def test_command_line_makes_the_same_masks(got: dict[str, Any], unpacked: Path) -> None:
    python, *words = shlex.split(got["figures"]["command"])
    assert python == "python"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, *words, "--no-overlay", "--quiet"], cwd=unpacked, env=environment, check=True)
    made = {
        path.relative_to(unpacked / "outputs" / "clip").as_posix(): read_mask(path)
        for path in (unpacked / "outputs" / "clip").glob("*/Annotations/clip/*.png")
    }
    page = {name: read_mask(unpacked / name) for name in masks_in(got["masks"])}
    assert sorted(made) == sorted(page)
    assert [name for name, mask in page.items() if not np.array_equal(made[name], mask)] == []


def test_snippet_makes_the_same_masks(got: dict[str, Any], unpacked: Path, address: str) -> None:
    assert ADDRESS in got["figures"]["snippet"]  # of a call, nobody knows how the caller sees the page
    again = run_python(got["figures"]["snippet"].replace(ADDRESS, address), unpacked)
    assert masks_in(again["masks"]) == masks_in(got["masks"])


def test_boxes_and_clicks_do_for_a_mask(address: str, folder: Path) -> None:
    code = f"""
from gradio_client import Client, handle_file

masks, video, figures = Client({address!r}).predict(
    clip=handle_file("clip.mp4"),
    prompts=[
        {{"kind": "box", "object": 1, "frame": 1, "x0": 20, "y0": 10, "x1": 120, "y1": 80}},
        {{"kind": "click", "object": 1, "frame": 1, "x": 70, "y": 40, "foreground": True}},
    ],
    model="student",
    end=4,
    api_name="/segment",
)
"""
    found = run_python(code, folder)
    assert sorted(masks_in(found["masks"])) == [f"student/Annotations/clip/{n:05}.png" for n in (1, 2, 3)]
    assert found["figures"]["start"] == 1
    assert found["figures"]["speed_up"] is found["figures"]["mean_agreement"] is None
    assert list(found["figures"]["models"]) == ["student"]
    with open_clip(found["video"]) as video:
        assert (video.info.width, video.info.frame_count) == (200, 3)


REFUSED = {
    'clip=handle_file("notes.mp4"), api_name="/segment"': "notes.mp4 cannot be read as a video: ",
    'clip="clip.mp4", api_name="/segment"': "the clip is no file; expected handle_file(PATH)",
    'clip=handle_file("clip.mp4"), api_name="/compare"': "nothing is marked. Give a mask of the first frame",
    'clip=handle_file("clip.mp4"), masks={0: handle_file("small.png")}, api_name="/segment"': (
        "the mask small.png is 20x10 pixels but its image is 200x120"
    ),
    'clip=handle_file("clip.mp4"), masks={9: handle_file("first.png")}, api_name="/segment"': (
        "there is no frame 9; clip.mp4 has frames 0 to 5"
    ),
    'clip=handle_file("clip.mp4"), masks={"a": 1}, api_name="/segment"': "the mask of frame a is no file",
    'clip=handle_file("clip.mp4"), masks={0: handle_file("first.png")}, end=7, api_name="/segment"': (
        "the end is 7, the last marked frame 0; expected an end from 1 to 6"
    ),
    'clip=handle_file("clip.mp4"), masks={0: handle_file("first.png")}, model="<b>", api_name="/segment"': (
        "there is no model '<b>' here; there are student, teacher"
    ),
    'clip=handle_file("clip.mp4"), prompts=[{"kind": "zig"}], api_name="/segment"': (
        "there is no prompt of kind 'zig'; there are box, click, scribble, mask"
    ),
    'clip=handle_file("clip.mp4"), prompts={"kind": "zig"}, api_name="/segment"': "prompts are not of the format",
}
"""Arguments of calls that cannot be answered -> what is said of them."""


@pytest.fixture(scope="module")
def told(address: str, folder: Path) -> dict[str, str]:
    """What a program is told of each such call."""
    (folder / "notes.mp4").write_bytes(b"no video at all")
    write_mask(folder / "small.png", np.ones((10, 20), np.uint8))
    code = f"""
import json
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

client = Client({address!r}, verbose=False)
told = {{}}
for arguments in {list(REFUSED)!r}:
    try:
        eval(f"client.predict({{arguments}})")
    except AppError as error:
        told[arguments] = str(error)
print("TOLD", json.dumps(told))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer: dict[str, str] = json.loads(done.stdout.split("TOLD ")[1])
    return answer


@pytest.mark.parametrize("arguments", REFUSED)
def test_what_is_wrong_with_a_call_is_told_in_words(told: dict[str, str], arguments: str) -> None:
    assert REFUSED[arguments] in told[arguments]


def test_nobody_beyond_this_machine_was_called(got: dict[str, Any], outside: Path) -> None:
    assert got["figures"]["frames"] == 6  # the page has done its work
    assert not outside.exists(), outside.read_text(encoding="utf-8")
