"""All figures of speed and cost that a record holds, of several models measured side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from evaluation.complexity import count
from evaluation.model_source import ModelSource
from evaluation.models import LoadedModel, open_model
from evaluation.options import SIZE
from evaluation.peak_memory import peak_memory_mib
from evaluation.throughput import endurance, interleaved


def measure_speed(
    sources: Sequence[ModelSource],
    *,
    size: tuple[int, int] = SIZE,
    objects: Sequence[int] = (1,),
    frames: int = 30,
    warm_up: int = 26,
    length: int = 0,
    on_round: Callable[[], object] = lambda: None,
) -> dict[str, dict[str, Any]]:
    """Time models in turn, a frame each, in this process.

    Args:
        sources: the models; with distinct labels.
        size: height and width of the frames.
        objects: numbers of followed objects; the first is that of the main figures, all make the curve.
        frames: timed ones.
        warm_up: frames before, to fill the memory.
        length: frames of a long clip for the curve over clip length, in ten rows; 0 for none.
        on_round: called after every timed or warm-up frame of all models, and every row of the long clip.

    Returns:
        For each label what `Record.speed` holds.
    """
    height, width = size
    models = {source.label: open_model(source) for source in sources}
    clip: dict[str, Any] = {"height": height, "width": width, "frames": frames, "warm_up": warm_up}
    curve = [(n, interleaved(models, objects=n, on_round=on_round, **clip)) for n in objects]
    return {
        source.label: {
            **curve[0][1][source.label].summary(),
            "peak_memory_mib": peak_memory_mib(
                source, height=height, width=width, objects=objects[0], frames=warm_up + 1
            ),
            **_setting(models[source.label]),
            "size": list(size),
            "objects": objects[0],
            "by_objects": [{"objects": n, **latencies[source.label].summary()} for n, latencies in curve],
            "by_length": _by_length(models[source.label], size, objects[0], length, on_round),
        }
        for source in sources
    }


def measure_cost(model: LoadedModel) -> dict[str, Any] | None:
    """What `Record.complexity` holds, at the size the model works at; None where nothing is known of an outside one."""
    if model.network is not None:
        counted = count(model.network.config, short_side=model.short_side)
        return {**counted.to_json(), "tool": "torch.utils.flop_counter.FlopCounterMode, 2 FLOPs a multiply-add"}
    if model.parameters is None and model.gmacs is None:
        return None
    return {
        "params": model.parameters,
        "gmacs": model.gmacs,
        "gflops": model.gmacs and 2 * model.gmacs,
        "height": None,
        "width": None,
        "memory_frames": None,
        "tool": "told by the outside model",
    }


def _setting(model: LoadedModel) -> dict[str, Any]:
    return {
        "device": model.device,
        "dtype": model.dtype,
        "threads": torch.get_num_threads(),
        "memory_policy": model.memory_policy,
        "runtime": model.runtime,
    }


def _by_length(
    model: LoadedModel, size: tuple[int, int], objects: int, length: int, on_row: Callable[[], object]
) -> list[dict[str, Any]]:
    rows = []
    if length:
        for row in endurance(
            model, frames=length, every=max(1, length // 10), height=size[0], width=size[1], objects=objects
        ):
            rows.append(row)
            on_row()
    return rows
