"""When a run stops before its end: at a time limit, or at the first Ctrl-C, always between two steps."""

from __future__ import annotations

import math
import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any, Self


class Stop:
    """Whether a run shall stop now; a context, for the signals it listens to.

    The first Ctrl-C (or SIGTERM, which clusters send) lets the step at hand finish, so that everything can be saved; a
    second one interrupts at once.

    Args:
        time_limit: seconds from now; None is no limit.
    """

    def __init__(self, time_limit: float | None) -> None:
        self._began = time.monotonic()
        self._limit = math.inf if time_limit is None else time_limit
        self.is_interrupted = False
        self._before: dict[signal.Signals, Any] = {}

    def is_due(self) -> bool:
        """Whether to stop before the next step."""
        return self.is_interrupted or self.time_share() >= 1

    def time_share(self) -> float:
        """Share of the time limit that is over; 0 without one."""
        return (time.monotonic() - self._began) / self._limit if self._limit > 0 else 1.0

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # Python hands signals to no other
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._take)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self.is_interrupted:
            raise KeyboardInterrupt
        self.is_interrupted = True
