"""From readout and skips to one logit map for each object, at stride 4."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from vos_kd.modeling.encoders import of_owners
from vos_kd.modeling.layers import BlockKind, ConvNorm, ResidualBlock, upsample


class Decoder(nn.Module):
    """Two residual blocks at stride 16, then up to strides 8 and 4 with a skip each.

    The skips are projected once a frame and shared by its objects.
    """

    def __init__(
        self, in_channels: int, skip_channels: tuple[int, int], widths: tuple[int, int, int], kind: BlockKind
    ) -> None:
        super().__init__()
        f4_channels, f8_channels = skip_channels
        width16, width8, width4 = widths
        self.compress = nn.Sequential(
            ResidualBlock(in_channels, width16, kind), ResidualBlock(width16, width16, kind), ConvNorm(width16, width8)
        )
        self.skip8 = ConvNorm(f8_channels, width8)
        self.block8 = ResidualBlock(width8, width8, kind)
        self.to4 = ConvNorm(width8, width4)
        self.skip4 = ConvNorm(f4_channels, width4)
        self.block4 = ResidualBlock(width4, width4, kind)
        self.logit = nn.Conv2d(width4, 1, 3, padding=1)

    def forward(self, x: Tensor, f8: Tensor, f4: Tensor, owner: Tensor | None) -> Tensor:
        """Decode M objects of B frames.

        Args:
            x: `[M, C, h, w]` at stride 16.
            f8: `[B, C8, 2h, 2w]`.
            f4: `[B, C4, 4h, 4w]`.
            owner: see `of_owners`.

        Returns:
            Object logits `[M, 4h, 4w]`.
        """
        x = F.relu(upsample(self.compress(x), 2) + of_owners(self.skip8(f8), owner))
        x = self.block8(x)
        x = F.relu(upsample(self.to4(x), 2) + of_owners(self.skip4(f4), owner))
        logits: Tensor = self.logit(self.block4(x))
        return logits.squeeze(1)
