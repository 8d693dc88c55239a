"""Online distillation as one task: a batch of clips in, a dictionary of named losses out."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vos_kd.data.clips import ClipBatch
from vos_kd.distill import losses
from vos_kd.distill.adaptive_lr import AdaptiveRateConfig
from vos_kd.distill.discriminator import Discriminator
from vos_kd.distill.rollout import Rollout, rollout
from vos_kd.distill.smooth_block import SmoothBlock
from vos_kd.errors import InputError
from vos_kd.modeling.layers import upsample
from vos_kd.modeling.memory import affinity
from vos_kd.modeling.network import STRIDE
from vos_kd.modeling.stm import STM

TeacherMode = Literal["none", "frozen", "joint"]


@dataclass(frozen=True)
class DistillConfig:
    """Which parts of the method are on, and how much each counts; a weight of 0 switches a part off."""

    teacher_mode: TeacherMode = "joint"
    """`joint`: the teacher trains too (online); `frozen`: it only teaches (offline); `none`: the student alone."""
    logit_weight: float = 1.0
    temperature: float = 2.0
    """tau of the logit loss; softer than 1, because the teacher is sure of nearly every pixel."""
    affinity_weight: float = 0.1
    feature_weight: float = 1.0
    smooth_block: bool = True
    """Off: features are compared after a bare 1x1 convolution each."""
    adversarial_weight: float = 0.05
    adversarial_from: float = 0.1
    """Share of the run after which the adversarial loss sets in: before, features are too far apart to play."""
    contrastive_weight: float = 0.0
    """Of MobileVOS's loss, the rival of the feature loss; off in the method itself."""
    adaptive_rate: bool = True
    rates: AdaptiveRateConfig = field(default_factory=AdaptiveRateConfig)
    common_width: int = 64
    """Channels in which features of teacher and student are compared."""
    deployed_reading: bool = False
    """Read the best positions of memory in training, as inference does (`MemoryConfig.top_k`), instead of all. Tried
    twice, at 448 pixels on a CPU: no gain (vos_kd/weights/README.md)."""
    hard_share: float = 0.15
    """Share of pixels, the hardest, that the cross-entropy counts after warm-up (from all, falling linearly)."""
    hard_from: float = 0.1
    """Share of the run over which that share falls from 1."""

    def __post_init__(self) -> None:
        if self.teacher_mode not in ("none", "frozen", "joint"):
            raise InputError(f"teacher_mode is {self.teacher_mode!r}; expected 'none', 'frozen' or 'joint'.")
        for name in ("logit_weight", "affinity_weight", "feature_weight", "adversarial_weight", "contrastive_weight"):
            if not 0 <= getattr(self, name) < math.inf:  # nan is not, either
                raise InputError(f"{name} is {getattr(self, name)}; expected 0 or more, but finite.")
        if self.common_width < 1:
            raise InputError(f"common_width is {self.common_width}; expected 1 or more channels.")
        if not self.temperature > 0:
            raise InputError(f"temperature is {self.temperature}; expected more than 0.")
        if not 0 < self.hard_share <= 1:
            raise InputError(f"hard_share is {self.hard_share}; expected above 0 and at most 1.")


class Targets(NamedTuple):
    """What the losses compare with, for frames 1 to T-1 of a batch, flattened to N = B (T-1)."""

    masks: Tensor
    """`[N, O, H, W]`, float."""
    labels: Tensor
    """int64 `[N, H, W]`, 0 the background, o + 1 object o."""
    valid: Tensor
    """bool `[N, H, W]`."""
    object_valid: Tensor
    """bool `[N, O]`."""


