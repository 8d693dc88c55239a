"""Records of results on disk: written whole or not at all, checked completely when read.

In a file the means stand beside the values, for outside readers; on reading they are compared with them, so an edited
mean, a NaN or a record of another schema version is refused. Standard library only: the leaderboard reads records too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evaluation.errors import ProtocolError
from evaluation.protocols import Protocol, Scores, SeenUnseen
from evaluation.record import (
    SCHEMA_VERSION,
    ModelInfo,
    ObjectResult,
    Record,
    SequenceResult,
    means,
    to_json,
)
from evaluation.record_format import check_plain, parse, parse_date
from evaluation.whole_files import write_text

__all__ = [
    "SCHEMA_VERSION",
    "ModelInfo",
    "ObjectResult",
    "Protocol",
    "ProtocolError",
    "Record",
    "Scores",
    "SeenUnseen",
    "SequenceResult",
    "check_plain",
    "load",
    "loads",
    "means",
    "parse_date",
    "save",
    "to_json",
]

MAX_BYTES = 2**26
"""Largest record that is read, 64 MiB; all of YouTube-VOS valid takes about 10."""


def save(record: Record, path: Path) -> None:
    """Write a record, whole or not at all.

    Raises:
        ProtocolError: it would not be read again (`load` says what is refused), or the file cannot be written.
    """
    data = to_json(record)
    parse(data, str(path))
    write_text(_text(data), path)


def load(path: Path) -> Record:
    """Read a record, and check all of it.

    Raises:
        ProtocolError: not a record of this schema version, values out of range, NaN, means that do not follow from the
            values, or the file cannot be read. Says where, and what to do.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ProtocolError(f"the record {path} cannot be read: {error.strerror or error}. Check the path.") from error
    return loads(data, str(path))


def loads(data: bytes | str, name: str) -> Record:
    """Read a record from its text; `name` is for messages. Raises as `load` does."""
    if len(data) > MAX_BYTES:
        raise ProtocolError(f"the record {name} has more than {MAX_BYTES >> 20} MiB; no record is that large.")
    try:
        plain = json.loads(data, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"the record {name} is not the JSON of one: {error}. Score again.") from error
    return parse(plain, name)


def _refuse_constant(text: str) -> float:
    raise ValueError(f"it holds {text}, but a value that was not measured is null")


def _text(data: Mapping[str, Any]) -> str:
    """JSON with a key on each line and a sequence on each line, so that a person can read it and git compare it."""
    lines = [f" {json.dumps(key)}: {_dump(value)}" for key, value in data.items() if key != "sequences"]
    rows = ",\n".join(f"  {_dump(sequence)}" for sequence in data["sequences"])
    lines.append(f' "sequences": [\n{rows}\n ]')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _dump(value: object) -> str:
    return json.dumps(value, allow_nan=False, ensure_ascii=False)
