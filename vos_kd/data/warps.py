"""Random motion for synthetic clips: what moves where, as plain numbers.

Static photos are moved as in STM's pre-training (Oh et al., ICCV 2019, section 3.4). Differs from it: a clip is a
smooth trajectory instead of independent warps; camera and objects move apart from each other; speeds have a heavy tail.

All functions are pure in the generator they are given. Both renderers, OpenCV and `grid_sample`, take their parameters
from here, as backward maps on a coarse grid: where in the source photo an output pixel looks.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

CELL = 8
"""Output pixels to one cell of a coarse map. Motion is smooth: bilinear interpolation between cells is exact enough."""
KERNEL = 13
"""Side of a motion blur kernel in pixels: the longest streak."""

BLUR_REACH = 9
"""Source pixels to which a low-pass reaches: three times the widest standard deviation."""

Size = tuple[int, int]
"""Height and width in pixels."""


class Waves(NamedTuple):
    """A smooth elastic displacement of the source photo: a sum of K plane waves whose phases drift with time."""

    amplitude: np.ndarray
    """`[K, 2]`, source pixels in x and y."""
    frequency: np.ndarray
    """`[K, 2]`, radians in a source pixel."""
    phase: np.ndarray
    """`[T, K]`, radians."""


class Colours(NamedTuple):
    """Colour jitter of a clip, drifting with the light: a matrix, then a gamma curve."""

    matrix: np.ndarray
    """float32 `[T, 3, 4]`: RGB in 0-1 and 1, to RGB."""
    gamma: np.ndarray
    """float32 `[T]`: exponent after clipping to 0-1."""


def sample_times(rng: np.random.Generator, frames: int) -> np.ndarray:
    """Moments of the frames, `[T]` from 0; unevenly apart, since training samples real video unevenly too."""
    gap = np.exp(rng.uniform(np.log(0.5), np.log(2.5)))
    return np.concatenate([[0.0], np.cumsum(gap * rng.uniform(0.6, 1.4, frames - 1))])


def sample_camera(rng: np.random.Generator, times: np.ndarray, size: Size) -> np.ndarray:
    """Pan, zoom, roll and shake: `[T, 3, 3]`, output pixels at the first frame to output pixels, the identity first."""
    height, width = size
    side = min(size)
    shake = rng.random() * (0.012 if rng.random() < 0.3 else 0.002)
    shift = _path(rng, times, 0.011, 0.25, 2, shake) * side
    angle = _path(rng, times, np.deg2rad(0.7), np.deg2rad(15), 1, shake)[:, 0]
    zoom = _path(rng, times, 0.012, 0.3, 1)[:, 0]
    none = np.zeros_like(zoom)
    return _about(np.array([width / 2, height / 2]), shift, angle, np.stack([zoom, zoom], 1), none)


def sample_object_motion(
    rng: np.random.Generator, times: np.ndarray, centre: np.ndarray, object_size: float, size: Size, vigour: float = 1.0
) -> np.ndarray:
    """An object's own motion, on top of the camera's: `[T, 3, 3]`, output pixels to output pixels, the identity first.

    Args:
        rng: source of randomness.
        times: `[T]` from `sample_times`.
        centre: `[2]`, x and y that rotation and scale leave in place.
        object_size: in output pixels; near, large objects cross the image faster.
        size: of the output.
        vigour: factor on all speeds.
    """
    reach = np.sqrt(object_size * min(size))
    shift = _path(rng, times, 0.045 * vigour, 1.2 * vigour, 2, 0.004) * reach
    angle = _path(rng, times, np.deg2rad(3) * vigour, np.deg2rad(60), 1)[:, 0]
    scale = _path(rng, times, 0.025 * vigour, 0.6, 1)
    aspect = _path(rng, times, 0.02 * vigour, 0.35, 1)  # turning out of the image plane narrows an object
    shear = _path(rng, times, 0.02 * vigour, 0.3, 1)[:, 0]
    return _about(centre, shift, angle, np.concatenate([scale + aspect, scale - aspect], 1), shear)


def sample_excursion(rng: np.random.Generator, times: np.ndarray, distance: float) -> np.ndarray:
    """A way out of the image, and perhaps back: shifts `[T, 2]` in pixels, 0 first, `distance` at most."""
    part = times / times[-1]
    profile = np.sin(np.pi * part) ** 2 if rng.random() < 0.6 else np.clip(part / rng.uniform(0.4, 1.0), 0, 1) ** 2
    return distance * profile[:, None] * _direction(rng)


def sample_crossing(rng: np.random.Generator, times: np.ndarray, distance: float) -> np.ndarray:
    """A straight way through the middle of the clip: shifts `[T, 2]`, `distance` pixels off at the first frame."""
    middle = rng.uniform(0.35, 0.8) * times[-1]
    return distance * ((times - middle) / middle)[:, None] * _direction(rng)


def sample_waves(rng: np.random.Generator, times: np.ndarray, extent: float, strength: float, shortest: float) -> Waves:
    """Elastic deformation of something `extent` source pixels large.

    Args:
        rng: source of randomness.
        times: `[T]` from `sample_times`.
        extent: of the object, in source pixels.
        strength: amplitude as a share of it.
        shortest: shortest wave length in source pixels that the coarse map can carry.
    """
    count = 3
    wavelength = np.maximum(extent * rng.uniform(0.6, 1.6, (count, 1)), shortest)
    ways = np.stack([_direction(rng) for _ in range(count)])
    phase = rng.uniform(0, 2 * np.pi, count) + times[:, None] * rng.normal(0, 0.6, count)
    return Waves(rng.normal(0, strength * extent / np.sqrt(count), (count, 2)), 2 * np.pi / wavelength * ways, phase)


def coarse_maps(matrices: np.ndarray, waves: Waves | None, size: Size) -> np.ndarray:
    """Backward maps of one layer.

    Args:
        matrices: `[T, 3, 3]`, source pixels to output pixels.
        waves: elastic displacement, added in source pixels; None for none.
        size: of the output.

    Returns:
        float32 `[T, gh, gw, 2]`: source x and y at the centres of cells of `CELL` pixels, with one cell of margin
        on every side, so that interpolation never needs what lies beyond.
    """
    rows, columns = (-(-n // CELL) + 2 for n in size)
    y = (np.arange(rows) - 0.5) * CELL - 0.5
    x = (np.arange(columns) - 0.5) * CELL - 0.5
    inverse = np.linalg.inv(matrices)  # affine: the last row stays 0 0 1
    points = (
        inverse[:, None, None, :2, 0] * x[:, None]
        + inverse[:, None, None, :2, 1] * y[:, None, None]
        + inverse[:, None, None, :2, 2]
    ).astype(np.float32)
    if waves is None:
        return points
    angles = points @ waves.frequency.T.astype(np.float32) + waves.phase[:, None, None].astype(np.float32)
    return points + np.sin(angles) @ waves.amplitude.astype(np.float32)


def full_map(coarse: np.ndarray, size: Size) -> np.ndarray:
    """Interpolate one coarse map `[gh, gw, 2]` to every output pixel, float32 `[H, W, 2]`."""
    rows, columns = coarse.shape[:2]
    fine = cv2.resize(coarse, (columns * CELL, rows * CELL), interpolation=cv2.INTER_LINEAR)
    return fine[CELL : CELL + size[0], CELL : CELL + size[1]]


def look_up(image: np.ndarray, at: np.ndarray, border: int = cv2.BORDER_REFLECT) -> np.ndarray:
    """Pixels of a uint8 image `[h, w, C]` at positions `[H, W, 2]`, bilinear, mirrored beyond it unless told."""
    # OpenCV's type stubs do not know that the second map may be missing.
    return cv2.remap(image, at, None, cv2.INTER_LINEAR, borderMode=border)  # type: ignore[call-overload]


def look_up_ids(mask: np.ndarray, at: np.ndarray, beyond: int) -> np.ndarray:
    """Ids of a uint8 mask `[h, w]` at the pixels nearest to positions `[H, W, 2]`, `beyond` outside of it."""
    border = cv2.BORDER_CONSTANT
    return cv2.remap(mask, at, None, cv2.INTER_NEAREST, borderMode=border, borderValue=beyond)  # type: ignore[call-overload]


def magnification(maps: np.ndarray) -> float:
    """Output pixels to one source pixel under coarse maps `[T, gh, gw, 2]`: their median."""
    across, down = np.diff(maps, axis=2)[:, :-1], np.diff(maps, axis=1)[:, :, :-1]
    areas = np.abs(across[..., 0] * down[..., 1] - across[..., 1] * down[..., 0])
    return float(CELL / np.sqrt(max(np.median(areas), 1e-6)))


def low_pass(blur: float) -> np.ndarray:
    """Weights `[2 * BLUR_REACH + 1]` of a Gaussian; `blur`: its standard deviation in source pixels, within reach."""
    at = np.arange(-BLUR_REACH, BLUR_REACH + 1)
    weights = np.exp(-0.5 * (at / np.clip(blur, 1e-3, BLUR_REACH / 3)) ** 2)
    return (weights / weights.sum()).astype(np.float32)


def streak_kernels(positions: np.ndarray, shutter: float) -> np.ndarray:
    """Motion blur: straight streaks along the way of a point.

    Args:
        positions: `[T, 2]`, x and y of the point in output pixels.
        shutter: share of the time between frames that the shutter is open.

    Returns:
        float32 `[T, KERNEL, KERNEL]`, each summing to 1; a single 1 in the middle where nothing moves.
    """
    steps = np.gradient(positions, axis=0) * shutter if len(positions) > 1 else np.zeros_like(positions)
    length = np.linalg.norm(steps, axis=1, keepdims=True)
    steps = steps * np.minimum(1, (KERNEL - 3) / np.maximum(length, 1e-6))
    along = np.linspace(-0.5, 0.5, 2 * KERNEL)
    at = steps[:, None] * along[:, None] + KERNEL // 2  # [T, S, 2]
    grid = np.arange(KERNEL)
    tent = np.maximum(0, 1 - np.abs(at[..., None] - grid))  # [T, S, 2, KERNEL]
    kernels = np.einsum("tsy,tsx->tyx", tent[:, :, 1], tent[:, :, 0]) / len(along)
    kernels[kernels < 1e-3] = 0  # leaves short streaks small kernels
    kernels /= kernels.sum((1, 2), keepdims=True)
    return kernels.astype(np.float32)


def sample_colours(rng: np.random.Generator, times: np.ndarray) -> Colours:
    """Brightness, contrast, saturation and white balance of a clip, with a slow drift of light and gamma."""
    saturation = rng.uniform(0.6, 1.4) if rng.random() < 0.9 else 0.0
    luma = np.array([0.299, 0.587, 0.114])
    mix = saturation * np.eye(3) + (1 - saturation) * luma
    contrast = rng.uniform(0.75, 1.25)
    balance = rng.uniform(0.9, 1.1, 3)
    drift = _path(rng, times, 0.03, 0.25, 1)
    gain = np.exp(rng.normal(0, 0.15) + drift) * balance  # [T, 3]
    matrix = np.zeros((len(times), 3, 4))
    matrix[:, :, :3] = gain[:, :, None] * contrast * mix
    matrix[:, :, 3] = 0.45 * (1 - contrast)
    gamma = np.exp(rng.normal(0, 0.15) + _path(rng, times, 0.03, 0.25, 1)[:, 0])
    return Colours(matrix.astype(np.float32), gamma.astype(np.float32))


def placement(scale: float, angle: float, flip: bool, source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """`[3, 3]`: source pixels to output pixels by similarity, `source` point `[2]` to `target` point `[2]`."""
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.array([[cos, -sin], [sin, cos]]) @ np.diag([-1.0 if flip else 1.0, 1.0])
    matrix = np.eye(3)
    matrix[:2, :2] = linear
    matrix[:2, 2] = target - linear @ source
    return matrix


def apply(matrix: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Where a `[3, 3]` matrix takes a point, `[2]`."""
    return (matrix @ np.append(point, 1.0))[:2]


