"""Real videos with masks: sequences of files, and training clips cut from them.

Frames are sampled with random gaps up to a maximum skip (STM, Oh et al., ICCV 2019, section 3.4, and its successors,
which let it grow in the course of training; here it stays).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from vos_kd.data import warps
from vos_kd.data.clips import ClipSample, check_clip_shape, keep_visible
from vos_kd.data.geometry import photo_geometry
from vos_kd.data.masks import VOID_ID, object_ids, read_mask
from vos_kd.data.rendering import recolour
from vos_kd.data.scenes import MIN_OBJECT_PIXELS, sample_share
from vos_kd.data.warps import Size
from vos_kd.errors import InputError
from vos_kd.video_io.archive import natural_key

_ATTEMPTS = 50
_LARGEST_SCALE = 2.0
"""Enlarging frames further shows blur, not objects."""


@dataclass(frozen=True)
class VideoSequence:
    """The annotated frames of a video, in order."""

    name: str
    images: tuple[Path, ...]
    masks: tuple[Path, ...]
    """One palette PNG for each image."""
    object_ids: tuple[int, ...] | None = None
    """The ids that count as objects; None: every id in the masks."""


def list_sequence(images: Path, masks: Path, name: str, ids: tuple[int, ...] | None = None) -> VideoSequence:
    """List a video's annotated frames.

    Args:
        images: folder that holds a folder of `NUMBER.jpg` for each video.
        masks: folder that holds a folder of `NUMBER.png` for each video.
        name: of the video and its folders.
        ids: see `VideoSequence`.

    Raises:
        InputError: the folders are missing or empty, or a mask has no image.
    """
    if PurePosixPath(name).name != name or name in {".", ".."}:
        raise InputError(
            f"{name!r} in {images.parent} is no plain video name; expected a folder's name without slashes."
        )
    # As clips list their frames: 2 comes before 10, and what is hidden (macOS leaves ._2.png) is no frame.
    mask_files = tuple(sorted((masks / name).glob("[!.]*.png"), key=lambda file: natural_key(file.name)))
    if not mask_files:
        raise InputError(f"video {name!r} has no masks; expected {masks / name}/NUMBER.png.")
    image_files = tuple(images / name / f"{file.stem}.jpg" for file in mask_files)
    for image, mask in zip(image_files, mask_files, strict=True):
        if not image.is_file():
            raise InputError(f"video {name!r}: mask {mask.name} has no image; expected {image}.")
    return VideoSequence(name, image_files, mask_files, ids)


@dataclass(frozen=True)
class RealClips:
    """Endless clips from real videos: frames with gaps, a crop around one of the objects, colour jitter."""

    sequences: Sequence[VideoSequence]
    frames: int = 3
    size: Size = (256, 256)
    max_objects: int = 3
    max_skip: int = 5
    """Largest step from one frame of a clip to the next, in annotated frames."""

    def __post_init__(self) -> None:
        check_clip_shape(self.frames, self.size)
        if not self.sequences:
            raise InputError("no videos to take clips from; expected at least one in this part of the tree.")
        if self.max_skip < 1:
            raise InputError(f"max_skip is {self.max_skip}; expected 1 or more annotated frames.")

    def sample(self, rng: np.random.Generator) -> ClipSample:
        """A clip; equal states of `rng` give equal clips.

        Raises:
            InputError: a file is missing, damaged or of another size, or no drawn clip shows an object.
        """
        for _ in range(_ATTEMPTS):
            sequence = self.sequences[int(rng.integers(len(self.sequences)))]
            numbers = sample_frames(rng, len(sequence.images), self.frames, self.max_skip)
            sample = self._clip(rng, sequence, numbers)
            if sample is not None:
                return sample
        raise InputError(
            f"{_ATTEMPTS} clips in a row from {len(self.sequences)} videos, the last {sequence.name!r}, showed no "
            f"object of {MIN_OBJECT_PIXELS} pixels in their first frame. Look at the masks."
        )

    def _clip(self, rng: np.random.Generator, sequence: VideoSequence, numbers: Sequence[int]) -> ClipSample | None:
        masks = [self._read_mask(sequence, number) for number in numbers]
        boxes = photo_geometry(masks[0]).objects
        if not boxes:
            return None
        height, width = masks[0].shape
        box = boxes[int(rng.integers(len(boxes)))]
        cover = 0.97 * max(self.size[0] / height, self.size[1] / width)
        scale = float(np.clip(sample_share(rng) * min(self.size) / box.side, cover, max(cover, _LARGEST_SCALE)))
        target = np.array([self.size[1], self.size[0]]) * rng.uniform(0.3, 0.7, 2)
        flip = bool(rng.random() < 0.5)
        place = warps.placement(scale, np.deg2rad(rng.normal(0, 4)), flip, box.centre, target)
        place = warps.kept_inside(place, (height, width), self.size)
        times = np.arange(len(numbers), dtype=float)
        at = warps.full_map(warps.coarse_maps(place[None], None, self.size)[0], self.size)
        colours = warps.sample_colours(rng, times)
        chosen = self._choose(rng, box.object_id, [b.object_id for b in boxes])
        out = []
        for number, mask, matrix, gamma in zip(numbers, masks, colours.matrix, colours.gamma, strict=True):
            image = warps.look_up(self._read_image(sequence, number, mask.shape), at)
            recolour(image, matrix, gamma)
            out.append((image, warps.look_up_ids(cv2.LUT(mask, chosen), at, VOID_ID)))
        return keep_visible(np.stack([i for i, _ in out]), np.stack([m for _, m in out]), self.max_objects)

    def _choose(self, rng: np.random.Generator, first: int, ids: Sequence[int]) -> np.ndarray:
        """A table, uint8 `[256]`, of the ids that stay: the first one and random others; the rest is background."""
        others = [i for i in ids if i != first]
        rng.shuffle(others)
        table = np.zeros(256, np.uint8)
        for object_id in [first, *others[: self.max_objects - 1], VOID_ID]:
            table[object_id] = object_id
        return table

    def _read_mask(self, sequence: VideoSequence, number: int) -> np.ndarray:
        mask = read_mask(sequence.masks[number])
        if sequence.object_ids is not None:
            unknown = set(object_ids(mask)) - set(sequence.object_ids)
            mask = np.where(np.isin(mask, sorted(unknown)), np.uint8(0), mask) if unknown else mask
        return mask

    def _read_image(self, sequence: VideoSequence, number: int, shape: tuple[int, ...]) -> np.ndarray:
        file = sequence.images[number]
        image = cv2.imread(str(file), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
        if image is None:
            raise InputError(f"{file} cannot be decoded; expected a JPEG image. Copy it again.")
        if image.shape[:2] != shape:
            raise InputError(
                f"{file} is {image.shape[1]}x{image.shape[0]} but its mask is {shape[1]}x{shape[0]}; "
                "expected equal sizes. Put one of them right."
            )
        return image


def sample_frames(rng: np.random.Generator, available: int, frames: int, max_skip: int) -> list[int]:
    """Draw `frames` frame numbers of a video with steps of 1 to `max_skip`, forwards or backwards.

    Steps are shortened where the video is; one with fewer frames than asked for is played to and fro.
    """
    longest = max((available - 1) // (frames - 1), 1)
    steps = rng.integers(1, min(max_skip, longest) + 1, frames - 1)
    offsets = np.concatenate([[0], np.cumsum(steps)])
    offsets += rng.integers(max(available - int(offsets[-1]), 1))
    period = max(2 * (available - 1), 1)
    folded = offsets % period
    numbers = np.minimum(np.where(folded >= available, period - folded, folded), available - 1)
    return [int(n) for n in (numbers[::-1] if rng.random() < 0.5 else numbers)]


def require_folder(path: Path, what: str) -> None:
    """Refuse a tree without one of its folders.

    Raises:
        InputError: `path` is no folder; names `what`.
    """
    if not path.is_dir():
        raise InputError(f"there is no folder {path}; expected {what} there.")


def sorted_folders(path: Path) -> Iterable[str]:
    """Names of the folders in a folder."""
    return sorted(entry.name for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
