"""YouTube-VOS 2018 and 2019 as they are downloaded, and any folder in the same shape.

    valid/meta.json
    valid/JPEGImages/VIDEO/00000.jpg              every fifth frame
    valid/Annotations/VIDEO/00000.png             in valid: only the frames in which objects are given
    valid_all_frames/JPEGImages/VIDEO/00001.jpg   all frames; or all_frames/valid_all_frames/

Xu et al., "YouTube-VOS: A Large-Scale Video Object Segmentation Benchmark", arXiv:1809.03327.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from evaluation.errors import ProtocolError
from evaluation.sequences import (
    Sequence,
    listed,
    object_ids,
    read_size,
    read_truth,
    require_folder,
    sorted_files,
    sorted_folders,
)

FOLDER = "folder"
"""The data set that is a folder with `JPEGImages` and `Annotations`."""
_DOWNLOAD = "Download it from https://youtube-vos.org/dataset/vos/ and give the folder that holds valid as --root."
_SHAPE = "Expected JPEGImages/SEQUENCE/FRAME.jpg and Annotations/SEQUENCE/FRAME.png in --root."

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class YouTubeTree:
    """One split of a YouTube-VOS tree: the names of its videos, and the files of each."""

    def __init__(self, dataset: str, root: Path, split: str, *, all_frames: bool, needs_images: bool) -> None:
        """Look at the tree.

        Args:
            dataset: `youtubevos2018`, `youtubevos2019` or `folder`.
            root: folder with `SPLIT/`, or that folder itself; for `folder` the one with `Annotations`.
            split: `valid`, `train`, `test`; no meaning for `folder`.
            all_frames: whether a model sees all frames or just every fifth.
            needs_images: False lets the images be absent, as scoring needs none.

        Raises:
            ProtocolError: a folder is missing, or meta.json cannot be understood.
        """
        self._is_folder = dataset == FOLDER
        self.remedy = _SHAPE if self._is_folder else _DOWNLOAD
        require_folder(root, dataset, self.remedy)
        base = root if self._is_folder or (root.name == split and not (root / split).is_dir()) else root / split
        self.masks = base / "Annotations"
        require_folder(self.masks, f"the masks of {dataset}", self.remedy)
        self._images = base / "JPEGImages"
        self._needs_images = needs_images
        if needs_images:
            require_folder(self._images, f"the frames of {dataset}", self.remedy)
        self._all_images = _all_frames_folder(base) if all_frames else None
        meta = base / "meta.json"
        if not meta.is_file() and not self._is_folder:
            raise ProtocolError(f"no {meta}: expected the videos and objects of {dataset} there. {self.remedy}")
        self._videos = read_meta(meta) if meta.is_file() else {}
        self._asked = read_meta_frames(meta) if meta.is_file() else {}
        self.names = tuple(sorted(self._videos)) or tuple(sorted_folders(self.masks))

    def is_whole(self, sequences: list[Sequence]) -> bool:
        """Whether these are all videos of the split."""
        return {sequence.name for sequence in sequences} == set(self.names)

    def read(self, name: str) -> Sequence:
        """Find the files of a video, and the frames in which its objects are given.

        Raises:
            ProtocolError: frames or masks are missing, or a mask cannot be read.
        """
        masks = sorted_files(self.masks / name, (".png",))
        if not masks:
            raise ProtocolError(f"no PNG in {self.masks / name}: expected masks of {name!r}. {self.remedy}")
        images = self._read_images(self._images / name)
        shown = self._read_images(self._all_images / name) if self._all_images else images
        submitted = tuple(images or masks)
        frames = tuple(shown or masks)
        if strange := [frame for frame in (*masks, *submitted) if frame not in frames or frame not in submitted]:
            raise ProtocolError(
                f"sequence {name!r} has masks but no images of frames {listed(strange)}, or they are not among all "
                f"frames. {self.remedy}"
            )
        categories = self._videos.get(name, {})
        first = next(iter(masks))
        first_frames = _first_frames(name, masks, categories)
        return Sequence(
            name=name,
            frames=frames,
            frame_paths=tuple(shown.values()),
            annotation_paths=masks,
            first_frames=first_frames,
            size=read_size(name, first, masks[first]),
            submitted=submitted,
            categories={n: categories[n] for n in first_frames if n in categories},
            asked_frames=self._asked.get(name, ()),
            lacks_truth=self._why_no_truth(name, masks, submitted),
        )

    def _read_images(self, folder: Path) -> dict[str, Path]:
        if not self._needs_images and not folder.is_dir():
            return {}
        require_folder(folder, "the frames of a video", self.remedy)
        return sorted_files(folder)

    def _why_no_truth(self, name: str, masks: Mapping[str, Path], submitted: tuple[str, ...]) -> str | None:
        if self._is_folder:
            if len(masks) > 1:
                return None
            return f"sequence {name!r} has a single mask, the one that is given: there is no truth to score against."
        # Without images, meta.json alone tells which masks are missing.
        expected = sorted({*submitted, *self._asked.get(name, ())})
        missing = [frame for frame in expected[expected.index(next(iter(masks))) :] if frame not in masks]
        if not missing:
            return None
        return (
            f"sequence {name!r} has no truth for {len(missing)} frames ({listed(missing, 3)}). The truth of valid and "
            "test is on the server of YouTube-VOS: hand in a submission there, or score a hold-out of train with "
            "--split train --sequences."
        )


def read_meta(path: Path) -> dict[str, dict[int, str]]:
    """Read a meta.json: for each video the category of each object, `""` where it is not told.

    Raises:
        ProtocolError: it cannot be read, or is not of that form.
    """
    return _read_videos(path, lambda objects: {int(n): str(one.get("category", "")) for n, one in objects.items()})


def read_meta_frames(path: Path) -> dict[str, tuple[str, ...]]:
    """Read a meta.json: for each video the frames that it names, if it does. Raises as `read_meta` does."""
    return _read_videos(
        path, lambda objects: tuple(sorted({str(frame) for one in objects.values() for frame in one.get("frames", ())}))
    )


def _read_videos(path: Path, read: Callable[[Mapping[str, Any]], _T]) -> dict[str, _T]:
    """What `read` makes of each video's objects."""
    try:
        videos = json.loads(path.read_text(encoding="utf-8"))["videos"]
        return {name: read(video["objects"]) for name, video in videos.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ProtocolError(
            f'{path} cannot be used ({error!r}); expected {{"videos": {{NAME: {{"objects": {{ID: {{"category": ...}}'
            f"}}}}}}}}. {_DOWNLOAD}"
        ) from error


def seen_categories(root: Path, split: str, meta: Path | None = None) -> frozenset[str] | None:
    """Categories of the training data.

    Args:
        root: as for the tree.
        split: likewise.
        meta: the training data's meta.json; by default train/meta.json beside the split.

    Returns:
        None where that file is not there.

    Raises:
        ProtocolError: it cannot be understood, or `meta` is not there.
    """
    folders = (root.parent, root) if root.name == split else (root,)
    places = [meta] if meta else [place for folder in folders if (place := folder / "train" / "meta.json").is_file()]
    if not places:
        return None
    return frozenset(name for video in read_meta(places[0]).values() for name in video.values() if name)


def _all_frames_folder(base: Path) -> Path:
    name = f"{base.name}_all_frames"
    places = (base.parent / name, base.parent / "all_frames" / name)
    found = next((place / "JPEGImages" for place in places if (place / "JPEGImages").is_dir()), None)
    if found is None:
        raise ProtocolError(
            f"no folder {places[0] / 'JPEGImages'}, nor below {places[1]}: expected all frames there. {_DOWNLOAD}"
        )
    return found


def _first_frames(name: str, masks: Mapping[str, Path], known: Mapping[int, str]) -> dict[int, str]:
    """For each object the first mask that shows it. Where the objects are known, no more masks are read than needed."""
    found: dict[int, str] = {}
    for frame, path in masks.items():
        for object_id in object_ids(read_truth(name, frame, path)):
            found.setdefault(object_id, frame)
        if known and known.keys() <= found.keys():
            break
    if not found:
        raise ProtocolError(
            f"no mask of sequence {name!r} shows an object; expected ids 1, 2, ... Masks of 0 and 255 alone are "
            "those of DAVIS-2016: number their objects."
        )
    if absent := sorted(known.keys() - found.keys()):
        _log.warning(
            "sequence %r: no mask shows objects %s of meta.json; they are left out", name, listed(map(str, absent))
        )
    return dict(sorted(found.items()))
