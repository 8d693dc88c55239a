"""Real clips from a tree in YouTube-VOS's layout."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from vos_kd.data.real_clips import RealClips
from vos_kd.data.youtube_vos import youtube_vos_sequences
from vos_kd.errors import InputError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two videos, every fifth frame with masks; the second has an object, 7, that meta.json does not list."""
    tree = tmp_path / "train"
    videos = {}
    for name, ids in (("003234408d", (1, 2)), ("0043f083b5", (2,))):
        (tree / "JPEGImages" / name).mkdir(parents=True)
        (tree / "Annotations" / name).mkdir(parents=True)
        for n in range(0, 30, 5):
            mask = np.zeros((60, 100), np.uint8)
            for number, object_id in enumerate((*ids, 7) if len(ids) == 1 else ids):
                mask[10:50, 10 + 40 * number : 40 + 40 * number] = object_id
            picture = Image.fromarray(mask)
            picture.putpalette(list(range(256)) * 3)
            picture.save(tree / "Annotations" / name / f"{n:05}.png")
            cv2.imwrite(str(tree / "JPEGImages" / name / f"{n:05}.jpg"), np.full((60, 100, 3), 8 * n, np.uint8))
        frames = [f"{n:05}" for n in range(0, 30, 5)]
        videos[name] = {"objects": {str(i): {"category": "ape", "frames": frames} for i in ids}}
    (tree / "meta.json").write_text(json.dumps({"videos": videos}))
    return tmp_path


def test_sequences_and_objects_come_from_meta(root: Path) -> None:
    first, second = youtube_vos_sequences(root)
    assert (first.name, first.object_ids) == ("003234408d", (1, 2))
    assert (second.name, second.object_ids) == ("0043f083b5", (2,))
    assert [p.stem for p in first.images] == ["00000", "00005", "00010", "00015", "00020", "00025"]


def test_objects_that_meta_does_not_list_are_background(root: Path) -> None:
    clips = RealClips(youtube_vos_sequences(root)[1:], size=(48, 64))
    for n in range(20):
        assert clips.sample(np.random.default_rng(n)).object_ids == (1,)
    both = RealClips(youtube_vos_sequences(root)[:1], size=(64, 96))
    assert any(both.sample(np.random.default_rng(n)).object_ids == (1, 2) for n in range(20))


def test_broken_trees_are_refused_with_the_place(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(InputError, match=r"no folder .*JPEGImages"):
        youtube_vos_sequences(tmp_path_factory.mktemp("empty"))
    meta = root / "train" / "meta.json"
    good = json.loads(meta.read_text())
    for text in ("{", "[]", '{"videos": {"a": {}}}', '{"videos": {"a": {"objects": {"x": {}}}}}'):
        meta.write_text(text)
        with pytest.raises(InputError, match=r"cannot read .*meta.json.*as YouTube-VOS ships it"):
            youtube_vos_sequences(root)
    meta.write_text(json.dumps({"videos": {**good["videos"], "absent": {"objects": {"1": {}}}}}))
    with pytest.raises(InputError, match="'absent' has no masks"):
        youtube_vos_sequences(root)
    meta.write_text(json.dumps({"videos": {"../x": {"objects": {"1": {}}}}}))
    with pytest.raises(InputError, match="no plain video name"):
        youtube_vos_sequences(root)
    meta.unlink()
    with pytest.raises(InputError, match=r"cannot read .*meta.json"):
        youtube_vos_sequences(root)
