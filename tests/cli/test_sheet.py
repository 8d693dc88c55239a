"""The picture of the worst sequences: which they are, in what order, and what its colours say."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from evaluation.cli import main
from evaluation.sheet import FOUND, MISSED, WRONG, draw_errors

SIZE = (120, 240)
GREY = 100


def mask(left: int) -> np.ndarray:
    found = np.zeros(SIZE, np.uint8)
    found[40:80, left : left + 80] = 1
    return found


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """DAVIS-2017 with three sequences of five frames; the predictions are shifted by 0, 40 and 20 pixels."""
    for name, shift in (("good", 0), ("worst", 40), ("bad", 20)):
        for n in range(5):
            frame = f"{n:05}"
            for folder, file, content in (
                (f"JPEGImages/480p/{name}", f"{frame}.jpg", np.full((*SIZE, 3), GREY, np.uint8)),
                (f"Annotations/480p/{name}", f"{frame}.png", mask(40)),
                (f"results/{name}", f"{frame}.png", mask(40 + shift)),
            ):
                (tmp_path / folder).mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(tmp_path / folder / file), content)
    (tmp_path / "ImageSets/2017").mkdir(parents=True)
    (tmp_path / "ImageSets/2017/val.txt").write_text("good\nworst\nbad\n")
    return tmp_path


def sheet(tree: Path, *options: str, output: str = "sheet.png") -> int:
    given = ["--dataset", "davis2017", "--root", str(tree), "--results", str(tree / "results")]
    return main(["sheet", *given, "--output", str(tree / output), *options])


def test_the_worst_come_first_and_show_what_is_wrong(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sheet(tree, "--worst", "2", "--frames", "2") == 0
    told = [line.split(":")[0] for line in capsys.readouterr().out.splitlines()]
    assert told == ["worst", "bad"]
    image = cv2.imread(str(tree / "sheet.png"), cv2.IMREAD_COLOR_RGB)
    assert image.shape[0] % 2 == 0
    row = image[: image.shape[0] // 2]
    assert image.shape[1] > 2 * SIZE[1]
    top = row.shape[0] - 4 - SIZE[0]  # margins of picture and row below, titles above
    picture = row[top : top + SIZE[0], : SIZE[1]]
    mixed = {name: np.array([0.4 * GREY + 0.6 * c for c in colour]) for name, colour in
             (("found", FOUND), ("missed", MISSED), ("wrong", WRONG))}  # fmt: skip
    for name, x in (("missed", 60), ("found", 100), ("wrong", 140)):
        np.testing.assert_allclose(picture[60, x], mixed[name], atol=2, err_msg=name)
    np.testing.assert_allclose(picture[60, 200], GREY, atol=2)


def test_of_two_objects_the_wrong_one_is_wrong_and_void_is_background() -> None:
    truth, predicted = np.array([[1, 2, 255, 0]], np.uint8), np.array([[2, 2, 0, 0]], np.uint8)
    drawn = draw_errors(np.zeros((1, 4, 3), np.uint8), truth, predicted)
    expected = [np.array(WRONG) * 0.6, np.array(FOUND) * 0.6, np.zeros(3), np.zeros(3)]
    np.testing.assert_allclose(drawn[0], expected, atol=1)


def test_bad_input_is_told(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sheet(tree, output="sheet.txt") == 2
    assert "expected a name that ends in .png" in capsys.readouterr().err
    (tree / "results/bad/00002.png").unlink()
    assert sheet(tree) == 2
    assert "lacks 1 of 3 frames of sequence 'bad'" in capsys.readouterr().err
    cv2.imwrite(str(tree / "results/bad/00002.png"), mask(40))
    (tree / "JPEGImages/480p/worst/00001.jpg").write_bytes(b"no image")
    assert sheet(tree) == 2
    assert "worst" in capsys.readouterr().err
    assert not (tree / "sheet.png").exists()
