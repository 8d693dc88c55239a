"""What a recipe's data settings become where they name little data."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from accelerate import Accelerator

from vos_kd.data.clips import ClipBatch, with_round_count
from vos_kd.data.device_photos import DevicePhotos
from vos_kd.data.masks import write_mask
from vos_kd.data.photos import is_validation
from vos_kd.errors import InputError
from vos_kd.recipes import get_recipe
from vos_kd.training.feeds import OBJECT_MULTIPLE, build_feed, validation_batches

ROOT = Path(__file__).resolve().parents[2]
FRAMES, SIZE = 6, (64, 96)
HELD_OUT = next(name for name in (f"clip{n}" for n in range(999)) if is_validation(name))


def add_video(root: Path, name: str) -> None:
    for n in range(FRAMES):
        mask = np.zeros(SIZE, np.uint8)
        mask[20:50, 20 + n : 50 + n] = 1
        (root / "JPEGImages" / name).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / "JPEGImages" / name / f"{n:05}.jpg"), 90 + 100 * mask)
        write_mask(root / "Annotations" / name / f"{n:05}.png", mask)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """One photo that is trained on, one that is held out."""
    root = tmp_path / "photos"
    mask = np.zeros((96, 128), np.uint8)
    mask[20:70, 30:90] = 1
    for name in ("photo", HELD_OUT):
        write_mask(root / "masks" / f"{name}.png", mask)
        (root / "images").mkdir(exist_ok=True)
        cv2.imwrite(str(root / "images" / f"{name}.jpg"), 60 + 120 * mask)
    return root


def recipe(**data: object):  # type: ignore[no-untyped-def]
    settings = {"height": 48, "width": 48, "max_objects": 1, "batch_size": 2, **data}
    return get_recipe("cpu", ["validation_clips=4", *(f"data.{key}={value}" for key, value in settings.items())])


def test_validation_says_when_no_video_is_held_out(
    photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    videos = tmp_path / "videos"
    add_video(videos, "trained")
    with caplog.at_level(logging.WARNING):
        batches = validation_batches(recipe(photos=photos, davis=videos))
        assert [batch.images.shape for batch in batches] == [(2, 5, 3, 48, 48)] * 2
        assert "no real video of two frames is in the validation part" in caplog.text
        caplog.clear()
        add_video(videos, HELD_OUT)
        validation_batches(recipe(photos=photos, davis=videos))
        validation_batches(recipe(photos=photos))
        assert caplog.text == ""
        longer = replace(recipe(photos=photos, davis=videos, real_share=1), validation_clips=2)
        [batch] = validation_batches(longer, frames=FRAMES + 2)  # more than the video has: it goes to and fro
        assert batch.images.shape == (2, FRAMES + 2, 3, 48, 48)
        assert caplog.text == ""


@pytest.mark.parametrize(("clips", "batch_size", "expected"), [(4, 3, [3, 3]), (4, 4, [4]), (2, 64, [2])])
def test_no_more_validation_clips_are_drawn_than_needed(
    photos: Path, clips: int, batch_size: int, expected: list[int]
) -> None:
    settings = replace(recipe(photos=photos, batch_size=batch_size), validation_clips=clips)
    assert [len(batch.images) for batch in validation_batches(settings)] == expected


@pytest.mark.parametrize(("multiple", "expected"), [(4, 4), (5, 5), (3, 6), (1, 7), (8, 7)])
def test_a_batch_can_have_a_round_number_of_objects(multiple: int, expected: int) -> None:
    counts = [2, 1, 3, 1]
    valid = torch.tensor([[n < count for n in range(3)] for count in counts])
    masks = valid[:, None, :, None, None].expand(4, 2, 3, 8, 8).clone()
    images = torch.zeros(4, 2, 3, 8, 8, dtype=torch.uint8)
    batch = with_round_count(ClipBatch(images, masks, torch.ones(4, 2, 8, 8, dtype=torch.bool), valid), multiple)
    assert int(batch.object_valid.sum()) == expected
    assert batch.object_valid[:, 0].all()  # every clip keeps one, and those that stay come first
    assert not (batch.object_valid[:, 1:] & ~batch.object_valid[:, :-1]).any()
    assert torch.equal(batch.masks.any((1, 3, 4)), batch.object_valid)


def test_the_device_feed_gives_a_round_number_of_objects(photos: Path) -> None:
    data = recipe(photos=photos, feed="device", batch_size=12, workers=0, max_objects=2, frames=2)
    feed = build_feed(data, Accelerator(cpu=True), start=0)
    counts = [int(next(feed).object_valid.sum()) for _ in range(4)]
    assert all(12 <= count <= 24 for count in counts)
    has_too_few_to_spare = [count - 12 < count % OBJECT_MULTIPLE for count in counts]
    assert [count % OBJECT_MULTIPLE == 0 for count in counts] == [not few for few in has_too_few_to_spare]
    assert not all(has_too_few_to_spare)


def test_what_is_wrong_in_a_worker_is_told_in_its_one_line(photos: Path) -> None:
    write_mask(photos / "masks" / "photo.png", np.zeros((96, 128), np.uint8))
    # In a process of its own: workers are forked, which one with all libraries and threads of a test run may not bear.
    code = (
        "from accelerate import Accelerator\n"
        "from vos_kd.errors import InputError\n"
        "from vos_kd.recipes import get_recipe\n"
        "from vos_kd.training.feeds import build_feed\n"
        f"settings = ['data.photos={photos}', 'data.workers=1', 'data.height=64', 'data.width=64']\n"
        "try:\n"
        "    next(build_feed(get_recipe('cpu', settings), Accelerator(cpu=True), start=0))\n"
        "except InputError as error:\n"
        "    print(error)\n"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert re.fullmatch(r"none of 50 photos drawn has an object of .*\.\n", found.stdout)


def test_the_device_feed_is_of_real_clips_alone_where_that_is_asked_for(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_video(tmp_path / "videos", "trained")
    asked = {"davis": tmp_path / "videos", "batch_size": 3, "workers": 0, "max_objects": 2}
    monkeypatch.setattr(DevicePhotos, "load", None)
    alone = next(build_feed(recipe(**asked, real_share=1), Accelerator(cpu=True), start=0))
    batch = next(build_feed(recipe(**asked, real_share=1, photos=photos, feed="device"), Accelerator(cpu=True), 0))
    assert torch.equal(batch.images, alone.images)


def test_videos_alone_without_one_to_hold_out_are_told_so(tmp_path: Path) -> None:
    add_video(tmp_path, "trained")
    with pytest.raises(InputError, match="no real video of two frames is in the validation part"):
        validation_batches(recipe(davis=tmp_path))
    with pytest.raises(InputError, match="the recipe names no data"):
        validation_batches(recipe())
