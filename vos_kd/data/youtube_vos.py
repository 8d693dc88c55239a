"""YouTube-VOS trees for training: Xu et al., "YouTube-VOS: A Large-Scale Video Object Segmentation Benchmark", 2018.

`train/JPEGImages/ID/00005.jpg`, `train/Annotations/ID/00005.png`, `train/meta.json`. Every fifth frame has a mask.
"""

from __future__ import annotations

import json
from pathlib import Path

from vos_kd.data.photos import Part, in_part
from vos_kd.data.real_clips import VideoSequence, list_sequence, require_folder
from vos_kd.errors import InputError


def youtube_vos_sequences(root: Path, part: Part = "all") -> list[VideoSequence]:
    """List the sequences of a YouTube-VOS train tree, by `meta.json`.

    Args:
        root: folder that holds `train`.
        part: train, validation (one name in 20, by hash) or all.

    Raises:
        InputError: a folder, `meta.json` or a video is missing or not as expected; says which.
    """
    tree = Path(root) / "train"
    require_folder(tree / "JPEGImages", "the frames of YouTube-VOS")
    require_folder(tree / "Annotations", "the masks of YouTube-VOS")
    objects = _read_meta(tree / "meta.json")
    return [
        list_sequence(tree / "JPEGImages", tree / "Annotations", name, ids)
        for name, ids in sorted(objects.items())
        if in_part(name, part)
    ]


def _read_meta(file: Path) -> dict[str, tuple[int, ...]]:
    """Object ids of each video."""
    try:
        meta = json.loads(file.read_text())
        return {
            str(name): tuple(sorted(int(object_id) for object_id in video["objects"]))
            for name, video in meta["videos"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"cannot read {file}: {type(error).__name__}: {error}. "
            'Expected {"videos": {ID: {"objects": {"1": {...}}}}}, as YouTube-VOS ships it.'
        ) from error
