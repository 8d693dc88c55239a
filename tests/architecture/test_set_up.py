"""`.ci/set-up` with a stand-in for Python: stamps, failures and what is said about them. Nothing is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Answers for Python as far as set-up asks: its version, ensurepip, venv (a copy of itself) and pip (a line in a log).
STAND_IN = """#!/bin/bash
echo "$@" >>"$LOG"
version=$(cat "${0%/*}/version")
case "$1 $2" in
  "-c import sys; print"*) echo "$version"; [ "$version" != 3.9 ];;
  "-c import ensurepip") [ -z "${NO_ENSUREPIP:-}" ];;
  "-m venv") [ -z "${VENV_FAILS:-}" ] || { mkdir -p "$4"; exit 1; }
    rm -rf "$4"; mkdir -p "$4/bin"; cp "$0" "$4/bin/python"; cp "${0%/*}/version" "$4/bin/version";;
  "-m pip") [ "$3" = --version ] || { [ -z "${PIP_FAILS:-}" ] || { echo "pip: no route to host" >&2; exit 1; }; };;
  "- ") exit "${PAIR_FAILS:-0}";;
  *) exit 99;;
esac
"""


@dataclass
class Checkout:
    """A folder with set-up and pins, and a PATH on which `python3` is the stand-in."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def make_python(self, name: str, version: str) -> Path:
        path = self.folder / "bin" / version / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(STAND_IN)
        path.chmod(0o755)
        (path.parent / "version").write_text(version)
        return path

    def run(self, requirements: str = "requirements.txt", **environment: str) -> subprocess.CompletedProcess[str]:
        (self.folder / "log").write_text("")
        return subprocess.run(
            [self.folder / ".ci" / "set-up", requirements],
            env=self.environment | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )

    def installs(self) -> int:
        return (self.folder / "log").read_text().count("-m pip install")

    def stamps(self) -> list[str]:
        return sorted(path.name for path in (self.folder / ".venv").glob(".installed-*"))


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "set-up", tmp_path / ".ci" / "set-up")
    (tmp_path / "requirements.txt").write_text("a==1\n")
    (tmp_path / "requirements-dev.txt").write_text("-r requirements.txt\nb==1\n")
    # The tools that set-up calls and no more: neither the machine's own Python nor its apt-get is to be found.
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "cat", "cp", "dirname", "env", "id", "mkdir", "rm"):
        found = shutil.which(name)
        assert found
        (tools / name).symlink_to(found)
    made = Checkout(tmp_path)
    python = made.make_python("python3", "3.11")
    made.environment = {"PATH": f"{python.parent}{os.pathsep}{tools}", "LOG": str(tmp_path / "log")}
    return made


def test_second_run_does_nothing(checkout: Checkout) -> None:
    assert checkout.run().returncode == 0
    assert checkout.installs() == 1
    again = checkout.run()
    assert (again.returncode, again.stdout, checkout.installs()) == (0, "", 0)


def test_another_pin_installs_again(checkout: Checkout) -> None:
    assert checkout.run("requirements-dev.txt").returncode == 0
    (checkout.folder / "requirements.txt").write_text("a==2\n")  # taken in by the other file
    assert checkout.run("requirements-dev.txt").returncode == 0
    assert checkout.installs() == 1


def test_another_python_makes_another_environment(checkout: Checkout) -> None:
    assert checkout.run().returncode == 0
    other = checkout.make_python("python3.12", "3.12")
    result = checkout.run(PYTHON=str(other))
    assert result.returncode == 0
    assert "with Python 3.12" in result.stdout
    assert (checkout.folder / ".venv" / "bin" / "version").read_text() == "3.12"
    assert checkout.installs() == 1
    assert checkout.run().stdout == "", "without PYTHON the environment keeps its own"


@pytest.mark.parametrize("failure", ["PIP_FAILS", "PAIR_FAILS"])
def test_failed_install_leaves_no_stamp(checkout: Checkout, failure: str) -> None:
    assert checkout.run().returncode == 0
    (checkout.folder / "requirements.txt").write_text("a==2\n")
    result = checkout.run(**{failure: "1"})
    assert result.returncode == 1
    assert checkout.stamps() == []
    (checkout.folder / "requirements.txt").write_text("a==1\n")  # what was there before is not there for certain
    assert checkout.run().returncode == 0
    assert (checkout.installs(), checkout.stamps()) == (1, [".installed-requirements.txt"])


def test_failed_network_shows_the_message_of_pip(checkout: Checkout) -> None:
    result = checkout.run(PIP_FAILS="1")
    assert "pip: no route to host" in result.stderr
    assert "run the same command again" in result.stderr


def test_python_without_ensurepip_is_explained(checkout: Checkout) -> None:
    result = checkout.run(NO_ENSUREPIP="1")
    assert result.returncode == 1
    assert "apt-get install python3.11-venv" in result.stderr
    assert not (checkout.folder / ".venv").exists()


def test_half_made_environment_is_removed(checkout: Checkout) -> None:
    result = checkout.run(VENV_FAILS="1")
    assert (result.returncode, (checkout.folder / ".venv").exists()) == (1, False)
    assert "could not make .venv" in result.stderr
    assert checkout.run().returncode == 0


def test_old_python_is_passed_over(checkout: Checkout) -> None:
    checkout.make_python("python3", "3.9")
    old = checkout.folder / "bin" / "3.9"
    new = checkout.make_python("python3.12", "3.12").parent
    path = os.pathsep.join([str(old), str(new), str(checkout.folder / "tools")])
    assert "with Python 3.12" in checkout.run(PATH=path).stdout
    shutil.rmtree(checkout.folder / ".venv")
    alone = checkout.run(PATH=os.pathsep.join([str(old), str(checkout.folder / "tools")]))
    assert alone.returncode == 1
    assert "no Python of 3.11 or later" in alone.stderr
    named = checkout.run(PYTHON=str(old / "python3"))
    assert named.returncode == 1
    assert "is not a Python of 3.11 or later" in named.stderr


def test_this_environment_is_stamped_by_its_own_python() -> None:
    # The question that set-up asks of a real Python.
    question = 'import sys; print("%d.%d" % sys.version_info[:2]); sys.exit(sys.version_info < (3, 11))'
    assert question in (ROOT / ".ci" / "set-up").read_text()
    answer = subprocess.run([sys.executable, "-c", question], capture_output=True, text=True, check=True).stdout
    assert answer == f"{sys.version_info.major}.{sys.version_info.minor}\n"
