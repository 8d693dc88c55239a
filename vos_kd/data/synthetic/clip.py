"""Named scenes to clips."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from vos_kd.data.masks import object_ids
from vos_kd.data.synthetic.rendering import render_scene
from vos_kd.data.synthetic.scenery import Stage
from vos_kd.data.synthetic.scenes import SCENES
from vos_kd.errors import InputError

MIN_SIDE, MAX_SIDE = 16, 4096
"""Pixels; below, nothing can be seen, above, textures fill the memory."""


@dataclass(frozen=True)
class SyntheticClip:
    """A whole clip."""

    name: str
    images: np.ndarray
    """RGB uint8 `[T, H, W, 3]`."""
    masks: np.ndarray
    """uint8 `[T, H, W]` of object ids, without void."""

    @property
    def object_ids(self) -> tuple[int, ...]:
        """The ids of all objects that can be seen in any frame, ascending."""
        return object_ids(self.masks)


def render_frames(
    name: str, frames: int = 60, height: int = 480, width: int = 854, seed: int = 0
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Render a named scene lazily.

    Args:
        name: one of `SCENES`.
        frames: T. The scene takes as many, so fewer frames mean faster motion.
        height: in pixels.
        width: in pixels.
        seed: of textures and small motions; equal seeds give equal pixels.

    Returns:
        For each frame its image, RGB uint8 `[H, W, 3]`, and its mask, uint8 `[H, W]`.

    Raises:
        InputError: an unknown name, or a number out of range; at once, not at the first frame.
    """
    if name not in SCENES:
        raise InputError(f"there is no scene {name!r}; there are {', '.join(SCENES)}.")
    check_shape(frames, height, width)
    stage = Stage(height, width, np.random.default_rng(seed))
    return render_scene(SCENES[name](stage), frames)


def render_clip(name: str, frames: int = 60, height: int = 480, width: int = 854, seed: int = 0) -> SyntheticClip:
    """Render a named scene whole; arguments and errors as `render_frames`."""
    images, masks = zip(*render_frames(name, frames, height, width, seed), strict=True)
    return SyntheticClip(name, np.stack(images), np.stack(masks))


def check_shape(frames: int, height: int, width: int) -> None:
    """Raise `InputError` for a clip without frames, or too small or large to draw."""
    if frames < 1:
        raise InputError(f"a clip of {frames} frames was asked for; expected at least 1.")
    if not (min(height, width) >= MIN_SIDE and max(height, width) <= MAX_SIDE):
        raise InputError(
            f"a clip of {width}x{height} was asked for; expected sides of {MIN_SIDE} to {MAX_SIDE} pixels."
        )
