"""What a recipe's data settings become where they name little data."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest

from vos_kd.data.masks import write_mask
from vos_kd.data.photos import is_validation
from vos_kd.errors import InputError
from vos_kd.recipes import get_recipe
from vos_kd.training.feeds import validation_batches

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
        assert "no real video of 5 frames is in the validation part" in caplog.text
        caplog.clear()
        add_video(videos, HELD_OUT)
        validation_batches(recipe(photos=photos, davis=videos))
        validation_batches(recipe(photos=photos))
        assert caplog.text == ""
        validation_batches(recipe(photos=photos, davis=videos), frames=FRAMES + 1)
        assert "no real video of 7 frames is in the validation part" in caplog.text


def test_videos_alone_without_one_to_hold_out_are_told_so(tmp_path: Path) -> None:
    add_video(tmp_path, "trained")
    with pytest.raises(InputError, match="no real video of 5 frames is in the validation part"):
        validation_batches(recipe(davis=tmp_path))
    with pytest.raises(InputError, match="the recipe names no data"):
        validation_batches(recipe())
