"""A file from anywhere to a clip that is known to be sound, in the visitor's own folder."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vos_kd.demo.limits import Limits
from vos_kd.errors import InputError
from vos_kd.video_io import Clip, ClipInfo, open_clip


@dataclass(frozen=True)
class LoadedClip:
    """A clip of one visitor. Frames are read when they are wanted; none is kept."""

    path: Path
    name: str
    """As the visitor knows it; may hold anything: show it as text only."""
    info: ClipInfo
    frame_count: int
    """Of the frames that can be used."""
    limits: Limits
    truth: Path | None = None
    """Folder or zip of truth masks."""

    @property
    def stem(self) -> str:
        """What it is called in results and commands."""
        return self.path.stem

    def index(self, value: object) -> int:
        """A frame's index that came from outside.

        Raises:
            InputError: there is no such frame.
        """
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < self.frame_count:
            raise InputError(
                f"there is no frame {str(value)[:20]}; {self.name} has frames 0 to {self.frame_count - 1}."
            )
        return value

    def frame(self, index: int) -> np.ndarray:
        """One frame, RGB uint8 `[H, W, 3]`.

        Raises:
            InputError: it is not there, or the clip is damaged before it.
        """
        index = self.index(index)
        with self.open() as clip:
            _, image = next(clip.frames(index, index + 1))
        return image

    @contextmanager
    def open(self) -> Iterator[Clip]:
        """The clip, for reading. What is wrong with it is told by the name that the visitor knows."""
        with named(self.path, self.name), open_clip(self.path, self.limits.clip_limits()) as clip:
            yield clip


def take_upload(uploaded: str, uploads: Path) -> Path:
    """The file that a browser says it has uploaded.

    Args:
        uploaded: its path as the server told it; the browser may send any other.
        uploads: the folder of uploads.

    Raises:
        InputError: it is none of the uploads.
    """
    path = Path(uploaded) if isinstance(uploaded, str) else Path()
    if not path.is_absolute() or not path.resolve().is_relative_to(uploads.resolve()) or not path.is_file():
        raise InputError("the upload did not arrive. Choose the file again.")
    return path


def load_clip(source: Path, name: str, folder: Path, limits: Limits, *, keep: bool = False) -> LoadedClip:
    """Take a file over into a visitor's folder and check it.

    Args:
        source: the file; it is moved.
        name: as the visitor knows it.
        folder: where it shall lie; it is there, and empty.
        limits: what it may cost.
        keep: copy it instead, for gradio gives equal files of several programs one path.

    Raises:
        InputError: it is no clip, or passes a limit.
    """
    name = shown_name(name)
    limits.check_upload(name, source.stat().st_size)
    path = folder / safe_name(name)
    (shutil.copyfile if keep else shutil.move)(source, path)
    with named(path, name):
        return open_loaded(path, name, limits)


def open_loaded(path: Path, name: str, limits: Limits, truth: Path | None = None) -> LoadedClip:
    """Check a clip where it lies.

    Raises:
        InputError: see `load_clip`.
    """
    with open_clip(path, limits.clip_limits()) as clip:
        count = clip.info.frame_count
        if count is None or count < 2:  # not announced, or hardly to be believed
            count = _count_frames(clip.frames(), limits)
        limits.check_clip(name, clip.info, count)
        return LoadedClip(path, name, clip.info, count, limits, truth)


def shown_name(name: object) -> str:
    """A file's name to be shown: without folders, of one line, not too long."""
    text = re.split(r"[/\\]", str(name))[-1]
    text = "".join(letter for letter in text if letter.isprintable()).strip()
    return text[-80:] or "clip"


def safe_name(name: str) -> str:
    """A file's name that is good for any folder and command line.

    >>> safe_name('My "clip".MOV'), safe_name("..")
    ('My-clip.MOV', 'clip')
    """
    path = Path(name)
    stem = re.sub(r"[^A-Za-z0-9_.-]+", "-", path.stem).strip("-.") or "clip"
    suffix = path.suffix if re.fullmatch(r"\.[A-Za-z0-9]{1,5}", path.suffix) else ""
    return stem[:60] + suffix


@contextmanager
def named(path: Path, name: str) -> Iterator[None]:
    """Tell what is wrong with a file by the name that the visitor knows; where it lies here helps nobody.

    Args:
        path: where it lies.
        name: what to call it.
    """
    try:
        yield
    except InputError as error:
        raise InputError(str(error).replace(str(path), name)) from error


def _count_frames(frames: Iterator[tuple[int, np.ndarray]], limits: Limits) -> int:
    count = 0
    for count, _ in enumerate(frames, 1):
        if count > limits.max_clip_frames:
            break
    return count
