"""Where two models agree on a clip, in figures and in a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from vos_kd.data.masks import VOID_ID, require_size
from vos_kd.errors import InputError
from vos_kd.takeaway.results import Results

_DIM = 0.45  # brightness of the image below the heat
_SPREAD = 0.012  # of the short side: what is a pixel wide shall be seen, too


class Agreement(NamedTuple):
    """How far two models agree on each frame that both have."""

    names: tuple[str, ...]
    """Of the T frames."""
    object_ids: tuple[int, ...]
    """Of the O objects."""
    iou: np.ndarray
    """float64 `[T, O]` in 0-1; see `object_ious`."""

    @property
    def mean(self) -> np.ndarray:
        """Over the objects, float64 `[T]`."""
        return np.asarray(self.iou.mean(axis=1))


def object_ious(first: np.ndarray, second: np.ndarray, object_ids: Sequence[int]) -> np.ndarray:
    """Intersection over union of each object in two masks.

    Args:
        first: uint8 `[H, W]` of object ids.
        second: likewise.
        object_ids: O ids.

    Returns:
        float64 `[O]` in 0-1; 1 where neither mask shows the object, as for J.

    Raises:
        InputError: the masks differ in size.
    """
    require_size(second, first.shape[0], first.shape[1], "to compare")
    # All pairs of ids that lie over each other, counted at once.
    pairs = np.bincount((first.ravel().astype(np.uint16) << 8) | second.ravel(), minlength=1 << 16).reshape(256, 256)
    ids = np.asarray(object_ids, int)
    both = pairs[ids, ids]
    either = pairs.sum(axis=1)[ids] + pairs.sum(axis=0)[ids] - both
    return np.where(either > 0, both / np.maximum(either, 1), 1.0)


def agreement(first: Results, second: Results, object_ids: Sequence[int]) -> Agreement:
    """Compare two runs frame by frame; a run that was stopped early is compared as far as it goes.

    Raises:
        InputError: no objects, no frame that both have, or masks of different sizes.
    """
    if not object_ids:
        raise InputError("there is no object to compare; prompt one first.")
    there = set(second.names)
    names = tuple(name for name in first.names if name in there)
    if not names:
        raise InputError(f"{first.label} and {second.label} have no frame in common; run both on one clip.")
    rows = [object_ious(first.mask(name), second.mask(name), object_ids) for name in names]
    return Agreement(names, tuple(object_ids), np.stack(rows))


def draw_disagreement(image: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Show where two masks differ: heat over the image in grey, brighter the thicker the difference.

    Args:
        image: RGB uint8 `[H, W, 3]`; it is not changed.
        first: uint8 `[H, W]` of object ids.
        second: likewise.

    Returns:
        RGB uint8 `[H, W, 3]`.

    Raises:
        InputError: the sizes differ.
    """
    height, width, _ = image.shape
    for mask in (first, second):
        require_size(mask, height, width, "to compare")
    differs = (first != second) & (first != VOID_ID) & (second != VOID_ID)
    side = 2 * max(1, round(_SPREAD * min(height, width))) + 1
    heat = cv2.blur(np.where(differs, np.uint8(255), np.uint8(0)), (side, side))
    # The root lifts thin rims; what differs is never fainter than half.
    level = np.maximum(np.sqrt(heat.astype(np.float32) / 255), 0.5 * differs)
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB) * _DIM
    colours = cv2.cvtColor(cv2.applyColorMap((255 * level).astype(np.uint8), cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    weight = np.minimum(1.6 * level, 1)[..., None]
    return np.asarray(grey + (colours - grey) * weight).round().astype(np.uint8)
