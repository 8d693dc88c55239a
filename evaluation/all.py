"""The command `all`: the whole record of each model on one data set, as the leaderboard shows it.

Every sequence is predicted and scored in memory; then the models are timed side by side, and their cost is counted.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from evaluation import provenance, results
from evaluation.datasets import Dataset, seen_categories
from evaluation.engine import Engine, add_engine_options, chosen_engine, run_jobs
from evaluation.errors import ProtocolError
from evaluation.in_memory import Done, Job, predict_and_score
from evaluation.journal import Journal
from evaluation.measure import measure_cost
from evaluation.model_source import ModelSource, require_distinct
from evaluation.models import open_once
from evaluation.options import (
    Subparsers,
    add_dataset_options,
    add_model_options,
    add_protocol_options,
    add_speed_options,
    chosen_dataset,
    chosen_protocol,
    model_sources,
    positive,
)
from evaluation.protocols import Protocol
from evaluation.record import Record, SequenceResult
from evaluation.scorer import frames_to_score
from evaluation.speed import measure_with_bar
from evaluation.table import format_record
from evaluation.youtube_tree import FOLDER

RESULTS = provenance.ROOT / "leaderboard" / "results"


def add_parser(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser("all", help="the whole record of models on a data set", description=__doc__)
    add_dataset_options(parser)
    add_model_options(parser)
    add_protocol_options(parser)
    add_engine_options(parser, positive)
    add_speed_options(parser, objects=[1, 2, 5, 10], endurance=300)
    add = parser.add_argument
    add("--short-side", type=positive, metavar="PIXELS", help="segment larger frames at this size")
    add("--resume", action="store_true", help="go on with an interrupted run; no finished sequence is lost")
    add("--no-speed", action="store_true", help="leave speed out; a record without it is never a row of speed charts")
    add(
        "--output",
        type=Path,
        default=RESULTS,
        metavar="DIR",
        help="gets MODEL.DATASET.json; for one model a FILE.json (default: leaderboard/results)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Predict, score, time and count as the command line says: write a record for each model, print their tables."""
    dataset = chosen_dataset(arguments, needs_images=True)
    protocol = chosen_protocol(arguments, dataset)
    engine = chosen_engine(arguments)
    threads = arguments.threads or torch.get_num_threads()  # before a model of this process sets a worker's share
    sources = model_sources(arguments, threads=engine.threads(arguments.threads))
    require_distinct(sources)
    paths = record_paths(arguments, sources, dataset, protocol)
    seen = seen_categories(arguments.root, dataset.split, arguments.seen)
    for sequence in dataset.sequences:
        frames_to_score(sequence, protocol)  # a sequence without truth is found now, not after hours
    for source in sources:
        open_once(source)  # likewise a model that cannot be loaded
    scored = {}
    journals = []
    for source, path in zip(sources, paths, strict=True):
        journal = Journal(path, _made_with(source, dataset, protocol, seen, arguments), resume=arguments.resume)
        journals.append(journal)
        try:
            scored[source.label] = predict_dataset(source, dataset, protocol, seen, engine, journal)
        finally:
            journal.close()
    speed = {} if arguments.no_speed else measure_with_bar(model_sources(arguments, threads=threads), arguments)
    for source, path, journal in zip(sources, paths, journals, strict=True):
        model = open_once(source)
        record = Record(
            model=model.info,
            protocol=protocol,
            sequences=scored[source.label],
            is_partial=dataset.is_partial,
            environment=provenance.machine(),
            options=_options(source, arguments, engine),
            command=provenance.command_line(arguments.argv),
            date=provenance.now(),
            commit=provenance.commit(),
            speed=speed.get(source.label),
            complexity=measure_cost(model),
        )
        results.save(record, path)
        journal.close(remove=True)
        sys.stdout.write(f"{format_record(record)}{path}\n\n")
    return 0


