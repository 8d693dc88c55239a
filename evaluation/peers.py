"""Peers for speed figures beside ours: published light networks as their packages build them, with random weights.

Time does not depend on weights, so none are loaded, and no accuracy may be taken from these. Their packages are no
requirement of this project; install those that you want to see beside ours:

    pip install --no-deps rf-cutie einops omegaconf hydra-core antlr4-python3-runtime==4.9.3
    python evaluation/run.py speed --models student,evaluation.peers:cutie_small,evaluation.peers:cutie_base
"""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray


class Cutie:
    """Cutie (Cheng et al., "Putting the Object Back into Video Object Segmentation", CVPR 2024), package rf-cutie.

    Run as its `eval_vos.py` runs DAVIS: memory every fifth frame, at most five of them beside the first, top 30.
    """

    memory_policy = "first frame and every 5th, latest 4 kept; best 30 positions read"

    def __init__(self, encoder: str, device: str | None, dtype: str | None) -> None:
        """Build the network.

        Args:
            encoder: `small` (ResNet-18) or `base` (ResNet-50).
            device: `cpu`, `cuda`; the CPU by default.
            dtype: `float32`, or `bfloat16` or `float16` through autocast; float32 by default.
        """
        from cutie.inference.utils.args_utils import get_dataset_cfg
        from cutie.model.cutie import CUTIE
        from hydra import compose, initialize_config_module

        with initialize_config_module("cutie.config", version_base="1.3.2"):
            self._config = compose("eval_config", overrides=[f"model={encoder}"])
        get_dataset_cfg(self._config)
        warnings.filterwarnings("ignore", category=FutureWarning, module=r"cutie\.")  # of names that torch renamed
        self.device, self.dtype = device or "cpu", dtype or "float32"
        with _untrained_encoders():
            self._network = CUTIE(self._config).eval().to(self.device)
        self.parameters = sum(parameter.numel() for parameter in self._network.parameters())

    def start(self) -> _CutieSegmenter:
        """A segmenter for a new video."""
        return _CutieSegmenter(self._network, self._config, self.device, self.dtype)


class _CutieSegmenter:
    def __init__(self, network: Any, config: Any, device: str, dtype: str) -> None:
        from cutie.inference.inference_core import InferenceCore

        self._core = InferenceCore(network, cfg=config)
        self._device, self._dtype = device, getattr(torch, dtype)

    @torch.inference_mode()
    def step(
        self, image: NDArray[np.uint8], masks: NDArray[np.uint8] | None = None, object_ids: Sequence[int] | None = None
    ) -> NDArray[np.uint8]:
        """Segment the next frame; see `evaluation.models.Segmenter`."""
        kind = self._device.partition(":")[0]
        frame = torch.from_numpy(image).to(self._device).permute(2, 0, 1).float() / 255
        with torch.autocast(kind, self._dtype, enabled=self._dtype != torch.float32):
            if masks is None:
                probs = self._core.step(frame)
            else:
                ids = [int(n) for n in (object_ids or np.unique(masks)) if n not in (0, 255)]
                probs = self._core.step(frame, torch.from_numpy(masks).to(self._device), ids)
        out: NDArray[np.uint8] = self._core.output_prob_to_mask(probs).to(torch.uint8).cpu().numpy()
        return out


def cutie_small(device: str | None = None, dtype: str | None = None) -> Cutie:
    """Cutie with ResNet-18."""
    return Cutie("small", device, dtype)


def cutie_base(device: str | None = None, dtype: str | None = None) -> Cutie:
    """Cutie with ResNet-50."""
    return Cutie("base", device, dtype)


@contextlib.contextmanager
def _untrained_encoders() -> Iterator[None]:
    """Keep Cutie from downloading ImageNet weights for its encoders."""
    from cutie.model.utils import resnet

    made = {name: getattr(resnet, name) for name in ("resnet18", "resnet50")}
    for name, make in made.items():
        setattr(resnet, name, functools.partial(_untrained, make))
    try:
        yield
    finally:
        for name, make in made.items():
            setattr(resnet, name, make)


def _untrained(make: Any, *, extra_dim: int = 0, **_: Any) -> Any:
    return make(pretrained=False, extra_dim=extra_dim)
