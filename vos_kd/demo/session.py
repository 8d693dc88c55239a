"""What the server keeps of one visitor: plain data and a folder. It goes when the visitor has gone."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vos_kd.demo.engine import Job
from vos_kd.demo.limits import Limits
from vos_kd.demo.runs import Run
from vos_kd.demo.upload import LoadedClip
from vos_kd.errors import InputError
from vos_kd.prompts import PromptHistory

_SWEEP_SECONDS = 30.0


@dataclass
class Session:
    """One visitor. No frames and no tensors: what is large lies in `folder`."""

    folder: Path
    """Its name is random: who does not know it cannot fetch what lies there."""
    clip: LoadedClip | None = None
    clip_folder: Path | None = None
    """In `folder`; holds all that belongs to the clip: its file, truths and runs."""
    history: PromptHistory = field(default_factory=PromptHistory)
    end: int = 0
    """The frame to stop before."""
    run: Run | None = None
    """The last run."""
    reply: dict[str, Any] = field(default_factory=dict, repr=False)
    """The last one to the page, see `replies`; with the picture of a frame, where it has one."""
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    _folders: int = 0
    _left: list[tuple[Path, Job | None]] = field(default_factory=list, repr=False)

    @contextmanager
    def new_folder(self, kind: str, parent: Path | None = None) -> Iterator[Path]:
        """An empty folder; it goes again if what is done with it fails.

        Args:
            kind: begins its name.
            parent: where it shall lie; by default in the visitor's.
        """
        self._folders += 1
        path = (parent or self.folder) / f"{kind}-{self._folders}"
        path.mkdir(parents=True)
        try:
            yield path
        except BaseException:
            shutil.rmtree(path, ignore_errors=True)
            raise

    def begin(self, clip: LoadedClip, folder: Path, history: PromptHistory, end: int) -> None:
        """Go over to a clip.

        Args:
            clip: the new one.
            folder: from `new_folder`, for all that belongs to it.
            history: its prompts.
            end: the frame to stop before.
        """
        self.forget_clip()
        self.clip, self.clip_folder, self.history, self.end = clip, folder, history, end

    def begin_run(self, run: Run, submit: Callable[[Job], object]) -> None:
        """Take a new run; of those before, the files of the last are kept: its result may still be shown.

        Args:
            run: the new one.
            submit: puts its job in line; what it raises leaves the run before.
        """
        before, self.run = self.run, run  # first: whoever sweeps shall see that somebody waits
        try:
            submit(run.job)
        except InputError:
            self.run = before
            raise
        kept = [one.plan.folder for one in (before, run) if one is not None]
        for old in run.plan.folder.parent.glob("run-*"):
            if old not in kept:
                shutil.rmtree(old, ignore_errors=True)

    def take_truth(self, clip: LoadedClip, truth: Path) -> None:
        """Take a truth for the clip; of others, that of the last run alone is kept, for what is made of its result."""
        self.clip = replace(clip, truth=truth)
        kept = {truth, self.run.plan.clip.truth if self.run is not None else None}
        for old in truth.parent.parent.glob("truth-*/*"):
            if old not in kept:
                shutil.rmtree(old.parent, ignore_errors=True)

    def forget_clip(self) -> None:
        """Back to an empty page. Files go as soon as no run writes to them."""
        job = self.run.job if self.run is not None else None
        if job is not None:
            job.stop()
        if self.clip_folder is not None:
            self._left.append((self.clip_folder, job))
        self.clip, self.clip_folder, self.history, self.end, self.run = None, None, PromptHistory(), 0, None
        left, self._left = self._left, []
        for path, job in left:
            if job is None or job.done.is_set():
                shutil.rmtree(path, ignore_errors=True)
            else:
                self._left.append((path, job))


class Sessions:
    """All visitors, by the key that gradio has for each page.

    A session ends some minutes after its page was closed, or after an hour without a sign of life; a run that waits or
    goes on is one.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="vos-kd-"))
        """Holds every visitor's folder; the server may hand out what lies in it."""
        self._limits = limits
        self._clock = clock
        self._sessions: dict[str, Session] = {}
        self._ends: dict[str, float] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._sweeper: threading.Thread | None = None

    def __len__(self) -> int:
        return len(self._sessions)

    def get(self, key: str) -> Session:
        """The session of a page; a new one where there is none."""
        self.sweep()
        with self._lock:
            if key not in self._sessions:
                folder = self.root / secrets.token_urlsafe(16)
                folder.mkdir(parents=True)
                self._sessions[key] = Session(folder)
            if self._sweeper is None:  # a server that nobody visits any more cleans up, too
                self._sweeper = threading.Thread(target=self._sweep_on, name="vos-kd-sweeper", daemon=True)
                self._sweeper.start()
            self._ends[key] = self._clock() + 60 * self._limits.idle_minutes
            return self._sessions[key]

    def new_call(self, key: str) -> str:
        """A key for one call of a program; it leaves with the program's own key."""
        return f"{key}/{secrets.token_urlsafe(8)}"

    def leave(self, key: str) -> None:
        """The page was closed, its connection lost, or a call is over."""
        with self._lock:
            for one in [one for one in self._sessions if one == key or one.startswith(f"{key}/")]:
                self._ends[one] = min(self._ends[one], self._clock() + 60 * self._limits.grace_minutes)
                run = self._sessions[one].run
                if run is not None:
                    run.job.stop()

    def sweep(self) -> None:
        """Delete what is over. What a run waits for or writes to stays until the run is over."""
        now = self._clock()
        with self._lock:
            over = {key: self._sessions[key] for key, end in self._ends.items() if end <= now}
            gone = []
            for key, session in over.items():
                job = session.run.job if session.run is not None else None
                if job is None or job.done.is_set():
                    gone.append(self._sessions.pop(key))
                    del self._ends[key]
                elif not job.is_stopped:  # whoever waits is there, and wants to see what he waits for
                    self._ends[key] = now + 60 * self._limits.idle_minutes
        for session in gone:
            with session.lock:
                session.forget_clip()
                shutil.rmtree(session.folder, ignore_errors=True)

    def close(self) -> None:
        """Delete everything."""
        self._closed.set()
        with self._lock:
            self._sessions.clear()
            self._ends.clear()
        shutil.rmtree(self.root, ignore_errors=True)

    def _sweep_on(self) -> None:
        while not self._closed.wait(_SWEEP_SECONDS):
            self.sweep()
