"""One look for all charts: transparent, readable on light and dark, colours that colour-blind people tell apart."""

from __future__ import annotations

import html
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
            "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.0, "xanchor": "left", "x": 0},
            "hoverlabel": {"align": "left", "font": {"size": 12}},
            "hovermode": "closest",
        }
    }


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
