"""What holds of dropping distractors whatever the masks."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from vos_kd.modeling.distractors import without_distractors


def masks(seed: int, objects: int) -> torch.Tensor:
    coarse = torch.rand(objects, 1, 6, 9, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, scale_factor=4, mode="bilinear")[:, 0]


@given(st.integers(0, 10_000), st.integers(1, 4), st.floats(0.02, 1))
def test_probabilities_stay_or_become_zero_and_no_object_vanishes(seed: int, objects: int, reach: float) -> None:
    found, before = masks(seed, objects), masks(seed + 1, objects)
    got = without_distractors(found, before, reach)
    assert bool(((got == found) | (got == 0)).all())
    assert bool(((got > 0.5).flatten(1).any(1) == (found > 0.5).flatten(1).any(1)).all())
    again = without_distractors(got, before, reach)
    torch.testing.assert_close(again, got, rtol=0, atol=0)
    there = (found > 0.5) & (before > 0.5)  # where the object was, it is in reach
    torch.testing.assert_close(got[there], found[there], rtol=0, atol=0)
