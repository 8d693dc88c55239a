"""Checks of single values of a stored file; each message says where, what was found and what was expected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evaluation.results import ProtocolError, check_plain

AGAIN = "Write it again with the command that made it."


def check_version(top: Mapping[str, Any], version: int, where: str) -> None:
    """Refuse a file of another schema version."""
    found = top.get("schema_version")
    if type(found) is not int or found != version:
        raise ProtocolError(
            f"{where}: schema_version is {shown(found)}; this program reads {version}. Use the program that wrote it, "
            "or make it again."
        )


def mapping(value: object, where: str) -> Mapping[str, Any]:
    """A mapping with text as keys."""
    if not isinstance(value, Mapping):
        raise ProtocolError(f"{where} is {shown(value)}; expected an object of JSON. {AGAIN}")
    return value


def positive(value: object, where: str) -> float:
    """A finite number above 0."""
    check_plain(value, where)
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise ProtocolError(f"{where} is {shown(value)}; expected a number above 0. {AGAIN}")
    return float(value)


def optional_positive(value: object, where: str) -> float | None:
    """A finite number above 0, or None."""
    return None if value is None else positive(value, where)


def whole(value: object, where: str) -> int:
    """A whole number from 1 on."""
    check_plain(value, where)
    if type(value) is not int or value < 1:
        raise ProtocolError(f"{where} is {shown(value)}; expected a whole number from 1 on. {AGAIN}")
    return value


def optional_whole(value: object, where: str) -> int | None:
    """A whole number from 1 on, or None."""
    return None if value is None else whole(value, where)


def text(value: object, where: str) -> str:
    """Text that is not empty."""
    check_plain(value, where)
    if not isinstance(value, str) or not value:
        raise ProtocolError(f"{where} is {shown(value)}; expected text. {AGAIN}")
    return value


def optional_text(value: object, where: str) -> str | None:
    """Text that is not empty, or None."""
    return None if value is None else text(value, where)


def shown(value: object) -> str:
    """A value as messages show it: not longer than a line."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
