"""Soft aggregation: independent object masks to one distribution over background and objects (STM, section 3.4)."""

from __future__ import annotations

import torch
from torch import Tensor

# Keeps log(p / (1 - p)) finite; 1e-7 is STM's, and the smallest that float32 still tells from 1 below 1.
EPSILON = 1e-7


def soft_aggregate(object_probs: Tensor, dim: int = 1) -> Tensor:
    """Set object probabilities against each other and the background.

    `p_0 = prod_o (1 - p_o)`, and over {background, objects} the softmax of `log(p / (1 - p))`.

    Args:
        object_probs: `[..., O, ...]` in 0-1 with the objects along `dim`; computed in float32 at least, because
            1 - p is lost below it.
        dim: the objects' dimension.

    Returns:
        Aggregated logits, float32, with one entry more along `dim`: background first. Their softmax along `dim` is
        the aggregated probability.
    """
    probs = object_probs.float()
    background = torch.prod(1 - probs, dim=dim, keepdim=True)
    both = torch.cat([background, probs], dim=dim).clamp(EPSILON, 1 - EPSILON)
    return torch.log(both / (1 - both))
