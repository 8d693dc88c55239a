"""Scenes to clips with OpenCV: one thread of a processor is enough to feed a training run on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

from vos_kd.data import warps
from vos_kd.data.masks import VOID_ID
from vos_kd.data.photos import Photo
from vos_kd.data.scenes import Layer, Scene

FILL_STRIDE = 4
"""Holes in a background are filled at this fraction of its size: what lies there is only guessed anyway."""

HOLE_MARGIN = 9
"""Side of the square that a hole is widened by, in photo pixels."""

GRAIN = 33
"""Side of the square whose mean is taken from a photo's pixels to tell its grain, in photo pixels."""


class CutOut(NamedTuple):
    """A layer's source pixels, cropped to what is needed."""

    colours: np.ndarray
    """uint8 `[h, w, 4]`: red, green, blue, each multiplied by alpha, and alpha."""
    shape: np.ndarray
    """uint8 `[h, w]`: 255 where the object is."""
    corner: tuple[int, int]
    """x and y of the crop in its photo."""


def render(scene: Scene, read: Callable[[int], Photo]) -> tuple[np.ndarray, np.ndarray]:
    """Make the clip of a scene.

    Args:
        scene: from `sample_scene`.
        read: photo by index.

    Returns:
        Images, uint8 `[T, H, W, 3]`, and masks, uint8 `[T, H, W]` of labels, void where the image shows what lies
        outside the background photo (mirrored, so that it looks natural).
    """
    images, masks = _render_ground(scene, read(scene.layers[0].photo))
    for layer in scene.layers[1:]:
        cut_out = cut_from(read(layer.photo), layer.object_id, layer.blur)
        for image, mask, coarse, number in zip(images, masks, layer.maps, range(len(images)), strict=True):
            _paint(image, mask, layer, cut_out, coarse, None if layer.kernels is None else layer.kernels[number])
    for image, matrix, gamma in zip(images, scene.colours.matrix, scene.colours.gamma, strict=True):
        recolour(image, matrix, gamma)
    return images, masks


def recolour(image: np.ndarray, matrix: np.ndarray, gamma: float) -> None:
    """Apply one frame's colours, in place, to a uint8 image `[H, W, 3]`."""
    scaled = matrix * np.array([1, 1, 1, 255], np.float32)
    curve = np.round(255 * (np.arange(256) / 255) ** gamma).astype(np.uint8)
    cv2.LUT(cv2.transform(image, scaled), curve, dst=image)


def cut_from(photo: Photo, object_id: int, blur: float = 0.0) -> CutOut:
    """Cut an object (0: the whole photo) out of its photo.

    The colour of its rim is taken from just inside it, because the rim's own pixels hold some of the background.

    Args:
        photo: that shows it.
        object_id: of it there.
        blur: standard deviation of a low-pass on its colours and alpha, in pixels of the photo.
    """
    if object_id == 0:
        return _softened(cv2.cvtColor(photo.image, cv2.COLOR_RGB2RGBA), (0, 0), blur)
    inside = (photo.mask == object_id).view(np.uint8)
    left, top, width, height = cv2.boundingRect(inside)
    margin = 2 + warps.BLUR_REACH
    x0, y0 = max(left - margin, 0), max(top - margin, 0)
    crop = np.s_[y0 : top + height + margin, x0 : left + width + margin]
    inside = np.ascontiguousarray(inside[crop])
    opaque = cv2.cvtColor(np.ascontiguousarray(photo.image[crop]), cv2.COLOR_RGB2RGBA)
    colours = cv2.bitwise_and(opaque, opaque, mask=inside)
    core = cv2.erode(inside, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_REPLICATE)
    rim = np.nonzero(inside - core)
    inner = cv2.bitwise_and(opaque, opaque, mask=core)
    sums = cv2.boxFilter(inner, cv2.CV_32F, (5, 5), normalize=False, borderType=cv2.BORDER_CONSTANT)[rim]
    known = sums[:, 3] > 0
    rows, columns = rim[0][known], rim[1][known]
    colours[rows, columns, :3] = np.round(sums[known, :3] * 255 / sums[known, 3:])
    return _softened(colours, (x0, y0), blur)


def _softened(colours: np.ndarray, corner: tuple[int, int], blur: float) -> CutOut:
    shape = np.ascontiguousarray(colours[:, :, 3])
    if blur:
        kernel = warps.low_pass(blur)
        colours = cv2.sepFilter2D(colours, -1, kernel, kernel, borderType=cv2.BORDER_CONSTANT)
    return CutOut(colours, shape, corner)


