"""Random scenes: which photos' objects are put over which background, how large, and how each of them moves.

A scene is a stack of layers, back to front. Layer 0 is a whole photo; each layer above is the cut-out of one photo's
object, or a whole photo squeezed to a bar. Labelled layers are the clip's objects; the others are there to distract or
to occlude. A scene holds numbers only: `rendering` (OpenCV) and `device_rendering` (`grid_sample`) make clips of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from vos_kd.data import warps
from vos_kd.data.geometry import MIN_SOURCE_AREA, ObjectBox, PhotoGeometry
from vos_kd.data.warps import Size
from vos_kd.errors import InputError

MIN_OBJECT_PIXELS = 60
"""What a labelled object must show of itself in the first frame of a clip."""
_DRAWS = 50
"""Photos to try before giving up on finding one with an object."""
# Side of an object as a share of the image's short side; DAVIS objects have 0.15-0.6 of it.
_SMALLEST, _USUAL, _LARGEST = 0.06, 0.36, 0.7
# Elastic amplitude as a share of the side of an object. Above 0.08 many objects would fold over themselves.
_STIFFEST, _USUAL_BEND, _SOFTEST = 0.003, 0.015, 0.08


@dataclass(frozen=True)
class Layer:
    """One thing in a scene and its way through it."""

    photo: int
    """Index of its photo."""
    object_id: int
    """Id of the cut-out in its photo's mask; 0 is the whole photo."""
    label: int
    """Id in the clip's masks; 0 is unlabelled."""
    maps: np.ndarray
    """float32 `[T, gh, gw, 2]`, see `warps.coarse_maps`."""
    gain: float = 1.0
    """Factor on its brightness: pasted things are never lit alike."""
    blur: float = 0.0
    """Standard deviation of the low-pass before it is looked up, in source pixels; 0 for none."""
    kernels: np.ndarray | None = None
    """float32 `[T, K, K]` motion blur, or None for a still camera with a fast shutter."""
    holes: tuple[int, ...] = ()
    """Background only: ids of objects painted over, because they are cut out and move by themselves."""


@dataclass(frozen=True)
class Scene:
    """A synthetic clip before it is rendered."""

    size: Size
    layers: tuple[Layer, ...]
    """Back to front, the background first."""
    colours: warps.Colours


@dataclass(frozen=True)
class PhotoSource:
    """Where scenes take photos from: a random index, and the geometry behind an index."""

    draw: Callable[[np.random.Generator], int]
    geometry: Callable[[int], PhotoGeometry]

    def draw_with_object(self, rng: np.random.Generator) -> tuple[int, PhotoGeometry]:
        """A random photo with at least one object to cut out."""
        for _ in range(_DRAWS):
            index = self.draw(rng)
            geometry = self.geometry(index)
            if geometry.objects:
                return index, geometry
        raise InputError(
            f"none of {_DRAWS} photos drawn has an object of {MIN_SOURCE_AREA} pixels; expected masks with object "
            "ids (palette PNG) or white objects on black. Look at the masks of the photo stores."
        )


def sample_share(rng: np.random.Generator) -> float:
    """Side of an object as a share of the image's short side: all sizes, the usual ones most."""
    return float(np.exp(rng.triangular(*np.log([_SMALLEST, _USUAL, _LARGEST]))))


def sample_bend(rng: np.random.Generator) -> float:
    """Elastic amplitude of an object as a share of its side: most are nearly stiff, some bend as living things do."""
    return float(np.exp(rng.triangular(*np.log([_STIFFEST, _USUAL_BEND, _SOFTEST]))))


def sample_scene(rng: np.random.Generator, photos: PhotoSource, frames: int, size: Size, max_objects: int = 3) -> Scene:
    """Draw a scene: all randomness of a synthetic clip.

    Args:
        rng: source of randomness; equal states give equal scenes.
        photos: to draw from.
        frames: T, at least 2.
        size: of the clip.
        max_objects: labelled objects at most.

    Raises:
        InputError: the photos have no objects.
    """
    return _Director(rng, photos, frames, size).scene(max_objects)


