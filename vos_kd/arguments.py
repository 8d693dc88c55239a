"""Kinds of command-line arguments that several commands take."""

from __future__ import annotations

import argparse
from collections.abc import Callable


def whole(least: int, most: int = 10**9) -> Callable[[str], int]:
    """A whole number within limits, for `type=` of argparse.

    Args:
        least: that is allowed.
        most: that is allowed.
    """

    def parse(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most}")
        return int(text)

    return parse
