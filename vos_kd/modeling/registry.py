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
        InputError: no model of that name.
    """
    require_torchvision()
    # Imported here, so that listing names and reading configurations needs no image library.
    from vos_kd.modeling.stcn import STCN
    from vos_kd.modeling.stm import STM

    config = get_config(model) if isinstance(model, str) else model
    network = STCN() if config.architecture == "stcn" else STM(config.network)
    return network.eval()
