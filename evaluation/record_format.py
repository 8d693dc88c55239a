"""What a stored record must look like: every key, type and range, and that its means follow from its values.

A record may come from anybody, so nothing in it is trusted; each message names the place in the file.
"""

from __future__ import annotations

import datetime
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

from evaluation.errors import ProtocolError
from evaluation.protocols import CONVENTIONS, VOID_ID, Protocol
from evaluation.record import KIND, SCHEMA_VERSION, ModelInfo, ObjectResult, Record, SequenceResult, means

_T = TypeVar("_T", Record, SequenceResult, ObjectResult)

TOLERANCE = 1e-9
"""How far a stored mean may lie from the one computed from the values."""
_AGAIN = "Write the record again with `python evaluation/run.py`."
_MAX_DEPTH = 8
MAX_SEQUENCES, MAX_OBJECTS = 5000, 20_000
"""Of a record. YouTube-VOS 2019 train, the largest split of all, has 3471 and 6459."""
_MAX_WHOLE = 2**53
"""Up to here every whole number is a float as well."""
_YEARS = range(2000, 2101)


def parse(data: object, name: str) -> Record:
    """Check a record as it comes from JSON.

    Args:
        data: the decoded JSON.
        name: of the file, for messages.

    Raises:
        ProtocolError: anything is not as `Record` and `to_json` say.
    """
    try:
        return _record(data)
    except ProtocolError as error:
        raise ProtocolError(f"the record {name}: {error}") from error


def parse_sequence(data: object, name: str) -> SequenceResult:
    """Check a sequence of a record, likewise."""
    return _sequence(data, name)


def _record(data: object) -> Record:
    top = _mapping(data, "the file")
    version = top.get("schema_version")
    if type(version) is not int or version != SCHEMA_VERSION:
        raise ProtocolError(
            f"schema_version is {version!r}; this program reads {SCHEMA_VERSION}. Use the program that wrote it, or "
            "score again."
        )
    if top.get("kind") != KIND:
        raise ProtocolError(f"kind is {_shown(top.get('kind'))}; expected {KIND!r}: J and F of a model. {_AGAIN}")
    model, protocol = (_mapping(top.get(key), key) for key in ("model", "protocol"))
    record = Record(
        model=_checked_keys(model, "model", ModelInfo)(
            name=_text(model.get("name"), "model.name"),
            weights_sha256=_optional(model.get("weights_sha256"), "model.weights_sha256", _sha256),
            role=_optional(model.get("role"), "model.role", _text),
        ),
        protocol=_checked_keys(protocol, "protocol", Protocol)(
            **{key: _text(protocol.get(key), f"protocol.{key}") for key in ("dataset", "split", "resolution")},
            convention=_one_of(protocol.get("convention"), "protocol.convention", CONVENTIONS),
            drops_given_frame=_bool(protocol.get("drops_given_frame"), "protocol.drops_given_frame"),
        ),
        sequences=tuple(
            _sequence(one, f"sequences[{n}]") for n, one in enumerate(_sequence_list(top.get("sequences")))
        ),
        is_partial=_bool(top.get("is_partial"), "is_partial"),
        environment=_finite_mapping(top.get("environment"), "environment"),
        options=_finite_mapping(top.get("options"), "options"),
        command=_text(top.get("command"), "command"),
        date=parse_date(top.get("date"), "date"),
        commit=_optional(top.get("commit"), "commit", _text),
        speed=_optional(top.get("speed"), "speed", _finite_mapping),
        complexity=_optional(top.get("complexity"), "complexity", _finite_mapping),
    )
    if not record.sequences:
        raise ProtocolError(f"it has no sequences; expected at least one. {_AGAIN}")
    _unique([sequence.name for sequence in record.sequences], "sequences")
    if record.scores.jf_mean is None:
        raise ProtocolError(f"no object of it has a scored frame, so there are no means. {_AGAIN}")
    keys = {"schema_version", "kind", *(one.name for one in fields(Record))}
    return _checked_means(record, top, "the file", keys)


