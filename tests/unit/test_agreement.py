"""Two runs compared, and a run against the truth."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from evaluation.jf import count_frame
from vos_kd.data.masks import encode_mask, write_mask
from vos_kd.errors import InputError
from vos_kd.takeaway import (
    Results,
    Truth,
    agreement,
    check_objects,
    draw_disagreement,
    object_ious,
    score,
    score_frame,
)
from vos_kd.video_io import ClipInfo

VIDEO = ClipInfo(width=20, height=10, fps=24.0, frame_count=4, source="video", frame_names=None)


def square(left: int, object_id: int = 1) -> np.ndarray:
    mask = np.zeros((10, 20), np.uint8)
    mask[2:6, left : left + 4] = object_id
    return mask


def results(folder: Path, label: str, lefts: list[int]) -> Results:
    path = folder / label / "Annotations" / "clip"
    for number, left in enumerate(lefts):
        write_mask(path / f"{number:05}.png", square(left))
    return Results(label, path)


def truth_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


def test_iou_by_hand() -> None:
    first, second = square(2), square(4)
    second[8, 0] = 2
    assert object_ious(first, second, [1, 2, 3]).tolist() == [8 / 24, 0.0, 1.0]


def test_iou_is_the_evaluations_j() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 5, (2, 40, 50), np.uint8)
    expected = [counts.j for counts in count_frame(first, second, [1, 2, 3, 4])]
    assert object_ious(first, second, [1, 2, 3, 4]).tolist() == expected


def test_agreement_goes_as_far_as_the_shorter_run(tmp_path: Path) -> None:
    student, teacher = results(tmp_path, "student", [2, 3, 4, 5]), results(tmp_path, "teacher", [2, 2, 8])
    found = agreement(student, teacher, [1, 2])
    assert found.names == ("00000", "00001", "00002")
    assert found.iou[:, 0].tolist() == [1.0, 12 / 20, 0.0]
    assert found.mean.tolist() == [1.0, 0.8, 0.5]  # object 2 is in neither


def test_runs_without_a_common_frame_cannot_be_compared(tmp_path: Path) -> None:
    student = results(tmp_path, "student", [1])
    write_mask(tmp_path / "t" / "frame.png", square(1))
    with pytest.raises(InputError, match="no frame in common"):
        agreement(student, Results("teacher", tmp_path / "t"), [1])
    with pytest.raises(InputError, match="no object"):
        agreement(student, student, [])


def test_heat_lies_where_masks_differ() -> None:
    image = np.full((10, 20, 3), 100, np.uint8)
    drawn = draw_disagreement(image, square(2), square(4))
    brightness = drawn.astype(int).sum(axis=2)
    differs = square(2) != square(4)
    assert brightness[differs].min() > brightness[:, 16:].max()
    assert np.unique(draw_disagreement(image, square(2), square(2))).tolist() == [45]  # no difference: grey alone
    assert image.min() == image.max() == 100


def test_heat_needs_equal_sizes() -> None:
    with pytest.raises(InputError, match="expected equal sizes"):
        draw_disagreement(np.zeros((10, 20, 3), np.uint8), square(2), np.zeros((5, 5), np.uint8))


def test_void_counts_for_nobody() -> None:
    truth = square(2)
    truth[2:6, 4:6] = 255
    j, f = score_frame(square(2), truth, [1])
    assert j.tolist() == [1.0]
    assert f is None


def test_scores_against_truth(tmp_path: Path) -> None:
    student = results(tmp_path, "student", [2, 3, 4, 5])
    truth_folder = results(tmp_path, "truth", [2, 3, 3, 9]).annotations
    seen = []

    def boundary(truth: np.ndarray, prediction: np.ndarray, object_ids: object) -> list[float]:
        seen.append((truth.shape, prediction.shape, object_ids))
        return [float(counts.f) for counts in count_frame(truth, prediction, [1])]

    with Truth(truth_folder, VIDEO) as truth:
        assert truth.object_ids == (1,)
        scores = score(student, truth, [1], boundary)
    assert scores.j[:, 0].tolist() == [1.0, 1.0, 12 / 20, 0.0]
    assert scores.f is not None
    assert scores.f[:2, 0].tolist() == [1.0, 1.0]
    assert seen == [((10, 20), (10, 20), [1])] * 4


def test_truth_may_skip_frames_and_be_named_by_numbers(tmp_path: Path) -> None:
    path = truth_zip(tmp_path / "t.zip", {f"gt/{n}.png": encode_mask(square(n)) for n in (0, 3)})
    with Truth(path, VIDEO) as truth:
        assert truth.names == ("00000", "00003")
        assert np.array_equal(truth.mask("00003"), square(3))
        student = results(tmp_path, "student", [0, 1, 2, 3])
        assert score(student, truth, [1]).names == ("00000", "00003")


def test_truth_of_images_goes_by_their_names(tmp_path: Path) -> None:
    info = ClipInfo(20, 10, 24.0, 2, "folder", ("img_1", "img_2"))
    path = truth_zip(tmp_path / "t.zip", {f"img_{n}.png": encode_mask(square(n)) for n in (1, 2)})
    with Truth(path, info) as truth:
        assert truth.names == ("img_1", "img_2")


def refused(name: str) -> tuple[dict[str, bytes], str]:
    good, empty = encode_mask(square(1)), encode_mask(np.zeros((10, 20), np.uint8))
    large = encode_mask(np.ones((12, 20), np.uint8))
    return {
        "size": ({"00000.png": large}, "is 20x12 pixels but its image is 20x10"),
        "beyond": ({"00000.png": good, "00004.png": good}, "00004.png' belongs to no frame.*00000.png to 00003.png"),
        "foreign": ({"hello.png": good}, "belongs to no frame"),
        "twice": ({"0.png": good, "00.png": good}, "second mask of frame 00000"),
        "empty": ({"00000.png": empty}, "no true mask shows an object"),
        "traversal": ({"../00000.png": good}, "leads out of the zip"),
        "absolute": ({"/00000.png": good}, "absolute name"),
        "bomb": ({"00000.png": good, "zeros.bin": bytes(8 * 2**20)}, "unpacks to"),
        "nested": ({"00000.png": good, "more.zip": b"PK"}, "archive within"),
        "nothing": ({"readme.txt": b"hello"}, "holds no images"),
        "damaged": ({"00000.png": good[:60]}, "damaged"),
        "jpeg": ({"00000.jpg": b"\xff\xd8\xff\xe0"}, "is a JPEG file"),
        "two folders": ({"a/00000.png": good, "b/00001.png": good}, "2 folders"),
        "long name": ({f"{'9' * 5000}.png": good}, "belongs to no frame"),
    }[name]


@pytest.mark.parametrize(
    "name",
    [
        *("size", "beyond", "foreign", "twice", "empty", "traversal", "absolute", "bomb", "nested", "nothing"),
        *("damaged", "jpeg", "two folders", "long name"),
    ],
)
def test_truth_that_does_not_fit_is_refused(name: str, tmp_path: Path) -> None:
    members, message = refused(name)
    with pytest.raises(InputError, match=message) as caught:
        Truth(truth_zip(tmp_path / "t.zip", members), VIDEO)
    assert len(str(caught.value)) < 1000


def test_no_zip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.zip").write_text("hello")
    with pytest.raises(InputError, match="not a readable zip"):
        Truth(tmp_path / "t.zip", VIDEO)


def test_truth_must_show_what_is_prompted(tmp_path: Path) -> None:
    with Truth(truth_zip(tmp_path / "t.zip", {"0.png": encode_mask(square(1, 2))}), VIDEO) as truth:
        check_objects(truth, [2])
        with pytest.raises(InputError, match=r"shows the objects \[2\], but \[1\] are prompted"):
            check_objects(truth, [1])
        with pytest.raises(InputError, match="none are prompted"):
            check_objects(truth, [])
