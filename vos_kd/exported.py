"""Exported models at work: a network whose calls run in ONNX Runtime or OpenVINO, behind the usual interface.

So the same `VideoSegmenter` drives it, with the same memory bank. Both runtimes are optional. In float32, on CPUs
without bfloat16, OpenVINO takes about three quarters of torch's time for a frame; with it, it is a few percent ahead.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module, util
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vos_kd.artefact import BACKENDS, Artefact, load_artefact
from vos_kd.errors import InputError
from vos_kd.model import Model
from vos_kd.modeling.network import FrameFeatures, ObjectPrior, STMNetwork
from vos_kd.runtime import DTYPES, cpu_computes_bfloat16

Call = Callable[..., tuple[Tensor, ...]]
"""Tensors in, in the order of the graph's inputs; tensors out."""


def load_exported(path: Path, *, backend: str | None = None, dtype: str | None = None) -> Model:
    """Load what `vos_kd.export` wrote.

    Args:
        path: `NAME.onnx.zip`.
        backend: one of `BACKENDS`; by default the first one that is installed.
        dtype: `float32`, or `bfloat16`, in which OpenVINO computes inside; by default the faster one here.

    Raises:
        InputError: a damaged file, no such runtime, or a precision that it lacks.
    """
    runtime = pick_backend(backend)
    can_halve = runtime == "openvino" and cpu_computes_bfloat16()
    precision = dtype or ("bfloat16" if can_halve else "float32")
    if precision != "float32" and not (precision == "bfloat16" and runtime == "openvino"):
        raise InputError(f"{runtime} cannot run {path} in {precision}; leave --dtype out, or give float32.")
    artefact = load_artefact(path)
    memory_dtype = DTYPES[precision]
    network = ExportedNetwork(artefact, runtime, memory_dtype, path)
    return Model(
        artefact.config, network, torch.device("cpu"), memory_dtype, artefact.parameters, artefact.weights_sha256
    )


def pick_backend(name: str | None = None) -> str:
    """The named runtime, or the first one that is installed.

    Raises:
        InputError: no such runtime, or its package is missing.
    """
    if name is None:
        installed = [backend for backend in BACKENDS if util.find_spec(backend)]
        if not installed:
            raise InputError("an exported model needs a runtime: pip install openvino, or pip install onnxruntime.")
        return installed[0]
    if name not in BACKENDS:
        raise InputError(f"there is no backend {name!r} for exported models; expected {' or '.join(BACKENDS)}.")
    require_package(name)
    return name


def require_package(package: str) -> None:
    """Refuse to go on without an optional package.

    Raises:
        InputError: it is not installed; says how to install it.
    """
    if util.find_spec(package) is None:
        raise InputError(f"this needs the package {package}, which is not installed: pip install {package}.")


def open_graph(backend: str, graph: bytes, inputs: tuple[str, ...], dtype: torch.dtype = torch.float32) -> Call:
    """Make a serialised graph callable.

    Args:
        backend: one of `BACKENDS`.
        graph: serialised.
        inputs: names of what it takes, in this order.
        dtype: what OpenVINO computes in; inputs and outputs are float32 all the same.

    Raises:
        InputError: the runtime cannot read it, or it takes something else.
    """
    try:
        names, call = _openvino(graph, dtype) if backend == "openvino" else _onnxruntime(graph)
    except Exception as error:  # each runtime has exceptions of its own, of many kinds, for a graph that is damaged
        raise InputError(f"{backend} cannot read the graph: {str(error).strip().splitlines()[0]}") from error
    if names != inputs:
        raise InputError(f"a graph takes {', '.join(names)}; expected {', '.join(inputs)}.")
    return call


class ExportedNetwork(STMNetwork):
    """See `STMNetwork`; B is 1. Graphs take and give float32; what goes to memory is kept in the model's precision."""

    def __init__(self, artefact: Artefact, backend: str, dtype: torch.dtype, path: Path) -> None:
        super().__init__()
        self.dtype = dtype
        self.key_dim = artefact.config.network.key_dim
        self.value_dim = artefact.config.network.value_dim
        self.uses_prior = artefact.config.network.stff
        self.mask_stride = artefact.mask_stride
        self.image_mean = artefact.image_mean
        self.backend = backend
        try:
            self._calls = {
                name: open_graph(backend, graph, artefact.inputs[name], dtype)
                for name, graph in artefact.graphs.items()
            }
        except InputError as error:
            raise InputError(f"{path}: {error} Export the model again.") from error

    def encode_key(self, image: Tensor) -> FrameFeatures:
        """See `STMNetwork.encode_key`."""
        key, shrinkage, f16, f8, f4 = self._calls["encode_key"](image)
        return FrameFeatures(key.to(self.dtype), shrinkage.to(self.dtype), f16, f8, f4)

    def encode_value(self, image: Tensor, features: FrameFeatures, masks: Tensor) -> Tensor:
        """See `STMNetwork.encode_value`."""
        return self._calls["encode_value"](features.f16, features.f8, masks)[0].to(self.dtype)

    def segment(self, features: FrameFeatures, readout: Tensor, prior: ObjectPrior | None = None) -> Tensor:
        """See `STMNetwork.segment`."""
        before = prior if self.uses_prior and prior is not None else ()
        return self._calls["segment"](features.f16, features.f8, features.f4, readout, *before)[0]


def _onnxruntime(graph: bytes) -> tuple[tuple[str, ...], Call]:
    ort = import_module("onnxruntime")  # optional, and half a second of start-up
    options = ort.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    names = tuple(one.name for one in session.get_inputs())

    def call(*tensors: Tensor) -> tuple[Tensor, ...]:
        given = {name: _as_array(tensor) for name, tensor in zip(names, tensors, strict=True)}
        return tuple(torch.from_numpy(out) for out in session.run(None, given))

    return names, call


def _openvino(graph: bytes, dtype: torch.dtype) -> tuple[tuple[str, ...], Call]:
    ov = import_module("openvino")  # optional, and half a second of start-up
    hints = {
        "INFERENCE_PRECISION_HINT": {torch.float32: "f32", torch.bfloat16: "bf16"}[dtype],
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "PERFORMANCE_HINT": "LATENCY",
    }
    core = ov.Core()
    compiled = core.compile_model(core.read_model(graph), "CPU", hints)
    names = tuple(one.any_name for one in compiled.inputs)
    request = compiled.create_infer_request()

    def call(*tensors: Tensor) -> tuple[Tensor, ...]:
        found = request.infer([_as_array(tensor) for tensor in tensors])
        return tuple(torch.from_numpy(out) for out in found.values())

    return names, call


def _as_array(tensor: Tensor) -> np.ndarray:
    array: np.ndarray = tensor.float().contiguous().numpy()
    return array
