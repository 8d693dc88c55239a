"""The command `budget`: where the time of a frame goes, beside what the machine could do.

Models are timed part by part, each in a process of its own, in turn. Beside them:

`plain`: the first model as torch runs it by itself: norms and activations not fused, the memory layout and the heap as
they come, float32, random weights.

`limit`: below which no float32 (or bfloat16) program gets here: for each convolution and matrix product the larger of
its arithmetic at the rate of a large matrix product, and of its inputs, weights and outputs at the speed of copying.
Both are measured first. Norms, activations, resizing and the choice of the best positions count as free.
"""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry
from tqdm import tqdm

import vos_kd
from evaluation.complexity import frame_calls, network_size
from evaluation.errors import ProtocolError
from evaluation.model_source import ModelSource, require_distinct
from evaluation.models import open_model
from evaluation.moving_picture import moving_picture
from evaluation.options import Subparsers, add_model_options, add_size_option, model_sources, positive
from vos_kd.modeling.network import STMNetwork

PARTS = {
    "encode_key": "image to key",
    "read": "reading of memory",
    "segment": "decoder",
    "encode_value": "mask to value",
    "rest": "resizing, the rest",
}
"""A part of a frame, by the name of the call that does it, in words."""
_BLOCK = 5
"""Frames in a row of one model, before it is the next one's turn."""


