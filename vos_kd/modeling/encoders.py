"""From a frame to its key, and from a frame with masks to one value for each object."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vos_kd.modeling.layers import BlockKind, Conv, ConvNorm, ResidualBlock


class KeyProjection(nn.Module):
    """Stride-16 feature to key and shrinkage (XMem: Cheng and Schwing, ECCV 2022, section 3.2).

    Differs from XMem: no selection term. It doubles the cost of the similarity, which is the larger part of a light
    network's work, while shrinkage is a factor on the stored key and costs nothing at reading.
    """

    def __init__(self, in_channels: int, key_dim: int) -> None:
        super().__init__()
        # The norm gives keys unit scale whatever the encoder's: larger ones start the softmax one-hot, and it learns
        # nothing.
        self.key_and_shrinkage = ConvNorm(in_channels, key_dim + 1, 3)

    def forward(self, f16: Tensor) -> tuple[Tensor, Tensor]:
        """`[B, C, h, w]` to key `[B, CK, h, w]` and shrinkage `[B, 1, h, w]`, >= 1."""
        both = self.key_and_shrinkage(f16)
        return both[:, :-1], both[:, -1:].square() + 1


class ValueEncoder(nn.Module):
    """Values from the frame's own features and the masks: the image is not encoded a second time.

    STM and STCN run a second ResNet over image and mask. Here the key encoder's stride-8 and -16 features join the
    masks, folded to stride 8 so that their outline survives; that makes a value cheap enough to have for every frame.
    """

    def __init__(
        self, f8_channels: int, frame_dim: int, width: int, value_dim: int, mask_fold: int, kind: BlockKind
    ) -> None:
        super().__init__()
        self.mask_fold = mask_fold
        self.frame8 = ConvNorm(f8_channels, width // 2)
        self.mask8 = ConvNorm(2 * mask_fold**2, width // 2, 3)
        self.down = Conv(width // 2, width, kind, stride=2, relu=True)
        self.fuse = ResidualBlock(width + frame_dim, width, kind)
        self.value = nn.Conv2d(width, value_dim, 1)

    def forward(self, f8: Tensor, frame: Tensor, masks: Tensor, others: Tensor, owner: Tensor | None) -> Tensor:
        """Encode M objects of B frames.

        Args:
            f8: `[B, C8, H/8, W/8]`.
            frame: `[B, frame_dim, H/16, W/16]`.
            masks: `[M, H/s, W/s]` in 0-1 with 8 / s = `mask_fold`.
            others: likewise, the sum of the frame's other objects: tells two alike objects apart.
            owner: see `of_owners`.

        Returns:
            `[M, CV, H/16, W/16]`.
        """
        mask8 = self.mask8(F.pixel_unshuffle(torch.stack([masks, others], dim=1), self.mask_fold))
        x = F.relu(mask8 + of_owners(self.frame8(f8), owner))
        x = self.down(x)
        x = self.fuse(torch.cat([x, of_owners(frame, owner)], dim=1))
        value: Tensor = self.value(x)
        return value


def of_owners(frames: Tensor, owner: Tensor | None) -> Tensor:
    """Each object's frame, `[M, C, h, w]`, of frames `[B, C, h, w]`.

    Args:
        frames: one entry a frame.
        owner: int64 `[M]`, the frame of each object; None: every frame has one object.
    """
    return frames if owner is None else frames[owner]
