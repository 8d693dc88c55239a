"""Reading ahead: the next frames are decoded in a thread of their own while the network looks at this one."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")

_STOP_SECONDS = 0.05
"""How long a full queue may keep the thread from seeing that nobody reads any more."""


class ReadAhead(Iterator[T], Generic[T]):
    """The items of an iterator, in their order, drawn by a thread of its own.

    At most `limit` items wait, so memory stays flat. What the iterator raises comes out of `next` after the items
    before it. Leaving the `with` block ends the thread, however many items are left.
    """

    def __init__(self, items: Iterator[T], limit: int = 4) -> None:
        self._items = items
        self._waiting: queue.Queue[tuple[T] | BaseException] = queue.Queue(limit)
        self._is_left = threading.Event()
        self._end: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="vos-kd-reader", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __next__(self) -> T:
        """The next item."""
        if self._end is None:
            entry = self._waiting.get()
            if isinstance(entry, tuple):
                return entry[0]
            self._end = entry
        raise self._end

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._is_left.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            for item in self._items:
                if not self._put((item,)):
                    return
            self._put(StopIteration())
        except BaseException as error:  # whatever it is, it belongs to the one who reads
            self._put(error)

    def _put(self, entry: tuple[T] | BaseException) -> bool:
        while not self._is_left.is_set():
            try:
                self._waiting.put(entry, timeout=_STOP_SECONDS)
            except queue.Full:
                continue
            return True
        return False
