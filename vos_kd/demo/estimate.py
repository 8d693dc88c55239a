"""About how long a run takes, from what runs on this machine took before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vos_kd.demo.progress import ModelProgress


@dataclass
class Estimates:
    """Seconds a frame by model, as last measured here. A model that never ran has none."""

    measured: dict[str, float] = field(default_factory=dict)
    """Model -> seconds for a frame of a million pixels with one object."""

    def learn(self, model: ModelProgress, megapixels: float, objects: int) -> None:
        """Take note of a run. Its first frames are left out: they also start things up."""
        frames = model.frame_ms[2:]
        if len(frames) >= 3:
            seconds = sorted(frames)[len(frames) // 2] / 1000
            self.measured[model.label] = seconds / (megapixels * _load(objects))

    def seconds(self, models: tuple[str, ...], frames: int, megapixels: float, objects: int) -> Mapping[str, float]:
        """Model -> seconds of a run, for those that ever ran."""
        return {
            name: self.measured[name] * megapixels * _load(objects) * frames for name in models if name in self.measured
        }


def _load(objects: int) -> float:
    """How much more many objects cost than one. Images are encoded once for all; the rest is done for each."""
    return 1 + 0.15 * (max(objects, 1) - 1)
