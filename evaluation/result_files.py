"""Predicted masks as files: a folder or a zip of `SEQUENCE/FRAME.png`, or the same below `Annotations`.

A zip may come from anybody. Nothing is unpacked to disk, names that lead out of it are refused all the same, links and
passwords too, and no entry may claim more than a mask can need.
"""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath

from evaluation.errors import ProtocolError
from evaluation.index_png import MAX_BYTES
from evaluation.sequences import listed, nearest, prediction_name, read_file, sorted_files, sorted_folders

_WRAPPER = "Annotations"
_SHAPE = "Expected SEQUENCE/FRAME.png, or Annotations/SEQUENCE/FRAME.png as for the server of YouTube-VOS."
MAX_ENTRIES = 10**6
_BAD_ZIP = (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, struct.error, zlib.error)


class ResultFiles(ABC):
    """Masks by sequence and frame."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @abstractmethod
    def frames(self, sequence: str) -> Collection[str]:
        """Names of the frames that have a mask, in order; none if the sequence is not there."""

    @abstractmethod
    def read(self, sequence: str, frame: str) -> bytes:
        """The file of a mask that is there.

        Raises:
            ProtocolError: it cannot be read.
        """

    @abstractmethod
    def sequences(self) -> Collection[str]:
        """Names of the sequences that are there, wanted or not."""

    def require(self, wanted: Mapping[str, Sequence[str]]) -> None:
        """Check that everything is there, before anything is read.

        Args:
            wanted: for each sequence the frames to be scored.

        Raises:
            ProtocolError: sequences or frames are missing.
        """
        present = self.sequences()
        missing = [sequence for sequence in wanted if sequence not in present]
        if len(missing) == len(wanted):
            found = f"it holds {listed(sorted(present))}" if present else "it holds no folder of PNG files"
            raise ProtocolError(f"{self._path} has no wanted sequence, such as {missing[0]!r}: {found}. {_SHAPE}")
        if missing:
            raise ProtocolError(
                f"{self._path} lacks {len(missing)} of {len(wanted)} sequences: {listed(missing)}. Missing masks are "
                "not scored as 0: predict them, or name what is there with --sequences for a partial record."
            )
        for sequence, frames in wanted.items():
            self._require_frames(sequence, frames)

    def _require_frames(self, sequence: str, frames: Sequence[str]) -> None:
        present = self.frames(sequence)
        if missing := [frame for frame in frames if frame not in present]:
            raise ProtocolError(
                f"{self._path} lacks {len(missing)} of {len(frames)} frames of sequence {sequence!r}: "
                f"{listed(f'{frame}.png' for frame in missing)}"
                + (f"; it has names such as {nearest(missing[0], present)}.png" if present else "")
                + ". Predict every frame, and name masks as the frames are named."
            )


def open_results(path: Path) -> ResultFiles:
    """Open a folder or a zip of masks.

    Raises:
        ProtocolError: it is neither, or the zip is damaged or unsafe.
    """
    path = Path(path)
    if path.is_dir():
        return _Folder(path)
    if not path.exists():
        raise ProtocolError(f"no {path}: expected a folder or a zip of masks. {_SHAPE}")
    return _Zip(path)


class _Folder(ResultFiles):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._base = path / _WRAPPER if (path / _WRAPPER).is_dir() else path
        self._paths: dict[str, dict[str, Path]] = {}

    def sequences(self) -> Collection[str]:
        return set(sorted_folders(self._base))

    def frames(self, sequence: str) -> Collection[str]:
        return self._of(sequence).keys()

    def read(self, sequence: str, frame: str) -> bytes:
        return read_file(self._of(sequence)[frame], prediction_name(sequence, frame))

    def _of(self, sequence: str) -> dict[str, Path]:
        """By name; the suffix may be in capitals."""
        if sequence not in self._paths:
            self._paths[sequence] = sorted_files(self._base / sequence, (".png",))
        return self._paths[sequence]


class _Zip(ResultFiles):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            self._archive = zipfile.ZipFile(path)
        except (*_BAD_ZIP, OSError) as error:
            raise ProtocolError(f"{path} is not a zip that can be read: {error}. Pack or download it again.") from error
        self._entries: dict[str, dict[str, zipfile.ZipInfo]] = {}
        entries = self._archive.infolist()
        if len(entries) > MAX_ENTRIES:
            raise ProtocolError(f"{path} has {len(entries)} entries; at most {MAX_ENTRIES} are read.")
        for entry in entries:
            self._take(entry)

    def sequences(self) -> Collection[str]:
        return self._entries.keys()

    def frames(self, sequence: str) -> Collection[str]:
        return self._entries[sequence].keys()

    def read(self, sequence: str, frame: str) -> bytes:
        try:
            with self._archive.open(self._entries[sequence][frame]) as file:
                return file.read(MAX_BYTES)
        except (*_BAD_ZIP, OSError) as error:
            name = prediction_name(sequence, frame)
            raise ProtocolError(f"{name} in {self._path} is damaged: {error}. Pack or download it again.") from error

    def _take(self, entry: zipfile.ZipInfo) -> None:
        """Note the entry if it is a mask; refuse what no result needs."""
        where = f"{self._path} has the entry {entry.filename!r}"
        path = PurePosixPath(entry.filename)
        if path.is_absolute() or ".." in path.parts or set(entry.filename) & set("\\:\0"):
            raise ProtocolError(f"{where}, which leads out of the zip or is no portable name. {_SHAPE}")
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise ProtocolError(f"{where}, which is a link. Pack the files themselves.")
        parts = path.parts[1:] if path.parts[:1] == (_WRAPPER,) else path.parts
        if entry.is_dir() or len(parts) != 2 or path.suffix.lower() != ".png" or path.name[0] == ".":
            return
        if entry.flag_bits & 1:
            raise ProtocolError(f"{where}, which needs a password. Pack without one.")
        if entry.file_size > MAX_BYTES:
            raise ProtocolError(f"{where} of {entry.file_size} bytes; a mask has at most {MAX_BYTES}.")
        frames = self._entries.setdefault(parts[0], {})
        if path.stem in frames:
            raise ProtocolError(f"{where} for a frame that it already has. Pack each mask once.")
        frames[path.stem] = entry
