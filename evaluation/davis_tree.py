"""DAVIS-2016 and DAVIS-2017 as they are downloaded, and what is missing from a tree that is not whole.

    ImageSets/2017/val.txt              or 2016/val.txt, or 480p/val.txt in the first release of DAVIS-2016
    JPEGImages/480p/SEQUENCE/00000.jpg  or Full-Resolution/, or 1080p/
    Annotations/480p/SEQUENCE/00000.png

Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation", CVPR 2016.
Pont-Tuset et al., "The 2017 DAVIS Challenge on Video Object Segmentation", arXiv:1704.00675.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from evaluation.errors import ProtocolError
from evaluation.jf import Mask
from evaluation.sequences import (
    Sequence,
    listed,
    object_ids,
    read_truth,
    require_folder,
    sorted_files,
    sorted_folders,
)

ALL = "all"
"""The split of every sequence that has a folder."""
_RESOLUTIONS = {"480p": ("480p",), "full": ("Full-Resolution", "1080p")}
_LISTS = {"davis2016": ("2016", "480p", "1080p"), "davis2017": ("2017",)}
_REMEDY = (
    "Download DAVIS from https://davischallenge.org/davis2017/code.html (TrainVal, Images and Annotations, 480p or "
    "Full-Resolution) and give the folder that holds JPEGImages and Annotations as --root."
)


class _Split(NamedTuple):
    """A split as published, to notice what is missing from trees that come without ImageSets."""

    names: frozenset[str]
    frames: int


_VAL_2016 = (
    "blackswan bmx-trees breakdance camel car-roundabout car-shadow cows dance-twirl dog drift-chicane drift-straight "
    "goat horsejump-high kite-surf libby motocross-jump paragliding-launch parkour scooter-black soapbox"
)
_VAL_2017 = f"{_VAL_2016} bike-packing dogs-jump gold-fish india judo lab-coat loading mbike-trick pigs shooting"
_PUBLISHED = {
    ("davis2016", "val"): _Split(frozenset(_VAL_2016.split()), 1376),
    ("davis2017", "val"): _Split(frozenset(_VAL_2017.split()), 1999),
}


class DavisTree:
    """One split of a DAVIS tree: the names of its sequences, and the files of each."""

    remedy = _REMEDY

    def __init__(self, dataset: str, root: Path, split: str, resolution: str, *, needs_images: bool) -> None:
        """Look at the tree.

        Args:
            dataset: `davis2016` or `davis2017`.
            root: folder with `JPEGImages` and `Annotations`.
            split: a list in `ImageSets`, or `all`.
            resolution: `480p` or `full`.
            needs_images: False lets the images be absent, as scoring needs none.

        Raises:
            ProtocolError: a folder or the list is missing.
        """
        self._dataset, self._needs_images = dataset, needs_images
        _check_root(root)
        self.masks = _resolution_folder(root / "Annotations", resolution)
        self._images = _resolution_folder(root / "JPEGImages", resolution)
        require_folder(self.masks, f"the masks of DAVIS ({resolution})", _REMEDY)
        if needs_images:
            require_folder(self._images, f"the frames of DAVIS ({resolution})", _REMEDY)
        self._published = _PUBLISHED.get((dataset, split))
        self.names = _names(dataset, root, split, self.masks, self._published)

    def is_whole(self, sequences: list[Sequence]) -> bool:
        """Whether these are all sequences of the split, as published where that is known.

        Raises:
            ProtocolError: they are, by name, but frames are missing.
        """
        names = {sequence.name for sequence in sequences}
        if self._published is None or names != self._published.names:
            return self._published is None and names == set(self.names)
        frames = sum(len(sequence.frames) for sequence in sequences)
        if frames != self._published.frames:
            raise ProtocolError(
                f"the {len(names)} sequences in {self.masks} have {frames} frames in all; expected "
                f"{self._published.frames}. Some were cut short. {_REMEDY}"
            )
        return True

    def read(self, name: str) -> Sequence:
        """Find the files of a sequence.

        Raises:
            ProtocolError: frames or masks are missing, or the first mask cannot be read.
        """
        folder = self.masks / name
        masks = sorted_files(folder, (".png",))
        images = self._read_images(name)
        frames = tuple(images or masks)
        if not masks:
            raise ProtocolError(f"no PNG in {folder}: expected a mask for each frame of {name!r}. {_REMEDY}")
        if strange := [frame for frame in masks if frame not in frames]:
            raise ProtocolError(
                f"sequence {name!r} has masks but no images of frames {listed(strange)}: expected "
                f"{self._images / name / strange[0]}.jpg. {_REMEDY}"
            )
        _check_gaps(name, frames, folder)
        if frames[0] not in masks:
            raise ProtocolError(f"no {folder / frames[0]}.png: the first frame's mask says what to follow. {_REMEDY}")
        first = read_truth(name, frames[0], masks[frames[0]])
        return Sequence(
            name=name,
            frames=frames,
            frame_paths=tuple(images.values()),
            annotation_paths=masks,
            first_frames=dict.fromkeys(self._objects(name, first, masks[frames[0]]), frames[0]),
            size=(first.shape[0], first.shape[1]),
            submitted=frames,
            lacks_truth=_why_no_truth(name, [frame for frame in frames if frame not in masks], folder),
        )

    def _read_images(self, name: str) -> dict[str, Path]:
        folder = self._images / name
        if not self._needs_images and not folder.is_dir():
            return {}
        require_folder(folder, f"the frames of sequence {name!r}", _REMEDY)
        images = sorted_files(folder)
        if not images:
            raise ProtocolError(f"no image in {folder}: expected the frames of {name!r}. {_REMEDY}")
        return images

    def _objects(self, name: str, first: Mask, path: Path) -> range:
        """Ids from 1 to the largest of the first frame; in DAVIS-2016 just 1."""
        ids = object_ids(first)
        if self._dataset == "davis2016" and first.any():
            return range(1, 2)
        if not ids:
            hint = " 0 and 255 alone is a mask of DAVIS-2016: use --dataset davis2016." if first.any() else ""
            raise ProtocolError(f"{path}, the first mask of sequence {name!r}, shows no object.{hint}")
        return range(1, max(ids) + 1)


def _check_root(root: Path) -> None:
    """Name the folder that was probably meant, if this is not it."""
    require_folder(root, "a DAVIS tree", _REMEDY)
    if (root / "Annotations").is_dir():
        return
    inside = [path for path in sorted(root.iterdir()) if (path / "Annotations").is_dir()]
    above = [path for path in (root.parent, root.parent.parent) if (path / "Annotations").is_dir()]
    hint = f"Did you mean --root {(inside + above)[0]}? " if inside or above else ""
    raise ProtocolError(f"{root} is no DAVIS tree: expected a folder Annotations in it. {hint}{_REMEDY}")


def _resolution_folder(folder: Path, resolution: str) -> Path:
    names = _RESOLUTIONS[resolution]
    return next((folder / name for name in names if (folder / name).is_dir()), folder / names[0])


def _names(dataset: str, root: Path, split: str, masks: Path, published: _Split | None) -> tuple[str, ...]:
    """Names of the split: by the tree's list; without any lists, as published; for `all` by the folders."""
    if split == ALL:
        return tuple(sorted_folders(masks))
    sets = root / "ImageSets"
    lists = [sets / year / f"{split}.txt" for year in _LISTS[dataset]]
    for path in lists:
        if path.is_file():
            return _read_list(path)
    if published is not None and not sets.is_dir():
        return tuple(sorted(published.names))
    found = sorted({path.stem for path in sets.glob("*/*.txt") if path.parent.name in _LISTS[dataset]})
    there = f"Lists that are there: {', '.join(found)}." if found else f"There is no list in {sets}."
    raise ProtocolError(
        f"{dataset} has no split {split!r} here: expected {lists[0]}. {there} Take one of them, or --split {ALL} for "
        f"every sequence. {_REMEDY}"
    )


