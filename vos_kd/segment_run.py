"""One run of `vos_kd.segment`: every check, then each frame through all models and on to the files.

What is cheap is checked before weights are loaded, and all is checked before anything is written. Frames are decoded
once and shown to all models; encoding runs beside the network.
"""

from __future__ import annotations

import hashlib
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from vos_kd import __version__
from vos_kd.checkpoint import find_weights, load_model, sha256
from vos_kd.data.masks import decode_mask, object_ids, require_objects, require_size
from vos_kd.errors import InputError
from vos_kd.inference import VideoSegmenter
from vos_kd.model import Model
from vos_kd.outputs import FORMAT, Background, Manifest, ResultFiles, RunFolder, model_labels
from vos_kd.runtime import environment, pick_device, pick_dtype
from vos_kd.video_io import Clip, ClipInfo, open_clip


@dataclass(frozen=True)
class Request:
    """What to do. Frames are counted from 0 within the clip, whatever is left out of it."""

    clip: Path
    masks: Mapping[int, Path]
    """Frame -> mask file; `start` is among them."""
    models: tuple[str, ...]
    """As for `vos_kd.load_model`."""
    out: Path
    start: int = 0
    end: int | None = None
    """The frame to stop before."""
    every: int = 1
    short_side: int | None = None
    max_side: int | None = None
    fps: float | None = None
    device: str | None = None
    dtype: str | None = None
    threads: int | None = None
    overlay: bool = True
    overwrite: bool = False
    quiet: bool = False

    def options(self) -> dict[str, object]:
        """Those that change what is written."""
        names = ("start", "end", "every", "short_side", "max_side", "fps", "device", "dtype", "overlay")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class GivenMask:
    """A mask file as read."""

    path: Path
    ids: np.ndarray
    """uint8 `[H, W]`."""
    sha256: str


@dataclass
class Clock:
    """Where a run's seconds went."""

    decode: float = 0.0
    write_wait: float = 0.0
    """The network waited for the files."""
    total: float = 0.0
    latencies: dict[str, list[float]] = field(default_factory=dict)
    """Label -> of each frame, from image to masks."""

    @contextmanager
    def add_to(self, name: str) -> Iterator[None]:
        """Add what the block takes to one of the sums."""
        began = time.perf_counter()
        yield
        setattr(self, name, getattr(self, name) + time.perf_counter() - began)

    @contextmanager
    def append_to(self, label: str) -> Iterator[None]:
        """Append what the block takes to a model's latencies."""
        began = time.perf_counter()
        yield
        self.latencies.setdefault(label, []).append(time.perf_counter() - began)


def run(request: Request, command: str) -> Manifest:
    """Segment a clip into files.

    Args:
        request: what to do.
        command: the command line that asked for it, for the manifest.

    Returns:
        The manifest as written; its `interrupted` says whether Ctrl-C ended the run early.

    Raises:
        InputError: bad input, or the results cannot be written.
        KeyboardInterrupt: Ctrl-C before the first frame, or a second one.
    """
    folder = RunFolder(request.out)
    folder.require_writable()
    masks = {frame: _read_mask(path) for frame, path in sorted(request.masks.items())}
    with open_clip(request.clip, fps=request.fps) as clip:
        _check_masks(masks, clip.info, request)
        labels = model_labels(request.models)
        weights = {label: find_weights(source) for label, source in zip(labels, request.models, strict=True)}
        pick_dtype(pick_device(request.device), request.dtype)
        inputs = _inputs(request, clip.info, masks, weights)
        folder.require_free(inputs, overwrite=request.overwrite)
        frames = clip.frames(request.start, request.end, request.every)
        # Shows whether there is one, while an older run is still in its place.
        frames = chain([next(frames)], frames)
        if request.threads:
            torch.set_num_threads(request.threads)
        models = {
            label: load_model(path, device=request.device, dtype=request.dtype) for label, path in weights.items()
        }

        fps = clip.info.fps / request.every
        files = ResultFiles(folder.path, labels, clip_name(request.clip), fps, with_overlay=request.overlay)
        manifest: Manifest = {
            "format": FORMAT,
            "completed": False,
            "interrupted": False,
            "error": None,
            "command": command,
            "inputs": inputs,
            "environment": {"vos-kd": __version__, **environment()},
        }
        folder.clear()
        folder.write_manifest(manifest)
        clock = Clock()
        try:
            with _stop_on_interrupt() as stop, clock.add_to("total"):
                _segment_frames(request, clip, _until(stop, frames, clock), masks, models, files, clock)
        except BaseException as error:
            manifest.update(interrupted=isinstance(error, KeyboardInterrupt), error=str(error) or type(error).__name__)
            with suppress(InputError):  # no room even for this: the first manifest stays, and claims nothing
                folder.write_manifest(manifest)
            raise
        is_whole = not stop.is_set()
        missed = [frame for frame in masks if is_whole and frame >= request.start + request.every * files.frames]
        manifest |= {
            "completed": is_whole,
            "interrupted": not is_whole,
            "warnings": [
                *clip.warnings,
                *(f"the mask of frame {frame} was not used: the clip ended before it." for frame in missed),
            ],
            **_results(folder.path, models, files, clock),
        }
        folder.write_manifest(manifest)
        return manifest


