"""Options that several commands share, and how their values are read."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TypeAlias

from evaluation.datasets import DATASETS, RESOLUTIONS, Dataset, load_dataset

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""What `add_parser` of a command is given; generic in argparse's stub only, so in quotes."""


def add_dataset_options(parser: argparse.ArgumentParser) -> None:
    """Add what chooses a data set and its sequences."""
    parser.add_argument("--dataset", choices=DATASETS, required=True)
    parser.add_argument("--root", type=Path, required=True, metavar="DIR", help="the data set's folder")
    parser.add_argument("--split", help="a list in ImageSets, or `all`; by default val, for YouTube-VOS valid")
    parser.add_argument(
        "--resolution", choices=RESOLUTIONS, default=RESOLUTIONS[0], help="DAVIS (default: %(default)s)"
    )
    parser.add_argument("--sequences", type=names, metavar="A,B", help="only these; the record is marked partial")
    parser.add_argument("--limit", type=positive, metavar="N", help="only the first N; the record is marked partial")


def chosen_dataset(arguments: argparse.Namespace, *, needs_images: bool) -> Dataset:
    """The data set that those options choose; see `load_dataset`."""
    return load_dataset(
        arguments.dataset,
        arguments.root,
        split=arguments.split,
        resolution=arguments.resolution,
        sequences=arguments.sequences,
        limit=arguments.limit,
        needs_images=needs_images,
    )


def names(text: str) -> list[str]:
    """Names between commas."""
    found = [name.strip() for name in text.split(",") if name.strip()]
    if not found:
        raise argparse.ArgumentTypeError("expected names with commas between them, such as a,b")
    return found


def positive(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 on, not {text!r}")
    return int(text)


def threads(text: str) -> int:
    """A number of threads that a machine may have; an absurd one brings torch down."""
    if positive(text) > 1024:
        raise argparse.ArgumentTypeError(f"expected at most 1024 threads, not {text}")
    return int(text)
