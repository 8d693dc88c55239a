"""J over whole videos that training never saw, followed as a user's clip is: what clips of a few frames do not show.

Of a video the first frame needs a mask; of the others as many have one as somebody has made.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from vos_kd.config import MemoryConfig
from vos_kd.data.masks import require_objects
from vos_kd.data.real_clips import require_folder, sorted_folders
from vos_kd.errors import InputError
from vos_kd.inference import VideoSegmenter
from vos_kd.model import Model
from vos_kd.takeaway.scores import score_frame
from vos_kd.takeaway.truth import Truth
from vos_kd.video_io import open_clip


def whole_videos(root: Path) -> list[tuple[str, Path, Path]]:
    """Name, folder of frames and folder of masks of each video in a tree of `JPEGImages/NAME` and `Annotations/NAME`.

    Raises:
        InputError: a folder is missing, or there is no video.
    """
    images, masks = root / "JPEGImages", root / "Annotations"
    require_folder(images, "a folder of frames for each video")
    require_folder(masks, "a folder of masks for each video")
    videos = [(name, images / name, masks / name) for name in sorted_folders(masks)]
    if not videos:
        raise InputError(f"{masks} has no folder; expected one of masks for each video.")
    return videos


def video_jaccard(
    model: Model,
    images: Path,
    masks: Path,
    memory: MemoryConfig | None = None,
    *,
    short_side: int | None = None,
    every: int = 1,
) -> float:
    """Mean J of a video's objects over the frames that have a mask, without the first, whose mask is given; 0-1.

    Args:
        model: that follows them.
        images: folder of all frames.
        masks: folder of PNGs named as their frames are.
        memory: what to remember; the model's own setting by default.
        short_side: frames are scaled to it, up or down, and the masks found to the frames' own size.
        every: how many frames the model goes on at a time, at most: 4 makes a fast video of a slow one.

    Raises:
        InputError: a file is missing or damaged, the first frame has no mask or one without objects, or no later frame
            has one.
    """
    with open_clip(images) as clip, Truth(masks, clip.info) as truth:
        names = clip.info.frame_names or ()
        if truth.names[0] != names[0] or len(truth.names) < 2:
            raise InputError(
                f"{masks} has masks of {truth.names[0]} and {len(truth.names) - 1} more; expected one of "
                f"the first frame, {names[0]}, and of at least one more."
            )
        segmenter = VideoSegmenter(model, memory=memory, short_side=0 if short_side else None)
        scored = set(truth.names[1:])
        seen = frames_between([index for index, name in enumerate(names) if name in truth.names], every)
        size = (clip.info.width, clip.info.height)
        scale = 1 if short_side is None else short_side / min(size)
        scores: list[np.ndarray] = []
        for index, image in clip.frames():
            if index not in seen:
                continue
            name = names[index]
            given = None
            if index == 0:
                given = scaled(truth.mask(name), scale, cv2.INTER_NEAREST_EXACT)
                require_objects(given, f"of the first frame, {masks / name}")
            mask = segmenter.step(scaled(image, scale, cv2.INTER_LANCZOS4 if scale > 1 else cv2.INTER_AREA), given)
            if name in scored:
                if scale != 1:
                    mask = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST_EXACT)
                scores.append(score_frame(mask, truth.mask(name), segmenter.object_ids)[0])
        if len(scores) < len(scored):
            raise InputError(f"{images}: {'; '.join(clip.warnings)}. Expected every frame up to the last with a mask.")
    return float(np.mean(scores))


def frames_between(marked: Sequence[int], every: int) -> set[int]:
    """Those marked, and between each two of them as few others, evenly, as leave no step longer than `every`.

    >>> sorted(frames_between([0, 9, 17], 4))
    [0, 3, 6, 9, 13, 17]
    """
    frames = set(marked)
    for first, last in pairwise(marked):
        steps = math.ceil((last - first) / every)
        frames |= {first + (last - first) * step // steps for step in range(steps)}
    return frames


def scaled(image: np.ndarray, scale: float, interpolation: int) -> np.ndarray:
    """An image or a mask times a scale; itself where that is 1."""
    if scale == 1:
        return image
    height, width = (round(side * scale) for side in image.shape[:2])
    return cv2.resize(image, (width, height), interpolation=interpolation)
