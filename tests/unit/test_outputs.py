"""A run's folder, its files, and the thread that writes them."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import av
import numpy as np
import pytest

from vos_kd.data.masks import read_mask
from vos_kd.errors import InputError
from vos_kd.outputs import FORMAT, Background, ResultFiles, RunFolder, model_labels

INPUTS = {
    "clip": {"name": "dogs"},
    "masks": [{"frame": 0, "objects": (1, 2)}],
    "models": [{"label": "student", "weights_sha256": "ab"}],
    "options": {"every": 1},
}


def files_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def old_run(tmp_path: Path) -> RunFolder:
    """A folder with a run's files and three that are not its own."""
    folder = RunFolder(tmp_path)
    folder.write_manifest({"format": FORMAT, "inputs": INPUTS})
    own = ["side_by_side.mp4", "student/overlay.mp4", "student/.partial-x.mp4", "student/Annotations/dogs/00000.png"]
    for name in (*own, "notes.txt", "other/overlay.mp4", "student/Annotations/dogs/notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def test_same_inputs_may_be_repeated(old_run: RunFolder) -> None:
    old_run.require_free(INPUTS, overwrite=False)  # a tuple in them is a list in the file


@pytest.mark.parametrize("changed", ["clip", "masks", "models", "options"])
def test_other_inputs_need_overwrite(old_run: RunFolder, changed: str) -> None:
    inputs = {**INPUTS, changed: {"name": "cats"}}
    with pytest.raises(InputError, match=f"a run with other {changed}; .* --overwrite"):
        old_run.require_free(inputs, overwrite=False)
    old_run.require_free(inputs, overwrite=True)


def test_new_and_empty_folders_are_free(tmp_path: Path) -> None:
    RunFolder(tmp_path / "new").require_free(INPUTS, overwrite=False)
    RunFolder(tmp_path).require_free(INPUTS, overwrite=False)
    assert files_in(tmp_path) == []
    assert not (tmp_path / "new").exists()


def test_clear_removes_the_run_and_nothing_else(old_run: RunFolder, tmp_path: Path) -> None:
    old_run.clear()
    assert files_in(tmp_path) == ["notes.txt", "other/overlay.mp4", "student/Annotations/dogs/notes.txt"]


def test_clear_removes_empty_folders(old_run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "student/Annotations/dogs/notes.txt").unlink()
    old_run.clear()
    assert not (tmp_path / "student").exists()


@pytest.mark.parametrize(
    "manifest",
    [
        {"format": "other/1", "inputs": INPUTS},
        {"format": FORMAT, "inputs": {"models": [{"label": "../outside"}]}},
        {"format": FORMAT, "inputs": {"models": [{"label": ".."}]}},
        {"format": FORMAT, "inputs": {"models": [{"label": "*"}]}},
        {"format": FORMAT, "inputs": {"models": [{"label": 3}]}},
        {"format": FORMAT, "inputs": []},
        {"format": FORMAT},
        [],
    ],
)
def test_manifests_that_cannot_be_trusted(tmp_path: Path, manifest: object) -> None:
    outside = tmp_path / "outside" / "overlay.mp4"
    outside.parent.mkdir()
    outside.touch()
    folder = RunFolder(tmp_path / "out")
    folder.path.mkdir()
    (folder.path / "overlay.mp4").touch()
    (folder.path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"not empty and holds no manifest\.json of a run"):
        folder.require_free(INPUTS, overwrite=True)
    folder.clear()
    assert files_in(tmp_path) == ["out/manifest.json", "out/overlay.mp4", "outside/overlay.mp4"]


def test_writable_check_names_what_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for name in ("file", "dangling"):
        with pytest.raises(InputError, match=f"{tmp_path / name} is not a folder"):
            RunFolder(tmp_path / name / "a" / "b").require_writable()
    RunFolder(tmp_path / "a" / "b").require_writable()
    assert not (tmp_path / "a").exists()


def test_writable_check_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vos_kd.outputs.os.access", lambda *_: False)  # to the superuser nothing is forbidden
    with pytest.raises(InputError, match=f"no permission in {tmp_path}"):
        RunFolder(tmp_path / "a" / "b").require_writable()


@pytest.mark.parametrize(
    ("sources", "labels"),
    [
        (["student", "teacher"], ["student", "teacher"]),
        (["student", "a/student.safetensors", "b/student.safetensors"], ["student", "student-2", "student-3"]),
        (["me/vos@1f3"], ["me-vos-1f3"]),
        (["/x/my weights (2).pth"], ["my-weights-2"]),
        (["..safetensors", "x/-.pt"], ["model", "model-2"]),
    ],
)
def test_model_labels(sources: list[str], labels: list[str]) -> None:
    assert model_labels(sources) == labels


def test_result_files_of_two_models(tmp_path: Path) -> None:
    image = np.full((6, 8, 3), 90, np.uint8)
    masks = {"a": np.eye(6, 8, dtype=np.uint8), "b": np.zeros((6, 8), np.uint8)}
    with ResultFiles(tmp_path, ["a", "b"], "dogs", 24, with_overlay=True) as files:
        files.write("f7", image, masks)
        files.write("f8", image, masks)
        assert files.frames == 2
        assert files.seconds > 0
        assert not files.overlays["a"].exists()
    for label, mask in masks.items():
        assert np.array_equal(read_mask(tmp_path / label / "Annotations" / "dogs" / "f8.png"), mask)
    shape = {}
    for name in ("a/overlay.mp4", "b/overlay.mp4", "side_by_side.mp4"):
        with av.open(str(tmp_path / name)) as video:
            shape[name] = [frame.to_ndarray(format="rgb24").shape for frame in video.decode(video=0)]
    assert shape["a/overlay.mp4"] == shape["b/overlay.mp4"] == [(6, 8, 3)] * 2
    assert len(shape["side_by_side.mp4"]) == 2
    assert shape["side_by_side.mp4"][0][1] >= 16


def test_result_files_of_a_failed_run_are_masks_alone(tmp_path: Path) -> None:
    def fail() -> None:
        with ResultFiles(tmp_path, ["a"], "dogs", 24, with_overlay=True) as files:
            files.write("0", np.zeros((6, 8, 3), np.uint8), {"a": np.ones((6, 8), np.uint8)})
            raise InputError("the clip changed its size")

    with pytest.raises(InputError, match="changed its size"):
        fail()
    assert files_in(tmp_path) == ["a/Annotations/dogs/0.png"]


def test_result_files_without_overlay(tmp_path: Path) -> None:
    with ResultFiles(tmp_path, ["a", "b"], "dogs", 24, with_overlay=False) as files:
        files.write("0", np.zeros((6, 8, 3), np.uint8), dict.fromkeys("ab", np.ones((6, 8), np.uint8)))
    assert files_in(tmp_path) == ["a/Annotations/dogs/0.png", "b/Annotations/dogs/0.png"]


def test_background_keeps_the_order_and_finishes() -> None:
    seen: list[int] = []
    threads: set[int] = set()

    def note(number: int) -> None:
        threads.add(threading.get_ident())
        seen.append(number)

    with Background(note) as call:
        for number in range(50):
            call(number)
    assert seen == list(range(50))
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_background_holds_no_more_than_its_limit() -> None:
    gate = threading.Event()
    asked: list[int] = []

    def ask(call: Background[[float]]) -> None:
        for number in range(10):
            call(10.0)
            asked.append(number)

    with Background(gate.wait, limit=2) as call:  # type: ignore[arg-type]  # what it returns is not used
        asker = threading.Thread(target=ask, args=(call,))
        asker.start()
        asker.join(0.3)
        # One at work, two waiting: the fourth must wait to be asked for.
        assert len(asked) <= 3
        gate.set()
        asker.join()
    assert len(asked) == 10


def test_background_error_comes_out_where_calls_are_asked_for() -> None:
    seen: list[int] = []

    def fail_at_two(number: int) -> None:
        seen.append(number)
        if number == 2:
            raise InputError("no room for frame 2")

    def ask() -> None:
        with Background(fail_at_two) as call:
            for number in range(1000):
                call(number)

    with pytest.raises(InputError, match="no room for frame 2"):
        ask()
    assert seen == [0, 1, 2]


def test_background_error_of_the_last_call_is_not_lost() -> None:
    def fail(number: int) -> None:
        raise InputError(f"no room for frame {number}")

    with pytest.raises(InputError, match="frame 0"), Background(fail) as call:
        call(0)


def test_background_finishes_its_calls_when_the_asker_fails() -> None:
    seen: list[int] = []

    def ask() -> None:
        with Background(seen.append) as call:
            call(0)
            call(1)
            raise InputError("the clip broke")

    with pytest.raises(InputError, match="the clip broke"):
        ask()
    assert seen == [0, 1]
