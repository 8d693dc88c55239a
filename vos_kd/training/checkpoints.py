"""The state of a run: saved whole or not at all, read without unpickling anything but tensors and plain values."""

from __future__ import annotations

import io
import pickle
import struct
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from vos_kd.distill.adaptive_lr import AdaptiveRate
from vos_kd.distill.ema import Ema
from vos_kd.errors import InputError
from vos_kd.files import atomic_write

# What a file of other content does to those who take it for one of ours.
_ODD = (LookupError, RuntimeError, ValueError, TypeError, AttributeError)


class RunState(NamedTuple):
    """What `save_checkpoint` wrote."""

    path: Path
    content: dict[str, Any]

    def restore(self, task: nn.Module, optimizer: torch.optim.Optimizer, ema: Ema, adaptive: AdaptiveRate) -> int:
        """Put it into the parts of a run and give the number of steps done.

        Raises:
            InputError: it belongs to another configuration.
        """
        try:
            task.load_state_dict(self.content["task"])
            optimizer.load_state_dict(self.content["optimizer"])
            ema.load_state_dict(self.content["ema"])
            adaptive.load_state_dict(self.content["adaptive"])
            return int(self.content["step"])
        except _ODD as error:
            reason = (str(error) or repr(error)).splitlines()[0]
            raise InputError(f"{self.path} is of another configuration: {reason} Choose another --out.") from error

    def averaged(self) -> tuple[dict[str, Tensor], int]:
        """The averaged weights of all networks by name, and the number of steps done.

        Raises:
            InputError: it is not of a training run here.
        """
        try:
            state = {str(name): value.detach() for name, value in self.content["ema"]["state"].items()}
            return state, int(self.content["step"])
        except _ODD as error:
            raise InputError(f"{self.path} is not of a training run here: {error!r} is missing or odd.") from error


def save_checkpoint(
    path: Path, step: int, task: nn.Module, optimizer: torch.optim.Optimizer, ema: Ema, adaptive: AdaptiveRate
) -> None:
    """Save everything that the next step depends on; the previous checkpoint stays until this one is whole.

    Raises:
        InputError: no room on disk; the previous checkpoint is untouched.
    """
    buffer = io.BytesIO()
    content = {
        "step": step,
        "task": task.state_dict(),
        "optimizer": optimizer.state_dict(),
        "ema": ema.state_dict(),
        "adaptive": adaptive.state_dict(),
    }
    torch.save(content, buffer)
    atomic_write(path, buffer.getvalue())


def load_checkpoint(path: Path) -> RunState | None:
    """Read a checkpoint; None where there is none yet.

    Raises:
        InputError: it is damaged.
    """
    if not path.is_file():
        return None
    try:
        return RunState(path, torch.load(path, map_location="cpu", weights_only=True))
    except (*_ODD, OSError, EOFError, pickle.UnpicklingError, struct.error, OverflowError, MemoryError) as error:
        # Of torch's text only what was wrong: it goes on to advise loading without its safeguard.
        reason = (str(error) or repr(error)).splitlines()[0].split(". ")[0]
        raise InputError(f"checkpoint {path} is damaged ({reason}); remove it to begin again.") from error
