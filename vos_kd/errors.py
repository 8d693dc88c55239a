"""The one exception for input that a person handed over and can put right.

Command lines and the page catch it, show its text and nothing else; anything different that escapes is a bug and
keeps its traceback.
"""

from __future__ import annotations


class InputError(ValueError):
    """Input that cannot be used; the text says what was wrong, what was expected, where, and what to do."""
