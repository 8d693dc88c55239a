"""Many visitors at once: one line, everybody's own results, and nothing left behind."""

from __future__ import annotations

import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vos_kd.data.masks import encode_mask, read_mask
from vos_kd.demo import session as session_module
from vos_kd.demo.limits import Limits
from vos_kd.demo.running import Plan, Report
from vos_kd.demo.session import Sessions
from vos_kd.demo.upload import load_clip
from vos_kd.errors import InputError
from vos_kd.video_io import VideoWriter, open_clip

VISITORS = 20
FRAMES = 4
H, W = 48, 96


def clip_of(number: int, path: Path) -> bytes:
    """A clip in one grey that no other number has."""
    with VideoWriter(path, fps=8) as video:
        for _ in range(FRAMES):
            video.write(np.full((H, W, 3), 20 + 10 * number, np.uint8))
    return path.read_bytes()


def mask_of(number: int) -> np.ndarray:
    """A bar at a place that no other number has."""
    mask = np.zeros((H, W), np.uint8)
    mask[8:40, 4 * number + 2 : 4 * number + 6] = 1
    return mask


def prepare(visitor: Any, number: int, folder: Path) -> None:
    visitor.send("open", clip_of(number, folder / f"{number}.mp4"), "clip.mp4")  # all of one name
    visitor.send("mask", encode_mask(mask_of(number)), "mask.png", frame=0)