def fill_holes(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Paint over a hole with the colours around it, from near to far (push-pull over a pyramid), and borrowed grain.

    The grain, what a pixel differs from its surroundings, is that of the place half a photo aside: were holes smooth, a
    network would learn to know uncovered background by it.

    Args:
        image: uint8 `[H, W, 3]`.
        hole: bool `[H, W]`.
    """
    # Masks are seldom generous: a few pixels around the hole still show the object.
    wide = cv2.dilate(hole.view(np.uint8), np.ones((HOLE_MARGIN, HOLE_MARGIN), np.uint8))
    known = (1 - wide).astype(np.float32)[:, :, None]
    small = (-(-hole.shape[1] // FILL_STRIDE), -(-hole.shape[0] // FILL_STRIDE))
    weighted = np.concatenate([image * known, known], axis=2)
    pushed = cv2.resize(weighted, small, interpolation=cv2.INTER_AREA)
    filled = cv2.resize(_pull(pushed), hole.shape[::-1], interpolation=cv2.INTER_LINEAR)
    means = cv2.blur(weighted, (GRAIN, GRAIN), borderType=cv2.BORDER_CONSTANT)
    grain = (image - means[:, :, :3] / np.maximum(means[:, :, 3:], 1e-6)) * known
    filled = np.clip(filled + np.roll(grain, hole.shape[1] // 2, axis=1), 0, 255)
    feather = cv2.blur(wide.astype(np.float32), (3, 3))[:, :, None]
    return np.round(image + (filled - image) * feather).astype(np.uint8)


def _pull(pushed: np.ndarray) -> np.ndarray:
    """Colours `[h, w, 3]` from weighted colours and weights `[h, w, 4]`; where the weight lacks, coarser ones."""
    weight = pushed[:, :, 3:]
    if min(pushed.shape[:2]) <= 2:
        return np.broadcast_to(
            pushed[:, :, :3].sum((0, 1)) / np.maximum(weight.sum(), 1e-6), (*pushed.shape[:2], 3)
        ).astype(np.float32)
    half = (-(-pushed.shape[1] // 2), -(-pushed.shape[0] // 2))
    coarse = _pull(cv2.resize(pushed, half, interpolation=cv2.INTER_AREA))
    beyond = cv2.resize(coarse, pushed.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return pushed[:, :, :3] + (1 - weight) * beyond


def _render_ground(scene: Scene, photo: Photo) -> tuple[np.ndarray, np.ndarray]:
    ground = scene.layers[0]
    image = photo.image
    if ground.holes:
        image = fill_holes(image, np.isin(photo.mask, ground.holes))
    known = np.zeros(photo.mask.shape, np.uint8)
    images = np.empty((len(ground.maps), *scene.size, 3), np.uint8)
    masks = np.empty(images.shape[:3], np.uint8)
    for number, coarse in enumerate(ground.maps):
        at = warps.full_map(coarse, scene.size)
        images[number] = warps.look_up(image, at)
        if ground.kernels is not None:
            _streak(images[number], ground.kernels[number], cv2.BORDER_REFLECT)
        masks[number] = warps.look_up_ids(known, at, VOID_ID)
    return images, masks


def _paint(
    image: np.ndarray, mask: np.ndarray, layer: Layer, cut_out: CutOut, coarse: np.ndarray, kernel: np.ndarray | None
) -> None:
    """Paint one layer into one frame, in place, where it can be seen."""
    region = _region(coarse, cut_out, mask.shape, 0 if kernel is None else warps.KERNEL // 2)
    if region is None:
        return
    rows, columns = region
    at = warps.full_map(coarse, mask.shape)[rows, columns] - np.array(cut_out.corner, np.float32)
    colours = warps.look_up(cut_out.colours, at, cv2.BORDER_CONSTANT)
    if kernel is not None:
        _streak(colours, kernel, cv2.BORDER_CONSTANT)
    part = image[rows, columns]
    through = cv2.cvtColor(255 - colours[:, :, 3], cv2.COLOR_GRAY2RGB)
    front = cv2.convertScaleAbs(colours[:, :, :3], alpha=layer.gain)
    part[:] = cv2.add(cv2.multiply(part, through, scale=1 / 255), front)
    shape = warps.look_up_ids(cut_out.shape, at, 0)
    mask[rows, columns][shape > 0] = layer.label


def _streak(colours: np.ndarray, kernel: np.ndarray, border: int) -> None:
    # Most streaks are short: filter with the part of the kernel that is not 0.
    middle = warps.KERNEL // 2
    rows, columns = np.nonzero(kernel)
    up, left = middle - rows.min(), middle - columns.min()
    if up or left:
        # Streaks are symmetric about the middle, so correlation, which filter2D does, is convolution.
        part = kernel[middle - up : middle + up + 1, middle - left : middle + left + 1]
        cv2.filter2D(colours, -1, part, dst=colours, borderType=border)


def _region(coarse: np.ndarray, cut_out: CutOut, size: tuple[int, ...], margin: int) -> tuple[slice, slice] | None:
    """Rows and columns of the output where the cut-out may be seen, from the cells that look near it."""
    height, width = cut_out.colours.shape[:2]
    low = np.array(cut_out.corner, np.float32)
    step = max(np.abs(np.diff(coarse, axis=0)).max(), np.abs(np.diff(coarse, axis=1)).max())
    x, y = coarse[:, :, 0] - low[0], coarse[:, :, 1] - low[1]
    reach = step + 1
    near = (x > -reach) & (x < width + reach) & (y > -reach) & (y < height + reach)
    if not near.any():
        return None
    spans = []
    for axis, limit in ((1, size[0]), (0, size[1])):
        hit = np.flatnonzero(near.any(axis=axis))
        # Cell n, counted with the margin cell, covers output pixels (n - 1) * CELL and on.
        start = max(int(hit[0] - 1) * warps.CELL - margin, 0)
        stop = min(int(hit[-1]) * warps.CELL + margin, limit)
        if start >= stop:
            return None
        spans.append(slice(start, stop))
    return spans[0], spans[1]
