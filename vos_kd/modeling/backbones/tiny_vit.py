"""TinyViT, the teacher's image encoder: timm's."""

from __future__ import annotations

import timm
from torch import Tensor

from vos_kd.modeling.backbones.base import IMAGENET, Backbone


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
