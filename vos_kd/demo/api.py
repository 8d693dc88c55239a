"""The page's endpoints for programs, `/segment` and `/compare`: a clip and marks in, files and figures out.

Each call is a visitor of its own: it keeps the page's limits, waits in the same line, and its files go like a
visitor's. No `from __future__ import annotations` here: gradio reads the endpoints' types, and takes text for none.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.events import api

from vos_kd.demo.desk import Desk
from vos_kd.demo.prompting import read_mask_for, with_mask
from vos_kd.demo.refusal import told
from vos_kd.demo.upload import LoadedClip, load_clip, shown_name, take_upload
from vos_kd.errors import InputError
from vos_kd.prompts import PromptHistory, from_entries, from_json


def add_endpoints(desk: Desk) -> None:
    """Add both endpoints to the page that is being built.

    Args:
        desk: does the work.
    """

    def segment(
        request: gr.Request,
        clip: gr.FileData,
        masks: dict | None = None,
        prompts: list | dict | None = None,
        model: str = "student",
        end: int | None = None,
    ) -> tuple[gr.FileData, gr.FileData, dict]:
        """Follow marked objects through a clip with one model.

        Args:
            request: who calls; gradio fills it in.
            clip: a video or a zip of images.
            masks: frame -> PNG of object ids, such as {0: handle_file("first.png")}.
            prompts: boxes and clicks, such as [{"kind": "box", "object": 1, "frame": 0, "x0": 10, "y0": 20, "x1": 90,
                "y1": 80}], or a manifest's "prompts".
            model: its name on the page.
            end: the frame to stop before; the clip's end by default.

        Returns:
            A zip of masks with its manifest, an mp4 of the clip with the masks drawn over it, and figures.
        """
        return _run(desk, request, clip, masks, prompts, [model], end)

    def compare(
        request: gr.Request,
        clip: gr.FileData,
        masks: dict | None = None,
        prompts: list | dict | None = None,
        models: list[str] = ["student", "teacher"],  # noqa: B006 - shown as the default; never written to
        end: int | None = None,
    ) -> tuple[gr.FileData, gr.FileData, dict]:
        """Follow marked objects through a clip with two models.

        Args:
            request: who calls; gradio fills it in.
            clip: see `/segment`.
            masks: see `/segment`.
            prompts: see `/segment`.
            models: their names on the page.
            end: see `/segment`.

        Returns:
            A zip of both models' masks with its manifest, an mp4 of both side by side, and figures.
        """
        return _run(desk, request, clip, masks, prompts, models, end)

    # Calls wait in the engine's line, as visitors do, not in gradio's.
    api(segment, api_name="segment", concurrency_limit=None)
    api(compare, api_name="compare", concurrency_limit=None)


def _run(
    desk: Desk, request: gr.Request, clip: object, masks: object, prompts: object, models: object, end: object
) -> tuple[Any, Any, dict]:
    key = desk.sessions.new_call(str(request.session_hash))
    try:
        session = desk.sessions.get(key)
        path, name = _upload(clip, "the clip", desk)
        with session.new_folder("clip") as folder:
            loaded = load_clip(path, name, folder, desk.limits, keep=True)
            session.begin(loaded, folder, _history(loaded, masks, prompts, desk), loaded.frame_count)
        question = {"models": models, "end": _end(loaded, session.history, end, desk)}
        result = list(desk.run(key, question))[-1]
        if result["phase"] != "done":
            raise InputError("the run was stopped before its first frame. Call again.")
        masks_zip = desk.answer(key, {"ask": "make", "what": "masks"})["path"]
        video = result["models"][0]["video"]
        if len(result["models"]) > 1:
            video = desk.answer(key, {"ask": "make", "what": "both"})["path"]
        return _handed_out(masks_zip), _handed_out(video), _figures(result)
    except Exception as error:
        raise gr.Error(told(error), print_exception=False) from error
    finally:
        desk.sessions.leave(key)  # its files stay until gradio has copied what is handed out, and some minutes more


def _upload(file: object, what: str, desk: Desk) -> tuple[Path, str]:
    """Where a file lies that came with the call, and its name."""
    if not isinstance(file, Mapping) or "path" not in file:
        raise InputError(f"{what} is no file; expected handle_file(PATH) of gradio_client.")
    return take_upload(file["path"], desk.uploads), shown_name(file.get("orig_name") or Path(file["path"]).name)


def _history(clip: LoadedClip, masks: object, prompts: object, desk: Desk) -> PromptHistory:
    """What is marked: masks first, so that boxes and clicks may correct them."""
    if not isinstance(masks, Mapping | None):
        raise InputError('masks is no mapping; expected frame -> file, such as {0: handle_file("first.png")}.')
    history = PromptHistory()
    for frame, file in (masks or {}).items():
        path, name = _upload(file, f"the mask of frame {str(frame)[:20]}", desk)
        index = int(frame) if str(frame).isdecimal() and len(str(frame)) < 10 else frame  # a key of JSON is text
        history = with_mask(history, clip.index(index), read_mask_for(path, name, clip.info))
    given = from_entries(prompts) if isinstance(prompts, list) else from_json(json.dumps(prompts)) if prompts else None
    if given is not None:
        for prompt in given.prompts:
            history = history.add(prompt)
        for object_id, name in given.names.items():
            history = history.rename(object_id, name)
    for frame in history.frames:
        clip.index(frame)
    if not history.frames:
        raise InputError("nothing is marked. Give a mask of the first frame in masks, or boxes and clicks in prompts.")
    return history


def _end(clip: LoadedClip, history: PromptHistory, end: object, desk: Desk) -> int:
    """The frame to stop before. Nothing is left out that was not asked to be."""
    first, last = history.frames[0], history.frames[-1]
    if end is None:
        end = clip.frame_count
    if not isinstance(end, int) or not last < end <= clip.frame_count:
        raise InputError(
            f"the end is {str(end)[:20]}, the last marked frame {last}; expected an end from {last + 1} to "
            f"{clip.frame_count}, the clip's number of frames."
        )
    most = desk.limits.max_run_frames
    if end - first > most:
        raise InputError(
            f"frames {first} to {end - 1} are {end - first}; at most {most} are segmented at once. "
            f"Give end={first + most}."
        )
    return end


def _handed_out(path: str) -> dict[str, Any]:
    return gr.FileData(path=path).model_dump()


def _figures(result: Mapping[str, Any]) -> dict[str, Any]:
    """Of the page's account of a run, what a program can use."""
    kept = ("start", "frames", "planned", "objects", "given", "is_stopped", "speed_up", "mean_agreement", "warnings")
    models = result["models"]
    return {
        **{name: result[name] for name in kept},
        "agreement": models[-1]["agreement"],
        "models": {one["label"]: {"latency_ms": one["latency"], "speed": one["speed"]} for one in models},
        "command": result["command"],
        "snippet": result["snippet"],
    }
