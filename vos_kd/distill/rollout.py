"""Run a network over a training clip, as at inference: it reads what it has itself predicted before."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from vos_kd.modeling.aggregation import soft_aggregate
from vos_kd.modeling.memory import MemoryKeys, affinity, prepare_keys, similarity
from vos_kd.modeling.network import FrameFeatures, ObjectPrior
from vos_kd.modeling.stm import STM

# Beside the first, the latest before the query; the deployed memory's are up to five frames old. More would cost and
# teach the same.
RECENT_FRAMES = 2


class Rollout(NamedTuple):
    """What a network did on a clip's frames 1 to T-1. M counts the objects of all clips in the batch."""

    logits: Tensor
    """Aggregated logits `[B, T-1, O+1, H/4, W/4]`, background first; objects that a clip lacks have none to win."""
    similarities: list[Tensor]
    """For each of these frames `[B, h*w, N]`, float32, of query and memory positions; N grows until memory is full."""
    fused: Tensor
    """`[M, T-1, C, h, w]`: what the decoder starts from, for each object."""


def rollout(
    network: STM, images: Tensor, first_masks: Tensor, object_valid: Tensor, top_k: int | None = None
) -> Rollout:
    """Follow a clip's objects from its first masks.

    Gradients flow through the memory: later frames teach what to remember of earlier ones.

    Args:
        network: in training mode or not.
        images: `[B, T, 3, H, W]` in 0-1, T of 2 or more, sides multiples of 16.
        first_masks: `[B, O, H, W]` in 0-1.
        object_valid: bool `[B, O]`; clips of a batch have different numbers of objects.
        top_k: memory positions that a query reads; None: all. At 480p the student's best 20 hold less than half of
            what it would read of all.
    """
    batch, frames = images.shape[:2]
    everything = network.encode_key(images.flatten(0, 1))
    features = [_frame(everything, batch, t) for t in range(frames)]
    owner = object_valid.nonzero()[:, 0]  # [M]

    # Given masks, too, are set against each other: `VideoSegmenter.memorize` does so with all that it remembers.
    shares = F.avg_pool2d(first_masks, network.mask_stride)
    masks = torch.softmax(soft_aggregate(shares), dim=1)[:, 1:] * object_valid[..., None, None]  # [B, O, H/s, W/s]
    values: list[Tensor] = []
    keys: list[MemoryKeys] = []
    logits, similarities, fused = [], [], []
    for t in range(frames):
        if t > 0:
            remembered = [0, *range(max(1, t - RECENT_FRAMES), t)]
            scores = _similarity(features[t], [keys[m] for m in remembered])
            readout = _readout(affinity(scores, top_k), [values[m] for m in remembered], owner)
            x = network.fuse(features[t], readout, ObjectPrior(values[-1], masks[object_valid]), owner)
            probs = torch.sigmoid(network.decode(features[t], x, owner).float())
            every = probs.new_zeros(*object_valid.shape, *probs.shape[-2:])
            every[object_valid] = probs
            logits.append(soft_aggregate(every))
            similarities.append(scores)
            fused.append(x)
            masks = torch.softmax(logits[-1], dim=1)[:, 1:]
        if t < frames - 1:
            own = masks[object_valid]
            others = (masks * object_valid[..., None, None]).sum(1)[owner] - own
            values.append(network.encode_objects(features[t], own, others, owner))
            keys.append(_keys(features[t]))
    return Rollout(torch.stack(logits, 1), similarities, torch.stack(fused, 1))


def _frame(features: FrameFeatures, batch: int, t: int) -> FrameFeatures:
    """Frame t of features that were computed for all frames at once."""

    def pick(feature: Tensor) -> Tensor:
        return feature.unflatten(0, (batch, -1))[:, t]

    shrinkage = None if features.shrinkage is None else pick(features.shrinkage)
    return FrameFeatures(pick(features.key), shrinkage, pick(features.f16), pick(features.f8), pick(features.f4))


def _keys(features: FrameFeatures) -> MemoryKeys:
    shrinkage = None if features.shrinkage is None else features.shrinkage.float().flatten(1)
    return prepare_keys(features.key.float().flatten(2).mT, shrinkage)


def _similarity(query: FrameFeatures, memory: list[MemoryKeys]) -> Tensor:
    """`[B, h*w, N]` in float32: in bfloat16 the squared norms of near keys cancel to noise."""
    keys = MemoryKeys(torch.cat([m.scaled for m in memory], 1), torch.cat([m.bias for m in memory], 1))
    with torch.autocast(query.key.device.type, enabled=False):
        return similarity(keys, query.key.float().flatten(2).mT)


def _readout(weights: Tensor, values: list[Tensor], owner: Tensor) -> Tensor:
    """Affinities `[B, Q, N]` and values `[M, CV, h, w]` of each memory frame give `[M, CV, h, w]`."""
    flat = torch.cat([value.flatten(2) for value in values], dim=-1)  # [M, CV, N]
    read = flat @ weights.to(flat.dtype)[owner].mT
    return read.unflatten(-1, values[0].shape[-2:])
