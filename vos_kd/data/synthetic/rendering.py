"""Actors on a stage: outlines with textures, drawn back to front with smooth edges, and the exact mask of what is seen.

An outline is filled at four times the resolution. The share of a pixel that it covers blends the colours; where it is
at least a half, the mask takes the actor's label. So image and mask come of one and the same coverage, and of the same
order, whoever hides whom.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from vos_kd.data.synthetic.outlines import moved

_FINE = 4  # subpixels to a pixel, each way
_SHIFT = 4  # fractional bits of OpenCV's polygon corners
_COARSE = 4  # pixels to a shadow's pixel, each way: it is blurred anyway


class Pose(NamedTuple):
    """Where an actor stands."""

    x: float
    """Centre, in pixels from the left edge of the image."""
    y: float
    scale: float
    """Pixels to one unit of its outlines."""
    angle: float = 0.0
    """Radians, clockwise as seen."""


@dataclass(frozen=True)
class Part:
    """One piece of an actor."""

    outline: Callable[[float], np.ndarray]
    """Time in 0-1 to a closed polygon `[N, 2]` in the actor's units."""
    texture: np.ndarray
    """uint8 `[n, n, 3]` over -extent to extent; turns with the actor."""
    extent: float = 1.2
    light: np.ndarray | None = None
    """uint8 `[n, n]` over the same square, as `ball_light` makes it; does not turn with the actor."""
    casts_shadow: bool = True


Parts = tuple[Part, ...]


@dataclass(frozen=True)
class Shadow:
    """How an actor's shadow falls; lengths in the actor's units."""

    x: float = 0.1
    y: float = 0.15
    squash: float = 1.0
    """Height of the shadow as a share of the outline's."""
    blur: float = 0.15
    strength: float = 0.45


@dataclass(frozen=True)
class Actor:
    """Something that moves; parts are drawn in order."""

    label: int
    """Id in the masks; 0 hides others without being an object itself."""
    pose: Callable[[float], Pose]
    parts: Parts
    shadow: Shadow | None = None


@dataclass(frozen=True)
class Scene:
    """A ground and the actors before it, back to front."""

    ground: Callable[[float], np.ndarray]
    """Time in 0-1 to RGB uint8 `[H, W, 3]`, a fresh array."""
    actors: tuple[Actor, ...]


