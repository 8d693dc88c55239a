"""Training clips of rendered shapes: a source that needs no data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vos_kd.data.clips import ClipSample, check_clip_shape, keep_visible
from vos_kd.data.synthetic import training_clip
from vos_kd.data.warps import Size


@dataclass(frozen=True)
class ShapeClips:
    """Endless clips of random shapes."""

    frames: int = 3
    size: Size = (96, 96)
    max_objects: int = 2

    def __post_init__(self) -> None:
        check_clip_shape(self.frames, self.size)

    def sample(self, rng: np.random.Generator) -> ClipSample:
        """A clip; equal states of `rng` give equal clips."""
        while True:  # a shape may begin outside the frame; then the next draw decides
            clip = training_clip(rng, self.frames, self.size, self.max_objects)
            sample = keep_visible(clip.images, clip.masks, self.max_objects)
            if sample is not None:
                return sample