def _read_list(path: Path) -> tuple[str, ...]:
    """Sequence names, one a line; or in the first release image and mask of each frame."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ProtocolError(f"{path} cannot be read: {error}. Expected a sequence name on each line.") from error
    entries = [line.split()[0] for line in lines if line.strip()]
    names = tuple(dict.fromkeys(entry.split("/")[-2] if "/" in entry else entry for entry in entries))
    if not names:
        raise ProtocolError(f"{path} is empty; expected a sequence name on each line. {_REMEDY}")
    return names


def _check_gaps(name: str, frames: tuple[str, ...], folder: Path) -> None:
    """DAVIS numbers its frames from 0 without a gap, so a missing one shows even where there are no images."""
    numbers = {int(frame) for frame in frames if frame.isdecimal()}
    if len(numbers) == len(frames) and (missing := sorted(set(range(max(numbers) + 1)) - numbers)):
        raise ProtocolError(
            f"sequence {name!r} lacks frames {listed(f'{n:05}' for n in missing)}: expected 00000 to "
            f"{frames[-1]} in {folder}. {_REMEDY}"
        )


def _why_no_truth(name: str, missing: list[str], folder: Path) -> str | None:
    if not missing:
        return None
    return (
        f"sequence {name!r} has no truth for {len(missing)} frames ({listed(missing, 3)}): expected {folder}/"
        f"{missing[0]}.png. The truth of test-dev and test-challenge is not public. For train and val: {_REMEDY}"
    )
