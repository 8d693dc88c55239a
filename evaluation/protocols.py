"""What counts: which frames and objects are scored, and how values become recall, decay, means and G.

Standard library only, because whoever reads a record checks its means with these functions.

- `davis`: davis2017-evaluation (ac7c43f), semi-supervised. First and last frame are left out; the objects are 1 to the
  largest id in the first frame, each scored in every frame: in one where neither truth nor prediction has it with 1.
- `vos-benchmark`: vos-benchmark 0.1.0. The same frames; an object is scored from the first of them on in which truth or
  prediction has it, and only if the truth ever has it.
- `youtubevos`: every annotated frame; an object is scored after the frame in which it is given, to the end. Whether the
  server leaves that frame out is not public, so it is a choice (`drops_given_frame`).

Void (255) is background in all of them, as in the semi-supervised task of DAVIS. An object without a scored frame has
no score: its values are None, and it takes no part in any mean.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from typing import Literal, get_args

from evaluation.errors import ProtocolError

Convention = Literal["davis", "vos-benchmark", "youtubevos"]
CONVENTIONS: tuple[Convention, ...] = get_args(Convention)
VOID_ID = 255
RECALL_THRESHOLD = 0.5
_DECAY_BINS = 4


@dataclass(frozen=True)
class Protocol:
    """Everything that two results must share to be compared."""

    dataset: str
    split: str
    resolution: str
    """`480p` or `full` for DAVIS, `original` where there is but one."""
    convention: Convention
    drops_given_frame: bool = True
    """With `youtubevos`: whether the frame in which an object is given is left out for it."""

    def __post_init__(self) -> None:
        if self.convention not in CONVENTIONS:
            raise ProtocolError(
                f"convention {self.convention!r} is not known; expected one of {', '.join(CONVENTIONS)}."
            )

    @property
    def is_binary(self) -> bool:
        """Whether all objects are merged to one foreground."""
        return self.dataset == "davis2016"


def scored_frames(frames: Sequence[str], convention: Convention) -> tuple[str, ...]:
    """The frames that are scored of those with truth, in order.

    >>> scored_frames(["00000", "00001", "00002"], "davis")
    ('00001',)
    """
    return tuple(frames) if convention == "youtubevos" else tuple(frames[1:-1])


def first_scored(
    protocol: Protocol, frames: Sequence[str], given: str, in_truth: Sequence[bool], in_prediction: Sequence[bool]
) -> int:
    """Where an object's scores begin.

    Args:
        protocol: the rules.
        frames: names of the scored frames, in order.
        given: name of the frame in which the object is given.
        in_truth: for each scored frame, whether the truth has the object.
        in_prediction: likewise.

    Returns:
        Index of a scored frame; their number if the object is not scored at all.
    """
    if protocol.convention == "davis":
        return 0
    if protocol.convention == "youtubevos":
        position = frames.index(given)
        return position + 1 if protocol.drops_given_frame else position
    if not any(in_truth):
        return len(frames)
    return next(n for n, seen in enumerate(zip(in_truth, in_prediction, strict=True)) if any(seen))


def mean(values: Iterable[float | None]) -> float | None:
    """Arithmetic mean of the values that are there; None if none is.

    >>> mean([1.0, None, 0.5]), mean([])
    (0.75, None)
    """
    present = [value for value in values if value is not None]
    return math.fsum(present) / len(present) if present else None


def recall(values: Sequence[float]) -> float | None:
    """Share of the values above 0.5.

    >>> recall([0.5, 0.6, 0.7, 0.1])
    0.5
    """
    return mean(float(value > RECALL_THRESHOLD) for value in values)


def decay(values: Sequence[float]) -> float | None:
    """Mean of the first quarter less mean of the last.

    The quarters share the frames on their edges, `round(linspace(1, n, 5) + 1e-10) - 1`, here in integers. Differs from
    davis2017-evaluation for 256 frames and more, where its edges wrap around at 255.

    >>> decay([1, 1, 0, 0, 0])
    1.0
    """
    if not values:
        return None
    last = len(values) - 1
    edges = [(n * last + _DECAY_BINS // 2) // _DECAY_BINS for n in range(_DECAY_BINS + 1)]
    first_quarter, last_quarter = (mean(values[edges[n] : edges[n + 1] + 1]) for n in (0, _DECAY_BINS - 1))
    assert first_quarter is not None
    assert last_quarter is not None
    return first_quarter - last_quarter


@dataclass(frozen=True)
class Scores:
    """J and F of an object, or means of them; fractions, decay in -1 to 1. None: nothing was measured."""

    j_mean: float | None
    j_recall: float | None
    j_decay: float | None
    f_mean: float | None
    f_recall: float | None
    f_decay: float | None

    @property
    def jf_mean(self) -> float | None:
        """J&F."""
        return _half(self.j_mean, self.f_mean)


@dataclass(frozen=True)
class SeenUnseen:
    """Means over objects whose category was in the training data, over the others, and G, the mean of the four."""

    j_seen: float | None
    f_seen: float | None
    j_unseen: float | None
    f_unseen: float | None

    @property
    def g_overall(self) -> float | None:
        """G of YouTube-VOS; None unless all four are there."""
        parts = astuple(self)
        return None if None in parts else mean(parts)


def score_object(j: Sequence[float], f: Sequence[float]) -> Scores:
    """Mean, recall and decay of an object's values, one for each scored frame."""
    return Scores(mean(j), recall(j), decay(j), mean(f), recall(f), decay(f))


def average(scores: Iterable[Scores]) -> Scores:
    """Mean over objects, each counting once: of a sequence, or of a whole data set."""
    scores = list(scores)
    return Scores(*(mean(getattr(one, field.name) for one in scores) for field in fields(Scores)))


def seen_unseen(scores: Iterable[tuple[bool | None, Scores]]) -> SeenUnseen:
    """Means over seen and over unseen objects; all None if of any object it is not known which it is."""
    scores = list(scores)
    if any(is_seen is None for is_seen, _ in scores):
        return SeenUnseen(None, None, None, None)
    seen, unseen = (average(one for is_seen, one in scores if is_seen is wanted) for wanted in (True, False))
    return SeenUnseen(seen.j_mean, seen.f_mean, unseen.j_mean, unseen.f_mean)


def _half(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else (a + b) / 2
