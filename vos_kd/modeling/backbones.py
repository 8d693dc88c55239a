"""Image encoders cut off at stride 16: timm networks, with the features a space-time-memory network needs.

A cut encoder gives `(f4, f8, f16)`. Cutting, rather than timm's `features_only`, keeps the layers behind stride 16 out
of parameters, checkpoints and time.
"""

from __future__ import annotations

from typing import cast

import timm
import torch
from torch import Tensor, nn

Normalisation = tuple[tuple[float, float, float], tuple[float, float, float]]
IMAGENET: Normalisation = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF: Normalisation = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))  # what EfficientNet-Lite was trained with


class Backbone(nn.Module):
    """An image encoder to stride 16: RGB in 0-1 `[B, 3, H, W]` to `(f4, f8, f16)`."""

    channels: tuple[int, int, int]
    """Channels of f4, f8 and f16."""

    def __init__(self, normalisation: Normalisation) -> None:
        super().__init__()
        mean, std = normalisation
        self.image_mean = mean
        # Grey constants stay numbers: with three of them on a CPU, arithmetic is ten times slower.
        self._grey = (mean[0], std[0]) if len({*mean}) == len({*std}) == 1 else None
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def normalise(self, image: Tensor) -> Tensor:
        """RGB in 0-1 to what the encoder was trained on."""
        if self._grey is not None:
            return (image - self._grey[0]) / self._grey[1]
        return (image - cast(Tensor, self.mean)) / cast(Tensor, self.std)


class MobileBackbone(Backbone):
    """EfficientNet-Lite or MobileNet, up to the last block at stride 16."""

    def __init__(self, name: str) -> None:
        super().__init__(HALF if "lite" in name else IMAGENET)
        # EfficientNet-Lite's published weights were trained with this epsilon; the MobileNets get their default.
        full = timm.create_model(name, pretrained=False, **({"bn_eps": 1e-3} if "lite" in name else {}))
        self.stem = nn.Sequential(full.conv_stem, full.bn1)
        last = {info["reduction"]: info for info in full.feature_info}
        # Which feature follows which block; the stem itself is block -1.
        ends = {stride: _block_index(last[stride]["module"]) for stride in (4, 8, 16)}
        self.stages = nn.ModuleList(
            nn.Sequential(*full.blocks[start:end])
            for start, end in ((0, ends[4] + 1), (ends[4] + 1, ends[8] + 1), (ends[8] + 1, ends[16] + 1))
        )
        self.channels = (last[4]["num_chs"], last[8]["num_chs"], last[16]["num_chs"])

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """RGB in 0-1 `[B, 3, H, W]` to `(f4, f8, f16)`."""
        x = self.stem(self.normalise(image))
        f4 = self.stages[0](x)
        f8 = self.stages[1](f4)
        return f4, f8, self.stages[2](f8)


class TinyViTBackbone(Backbone):
    """TinyViT-5M with its last stage at stride 16, as in MobileSAM, whose encoder weights fit it.

    TinyViT: Wu et al., ECCV 2022. MobileSAM: Zhang et al., "Faster Segment Anything", 2023.
    """

    def __init__(self) -> None:
        super().__init__(IMAGENET)
        full = timm.create_model("tiny_vit_5m_224", pretrained=False)
        full.stages[3].downsample.conv2.conv.stride = (1, 1)  # differs from TinyViT: SAM's grid is at stride 16
        self.patch_embed = full.patch_embed
        self.stages = full.stages
        dims = [info["num_chs"] for info in full.feature_info]
        self.channels = (dims[0], dims[1], dims[3])

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """RGB in 0-1 `[B, 3, H, W]` to `(f4, f8, f16)`."""
        f4 = self.stages[0](self.patch_embed(self.normalise(image)))
        f8 = self.stages[1](f4)
        return f4, f8, self.stages[3](self.stages[2](f8))


def build_backbone(name: str) -> Backbone:
    """Build an image encoder by name: `tiny_vit_sam`, or a timm EfficientNet-Lite or MobileNet. Weights are random."""
    return TinyViTBackbone() if name == "tiny_vit_sam" else MobileBackbone(name)


def _block_index(module: str) -> int:
    return int(module.removeprefix("blocks."))
