"""Data sets on disk -> sequences; what is missing or misplaced is named, with what was expected and how to get it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from evaluation.davis_tree import DavisTree
from evaluation.errors import ProtocolError
from evaluation.protocols import Convention
from evaluation.sequences import Sequence, listed, nearest
from evaluation.youtube_tree import FOLDER, YouTubeTree, seen_categories

__all__ = ["DATASETS", "Dataset", "Sequence", "conventions", "load_dataset", "seen_categories"]

DATASETS = ("davis2016", "davis2017", "youtubevos2018", "youtubevos2019", FOLDER)
RESOLUTIONS = ("480p", "full")


@dataclass(frozen=True)
class Dataset:
    """Sequences of one split."""

    name: str
    split: str
    resolution: str
    """`480p` or `full` for DAVIS, else `original`."""
    sequences: tuple[Sequence, ...]
    is_partial: bool
    """Whether sequences of the split are left out, so that its means are not those of the benchmark."""


def conventions(dataset: str) -> tuple[Convention, ...]:
    """The conventions that a data set can be scored by, its own first."""
    if dataset.startswith("youtubevos"):
        return ("youtubevos",)
    if dataset == FOLDER:
        return ("davis", "vos-benchmark", "youtubevos")
    return ("davis", "vos-benchmark")


def load_dataset(
    name: str,
    root: Path,
    *,
    split: str | None = None,
    resolution: str = "480p",
    all_frames: bool = False,
    sequences: Collection[str] | None = None,
    limit: int | None = None,
    needs_images: bool = True,
) -> Dataset:
    """Find the files of a data set.

    Args:
        name: one of `DATASETS`.
        root: its folder; see `davis_tree` and `youtube_tree` for what it holds.
        split: for DAVIS a list in `ImageSets` or `all`, by default `val`; for YouTube-VOS by default `valid`.
        resolution: for DAVIS, `480p` or `full`.
        all_frames: for YouTube-VOS, whether a model sees all frames or just every fifth.
        sequences: only these.
        limit: only so many, the first by name.
        needs_images: False lets the images be absent, as scoring needs none.

    Raises:
        ProtocolError: anything is missing or cannot be understood.
    """
    is_davis, is_folder = name.startswith("davis"), name == FOLDER
    if is_folder and split is not None:
        raise ProtocolError(f"--split {split} is for DAVIS and YouTube-VOS; a folder has none.")
    if not is_davis and resolution != "480p":
        raise ProtocolError(f"--resolution {resolution} is for DAVIS; {name} is as it is.")
    if is_davis and all_frames:
        raise ProtocolError(f"--all-frames is for YouTube-VOS; a model sees all frames of {name} anyway.")
    root = Path(root)
    tree: DavisTree | YouTubeTree
    if is_davis:
        split = split or "val"
        tree = DavisTree(name, root, split, resolution, needs_images=needs_images)
    else:
        split, resolution = ("all" if is_folder else split or "valid"), "original"
        tree = YouTubeTree(name, root, split, all_frames=all_frames, needs_images=needs_images)
    if not tree.names:
        raise ProtocolError(f"no sequence in {tree.masks}: expected a folder of masks for each. {tree.remedy}")
    if strange := [one for one in tree.names if one in (".", "..") or set(one) & set("/\\\0")]:
        raise ProtocolError(
            f"{name} {split} in {root} lists {strange[0]!r}; expected the name of a folder. {tree.remedy}"
        )
    chosen = _choose(tree.names, sequences, limit, name, split)
    if missing := [sequence for sequence in chosen if not (tree.masks / sequence).is_dir()]:
        some = "" if len(missing) == len(chosen) else " Or name the sequences that you have with --sequences."
        raise ProtocolError(
            f"{len(missing)} of {len(chosen)} sequences of {name} {split} have no folder in {tree.masks}: "
            f"{listed(missing)}. {tree.remedy}{some}"
        )
    found = [tree.read(sequence) for sequence in chosen]
    return Dataset(name, split, resolution, tuple(found), is_partial=not tree.is_whole(found))


def _choose(
    names: tuple[str, ...], sequences: Collection[str] | None, limit: int | None, dataset: str, split: str
) -> list[str]:
    for sequence in sequences or ():
        if sequence not in names:
            raise ProtocolError(
                f"{dataset} {split} has no sequence {sequence!r}; expected names such as {nearest(sequence, names)}."
            )
    chosen = sorted(names if sequences is None else set(sequences))
    return chosen if limit is None else chosen[:limit]
