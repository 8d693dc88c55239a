"""The file of an exported model: a zip of ONNX graphs, and JSON that says what they are.

One file, so that it can be hashed, copied and given as `--model`; unpacked, its graphs run in any ONNX runtime. Their
sides, and the number of objects, are free. What happens between the graphs, in words, is in the JSON's `usage`.
"""

from __future__ import annotations

import json
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vos_kd.config import ModelConfig
from vos_kd.errors import InputError
from vos_kd.files import atomic_path

FORMAT = "vos-kd-onnx/1"
GRAPHS = ("encode_key", "encode_value", "segment", "read_memory")
SUFFIX = ".onnx.zip"
BACKENDS = ("openvino", "onnxruntime")
"""Runtimes that this project drives, by the names of their packages, the preferred one first."""
MANIFEST = "model.json"
# What zipfile and json raise for files that are not whole, and int() for the infinity that JSON knows here.
_DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, NotImplementedError),
    *(ValueError, OverflowError),
)
MAX_GRAPH_BYTES = 256 * 2**20
MASK_STRIDE = 4
"""Of every network that can be exported: its graphs have masks of a quarter of the frame's size."""

USAGE = """\
Images are RGB in 0-1, [1, 3, H, W], H and W multiples of 16 (pad with image_mean); h = H/16, w = W/16; O objects.
Any size will do; frames with a shorter side above config.short_side are best scaled to it, and logits to the frame.
encode_key: image -> key, shrinkage, f16, f8, f4.
encode_value: f16, f8, masks [1, O, H/4, W/4] in 0-1 -> value [1, O, CV, h, w].
read_memory: query_key [CK, h, w] of this frame; memory_key [N, CK], memory_shrinkage [N], memory_value [N, O, CV] of
the frames in memory, one after another, a row a position -> readout [1, O, CV, h, w].
segment: f16, f8, f4, readout, and of the frame before its value and masks -> object logits [1, O, H/4, W/4].
First frame: encode_key, encode_value of the given masks. Each further frame: encode_key, read_memory, segment, sigmoid;
of each object drop connected pieces (p > 0.5) farther from where it was in the frame before than config.memory.reach of
the map's shorter side, if more than a tenth of its area then is found nearer (null: drop none);
soft aggregation (background prod(1 - p), then softmax of log(p / (1 - p))), encode_value. Remember the first
frame for ever, and of every memory_interval-th one the last max_recent."""


@dataclass(frozen=True)
class Artefact:
    """An exported model."""

    config: ModelConfig
    parameters: int
    """Learned numbers of the network, as `vos_kd.model.count_parameters` has it."""
    image_mean: tuple[float, float, float]
    mask_stride: int
    weights_sha256: str | None
    """Of the weight file that it was exported from."""
    graphs: Mapping[str, bytes]
    """The serialised ONNX graphs, by the names in `GRAPHS`."""

    @property
    def inputs(self) -> Mapping[str, tuple[str, ...]]:
        """What each graph takes, in this order."""
        prior = ("previous_value", "previous_masks") if self.config.network.stff else ()
        return {
            "encode_key": ("image",),
            "encode_value": ("f16", "f8", "masks"),
            "segment": ("f16", "f8", "f4", "readout", *prior),
            "read_memory": ("query_key", "memory_key", "memory_shrinkage", "memory_value"),
        }


def save_artefact(artefact: Artefact, path: Path) -> None:
    """Write an exported model, whole or not at all.

    Raises:
        InputError: the file cannot be written.
    """
    manifest = {
        "format": FORMAT,
        "config": json.loads(artefact.config.to_json()),
        "parameters": artefact.parameters,
        "image_mean": list(artefact.image_mean),
        "mask_stride": artefact.mask_stride,
        "weights_sha256": artefact.weights_sha256,
        "usage": USAGE.splitlines(),
    }
    with atomic_path(path) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as file:
        # Fixed dates: equal models shall be equal files.
        for name, content in [(MANIFEST, json.dumps(manifest, indent=1, sort_keys=True).encode()), *_files(artefact)]:
            file.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)


def load_artefact(path: Path) -> Artefact:
    """Read what `save_artefact` wrote. Nothing in it is trusted; graphs are limited in size and not yet parsed.

    Raises:
        InputError: not such a file, damaged, or of another format.
    """
    try:
        with zipfile.ZipFile(path) as file:
            entries = {info.filename: info for info in file.infolist()}
            wanted = [MANIFEST, *(f"{name}.onnx" for name in GRAPHS)]
            if missing := [name for name in wanted if name not in entries]:
                raise InputError(f"{path} has no {missing[0]}; expected a file that `python -m vos_kd.export` wrote.")
            if large := [name for name in wanted if entries[name].file_size > MAX_GRAPH_BYTES]:
                raise InputError(
                    f"{path}: {large[0]} has more than {MAX_GRAPH_BYTES >> 20} MiB, the most that is read."
                )
            manifest, *graphs = (file.read(name) for name in wanted)
        found = json.loads(manifest)
        if found["format"] != FORMAT:
            raise InputError(f"{path} has format {found['format']!r}; expected {FORMAT!r}. Export the model again.")
        red, green, blue = map(float, found["image_mean"])
        artefact = Artefact(
            config=ModelConfig.from_file(found["config"], path),
            parameters=int(found["parameters"]),
            image_mean=(red, green, blue),
            mask_stride=int(found["mask_stride"]),
            weights_sha256=found["weights_sha256"],
            graphs=dict(zip(GRAPHS, graphs, strict=True)),
        )
        _check(artefact)
        return artefact
    except InputError:
        raise
    except (*_DAMAGED, OSError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no exported model, or damaged ({error}). Export it again.") from error


def _check(artefact: Artefact) -> None:
    """Raise `ValueError` for what no network of ours has."""
    if not all(0 <= value <= 1 for value in artefact.image_mean):  # nan is not, either
        raise ValueError(f"image_mean is {artefact.image_mean}; expected three numbers from 0 to 1")
    if artefact.mask_stride != MASK_STRIDE:
        raise ValueError(f"mask_stride is {artefact.mask_stride}; expected {MASK_STRIDE}")
    if artefact.parameters < 1:
        raise ValueError(f"parameters is {artefact.parameters}; expected 1 or more")
    digest = artefact.weights_sha256
    if digest is not None and not (isinstance(digest, str) and re.fullmatch(r"[0-9a-f]{64}", digest)):
        raise ValueError(f"weights_sha256 is {str(digest)[:80]!r}; expected 64 hexadecimal digits or null")


def _files(artefact: Artefact) -> list[tuple[str, bytes]]:
    return [(f"{name}.onnx", artefact.graphs[name]) for name in GRAPHS]
