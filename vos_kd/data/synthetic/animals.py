"""Actors that live: fish and ladybirds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from vos_kd.data.synthetic import outlines
from vos_kd.data.synthetic.rendering import Part, Parts
from vos_kd.data.synthetic.textures import (
    Colour,
    ball_light,
    finish,
    floats,
    mix,
    noise,
    plain,
    ramp,
    rgb,
    smoothstep,
    square,
    texture_side,
)


class Livery(NamedTuple):
    """How a fish is dressed."""

    back: Colour
    belly: Colour
    bands: Colour
    fins: Colour
    pattern: Literal["bands", "stripes", "mask"]


def fish(rng: np.random.Generator, scale: float, livery: Livery, left: bool, beat: float = 5.0) -> Parts:
    """A fish that swims to the right or left; its body bends, `beat` times over the clip."""
    side = texture_side(scale, 1.5)
    x, y = square(side, 1.5)
    scales = noise(rng, (side, side), side / 18)
    image = ramp(y + 0.12 * x, [(-0.5, livery.back), (0.05, livery.back), (0.5, livery.belly)])
    band = np.zeros_like(x)
    if livery.pattern == "bands":
        for middle, half in ((0.47, 0.09), (-0.12, 0.12), (-0.72, 0.07)):
            edge = np.abs(x - middle - 0.08 * np.cos(3 * y))
            image = mix(image, rgb("#1d1a22"), smoothstep(half + 0.05, half + 0.03, edge))
            band = np.maximum(band, smoothstep(half + 0.01, half - 0.01, edge))
    elif livery.pattern == "stripes":
        band = smoothstep(0.15, 0.35, np.sin(19 * y + 1.2 * np.sin(1.4 * x))) * smoothstep(0.62, 0.5, x)
    else:
        band = smoothstep(0.03, 0.0, np.abs(np.hypot((x + 0.05) / 0.9, (y + 0.3) / 0.42) - 0.75) - 0.13)
    image = mix(image, livery.bands, band)
    image *= (1.02 + 0.2 * (scales - 0.5) - 1.1 * np.clip(np.abs(y + 0.06) - 0.08, 0, 0.5) ** 1.5)[..., None]
    image = mix(image, rgb("#ffffff"), 0.25 * np.exp(-(((y + 0.2) / 0.07) ** 2) - ((x - 0.1) / 0.6) ** 2))
    gill = np.abs(np.hypot(x - 0.75, y) - 0.36)
    image = mix(image, rgb("#20242c"), 0.35 * smoothstep(0.03, 0.01, gill) * (x < 0.55))
    eye = np.hypot(x - 0.72, y + 0.1)
    for radius, colour in ((0.1, rgb("#fdfaf0")), (0.068, rgb("#15171c"))):
        image = mix(image, colour, smoothstep(radius + 0.012, radius - 0.012, eye))
    image = mix(image, rgb("#ffffff"), smoothstep(0.028, 0.012, np.hypot(x - 0.745, y + 0.125)))
    fx, fy = square(side, 1.5)
    rays = 0.95 + 0.09 * np.sin(46 * fy + 9 * fx) - 0.25 * np.clip(0.3 - np.abs(fy), 0, 0.3)
    fin = finish(floats(livery.fins) * rays[..., None])
    body = [(1.0, 0.02), (0.78, -0.24), (0.3, -0.43), (-0.25, -0.4), (-0.78, -0.13), (-0.9, -0.07)]
    body += [(-0.9, 0.07), (-0.78, 0.12), (-0.25, 0.38), (0.3, 0.42), (0.78, 0.23)]
    tail = [(-0.78, -0.07), (-1.15, -0.38), (-1.42, -0.45), (-1.27, 0.0), (-1.42, 0.45), (-1.15, 0.38), (-0.78, 0.07)]
    top = [(0.45, -0.36), (0.15, -0.62), (-0.4, -0.62), (-0.72, -0.38), (-0.6, -0.12), (0.2, -0.2)]
    low = [(0.1, 0.34), (-0.1, 0.62), (-0.42, 0.56), (-0.6, 0.2), (-0.1, 0.2)]
    side_fin = [(0.36, 0.06), (0.12, 0.0), (-0.06, 0.12), (0.02, 0.27), (0.2, 0.24)]
    sign = -1.0 if left else 1.0
    phase = rng.random() * 2 * np.pi

    def bent(corners: list[tuple[float, float]], points: int, own: float = 0.0) -> Callable[[float], np.ndarray]:
        shape = outlines.smooth(corners, points)

        def outline(time: float) -> np.ndarray:
            swing = np.sin(2 * np.pi * beat * time + phase + 1.7 * shape[:, 0])
            weight = (0.9 - shape[:, 0]).clip(0) ** 1.6
            # Seen from the side, a beat of the tail mostly shortens it.
            x = shape[:, 0] * (1 + 0.05 * swing * (shape[:, 0] < -0.6))
            y = shape[:, 1] * (1 + own * swing) + 0.035 * weight * swing
            return np.stack([sign * x, y], axis=1).astype(np.float32)

        return outline

    if left:
        image, fin = image[:, ::-1], fin[:, ::-1]
    skin, fin = np.ascontiguousarray(finish(image)), np.ascontiguousarray(fin)
    return (
        Part(bent(tail, 60), fin, 1.5),
        Part(bent(top, 60, 0.05), fin, 1.5),
        Part(bent(low, 50, 0.08), fin, 1.5),
        Part(bent(body, 120), skin, 1.5),
        Part(bent(side_fin, 40, 0.35), fin, 1.5, casts_shadow=False),
    )


def ladybird(rng: np.random.Generator, scale: float, steps: float = 9.0) -> Parts:
    """A ladybird from above, head up, that walks `steps` steps."""
    side = texture_side(scale)
    x, y = square(side, 1.2)
    shell = ramp(np.hypot(x, y), [(0.0, rgb("#e3341f")), (1.0, rgb("#a8130f"))])
    shell *= (0.95 + 0.1 * noise(rng, (side, side), side / 8))[..., None]
    ink = smoothstep(0.03, 0.01, np.abs(x))
    for sx, sy, radius in ((0.0, -0.62, 0.19), (0.4, -0.2, 0.17), (0.3, 0.42, 0.18), (0.68, 0.2, 0.13)):
        # The line down the middle and the spots on both sides of it.
        for sign in (-1, 1):
            spot = np.hypot(x - sign * sx, (y - sy) * 0.92)
            ink = np.maximum(ink, smoothstep(radius + 0.015, radius - 0.015, spot))
    shell = mix(shell, rgb("#17100f"), ink)
    head = np.full((side, side, 3), rgb("#1a1514"), np.float32)
    for sign in (-1, 1):
        patch = np.hypot(x - sign * 0.33, (y + 0.98) / 0.8)
        head = mix(head, rgb("#f4ecd8"), smoothstep(0.17, 0.14, patch))
    dark = plain(8, rgb("#1d1715"), rng)
    phase = rng.random() * 2 * np.pi

    def leg(sign: int, place: float, turn: float, offset: float) -> Part:
        def outline(time: float) -> np.ndarray:
            swing = turn + 0.28 * np.sin(2 * np.pi * steps * time + phase + offset)
            knee = np.array([sign * 0.98, place + 0.25 * swing])
            foot = np.array([sign * 1.22, place + 0.62 * swing + 0.06])
            line = np.stack([(sign * 0.6, place * 0.7), knee, foot])
            at = np.linspace(0, 2, 9)
            line = np.stack([np.interp(at, range(3), line[:, c]) for c in range(2)], axis=1)
            return outlines.ribbon(line, np.linspace(0.075, 0.04, 9))

        return Part(outline, dark)

    def feeler(sign: int) -> Part:
        def outline(time: float) -> np.ndarray:
            t = np.linspace(0, 1, 8)
            sway = 0.08 * np.sin(2 * np.pi * 2.3 * time + phase + sign)
            line = np.stack([sign * (0.16 + (0.32 + sway) * t**0.8), -1.1 - 0.3 * t], axis=1)
            return outlines.ribbon(line, np.linspace(0.03, 0.045, 8))

        return Part(outline, dark)

    legs = [
        leg(sign, place, turn, np.pi * ((number + (sign > 0)) % 2))
        for sign in (-1, 1)
        for number, (place, turn) in enumerate([(-0.5, -0.5), (0.05, 0.1), (0.5, 0.75)])
    ]
    skull = outlines.moved(outlines.ellipse(0.52, 0.4), y=-0.95)
    dome = outlines.ellipse(0.92, 1.0)
    return (
        *legs,
        feeler(-1),
        feeler(1),
        Part(lambda _: skull, finish(head)),
        Part(lambda _: dome, finish(shell), light=ball_light(side // 2, 1.2, 0.6, 0.6)),
    )
