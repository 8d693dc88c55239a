"""Colours and noise: what surfaces look like, as float32 images in 0-1."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from vos_kd.errors import InputError

Colour = tuple[float, float, float]


def rgb(code: str) -> Colour:
    """A colour from its web notation.

    >>> rgb("#ff0080")[0]
    1.0
    """
    if len(code) != 7 or not code.startswith("#"):
        raise InputError(f"{code!r} is no colour; expected one like '#ff0080'.")
    red, green, blue = (int(code[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue


def floats(values: object) -> np.ndarray:
    """A float32 array."""
    return np.asarray(values, np.float32)


def noise(rng: np.random.Generator, shape: tuple[int, ...], cell: float, stretch: float = 1.0) -> np.ndarray:
    """Smooth fractal noise: octaves of random grids, each half as coarse and half as strong as the one before.

    Args:
        rng: source of randomness.
        shape: H and W of the result.
        cell: size of the largest features in pixels.
        stretch: how much wider than high the features are.

    Returns:
        float32 `[H, W]`, mean about 0.5, nearly all within 0-1.
    """
    height, width = shape
    total = np.zeros((height, width), np.float32)
    strength = 0.5
    while cell >= 2 and strength > 0.02:
        # One cell of margin on each side, so that no edge repeats itself.
        rows, columns = int(height / cell) + 3, int(width / (cell * stretch)) + 3
        grid = rng.random((rows, columns), np.float32) - 0.5
        step = np.array([[1 / (cell * stretch), 0, 1], [0, 1 / cell, 1]], np.float32)
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        total += strength * cv2.warpAffine(grid, step, (width, height), flags=flags, borderMode=cv2.BORDER_REFLECT)
        cell, strength = cell / 2, strength / 2
    return np.asarray(0.5 + 1.1 * total, np.float32)


def ramp(values: np.ndarray, stops: Sequence[tuple[float, Colour]]) -> np.ndarray:
    """Colour by value: between stops (value, colour) in rising order, linearly; beyond them, the last colour.

    Returns:
        float32 `[..., 3]`.
    """
    places = np.array([place for place, _ in stops])
    colours = np.array([colour for _, colour in stops])
    return np.stack([np.interp(values, places, colours[:, c]) for c in range(3)], axis=-1).astype(np.float32)


def smoothstep(low: float, high: float, values: np.ndarray) -> np.ndarray:
    """0 below `low`, 1 above `high`, smooth in between; falls where `low` is above `high`."""
    t = np.clip((values - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def mix(below: np.ndarray, above: np.ndarray | Colour, weight: np.ndarray) -> np.ndarray:
    """Lay a colour or an image `[H, W, 3]` over another with a weight `[H, W]` in 0-1."""
    return np.asarray(below + (np.asarray(above, np.float32) - below) * weight[..., None], np.float32)


def square(side: int, extent: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """x and y of the pixel centres of a square texture over -extent to extent, float32 `[side, side]` each."""
    line = ((np.arange(side, dtype=np.float32) + 0.5) / side * 2 - 1) * np.float32(extent)
    x, y = np.meshgrid(line, line)
    return x, y


def to_uint8(image: np.ndarray) -> np.ndarray:
    """0-1 to 0-255."""
    return np.clip(np.round(image * 255), 0, 255).astype(np.uint8)


def ball_light(side: int, extent: float, depth: float = 0.75, gloss: float = 0.35) -> np.ndarray:
    """Light on a ball from the upper left, uint8 `[side, side]`: 128 is neutral, less darkens, more adds white.

    Args:
        side: of the map in pixels.
        extent: what the map spans, in radii of the ball.
        depth: how dark the far side gets, 0-1.
        gloss: strength of the highlight, 0-1.
    """
    x, y = square(side, extent)
    z = np.sqrt(np.clip(1 - x * x - y * y, 0, 1))
    facing = np.clip(-0.45 * x - 0.6 * y + 0.66 * z, 0, 1)
    shine = smoothstep(0.93, 1.0, -0.42 * x - 0.5 * y + 0.757 * z)
    return np.asarray(np.clip(128 * (1 - depth + depth * np.sqrt(facing)) + 127 * gloss * shine, 0, 255), np.uint8)


def texture_side(scale: float, extent: float = 1.2) -> int:
    """Side to paint a texture at: twice as fine as it shows at `scale` pixels to a unit; see `finish`."""
    return 2 * int(np.clip(np.ceil(2 * extent * scale), 8, 900))


def finish(image: np.ndarray) -> np.ndarray:
    """A painted texture in 0-1 to uint8 at half the size, so that hard edges in it become smooth."""
    return to_uint8(cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))


def plain(side: int, colour: Colour, rng: np.random.Generator, grain: float = 0.12) -> np.ndarray:
    """A texture of one colour with some noise."""
    speckle = 1 + grain * (noise(rng, (side, side), side / 6) - 0.5)
    return finish(floats(colour) * speckle[..., None])
