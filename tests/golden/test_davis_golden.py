"""Sequences against the official DAVIS toolkit's way of scoring, and all of DAVIS-2016 val against its numbers."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from evaluation.datasets import Dataset, load_dataset
from evaluation.file_scoring import score_dataset
from evaluation.protocols import Protocol, average, decay, recall, score_object
from evaluation.record import SequenceResult
from evaluation.scorer import SequenceScorer

HEIGHT, WIDTH, FRAMES = 200, 300, 14
NUMBERS = {
    "j_mean": 0.6643061868723997,
    "j_recall": 0.6666666666666666,
    "j_decay": 0.27746052774888946,
    "f_mean": 0.5495229285867057,
    "f_recall": 0.6111111111111112,
    "f_decay": 0.1541220271901881,
}


# The official steps, written anew: whole frames, one object after the other, ratios of sums, statistics with numpy.
def official_boundary(mask: np.ndarray) -> np.ndarray:
    east, south, south_east = (np.zeros_like(mask) for _ in range(3))
    east[:, :-1], south[:-1], south_east[:-1, :-1] = mask[:, 1:], mask[1:], mask[1:, 1:]
    found = (mask ^ east) | (mask ^ south) | (mask ^ south_east)
    found[-1], found[:, -1] = mask[-1] ^ east[-1], mask[:, -1] ^ south[:, -1]
    found[-1, -1] = False
    return found


def official_dilation(mask: np.ndarray, radius: int) -> np.ndarray:
    grown = np.zeros_like(mask)
    padded = np.pad(mask, radius)
    for y in range(-radius, radius + 1):
        for x in range(-radius, radius + 1):
            if y * y + x * x <= radius * radius:
                grown |= padded[radius + y :, radius + x :][: mask.shape[0], : mask.shape[1]]
    return grown


def official_j(truth: np.ndarray, prediction: np.ndarray) -> float:
    union = np.sum(truth | prediction)
    return 1.0 if union == 0 else float(np.sum(truth & prediction) / union)


def official_f(truth: np.ndarray, prediction: np.ndarray) -> float:
    radius = int(np.ceil(0.008 * np.linalg.norm(truth.shape)))
    of_truth, of_prediction = official_boundary(truth), official_boundary(prediction)
    n_truth, n_prediction = np.sum(of_truth), np.sum(of_prediction)
    if n_truth == 0 or n_prediction == 0:
        return float(n_truth == n_prediction)
    precision = np.sum(of_prediction & official_dilation(of_truth, radius)) / float(n_prediction)
    share = np.sum(of_truth & official_dilation(of_prediction, radius)) / float(n_truth)
    return 0.0 if precision + share == 0 else float(2 * precision * share / (precision + share))


def official_decay(values: np.ndarray) -> float:
    edges = (np.round(np.linspace(1, len(values), 5) + 1e-10) - 1).astype(np.uint8)
    bins = [values[edges[n] : edges[n + 1] + 1] for n in range(4)]
    return float(np.mean(bins[0]) - np.mean(bins[3]))


def clip() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Truth and prediction: object 1 moves behind object 2 and out of the frame, object 3 is gone after two frames."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    for n in range(FRAMES):
        pair = []
        for wobble in (0, 1):
            mask = np.zeros((HEIGHT, WIDTH), np.uint8)
            shift = wobble * (n * 7 % 11 - 5)
            mask[(y - 90 - shift) ** 2 + (x - 40 - 25 * n) ** 2 < (50 - 3 * wobble * n) ** 2] = 1
            mask[60 + shift : 120, 140 : 190 + 2 * shift] = 2
            if n < 2 or (wobble and n in (5, 6)):
                mask[150:190, 20:60] = 3
            if wobble and n == 9:
                mask[mask == 2] = 0
            pair.append(mask)
        yield pair[0], pair[1]


def write_png(path: Path, mask: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(mask)
    image.putpalette(bytes(range(256)) * 3)
    image.save(path)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("davis")
    for n, (truth, prediction) in enumerate(clip()):
        write_png(root / f"Annotations/480p/clip/{n:05}.png", truth)
        write_png(root / f"results/clip/{n:05}.png", prediction)
    return root


def values() -> dict[int, tuple[np.ndarray, np.ndarray]]:
    pairs = list(clip())[1:-1]
    return {
        object_id: tuple(
            np.array([metric(truth == object_id, prediction == object_id) for truth, prediction in pairs])
            for metric in (official_j, official_f)
        )
        for object_id in (1, 2, 3)
    }


def score(tree: Path, convention: str) -> SequenceResult:
    dataset = load_dataset("davis2017", tree, split="all", needs_images=False)
    [result] = score_dataset(dataset, Protocol("davis2017", "all", "480p", convention), tree / "results")
    return result


def test_a_clip_scores_as_with_the_official_steps(tree: Path) -> None:
    result = score(tree, "davis")
    assert result.frames == tuple(f"{n:05}" for n in range(1, FRAMES - 1))
    expected = values()
    for one in result.objects:
        j, f = expected[one.object_id]
        assert one.start == 0
        assert (one.j, one.f) == (tuple(j), tuple(f))
        wanted = [np.mean(j), np.mean(j > 0.5), official_decay(j), np.mean(f), np.mean(f > 0.5), official_decay(f)]
        scores = one.scores
        found = [scores.j_mean, scores.j_recall, scores.j_decay, scores.f_mean, scores.f_recall, scores.f_decay]
        assert found == pytest.approx(wanted, abs=1e-12)
    overall = result.scores
    assert overall.j_mean == pytest.approx(np.mean([np.mean(j) for j, _ in expected.values()]), abs=1e-12)
    assert overall.jf_mean == pytest.approx(np.mean([(np.mean(j) + np.mean(f)) / 2 for j, f in expected.values()]))


def test_numbers_of_the_clip(tree: Path) -> None:
    # Computed once by the official steps, so that an error in both ways would show as well.
    scores = score(tree, "davis").scores
    assert {key: getattr(scores, key) for key in NUMBERS} == pytest.approx(NUMBERS, abs=1e-12)


def test_vos_benchmark_agrees_where_objects_are_there_from_the_start(tree: Path) -> None:
    assert score(tree, "vos-benchmark") == score(tree, "davis")


@pytest.mark.parametrize("count", [*range(1, 40), 97, 254, 255])
def test_decay_has_the_official_bins(count: int) -> None:
    series = np.random.default_rng(count).random(count)
    assert decay(list(series)) == pytest.approx(official_decay(series), abs=1e-12)
    assert recall(list(series)) == pytest.approx(np.mean(series > 0.5), abs=1e-12)


def test_decay_of_long_sequences_does_not_wrap_around() -> None:
    series = np.linspace(1, 0, 1001)
    assert decay(list(series)) == pytest.approx(0.75, abs=1e-12)


@pytest.fixture(scope="module")
def davis16(shared_data: Path) -> Dataset:
    return load_dataset("davis2016", shared_data / "data" / "davis16val", needs_images=False)


def perturbations(folder: Path) -> dict[str, Callable[[np.ndarray, int], np.ndarray]]:
    """The functions of the script that made the reference's predictions."""
    spec = importlib.util.spec_from_file_location("perturbations", folder / "reference" / "make_davis16_perturbed.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {"pred": module.easy, "hard": module.hard}


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["pred", "hard"])
def test_davis_2016_val_has_the_official_numbers(name: str, davis16: Dataset, shared_data: Path) -> None:
    reference: dict[str, Any] = json.loads((shared_data / "reference" / "davis16_perturbed.json").read_text())[name]
    perturb = perturbations(shared_data)[name]
    protocol = Protocol("davis2016", "val", "480p", "davis")
    results: dict[str, list[SequenceResult]] = {"davis": [], "vos-benchmark": []}
    digest = hashlib.sha256()
    for sequence in davis16.sequences:
        scorers = {c: SequenceScorer(sequence, replace(protocol, convention=c)) for c in results}
        for n, (frame, path) in enumerate(sequence.annotation_paths.items()):
            prediction = perturb((np.asarray(Image.open(path)) > 0).astype(np.uint8), n)
            digest.update(prediction.tobytes())
            for scorer in scorers.values():
                scorer.add(frame, prediction)
        for convention, scorer in scorers.items():
            results[convention].append(scorer.result())
    assert digest.hexdigest() == reference["sha256_of_decoded_masks_in_path_order"]

    per_sequence = reference["per_sequence"]
    assert {one.name for one in results["davis"]} == per_sequence.keys()
    assert len(per_sequence) == 20
    for result, other in zip(results["davis"], results["vos-benchmark"], strict=True):
        expected = per_sequence[result.name]
        s, v = result.scores, other.scores
        found = [s.j_mean, s.j_recall, s.j_decay, s.f_mean, s.f_recall, s.f_decay, v.j_mean, v.f_mean]
        keys = ["J", "J_recall", "J_decay", "F", "F_recall", "F_decay", "vosb_J", "vosb_F"]
        assert found == pytest.approx([expected[key] for key in keys], abs=1e-9), result.name

    s, v = (average(score_object(o.j, o.f) for one in results[c] for o in one.objects) for c in results)
    found = [s.j_mean, s.j_recall, s.j_decay, s.f_mean, s.f_recall, s.f_decay, s.jf_mean]
    keys = ["J-Mean", "J-Recall", "J-Decay", "F-Mean", "F-Recall", "F-Decay", "J&F-Mean"]
    assert found == pytest.approx([reference["global_davis2017_evaluation"][key] for key in keys], abs=1e-9)
    benchmark = reference["global_vos_benchmark"]
    assert [v.j_mean, v.f_mean] == pytest.approx([benchmark["J"], benchmark["F"]], abs=1e-9)
