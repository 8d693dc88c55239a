"""Actors that fly, roll and stand: kites, balls, balloons, and what others pass behind."""

from __future__ import annotations

from typing import Literal

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


def kite(rng: np.random.Generator, scale: float, colours: list[Colour], tail: Colour, delta: bool = False) -> Parts:
    """A kite of cloth with spars, and a tail that waves with bows on it."""
    side = texture_side(scale)
    x, y = square(side, 1.2)
    cloth = noise(rng, (side, side), side / 5)
    if delta:
        corners = floats([[0, -0.75], [1.15, 0.5], [0.35, 0.42], [0, 0.62], [-0.35, 0.42], [-1.15, 0.5]])
        stripe = ((y + 0.55 * np.abs(x)) * 3.1 + 0.3) % 3
        spar = np.minimum(np.abs(x), np.abs(np.abs(x) * 0.92 - (y + 0.75) * 0.82) + 0.02)
        pick = np.floor(stripe).astype(int) % len(colours)
        foot = (0.0, 0.6)
    else:
        corners = floats([[0, -1], [0.72, -0.25], [0, 1.05], [-0.72, -0.25]])
        pick = ((x > 0).astype(int) + (y > -0.25)) % 2 + 2 * ((x > 0) & (y > -0.25)) * (len(colours) > 2)
        spar = np.minimum(np.abs(x), np.abs(y + 0.25))
        foot = (0.0, 1.03)
    image = floats(colours)[pick % len(colours)]
    bulge = 1.08 - 0.3 * np.abs(x) - 0.1 * y + 0.16 * (cloth - 0.5) - 0.1 * (x > 0)
    image = mix(image * bulge[..., None], rgb("#4a3a30"), 0.55 * smoothstep(0.028, 0.012, spar))
    reach = np.linspace(0, 1, 24)

    def line(time: float) -> np.ndarray:
        sway = 0.22 * reach**0.8 * np.sin(7 * reach - 2 * np.pi * 3 * time)
        return np.stack([foot[0] + sway, foot[1] + 1.3 * reach], axis=1)

    def bow(place: int) -> Part:
        shape = floats([[0, 0], [0.17, -0.1], [0.17, 0.1], [0, 0], [-0.17, 0.1], [-0.17, -0.1]])

        def outline(time: float) -> np.ndarray:
            points = line(time)
            along = points[min(place + 1, 23)] - points[place - 1]
            x, y = points[place]
            return outlines.moved(shape, x, y, float(np.arctan2(along[1], along[0]) - np.pi / 2))

        return Part(outline, plain(8, colours[place % len(colours)], rng))

    string = Part(lambda time: outlines.ribbon(line(time), 0.022), plain(8, tail, rng))
    return (string, bow(7), bow(13), bow(19), bow(23), Part(lambda _: corners, finish(image)))


def star_kite(rng: np.random.Generator, scale: float, colours: list[Colour]) -> Parts:
    """A star of five points, each folded along its middle, in cloth of two colours."""
    side = texture_side(scale)
    x, y = square(side, 1.2)
    turn = (np.arctan2(x, -y) / (2 * np.pi / 5)) % 1
    radius = np.hypot(x, y)
    fold = np.where(turn < 0.5, 1.06, 0.84) + 0.12 * (noise(rng, (side, side), side / 5) - 0.5)
    image = mix(np.broadcast_to(floats(colours[0]), (side, side, 3)), colours[1], smoothstep(0.33, 0.31, radius))
    image = mix(image, colours[2], smoothstep(0.17, 0.15, radius)) * fold[..., None]
    shape = outlines.star(5, 0.46)
    return (Part(lambda _: shape, finish(image)),)


