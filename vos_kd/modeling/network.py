"""What every space-time-memory network offers: three stateless calls, and the shapes between them.

A frame's image becomes a `key` once; a frame with masks becomes one `value` for each object; a query frame's key reads
the values of the frames in memory, and `segment` decodes that readout to one logit map for each object. What is
remembered, and for how long, is not the network's business but that of `vos_kd.modeling.memory`.

Space-time memory: Oh et al., "Video Object Segmentation using Space-Time Memory Networks", ICCV 2019. One key encoder
for query and memory frames, and the L2 affinity: Cheng et al., "Rethinking Space-Time Networks with Improved Memory
Coverage for Efficient Video Object Segmentation" (STCN), NeurIPS 2021.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import Tensor, nn

STRIDE = 16
"""Image pixels to one key, in both directions; sides given to a network are multiples of it."""


class FrameFeatures(NamedTuple):
    """What the key encoder gives for a frame. Object-free, so it is computed once however many objects there are."""

    key: Tensor
    """`[B, CK, H/16, W/16]`."""
    shrinkage: Tensor | None
    """`[B, 1, H/16, W/16]`, >= 1: how sharply this position, as memory, answers to a query (XMem); None is 1."""
    f16: Tensor
    """`[B, C16, H/16, W/16]`, what value encoder and decoder see of the frame."""
    f8: Tensor
    """`[B, C8, H/8, W/8]`, skip to the decoder."""
    f4: Tensor
    """`[B, C4, H/4, W/4]`, skip to the decoder."""


class ObjectPrior(NamedTuple):
    """What is known of each object from the frame before the query: the input of Space-Time Feature Fusion."""

    value: Tensor
    """`[B, O, CV, H/16, W/16]`, that frame's memory value."""
    mask: Tensor
    """`[B, O, H/s, W/s]` in 0-1 with s the network's `mask_stride`: that frame's mask."""


class STMNetwork(nn.Module, ABC):
    """A network in STM mode. Subclasses set the numbers and write the three calls."""

    key_dim: int
    """CK, channels of a key."""
    value_dim: int
    """CV, channels of a value."""
    mask_stride: int
    """Image pixels to one mask pixel in what `encode_value` takes: 1, or 4 where the network needs no finer."""
    logit_stride: int = 4
    """Image pixels to one logit in what `segment` gives."""
    image_mean: tuple[float, float, float]
    """RGB in 0-1 that normalises to zero: the colour to pad images with."""
    uses_prior: bool = False
    """Whether `segment` wants an `ObjectPrior`, and with it the value of every frame."""

    @abstractmethod
    def encode_key(self, image: Tensor) -> FrameFeatures:
        """Encode frames.

        Args:
            image: `[B, 3, H, W]`, RGB in 0-1 (the network normalises), H and W multiples of 16.
        """

    @abstractmethod
    def encode_value(self, image: Tensor, features: FrameFeatures, masks: Tensor) -> Tensor:
        """Encode what each object looks like in a frame.

        Args:
            image: `[B, 3, H, W]` as given to `encode_key`.
            features: what `encode_key` gave for it.
            masks: `[B, O, H/s, W/s]` in 0-1, s the `mask_stride`; soft masks are welcome.

        Returns:
            `[B, O, CV, H/16, W/16]`.
        """

    @abstractmethod
    def segment(self, features: FrameFeatures, readout: Tensor, prior: ObjectPrior | None = None) -> Tensor:
        """Decode what a query frame read from memory.

        Args:
            features: of the query frame, B = 1 or more.
            readout: `[B, O, CV, H/16, W/16]`.
            prior: needed where `uses_prior`, ignored elsewhere.

        Returns:
            Object logits `[B, O, H/4, W/4]`, each object for itself; `soft_aggregate` sets them against each other
            and against the background.
        """
