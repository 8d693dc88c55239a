"""A clip without end for measuring time and memory: what it shows does not matter, that it moves does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

_BLOCK = 16


def moving_picture(
    height: int, width: int, objects: int
) -> tuple[Callable[[int], NDArray[np.uint8]], NDArray[np.uint8]]:
    """A picture that pans.

    Args:
        height: of the frames.
        width: likewise.
        objects: rectangles side by side.

    Returns:
        A function from a frame's index to the frame, uint8 `[H, W, 3]`; and the mask of frame 0, uint8 `[H, W]` of ids.
    """
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 256, (-(-height // _BLOCK), -(-width // _BLOCK), 3), dtype=np.uint8)
    picture = blocks.repeat(_BLOCK, axis=0).repeat(_BLOCK, axis=1)[:height, :width]
    mask = np.zeros((height, width), np.uint8)
    columns = np.linspace(0, width, objects + 1).astype(int)
    for n in range(objects):
        mask[height // 4 : height // 4 + height // 3, columns[n] : max(columns[n + 1] - 8, columns[n] + 1)] = n + 1
    return lambda index: np.roll(picture, 2 * index, axis=1), mask
