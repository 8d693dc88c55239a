"""What was drawn in the browser to prompts, and prompts back to what the browser shows.

Everything here comes from outside: each value is checked by the prompt it goes into.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vos_kd.data.masks import MAX_BYTES, check_header, decode_mask, require_objects, require_size
from vos_kd.demo.pictures import colour_names, data_address, jpeg, tint_png
from vos_kd.errors import InputError
from vos_kd.files import read_limited
from vos_kd.prompts import Box, Click, MaskPrompt, PackedMask, PromptHistory, Scribble, Segmenter, render
from vos_kd.video_io import ClipInfo

Question = Mapping[str, Any]
_MAX_STROKE_BYTES = 2**22
"""Of a painted stroke as PNG; one of a 4K frame takes 100 kB."""


def edit(history: PromptHistory, question: Question) -> PromptHistory:
    """A history after what the browser asks for.

    Args:
        history: as it was.
        question: `kind` and what belongs to it; says itself what it lacks.

    Raises:
        InputError: the question makes no sense, or breaks a limit.
    """
    kinds: dict[str, Callable[[PromptHistory, Question], PromptHistory]] = {
        "box": lambda h, q: h.add(Box(q["object"], q["frame"], q["x0"], q["y0"], q["x1"], q["y1"])),
        "click": lambda h, q: h.add(Click(q["object"], q["frame"], q["x"], q["y"], q["foreground"])),
        "stroke": lambda h, q: h.add(Scribble(q["object"], q["frame"], stroke(q["png"]), q["foreground"])),
        "undo": lambda h, q: h.undo(),
        "redo": lambda h, q: h.redo(),
        "clear": lambda h, q: h.clear(),
        "remove": lambda h, q: h.remove_object(q["object"]),
        "rename": lambda h, q: h.rename(q["object"], q["name"]),
    }
    kind = question.get("kind")
    if not isinstance(kind, str) or kind not in kinds:
        raise InputError(f"the page asked for {str(kind)[:40]!r}, which is not known here. Reload the page.")
    return kinds[kind](history, question)


def with_mask(history: PromptHistory, frame: int, mask: np.ndarray) -> PromptHistory:
    """A history with a whole mask for a frame.

    Args:
        history: as it was.
        frame: of the mask.
        mask: uint8 `[H, W]` of object ids.
    """
    return history.add(MaskPrompt(frame, PackedMask.pack(mask)))


def read_mask_for(source: Path, name: str, info: ClipInfo) -> np.ndarray:
    """A mask that was sent, uint8 `[H, W]` of object ids.

    Args:
        source: the file.
        name: as the visitor knows it.
        info: of the clip that it shall fit.

    Raises:
        InputError: it is no mask, of another size, or shows no object.
    """
    mask = decode_mask(read_limited(source, MAX_BYTES), name)
    require_size(mask, info.height, info.width, name)
    require_objects(mask, name)
    return mask


def stroke(address: object) -> PackedMask:
    """A painted stroke: a PNG with alpha, as a canvas gives it.

    Raises:
        InputError: it is none.
    """
    text = address if isinstance(address, str) else ""
    head, _, body = text.partition(",")
    if head != "data:image/png;base64" or len(body) > _MAX_STROKE_BYTES:
        raise InputError("the stroke did not arrive as a picture. Paint it again.")
    try:
        data = base64.b64decode(body, validate=True)
    except binascii.Error as error:
        raise InputError("the stroke did not arrive whole. Paint it again.") from error
    try:
        check_header(data, "stroke")  # a small file may unpack to gigabytes
    except InputError as error:
        raise InputError("the stroke did not arrive as a picture of the frame's size. Paint it again.") from error
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if picture is None or picture.ndim != 3 or picture.shape[2] != 4:
        raise InputError("the stroke did not arrive as a picture. Paint it again.")
    return PackedMask.pack(picture[..., 3] > 127)


def frame_view(image: np.ndarray) -> dict[str, object]:
    """A frame as the stage shows it."""
    return {"width": image.shape[1], "height": image.shape[0], "picture": data_address(jpeg(image), "jpeg")}


def mask_view(image: np.ndarray, history: PromptHistory, frame: int, segmenter: Segmenter) -> dict[str, object]:
    """The mask that a frame's prompts make, and all that is said of objects.

    Args:
        image: the frame, RGB uint8 `[H, W, 3]`.
        history: all prompts.
        frame: index of the frame.
        segmenter: makes one object's mask from hints.
    """
    prompts = history.at(frame)
    mask = render(image, prompts, segmenter)
    areas = np.bincount(mask.ravel(), minlength=256)
    colours = colour_names()
    return {
        "frame": frame,
        "mask": data_address(tint_png(mask), "png") if prompts else None,
        "objects": [
            {
                "id": i,
                "name": history.names[i],
                "colour": colours[(i - 1) % len(colours)],
                "share": float(areas[i] / mask.size),
                "here": bool(areas[i]),
            }
            for i in history.object_ids
        ],
        "marks": [mark for prompt in prompts if (mark := _mark(prompt)) is not None],
        "marked_frames": list(history.frames),
        "can_undo": history.can_undo,
        "can_redo": history.can_redo,
        "palette": colours,
    }


def _mark(prompt: object) -> dict[str, object] | None:
    """A box or click to be drawn over the frame; painted strokes show as the mask they make."""
    match prompt:
        case Box():
            left, top, right, bottom = prompt.bounds
            return {
                "kind": "box",
                "object": prompt.object_id,
                "x": left,
                "y": top,
                "w": right - left,
                "h": bottom - top,
            }
        case Click():
            place: dict[str, object] = {"x": prompt.x, "y": prompt.y, "foreground": prompt.is_foreground}
            return {"kind": "click", "object": prompt.object_id, **place}
    return None
