"""Between a video's frames and what a network takes: working size, padding, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vos_kd.modeling.layers import upsample
from vos_kd.modeling.network import STRIDE

AT_ONCE = 8
"""Objects whose maps are as large as the frame at one time: at 3840x2160 they take 265 MB."""


@dataclass(frozen=True)
class FrameGeometry:
    """Sizes of one video: the frame's, the working size it is resized to, and the padding around that.

    Padding makes both sides multiples of the network's stride. It is split evenly with the odd pixel after, as in the
    published STCN.
    """

    height: int
    width: int
    working_height: int
    working_width: int

    @classmethod
    def fit(cls, height: int, width: int, short_side: int | None = None, max_side: int | None = None) -> Self:
        """The largest working size within the limits, with the frame's shape; frames are never enlarged."""
        scale = min(
            1.0,
            short_side / min(height, width) if short_side else 1.0,
            max_side / max(height, width) if max_side else 1.0,
        )
        return cls(height, width, max(1, round(height * scale)), max(1, round(width * scale)))

    @property
    def padding(self) -> tuple[int, int, int, int]:
        """Pixels to add to the working size: left, right, top, bottom."""
        extra_h, extra_w = -self.working_height % STRIDE, -self.working_width % STRIDE
        return extra_w // 2, extra_w - extra_w // 2, extra_h // 2, extra_h - extra_h // 2

    @property
    def network_size(self) -> tuple[int, int]:
        """Height and width that the network sees."""
        left, right, top, bottom = self.padding
        return self.working_height + top + bottom, self.working_width + left + right

    def network_input(
        self, image: np.ndarray | Tensor, color: tuple[float, float, float], device: torch.device, dtype: torch.dtype
    ) -> Tensor:
        """A frame as the network takes it.

        Args:
            image: numpy uint8 `[H, W, 3]`, or torch `[3, H, W]` uint8 or float in 0-1.
            color: RGB in 0-1 of the padding.
            device: where to.
            dtype: in which precision.

        Returns:
            `[1, 3, *network_size]` in 0-1, channels-last.
        """
        # A numpy image is channels-last already; its permuted view stays so.
        tensor = image if isinstance(image, Tensor) else _to_tensor(image).permute(2, 0, 1)
        tensor = tensor[None].to(device)
        is_uint8 = tensor.dtype == torch.uint8
        working = (self.working_height, self.working_width)
        if working != (self.height, self.width):
            if not (is_uint8 and device.type == "cpu"):  # torch resizes uint8 on CPUs alone, and fast
                tensor = tensor.float()
            tensor = F.interpolate(tensor, working, mode="bilinear", antialias=True, align_corners=False)
        left, _, top, _ = self.padding
        frame = torch.tensor(color, dtype=dtype, device=device).view(1, 3, 1, 1).expand(1, 3, *self.network_size)
        frame = frame.contiguous(memory_format=torch.channels_last)
        inside = frame[..., top : top + working[0], left : left + working[1]]
        inside.copy_(tensor)
        if is_uint8:
            inside.div_(255)
        return frame

    def mask_input(self, mask: np.ndarray, ids: list[int], stride: int, device: torch.device) -> Tensor:
        """Masks of objects as the network takes them: float32 `[O, H/stride, W/stride]` of the network's size.

        A mask pixel is the share of its area that the object covers.

        Args:
            mask: uint8 `[H, W]` of object ids.
            ids: the objects, in order.
            stride: the network's `mask_stride`.
            device: where to.
        """
        if len(ids) > AT_ONCE:
            parts = [ids[n : n + AT_ONCE] for n in range(0, len(ids), AT_ONCE)]
            return torch.cat([self.mask_input(mask, part, stride, device) for part in parts])
        one_hot = _to_tensor(mask).to(device)[None] == torch.tensor(ids, device=device).view(-1, 1, 1)
        working = (self.working_height, self.working_width)
        probs = one_hot[None].float()
        if working != (self.height, self.width):
            probs = F.interpolate(probs, working, mode="area")
        return F.avg_pool2d(F.pad(probs, self.padding), stride)[0]

    def to_frame(self, maps: Tensor, stride: int) -> Tensor:
        """Enlarge maps `[O, H/stride, W/stride]` of the network's size to the frame's: `[O, height, width]`."""
        left, _, top, _ = self.padding
        maps = upsample(maps[None], stride) if stride > 1 else maps[None]
        maps = maps[..., top : top + self.working_height, left : left + self.working_width]
        if (self.working_height, self.working_width) != (self.height, self.width):
            maps = F.interpolate(maps, (self.height, self.width), mode="bilinear", align_corners=False)
        return maps[0]


def _to_tensor(array: np.ndarray) -> Tensor:
    """An array as a tensor, copied only where torch cannot share it: reversed, or read-only as Pillow's are."""
    return torch.from_numpy(np.require(array, requirements=["C", "W"]))
