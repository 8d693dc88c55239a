"""Lightweight video object segmentation: a small space-time-memory student, distilled online from its teacher.

model = vos_kd.load_model("student")
segmenter = vos_kd.VideoSegmenter(model)
for mask in segmenter.segment(frames, {0: first_mask}): ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vos_kd.checkpoint import load_model, read_config
    from vos_kd.config import ModelConfig
    from vos_kd.data.masks import read_mask, write_mask
    from vos_kd.errors import InputError
    from vos_kd.inference import VideoSegmenter
    from vos_kd.model import Model
    from vos_kd.modeling.registry import build_model, list_models
    from vos_kd.process import prepare_process
    from vos_kd.runtime import environment, pick_device, pick_dtype

__all__ = [
    "InputError",
    "Model",
    "ModelConfig",
    "VideoSegmenter",
    "build_model",
    "environment",
    "list_models",
    "load_model",
    "pick_device",
    "pick_dtype",
    "prepare_process",
    "read_config",
    "read_mask",
    "write_mask",
]
__version__ = "0.1.0"

# torch takes seconds to import; a command's --help and the page's first paint need not wait for them.
_HOMES = {
    "InputError": "vos_kd.errors",
    "Model": "vos_kd.model",
    "ModelConfig": "vos_kd.config",
    "VideoSegmenter": "vos_kd.inference",
    "build_model": "vos_kd.modeling.registry",
    "environment": "vos_kd.runtime",
    "list_models": "vos_kd.modeling.registry",
    "load_model": "vos_kd.checkpoint",
    "pick_device": "vos_kd.runtime",
    "pick_dtype": "vos_kd.runtime",
    "prepare_process": "vos_kd.process",
    "read_config": "vos_kd.checkpoint",
    "read_mask": "vos_kd.data.masks",
    "write_mask": "vos_kd.data.masks",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'vos_kd' has no attribute {name!r}")
