"""One thread that owns the models; runs wait in line for it.

A thread of its own, because torch starts its helpers anew for every thread that calls it, and gradio calls from many.
Whoever asked for a run reads its `progress` whenever he likes, and stops it by `stop`.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from vos_kd.demo.progress import Progress
from vos_kd.errors import InputError
from vos_kd.process import give_memory_back

logger = logging.getLogger(__name__)

Work = Callable[["Job"], None]
"""Does a job; ends early, and keeps what is done, when it sees that the job was stopped."""


@dataclass(eq=False)
class Job:
    """A run that was asked for."""

    work: Work
    seconds: float = 0.0
    """About what it takes."""
    progress: Progress = field(default_factory=Progress)
    error: str | None = None
    """Why it failed, for the visitor."""
    done: threading.Event = field(default_factory=threading.Event, repr=False)
    leave_line: Callable[[], None] = field(default=lambda: None, repr=False)
    """Ends it at once where it only waits; the engine that it waits for knows how."""
    _stop: threading.Event = field(default_factory=threading.Event, repr=False)

    def stop(self) -> None:
        """Ask to stop after the frame at hand, or to wait no longer."""
        self._stop.set()
        self.leave_line()

    @property
    def is_stopped(self) -> bool:
        """Whether it was asked to stop."""
        return self._stop.is_set()


class Engine:
    """First come, first served."""

    def __init__(self, max_waiting: int) -> None:
        self._max_waiting = max_waiting
        self._waiting: deque[Job] = deque()
        self._current: Job | None = None
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def submit(self, job: Job) -> Job:
        """Put a job in line.

        Raises:
            InputError: too many are waiting.
        """
        with self._changed:
            if len(self._waiting) >= self._max_waiting:
                raise InputError(
                    f"{len(self._waiting)} runs are waiting, and no more are taken. Try again in "
                    f"{max(1, round(self.seconds_before(None) / 60))} minutes."
                )
            self._waiting.append(job)
            job.leave_line = lambda: self._drop(job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="vos-kd-engine", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        return job

    def position(self, job: Job) -> int:
        """How many runs are before this one; 0 when it runs or is over."""
        with self._changed:
            if job not in self._waiting:
                return 0
            return self._waiting.index(job) + (self._current is not None)

    def seconds_before(self, job: Job | None) -> float:
        """About how long those before it take; None stands for one that would come last."""
        with self._changed:
            before = list(self._waiting)
            if job in before:
                before = before[: before.index(job)]
            running = self._current.seconds * (1 - self._current.progress.share) if self._current else 0.0
            return running + sum(one.seconds for one in before)

    def _drop(self, job: Job) -> None:
        with self._changed:
            if job in self._waiting:
                self._waiting.remove(job)
                job.done.set()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                job = self._current = self._waiting.popleft()
            try:
                if not job.is_stopped:  # between the line and here
                    job.work(job)
            except InputError as error:
                job.error = str(error)
            except Exception:
                logger.exception("a run failed")
                job.error = "the run failed on the server; its log says why. Run it again, or try another clip."
            finally:
                with self._changed:
                    self._current = None
                    is_idle = not self._waiting
                job.done.set()
            if is_idle:
                give_memory_back()
