"""The page's script and style, read from `page/` and put together."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).with_name("page")
SCRIPTS = ("dom", "server", "choose", "stage", "panel", "live", "curves", "player", "result", "main")
"""In the order in which they are put together; all of them share one scope."""


def script() -> str:
    """What the component runs in the browser; `element`, `trigger`, `upload` and `watch` are gradio's."""
    return "\n".join((FOLDER / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)


def style() -> str:
    """The look of the whole page."""
    return (FOLDER / "style.css").read_text(encoding="utf-8")
