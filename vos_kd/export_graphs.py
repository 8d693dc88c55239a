"""What is exported of a network: its three calls and the reading of memory, each as a module of plain tensors.

A graph can ask no questions, so each module does what the network does for one frame of any number of objects.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from vos_kd.config import ModelConfig
from vos_kd.modeling.memory import prepare_keys, read_memory
from vos_kd.modeling.network import STRIDE, FrameFeatures, ObjectPrior
from vos_kd.modeling.stm import STM

Outputs = tuple[Tensor, ...]


class Graph(NamedTuple):
    """One graph to export."""

    module: nn.Module
    inputs: dict[str, Tensor]
    """An example, by name."""
    outputs: tuple[str, ...]
    free: tuple[dict[int, Any], ...]
    """For each input its dimensions that are not fixed."""
    expected: Callable[..., Outputs]
    """What it must agree with, a function of its inputs."""


def graphs_of(network: STM, config: ModelConfig, *, height: int, width: int, objects: int) -> dict[str, Graph]:
    """The graphs of a network, with example inputs of a size (multiples of 16) and number of objects."""
    dim = torch.export.Dim
    h, w, o, n = dim("h", min=1, max=512), dim("w", min=1, max=512), dim("o", min=1, max=254), dim("n", min=1)
    at16, at8, at4 = {2: h, 3: w}, {2: 2 * h, 3: 2 * w}, {2: 4 * h, 3: 4 * w}
    per_object, masks_at4 = {1: o, 3: h, 4: w}, {1: o, 2: 4 * h, 3: 4 * w}

    image = torch.rand(1, 3, height, width)
    with torch.no_grad():
        features = network.encode_key(image)
    frame = {"f16": features.f16, "f8": features.f8}
    masks = torch.rand(1, objects, height // network.mask_stride, width // network.mask_stride)
    value, readout = torch.randn(2, 1, objects, network.value_dim, height // STRIDE, width // STRIDE)
    positions = 3 * readout[0, 0, 0].numel()
    memory = {
        "memory_key": torch.randn(positions, network.key_dim),
        "memory_shrinkage": 1 + torch.rand(positions),
        "memory_value": torch.randn(positions, objects, network.value_dim),
    }
    prior = {"previous_value": value, "previous_masks": masks} if network.uses_prior else {}
    key_names = ("key", "shrinkage", "f16", "f8", "f4")
    encode_key = _EncodeKey(network)
    return {
        "encode_key": Graph(encode_key, {"image": image}, key_names, ({2: 16 * h, 3: 16 * w},), encode_key),
        "encode_value": Graph(
            _EncodeValue(network),
            {**frame, "masks": masks},
            ("value",),
            (at16, at8, masks_at4),
            lambda f16, f8, masks: (network.encode_value(image, _features(f16, f8, f8), masks),),
        ),
        "segment": Graph(
            _Segment(network),
            {**frame, "f4": features.f4, "readout": readout, **prior},
            ("logits",),
            (at16, at8, at4, per_object, *((per_object, masks_at4) if prior else ())),
            lambda f16, f8, f4, readout, *prior: (
                network.segment(_features(f16, f8, f4), readout, ObjectPrior(*prior) if prior else None),
            ),
        ),
        "read_memory": Graph(
            _ReadMemory(config.memory.top_k),
            {"query_key": features.key[0], **memory},
            ("readout",),
            ({1: h, 2: w}, {0: n}, {0: n}, {0: n, 1: o}),
            lambda *tensors: (_read(config.memory.top_k, *tensors),),
        ),
    }


class _EncodeKey(nn.Module):
    def __init__(self, network: STM) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Outputs:
        features = self.network.encode_key(image)
        assert features.shrinkage is not None
        return features.key, features.shrinkage, features.f16, features.f8, features.f4


class _EncodeValue(nn.Module):
    def __init__(self, network: STM) -> None:
        super().__init__()
        self.network = network

    def forward(self, f16: Tensor, f8: Tensor, masks: Tensor) -> Outputs:
        others = masks.sum(dim=1, keepdim=True) - masks
        features = _features(f16, f8, f8)  # no f4 is looked at
        return (self.network.encode_objects(features, masks[0], others[0], _owner(masks))[None],)


class _Segment(nn.Module):
    def __init__(self, network: STM) -> None:
        super().__init__()
        self.network = network

    def forward(
        self,
        f16: Tensor,
        f8: Tensor,
        f4: Tensor,
        readout: Tensor,
        previous_value: Tensor | None = None,
        previous_masks: Tensor | None = None,
    ) -> Outputs:
        features = _features(f16, f8, f4)
        owner = _owner(readout)
        prior = None
        if previous_value is not None and previous_masks is not None:
            prior = ObjectPrior(previous_value[0], previous_masks[0])
        fused = self.network.fuse(features, readout[0], prior, owner)
        return (self.network.decode(features, fused, owner)[None],)


class _ReadMemory(nn.Module):
    def __init__(self, top_k: int | None) -> None:
        super().__init__()
        self.top_k = top_k

    def forward(self, query_key: Tensor, memory_key: Tensor, memory_shrinkage: Tensor, memory_value: Tensor) -> Outputs:
        (scaled, bias), values = prepare_keys(memory_key, memory_shrinkage), memory_value.flatten(1)
        if self.top_k is not None:  # nothing to read, as often as is read: a small frame has fewer positions
            scaled, values = (torch.cat([x, x.new_zeros(self.top_k, x.shape[1])]) for x in (scaled, values))
            bias = torch.cat([bias, bias.new_full((self.top_k,), float("-inf"))])
        scores = query_key.flatten(1).mT @ scaled.mT + bias
        if self.top_k is None:
            read = torch.softmax(scores, -1) @ values
        else:
            best, index = torch.topk(scores, self.top_k, dim=-1)
            read = (torch.softmax(best, -1)[:, None] @ values[index])[:, 0]  # values: [Q, k, O * CV]
        by_object = read.mT.unflatten(0, memory_value.shape[1:])  # [O, CV, Q]
        return (by_object.unflatten(2, query_key.shape[1:])[None],)


def _read(
    top_k: int | None, query_key: Tensor, memory_key: Tensor, memory_shrinkage: Tensor, memory_value: Tensor
) -> Tensor:
    """The reading of the memory bank, shaped as the graph gives it."""
    keys = prepare_keys(memory_key, memory_shrinkage)
    read = read_memory(keys, memory_value, query_key.flatten(1).mT.contiguous(), top_k)
    return read.permute(1, 2, 0).unflatten(2, query_key.shape[1:])[None]


def _features(f16: Tensor, f8: Tensor, f4: Tensor) -> FrameFeatures:
    return FrameFeatures(f16, None, f16, f8, f4)  # nobody looks at the key


def _owner(per_object: Tensor) -> Tensor:
    """Frame 0 for each object: there is one frame."""
    return torch.zeros(per_object.shape[1], dtype=torch.int64, device=per_object.device)
