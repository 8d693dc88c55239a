"""Image encoders by name."""

from __future__ import annotations

from vos_kd.compat import require_torchvision
from vos_kd.modeling.backbones.base import Backbone
from vos_kd.modeling.backbones.mobile import MobileBackbone


def build_backbone(name: str) -> Backbone:
    """Build an image encoder, one of `vos_kd.config.BACKBONES`. Weights are random.

    Raises:
        InputError: TinyViT needs timm, and that a torchvision that fits torch.
    """
    if name == "tiny_vit_sam":
        require_torchvision()
        # Imported here: timm takes longer to import than torch, and the student has no need of it.
        from vos_kd.modeling.backbones.tiny_vit import TinyViTBackbone

        return TinyViTBackbone()
    return MobileBackbone(name)


__all__ = ["Backbone", "MobileBackbone", "build_backbone"]
