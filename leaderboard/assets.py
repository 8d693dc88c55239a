"""The page's script and style, as one text each: the tab and the static page carry the same."""

from __future__ import annotations

from pathlib import Path

import plotly

FOLDER = Path(__file__).with_name("page")
SCRIPTS = ("dom", "state", "model", "chart", "cards", "table", "details", "views", "submit", "main")
"""In the order in which they are put together; all of them share one scope."""
PLOTLY = Path(plotly.__file__).with_name("package_data") / "plotly.min.js"


def script() -> str:
    """The page's script, to stand inside a function: it defines `mountLeaderboard`."""
    return "\n".join((FOLDER / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)


def style() -> str:
    """The page's style; every rule is for `.lb` alone."""
    return (FOLDER / "leaderboard.css").read_text(encoding="utf-8")


def static_page() -> str:
    """The static page, with places `%%name%%` for what is put in."""
    return (FOLDER / "static.html").read_text(encoding="utf-8")


def static_script() -> str:
    """The page's script and what a page without a server needs."""
    return script() + "\n" + (FOLDER / "static.js").read_text(encoding="utf-8")


def tab_script() -> str:
    """What the page needs in the app, beside its script."""
    return (FOLDER / "tab.js").read_text(encoding="utf-8")
