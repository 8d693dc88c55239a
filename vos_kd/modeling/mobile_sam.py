"""MobileSAM: masks of anything in an image, from boxes and points. Zhang et al., "Faster Segment Anything", 2023.

Its TinyViT is the teacher's image encoder. What comes behind that, prompt encoder and mask decoder of SAM (Kirillov et
al., ICCV 2023), is the implementation of the `transformers` package, an extra; the weights are the published
`mobile_sam.pt` (Apache-2.0), which is not bundled.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vos_kd.errors import InputError
from vos_kd.modeling.backbones import build_backbone
from vos_kd.modeling.pretrained import fill_backbone, read_state

SIDE = 1024
"""Pixels of the longer side that the network works at; the shorter one is padded to as many."""
_WIDTH, _GRID = 256, SIDE // 16


class Proposals(NamedTuple):
    """What the network answers to P prompts, M masks for each: 3 readings of an ambiguous one, or the best alone."""

    logits: Tensor
    """float32 `[P, M, h, w]` at a quarter of the network's size, padding cut off; above 0 is the object."""
    scores: Tensor
    """float32 `[P, M]`: the IoU that the network expects of each."""


class Embedding(NamedTuple):
    """An encoded image: what all prompts about it share."""

    features: Tensor
    """float32 `[1, 256, 64, 64]`."""
    height: int
    """Of the image."""
    width: int

    @property
    def scale(self) -> float:
        """Network pixels to one image pixel."""
        return SIDE / max(self.height, self.width)


class MobileSam(nn.Module):
    """Encode an image once, then ask for masks. Weights are random until `load`."""

    def __init__(self) -> None:
        super().__init__()
        sam = _sam()
        self.backbone = build_backbone("tiny_vit_sam")
        self.neck = nn.Sequential(
            nn.Conv2d(self.backbone.channels[2], _WIDTH, 1, bias=False),
            sam.SamLayerNorm(_WIDTH, data_format="channels_first"),
            nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1, bias=False),
            sam.SamLayerNorm(_WIDTH, data_format="channels_first"),
        )
        config = sam.SamConfig()
        self.prompt_encoder = sam.SamPromptEncoder(config)
        config.mask_decoder_config._attn_implementation = "sdpa"
        self.mask_decoder = sam.SamMaskDecoder(config.mask_decoder_config)

    @classmethod
    def load(cls, path: Path) -> MobileSam:
        """The network with published weights, in evaluation mode.

        Args:
            path: `mobile_sam.pt`.

        Raises:
            InputError: the package `transformers` is not installed, or the file is damaged or of another network.
        """
        network = cls()
        state = read_state(path)
        fill_backbone(network.backbone, state, path)
        renamed = {_transformers_name(name): value for name, value in state.items()}
        behind = {name: value for name, value in network.state_dict().items() if not name.startswith("backbone.")}
        wrong = [n for n, value in behind.items() if n not in renamed or renamed[n].shape != value.shape]
        if wrong:
            raise InputError(f"{path} is not MobileSAM's file: {wrong[0]} is missing or of another shape.")
        network.load_state_dict(network.state_dict() | {name: renamed[name] for name in behind})
        return network.eval()

    @torch.inference_mode()
    def embed(self, image: Tensor) -> Embedding:
        """Encode an image.

        Args:
            image: float32 `[3, H, W]`, RGB in 0-1.
        """
        height, width = image.shape[-2:]
        scale = SIDE / max(height, width)
        size = (max(round(height * scale), 1), max(round(width * scale), 1))
        small = F.interpolate(image[None], size, mode="bilinear", align_corners=False, antialias=True)
        canvas = torch.tensor(self.backbone.image_mean).view(1, 3, 1, 1).expand(1, 3, SIDE, SIDE).clone()
        canvas[:, :, : size[0], : size[1]] = small
        return Embedding(self.neck(self.backbone(canvas)[2]), height, width)

    @torch.inference_mode()
    def ask(
        self,
        embedding: Embedding,
        *,
        boxes: Tensor | None = None,
        points: Tensor | None = None,
        is_foreground: Tensor | None = None,
        is_ambiguous: bool = False,
    ) -> Proposals:
        """Masks for P prompts about one image.

        Args:
            embedding: of the image.
            boxes: float `[P, 4]`: left, top, right, bottom in image pixels.
            points: float `[P, K, 2]`: x and y in image pixels; with `boxes`, both belong to the same prompt.
            is_foreground: bool `[P, K]`: whether a point shows the object.
            is_ambiguous: give three masks a prompt (part, object, whole): for single points.
        """
        labels = None if is_foreground is None else is_foreground.int()[None]
        sparse, dense = self.prompt_encoder(
            input_points=None if points is None else points.float()[None] * embedding.scale,
            input_labels=labels,
            input_boxes=None if boxes is None else boxes.float()[None] * embedding.scale,
            input_masks=None,
        )
        logits, scores = self.mask_decoder(
            image_embeddings=embedding.features,
            image_positional_embeddings=self._positions(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=is_ambiguous,
        )
        quarter = embedding.scale / 4
        height, width = max(round(embedding.height * quarter), 1), max(round(embedding.width * quarter), 1)
        return Proposals(logits[0, :, :, :height, :width], scores[0])

    def _positions(self) -> Tensor:
        """Position code of the image's grid, `[1, 256, 64, 64]`."""
        at = (torch.arange(_GRID) + 0.5) / _GRID
        grid = torch.stack([at.expand(_GRID, -1), at[:, None].expand(-1, _GRID)], dim=-1)
        code: Tensor = self.prompt_encoder.shared_embedding(grid)
        return code.permute(2, 0, 1)[None]


def _sam() -> Any:
    try:
        from transformers.models.sam import modeling_sam  # an extra, and slow to import
    except ImportError as error:
        raise InputError(
            "MobileSAM needs the package transformers; `pip install 'vos-kd[sam]'` or `pip install transformers`."
        ) from error
    return modeling_sam


_RENAMED = (
    (r"^image_encoder\.neck\.", "neck."),
    (r"pe_layer\.positional_encoding_gaussian_matrix", "shared_embedding.positional_embedding"),
    (r"\.point_embeddings\.", ".point_embed."),
    (r"\.mask_downscaling\.0\.", ".mask_embed.conv1."),
    (r"\.mask_downscaling\.1\.", ".mask_embed.layer_norm1."),
    (r"\.mask_downscaling\.3\.", ".mask_embed.conv2."),
    (r"\.mask_downscaling\.4\.", ".mask_embed.layer_norm2."),
    (r"\.mask_downscaling\.6\.", ".mask_embed.conv3."),
    (r"\.norm(\d|_final_attn)\.", r".layer_norm\1."),
    (r"\.output_upscaling\.0\.", ".upscale_conv1."),
    (r"\.output_upscaling\.1\.", ".upscale_layer_norm."),
    (r"\.output_upscaling\.3\.", ".upscale_conv2."),
    (r"(mlps\.\d|prediction_head)\.layers\.0\.", r"\1.proj_in."),
    (r"(mlps\.\d|prediction_head)\.layers\.1\.", r"\1.layers.0."),
    (r"(mlps\.\d|prediction_head)\.layers\.2\.", r"\1.proj_out."),
)


def _transformers_name(name: str) -> str:
    """The published name of an entry to that of `transformers`."""
    for pattern, new in _RENAMED:
        name = re.sub(pattern, new, name)
    return name
