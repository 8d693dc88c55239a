"""Space-Time Feature Fusion: appearance and position priors join the query frame's feature, for each object.

Hou et al. 2024 name it; its form here is inferred: `f' = f + gate * conv([f, appearance, position])`. Appearance is the
previous frame's memory value at the same place, which carries what the object looked like and where its outline ran;
position is the previous mask, folded to stride 16 without losing its stride-4 detail, and the normalised coordinates.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vos_kd.modeling.layers import Conv, ConvNorm


class SpaceTimeFeatureFusion(nn.Module):
    """Fuse a frame's feature with what is known of each object from the frame before.

    Args:
        frame_dim: channels of the frame feature, in and out.
        value_dim: channels of a memory value.
        mask_fold: mask pixels to one feature position in each direction (16 / `mask_stride`).
    """

    def __init__(self, frame_dim: int, value_dim: int, mask_fold: int) -> None:
        super().__init__()
        self.mask_fold = mask_fold
        in_channels = frame_dim + value_dim + mask_fold**2 + 2
        self.reduce = ConvNorm(in_channels, frame_dim, relu=True)
        self.conv = Conv(frame_dim, frame_dim, "separable")
        self.gate = nn.Conv2d(frame_dim, frame_dim, 1)

    def forward(self, frame: Tensor, appearance: Tensor, mask: Tensor) -> Tensor:
        """Fuse.

        Args:
            frame: `[B, C, h, w]`, C the `frame_dim`; B counts frames times objects.
            appearance: `[B, CV, h, w]`.
            mask: `[B, h * mask_fold, w * mask_fold]` in 0-1.

        Returns:
            `[B, C, h, w]`.
        """
        position = F.pixel_unshuffle(mask[:, None], self.mask_fold)
        together = torch.cat([frame, appearance, position, coordinates(frame)], dim=1)
        prior = self.reduce(together)
        fused: Tensor = frame + torch.sigmoid(self.gate(prior)) * self.conv(prior)
        return fused


def coordinates(like: Tensor) -> Tensor:
    """Normalised x and y in -1 to 1, `[B, 2, h, w]` of the batch, size, type and device of `like`."""
    batch, _, height, width = like.shape
    y, x = _minus_one_to_one(height, like), _minus_one_to_one(width, like)
    return torch.cat(
        [x.view(1, 1, 1, -1).expand(batch, 1, height, width), y.view(1, 1, -1, 1).expand(batch, 1, height, width)],
        dim=1,
    )


def _minus_one_to_one(steps: int, like: Tensor) -> Tensor:
    """`torch.linspace(-1, 1, steps)`, which an exported graph would have for one size only."""
    index = torch.arange(steps, dtype=torch.float32, device=like.device)
    return (2 * index / index[-1:].clamp(min=1) - 1).to(like.dtype)
