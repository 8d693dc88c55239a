"""What is known of a video before a model sees it, and how its files are found."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from evaluation.errors import ProtocolError
from evaluation.index_png import HEADER_BYTES, MAX_BYTES, decode_ids, image_size, present_ids
from evaluation.jf import Mask
from evaluation.protocols import VOID_ID

_IMAGES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True)
class Sequence:
    """A video of a data set. Frames go by name (`00005`); names are those of the files, without suffix."""

    name: str
    frames: tuple[str, ...]
    """All frames that a model sees, in order; where there are no images, those with truth."""
    frame_paths: tuple[Path, ...]
    """Their images; empty where there are none."""
    annotation_paths: Mapping[str, Path]
    """For each frame that has one, the truth (or the mask that is given), in order."""
    first_frames: Mapping[int, str]
    """For each object, ascending: the frame in which its mask is given."""
    size: tuple[int, int]
    """Height and width of the masks."""
    submitted: tuple[str, ...]
    """The frames whose masks are a result, in order."""
    categories: Mapping[int, str] = field(default_factory=dict)
    """For each object, what it is, where that is told."""
    asked_frames: tuple[str, ...] = ()
    """The frames that meta.json names, where it does, in order."""
    lacks_truth: str | None = None
    """Why it cannot be scored, and what can be done; None if it can."""


def sorted_files(folder: Path, suffixes: Iterable[str] = _IMAGES) -> dict[str, Path]:
    """The files of a folder by name without suffix, in order; numbers in the order of their values."""
    files = {path.stem: path for path in folder.iterdir() if path.suffix.lower() in suffixes and path.name[0] != "."}
    order = sorted(files, key=lambda name: (int(name), name)) if all(map(str.isdecimal, files)) else sorted(files)
    return {name: files[name] for name in order}


def sorted_folders(folder: Path) -> list[str]:
    """The names of the folders in a folder."""
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")


def require_folder(folder: Path, what: str, remedy: str) -> None:
    """Raise `ProtocolError` unless the folder is there; says what it should hold and where the data come from."""
    if not folder.is_dir():
        raise ProtocolError(f"no folder {folder}: expected {what} there. {remedy}")


def truth_name(sequence: str, frame: str, path: Path) -> str:
    """How messages name a truth mask."""
    return f"the truth of sequence {sequence!r}, frame {frame!r} ({path})"


def prediction_name(sequence: str, frame: str) -> str:
    """How messages name a predicted mask."""
    return f"the prediction of sequence {sequence!r}, frame {frame!r}"


def read_truth(sequence: str, frame: str, path: Path, size: tuple[int, int] | None = None) -> Mask:
    """Read a truth mask: uint8 `[H, W]`, the samples as stored.

    Raises:
        ProtocolError: it cannot be read; see `decode_ids`.
    """
    name = truth_name(sequence, frame, path)
    return decode_ids(read_file(path, name), name, size, accepts_grey_rgb=True)


def read_size(sequence: str, frame: str, path: Path) -> tuple[int, int]:
    """Height and width of a truth mask, from its header."""
    name = truth_name(sequence, frame, path)
    return image_size(read_file(path, name, HEADER_BYTES), name)


def read_file(path: Path, name: str, size: int | None = None) -> bytes:
    """Read a file, or its first `size` bytes.

    Raises:
        ProtocolError: it cannot be read, or has more than `MAX_BYTES`.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1 if size is None else size)
    except OSError as error:
        raise ProtocolError(
            f"{name} cannot be read: {error.strerror or error}. Expected a file that you may read; write it again."
        ) from error
    if len(data) > MAX_BYTES:
        raise ProtocolError(f"{name} has more than {MAX_BYTES >> 20} MiB; that is no mask.")
    return data


def object_ids(mask: Mask) -> tuple[int, ...]:
    """The objects in a mask, without background and void."""
    return tuple(n for n in present_ids(mask) if n not in (0, VOID_ID))


def listed(names: Iterable[str], most: int = 5) -> str:
    """Names for a message, the first few of them.

    >>> listed("abc", 2)
    'a, b and 1 more'
    """
    names = list(names)
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


def nearest(name: str, names: Iterable[str]) -> str:
    """Names that somebody may have meant, for a message."""
    names = sorted(names)
    return listed(difflib.get_close_matches(name, names, 3, 0.5) or names)
