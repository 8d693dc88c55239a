"""One look for all charts: transparent, readable on light and dark, colours that colour-blind people tell apart."""

from __future__ import annotations

import html
import math
from typing import Any

import plotly.graph_objects as go

# Each stands out from white and from near-black (contrast above 3:1), and each role has a marker shape of its own.
BLUE, ORANGE, GREEN, GREY = "#2f86d6", "#d9730d", "#0f9d76", "#7f8896"
ROLE_COLOURS = {"student": BLUE, "teacher": ORANGE, "baseline": GREEN, "published": GREY}
ROLE_SYMBOLS = {"student": "circle", "teacher": "square", "baseline": "diamond", "published": "diamond-open"}
SERIES = (BLUE, ORANGE, GREEN, "#b45fc4", "#c2872b", GREY)
INK = "#7c8593"
GRID = "rgba(127, 136, 150, 0.22)"
FAINT = "rgba(127, 136, 150, 0.55)"
_FEWEST_TICKS = 4
"""Of a logarithmic axis."""
_STEPS = ((1,), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 8), tuple(n / 10 for n in range(10, 100)))
"""Ticks within a power of 10, ever finer."""


def template() -> dict[str, Any]:
    """The Plotly template of all figures, as plain values; a page holds it once."""
    axis = {
        "gridcolor": GRID,
        "linecolor": FAINT,
        "zerolinecolor": FAINT,
        "ticks": "outside",
        "ticklen": 4,
        "tickcolor": FAINT,
        "automargin": True,
        "title": {"standoff": 10, "font": {"size": 13}},
    }
    return {
        "layout": {
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"color": INK, "size": 13, "family": "system-ui, -apple-system, Segoe UI, sans-serif"},
            "colorway": list(SERIES),
            "xaxis": axis,
            "yaxis": axis,
            "margin": {"l": 56, "r": 20, "t": 28, "b": 48},
            # Small, so that on a phone two names stand in a line.
            "legend": {
                **{"orientation": "h", "yanchor": "bottom", "y": 1.0, "xanchor": "left", "x": 0},
                **{"font": {"size": 11}, "itemwidth": 30},
            },
            "hoverlabel": {"align": "left", "font": {"size": 12}},
            "hovermode": "closest",
        }
    }


def log_ticks(low: float, high: float) -> dict[str, Any]:
    """Settings of a logarithmic axis with ticks at round numbers; Plotly's own are few, and of two sizes.

    Args:
        low: end of the axis, as an exponent of 10.
        high: likewise.
    """
    ticks: list[float] = []
    for steps in _STEPS:
        exponents = range(math.floor(low), math.ceil(high) + 1)
        ticks = [step * 10.0**exponent for exponent in exponents for step in steps]
        ticks = [tick for tick in ticks if low <= math.log10(tick) <= high]
        if len(ticks) >= _FEWEST_TICKS:
            break
    return {"tickmode": "array", "tickvals": ticks, "ticktext": [f"{tick:,.6g}" for tick in ticks]}


def figure(traces: list[go.Scatter | go.Bar], **layout: Any) -> go.Figure:
    """A figure with this look; without Plotly's default template, which would hide the page behind it."""
    made = go.Figure(traces, layout={"template": template(), **layout})
    return made.update_traces(cliponaxis=False)


def to_plain(made: go.Figure) -> dict[str, Any]:
    """A figure as plain JSON values without the template, which the page puts in."""
    plain: dict[str, Any] = made.to_plotly_json()
    plain["layout"] = {key: value for key, value in plain["layout"].items() if key != "template"}
    return plain


def safe(text: str) -> str:
    """Text that Plotly shows as it is: it takes `<b>` and `<a href>` in names for markup."""
    return html.escape(text, quote=False)
