"""Convolution blocks of the student (depthwise-separable) and the teacher (full): norm, ReLU, residual."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

BlockKind = Literal["separable", "dense"]


class ConvNorm(nn.Sequential):
    """Convolution, batch norm and maybe ReLU, which `vos_kd.modeling.fusing` makes one operation for inference."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        *,
        relu: bool = False,
    ) -> None:
        conv = nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False)
        super().__init__(conv, nn.BatchNorm2d(out_channels), *([nn.ReLU()] if relu else []))


class Conv(nn.Module):
    """One spatial convolution with norms, maybe a ReLU: 3x3, or depthwise 5x5 and pointwise in place of it.

    The depthwise kernel is 5x5 because at stride 16 its 25 multiply-adds are nothing beside the pointwise ones, and
    the light networks lack receptive field.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kind: BlockKind, stride: int = 1, *, relu: bool = False
    ) -> None:
        super().__init__()
        self.layers: nn.Module
        if kind == "dense":
            self.layers = ConvNorm(in_channels, out_channels, 3, stride, relu=relu)
        else:
            depthwise = ConvNorm(in_channels, in_channels, 5, stride, groups=in_channels)
            self.layers = nn.Sequential(depthwise, ConvNorm(in_channels, out_channels, relu=relu))

    def forward(self, x: Tensor) -> Tensor:
        """`[B, in, H, W]` to `[B, out, H/stride, W/stride]`."""
        out: Tensor = self.layers(x)
        return out


class ResidualBlock(nn.Module):
    """`relu(x + conv(relu(conv(x))))`, the shortcut projected where the width changes."""

    def __init__(self, in_channels: int, out_channels: int, kind: BlockKind) -> None:
        super().__init__()
        self.conv1 = Conv(in_channels, out_channels, kind, relu=True)
        self.conv2 = Conv(out_channels, out_channels, kind)
        self.shortcut = nn.Identity() if in_channels == out_channels else ConvNorm(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, in, H, W]` to `[B, out, H, W]`."""
        out: Tensor = F.relu(self.shortcut(x) + self.conv2(self.conv1(x)))
        return out


def upsample(x: Tensor, factor: int) -> Tensor:
    """Bilinear enlargement of `[B, C, H, W]` by a whole factor."""
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
