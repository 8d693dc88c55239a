"""Masks survive any way through a file and through planes; no bytes at all bring the reader down."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from vos_kd.data.masks import (
    VOID_ID,
    decode_mask,
    encode_mask,
    object_ids,
    palette,
    to_one_hot,
    void_mask,
)
from vos_kd.errors import InputError

# Up to seven objects: more of single pixels are rightly taken for a smoothed mask.
IDS = st.lists(st.integers(1, 254), min_size=1, max_size=7, unique=True)


@st.composite
def masks(draw: st.DrawFn) -> np.ndarray:
    values = st.sampled_from([0, VOID_ID, *draw(IDS)])
    shape = hnp.array_shapes(min_dims=2, max_dims=2, max_side=24)
    return draw(hnp.arrays(np.uint8, shape, elements=values))


@given(masks())
def test_what_is_written_is_read_back_and_equal_masks_give_equal_bytes(mask: np.ndarray) -> None:
    data = encode_mask(mask)
    assert np.array_equal(decode_mask(data, "mask"), mask)
    assert encode_mask(mask.copy()) == data


@given(masks())
def test_painting_with_the_palette_names_the_same_ids(mask: np.ndarray) -> None:
    buffer = io.BytesIO()
    Image.fromarray(palette()[mask]).save(buffer, "PNG")
    assert np.array_equal(decode_mask(buffer.getvalue(), "mask"), mask)


@given(masks())
def test_planes_and_void_hold_all_of_a_mask(mask: np.ndarray) -> None:
    ids = object_ids(mask)
    planes = to_one_hot(mask, ids)
    assert planes.any(axis=(1, 2)).all()
    assert planes.sum(axis=0).max(initial=0) <= 1
    assert not np.any(planes & void_mask(mask))
    numbers = np.asarray(ids, int)[:, None, None]
    assert np.array_equal((planes * numbers).sum(axis=0) + VOID_ID * void_mask(mask), mask)
    assert set(ids) == set(np.unique(mask).tolist()) - {0, VOID_ID}


@given(masks(), st.data())
@settings(max_examples=200)
def test_damage_gives_a_mask_or_an_input_error(mask: np.ndarray, data: st.DataObject) -> None:
    content = bytearray(encode_mask(mask))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    with contextlib.suppress(InputError):
        found = decode_mask(bytes(content), "damaged.png")
        assert found.dtype == np.uint8
        assert found.ndim == 2


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_give_an_input_error(content: bytes, signed: bool) -> None:
    start = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x04\0\0\0\x04" if signed else b""
    with pytest.raises(InputError, match=r"noise\.png"):
        decode_mask(start + content, "noise.png")
