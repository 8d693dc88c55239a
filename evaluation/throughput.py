"""Latency of models side by side: network only and end to end, interleaved so that ratios hold on a noisy machine.

End to end is decoded frame in, full-size mask out (`VideoSegmenter.step`). Network only is the part of it between the
frame tensor on the device and the object probabilities on the device, the memory encoder included.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import psutil
import torch
from torch import Tensor

from vos_kd import VideoSegmenter
from vos_kd.model import Model
from vos_kd.modeling.network import FrameFeatures

RECENT_FRAMES = 5
"""Memory frames beside the first one, for a model that sets no bound: six in all, as complexity is counted."""


@dataclass
class Latencies:
    """Raw times of a model, a frame each."""

    network_ms: list[float] = field(default_factory=list)
    end_to_end_ms: list[float] = field(default_factory=list)
    peak_memory_mib: float | None = None
    """Of the accelerator, for a run of one model; None where models share it, and on a CPU."""

    def summary(self) -> dict[str, Any]:
        """Median, p5 and p95 in ms, and frames over total time."""
        return {
            "fps_network": 1000 / float(np.mean(self.network_ms)),
            "fps_end_to_end": 1000 / float(np.mean(self.end_to_end_ms)),
            "latency_ms": {"network": _quantiles(self.network_ms), "end_to_end": _quantiles(self.end_to_end_ms)},
            "peak_memory_mib": self.peak_memory_mib,
        }


def interleaved(
    models: Sequence[tuple[str, Model]],
    *,
    height: int = 480,
    width: int = 854,
    objects: int = 1,
    frames: int = 30,
    warm_up: int = 25,
    on_round: Callable[[], None] = lambda: None,
) -> dict[str, Latencies]:
    """Time models in turn, a frame each, on the same moving picture.

    Args:
        models: names and loaded models.
        height: of the frames.
        width: likewise.
        objects: followed objects, each of a size of its own.
        frames: timed frames.
        warm_up: frames before; enough of them to fill the memory, so that the timed ones have its steady size.
        on_round: called after every frame of all models, for a progress bar.
    """
    clip, mask = _moving_picture(height, width, objects)
    segmenters = {name: _TimedSegmenter(model) for name, model in models}
    if len(models) == 1 and models[0][1].device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(models[0][1].device)
    result = {name: Latencies() for name, _ in models}
    for index in range(warm_up + frames):
        for name, segmenter in segmenters.items():
            end_to_end, network = segmenter.timed_step(clip(index), mask if index == 0 else None)
            if index >= warm_up:
                result[name].end_to_end_ms.append(end_to_end * 1000)
                result[name].network_ms.append(network * 1000)
        on_round()
    if len(models) == 1 and models[0][1].device.type == "cuda":
        result[models[0][0]].peak_memory_mib = torch.cuda.max_memory_allocated(models[0][1].device) / 2**20
    return result


def endurance(
    model: Model, *, frames: int, every: int, height: int = 480, width: int = 854, objects: int = 1
) -> Iterator[dict[str, float]]:
    """Follow objects through a long clip; what grows with its length shows here.

    Args:
        model: to run.
        frames: of the clip.
        every: frames to one row.
        height: of the frames.
        width: likewise.
        objects: followed objects.

    Yields:
        For each `every` frames: `frame`, median `latency_ms` (end to end) since the last row, `resident_mib`, and
        `memory_frames` in the memory bank.
    """
    clip, mask = _moving_picture(height, width, objects)
    segmenter = _TimedSegmenter(model)
    latencies: list[float] = []
    for index in range(frames):
        latencies.append(segmenter.timed_step(clip(index), mask if index == 0 else None)[0] * 1000)
        if (index + 1) % every == 0:
            resident = psutil.Process().memory_info().rss / 2**20
            yield {
                "frame": index + 1,
                "latency_ms": float(np.median(latencies)),
                "resident_mib": resident,
                "memory_frames": len(segmenter.memory),
            }
            latencies.clear()


class _TimedSegmenter(VideoSegmenter):
    """A segmenter that adds up the time its network takes.

    Its memory is bounded, also for a model that by itself remembers everything: the time of a frame would otherwise say
    how long the clip was.
    """

    def __init__(self, model: Model) -> None:
        memory = model.config.memory
        super().__init__(model, memory=replace(memory, max_recent=memory.max_recent or RECENT_FRAMES))
        self._network_seconds = 0.0

    def timed_step(self, image: np.ndarray, mask: np.ndarray | None) -> tuple[float, float]:
        """Seconds of a step end to end, and of the network in it."""
        self._network_seconds = 0.0
        began = self._now()
        self.step(image, mask)
        return self._now() - began, self._network_seconds

    def look(self, frame: Tensor) -> tuple[FrameFeatures, Tensor]:
        with self._timed():
            return super().look(frame)

    def memorize(self, frame: Tensor, features: FrameFeatures, probs: Tensor, given: Sequence[int]) -> None:
        with self._timed():
            super().memorize(frame, features, probs, given)

    @contextmanager
    def _timed(self) -> Iterator[None]:
        began = self._now()
        yield
        self._network_seconds += self._now() - began

    def _now(self) -> float:
        if self.model.device.type == "cuda":
            torch.cuda.synchronize(self.model.device)
        elif self.model.device.type == "mps":
            torch.mps.synchronize()
        return time.perf_counter()


def _moving_picture(height: int, width: int, objects: int) -> tuple[Callable[[int], np.ndarray], np.ndarray]:
    """Frame n of a picture that pans, and the mask of frame 0 with `objects` rectangles."""
    rng = np.random.default_rng(0)
    picture = np.kron(rng.integers(0, 256, (-(-height // 16), -(-width // 16), 3)), np.ones((16, 16, 1)))
    picture = picture[:height, :width].astype(np.uint8)
    mask = np.zeros((height, width), np.uint8)
    columns = np.linspace(0, width, objects + 1).astype(int)
    for n in range(objects):
        mask[height // 4 : height // 4 + height // 3, columns[n] : columns[n + 1] - 8] = n + 1
    return lambda n: np.roll(picture, 2 * n, axis=1), mask


def _quantiles(values: Sequence[float]) -> dict[str, float]:
    p5, median, p95 = np.percentile(values, (5, 50, 95))
    return {"median": float(median), "p5": float(p5), "p95": float(p95)}
