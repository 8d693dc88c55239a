"""The leaderboard's tab; the only file here that knows gradio.

The page's own script draws it in a `gr.HTML` and asks this server for charts and details, so that filters answer
without a round trip and the static page can be the same.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

from leaderboard import assets
from leaderboard.options import folders_from_environment
from leaderboard.session import Server
from leaderboard.store import Board

TAB = "leaderboard"
"""The tab's id."""
PREFIX = "lb_"
"""Of everything that the leaderboard writes into the page's address."""


def build_tab(
    board: Board,
    *,
    page: gr.Blocks,
    tabs: gr.Tabs | None = None,
    compare_tab: str | None = None,
    model_picker: gr.Dropdown | None = None,
) -> None:
    """Put the leaderboard into the tab that is being built.

    Args:
        board: what it shows.
        page: the page that the tab belongs to.
        tabs: of the page; "Run this model" selects `compare_tab` in them, and an address with choices of the
            leaderboard opens its tab.
        compare_tab: id of the tab in which a model is run.
        model_picker: gets the name of the model that is to be run.
    """
    can_run = tabs is not None and compare_tab is not None and model_picker is not None
    runnable = {str(name) for _, name in model_picker.choices} if can_run and model_picker is not None else set()
    server = Server(board, folders_from_environment(), runnable=runnable, uploads=lambda: Path(get_upload_folder()))

    def ask(body: Any) -> dict[str, Any]:
        """Answer the page; gradio hands over one value as the browser sent it."""
        return server.answer(body)

    gr.set_static_paths([assets.PLOTLY])
    view = gr.HTML(
        html_template='<div class="lb"></div>',
        js_on_load=_script(),
        server_functions=[ask],
        apply_default_css=False,  # its rules for tables and buttons are for prose
        elem_id="leaderboard",
    )
    if tabs is not None and compare_tab is not None and model_picker is not None:
        view.select(_run_model(compare_tab, runnable), outputs=[tabs, model_picker], api_visibility="private")
    if tabs is not None:
        page.load(_tab_of_address, outputs=tabs, api_visibility="private")


def _script() -> str:
    """What the component runs in the browser; `element`, `server` and `trigger` are gradio's."""
    return "\n".join(
        [
            f"const STYLE = {json.dumps(assets.style())};",
            f"const PLOTLY = {json.dumps(str(assets.PLOTLY))};",
            assets.script(),
            assets.tab_script(),
        ]
    )


def _run_model(compare_tab: str, runnable: set[str]) -> Any:
    def run_model(event: gr.EventData) -> tuple[Any, Any]:
        name = event._data.get("model") if isinstance(event._data, dict) else None
        if name not in runnable:
            raise gr.Error(f"{name!r:.60} cannot be run here; choose one of {', '.join(sorted(runnable))}.")
        return gr.Tabs(selected=compare_tab), name

    return run_model


def _tab_of_address(request: gr.Request) -> Any:
    if any(key.startswith(PREFIX) for key in request.query_params):
        return gr.Tabs(selected=TAB)
    return gr.skip()
