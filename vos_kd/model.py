"""A network ready to run: on its device, in its precision, fused, with the settings it was made for."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from vos_kd.config import ModelConfig
from vos_kd.modeling.fusing import can_fuse, fold_batch_norm, fuse_activations
from vos_kd.modeling.network import STMNetwork
from vos_kd.runtime import pick_device, pick_dtype


@dataclass(frozen=True)
class Model:
    """Read-only, so one `Model` serves any number of `VideoSegmenter`s."""

    config: ModelConfig
    network: STMNetwork
    device: torch.device
    dtype: torch.dtype
    parameters: int
    """Of what is deployed, counted before folding."""
    weights_sha256: str | None
    """Of the weight file; None for random weights."""


def prepare_model(
    network: STMNetwork,
    config: ModelConfig,
    *,
    device: str | None = None,
    dtype: str | None = None,
    weights_sha256: str | None = None,
) -> Model:
    """Make a network ready to run. It is changed in place and no longer fit for training.

    Args:
        network: with its weights.
        config: what it was built from.
        device: see `vos_kd.runtime.pick_device`.
        dtype: see `vos_kd.runtime.pick_dtype`.
        weights_sha256: of the file the weights came from.
    """
    where = pick_device(device)
    precision = pick_dtype(where, dtype)
    parameters = count_parameters(network)
    network.eval().requires_grad_(False)
    fold_batch_norm(network)  # before the cast: folding multiplies weights, and bfloat16 has 8 bits
    network.to(device=where, dtype=precision)
    network.to(memory_format=torch.channels_last)
    if where.type == "cpu" and can_fuse(precision):
        fuse_activations(network)
    return Model(config, network, where, precision, parameters, weights_sha256)


def count_parameters(module: nn.Module) -> int:
    """Learned numbers in a module; running statistics of norms are not counted, as everywhere in the field."""
    return sum(parameter.numel() for parameter in module.parameters())
