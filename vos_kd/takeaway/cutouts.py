"""Objects cut out of their clip: as a video with transparency, and as RGBA images."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from vos_kd.errors import InputError
from vos_kd.takeaway.results import Results
from vos_kd.takeaway.zips import writing_zip
from vos_kd.video_io import AlphaWriter, Clip

_RIM = 4
"""Pixels around an object that keep their colour in a video, which stores colour for blocks of pixels: no dark seam."""


def write_cutout_video(
    target: Path, results: Results, clip: Clip, fps: float | Fraction, objects: Collection[int] | None = None
) -> None:
    """Write a WebM (VP9) in which all but the objects is transparent; Chromium and Firefox play it over a page.

    Args:
        target: where it shall lie; ends in .webm.
        results: of one model.
        clip: that the masks were made from.
        fps: frames a second; that of the clip divided by the step between frames.
        objects: ids to show; None for all.

    Raises:
        InputError: none of the objects is seen, the masks are of another clip, or the file cannot be written.
    """
    with AlphaWriter(target, fps) as video:
        for _, image, shown in _cut(results, clip, objects):
            square = np.ones((2 * _RIM + 1, 2 * _RIM + 1), np.uint8)
            near = cv2.dilate(shown, square) > 0
            video.write(np.dstack([image * near[..., None], shown]))


def write_cutout_images(target: Path, results: Results, clip: Clip, objects: Collection[int] | None = None) -> None:
    """Write a zip of RGBA PNGs, CLIP/00000.png and so on; what is transparent is black, and gives nothing away.

    Args:
        target: where it shall lie; ends in .zip.
        results: of one model.
        clip: that the masks were made from.
        objects: ids to show; None for all.

    Raises:
        InputError: none of the objects is seen, the masks are of another clip, or the file cannot be written.
    """
    with writing_zip(target) as file:
        for name, image, shown in _cut(results, clip, objects):
            colours = cv2.cvtColor(cv2.bitwise_and(image, image, mask=shown), cv2.COLOR_RGB2BGR)
            _, data = cv2.imencode(".png", cv2.merge([*cv2.split(colours), shown]))
            file.add(f"{results.clip_name}/{name}.png", data.tobytes())


def _cut(results: Results, clip: Clip, objects: Collection[int] | None) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name, image and alpha (uint8 `[H, W]` of 0 and 255) of each frame."""
    table = np.zeros(256, np.uint8)
    table[1:255] = 255
    if objects is not None:
        table[[i for i in range(256) if i not in objects]] = 0
    is_empty = True
    for name, image, mask in results.frames(clip):
        shown = np.asarray(cv2.LUT(mask, table))
        is_empty = is_empty and not shown.any()
        yield name, image, shown
    if is_empty:
        which = "no object" if objects is None else f"none of the objects {sorted(objects)}"
        raise InputError(f"{which} is seen in any frame, so there is nothing to cut out. Choose another object.")
