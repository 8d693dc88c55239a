"""The one exception of this package that a person can put right; the command line shows its text and nothing else."""

from __future__ import annotations


class ProtocolError(ValueError):
    """Data, results or a record that cannot be scored.

    The text says what was wrong, what was expected, where (sequence, frame, object), and what to do.
    """
