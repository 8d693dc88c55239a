"""Whole held-out videos: which frames count, what is remembered, and what is refused."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from vos_kd import VideoSegmenter, held_out, load_model
from vos_kd.config import MemoryConfig
from vos_kd.data.masks import write_mask
from vos_kd.errors import InputError
from vos_kd.training.whole_videos import frames_between, video_jaccard, whole_videos


def disc(x: int) -> np.ndarray:
    return cv2.circle(np.zeros((64, 96), np.uint8), (x, 32), 14, 1, -1)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A red disc that moves over grey noise for nine frames; of frames 0, 4 and 8 there is a mask."""
    images, masks = tmp_path / "JPEGImages" / "disc", tmp_path / "Annotations" / "disc"
    images.mkdir(parents=True)
    masks.mkdir(parents=True)
    ground = np.random.default_rng(0).integers(90, 130, (64, 96, 3), dtype=np.uint8)
    for n in range(9):
        image = ground.copy()
        image[disc(24 + 5 * n) > 0] = (40, 40, 220)
        cv2.imwrite(str(images / f"{n:05d}.png"), image)
        if n % 4 == 0:
            write_mask(masks / f"{n:05d}.png", disc(24 + 5 * n))
    return tmp_path


def test_the_frames_that_have_a_mask_count_but_for_the_given_one(root: Path) -> None:
    model = load_model("student", device="cpu", dtype="float32")
    memory = MemoryConfig(max_recent=1, memory_interval=2)
    images = [cv2.imread(str(p))[..., ::-1] for p in sorted((root / "JPEGImages" / "disc").iterdir())]
    masks = list(VideoSegmenter(model, memory=memory).segment([i.copy() for i in images], {0: disc(24)}))
    expected = []
    for n in (4, 8):
        truth = disc(24 + 5 * n) > 0
        expected.append(((masks[n] == 1) & truth).sum() / ((masks[n] == 1) | truth).sum())
    [(name, frames, truths)] = whole_videos(root)
    assert name == "disc"
    got = video_jaccard(model, frames, truths, memory)
    assert got == pytest.approx(np.mean(expected), abs=1e-9)
    assert got > 0.7
    assert got != video_jaccard(model, frames, truths, MemoryConfig(max_recent=5, memory_interval=1))


def test_the_command_tells_the_mean_and_each_video(
    root: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert held_out.main(["student", "--videos", str(root), "--memory", "max_recent=1", "--memory", "top_k=none"]) == 0
    line = capsys.readouterr().out
    assert line.startswith("student: J 0.")
    assert "on 1 whole videos (disc 0." in line
    assert held_out.main(["student", "--videos", str(root), "--memory", "recent=1"]) == 2
    assert "there is no setting 'recent'; near it: max_recent" in caplog.text
    assert held_out.main(["student", "--videos", str(root), "--memory", "max_recent=0"]) == 2
    assert "max_recent is 0" in caplog.text
    for option in ("--memory=max_recent=1", "--short-side=96", "--every=2"):
        caplog.clear()
        assert held_out.main(["student", option]) == 2
        assert "give --videos DIR" in caplog.text
    for options in (["--recipe", "cpu"], ["--set", "seed=1"], ["--frames", "9"]):
        caplog.clear()
        assert held_out.main(["student", "--videos", str(root), *options]) == 2
        assert "are for clips of photos" in caplog.text


def test_a_video_can_be_seen_larger_and_faster(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model("student", device="cpu", dtype="float32")
    [(_, frames, truths)] = whole_videos(root)
    images = [cv2.imread(str(p))[..., ::-1] for p in sorted(frames.iterdir())]
    large = [cv2.resize(image, (144, 96), interpolation=cv2.INTER_LANCZOS4) for image in images]
    first = cv2.resize(disc(24), (144, 96), interpolation=cv2.INTER_NEAREST_EXACT)
    masks = list(VideoSegmenter(model).segment([large[n] for n in (0, 2, 4, 6, 8)], {0: first}))
    expected = []
    for n in (4, 8):
        found = cv2.resize(masks[n // 2], (96, 64), interpolation=cv2.INTER_NEAREST_EXACT) == 1
        truth = disc(24 + 5 * n) > 0
        expected.append((found & truth).sum() / (found | truth).sum())
    shapes = []
    step = VideoSegmenter.step

    def watched(segmenter: VideoSegmenter, image: np.ndarray, masks: np.ndarray | None = None) -> np.ndarray:
        shapes.append((*image.shape, segmenter.short_side))
        return step(segmenter, image, masks)

    monkeypatch.setattr(VideoSegmenter, "step", watched)
    got = video_jaccard(model, frames, truths, short_side=96, every=2)
    assert got == pytest.approx(np.mean(expected), abs=1e-9)
    assert got > 0.7
    assert shapes == [(96, 144, 3, 0)] * 5, "the size asked for, and none of the model's own on top of it"


@pytest.mark.parametrize("short_side", [40, 100, 120])
def test_masks_are_scaled_without_a_shift(root: Path, short_side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = iter(range(9))

    def true_mask(segmenter: VideoSegmenter, image: np.ndarray, masks: np.ndarray | None = None) -> np.ndarray:
        truth = disc(24 + 5 * next(seen)).astype(np.float32)
        segmenter.object_ids = [1]
        size = (image.shape[1], image.shape[0])
        return (cv2.resize(truth, size, interpolation=cv2.INTER_LINEAR) >= 0.5).astype(np.uint8)

    monkeypatch.setattr(VideoSegmenter, "step", true_mask)
    model = load_model("student", device="cpu", dtype="float32")
    [(_, frames, truths)] = whole_videos(root)
    assert video_jaccard(model, frames, truths, short_side=short_side) > 0.95


def test_frames_between_marks_are_spread_evenly_and_marks_are_never_left_out() -> None:
    assert sorted(frames_between([0, 16, 25], 4)) == [0, 4, 8, 12, 16, 19, 22, 25]
    assert frames_between([2, 5], 1) == {2, 3, 4, 5}
    assert frames_between([2, 5], 50) == {2, 5}


def test_a_video_that_ends_before_its_masks_is_refused(root: Path) -> None:
    [(_, images, masks)] = whole_videos(root)
    (images / "00006.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"6 of 9 frames are sound.*every frame up to the last with a mask"):
        video_jaccard(load_model("student_small", random_weights=True, device="cpu"), images, masks)


def test_a_video_without_masks_to_begin_or_to_compare_with_is_refused(root: Path) -> None:
    model = load_model("student_small", random_weights=True, device="cpu")
    [(_, images, masks)] = whole_videos(root)
    (masks / "00000.png").rename(masks / "00002.png")
    with pytest.raises(InputError, match="of the first frame, 00000"):
        video_jaccard(model, images, masks)
    (masks / "00002.png").rename(masks / "00000.png")
    for n in (4, 8):
        (masks / f"{n:05d}.png").unlink()
    with pytest.raises(InputError, match="at least one more"):
        video_jaccard(model, images, masks)
    write_mask(masks / "00004.png", disc(44))
    write_mask(masks / "00000.png", np.zeros((64, 96), np.uint8))
    with pytest.raises(InputError, match=r"mask of the first frame, .*00000 shows no object"):
        video_jaccard(model, images, masks)
    (root / "empty" / "Annotations").mkdir(parents=True)
    (root / "empty" / "JPEGImages").mkdir()
    with pytest.raises(InputError, match="has no folder"):
        whole_videos(root / "empty")
    with pytest.raises(InputError, match="a folder of frames for each video"):
        whole_videos(root / "nowhere")
