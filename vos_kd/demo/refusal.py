"""What a visitor is told of a failure."""

from __future__ import annotations

import logging

from vos_kd.errors import InputError

logger = logging.getLogger(__name__)

_OURS = "the server could not answer; its log says why. Try again, or reload the page."


def told(error: Exception) -> str:
    """An `InputError`'s own words; anything else is a fault of ours, and goes to the log."""
    if isinstance(error, InputError):
        return str(error)
    logger.error("a question failed", exc_info=error)
    return _OURS
