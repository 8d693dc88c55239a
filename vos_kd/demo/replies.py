"""Replies to a page's questions. A question is answered once, however often it comes.

A page asks again when no reply comes: gradio closes its stream of replies when none is due, and a question that crosses
with that is answered to nobody. What the question did must not be done twice. (When the connection itself breaks,
gradio loads the page anew.)
"""

from __future__ import annotations

from typing import Any

from vos_kd.demo.desk import Desk, Question
from vos_kd.demo.refusal import told


def reply(desk: Desk, key: str, question: Question) -> dict[str, Any]:
    """Answer a question, or say why not.

    Args:
        desk: that answers.
        key: of the visitor's page.
        question: `number`, larger than that of the page's question before; `ask` and what belongs to it.

    Returns:
        `reply`: the question's number; beside it the answer, or an `error` in words for the visitor. To a question that
        came before, the page's last reply.
    """
    number = question.get("number")
    if not isinstance(number, int):
        return {"reply": None, "error": "the page asked without a number. Reload the page."}
    session = desk.sessions.get(key)
    with session.lock:
        if number > session.reply.get("reply", 0):
            try:
                answer = desk.answer(key, question)
            except Exception as error:
                answer = {"error": told(error)}
            session.reply = {"reply": number, **answer}
        return session.reply
