"""J on held-out clips with the averaged weights, and a picture of what they do."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from vos_kd.data.clips import ClipBatch
from vos_kd.distill.ema import Ema
from vos_kd.distill.rollout import rollout
from vos_kd.distill.task import OnlineDistillation
from vos_kd.files import atomic_write
from vos_kd.modeling.layers import upsample
from vos_kd.modeling.stm import STM
from vos_kd.overlay import draw_overlay


@torch.no_grad()
def validate(
    task: OnlineDistillation, ema: Ema, batches: Sequence[ClipBatch], accelerator: Accelerator
) -> dict[str, float]:
    """Mean J over objects and frames of the held-out clips: `validation/student_j`, `validation/teacher_j`."""
    return {
        f"validation/{name}_j": mean_jaccard(network, batches, accelerator, task.top_k[name])
        for name, network in _averaged(task, ema)
    }


@torch.no_grad()
def mean_jaccard(
    network: STM, batches: Iterable[ClipBatch], accelerator: Accelerator, top_k: int | None = None
) -> float:
    """Mean J of one network, in evaluation mode and on the accelerator's device, over objects and frames; 0-1.

    Args:
        network: of them.
        batches: of clips.
        accelerator: its device and precision hold.
        top_k: memory positions that a query reads; None: all.
    """
    scores = []
    for batch in batches:
        clip = batch.to(accelerator.device)
        with accelerator.autocast():
            labels = _predict(network, clip, top_k)
        scores.append(jaccard(labels, clip))
    return float(torch.cat(scores).mean())


@torch.no_grad()
def contact_sheet(
    task: OnlineDistillation, ema: Ema, batch: ClipBatch, accelerator: Accelerator, path: Path, clips: int = 3
) -> None:
    """Write a picture: for each of a few clips a row of truth and a row for each network, frames from left to right."""
    clip = ClipBatch(*(tensor[:clips] for tensor in batch)).to(accelerator.device)
    rows = [_labels(clip.masks)]
    for name, network in _averaged(task, ema):
        with accelerator.autocast():
            predicted = _predict(network, clip, task.top_k[name])
        rows.append(torch.cat([rows[0][:, :1], predicted], dim=1))
    images = clip.images.permute(0, 1, 3, 4, 2).cpu().numpy()
    sheet = [
        np.hstack([draw_overlay(image, mask) for image, mask in zip(images[n], row[n].cpu().numpy(), strict=True)])
        for n in range(len(images))
        for row in rows
    ]
    ok, png = cv2.imencode(".png", np.vstack(sheet)[..., ::-1])
    assert ok
    atomic_write(path, png.tobytes())


def jaccard(labels: Tensor, clip: ClipBatch) -> Tensor:
    """J of every object that a clip has, in frames 1 to T-1; void pixels do not count, empty and empty is 1.

    Args:
        labels: uint8 `[B, T-1, H, W]`, o + 1 for object o.
        clip: with the truth.

    Returns:
        float `[number of such objects and frames]` in 0-1.
    """
    truth = clip.masks[:, 1:]
    numbers = torch.arange(1, truth.shape[2] + 1, device=labels.device).view(1, 1, -1, 1, 1)
    predicted = (labels[:, :, None] == numbers) & clip.valid[:, 1:, None]
    both = (predicted & truth).sum((-2, -1))
    either = (predicted | truth).sum((-2, -1))
    scores = torch.where(either > 0, both / either.clamp(min=1), 1.0)
    exists = clip.object_valid[:, None].expand(scores.shape)
    return scores[exists]


def _predict(network: STM, clip: ClipBatch, top_k: int | None) -> Tensor:
    """uint8 `[B, T-1, H, W]`."""
    images = clip.images.float().div(255)
    logits = rollout(network, images, clip.masks[:, 0].float(), clip.object_valid, top_k).logits
    large = upsample(logits.flatten(0, 1), images.shape[-1] // logits.shape[-1])
    return large.argmax(1).to(torch.uint8).unflatten(0, logits.shape[:2])


def _labels(masks: Tensor) -> Tensor:
    """bool `[B, T, O, H, W]` to uint8 `[B, T, H, W]`."""
    return torch.cat([~masks.any(2, keepdim=True), masks], 2).to(torch.uint8).argmax(2).to(torch.uint8)


def _averaged(task: OnlineDistillation, ema: Ema) -> Iterator[tuple[str, STM]]:
    """Copies of the networks with averaged weights, for evaluation."""
    for name in ("student", "teacher"):
        network = getattr(task, name)
        if network is not None:
            twin = copy.deepcopy(network).eval()
            twin.load_state_dict(ema.part(name))
            yield name, twin
