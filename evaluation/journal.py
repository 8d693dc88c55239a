"""Finished sequences on disk while a run goes on, so that an interrupted one loses none of them.

A file of lines of JSON: first what the run is, then each sequence as a record holds it. It stands beside the record
that it will become, and goes when that is written.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evaluation.errors import ProtocolError
from evaluation.record import SequenceResult, sequence_json
from evaluation.record_format import parse_sequence

SUFFIX = ".unfinished"


class Journal:
    """The finished sequences of one run."""

    def __init__(self, record: Path, made_with: Mapping[str, Any], *, resume: bool) -> None:
        """Begin, or go on.

        Args:
            record: path of the record that the run is for.
            made_with: all that the values depend on: model, weights, protocol, options.
            resume: whether to take what an earlier run of the same has finished; else its journal is begun anew.

        Raises:
            ProtocolError: the earlier run was made with something else, its file is damaged, or none can be written.
        """
        self.path = record.with_name(record.name + SUFFIX)
        self.done: dict[str, SequenceResult] = {}
        """By name of the sequence."""
        head = json.dumps(made_with, sort_keys=True)
        size = self._read(head) if resume and self.path.is_file() else 0
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("r+b" if size else "wb")
            self._file.truncate(size)
            self._file.seek(size)
            if not size:
                self._append(head)
        except OSError as error:
            raise _cannot_write(self.path, error) from error

    def add(self, result: SequenceResult) -> None:
        """Keep a finished sequence; it is on disk when this returns.

        Raises:
            ProtocolError: it cannot be written.
        """
        try:
            self._append(json.dumps(sequence_json(result), allow_nan=False))
        except OSError as error:
            raise _cannot_write(self.path, error) from error
        self.done[result.name] = result

    def close(self, *, remove: bool = False) -> None:
        """End; `remove` when the record is written."""
        self._file.close()
        if remove:
            self.path.unlink(missing_ok=True)

    def _append(self, line: str) -> None:
        self._file.write(line.encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def _read(self, head: str) -> int:
        """Take the finished sequences; returns where the last whole line ends. A run may die within a line."""
        try:
            whole, newline, _ = self.path.read_bytes().rpartition(b"\n")
        except OSError as error:
            raise ProtocolError(f"{self.path} cannot be read: {error.strerror or error}.") from error
        if not newline:
            return 0
        lines = whole.split(b"\n")
        if lines[0] != head.encode():
            raise ProtocolError(
                f"{self.path} is of a run with other weights, data or options, so --resume cannot go on. Repeat "
                "that run's command, or leave --resume out to begin anew."
            )
        for number, line in enumerate(lines[1:], 2):
            try:
                result = parse_sequence(json.loads(line), f"line {number}")
            except (ValueError, RecursionError) as error:
                raise ProtocolError(
                    f"{self.path} is damaged at line {number}: {error} Leave --resume out to begin anew."
                ) from error
            self.done[result.name] = result
        return len(whole) + 1


def _cannot_write(path: Path, error: OSError) -> ProtocolError:
    return ProtocolError(
        f"cannot write {path}: {error.strerror or error}. Choose another --output, or free space there."
    )
