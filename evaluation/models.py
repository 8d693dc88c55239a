"""Models to evaluate: of this project by name, file or hub repository, and anybody else's through a small adapter.

An outside model is named as `package.module:factory`, found from the current folder or as installed. The factory is
called once a process as `factory(device=..., dtype=...)`, each text or None for its own choice, and returns an
`OutsideModel`: something with `start()`, which gives a `Segmenter` for one video. That is all it needs:

    class Repeat:  # a baseline: the last mask that was given
        def start(self):
            return self
        def step(self, image, masks=None, object_ids=None):
            self.mask = self.mask if masks is None else masks
            return self.mask

    def repeat(device=None, dtype=None):
        return Repeat()
"""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from evaluation.errors import ProtocolError
from evaluation.model_source import FACTORY, ModelSource
from evaluation.record import ModelInfo
from vos_kd import Model, VideoSegmenter, list_models, load_model


class Segmenter(Protocol):
    """Follows the objects of one video; `vos_kd.VideoSegmenter` is one.

    For figures of the network alone it may have `network_seconds`: what its network took in the last `step`.
    """

    def step(
        self, image: NDArray[np.uint8], masks: NDArray[np.uint8] | None = None, object_ids: Sequence[int] | None = None
    ) -> NDArray[np.uint8]:
        """Segment the next frame.

        Args:
            image: RGB `[H, W, 3]`.
            masks: `[H, W]` of object ids, where masks are given: in the first frame, and where objects join.
            object_ids: the objects that `masks` speaks for.

        Returns:
            `[H, W]` of object ids, as large as the image; 0 is background.
        """
        ...


class OutsideModel(Protocol):
    """What a factory returns.

    It may have, for the record: `parameters` (int), `gmacs` (float, a frame of 480x864), `device`, `dtype`,
    `memory_policy`, `weights_sha256` and `role` (text).
    """

    def start(self) -> Segmenter:
        """A segmenter for a new video."""
        ...


@dataclass(frozen=True)
class LoadedModel:
    """A model in this process, with what is to be told of it."""

    info: ModelInfo
    start: Callable[[], Segmenter]
    """Gives a segmenter for a new video."""
    parameters: int | None
    device: str
    dtype: str
    memory_policy: str
    runtime: str
    """What computes, with its version: torch, openvino or onnxruntime; an outside model has its own."""
    network: Model | None = None
    """Of this project; None for an outside model."""
    short_side: int | None = None
    """Larger frames are segmented at this size."""
    gmacs: float | None = None
    """As an outside model tells it."""


@lru_cache(maxsize=4)
def open_once(source: ModelSource) -> LoadedModel:
    """Load a model; a process that works through sequences loads it once."""
    return open_model(source)


def open_model(source: ModelSource) -> LoadedModel:
    """Load a model.

    Raises:
        ProtocolError: an outside model cannot be imported or made.
        InputError: see `vos_kd.load_model`.
    """
    if source.threads:
        torch.set_num_threads(source.threads)
    if match := FACTORY.fullmatch(source.text):
        return _outside(source, *match.groups())
    is_random = source.random_weights and source.text in list_models()
    model = load_model(source.text, device=source.device, dtype=source.dtype, random_weights=is_random)
    short_side = source.short_side or model.config.short_side
    return LoadedModel(
        info=ModelInfo(source.label, model.weights_sha256, _role(model.config.name)),
        start=lambda: VideoSegmenter(model, short_side=short_side),
        parameters=model.parameters,
        device=str(model.device),
        dtype=str(model.dtype).removeprefix("torch."),
        memory_policy=describe_memory(model),
        runtime=_runtime(model),
        network=model,
        short_side=short_side,
    )


def describe_memory(model: Model) -> str:
    """What a model remembers of a video, in words.

    >>> from vos_kd import load_model
    >>> describe_memory(load_model("stcn_r50", random_weights=True, device="cpu"))
    'given frames and every 5th, all kept; best 20 positions read'
    >>> describe_memory(load_model("student", random_weights=True, device="cpu")).partition("read; ")[2]
    "pieces farther than 10% of the short side from the last frame's dropped"
    """
    memory = model.config.memory
    kept = "all kept" if memory.max_recent is None else f"latest {memory.max_recent} kept"
    every = "every frame" if memory.memory_interval == 1 else f"every {memory.memory_interval}th"
    parts = [f"given frames and {every}, {kept}"]
    parts += ["the frame before"] if memory.keep_previous else []
    parts += [f"best {memory.top_k} positions read" if memory.top_k else "all positions read"]
    if memory.reach is not None:
        parts += [f"pieces farther than {memory.reach:.0%} of the short side from the last frame's dropped"]
    return "; ".join(parts)


def _runtime(model: Model) -> str:
    name = getattr(model.network, "backend", "torch")
    return f"{name} {importlib.import_module(name).__version__}"


def _role(name: str) -> str:
    return next((role for role in ("student", "teacher") if name.startswith(role)), "baseline")


def _outside(source: ModelSource, module: str, name: str) -> LoadedModel:
    if source.short_side is not None:
        raise ProtocolError(f"--short-side is for models of this project; {source.text} chooses its own size.")
    model = _make_outside(source, module, name)
    parameters = _told(model, "parameters", int)
    return LoadedModel(
        info=ModelInfo(
            source.label, _told(model, "weights_sha256", str), str(getattr(model, "role", None) or "baseline")
        ),
        start=model.start,
        parameters=parameters,
        device=str(getattr(model, "device", None) or source.device or "not told"),
        dtype=str(getattr(model, "dtype", None) or source.dtype or "not told").removeprefix("torch."),
        memory_policy=str(getattr(model, "memory_policy", None) or "its own"),
        runtime="its own",
        gmacs=_told(model, "gmacs", float),
    )


def _make_outside(source: ModelSource, module: str, name: str) -> Any:
    if source.folder and source.folder not in sys.path:
        sys.path.append(source.folder)  # last, so that nothing there hides an installed package
    try:
        factory = getattr(importlib.import_module(module), name)
        model = factory(device=source.device, dtype=source.dtype)
    except Exception as error:  # whatever somebody else's code raises
        place = traceback.extract_tb(error.__traceback__)[-1]
        raise ProtocolError(
            f"the outside model {source.text} cannot be made: {type(error).__name__}: {error} "
            f"({place.filename}:{place.lineno}). Expected a function {name}(device=None, dtype=None) in the module "
            f"{module}, installed or in the current folder, and what it needs installed."
        ) from error
    if not callable(getattr(model, "start", None)):
        raise ProtocolError(
            f"the outside model {source.text} is a {type(model).__name__} without start(); expected an object whose "
            "start() gives a segmenter for a new video, see evaluation/models.py."
        )
    return model


def _told(model: object, name: str, kind: type) -> Any:
    value = getattr(model, name, None)
    return None if value is None else kind(value)
