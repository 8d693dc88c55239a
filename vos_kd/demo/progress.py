"""How far a run is: written by the thread that runs, read by the one that tells the page."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Phase = Literal["waiting", "loading", "running", "done"]


@dataclass
class ModelProgress:
    """Of one model. Lists grow only, so a reader always sees a sound beginning of them."""

    label: str
    total: int
    network_ms: list[float] = field(default_factory=list)
    """Of each frame: the network alone."""
    step_ms: list[float] = field(default_factory=list)
    """With what it needs before and after: frame in, mask out."""
    frame_ms: list[float] = field(default_factory=list)
    """End to end: with waiting for the decoder and the writer, too."""
    scores: list[tuple[float, float] | None] = field(default_factory=list)
    """J and F where there is truth."""
    agreement: list[float] = field(default_factory=list)
    """IoU with the model before."""
    picture: bytes | None = None
    """JPEG of the newest frame that was drawn."""
    picture_number: int = 0
    peak_mib: float = 0.0

    @property
    def done(self) -> int:
        """Frames that are segmented."""
        return len(self.frame_ms)

    @property
    def eta_seconds(self) -> float | None:
        """What is left, as far as it can be told; None before it can."""
        recent = self.frame_ms[1:][-30:] or self.frame_ms
        if not recent:
            return None
        return (self.total - self.done) * sum(recent) / len(recent) / 1000


@dataclass
class Progress:
    """Of a run."""

    phase: Phase = "waiting"
    models: list[ModelProgress] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def share(self) -> float:
        """Of the frames of all models that are done, 0-1."""
        total = sum(model.total for model in self.models)
        return sum(model.done for model in self.models) / total if total else 0.0
