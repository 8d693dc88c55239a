"""A torchvision that does not fit torch is named, with the command that mends it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vos_kd import compat

ROOT = Path(__file__).resolve().parents[2]
ATTEMPT = """
from vos_kd.compat import require_torchvision
from vos_kd.errors import InputError
for _ in range(2):
    try:
        require_torchvision()
    except InputError as error:
        print(error)
"""


def attempt(*path: Path) -> list[str]:
    """What two attempts in a fresh interpreter say, with `path` in front of the installed packages."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (*path, ROOT)))}
    result = subprocess.run(
        [sys.executable, "-c", ATTEMPT], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    return result.stdout.splitlines()


@pytest.fixture
def fakes(tmp_path: Path) -> Path:
    """A torch that is quick to import, as a CPU-only build calls itself, and a torchvision to be filled in."""
    (tmp_path / "torch.py").write_text("class version: cuda = hip = None\n__version__ = '2.14.1+cpu'\n")
    (tmp_path / "torchvision").mkdir()
    info = tmp_path / "torchvision-0.29.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: torchvision\nVersion: 0.29.2\n")
    return tmp_path


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise RuntimeError('operator torchvision::nms does not exist')", "operator torchvision::nms does not exist"),
        ("raise ImportError('_C.so: undefined symbol: _ZN3c10')", "undefined symbol"),
        ("raise OSError('libcudart.so.13: cannot open shared object file')", "libcudart.so.13"),
    ],
)
def test_pair_that_does_not_fit_is_named(fakes: Path, source: str, reason: str) -> None:
    (fakes / "torchvision" / "__init__.py").write_text(source)
    messages = attempt(fakes)
    assert len(messages) == 2, "the second attempt says it as well"
    for message in messages:
        assert "torch 2.14.1+cpu (a CPU-only build) and torchvision 0.29.2" in message
        assert reason in message
        assert message.endswith(compat.MEND)


def test_missing_torchvision_is_named(fakes: Path) -> None:
    (fakes / "torchvision").rmdir()
    (fakes / "torchvision.py").write_text("raise ModuleNotFoundError(\"No module named 'torchvision'\")")
    assert "No module named 'torchvision'" in attempt(fakes)[0]


def test_pair_that_fits_passes(fakes: Path) -> None:
    (fakes / "torchvision" / "__init__.py").write_text("")
    assert attempt(fakes) == []


def test_what_is_installed_fits() -> None:
    compat.require_torchvision()
    assert sys.modules["torchvision"].ops.nms is not None


def test_mistake_inside_torchvision_is_no_mismatch(fakes: Path) -> None:
    (fakes / "torchvision" / "__init__.py").write_text("1 / 0")
    with pytest.raises(subprocess.CalledProcessError) as caught:
        attempt(fakes)
    assert "ZeroDivisionError" in caught.value.stderr
