"""Hand-made marks to a tree of masks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import pytest

from vos_kd import marks
from vos_kd.data.davis import davis_sequences
from vos_kd.data.masks import read_mask
from vos_kd.errors import InputError
from vos_kd.marks import read_marks, write_clip
from vos_kd.prompts.hints import Hints
from vos_kd.video_io import VideoWriter

BUNDLED = Path(marks.__file__).parent / "weights" / "marks.json"


def box_and_speck(image: np.ndarray, hints: Hints) -> np.ndarray:
    """Stands in for MobileSAM: the box, less the column of every click off it, and a speck elsewhere."""
    assert hints.box is not None
    mask = np.zeros(image.shape[:2], bool)
    left, top, right, bottom = hints.box
    mask[top:bottom, left:right] = True
    for x, _, shows in hints.clicks:
        if not shows:
            mask[:, x] = False
    mask[0, 0] = True
    return mask


def mark(frame: int, object_id: int, box: list[int], off: list[list[int]]) -> dict[str, Any]:
    return {"frame": frame, "object": object_id, "box": box, "on": [[box[0] + 1, box[1] + 1]], "off": off}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    with VideoWriter(tmp_path / "clip.mp4", 24) as video:
        for n in range(8):
            video.write(np.full((48, 64, 3), 20 * n, np.uint8))
    found = [
        mark(2, 1, [10, 10, 30, 30], [[29, 12]]),
        mark(2, 2, [40, 5, 60, 25], []),
        mark(5, 1, [12, 10, 32, 30], []),
    ]
    (tmp_path / "marks.json").write_text(json.dumps({"about": "text", "held_out": {"clip": found}}))
    return tmp_path / "marks.json"


def test_marked_frames_become_a_tree_for_training(file: Path) -> None:
    out = file.parent / "out"
    write_clip(file.parent / "clip.mp4", read_marks(file, "held_out")["clip"], box_and_speck, out, all_frames=False)
    [video] = davis_sequences(out, image_set=None, resolution=None)
    assert [path.name for path in video.images] == ["00000.jpg", "00003.jpg"]
    first, last = (read_mask(path) for path in video.masks)
    expected = np.zeros((48, 64), np.uint8)
    expected[10:30, 10:29] = 1
    expected[5:25, 40:60] = 2
    np.testing.assert_array_equal(first, expected)
    assert (last == 1).sum() == 400
    assert abs(int(cv2.imread(str(video.images[1])).mean()) - 100) <= 4  # frame 5


def test_all_frames_are_there_to_follow_in(file: Path) -> None:
    out = file.parent / "out"
    write_clip(file.parent / "clip.mp4", read_marks(file, "held_out")["clip"], box_and_speck, out, all_frames=True)
    assert sorted(p.name for p in (out / "JPEGImages" / "clip").iterdir()) == [f"{n:05d}.png" for n in range(4)]
    assert sorted(p.name for p in (out / "Annotations" / "clip").iterdir()) == ["00000.png", "00003.png"]


def test_larger_frames_are_made_smaller_and_steps_longer(file: Path) -> None:
    out = file.parent / "out"
    own = read_marks(file, "held_out")["clip"]
    seen = []

    def segment(image: np.ndarray, hints: Hints) -> np.ndarray:
        seen.append(image.shape)
        return box_and_speck(image, hints)

    write_clip(file.parent / "clip.mp4", own, segment, out, all_frames=True, short_side=24, every=2)
    assert sorted(p.name for p in (out / "JPEGImages" / "clip").iterdir()) == ["00000.png", "00001.png", "00003.png"]
    assert {cv2.imread(str(p)).shape for p in (out / "JPEGImages" / "clip").iterdir()} == {(24, 32, 3)}
    assert set(seen) == {(48, 64, 3)}  # MobileSAM sees frames whole, and marks are of those
    mask = read_mask(out / "Annotations" / "clip" / "00003.png")
    expected = np.zeros((24, 32), np.uint8)
    expected[5:15, 6:16] = 1
    np.testing.assert_array_equal(mask, expected)
    write_clip(file.parent / "clip.mp4", own, box_and_speck, file.parent / "as_is", all_frames=True, short_side=60)
    assert read_mask(file.parent / "as_is" / "Annotations" / "clip" / "00003.png").shape == (48, 64)


@pytest.mark.parametrize("option", ["--short-side", "--every"])
def test_numbers_out_of_range_are_told(file: Path, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = [str(file), "held_out", str(file.parent), "--sam", "no.pt", "--out", str(file.parent), option, "0"]
    with pytest.raises(SystemExit) as stop:
        marks.main(command)
    assert stop.value.code == 2
    assert f"argument {option}: " in capsys.readouterr().err


def test_a_step_between_marks_needs_what_lies_between(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [str(file), "held_out", str(file.parent), "--sam", "no.pt", "--out", str(file.parent)]
    with pytest.raises(SystemExit):
        marks.main([*command, "--every", "2"])
    assert "give --between or --all-frames with it" in capsys.readouterr().err


def test_no_bundled_mark_for_training_is_of_a_clip_or_a_frame_held_out() -> None:
    groups = ("held_out", "held_out_720p", "training", "training_480")
    held_out, later, training, larger = (read_marks(BUNDLED, group) for group in groups)
    assert (len(held_out), len(later), len(training), len(larger)) == (8, 5, 15, 10)
    assert not set(held_out) & (set(training) | {f"edgetam_{name}" for name in larger})
    assert all(len({box.frame for box, _ in own}) == 5 for own in held_out.values())
    last = {name: max(box.frame for box, _ in own) for name, own in (training | larger).items()}
    for name, own in later.items():
        first = min(box.frame for box, _ in own)
        assert first > max(last.get(name, -1), last.get(f"edgetam_{name}", -1)), name


def test_bad_marks_and_other_clips_are_told(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(InputError, match="cannot read group 'none'"):
        read_marks(file, "none")
    with pytest.raises(InputError, match="cannot read group 'about'"):
        read_marks(file, "about")
    for clips in ({"../clip": [mark(2, 1, [10, 10, 30, 30], [])]}, {"clip": []}):
        file.write_text(json.dumps({"held_out": clips}))
        with pytest.raises(InputError, match="no plain name, or it has no mark"):
            read_marks(file, "held_out")
    too_late = {"held_out": {"clip": [mark(2, 1, [10, 10, 30, 30], []), mark(9, 1, [10, 10, 30, 30], [])]}}
    file.write_text(json.dumps(too_late))
    with pytest.raises(InputError, match="has no frame 9, which is marked"):
        write_clip(file.parent / "clip.mp4", read_marks(file, "held_out")["clip"], box_and_speck, file.parent, True)
    command = [str(file), "held_out", str(file.parent), "--sam", str(file.parent / "no.pt"), "--out", str(file.parent)]
    assert marks.main(command) == 2
    assert "no.pt is not there" in caplog.text


def test_frames_between_marks_join_the_tree(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def found(images: list[np.ndarray], first: np.ndarray, last: np.ndarray, model: Any) -> list[np.ndarray | None]:
        asked.append(([round(float(image.mean()) / 20) for image in images], int(first.max()), int(last.max()), model))
        return [np.full((48, 64), 7, np.uint8), None]

    monkeypatch.setattr(marks, "between", found)
    out = file.parent / "out"
    own = read_marks(file, "held_out")["clip"]
    for left in (out / "JPEGImages" / "clip" / "00002.jpg", out / "Annotations" / "clip" / "00002.png"):
        left.parent.mkdir(parents=True)
        left.touch()  # of a former run with another model
    write_clip(file.parent / "clip.mp4", own, box_and_speck, out, all_frames=False, follower=cast(Any, "model"))
    [video] = davis_sequences(out, image_set=None, resolution=None)
    assert [path.name for path in video.masks] == ["00000.png", "00001.png", "00003.png"]
    assert asked == [([2, 3, 4, 5], 2, 1, "model")]
    assert (read_mask(video.masks[1]) == 7).all()
    assert abs(int(cv2.imread(str(video.images[1])).mean()) - 60) <= 4  # frame 3