def add_parser(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser("budget", help="where the time of a frame goes", description=__doc__)
    add_model_options(parser, default=["student"])
    add_size_option(parser)
    parser.add_argument("--frames", type=positive, default=30, metavar="N", help="timed ones (default: %(default)s)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure as the command line says, and print a table."""
    sources = model_sources(arguments, random_weights=True)
    require_distinct(sources)
    models = [open_model(source) for source in sources]
    if any(model.network is None or model.device != "cpu" for model in models):
        raise ProtocolError("budget is for this project's own networks on a CPU; give --device cpu, or other --models.")
    config = models[0].network.config  # type: ignore[union-attr]
    dtype = models[0].network.dtype  # type: ignore[union-attr]
    threads = torch.get_num_threads()
    del models
    rates = measure_rates(dtype)
    work = {part: works_of(call) for part, call in _calls(config, arguments.size).items()}
    timed = measure(sources, config, arguments.size, arguments.frames)
    height, width = arguments.size
    sys.stdout.write(
        f"{width}x{height}, one object, {threads} threads, {str(dtype).removeprefix('torch.')}: "
        f"{rates.flops / 1e9:.0f} GFLOP/s, {rates.bytes / 1e9:.1f} GB/s; ms a frame, median of {arguments.frames}\n"
        + format_budget(timed, work, rates, bytes_of_a_number=dtype.itemsize)
    )
    return 0


@dataclass(frozen=True)
class Rates:
    """What a machine can do in a second."""

    flops: float
    bytes: float


@dataclass(frozen=True)
class Work:
    """A convolution or a product."""

    flops: float
    numbers: int
    """That it reads and writes."""

    def least_ms(self, rates: Rates, bytes_of_a_number: int) -> float:
        """What it takes at least."""
        return 1000 * max(self.flops / rates.flops, self.numbers * bytes_of_a_number / rates.bytes)


def works_of(call: Callable[[], object]) -> list[Work]:
    """The convolutions and products in a call."""
    recorder = _Recorder()
    with torch.no_grad(), recorder:
        call()
    return recorder.works


def measure_rates(dtype: torch.dtype) -> Rates:
    """The best of several large matrix products, and of several copies, with the threads that torch has now."""
    side, count = 1536, 32 * 2**20
    matrix = torch.randn(side, side).to(dtype)
    source, target = torch.zeros(2, count)
    product = min(_seconds(lambda: matrix @ matrix) for _ in range(12))
    copy = min(_seconds(lambda: target.copy_(source)) for _ in range(12))
    return Rates(2 * side**3 / product, 2 * 4 * count / copy)


def measure(
    sources: list[ModelSource], plain: vos_kd.ModelConfig, size: tuple[int, int], frames: int
) -> dict[str, dict[str, float]]:
    """Median ms of each part, and of the whole frame as `whole`, by model; those of the plain network as `plain`."""
    columns = {"plain": (sources[0], plain), **{source.label: (source, None) for source in sources}}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in columns}
    # Long enough for a full memory; and the first frames of a process are slow.
    warm_up = 4 * _BLOCK
    spawn = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        pools = {
            name: stack.enter_context(ProcessPoolExecutor(1, spawn, _prepare, (as_plain is not None,)))
            for name, (_, as_plain) in columns.items()
        }
        for begin in tqdm(range(0, warm_up + frames, _BLOCK), desc="budget", unit=" rounds", disable=None):
            for name, (source, as_plain) in columns.items():
                block = pools[name].submit(_next_frames, source, as_plain, size, _BLOCK).result()
                found[name] += block if begin >= warm_up else []
    return {
        name: {part: median(row[part] for row in rows[:frames]) for part in (*PARTS, "whole")}
        for name, rows in found.items()
    }


def format_budget(
    timed: Mapping[str, Mapping[str, float]], work: Mapping[str, list[Work]], rates: Rates, bytes_of_a_number: int
) -> str:
    """A table: parts of a frame in rows, models in columns, then limits and work."""
    widths = [max(8, len(name)) for name in timed]
    heads = " ".join(f"{name:>{width}}" for name, width in zip(timed, widths, strict=True))
    lines = [f"{'':20} {heads} {'limit':>7} {'GFLOPs':>7} {'MB':>7}"]
    for part, title in {**PARTS, "whole": "whole frame"}.items():
        works = [one for name, some in work.items() if part in (name, "whole") for one in some]
        cells = " ".join(f"{column[part]:{width}.1f}" for column, width in zip(timed.values(), widths, strict=True))
        limit = sum(one.least_ms(rates, bytes_of_a_number) for one in works)
        flops, numbers = sum(one.flops for one in works), sum(one.numbers for one in works)
        lines.append(f"{title:20} {cells} {limit:7.1f} {flops / 1e9:7.2f} {numbers * bytes_of_a_number / 1e6:7.1f}")
    return "\n".join(lines) + "\n"


def _calls(config: vos_kd.ModelConfig, size: tuple[int, int]) -> dict[str, Callable[[], object]]:
    """What is done for a frame, on torch's meta device, by the names in `PARTS`."""
    height, width = network_size(config.short_side, size)
    memory = config.memory
    frames = 1 + (memory.max_recent or 5)
    network = vos_kd.build_model(config).to("meta")
    calls = frame_calls(network, height=height, width=width, objects=1, memory_frames=frames, top_k=memory.top_k)
    return {"encode_key": calls.key, "read": calls.read, "segment": calls.decode, "encode_value": calls.value}


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Writes down every operation that torch's FLOP counter knows."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.works: list[Work] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        count = flop_registry.get(func._overloadpacket)
        if count is not None:
            numbers = sum(one.numel() for one in (*args, out) if isinstance(one, Tensor))
            self.works.append(Work(float(count(*args, **(kwargs or {}), out_val=out)), numbers))
        return out


# --- in the process of a model


class _Timed:
    """Stands in for an object, and adds up what some of its calls take, in ms."""

    def __init__(self, inner: object, names: tuple[str, ...], spent: dict[str, float]) -> None:
        self._inner, self._names, self._spent = inner, names, spent

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        return functools.partial(self._timed, name, found) if name in self._names else found

    def _timed(self, name: str, call: Callable[..., Any], *args: Any) -> Any:
        began = time.perf_counter()
        out = call(*args)
        self._spent[name] = self._spent.get(name, 0.0) + 1000 * (time.perf_counter() - began)
        return out


def _prepare(is_plain: bool) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a word
    if not is_plain:
        vos_kd.prepare_process()


def _next_frames(
    source: ModelSource, as_plain: vos_kd.ModelConfig | None, size: tuple[int, int], frames: int
) -> list[dict[str, float]]:
    """ms of each part of the next frames of an endless clip."""
    clip = _clip(source, as_plain, size)
    return [next(clip) for _ in range(frames)]


@functools.cache
def _clip(
    source: ModelSource, as_plain: vos_kd.ModelConfig | None, size: tuple[int, int]
) -> Iterator[dict[str, float]]:
    if as_plain is None:
        model = open_model(source).network
        assert model is not None
    else:
        torch.set_num_threads(source.threads or torch.get_num_threads())
        model = vos_kd.Model(as_plain, vos_kd.build_model(as_plain), torch.device("cpu"), torch.float32, 0, None)
    return _follow(model, size)


def _follow(model: vos_kd.Model, size: tuple[int, int]) -> Iterator[dict[str, float]]:
    spent: dict[str, float] = {}
    network = cast(STMNetwork, _Timed(model.network, ("encode_key", "segment", "encode_value"), spent))
    segmenter = vos_kd.VideoSegmenter(replace(model, network=network))
    segmenter.memory = cast(Any, _Timed(segmenter.memory, ("read",), spent))
    image, mask = moving_picture(*size, 1)
    index = 0
    while True:
        spent.clear()
        frame = image(index)
        began = time.perf_counter()
        segmenter.step(frame, mask if index == 0 else None)
        whole = 1000 * (time.perf_counter() - began)
        parts = {part: spent.get(part, 0.0) for part in PARTS}
        yield {**parts, "rest": whole - sum(spent.values()), "whole": whole}
        index += 1


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
