"""Files appear whole or not at all: written beside the target, then renamed. Standard library only."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evaluation.errors import ProtocolError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a path to write to, renamed to `path` when the block ends well; the folder is made.

    Raises:
        ProtocolError: it cannot be written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".partial-", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        partial = Path(name)
        try:
            yield partial
            partial.chmod(0o644)  # mkstemp makes files private
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise ProtocolError(f"cannot write {path}: {error.strerror or error}. Choose another --output.") from error


def write_text(text: str, path: Path) -> None:
    """Write a text file, whole or not at all.

    Raises:
        ProtocolError: it cannot be written.
    """
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")
