"""Which models can be run here, and segmenters of them; weights are loaded once, when they are first wanted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vos_kd.config import PRESETS, ModelConfig

if TYPE_CHECKING:
    from vos_kd.inference import VideoSegmenter
    from vos_kd.model import Model

_FIRST = ("student", "teacher")


def bundled() -> list[str]:
    """Names of the models that have weights here, student and teacher first."""
    from pathlib import Path

    import vos_kd

    folder = Path(vos_kd.__file__).parent / "weights"
    names = [name for name in PRESETS if (folder / f"{name}.safetensors").is_file()]
    return sorted(names, key=lambda name: (_FIRST.index(name) if name in _FIRST else len(_FIRST), name))


class Shelf:
    """Loaded models. Only the engine's thread asks for segmenters, so nothing is locked.

    Args:
        count_gmacs: counts a model's multiply-adds in 1e9, for a frame of 480x854 with one object.
    """

    def __init__(self, count_gmacs: Callable[[ModelConfig], float]) -> None:
        self._count_gmacs = count_gmacs
        self.facts: dict[str, dict[str, Any]] = {
            name: {"role": "teacher" if name == "teacher" else "student", "about": PRESETS[name].description}
            for name in bundled()
        }
        """Name -> what is known; more of it once the model is loaded."""
        self._models: dict[str, Model] = {}

    def segmenter(self, name: str, short_side: int) -> VideoSegmenter:
        """A segmenter for one clip.

        Raises:
            InputError: no such model.
        """
        import torch

        from vos_kd.checkpoint import load_model
        from vos_kd.inference import VideoSegmenter
        from vos_kd.runtime import processor_name

        if name not in self._models:
            model = self._models[name] = load_model(name)
            self.facts[name] |= {
                "parameters": model.parameters,
                "gmacs": self._count_gmacs(model.config),
                "device": torch.cuda.get_device_name() if model.device.type == "cuda" else processor_name(),
                "dtype": str(model.dtype).removeprefix("torch."),
                "threads": torch.get_num_threads(),
                "weights_sha256": model.weights_sha256,
            }
        side = self.facts[name]["short_side"] = min(short_side, self._models[name].config.short_side)
        return VideoSegmenter(self._models[name], short_side=side)
