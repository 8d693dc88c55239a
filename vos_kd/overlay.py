"""Masks over images, and images side by side, to look at. Both run once for each frame of a video, so they are fast."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np

from vos_kd.data.masks import VOID_ID, palette, require_size
from vos_kd.errors import InputError

_GAP = 4  # pixels between panes
_BAR_COLOUR = (24, 26, 30)
_TEXT_COLOUR = (240, 240, 240)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
# Okabe and Ito's eight colours without black, in an order in which the first differ most in brightness, too.
_SAFE = ((230, 159, 0), (0, 114, 178), (240, 228, 66), (213, 94, 0), (86, 180, 233), (0, 158, 115), (204, 121, 167))


def safe_palette() -> np.ndarray:
    """Colours that colour-blind people can tell apart (Okabe and Ito, "Color Universal Design", 2008), over and over.

    The DAVIS palette begins with a dark red and a dark green, which many cannot.

    Returns:
        RGB uint8 `[256, 3]`; black for background and void.
    """
    colours = np.zeros((256, 3), np.uint8)
    colours[1:VOID_ID] = np.resize(np.array(_SAFE, np.uint8), (VOID_ID - 1, 3))
    return colours


def draw_overlay(
    image: np.ndarray, mask: np.ndarray, alpha: float = 0.5, contour: bool = True, colours: np.ndarray | None = None
) -> np.ndarray:
    """Tint objects by id.

    The contour is white outside and dark inside, so that it shows on every image and to every eye; it lies in the
    object, and the image beyond stays as it is. Void stays as it is, too.

    Args:
        image: RGB uint8 `[H, W, 3]`; it is not changed.
        mask: uint8 `[H, W]` of object ids.
        alpha: weight of the tint, 0-1.
        contour: whether to draw the objects' edges.
        colours: RGB uint8 `[256, 3]` by id; the DAVIS palette if None.

    Returns:
        RGB uint8 `[H, W, 3]`, a new array.

    Raises:
        InputError: image and mask differ in size, or `alpha` is out of range.
    """
    require_size(mask, image.shape[0], image.shape[1], "to overlay")
    if not 0 <= alpha <= 1:
        raise InputError(f"alpha is {alpha}; expected 0 (image alone) to 1 (tint alone).")
    drawn = image.copy()
    shown = np.where(mask == VOID_ID, np.uint8(0), mask)
    left, top, width, height = cv2.boundingRect(shown)
    if not width:
        return drawn
    window = np.s_[top : top + height, left : left + width]
    ids = np.ascontiguousarray(shown[window])
    table = palette() if colours is None else colours
    weights = np.full(256, round(255 * (1 - alpha)), np.uint8)
    weights[0] = 255
    tint = np.round(table * alpha).astype(np.uint8)
    tint[0] = 0
    tinted = cv2.multiply(drawn[window], _look_up(ids, np.stack([weights] * 3, axis=1)), scale=1 / 255)
    drawn[window] = cv2.add(tinted, _look_up(ids, tint))
    if contour:
        _draw_contours(drawn, shown, window)
    return drawn


def side_by_side(images: Sequence[np.ndarray], labels: Sequence[str]) -> np.ndarray:
    """Put images in a row, each below a bar with its label.

    Args:
        images: RGB uint8 `[H, W, 3]`, at least one, all of one size.
        labels: one for each image; what does not fit its pane is written smaller. OpenCV's font knows ASCII only.

    Returns:
        RGB uint8 `[H + bar, W', 3]`.

    Raises:
        InputError: no images, or numbers or sizes differ.
    """
    if not images or len(images) != len(labels):
        raise InputError(f"{len(images)} images and {len(labels)} labels; expected one label for each of 1 or more.")
    sizes = {f"{image.shape[1]}x{image.shape[0]}" for image in images}
    if len(sizes) > 1:
        raise InputError(f"images of {', '.join(sorted(sizes))} were given; expected one size. Scale them first.")
    height, width, _ = images[0].shape
    bar = max(20, round(0.07 * height))
    row = np.empty((bar + height, len(images) * (width + _GAP) - _GAP, 3), np.uint8)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        left = number * (width + _GAP)
        row[bar:, left : left + width] = image
        row[:bar, left : left + width] = _bar(bar, width, label)
        row[:, left + width : left + width + _GAP] = _BAR_COLOUR
    return row


def _look_up(ids: np.ndarray, table: np.ndarray) -> np.ndarray:
    """`table[ids]` for a table `[256, 3]`, several times as fast."""
    return np.asarray(cv2.merge([cv2.LUT(ids, np.ascontiguousarray(table[:, channel])) for channel in range(3)]))


def _draw_contours(drawn: np.ndarray, shown: np.ndarray, window: tuple[slice, slice]) -> None:
    """Draw the edges of objects against background and each other, in place: white, and dark within."""
    # One pixel more on every side, where there is one: an edge is seen against what lies beyond it.
    top, left = max(window[0].start - 1, 0), max(window[1].start - 1, 0)
    region = np.s_[top : window[0].stop + 1, left : window[1].stop + 1]
    ids = np.ascontiguousarray(shown[region])
    is_object = ids > 0
    thickness = max(1, round(min(shown.shape) / 400))
    # Bottom up, so that the white covers all of the dark but its inner rim.
    for reach, colour in ((2 * thickness, (20, 20, 20)), (thickness, (255, 255, 255))):
        square = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
        is_edge = cv2.erode(ids, square) != cv2.dilate(ids, square)
        drawn[region][is_edge & is_object] = colour


@lru_cache(maxsize=16)  # labels seldom change from frame to frame
def _bar(height: int, width: int, label: str) -> np.ndarray:
    """A label on a bar, centred."""
    bar = np.full((height, width, 3), _BAR_COLOUR, np.uint8)
    (reach, ascent), _ = cv2.getTextSize(label, _FONT, 1.0, 1)
    scale = min(0.5 * height / max(ascent, 1), 0.95 * width / max(reach, 1))
    origin = (round((width - scale * reach) / 2), round((height + scale * ascent) / 2))
    cv2.putText(bar, label, origin, _FONT, scale, _TEXT_COLOUR, max(1, round(1.6 * scale)), cv2.LINE_AA)
    return bar