class Gate:
    """In place of a model: waits until it is opened, then finds nothing in one frame; counts who is in."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()
        self.stubborn = False
        """Goes on although it was stopped, as one does in the midst of a frame."""

    def __call__(self, plan: Plan, model: str) -> Iterator[Report]:
        self.entered.set()
        while not self.opened.wait(0.01):
            yield Report(1.0, 1.0, 1.0, 0.0, ())
            if plan.stop_file.exists() and not self.stubborn:
                return
        yield Report(1.0, 1.0, 1.0, 0.0, ())


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_twenty_visitors_at_once_get_what_is_theirs(
    make_desk: Callable[..., Any], make_visitor: Callable[..., Any], tmp_path: Path
) -> None:
    desk = make_desk()
    visitors = [make_visitor(desk) for _ in range(VISITORS)]
    together = threading.Barrier(VISITORS)
    folders = set()

    def visit(number: int) -> list[dict[str, Any]]:
        prepare(visitors[number], number, tmp_path)
        together.wait(timeout=60)
        return list(desk.run(visitors[number].key, {"models": ["student", "teacher"]}))

    with ThreadPoolExecutor(VISITORS) as pool:
        told = list(pool.map(visit, range(VISITORS)))
    for number, messages in enumerate(told):
        plan = desk.sessions.get(visitors[number].key).run.plan
        folders.add(plan.folder)
        assert messages[-1]["phase"] == "done"
        assert [model["done"] for model in messages[-1]["models"]] == [FRAMES, FRAMES]
        for model in ("student", "teacher"):
            masks = [read_mask(path) for path in sorted(plan.annotations(model).glob("*.png"))]
            assert len(masks) == FRAMES
            assert all(np.array_equal(mask, mask_of(number)) for mask in masks)
        with open_clip(Path(messages[-1]["models"][0]["video"])) as video:
            seen = next(iter(video))[2:6, 80:].mean() if number < 18 else next(iter(video))[2:6, :60].mean()
        assert abs(seen - (20 + 10 * number)) < 4
    assert len(folders) == VISITORS
    # Somebody had to wait, and was told his place.
    assert max(message.get("position", 0) for messages in told for message in messages) > 1

    for visitor in visitors:
        desk.sessions.leave(visitor.key)
    assert len(desk.sessions) == VISITORS  # a phone may come back
    desk.sessions._clock = lambda: time.monotonic() + 60 * desk.limits.grace_minutes + 1
    desk.sessions.sweep()
    assert len(desk.sessions) == 0
    assert list(desk.sessions.root.iterdir()) == []


def test_the_line_is_told_and_has_an_end(
    make_desk: Callable[..., Any], make_visitor: Callable[..., Any], tmp_path: Path
) -> None:
    gate = Gate()
    desk = make_desk(gate, max_waiting=2)
    visitors = [make_visitor(desk) for _ in range(4)]
    for number, visitor in enumerate(visitors):
        prepare(visitor, number, tmp_path)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(visitors[0].run)
        assert gate.entered.wait(10)
        waiting = [pool.submit(lambda v=visitor: list(desk.run(v.key, {}))) for visitor in visitors[1:3]]
        while len(desk.engine._waiting) < 2:
            time.sleep(0.01)
        with pytest.raises(InputError, match=r"2 runs are waiting, and no more are taken. Try again in \d+ minutes"):
            visitors[3].run()
        with pytest.raises(InputError, match="a run of yours is going on"):
            visitors[0].run()
        time.sleep(0.4)  # so that all have been told their place
        gate.opened.set()
        assert first.result(20)["phase"] == "done"
        places = [[message["position"] for message in one.result(20) if "position" in message] for one in waiting]
    assert sorted(positions[0] for positions in places) == [1, 2]
    assert all(positions == sorted(positions, reverse=True) for positions in places)
    assert visitors[3].run()["phase"] == "done"  # there is room again


def test_who_leaves_stops_his_run_and_the_next_has_his_turn(
    make_desk: Callable[..., Any], make_visitor: Callable[..., Any], tmp_path: Path
) -> None:
    gate = Gate()
    desk = make_desk(gate)
    gone, next_one = make_visitor(desk), make_visitor(desk)
    prepare(gone, 0, tmp_path)
    prepare(next_one, 1, tmp_path)
    with ThreadPoolExecutor(2) as pool:
        left = pool.submit(gone.run)
        assert gate.entered.wait(10)
        gate.entered.clear()
        waits = pool.submit(next_one.run)
        desk.sessions.leave(gone.key)
        assert left.result(20)["is_stopped"]
        assert gate.entered.wait(10)
        gate.opened.set()
        assert waits.result(20)["is_stopped"] is False


def test_who_stops_in_line_leaves_it_at_once(
    make_desk: Callable[..., Any], make_visitor: Callable[..., Any], tmp_path: Path
) -> None:
    gate = Gate()
    desk = make_desk(gate, max_waiting=1)
    runs, waits, late = (make_visitor(desk) for _ in range(3))
    for number, visitor in enumerate((runs, waits, late)):
        prepare(visitor, number, tmp_path)
    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(runs.run)
        assert gate.entered.wait(10)
        waiting = pool.submit(waits.run)
        while not desk.engine._waiting:
            time.sleep(0.01)
        waits.ask("stop")
        assert waiting.result(10) == {"phase": "idle"}
        again = pool.submit(late.run)  # there is room in the line
        while not desk.engine._waiting:
            time.sleep(0.01)
        gate.opened.set()
        assert running.result(20)["phase"] == again.result(20)["phase"] == "done"
    assert waits.run()["phase"] == "done"


def test_what_is_refused_leaves_the_last_result_where_it_is(
    make_desk: Callable[..., Any], make_visitor: Callable[..., Any], tmp_path: Path
) -> None:
    visitor = make_visitor(make_desk())
    prepare(visitor, 0, tmp_path)
    result = visitor.run()
    session = visitor.desk.sessions.get(visitor.key)
    visitor.ask("edit", frame=0, kind="clear")
    visitor.ask("edit", frame=2, kind="click", object=1, x=3, y=20, foreground=False)
    for _ in range(3):
        with pytest.raises(InputError):
            visitor.run()
    assert Path(result["models"][0]["video"]).is_file()
    assert [path.name for path in session.clip_folder.glob("run-*")] == [session.run.plan.folder.name]
    assert visitor.ask("make", what="masks")["name"] == "clip-masks.zip"


def test_a_broken_upload_of_the_same_name_leaves_the_clip(
    make_desk: Callable[..., Any], make_visitor: Callable[..., Any], tmp_path: Path
) -> None:
    visitor = make_visitor(make_desk())
    prepare(visitor, 3, tmp_path)
    with pytest.raises(InputError, match=r"clip\.mp4 cannot be read"):
        visitor.send("open", b"no video", "clip.mp4")
    assert visitor.run()["phase"] == "done"


def test_files_go_with_their_clip(
    make_desk: Callable[..., Any], make_visitor: Callable[..., Any], tmp_path: Path
) -> None:
    visitor = make_visitor(make_desk())
    folder = visitor.desk.sessions.get(visitor.key).folder
    for number in range(3):
        prepare(visitor, number, tmp_path)
        visitor.run()
        assert len(list(folder.iterdir())) == 1
    visitor.ask("leave_clip")
    assert list(folder.iterdir()) == []


def test_files_of_a_run_that_is_being_stopped_go_when_it_is_over(
    make_desk: Callable[..., Any], make_visitor: Callable[..., Any], tmp_path: Path
) -> None:
    gate = Gate()
    visitor = make_visitor(make_desk(gate))
    prepare(visitor, 0, tmp_path)
    session = visitor.desk.sessions.get(visitor.key)
    gate.stubborn = True
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(visitor.run)
        assert gate.entered.wait(10)
        with session.lock:  # it is still being begun
            old, job = session.clip_folder, session.run.job
        prepare(visitor, 1, tmp_path)
        assert files_below(old)  # the run may still write there
        gate.opened.set()
        running.result(10)
        assert job.done.wait(10)
    prepare(visitor, 2, tmp_path)
    assert not old.exists()


def test_of_truths_the_last_one_stays(
    make_desk: Callable[..., Any], make_visitor: Callable[..., Any], tmp_path: Path
) -> None:
    visitor = make_visitor(make_desk())
    prepare(visitor, 0, tmp_path)
    with zipfile.ZipFile(tmp_path / "truth.zip", "w") as file:
        for frame in range(FRAMES):
            file.writestr(f"{frame:05d}.png", encode_mask(mask_of(0)))
    data = (tmp_path / "truth.zip").read_bytes()
    session = visitor.desk.sessions.get(visitor.key)
    for _ in range(3):
        for _ in range(2):
            assert visitor.send("truth", data, "truth.zip") == {"has_truth": True}
        assert visitor.run()["models"][0]["j_mean"] == pytest.approx(1.0)
    scored_by = session.clip.truth
    visitor.send("truth", data, "truth.zip")
    with pytest.raises(InputError):
        visitor.send("truth", b"no zip", "truth.zip")
    assert {path.parent for path in (scored_by, session.clip.truth)} == set(session.clip_folder.glob("truth-*"))


def test_a_page_that_is_gone_stops_its_run(
    make_desk: Callable[..., Any], make_visitor: Callable[..., Any], tmp_path: Path
) -> None:
    desk = make_desk(Gate())
    visitor = make_visitor(desk)
    prepare(visitor, 0, tmp_path)
    messages = desk.run(visitor.key, {})
    next(messages)
    messages.close()  # what gradio does with it
    assert desk.sessions.get(visitor.key).run.job.done.wait(10)
    assert desk.sessions.get(visitor.key).run.job.is_stopped


def test_who_waits_for_a_run_is_there_and_has_time_to_look_at_it(
    make_desk: Callable[..., Any], make_visitor: Callable[..., Any], tmp_path: Path
) -> None:
    gate = Gate()
    desk = make_desk(gate)
    visitor = make_visitor(desk)
    prepare(visitor, 0, tmp_path)
    folder = desk.sessions.get(visitor.key).folder
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(visitor.run)
        assert gate.entered.wait(10)
        idle = 60 * desk.limits.idle_minutes + 1
        desk.sessions._clock = lambda: time.monotonic() + idle
        desk.sessions.sweep()  # an hour in line, and no question meanwhile
        assert files_below(folder)
        gate.opened.set()
        assert result.result(20)["phase"] == "done"
    desk.sessions.sweep()
    assert files_below(folder)
    desk.sessions._clock = lambda: time.monotonic() + 2 * idle
    desk.sessions.sweep()
    assert not folder.exists()


def test_a_server_without_visitors_cleans_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "_SWEEP_SECONDS", 0.01)
    sessions = Sessions(Limits(grace_minutes=0.0))
    try:
        folder = sessions.get("somebody").folder
        assert folder.is_dir()
        sessions.leave("somebody")
        until = time.monotonic() + 20
        while folder.exists() and time.monotonic() < until:
            time.sleep(0.01)
        assert not folder.exists()
        assert len(sessions) == 0
    finally:
        sessions.close()
    assert not sessions.root.exists()


def test_the_calls_of_a_program_leave_with_it() -> None:
    sessions = Sessions(Limits(grace_minutes=0.0))
    try:
        calls = {sessions.new_call("program") for _ in range(3)}
        assert len(calls) == 3
        folders = [sessions.get(key).folder for key in calls]
        other = sessions.get("program2").folder
        sessions.leave("program")
        sessions.sweep()
        assert [folder for folder in folders if folder.exists()] == []
        assert other.exists()
    finally:
        sessions.close()


def test_equal_files_of_two_programs_are_two_clips(tmp_path: Path) -> None:
    source = tmp_path / "sha" / "clip.mp4"
    source.parent.mkdir()
    clip_of(3, source)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    clips = [load_clip(source, "clip.mp4", tmp_path / name, Limits(), keep=True) for name in ("a", "b")]
    clips[0].path.unlink()
    assert clips[1].frame(0).shape == (H, W, 3)


def test_a_failure_of_ours_is_told_and_the_next_run_works(
    make_desk: Callable[..., Any], make_visitor: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fails = iter([True, False, False])

    def model(plan: Plan, name: str) -> Iterator[Report]:
        yield Report(1.0, 1.0, 1.0, 0.0, ())
        if next(fails):
            raise RuntimeError("boom")

    desk = make_desk(model)
    visitor = make_visitor(desk)
    prepare(visitor, 0, tmp_path)
    with pytest.raises(InputError, match="the run failed on the server; its log says why"):
        visitor.run()
    assert "boom" in caplog.text  # with its traceback, for us
    assert visitor.run()["phase"] == "done"


def test_what_another_process_learns_of_a_model_reaches_the_visitor(
    make_desk: Callable[..., Any], make_visitor: Callable[..., Any], tmp_path: Path
) -> None:
    def borrowed(plan: Plan, name: str) -> Iterator[Report]:
        yield Report(0.0, 0.0, 0.0, 0.0, (), facts={"device": f"a GPU for {name}"})
        yield Report(1.0, 1.0, 1.0, 0.0, ())

    visitor = make_visitor(make_desk(borrowed))
    prepare(visitor, 0, tmp_path)
    result = visitor.run()
    assert [model["done"] for model in result["models"]] == [1, 1]  # knowing is no frame
    assert [model["speed"]["device"] for model in result["models"]] == ["a GPU for student", "a GPU for teacher"]
