"""Outlines: closed polygons `float32 [N, 2]`, x right and y down, about one unit in radius around the origin."""

from __future__ import annotations

import numpy as np


def ellipse(width: float = 1.0, height: float = 1.0, points: int = 72) -> np.ndarray:
    """An ellipse by its half axes."""
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.stack([width * np.cos(angle), height * np.sin(angle)], axis=1).astype(np.float32)


def star(tips: int = 5, inner: float = 0.45, outer: float = 1.0) -> np.ndarray:
    """A star with its first tip on top; `inner` is the radius between the tips."""
    angle = np.arange(2 * tips) * np.pi / tips - np.pi / 2
    radius = np.where(np.arange(2 * tips) % 2 == 0, outer, inner)
    return (radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)).astype(np.float32)


def regular(corners: int) -> np.ndarray:
    """A regular polygon with a corner on top."""
    return star(corners, inner=float(np.cos(np.pi / corners)))


def blob(waves: np.ndarray, time: float, points: int = 96) -> np.ndarray:
    """A round shape whose rim waves.

    Args:
        waves: `[K, 3]`: strength, phase and speed (turns over the clip) of the waves with 2, 3, ... crests.
        time: 0-1.
        points: N.
    """
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    radius = np.ones(points)
    for crests, (strength, phase, speed) in enumerate(waves, 2):
        radius += strength * np.sin(crests * angle + phase + 2 * np.pi * speed * time)
    return (radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)).astype(np.float32)


def smooth(corners: list[tuple[float, float]], points: int = 96) -> np.ndarray:
    """A closed Catmull-Rom curve through corner points."""
    knots = np.asarray(corners, float)
    at = np.arange(points) * len(knots) / points
    index, t = at.astype(int), (at % 1)[:, None]
    p0, p1, p2, p3 = (knots[(index + shift) % len(knots)] for shift in (-1, 0, 1, 2))
    curve = 0.5 * (2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3)
    return curve.astype(np.float32)


def ribbon(line: np.ndarray, width: np.ndarray | float) -> np.ndarray:
    """A band along an open line `[N, 2]`, of half width `width` (one number or `[N]`)."""
    along = np.gradient(line, axis=0)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1) / np.linalg.norm(along, axis=1, keepdims=True)
    offset = across * np.broadcast_to(width, len(line))[:, None]
    return np.concatenate([line + offset, (line - offset)[::-1]]).astype(np.float32)


def moved(outline: np.ndarray, x: float = 0.0, y: float = 0.0, angle: float = 0.0, scale: float = 1.0) -> np.ndarray:
    """An outline scaled, turned by `angle` (radians, clockwise as seen) and shifted."""
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    return (outline @ np.array([[cos, sin], [-sin, cos]]) + (x, y)).astype(np.float32)