class _Director:
    """One scene in the making: what all its layers share."""

    def __init__(self, rng: np.random.Generator, photos: PhotoSource, frames: int, size: Size) -> None:
        self.rng, self.photos, self.size = rng, photos, size
        self.side = min(size)
        self.times = warps.sample_times(rng, frames)
        self.camera = warps.sample_camera(rng, self.times, size)
        self.shutter = rng.uniform(0.2, 0.7) if rng.random() < 0.25 else None
        self.taken: list[np.ndarray] = []  # centres of the objects so far, in output pixels

    def scene(self, max_objects: int) -> Scene:
        rng = self.rng
        index, geometry = self.photos.draw_with_object(rng)
        areas = np.array([box.area for box in geometry.objects], float)
        primary = geometry.objects[int(rng.choice(len(areas), p=areas**0.5 / (areas**0.5).sum()))]
        place, is_own = self._place_primary(geometry, primary)
        chosen = [primary]
        for box in geometry.objects:
            visible = (
                self._is_inside(warps.apply(place, box.centre))
                and box.area * warps.scale_of(place) ** 2 > 4 * MIN_OBJECT_PIXELS
            )
            if box is not primary and visible and len(chosen) < max_objects and rng.random() < 0.6:
                chosen.append(box)
        stays = rng.random() < 0.85  # in the rest of the scenes the first object leaves the image
        objects = [
            self._cut_out(index, box, place, label, excursion=number == 0 and not stays, tethered=is_own)
            for number, (label, box) in enumerate(zip(range(1, max_objects + 1), chosen, strict=False))
        ]
        for label in range(len(chosen) + 1, max_objects + 1):
            if rng.random() < 0.35:
                objects.append(self._pasted(label, excursion=rng.random() < 0.1))
        for _ in range(int(rng.choice(3, p=[0.6, 0.3, 0.1]))):
            twin = (index, primary) if rng.random() < 0.4 else None
            objects.append(self._pasted(0, twin=twin))
        order = rng.permutation(len(objects))
        layers = [objects[i] for i in order]
        if rng.random() < 0.2:
            layers.append(self._occluder(place, primary))
        if is_own:
            ground = self._ground(index, geometry, place, tuple(box.object_id for box in chosen))
        else:
            other = self.photos.draw(rng)
            ground = self._ground(other, self.photos.geometry(other), None, ())
        colours = warps.sample_colours(rng, self.times)
        softened = (self._softened(layer, warps.magnification(ground.maps)) for layer in layers)
        return Scene(self.size, (ground, *softened), colours)

    def _place_primary(self, geometry: PhotoGeometry, box: ObjectBox) -> tuple[np.ndarray, bool]:
        """Where the first object stands, and whether in its own photo: only if that fills most of the image."""
        rng = self.rng
        share = sample_share(rng)
        # A long box must fit, too.
        scale = min(share * self.side / box.side, 0.95 * min(self.size[0] / box.height, self.size[1] / box.width))
        cover = 0.97 * max(self.size[0] / geometry.height, self.size[1] / geometry.width)
        is_own = rng.random() < 0.85 and (scale >= cover or rng.random() < 0.6)
        scale = max(scale, cover) if is_own else scale
        flip = bool(rng.random() < 0.5)
        angle = np.deg2rad(rng.normal(0, 4 if is_own else 8))
        target = self._position(scale * box.side)
        place = warps.placement(scale, angle, flip, box.centre, target)
        if is_own:
            place = warps.kept_inside(place, (geometry.height, geometry.width), self.size)
        self.taken.append(warps.apply(place, box.centre))
        return place, is_own

    def _is_inside(self, point: np.ndarray) -> bool:
        return bool(0 < point[0] < self.size[1] and 0 < point[1] < self.size[0])

    def _position(self, extent: float) -> np.ndarray:
        """A free place: of three random ones the farthest from the objects so far."""
        low = np.minimum(0.4 * extent, 0.5 * self.side)
        image = np.array([self.size[1], self.size[0]], float)
        spots = self.rng.uniform(low, image - low, (3, 2))
        if not self.taken:
            return spots[0]
        return max(spots, key=lambda spot: min(float(np.linalg.norm(spot - t)) for t in self.taken))

    def _pasted(self, label: int, excursion: bool = False, twin: tuple[int, ObjectBox] | None = None) -> Layer:
        """A cut-out of another photo, or a twin of an object, somewhere else."""
        rng = self.rng
        if twin is None:
            index, geometry = self.photos.draw_with_object(rng)
            box = geometry.objects[int(rng.integers(len(geometry.objects)))]
        else:
            index, box = twin
        scale = 0.8 * sample_share(rng) * self.side / box.side
        position = self._position(scale * box.side)
        self.taken.append(position)
        place = warps.placement(scale, np.deg2rad(rng.normal(0, 10)), bool(rng.random() < 0.5), box.centre, position)
        return self._cut_out(index, box, place, label, excursion)

    def _cut_out(
        self, photo: int, box: ObjectBox, place: np.ndarray, label: int, excursion: bool, tethered: bool = False
    ) -> Layer:
        """An object that starts at its place and goes its own way.

        A `tethered` one stands in its own photo: it moves less, since what it uncovers is only guessed, and least if
        the photo's border cuts it.
        """
        rng = self.rng
        extent = warps.scale_of(place) * box.side
        centre = warps.apply(place, box.centre)
        vigour = (0.3 if box.is_cut else 0.6) if tethered else 1.0
        motion = warps.sample_object_motion(rng, self.times, centre, extent, self.size, vigour)
        if excursion and not (tethered and box.is_cut):
            motion = warps.shifted(motion, warps.sample_excursion(rng, self.times, 0.5 * self.side + 0.6 * extent))
        bend = sample_bend(rng)
        return self._layer(photo, box.object_id, label, self.camera @ motion @ place, box.centre, box.side, bend)

    def _occluder(self, place: np.ndarray, primary: ObjectBox) -> Layer:
        """A bar or a cut-out that passes in front of the first object, away from it at first."""
        rng = self.rng
        goal = warps.apply(place, primary.centre)
        if rng.random() < 0.5:
            photo = self.photos.draw(rng)
            geometry = self.photos.geometry(photo)
            extent = rng.uniform(0.05, 0.2) * self.side
            centre = np.array([geometry.width / 2, geometry.height / 2])
            bar = np.diag([extent / geometry.width, rng.uniform(0.6, 2) * self.side / geometry.height, 1.0])
            turn = warps.placement(1.0, rng.uniform(0, np.pi), False, bar[:2, :2] @ centre, goal)
            shift = warps.sample_crossing(rng, self.times, 0.5 * self.side + extent)
            return self._layer(photo, 0, 0, warps.shifted(turn @ bar, shift), centre, float(max(centre)), 0.0)
        photo, geometry = self.photos.draw_with_object(rng)
        box = geometry.objects[int(rng.integers(len(geometry.objects)))]
        extent = rng.uniform(0.15, 0.5) * self.side
        start = warps.placement(extent / box.side, rng.normal(0, 0.2), False, box.centre, goal)
        shift = warps.sample_crossing(rng, self.times, 0.45 * self.side + 0.6 * extent)
        return self._layer(photo, box.object_id, 0, warps.shifted(start, shift), box.centre, box.side, 0.005)

    def _ground(self, photo: int, geometry: PhotoGeometry, place: np.ndarray | None, holes: tuple[int, ...]) -> Layer:
        rng = self.rng
        middle = np.array([geometry.width / 2, geometry.height / 2])
        if place is None:
            scale = rng.uniform(1.05, 1.6) * max(self.size[0] / geometry.height, self.size[1] / geometry.width)
            target = np.array([self.size[1] / 2, self.size[0] / 2]) + rng.uniform(-0.2, 0.2, 2) * self.side
            place = warps.placement(scale, np.deg2rad(rng.normal(0, 5)), bool(rng.random() < 0.5), middle, target)
            place = warps.kept_inside(place, (geometry.height, geometry.width), self.size)
        extent = float(min(geometry.height, geometry.width))
        ground = self._layer(photo, 0, 0, self.camera @ place, middle, extent, abs(rng.normal(0, 0.004)))
        return replace(ground, gain=1.0, holes=holes)

    def _softened(self, layer: Layer, ground: float) -> Layer:
        """A layer with no detail finer than an output pixel, and somewhere between crisp and as soft as the ground.

        Backgrounds are enlarged and many cut-outs made smaller: without this, a network would learn to know pasted
        things by how crisp and jagged they are, which tells nothing in a real video.

        Args:
            layer: a cut-out or a bar.
            ground: magnification of the background.
        """
        own = warps.magnification(layer.maps)
        finest = max(1.0, ground ** self.rng.uniform(0, 1))
        return replace(layer, blur=0.5 * float(np.sqrt(max((finest / own) ** 2 - 1, 0))))

    def _layer(
        self,
        photo: int,
        object_id: int,
        label: int,
        matrices: np.ndarray,
        centre: np.ndarray,
        extent: float,
        strength: float,
    ) -> Layer:
        shortest = 5 * warps.CELL / warps.scale_of(matrices[0])
        waves = warps.sample_waves(self.rng, self.times, extent, strength, shortest)
        maps = warps.coarse_maps(matrices, waves, self.size)
        gain = float(np.exp(self.rng.normal(0, 0.12)))
        kernels = None
        if self.shutter is not None:
            kernels = warps.streak_kernels((matrices @ np.append(centre, 1.0))[:, :2], self.shutter)
        return Layer(photo, object_id, label, maps, gain, kernels=kernels)