class OnlineDistillation(nn.Module):
    """Student, teacher and the train-time parts between them.

    The teacher learns from the task alone: everything the student is compared with is detached from it.
    """

    def __init__(
        self,
        student: STM,
        teacher: STM | None,
        config: DistillConfig,
        student_top_k: int | None = None,
        teacher_top_k: int | None = None,
    ) -> None:
        """Put the parts together.

        Args:
            student: is trained.
            teacher: trained or not, by `config.teacher_mode`; None with `none`.
            config: which parts of the method are on.
            student_top_k: memory positions that a query of the student reads where it is used; for validation, and
                for training with `config.deployed_reading`.
            teacher_top_k: likewise.

        Raises:
            InputError: a teacher is missing, or is there and must not be.
        """
        super().__init__()
        if (teacher is None) != (config.teacher_mode == "none"):
            raise InputError(f"teacher_mode {config.teacher_mode!r} and {'no' if teacher is None else 'a'} teacher.")
        self.config = config
        self.top_k = {"student": student_top_k, "teacher": teacher_top_k}
        self.student = student
        self.teacher = teacher
        self.student_adaptor: nn.Module | None = None
        self.teacher_adaptor: nn.Module | None = None
        self.discriminator: Discriminator | None = None
        if teacher is not None:
            if config.teacher_mode == "frozen":
                teacher.requires_grad_(False)
            if config.feature_weight or config.adversarial_weight or config.contrastive_weight:
                self.student_adaptor = _adaptor(student, config)
                self.teacher_adaptor = _adaptor(teacher, config)
            if config.adversarial_weight:
                self.discriminator = Discriminator(config.common_width)

    def forward(self, clip: ClipBatch, progress: float, distillation: float = 1.0) -> dict[str, Tensor]:
        """Losses of a batch.

        Args:
            clip: T of 2 or more frames; images as uint8, or floats in 0-1.
            progress: share of the run that is over, 0-1.
            distillation: factor on the distillation losses, from the adaptive rate.

        Returns:
            `loss`, the sum to minimise, and every part of it by name and unweighted. `student` and `teacher` are the
            task losses that the adaptive rate watches.
        """
        images = clip.images.float().div(255) if clip.images.dtype == torch.uint8 else clip.images
        images = images.flatten(0, 1).contiguous(memory_format=torch.channels_last).unflatten(0, images.shape[:2])
        first = clip.masks[:, 0].to(images.dtype)
        targets = _targets(clip)
        out: dict[str, Tensor] = {}

        reads = self.top_k if self.config.deployed_reading else dict.fromkeys(self.top_k)
        student = rollout(self.student, images, first, clip.object_valid, reads["student"])
        loss = self._task_losses("student", student, targets, progress, out)
        if self.teacher is not None:
            with torch.set_grad_enabled(self.config.teacher_mode == "joint" and torch.is_grad_enabled()):
                teacher = rollout(self.teacher, images, first, clip.object_valid, reads["teacher"])
                task = self._task_losses("teacher", teacher, targets, progress, out)
            if self.config.teacher_mode == "joint":
                loss = loss + task
            imitation, own = self._distillation_losses(student, teacher, targets, progress, out)
            loss = loss + distillation * imitation + own
        return {"loss": loss, **out}

    def _task_losses(
        self, name: str, result: Rollout, targets: Targets, progress: float, out: dict[str, Tensor]
    ) -> Tensor:
        """Bootstrapped cross-entropy and Dice at the images' size."""
        config = self.config
        logits = upsample(result.logits.flatten(0, 1), targets.labels.shape[-1] // result.logits.shape[-1])
        keep = 1 - (1 - config.hard_share) * min(progress / max(config.hard_from, 1e-6), 1.0)
        probs = torch.softmax(logits, dim=1)[:, 1:]
        out[f"{name}/cross_entropy"] = losses.bootstrapped_cross_entropy(logits, targets.labels, targets.valid, keep)
        out[f"{name}/dice"] = losses.dice_loss(probs, targets.masks, targets.valid, targets.object_valid)
        out[name] = out[f"{name}/cross_entropy"] + out[f"{name}/dice"]
        return out[name]

    def _distillation_losses(
        self, student: Rollout, teacher: Rollout, targets: Targets, progress: float, out: dict[str, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """What draws the student to the teacher, and what the train-time parts are trained by.

        The second holds the mask loss of both Smooth Blocks. The teacher's features are detached from it; the
        student's are not, so it is an auxiliary mask loss of the student too, however much imitation counts.
        """
        config = self.config
        valid4 = F.avg_pool2d(targets.valid[:, None].float(), 4)[:, 0]
        valid16 = F.avg_pool2d(valid4[:, None], STRIDE // 4)[:, 0]
        imitation = student.logits.new_zeros(())
        own = student.logits.new_zeros(())
        if config.logit_weight:
            weight = valid4 * losses.boundary_weight(F.avg_pool2d(targets.masks, 4))
            out["distill/logit"] = losses.logit_distillation(
                student.logits.flatten(0, 1), teacher.logits.flatten(0, 1), weight, config.temperature
            )
            imitation = imitation + config.logit_weight * out["distill/logit"]
        if config.affinity_weight:
            frames = valid16.unflatten(0, student.logits.shape[:2]).flatten(2)  # [B, T-1, Q]
            each = [
                losses.affinity_distillation(affinity(s), affinity(t), frames[:, n])
                for n, (s, t) in enumerate(zip(student.similarities, teacher.similarities, strict=True))
            ]
            out["distill/affinity"] = torch.stack(each).mean()
            imitation = imitation + config.affinity_weight * out["distill/affinity"]
        if self.student_adaptor is not None and self.teacher_adaptor is not None:
            masks, weight = self._object_targets(targets, valid16, student.logits.shape[1])
            z_s, mask_s = self.student_adaptor(student.fused.flatten(0, 1))
            z_t, mask_t = self.teacher_adaptor(teacher.fused.detach().flatten(0, 1))
            each_pixel = F.binary_cross_entropy_with_logits(
                torch.stack([mask_s, mask_t]).float(), masks.expand(2, *masks.shape), reduction="none"
            )
            out["distill/adaptors"] = 2 * losses.masked_mean(each_pixel, weight.expand(2, *weight.shape))
            own = own + out["distill/adaptors"]
            on_object = weight * (0.2 + masks)  # foreground first, but not alone: the student must not light up around
            if config.feature_weight:
                out["distill/feature"] = losses.feature_distillation(z_s, z_t, on_object)
                imitation = imitation + config.feature_weight * out["distill/feature"]
            if config.contrastive_weight:
                out["distill/contrastive"] = _contrastive(z_s, z_t, masks, weight)
                imitation = imitation + config.contrastive_weight * out["distill/contrastive"]
            if self.discriminator is not None:
                adversarial, judged = self._game(z_s, z_t.detach(), weight)
                out["distill/adversarial"], out["distill/discriminator"] = adversarial, judged
                is_on = float(progress >= config.adversarial_from)
                imitation = imitation + is_on * config.adversarial_weight * adversarial
                own = own + judged
        return imitation, own

    @staticmethod
    def _object_targets(targets: Targets, valid16: Tensor, frames: int) -> tuple[Tensor, Tensor]:
        """Masks and validity at stride 16, both `[M*(T-1), h, w]`, of what exists, in the order of `Rollout.fused`."""
        by_clip = F.avg_pool2d(targets.masks, STRIDE).unflatten(0, (-1, frames)).transpose(1, 2)  # [B, O, T-1, h, w]
        object_valid = targets.object_valid.unflatten(0, (-1, frames))[:, 0]
        weight = valid16.unflatten(0, (-1, 1, frames)).expand_as(by_clip)
        return by_clip[object_valid].flatten(0, 1), weight[object_valid].flatten(0, 1)

    def _game(self, student: Tensor, teacher: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """The student's adversarial loss (no gradient for the discriminator) and the discriminator's own."""
        assert self.discriminator is not None
        self.discriminator.requires_grad_(False)
        on_student = self.discriminator(student)
        self.discriminator.requires_grad_(True)
        valid = F.adaptive_avg_pool2d(weight[:, None], on_student.shape[-2:])[:, 0]
        adversarial = losses.adversarial_loss(on_student, valid)
        judged = losses.discriminator_loss(self.discriminator(teacher), self.discriminator(student.detach()), valid)
        return adversarial, judged


class _BareAdaptor(nn.Module):
    """What stands in for a Smooth Block when the ablation leaves it out: a 1x1 convolution and unit length."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(in_channels, width, 1)
        self.mask_head = nn.Conv2d(width, 1, 1)

    def forward(self, feature: Tensor) -> tuple[Tensor, Tensor]:
        x = F.normalize(self.reduce(feature).float(), dim=1)
        return x, self.mask_head(x * x.shape[1] ** 0.5).squeeze(1)


def _adaptor(network: STM, config: DistillConfig) -> nn.Module:
    channels = network.config.value_dim + network.config.frame_dim
    return (SmoothBlock if config.smooth_block else _BareAdaptor)(channels, config.common_width)


def _targets(clip: ClipBatch) -> Targets:
    masks = clip.masks[:, 1:].flatten(0, 1)
    labels = torch.zeros_like(masks[:, 0], dtype=torch.int64)
    for index in range(masks.shape[1]):  # object masks never overlap; argmax of a one-hot takes a CPU 40 times as long
        labels.masked_fill_(masks[:, index], index + 1)
    frames = clip.masks.shape[1] - 1
    return Targets(
        masks.float(), labels, clip.valid[:, 1:].flatten(0, 1), clip.object_valid.repeat_interleave(frames, dim=0)
    )


def _contrastive(student: Tensor, teacher: Tensor, masks: Tensor, weight: Tensor, most: int = 1024) -> Tensor:
    """MobileVOS's loss over valid positions of the batch, thinned evenly to `most`: it is quadratic in them."""
    valid = (weight > 0).flatten().nonzero()[:, 0]
    chosen = valid[:: max(1, -(-len(valid) // most))]
    if not len(chosen):
        return student.sum() * 0
    z_s, z_t = (z.permute(0, 2, 3, 1).flatten(0, 2)[chosen] for z in (student, teacher))
    on = (masks.flatten()[chosen] > 0.5).float()
    return losses.contrastive_distillation(z_s, z_t, torch.stack([1 - on, on], 1))
