"""The command `score`: masks in a folder or a zip against the truth, to a record and a table."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from evaluation import provenance, results
from evaluation.datasets import Dataset, conventions, seen_categories
from evaluation.errors import ProtocolError
from evaluation.file_scoring import score_dataset
from evaluation.options import Subparsers, add_dataset_options, chosen_dataset, positive
from evaluation.protocols import CONVENTIONS, Convention, Protocol
from evaluation.record import ModelInfo, Record
from evaluation.scorer import frames_to_score
from evaluation.table import format_record


def add_parser(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser("score", help="J&F of masks in a folder or a zip", description=__doc__)
    add_dataset_options(parser)
    add = parser.add_argument
    add("--results", type=Path, required=True, metavar="DIR_OR_ZIP", help="SEQUENCE/FRAME.png whose samples are ids")
    add("--convention", choices=CONVENTIONS, help="how frames and objects count (default: the data set's own)")
    add("--keep-given-frame", action="store_true", help="youtubevos: score the frame in which an object is given")
    add(
        "--seen",
        type=Path,
        metavar="META_JSON",
        help="youtubevos: of the training data (default: ROOT/train/meta.json)",
    )
    add("--name", help="of the model, for the record (default: that of the results)")
    add("--workers", type=positive, default=1, metavar="N", help="processes (default: %(default)s)")
    add("--output", type=Path, metavar="FILE.json", help="where to write the record")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Score as the command line says: write the record, print the table."""
    dataset = chosen_dataset(arguments, needs_images=False)
    protocol = make_protocol(dataset, arguments.convention, drops_given_frame=not arguments.keep_given_frame)
    frames = sum(len(frames_to_score(sequence, protocol)) for sequence in dataset.sequences)
    with tqdm(total=frames, desc="score", unit=" frames", disable=None) as bar:
        scored = score_dataset(
            dataset,
            protocol,
            arguments.results,
            seen=seen_categories(arguments.root, dataset.split, arguments.seen),
            workers=arguments.workers,
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


def make_protocol(
    dataset: Dataset, convention: Convention | None = None, *, drops_given_frame: bool = True
) -> Protocol:
    """The rules for a data set.

    Args:
        dataset: what is scored.
        convention: None for that of the data set's own tool.
        drops_given_frame: with `youtubevos`, whether the frame in which an object is given is left out for it.

    Raises:
        ProtocolError: the data set is not scored by that convention.
    """
    possible = conventions(dataset.name)
    if convention is not None and convention not in possible:
        raise ProtocolError(f"{dataset.name} is not scored by {convention!r}; expected {' or '.join(possible)}.")
    chosen = convention or possible[0]
    return Protocol(dataset.name, dataset.split, dataset.resolution, chosen, drops_given_frame)
