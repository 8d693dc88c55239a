"""What other methods' authors have published, each number with its source; never measured here, never ranked.

`published/published.csv` is the only place that such numbers come from.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

FILE = Path(__file__).with_name("published") / "published.csv"
_TEXT = ("method", "backbone", "fps_note", "source", "note")
_NUMBERS = ("params_m", "fps")
_PERCENT = {
    "davis2016": {"j_mean": "davis16_j", "f_mean": "davis16_f", "jf_mean": "davis16_jf"},
    "davis2017": {"j_mean": "davis17_j", "f_mean": "davis17_f", "jf_mean": "davis17_jf"},
    "youtubevos2018": {"g_overall": "ytvos18_g"},
    "youtubevos2019": {"g_overall": "ytvos19_g"},
}


class PaperRatio(NamedTuple):
    """A ratio that the abstract of the method's paper states; of its networks nothing else is known."""

    name: str
    column: str
    """Of the leaderboard, in which our own ratio is measured."""
    text: str


PAPER_SOURCE = "https://doi.org/10.1016/j.knosys.2024.112759"
PAPER_RATIOS = (
    PaperRatio("Speed", "fps_network", "up to 4x"),
    PaperRatio("Parameters", "params", "1/20"),
    PaperRatio("GFLOPs", "gflops", "1/30"),
)


@dataclass(frozen=True)
class Published:
    """One method as its authors, or those whom `source` names, report it."""

    method: str
    backbone: str
    params: float | None
    fps: float | None
    fps_note: str
    """On what machine and data set `fps` was measured."""
    scores: dict[str, dict[str, float]]
    """Data set -> measure -> value in 0-1, as far as published."""
    source: str
    note: str


def load_published(path: Path = FILE) -> tuple[Published, ...]:
    """Read the table of published numbers.

    Raises:
        ValueError: a column is missing, a number is none or out of range, or a row has no source. Names the line.
    """
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        wanted = {*_TEXT, *_NUMBERS, *(column for columns in _PERCENT.values() for column in columns.values())}
        if missing := sorted(wanted - set(reader.fieldnames or ())):
            raise ValueError(f"{path.name} lacks the columns {', '.join(missing)}")
        return tuple(_published(row, f"{path.name}, line {reader.line_num}") for row in reader)


def _published(row: dict[str, str], where: str) -> Published:
    if urlsplit(row["source"]).scheme != "https":
        raise ValueError(f"{where}: the source is {row['source']!r}; expected an https address")
    scores: dict[str, dict[str, float]] = {}
    for dataset, columns in _PERCENT.items():
        values = {name: _number(row[column], 100, f"{where}, {column}") for name, column in columns.items()}
        present = {name: value / 100 for name, value in values.items() if value is not None}
        if present:
            scores[dataset] = present
    params = _number(row["params_m"], 1e6, f"{where}, params_m")
    return Published(
        method=row["method"],
        backbone=row["backbone"],
        params=None if params is None else params * 1e6,
        fps=_number(row["fps"], 1e6, f"{where}, fps"),
        fps_note=row["fps_note"],
        scores=scores,
        source=row["source"],
        note=row["note"],
    )


def _number(text: str, most: float, where: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= most:
        raise ValueError(f"{where} is {text!r}; expected a number above 0 and up to {most:g}, or nothing")
    return value
