"""Public STCN checkpoints (`.pth`) to entries that `vos_kd.modeling.stcn.STCN` takes strictly.

A `.pth` is a pickle, and a pickle may run code. Only torch's restricted reader opens it here, which builds tensors and
plain containers and nothing else; what it gives is checked against the network before anything uses it.
"""

from __future__ import annotations

import logging
import pickle
import warnings
import zipfile
from pathlib import Path
from typing import BinaryIO, TypeGuard

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vos_kd.errors import InputError
from vos_kd.modeling.stcn import STCN

MAX_BYTES = 1 << 30  # a training state (weights and Adam's two moments) is 0.65 GB
WRAPPERS = ("network", "model", "state_dict")  # "network" is the published training code's
PREFIX = "module."  # nn.parallel's
CONV1 = "value_encoder.conv1.weight"
FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
SHOWN = 3

logger = logging.getLogger(__name__)


def import_stcn_checkpoint(path: Path) -> dict[str, Tensor]:
    """Read a public STCN checkpoint.

    Also read: a training state that holds the network as one of its entries, names that begin with `module.`, half
    precision, and single-object checkpoints (stage 0), whose value encoder has no channel for the other objects'
    masks: it gets one of zeros, as in the published evaluation code, and so ignores them.

    Args:
        path: the `.pth` file.

    Returns:
        Every entry of `STCN`, in its order: own memory, contiguous, float32 (counters int64), finite, on the CPU.

    Raises:
        InputError: no such file, larger than `MAX_BYTES`, damaged, not only tensors (nothing in it was run), or the
            entries are not the network's: tells how many and shows the first.
    """
    path = Path(path)
    entries = _unwrap(_read(path), path)
    conv1 = entries.get(CONV1)
    if _is_plain(conv1) and conv1.shape == (64, 4, 7, 7) and conv1.dtype in FLOATS:
        logger.info("%s knows single objects only: masks of other objects will not be used", path)
        entries[CONV1] = F.pad(conv1, (0, 0, 0, 0, 0, 1))  # one channel more

    with torch.device("meta"):
        expected = STCN().state_dict()
    faults = [f"{name} {fault}" for name, like in expected.items() if (fault := _fault(entries.get(name), like))]
    faults += [f"{str(name)[:80]!r} is not the network's" for name in entries if name not in expected]
    if faults:
        raise _refusal(path, faults)
    imported = {
        name: entries[name].detach().to(like.dtype, copy=True, memory_format=torch.contiguous_format)
        for name, like in expected.items()
    }
    if faults := [f"{name} has values that are not finite" for name in imported if not imported[name].isfinite().all()]:
        raise _refusal(path, faults)
    return imported


def _read(path: Path) -> object:
    """What the file holds, by torch's restricted reader."""
    try:
        with path.open("rb") as file:
            size = _unpacked_size(file)
            if size > MAX_BYTES:
                raise InputError(
                    f"{path} holds {size / 2**20:.0f} MiB; an STCN checkpoint has at most {MAX_BYTES >> 20}. "
                    "Choose the network's checkpoint."
                )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch's remarks on odd files, all of which are refused here or below
                return torch.load(file, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}. Give the path of a .pth file.") from error
    except pickle.UnpicklingError as error:
        # torch's own text advises to load without the restriction: it stays in the traceback's chain.
        raise InputError(
            f"{path} is damaged, or holds other things than tensors, which could run code and were not loaded. "
            "Expected a .pth file of tensors; download it again from its authors."
        ) from error
    except Exception as error:  # a reader of foreign bytes stops with whatever they lead it to, of any type
        raise InputError(
            f"{path} is damaged or not a .pth file ({type(error).__name__}). Download it again from its authors."
        ) from error


def _unpacked_size(file: BinaryIO) -> int:
    """Bytes in the file, or in its members where it is a zip archive: those may be packed."""
    size = file.seek(0, 2)
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            size = max(size, sum(member.file_size for member in archive.infolist()))
    file.seek(0)
    return size


def _unwrap(loaded: object, path: Path) -> dict[str, Tensor]:
    """The network's entries without what is around them; still unchecked."""
    if isinstance(loaded, dict):
        loaded = next((loaded[name] for name in WRAPPERS if isinstance(loaded.get(name), dict)), loaded)
    if not isinstance(loaded, dict):
        raise InputError(f"{path} holds one {type(loaded).__name__}; expected named tensors, as in stcn.pth.")
    if all(isinstance(name, str) and name.startswith(PREFIX) for name in loaded):
        return {name.removeprefix(PREFIX): value for name, value in loaded.items()}
    return dict(loaded)


def _is_plain(value: object) -> TypeGuard[Tensor]:
    """Whether it is a tensor with ordinary memory: not sparse, nested, quantised, without data, or of another type."""
    return (
        type(value) in (Tensor, nn.Parameter)
        and isinstance(value, Tensor)
        and value.layout == torch.strided
        and value.device.type == "cpu"
        and not (value.is_nested or value.is_quantized)
    )


def _fault(value: object, like: Tensor) -> str | None:
    """What is wrong with an entry, its numbers aside: a wrong shape may have far more of them than the file."""
    if value is None:
        return "is missing"
    if not _is_plain(value):
        return "is not a plain tensor"
    if value.shape != like.shape:
        return f"has shape {list(value.shape)}, expected {list(like.shape)}"
    if value.dtype not in (FLOATS if like.is_floating_point() else (like.dtype,)):
        return f"is {value.dtype}, expected {like.dtype}"
    return None


def _refusal(path: Path, faults: list[str]) -> InputError:
    return InputError(
        f"{path} is not a checkpoint of the published STCN: {len(faults)} wrong entries, first "
        f"{'; '.join(faults[:SHOWN])}. Expected the entries of stcn.pth as its authors publish it."
    )
