"""Rows as CSV, JSON, LaTeX and Markdown, each cell written so that it stays text wherever it is opened.

An export is a head, a line for each row, and a foot: the page puts together the lines of the rows that it shows, in
their order.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pandas as pd

from leaderboard.columns import COLUMNS, NOT_MEASURED

_TEXTS = ("model", "role", "source", "benchmark", "run", "device", "dtype", "date", "where")
_PAPER = ("jf_mean", "j_mean", "f_mean", "fps_end_to_end", "latency_ms", "params", "gflops")
"""Columns of the formats that are made for a paper; CSV and JSON have all of them."""


class Export(NamedTuple):
    """The parts of a file."""

    head: str
    lines: dict[str, str]
    """By the key of the row."""
    separator: str
    foot: str
    media_type: str

    def text(self, keys: Sequence[str] | None = None) -> str:
        """The file, of these rows in this order; of all without `keys`."""
        chosen = list(self.lines) if keys is None else [key for key in keys if key in self.lines]
        return self.head + self.separator.join(self.lines[key] for key in chosen) + self.foot


def export(rows: pd.DataFrame, format_name: str) -> Export:
    """Rows in one of `FORMATS`.

    Raises:
        KeyError: no such format.
    """
    return FORMATS[format_name](rows)


def safe_cell(text: str) -> str:
    """Text for a spreadsheet: a leading quote keeps it from being taken for a formula.

    >>> safe_cell("=1+1"), safe_cell("student")
    ("'=1+1", 'student')
    """
    is_formula = text.lstrip().startswith(("=", "+", "-", "@", "|", "%")) or text.startswith(("\t", "\r", "\n"))
    return f"'{text}" if is_formula else text


def safe_latex(text: str) -> str:
    r"""Text for LaTeX.

    >>> safe_latex("a_b & 5%")
    'a\\_b \\& 5\\%'
    """
    special = {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        '"': "''",
        **{character: f"\\{character}" for character in "&%$#_{}"},
    }
    return "".join(special.get(character, character) for character in _one_line(text))


def safe_markdown(text: str) -> str:
    r"""Text for a cell of a Markdown table: no markup, no HTML, no cell border.

    >>> safe_markdown("a|b *c*")
    'a\\|b \\*c\\*'
    """
    escaped = "".join(f"\\{one}" if one in r"\`*_{}[]()#+!|~" else one for one in _one_line(text))
    # A lone & is text in Markdown; only before what could be an entity it is not.
    return re.sub(r"&(?=#?\w+;)", "&amp;", escaped).replace("<", "&lt;").replace(">", "&gt;")


def _csv(rows: pd.DataFrame) -> Export:
    head = [*_TEXTS, *(f"{key} ({column.unit})" if column.unit else key for key, column in COLUMNS.items())]
    lines = {
        row["key"]: _csv_line(
            [safe_cell(str(row[key])) for key in _TEXTS]
            + ["" if math.isnan(row[key]) else repr(float(row[key]) * column.scale) for key, column in COLUMNS.items()]
        )
        for _, row in rows.iterrows()
    }
    return Export(_csv_line(head), lines, "", "", "text/csv")


def _csv_line(cells: list[str]) -> str:
    file = io.StringIO()
    csv.writer(file).writerow(cells)
    return file.getvalue()


def _json(rows: pd.DataFrame) -> Export:
    lines = {}
    for _, row in rows.iterrows():
        plain: dict[str, Any] = {key: row[key] for key in _TEXTS}
        plain |= {key: None if math.isnan(row[key]) else float(row[key]) for key in COLUMNS}
        lines[row["key"]] = json.dumps(plain, allow_nan=False)
    return Export("[\n", lines, ",\n", "\n]\n", "application/json")


def _markdown(rows: pd.DataFrame) -> Export:
    columns = [COLUMNS[key] for key in _PAPER]
    head = f"| Model | {' | '.join(column.title for column in columns)} |\n|---|{'---:|' * len(columns)}\n"
    lines = {row["key"]: f"| {safe_markdown(_name(row))} | {' | '.join(_cells(row))} |\n" for _, row in rows.iterrows()}
    return Export(head, lines, "", "", "text/markdown")


def _latex(rows: pd.DataFrame) -> Export:
    titles = " & ".join(safe_latex(COLUMNS[key].title) for key in _PAPER)
    head = f"\\begin{{tabular}}{{l{'r' * len(_PAPER)}}}\n\\hline\nModel & {titles} \\\\\n\\hline\n"
    lines = {row["key"]: f"{safe_latex(_name(row))} & {' & '.join(_cells(row))} \\\\\n" for _, row in rows.iterrows()}
    return Export(head, lines, "", "\\hline\n\\end{tabular}\n", "application/x-tex")


def _cells(row: pd.Series) -> list[str]:
    cells = (COLUMNS[key].format(row[key]) for key in _PAPER)
    return ["–" if cell == NOT_MEASURED else cell for cell in cells]  # noqa: RUF001  # a dash, as tables have it


def _name(row: pd.Series) -> str:
    notes = {"architecture": " (no weights)", "published": " (published, not measured here)"}
    return str(row["model"]) + notes.get(row["source"], "")


def _one_line(text: str) -> str:
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


FORMATS: dict[str, Callable[[pd.DataFrame], Export]] = {
    "csv": _csv,
    "json": _json,
    "md": _markdown,
    "tex": _latex,
}
