"""Weights on disk and on the hub: safetensors with the model's configuration inside, never a pickle.

`load_model` takes one string, whichever of these it is:

- a registry name (`student`): the weights bundled with the package;
- a file: `.safetensors` written by `save_weights`, `.onnx.zip` written by `vos_kd.export`, or a public STCN `.pth`;
- `OWNER/REPO@REVISION`: a Hugging Face repository at a pinned revision, holding `model.safetensors`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from vos_kd.artefact import SUFFIX, load_artefact
from vos_kd.compat import require_torchvision
from vos_kd.config import PRESETS, ModelConfig
from vos_kd.errors import InputError
from vos_kd.files import atomic_path, sha256
from vos_kd.hub import hub_file, is_repository
from vos_kd.model import Model, prepare_model
from vos_kd.modeling.network import STMNetwork
from vos_kd.modeling.registry import build_model, get_config

WEIGHTS_FOLDER = Path(__file__).parent / "weights"
HUB_FILE = "model.safetensors"
FORMAT = "vos-kd/1"
HEADER = "vos_kd"
FLOATS = (torch.float16, torch.bfloat16, torch.float32)
"""Number types of weights: what is finite in them is finite in the network."""


def load_model(
    source: str | Path,
    *,
    device: str | None = None,
    dtype: str | None = None,
    backend: str | None = None,
    random_weights: bool = False,
) -> Model:
    """Load a model ready to run.

    Args:
        source: a registry name, a file, or `OWNER/REPO@REVISION`; see the module's text. A repository that is in the
            hub's local cache is used from there without asking the network; bundled models and files never ask it.
        device: `cpu`, `cuda`, `mps`, ...; by default the best there is.
        dtype: `float32`, `bfloat16` or `float16`; by default the fastest that keeps the masks.
        backend: what runs an exported model, `openvino` or `onnxruntime`; by default the first one that is installed.
            Other models know no choice.
        random_weights: take a registry name's network as it is built: for speed and cost, which need no weights.

    Raises:
        InputError: unknown name, no weights for it, file missing, damaged or of another model, hub out of reach.
    """
    if random_weights:
        config = get_config(str(source))
        return prepare_model(build_model(config), config, device=device, dtype=dtype)
    path = find_weights(source)
    if is_exported(path):
        from vos_kd.exported import load_exported  # imported here: it is for few

        if device not in (None, "cpu"):
            raise InputError(f"{path} is an exported model, which runs on the cpu; leave --device {device} out.")
        return load_exported(path, backend=backend, dtype=dtype)
    if backend is not None:
        raise InputError(
            f"backend {backend} runs exported models, and {source} is none; make one with `python -m vos_kd.export`."
        )
    config, network = read_network(path)
    return prepare_model(network, config, device=device, dtype=dtype, weights_sha256=sha256(path))


def read_config(source: str | Path) -> ModelConfig:
    """The configuration of a model, without its network: of a registry name, weights or not, or as its file says it.

    Args:
        source: see `load_model`. An exported model's runtime may be missing.

    Raises:
        InputError: see `load_model`.
    """
    if str(source) in PRESETS:
        return get_config(str(source))
    path = find_weights(source)
    if is_exported(path):
        return load_artefact(path).config
    return _read(path)[0]


def read_network(path: Path) -> tuple[ModelConfig, STMNetwork]:
    """A configuration and its network with the weights of a file, in evaluation mode.

    Args:
        path: `.safetensors` that `save_weights` wrote, or a public STCN `.pth`.

    Raises:
        InputError: see `read_weights` and `fill`.
    """
    config, state = _read(path)
    with torch.device("meta"):
        blank = build_model(config)
    _require_fit(blank, state, path)  # before there is memory for it: a stranger's header may ask for any sizes
    network = build_model(config)
    network.load_state_dict(state)
    return config, network


def find_weights(source: str | Path) -> Path:
    """The weight file that a `load_model` source stands for, downloaded if it must be."""
    name = str(source)
    if name in PRESETS:
        bundled = WEIGHTS_FOLDER / f"{name}.safetensors"
        if not bundled.is_file():
            hint = "a public STCN .pth file" if PRESETS[name].architecture == "stcn" else "a .safetensors file"
            raise InputError(f"no weights are bundled for {name!r}; give {hint} of your own in place of the name.")
        return bundled
    path = Path(source)
    if path.is_file():
        return path
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the .safetensors file in it (vos_kd.export_weights makes them).")
    if (
        path.suffix in (".safetensors", ".pth", ".pt")
        or is_exported(path)
        or path.is_absolute()
        or name.startswith(".")
    ):
        raise InputError(f"{path} is not there; expected a weight file.")
    if is_repository(name):
        return hub_file(name, HUB_FILE)
    get_config(name)  # says which names there are
    raise AssertionError("unreachable: a known name was handled above")


def is_exported(path: str | Path) -> bool:
    """Whether a name is that of an exported model."""
    return str(path).endswith(SUFFIX)


def save_weights(
    path: Path, state: Mapping[str, Tensor], config: ModelConfig, notes: Mapping[str, str] | None = None
) -> None:
    """Write weights in half precision with their configuration, whole or not at all.

    Args:
        path: `.safetensors`.
        state: a network's `state_dict()`.
        config: what the network was built from.
        notes: more text to keep in the header: steps, seed, data.

    Raises:
        InputError: a weight is not finite in half precision, or the file cannot be written.
    """
    half = {}
    for name, value in state.items():
        half[name] = value.detach().cpu().contiguous().to(torch.float16 if value.is_floating_point() else value.dtype)
        if not torch.isfinite(half[name]).all():
            raise InputError(f"weight {name} is not finite in half precision; these weights cannot be saved.")
    content = {"format": FORMAT, "config": json.loads(config.to_json()), "notes": dict(notes or {})}
    # One entry: safetensors writes several in random order, and equal weights shall be equal files.
    header = {HEADER: json.dumps(content, sort_keys=True)}
    with atomic_path(path) as partial:
        try:
            save_file(half, partial, metadata=header)
        except SafetensorError as error:  # how safetensors reports a full disk
            raise InputError(f"cannot write {path}: {error}.") from error


def read_weights(path: Path) -> tuple[ModelConfig, dict[str, Tensor]]:
    """Read what `save_weights` wrote.

    Raises:
        InputError: not a safetensors file, damaged, or without a configuration of ours.
    """
    try:
        with safe_open(path, framework="pt") as file:
            config = _config_of((file.metadata() or {}).get(HEADER, "{}"), path)
            return config, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is not a readable safetensors file ({error}); copy or download it again.") from error


def fill(network: STMNetwork, state: Mapping[str, Tensor], path: Path) -> None:
    """Put weights into a network, in its precision.

    Raises:
        InputError: an entry is missing, too many, of another shape or kind, or not finite; names the first ones.
    """
    _require_fit(network, state, path)
    network.load_state_dict(dict(state))


def _require_fit(network: STMNetwork, state: Mapping[str, Tensor], path: Path) -> None:
    """Raise `InputError` unless the entries are those of a network, which may be on the meta device."""
    wanted = network.state_dict()
    wrong = [f"{name} is missing" for name in wanted if name not in state]
    wrong += [f"{name} is unknown" for name in state if name not in wanted]
    for name, like in wanted.items():
        if (value := state.get(name)) is None:
            continue
        kinds = FLOATS if like.is_floating_point() else (like.dtype,)
        if value.shape != like.shape:
            wrong.append(f"{name} is {tuple(value.shape)}, expected {tuple(like.shape)}")
        elif value.dtype not in kinds:
            wrong.append(f"{name} is {value.dtype}, expected {' or '.join(map(str, kinds))}")
        elif not torch.isfinite(value).all():
            wrong.append(f"{name} is not finite")
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise InputError(f"{path} does not fit its network: {'; '.join(wrong[:3])}{more}. Is it of another version?")


def _read(path: Path) -> tuple[ModelConfig, dict[str, Tensor]]:
    return _read_stcn(path) if path.suffix in (".pth", ".pt") else read_weights(path)


def _config_of(header: str, path: Path) -> ModelConfig:
    try:
        content = json.loads(header)
        found = content.get("format", "none")
    except (ValueError, RecursionError, AttributeError) as error:  # no JSON, too long a number, too deep, no object
        raise InputError(f"{path} has a damaged header ({error}); copy or download it again.") from error
    if found != FORMAT:
        raise InputError(f"{path} has format {found!r}; expected {FORMAT!r}, as vos_kd.checkpoint writes it.")
    return ModelConfig.from_file(content.get("config"), path)


def _read_stcn(path: Path) -> tuple[ModelConfig, dict[str, Tensor]]:
    require_torchvision()
    from vos_kd.modeling.stcn_import import import_stcn_checkpoint  # here: only the yardstick waits for torchvision

    return get_config("stcn_r50"), import_stcn_checkpoint(path)