def render_scene(scene: Scene, frames: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Render a scene lazily.

    Yields:
        For each frame its image, RGB uint8 `[H, W, 3]`, and its mask, uint8 `[H, W]` of labels.
    """
    for number in range(frames):
        time = number / max(frames - 1, 1)
        image = scene.ground(time)
        mask = np.zeros(image.shape[:2], np.uint8)
        for actor in scene.actors:
            pose = actor.pose(time)
            outlines = [moved(part.outline(time), pose.x, pose.y, pose.angle, pose.scale) for part in actor.parts]
            if actor.shadow is not None:
                solid = [o for part, o in zip(actor.parts, outlines, strict=True) if part.casts_shadow]
                _cast(image, solid, pose, actor.shadow)
            for part, outline in zip(actor.parts, outlines, strict=True):
                _paint(image, mask, part, outline, pose, actor.label)
        yield image, mask


def blend(below: np.ndarray, above: np.ndarray, coverage: np.ndarray) -> None:
    """Lay uint8 colours `[h, w, 3]` over others, in place, by coverage uint8 `[h, w]`."""
    share = cv2.cvtColor(coverage, cv2.COLOR_GRAY2RGB)
    rest = cv2.multiply(below, cv2.bitwise_not(share), scale=1 / 255)
    below[:] = cv2.add(rest, cv2.multiply(above, share, scale=1 / 255))


def _window(outline: np.ndarray, size: tuple[int, ...], margin: float = 1.0) -> tuple[int, int, int, int] | None:
    """Left, top, right and bottom of the image's pixels that a polygon may touch."""
    low = np.maximum(np.floor(outline.min(axis=0) - margin), 0)
    high = np.minimum(np.ceil(outline.max(axis=0) + margin), (size[1], size[0]))
    if np.any(low >= high):
        return None
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _fill(canvas: np.ndarray, outline: np.ndarray) -> None:
    """Fill a polygon; pixel n of the canvas spans n to n + 1."""
    corners = np.round((outline - 0.5) * 2**_SHIFT).astype(np.int32)
    cv2.fillPoly(canvas, [corners], 255, shift=_SHIFT)


def _paint(image: np.ndarray, mask: np.ndarray, part: Part, outline: np.ndarray, pose: Pose, label: int) -> None:
    window = _window(outline, mask.shape)
    if window is None:
        return
    left, top, right, bottom = window
    size = (right - left, bottom - top)
    fine = np.zeros((size[1] * _FINE, size[0] * _FINE), np.uint8)
    _fill(fine, (outline - (left, top)) * _FINE)
    coverage = cv2.resize(fine, size, interpolation=cv2.INTER_AREA)
    colours = _sample(part.texture, part.extent, pose, pose.angle, window)
    if part.light is not None:
        light = _sample(part.light, part.extent, pose, 0.0, window)
        dim = cv2.cvtColor(np.minimum(light, 128), cv2.COLOR_GRAY2RGB)
        shine = cv2.cvtColor(np.maximum(light, 128) - 128, cv2.COLOR_GRAY2RGB)
        colours = cv2.add(cv2.multiply(colours, dim, scale=1 / 128), shine)
    blend(image[top:bottom, left:right], colours, coverage)
    mask[top:bottom, left:right][coverage >= 128] = label


def _sample(
    texture: np.ndarray, extent: float, pose: Pose, angle: float, window: tuple[int, int, int, int]
) -> np.ndarray:
    """The texture as it shows in a window of the image."""
    left, top, right, bottom = window
    side = 2 * extent * pose.scale
    # Looking up a texture much larger than it shows would flicker.
    if len(texture) > 1.5 * side:
        small = max(round(side), 1)
        texture = cv2.resize(texture, (small, small), interpolation=cv2.INTER_AREA)
    step = len(texture) / side
    cos, sin = step * np.cos(angle), step * np.sin(angle)
    middle = len(texture) / 2 - 0.5
    x, y = left + 0.5 - pose.x, top + 0.5 - pose.y
    inverse = np.array([[cos, sin, cos * x + sin * y + middle], [-sin, cos, cos * y - sin * x + middle]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(texture, inverse, (right - left, bottom - top), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    )


def _cast(image: np.ndarray, outlines: list[np.ndarray], pose: Pose, shadow: Shadow) -> None:
    """Darken what lies under an actor's shadow, in place."""
    shift = np.array([shadow.x, shadow.y]) * pose.scale
    centre = np.array([pose.x, pose.y])
    fallen = [(outline - centre) * (1, shadow.squash) + centre + shift for outline in outlines]
    sigma = max(shadow.blur * pose.scale, 0.5)
    window = _window(np.concatenate(fallen), image.shape, 3 * sigma)
    if window is None:
        return
    left, top, right, bottom = window
    dark = np.zeros((-(-(bottom - top) // _COARSE) + 1, -(-(right - left) // _COARSE) + 1), np.uint8)
    for outline in fallen:
        _fill(dark, (outline - (left, top)) / _COARSE)
    soft = cv2.GaussianBlur(dark, (0, 0), max(sigma / _COARSE, 0.3), borderType=cv2.BORDER_REPLICATE)
    full = cv2.resize(soft, None, fx=_COARSE, fy=_COARSE, interpolation=cv2.INTER_LINEAR)
    light = cv2.convertScaleAbs(full[: bottom - top, : right - left], alpha=-shadow.strength, beta=255)
    part = image[top:bottom, left:right]
    part[:] = cv2.multiply(part, cv2.cvtColor(light, cv2.COLOR_GRAY2RGB), scale=1 / 255)
