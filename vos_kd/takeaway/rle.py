"""Masks as COCO keeps them: runs of equal pixels, column by column, written as text.

The text is that of `maskApi.c` in pycocotools: from the fourth run on, each run less the one two before it, in digits
of five bits, the least significant first, with a sixth bit that says whether more follow, and 48 added to be printable.
"""

from __future__ import annotations

from typing import TypedDict

import numpy as np

_FIRST = 48  # "0"


class Rle(TypedDict):
    """What `pycocotools.mask.decode` takes."""

    size: list[int]
    """Height and width."""
    counts: str


def encode_rle(mask: np.ndarray) -> Rle:
    """Encode a mask.

    Args:
        mask: bool `[H, W]`.

    >>> encode_rle(np.array([[0, 1], [1, 1]], bool))
    {'size': [2, 2], 'counts': '13'}
    """
    pixels = np.ascontiguousarray(mask.T).ravel()
    changes = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    runs = np.diff(changes, prepend=0, append=pixels.size)
    if pixels.size and pixels[0]:  # runs begin with one of background
        runs = np.concatenate([[0], runs])
    steps = runs.copy()
    steps[3:] -= runs[1:-2]
    return {"size": list(mask.shape), "counts": "".join(map(_digits, steps.tolist()))}


def _digits(number: int) -> str:
    text = ""
    while True:
        digit, number = number & 31, number >> 5
        is_last = number == (-1 if digit & 16 else 0)
        text += chr(_FIRST + (digit if is_last else digit | 32))
        if is_last:
            return text
