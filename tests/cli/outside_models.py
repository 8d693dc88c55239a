"""Outside models for tests of `--models package.module:factory`; small enough to know what they give."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np

NOTES = Path(os.environ.get("OUTSIDE_NOTES", "/nonexistent"))
"""A folder where models write what they did, and find what they shall do."""


class Still:
    """The last given mask, moved down by a row each frame; objects that are not given any more stay where they are."""

    parameters = 7
    gmacs = 0.5
    dtype = "uint8"

    def __init__(self, device: str | None = None, dtype: str | None = None) -> None:
        self.frame = 0

    def start(self) -> Still:
        return Still()

    def step(
        self, image: np.ndarray, masks: np.ndarray | None = None, object_ids: list[int] | None = None
    ) -> np.ndarray:
        self.mask = np.roll(self.mask, 1, axis=0) if masks is None else masks
        self.frame += 1
        return self.mask


class Doomed(Still):
    """At its third frame it does once what the file `once` in NOTES says."""

    def start(self) -> Doomed:
        with (NOTES / "starts").open("a") as file:
            file.write("x")
        return Doomed()

    def step(
        self, image: np.ndarray, masks: np.ndarray | None = None, object_ids: list[int] | None = None
    ) -> np.ndarray:
        once = NOTES / "once"
        if self.frame == 2 and (NOTES / "starts").stat().st_size == 2 and once.exists():
            deed = once.read_text()
            once.unlink()
            os.kill(os.getpid(), signal.SIGKILL if deed == "die" else signal.SIGINT)
        return super().step(image, masks, object_ids)


class Mortal(Still):
    """Dies at its third frame, every time."""

    def start(self) -> Mortal:
        return Mortal()

    def step(
        self, image: np.ndarray, masks: np.ndarray | None = None, object_ids: list[int] | None = None
    ) -> np.ndarray:
        if self.frame == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().step(image, masks, object_ids)


class Wrong(Still):
    """Gives a mask of another size."""

    def start(self) -> Wrong:
        return Wrong()

    def step(
        self, image: np.ndarray, masks: np.ndarray | None = None, object_ids: list[int] | None = None
    ) -> np.ndarray:
        return super().step(image, masks, object_ids)[:-1]


def broken(device: str | None = None, dtype: str | None = None) -> Still:
    raise RuntimeError("no weights here")


def nothing(device: str | None = None, dtype: str | None = None) -> int:
    return 3
