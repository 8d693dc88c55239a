"""What is dropped as a distractor, and what is not."""

from __future__ import annotations

import torch
from torch import Tensor

from vos_kd.modeling.distractors import without_distractors


def probs(*spans: tuple[int, int], height: int = 20, width: int = 60) -> Tensor:
    """One object at 0.9 in rows 5 to 15 of some columns, and at 0.1 elsewhere."""
    mask = torch.full((1, height, width), 0.1)
    for start, stop in spans:
        mask[:, 5:15, start:stop] = 0.9
    return mask


def columns(mask: Tensor) -> list[int]:
    return [int(column) for column in (mask[0] > 0.5).any(0).nonzero()[:, 0]]


def test_a_piece_out_of_reach_is_dropped_and_the_rest_is_not_touched() -> None:
    found = probs((4, 10), (30, 36))
    got = without_distractors(found, probs((2, 8)), 0.2)
    assert columns(got) == [*range(4, 10)]
    assert (got[0, 5:15, 30:36] == 0).all()
    kept = torch.ones_like(got, dtype=torch.bool)
    kept[:, 5:15, 30:36] = False
    torch.testing.assert_close(got[kept], found[kept], rtol=0, atol=0)


def test_reach_is_a_share_of_the_shorter_side_and_ends_sharply() -> None:
    # From column 7 on, 0.2 of 20 rows reaches column 11: a piece from there is near, one from 12 on is not.
    assert columns(without_distractors(probs((2, 8), (11, 14)), probs((2, 8)), 0.2)) == [*range(2, 8), *range(11, 14)]
    assert columns(without_distractors(probs((2, 8), (12, 14)), probs((2, 8)), 0.2)) == [*range(2, 8)]


def test_a_piece_that_touches_the_object_is_in_any_reach() -> None:
    assert columns(without_distractors(probs((2, 5), (8, 12)), probs((2, 8)), 0.001)) == [*range(2, 5), *range(8, 12)]
    assert columns(without_distractors(probs((2, 5), (9, 12)), probs((2, 8)), 0.001)) == [*range(2, 5)]


def test_a_piece_that_begins_in_reach_is_kept_whole_however_far_it_leads() -> None:
    found = probs((0, 2), (9, 60))
    assert columns(without_distractors(found, probs((2, 8)), 0.1)) == [0, 1, *range(9, 60)]


def test_the_background_is_no_piece_even_where_the_object_fills_all_that_is_in_reach() -> None:
    found = probs((50, 56))
    found[:, :, 10:30] = 0.9
    got = without_distractors(found, probs((18, 22)), 0.1)
    assert columns(got) == [*range(10, 30)]
    assert (got[0, :, 30:50] == found[0, :, 30:50]).all()


def test_an_object_that_jumped_or_comes_back_keeps_all_pieces() -> None:
    found = probs((30, 36), (50, 56))
    assert without_distractors(found, probs((2, 8)), 0.1) is found
    assert without_distractors(found, probs(), 0.1) is found


def test_a_speck_in_reach_is_no_reason_to_drop_the_rest() -> None:
    before = probs((2, 12))  # 100 pixels
    assert columns(without_distractors(probs((4, 5), (40, 60)), before, 0.1)) == [4, *range(40, 60)]
    assert columns(without_distractors(probs((4, 6), (40, 60)), before, 0.1)) == [4, 5]


def test_a_single_piece_is_kept_wherever_it_is() -> None:
    found = probs((50, 56))
    assert without_distractors(found, probs((2, 8)), 0.1) is found


def test_each_object_has_its_own_reach() -> None:
    found = torch.cat([probs((4, 10), (30, 36)), probs((4, 10), (30, 36))])
    got = without_distractors(found, torch.cat([probs((2, 8)), probs((31, 37))]), 0.2)
    assert columns(got[:1]) == [*range(4, 10)]
    assert columns(got[1:]) == [*range(30, 36)]
