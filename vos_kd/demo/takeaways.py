"""What a visitor can take away of a run; each file is made when it is first wanted, and kept with the run."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vos_kd.config import PRESETS
from vos_kd.data.masks import read_mask
from vos_kd.demo.pictures import shrink
from vos_kd.demo.running import Plan
from vos_kd.errors import InputError
from vos_kd.files import atomic_path
from vos_kd.overlay import side_by_side
from vos_kd.prompts import PromptHistory
from vos_kd.segment_request import Request
from vos_kd.takeaway import (
    Results,
    build_manifest,
    client_snippet,
    command_line,
    draw_disagreement,
    prompt_file,
    write_cutout_images,
    write_cutout_video,
    write_masks,
)
from vos_kd.video_io import VideoWriter, open_clip

Facts = Mapping[str, Mapping[str, Any]]
"""Model -> what is known of it; see `vos_kd.demo.models.Shelf`."""

_HERE = "http://127.0.0.1:7860/"
"""Where the page is to be found unless somebody says otherwise."""


def told(plan: Plan, facts: Facts, address: object) -> dict[str, Any]:
    """How a run can be repeated: on the command line, and through the endpoints of `vos_kd.demo.api`.

    Both are for the folder of the unpacked masks, with the clip beside them.

    Args:
        plan: of the run.
        facts: of the models.
        address: of the page, as the visitor sees it.
    """
    arguments: dict[str, object] = {
        "clip": Path(plan.clip.name),
        "masks": {index: Path(prompt_file(index)) for index in plan.masks},
    }
    arguments |= {"models": list(plan.models)} if len(plan.models) > 1 else {"model": plan.models[0]}
    if plan.end < plan.clip.frame_count:
        arguments["end"] = plan.end
    address = address if isinstance(address, str) and re.fullmatch(r"https?://\S{1,200}", address) else _HERE
    endpoint = "/compare" if len(plan.models) > 1 else "/segment"
    return {"command": command_line(_request(plan, facts)), "snippet": client_snippet(address, endpoint, arguments)}


def make(plan: Plan, what: object, model: object, history: PromptHistory, facts: Facts) -> Path:
    """Make a file of a run.

    Args:
        plan: of the run.
        what: which file.
        model: whose, where the file is of one.
        history: the prompts of the run.
        facts: of the models.

    Raises:
        InputError: there is no such file, or it cannot be made.
    """
    of_run: dict[str, tuple[str, Callable[[Path], None]]] = {
        "clip": (f"{plan.clip.stem}{plan.clip.path.suffix}", lambda path: _clip(path, plan)),
        "masks": (f"{plan.clip.stem}-masks.zip", lambda path: _masks(path, plan, history, facts)),
        "both": (f"{plan.clip.stem}-side-by-side.mp4", lambda path: _both(path, plan)),
        "difference": (f"{plan.clip.stem}-difference.mp4", lambda path: _difference(path, plan)),
    }
    of_model: dict[str, tuple[str, Callable[[Path, Results], None]]] = {
        "webm": (f"{plan.clip.stem}-{model}.webm", lambda path, results: _webm(path, plan, results)),
        "rgba": (f"{plan.clip.stem}-{model}-rgba.zip", lambda path, results: _rgba(path, plan, results)),
    }
    folder = plan.folder / "takeaway"
    if not isinstance(what, str) or not isinstance(model, str | None):
        raise InputError("the page asked for a file without its name. Reload the page.")
    if what in of_run:
        name, write = of_run[what]
        if not (folder / name).is_file():
            write(folder / name)
        return folder / name
    results = {one.label: one for one in _results(plan)}
    if what not in of_model or model not in results:
        raise InputError(f"there is no {what[:30]!r} of {str(model)[:30]!r} in this run. Reload the page.")
    name, write_of = of_model[what]
    if not (folder / name).is_file():
        write_of(folder / name, results[model])
    return folder / name


def _at_own_sizes(plan: Plan) -> bool:
    """Whether every model ran at the size that the command gives it, too."""
    return all(name in PRESETS and PRESETS[name].short_side <= plan.short_side for name in plan.models)


def _request(plan: Plan, facts: Facts) -> Request:
    """The run as the command line has it, with paths that mean something to the visitor."""
    facts_of_first = facts[plan.models[0]]
    return Request(
        clip=Path(plan.clip.name),
        masks={index: Path(prompt_file(index)) for index in plan.masks},
        models=plan.models,
        out=Path("outputs") / plan.clip.stem,
        start=plan.start,
        end=plan.end if plan.end < plan.clip.frame_count else None,
        short_side=None if _at_own_sizes(plan) else plan.short_side,
        dtype=facts_of_first.get("dtype"),
        threads=facts_of_first.get("threads"),
    )


def _results(plan: Plan) -> list[Results]:
    found = [Results(model, plan.annotations(model)) for model in plan.models]
    return [one for one in found if any(one.annotations.glob("*.png"))]


def _clip(path: Path, plan: Plan) -> None:
    with atomic_path(path) as partial:
        shutil.copyfile(plan.clip.path, partial)


def _masks(path: Path, plan: Plan, history: PromptHistory, facts: Facts) -> None:
    results = _results(plan)
    weights = {one.label: str(facts[one.label].get("weights_sha256")) for one in results}
    given = {index: read_mask(mask) for index, mask in plan.masks.items()}
    manifest = build_manifest(results, weights, command_line(_request(plan, facts)), history)
    write_masks(path, results, given, manifest)


def _webm(path: Path, plan: Plan, results: Results) -> None:
    with plan.clip.open() as clip:
        write_cutout_video(path, results, clip, clip.info.fps)


def _rgba(path: Path, plan: Plan, results: Results) -> None:
    with plan.clip.open() as clip:
        write_cutout_images(path, results, clip)


def _both(path: Path, plan: Plan) -> None:
    models = [one.label for one in _results(plan)]
    clips = [open_clip(plan.overlay(model)) for model in models]
    with VideoWriter(path, plan.clip.info.fps) as video:
        for images in zip(*clips, strict=False):  # one may have been stopped earlier
            video.write(side_by_side(list(images), models))


def _difference(path: Path, plan: Plan) -> None:
    results = _results(plan)
    if len(results) < 2:
        raise InputError("two models are needed to differ. Run with a second one.")
    one, other = results
    scale = min(1.0, plan.clip.limits.view_short_side / min(plan.clip.info.width, plan.clip.info.height))
    there = set(other.names)
    with plan.clip.open() as clip, VideoWriter(path, clip.info.fps) as video:
        for name, image, mask in one.frames(clip):
            if name in there:
                video.write(shrink(draw_disagreement(image, mask, other.mask(name)), scale))