def _sequence_list(value: object) -> list[Any]:
    """The list, if it is no larger than that of any data set: what reads it works on all of it at once."""
    rows = _list(value, "sequences")
    objects = sum(len(row["objects"]) for row in rows if isinstance(row, dict) and isinstance(row.get("objects"), list))
    for count, most, what in ((len(rows), MAX_SEQUENCES, "sequences"), (objects, MAX_OBJECTS, "objects")):
        if count > most:
            raise ProtocolError(f"it has {count} {what}; expected at most {most}. Write a record for each data set.")
    return rows


def _sequence(data: object, where: str) -> SequenceResult:
    row = _mapping(data, where)
    name = _text(row.get("name"), f"{where}.name")
    where = f"sequence {name!r}"
    frames = tuple(_text(one, f"{where}, frames") for one in _list(row.get("frames"), f"{where}, frames"))
    _unique(frames, f"{where}, frames")
    objects = tuple(_object(one, where, len(frames)) for one in _list(row.get("objects"), f"{where}, objects"))
    _unique([one.object_id for one in objects], f"{where}, objects")
    return _checked_means(SequenceResult(name, frames, objects), row, where, {"name", "frames", "objects"})


def _object(data: object, where: str, frames: int) -> ObjectResult:
    row = _mapping(data, f"{where}, objects")
    object_id = _int(row.get("object_id"), f"{where}, object_id", 1, VOID_ID - 1)
    where = f"{where}, object {object_id}"
    result = ObjectResult(
        object_id=object_id,
        start=_int(row.get("start"), f"{where}, start", 0, frames),
        j=_fractions(row.get("j"), f"{where}, j"),
        f=_fractions(row.get("f"), f"{where}, f"),
        category=_optional(row.get("category"), f"{where}, category", _text),
        is_seen=_optional(row.get("is_seen"), f"{where}, is_seen", _bool),
    )
    if not len(result.j) == len(result.f) == frames - result.start:
        raise ProtocolError(
            f"{where} has {len(result.j)} values of J and {len(result.f)} of F; expected {frames - result.start}, "
            f"one for each frame from its start. {_AGAIN}"
        )
    return _checked_means(result, row, where, {one.name for one in fields(ObjectResult)})


def _checked_means(result: _T, row: Mapping[str, Any], where: str, keys: set[str]) -> _T:
    """The result, if the row's means are those of its values and it has no keys besides `keys` and the means."""
    expected = means(result)
    _check_keys(row, where, keys | expected.keys())
    for key, value in expected.items():
        stored = row[key]
        agrees = (
            stored is None
            if value is None
            else _is_number(stored) and -1 <= stored <= 1 and abs(stored - value) <= TOLERANCE
        )
        if not agrees:
            raise ProtocolError(
                f"{where}: {key} is {_shown(stored)}, but its values give {value!r}. Means follow from values. {_AGAIN}"
            )
    return result


def _checked_keys(row: Mapping[str, Any], where: str, kind: type) -> Any:
    """The dataclass `kind`, if the row has just its fields."""
    _check_keys(row, where, {one.name for one in fields(kind)})
    return kind


def _check_keys(row: Mapping[str, Any], where: str, keys: set[str]) -> None:
    if wrong := sorted(keys ^ row.keys()):
        raise ProtocolError(f"{where}: keys {', '.join(map(_shown, wrong[:5]))} are missing or not known. {_AGAIN}")


