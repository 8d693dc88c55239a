"""The memory read against its formulas, and what the bank keeps."""

from __future__ import annotations

import math

import pytest
import torch

from vos_kd.config import MemoryConfig
from vos_kd.modeling import memory
from vos_kd.modeling.memory import MemoryBank, affinity, positions, prepare_keys, read_memory, readout, similarity


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_similarity_is_the_negative_squared_distance_up_to_a_term_of_the_query() -> None:
    key, query = random(7, 4), random(5, 4, seed=1)
    scores = similarity(prepare_keys(key), query)
    distance = -(query[:, None] - key[None]).square().sum(-1) / math.sqrt(4)
    torch.testing.assert_close(scores.softmax(-1), distance.softmax(-1))
    assert scores.shape == (5, 7)


def test_shrinkage_multiplies_the_similarity() -> None:
    key, query, shrinkage = random(6, 4), random(3, 4, seed=1), 1 + random(6, seed=2).square()
    plain = similarity(prepare_keys(key), query)
    torch.testing.assert_close(similarity(prepare_keys(key, shrinkage), query), plain * shrinkage)


def test_batched_similarity_equals_one_by_one() -> None:
    key, query = random(2, 6, 4), random(2, 3, 4, seed=1)
    both = similarity(prepare_keys(key), query)
    for n in range(2):
        torch.testing.assert_close(both[n], similarity(prepare_keys(key[n]), query[n]))


def test_top_k_affinity_is_the_softmax_over_the_best_k() -> None:
    scores = torch.tensor([[0.0, 2.0, 1.0, -3.0]])
    weights = affinity(scores, top_k=2)
    first = math.exp(2) / (math.exp(2) + math.exp(1))
    torch.testing.assert_close(weights, torch.tensor([[0.0, first, 1 - first, 0.0]]))
    torch.testing.assert_close(affinity(scores, top_k=9), scores.softmax(-1))


def test_readout_reads_every_object_with_the_same_weights() -> None:
    weights, values = random(3, 5).softmax(-1), random(5, 2, 4)
    got = readout(weights, values)
    assert got.shape == (3, 2, 4)
    torch.testing.assert_close(got[:, 1], weights @ values[:, 1])


def test_reading_in_chunks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    keys, values, query = prepare_keys(random(40, 8)), random(40, 3, 6), random(33, 8, seed=3)
    whole = readout(affinity(similarity(keys, query)), values)
    monkeypatch.setattr(memory, "CPU_QUERY_CHUNK", 10)
    torch.testing.assert_close(read_memory(keys, values, query), whole)


@pytest.mark.parametrize("objects", [1, 3])
def test_reading_the_best_equals_the_masked_affinity(objects: int) -> None:
    keys, values, query = prepare_keys(random(40, 8)), random(40, objects, 6), random(33, 8, seed=3)
    dense = readout(affinity(similarity(keys, query), 5), values)
    torch.testing.assert_close(read_memory(keys, values, query, top_k=5), dense)


def test_positions_are_rows_in_reading_order() -> None:
    feature = torch.arange(12.0).view(2, 2, 3)
    torch.testing.assert_close(positions(feature)[1], torch.tensor([1.0, 7.0]))


def bank(**settings: object) -> MemoryBank:
    return MemoryBank(MemoryConfig(**settings))  # type: ignore[arg-type]


def add(
    memory_bank: MemoryBank,
    number: int,
    ids: tuple[int, ...] = (1,),
    *,
    is_given: bool = False,
    is_provisional: bool = False,
) -> None:
    values = {i: torch.full((3, 2, 2), float(10 * number + i)) for i in ids}
    memory_bank.add(random(4, 2, 2, seed=number), None, values, is_given=is_given, is_provisional=is_provisional)


