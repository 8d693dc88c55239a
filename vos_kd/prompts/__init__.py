"""What a person says about objects, and the masks that follow from it.

The page keeps one `PromptHistory` a visitor (in a `gr.State`; it is small and immutable), adds a prompt at each event,
and shows `render(frame_image, history.at(frame))`; undo and redo are steps of the history and need no other state.

    history = PromptHistory().add(Box(1, frame=0, x0=120, y0=80, x1=300, y1=260))
    history = history.add(Click(1, frame=0, x=140, y=100, is_foreground=False))
    mask = render(image, history.at(0))      # uint8 [H, W] of object ids
    text = to_json(history)                  # and from_json(text), which trusts nothing

A brush stroke is `Scribble(1, 0, PackedMask.pack(layer[..., 3] > 0), is_foreground=True)`, an uploaded mask is
`MaskPrompt(0, PackedMask.pack(decode_mask(data, name)))`. All that a user can get wrong raises `InputError`.
"""

from __future__ import annotations

from vos_kd.prompts.history import MAX_NAME, MAX_OBJECTS, PromptHistory
from vos_kd.prompts.json_form import from_entries, from_json, to_json
from vos_kd.prompts.kinds import Box, Click, MaskPrompt, PackedMask, Prompt, Scribble
from vos_kd.prompts.rendering import Segmenter, render

__all__ = [
    "MAX_NAME",
    "MAX_OBJECTS",
    "Box",
    "Click",
    "MaskPrompt",
    "PackedMask",
    "Prompt",
    "PromptHistory",
    "Scribble",
    "Segmenter",
    "from_entries",
    "from_json",
    "render",
    "to_json",
]