def _mapping(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ProtocolError(f"{where} is {_shown(value)}; expected an object of JSON. {_AGAIN}")
    return value


def _list(value: object, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise ProtocolError(f"{where} is {_shown(value)}; expected a list. {_AGAIN}")
    return value


def _finite_mapping(value: object, where: str) -> Mapping[str, Any]:
    check_plain(_mapping(value, where), where)
    return _mapping(value, where)


def check_plain(value: object, where: str, depth: int = 0) -> None:
    """Refuse what cannot be shown or computed with: no Unicode, NaN, numbers beyond floats, deep nesting.

    Args:
        value: from JSON.
        where: it stands, for messages.
        depth: of the value in what is checked.

    Raises:
        ProtocolError: says where.
    """
    if depth > _MAX_DEPTH:
        raise ProtocolError(f"{where} is nested more than {_MAX_DEPTH} deep. {_AGAIN}")
    if isinstance(value, dict):
        for key, one in value.items():
            check_plain(one, f"{where}.{_text(key, where)}", depth + 1)
    elif isinstance(value, list | tuple):
        for n, one in enumerate(value):
            check_plain(one, f"{where}[{n}]", depth + 1)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ProtocolError(f"{where} is {value}; a value that was not measured is null. {_AGAIN}")
    elif isinstance(value, int) and abs(value) > _MAX_WHOLE:
        raise ProtocolError(f"{where} is {_shown(value)}; expected a number up to 2**53. {_AGAIN}")
    elif isinstance(value, str):
        _check_unicode(value, where)
    elif not isinstance(value, int | float | None):
        raise ProtocolError(f"{where} is {_shown(value)}; expected what JSON can hold. {_AGAIN}")


def _fractions(value: object, where: str) -> tuple[float, ...]:
    values = _list(value, where)
    for n, one in enumerate(values):
        if not _is_number(one) or not 0 <= one <= 1:
            raise ProtocolError(f"{where}[{n}] is {_shown(one)}; expected a number from 0 to 1. {_AGAIN}")
    return tuple(float(one) for one in values)


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise ProtocolError(f"{where} is {_shown(value)}; expected text. {_AGAIN}")
    _check_unicode(value, where)
    return value


def _check_unicode(value: str, where: str) -> None:
    """Refuse halves of surrogate pairs: JSON can name them, but nothing can send them to a browser."""
    if value.encode("utf-8", "ignore").decode() != value:
        raise ProtocolError(f"{where} is {_shown(value)}, which is no Unicode text. {_AGAIN}")


def _bool(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise ProtocolError(f"{where} is {_shown(value)}; expected true or false. {_AGAIN}")
    return value


def _int(value: object, where: str, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise ProtocolError(f"{where} is {_shown(value)}; expected a whole number from {least} to {most}. {_AGAIN}")
    return value


def _one_of(value: object, where: str, choices: Sequence[str]) -> str:
    if value not in choices:
        raise ProtocolError(f"{where} is {_shown(value)}; expected one of {', '.join(choices)}. {_AGAIN}")
    return _text(value, where)


def _sha256(value: object, where: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", _text(value, where)):
        raise ProtocolError(f"{where} is {_shown(value)}; expected 64 hexadecimal digits. {_AGAIN}")
    return _text(value, where)


def parse_date(value: object, where: str) -> str:
    """A time in UTC, ISO 8601, so that the later of two is the larger text.

    Args:
        value: ISO 8601 with time zone, from 2000 to 2100.
        where: it stands, for messages.

    Raises:
        ProtocolError: it is none; says where.
    """
    try:
        time = datetime.datetime.fromisoformat(_text(value, where))
    except ValueError:
        time = None
    if time is None or time.tzinfo is None or time.year not in _YEARS:
        raise ProtocolError(
            f"{where} is {_shown(value)}; expected a time such as 2025-01-31T12:00:00+00:00, not before 2000 nor after "
            f"2100. {_AGAIN}"
        )
    return time.astimezone(datetime.UTC).isoformat()


_V = TypeVar("_V")


def _optional(value: object, where: str, check: Callable[[object, str], _V]) -> _V | None:
    return None if value is None else check(value, where)


def _unique(values: Sequence[object], where: str) -> None:
    if twice := [str(value) for value, count in Counter(values).items() if count > 1]:
        raise ProtocolError(f"{where}: {', '.join(twice[:5])} more than once. {_AGAIN}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
