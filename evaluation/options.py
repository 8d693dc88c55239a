"""Options that several commands share, and how their values are read."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TypeAlias

from evaluation.datasets import DATASETS, RESOLUTIONS, Dataset, conventions, load_dataset
from evaluation.errors import ProtocolError
from evaluation.model_source import ModelSource
from evaluation.protocols import CONVENTIONS, Protocol

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""What `add_parser` of a command is given; generic in argparse's stub only, so in quotes."""
SIZE = (480, 854)
"""Height and width of the frames that speed is measured with: DAVIS at 480p."""
MOST_OBJECTS = 20
"""Of a speed curve."""


def add_dataset_options(parser: argparse.ArgumentParser) -> None:
    """Add what chooses a data set and its sequences."""
    parser.add_argument("--dataset", choices=DATASETS, required=True)
    parser.add_argument("--root", type=Path, required=True, metavar="DIR", help="the data set's folder")
    parser.add_argument("--split", help="a list in ImageSets, or `all`; by default val, for YouTube-VOS valid")
    parser.add_argument(
        "--resolution", choices=RESOLUTIONS, default=RESOLUTIONS[0], help="DAVIS (default: %(default)s)"
    )
    parser.add_argument("--sequences", type=names, metavar="A,B", help="only these; the record is marked partial")
    parser.add_argument("--all-frames", action="store_true", help="YouTube-VOS: models see all, not every fifth")
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
        all_frames=arguments.all_frames,
        needs_images=needs_images,
    )


def add_model_options(parser: argparse.ArgumentParser, default: list[str] | None = None) -> None:
    """Add what chooses models and how they run."""
    add = parser.add_argument
    add(
        *("--models", "--model"),
        type=names,
        required=default is None,
        default=default,
        metavar="A,B",
        help="registry names, weight files, exported models, OWNER/REPO@REVISION on the hub, or package.module:factory "
        "of your own" + (f" (default: {','.join(default)})" if default else ""),
    )
    add("--device", help="cpu, cuda, mps; by default the best there is")
    add("--dtype", help="float32, bfloat16 or float16; by default the fastest that keeps the masks")
    add("--threads", type=threads, metavar="N", help="of the CPU, for each process; by default torch's own choice")


def model_sources(
    arguments: argparse.Namespace, *, threads: int | None = None, random_weights: bool = False
) -> list[ModelSource]:
    """The models that those options choose; see `ModelSource`."""
    return [
        ModelSource(
            text,
            device=arguments.device,
            dtype=arguments.dtype,
            short_side=getattr(arguments, "short_side", None),
            threads=threads or arguments.threads,
            folder=str(Path.cwd()),
            random_weights=random_weights,
        )
        for text in arguments.models
    ]


def add_speed_options(parser: argparse.ArgumentParser, *, objects: list[int], endurance: int) -> None:
    """Add how long and with how many objects speed is measured; the arguments are what is usual for the command."""
    add = parser.add_argument
    shown = ",".join(map(str, objects))
    add("--objects", type=numbers, default=objects, metavar="N,N", help=f"followed, one run each (default: {shown})")
    add("--frames", type=positive, default=30, metavar="N", help="timed frames (default: %(default)s)")
    add(
        "--warm-up", type=positive, default=26, metavar="N", help="frames before, to fill memory (default: %(default)s)"
    )
    what = f"default: {endurance}" if endurance else "default: none"
    add(
        "--endurance",
        type=positive,
        default=endurance,
        metavar="N",
        help=f"also a clip of N frames: what grows? ({what})",
    )


def add_size_option(parser: argparse.ArgumentParser) -> None:
    """Add how large the frames are that speed is measured with."""
    parser.add_argument("--size", type=_size, default=SIZE, metavar="HxW", help="of the frames (default: 480x854)")


def add_protocol_options(parser: argparse.ArgumentParser) -> None:
    """Add what chooses how frames and objects count."""
    add = parser.add_argument
    add("--convention", choices=CONVENTIONS, help="how frames and objects count (default: the data set's own)")
    add("--keep-given-frame", action="store_true", help="youtubevos: score the frame in which an object is given")
    add(
        "--seen",
        type=Path,
        metavar="META_JSON",
        help="youtubevos: of the training data (default: ROOT/train/meta.json)",
    )


def chosen_protocol(arguments: argparse.Namespace, dataset: Dataset) -> Protocol:
    """The rules that those options choose for a data set.

    Raises:
        ProtocolError: the data set is not scored by that convention.
    """
    possible = conventions(dataset.name)
    convention = arguments.convention or possible[0]
    if convention not in possible:
        raise ProtocolError(f"{dataset.name} is not scored by {convention!r}; expected {' or '.join(possible)}.")
    if arguments.keep_given_frame and convention != "youtubevos":
        raise ProtocolError(f"--keep-given-frame is for YouTube-VOS; {convention!r} has its own rule.")
    return Protocol(dataset.name, dataset.split, dataset.resolution, convention, not arguments.keep_given_frame)


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


def positives(text: str) -> list[int]:
    """Whole numbers from 1 on between commas."""
    return [positive(part) for part in names(text)]


def numbers(text: str) -> list[int]:
    """Numbers of objects between commas."""
    found = positives(text)
    if max(found) > MOST_OBJECTS:
        raise argparse.ArgumentTypeError(f"{max(found)} objects were asked for; expected at most {MOST_OBJECTS}")
    return found


def _size(text: str) -> tuple[int, int]:
    height, cross, width = text.partition("x")
    if not cross:
        raise argparse.ArgumentTypeError(f"expected HEIGHTxWIDTH, such as 480x854, not {text!r}")
    return positive(height), positive(width)
