"""What a run of `vos_kd.segment` is asked to do, and the checks that need neither weights nor torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vos_kd.data.masks import MAX_BYTES, decode_mask, object_ids, require_objects, require_size
from vos_kd.errors import InputError
from vos_kd.files import read_limited, sha256
from vos_kd.video_io import ClipInfo


@dataclass(frozen=True)
class Request:
    """What to do. Frames are counted from 0 within the clip, whatever is left out of it."""

    clip: Path
    masks: Mapping[int, Path]
    """Frame -> mask file; `start` is among them."""
    models: tuple[str, ...]
    """As for `vos_kd.load_model`."""
    out: Path
    start: int = 0
    end: int | None = None
    """The frame to stop before."""
    every: int = 1
    short_side: int | None = None
    """None: each model's own; 0: no limit."""
    max_side: int | None = None
    fps: float | None = None
    device: str | None = None
    dtype: str | None = None
    backend: str | None = None
    """What runs those of the models that are exported ones."""
    threads: int | None = None
    overlay: bool = True
    overwrite: bool = False
    quiet: bool = False

    def options(self) -> dict[str, object]:
        """Those that change what is written."""
        names = ("start", "end", "every", "short_side", "max_side", "fps", "device", "dtype", "backend", "overlay")
        return {name: getattr(self, name) for name in names}

    def last_end(self, info: ClipInfo) -> int | None:
        """The frame to stop before, as far as it is known beforehand."""
        return min((n for n in (self.end, info.frame_count) if n is not None), default=None)


@dataclass(frozen=True)
class GivenMask:
    """A mask file as read."""

    path: Path
    ids: np.ndarray
    """uint8 `[H, W]`."""
    sha256: str


def read_masks(masks: Mapping[int, Path]) -> dict[int, GivenMask]:
    """Read mask files, in the order of their frames.

    Raises:
        InputError: one cannot be read, is no mask, or shows no object.
    """
    return {frame: _read_mask(path) for frame, path in sorted(masks.items())}


def check_fit(request: Request, info: ClipInfo, masks: Mapping[int, GivenMask]) -> None:
    """Check that the clip has a frame to start at, and that masks fit it and belong to frames that are segmented.

    Raises:
        InputError: the clip is shorter, or a mask has another size or belongs to a frame that is left out.
    """
    if info.frame_count is not None and request.start >= info.frame_count:
        raise InputError(
            f"{request.clip} has {info.frame_count} frames, so there is no frame {request.start} to start at; "
            f"expected a start from 0 to {info.frame_count - 1}."
        )
    end = request.last_end(info)
    for frame, mask in masks.items():
        require_size(mask.ids, info.height, info.width, str(mask.path))
        is_in_time = request.start <= frame and (end is None or frame < end)
        if not is_in_time or (frame - request.start) % request.every:
            steps = f" in steps of {request.every}" if request.every > 1 else ""
            raise InputError(
                f"the mask {mask.path} is for frame {frame}, which is not segmented; "
                f"the frames are {request.start} to {'the end' if end is None else end - 1}{steps}."
            )


def clip_name(path: Path) -> str:
    """What a clip is called in results: its file's or folder's name without suffix."""
    whole = path.resolve()  # "." has a name, too
    return (whole.name if whole.is_dir() else whole.stem) or "clip"


def run_inputs(
    request: Request, info: ClipInfo, masks: Mapping[int, GivenMask], weights: Mapping[str, str]
) -> dict[str, object]:
    """What decides a run's results, as its manifest keeps it; runs of equal inputs may replace each other.

    Args:
        request: what to do.
        info: of the clip.
        masks: frame -> mask.
        weights: label -> SHA-256 of the weight file.
    """
    return {
        "clip": {
            "name": clip_name(request.clip),
            "sha256": _clip_sha256(request.clip),
            "source": info.source,
            "width": info.width,
            "height": info.height,
            "fps": info.fps,
            "frame_count": info.frame_count,
        },
        "masks": [
            {"frame": frame, "name": mask.path.name, "sha256": mask.sha256, "objects": object_ids(mask.ids)}
            for frame, mask in masks.items()
        ],
        "models": [{"label": label, "weights_sha256": sha256} for label, sha256 in weights.items()],
        "options": request.options(),
    }


def _clip_sha256(path: Path) -> str:
    """Of a file. Of a folder: of its files' names, sizes and the first one; all would be much to read twice."""
    if path.is_file():
        return sha256(path)
    files = sorted(one for one in path.iterdir() if one.is_file())
    listing = json.dumps([(one.name, one.stat().st_size) for one in files] + [sha256(one) for one in files[:1]])
    return hashlib.sha256(listing.encode()).hexdigest()


def _read_mask(path: Path) -> GivenMask:
    data = read_limited(path, MAX_BYTES)
    mask = decode_mask(data, str(path))
    require_objects(mask, str(path))
    return GivenMask(path, mask, hashlib.sha256(data).hexdigest())
