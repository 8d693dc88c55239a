"""From a recipe's data settings to an endless, exactly resumable feed of batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from accelerate import Accelerator
from torch.utils.data import DataLoader

from vos_kd.data.clips import ClipBatch, PhotoClips, collate
from vos_kd.data.davis import davis_sequences
from vos_kd.data.photos import Part, open_photos
from vos_kd.data.real_clips import RealClips, VideoSequence
from vos_kd.data.streams import BatchStream, Mixture, Source
from vos_kd.data.youtube_vos import youtube_vos_sequences
from vos_kd.errors import InputError
from vos_kd.recipes import DataConfig, Recipe

VALIDATION_SEED = 20_000_000
VALIDATION_FRAMES = 5
"""More than in training: drift shows late."""


def build_feed(recipe: Recipe, accelerator: Accelerator, start: int) -> Iterator[ClipBatch]:
    """Training batches from number `start` on."""
    data = recipe.data
    stream = BatchStream(
        build_source(data, "train"),
        partial(collate, max_objects=data.max_objects),
        data.batch_size,
        recipe.seed,
        start=start,
        rank=accelerator.process_index,
        ranks=accelerator.num_processes,
    )
    loader: DataLoader[ClipBatch] = DataLoader(
        stream,
        batch_size=None,
        num_workers=data.workers,
        prefetch_factor=4 if data.workers else None,
        pin_memory=accelerator.device.type == "cuda",
    )
    return iter(loader)


def validation_batches(recipe: Recipe, accelerator: Accelerator) -> list[ClipBatch]:
    """The same held-out clips at every validation of every run with this data."""
    data = replace(recipe.data, frames=VALIDATION_FRAMES)
    stream = BatchStream(
        build_source(data, "validation"),
        partial(collate, max_objects=data.max_objects),
        data.batch_size,
        VALIDATION_SEED,
    )
    return [stream.batch(n) for n in range(-(-recipe.validation_clips // data.batch_size))]


def build_source(data: DataConfig, part: Part) -> Source:
    """What samples are drawn from: shapes, or photos and real clips by weight.

    Raises:
        InputError: the recipe names no data, or data that cannot be used.
    """
    size = (data.height, data.width)
    if data.feed == "shapes":
        from vos_kd.data.shapes import ShapeClips

        return ShapeClips(data.frames, size, data.max_objects)
    sources: list[Source] = []
    weights: list[float] = []
    if data.photos:
        photos = open_photos([Path(path) for path in data.photos], part)
        sources.append(PhotoClips(photos, data.frames, size, data.max_objects))
        weights.append(1 - data.real_share if data.davis or data.youtube_vos else 1.0)
    real = [s for root in data.davis for s in _davis(Path(root), part)]
    real += [s for root in data.youtube_vos for s in youtube_vos_sequences(Path(root), part)]
    real = [s for s in real if len(s.images) >= data.frames]
    if real:
        sources.append(RealClips(real, data.frames, size, data.max_objects, data.max_skip))
        weights.append(data.real_share)
    if not sources:
        raise InputError(
            "the recipe names no data for training; give --set data.photos=FOLDER_OR_ZIP,... "
            "(images/ and masks/ inside), --set data.davis=ROOT or --set data.youtube_vos=ROOT."
        )
    return Mixture(sources, weights)


def _davis(root: Path, part: Part) -> list[VideoSequence]:
    """The official tree, or one with the sequences directly below `JPEGImages`."""
    if (root / "ImageSets").is_dir():
        return davis_sequences(root, part=part)
    return davis_sequences(root, image_set=None, resolution=None, part=part)
