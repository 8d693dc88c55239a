"""The leaderboard's tab; the only file here that knows gradio."""

from __future__ import annotations

import gradio as gr

from leaderboard.store import Board


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
        tabs: of the page; "Run this model" selects `compare_tab` in them.
        compare_tab: id of the tab in which a model is run.
        model_picker: gets the name of the model that is to be run.
    """
    if not board.entries:
        gr.Markdown("No results yet. `python evaluation/run.py all --help` says how to make them.")
    gr.Dataframe(board.frame[["model", "role", "benchmark", "jf_mean", "params", "gflops", "fps_end_to_end"]])
