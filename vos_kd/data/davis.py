"""DAVIS trees for training: Pont-Tuset et al., "The 2017 DAVIS Challenge on Video Object Segmentation", 2017.

`JPEGImages/480p/NAME/00000.jpg`, `Annotations/480p/NAME/00000.png`, `ImageSets/2017/train.txt`. Every frame has a mask.
"""

from __future__ import annotations

from pathlib import Path

from vos_kd.data.photos import Part, in_part
from vos_kd.data.real_clips import VideoSequence, list_sequence, require_folder, sorted_folders
from vos_kd.errors import InputError


def davis_sequences(
    root: Path, image_set: str | None = "2017/train", resolution: str | None = "480p", part: Part = "all"
) -> list[VideoSequence]:
    """List the sequences of a DAVIS-like tree.

    Args:
        root: folder with `JPEGImages` and `Annotations`.
        image_set: list of names in `ImageSets`, without suffix; None takes every sequence that has masks.
        resolution: folder below `JPEGImages` and `Annotations`; None where the sequences lie in them directly.
        part: train, validation (one name in 20, by hash) or all.

    Raises:
        InputError: a folder, a list or a sequence is missing; says which.
    """
    images, masks = (Path(root) / kind / (resolution or "") for kind in ("JPEGImages", "Annotations"))
    require_folder(images, "the frames of a DAVIS tree")
    require_folder(masks, "the masks of a DAVIS tree")
    if image_set is None:
        names = list(sorted_folders(masks))
    else:
        file = Path(root) / "ImageSets" / f"{image_set}.txt"
        try:
            names = file.read_text().split()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"cannot read {file}: {error}. Expected one sequence name on each line.") from error
    return [list_sequence(images, masks, name) for name in names if in_part(name, part)]
