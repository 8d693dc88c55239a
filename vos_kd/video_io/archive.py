"""Folders and zips of images, which come from anywhere: what leads out of them, or swells, is refused by name.

A zip is never unpacked to disk. Its list is checked as a whole before the first image is read; images are then read
one at a time, and no more bytes of each than the list declares.
"""

from __future__ import annotations

import re
import stat
import zipfile
import zlib
from collections.abc import Iterable
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Literal

from vos_kd.errors import InputError
from vos_kd.video_io.clip import ClipLimits
from vos_kd.video_io.images import IMAGE_SUFFIXES, DamagedImageError

_ARCHIVE_SUFFIXES = frozenset({".zip", ".cbz", ".jar", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar"})
_ENCRYPTED = 0x1 | 0x40  # flag bits of the zip format: encrypted, strongly encrypted
_SMALL_MEMBER_BYTES = 2**20  # below it a member may shrink as it likes, as a black frame does


def natural_key(name: str) -> tuple[tuple[int, str], ...]:
    """Sort key by which frame2 comes before frame10.

    >>> sorted(["f10", "f2", "f02b"], key=natural_key)
    ['f2', 'f02b', 'f10']
    """
    parts = re.split(r"([0-9]+)", name.lower())
    # Digits are compared by length, then as text: no number is too long for that. The name itself breaks ties.
    digits = [part.lstrip("0") if index % 2 else part for index, part in enumerate(parts)]
    return (*((len(part) if index % 2 else 0, part) for index, part in enumerate(digits)), (0, name))


class FolderImages:
    """Images that lie directly in a folder; hidden files and those of other kinds are passed over."""

    kind: Literal["folder"] = "folder"

    def __init__(self, path: Path, limits: ClipLimits) -> None:
        self.path = path
        self._most_bytes = limits.max_image_bytes
        try:
            files = list(islice(path.iterdir(), limits.max_members + 1))
        except OSError as error:
            raise InputError(f"cannot list {path}: {error.strerror}. Check its permissions.") from error
        _check_members(path, len(files), limits)
        self.names = _images_of(path, (file.name for file in files))
        inside = path.resolve()
        for name in self.names:
            file = path / name
            if not file.resolve().is_relative_to(inside):
                raise InputError(f"{file} is a link that leads out of its folder. Put the image itself there.")
            if not file.is_file():
                raise InputError(f"{file} is no plain file; expected an image.")

    def read(self, index: int) -> bytes:
        """Read one file, of at most `max_image_bytes`."""
        file = self.path / self.names[index]
        try:
            with file.open("rb") as stream:
                data = stream.read(self._most_bytes + 1)
        except OSError as error:
            raise InputError(f"cannot read {file}: {error.strerror}. Check its permissions.") from error
        if len(data) > self._most_bytes:
            raise InputError(f"{file} is larger than {self._most_bytes:,} bytes. Store the image smaller.")
        return data

    def close(self) -> None:
        """Nothing stays open."""


class ZipImages:
    """Images in a zip, all in one folder of it; other files are passed over once they are found harmless."""

    kind: Literal["zip"] = "zip"

    def __init__(self, path: Path, limits: ClipLimits) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise InputError(f"{path} is not a readable zip: {error}. It may be cut off; store it anew.") from error
        try:
            members = self._zip.infolist()
            _check_members(path, len(members), limits)
            for member in members:
                _check_member(path, member, limits)
            unpacked = sum(member.file_size for member in members)
            if unpacked > limits.max_unpacked_bytes:
                raise InputError(
                    f"{path} unpacks to {unpacked:,} bytes; expected at most {limits.max_unpacked_bytes:,}. "
                    "Store fewer or smaller images."
                )
            self.names = _images_of(path, (member.filename for member in members if not member.is_dir()))
            self._members = {member.filename: member for member in members}
        except BaseException:
            self._zip.close()
            raise

    def read(self, index: int) -> bytes:
        """Read one member, of exactly the bytes it declares."""
        member = self._members[self.names[index]]
        try:
            with self._zip.open(member) as stream:
                data = stream.read(member.file_size + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
            raise DamagedImageError(
                f"{_named(self.path, member)} cannot be unpacked: {error}. Store it anew."
            ) from error
        if len(data) != member.file_size:
            raise DamagedImageError(
                f"{_named(self.path, member)} has {len(data):,} bytes, but the zip's list says {member.file_size:,}. "
                "Store it anew."
            )
        return data

    def close(self) -> None:
        """Close the zip."""
        self._zip.close()


def _images_of(path: Path, names: Iterable[str]) -> tuple[str, ...]:
    images = sorted((name for name in names if _is_image(name)), key=natural_key)
    if not images:
        raise InputError(f"{path} holds no images; expected {', '.join(sorted(IMAGE_SUFFIXES))} files.")
    folders = sorted({str(PurePosixPath(name).parent) for name in images})
    if len(folders) > 1:
        raise InputError(
            f"{path} holds images in {len(folders)} folders, among them {folders[0]} and {folders[1]}; "
            "expected one clip in one folder."
        )
    return tuple(images)


def _is_image(name: str) -> bool:
    parts = PurePosixPath(name).parts
    is_hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    return not is_hidden and PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES


def _check_members(path: Path, count: int, limits: ClipLimits) -> None:
    if count > limits.max_members:
        # A folder's files are not counted further than the limit.
        raise InputError(f"{path} holds {count} entries or more; expected at most {limits.max_members}.")


def _check_member(path: Path, member: zipfile.ZipInfo, limits: ClipLimits) -> None:
    name = member.orig_filename  # as it stands in the file: `filename` ends at a NUL
    parts = re.split(r"[\\/]", name)
    mode = stat.S_IFMT(member.external_attr >> 16)
    problem = None
    if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name):
        problem = "has an absolute name"
    elif ".." in parts:
        problem = "has a name that leads out of the zip"
    elif not name.isprintable():
        problem = "has a name with control characters"
    elif mode not in (0, stat.S_IFREG, stat.S_IFDIR):
        problem = "is a link or a device"
    elif member.flag_bits & _ENCRYPTED:
        problem = "is encrypted"
    elif PurePosixPath(name).suffix.lower() in _ARCHIVE_SUFFIXES:
        problem = "is an archive within the archive"
    elif member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # zipfile bounds what it unpacks in one go for deflate only.
        problem = f"is packed by method {member.compress_type}, and only stored and deflated are read"
    elif member.file_size > limits.max_image_bytes:
        problem = f"unpacks to {member.file_size:,} bytes, and at most {limits.max_image_bytes:,} are read"
    elif member.file_size > max(_SMALL_MEMBER_BYTES, limits.max_ratio * member.compress_size):
        ratio = member.file_size / max(member.compress_size, 1)
        problem = f"unpacks to {ratio:.0f} times its packed size, and at most {limits.max_ratio:g} are expected"
    if problem:
        raise InputError(f"{_named(path, member)} {problem}. Make a zip of plain images.")


def _named(path: Path, member: zipfile.ZipInfo) -> str:
    # A name may be 65,535 characters long, and hold escape sequences for the terminal.
    return f"{path}: member {member.orig_filename[:100]!r}"
