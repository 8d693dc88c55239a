"""The command `speed`: models side by side in one run, or one of them over a long clip."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from evaluation import provenance
from evaluation.complexity import measure_complexity
from evaluation.options import Subparsers, names, positive, threads
from evaluation.results import write_text
from evaluation.throughput import endurance, interleaved
from vos_kd import Model, list_models, load_model


def add_parser(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser("speed", help="latency and frames a second", description=__doc__)
    add = parser.add_argument
    add("--models", type=names, default=["student", "stcn_r50"], metavar="A,B", help="registry names or weight files")
    add("--size", type=_size, default=(480, 854), metavar="HxW", help="of the frames (default: 480x854)")
    add("--objects", type=_numbers, default=[1], metavar="N,N", help="followed objects, one run each (default: 1)")
    add("--frames", type=positive, default=30, metavar="N", help="timed frames (default: %(default)s)")
    add(
        "--warm-up", type=positive, default=26, metavar="N", help="frames before, to fill memory (default: %(default)s)"
    )
    add("--threads", type=threads, metavar="N", help="of the CPU; by default torch's own")
    add("--device", help="cpu, cuda, mps; by default the best there is")
    add("--dtype", help="float32, bfloat16 or float16; by default the fastest that keeps the masks")
    add(
        "--endurance", type=positive, metavar="N", help="instead: N frames of the first model, memory and latency shown"
    )
    add("--output", type=Path, metavar="FILE.json", help="where to write the figures")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure as the command line says: print a table, write the figures."""
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    models = [(name, _load(name, arguments)) for name in arguments.models]
    figures: dict[str, Any] = {
        "environment": {**provenance.environment(("torch",)), "threads": torch.get_num_threads()},
        "size": list(arguments.size),
        "command": provenance.command_line(arguments.argv),
        "date": provenance.now(),
        "commit": provenance.commit(),
    }
    figures |= _endurance(models[0], arguments) if arguments.endurance else _side_by_side(models, arguments)
    if arguments.output:
        write_text(json.dumps(figures, indent=1), arguments.output)
    return 0


def _side_by_side(models: list[tuple[str, Model]], arguments: argparse.Namespace) -> dict[str, Any]:
    height, width = arguments.size
    curve: list[dict[str, Any]] = []
    for objects in arguments.objects:
        rounds = arguments.warm_up + arguments.frames
        with tqdm(total=rounds, desc=f"speed, {objects} objects", unit=" frames", disable=None) as bar:
            latencies = interleaved(
                models,
                height=height,
                width=width,
                objects=objects,
                frames=arguments.frames,
                warm_up=arguments.warm_up,
                on_round=bar.update,
            )
        curve.append({"objects": objects, "models": {name: latencies[name].summary() for name, _ in models}})
        sys.stdout.write(_table(curve[-1], models))
    first = curve[0]["models"]
    for name, model in models:
        first[name] |= {"params": model.parameters, "dtype": str(model.dtype), "device": str(model.device)}
        if model.config.name in list_models():
            first[name]["gmacs"] = measure_complexity(
                model.config.name, height=-(-height // 16) * 16, width=-(-width // 16) * 16
            ).gmacs
    return {"models": first, "objects": arguments.objects[0], "by_objects": curve}


def _table(row: dict[str, Any], models: list[tuple[str, Model]]) -> str:
    """Latencies of a run, and how much slower than the first model each is, by its median."""
    lines = [f"{row['objects']} object(s); ms a frame: median (p5-p95), network only | end to end; times the first"]
    first = row["models"][models[0][0]]["latency_ms"]["network"]["median"]
    for name, model in models:
        latency = row["models"][name]["latency_ms"]
        each = [
            f"{q['median']:8.1f} ({q['p5']:.1f}-{q['p95']:.1f})" for q in (latency["network"], latency["end_to_end"])
        ]
        ratio = latency["network"]["median"] / first
        lines.append(f"  {name:16} {each[0]:28} | {each[1]:28} x {ratio:5.1f}  {str(model.dtype)[6:]}")
    return "\n".join(lines) + "\n"


def _endurance(model: tuple[str, Model], arguments: argparse.Namespace) -> dict[str, Any]:
    name, loaded = model
    height, width = arguments.size
    every = max(1, arguments.endurance // 10)
    rows = []
    sys.stdout.write(f"{name}: frames, median ms end to end since the last row, resident MiB\n")
    for row in endurance(
        loaded, frames=arguments.endurance, every=every, height=height, width=width, objects=arguments.objects[0]
    ):
        rows.append(row)
        sys.stdout.write(f"  {row['frame']:6.0f} {row['latency_ms']:8.1f} {row['resident_mib']:8.0f}\n")
        sys.stdout.flush()
    return {"model": name, "objects": arguments.objects[0], "endurance": rows}


def _load(name: str, arguments: argparse.Namespace) -> Model:
    """A registry model as it is built, as speed needs no weights; anything else from its file."""
    is_registered = name in list_models()
    return load_model(name, device=arguments.device, dtype=arguments.dtype, random_weights=is_registered)


def _size(text: str) -> tuple[int, int]:
    height, cross, width = text.partition("x")
    if not cross:
        raise argparse.ArgumentTypeError(f"expected HEIGHTxWIDTH, such as 480x854, not {text!r}")
    return positive(height), positive(width)


def _numbers(text: str) -> list[int]:
    numbers = [positive(part) for part in names(text)]
    if max(numbers) > 20:
        raise argparse.ArgumentTypeError(f"{max(numbers)} objects were asked for; expected at most 20")
    return numbers
