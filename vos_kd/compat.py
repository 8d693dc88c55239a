"""Installed packages that do not fit together, named before they fail obscurely."""

from __future__ import annotations

from importlib import metadata

from vos_kd.errors import InputError

# Three equal signs: two would be content with a build that carries a tag, as in 2.14.1+cpu.
MEND = 'python -m pip install "torch===2.14.1" "torchvision===0.29.2"'


def require_torchvision() -> None:
    """Import torchvision, which timm imports too; its compiled part loads only beside the torch it was built for.

    A CPU-only torch beside the registry's torchvision imports as "operator torchvision::nms does not exist".

    Raises:
        InputError: torchvision does not import; names both versions and the command that mends it.
    """
    import torch  # here, and not above: only those who build a network wait for it

    try:
        import torchvision  # noqa: F401
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        # RuntimeError at the first attempt, AttributeError when a caller tries again: its modules are half there.
        build = "a CPU-only build" if torch.version.cuda is None and torch.version.hip is None else "a GPU build"
        raise InputError(
            f"torch {torch.__version__} ({build}) and torchvision {_version('torchvision')} do not work together: "
            f"{error}. Both must come from one place, built for each other; this mends it: {MEND}"
        ) from error


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "(not installed)"
