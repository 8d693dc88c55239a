"""A sequence scored mask by mask: conventions, merged objects, and predictions that cannot be scored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evaluation.errors import ProtocolError
from evaluation.protocols import Protocol
from evaluation.record import SequenceResult
from evaluation.scorer import SequenceScorer
from evaluation.sequences import Sequence

SIZE = (24, 40)


def mask_of(*ids: int) -> np.ndarray:
    """Squares side by side."""
    mask = np.zeros(SIZE, np.uint8)
    for object_id in ids:
        left = 10 * (object_id % 4)
        mask[6:16, left : left + 8] = object_id
    return mask


def sequence_of(folder: Path, truth: list[np.ndarray], first_frames: dict[int, str], **fields: object) -> Sequence:
    paths = {}
    for n, mask in enumerate(truth):
        paths[f"{n:05}"] = folder / f"{n:05}.png"
        Image.fromarray(mask).save(paths[f"{n:05}"])
    names = tuple(paths)
    return Sequence("bear", names, (), paths, first_frames, SIZE, names, **fields)


def score(sequence: Sequence, predictions: list[np.ndarray], protocol: Protocol, **options: object) -> SequenceResult:
    scorer = SequenceScorer(sequence, protocol, **options)
    # In any order, and with masks that nobody asked for.
    for frame, mask in reversed([*zip(sequence.frames, predictions, strict=True), ("99999", mask_of())]):
        scorer.add(frame, mask)
    return scorer.result()


def folder(convention: str, *, drops: bool = True) -> Protocol:
    return Protocol("folder", "all", "original", convention, drops)


def rows(result: SequenceResult) -> dict[int, tuple[int, tuple[float, ...]]]:
    return {one.object_id: (one.start, one.j) for one in result.objects}


JOINING = [mask_of(1), mask_of(1), mask_of(1, 3), mask_of(1, 3), mask_of(3), mask_of(1, 3)]
PREDICTED = [mask_of(1), mask_of(1), mask_of(1), mask_of(1, 3), mask_of(1, 3), mask_of(1, 3)]


@pytest.mark.parametrize(
    ("protocol", "expected"),
    [
        (folder("davis"), {1: (0, (1, 1, 1, 0))}),  # object 3 is not in the first frame
        (folder("vos-benchmark"), {1: (0, (1, 1, 1, 0)), 3: (1, (0, 1, 1))}),
        (folder("youtubevos"), {1: (1, (1, 1, 1, 0, 1)), 3: (3, (1, 1, 1))}),
        (folder("youtubevos", drops=False), {1: (0, (1, 1, 1, 1, 0, 1)), 3: (2, (0, 1, 1, 1))}),
    ],
)
def test_what_each_convention_scores(tmp_path: Path, protocol: Protocol, expected: dict[int, object]) -> None:
    sequence = sequence_of(tmp_path, JOINING, {1: "00000", 3: "00002"})
    predictions = [np.where(mask == 3, 0, mask).astype(np.uint8) for mask in PREDICTED]
    result = score(sequence, PREDICTED if protocol.convention != "davis" else predictions, protocol)
    assert rows(result) == expected
    assert result.frames == (sequence.frames if protocol.convention == "youtubevos" else sequence.frames[1:-1])


def test_an_object_absent_at_the_start_differs_between_the_tools(tmp_path: Path) -> None:
    # Object 2 is given in the first frame, gone in the second, back in the third.
    truth = [mask_of(1, 2), mask_of(1), mask_of(1, 2), mask_of(1)]
    sequence = sequence_of(tmp_path, truth, {1: "00000", 2: "00000"})
    nothing = [mask_of(1)] * 4
    assert rows(score(sequence, nothing, folder("davis")))[2] == (0, (1, 0))
    assert rows(score(sequence, nothing, folder("vos-benchmark")))[2] == (1, (0,))
    early = [mask_of(1), mask_of(1, 2), mask_of(1), mask_of(1)]
    assert rows(score(sequence, early, folder("vos-benchmark")))[2] == (0, (0, 0))


def test_vos_benchmark_drops_what_the_truth_never_has(tmp_path: Path) -> None:
    truth = [mask_of(1, 2), mask_of(1), mask_of(1), mask_of(1)]
    sequence = sequence_of(tmp_path, truth, {1: "00000", 2: "00000"})
    result = score(sequence, [mask_of(1, 2)] * 4, folder("vos-benchmark"))
    assert rows(result)[2] == (2, ())
    assert result.objects[1].scores.j_mean is None
    assert result.scores.j_mean == 1


def test_vos_benchmark_counts_objects_that_were_not_given(tmp_path: Path) -> None:
    truth = [mask_of(1), mask_of(1), mask_of(1, 2), mask_of(1)]
    result = score(sequence_of(tmp_path, truth, {1: "00000"}), truth, folder("vos-benchmark"))
    assert rows(result) == {1: (0, (1, 1)), 2: (1, (1,))}


def test_void_in_the_truth_is_background(tmp_path: Path) -> None:
    truth = mask_of(1)
    truth[:6] = 255
    prediction = mask_of(1)
    prediction[:6, 10:18] = 1  # 48 pixels in the void
    sequence = sequence_of(tmp_path, [truth] * 3, {1: "00000"})
    assert rows(score(sequence, [prediction] * 3, folder("davis")))[1] == (0, (80 / 128,))


def davis16(**fields: object) -> Protocol:
    return Protocol("davis2016", "val", "480p", "davis", **fields)


def test_binary_masks_of_0_1_and_of_0_255_score_alike(tmp_path: Path) -> None:
    truth = [(mask_of(1) > 0).astype(np.uint8) * 255] * 3
    sequence = sequence_of(tmp_path, truth, {1: "00000"})
    for white in (1, 255):
        prediction = (np.roll(mask_of(1), 1, axis=1) > 0).astype(np.uint8) * white
        assert rows(score(sequence, [prediction] * 3, davis16()))[1] == (0, (70 / 90,))
        assert rows(score(sequence, [mask_of(), mask_of(), mask_of()], davis16()))[1] == (0, (0,))


def test_objects_of_davis_2017_are_merged(tmp_path: Path) -> None:
    truth = mask_of(1, 2)
    truth[20:] = 255  # void is no foreground
    sequence = sequence_of(tmp_path, [truth] * 3, {1: "00000"})
    for prediction in (mask_of(1, 2), (mask_of(1, 2) > 0).astype(np.uint8), mask_of(2, 1) // 2 + mask_of(1)):
        [one] = score(sequence, [prediction.astype(np.uint8)] * 3, davis16()).objects
        assert (one.object_id, one.start, one.j) == (1, 0, (1,))


def smooth() -> np.ndarray:
    mask = (mask_of(1) > 0).astype(np.uint8) * 255
    mask[6:16, 9] = np.arange(20, 220, 20)
    return mask


@pytest.mark.parametrize(
    ("prediction", "message"),
    [
        (mask_of(2), r"the values 0, 2; expected 0 and 1, or 0 and 255, .*keep the ids of the first true mask"),
        (mask_of(1) * np.uint8(128), r"the values 0, 128; expected 0 and 1"),
        (smooth(), r"the values 0, 20, 40, 60, 80 and 7 more; .*rims of a smoothed or grey picture: threshold it"),
        (mask_of()[1:], r"is uint8 \(23, 40\); expected uint8 \(24, 40\)"),
        (mask_of().astype(np.int64), "is int64"),
    ],
)
def test_binary_predictions_that_cannot_be_scored(tmp_path: Path, prediction: np.ndarray, message: str) -> None:
    truth = [(mask_of(1) > 0).astype(np.uint8) * 255] * 3
    scorer = SequenceScorer(sequence_of(tmp_path, truth, {1: "00000"}), davis16())
    with pytest.raises(ProtocolError, match="the prediction of sequence 'bear', frame '00001' .*" + message):
        scorer.add("00001", prediction)


@pytest.mark.parametrize(
    ("prediction", "message"),
    [
        (mask_of(3), r"the ids 3; the truth has 1, 2\. Objects keep the ids"),
        (smooth(), r"the ids 20, .* and 6 more; the truth has 1, 2\. So many are the rims"),
        ((mask_of(1) > 0).astype(np.uint8) * 255, r"0 and 255 alone, a binary mask; expected .*: 1, 2\. .*davis2016"),
        (np.maximum(mask_of(1), mask_of(2) // 2 * 255), r"the ids 255; the truth has 1, 2"),
    ],
)
@pytest.mark.parametrize("convention", ["davis", "vos-benchmark", "youtubevos"])
def test_ids_that_the_truth_does_not_have(
    tmp_path: Path, convention: str, prediction: np.ndarray, message: str
) -> None:
    scorer = SequenceScorer(sequence_of(tmp_path, [mask_of(1, 2)] * 3, {1: "00000", 2: "00000"}), folder(convention))
    with pytest.raises(ProtocolError, match="the prediction of sequence 'bear', frame '00001' holds " + message):
        scorer.add("00001", prediction.astype(np.uint8))


def test_ids_need_not_be_contiguous(tmp_path: Path) -> None:
    sequence = sequence_of(tmp_path, [mask_of(2, 5)] * 3, {2: "00000", 5: "00000"})
    scorer = SequenceScorer(sequence, folder("youtubevos"))
    with pytest.raises(ProtocolError, match="holds the ids 1; the truth has 2, 5"):
        scorer.add("00001", mask_of(1, 2))
    assert rows(score(sequence, [mask_of(2, 5)] * 3, folder("youtubevos"))) == {2: (1, (1, 1)), 5: (1, (1, 1))}
    # The DAVIS way counts every id up to the largest; those that nobody has score 1.
    assert rows(score(sequence, [mask_of(2)] * 3, folder("davis")))[5] == (0, (0,))
    assert rows(score(sequence, [mask_of(2)] * 3, folder("davis")))[1] == (0, (1,))


def test_seen_and_unseen(tmp_path: Path) -> None:
    categories = {1: "cat", 2: "zebra", 3: ""}
    sequence = sequence_of(tmp_path, [mask_of(1, 2, 3)] * 3, dict.fromkeys((1, 2, 3), "00000"), categories=categories)
    result = score(sequence, [mask_of(1, 2, 3)] * 3, folder("youtubevos"), seen={"cat", "dog"})
    assert [(one.category, one.is_seen) for one in result.objects] == [("cat", True), ("zebra", False), (None, None)]
    unknown = score(sequence, [mask_of(1, 2, 3)] * 3, folder("youtubevos"))
    assert [one.is_seen for one in unknown.objects] == [None, None, None]


def test_missing_masks_are_not_scored_as_zero(tmp_path: Path) -> None:
    scorer = SequenceScorer(sequence_of(tmp_path, [mask_of(1)] * 5, {1: "00000"}), folder("davis"))
    scorer.add("00002", mask_of(1))
    with pytest.raises(
        ProtocolError, match=r"'bear' has no prediction of 2 of 3 frames: 00001, 00003\. .*not scored as 0"
    ):
        scorer.result()


def test_sequences_with_nothing_to_score(tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match=r"'bear' has 2 frames with truth: the first and the last are not scored"):
        SequenceScorer(sequence_of(tmp_path, [mask_of(1)] * 2, {1: "00000"}), folder("davis"))
    with pytest.raises(ProtocolError, match=r"no object in its first mask, frame '00000'; .*--convention youtubevos"):
        SequenceScorer(sequence_of(tmp_path, [mask_of(), mask_of(1), mask_of(1)], {1: "00001"}), folder("davis"))
    with pytest.raises(ProtocolError, match=r"^on the server$"):
        SequenceScorer(
            sequence_of(tmp_path, [mask_of(1)] * 3, {1: "00000"}, lacks_truth="on the server"), folder("davis")
        )


def test_a_truth_of_another_size_is_named(tmp_path: Path) -> None:
    truth = [mask_of(1), mask_of(1)[1:], mask_of(1)]
    scorer = SequenceScorer(sequence_of(tmp_path, truth, {1: "00000"}), folder("davis"))
    with pytest.raises(
        ProtocolError, match=r"the truth of sequence 'bear', frame '00001' \(.*\) is 40x23; expected 40x24"
    ):
        scorer.add("00001", mask_of(1))
