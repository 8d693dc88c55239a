"""EfficientNet-Lite and MobileNetV3, the light image encoders, up to stride 16.

Written out here, and not taken from timm, for those who wait: importing timm takes longer than importing torch. Names
of blocks and their parameters are timm's, whose networks these equal (`tests/golden/test_backbones_golden.py`).

Sources: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018; Howard et al., "Searching
for MobileNetV3", ICCV 2019; Tan and Le, "EfficientNet", ICML 2019, whose Lite variants (TensorFlow, 2020) have ReLU6
and no squeeze-and-excitation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor, nn

from vos_kd.modeling.backbones.base import HALF, IMAGENET, Backbone, Normalisation


@dataclass(frozen=True)
class Blocks:
    """A run of inverted residual blocks; the first one changes stride and channels."""

    kernel: int
    stride: int
    channels: int
    expansions: tuple[float, ...]
    """For each block: hidden channels for each channel that comes in; 1: depthwise separable, nothing is expanded."""
    activation: type[nn.Module] = nn.ReLU6
    squeeze: bool = False
    """Squeeze-and-excitation behind the depthwise convolution."""


@dataclass(frozen=True)
class Plan:
    """A network up to stride 16."""

    stem: int
    stages: tuple[tuple[Blocks, ...], tuple[Blocks, ...], tuple[Blocks, ...]]
    """Up to stride 4, 8 and 16."""
    activation: type[nn.Module] = nn.ReLU6
    """Of the stem."""
    epsilon: float = 1e-5
    """Of batch norms: what the published weights were trained with."""
    normalisation: Normalisation = IMAGENET


def _lite(width: float, depth: float) -> Plan:
    """EfficientNet-Lite: Lite0 with other widths and depths; stem and first block stay."""

    def blocks(repeats: int, kernel: int, stride: int, channels: int) -> Blocks:
        return Blocks(kernel, stride, divisible(channels * width), (6,) * math.ceil(repeats * depth))

    return Plan(
        stem=32,
        stages=(
            (Blocks(3, 1, divisible(16 * width), (1,)), blocks(2, 3, 2, 24)),
            (blocks(2, 5, 2, 40),),
            (blocks(3, 3, 2, 80), blocks(3, 5, 1, 112)),
        ),
        epsilon=1e-3,
        normalisation=HALF,
    )


def divisible(channels: float, divisor: int = 8) -> int:
    """The multiple of `divisor` nearest to a number of channels, and never below nine tenths of it."""
    near = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return near + divisor if near < 0.9 * channels else near


PLANS: dict[str, Plan] = {
    "efficientnet_lite0": _lite(1.0, 1.0),
    "efficientnet_lite1": _lite(1.0, 1.1),
    "efficientnet_lite2": _lite(1.1, 1.2),
    "mobilenetv3_small_100": Plan(
        stem=16,
        stages=(
            (Blocks(3, 2, 16, (1,), nn.ReLU, squeeze=True),),
            (Blocks(3, 2, 24, (4.5, 3.67), nn.ReLU),),
            (
                Blocks(5, 2, 40, (4, 6, 6), nn.Hardswish, squeeze=True),
                Blocks(5, 1, 48, (3, 3), nn.Hardswish, squeeze=True),
            ),
        ),
        activation=nn.Hardswish,
    ),
}
"""By timm's names."""