def ball(rng: np.random.Generator, scale: float, kind: Literal["beach", "basket"]) -> Parts:
    """A ball that rolls: panels or seams turn, the light stays."""
    side = texture_side(scale)
    x, y = square(side, 1.2)
    grain = noise(rng, (side, side), side / 4) if kind == "beach" else noise(rng, (side, side), max(side / 40, 2))
    if kind == "beach":
        panels = floats([rgb(c) for c in ("#f4f1e8", "#d8352c", "#f4f1e8", "#f2b21f", "#f4f1e8", "#2269b3")])
        cap = np.hypot(x - 0.18, y - 0.1)
        turn = np.arctan2(y - 0.1, x - 0.18) / (2 * np.pi) * 6 + 0.4 * cap
        image = panels[np.floor(turn).astype(int) % 6]
        image = mix(image, rgb("#f4f1e8"), smoothstep(0.2, 0.18, cap))
        image *= (0.95 + 0.1 * grain)[..., None]
    else:
        image = np.broadcast_to(floats(rgb("#d9742b")), (side, side, 3)) * (0.9 + 0.2 * grain)[..., None]
        bow = np.minimum(np.abs(np.hypot(x - 1.35, y) - 0.95), np.abs(np.hypot(x + 1.35, y) - 0.95))
        seam = np.minimum(np.minimum(np.abs(x), np.abs(y)), bow)
        image = mix(image, rgb("#2b1a12"), smoothstep(0.045, 0.03, seam))
    rim = outlines.ellipse()
    return (Part(lambda _: rim, finish(image), light=ball_light(side // 2, 1.2, 0.6, 0.35)),)


def balloon(rng: np.random.Generator, scale: float, colours: list[Colour]) -> Parts:
    """A hot-air balloon of coloured gores, with ropes and a basket."""
    side = texture_side(scale, 1.6)
    x, y = square(side, 1.6)
    half = np.sqrt(np.clip(1 - ((y + 0.35) / 1.02) ** 2, 0.04, 1))
    gore = np.arcsin(np.clip(x / half, -1, 1)) / np.pi * 9 + 0.5
    image = floats(colours)[np.floor(gore).astype(int) % len(colours)]
    band = smoothstep(0.03, 0.0, np.abs(y + 0.18 + 0.05 * np.cos(2 * np.pi * gore)) - 0.12)
    image = mix(image, colours[-1], 0.9 * band * (np.floor(gore).astype(int) % len(colours) != len(colours) - 1))
    seam = np.abs((gore + 0.5) % 1 - 0.5)
    image *= (1.03 - 0.16 * smoothstep(0.12, 0.0, seam) + 0.1 * (noise(rng, (side, side), side / 6) - 0.5))[..., None]
    glow = np.exp(-((x / 0.4) ** 2) - ((y - 0.5) / 0.45) ** 2)
    image = mix(image, rgb("#ffd27a"), 0.35 * glow)
    # The middle of the envelope lies above that of the balloon.
    light = np.roll(ball_light(side // 2, 1.6, 0.6, 0.2), -round(0.35 / 3.2 * side / 2), axis=0)
    envelope = [(0.0, -1.35), (0.62, -1.15), (0.97, -0.62), (0.92, -0.08), (0.55, 0.48), (0.2, 0.82), (0.0, 0.84)]
    envelope += [(-x, y) for x, y in envelope[-2:0:-1]]
    skin = outlines.smooth(envelope, 120)
    basket = floats([[-0.16, 1.2], [0.16, 1.2], [0.13, 1.46], [-0.13, 1.46]])
    wicker_side = max(side // 6, 8)
    _, wy = square(wicker_side, 1.6)
    wicker = floats(rgb("#8a5a2e")) * (0.85 + 0.25 * np.sin(60 * wy))[..., None]

    def rope(sign: int) -> Part:
        line = floats([[sign * 0.2, 0.78], [sign * 0.165, 0.78], [sign * 0.125, 1.22], [sign * 0.155, 1.22]])
        return Part(lambda _: line, plain(8, rgb("#4a3322"), rng), 1.6)

    return (
        rope(-1),
        rope(1),
        Part(lambda _: basket, finish(wicker), 1.6),
        Part(lambda _: skin, finish(image), 1.6, light),
    )


def birch(rng: np.random.Generator, scale: float) -> Parts:
    """The trunk of a birch, upright, one unit to half its height."""
    side = texture_side(scale, 1.1)
    x, _ = square(side, 1.1)
    width = 0.13
    bark = 0.75 + 0.3 * noise(rng, (side, side), side / 20, 3.0) + 0.12 * noise(rng, (side, side), side / 90 + 2, 4.0)
    image = floats(rgb("#efe9dc")) * bark[..., None]
    marks = noise(rng, (side, side), side / 26, 3.2)
    image = mix(image, rgb("#2e2826"), smoothstep(0.7, 0.8, marks))
    round_ = np.sqrt(np.clip(1 - (x / (1.25 * width)) ** 2, 0.12, 1)) * (0.92 - 1.1 * x)
    image *= round_[..., None]
    edge = np.linspace(-1.05, 1.05, 40)
    line = np.stack([0.012 * np.sin(5 * edge), edge], axis=1)
    trunk = outlines.ribbon(line, width * (1.0 + 0.12 * edge))
    return (Part(lambda _: trunk, finish(image), 1.1),)


def weed(rng: np.random.Generator, scale: float, fronds: int = 4) -> Parts:
    """Seaweed: fronds that stand on the origin and wave."""
    side = texture_side(scale / 4)  # nothing in it is fine
    _, y = square(side, 1.2)
    tone = -y + 0.5 * (noise(rng, (side, side), side / 8) - 0.5)
    green = finish(ramp(tone, [(-0.1, rgb("#123c2c")), (0.5, rgb("#2f7a45")), (1.0, rgb("#86b75a"))]))

    def frond(foot: float) -> Part:
        height, phase, lean = rng.uniform(0.7, 1.05), rng.random() * 2 * np.pi, rng.normal(0, 0.06)
        t = np.linspace(0, 1, 28)
        frill = 0.042 * np.sqrt(1.02 - t) * (1 + 0.28 * np.sin(30 * t + phase))

        def outline(time: float) -> np.ndarray:
            sway = lean * t + 0.1 * t**1.3 * np.sin(2.6 * t - 2 * np.pi * 1.5 * time + phase)
            return outlines.ribbon(np.stack([foot + sway, -height * t + 0.03], axis=1), frill)

        return Part(outline, green)

    return tuple(frond(0.11 * (number - (fronds - 1) / 2)) for number in range(fronds))
