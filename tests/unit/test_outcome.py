"""A run as the page tells it."""

from __future__ import annotations

from pathlib import Path

import pytest

from vos_kd.demo.limits import Limits
from vos_kd.demo.models import Shelf
from vos_kd.demo.outcome import result_view
from vos_kd.demo.progress import ModelProgress, Progress
from vos_kd.demo.running import Plan
from vos_kd.demo.takeaways import told
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
    seen = result_view(plan, Progress("done", models), False, {"student": {"gmacs": 4.6, "short_side": 384}})
    assert seen["segmented"] == segmented
    assert (seen["width"], seen["height"]) == size
    assert seen["models"][0]["speed"]["gmacs"] == 4.6
    assert seen["speed_up"] == {"fast": "student", "slow": "teacher", "factor": 4.0}


def test_a_model_that_is_loaded_says_what_it_costs() -> None:
    asked = []
    shelf = Shelf(lambda config: asked.append(config.name) or 4.5)
    assert "gmacs" not in shelf.facts["student"]
    shelf.segmenter("student", 480)
    shelf.segmenter("student", 480)
    assert shelf.facts["student"]["gmacs"] == 4.5
    assert asked == ["student"]


@pytest.mark.parametrize(("most", "height"), [(480, 384), (384, 384), (320, 320)])
def test_a_model_works_at_its_own_size_or_at_the_pages_if_that_is_smaller(most: int, height: int) -> None:
    shelf = Shelf(lambda config: 4.5)
    segmenter = shelf.segmenter("student", most)
    assert segmenter.short_side == height
    assert shelf.segmenter("student", 100).short_side == 100
    shelf.segmenter("student", most)
    assert shelf.facts["student"]["short_side"] == height


@pytest.mark.parametrize(("most", "said"), [(480, False), (720, False), (400, True)])
def test_the_command_says_a_size_where_it_is_not_the_models_own(most: int, said: bool) -> None:
    info = ClipInfo(width=1280, height=720, fps=25.0, frame_count=4, source="video", frame_names=None)
    clip = LoadedClip(Path("clip.mp4"), "clip.mp4", info, 4, Limits())
    plan = Plan(clip, 0, 4, {0: Path("mask.png")}, (1,), ("student", "teacher"), Path("run"), most)
    command = told(plan, {"student": {}, "teacher": {}}, "http://127.0.0.1:7860")["command"]
    assert (f"--short-side={most}" in command) == said
    assert ("--short-side" in command) == said
