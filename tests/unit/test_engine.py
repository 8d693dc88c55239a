"""Jobs over processes: all are done, and a job that kills its workers is an error that names it."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from evaluation.engine import Engine, run_jobs
from evaluation.errors import ProtocolError
from evaluation.ray_engine import _Worker

TWO = Engine(workers=2)


def test_every_job_is_done_once() -> None:
    assert sorted(run_jobs(abs, [-3, -1, 2], TWO)) == [(-3, 3), (-1, 1), (2, 2)]
    assert list(run_jobs(abs, [], TWO)) == []


def test_what_kills_every_worker_is_named() -> None:
    # Two were at work; which of them it was cannot be told.
    with pytest.raises(ProtocolError, match=r"the worker of 7 or 8 was lost 3 times; .*Use fewer --workers"):
        list(run_jobs(os._exit, [7, 8, 9], TWO))


def ends_later(seconds: float) -> float:
    if seconds < 0:
        raise ValueError("no such time")
    time.sleep(seconds)
    return seconds


def test_what_was_at_work_when_a_job_failed_is_not_lost() -> None:
    done = []
    run = run_jobs(ends_later, [1.0, -1.0, *[0.01] * 50], TWO)  # the first is at work when the second fails
    with pytest.raises(ValueError, match="no such time"):
        done.extend(job for job, _ in run)
    assert 1.0 in done


def test_a_worker_of_a_cluster_works_in_the_folder_of_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evaluation.ray_engine.prepare_worker", lambda: None)
    monkeypatch.chdir(tmp_path.parent)
    assert _Worker(str(tmp_path)).run(lambda _: Path.cwd(), None) == tmp_path
    with pytest.raises(ProtocolError, match=r"a worker has no folder .*gone \(No such file or directory\); run the"):
        _Worker(str(tmp_path / "gone")).run(abs, -1)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        (None, "no Ray cluster at this machine: The node timed out. A busy machine needs more time; try again"),
        ("ray://x:1", "no Ray cluster at ray://x:1: The node timed out. Start one with `ray start --head`"),
    ],
)
def test_a_cluster_that_does_not_start(monkeypatch: pytest.MonkeyPatch, address: str | None, message: str) -> None:
    def init(**_: object) -> None:
        raise Exception("The node timed out.\nAnd more.")

    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(init=init))
    with pytest.raises(ProtocolError) as error:
        list(run_jobs(abs, [1, 2], Engine("ray", 2, address)))
    assert message in str(error.value)


def test_threads_are_shared_among_workers() -> None:
    assert Engine().threads(None) is None
    assert TWO.threads(None) == max(1, (os.cpu_count() or 1) // 2)
    assert TWO.threads(3) == 3
