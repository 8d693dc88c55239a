"""The page with two quick stand-ins for the networks, whose masks are known: what the browser tests drive.

The first model's mask moves a pixel to the right with each frame; the second's does, too, and is a pixel thinner.
"""

from __future__ import annotations

import time
from types import SimpleNamespace

import cv2
import numpy as np

import app
from leaderboard.store import load_board

FACTS = {"parameters": 1_000_000, "gmacs": 4.5, "device": "a stand-in", "dtype": "float32", "threads": 1}
SECONDS = {"student": 0.005, "teacher": 0.02}
"""Of a frame."""


class StandIn:
    """Takes the place of a `VideoSegmenter`."""

    def __init__(self, name: str, short_side: int) -> None:
        self.model = SimpleNamespace(device=SimpleNamespace(type="cpu"))
        self.look = self.memorize = lambda: None
        self._name = name
        self._mask = np.zeros((0, 0), np.uint8)

    def step(self, image: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
        """The mask of the next frame."""
        time.sleep(SECONDS[self._name])
        self.look()
        self._mask = np.roll(self._mask, 1, axis=1) if mask is None else mask
        return cv2.erode(self._mask, np.ones((3, 3), np.uint8)) if self._name == "teacher" else self._mask


if __name__ == "__main__":
    desk = app.make_desk(segmenters=StandIn)  # type: ignore[arg-type]
    for name in desk.models:
        desk.models[name] |= FACTS
    page = app.build_demo(desk, load_board())
    try:
        page.launch(**app.launch_options(desk))
    finally:
        desk.sessions.close()
