"""Networks by name."""

from __future__ import annotations

import difflib

from vos_kd.compat import require_torchvision
from vos_kd.config import PRESETS, ModelConfig
from vos_kd.errors import InputError
from vos_kd.modeling.network import STMNetwork


def list_models() -> list[str]:
    """Names that `build_model` and `load_model` know."""
    return list(PRESETS)


def get_config(name: str) -> ModelConfig:
    """The configuration of that name.

    Raises:
        InputError: no such name; lists the names and the nearest one.
    """
    if name not in PRESETS:
        near = difflib.get_close_matches(name, PRESETS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise InputError(f"there is no model {name!r}; the models are {', '.join(PRESETS)}.{hint}")
    return PRESETS[name]


def build_model(model: str | ModelConfig) -> STMNetwork:
    """Build a network with random weights, in evaluation mode; `vos_kd.load_model` gives one with trained weights.

    Raises:
        InputError: no model of that name; TinyViT and STCN need a torchvision that fits torch.
    """
    # Networks are imported here: who asks for names alone, or for a light network, waits for no other's libraries.
    config = get_config(model) if isinstance(model, str) else model
    if config.architecture == "stcn":
        require_torchvision()
        from vos_kd.modeling.stcn import STCN

        return STCN().eval()
    from vos_kd.modeling.stm import STM

    return STM(config.network).eval()
