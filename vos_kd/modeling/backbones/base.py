"""What an image encoder is to a space-time-memory network: features at strides 4, 8 and 16."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

Normalisation = tuple[tuple[float, float, float], tuple[float, float, float]]
IMAGENET: Normalisation = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF: Normalisation = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))  # what EfficientNet-Lite was trained with


class Backbone(nn.Module):
    """An image encoder to stride 16: RGB in 0-1 `[B, 3, H, W]` to `(f4, f8, f16)`.

    What its published network has behind stride 16 is left out: of parameters, checkpoints and time.
    """

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