def kept(memory_bank: MemoryBank) -> list[int]:
    """Numbers of the frames in memory, given ones first."""
    return [int(next(iter(f.values.values()))[0, 0]) // 10 for f in (*memory_bank.given, *memory_bank.recent)]


def test_the_first_frame_stays_and_the_latest_follow() -> None:
    m = bank(max_recent=2)
    add(m, 0, is_given=True)
    for number in range(1, 6):
        add(m, number)
    assert kept(m) == [0, 4, 5]


def test_without_a_bound_everything_stays() -> None:
    m = bank(max_recent=None)
    add(m, 0, is_given=True)
    for number in range(1, 30):
        add(m, number)
    assert kept(m) == list(range(30))


def test_a_provisional_frame_is_replaced_by_the_next() -> None:
    m = bank(max_recent=3)
    add(m, 0, is_given=True)
    add(m, 1, is_provisional=True)
    add(m, 2, is_provisional=True)
    add(m, 3)  # falls on the interval: takes the provisional place and stays
    add(m, 4, is_provisional=True)
    assert kept(m) == [0, 3, 4]


def test_old_corrections_go_but_never_a_frame_that_introduced_an_object() -> None:
    m = bank(max_given=3)
    add(m, 0, (1,), is_given=True)
    add(m, 1, (1,), is_given=True)
    add(m, 2, (1, 7), is_given=True)
    add(m, 3, (1, 7), is_given=True)
    assert kept(m) == [0, 2, 3]
    add(m, 4, (1, 7, 9), is_given=True)
    assert kept(m) == [0, 2, 4]
    add(m, 5, (1, 7, 9, 200), is_given=True)
    assert kept(m) == [0, 2, 4, 5]  # four objects joined at four times: more than max_given, and needed


def test_a_correction_makes_what_was_predicted_before_it_forgotten() -> None:
    m = bank(max_recent=5)
    add(m, 0, (1, 2), is_given=True)
    add(m, 1, (1, 2))
    add(m, 2, (1,), is_provisional=True)
    add(m, 3, (1,), is_given=True)
    assert kept(m) == [0, 3, 1]
    assert [set(f.values) for f in (*m.given, *m.recent)] == [{1, 2}, {1}, {2}]
    add(m, 4, (1, 2))  # the provisional frame is gone: nothing else gives way
    assert kept(m) == [0, 3, 1, 4]


def test_an_object_reads_only_frames_that_know_it() -> None:
    m = bank()
    add(m, 0, (1,), is_given=True)
    add(m, 1, (1, 2), is_given=True)
    got = m.read(random(4, 2, 2, seed=0), [2, 1])
    assert got.shape == (2, 3, 2, 2)
    torch.testing.assert_close(got[0], torch.full((3, 2, 2), 12.0))  # object 2 has one frame, whatever the query
    assert float(got[1].min()) >= 1.0
    assert float(got[1].max()) <= 11.0
    alone = bank()
    add(alone, 0, (1,), is_given=True)
    add(alone, 1, (1,), is_given=True)
    torch.testing.assert_close(got[1:], alone.read(random(4, 2, 2, seed=0), [1]))


def test_reading_an_unknown_object_fails() -> None:
    m = bank()
    add(m, 0, (1,), is_given=True)
    with pytest.raises(KeyError, match="object 5"):
        m.read(random(4, 2, 2), [5])


def test_a_dropped_object_leaves_no_value_and_no_empty_frame() -> None:
    m = bank()
    add(m, 0, (1,), is_given=True)
    add(m, 1, (1, 2), is_given=True)
    add(m, 2, (1, 2), is_provisional=True)
    m.drop(1)
    assert kept(m) == [1, 2]
    assert [sorted(f.values) for f in (*m.given, *m.recent)] == [[2], [2]]
    m.drop(2)
    assert len(m) == 0


def test_after_the_last_object_of_a_provisional_frame_is_dropped_the_one_before_it_stays() -> None:
    m = bank()
    add(m, 0, (1, 2), is_given=True)
    add(m, 1, (1, 2))
    add(m, 2, (2,), is_provisional=True)
    m.drop(2)
    add(m, 3, (1,), is_provisional=True)
    assert kept(m) == [0, 1, 3]
