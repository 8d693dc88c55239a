"""A run as the page tells it."""

from __future__ import annotations

from pathlib import Path

import pytest

from vos_kd.demo.limits import Limits
from vos_kd.demo.models import Shelf
from vos_kd.demo.outcome import result_view
from vos_kd.demo.progress import ModelProgress, Progress
from vos_kd.demo.running import Plan
from vos_kd.demo.upload import LoadedClip
from vos_kd.video_io import ClipInfo


@pytest.mark.parametrize(
    ("size", "segmented"),
    [
        ((1280, 720), [[683, 384], [853, 480]]),
        ((720, 1280), [[384, 683], [480, 853]]),
        ((320, 200), [[320, 200]]),
    ],
)
def test_the_size_at_which_it_was_segmented_is_told(size: tuple[int, int], segmented: list[list[int]]) -> None:
    info = ClipInfo(width=size[0], height=size[1], fps=25.0, frame_count=4, source="video", frame_names=None)
    clip = LoadedClip(Path("clip.mp4"), "clip.mp4", info, 4, Limits())
    plan = Plan(clip, 0, 4, {0: Path("mask.png")}, (1,), ("student", "teacher"), Path("run"), 480)
    models = [
        ModelProgress(name, 4, [9, 4, 4, 4], [9, t, t, t], [9, t, t, t])
        for name, t in (("student", 5), ("teacher", 20))
    ]
    told = result_view(plan, Progress("done", models), False, {"student": {"gmacs": 4.6, "short_side": 384}})
    assert told["segmented"] == segmented
    assert (told["width"], told["height"]) == size
    assert told["models"][0]["speed"]["gmacs"] == 4.6
    assert told["speed_up"] == {"fast": "student", "slow": "teacher", "factor": 4.0}


def test_a_model_that_is_loaded_says_what_it_costs() -> None:
    asked = []
    shelf = Shelf(lambda config: asked.append(config.name) or 4.5)
    assert "gmacs" not in shelf.facts["student"]
    shelf.segmenter("student", 480)
    shelf.segmenter("student", 480)
    assert shelf.facts["student"]["gmacs"] == 4.5
    assert asked == ["student"]
