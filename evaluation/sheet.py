"""The command `sheet`: the sequences with the lowest J&F as one picture, to see what goes wrong in them.

A row a sequence, from left to right some of its scored frames. What is found is blue, what is missed red, and what is
too much yellow; where a wrong object is found, it is yellow, too.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from evaluation.errors import ProtocolError
from evaluation.file_scoring import score_dataset
from evaluation.index_png import decode_ids
from evaluation.jf import Mask
from evaluation.options import (
    Subparsers,
    add_dataset_options,
    add_protocol_options,
    chosen_dataset,
    chosen_protocol,
    positive,
)
from evaluation.prediction import frame_reader, merged
from evaluation.protocols import VOID_ID
from evaluation.record import SequenceResult
from evaluation.result_files import ResultFiles, open_results
from evaluation.sequences import Sequence, prediction_name, read_truth
from evaluation.whole_files import whole_file

Picture = NDArray[np.uint8]
"""RGB `[H, W, 3]`."""

FOUND, MISSED, WRONG = (47, 134, 214), (217, 30, 60), (250, 190, 40)
_WIDTH = 240
"""Of a picture, in pixels."""
_LINE = 20
"""Pixels of a line of text."""


def add_parser(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser("sheet", help="a picture of the worst sequences", description=__doc__)
    add_dataset_options(parser)
    add_protocol_options(parser)
    add = parser.add_argument
    add("--results", type=Path, required=True, metavar="DIR_OR_ZIP", help="SEQUENCE/FRAME.png whose samples are ids")
    add("--worst", type=positive, default=6, metavar="N", help="sequences (default: %(default)s)")
    add("--frames", type=positive, default=6, metavar="N", help="pictures of each (default: %(default)s)")
    add("--output", type=Path, required=True, metavar="FILE", help="the picture, .png, .jpg or .webp")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Score, draw, and tell the sequences that are drawn."""
    if arguments.output.suffix.lower() not in (".png", ".jpg", ".webp"):
        raise ProtocolError(f"--output is {arguments.output}; expected a name that ends in .png, .jpg or .webp.")
    dataset = chosen_dataset(arguments, needs_images=True)
    protocol = chosen_protocol(arguments, dataset)
    scored = score_dataset(dataset, protocol, arguments.results)
    sequences = {sequence.name: sequence for sequence in dataset.sequences}
    worst = [one for one in sorted(scored, key=_jf) if one.frames][: arguments.worst]
    masks = open_results(arguments.results)
    rows = [
        draw_sequence(sequences[one.name], one, masks, arguments.frames, is_binary=protocol.is_binary)
        for one in tqdm(worst, desc="sheet", unit=" sequences", disable=None)
    ]
    width = max(row.shape[1] for row in rows)
    sheet = np.vstack([np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0))) for row in rows])
    with whole_file(arguments.output) as partial:
        if not cv2.imwrite(str(partial), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR)):
            raise ProtocolError(f"cannot write {arguments.output}; choose another --output.")
    for one in worst:
        sys.stdout.write(f"{one.name}: J&F {100 * _jf(one):.1f}\n")
    return 0


def draw_sequence(
    sequence: Sequence, result: SequenceResult, masks: ResultFiles, frames: int, *, is_binary: bool
) -> Picture:
    """A row: a line of text, then some frames, spread over the sequence.

    Args:
        sequence: of the data set.
        result: its scores.
        masks: the predictions.
        frames: pictures in the row; all frames where there are fewer.
        is_binary: all objects count as one.

    Raises:
        ProtocolError: an image or a mask cannot be read.
    """
    image = frame_reader(sequence)
    chosen = np.linspace(0, len(result.frames) - 1, min(frames, len(result.frames))).round().astype(int)
    pictures = []
    for index in chosen:
        frame = result.frames[index]
        truth = read_truth(sequence.name, frame, sequence.annotation_paths[frame], sequence.size)
        predicted = decode_ids(masks.read(sequence.name, frame), prediction_name(sequence.name, frame), sequence.size)
        if is_binary:
            truth, predicted = merged(truth), (predicted > 0).astype(np.uint8)
        js = [one.j[index - one.start] for one in result.objects if one.start <= index]
        told = f"{frame}  J {100 * float(np.mean(js)):.0f}" if js else frame
        pictures.append(_titled(_shrunk(draw_errors(image(frame), truth, predicted)), told))
    return _titled(np.hstack(pictures), f"{result.name}: J&F {100 * _jf(result):.1f}", scale=1.3)


def draw_errors(image: Picture, truth: Mask, predicted: Mask) -> Picture:
    """An image with what is found, missed and wrong in it. Void is background."""
    truth = np.where(truth == VOID_ID, np.uint8(0), truth)
    drawn = image.copy()
    for where, colour in (
        ((truth > 0) & (truth == predicted), FOUND),
        ((truth > 0) & (predicted == 0), MISSED),
        ((predicted > 0) & (truth != predicted), WRONG),
    ):
        drawn[where] = (0.4 * image[where] + 0.6 * np.array(colour)).astype(np.uint8)
    return drawn


def _jf(result: SequenceResult) -> float:
    """J&F in 0-1; infinite, so that it comes last, where nothing is scored."""
    jf = result.scores.jf_mean
    return float("inf") if jf is None else jf


def _shrunk(picture: Picture) -> Picture:
    height = round(picture.shape[0] * _WIDTH / picture.shape[1])
    return np.asarray(cv2.resize(picture, (_WIDTH, height), interpolation=cv2.INTER_AREA), np.uint8)


def _titled(picture: Picture, text: str, scale: float = 1.0) -> Picture:
    """A picture below a line of text, with a narrow margin."""
    line = np.zeros((round(_LINE * scale), picture.shape[1], 3), np.uint8)
    place = (4, round(0.75 * len(line)))
    cv2.putText(line, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.42 * scale, (255, 255, 255), 1, cv2.LINE_AA)
    return np.pad(np.vstack([line, picture]), ((0, 2), (0, 2), (0, 0)))
