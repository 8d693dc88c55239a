"""The gradio part of the Compare tab.

The page's own script draws it in a `gr.HTML`. It asks by the event "ask", one question at a time, and each reply
carries its question's number; a run reports through a second component, so that neither overwrites the other.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import gradio as gr

from vos_kd.demo import assets
from vos_kd.demo.desk import Desk
from vos_kd.demo.refusal import told
from vos_kd.demo.replies import reply

TAB = "compare"
"""The tab's id."""


def build_tab(desk: Desk, *, page: gr.Blocks) -> gr.Dropdown:
    """Put the comparison into the tab that is being built.

    Args:
        desk: answers the page's questions.
        page: the page that the tab belongs to.

    Returns:
        A hidden picker; what it is set to becomes the first model.
    """
    live = gr.HTML(
        html_template="<div></div>",
        js_on_load="watch('value', () => document.dispatchEvent(new CustomEvent('vk-live', {detail: props.value})));",
        visible="hidden",
        elem_id="compare-live",
    )
    picker = gr.Dropdown(list(desk.models), label="Model", visible="hidden", elem_id="compare-model")
    view = gr.HTML(
        html_template='<div class="vk" aria-label="Compare two models on a clip"></div>',
        js_on_load=_script(),
        apply_default_css=False,
        padding=False,
        elem_id="compare",
    )

    # What fails is told as data, too: a raised error does not say which question failed.
    def ask(event: gr.EventData, request: gr.Request) -> dict[str, Any]:
        return reply(desk, _key(request), _question(event))

    def run(event: gr.EventData, request: gr.Request) -> Iterator[dict[str, Any]]:
        question = _question(event)
        number = question.get("number")
        try:
            for answer in desk.run(_key(request), question):
                yield {"run": number, **answer}
        except Exception as error:
            yield {"run": number, "phase": "failed", "error": told(error)}

    def leave(request: gr.Request) -> None:
        desk.sessions.leave(_key(request))

    quiet: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": None, "api_visibility": "private"}
    view.ask(ask, outputs=view, trigger_mode="multiple", **quiet)
    view.run(run, outputs=live, trigger_mode="multiple", **quiet)
    picker.change(None, picker, js="(name) => { document.dispatchEvent(new CustomEvent('vk-model', {detail: name})); }")
    page.unload(leave)
    return picker


def _script() -> str:
    return f"const STYLE = {json.dumps(assets.style())};\n{assets.script()}"


def _question(event: gr.EventData) -> dict[str, Any]:
    return event._data if isinstance(event._data, dict) else {}


def _key(request: gr.Request) -> str:
    return str(request.session_hash)
