"""The command `speed`: models side by side in one run, in turn frame by frame, so that ratios hold on busy machines."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from tqdm import tqdm

from evaluation import provenance
from evaluation.measure import measure_cost, measure_speed
from evaluation.model_source import ModelSource, require_distinct
from evaluation.models import open_model
from evaluation.options import SIZE, Subparsers, add_model_options, add_size_option, add_speed_options, model_sources
from evaluation.whole_files import write_text

SCHEMA_VERSION = 1
KIND = "speed"


def add_parser(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser("speed", help="latency and frames a second", description=__doc__)
    add_model_options(parser, default=["student", "stcn_r50"])
    add_speed_options(parser, objects=[1], endurance=0)
    add = parser.add_argument
    add_size_option(parser)
    add("--output", type=Path, metavar="FILE.json", help="where to write the figures")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure as the command line says: print tables, write the figures."""
    sources = model_sources(arguments, random_weights=True)
    require_distinct(sources)
    figures = measure_with_bar(sources, arguments, size=arguments.size)
    for source in sources:
        cost = measure_cost(open_model(source)) or {}
        figures[source.label] |= {key: cost.get(key) for key in ("params", "gmacs")}
    sys.stdout.write(format_speed(figures))
    if arguments.output:
        write_text(json.dumps(speed_json(figures, arguments.argv), indent=1, allow_nan=False), arguments.output)
    return 0


def measure_with_bar(
    sources: list[ModelSource], arguments: argparse.Namespace, *, size: tuple[int, int] = SIZE
) -> dict[str, dict[str, Any]]:
    """Measure as the options of `add_speed_options` say, with a progress bar."""
    rounds = len(arguments.objects) * (arguments.warm_up + arguments.frames)
    rounds += min(10, arguments.endurance) * len(sources)
    with tqdm(total=rounds, desc="speed", unit=" rounds", disable=None) as bar:
        return measure_speed(
            sources,
            size=size,
            objects=arguments.objects,
            frames=arguments.frames,
            warm_up=arguments.warm_up,
            length=arguments.endurance,
            on_round=bar.update,
        )


def speed_json(figures: dict[str, dict[str, Any]], argv: list[str]) -> dict[str, Any]:
    """A file of `speed`: the figures of one interleaved run, and how they came about."""
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": KIND,
        "models": figures,
        "environment": provenance.machine(),
        "command": provenance.command_line(argv),
        "date": provenance.now(),
        "commit": provenance.commit(),
    }


def format_speed(figures: dict[str, dict[str, Any]]) -> str:
    """Latencies for each number of objects with ratios to the first model, and the curve over clip length."""
    first = next(iter(figures.values()))
    height, width = first["size"]
    lines = [
        f"{width}x{height}, {first['threads']} threads; ms a frame: median (p5-p95), network only | end to end; "
        "times the first, end to end"
    ]
    for index, row in enumerate(first["by_objects"]):
        lines.append(f"{row['objects']} object(s)")
        yardstick = row["latency_ms"]["end_to_end"]["median"]
        for name, model in figures.items():
            latency = model["by_objects"][index]["latency_ms"]
            cells = [_cell(latency[key]) for key in ("network", "end_to_end")]
            ratio = latency["end_to_end"]["median"] / yardstick
            lines.append(
                f"  {name:16} {cells[0]:28} | {cells[1]:28} x {ratio:5.1f}  {model['dtype']}, {model['device']}"
            )
    lines.append("peak memory: " + ", ".join(f"{n} {m['peak_memory_mib']:.0f} MiB" for n, m in figures.items()))
    for name, model in figures.items():
        if model["by_length"]:
            lines.append(f"{name}: frames so far, median ms end to end since the last row, resident MiB")
            lines += [
                f"  {row['frames']:6} {row['latency_ms']:8.1f} {row['resident_mib']:8.0f}" for row in model["by_length"]
            ]
    return "\n".join(lines) + "\n"


def _cell(latency: dict[str, float] | None) -> str:
    if latency is None:
        return f"{'not told':>8}"
    return f"{latency['median']:8.1f} ({latency['p5']:.1f}-{latency['p95']:.1f})"