class MobileBackbone(Backbone):
    """EfficientNet-Lite or MobileNetV3, up to the last block at stride 16. Weights are random."""

    def __init__(self, name: str) -> None:
        plan = PLANS[name]
        super().__init__(plan.normalisation)
        self.stem = nn.Sequential(
            nn.Conv2d(3, plan.stem, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(plan.stem, eps=plan.epsilon),
            plan.activation(inplace=True),
        )
        channels = plan.stem
        self.stages = nn.ModuleList()
        for stage in plan.stages:
            runs = []
            for blocks in stage:
                runs.append(_run(channels, blocks, plan.epsilon))
                channels = blocks.channels
            self.stages.append(nn.Sequential(*runs))
        f4, f8, f16 = (stage[-1].channels for stage in plan.stages)
        self.channels = (f4, f8, f16)
        self.apply(_initialise)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """RGB in 0-1 `[B, 3, H, W]` to `(f4, f8, f16)`."""
        x = self.stem(self.normalise(image))
        f4 = self.stages[0](x)
        f8 = self.stages[1](f4)
        return f4, f8, self.stages[2](f8)


class DepthwiseSeparable(nn.Module):
    """Depthwise convolution, then a linear one across channels: `[B, in, H, W]` to `[B, out, H/stride, W/stride]`."""

    def __init__(self, channels: int, blocks: Blocks, stride: int, epsilon: float) -> None:
        super().__init__()
        # Defined in the order of use: fusing goes by it.
        self.conv_dw = _depthwise(channels, blocks.kernel, stride)
        self.bn1 = nn.BatchNorm2d(channels, eps=epsilon)
        self.act1 = blocks.activation(inplace=True)
        self.se = SqueezeExcite(channels) if blocks.squeeze else nn.Identity()
        self.conv_pw = nn.Conv2d(channels, blocks.channels, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(blocks.channels, eps=epsilon)
        self.is_residual = stride == 1 and channels == blocks.channels

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        out: Tensor = self.bn2(self.conv_pw(self.se(self.act1(self.bn1(self.conv_dw(x))))))
        return out + x if self.is_residual else out


class InvertedResidual(nn.Module):
    """Expand, convolve each channel, project: `[B, in, H, W]` to `[B, out, H/stride, W/stride]`."""

    def __init__(self, channels: int, blocks: Blocks, expansion: float, stride: int, epsilon: float) -> None:
        super().__init__()
        hidden = divisible(channels * expansion)
        self.conv_pw = nn.Conv2d(channels, hidden, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(hidden, eps=epsilon)
        self.act1 = blocks.activation(inplace=True)
        self.conv_dw = _depthwise(hidden, blocks.kernel, stride)
        self.bn2 = nn.BatchNorm2d(hidden, eps=epsilon)
        self.act2 = blocks.activation(inplace=True)
        self.se = SqueezeExcite(hidden) if blocks.squeeze else nn.Identity()
        self.conv_pwl = nn.Conv2d(hidden, blocks.channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(blocks.channels, eps=epsilon)
        self.is_residual = stride == 1 and channels == blocks.channels

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        hidden = self.act1(self.bn1(self.conv_pw(x)))
        hidden = self.se(self.act2(self.bn2(self.conv_dw(hidden))))
        out: Tensor = self.bn3(self.conv_pwl(hidden))
        return out + x if self.is_residual else out


class SqueezeExcite(nn.Module):
    """Channels scaled by what the whole frame holds of them (Hu et al., CVPR 2018, with MobileNetV3's hard sigmoid)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        reduced = divisible(channels / 4)
        self.conv_reduce = nn.Conv2d(channels, reduced, 1)
        self.act1 = nn.ReLU(inplace=True)
        self.conv_expand = nn.Conv2d(reduced, channels, 1)
        self.gate = nn.Hardsigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """`[B, C, H, W]` to the same."""
        scale: Tensor = self.gate(self.conv_expand(self.act1(self.conv_reduce(x.mean((2, 3), keepdim=True)))))
        return x * scale


def _run(channels: int, blocks: Blocks, epsilon: float) -> nn.Sequential:
    run: list[nn.Module] = []
    for index, expansion in enumerate(blocks.expansions):
        width, stride = (blocks.channels, 1) if index else (channels, blocks.stride)
        if expansion == 1:
            run.append(DepthwiseSeparable(width, blocks, stride, epsilon))
        else:
            run.append(InvertedResidual(width, blocks, expansion, stride, epsilon))
    return nn.Sequential(*run)


def _depthwise(channels: int, kernel: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, kernel, stride, padding=kernel // 2, groups=channels, bias=False)


def _initialise(module: nn.Module) -> None:
    """Normal, by what fans out of each channel: He et al., ICCV 2015, as EfficientNet has it."""
    # On the meta device there is nothing to fill, and torch would import its compiler for it: two seconds.
    if isinstance(module, nn.Conv2d) and not module.weight.is_meta:
        fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels // module.groups
        nn.init.normal_(module.weight, 0, math.sqrt(2.0 / fan_out))
        if module.bias is not None:
            nn.init.zeros_(module.bias)
