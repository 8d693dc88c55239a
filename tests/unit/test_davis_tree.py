"""Real clips from a tree in DAVIS-2017's layout, and how their frames are sampled."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from vos_kd.data.davis import davis_sequences
from vos_kd.data.real_clips import RealClips, sample_frames
from vos_kd.errors import InputError


def write_video(images: Path, masks: Path, name: str, frames: int) -> None:
    """A video whose background's brightness is ten times the frame number; objects 1 and 4, and a void stripe."""
    (images / name).mkdir(parents=True)
    (masks / name).mkdir(parents=True)
    for n in range(frames):
        mask = np.zeros((60, 100), np.uint8)
        mask[20:40, 10 + n : 30 + n], mask[10:50, 60:80], mask[:, 95:] = 1, 4, 255
        picture = Image.fromarray(mask)
        picture.putpalette(list(range(256)) * 3)
        picture.save(masks / name / f"{n:05}.png")
        image = np.full((60, 100, 3), 10 * n, np.uint8)
        image[mask == 1], image[mask == 4] = (0, 0, 250), (250, 0, 0)  # blue, green, red
        cv2.imwrite(str(images / name / f"{n:05}.jpg"), image)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("DAVIS")
    for name in ("bear", "bike-packing", "unlisted"):
        write_video(root / "JPEGImages" / "480p", root / "Annotations" / "480p", name, 8)
    (root / "ImageSets" / "2017").mkdir(parents=True)
    (root / "ImageSets" / "2017" / "train.txt").write_text("bear\nbike-packing\n")
    return root


def test_the_listed_sequences_are_found(tree: Path) -> None:
    bear, bike = davis_sequences(tree)
    assert (bear.name, bike.name) == ("bear", "bike-packing")
    assert [p.name for p in bear.images] == [f"{n:05}.jpg" for n in range(8)]
    assert [p.name for p in bear.masks] == [f"{n:05}.png" for n in range(8)]


def test_trees_without_lists_and_resolution_folder(tmp_path: Path) -> None:
    write_video(tmp_path / "JPEGImages", tmp_path / "Annotations", "cat", 2)
    assert [s.name for s in davis_sequences(tmp_path, image_set=None, resolution=None)] == ["cat"]


def test_parts_split_the_sequences(tree: Path) -> None:
    parts = [{s.name for s in davis_sequences(tree, None, part=part)} for part in ("train", "validation")]
    assert parts[0] | parts[1] == {"bear", "bike-packing", "unlisted"}
    assert not parts[0] & parts[1]


def test_clips_show_the_masked_objects(tree: Path) -> None:
    clips = RealClips(davis_sequences(tree), frames=3, size=(48, 64), max_skip=2)
    hues: dict[int, set[bool]] = {1: set(), 2: set()}
    for n in range(20):
        images, masks, object_ids = clips.sample(np.random.default_rng([0, n]))
        assert images.shape == (3, 48, 64, 3)
        assert set(np.unique(masks)) <= {0, 255, *object_ids}
        assert object_ids == tuple(range(1, len(object_ids) + 1))
        for object_id in object_ids:
            assert (masks[0] == object_id).sum() >= 60
            inner = cv2.erode((masks[0] == object_id).astype(np.uint8), np.ones((5, 5))).astype(bool)
            red, _, blue = np.median(images[0][inner], axis=0)
            # Object 1 is red, object 4 blue; together they keep their order. Colour jitter leaves some clips grey.
            if len(object_ids) == 2 and abs(red - blue) > 60:
                hues[object_id].add(bool(red > blue))
    assert hues == {1: {True}, 2: {False}}


def test_equal_draws_give_equal_clips_and_objects_are_limited(tree: Path) -> None:
    clips = RealClips(davis_sequences(tree), size=(48, 64), max_objects=1)
    first, again = (clips.sample(np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first.images, again.images)
    np.testing.assert_array_equal(first.masks, again.masks)
    assert all(clips.sample(np.random.default_rng(n)).object_ids == (1,) for n in range(10))


def test_frames_are_drawn_with_growing_steps() -> None:
    for max_skip in (1, 3, 25):
        draws = [sample_frames(np.random.default_rng(n), 100, 4, max_skip) for n in range(300)]
        steps = np.diff(draws, axis=1)
        assert (np.sign(steps) == np.sign(steps[:, :1])).all()
        assert {1, -1} == set(np.sign(steps[:, 0]))
        assert np.abs(steps).min() == 1
        assert np.abs(steps).max() == max_skip
        assert min(map(min, draws)) >= 0
        assert max(map(max, draws)) <= 99


def test_short_videos_are_drawn_whole_or_to_and_fro() -> None:
    for n in range(50):
        assert sorted(sample_frames(np.random.default_rng(n), 3, 3, 25)) == [0, 1, 2]
        to_and_fro = sample_frames(np.random.default_rng(n), 3, 5, 25)
        assert set(np.abs(np.diff(to_and_fro))) == {1}
        assert set(to_and_fro) == {0, 1, 2}
    assert sample_frames(np.random.default_rng(0), 1, 3, 5) == [0, 0, 0]


def test_broken_trees_are_refused_with_the_place(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no folder .*JPEGImages"):
        davis_sequences(tmp_path)
    with pytest.raises(InputError, match=r"cannot read .*val.txt"):
        davis_sequences(tree, "2017/val")
    (tree / "ImageSets" / "2017" / "odd.txt").write_text("../../elsewhere")
    with pytest.raises(InputError, match="no plain video name"):
        davis_sequences(tree, "2017/odd", part="all")
    (tree / "ImageSets" / "2017" / "more.txt").write_text("bear\nwolf")
    with pytest.raises(InputError, match="'wolf' has no masks"):
        davis_sequences(tree, "2017/more")
    write_video(tmp_path / "JPEGImages", tmp_path / "Annotations", "cat", 2)
    (tmp_path / "JPEGImages" / "cat" / "00001.jpg").unlink()
    with pytest.raises(InputError, match=r"mask 00001.png has no image.*00001.jpg"):
        davis_sequences(tmp_path, None, None)


def test_frames_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    write_video(tmp_path / "JPEGImages", tmp_path / "Annotations", "cat", 12)
    for file in sorted(tmp_path.rglob("*.*g")):
        file.rename(file.with_stem(str(int(file.stem))))
    (tmp_path / "Annotations" / "cat" / "._3.png").write_bytes(b"macOS")
    [video] = davis_sequences(tmp_path, None, None)
    assert [file.name for file in video.masks] == [f"{n}.png" for n in range(12)]
    assert [file.name for file in video.images] == [f"{n}.jpg" for n in range(12)]


def test_broken_frames_are_refused_with_the_place(tmp_path: Path) -> None:
    write_video(tmp_path / "JPEGImages", tmp_path / "Annotations", "cat", 2)
    clips = RealClips(davis_sequences(tmp_path, None, None), frames=2, size=(48, 64))
    frame = tmp_path / "JPEGImages" / "cat" / "00001.jpg"
    cv2.imwrite(str(frame), np.zeros((60, 90, 3), np.uint8))
    with pytest.raises(InputError, match=r"00001.jpg is 90x60 but its mask is 100x60"):
        clips.sample(np.random.default_rng(0))
    frame.write_bytes(b"no image")
    with pytest.raises(InputError, match=r"00001.jpg cannot be decoded"):
        clips.sample(np.random.default_rng(0))
    with pytest.raises(InputError, match="max_skip is 0"):
        RealClips(clips.sequences, max_skip=0)
    with pytest.raises(InputError, match="no videos"):
        RealClips([])
