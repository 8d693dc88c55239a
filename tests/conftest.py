"""Fixtures that several test files share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from vos_kd.data.synthetic import SyntheticClip

ROOT = Path(__file__).resolve().parents[1]

# A busy machine is no failure of the code.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with `data`, `design` and `reference` that VOS_KD_DATA names; skips where it is missing."""
    folder = Path(os.environ.get("VOS_KD_DATA", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"no data folder at {folder}; set VOS_KD_DATA to the folder that holds data/ and reference/")
    return folder


@pytest.fixture(scope="session")
def small_clip() -> SyntheticClip:
    """A scene of several objects, 64x96 and 4 frames; its arrays cannot be written to, because tests share it."""
    # Here, not above: most tests use no clip and need not wait for OpenCV.
    from vos_kd.data.synthetic import render_clip

    clip = render_clip("fish", frames=4, height=64, width=96, seed=0)
    clip.images.flags.writeable = False
    clip.masks.flags.writeable = False
    return clip
