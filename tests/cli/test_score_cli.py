"""`python evaluation/run.py score` from start to end, and what it says of input that it cannot score."""

from __future__ import annotations

import importlib.util
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evaluation import results
from evaluation.cli import COMMANDS, main

ROOT = Path(__file__).resolve().parents[2]
SIZE = (30, 44)
NAMES = ("bear", "cat")


def mask_of(n: int, *, wobble: int = 0) -> np.ndarray:
    """Objects 1 and 2, moving."""
    mask = np.zeros(SIZE, np.uint8)
    mask[5 : 20 + wobble, 3 + n : 15 + n] = 1
    mask[15:27, 22 : 36 - 2 * wobble] = 2
    return mask


def png(mask: np.ndarray, mode: str = "L") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(mask).convert(mode).save(buffer, "PNG")
    return buffer.getvalue()


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """DAVIS-2017 with two sequences of six frames, results beside it; DAVIS-2016 of the same."""
    for name in NAMES:
        for n in range(6):
            write(tmp_path / f"davis17/Annotations/480p/{name}/{n:05}.png", png(mask_of(n)))
            write(tmp_path / f"davis16/Annotations/480p/{name}/{n:05}.png", png((mask_of(n) == 1) * np.uint8(255)))
            if 0 < n < 5:
                write(tmp_path / f"results17/{name}/{n:05}.png", png(mask_of(n, wobble=n % 3)))
                write(tmp_path / f"results16/{name}/{n:05}.png", png((mask_of(n, wobble=n % 3) == 1).astype(np.uint8)))
    for year in ("2016", "2017"):
        write(tmp_path / f"davis{year[2:]}/ImageSets/{year}/mine.txt", b"bear\ncat\n")
    return tmp_path


def score(tree: Path, year: str = "17", *options: str, where: str | None = None) -> list[str]:
    return [
        "score",
        *("--dataset", f"davis20{year}", "--root", str(tree / f"davis{year}"), "--split", "mine"),
        *("--results", str(tree / (where or f"results{year}")), *options),
    ]


