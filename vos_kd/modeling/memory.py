"""Reading from space-time memory: `similarity`, `affinity` and `readout` as pure functions, then `MemoryBank`.

Scores are laid out `[Q, N]` with the N memory positions contiguous: softmax and top-k along a strided axis cost more on
a CPU than everything else together. Values are `[N, O, CV]`, so that all objects are read by one product, with one
affinity.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from vos_kd.config import MemoryConfig

# Queries read together: their scores (256 x 10,000 positions in bf16 are 5 MB) then stay in a CPU's cache between the
# product, the softmax and the second product.
CPU_QUERY_CHUNK = 256


class MemoryKeys(NamedTuple):
    """Memory keys ready for reading: the scale of the similarity and the shrinkage are inside."""

    scaled: Tensor
    """`[N, CK]`: `2 s_n k_n / sqrt(CK)`."""
    bias: Tensor
    """`[N]`: `-s_n ||k_n||^2 / sqrt(CK)`."""


def prepare_keys(key: Tensor, shrinkage: Tensor | None = None) -> MemoryKeys:
    """Scale memory keys once, when they are stored, instead of at every reading.

    Args:
        key: `[..., N, CK]`.
        shrinkage: `[..., N]`, >= 1; None is 1.
    """
    scale = 1 / math.sqrt(key.shape[-1])
    bias = -scale * key.float().square().sum(-1)
    scaled = 2 * scale * key
    if shrinkage is not None:
        bias = bias * shrinkage
        scaled = scaled * shrinkage.unsqueeze(-1)
    return MemoryKeys(scaled, bias.to(key.dtype))


def similarity(memory: MemoryKeys, query: Tensor) -> Tensor:
    """Negative squared L2 distance of keys, as in STCN, up to a term that is equal for all memory positions.

    `S[q, n] = s_n (2 k_n . k_q - ||k_n||^2) / sqrt(CK)`. The left out `-||k_q||^2` falls out of the softmax when all s
    are 1. Differs from XMem otherwise, where s multiplies it too.

    Args:
        memory: keys `[..., N, CK]`, biases `[..., N]`.
        query: `[..., Q, CK]`.

    Returns:
        `[..., Q, N]`.
    """
    if query.dim() == 2:
        return torch.addmm(memory.bias, query, memory.scaled.T)
    return torch.baddbmm(memory.bias.unsqueeze(-2), query, memory.scaled.mT)


def affinity(scores: Tensor, top_k: int | None = None) -> Tensor:
    """Softmax over the memory positions; with `top_k`, over each query's best ones only, the others zero.

    Args:
        scores: `[..., Q, N]`.
        top_k: None or larger than N: all.

    Returns:
        `[..., Q, N]`, rows sum to 1.
    """
    if top_k is None or top_k >= scores.shape[-1]:
        return torch.softmax(scores, dim=-1)
    best, index = torch.topk(scores, top_k, dim=-1)
    return torch.zeros_like(scores).scatter_(-1, index, torch.softmax(best, dim=-1))


def readout(weights: Tensor, values: Tensor) -> Tensor:
    """Weighted sums of values for all objects in one product: `[Q, N]` and `[N, O, CV]` give `[Q, O, CV]`."""
    return (weights @ values.flatten(1)).unflatten(-1, values.shape[1:])


def read_memory(keys: MemoryKeys, values: Tensor, query: Tensor, top_k: int | None = None) -> Tensor:
    """Read every object's values with one affinity.

    Args:
        keys: of N positions.
        values: `[N, O, CV]`.
        query: `[Q, CK]`.
        top_k: see `affinity`.

    Returns:
        `[Q, O, CV]`.
    """
    chunk = CPU_QUERY_CHUNK if query.device.type == "cpu" else query.shape[0]
    is_sparse = top_k is not None and top_k < len(values)
    parts = []
    for part in query.split(chunk):
        scores = similarity(keys, part)
        parts.append(_read_best(scores, values, top_k or 0) if is_sparse else readout(affinity(scores), values))
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _read_best(scores: Tensor, values: Tensor, top_k: int) -> Tensor:
    """`readout(affinity(scores, top_k), values)`, fetching only what is read: half the time on a CPU."""
    best, index = best_positions(scores, top_k)
    read = F.embedding_bag(index, values.flatten(1), per_sample_weights=torch.softmax(best, dim=-1), mode="sum")
    return read.unflatten(-1, values.shape[1:])


def best_positions(scores: Tensor, top_k: int) -> tuple[Tensor, Tensor]:
    """`torch.topk` of each row, in two thirds of its time on a CPU.

    Positions are dealt into groups; the best `top_k` lie in the `top_k` groups with the largest maxima, so that only
    those maxima, which one fast pass finds, and then the members of those groups are sorted.

    Args:
        scores: `[Q, N]`.
        top_k: below N.

    Returns:
        The best scores of each row, falling, and where they are: `[Q, top_k]` each. Which of equal ones is left to
        chance, as it is in `torch.topk`.
    """
    positions = scores.shape[-1]
    size = math.isqrt(positions // top_k)  # of a group: as many maxima are sorted as members
    if scores.device.type != "cpu" or size < 2:
        return torch.topk(scores, top_k, dim=-1)
    groups = positions // size
    dealt = scores[:, : groups * size].unflatten(1, (size, groups))  # a group is a column: maxima of whole rows
    chosen = torch.topk(dealt.amax(1), top_k, dim=-1, sorted=False).indices
    members = (chosen[:, None] + groups * torch.arange(size)[:, None]).flatten(1)  # [Q, size * top_k]
    rest = torch.arange(groups * size, positions).expand(len(scores), -1)  # what no group has
    members = torch.cat([members, rest], dim=1)
    best, index = torch.topk(scores.gather(1, members), top_k, dim=-1)
    return best, members.gather(1, index)


@dataclass
class MemoryFrame:
    """One remembered frame: its keys, shared, and a value for each object that was known when it was stored."""

    keys: MemoryKeys
    values: dict[int, Tensor]
    """object id -> `[h*w, CV]`."""


class MemoryBank:
    """The memory of one video.

    Two lists of frames, oldest first: `given` (masks came from outside; the first that knows an object is kept for
    ever) and `recent` (predicted). A frame holds values only for the objects that it was stored for, so an object reads
    just the frames that know it; objects that the same frames know share one affinity. A frame may be
    stored as provisional: the next predicted one takes its place. Both lists are bounded, so memory and time a frame do
    not depend on the length of the video.
    """

    def __init__(self, config: MemoryConfig) -> None:
        self.config = config
        self.given: list[MemoryFrame] = []
        self.recent: list[MemoryFrame] = []
        self._newest_is_provisional = False

    def __len__(self) -> int:
        return len(self.given) + len(self.recent)

    def add(
        self,
        key: Tensor,
        shrinkage: Tensor | None,
        values: Mapping[int, Tensor],
        *,
        is_given: bool = False,
        is_provisional: bool = False,
    ) -> None:
        """Remember a frame.

        Args:
            key: `[CK, h, w]`.
            shrinkage: `[1, h, w]` or None.
            values: object id -> `[CV, h, w]`.
            is_given: its masks were given. What was predicted of these objects before is forgotten: it was wrong.
            is_provisional: the next predicted frame shall take its place.
        """
        flat_shrinkage = None if shrinkage is None else positions(shrinkage)[:, 0]
        keys = prepare_keys(positions(key).contiguous(), flat_shrinkage)
        frame = MemoryFrame(keys, {i: positions(value).contiguous() for i, value in values.items()})
        if is_given:
            for object_id in values:
                self._forget_predicted(object_id)
            self.given.append(frame)
            self._forget_old_corrections()
            return
        if self._newest_is_provisional:
            self.recent.pop()
        self._newest_is_provisional = is_provisional
        self.recent.append(frame)
        if self.config.max_recent is not None and len(self.recent) > self.config.max_recent:
            del self.recent[0]

    def read(self, query: Tensor, object_ids: Sequence[int]) -> Tensor:
        """What a query frame reads, for each object.

        Args:
            query: `[CK, h, w]`.
            object_ids: each must be known to some remembered frame.

        Returns:
            `[O, CV, h, w]`, objects in the order of `object_ids`.

        Raises:
            KeyError: an object that no frame knows.
        """
        flat = positions(query).contiguous()  # rows of odd length, as key and shrinkage share them, slow the product
        read: dict[int, Tensor] = {}
        for frames, ids in self._groups(object_ids):
            keys = MemoryKeys(
                torch.cat([frame.keys.scaled for frame in frames]), torch.cat([frame.keys.bias for frame in frames])
            )
            values = torch.stack([torch.cat([frame.values[i] for frame in frames]) for i in ids], dim=1)
            read.update(zip(ids, read_memory(keys, values, flat, self.config.top_k).unbind(1), strict=True))
        out = torch.stack([read[i] for i in object_ids])  # [O, h*w, CV]
        return out.mT.unflatten(-1, query.shape[-2:])  # channels-last by its strides

    def drop(self, object_id: int) -> None:
        """Forget an object; frames that know no other go too."""
        self._forget_predicted(object_id)
        for frame in self.given:
            frame.values.pop(object_id, None)
        self.given = [frame for frame in self.given if frame.values]

    def _forget_predicted(self, object_id: int) -> None:
        for frame in self.recent:
            frame.values.pop(object_id, None)
        if self.recent and not self.recent[-1].values:
            self._newest_is_provisional = False
        self.recent = [frame for frame in self.recent if frame.values]

    def _forget_old_corrections(self) -> None:
        """Keep `max_given` given frames, and beyond them only those that introduced an object."""
        introduced: set[int] = set()
        removable = []
        for n, frame in enumerate(self.given[:-1]):
            if introduced.issuperset(frame.values):
                removable.append(n)
            introduced.update(frame.values)
        excess = len(self.given) - self.config.max_given
        for n in reversed(removable[: max(excess, 0)]):
            del self.given[n]

    def _groups(self, object_ids: Iterable[int]) -> list[tuple[list[MemoryFrame], list[int]]]:
        """Objects that the same frames know, with those frames. Nearly always one group."""
        frames = [*self.given, *self.recent]
        groups: dict[tuple[int, ...], list[int]] = {}
        for object_id in object_ids:
            known = tuple(n for n, frame in enumerate(frames) if object_id in frame.values)
            if not known:
                raise KeyError(f"no remembered frame knows object {object_id}")
            groups.setdefault(known, []).append(object_id)
        return [([frames[n] for n in known], ids) for known, ids in groups.items()]


def positions(feature: Tensor) -> Tensor:
    """`[C, h, w]` to `[h*w, C]`, a row a position; free when the feature is channels-last."""
    return feature.flatten(-2).mT
