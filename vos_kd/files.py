"""Files appear whole or not at all: write beside the target, then rename."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vos_kd.errors import InputError


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Give a path beside `target` to write to; rename it to `target` when the block ends well.

    The temporary name keeps the target's suffix, because encoders choose their format by it.

    Args:
        target: where the finished file shall be. Its folder is created.

    Yields:
        A path in the same folder, so that the rename is atomic.

    Raises:
        InputError: the folder cannot be made or written to, or the disk is full.
    """
    target = Path(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".partial-", suffix=target.suffix, dir=target.parent)
    except OSError as error:
        raise InputError(_cannot_write(target, error)) from error
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
        # mkstemp makes files private; give them what an ordinary open() would have.
        partial.chmod(0o666 & ~_umask())
        partial.replace(target)
    except OSError as error:
        raise InputError(_cannot_write(target, error)) from error
    finally:
        partial.unlink(missing_ok=True)


def atomic_write(target: Path, content: bytes | str) -> None:
    """Write `content` (text as UTF-8) to `target`, whole or not at all.

    Raises:
        InputError: the folder cannot be made or written to, or the disk is full.
    """
    data = content.encode() if isinstance(content, str) else content
    with atomic_path(target) as partial:
        partial.write_bytes(data)


def read_limited(path: Path, most: int) -> bytes:
    """Read a file that somebody named: a plain one, and not without end.

    Args:
        path: of the file.
        most: bytes it may have.

    Raises:
        InputError: it cannot be read, is no plain file (a device or a pipe never ends), or is larger.
    """
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{path} is not a plain file; expected one that can be read whole.")
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}. Check the path.") from error
    if len(data) > most:
        raise InputError(f"{path} is larger than {most >> 20} MiB, the most that is read of such a file.")
    return data


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _cannot_write(target: Path, error: OSError) -> str:
    reason = error.strerror or str(error)
    return f"cannot write {target}: {reason}. Choose another place with --out, or free space there."


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
