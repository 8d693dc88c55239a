"""Weights and a clip for the STCN golden test, made from names and shapes alone: nothing large needs storing.

Each entry's random numbers are seeded by the CRC-32 of its name, and scaled so that signals keep their size through the
network. Any change here makes the stored figures worthless.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ENTRIES: dict[str, list[int]] = json.loads(Path(__file__).with_name("stcn_state_dict.json").read_text())
"""Every entry of the public checkpoints, name -> shape."""


def make_entry(name: str, shape: list[int]) -> NDArray[Any]:
    """One entry: float32 `shape`, or an int64 zero for a batch norm's counter."""
    if name.endswith("num_batches_tracked"):
        return np.zeros((), np.int64)
    noise: NDArray[np.float32] = (
        np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape).astype(np.float32)
    )
    if name.endswith("running_var"):
        return 1 + 0.1 * np.abs(noise)
    if name.endswith(("running_mean", "bias")):
        return 0.05 * noise
    if len(shape) == 1:  # a norm's scale: below 1, because residual branches add up
        return 0.6 + 0.05 * noise
    noise *= np.sqrt(1.2 / int(np.prod(shape[1:])), dtype=np.float32)
    return noise


def make_clip() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Four normalised frames `[4, 3, 96, 160]`, drifting blocks with noise; two masks `[2, 96, 160]`."""
    blocks = np.random.default_rng(7).standard_normal((4, 3, 12, 20)).astype(np.float32)
    noise = blocks.repeat(8, axis=2).repeat(8, axis=3)
    # The first frame is part of itself, too, and the later frames follow that.
    first = noise[0] + np.float32(0.1) * noise[0]
    later = [np.roll(first, 3 * t, axis=2) + np.float32(0.1) * noise[t] for t in range(1, 4)]
    masks = np.zeros((2, 96, 160), np.float32)
    masks[0, 16:64, 24:72] = 1
    masks[1, 40:88, 88:136] = 1
    return np.stack([first, *later]), masks
