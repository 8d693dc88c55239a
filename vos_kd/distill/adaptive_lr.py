"""Adaptive learning rate against inverse learning (named by Hou et al. 2024; this form is inferred).

In joint training the light student often fits faster than the heavy teacher. While it is the better one, imitation
pulls it backwards. So the two task losses are watched: when the student is ahead, the teacher learns faster, the
student slower, and imitation fades.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from vos_kd.errors import InputError

EPSILON = 1e-8


class Rates(NamedTuple):
    """Factors for one step; all 1 is plain online distillation."""

    teacher: float
    """On the teacher's learning rate, 1 to 2."""
    student: float
    """On the student's learning rate, 0.1 to 1."""
    distillation: float
    """On the distillation losses, 0 to 1."""


PLAIN = Rates(1.0, 1.0, 1.0)


@dataclass(frozen=True)
class AdaptiveRateConfig:
    """How strongly the rates answer to the gap g between the losses (see `rates`)."""

    smoothing: float = 0.98
    """beta of the running means of the task losses: about 50 steps."""
    teacher_gain: float = 2.0
    """k."""
    student_damping: float = 1.0
    """rho."""
    distillation_slope: float = 20.0
    """kappa: at g = 0.1 (the teacher's loss is a fifth higher) imitation counts a quarter."""

    def __post_init__(self) -> None:
        if not 0 <= self.smoothing < 1:
            raise InputError(f"smoothing is {self.smoothing}; expected 0 or more and below 1.")


def gap(teacher_loss: float, student_loss: float) -> float:
    """`g = (l_T - l_S) / (l_T + l_S)`, in -1 to 1; above 0 the student is ahead."""
    return (teacher_loss - student_loss) / (teacher_loss + student_loss + EPSILON)


def rates(g: float, config: AdaptiveRateConfig) -> Rates:
    """Factors for a gap; exactly 1 for g <= 0.

    `teacher = clip(1 + k g, 1, 2)`, `student = clip(1 - rho g, 0.1, 1)`, `distillation = 2 sigmoid(-kappa g)`, each
    with g cut off below 0: a teacher that is ahead is imitated in full and nothing else changes.
    """
    ahead = max(g, 0.0)
    return Rates(
        teacher=min(1 + config.teacher_gain * ahead, 2.0),
        student=max(1 - config.student_damping * ahead, 0.1),
        distillation=2 / (1 + math.exp(min(config.distillation_slope * ahead, 700.0))),
    )


class AdaptiveRate:
    """Running means of the two task losses, and the rates that follow. Its state is two numbers, for checkpoints."""

    def __init__(self, config: AdaptiveRateConfig) -> None:
        self.config = config
        self.teacher_loss: float | None = None
        self.student_loss: float | None = None

    def update(self, teacher_loss: float, student_loss: float) -> Rates:
        """Take in a step's task losses and give the factors for the next step."""
        beta = self.config.smoothing
        if self.teacher_loss is None or self.student_loss is None:
            self.teacher_loss, self.student_loss = teacher_loss, student_loss
        self.teacher_loss = beta * self.teacher_loss + (1 - beta) * teacher_loss
        self.student_loss = beta * self.student_loss + (1 - beta) * student_loss
        return self.rates()

    def rates(self) -> Rates:
        """The factors that the losses so far ask for."""
        if self.teacher_loss is None or self.student_loss is None:
            return PLAIN
        return rates(gap(self.teacher_loss, self.student_loss), self.config)

    def state_dict(self) -> dict[str, float | None]:
        """For checkpoints."""
        return {"teacher_loss": self.teacher_loss, "student_loss": self.student_loss}

    def load_state_dict(self, state: dict[str, float | None]) -> None:
        """Take up what `state_dict` gave."""
        self.teacher_loss = state["teacher_loss"]
        self.student_loss = state["student_loss"]
