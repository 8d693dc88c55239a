"""Example clips: what they promise is in their files, and they appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vos_kd import examples
from vos_kd.data.masks import object_ids, read_mask
from vos_kd.errors import InputError
from vos_kd.examples import Example, list_examples, poster, render_example
from vos_kd.video_io import open_clip


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clips of few small frames."""
    for name, value in (("FRAMES", 5), ("HEIGHT", 120), ("WIDTH", 214)):
        monkeypatch.setattr(examples, name, value)


@pytest.mark.parametrize("example", list_examples(), ids=lambda e: e.name)
def test_first_frame_shows_every_object_that_is_named(example: Example) -> None:
    image, mask = poster(example.name)
    assert image.shape == (480, 854, 3)
    assert object_ids(mask) == tuple(range(1, len(example.objects) + 1))
    # Small, but nothing that one could not draw a box around.
    assert all(np.count_nonzero(mask == i) > 300 for i in object_ids(mask))


def test_examples_are_four_to_six_and_told_apart() -> None:
    found = list_examples()
    assert 4 <= len(found) <= 6
    for texts in (
        {e.name for e in found},
        {e.title for e in found},
        {e.challenge for e in found},
        {e.alt for e in found},
    ):
        assert len(texts) == len(found)


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("example", list_examples(), ids=lambda e: e.name)
def test_clip_and_truth_agree(example: Example, tmp_path: Path) -> None:
    clip_path, truth = render_example(example.name, tmp_path)
    with open_clip(clip_path) as clip:
        frames = [image for _, image in clip.frames()]
        assert clip.info.fps == 24
    masks = [read_mask(path) for path in sorted(truth.iterdir())]
    assert [path.name for path in sorted(truth.iterdir())] == [f"{n:05}.png" for n in range(5)]
    assert {m.shape for m in masks} == {f.shape[:2] for f in frames} == {(120, 214)}
    image, mask = poster(example.name)
    assert np.array_equal(masks[0], mask)
    assert np.abs(frames[0].astype(int) - image).mean() < 6  # H.264 loses a little


@pytest.mark.usefixtures("short")
def test_second_call_finds_the_first_ones_files(tmp_path: Path) -> None:
    first = render_example("zoom", tmp_path)
    before = first.clip.stat().st_mtime_ns
    assert render_example("zoom", tmp_path) == first
    assert first.clip.stat().st_mtime_ns == before
    assert [path.name for path in tmp_path.iterdir()] == [first.clip.parent.name]


@pytest.mark.usefixtures("short")
def test_failure_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vos_kd.data import masks

    monkeypatch.setattr(masks, "write_mask", lambda *_: (_ for _ in ()).throw(InputError("no room")))
    with pytest.raises(InputError, match="no room"):
        render_example("fish", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("short")
def test_the_first_of_two_to_finish_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = examples._write

    def overtaken(example: Example, folder: Path) -> None:
        write(example, folder)
        with monkeypatch.context() as patch:
            patch.setattr(examples, "_write", write)
            render_example(example.name, tmp_path)

    monkeypatch.setattr(examples, "_write", overtaken)
    files = render_example("fish", tmp_path)
    assert len(list(files.truth.iterdir())) == 5
    assert [path.name for path in tmp_path.iterdir()] == [files.clip.parent.name]


def test_other_drawing_code_makes_other_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examples, "FRAMES", 2)
    first = render_example("twins", tmp_path)
    monkeypatch.setattr(examples, "_code_version", lambda: "other")
    assert render_example("twins", tmp_path).clip != first.clip


@pytest.mark.parametrize("name", ["nosuch", "../kites", "", "kites/../fish"])
def test_unknown_name_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no example"):
        render_example(name, tmp_path)


def test_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write the example"):
        render_example("kites", tmp_path / "file")
