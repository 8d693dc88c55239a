"""The command `complexity`: parameters and FLOPs of a frame, with everything that belongs to it named.

`FlopCounterMode` counts 2 for a multiply-add, so GFLOPs are its count and GMACs half of it. What it counts are
convolutions and matrix products; norms, activations, softmax and resizing are left out, as everywhere in the field.

Counted is the network that a model's configuration describes, built anew with shapes but no numbers (torch's `meta`
device). So a model costs the same wherever it runs: fused, in half precision, or exported, where torch sees no product.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch.utils.flop_counter import FlopCounterMode

from evaluation.options import Subparsers, names, positive
from evaluation.whole_files import write_text
from vos_kd import ModelConfig, build_model, list_models, read_config
from vos_kd.model import count_parameters
from vos_kd.modeling.memory import prepare_keys, read_memory
from vos_kd.modeling.network import STRIDE, ObjectPrior, STMNetwork


def add_parser(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser("complexity", help="parameters and FLOPs", description=__doc__)
    add = parser.add_argument
    add(
        "--models",
        type=names,
        default=list_models(),
        metavar="A,B",
        help="names, weight files or exported models (default: all names)",
    )
    add("--objects", type=positive, default=1, metavar="N", help="followed objects (default: %(default)s)")
    add("--memory-frames", type=positive, default=6, metavar="N", help="frames read (default: %(default)s)")
    add("--output", type=Path, metavar="FILE.json", help="where to write the figures")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Count as the command line says: print a table, write the figures."""
    counted = [
        measure_complexity(name, objects=arguments.objects, memory_frames=arguments.memory_frames)
        for name in arguments.models
    ]
    sys.stdout.write(
        f"frames of 480x854, {arguments.objects} object(s), {arguments.memory_frames} memory frames read; "
        "FlopCounterMode, 2 FLOPs a multiply-add\n"
        f"{'model':16} {'parameters':>12} {'GFLOPs':>8} {'GMACs':>8}   key + read + decode + value / frames to one\n"
    )
    for c in counted:
        parts = f"{c.key:.2f} + {c.read:.2f} + {c.decode:.2f} + {c.value:.2f} / {c.memory_interval}"
        sys.stdout.write(f"{c.model:16} {c.params:12,} {c.gflops:8.2f} {c.gmacs:8.2f}   {parts}\n")
    if arguments.output:
        write_text(json.dumps([c.to_json() for c in counted], indent=1), arguments.output)
    return 0


@dataclass(frozen=True)
class Complexity:
    """Cost of one frame of a model, in GFLOPs (2 for a multiply-add)."""

    model: str
    params: int
    height: int
    width: int
    objects: int
    memory_frames: int
    memory_interval: int
    """Frames to one memory frame, over which the value encoder is spread; 1 where every frame needs a value."""
    key: float
    read: float
    decode: float
    value: float
    """Of one memory frame."""

    @property
    def gflops(self) -> float:
        """Per frame, the value encoder amortised."""
        return self.key + self.read + self.decode + self.value / self.memory_interval

    @property
    def gmacs(self) -> float:
        """Multiply-adds per frame, in 1e9."""
        return self.gflops / 2

    def to_json(self) -> dict[str, float | int | str]:
        """Everything, with the sums."""
        return {**asdict(self), "gflops": self.gflops, "gmacs": self.gmacs}


def measure_complexity(model: str, *, objects: int = 1, memory_frames: int = 6) -> Complexity:
    """Count a registry model, which needs no weights here, or one in a file, for a frame of 480x854.

    Raises:
        InputError: see `vos_kd.load_model`.
    """
    return count(read_config(model), name=model, objects=objects, memory_frames=memory_frames)


def count(
    config: ModelConfig,
    *,
    name: str | None = None,
    short_side: int | None = None,
    objects: int = 1,
    memory_frames: int = 6,
) -> Complexity:
    """Count the parameters and FLOPs of a model for a frame of 480x854.

    Args:
        config: of the model.
        name: to call it; its configuration's by default.
        short_side: larger frames are segmented at this size; by default the model's own.
        objects: followed objects.
        memory_frames: frames in memory when the query reads it.
    """
    height, width = network_size(short_side or config.short_side)
    network = build_model(config).to("meta")
    needs_every_value = network.uses_prior or config.memory.keep_previous
    # As if all positions were read, top-k or not: that is how the yardstick is counted.
    calls = frame_calls(network, height=height, width=width, objects=objects, memory_frames=memory_frames, top_k=None)
    return Complexity(
        model=name or config.name,
        params=count_parameters(network),
        height=height,
        width=width,
        objects=objects,
        memory_frames=memory_frames,
        memory_interval=1 if needs_every_value else config.memory.memory_interval,
        key=_gflops(calls.key),
        read=_gflops(calls.read),
        decode=_gflops(calls.decode),
        value=_gflops(calls.value),
    )


class FrameCalls(NamedTuple):
    """What a network does for a frame, as calls without arguments on shapes without numbers (torch's `meta` device)."""

    key: Callable[[], object]
    read: Callable[[], object]
    decode: Callable[[], object]
    value: Callable[[], object]


def network_size(short_side: int, frame: tuple[int, int] = (480, 854)) -> tuple[int, int]:
    """Height and width of a network's input for frames of a size, of which only those larger than `short_side` shrink.

    >>> network_size(384), network_size(480), network_size(720)
    ((384, 688), (480, 864), (480, 864))
    """
    scale = min(1.0, short_side / min(frame))
    height, width = (-(-round(side * scale) // STRIDE) * STRIDE for side in frame)
    return height, width


def frame_calls(
    network: STMNetwork, *, height: int, width: int, objects: int, memory_frames: int, top_k: int | None
) -> FrameCalls:
    """The calls of a network on the `meta` device; `count` has the arguments, `vos_kd.modeling.memory` `top_k`."""
    h, w = height // STRIDE, width // STRIDE
    zeros = functools.partial(torch.zeros, device="meta")
    image = zeros(1, 3, height, width)
    masks = zeros(1, objects, height // network.mask_stride, width // network.mask_stride)
    key = zeros(memory_frames * h * w, network.key_dim)
    values = zeros(memory_frames * h * w, objects, network.value_dim)
    query = zeros(h * w, network.key_dim)
    readout = zeros(1, objects, network.value_dim, h, w)
    with torch.inference_mode():
        features = network.encode_key(image)
    return FrameCalls(
        key=lambda: network.encode_key(image),
        read=lambda: read_memory(prepare_keys(key), values, query, top_k),
        decode=lambda: network.segment(features, readout, ObjectPrior(readout, masks)),
        value=lambda: network.encode_value(image, features, masks),
    )


def _gflops(run: Callable[[], object]) -> float:
    counter = FlopCounterMode(display=False)
    with torch.inference_mode(), counter:
        run()
    return float(counter.get_total_flops()) / 1e9
