"""AdamW for teacher and student together, each with its own rate."""

from __future__ import annotations

import math
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from vos_kd.distill.adaptive_lr import Rates
from vos_kd.distill.task import OnlineDistillation
from vos_kd.recipes import OptimConfig


def build_optimizer(task: OnlineDistillation, config: OptimConfig) -> torch.optim.AdamW:
    """One group for each role and kind of parameter; norms and biases are not decayed.

    Each group carries its `role` (`teacher`, `student` or `parts`) and its `scale` of the learning rate.
    """
    scales = {
        "student.backbone": ("student", config.encoder_lr_scale),
        "student": ("student", 1.0),
        "teacher.backbone": ("teacher", config.teacher_encoder_lr_scale),
        "teacher": ("teacher", config.teacher_lr_scale),
        "student_adaptor": ("parts", 1.0),
        "teacher_adaptor": ("parts", 1.0),
        "discriminator": ("parts", 0.2),  # slower than what it judges, or it wins at once
    }
    groups: dict[tuple[str, bool], list[nn.Parameter]] = {}
    for name, parameter in task.named_parameters():
        if parameter.requires_grad:
            first, second = name.split(".")[:2]
            key = f"{first}.{second}" if second == "backbone" else first
            groups.setdefault((key, parameter.dim() > 1), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "weight_decay": config.weight_decay if is_decayed else 0.0,
                "role": scales[key][0],
                "scale": scales[key][1],
            }
            for (key, is_decayed), parameters in groups.items()
        ],
        lr=config.lr,
    )


def rate_at(step: int, config: OptimConfig, time_share: float = 0.0) -> float:
    """Learning rate of a step: linear warm-up, then a cosine down to `final_lr_share`.

    Args:
        step: 0-based.
        config: lr, warm-up and the steps at which the cosine ends.
        time_share: of the time there is, 0-1, that is over; the cosine is at least so far, and above it is no warm-up.
    """
    over = max((step - config.warmup_steps) / max(config.steps - config.warmup_steps, 1), time_share)
    low = config.final_lr_share
    cosine = config.lr * (low + (1 - low) * 0.5 * (1 + math.cos(math.pi * min(over, 1.0))))
    if step < config.warmup_steps:
        return min(config.lr * (step + 1) / config.warmup_steps, cosine)
    return cosine


def set_rates(optimizer: Any, lr: float, rates: Rates) -> None:
    """Set each group's learning rate from its scale and the adaptive rates."""
    factors = {"teacher": rates.teacher, "student": rates.student, "parts": 1.0}
    for group in optimizer.param_groups:
        group["lr"] = lr * group["scale"] * factors[group["role"]]


def clip_gradients(optimizer: Any, clip_norm: float, accelerator: Accelerator) -> dict[str, Tensor]:
    """Clip each role's gradients by their own norm, so that none is scaled by another's.

    Returns:
        `gradient_norm/ROLE` before clipping.
    """
    roles: dict[str, list[nn.Parameter]] = {}
    for group in optimizer.param_groups:
        roles.setdefault(group["role"], []).extend(group["params"])
    return {f"gradient_norm/{role}": accelerator.clip_grad_norm_(p, clip_norm) for role, p in roles.items()}
