"""A question that comes twice, because its reply was lost on the way, is answered once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vos_kd.demo.replies import reply
from vos_kd.video_io import VideoWriter

BOX = {"ask": "edit", "kind": "box", "object": 1, "frame": 0, "x0": 4, "y0": 4, "x1": 30, "y1": 30}


class Page:
    """A page that has a clip."""

    def __init__(self, desk: Any, key: str) -> None:
        self.desk, self.key, self.session = desk, key, desk.sessions.get(key)

    def __call__(self, number: object, **question: Any) -> dict[str, Any]:
        return reply(self.desk, self.key, {"number": number, **question})


@pytest.fixture
def ask(make_desk: Callable[..., Any], make_visitor: Callable[..., Any], tmp_path: Path) -> Page:
    visitor = make_visitor(make_desk())
    with VideoWriter(tmp_path / "clip.mp4", fps=8) as video:
        for _ in range(3):
            video.write(np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8))
    visitor.send("open", (tmp_path / "clip.mp4").read_bytes(), "clip.mp4")
    return Page(visitor.desk, visitor.key)


def test_what_is_asked_twice_is_done_once(ask: Page) -> None:
    first = ask(7, **BOX)
    assert first["reply"] == 7
    assert first["marks"]["marked_frames"] == [0]
    steps = len(ask.session.history.steps)
    assert ask(7, **BOX) == first
    assert len(ask.session.history.steps) == steps
    assert ask(8, ask="edit", kind="undo", frame=0)["reply"] == 8
    # One that was held up on its way, after its page has gone on, changes nothing any more.
    undone = ask.session.history
    assert ask(7, **BOX)["reply"] == 8
    assert ask.session.history is undone


def test_a_refusal_is_told_with_the_number_of_its_question(ask: Page) -> None:
    assert ask(3, ask="frame", frame=99) == ask(3, ask="plan")
    refused = ask(3, ask="plan")
    assert refused["reply"] == 3
    assert "99" in refused["error"]
    assert "error" not in ask(4, ask="plan")


def test_one_that_is_asked_again_while_it_is_answered_waits_for_that(ask: Page) -> None:
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: ask(5, **BOX), range(8)))
    assert all(one == replies[0] for one in replies)
    assert not any("error" in one for one in replies)
    assert len(ask.session.history.steps) == 2  # nothing, and the box


@pytest.mark.parametrize("number", [None, "7", 1.5, [1]])
def test_a_question_without_a_number_is_refused(ask: Page, number: object) -> None:
    assert ask(number, ask="plan") == {"reply": None, "error": "the page asked without a number. Reload the page."}


def test_a_run_that_is_asked_for_twice_runs_once(ask: Page) -> None:
    ask(1, **BOX)
    desk, key = ask.desk, ask.key
    first = list(desk.run(key, {"number": 5, "end": 3}))[-1]
    job = ask.session.run.job
    assert list(desk.run(key, {"number": 5, "end": 3})) == [first]
    assert ask.session.run.job is job
    assert list(desk.run(key, {"number": 6, "end": 3}))[-1]["phase"] == "done"
    assert ask.session.run.job is not job