def scale_of(matrix: np.ndarray) -> float:
    """Output pixels to one source pixel under a `[3, 3]` matrix, direction aside."""
    return float(np.sqrt(abs(np.linalg.det(matrix[:2, :2]))))


def kept_inside(place: np.ndarray, source: Size, size: Size) -> np.ndarray:
    """Shift a placed photo of size `source` so that it fills the output; where it is too small, to the middle."""
    corners = np.array([[0, 0, 1], [source[1], 0, 1], [0, source[0], 1], [source[1], source[0], 1]])
    moved = (corners @ place.T)[:, :2]
    low, high = moved.min(0), moved.max(0)
    image = np.array([size[1], size[0]], float)
    fill = np.clip(0, image - high, -low)
    return shifted(place, np.where(high - low >= image, fill, (image - high - low) / 2))


def shifted(matrices: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Matrices `[..., 3, 3]` followed by shifts `[..., 2]`; one of them may stand for many."""
    move = np.zeros((*shift.shape[:-1], 3, 3))
    move[..., :, :] = np.eye(3)
    move[..., :2, 2] = shift
    return move @ matrices


def _path(
    rng: np.random.Generator, times: np.ndarray, speed: float, cap: float, dims: int, shake: float = 0.0
) -> np.ndarray:
    """Smooth way `[T, dims]` from 0: a velocity with a heavy tail, some acceleration, some shake, softly capped."""
    velocity = speed * min(np.exp(rng.normal(0, 0.8)), 6.0) * rng.normal(0, 1, dims)
    bend = rng.normal(0, 0.25 * speed, dims)
    way = velocity * times[:, None] + bend * times[:, None] ** 2 + shake * rng.normal(0, 1, (len(times), dims))
    return cap * np.tanh((way - way[:1]) / cap)


def _direction(rng: np.random.Generator) -> np.ndarray:
    angle = rng.uniform(0, 2 * np.pi)
    return np.array([np.cos(angle), np.sin(angle)])


def _about(
    centre: np.ndarray, shift: np.ndarray, angle: np.ndarray, log_scale: np.ndarray, shear: np.ndarray
) -> np.ndarray:
    """`[T, 3, 3]`: scale, shear, rotation about `centre`, then shift."""
    cos, sin = np.cos(angle), np.sin(angle)
    scale_x, scale_y = np.exp(log_scale).T
    matrices = np.zeros((len(shift), 3, 3))
    matrices[:, 0, 0], matrices[:, 0, 1] = cos * scale_x, (cos * shear - sin) * scale_y
    matrices[:, 1, 0], matrices[:, 1, 1] = sin * scale_x, (sin * shear + cos) * scale_y
    matrices[:, 2, 2] = 1
    matrices[:, :2, 2] = centre + shift - matrices[:, :2, :2] @ centre
    return matrices
