"""The command `predict`: models over a data set, to PNGs in the layout that `score` reads."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from evaluation.datasets import Sequence
from evaluation.errors import ProtocolError
from evaluation.options import Subparsers, add_dataset_options, chosen_dataset, names, positive
from evaluation.protocols import VOID_ID
from evaluation.results import write_text
from evaluation.sequences import read_truth
from vos_kd import Model, VideoSegmenter, load_model, write_mask


def add_parser(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser("predict", help="masks of models for a data set", description=__doc__)
    add_dataset_options(parser)
    add = parser.add_argument
    add("--models", type=names, required=True, metavar="A,B", help="registry names, weight files or hub repositories")
    add("--results", type=Path, required=True, metavar="DIR", help="gets MODEL/SEQUENCE/FRAME.png; finished ones stay")
    add("--short-side", type=positive, metavar="PIXELS", help="segment larger frames at this size")
    add("--device", help="cpu, cuda, mps; by default the best there is")
    add("--dtype", help="float32, bfloat16 or float16; by default the fastest that keeps the masks")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Predict as the command line says; sequences whose masks are all there are left as they are."""
    dataset = chosen_dataset(arguments, needs_images=True)
    if arguments.short_side is not None and arguments.short_side < 16:
        raise ProtocolError(f"--short-side is {arguments.short_side}; the network needs 16 pixels or more.")
    folders = [arguments.results / Path(name).stem for name in arguments.models]
    if len(set(folders)) < len(folders):
        raise ProtocolError(f"models {', '.join(arguments.models)} would write to one folder; run them one by one.")
    frames = sum(len(sequence.frames) for sequence in dataset.sequences)
    with tqdm(total=frames * len(arguments.models), desc="predict", unit=" frames", disable=None) as bar:
        models = [load_model(name, device=arguments.device, dtype=arguments.dtype) for name in arguments.models]
        for results, model in zip(folders, models, strict=True):
            _claim(results, model, arguments.short_side)
            for sequence in dataset.sequences:
                folder = results / sequence.name
                if all((folder / f"{frame}.png").is_file() for frame in sequence.submitted):
                    bar.update(len(sequence.frames))
                else:
                    is_binary = dataset.name == "davis2016"
                    predict_sequence(model, sequence, folder, arguments.short_side, is_binary, bar.update)
    return 0


def _claim(results: Path, model: Model, short_side: int | None) -> None:
    """Note in a result folder what its masks are made with.

    Raises:
        ProtocolError: it holds those of other weights or options, which would pass for this model's.
    """
    made_with = {
        "model": model.config.name,
        "weights_sha256": model.weights_sha256,
        "memory": asdict(model.config.memory),
        "short_side": short_side,
        "dtype": str(model.dtype),
    }
    note = results / "model.json"
    if note.is_file() and note.read_text() != json.dumps(made_with):
        raise ProtocolError(f"{results} holds masks of other weights or options (see {note}); choose other --results.")
    write_text(json.dumps(made_with), note)


def predict_sequence(
    model: Model,
    sequence: Sequence,
    folder: Path,
    short_side: int | None,
    is_binary: bool,
    on_frame: Callable[[], object],
) -> None:
    """Follow a sequence's objects from the frames in which they are given, and write the masks that are asked for.

    Args:
        model: to run.
        sequence: with images.
        folder: gets FRAME.png, palette PNGs of object ids.
        short_side: working size, see `VideoSegmenter`.
        is_binary: whether whatever is not 0 in a truth mask is object 1, as in DAVIS-2016.
        on_frame: called after every frame.

    Raises:
        ProtocolError: an image cannot be decoded or is not as large as the masks.
    """
    segmenter = VideoSegmenter(model, short_side=short_side)
    for frame, path in zip(sequence.frames, sequence.frame_paths, strict=True):
        image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
        if image is None or image.shape[:2] != sequence.size:
            found = "cannot be decoded" if image is None else f"is {image.shape[1]}x{image.shape[0]}"
            raise ProtocolError(
                f"the image of sequence {sequence.name!r}, frame {frame!r} ({path}) {found}; "
                f"expected {sequence.size[1]}x{sequence.size[0]}, as the masks are."
            )
        given = [object_id for object_id, first in sequence.first_frames.items() if first == frame]
        mask = None
        if given:
            truth = read_truth(sequence.name, frame, sequence.annotation_paths[frame], sequence.size)
            truth = _merged(truth) if is_binary else truth
            mask = np.where(np.isin(truth, [*given, VOID_ID]), truth, 0).astype(np.uint8)
        out = segmenter.step(image, mask, given or None)
        if frame in sequence.submitted:
            write_mask(folder / f"{frame}.png", out)
        on_frame()


def _merged(truth: np.ndarray) -> np.ndarray:
    """All objects as object 1: of a DAVIS-2016 mask, 0 and 255, or of a DAVIS-2017 one, where 255 is void."""
    has_ids = bool(((truth > 0) & (truth != VOID_ID)).any())
    is_object: np.ndarray = (truth > 0) & ((truth != VOID_ID) | (not has_ids))
    return is_object.astype(np.uint8, copy=False)
