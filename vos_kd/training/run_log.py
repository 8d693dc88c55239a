"""What a run tells while it trains: rows of figures in `metrics.jsonl`, and the same for TensorBoard."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from torch.utils.tensorboard import SummaryWriter

from vos_kd.errors import InputError
from vos_kd.training.metrics import append_row, keep_rows_until


class RunLog:
    """The log of a run that is at a step; a context, which closes its files. What came after that step is dropped.

    Raises:
        InputError: a file cannot be written, as on a full disk; also by `add`, and at the end of the context unless
            that ends by another error.
    """

    def __init__(self, out: Path, step: int) -> None:
        self._out = out
        keep_rows_until(step, out / "metrics.jsonl")
        self._writer = self._told(SummaryWriter, str(out), purge_step=step)

    def add(self, row: dict[str, float]) -> None:
        """Add a row of figures; its `step` says when."""
        append_row(row, self._out / "metrics.jsonl")
        for name, value in row.items():
            self._told(self._writer.add_scalar, name, value, int(row["step"]))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._told(self._writer.close)
        except InputError:
            if error is None:  # what went wrong first is what to mend
                raise

    def _told(self, call: Callable[..., Any], *args: Any, **settings: Any) -> Any:
        try:
            return call(*args, **settings)
        except OSError as error:
            reason = error.strerror or error
            raise InputError(
                f"cannot write TensorBoard's file in {self._out}: {reason}. Make room and continue."
            ) from error
