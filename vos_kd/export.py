"""Export a trained model for other runtimes: `python -m vos_kd.export student --out student.onnx.zip`.

The network's three calls and the reading of memory become ONNX graphs in one file (`vos_kd.artefact`). Before it is
written, it is run beside the original at two sizes and two numbers of objects; what differs is not written.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch

from vos_kd.artefact import BACKENDS, SUFFIX, Artefact, save_artefact
from vos_kd.checkpoint import find_weights, read_network
from vos_kd.config import ModelConfig
from vos_kd.errors import InputError
from vos_kd.export_graphs import Graph, graphs_of
from vos_kd.exported import Call, open_graph, pick_backend, require_package
from vos_kd.files import sha256
from vos_kd.model import count_parameters
from vos_kd.modeling.fusing import fold_batch_norm
from vos_kd.modeling.stm import STM

log = logging.getLogger(__name__)

TOLERANCE = 2e-3
"""Largest difference of any output, as a share of its largest value, that other float32 kernels may make."""
OPSET = 18
"""Of ONNX: old enough for the runtimes on phones, new enough for every operator here."""
# Sizes that share no side with each other, so that a size that got frozen in a graph shows.
_EXAMPLE = {"height": 96, "width": 128, "objects": 2}
# The first has fewer positions in memory than are read of a large one.
_TRIALS = ({"height": 32, "width": 32, "objects": 1}, {"height": 112, "width": 144, "objects": 3})


def export_onnx(source: str | Path, path: Path) -> dict[str, float]:
    """Export a model.

    Args:
        source: a registry name, weight file or hub repository of one of this project's own networks.
        path: `NAME.onnx.zip`.

    Returns:
        By graph the largest difference from the original, as a share of the output's largest value.

    Raises:
        InputError: no such weights, a network that cannot be exported, a package is missing, or the result differs.
    """
    for package in ("onnx", "onnxscript"):
        require_package(package)
    backend = pick_backend()
    weights = find_weights(source)
    if weights.suffix != ".safetensors":
        raise InputError(f"{source} cannot be exported; expected one of this project's own networks.")
    config, network = read_network(weights)
    if not isinstance(network, STM):
        raise InputError(f"{source} is a {config.architecture!r} network; only this project's own are exported.")
    parameters = count_parameters(network)
    network.requires_grad_(False)
    fold_batch_norm(network)
    serialised = {name: _serialise(graph) for name, graph in graphs_of(network, config, **_EXAMPLE).items()}
    differences = compare(network, config, serialised, backend)
    if wrong := {name: value for name, value in differences.items() if not value <= TOLERANCE}:
        raise InputError(
            f"in {backend}, the exported {', '.join(wrong)} of {source} differs from the original by "
            f"{max(wrong.values()):.1e} of its largest value; expected at most {TOLERANCE:.0e}. Nothing was written."
        )
    save_artefact(
        Artefact(config, parameters, network.image_mean, network.mask_stride, sha256(weights), serialised), path
    )
    return differences


def compare(network: STM, config: ModelConfig, serialised: Mapping[str, bytes], backend: str) -> dict[str, float]:
    """Run exported graphs beside the original; see `export_onnx`. What is no number in either is nan."""
    worst = dict.fromkeys(serialised, 0.0)
    opened: dict[str, Call] = {}
    for trial in _TRIALS:
        for name, graph in graphs_of(network, config, **trial).items():
            if name not in opened:
                opened[name] = open_graph(backend, serialised[name], tuple(graph.inputs))
            with torch.no_grad():
                expected = graph.expected(*graph.inputs.values())
            for one, other in zip(expected, opened[name](*graph.inputs.values()), strict=True):
                difference = float((one - other).abs().max() / one.abs().max())
                worst[name] = float(np.maximum(worst[name], difference))  # unlike max(), keeps nan
    return worst


def _serialise(graph: Graph) -> bytes:
    with _quietly():
        program = torch.onnx.export(
            graph.module.eval(),
            tuple(graph.inputs.values()),
            dynamo=True,
            input_names=list(graph.inputs),
            output_names=list(graph.outputs),
            dynamic_shapes=graph.free,
            opset_version=OPSET,
        )
    assert program is not None
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "graph.onnx"
        program.save(file, external_data=False)
        return file.read_bytes()


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Without the exporter's progress on stdout and its warnings about itself."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def main(argv: list[str] | None = None) -> int:
    """Run the command; 0 when done, 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m vos_kd.export", description=__doc__.split("\n")[0])
    parser.add_argument("model", help="student, teacher, a .safetensors file, or OWNER/REPO@REVISION")
    parser.add_argument("--out", type=Path, metavar=f"FILE{SUFFIX}", help=f"default MODEL{SUFFIX} in this folder")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    for name in ("onnxscript", "onnx_ir", "torch.onnx"):
        logging.getLogger(name).setLevel(logging.ERROR)
    out = args.out or Path(f"{Path(args.model).name.removesuffix('.safetensors')}{SUFFIX}")
    try:
        if not out.name.endswith(SUFFIX):
            raise InputError(f"--out is {out}; expected a name that ends in {SUFFIX}, by which models are told apart.")
        differences = export_onnx(args.model, out)
    except InputError as error:
        log.error("vos_kd.export: error: %s", error)
        return 2
    for name, value in differences.items():
        log.info("%s differs from the original by %.1e of its largest value", name, value)
    size = out.stat().st_size / 2**20
    sys.stdout.write(f"{out}: {size:.1f} MiB; run it with --model {out} (runtimes: {', '.join(BACKENDS)})\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
