"""What the server keeps of one visitor: plain data and a folder. It goes when the visitor has gone."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vos_kd.demo.limits import Limits
from vos_kd.demo.runs import Run
from vos_kd.demo.upload import LoadedClip
from vos_kd.prompts import PromptHistory

_SWEEP_SECONDS = 30.0


@dataclass
class Session:
    """One visitor. Never a frame or a tensor: what is large lies in `folder`."""

    folder: Path
    """Its name is random: who does not know it cannot fetch what lies there."""
    clip: LoadedClip | None = None
    history: PromptHistory = field(default_factory=PromptHistory)
    end: int = 0
    """The frame to stop before."""
    run: Run | None = None
    """The last run."""
    runs: int = 0
    reply: dict[str, Any] = field(default_factory=dict, repr=False)
    """The last one to the page, see `replies`."""
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    def forget_clip(self) -> None:
        """Back to an empty page."""
        if self.run is not None:
            self.run.job.stop()
        self.clip, self.history, self.end, self.run = None, PromptHistory(), 0, None

    def new_run_folder(self) -> Path:
        """A folder for the next run; that of the run before the last is deleted."""
        self.runs += 1
        for old in self.folder.glob("run-*"):
            if old.name != f"run-{self.runs - 1}":
                shutil.rmtree(old, ignore_errors=True)
        path = self.folder / f"run-{self.runs}"
        path.mkdir(parents=True)
        return path


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
