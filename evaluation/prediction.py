"""A model over one sequence: frames are read ahead, and masks are handed on in the background.

What is done with the masks (scored, written) costs little beside the network, and runs while the network does.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from evaluation.errors import ProtocolError
from evaluation.jf import Mask
from evaluation.models import LoadedModel
from evaluation.protocols import VOID_ID
from evaluation.sequences import Sequence, prediction_name, read_truth

_AHEAD = 4
T = TypeVar("T")
U = TypeVar("U")


def predict_sequence(
    model: LoadedModel,
    sequence: Sequence,
    *,
    is_binary: bool,
    take: Callable[[str, Mask], object],
    on_frame: Callable[[], object] = lambda: None,
) -> float:
    """Follow a sequence's objects from the frames in which they are given.

    Args:
        model: to run.
        sequence: with images.
        is_binary: whether whatever is not 0 in a truth mask is object 1, as in DAVIS-2016.
        take: called in another thread, in order, with the name and mask of each frame whose mask is a result.
        on_frame: called after every frame.

    Returns:
        Seconds that the model took, from decoded frames to masks.

    Raises:
        ProtocolError: an image cannot be decoded or is not as large as the masks, or the model gave no mask.
    """
    segmenter = model.start()
    wanted = frozenset(sequence.submitted)
    seconds = 0.0
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as taker:
        taken: deque[Future[object]] = deque()
        for frame, image in zip(sequence.frames, _ahead(reader, frame_reader(sequence), sequence.frames), strict=True):
            given = [object_id for object_id, first in sequence.first_frames.items() if first == frame]
            mask = _given_mask(sequence, frame, given, is_binary) if given else None
            began = time.perf_counter()
            out = segmenter.step(image, mask, given or None)
            seconds += time.perf_counter() - began
            _check(out, sequence, frame)
            if frame in wanted:
                taken.append(taker.submit(take, frame, out.copy()))
            while len(taken) > _AHEAD or (taken and taken[0].done()):
                taken.popleft().result()
            on_frame()
        for future in taken:
            future.result()
    return seconds


def _ahead(pool: ThreadPoolExecutor, function: Callable[[T], U], items: Iterable[T]) -> Iterator[U]:
    """What `function` gives for each item, worked out a few items before it is asked for."""
    pending: deque[Future[U]] = deque()
    for item in items:
        pending.append(pool.submit(function, item))
        if len(pending) > _AHEAD:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


def frame_reader(sequence: Sequence) -> Callable[[str], NDArray[np.uint8]]:
    """A function from a frame's name to its image, RGB uint8 `[H, W, 3]`; it raises `ProtocolError` for a bad one."""
    paths = dict(zip(sequence.frames, sequence.frame_paths, strict=True))

    def read(frame: str) -> NDArray[np.uint8]:
        image = cv2.imread(str(paths[frame]), cv2.IMREAD_COLOR_RGB)
        if image is None or image.shape[:2] != sequence.size:
            found = "cannot be decoded" if image is None else f"is {image.shape[1]}x{image.shape[0]}"
            raise ProtocolError(
                f"the image of sequence {sequence.name!r}, frame {frame!r} ({paths[frame]}) {found}; "
                f"expected {sequence.size[1]}x{sequence.size[0]}, as the masks are."
            )
        pixels: NDArray[np.uint8] = image.astype(np.uint8, copy=False)
        return pixels

    return read


def _given_mask(sequence: Sequence, frame: str, given: list[int], is_binary: bool) -> Mask:
    """The truth of a frame as far as it is given; void stays, for nothing is known there."""
    truth = read_truth(sequence.name, frame, sequence.annotation_paths[frame], sequence.size)
    truth = merged(truth) if is_binary else truth
    told: Mask = np.where(np.isin(truth, [*given, VOID_ID]), truth, 0).astype(np.uint8)
    return told


def merged(truth: Mask) -> Mask:
    """All objects as object 1: of a DAVIS-2016 mask, 0 and 255, or of a DAVIS-2017 one, where 255 is void."""
    has_ids = bool(((truth > 0) & (truth != VOID_ID)).any())
    is_object = (truth > 0) & ((truth != VOID_ID) | (not has_ids))
    mask: Mask = is_object.astype(np.uint8)
    return mask


def _check(out: object, sequence: Sequence, frame: str) -> None:
    if isinstance(out, np.ndarray) and out.dtype == np.uint8 and out.shape == sequence.size:
        return
    found = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
    raise ProtocolError(
        f"{prediction_name(sequence.name, frame)} is {found}; expected numpy uint8 {sequence.size} from the model's "
        "step()."
    )
