"""Clips of moving things with exact masks, drawn from numbers alone: for tests, for the demo, for trying a recipe.

Nothing here comes from a photo, so the clips are free of others' rights, and equal seeds give equal pixels.
"""

from __future__ import annotations

from vos_kd.data.synthetic.clip import SyntheticClip, render_clip, render_frames
from vos_kd.data.synthetic.random_scenes import training_clip
from vos_kd.data.synthetic.scenes import SCENES

__all__ = ["SCENES", "SyntheticClip", "render_clip", "render_frames", "training_clip"]
