"""Pictures of a result where its data set and masks are at hand: truth, prediction, and where they differ.

Names of folders come from a record that anybody may have written: only those of real sequences and frames are opened,
and nothing outside the given folders.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from evaluation.results import Record

FRAMES = 6
NOTE = "model.json"
"""What `evaluation/run.py predict` notes beside masks: with which weights they were made."""
WIDTH = 240
"""Of a picture, in pixels."""
_VOID = 255
_COLOURS = np.array(
    [[0, 0, 0], [47, 134, 214], [217, 115, 13], [15, 157, 118], [180, 95, 196], [194, 135, 43]], np.uint8
)
_MISSED, _WRONG = np.array([217, 30, 60], np.uint8), np.array([250, 190, 40], np.uint8)

Ids = NDArray[np.uint8]


@dataclass(frozen=True)
class Folders:
    """Where data sets and masks lie."""

    roots: Mapping[str, Path]
    """Data set -> its folder, with `Annotations` and `JPEGImages`."""
    predictions: Path | None
    """MODEL/SEQUENCE/FRAME.png, as `evaluation/run.py predict` writes."""

    def has(self, record: Record) -> bool:
        """Whether there are pictures of a record."""
        masks = self._masks(record)
        return record.protocol.dataset in self.roots and masks is not None and masks.is_dir()

    def require_same_weights(self, record: Record) -> None:
        """See that the masks are of the record's weights, as far as both tell.

        Raises:
            ValueError: they are of other ones, or the note of their weights cannot be read.
        """
        masks = self._masks(record)
        note = None if masks is None else masks / NOTE
        if note is None or not note.is_file() or record.model.weights_sha256 is None:
            return  # masks from somewhere else, or scored from masks: nobody knows
        try:
            found = json.loads(note.read_bytes())["weights_sha256"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise ValueError(
                f"{NOTE} beside the masks of {note.parent.name} cannot be read; predict them anew."
            ) from error
        if found != record.model.weights_sha256:
            raise ValueError(
                f"the masks of {note.parent.name} here are of other weights ({str(found)[:12]}) than this result "
                f"({record.model.weights_sha256[:12]}); predict them anew with `python evaluation/run.py predict`."
            )

    def files(self, record: Record, sequence: str, frame: str) -> tuple[Path | None, Path, Path]:
        """Image (None if there is none), truth and prediction of a frame.

        Raises:
            ValueError: a file lies outside the folders, or truth or prediction is missing.
        """
        masks = self._masks(record)
        if masks is None or record.protocol.dataset not in self.roots:
            raise ValueError("the data set or the masks of this result are not on this machine.")
        root = self.roots[record.protocol.dataset]
        level = {"480p": ("480p",), "full": ("Full-Resolution", "1080p")}.get(record.protocol.resolution, ("",))
        truth = [root / "Annotations" / one / sequence / f"{frame}.png" for one in (*level, "")]
        images = [root / "JPEGImages" / one / sequence / f"{frame}.jpg" for one in (*level, "")]
        prediction = masks / sequence / f"{frame}.png"
        image = next((path for path in images if path.is_file()), None)
        found = next((path for path in truth if path.is_file()), truth[0])
        for path, folder in ((found, root), (prediction, masks), (image or root, root)):
            if not path.resolve().is_relative_to(folder.resolve()):
                raise ValueError(f"{sequence}/{frame} is no name of a frame.")
        for path in (found, prediction):
            if not path.is_file():
                raise ValueError(f"frame {frame} of {sequence} is missing in {path.parent.parent.name}.")
        return image, found, prediction

    def _masks(self, record: Record) -> Path | None:
        name = record.model.name
        if self.predictions is None or name in ("", ".", "..") or set(name) & set("/\\\0"):
            return None
        return self.predictions / name


def filmstrip(record: Record, sequence: str, folders: Folders) -> list[dict[str, str]]:
    """Some frames of a sequence, spread over it.

    Returns:
        For each frame its name, and `truth`, `prediction` and `difference` as data addresses. In the difference red is
        missed and yellow is too much.

    Raises:
        ValueError: no such sequence, the masks are of other weights, or a file is missing or cannot be read; says
            which.
    """
    folders.require_same_weights(record)
    result = next((one for one in record.sequences if one.name == sequence), None)
    if result is None:
        raise ValueError(f"this result has no sequence {sequence!r:.60}.")
    count = len(result.frames)
    chosen = sorted({round(n * (count - 1) / (FRAMES - 1)) for n in range(FRAMES)}) if count else []
    strip = []
    for index in chosen:
        frame = result.frames[index]
        image_path, truth_path, prediction_path = folders.files(record, sequence, frame)
        truth = _ids(truth_path, is_binary=record.protocol.dataset == "davis2016")
        prediction = _ids(prediction_path, is_binary=record.protocol.dataset == "davis2016")
        if truth.shape != prediction.shape:
            raise ValueError(f"frame {frame} of {sequence}: truth and prediction differ in size.")
        image = _image(image_path, truth.shape)
        difference = np.zeros_like(image)
        is_wrong = truth != prediction
        difference[is_wrong & (truth > 0)] = _MISSED
        difference[is_wrong & (truth == 0)] = _WRONG
        strip.append(
            {
                "frame": frame,
                "truth": _data(_blend(image, _COLOURS[_few(truth)], truth > 0)),
                "prediction": _data(_blend(image, _COLOURS[_few(prediction)], prediction > 0)),
                "difference": _data(_blend(image // 2 + 64, difference, is_wrong, 0.85)),
            }
        )
    return strip


def _ids(path: Path, *, is_binary: bool) -> Ids:
    try:
        with Image.open(path) as image:
            ids = np.asarray(image if image.mode in ("P", "L") else image.convert("L"), np.uint8).copy()
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise ValueError(f"the mask {path.parent.name}/{path.name} cannot be read.") from error
    if is_binary:
        has_ids = bool(((ids > 0) & (ids != _VOID)).any())
        merged: Ids = ((ids > 0) & ((ids != _VOID) | (not has_ids))).astype(np.uint8)
        return merged
    ids[ids == _VOID] = 0
    return ids


def _few(ids: Ids) -> Ids:
    """Ids for the colours there are."""
    cycled: Ids = np.where(ids > 0, (ids.astype(np.int64) - 1) % (len(_COLOURS) - 1) + 1, 0).astype(np.uint8)
    return cycled


def _image(path: Path | None, size: tuple[int, ...]) -> NDArray[np.uint8]:
    if path is None:
        return np.full((*size, 3), 96, np.uint8)
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB").resize((size[1], size[0])), np.uint8)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise ValueError(f"the image {path.parent.name}/{path.name} cannot be read.") from error


def _blend(
    image: NDArray[np.uint8], colours: NDArray[np.uint8], where: NDArray[np.bool_], strength: float = 0.6
) -> NDArray[np.uint8]:
    mixed = image.astype(np.float32)
    mixed[where] = (1 - strength) * mixed[where] + strength * colours[where]
    return mixed.astype(np.uint8)


def _data(picture: NDArray[np.uint8]) -> str:
    image = Image.fromarray(picture)
    image.thumbnail((WIDTH, WIDTH))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
