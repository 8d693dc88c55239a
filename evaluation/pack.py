"""The command `pack`: masks in a folder or a zip, checked, to the zip that the server of the data set takes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from evaluation.options import Subparsers, add_dataset_options, chosen_dataset
from evaluation.submission import pack


def add_parser(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser("pack", help="masks to a zip for a server", description=__doc__)
    add_dataset_options(parser)
    add = parser.add_argument
    add("--results", type=Path, required=True, metavar="DIR_OR_ZIP", help="SEQUENCE/FRAME.png whose samples are ids")
    add("--output", type=Path, required=True, metavar="FILE.zip", help="the submission")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Check and pack as the command line says; say what is in the zip."""
    dataset = chosen_dataset(arguments, needs_images=True)
    masks = sum(len(sequence.submitted) for sequence in dataset.sequences)
    with tqdm(total=masks, desc="pack", unit=" masks", disable=None) as bar:
        count = pack(dataset, arguments.results, arguments.output, on_mask=bar.update)
    size = arguments.output.stat().st_size / 2**20
    sys.stdout.write(
        f"{arguments.output}: {count} masks of {len(dataset.sequences)} sequences of {dataset.name} {dataset.split}, "
        f"{size:.1f} MiB\n"
    )
    return 0
