"""Before the first visitor: models are loaded and run over a few frames, so that a run's time can be told."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vos_kd.data.masks import write_mask
from vos_kd.data.synthetic import render_frames
from vos_kd.demo.engine import Job, Work
from vos_kd.demo.estimate import Estimates
from vos_kd.demo.limits import Limits
from vos_kd.demo.running import Plan
from vos_kd.demo.runs import RunModel, start_work
from vos_kd.demo.upload import open_loaded
from vos_kd.video_io import VideoWriter

_FRAMES = 8
_HEIGHT, _WIDTH = 480, 854


def warm_up_work(
    models: Sequence[str],
    run_model: RunModel,
    estimates: Estimates,
    facts: Mapping[str, dict[str, Any]],
    limits: Limits,
    root: Path,
) -> Work:
    """A job that runs models over a short clip of our own and keeps nothing but what it learns of them."""

    def work(job: Job) -> None:
        with tempfile.TemporaryDirectory(prefix="warm-", dir=root) as name:
            folder = Path(name)
            mask = folder / "mask.png"
            with VideoWriter(folder / "clip.mp4", 24) as video:
                for index, (image, ids) in enumerate(render_frames("kites", _FRAMES, _HEIGHT, _WIDTH)):
                    video.write(image)
                    if not index:
                        write_mask(mask, (ids == 1).astype("uint8"))
            clip = open_loaded(folder / "clip.mp4", "clip.mp4", limits)
            for model in models:
                plan = Plan(clip, 0, _FRAMES, {0: mask}, (1,), (model,), folder / model, limits.short_side, False)
                plan.folder.mkdir()
                start_work(plan, run_model, estimates, facts)(Job(lambda _: None))

    return work
