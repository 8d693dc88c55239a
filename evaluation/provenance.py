"""Where a record comes from: command, date, commit, versions and machine."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

import vos_kd

ROOT = Path(__file__).resolve().parents[1]


def command_line(arguments: Sequence[str]) -> str:
    """The command as a person would type it again."""
    line = shlex.join(["python", "evaluation/run.py", *arguments])
    return line.encode("utf-8", "backslashreplace").decode()  # a file name need not be UTF-8, a record must


def now() -> str:
    """The time in UTC, ISO 8601, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def commit() -> str | None:
    """The commit of this code, `-dirty` after it if files differ; None if this is no git checkout."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        return None
    command = [git, "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # nothing from outside
    return result.stdout.strip() or None


def environment(packages: Iterable[str]) -> dict[str, str | int]:
    """Versions of Python and of these packages, system, processor and number of cores."""
    versions = {package: importlib.metadata.version(package) for package in packages}
    return {
        "python": platform.python_version(),
        **versions,
        "system": f"{platform.system()} {platform.machine()}",
        "cpu_cores": os.cpu_count() or 0,
    }


def machine() -> dict[str, str | int]:
    """Versions, processor or accelerator and threads of a machine on which models ran."""
    return {**vos_kd.environment(), "cpu_cores": os.cpu_count() or 0}
