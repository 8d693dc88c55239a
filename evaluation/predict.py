"""The command `predict`: models over a data set, to PNGs in the layout that `score` and `pack` read."""

from __future__ import annotations

import argparse
import functools
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from evaluation.datasets import Dataset, Sequence
from evaluation.engine import add_engine_options, chosen_engine, run_jobs
from evaluation.errors import ProtocolError
from evaluation.model_source import ModelSource, require_distinct
from evaluation.models import open_once
from evaluation.options import (
    Subparsers,
    add_dataset_options,
    add_model_options,
    chosen_dataset,
    model_sources,
    positive,
)
from evaluation.prediction import predict_sequence
from evaluation.whole_files import write_text
from vos_kd import write_mask


def add_parser(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser("predict", help="masks of models for a data set", description=__doc__)
    add_dataset_options(parser)
    add_model_options(parser)
    add_engine_options(parser, positive)
    add = parser.add_argument
    add("--results", type=Path, required=True, metavar="DIR", help="gets MODEL/SEQUENCE/FRAME.png")
    add("--resume", action="store_true", help="go on with an interrupted run: sequences with all their masks are kept")
    add("--short-side", type=positive, metavar="PIXELS", help="segment larger frames at this size")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Predict as the command line says, and print where the masks are."""
    dataset = chosen_dataset(arguments, needs_images=True)
    engine = chosen_engine(arguments)
    sources = model_sources(arguments, threads=engine.threads(arguments.threads))
    require_distinct(sources)
    for source in sources:
        open_once(source)  # one that cannot be loaded is found now, not after hours
    frames = sum(len(sequence.frames) for sequence in dataset.sequences)
    for source in sources:
        folder = arguments.results / source.label
        _claim(folder, source, dataset, arguments)
        jobs = [
            _Job(source, sequence, folder / sequence.name, dataset.name == "davis2016")
            for sequence in sorted(dataset.sequences, key=lambda one: -len(one.frames))
        ]
        left = [job for job in jobs if not (arguments.resume and job.is_done())]
        with tqdm(total=frames, desc=source.label, unit=" frames", disable=None) as bar:
            bar.update(frames - sum(len(job.sequence.frames) for job in left))
            work = functools.partial(_write, on_frame=bar.update) if engine.is_here else _write
            for job, _ in run_jobs(work, left, engine, needs_gpu=open_once(source).device.startswith("cuda")):
                if not engine.is_here:
                    bar.update(len(job.sequence.frames))
        sys.stdout.write(f"{folder}\n")
    return 0


@dataclass(frozen=True)
class _Job:
    source: ModelSource
    sequence: Sequence
    folder: Path
    is_binary: bool

    def __str__(self) -> str:
        return f"sequence {self.sequence.name!r}"

    def is_done(self) -> bool:
        return all((self.folder / f"{frame}.png").is_file() for frame in self.sequence.submitted)


def _write(job: _Job, on_frame: Callable[[], object] = lambda: None) -> None:
    predict_sequence(
        open_once(job.source),
        job.sequence,
        is_binary=job.is_binary,
        take=lambda frame, mask: write_mask(job.folder / f"{frame}.png", mask),
        on_frame=on_frame,
    )


def _claim(folder: Path, source: ModelSource, dataset: Dataset, arguments: argparse.Namespace) -> None:
    """Note in a result folder what its masks are made with.

    Raises:
        ProtocolError: it holds those of other weights, data or options, which would pass for this run's.
    """
    model = open_once(source)
    made_with = {
        "model": source.text,
        "weights_sha256": model.info.weights_sha256,
        # Sequences of several data sets have one name, but masks of DAVIS-2016 have one object.
        "dataset": dataset.name,
        "root": str(arguments.root.resolve()),
        "resolution": dataset.resolution,
        "memory": model.memory_policy,
        "runtime": model.runtime,
        "short_side": model.short_side,
        "dtype": model.dtype,
        "all_frames": arguments.all_frames,
    }
    note = folder / "model.json"
    if note.is_file() and note.read_bytes() != json.dumps(made_with).encode():
        raise ProtocolError(
            f"{folder} holds masks of other weights, data or options (see {note}); choose other --results."
        )
    write_text(json.dumps(made_with), note)
