"""Averaged weights: what is validated and exported is smoother than any single step."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Ema:
    """Exponential moving average of a module's floating-point entries; the others are copied.

    Args:
        module: whose `state_dict` is averaged.
        decay: of the average. It starts lower and grows to this, so that the first steps are forgotten.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.state = {name: value.detach().clone() for name, value in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Take in the module's present weights."""
        self.updates += 1
        weight = 1 - min(self.decay, (1 + self.updates) / (10 + self.updates))
        averaged: list[Tensor] = []
        current: list[Tensor] = []
        for name, value in module.state_dict().items():
            if value.is_floating_point():
                averaged.append(self.state[name])
                current.append(value.detach())
            else:
                self.state[name].copy_(value)
        torch._foreach_lerp_(averaged, current, weight)

    def part(self, name: str) -> dict[str, Tensor]:
        """The averaged state of one submodule, under its own names."""
        prefix = f"{name}."
        return {key.removeprefix(prefix): value for key, value in self.state.items() if key.startswith(prefix)}

    def to(self, device: torch.device) -> None:
        """Move the averages to a device."""
        self.state = {name: value.to(device) for name, value in self.state.items()}

    def state_dict(self) -> dict[str, Any]:
        """For checkpoints."""
        return {"updates": self.updates, "state": self.state}

    def load_state_dict(self, content: dict[str, Any]) -> None:
        """Take up what `state_dict` gave.

        Raises:
            ValueError: names or shapes differ.
        """
        if {n: v.shape for n, v in content["state"].items()} != {n: v.shape for n, v in self.state.items()}:
            raise ValueError("averaged weights of another configuration")
        self.updates = content["updates"]
        self.state = dict(content["state"])
