"""From a recipe's data settings to an endless, exactly resumable feed of batches."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from torch.utils.data import DataLoader

from vos_kd.data.clips import ClipBatch, PhotoClips, collate, concatenate, with_round_count
from vos_kd.data.davis import davis_sequences
from vos_kd.data.device_photos import DeviceClips, DevicePhotos
from vos_kd.data.photos import VALIDATION_SHARE, Part, open_photos
from vos_kd.data.real_clips import RealClips, VideoSequence
from vos_kd.data.shapes import ShapeClips
from vos_kd.data.streams import BatchStream, Mixture, Source
from vos_kd.data.youtube_vos import youtube_vos_sequences
from vos_kd.errors import InputError
from vos_kd.recipes import DataConfig, Recipe

log = logging.getLogger(__name__)

VALIDATION_SEED = 20_000_000
VALIDATION_FRAMES = 5
"""More than in training: drift shows late."""
OBJECT_MULTIPLE = 8
"""Batches on a device have this many objects or a multiple of it: few shapes, few plans of convolutions."""


def build_feed(recipe: Recipe, accelerator: Accelerator, start: int) -> Iterator[ClipBatch]:
    """Training batches from number `start` on, on the accelerator's device."""
    data = recipe.data
    load = partial(_load, recipe, accelerator, start)
    if data.feed != "device":
        mixed = load(build_source(data, "train"), partial(collate, max_objects=data.max_objects), data.batch_size)
        return (batch.to(accelerator.device) for batch in mixed)
    real = _real_clips(data, "train")
    real_count = round(data.batch_size * data.real_share) if real is not None else 0
    parts: list[Iterator[ClipBatch]] = []
    if real_count < data.batch_size:
        # Workers draw what happens in a clip; the device warps the photos for it. Real clips come ready and join there.
        clips = DeviceClips(DevicePhotos.load(_photos(data, "train"), accelerator.device), data.max_objects)
        scenes = load(clips.scenes(data.frames, (data.height, data.width)), list, data.batch_size - real_count)
        parts.append(clips.render(batch) for batch in scenes)
    if real is not None and real_count:
        recorded = load(real, partial(collate, max_objects=data.max_objects), real_count)
        parts.append(batch.to(accelerator.device) for batch in recorded)
    return (with_round_count(concatenate(batches), OBJECT_MULTIPLE) for batches in zip(*parts, strict=True))


def validation_batches(recipe: Recipe, frames: int = VALIDATION_FRAMES) -> list[ClipBatch]:
    """The same held-out clips, of so many frames, at every validation of every run with this data."""
    data = replace(recipe.data, frames=frames)
    source = build_source(data, "validation")
    size = min(data.batch_size, recipe.validation_clips)  # an accelerator waits while they are drawn
    stream = BatchStream(source, partial(collate, max_objects=data.max_objects), size, VALIDATION_SEED)
    return [stream.batch(n) for n in range(-(-recipe.validation_clips // size))]


def build_source(data: DataConfig, part: Part) -> Source:
    """What samples are drawn from: shapes, or photos and real clips by weight.

    Raises:
        InputError: the recipe names no data, or data that cannot be used.
    """
    size = (data.height, data.width)
    if data.feed == "shapes":
        return ShapeClips(data.frames, size, data.max_objects)
    real = _real_clips(data, part)
    if real is None and (data.davis or data.youtube_vos):
        rule = f"one in {VALIDATION_SHARE} is held out, by its name"
        told = f"no real video of two frames is in the {part} part: {rule}"
        if not data.photos:
            raise InputError(f"{told}. Give more videos, or photos beside them.")
        log.warning("%s. Its clips are of photos alone.", told)
    if not data.photos:
        if real is None:
            raise InputError(
                "the recipe names no data for training; give --set data.photos=FOLDER_OR_ZIP,... (images/ and masks/ "
                "inside), --set data.davis=ROOT or --set data.youtube_vos=ROOT."
            )
        return real
    synthetic = PhotoClips(_photos(data, part), data.frames, size, data.max_objects)
    return synthetic if real is None else Mixture([synthetic, real], [1 - data.real_share, data.real_share])


def _photos(data: DataConfig, part: Part) -> Any:
    if not data.photos:
        raise InputError("the recipe names no photos; give --set data.photos=FOLDER_OR_ZIP,... (images/ and masks/).")
    return open_photos([Path(path) for path in data.photos], part)


def _real_clips(data: DataConfig, part: Part) -> RealClips | None:
    """Clips of all real trees that the recipe names; None where none has two frames. Short ones go to and fro."""
    videos = [video for root in data.davis for video in _davis(Path(root), part)]
    videos += [video for root in data.youtube_vos for video in youtube_vos_sequences(Path(root), part)]
    videos = [video for video in videos if len(video.images) > 1]
    size = (data.height, data.width)
    return RealClips(videos, data.frames, size, data.max_objects, data.max_skip) if videos else None


def _davis(root: Path, part: Part) -> list[VideoSequence]:
    """The official tree, or one with the sequences directly below `JPEGImages`."""
    if (root / "ImageSets").is_dir():
        return davis_sequences(root, part=part)
    return davis_sequences(root, image_set=None, resolution=None, part=part)


def _load(
    recipe: Recipe,
    accelerator: Accelerator,
    start: int,
    source: Source,
    join: Callable[[Sequence[Any]], Any],
    batch_size: int,
) -> Iterator[Any]:
    """Batches of a source in order, made ahead by the recipe's workers."""
    stream = BatchStream(
        source,
        join,
        batch_size,
        recipe.seed,
        start=start,
        rank=accelerator.process_index,
        ranks=accelerator.num_processes,
    )
    workers = recipe.data.workers
    loader: DataLoader[Any] = DataLoader(
        stream, batch_size=None, num_workers=workers, prefetch_factor=4 if workers else None
    )
    return _sound(loader)


def _sound(batches: Iterable[Any]) -> Iterator[Any]:
    """Batches as they come; what a worker hands over in place of one is raised here, as its one line."""
    for batch in batches:
        if isinstance(batch, InputError):
            raise batch
        yield batch
