"""The published STCN with ResNet-50: the yardstick for parameters, FLOPs and speed, and a home for public checkpoints.

Cheng, Tai, Tang: "Rethinking Space-Time Networks with Improved Memory Coverage for Efficient Video Object
Segmentation", NeurIPS 2021. Entry names and shapes are those of its public checkpoints, which is why some names here
follow them rather than the house style.

Differs from the published code: a frame's key comes without its compressed feature, which `segment` makes once for all
objects of a query frame (a frame that is only memorised needs none); the decoder's skips, too, are projected once a
frame and not once an object. The numbers are the same.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import resnet18, resnet50

from vos_kd.modeling.backbones.base import IMAGENET, Backbone
from vos_kd.modeling.layers import upsample
from vos_kd.modeling.network import FrameFeatures, ObjectPrior, STMNetwork

CBAM_REDUCTION = 16


class STCN(STMNetwork):
    """STCN as published: ResNet-50 for keys, ResNet-18 for values, a decoder with skips. No shrinkage, no prior.

    Random weights; `vos_kd.modeling.stcn_import` reads public ones. Published results need what the published code does
    around it: sides padded to multiples of 16 with the colour that normalises to zero (`image_mean`), top-20
    reading, a memory frame every fifth.
    """

    key_dim = 64
    value_dim = 512
    mask_stride = 1
    image_mean = IMAGENET[0]

    def __init__(self) -> None:
        super().__init__()
        self.key_encoder = KeyEncoder()
        self.value_encoder = ValueEncoder(self.key_encoder.channels[2], self.value_dim)
        f16_channels = self.key_encoder.channels[2]
        self.key_proj = KeyProjection(f16_channels, self.key_dim)
        self.key_comp = _conv3x3(f16_channels, 512)
        self.decoder = Decoder(self.value_dim + 512)

    def encode_key(self, image: Tensor) -> FrameFeatures:
        """See `STMNetwork`. The features are the encoder's own: 1024, 512 and 256 channels."""
        f4, f8, f16 = self.key_encoder(image)
        return FrameFeatures(self.key_proj(f16), None, f16, f8, f4)

    def encode_value(self, image: Tensor, features: FrameFeatures, masks: Tensor) -> Tensor:
        """See `STMNetwork`. Image and masks are encoded together, so the cost grows with the number of objects."""
        value: Tensor = self.value_encoder(self.key_encoder.normalise(image), features.f16, masks)
        return value

    def segment(self, features: FrameFeatures, readout: Tensor, prior: ObjectPrior | None = None) -> Tensor:
        """See `STMNetwork`. `prior` is ignored."""
        objects = readout.shape[1]
        frame = _per_object(self.key_comp(features.f16), objects)
        x = torch.cat([readout.flatten(0, 1), frame], dim=1)
        logits: Tensor = self.decoder(x, features.f8, features.f4, objects)
        return logits


class KeyEncoder(Backbone):
    """ResNet-50 up to stride 16."""

    channels = (256, 512, 1024)

    def __init__(self) -> None:
        super().__init__(IMAGENET)
        full = resnet50()
        self.conv1, self.bn1, self.relu, self.maxpool = full.conv1, full.bn1, full.relu, full.maxpool
        self.res2, self.layer2, self.layer3 = full.layer1, full.layer2, full.layer3

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """RGB in 0-1 `[B, 3, H, W]` to f4, f8, f16."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(self.normalise(image)))))
        f4 = self.res2(x)
        f8 = self.layer2(f4)
        return f4, f8, self.layer3(f8)


class KeyProjection(nn.Module):
    """Stride-16 feature to key."""

    def __init__(self, in_channels: int, key_dim: int) -> None:
        super().__init__()
        self.key_proj = _conv3x3(in_channels, key_dim)

    def forward(self, f16: Tensor) -> Tensor:
        """`[B, 1024, h, w]` to `[B, CK, h, w]`."""
        key: Tensor = self.key_proj(f16)
        return key


class ValueEncoder(nn.Module):
    """ResNet-18 to stride 16 over image, an object's mask and the other objects' masks; then fused with the key's f16.

    Its convolutions have biases, although batch norms follow: the public checkpoints list them.
    """

    def __init__(self, f16_channels: int, value_dim: int) -> None:
        super().__init__()
        full = resnet18()
        self.conv1 = nn.Conv2d(5, 64, 7, stride=2, padding=3)
        self.bn1, self.relu, self.maxpool = full.bn1, full.relu, full.maxpool
        self.layer1, self.layer2, self.layer3 = full.layer1, full.layer2, full.layer3
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module.bias is None:
                module.bias = nn.Parameter(torch.zeros(module.out_channels))
        self.fuser = Fuser(256 + f16_channels, value_dim)

    def forward(self, image: Tensor, f16: Tensor, masks: Tensor) -> Tensor:
        """Normalised image `[B, 3, H, W]`, `[B, 1024, h, w]`, masks `[B, O, H, W]` to values `[B, O, CV, h, w]`."""
        objects = masks.shape[1]
        others = masks.sum(dim=1, keepdim=True) - masks
        both = torch.stack([masks, others], dim=2).flatten(0, 1)  # [B*O, 2, H, W]
        x = torch.cat([_per_object(image, objects), both], dim=1)
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer3(self.layer2(self.layer1(x)))
        value: Tensor = self.fuser(x, _per_object(f16, objects))
        return torch.unflatten(value, 0, (-1, objects))


class Fuser(nn.Module):
    """Two residual blocks with attention between them."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.block1 = ResidualBlock(in_channels, out_channels)
        self.attention = CBAM(out_channels)
        self.block2 = ResidualBlock(out_channels, out_channels)

    def forward(self, value: Tensor, f16: Tensor) -> Tensor:
        """`[B*O, 256, h, w]` and `[B*O, 1024, h, w]` to `[B*O, CV, h, w]`."""
        x = self.block1(torch.cat([value, f16], dim=1))
        out: Tensor = self.block2(x + self.attention(x))
        return out


