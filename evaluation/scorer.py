"""Scores one sequence mask by mask, as a model gives them or as they are read from files."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from evaluation.errors import ProtocolError
from evaluation.index_png import present_ids
from evaluation.jf import Mask, PixelCounts, count_foreground, count_frame
from evaluation.protocols import VOID_ID, Protocol, first_scored, scored_frames
from evaluation.record import ObjectResult, SequenceResult
from evaluation.sequences import Sequence, listed, object_ids, prediction_name, read_truth

_ABSENT = PixelCounts(0, 0, 0, 0, 0, 0, 0)
# So many ids that the truth does not have are no objects, but the rims of a smoothed or grey picture.
_MANY = 8


def frames_to_score(sequence: Sequence, protocol: Protocol) -> tuple[str, ...]:
    """The frames of a sequence that are scored, in order.

    Raises:
        ProtocolError: it has no truth, or nothing that the protocol scores.
    """
    if sequence.lacks_truth:
        raise ProtocolError(sequence.lacks_truth)
    annotated = tuple(sequence.annotation_paths)
    frames = scored_frames(annotated, protocol.convention)
    if not frames:
        raise ProtocolError(
            f"sequence {sequence.name!r} has {len(annotated)} frames with truth: the first and the last are not "
            "scored, which leaves none. Leave it out, or use --convention youtubevos."
        )
    return frames


class SequenceScorer:
    """Takes the masks of a sequence one by one, in any order, and gives the result when all are there.

    `frames` are those that are scored. Held are a few counts for each object and frame, no masks.
    """

    def __init__(self, sequence: Sequence, protocol: Protocol, seen: Collection[str] | None = None) -> None:
        """Start a sequence.

        Args:
            sequence: with truth.
            protocol: the rules.
            seen: categories of the training data; None where that is not known.

        Raises:
            ProtocolError: it has no truth, or nothing that the protocol scores.
        """
        self._sequence, self._protocol, self._seen = sequence, protocol, seen
        self.frames = frames_to_score(sequence, protocol)
        self._object_ids = _object_ids(sequence, protocol)
        # Merged to one foreground, masks of DAVIS-2017 have ids and void; those of DAVIS-2016 are 0 and 255.
        self._merged_ids = (
            max(object_ids(self._read(next(iter(sequence.annotation_paths)))), default=0) if protocol.is_binary else 0
        )
        self._counts: dict[str, dict[int, PixelCounts]] = {}

    def add(self, frame: str, prediction: Mask) -> None:
        """Compare a predicted mask with the truth.

        Args:
            frame: name of the frame; if it is not scored, nothing happens.
            prediction: uint8 `[H, W]` of object ids, as large as the truth. Where all objects are merged (DAVIS-2016),
                0 and 1, or 0 and 255, or the ids of the first true mask.

        Raises:
            ProtocolError: another size or type, ids that the truth does not have, or the truth cannot be read.
        """
        if frame not in self.frames:
            return
        name = prediction_name(self._sequence.name, frame)
        if prediction.shape != self._sequence.size or prediction.dtype != np.uint8:
            raise ProtocolError(
                f"{name} is {prediction.dtype} {prediction.shape}; expected uint8 {self._sequence.size}, the size of "
                "the first true mask."
            )
        truth = self._read(frame)
        self._counts[frame] = (self._count_merged if self._protocol.is_binary else self._count_each)(
            truth, prediction, name
        )

    def result(self) -> SequenceResult:
        """J and F of every object, when all frames are there.

        Raises:
            ProtocolError: masks are missing.
        """
        name = self._sequence.name
        if missing := [frame for frame in self.frames if frame not in self._counts]:
            raise ProtocolError(
                f"sequence {name!r} has no prediction of {len(missing)} of {len(self.frames)} frames: "
                f"{listed(missing)}. Missing masks are not scored as 0: predict every frame."
            )
        return SequenceResult(name, self.frames, tuple(map(self._object_result, self._object_ids)))

    def _object_result(self, object_id: int) -> ObjectResult:
        counts = [self._counts[frame].get(object_id, _ABSENT) for frame in self.frames]
        start = first_scored(
            self._protocol,
            self.frames,
            given=self._sequence.first_frames.get(object_id, self.frames[0]),
            in_truth=[one.truth > 0 for one in counts],
            in_prediction=[one.prediction > 0 for one in counts],
        )
        category = self._sequence.categories.get(object_id) or None
        return ObjectResult(
            object_id=object_id,
            start=start,
            j=tuple(one.j for one in counts[start:]),
            f=tuple(one.f for one in counts[start:]),
            category=category,
            is_seen=None if category is None or self._seen is None else category in self._seen,
        )

    def _read(self, frame: str) -> Mask:
        sequence = self._sequence
        return read_truth(sequence.name, frame, sequence.annotation_paths[frame], sequence.size)

    def _count_merged(self, truth: Mask, prediction: Mask, name: str) -> dict[int, PixelCounts]:
        """All objects as one; the masks may be 0 and 1, or 0 and 255, or have the ids of the first true mask."""
        if prediction.max() > 1:
            present = present_ids(prediction)
            if present[-1] > self._merged_ids and not set(present) <= {0, VOID_ID}:
                raise ProtocolError(
                    f"{name} holds the values {listed(map(str, present))}; expected 0 and 1, or 0 and 255, for there "
                    f"is one object. {_remedy(present)}"
                )
        if self._merged_ids:
            truth = np.where(truth == VOID_ID, np.uint8(0), truth)
        return {1: count_foreground(truth, prediction)}

    def _count_each(self, truth: Mask, prediction: Mask, name: str) -> dict[int, PixelCounts]:
        if self._protocol.convention == "vos-benchmark" and not self._covers(truth):
            # Objects of any scored frame count, not just those that are given.
            self._object_ids = tuple(sorted({*self._object_ids, *object_ids(truth)}))
        self._check_ids(prediction, name)
        return dict(zip(self._object_ids, count_frame(truth, prediction, self._object_ids), strict=True))

    def _covers(self, mask: Mask) -> bool:
        """Whether the mask's ids are among the objects, as far as that shows without a histogram: ids without a gap."""
        return self._object_ids[-1] == len(self._object_ids) and bool(mask.max() <= len(self._object_ids))

    def _check_ids(self, prediction: Mask, name: str) -> None:
        if self._covers(prediction):
            return
        present = present_ids(prediction)
        extra = sorted(set(present) - {0, *self._object_ids})
        if not extra:
            return
        objects = listed(map(str, self._object_ids))
        if set(present) <= {0, VOID_ID}:
            raise ProtocolError(
                f"{name} holds 0 and 255 alone, a binary mask; expected the ids of the objects: {objects}. Save ids, "
                "or use --dataset davis2016 if this is one object."
            )
        raise ProtocolError(
            f"{name} holds the ids {listed(map(str, extra))}; the truth has {objects}. {_remedy(extra)}"
        )


def _object_ids(sequence: Sequence, protocol: Protocol) -> tuple[int, ...]:
    """The objects to score, ascending; for `davis` every id up to the largest in the first frame."""
    if protocol.convention != "davis":
        return tuple(sequence.first_frames)
    first = next(iter(sequence.annotation_paths))
    given = [object_id for object_id, frame in sequence.first_frames.items() if frame == first]
    if not given:
        raise ProtocolError(
            f"sequence {sequence.name!r} has no object in its first mask, frame {first!r}; convention davis scores the "
            "objects of that frame. Use --convention youtubevos where objects join later."
        )
    return tuple(range(1, max(given) + 1))


def _remedy(ids: Collection[int]) -> str:
    if len(ids) >= _MANY:
        return "So many are the rims of a smoothed or grey picture: threshold it, and scale with nearest-neighbour."
    return "Objects keep the ids of the first true mask."
