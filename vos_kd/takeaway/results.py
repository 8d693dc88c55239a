"""The results of one model for one clip, as `vos_kd.outputs` leaves them: a palette PNG for each frame."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from vos_kd.data.masks import object_ids, read_mask, require_size
from vos_kd.errors import InputError
from vos_kd.video_io import Clip
from vos_kd.video_io.archive import natural_key

_MAX_NAME = 80


@dataclass(frozen=True)
class Results:
    """Masks of the objects of a clip; read from disk frame by frame."""

    label: str
    """Of the model, good for a folder; see `vos_kd.outputs.model_labels`."""
    annotations: Path
    """The folder MODEL/Annotations/CLIP."""

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of the frames, without suffix, in their order.

        Raises:
            InputError: the folder is missing or empty.
        """
        found = sorted((path.stem for path in self.annotations.glob("[!.]*.png")), key=natural_key)
        if not found:
            raise InputError(f"{self.annotations} holds no masks; expected PNGs of a run. Run the model first.")
        return tuple(found)

    @property
    def clip_name(self) -> str:
        """Of the clip, good for a file."""
        return safe_name(self.annotations.name)

    def mask(self, name: str) -> np.ndarray:
        """The mask of a frame, uint8 `[H, W]` of object ids."""
        return read_mask(self.annotations / f"{name}.png")

    def masks(self) -> Iterator[tuple[str, np.ndarray]]:
        """Name and mask of each frame."""
        return ((name, self.mask(name)) for name in self.names)

    def object_ids(self) -> tuple[int, ...]:
        """The objects that are seen in any frame, ascending."""
        return tuple(sorted({i for _, mask in self.masks() for i in object_ids(mask)}))

    def frames(self, clip: Clip) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Name, image and mask of each frame.

        Args:
            clip: that the masks were made from.

        Yields:
            Name, RGB uint8 `[H, W, 3]` and uint8 `[H, W]`.

        Raises:
            InputError: the clip has no such frames, or frames of another size.
        """
        names = clip.info.frame_names
        places = [_place(name, names, clip.path) for name in self.names]
        steps = set(np.diff(places).tolist()) or {1}
        every = steps.pop() if len(steps) == 1 else 1
        wanted = dict(zip(places, self.names, strict=True))
        for index, image in clip.frames(places[0], places[-1] + 1, every):
            if index in wanted:
                name = wanted[index]
                mask = self.mask(name)
                require_size(mask, image.shape[0], image.shape[1], name)
                yield name, image, mask


def read_results(folder: Path) -> list[Results]:
    """The results of all models in a run's folder, in the order of their names.

    Raises:
        InputError: the folder holds none.
    """
    found = [Results(path.parent.parent.name, path) for path in sorted(folder.glob("*/Annotations/*")) if path.is_dir()]
    if not found:
        raise InputError(f"{folder} holds no results; expected MODEL/Annotations/CLIP in it.")
    return found


def safe_name(name: str) -> str:
    """A name that is one plain file name on every system, and in every archive.

    >>> safe_name("../<b>my clip</b>.final"), safe_name("...")
    ('b-my-clip-b-.final', 'clip')
    """
    return re.sub(r"[^\w.-]+", "-", name).strip(".-")[:_MAX_NAME].rstrip(".-") or "clip"


def _place(name: str, names: tuple[str, ...] | None, path: Path) -> int:
    if names is not None and name in names:
        return names.index(name)
    if names is None and name.isdecimal() and len(name) < 10:
        return int(name)
    raise InputError(f"{path} has no frame {name}; the results are of another clip.")
