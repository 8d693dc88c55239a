"""A record as a table for the terminal, in percent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from evaluation.protocols import Scores
from evaluation.record import Record

_COLUMNS = ("J&F", "J", "J recall", "J decay", "F", "F recall", "F decay")


def format_record(record: Record) -> str:
    """A line for each sequence, the means over all objects, and what to know about them.

    Args:
        record: any.

    Returns:
        Lines, each with its end.
    """
    protocol = record.protocol
    objects = sum(len(sequence.objects) for sequence in record.sequences)
    frames = sum(len(sequence.frames) for sequence in record.sequences)
    rows: list[tuple[str, ...]] = [("sequence", "objects", "frames", *_COLUMNS)]
    for sequence in record.sequences:
        rows.append((sequence.name, str(len(sequence.objects)), str(len(sequence.frames)), *_cells(sequence.scores)))
    rows.append(("all", str(objects), str(frames), *_cells(record.scores)))
    lines = [
        f"{record.model.name} on {protocol.dataset} {protocol.split} ({protocol.resolution}, {protocol.convention})"
    ]
    lines += _aligned(rows)
    groups = record.seen_unseen
    if groups.g_overall is not None:
        names = ("j_seen", "f_seen", "j_unseen", "f_unseen")
        parts = ", ".join(f"{name.replace('_', ' ')} {_percent(getattr(groups, name))}" for name in names)
        lines.append(f"G {_percent(groups.g_overall)} ({parts})")
    if record.is_partial:
        lines.append("PARTIAL: sequences of the split are left out; these are not the benchmark's numbers.")
    return "".join(f"{line}\n" for line in lines)


def _cells(scores: Scores) -> Iterable[str]:
    values = (
        scores.jf_mean,
        scores.j_mean,
        scores.j_recall,
        scores.j_decay,
        scores.f_mean,
        scores.f_recall,
        scores.f_decay,
    )
    return map(_percent, values)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns as wide as their widest cell; text to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if n else cell.ljust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    rule = "-" * len(lines[0])
    return [lines[0], rule, *lines[1:-1], rule, lines[-1]]
