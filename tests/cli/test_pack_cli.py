"""`python evaluation/run.py pack`: what the servers take, and what is said of masks that they would not."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evaluation.cli import main

SIZE = (20, 30)
FRAMES = ("00000", "00005", "00010")


def png(ids: tuple[int, ...], size: tuple[int, int] = SIZE) -> bytes:
    mask = np.zeros(size, np.uint8)
    for n, object_id in enumerate(ids):
        mask[2:10, 2 + 6 * n : 6 + 6 * n] = object_id
    buffer = io.BytesIO()
    Image.fromarray(mask).save(buffer, "PNG")
    return buffer.getvalue()


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


@pytest.fixture
def youtube(tmp_path: Path) -> Path:
    """Two videos; object 3 of the second joins late. Predictions beside it."""
    objects = {"one": {1: FRAMES}, "two": {2: FRAMES, 3: FRAMES[1:]}}
    videos = {
        name: {"objects": {str(n): {"category": "cat", "frames": list(frames)} for n, frames in ids.items()}}
        for name, ids in objects.items()
    }
    write(tmp_path / "data/valid/meta.json", json.dumps({"videos": videos}).encode())
    for name, ids in objects.items():
        for frame in FRAMES:
            shown = tuple(n for n, frames in ids.items() if frame in frames)
            write(tmp_path / f"data/valid/JPEGImages/{name}/{frame}.jpg", b"not looked at")
            write(tmp_path / f"results/{name}/{frame}.png", png(shown))
        for n, frames in ids.items():
            write(tmp_path / f"data/valid/Annotations/{name}/{frames[0]}.png", png(tuple(ids)[: n - 1 or 1]))
    return tmp_path


@pytest.fixture
def davis(tmp_path: Path) -> Path:
    """test-dev: masks of first frames alone."""
    write(tmp_path / "data/ImageSets/2017/test-dev.txt", b"boat\n")
    for n in range(3):
        write(tmp_path / f"data/JPEGImages/480p/boat/{n:05}.jpg", b"not looked at")
        write(tmp_path / f"results/boat/{n:05}.png", png((1, 2)))
    write(tmp_path / "data/Annotations/480p/boat/00000.png", png((1, 2)))
    return tmp_path


def pack(root: Path, dataset: str, *options: str) -> list[str]:
    data = ["--dataset", dataset, "--root", str(root / "data"), "--results", str(root / "results")]
    return ["pack", *data, "--output", str(root / "out" / "submission.zip"), *options]


def test_youtube_has_annotations_above_the_videos(youtube: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(pack(youtube, "youtubevos2019")) == 0
    with zipfile.ZipFile(youtube / "out/submission.zip") as archive:
        assert archive.namelist() == [f"Annotations/{name}/{frame}.png" for name in ("one", "two") for frame in FRAMES]
        assert archive.read("Annotations/two/00010.png") == (youtube / "results/two/00010.png").read_bytes()
    assert "6 masks of 2 sequences of youtubevos2019 valid" in capsys.readouterr().out
    first = (youtube / "out/submission.zip").read_bytes()
    assert main(pack(youtube, "youtubevos2019")) == 0
    assert (youtube / "out/submission.zip").read_bytes() == first


def test_davis_has_sequences_at_the_root(davis: Path) -> None:
    assert main(pack(davis, "davis2017", "--split", "test-dev")) == 0
    with zipfile.ZipFile(davis / "out/submission.zip") as archive:
        assert archive.namelist() == ["boat/00000.png", "boat/00001.png", "boat/00002.png"]


def meta_of_more(root: Path) -> None:
    path = root / "data/valid/meta.json"
    meta = json.loads(path.read_text())
    meta["videos"]["one"]["objects"]["1"]["frames"].append("00015")
    path.write_text(json.dumps(meta))


BAD: dict[str, tuple[Callable[[Path], object], tuple[str, ...], str]] = {
    "frame": (
        lambda root: (root / "results/two/00005.png").unlink(),
        (),
        "lacks 1 of 3 frames of sequence 'two': 00005.png",
    ),
    "sequence": (
        lambda root: [path.unlink() for path in (root / "results/two").iterdir()] and (root / "results/two").rmdir(),
        (),
        "lacks 1 of 2 sequences: two",
    ),
    "size": (
        lambda root: write(root / "results/two/00005.png", png((2,), (20, 29))),
        (),
        "sequence 'two', frame '00005' is 29x20; expected 30x20",
    ),
    "ids": (
        lambda root: write(root / "results/two/00005.png", png((2, 4))),
        (),
        "sequence 'two', frame '00005' holds the ids 4; the sequence has the objects 2, 3",
    ),
    "damaged": (
        lambda root: write(root / "results/two/00005.png", png((2,))[:50]),
        (),
        "sequence 'two', frame '00005' is damaged",
    ),
    "meta": (meta_of_more, (), "meta.json asks for frames of sequence 'one' that have no image: 00015"),
    "part": (lambda _: None, ("--limit", "1"), "a submission holds all sequences of youtubevos2019 valid"),
    "dataset": (
        lambda root: (root / "data/valid").rename(root / "moved"),
        ("--dataset", "folder", "--root", "{}/moved"),
        "folder has no server: its truth is public",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_a_server_would_refuse(youtube: Path, case: str, capsys: pytest.CaptureFixture[str]) -> None:
    change, options, message = BAD[case]
    change(youtube)
    (youtube / "out").mkdir()
    (youtube / "out/submission.zip").write_bytes(b"of last week")
    assert main(pack(youtube, "youtubevos2019", *(one.format(youtube) for one in options))) == 2
    assert message in capsys.readouterr().err
    assert (youtube / "out/submission.zip").read_bytes() == b"of last week"
    assert len(list((youtube / "out").iterdir())) == 1
