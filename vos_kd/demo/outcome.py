"""A run as the page tells it: while it goes on, and when it is over."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, median
from typing import Any

import numpy as np

from vos_kd.demo.pictures import data_address
from vos_kd.demo.progress import ModelProgress, Progress
from vos_kd.demo.running import Plan

Message = dict[str, Any]


def progress_view(progress: Progress, *, position: int = 0, seconds_before: float = 0.0) -> Message:
    """A run that goes on.

    Args:
        progress: of the run.
        position: how many runs are before it.
        seconds_before: about how long they take.
    """
    return {
        "phase": progress.phase,
        "position": position,
        "seconds_before": round(seconds_before),
        "share": round(progress.share, 3),
        "models": [_model_view(model) for model in progress.models],
    }


def result_view(plan: Plan, progress: Progress, is_stopped: bool, facts: dict[str, Message]) -> Message:
    """A run that is over, to the end or not.

    Args:
        plan: of the run.
        progress: of the run.
        is_stopped: whether the visitor stopped it.
        facts: model -> what is known of it beside its speed.
    """
    from vos_kd.geometry import FrameGeometry  # not above: it needs torch, and the page is there before that

    done = [model for model in progress.models if model.done]
    info = plan.clip.info
    sides = {facts.get(model.label, {}).get("short_side", plan.short_side) for model in done}
    fits = [FrameGeometry.fit(info.height, info.width, side) for side in sorted(sides)]
    sizes = dict.fromkeys((fit.working_width, fit.working_height) for fit in fits)  # of a small frame there is one
    return {
        "phase": "done",
        "is_stopped": is_stopped,
        "share": round(progress.share, 3),
        "start": plan.start,
        "frames": max((model.done for model in done), default=0),
        "planned": plan.frames,
        "fps": info.fps,
        "width": info.width,
        "height": info.height,
        "segmented": [[*size] for size in sizes],
        "objects": len(plan.object_ids),
        "given": sorted(plan.masks),
        "models": [
            _model_view(model, with_picture=False)
            | {"video": str(plan.overlay(model.label)), "speed": speed(model) | facts.get(model.label, {})}
            for model in done
        ],
        "speed_up": speed_up(done),
        "mean_agreement": _mean(done[1].agreement) if len(done) > 1 else None,
        "warnings": progress.warnings,
    }


def speed(model: ModelProgress) -> Message:
    """Speed of one model. The first frame is told apart: it also starts things up, and is given, not predicted."""
    steady = slice(1, None) if model.done > 1 else slice(None)
    network, step, frame = (values[steady] for values in (model.network_ms, model.step_ms, model.frame_ms))
    return {
        "network": _spread(network),
        "step": _spread(step),
        "end_to_end": _spread(frame),
        "fps": round(1000 / fmean(frame), 2),
        "first_ms": round(model.frame_ms[0], 1),
        "peak_mib": round(model.peak_mib),
    }


def speed_up(models: Sequence[ModelProgress]) -> Message | None:
    """By how much the faster of two models is faster, by the median of the network's time."""
    if len(models) != 2:
        return None
    slow, fast = sorted(models, key=lambda model: -median(model.step_ms[1:] or model.step_ms))
    factor = median(slow.step_ms[1:] or slow.step_ms) / median(fast.step_ms[1:] or fast.step_ms)
    return {"fast": fast.label, "slow": slow.label, "factor": round(factor, 2)}


def mean_scores(model: ModelProgress) -> tuple[float, float] | None:
    """J and F over the frames that have truth and were predicted."""
    known = [scores for scores in model.scores if scores is not None]
    return (fmean(j for j, _ in known), fmean(f for _, f in known)) if known else None


def _model_view(model: ModelProgress, with_picture: bool = True) -> Message:
    scores = mean_scores(model)
    eta = model.eta_seconds
    return {
        "label": model.label,
        "done": model.done,
        "total": model.total,
        "eta": None if eta is None else round(eta, 1),
        "fps": round(1000 / fmean(model.frame_ms[1:] or model.frame_ms), 1) if model.done else None,
        "picture": data_address(model.picture, "jpeg") if with_picture and model.picture else None,
        "picture_number": model.picture_number,
        "latency": [round(value, 1) for value in model.step_ms],
        "agreement": [round(value, 4) for value in model.agreement],
        "j": [None if one is None else round(one[0], 4) for one in model.scores],
        "j_mean": None if scores is None else round(scores[0], 4),
        "f_mean": None if scores is None else round(scores[1], 4),
    }


def _spread(values: Sequence[float]) -> Message:
    middle, high = np.percentile(values, [50, 95])
    return {"median": round(float(middle), 1), "p95": round(float(high), 1)}


def _mean(values: Sequence[float]) -> float | None:
    return round(fmean(values), 4) if values else None
