"""Endless clips of random shapes: training data for when there is no data."""

from __future__ import annotations

import numpy as np

from vos_kd.data.synthetic import outlines, scenery
from vos_kd.data.synthetic.clip import SyntheticClip, check_shape
from vos_kd.data.synthetic.rendering import Actor, Part, Pose, Scene, Shadow, render_scene
from vos_kd.data.synthetic.scenery import Backdrop, Ground, Stage
from vos_kd.data.synthetic.textures import (
    ball_light,
    finish,
    floats,
    mix,
    noise,
    smoothstep,
    square,
    texture_side,
    to_uint8,
)
from vos_kd.errors import InputError

_KINDS = ("ellipse", "polygon", "star", "blob")


def training_clip(rng: np.random.Generator, frames: int, size: tuple[int, int], max_objects: int = 3) -> SyntheticClip:
    """A clip of 1 to `max_objects` random shapes with ids 1, 2, ..., and sometimes others that are no objects.

    Args:
        rng: source of randomness; equal states give equal clips.
        frames: T.
        size: H and W in pixels.
        max_objects: 1 to 254.

    Returns:
        The clip. A shape may be hidden or outside in any frame.

    Raises:
        InputError: a number out of range.
    """
    check_shape(frames, *size)
    if not 1 <= max_objects <= 254:
        raise InputError(f"{max_objects} objects were asked for; expected 1 to 254.")
    stage = Stage(*size, rng)
    labels = [*range(1, int(rng.integers(1, max_objects + 1)) + 1), *[0] * int(rng.choice(3, p=[0.5, 0.3, 0.2]))]
    actors = [_shape(stage, label) for label in rng.permutation(labels)]
    if rng.random() < 0.3:
        actors.append(_bar(stage))
    images, masks = zip(*render_scene(Scene(_ground(stage), tuple(actors)), frames), strict=True)
    return SyntheticClip("random shapes", np.stack(images), np.stack(masks))


def _texture(rng: np.random.Generator, x: np.ndarray, y: np.ndarray, unit: float) -> np.ndarray:
    """Two colours, in patches, stripes or checks, with some grain; `unit` is the pixels to one unit of x and y."""
    one, two = rng.random(3), rng.random(3)
    turn, step = rng.uniform(0, np.pi), rng.uniform(3, 9)
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    kind = rng.choice(["patches", "stripes", "checks"])
    if kind == "patches":
        weight = smoothstep(0.4, 0.6, noise(rng, x.shape, rng.uniform(0.2, 0.7) * unit))
    else:
        wave = np.sin(step * along) * (np.sin(step * across) if kind == "checks" else 1)
        weight = smoothstep(-0.15, 0.15, wave)
    grain = noise(rng, x.shape, rng.uniform(0.08, 0.3) * unit)
    image = mix(np.broadcast_to(floats(one), (*x.shape, 3)), floats(two), weight)
    return np.asarray(image * (0.75 + 0.5 * grain[..., None]), np.float32)


def _ground(stage: Stage) -> Ground:
    pan = stage.rng.uniform(-0.3, 0.3)
    x, y = stage.grid(pan)
    return scenery.panning(stage, [Backdrop(to_uint8(_texture(stage.rng, x, y, stage.unit)), pan)])


def _shape(stage: Stage, label: int) -> Actor:
    rng = stage.rng
    scale = float(np.exp(rng.uniform(np.log(0.1), np.log(0.3)))) * stage.unit
    side = texture_side(scale, 1.5)
    texture = finish(_texture(rng, *square(side, 1.5), side / 3))
    light = ball_light(side // 2, 1.5, rng.uniform(0.2, 0.7), rng.uniform(0, 0.5)) if rng.random() < 0.5 else None
    kind, stretch = rng.choice(_KINDS), rng.uniform(0.6, 1.0)
    corners, inner = int(rng.integers(3, 8)), rng.uniform(0.4, 0.7)
    waves = np.stack([rng.uniform(0, 0.14, 4), rng.uniform(0, 6.28, 4), rng.uniform(-1, 1, 4)], axis=1)
    rigid = {
        "ellipse": outlines.ellipse(1.0, stretch),
        "polygon": outlines.regular(corners),
        "star": outlines.star(corners, inner),
    }

    def outline(time: float) -> np.ndarray:
        return outlines.blob(waves, time) if kind == "blob" else rigid[kind]

    start = rng.uniform(0.15, 0.85, 2) * (stage.width, stage.height)
    speed = rng.normal(0, 0.35, 2) * stage.unit
    curve = rng.normal(0, 0.08, 2) * stage.unit
    turn, spin, growth = rng.uniform(0, 6.28), rng.normal(0, 1.0), rng.normal(0, 0.3)

    def pose(time: float) -> Pose:
        x, y = start + speed * time + curve * np.sin(2 * np.pi * time)
        return Pose(x, y, scale * float(np.exp(growth * time)), turn + spin * time)

    shadow = Shadow(strength=rng.uniform(0.2, 0.6)) if rng.random() < 0.4 else None
    return Actor(int(label), pose, (Part(outline, texture, 1.5, light),), shadow)


def _bar(stage: Stage) -> Actor:
    """A bar from edge to edge that things pass behind."""
    rng = stage.rng
    length = 1.2 * max(stage.width, stage.height)
    bar = floats([[-1, -0.05], [1, -0.05], [1, 0.05], [-1, 0.05]])
    side = texture_side(stage.unit / 4)
    texture = finish(_texture(rng, *square(side), side / 2))
    x, drift, angle = rng.uniform(0.2, 0.8) * stage.width, rng.normal(0, 0.15) * stage.unit, rng.uniform(0, np.pi)
    return Actor(
        0, lambda time: Pose(x + drift * time, stage.height / 2, length, angle), (Part(lambda _: bar, texture, 1.0),)
    )
