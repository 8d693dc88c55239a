"""Where a photo's objects lie and how large they are: all that scene sampling needs to know of a photo."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from vos_kd.data.masks import VOID_ID

MIN_SOURCE_AREA = 250
"""Objects with fewer photo pixels are no cut-outs worth pasting."""


class ObjectBox(NamedTuple):
    """Where an object lies in its photo."""

    object_id: int
    left: int
    top: int
    width: int
    height: int
    area: int
    """In pixels."""
    is_cut: bool
    """Whether it touches the photo's border, so that moving it far would show a straight edge."""

    @property
    def centre(self) -> np.ndarray:
        """`[2]`, x and y."""
        return np.array([self.left + self.width / 2, self.top + self.height / 2])

    @property
    def side(self) -> float:
        """Side of the square of the box's area."""
        return float(np.sqrt(self.width * self.height))


class PhotoGeometry(NamedTuple):
    """A photo's size and objects."""

    height: int
    width: int
    objects: tuple[ObjectBox, ...]
    """Those large enough to cut out, in order of their ids."""


def photo_geometry(mask: np.ndarray) -> PhotoGeometry:
    """Measure the objects of a photo's mask, uint8 `[H, W]`; void is background."""
    areas = np.bincount(mask.ravel(), minlength=256)
    objects = []
    for object_id in np.flatnonzero(areas >= MIN_SOURCE_AREA):
        if object_id in (0, VOID_ID):
            continue
        left, top, width, height = cv2.boundingRect((mask == object_id).view(np.uint8))
        is_cut = left == 0 or top == 0 or left + width == mask.shape[1] or top + height == mask.shape[0]
        objects.append(ObjectBox(int(object_id), left, top, width, height, int(areas[object_id]), is_cut))
    return PhotoGeometry(mask.shape[0], mask.shape[1], tuple(objects))
