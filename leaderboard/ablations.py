"""Ablations: what each part of the method brings, each row against the one before it, with the spread over seeds."""

from __future__ import annotations

from dataclasses import dataclass

from evaluation.results import ProtocolError, parse_date
from leaderboard.checks import AGAIN, check_version, mapping, optional_text, shown, text, whole

SCHEMA_VERSION = 1
_ROWS = 64


@dataclass(frozen=True)
class AblationRow:
    """A training with some parts of the method; J in 0-1 on held-out clips."""

    name: str
    title: str
    compared_with: str | None
    student_j: tuple[float, ...]
    """One for each seed that is finished."""
    student_j_mean: float | None
    """None until all seeds are finished."""
    student_j_std: float | None
    difference_mean: float | None
    """To the row that it is compared with, seed by seed."""
    difference_std: float | None
    teacher_j_mean: float | None


@dataclass(frozen=True)
class Ablation:
    """All rows: same data, steps and seeds."""

    rows: tuple[AblationRow, ...]
    seeds: tuple[int, ...]
    steps: int | None
    is_complete: bool
    command: str
    date: str
    commit: str | None
    file: str


def parse_ablation(data: object, name: str) -> Ablation:
    """Check what `python -m vos_kd.ablation` wrote.

    Raises:
        ProtocolError: another schema version, or a value is missing, no number, or out of range; says where.
    """
    where = f"the ablation {name}"
    top = mapping(data, where)
    check_version(top, SCHEMA_VERSION, where)
    rows = top.get("rows")
    if not isinstance(rows, list) or not 0 < len(rows) <= _ROWS:
        raise ProtocolError(f"{where}: rows is {shown(rows)}; expected a list of 1 to {_ROWS}. {AGAIN}")
    seeds = top.get("seeds")
    if not isinstance(seeds, list) or not seeds or not all(type(seed) is int for seed in seeds):
        raise ProtocolError(f"{where}: seeds is {shown(seeds)}; expected whole numbers. {AGAIN}")
    recipe = top.get("recipe")
    optim = recipe.get("optim") if isinstance(recipe, dict) else None
    steps = optim.get("steps") if isinstance(optim, dict) else None
    return Ablation(
        rows=tuple(_row(row, f"{where}, row {n + 1}") for n, row in enumerate(rows)),
        seeds=tuple(seeds),
        steps=None if steps is None else whole(steps, f"{where}, steps"),
        is_complete=top.get("is_complete") is True,
        command=text(top.get("command"), f"{where}, command"),
        date=parse_date(top.get("date"), f"{where}, date"),
        commit=optional_text(top.get("commit"), f"{where}, commit"),
        file=name,
    )


def _row(data: object, where: str) -> AblationRow:
    row = mapping(data, where)
    runs = row.get("runs")
    if not isinstance(runs, list):
        raise ProtocolError(f"{where}: runs is {shown(runs)}; expected a list. {AGAIN}")
    student_j = tuple(_fraction(mapping(run, where).get("student_j"), f"{where}, student_j", 0) for run in runs)
    mean = _optional_fraction(row.get("student_j_mean"), f"{where}, student_j_mean", 0)
    if mean is not None and (not student_j or abs(mean - sum(student_j) / len(student_j)) > 1e-9):
        raise ProtocolError(f"{where}: student_j_mean is {mean}, but its runs give another mean. {AGAIN}")
    return AblationRow(
        name=text(row.get("name"), f"{where}, name"),
        title=text(row.get("title"), f"{where}, title"),
        compared_with=optional_text(row.get("compared_with"), f"{where}, compared_with"),
        student_j=student_j,
        student_j_mean=mean,
        student_j_std=_optional_fraction(row.get("student_j_std"), f"{where}, student_j_std", 0),
        difference_mean=_optional_fraction(row.get("difference_mean"), f"{where}, difference_mean", -1),
        difference_std=_optional_fraction(row.get("difference_std"), f"{where}, difference_std", 0),
        teacher_j_mean=_optional_fraction(row.get("teacher_j_mean"), f"{where}, teacher_j_mean", 0),
    )


def _fraction(value: object, where: str, least: float) -> float:
    # Written so that NaN fails.
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= 1:
        raise ProtocolError(f"{where} is {shown(value)}; expected a number from {least} to 1. {AGAIN}")
    return float(value)


def _optional_fraction(value: object, where: str, least: float) -> float | None:
    return None if value is None else _fraction(value, where, least)