def test_a_folder_is_scored(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tree / "out" / "student.json"
    assert main([*score(tree), "--output", str(output), "--name", "student"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "student on davis2017 mine (480p, davis)"
    assert [line.split()[0] for line in lines[1:] if line[0] != "-"] == ["sequence", "bear", "cat", "all"]
    record = results.load(output)
    assert (record.model.name, record.is_partial) == ("student", False)
    assert [(one.name, len(one.frames), len(one.objects)) for one in record.sequences] == [
        ("bear", 4, 2),
        ("cat", 4, 2),
    ]
    # Object 1 of frame n is 15 + n % 3 rows high where the truth has 15, object 2 is 14 - 2 * (n % 3) wide of 14.
    assert record.sequences[0].objects[0].j == (15 / 16, 15 / 17, 1, 15 / 16)
    assert record.sequences[0].objects[1].j == (12 / 14, 10 / 14, 1, 12 / 14)
    mean = 100 * (sum((15 / 16, 15 / 17, 1, 15 / 16)) + sum((12 / 14, 10 / 14, 1, 12 / 14))) / 8
    assert float(lines[-1].split()[4]) == pytest.approx(mean, abs=0.051)
    assert record.scores.j_mean == pytest.approx(mean / 100)
    assert record.command.startswith("python evaluation/run.py score --dataset davis2017 --root ")


@pytest.mark.parametrize("layout", ["", "Annotations/"])
def test_a_zip_scores_as_the_folder(tree: Path, layout: str) -> None:
    with zipfile.ZipFile(tree / "masks.zip", "w") as archive:
        for path in (tree / "results17").rglob("*.png"):
            archive.write(path, layout + path.relative_to(tree / "results17").as_posix())
    for where in ("masks.zip", "results17"):
        assert main([*score(tree, where=where), "--output", str(tree / f"{where}.json")]) == 0
    zipped, folder = (results.load(tree / f"{where}.json") for where in ("masks.zip", "results17"))
    assert (zipped.sequences, zipped.model.name) == (folder.sequences, "masks")


def test_from_another_folder_with_two_processes(tree: Path) -> None:
    command = [
        sys.executable,
        str(ROOT / "evaluation" / "run.py"),
        *score(tree),
        "--workers",
        "2",
        "--output",
        "a.json",
    ]
    (tree / "elsewhere").mkdir()
    done = subprocess.run(command, cwd=tree / "elsewhere", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert main([*score(tree), "--output", str(tree / "b.json")]) == 0
    several, one = (json.loads(path.read_text())["sequences"] for path in (tree / "elsewhere/a.json", tree / "b.json"))
    assert json.dumps(several) == json.dumps(one)
    (tree / "results17/cat/00003.png").write_bytes(png(mask_of(3))[:-20])
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: the prediction of sequence 'cat', frame '00003' is damaged")
    assert "Traceback" not in done.stderr


def test_both_conventions(tree: Path) -> None:
    for convention in ("davis", "vos-benchmark"):
        assert main([*score(tree), "--convention", convention, "--output", str(tree / f"{convention}.json")]) == 0
    davis, benchmark = (results.load(tree / f"{name}.json") for name in ("davis", "vos-benchmark"))
    assert (davis.protocol.convention, benchmark.protocol.convention) == ("davis", "vos-benchmark")
    assert davis.scores == benchmark.scores
    assert main([*score(tree), "--convention", "youtubevos"]) == 2


@pytest.mark.parametrize("options", [("--sequences", "bear"), ("--limit", "1")])
def test_a_part_is_marked(tree: Path, options: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*score(tree), *options, "--output", str(tree / "a.json")]) == 0
    record = results.load(tree / "a.json")
    assert ([one.name for one in record.sequences], record.is_partial) == (["bear"], True)
    assert capsys.readouterr().out.splitlines()[-1].startswith("PARTIAL: sequences of the split are left out")


def test_binary_masks_of_davis_2016(tree: Path) -> None:
    # The truth is 0 and 255, the predictions 0 and 1: a tool that compares ids gives 0 without a word.
    assert main([*score(tree, "16"), "--output", str(tree / "a.json")]) == 0
    for path in (tree / "results16").rglob("*.png"):
        path.write_bytes(png(np.asarray(Image.open(path)) * np.uint8(255)))
    assert main([*score(tree, "16"), "--output", str(tree / "b.json")]) == 0
    records = [results.load(tree / name) for name in ("a.json", "b.json")]
    assert records[0].sequences == records[1].sequences
    assert records[0].sequences[0].objects[0].j == (15 / 16, 15 / 17, 1, 15 / 16)


def youtube(root: Path) -> None:
    for split, category in (("train", "cat"), ("valid", "zebra")):
        objects = {"1": {"category": "cat"}, "2": {"category": category}}
        write(root / split / "meta.json", json.dumps({"videos": {"one": {"objects": objects}}}).encode())
        for n in range(0, 20, 5):
            write(root / split / f"Annotations/one/{n:05}.png", png(mask_of(n // 5)))
            write(root / f"results/Annotations/one/{n:05}.png", png(mask_of(n // 5, wobble=1)))


def test_youtube_gives_g(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    youtube(tmp_path)
    arguments = [
        "score",
        "--dataset",
        "youtubevos2019",
        "--root",
        str(tmp_path),
        "--results",
        str(tmp_path / "results"),
    ]
    assert main([*arguments, "--output", str(tmp_path / "a.json")]) == 0
    record = results.load(tmp_path / "a.json")
    one, two = record.sequences[0].objects
    assert (one.is_seen, two.is_seen, one.start, record.protocol.convention) == (True, False, 1, "youtubevos")
    groups = record.seen_unseen
    assert (groups.j_seen, groups.j_unseen) == pytest.approx((15 / 16, 12 / 14))
    assert f"G {100 * groups.g_overall:.1f} (j seen 93.8, f seen " in capsys.readouterr().out
    assert main([*arguments, "--keep-given-frame", "--output", str(tmp_path / "b.json")]) == 0
    assert [o.start for o in results.load(tmp_path / "b.json").sequences[0].objects] == [0, 0]


# What is wrong with one mask: its content, given what is right, and what is said. Each names sequence and frame.
SMOOTH = np.clip(np.kron(mask_of(3)[::2, ::2], np.ones((2, 2))) * 120 + np.arange(44) % 9 * (mask_of(3) > 0), 0, 255)
BAD_MASKS = {
    "binary": ("17", png((mask_of(3) > 0) * np.uint8(255)), "holds 0 and 255 alone, a binary mask; expected the ids"),
    "rgb": (
        "17",
        png(mask_of(3) * np.uint8(60), "RGB"),
        "is an RGB image, whose colours are not object ids. Save it as",
    ),
    "rgba": (
        "16",
        png(mask_of(3) * np.uint8(60), "RGBA"),
        "is an RGBA image, whose colours are not object ids. Save it",
    ),
    "smooth 17": (
        "17",
        png(SMOOTH.astype(np.uint8)),
        "So many are the rims of a smoothed or grey picture: threshold it",
    ),
    "smooth 16": (
        "16",
        png(SMOOTH.astype(np.uint8)),
        "So many are the rims of a smoothed or grey picture: threshold it",
    ),
    "size": ("17", png(mask_of(3)[:20]), "is 44x20; expected 44x30, the size of the first true mask. Scale masks with"),
    "extra": ("17", png(mask_of(3) * np.uint8(2)), "holds the ids 4; the truth has 1, 2. Objects keep the ids"),
    "no png": ("17", b"\xff\xd8\xff\xe0 and so on", "is not a PNG. Save it as palette or grey PNG of 8 bits"),
    "empty": ("17", b"", "is an empty file. Write or download it again"),
    "cut": (
        "17",
        png(mask_of(3))[:70],
        "is damaged: it ends after 70 bytes, in the middle. Write or download it again",
    ),
}


@pytest.mark.parametrize("case", BAD_MASKS)
def test_bad_masks(tree: Path, case: str, capsys: pytest.CaptureFixture[str]) -> None:
    year, data, message = BAD_MASKS[case]
    (tree / f"results{year}/cat/00003.png").write_bytes(data)
    assert main([*score(tree, year), "--output", str(tree / "a.json")]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: the prediction of sequence 'cat', frame '00003' ")
    assert message in printed.err
    assert not (tree / "a.json").exists()


def without(name: str) -> Callable[[Path], None]:
    def change(tree: Path) -> None:
        for path in [*(tree / name).rglob("*.png"), tree / name]:
            path.unlink() if path.is_file() else path.rmdir()

    return change


def bad_zip(name: str) -> Callable[[Path], None]:
    def change(tree: Path) -> None:
        with zipfile.ZipFile(tree / "masks.zip", "w") as archive:
            archive.writestr(name, png(mask_of(1)))

    return change


BAD_TREES = {
    "frame": (without("results17/cat/00002.png"), (), "lacks 1 of 4 frames of sequence 'cat': 00002.png"),
    "sequence": (
        without("results17/cat"),
        (),
        "lacks 1 of 2 sequences: cat. Missing masks are not scored as 0: predict",
    ),
    "folder": (
        lambda tree: (tree / "void").mkdir(),
        ("--results", "{}/void"),
        "it holds no folder of PNG files. Expected",
    ),
    "results": (lambda _: None, ("--results", "{}/nowhere"), "nowhere: expected a folder or a zip of masks"),
    "zip": (
        lambda tree: write(tree / "masks.zip", b"PK.."),
        ("--results", "{}/masks.zip"),
        "is not a zip that can be read",
    ),
    "traversal": (
        bad_zip("../cat/00001.png"),
        ("--results", "{}/masks.zip"),
        "leads out of the zip or is no portable name",
    ),
    "split": (lambda _: None, ("--split", "vall"), "has no split 'vall' here: expected"),
    "name": (lambda _: None, ("--sequences", "bare"), "has no sequence 'bare'; expected names such as bear"),
    "root": (lambda _: None, ("--root", "{}"), "is no DAVIS tree: expected a folder Annotations in it. Did you mean"),
    "truth": (without("davis17/Annotations/480p/cat/00002.png"), (), "sequence 'cat' lacks frames 00002"),
    "other": (lambda _: None, ("--root", "{}/davis16", "--split", "all"), "use --dataset davis2016"),
    "output": (lambda _: None, ("--output", "{}/davis17/ImageSets/2017/mine.txt/a.json"), "Choose another --output"),
}


@pytest.mark.parametrize("case", BAD_TREES)
def test_bad_trees(tree: Path, case: str, capsys: pytest.CaptureFixture[str]) -> None:
    change, options, message = BAD_TREES[case]
    change(tree)
    assert main([*score(tree), *(option.format(tree) for option in options)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert message in printed.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--dataset", "coco"], "invalid choice: 'coco'"),
        (["--sequences", ","], "expected names with commas between them"),
        (["--limit", "0"], "expected a whole number from 1 on, not '0'"),
        (["--workers", "many"], "expected a whole number from 1 on, not 'many'"),
    ],
)
def test_bad_options(tree: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*score(tree), *options])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_interruption_has_its_own_code(
    tree: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("evaluation.score.score_dataset", interrupt)
    assert main(score(tree)) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_scoring_needs_no_torch() -> None:
    # It takes longer to import than a sequence to score.
    code = (
        "import sys, evaluation.cli; evaluation.cli.build_parser('score'); "
        "sys.exit(bool({'torch', 'PIL'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_every_command_is_listed_and_there(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    text = capsys.readouterr().out
    assert stopped.value.code == 0
    assert "score" in COMMANDS
    for name, purpose in COMMANDS.items():
        assert name in text
        assert purpose in text
        assert importlib.util.find_spec(f"evaluation.{name}") is not None
