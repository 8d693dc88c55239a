"""What a run logs, a JSON object a line, and the meter behind it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor

from vos_kd.errors import InputError
from vos_kd.files import atomic_write


def read_metrics(file: Path) -> list[dict[str, float]]:
    """Rows of a `metrics.jsonl`; none where there is no file. A last line that was cut off by a kill is left out."""
    lines = file.read_text().splitlines() if file.is_file() else []
    rows = []
    for number, line in enumerate(lines):
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            if number < len(lines) - 1:
                raise
    return rows


def keep_rows_until(step: int, file: Path) -> None:
    """Drop what was logged after the checkpoint that a run continues from: it comes again."""
    rows = [row for row in read_metrics(file) if row["step"] <= step]
    atomic_write(file, "".join(json.dumps(row) + "\n" for row in rows))


def append_row(row: dict[str, float], file: Path) -> None:
    """Add a row.

    Raises:
        InputError: it cannot be written, as on a full disk.
    """
    try:
        with file.open("a") as out:
            out.write(json.dumps(row) + "\n")
    except OSError as error:
        raise InputError(f"cannot write {file}: {error.strerror or error}. Make room and continue.") from error


class Meter:
    """Means since the last look, and where the time went."""

    def __init__(self) -> None:
        self.skipped = 0
        """Steps left out of the whole run so far because they were not finite."""
        self.reset()

    def reset(self) -> None:
        """Begin anew; also after time that went into something else than training."""
        self._sums: dict[str, Tensor] = {}
        self._count = 0
        self._waited = 0.0
        self._since = time.perf_counter()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count the block as time spent waiting for data."""
        began = time.perf_counter()
        yield
        self._waited += time.perf_counter() - began

    def add(self, losses: dict[str, Tensor], norms: dict[str, Tensor]) -> None:
        """Take in a step; stays on the device, so that nothing waits for it."""
        for name, value in {**losses, **norms}.items():
            self._sums[name] = self._sums.get(name, 0) + value.detach().float()
        self._count += 1

    def take(self, batch_size: int) -> dict[str, float]:
        """Means and rates since the last call."""
        seconds = time.perf_counter() - self._since
        row = {name: float(value) / self._count for name, value in self._sums.items()}
        row["clips_per_second"] = self._count * batch_size / seconds
        row["waiting_share"] = self._waited / seconds
        row["skipped_steps"] = self.skipped
        self.reset()
        return row
