"""Smooth Block: a train-time adaptor that lessens the structural disparity of teacher and student features.

Named by Hou et al. 2024; its form here is inferred: 1x1 convolution to a common width, a depthwise 3x3 that starts as a
Gaussian, norm, ReLU, 1x1, unit length over channels. Deployed networks carry none of it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class SmoothBlock(nn.Module):
    """`[N, C, h, w]` to unit vectors `[N, width, h, w]`, and object logits `[N, h, w]` from them.

    The mask head is how the teacher's block learns: were it trained to meet the student, both could agree on a
    constant. So each block keeps what tells the object, and only the student's is drawn towards the teacher's.
    """

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(in_channels, width, 1, bias=False)
        self.smooth = nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.expand = nn.Conv2d(width, width, 1)
        self.mask_head = nn.Conv2d(width, 1, 1)
        line = torch.tensor([0.25, 0.5, 0.25])
        with torch.no_grad():
            self.smooth.weight.copy_(torch.outer(line, line).expand_as(self.smooth.weight))

    def forward(self, feature: Tensor) -> tuple[Tensor, Tensor]:
        """Unit vectors `[N, width, h, w]` and object logits `[N, h, w]`, both float32."""
        x = F.relu(self.norm(self.smooth(self.reduce(feature))))
        x = F.normalize(self.expand(x).float(), dim=1)
        # Unit vectors hold logits to -|w| ... |w|; the scale gives the head room from the start.
        logits: Tensor = self.mask_head(x * x.shape[1] ** 0.5).squeeze(1)
        return x, logits
