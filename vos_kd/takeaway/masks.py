"""The masks of a run in one zip: as DAVIS keeps them, as COCO keeps them, and how they came about.

    MODEL/Annotations/CLIP/00000.png ...     palette PNGs, as in DAVIS; what `evaluation/run.py score` reads
    MODEL/coco.json                          the same as COCO run lengths, laid out as YouTube-VIS lays out videos
    prompts/00000.png ...                    what the models were given
    manifest.json                            models with hashes of their weights, prompts, command

With the clip beside what was unpacked, the manifest's command makes the same masks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vos_kd import __version__
from vos_kd.data.masks import encode_mask, object_ids
from vos_kd.prompts import PromptHistory, to_json
from vos_kd.takeaway.results import Results
from vos_kd.takeaway.rle import encode_rle
from vos_kd.takeaway.zips import writing_zip

FORMAT = "vos-kd-masks/1"


def prompt_file(frame: int) -> str:
    """Where the zip keeps the mask that was given at a frame; for the command that reads it from there."""
    return f"prompts/{frame:05}.png"


def build_manifest(
    results: Sequence[Results],
    weights: Mapping[str, str],
    command: str,
    prompts: PromptHistory | None = None,
    run: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What a zip of masks says about itself.

    Args:
        results: of each model.
        weights: label -> SHA-256 of the model's weight file (`Model.weights_sha256`).
        command: see `vos_kd.takeaway.command_line`.
        prompts: as they were given, to be read again by `vos_kd.prompts.from_json`.
        run: anything else worth keeping: environment, options, timings.
    """
    return {
        "format": FORMAT,
        "vos-kd": __version__,
        "clip": results[0].clip_name,
        "models": {
            found.label: {
                "weights_sha256": weights[found.label],
                "frames": len(found.names),
                "annotations": _folder(found),
                "coco": f"{found.label}/coco.json",
            }
            for found in results
        },
        "objects": {} if prompts is None else {str(i): name for i, name in prompts.names.items()},
        "prompts": None if prompts is None else json.loads(to_json(prompts)),
        "command": command,
        "run": run or {},
    }


def write_masks(
    target: Path, results: Sequence[Results], given: Mapping[int, np.ndarray], manifest: Mapping[str, Any]
) -> None:
    """Write the zip.

    Args:
        target: where it shall lie.
        results: of each model.
        given: frame -> the mask that the models were given there, uint8 `[H, W]` of object ids.
        manifest: see `build_manifest`.

    Raises:
        InputError: a mask is missing or damaged, or the zip cannot be written.
    """
    with writing_zip(target) as file:
        file.add("manifest.json", json.dumps(manifest, indent=2) + "\n", compress=True)
        for frame, mask in sorted(given.items()):
            file.add(prompt_file(frame), encode_mask(mask))
        for found in results:
            coco = CocoVideo(found.clip_name)
            for name, mask in found.masks():
                file.add(f"{_folder(found)}/{name}.png", encode_mask(mask))
                coco.add(f"{name}.png", mask)
            text = json.dumps(coco.document(manifest.get("objects", {})), separators=(",", ":"))
            file.add(f"{found.label}/coco.json", text, compress=True)


class CocoVideo:
    """Gathers the masks of a video, frame by frame, as run lengths: a few kB each."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._files: list[str] = []
        self._size = (0, 0)
        self._tracks: dict[int, dict[int, dict[str, Any]]] = {}  # object -> frame -> entry

    def add(self, file_name: str, mask: np.ndarray) -> None:
        """Add a frame's mask, uint8 `[H, W]`."""
        self._size = mask.shape[0], mask.shape[1]
        for object_id in object_ids(mask):
            shown = mask == object_id
            entry = {
                "segmentation": encode_rle(shown),
                "bbox": list(cv2.boundingRect(shown.astype(np.uint8))),
                "area": int(np.count_nonzero(shown)),
            }
            self._tracks.setdefault(object_id, {})[len(self._files)] = entry
        self._files.append(file_name)

    def document(self, names: Mapping[str, str]) -> dict[str, Any]:
        """All of it, as YouTube-VIS lays it out: one annotation an object, null where the object is not seen.

        Args:
            names: object id, as text -> name; goes into the annotation.
        """
        height, width = self._size
        video = {"id": 1, "name": self._name, "height": height, "width": width, "length": len(self._files)}
        return {
            "info": {"description": f"Masks of {self._name} by vos-kd {__version__}"},
            "videos": [{**video, "file_names": self._files}],
            "categories": [{"id": 1, "name": "object", "supercategory": "object"}],
            "annotations": [
                {
                    "id": object_id,
                    "video_id": 1,
                    "category_id": 1,
                    "iscrowd": 0,
                    "name": names.get(str(object_id), f"object {object_id}"),
                    "height": height,
                    "width": width,
                    "length": len(self._files),
                    "segmentations": self._column(track, "segmentation"),
                    "bboxes": self._column(track, "bbox"),
                    "areas": self._column(track, "area"),
                }
                for object_id, track in sorted(self._tracks.items())
            ],
        }

    def _column(self, track: Mapping[int, Mapping[str, Any]], key: str) -> list[Any]:
        return [track[frame][key] if frame in track else None for frame in range(len(self._files))]


def _folder(results: Results) -> str:
    return f"{results.label}/Annotations/{results.clip_name}"
