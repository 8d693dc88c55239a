"""What holds of affinity and aggregation whatever the numbers."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from vos_kd.modeling.aggregation import soft_aggregate
from vos_kd.modeling.memory import affinity, best_positions, prepare_keys, read_memory

seeds = st.integers(0, 10_000)


def random(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * (1 + seed % 7)


@given(seeds, st.integers(1, 9), st.integers(1, 12), st.one_of(st.none(), st.integers(1, 14)))
def test_affinity_sums_to_one_over_memory(seed: int, queries: int, memory: int, top_k: int | None) -> None:
    weights = affinity(random(seed, queries, memory), top_k)
    torch.testing.assert_close(weights.sum(-1), torch.ones(queries))
    assert int((weights > 0).sum(-1).max()) <= (top_k or memory)


@given(seeds, st.integers(1, 6))
def test_reading_does_not_depend_on_the_order_of_memory(seed: int, objects: int) -> None:
    key, value, query = random(seed, 8, 4), random(seed + 1, 8, objects, 3), random(seed + 2, 5, 4)
    order = torch.randperm(8, generator=torch.Generator().manual_seed(seed))
    got = read_memory(prepare_keys(key[order]), value[order], query)
    torch.testing.assert_close(got, read_memory(prepare_keys(key), value, query), rtol=1e-4, atol=1e-4)


@given(seeds, st.integers(1, 5))
def test_aggregated_probabilities_sum_to_one_and_follow_the_objects_order(seed: int, objects: int) -> None:
    probs = torch.sigmoid(random(seed, 2, objects, 3))
    aggregated = soft_aggregate(probs).softmax(1)
    torch.testing.assert_close(aggregated.sum(1), torch.ones(2, 3))
    flipped = soft_aggregate(probs.flip(1)).softmax(1)
    torch.testing.assert_close(flipped[:, 1:], aggregated[:, 1:].flip(1))


@given(seeds)
def test_one_object_keeps_its_probability(seed: int) -> None:
    probs = torch.sigmoid(random(seed, 1, 1, 20)).clamp(1e-4, 1 - 1e-4)
    torch.testing.assert_close(soft_aggregate(probs).softmax(1)[:, 1:], _paired(probs))


def _paired(p: torch.Tensor) -> torch.Tensor:
    """With odds o of the object and 1/o of the background, the softmax of both log-odds is o / (o + 1/o)."""
    odds = p / (1 - p)
    return odds / (odds + 1 / odds)


@given(
    seed=st.integers(0, 2**16),
    queries=st.integers(1, 5),
    top_k=st.integers(1, 24),
    more=st.integers(1, 700),
    levels=st.sampled_from((0, 3, 50)),
)
def test_best_positions_are_those_of_topk(seed: int, queries: int, top_k: int, more: int, levels: int) -> None:
    scores = random(seed, queries, top_k + more)
    if levels:  # many equal ones, as in bfloat16
        scores = (scores * levels).round() / levels
    best, index = best_positions(scores, top_k)
    torch.testing.assert_close(best, torch.topk(scores, top_k, dim=-1).values, rtol=0, atol=0)
    torch.testing.assert_close(scores.gather(1, index), best, rtol=0, atol=0)
    assert all(len(set(row.tolist())) == top_k for row in index), "no position twice"
