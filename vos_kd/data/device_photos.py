"""All photos in the memory of an accelerator: training there waits for no loader.

Photos lie end to end as uint8 pixels of red, green, blue and object id, without padding: 12,000 photos with a short
side of 256 take 4.2 GB. `device_rendering` gathers from them what a batch of scenes needs.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vos_kd.data.clips import ATTEMPTS, ClipBatch, check_clip_shape
from vos_kd.data.device_rendering import Canvases, render_scenes
from vos_kd.data.geometry import PhotoGeometry, photo_geometry
from vos_kd.data.photos import PhotoSet
from vos_kd.data.scenes import MIN_OBJECT_PIXELS, PhotoSource, Scene, sample_scene
from vos_kd.data.warps import Size
from vos_kd.errors import InputError


@dataclass(frozen=True)
class DevicePhotos:
    """Photos on a device, and on the host what scene sampling needs of them."""

    pixels: Tensor
    """uint8 `[P, 4]`: red, green, blue, object id of every pixel of every photo, row by row."""
    offsets: np.ndarray
    """int64 `[N]`: first pixel of each photo."""
    geometries: tuple[PhotoGeometry, ...]
    photos: PhotoSet
    """Where they come from; also says how often each is drawn."""

    @classmethod
    def load(cls, photos: PhotoSet, device: torch.device | str) -> DevicePhotos:
        """Read all photos and put them on a device. Takes two or three milliseconds of a core a photo.

        Raises:
            InputError: they do not fit there (with the bytes needed), or photos are damaged or do not fit their masks.
        """

        def read(index: int) -> tuple[PhotoGeometry, Tensor]:
            # A damaged photo is stood in for, as in `PhotoClips`, so that indices keep their meaning.
            photo = photos.read(index)
            return photo_geometry(photo.mask), torch.from_numpy(np.dstack([photo.image, photo.mask]).reshape(-1, 4))

        with ThreadPoolExecutor() as pool:  # an accelerator waits meanwhile, and decoding lets go of the interpreter
            geometries, pieces = zip(*pool.map(read, range(len(photos))), strict=True)
        counts = np.array([len(piece) for piece in pieces], np.int64)
        needed = 4 * int(counts.sum())
        try:
            pixels = torch.empty((int(counts.sum()), 4), dtype=torch.uint8, device=device)
        except (torch.OutOfMemoryError, RuntimeError) as error:
            # On a processor, torch reports a failed allocation as a plain RuntimeError.
            raise InputError(
                f"no space on {device} for {len(photos)} photos: {needed:,} bytes needed. Take fewer photo stores, a "
                "smaller short side, or feed from workers instead."
            ) from error
        start = 0
        for piece in pieces:
            pixels[start : start + len(piece)] = piece.to(device)
            start += len(piece)
        return cls(pixels, np.cumsum(counts) - counts, geometries, photos)

    def gather(self, indices: Sequence[int]) -> Canvases:
        """Photos on one canvas each, as large as the largest of them."""
        device = self.pixels.device
        sizes = [self.geometries[i][:2] for i in indices]
        height, width = max(h for h, _ in sizes), max(w for _, w in sizes)
        empty = torch.empty((len(sizes), 4, height, width), dtype=torch.uint8, device=device)
        canvases = Canvases(empty, torch.tensor(sizes, device=device))
        starts = torch.from_numpy(self.offsets[list(indices)]).to(device)[:, None, None]
        rows = torch.arange(height, device=device)[:, None]
        at = starts + rows * canvases.sizes[:, 1, None, None] + torch.arange(width, device=device)
        inside = canvases.inside
        pixels = self.pixels[torch.where(inside, at, 0)] * inside[..., None]
        return canvases._replace(pixels=pixels.permute(0, 3, 1, 2).contiguous())


@dataclass(frozen=True)
class DeviceScenes:
    """Source of scenes for `DeviceClips`: numbers only, so worker processes can draw them ahead."""

    geometries: tuple[PhotoGeometry, ...]
    photos: PhotoSet
    frames: int = 3
    size: Size = (256, 256)
    max_objects: int = 3

    def __post_init__(self) -> None:
        check_clip_shape(self.frames, self.size)

    def sample(self, rng: np.random.Generator) -> Scene:
        """A scene of the same distribution as those of `PhotoClips`."""
        source = PhotoSource(self.photos.draw, self.geometries.__getitem__)
        return sample_scene(rng, source, self.frames, self.size, self.max_objects)


@dataclass(frozen=True)
class DeviceClips:
    """Scenes to batches on the device."""

    photos: DevicePhotos
    max_objects: int = 3

    def scenes(self, frames: int = 3, size: Size = (256, 256)) -> DeviceScenes:
        """The source of scenes that fits these photos; use it with `BatchStream(..., collate=list)`."""
        return DeviceScenes(self.photos.geometries, self.photos.photos, frames, size, self.max_objects)

    def render(self, scenes: Sequence[Scene]) -> ClipBatch:
        """Make the batch of some scenes of one size.

        A clip that shows no object in its first or last frame is replaced by another of the batch; where none shows
        one, all scenes are drawn again. Equal scenes give equal batches.

        Raises:
            InputError: no clip shows an object, however often they are drawn.
        """
        for _ in range(ATTEMPTS):
            batch = render_scenes(scenes, self.photos.gather, self.max_objects)
            if batch is not None:
                return batch
            scenes = [self._another(scene) for scene in scenes]
        raise InputError(
            f"{ATTEMPTS} batches of {len(scenes)} synthetic clips in a row showed no object of {MIN_OBJECT_PIXELS} "
            f"pixels at {scenes[0].size[1]}x{scenes[0].size[0]}. Use larger clips or photos with larger objects."
        )

    def _another(self, scene: Scene) -> Scene:
        """A scene in place of one, which alone says what is drawn: a run that is resumed gets it again."""
        maps = scene.layers[0].maps
        return self.scenes(len(maps), scene.size).sample(np.random.default_rng(zlib.crc32(maps.tobytes())))
