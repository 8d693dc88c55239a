"""What makes a trained network faster without changing what it computes: fewer passes over memory.

A light network on a CPU spends as long on norms and activations, which read and write every pixel once more, as on
many of its convolutions. `fold_batch_norm` makes a norm part of the convolution before it; `fuse_activations` has
oneDNN apply the activation while a convolution's results are still in registers. Both are for inference alone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

# oneDNN's name and scalars of each activation that follows a convolution in our networks. GELU is left out: TinyViT has
# it behind sums, too, and fused or not it costs the same.
_ACTIVATIONS: dict[type[nn.Module], tuple[str, list[float]]] = {
    nn.ReLU: ("relu", []),
    nn.ReLU6: ("hardtanh", [0.0, 6.0]),
    nn.Hardswish: ("hardswish", []),
}


def fold_batch_norm(module: nn.Module) -> None:
    """Fold every batch norm into the convolution before it, in place; `module` must be in evaluation mode."""
    previous: tuple[nn.Module, str, nn.Conv2d] | None = None
    for parent, name, child in list(_leaves(module)):
        if isinstance(child, nn.BatchNorm2d) and previous is not None:
            conv_parent, conv_name, conv = previous
            if conv.out_channels != child.num_features:
                raise RuntimeError(f"batch norm {name} does not fit the convolution {conv_name} before it")
            setattr(conv_parent, conv_name, nn.utils.fusion.fuse_conv_bn_eval(conv, child))
            setattr(parent, name, nn.Identity())
        previous = (parent, name, child) if isinstance(child, nn.Conv2d) else None


def can_fuse(dtype: torch.dtype = torch.float32) -> bool:
    """Whether this build of torch has oneDNN's fused convolution. It is what `torch.compile` uses on CPUs."""
    if dtype not in (torch.float32, torch.bfloat16) or not torch.backends.mkldnn.is_available():
        return False
    # Plain convolutions take bfloat16 on any processor, the fused ones only where it has instructions for it.
    has_type = dtype is torch.float32 or torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return bool(has_type) and hasattr(torch.ops.mkldnn, "_convolution_pointwise")


def fuse_activations(module: nn.Module) -> None:
    """Join every convolution with the ReLU, ReLU6 or hard swish right behind it, in place.

    For CPUs, float32 and bfloat16, and after `fold_batch_norm`: a norm in between would part them.
    """
    previous: tuple[nn.Module, str, nn.Conv2d] | None = None
    for parent, name, child in list(_leaves(module)):
        if type(child) is nn.Identity:
            continue
        if type(child) in _ACTIVATIONS and previous is not None:
            conv_parent, conv_name, conv = previous
            setattr(conv_parent, conv_name, FusedConv(conv, *_ACTIVATIONS[type(child)]))
            setattr(parent, name, nn.Identity())
        previous = (parent, name, child) if isinstance(child, nn.Conv2d) and _has_zero_padding(child) else None


class FusedConv(nn.Module):
    """A convolution and its activation in one pass: `[B, in, H, W]` to `[B, out, H', W']`."""

    def __init__(self, conv: nn.Conv2d, activation: str, scalars: list[float]) -> None:
        super().__init__()
        self.weight, self.bias = conv.weight, conv.bias
        self.geometry = (list(map(int, conv.padding)), list(conv.stride), list(conv.dilation), conv.groups)
        self.activation, self.scalars = activation, scalars

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        out: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, self.weight, self.bias, *self.geometry, self.activation, self.scalars, ""
        )
        return out


def _has_zero_padding(conv: nn.Conv2d) -> bool:
    return conv.padding_mode == "zeros" and not isinstance(conv.padding, str)


def _leaves(module: nn.Module) -> list[tuple[nn.Module, str, nn.Module]]:
    """Convolutions, norms and other leaves in the order of definition, which in our blocks is that of use."""
    found = []
    for name, child in module.named_children():
        if not any(True for _ in child.children()):
            found.append((module, name, child))
        else:
            found.extend(_leaves(child))
    return found
