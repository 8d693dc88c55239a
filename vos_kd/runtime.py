"""Where and in what precision networks run, and what a run was made with."""

from __future__ import annotations

import platform
import re
from importlib import metadata

import torch

from vos_kd.errors import InputError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def pick_device(name: str | None = None) -> torch.device:
    """The named device, or the best there is: CUDA, else Apple's MPS, else the CPU.

    Raises:
        InputError: the device is unknown or not there.
    """
    if name is None:
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    if not re.fullmatch(r"cpu|mps|cuda(:\d{1,3})?", name):
        raise InputError(f"there is no device {name!r}; expected cpu, cuda, cuda:N or mps.")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # torch raises each of them for a missing one
        reason = str(error).splitlines()[0]
        raise InputError(
            f"device {name!r} cannot be used here: {reason} Leave --device out to have one chosen."
        ) from error
    return device


def pick_dtype(device: torch.device, name: str | None = None) -> torch.dtype:
    """The named precision, or the fastest that keeps the masks: bfloat16 on CPUs and GPUs that compute in it.

    Raises:
        InputError: no such precision.
    """
    if name is not None:
        if name not in DTYPES:
            raise InputError(f"there is no precision {name!r}; expected one of {', '.join(DTYPES)}.")
        return DTYPES[name]
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if device.type == "mps":
        return torch.float16
    return torch.bfloat16 if cpu_computes_bfloat16() else torch.float32


def cpu_computes_bfloat16() -> bool:
    """Whether this CPU has bfloat16 arithmetic; without it, oneDNN emulates it and is slower than float32."""
    if platform.machine().lower() in ("arm64", "aarch64"):
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def environment() -> dict[str, str | int]:
    """What a run was made with, for manifests and records: versions, threads, processor."""
    packages = ("torch", "torchvision", "timm", "numpy", "opencv-python-headless", "av")
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor_name(),
        "threads": torch.get_num_threads(),
        **{name: _version(name) for name in packages},
        **({"gpu": torch.cuda.get_device_name()} if torch.cuda.is_available() else {}),
    }


def processor_name() -> str:
    """The CPU's name as the system gives it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123 - not a file of ours
            for line in lines:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()


def _version(package: str) -> str:
    """Of an installed package; training machines need not have those of the page and of video files."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
