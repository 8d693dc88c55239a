"""Who may import whom, where import-linter does not see it: what really gets loaded, which names, which files."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import vos_kd

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("vos_kd", "evaluation", "leaderboard")
TORCH = {"torch", "torchvision", "timm"}
PAGE = {"gradio", "plotly", "pandas"}

# What must not be loaded after `import MODULE` in a fresh interpreter.
LIGHT_IMPORTS = {
    "vos_kd": TORCH | PAGE | {"cv2", "av"},
    "vos_kd.errors": TORCH | PAGE | {"numpy"},
    "vos_kd.config": TORCH | PAGE | {"numpy"},
    "vos_kd.modeling.registry": {"torchvision", "timm", "cv2", "av"} | PAGE,
    "vos_kd.inference": {"gradio", "pandas", "plotly"},
    "evaluation": TORCH | PAGE,
    "evaluation.jf": TORCH | PAGE,
    "evaluation.protocols": TORCH | PAGE,
    "evaluation.results": TORCH | PAGE | {"numpy", "cv2"},
    "leaderboard": TORCH | PAGE | {"cv2", "vos_kd"},
    "leaderboard.store": TORCH | {"gradio", "cv2", "vos_kd"},
    "leaderboard.ranking": TORCH | {"gradio", "cv2", "vos_kd"},
    "leaderboard.figures": TORCH | {"gradio", "cv2", "vos_kd"},
    "leaderboard.table": TORCH | {"gradio", "cv2", "vos_kd"},
    "app": TORCH,
}


# What evaluation may import of vos_kd beyond its public names. Timing and counting the parts of a network needs the
# interface that all networks share; nothing else does.
NETWORK_INTERFACE = {"vos_kd.model", "vos_kd.modeling.network", "vos_kd.modeling.memory"}
MEASURES_NETWORKS = {"evaluation/throughput.py", "evaluation/complexity.py", "evaluation/budget.py"}


def source_files(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def imports(path: Path) -> Iterator[tuple[str, str | None]]:
    """Each import statement, wherever it stands: (module, name taken from it or None)."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import; write the whole name"
            yield from ((node.module or "", alias.name) for alias in node.names)


def importers_of(module: str, files: list[Path]) -> set[str]:
    """Files that import `module` or something inside it."""
    inside = f"{module}."
    return {
        path.relative_to(ROOT).as_posix()
        for path in files
        for name, taken in imports(path)
        if f"{name}.".startswith(inside) or f"{name}.{taken}." == inside
    }


def exists(module: str) -> bool:
    path = ROOT / module.replace(".", "/")
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


@pytest.mark.parametrize("module", [m for m in LIGHT_IMPORTS if exists(m)])
def test_import_loads_no_more_than_it_needs(module: str) -> None:
    code = f"import json, sys, {module}; print(json.dumps(sorted({{m.split('.')[0] for m in sys.modules}})))"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(json.loads(result.stdout))
    assert module.split(".")[0] in loaded
    assert loaded & LIGHT_IMPORTS[module] == set()


def test_a_student_waits_for_no_library_of_the_teacher() -> None:
    """Loaded and run: timm and torchvision, which brings torch._dynamo, would double the time of a fresh process."""
    code = (
        "import json, sys, numpy, vos_kd\n"
        "segmenter = vos_kd.VideoSegmenter(vos_kd.load_model('student'))\n"
        "frame, mask = numpy.zeros((64, 64, 3), numpy.uint8), numpy.eye(64, dtype=numpy.uint8)\n"
        "segmenter.step(frame, mask), segmenter.step(frame)\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(json.loads(result.stdout))
    assert "vos_kd.modeling.backbones.mobile" in loaded
    assert loaded & {"timm", "torchvision", "torch._dynamo"} == set()


def test_public_names_resolve() -> None:
    assert {"InputError", "VideoSegmenter", "list_models", "load_model"} <= set(vos_kd.__all__)
    for name in vos_kd.__all__:
        assert getattr(vos_kd, name).__name__ == name


def test_gradio_is_imported_by_the_page_alone() -> None:
    importers = importers_of("gradio", source_files(*PACKAGES))
    assert {p for p in importers if not p.startswith("vos_kd/demo/")} <= {"leaderboard/tab.py"}


def test_evaluation_uses_public_names_of_vos_kd_only() -> None:
    private = set()
    for path in source_files("evaluation"):
        file = path.relative_to(ROOT).as_posix()
        allowed = NETWORK_INTERFACE if file in MEASURES_NETWORKS else set()
        for module, name in imports(path):
            is_public = module == "vos_kd" and (name is None or name in vos_kd.__all__)
            if module.split(".")[0] == "vos_kd" and not is_public and module not in allowed:
                private.add(f"{file}: {module}.{name}")
    assert private == set()


def test_demo_and_app_are_imported_by_nobody() -> None:
    files = source_files(*PACKAGES)
    assert {p for p in importers_of("vos_kd.demo", files) if not p.startswith("vos_kd/demo/")} == set()
    assert importers_of("app", files) == set()


def test_import_finder_sees_every_form(tmp_path: Path) -> None:
    path = tmp_path / "sample.py"
    path.write_text("import a.b\nfrom c import d\ndef f():\n    from e.f import g\n    import h as i\n")
    assert set(imports(path)) == {("a.b", None), ("c", "d"), ("e.f", "g"), ("h", None)}


def test_no_file_of_evaluation_hides_a_standard_module() -> None:
    # `python evaluation/run.py` puts the folder first on sys.path: a profile.py there would break cProfile.
    assert {path.stem for path in source_files("evaluation")} & sys.stdlib_module_names == set()


def test_only_packages_of_code_are_packages() -> None:
    # tests/evaluation/__init__.py, with none above it, would hide the real package.
    assert list((ROOT / "tests").rglob("__init__.py")) == []
    names = [p.name for p in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names)), "two test files share a name"
    folders = {p.parent for p in source_files(*PACKAGES)}
    assert {f.relative_to(ROOT).as_posix() for f in folders if not (f / "__init__.py").is_file()} == set()
