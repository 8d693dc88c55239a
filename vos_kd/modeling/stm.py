"""`STM`: the project's space-time-memory network. Teacher and student are two configurations of it."""

from __future__ import annotations

import torch
from torch import Tensor

from vos_kd.config import NetworkConfig
from vos_kd.modeling.backbones import build_backbone
from vos_kd.modeling.decoder import Decoder
from vos_kd.modeling.encoders import KeyProjection, ValueEncoder, of_owners
from vos_kd.modeling.layers import ConvNorm
from vos_kd.modeling.network import STRIDE, FrameFeatures, ObjectPrior, STMNetwork
from vos_kd.modeling.stff import SpaceTimeFeatureFusion


class STM(STMNetwork):
    """One image encoder for query and memory, values from its features and the masks, optional STFF, a decoder."""

    mask_stride = 4

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.key_dim = config.key_dim
        self.value_dim = config.value_dim
        self.uses_prior = config.stff
        self.backbone = build_backbone(config.backbone)
        self.image_mean = self.backbone.image_mean
        c4, c8, c16 = self.backbone.channels
        self.key_projection = KeyProjection(c16, config.key_dim)
        self.frame_projection = ConvNorm(c16, config.frame_dim)
        self.value_encoder = ValueEncoder(
            c8, config.frame_dim, config.value_width, config.value_dim, 8 // self.mask_stride, config.block
        )
        self.stff = (
            SpaceTimeFeatureFusion(config.frame_dim, config.value_dim, STRIDE // self.mask_stride)
            if config.stff
            else None
        )
        self.decoder = Decoder(config.value_dim + config.frame_dim, (c4, c8), config.decoder_widths, config.block)

    def encode_key(self, image: Tensor) -> FrameFeatures:
        """See `STMNetwork.encode_key`."""
        f4, f8, f16 = self.backbone(image)
        key, shrinkage = self.key_projection(f16)
        return FrameFeatures(key, shrinkage, self.frame_projection(f16), f8, f4)

    def encode_value(self, image: Tensor, features: FrameFeatures, masks: Tensor) -> Tensor:
        """See `STMNetwork.encode_value`."""
        others = masks.sum(dim=1, keepdim=True) - masks
        value = self.encode_objects(features, masks.flatten(0, 1), others.flatten(0, 1), _owners(masks))
        return value.unflatten(0, masks.shape[:2])

    def segment(self, features: FrameFeatures, readout: Tensor, prior: ObjectPrior | None = None) -> Tensor:
        """See `STMNetwork.segment`."""
        owner = _owners(readout)
        flat = None if prior is None else ObjectPrior(prior.value.flatten(0, 1), prior.mask.flatten(0, 1))
        fused = self.fuse(features, readout.flatten(0, 1), flat, owner)
        return self.decode(features, fused, owner).unflatten(0, readout.shape[:2])

    # The same with the objects of all frames in one row of M: clips of a batch have different numbers of objects, and
    # in training nothing is computed for those that are not there.

    def encode_objects(self, features: FrameFeatures, masks: Tensor, others: Tensor, owner: Tensor | None) -> Tensor:
        """Values `[M, CV, h, w]`; see `ValueEncoder.forward`."""
        value: Tensor = self.value_encoder(features.f8, features.f16, masks, others, owner)
        return value

    def fuse(self, features: FrameFeatures, readout: Tensor, prior: ObjectPrior | None, owner: Tensor | None) -> Tensor:
        """What the decoder starts from, and what distillation compares: readout and frame feature of each object.

        Args:
            features: of the query frames.
            readout: `[M, CV, h, w]`.
            prior: value `[M, CV, h, w]` and mask `[M, H/s, W/s]`; STFF fuses the frame's feature with it.
            owner: see `of_owners`.

        Returns:
            `[M, CV + C, h, w]`.
        """
        frame = of_owners(features.f16, owner)
        if self.stff is not None:
            if prior is None:
                raise ValueError("this network has STFF: it needs the previous frame's values and masks")
            frame = self.stff(frame, prior.value, prior.mask)
        return torch.cat([readout, frame], dim=1)

    def decode(self, features: FrameFeatures, fused: Tensor, owner: Tensor | None) -> Tensor:
        """Object logits `[M, H/4, W/4]` from what `fuse` gave."""
        logits: Tensor = self.decoder(fused, features.f8, features.f4, owner)
        return logits


def _owners(per_frame: Tensor) -> Tensor | None:
    """The frame of each object in `[B, O, ...]`, flattened."""
    frames, objects = per_frame.shape[:2]
    if objects == 1:
        return None
    return torch.arange(frames, device=per_frame.device).repeat_interleave(objects)
