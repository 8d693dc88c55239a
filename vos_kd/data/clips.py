"""Training clips: one type for all sources, clips from photos, and batches of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from vos_kd.data.geometry import photo_geometry
from vos_kd.data.masks import VOID_ID
from vos_kd.data.photos import Photo, PhotoSet
from vos_kd.data.rendering import render
from vos_kd.data.scenes import MIN_OBJECT_PIXELS, PhotoSource, sample_scene
from vos_kd.data.warps import Size
from vos_kd.errors import InputError

ATTEMPTS = 20
"""Synthetic clips to draw before giving up on finding one that shows an object."""


class ClipSample(NamedTuple):
    """A short clip with the masks of the objects to follow."""

    images: np.ndarray
    """RGB uint8 `[T, H, W, 3]`."""
    masks: np.ndarray
    """uint8 `[T, H, W]`: 0 background, `object_ids`, 255 void (unknown)."""
    object_ids: tuple[int, ...]
    """1, 2, ...; each has at least `MIN_OBJECT_PIXELS` pixels in frame 0."""


class ClipBatch(NamedTuple):
    """Clips of equal size as tensors."""

    images: Tensor
    """RGB uint8 `[B, T, 3, H, W]`; divide by 255 for the network."""
    masks: Tensor
    """bool `[B, T, O, H, W]`, O the same for every batch; all False for objects that a clip does not have."""
    valid: Tensor
    """bool `[B, T, H, W]`: where the masks are known; False on void."""
    object_valid: Tensor
    """bool `[B, O]`: which objects a clip has."""

    def to(self, device: torch.device | str) -> Self:
        """The same batch on another device."""
        return type(self)(*(tensor.to(device, non_blocking=True) for tensor in self))


def keep_visible(images: np.ndarray, masks: np.ndarray, max_objects: int) -> ClipSample | None:
    """Make a sample of what can be followed from the first frame, or from the last, backwards, if that is more.

    Args:
        images: uint8 `[T, H, W, 3]`.
        masks: uint8 `[T, H, W]`; labels may have gaps.
        max_objects: the first so many labels are kept.

    Returns:
        The sample with labels 1, 2, ...; objects not seen in its first frame are background. None if none is left.
    """
    first, last = _visible_labels(masks[0]), _visible_labels(masks[-1])
    if len(last) > len(first):
        images, masks, first = images[::-1], masks[::-1], last
    labels = first[:max_objects]
    if not labels:
        return None
    table = np.zeros(256, np.uint8)
    table[VOID_ID] = VOID_ID
    table[labels] = np.arange(1, len(labels) + 1)
    return ClipSample(np.ascontiguousarray(images), table[masks], tuple(range(1, len(labels) + 1)))


def collate(samples: Sequence[ClipSample], max_objects: int = 3) -> ClipBatch:
    """Stack samples of equal length and size.

    Args:
        samples: at least one.
        max_objects: O of the batch.

    Raises:
        InputError: sizes differ, or a clip has more objects.
    """
    shapes = {sample.images.shape for sample in samples}
    if len(shapes) != 1:
        raise InputError(f"clips of a batch have shapes {sorted(shapes)}; expected one. Give all sources one size.")
    most = max(len(sample.object_ids) for sample in samples)
    if most > max_objects:
        raise InputError(f"a clip has {most} objects; expected at most {max_objects}. Give its source max_objects.")
    images = torch.from_numpy(np.stack([sample.images for sample in samples])).permute(0, 1, 4, 2, 3).contiguous()
    masks = torch.from_numpy(np.stack([sample.masks for sample in samples]))
    object_valid = torch.tensor([[n < len(sample.object_ids) for n in range(max_objects)] for sample in samples])
    return ClipBatch(images, one_hot(masks, max_objects), masks != VOID_ID, object_valid)


def one_hot(masks: Tensor, max_objects: int) -> Tensor:
    """Labels `[B, T, H, W]` to bool `[B, T, O, H, W]` for labels 1 to O."""
    labels = torch.arange(1, max_objects + 1, dtype=masks.dtype, device=masks.device)
    return masks[:, :, None] == labels[:, None, None]


def concatenate(batches: Sequence[ClipBatch]) -> ClipBatch:
    """Join batches of one clip length, size and device, such as synthetic and real ones."""
    return ClipBatch(*(torch.cat(tensors) for tensors in zip(*batches, strict=True)))


def with_round_count(batch: ClipBatch, multiple: int) -> ClipBatch:
    """Leave out the last object of a few clips, so that the batch has a multiple of so many.

    cuDNN plans every convolution anew for every new number of objects (`vos_kd/weights/README.md` says what that cost).
    What is left out stays in the picture, as one more thing that is not to be followed.

    Args:
        batch: its tensors may be changed.
        multiple: 1 or more.

    Returns:
        The batch; as it was where too few clips have an object to spare.
    """
    surplus = int(batch.object_valid.sum()) % multiple
    to_spare = batch.object_valid[:, 1:].flip(1).T.nonzero()[:surplus]  # of each clip the last first
    if len(to_spare) == surplus:
        rows, objects = to_spare[:, 1], batch.object_valid.shape[1] - 1 - to_spare[:, 0]
        batch.object_valid[rows, objects] = False
        batch.masks[rows, :, objects] = False
    return batch


@dataclass(frozen=True)
class PhotoClips:
    """Endless synthetic clips from photos, rendered on the processor."""

    photos: PhotoSet
    frames: int = 3
    size: Size = (256, 256)
    max_objects: int = 3

    def __post_init__(self) -> None:
        check_clip_shape(self.frames, self.size)

    def sample(self, rng: np.random.Generator) -> ClipSample:
        """A clip; equal states of `rng` give equal clips.

        Raises:
            InputError: the photos are damaged or have no objects.
        """
        for _ in range(ATTEMPTS):
            read = _remembering(self.photos.read)
            source = PhotoSource(self.photos.draw, lambda index, read=read: photo_geometry(read(index).mask))  # type: ignore[misc]
            scene = sample_scene(rng, source, self.frames, self.size, self.max_objects)
            sample = keep_visible(*render(scene, read), self.max_objects)
            if sample is not None:
                return sample
        raise InputError(
            f"{ATTEMPTS} synthetic clips in a row showed no object of {MIN_OBJECT_PIXELS} pixels at "
            f"{self.size[1]}x{self.size[0]}. Use larger clips or photos with larger objects."
        )


def check_clip_shape(frames: int, size: Size) -> None:
    """Refuse clips that no network here can be trained on.

    Raises:
        InputError: fewer than two frames, or sides that are no multiples of 16.
    """
    if frames < 2:
        raise InputError(f"clips of {frames} frames; expected at least 2: one with masks and one to segment.")
    if min(size) < 16 or size[0] % 16 or size[1] % 16:
        raise InputError(f"clips of {size[1]}x{size[0]} pixels; expected sides that are multiples of 16.")


def _visible_labels(mask: np.ndarray) -> list[int]:
    counts = np.bincount(mask.ravel(), minlength=256)
    return [int(label) for label in np.flatnonzero(counts >= MIN_OBJECT_PIXELS) if label not in (0, VOID_ID)]


def _remembering(read: Callable[[int], Photo]) -> Callable[[int], Photo]:
    """Read each photo of a clip once."""
    seen: dict[int, Photo] = {}

    def remembered(index: int) -> Photo:
        if index not in seen:
            seen[index] = read(index)
        return seen[index]

    return remembered
