"""J, and F where the caller brings it, of a run against the truth, frame by frame.

`vos_kd` knows nothing of the evaluation package, which has F; the page brings the two together:

    def boundary_f(truth, prediction, object_ids):
        return [counts.f for counts in count_frame(truth, prediction, object_ids)]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from vos_kd.data.masks import void_mask
from vos_kd.errors import InputError
from vos_kd.takeaway.agreement import object_ious
from vos_kd.takeaway.results import Results
from vos_kd.takeaway.truth import Truth

FMeasure = Callable[[np.ndarray, np.ndarray, Sequence[int]], Sequence[float]]
"""Truth and prediction, uint8 `[H, W]`, and O object ids to O values in 0-1. Void is background in both by then."""


class Scores(NamedTuple):
    """Of the T frames that have both a result and a truth, and of O objects."""

    names: tuple[str, ...]
    object_ids: tuple[int, ...]
    j: np.ndarray
    """float64 `[T, O]` in 0-1."""
    f: np.ndarray | None
    """Likewise; None where no measure was given."""


def score_frame(
    prediction: np.ndarray, truth: np.ndarray, object_ids: Sequence[int], f_measure: FMeasure | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """J and F of each object in a frame; for figures that grow while a run goes on.

    Args:
        prediction: uint8 `[H, W]` of object ids.
        truth: likewise; void counts for nobody.
        object_ids: O ids.
        f_measure: for F; None for J alone.

    Returns:
        J and F, float64 `[O]` each; F is None without a measure.

    Raises:
        InputError: the masks differ in size.
    """
    void = void_mask(truth)
    if void.any():
        prediction, truth = np.where(void, np.uint8(0), prediction), np.where(void, np.uint8(0), truth)
    j = object_ious(truth, prediction, object_ids)
    return j, None if f_measure is None else np.asarray(f_measure(truth, prediction, object_ids), float)


def score(results: Results, truth: Truth, object_ids: Sequence[int], f_measure: FMeasure | None = None) -> Scores:
    """Score a run.

    Args:
        results: of one model.
        truth: of the clip.
        object_ids: those that were prompted; what else the truth shows is background.
        f_measure: see `FMeasure`.

    Raises:
        InputError: the truth never shows one of the objects, or has no frame of the results.
    """
    check_objects(truth, object_ids)
    there = set(truth.names)
    names = tuple(name for name in results.names if name in there)
    if not names:
        raise InputError("the truth has no frame of the results; it may be of another clip, or of another part of it.")
    rows = [score_frame(results.mask(name), truth.mask(name), object_ids, f_measure) for name in names]
    f = None if f_measure is None else np.stack([row for _, row in rows if row is not None])
    return Scores(names, tuple(object_ids), np.stack([row for row, _ in rows]), f)


def check_objects(truth: Truth, object_ids: Sequence[int]) -> None:
    """Check that a truth speaks of the objects that are prompted; may be done before a run.

    Raises:
        InputError: it never shows one of them, or none is prompted.
    """
    missing = [i for i in object_ids if i not in truth.object_ids]
    if missing or not object_ids:
        raise InputError(
            f"the truth shows the objects {list(truth.object_ids)}, but {list(object_ids) or 'none'} are prompted; "
            "expected a truth of every prompted object. Give the objects the ids they have there."
        )
