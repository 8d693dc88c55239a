"""A prompt history as JSON text and back. The text may have been written by anybody."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from typing import Any

from vos_kd.errors import InputError
from vos_kd.prompts.history import (
    MAX_PROMPTS,
    MAX_STEPS,
    PromptHistory,
    Step,
    check_name,
    check_object_count,
)
from vos_kd.prompts.kinds import Box, Click, MaskPrompt, PackedMask, Prompt, Scribble, prompted_ids

FORMAT = "vos-kd-prompts/1"
MAX_CHARACTERS = 2**24
"""Of the text; 200 steps of painted 480p masks take 2 million."""

_COORDINATES = ("x0", "y0", "x1", "y1")


def to_json(history: PromptHistory) -> str:
    """Write a history, with all that can be undone and redone. Equal histories give equal texts."""
    numbers: dict[Prompt, int] = {}
    for step in history.steps:
        for prompt in step.prompts:
            numbers.setdefault(prompt, len(numbers))
    return json.dumps(
        {
            "format": FORMAT,
            "present": history.present,
            "steps": [
                {"prompts": [numbers[prompt] for prompt in step.prompts], "names": {str(i): n for i, n in step.names}}
                for step in history.steps
            ],
            "prompts": [_to_entry(prompt) for prompt in numbers],
        }
    )


def from_json(text: str) -> PromptHistory:
    """Read what `to_json` wrote.

    Raises:
        InputError: the text is something else, or breaks a limit of a history; says where.
    """
    if not isinstance(text, str) or len(text) > MAX_CHARACTERS:
        raise InputError(f"prompts must be JSON text of at most {MAX_CHARACTERS:,} characters.")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"prompts are no JSON: {error}. Expected what this program wrote.") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise InputError(f"prompts are not of the format {FORMAT!r}. Expected what this program wrote.")
    try:
        return _read(data)
    except InputError as error:
        raise InputError(f"prompts cannot be read: {error}") from error
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise InputError(
            f"prompts cannot be read: {type(error).__name__} {str(error)[:80]!r}. Expected what this program wrote."
        ) from error


def from_entries(entries: list[Any]) -> PromptHistory:
    """Read a bare list of prompts, as a person writes it: the entry "prompts" of what `to_json` writes.

    Raises:
        InputError: see `from_json`.
    """
    step = {"prompts": list(range(len(entries))), "names": {}}
    return from_json(json.dumps({"format": FORMAT, "present": 0, "steps": [step], "prompts": entries}))


def _read(data: Mapping[str, Any]) -> PromptHistory:
    entries, listed, present = data["prompts"], data["steps"], data["present"]
    if not isinstance(entries, list) or len(entries) > MAX_PROMPTS + MAX_STEPS:
        raise InputError(f"expected a list of at most {MAX_PROMPTS + MAX_STEPS} prompts.")
    if not isinstance(listed, list) or not 1 <= len(listed) <= MAX_STEPS:
        raise InputError(f"expected a list of 1 to {MAX_STEPS} steps.")
    if type(present) is not int or not 0 <= present < len(listed):
        raise InputError(f"the present step is {str(present)[:40]!r}; expected 0 to {len(listed) - 1}.")
    prompts = [_from_entry(entry) for entry in entries]
    spoken_of = [frozenset(prompted_ids(prompt)) for prompt in prompts]
    return PromptHistory(tuple(_read_step(step, prompts, spoken_of) for step in listed), present)


def _read_step(step: Mapping[str, Any], prompts: list[Prompt], spoken_of: list[frozenset[int]]) -> Step:
    numbers = step["prompts"]
    if not isinstance(numbers, list) or len(numbers) > MAX_PROMPTS:
        raise InputError(f"expected a step of at most {MAX_PROMPTS} prompts.")
    if any(type(n) is not int or not 0 <= n < len(prompts) for n in numbers):
        raise InputError("a step names a prompt that is not there.")
    ids = frozenset().union(*(spoken_of[n] for n in numbers))
    check_object_count(len(ids))
    names = {int(key): check_name(name) for key, name in step["names"].items()}
    if not ids.issuperset(names) or not all(names.values()):
        raise InputError("a step names an object that is not there, or by nothing.")
    return Step(tuple(prompts[n] for n in numbers), tuple(sorted(names.items())))


def _to_entry(prompt: Prompt) -> dict[str, object]:
    match prompt:
        case Box():
            corners = {name: getattr(prompt, name) for name in _COORDINATES}
            return {"kind": "box", "object": prompt.object_id, "frame": prompt.frame, **corners}
        case Click():
            place: dict[str, object] = {"x": prompt.x, "y": prompt.y, "foreground": prompt.is_foreground}
            return {"kind": "click", "object": prompt.object_id, "frame": prompt.frame, **place}
        case Scribble():
            painted = {"foreground": prompt.is_foreground, "mask": _to_text(prompt.mask)}
            return {"kind": "scribble", "object": prompt.object_id, "frame": prompt.frame, **painted}
        case MaskPrompt():
            return {"kind": "mask", "frame": prompt.frame, "mask": _to_text(prompt.mask)}


def _from_entry(entry: Mapping[str, Any]) -> Prompt:
    kinds: dict[str, Callable[[], Prompt]] = {
        "box": lambda: Box(entry["object"], entry["frame"], *(entry[name] for name in _COORDINATES)),
        "click": lambda: Click(entry["object"], entry["frame"], entry["x"], entry["y"], entry["foreground"]),
        "scribble": lambda: Scribble(entry["object"], entry["frame"], _from_text(entry["mask"]), entry["foreground"]),
        "mask": lambda: MaskPrompt(entry["frame"], _from_text(entry["mask"])),
    }
    kind = entry["kind"]
    if not isinstance(kind, str) or kind not in kinds:
        raise InputError(f"there is no prompt of kind {str(kind)[:40]!r}; there are {', '.join(kinds)}.")
    return kinds[kind]()


def _to_text(mask: PackedMask) -> dict[str, object]:
    return {"height": mask.height, "width": mask.width, "zlib": base64.b64encode(mask.data).decode()}


def _from_text(entry: Mapping[str, Any]) -> PackedMask:
    height, width, text = entry["height"], entry["width"], entry["zlib"]
    if type(height) is not int or type(width) is not int or not isinstance(text, str):
        raise InputError("a mask lacks its size or its pixels.")
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise InputError(f"a mask's pixels are not base64: {error}.") from error
    # Packed anew, so that equal masks are equal however somebody packed them.
    return PackedMask.pack(PackedMask(height, width, data).unpack())
