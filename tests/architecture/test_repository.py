"""The repository itself: what lies where, how much, pinned how, and nothing of one machine in it."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from vos_kd import compat

ROOT = Path(__file__).resolve().parents[2]
TOP_LEVEL = {
    *("app.py", "vos_kd", "leaderboard", "evaluation", "tests", "requirements.txt", "README.md"),
    *("pyproject.toml", "requirements-dev.txt", "Makefile", "LICENSE"),
}
# Files that hold one idea in more lines than that, each with its reason.
MAX_LINES = 300
LONG_FILES: dict[str, str] = {
    "vos_kd/demo/desk.py": "one class: whatever the page may ask, a short method each",
}
MAX_TOTAL_BYTES = 40 * 10**6
PIN = re.compile(r"(?P<name>[\w.-]+)==(?P<version>[\w.]+) +# (?P<reason>\S.{5,})")
MACHINE_PATH = re.compile(rb"(?<![\w.$}-])/(work|farm|root|home|Users|mnt)/\w")
HOST = re.compile(
    rb"--(extra-)?index-url|--find-links|--trusted-host|pypi\.org|pythonhosted|download\.pytorch|proxy\.golang"
)
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def tracked_files() -> list[Path]:
    """What git has or would take: files that are there and not ignored."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: what belongs to the repository cannot be told from what lies in it")
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    files = [ROOT / name for name in names.split("\0") if name]
    return [path for path in files if path.is_file()]


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def pins(name: str) -> dict[str, str]:
    """Package -> version; every line is a pin with its reason, a comment, or takes in another file."""
    found = {}
    for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
        if line.startswith(("#", "-r ")):
            continue
        pin = PIN.fullmatch(line)
        assert pin, f"{name}: {line!r} is not `package==version  # reason`"
        found[pin["name"]] = pin["version"]
    return found


def front_matter() -> dict[str, str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.startswith("---\n")
    lines = text.split("---\n")[1].splitlines()
    return {key: value.strip().strip("\"'") for key, _, value in (line.partition(":") for line in lines)}


def test_top_level_holds_what_the_layout_names() -> None:
    names = {relative(path).split("/")[0] for path in tracked_files()}
    assert {name for name in names if not name.startswith(".")} - TOP_LEVEL == set()
    assert {"vos_kd", "tests", "Makefile", "LICENSE", "README.md", "requirements.txt"} <= names


def test_files_are_short() -> None:
    lines = {
        relative(path): len(path.read_text(encoding="utf-8").splitlines())
        for path in tracked_files()
        if path.suffix == ".py" and not relative(path).startswith("tests/")
    }
    assert len(lines) > 10
    long = {path for path, count in lines.items() if count > MAX_LINES}
    assert long == set(LONG_FILES), "over the limit, or listed and no longer over it"


def test_nothing_of_one_machine_is_in_it() -> None:
    found = {}
    for path in tracked_files():
        content = path.read_bytes()
        if path == Path(__file__) or b"\0" in content:
            continue
        hits = [match.group().decode() for match in (MACHINE_PATH.search(content), HOST.search(content)) if match]
        if hits:
            found[relative(path)] = hits
    assert found == {}


@pytest.mark.parametrize(
    ("text", "is_of_one_machine"),
    [(b"open('/home/ann/x')", True), (b" /work/data", True), (b"../shared/work/x", False), (b"a/home/b", False)],
)
def test_machine_paths_are_recognised(text: bytes, is_of_one_machine: bool) -> None:
    assert bool(MACHINE_PATH.search(text)) == is_of_one_machine


def test_repository_is_small() -> None:
    sizes = {relative(path): path.stat().st_size for path in tracked_files()}
    largest = sorted(sizes, key=lambda name: sizes[name])[-5:]
    assert 0 < sum(sizes.values()) < MAX_TOTAL_BYTES, f"the largest are {largest}"


def test_every_pin_is_exact_and_has_a_reason() -> None:
    product, development = pins("requirements.txt"), pins("requirements-dev.txt")
    assert {"torch", "gradio", "av"} <= set(product)
    assert {"pytest", "ruff", "mypy"} <= set(development)
    assert set(product) & set(development) == set()
    assert "-r requirements.txt" in (ROOT / "requirements-dev.txt").read_text(encoding="utf-8").splitlines()


def test_pins_lie_in_the_ranges_of_the_package() -> None:
    pinned = pins("requirements.txt") | pins("requirements-dev.txt")
    project = PYPROJECT["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    ranges = [Requirement(line) for line in project["dependencies"] + extras]
    assert len(ranges) >= 10
    for wanted in ranges:
        assert wanted.specifier.contains(pinned[wanted.name]), f"{wanted} against {pinned[wanted.name]}"


def test_mending_command_names_the_pins() -> None:
    pinned = pins("requirements.txt")
    for package in ("torch", "torchvision"):
        assert f'"{package}==={pinned[package]}"' in compat.MEND


def test_space_settings_agree_with_the_pins() -> None:
    space = front_matter()
    assert space["sdk"] == "gradio"
    assert space["sdk_version"] == pins("requirements.txt")["gradio"]
    assert space["app_file"] == "app.py"
    assert space["license"] == PYPROJECT["project"]["license"].lower() == "apache-2.0"
    assert 0 < len(space["short_description"]) <= 60  # the hub refuses longer ones
    assert Requirement(f"python{PYPROJECT['project']['requires-python']}").specifier.contains(space["python_version"])


def test_licence_is_apache() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


@pytest.mark.parametrize(("command", "target"), PYPROJECT["project"]["scripts"].items())
def test_console_scripts_resolve(command: str, target: str) -> None:
    module, _, function = target.partition(":")
    assert callable(getattr(importlib.import_module(module), function)), command


def test_readme_lists_the_options_there_are() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "vos_kd.segment", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = [line.split("|")[1] for line in readme.splitlines() if line.startswith("| `--")]
    assert set(re.findall(r"--[a-z-]+", " ".join(table))) == set(re.findall(r"--[a-z-]+", shown)) - {"--help"}