def clip_name(path: Path) -> str:
    """What a clip is called in results: its file's or folder's name without suffix."""
    whole = path.resolve()  # "." has a name, too
    return (whole.name if whole.is_dir() else whole.stem) or "clip"


def _read_mask(path: Path) -> GivenMask:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read the mask {path}: {error.strerror or error}. Check the path.") from error
    mask = decode_mask(data, str(path))
    require_objects(mask, str(path))
    return GivenMask(path, mask, hashlib.sha256(data).hexdigest())


def _check_masks(masks: Mapping[int, GivenMask], info: ClipInfo, request: Request) -> None:
    end = min((n for n in (request.end, info.frame_count) if n is not None), default=None)
    for frame, mask in masks.items():
        require_size(mask.ids, info.height, info.width, str(mask.path))
        is_in_time = request.start <= frame and (end is None or frame < end)
        if not is_in_time or (frame - request.start) % request.every:
            steps = f" in steps of {request.every}" if request.every > 1 else ""
            raise InputError(
                f"the mask {mask.path} is for frame {frame}, which is not segmented; "
                f"the frames are {request.start} to {'the end' if end is None else end - 1}{steps}."
            )


def _inputs(
    request: Request, info: ClipInfo, masks: Mapping[int, GivenMask], weights: Mapping[str, Path]
) -> dict[str, object]:
    """What decides the results; runs of equal inputs may replace each other."""
    return {
        "clip": {
            "name": clip_name(request.clip),
            "source": info.source,
            "width": info.width,
            "height": info.height,
            "fps": info.fps,
            "frame_count": info.frame_count,
        },
        "masks": [
            {"frame": frame, "name": mask.path.name, "sha256": mask.sha256, "objects": object_ids(mask.ids)}
            for frame, mask in masks.items()
        ],
        "models": [{"label": label, "weights_sha256": sha256(path)} for label, path in weights.items()],
        "options": request.options(),
    }


@contextmanager
def _stop_on_interrupt() -> Iterator[threading.Event]:
    """Make the first Ctrl-C a request to stop after the frame at hand; a second one interrupts as usual."""
    stop = threading.Event()

    def ask_to_stop(*_: object) -> None:
        stop.set()
        signal.signal(signal.SIGINT, usual)

    usual = signal.signal(signal.SIGINT, ask_to_stop)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, usual)


def _until(
    stop: threading.Event, frames: Iterator[tuple[int, np.ndarray]], clock: Clock
) -> Iterator[tuple[int, np.ndarray]]:
    while not stop.is_set():
        with clock.add_to("decode"):
            frame = next(frames, None)
        if frame is None:
            return
        yield frame


def _segment_frames(
    request: Request,
    clip: Clip,
    frames: Iterator[tuple[int, np.ndarray]],
    masks: Mapping[int, GivenMask],
    models: Mapping[str, Model],
    files: ResultFiles,
    clock: Clock,
) -> None:
    """Show each frame to all models and have the results written; memory does not grow."""
    segmenters = {
        label: VideoSegmenter(model, short_side=request.short_side, max_side=request.max_side)
        for label, model in models.items()
    }
    names = clip.info.frame_names
    end = min((n for n in (request.end, clip.info.frame_count) if n is not None), default=None)
    total = None if end is None else len(range(request.start, end, request.every))
    with files, Background(files.write) as write:
        for index, image in tqdm(frames, total=total, unit="frame", disable=request.quiet):
            given = masks[index].ids if index in masks else None
            found = {}
            for label, segmenter in segmenters.items():
                with clock.append_to(label):
                    found[label] = segmenter.step(image, given)
            with clock.add_to("write_wait"):
                write(names[index] if names else f"{index:05d}", image, found)
        if not clock.latencies:
            raise KeyboardInterrupt  # before the first frame: nothing to keep


def _results(folder: Path, models: Mapping[str, Model], files: ResultFiles, clock: Clock) -> dict[str, object]:
    """A manifest's entries on what was made, and how fast. Paths are relative to the folder."""

    def relative(path: Path | None) -> str | None:
        return None if path is None else path.relative_to(folder).as_posix()

    return {
        "models": {
            label: {
                "name": model.config.name,
                "parameters": model.parameters,
                "weights_sha256": model.weights_sha256,
                "device": str(model.device),
                "dtype": str(model.dtype).removeprefix("torch."),
                "annotations": relative(files.annotations[label]),
                "overlay": relative(files.overlays.get(label)),
                "timing": _timing(clock.latencies[label]),
            }
            for label, model in models.items()
        },
        "side_by_side": relative(files.side_by_side),
        "timings": {
            "frames": files.frames,
            "total_seconds": clock.total,
            "decode_seconds": clock.decode,
            "write_seconds": files.seconds,  # in a thread of its own, beside the network
            "write_wait_seconds": clock.write_wait,
        },
    }


def _timing(latencies: list[float]) -> dict[str, float | int]:
    """A model's speed: network with what it needs before and after, without decoding and writing."""
    median, p95 = np.percentile(latencies, [50, 95])
    return {
        "frames": len(latencies),
        "seconds": sum(latencies),
        "fps": len(latencies) / sum(latencies),
        "latency_median_ms": 1000 * float(median),
        "latency_p95_ms": 1000 * float(p95),
        "first_frame_ms": 1000 * latencies[0],
    }
