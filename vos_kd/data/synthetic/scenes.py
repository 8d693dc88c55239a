"""The five named scenes, each built around what makes following objects hard."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from vos_kd.data.synthetic import animals, scenery, things
from vos_kd.data.synthetic.rendering import Actor, Pose, Scene, Shadow
from vos_kd.data.synthetic.scenery import Stage
from vos_kd.data.synthetic.textures import rgb

Track = Callable[[float], Pose]


def track(
    stage: Stage, *keys: tuple[float, float, float, float, float], sway: float = 0.0, beats: float = 2.0
) -> Track:
    """A smooth way through key poses.

    Args:
        stage: gives the size.
        keys: time in 0-1, x and y as shares of width and height, scale as a share of the short side, angle in
            degrees; in the order of time.
        sway: strength of a gentle extra motion, as a share of the short side.
        beats: how often it goes to and fro.
    """
    table = np.asarray(keys, float)
    times, values = table[:, 0], table[:, 1:] * (stage.width, stage.height, stage.unit, np.pi / 180)
    slopes = np.gradient(values, times, axis=0)
    phase = float(stage.rng.random()) * 2 * np.pi

    def pose(time: float) -> Pose:
        index = int(np.clip(np.searchsorted(times, time, side="right") - 1, 0, len(times) - 2))
        span = times[index + 1] - times[index]
        t = (time - times[index]) / span
        start, end = values[index], values[index + 1]
        x, y, scale, angle = (
            (2 * t**3 - 3 * t**2 + 1) * start
            + (t**3 - 2 * t**2 + t) * span * slopes[index]
            + (3 * t**2 - 2 * t**3) * end
            + (t**3 - t**2) * span * slopes[index + 1]
        )
        swing = sway * stage.unit * np.sin(2 * np.pi * beats * time + phase)
        return Pose(x + 0.6 * swing, y + swing, scale, angle + 1.5 * swing / stage.unit)

    return pose


def kites(stage: Stage) -> Scene:
    """Three kites: two cross, the star leaves the frame and comes back."""
    heaven = [(0.0, rgb("#2f7fcb")), (0.55, rgb("#86bfe6")), (0.85, rgb("#d5e8ee"))]
    far = [(0.0, rgb("#7d9fae")), (0.2, rgb("#6f957f"))]
    near = [(0.0, rgb("#557f45")), (0.06, rgb("#6f9a4b")), (0.2, rgb("#8fb55b"))]
    ground = scenery.panning(
        stage,
        [
            scenery.sky(stage, 0.14, heaven, rgb("#ffffff"), 0.55),
            scenery.hills(stage, 0.2, 0.83, 0.09, far),
            scenery.hills(stage, 0.32, 0.92, 0.05, near),
        ],
    )
    unit, rng = stage.unit, stage.rng
    red = things.kite(rng, 0.2 * unit, [rgb("#d8322f"), rgb("#f3b229")], rgb("#f6efe0"))
    delta = things.kite(rng, 0.2 * unit, [rgb("#0f766e"), rgb("#f7f2e6"), rgb("#1e9e8f")], rgb("#e7604a"), delta=True)
    star = things.star_kite(rng, 0.17 * unit, [rgb("#7a3fa0"), rgb("#f3c53a"), rgb("#f7f2e6")])
    actors = (
        Actor(
            1,
            track(
                stage,
                (0, 0.2, 0.3, 0.17, -14),
                (0.5, 0.46, 0.36, 0.2, 10),
                (1, 0.76, 0.25, 0.18, 16),
                sway=0.03,
                beats=3,
            ),
            red,
        ),
        Actor(
            2,
            track(stage, (0, 0.76, 0.33, 0.19, 12), (0.5, 0.5, 0.3, 0.17, -12), (1, 0.22, 0.4, 0.2, -8), sway=0.03),
            delta,
        ),
        Actor(
            3,
            track(
                stage,
                (0, 0.5, 0.62, 0.15, 0),
                (0.3, 0.85, 0.58, 0.16, 70),
                (0.47, 1.16, 0.5, 0.17, 130),
                (0.6, 1.14, 0.5, 0.17, 160),
                (1, 0.6, 0.66, 0.17, 320),
            ),
            star,
        ),
    )
    return Scene(ground, actors)


def fish(stage: Stage) -> Scene:
    """Three fish with bending bodies cross each other and pass behind seaweed."""
    ground = scenery.panning(stage, [scenery.sea(stage, 0.15)])
    unit, rng = stage.unit, stage.rng
    clown = animals.Livery(rgb("#e2661d"), rgb("#f29a3c"), rgb("#fbf6ea"), rgb("#e8741f"), "bands")
    tang = animals.Livery(rgb("#1f4fc4"), rgb("#2f74dc"), rgb("#131a3d"), rgb("#f2c531"), "mask")
    snapper = animals.Livery(rgb("#f0c433"), rgb("#f7eccb"), rgb("#4f8fc7"), rgb("#f3d04e"), "stripes")
    far = Shadow(0.25, 0.1, 1.0, 0.12, 0.0)
    near = Shadow(0.2, 1.15, 0.25, 0.3, 0.35)
    actors = (
        Actor(
            0, lambda _: Pose(0.86 * stage.width, 0.97 * stage.height, 0.62 * unit), things.weed(rng, 0.62 * unit, 3)
        ),
        Actor(
            1,
            track(stage, (0, 0.83, 0.3, 0.15, 3), (0.5, 0.5, 0.36, 0.16, -4), (1, 0.16, 0.27, 0.155, 4), sway=0.015),
            animals.fish(rng, 0.16 * unit, tang, left=True),
            far,
        ),
        Actor(
            2,
            track(stage, (0, 0.2, 0.46, 0.19, -3), (0.5, 0.47, 0.42, 0.21, 4), (1, 0.82, 0.5, 0.2, -5), sway=0.015),
            animals.fish(rng, 0.21 * unit, clown, left=False),
            far,
        ),
        Actor(
            3,
            track(stage, (0, 0.68, 0.7, 0.15, 2), (0.5, 0.42, 0.68, 0.16, -2), (1, 0.1, 0.66, 0.165, 3), sway=0.01),
            animals.fish(rng, 0.165 * unit, snapper, left=True, beat=6.5),
            near,
        ),
        Actor(
            0, lambda _: Pose(0.43 * stage.width, 1.02 * stage.height, 0.72 * unit), things.weed(rng, 0.72 * unit, 4)
        ),
    )
    return Scene(ground, actors)


def twins(stage: Stage) -> Scene:
    """Two ladybirds that look alike; one walks over the other."""
    ground = scenery.panning(stage, [scenery.leaf(stage, 0.1)])
    unit, rng = stage.unit, stage.rng
    shadow = Shadow(0.14, 0.2, 1.0, 0.12, 0.55)
    actors = (
        Actor(
            1,
            track(stage, (0, 0.17, 0.66, 0.135, 76), (0.5, 0.47, 0.53, 0.14, 62), (1, 0.83, 0.3, 0.14, 70)),
            animals.ladybird(rng, 0.14 * unit),
            shadow,
        ),
        Actor(
            2,
            track(stage, (0, 0.84, 0.62, 0.14, -70), (0.5, 0.52, 0.49, 0.14, -80), (1, 0.19, 0.34, 0.135, -62)),
            animals.ladybird(rng, 0.14 * unit, 8),
            shadow,
        ),
    )
    return Scene(ground, actors)


def passing(stage: Stage) -> Scene:
    """Two balls roll past each other, and behind the trunk of a birch."""
    heaven = [(0.0, rgb("#5ba3dc")), (0.5, rgb("#c8e2ee"))]
    wood = [(0.0, rgb("#3f6149")), (0.1, rgb("#33553a")), (0.3, rgb("#2a4a30"))]
    ground = scenery.panning(
        stage,
        [
            scenery.sky(stage, 0.06, heaven, rgb("#ffffff"), 0.45),
            scenery.hills(stage, 0.1, 0.4, 0.16, wood),
            scenery.meadow(stage, 0.22),
        ],
    )
    unit, rng = stage.unit, stage.rng
    width = stage.width / unit
    back, front = 0.13, 0.17
    # Rolling: the angle is the way over the radius.
    back_turn, front_turn = (np.rad2deg(0.8 * width / radius) for radius in (back, front))
    foot = Shadow(0.16, 0.93, 0.16, 0.1, 0.5)
    actors = (
        Actor(
            1,
            track(stage, (0, 0.1, 0.62, back, 0), (1, 0.9, 0.62, back, back_turn)),
            things.ball(rng, back * unit, "basket"),
            foot,
        ),
        Actor(
            2,
            track(stage, (0, 0.88, 0.75, front, 0), (1, 0.13, 0.75, front, -front_turn)),
            things.ball(rng, front * unit, "beach"),
            foot,
        ),
        Actor(
            0,
            track(stage, (0, 0.38, 0.42, 0.56, 0), (1, 0.3, 0.42, 0.56, 0)),
            things.birch(rng, 0.56 * unit),
            Shadow(0.1, 0.42, 0.2, 0.05, 0.0),
        ),
    )
    return Scene(ground, actors)


def zoom(stage: Stage) -> Scene:
    """Balloons at dawn: one comes near and grows fourfold, one drifts away, one passes between them."""
    heaven = [(0.0, rgb("#4d6fa8")), (0.35, rgb("#b79ab8")), (0.58, rgb("#f2b48c")), (0.75, rgb("#fbe0ac"))]
    ground = scenery.panning(
        stage,
        [
            scenery.sky(stage, 0.06, heaven, rgb("#ffe9d6"), 0.3),
            scenery.hills(stage, 0.1, 0.7, 0.16, [(0.0, rgb("#a58fa6")), (0.3, rgb("#d3ae9f"))]),
            scenery.hills(stage, 0.16, 0.8, 0.12, [(0.0, rgb("#75688a")), (0.25, rgb("#a88a8c"))]),
            scenery.hills(stage, 0.26, 0.92, 0.08, [(0.0, rgb("#3b4257")), (0.2, rgb("#4f5a55"))]),
        ],
    )
    unit, rng = stage.unit, stage.rng
    sun = [rgb("#c8372d"), rgb("#f2a52f"), rgb("#f6e7c4")]
    blue = [rgb("#24508f"), rgb("#e9e4d6"), rgb("#3f87b8")]
    green = [rgb("#2d7d5a"), rgb("#f0d261"), rgb("#1f5b4c")]
    actors = (
        Actor(
            3,
            track(stage, (0, 0.92, 0.5, 0.09, 2), (1, 0.1, 0.36, 0.09, -2), sway=0.006),
            things.balloon(rng, 0.09 * unit, green),
        ),
        Actor(
            2,
            track(stage, (0, 0.7, 0.48, 0.24, -3), (1, 0.83, 0.3, 0.09, 2), sway=0.008),
            things.balloon(rng, 0.24 * unit, blue),
        ),
        Actor(
            1,
            track(stage, (0, 0.25, 0.56, 0.08, 2), (0.5, 0.31, 0.5, 0.15, -2), (1, 0.42, 0.47, 0.32, 3), sway=0.008),
            things.balloon(rng, 0.32 * unit, sun),
        ),
    )
    return Scene(ground, actors)


SCENES: dict[str, Callable[[Stage], Scene]] = {
    "kites": kites,
    "fish": fish,
    "twins": twins,
    "passing": passing,
    "zoom": zoom,
}
