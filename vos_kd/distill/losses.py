"""Task and distillation losses, each a mean over what is valid: zero, or its known value, where nothing differs.

`valid` is a weight in 0-1 (bool or float) of the shape of what is averaged; where it is 0, neither value nor gradient
depends on the input. With nothing valid a loss is 0.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

EPSILON = 1e-6


def masked_mean(x: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean over everything; 0 where all weights are."""
    weight = weight.to(x.dtype)
    return (torch.where(weight > 0, x, 0) * weight).sum() / weight.sum().clamp(min=EPSILON)


def bootstrapped_cross_entropy(logits: Tensor, target: Tensor, valid: Tensor, keep: float = 1.0) -> Tensor:
    """Cross-entropy of the hardest share of pixels (Wu et al., "Bridging category-level and instance-level", 2016).

    Args:
        logits: `[N, O+1, H, W]`.
        target: object index, 0 the background, int64 `[N, H, W]`.
        valid: `[N, H, W]`.
        keep: share of the valid pixels that counts, the hardest; 1 is plain cross-entropy.
    """
    loss = F.cross_entropy(logits.float(), torch.where(valid > 0, target, 0), reduction="none")
    loss = torch.where(valid > 0, loss, 0)
    count = int(keep * int((valid > 0).sum()))
    if keep >= 1 or count < 1:
        return masked_mean(loss, valid)
    return loss.flatten().topk(count).values.mean()


def dice_loss(probs: Tensor, target: Tensor, valid: Tensor, object_valid: Tensor) -> Tensor:
    """Soft Dice, `1 - 2 |p t| / (|p| + |t|)`, for each object and frame that counts (Milletari et al., V-Net, 2016).

    Args:
        probs: `[N, O, H, W]` in 0-1.
        target: `[N, O, H, W]` in 0-1.
        valid: `[N, H, W]`.
        object_valid: `[N, O]`.
    """
    weight = valid[:, None].to(probs.dtype)
    both = (probs * target * weight).sum((-2, -1))
    either = ((probs + target) * weight).sum((-2, -1))
    # +1 pixel: an object out of sight that is not predicted has loss 0 and not 0/0.
    return masked_mean(1 - (2 * both + 1) / (either + 1), object_valid)


def logit_distillation(student: Tensor, teacher: Tensor, weight: Tensor, temperature: float = 1.0) -> Tensor:
    """`tau^2 KL(teacher || student)` for each pixel (Hinton et al. 2015). The teacher gets no gradient.

    Args:
        student: logits `[N, O+1, H, W]`; objects that do not exist have no probability in either.
        teacher: likewise.
        weight: `[N, H, W]`, for example `boundary_weight` where valid.
        temperature: tau; divides both logits.
    """
    log_p = F.log_softmax(teacher.detach().float() / temperature, dim=1)
    log_q = F.log_softmax(student.float() / temperature, dim=1)
    divergence = (log_p.exp() * (log_p - log_q)).sum(1)
    return temperature**2 * masked_mean(divergence, weight)


def boundary_weight(masks: Tensor, radius: int = 2, gain: float = 4.0) -> Tensor:
    """Weight 1, and `1 + gain` within `radius` pixels of an object's boundary: where a light network errs.

    Args:
        masks: `[N, O, H, W]` in 0-1.
        radius: pixels of the masks' own grid.
        gain: added weight.

    Returns:
        `[N, H, W]`.
    """
    kernel = 2 * radius + 1
    widened = F.max_pool2d(masks, kernel, 1, radius)
    narrowed = -F.max_pool2d(-masks, kernel, 1, radius)
    return 1 + gain * (widened - narrowed).amax(1)


def affinity_distillation(student: Tensor, teacher: Tensor, query_valid: Tensor) -> Tensor:
    """`KL(teacher || student)` of each query position's affinity: where to look in memory.

    Args:
        student: `[B, Q, N]`, rows sum to 1.
        teacher: likewise, no gradient.
        query_valid: `[B, Q]`.
    """
    p, q = teacher.detach().float(), student.float()
    divergence = (p * ((p + EPSILON).log() - (q + EPSILON).log())).sum(-1)
    return masked_mean(divergence, query_valid)


def feature_distillation(student: Tensor, teacher: Tensor, weight: Tensor) -> Tensor:
    """Squared distance of unit vectors, `||z_s - z_t||^2` in 0-4. The teacher gets no gradient.

    Args:
        student: `[N, C, h, w]`, unit length over C (a Smooth Block gives that).
        teacher: likewise.
        weight: `[N, h, w]`, for example more on the object than around it.
    """
    return masked_mean((student - teacher.detach()).float().square().sum(1), weight)


def discriminator_loss(on_teacher: Tensor, on_student: Tensor, valid: Tensor) -> Tensor:
    """`(1 - D(f_T))^2 + D(f_S)^2` (least-squares GAN, Mao et al. 2017). Scores and `valid` are `[N, h, w]`."""
    return masked_mean((1 - on_teacher.float()).square() + on_student.float().square(), valid)


def adversarial_loss(on_student: Tensor, valid: Tensor) -> Tensor:
    """`(1 - D(f_S))^2`: the student's part of the game."""
    return masked_mean((1 - on_student.float()).square(), valid)


def contrastive_distillation(student: Tensor, teacher: Tensor, labels: Tensor, weight: float = 0.95) -> Tensor:
    """MobileVOS's representation loss (Miles et al., CVPR 2023), the rival of the feature loss in the ablation.

    `L = (log2 sum(C_ss^2) - log2 sum((C_ss o C*)^2)) / n` with `C = Z Z^T` and `C* = w C_tt + (1-w) Y Y^T`.

    Args:
        student: features of n positions `[n, C]`, unit length.
        teacher: `[n, C']`, unit length, no gradient.
        labels: one-hot `[n, L]`.
        weight: w, of the teacher against the labels.

    Returns:
        0 or more; 0 only if the target `C*` is 1 wherever the student's correlation is not 0.
    """
    z, t, y = student.float(), teacher.detach().float(), labels.float()
    own = z @ z.T
    target = weight * (t @ t.T) + (1 - weight) * (y @ y.T)
    spread = own.square().sum().clamp(min=EPSILON).log2()
    agreed = (own * target).square().sum().clamp(min=EPSILON).log2()
    return (spread - agreed) / len(z)
