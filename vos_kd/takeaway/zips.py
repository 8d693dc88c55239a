"""Zips that are written entry by entry, appear whole or not at all, and are equal where their content is."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vos_kd.files import atomic_path

_MODE = 0o644 << 16  # what unzip gives to the files


class ZipWriter:
    """An open zip."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        self._file = file

    def add(self, name: str, content: bytes | str, *, compress: bool = False) -> None:
        """Add a file.

        Args:
            name: within the zip, with / between folders.
            content: text as UTF-8.
            compress: for text; PNGs do not get smaller.
        """
        entry = zipfile.ZipInfo(name)  # of 1980: equal content gives equal bytes
        entry.external_attr = _MODE
        entry.compress_type = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
        self._file.writestr(entry, content)


@contextmanager
def writing_zip(target: Path) -> Iterator[ZipWriter]:
    """Give a zip to write to; it gets its name when the block ends well.

    Raises:
        InputError: the file cannot be written, or the disk is full.
    """
    with atomic_path(target) as partial, zipfile.ZipFile(partial, "w") as file:
        yield ZipWriter(file)