def predict_dataset(
    source: ModelSource,
    dataset: Dataset,
    protocol: Protocol,
    seen: Collection[str] | None,
    engine: Engine,
    journal: Journal,
) -> tuple[SequenceResult, ...]:
    """Predict and score all sequences that are not in the journal yet.

    Returns:
        One result for each sequence, in the data set's order.
    """
    left = [one for one in dataset.sequences if one.name not in journal.done]
    jobs = [Job(source, one, protocol, seen) for one in sorted(left, key=lambda one: -len(one.frames))]
    done: list[Done] = []
    with tqdm(total=_frames(dataset.sequences), desc=source.label, unit=" frames", disable=None) as bar:
        bar.update(bar.total - _frames(left))
        work = functools.partial(predict_and_score, on_frame=bar.update) if engine.is_here else predict_and_score
        needs_gpu = open_once(source).device.startswith("cuda")
        for job, one in run_jobs(work, jobs, engine, needs_gpu=needs_gpu):
            journal.add(one.result)
            done.append(one)
            if not engine.is_here:
                bar.update(len(job.sequence.frames))
    if done:
        model, score = (sum(getattr(one, key) for one in done) for key in ("model_seconds", "score_seconds"))
        sys.stderr.write(f"{source.label}: {model:.1f} s in the model; scoring took {score:.1f} s beside it.\n")
    return tuple(journal.done[one.name] for one in dataset.sequences)


def record_paths(
    arguments: argparse.Namespace, sources: list[ModelSource], dataset: Dataset, protocol: Protocol
) -> list[Path]:
    """Where each model's record goes: a file where a file is named, else MODEL.DATASET.json in the folder.

    What differs from the usual split, resolution, convention, frames, number type, or whole, is in the name, as the
    size is in the model's, and so is the folder of a data set of one's own: nothing is replaced by something else.

    Raises:
        ProtocolError: one file for several models.
    """
    output = arguments.output
    if output.suffix == ".json":
        if len(sources) > 1:
            raise ProtocolError(f"--output {output} is one file for {len(sources)} models; name a folder.")
        return [output]
    usual = {"davis2016": "val", "davis2017": "val", "folder": "all"}.get(dataset.name, "valid")
    parts = [dataset.name]
    parts += [arguments.root.resolve().name] if dataset.name == FOLDER else []
    parts += [dataset.split] if dataset.split != usual else []
    parts += [dataset.resolution] if dataset.resolution == "full" else []
    parts += [protocol.convention] if protocol.convention == "vos-benchmark" else []
    parts += ["all-frames"] if arguments.all_frames else []
    parts += ["given-frame"] if arguments.keep_given_frame else []
    parts += [arguments.dtype] if arguments.dtype else []
    parts += ["partial"] if dataset.is_partial else []
    return [output / f"{source.label}.{'-'.join(parts)}.json" for source in sources]


def _options(source: ModelSource, arguments: argparse.Namespace, engine: Engine) -> dict[str, Any]:
    model = open_once(source)
    chosen = ("sequences", "limit", "all_frames")
    return {
        "source": source.text,
        **{name: getattr(arguments, name) for name in chosen},
        "short_side": model.short_side,
        "device": model.device,
        "dtype": model.dtype,
        "threads": source.threads,
        "memory_policy": model.memory_policy,
        "runtime": model.runtime,
        "engine": engine.name,
        "workers": engine.workers,
    }


def _made_with(
    source: ModelSource,
    dataset: Dataset,
    protocol: Protocol,
    seen: Collection[str] | None,
    arguments: argparse.Namespace,
) -> dict[str, Any]:
    """All that the values of a sequence depend on."""
    model = open_once(source)
    return {
        "model": asdict(model.info),
        "source": source.text,
        "device": model.device,
        "dtype": model.dtype,
        "memory_policy": model.memory_policy,
        "runtime": model.runtime,
        "short_side": model.short_side,
        "all_frames": arguments.all_frames,
        "protocol": asdict(protocol),
        "root": str(arguments.root.resolve()),
        "seen": None if seen is None else sorted(seen),
        "commit": provenance.commit(),
    }


def _frames(sequences: Collection[Any]) -> int:
    return sum(len(one.frames) for one in sequences)
