"""A simple patch discriminator between teacher and student features (named by Hou et al. 2024; form inferred)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


class Discriminator(nn.Sequential):
    """Three spectrally normalised convolutions, two of them strided: `[N, C, h, w]` to scores `[N, h', w']`.

    Spectral norm (Miyato et al., ICLR 2018) keeps the game steady without a gradient penalty.
    """

    def __init__(self, channels: int, width: int = 64) -> None:
        super().__init__(
            spectral_norm(nn.Conv2d(channels, width, 3, stride=2, padding=1)),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(width, width, 3, stride=2, padding=1)),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(width, 1, 3, padding=1)),
        )

    def forward(self, feature: Tensor) -> Tensor:
        """Scores without their channel dimension."""
        scores: Tensor = super().forward(feature)
        return scores.squeeze(1)
