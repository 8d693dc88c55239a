"""Convolution blocks of the student (depthwise-separable) and the teacher (full): norm, ReLU, residual."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BlockKind = Literal["separable", "dense"]


class ConvNorm(nn.Sequential):
    """Convolution and batch norm, which `fold_batch_norm` makes one convolution for inference."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        conv = nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False)
        super().__init__(conv, nn.BatchNorm2d(out_channels))


class Conv(nn.Module):
    """One spatial convolution with norms: 3x3, or depthwise 5x5 and pointwise in place of it.

    The depthwise kernel is 5x5 because at stride 16 its 25 multiply-adds are nothing beside the pointwise ones, and
    the light networks lack receptive field.
    """

    def __init__(self, in_channels: int, out_channels: int, kind: BlockKind, stride: int = 1) -> None:
        super().__init__()
        self.layers: nn.Module
        if kind == "dense":
            self.layers = ConvNorm(in_channels, out_channels, 3, stride)
        else:
            depthwise = ConvNorm(in_channels, in_channels, 5, stride, groups=in_channels)
            self.layers = nn.Sequential(depthwise, ConvNorm(in_channels, out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """`[B, in, H, W]` to `[B, out, H/stride, W/stride]`."""
        out: Tensor = self.layers(x)
        return out


class ResidualBlock(nn.Module):
    """`relu(x + conv(relu(conv(x))))`, the shortcut projected where the width changes."""

    def __init__(self, in_channels: int, out_channels: int, kind: BlockKind) -> None:
        super().__init__()
        self.conv1 = Conv(in_channels, out_channels, kind)
        self.conv2 = Conv(out_channels, out_channels, kind)
        self.shortcut = nn.Identity() if in_channels == out_channels else ConvNorm(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, in, H, W]` to `[B, out, H, W]`."""
        out: Tensor = F.relu(self.shortcut(x) + self.conv2(F.relu(self.conv1(x))))
        return out


def upsample(x: Tensor, factor: int) -> Tensor:
    """Bilinear enlargement of `[B, C, H, W]` by a whole factor."""
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)


def fold_batch_norm(module: nn.Module) -> None:
    """Fold every batch norm into the convolution before it, in place; `module` must be in evaluation mode.

    timm joins norm and activation in one module; its activation stays.
    """
    previous: tuple[nn.Module, str, nn.Conv2d] | None = None
    for parent, name, child in list(_leaves(module)):
        if isinstance(child, nn.BatchNorm2d) and previous is not None:
            conv_parent, conv_name, conv = previous
            if conv.out_channels != child.num_features:
                raise RuntimeError(f"batch norm {name} does not fit the convolution {conv_name} before it")
            setattr(conv_parent, conv_name, nn.utils.fusion.fuse_conv_bn_eval(conv, _plain_norm(child)))
            setattr(parent, name, getattr(child, "act", nn.Identity()))
        previous = (parent, name, child) if isinstance(child, nn.Conv2d) else None


def _leaves(module: nn.Module) -> list[tuple[nn.Module, str, nn.Module]]:
    """Convolutions, norms and other leaves in the order of definition, which in our blocks is that of use."""
    found = []
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d) or not any(True for _ in child.children()):
            found.append((module, name, child))
        else:
            found.extend(_leaves(child))
    return found


def _plain_norm(norm: nn.BatchNorm2d) -> nn.BatchNorm2d:
    plain = nn.BatchNorm2d(norm.num_features, eps=norm.eps).eval()
    with torch.no_grad():
        for name, value in norm.state_dict().items():
            plain.state_dict()[name].copy_(value)
    return plain
