"""The command `score`: masks in a folder or a zip against the truth, to a record and a table."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from evaluation import provenance, results
from evaluation.datasets import seen_categories
from evaluation.engine import add_engine_options, chosen_engine
from evaluation.file_scoring import score_dataset
from evaluation.options import (
    Subparsers,
    add_dataset_options,
    add_protocol_options,
    chosen_dataset,
    chosen_protocol,
    positive,
)
from evaluation.record import ModelInfo, Record
from evaluation.scorer import frames_to_score
from evaluation.table import format_record


def add_parser(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser("score", help="J&F of masks in a folder or a zip", description=__doc__)
    add_dataset_options(parser)
    add_protocol_options(parser)
    add_engine_options(parser, positive)
    add = parser.add_argument
    add("--results", type=Path, required=True, metavar="DIR_OR_ZIP", help="SEQUENCE/FRAME.png whose samples are ids")
    add("--name", help="of the model, for the record (default: that of the results)")
    add("--output", type=Path, metavar="FILE.json", help="where to write the record")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Score as the command line says: write the record, print the table."""
    dataset = chosen_dataset(arguments, needs_images=False)
    protocol = chosen_protocol(arguments, dataset)
    frames = sum(len(frames_to_score(sequence, protocol)) for sequence in dataset.sequences)
    with tqdm(total=frames, desc="score", unit=" frames", disable=None) as bar:
        scored = score_dataset(
            dataset,
            protocol,
            arguments.results,
            seen=seen_categories(arguments.root, dataset.split, arguments.seen),
            engine=chosen_engine(arguments),
            on_done=lambda sequence: bar.update(len(sequence.frames)),
        )
    source = arguments.results.resolve()
    record = Record(
        model=ModelInfo(arguments.name or (source.name if source.is_dir() else source.stem)),
        protocol=protocol,
        sequences=scored,
        is_partial=dataset.is_partial,
        environment=provenance.environment(("numpy", "opencv-python-headless")),
        options={"sequences": arguments.sequences, "limit": arguments.limit},
        command=provenance.command_line(arguments.argv),
        date=provenance.now(),
        commit=provenance.commit(),
    )
    if arguments.output:
        results.save(record, arguments.output)
    sys.stdout.write(format_record(record))
    return 0