class ResidualBlock(nn.Module):
    """`x + conv(relu(conv(relu(x))))` without norms, the shortcut projected (3x3) where the width changes."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.downsample = nn.Identity() if in_channels == out_channels else _conv3x3(in_channels, out_channels)
        self.conv1 = _conv3x3(in_channels, out_channels)
        self.conv2 = _conv3x3(out_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, in, h, w]` to `[B, out, h, w]`."""
        out: Tensor = self.downsample(x) + self.conv2(F.relu(self.conv1(F.relu(x))))
        return out


class CBAM(nn.Module):
    """A gate for each channel, then one for each position. Woo et al., ECCV 2018."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.ChannelGate = ChannelGate(channels)
        self.SpatialGate = SpatialGate()

    def forward(self, x: Tensor) -> Tensor:
        """Gate `[B, C, h, w]`."""
        out: Tensor = self.SpatialGate(self.ChannelGate(x))
        return out


class ChannelGate(nn.Module):
    """Sigmoid of one MLP's sum over the average- and the max-pooled channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = channels // CBAM_REDUCTION
        self.mlp = nn.Sequential(nn.Flatten(), nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels))

    def forward(self, x: Tensor) -> Tensor:
        """Gate `[B, C, h, w]`."""
        gate = torch.sigmoid(self.mlp(F.adaptive_avg_pool2d(x, 1)) + self.mlp(F.adaptive_max_pool2d(x, 1)))
        return x * gate[:, :, None, None]


class SpatialGate(nn.Module):
    """Sigmoid of a 7x7 convolution over the channels' maximum and mean."""

    def __init__(self) -> None:
        super().__init__()
        self.spatial = nn.Sequential(OrderedDict(conv=nn.Conv2d(2, 1, 7, padding=3)))

    def forward(self, x: Tensor) -> Tensor:
        """Gate `[B, C, h, w]`."""
        pooled = torch.cat([x.amax(dim=1, keepdim=True), x.mean(dim=1, keepdim=True)], dim=1)
        return x * torch.sigmoid(self.spatial(pooled))


class Decoder(nn.Module):
    """Readout and compressed frame feature to one logit map for each object, at stride 4."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.compress = ResidualBlock(in_channels, 512)
        self.up_16_8 = UpsampleBlock(512, 512, 256)
        self.up_8_4 = UpsampleBlock(256, 256, 256)
        self.pred = _conv3x3(256, 1)

    def forward(self, x: Tensor, f8: Tensor, f4: Tensor, objects: int) -> Tensor:
        """`[B*O, C, h, w]` and the frame's `[B, 512, 2h, 2w]` and `[B, 256, 4h, 4w]` to `[B, O, 4h, 4w]`."""
        x = self.up_16_8(self.compress(x), f8, objects)
        x = self.up_8_4(x, f4, objects)
        logits: Tensor = self.pred(F.relu(x))
        return torch.unflatten(logits, 0, (-1, objects)).squeeze(2)


class UpsampleBlock(nn.Module):
    """Twice the size, plus the projected skip, through a residual block."""

    def __init__(self, skip_channels: int, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.skip_conv = _conv3x3(skip_channels, in_channels)
        self.out_conv = ResidualBlock(in_channels, out_channels)

    def forward(self, x: Tensor, skip: Tensor, objects: int) -> Tensor:
        """`[B*O, in, h, w]` and the frame's skip `[B, C, 2h, 2w]` to `[B*O, out, 2h, 2w]`."""
        out: Tensor = self.out_conv(upsample(x, 2) + _per_object(self.skip_conv(skip), objects))
        return out


def _conv3x3(in_channels: int, out_channels: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 3, padding=1)


def _per_object(frame: Tensor, objects: int) -> Tensor:
    """Repeat a frame's `[B, C, h, w]` for each of its objects: `[B*O, C, h, w]`."""
    return frame if objects == 1 else frame.repeat_interleave(objects, dim=0)
