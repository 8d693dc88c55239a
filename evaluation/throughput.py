"""Latency of models side by side: network only and end to end, interleaved so that ratios hold on a noisy machine.

End to end is decoded frame in, full-size mask out (`Segmenter.step`). Network only is the part of it between the frame
tensor on the device and the object probabilities on the device, the memory encoder included. An outside model that
does not tell its network's time has no figures of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import psutil
import torch
from torch import Tensor

from evaluation.models import LoadedModel, Segmenter
from evaluation.moving_picture import moving_picture
from vos_kd import VideoSegmenter
from vos_kd.model import Model
from vos_kd.modeling.network import FrameFeatures

RECENT_FRAMES = 5
"""Memory frames beside the first one, for a model that sets no bound: six in all, as complexity is counted."""


@dataclass
class Latencies:
    """Raw times of a model, a frame each."""

    network_ms: list[float | None] = field(default_factory=list)
    """None where the model does not tell."""
    end_to_end_ms: list[float] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """Median, p5 and p95 in ms, and frames over total time."""
        network, end_to_end = _figures(self.network_ms), _figures(self.end_to_end_ms)
        return {
            "fps_network": network and network["fps"],
            "fps_end_to_end": end_to_end and end_to_end["fps"],
            "latency_ms": {
                "network": network and network["latency_ms"],
                "end_to_end": end_to_end and end_to_end["latency_ms"],
            },
        }


def interleaved(
    models: Mapping[str, LoadedModel],
    *,
    height: int = 480,
    width: int = 854,
    objects: int = 1,
    frames: int = 30,
    warm_up: int = 26,
    on_round: Callable[[], object] = lambda: None,
) -> dict[str, Latencies]:
    """Time models in turn, a frame each, on the same moving picture.

    Args:
        models: by name. The memory of those that remember everything is bounded, or their time would say how long the
            clip was.
        height: of the frames.
        width: likewise.
        objects: followed objects, each of a size of its own.
        frames: timed frames.
        warm_up: frames before; enough of them to fill the memory, so that the timed ones have its steady size.
        on_round: called after every frame of all models, for a progress bar.
    """
    image, mask = moving_picture(height, width, objects)
    timers = {name: _timer(model, is_bounded=True) for name, model in models.items()}
    result = {name: Latencies() for name in models}
    for index in range(warm_up + frames):
        for name, timer in timers.items():
            end_to_end, network = timer.step(image(index), mask if index == 0 else None)
            if index >= warm_up:
                result[name].end_to_end_ms.append(end_to_end * 1000)
                result[name].network_ms.append(None if network is None else network * 1000)
        on_round()
    return result


def endurance(
    model: LoadedModel, *, frames: int, every: int, height: int = 480, width: int = 854, objects: int = 1
) -> Iterator[dict[str, float | None]]:
    """Follow objects through a long clip, with the memory that the model sets; what grows with its length shows here.

    Args:
        model: to run.
        frames: of the clip.
        every: frames to one row.
        height: of the frames.
        width: likewise.
        objects: followed objects.

    Yields:
        For each `every` frames: their number so far as `frames`, median `latency_ms` (end to end) since the last row,
        `resident_mib` of the process, and `memory_frames` in the memory bank (None for an outside model).
    """
    image, mask = moving_picture(height, width, objects)
    timer = _timer(model, is_bounded=False)
    latencies: list[float] = []
    for index in range(frames):
        latencies.append(timer.step(image(index), mask if index == 0 else None)[0] * 1000)
        if (index + 1) % every == 0:
            segmenter = timer.segmenter
            yield {
                "frames": index + 1,
                "latency_ms": float(np.median(latencies)),
                "resident_mib": psutil.Process().memory_info().rss / 2**20,
                "memory_frames": len(segmenter.memory) if isinstance(segmenter, VideoSegmenter) else None,
            }
            latencies.clear()


class _Timer:
    """Times the steps of a segmenter."""

    def __init__(self, segmenter: Segmenter, device: str) -> None:
        self.segmenter, self._device = segmenter, device

    def step(self, image: np.ndarray, mask: np.ndarray | None) -> tuple[float, float | None]:
        """Seconds of a step end to end, and of the network in it where that is told."""
        began = _now(self._device)
        self.segmenter.step(image, mask)
        return _now(self._device) - began, getattr(self.segmenter, "network_seconds", None)


class _TimedSegmenter(VideoSegmenter):
    """A segmenter that adds up the time its network takes."""

    def __init__(self, model: Model, *, short_side: int | None, is_bounded: bool) -> None:
        memory = model.config.memory
        bound = memory.max_recent or (RECENT_FRAMES if is_bounded else None)
        super().__init__(model, short_side=short_side, memory=replace(memory, max_recent=bound))
        self.network_seconds = 0.0

    def step(self, image: Any, masks: Any = None, object_ids: Sequence[int] | None = None) -> np.ndarray:
        self.network_seconds = 0.0
        return super().step(image, masks, object_ids)

    def look(self, frame: Tensor) -> tuple[FrameFeatures, Tensor]:
        with self._timed():
            return super().look(frame)

    def memorize(self, frame: Tensor, features: FrameFeatures, probs: Tensor, given: Sequence[int]) -> None:
        with self._timed():
            super().memorize(frame, features, probs, given)

    @contextmanager
    def _timed(self) -> Iterator[None]:
        began = _now(str(self.model.device))
        yield
        self.network_seconds += _now(str(self.model.device)) - began


def _timer(model: LoadedModel, *, is_bounded: bool) -> _Timer:
    if model.network is None:
        return _Timer(model.start(), model.device)
    segmenter = _TimedSegmenter(model.network, short_side=model.short_side, is_bounded=is_bounded)
    return _Timer(segmenter, model.device)


def _now(device: str) -> float:
    """The time when all that was asked of the device is done."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(torch.device(device))
    elif device == "mps":
        torch.mps.synchronize()
    return time.perf_counter()


def _figures(values: Sequence[float | None]) -> dict[str, Any] | None:
    """Frames a second, and quantiles in ms; None where a value is missing."""
    present = [value for value in values if value is not None]
    if not present or len(present) < len(values):
        return None
    p5, median, p95 = np.percentile(present, (5, 50, 95))
    latency = {"median": float(median), "p5": float(p5), "p95": float(p95)}
    return {"fps": 1000 / float(np.mean(present)), "latency_ms": latency}
