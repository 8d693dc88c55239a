"""Grounds: wide painted backdrops, in layers that pan at different speeds."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

from vos_kd.data.synthetic.rendering import blend
from vos_kd.data.synthetic.textures import Colour, floats, mix, noise, ramp, rgb, smoothstep, to_uint8

Ground = Callable[[float], np.ndarray]


class Stage(NamedTuple):
    """What a scene is painted for."""

    height: int
    width: int
    rng: np.random.Generator

    @property
    def unit(self) -> int:
        """The short side in pixels; lengths in scenes are shares of it."""
        return min(self.height, self.width)

    def grid(self, pan: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """x and y in short sides from the top left, float32, wide enough to pan by `pan` short sides."""
        width = self.width + int(np.ceil(abs(pan) * self.unit)) + 2
        x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(self.height, dtype=np.float32))
        return (x + 0.5) / self.unit, (y + 0.5) / self.height

    def noise(self, like: np.ndarray, cell: float, stretch: float = 1.0) -> np.ndarray:
        """Noise as large as an array, with features of `cell` short sides."""
        return noise(self.rng, like.shape[:2], cell * self.unit, stretch)


class Backdrop(NamedTuple):
    """One layer of a ground."""

    image: np.ndarray
    """uint8 `[H, W + pan, 3]`, or with alpha `[..., 4]`."""
    pan: float
    """How far the view moves over it during the clip, in short sides; negative to the left."""


def panning(stage: Stage, backdrops: list[Backdrop]) -> Ground:
    """A ground of layers, back to front; the first must be opaque."""

    def ground(time: float) -> np.ndarray:
        views = [_view(stage, backdrop, time) for backdrop in backdrops]
        image = views[0]
        for view in views[1:]:
            blend(image, view[..., :3], np.ascontiguousarray(view[..., 3]))
        return image

    return ground


def _view(stage: Stage, backdrop: Backdrop, time: float) -> np.ndarray:
    way = backdrop.pan * stage.unit
    start = way * time if way >= 0 else way * (time - 1)
    shift = np.array([[1, 0, start], [0, 1, 0]], np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (stage.width, stage.height)
    view = cv2.warpAffine(backdrop.image, shift, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.ascontiguousarray(view)


def sky(stage: Stage, pan: float, stops: list[tuple[float, Colour]], cloud: Colour, cover: float) -> Backdrop:
    """A sky: colours by height, and clouds over `cover` (0-1) of it."""
    _, y = stage.grid(pan)
    billows = stage.noise(y, 0.42, 1.9)
    low, high = 0.72 - 0.4 * cover, 0.95 - 0.3 * cover
    density = smoothstep(low, high, billows)
    # Clouds are darker below, where the same billows a little higher up take the light away.
    above = np.roll(billows, max(stage.height // 40, 1), axis=0)
    lit = np.clip(1.0 + 0.9 * (billows - above), 0.8, 1.06)[..., None]
    image = mix(ramp(y, stops), floats(cloud) * lit, 0.92 * density)
    return Backdrop(to_uint8(image), pan)


def hills(stage: Stage, pan: float, level: float, rough: float, colours: list[tuple[float, Colour]]) -> Backdrop:
    """A ridge at `level` of the height (0 top), `rough` high; colours by depth below the ridge, noise as texture."""
    x, y = stage.grid(pan)
    profile = noise(stage.rng, (1, x.shape[1]), 0.7 * stage.unit)[0]
    ridge = level + rough * 2 * (0.5 - profile)
    depth = y - ridge[None]
    grain = 0.5 * stage.noise(x, 0.07, 1.6) + 0.5 * stage.noise(x, 0.018, 1.3)
    image = ramp(depth + 0.06 * (grain - 0.5), colours) * (0.78 + 0.44 * grain[..., None])
    alpha = np.clip(depth * stage.height + 0.5, 0, 1)
    return Backdrop(to_uint8(np.dstack([image, alpha])), pan)


def sea(stage: Stage, pan: float) -> Backdrop:
    """Under water: light from above, rays, a sandy floor with ripples of light."""
    x, y = stage.grid(pan)
    water = ramp(y, [(0.0, rgb("#7fd6dc")), (0.25, rgb("#3aa6c2")), (0.7, rgb("#146a96")), (1.0, rgb("#0d4a74"))])
    beams = noise(stage.rng, (1, 4 * x.shape[1]), 0.16 * stage.unit)[0]
    slanted = ((x - 0.45 * y + 0.6) * stage.unit).astype(int) % beams.size
    rays = smoothstep(0.5, 0.85, beams[slanted]) * np.clip(1 - 1.15 * y, 0, 1)
    image = mix(water, rgb("#e8fbf2"), 0.42 * rays)
    floor = 0.8 + 0.05 * (noise(stage.rng, (1, x.shape[1]), 0.8 * stage.unit)[0] - 0.5)[None]
    depth = y - floor
    dunes = stage.noise(x, 0.1, 4.0)
    sand = ramp(depth, [(0.0, rgb("#6fa3a0")), (0.08, rgb("#b3b48f")), (0.25, rgb("#d6c79a"))])
    sand *= (0.78 + 0.3 * dunes + 0.14 * stage.noise(x, 0.008))[..., None]
    # Ripples of light are bright where two noises are near their mean at once.
    net = np.abs(stage.noise(x, 0.09, 2.2) - 0.5) + np.abs(stage.noise(x, 0.07, 2.2) - 0.5)
    sand = mix(sand, rgb("#fff6d8"), 0.45 * smoothstep(0.14, 0.02, net))
    image = mix(image, sand, smoothstep(-0.012, 0.02, depth))
    return Backdrop(to_uint8(image), pan)


def leaf(stage: Stage, pan: float) -> Backdrop:
    """A leaf from close by: a midrib along it, side veins, cells."""
    x, y = stage.grid(pan)
    rise = 0.53 + 0.05 * np.sin(1.3 * x + 0.4) - y
    # Side veins leave the midrib at a slant and bend forward.
    run = x - 0.75 * np.abs(rise) ** 0.82 + 0.04 * stage.noise(x, 0.4)
    phase = (run / 0.27 + 0.35 * (rise > 0)) % 1 - 0.5
    veins = np.exp(-((phase * 0.27 / (0.006 + 0.004 * smoothstep(0.5, 0.0, np.abs(rise)))) ** 2))
    midrib = np.exp(-((rise / 0.013) ** 2))
    swell = 0.5 + 0.5 * np.cos(2 * np.pi * phase)  # between veins the blade bulges
    cells = stage.noise(x, 0.03)
    tone = 0.32 * stage.noise(x, 0.8) + 0.3 * swell + 0.28 * cells + 0.1 * stage.noise(x, 0.008)
    greens = [(0.2, rgb("#1f5a22")), (0.45, rgb("#3b8630")), (0.65, rgb("#62a83e")), (0.9, rgb("#9ccb5a"))]
    image = mix(ramp(tone, greens), rgb("#b9d98a"), np.clip(0.55 * veins + 0.85 * midrib, 0, 0.9))
    shade = np.exp(-(((np.abs(rise) - 0.02) / 0.02) ** 2)) * (rise < 0)
    return Backdrop(to_uint8(image * (1 - 0.25 * shade[..., None])), pan)


def meadow(stage: Stage, pan: float) -> Backdrop:
    """Grass that stands higher toward the viewer, from 0.55 of the height down, with a few flowers."""
    x, y = stage.grid(pan)
    depth = (y - 0.55) / 0.45
    blades = noise(stage.rng, x.shape, 0.06 * stage.unit, 0.25)
    patches = stage.noise(x, 0.35, 3.0)
    tone = np.clip(0.25 + 0.25 * depth, 0, 1) + 0.4 * (blades - 0.5) * (0.4 + depth) + 0.45 * (patches - 0.5)
    greens = [(0.0, rgb("#3d6a2b")), (0.3, rgb("#5e9138")), (0.6, rgb("#83b348")), (0.9, rgb("#b4d26a"))]
    image = ramp(tone, greens)
    image = to_uint8(image)
    for _ in range(90):
        px, near = stage.rng.random() * x.shape[1], stage.rng.random() ** 0.7
        centre = (int(px), int((0.58 + 0.42 * near) * stage.height))
        radius = max(round((0.002 + 0.006 * near) * stage.unit), 1)
        colour = [(250, 246, 235), (247, 214, 84), (226, 120, 150)][int(stage.rng.integers(3))]
        cv2.circle(image, centre, radius, colour, -1, cv2.LINE_AA)
    alpha = to_uint8(np.clip((y - 0.55 - 0.012 * blades) * stage.height + 0.5, 0, 1))
    return Backdrop(np.dstack([image, alpha]), pan)
