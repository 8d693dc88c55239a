"""One run of `vos_kd.segment`: every check, then each frame through all models and on to the files.

What is cheap is checked before weights are loaded, and all is checked before anything is written. Frames are decoded
once and shown to all models; decoding and encoding run beside the network.
"""

from __future__ import annotations

import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from vos_kd import __version__
from vos_kd.checkpoint import find_weights, is_exported, load_model
from vos_kd.errors import InputError
from vos_kd.files import sha256
from vos_kd.inference import VideoSegmenter
from vos_kd.model import Model
from vos_kd.outputs import FORMAT, Background, Manifest, ResultFiles, RunFolder, model_labels
from vos_kd.read_ahead import ReadAhead
from vos_kd.runtime import environment, pick_device, pick_dtype
from vos_kd.segment_request import GivenMask, Request, check_fit, clip_name, read_masks, run_inputs
from vos_kd.video_io import ClipInfo, frame_rate, open_clip

Frames = Iterator[tuple[int, np.ndarray]]
"""Index within the clip, and RGB uint8 `[H, W, 3]`."""


class Stopwatch(defaultdict[str, list[float]]):
    """Name -> seconds that each block of that name took."""

    def __init__(self) -> None:
        super().__init__(list)

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time the block, if it ends well."""
        began = time.perf_counter()
        yield
        self[name].append(time.perf_counter() - began)


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
    masks = read_masks(request.masks)
    with open_clip(request.clip, fps=request.fps) as clip:
        check_fit(request, clip.info, masks)
        labels = model_labels(request.models)
        weights = {label: find_weights(source) for label, source in zip(labels, request.models, strict=True)}
        pick_dtype(pick_device(request.device), request.dtype)
        if request.backend is not None and not any(map(is_exported, request.models)):
            raise InputError(
                f"--backend {request.backend} is for exported models, and none is given; make one with "
                "`python -m vos_kd.export MODEL` and give its file as --model."
            )
        inputs = run_inputs(request, clip.info, masks, {label: sha256(path) for label, path in weights.items()})
        folder.require_free(inputs, overwrite=request.overwrite)
        frames = clip.frames(request.start, request.end, request.every)
        # Shows whether there is one, while an older run is still in its place.
        frames = chain([next(frames)], frames)
        if request.threads:
            torch.set_num_threads(request.threads)
        models = {
            label: load_model(
                path,
                device=request.device,
                dtype=request.dtype,
                backend=request.backend if is_exported(path) else None,
            )
            for label, path in weights.items()
        }
        manifest: Manifest = {
            "format": FORMAT,
            "completed": False,
            "interrupted": False,
            "error": None,
            "command": command,
            "inputs": inputs,
            "environment": {"vos-kd": __version__, **environment()},
        }
        fps = float(frame_rate(clip.info.fps / request.every))  # may be refused: before anything is removed
        folder.clear()
        folder.write_manifest(manifest)

        files = ResultFiles(folder.path, labels, clip_name(request.clip), fps, with_overlay=request.overlay)
        segmenters = {
            label: VideoSegmenter(model, short_side=request.short_side, max_side=request.max_side)
            for label, model in models.items()
        }
        clock = Stopwatch()
        try:
            with (
                _stop_on_interrupt() as stop,
                clock("total"),
                ReadAhead(_timed(frames, clock)) as ahead,
                tqdm(
                    _until(stop, ahead, clock),
                    total=_frame_total(request, clip.info),
                    unit="frame",
                    disable=request.quiet,
                ) as shown,
            ):
                _segment_frames(shown, segmenters, masks, files, _frame_name(clip.info), clock)
        except BaseException as error:
            manifest.update(interrupted=isinstance(error, KeyboardInterrupt), error=str(error) or type(error).__name__)
            with suppress(InputError):  # no room even for this: the first manifest stays, and claims nothing
                folder.write_manifest(manifest)
            raise
        warnings = list(clip.warnings)
        if not stop.is_set():
            missed = [frame for frame in masks if frame >= request.start + request.every * files.frames]
            warnings += [f"the mask of frame {frame} was not used: the clip ended before it." for frame in missed]
        manifest |= {"completed": not stop.is_set(), "interrupted": stop.is_set(), "warnings": warnings}
        manifest |= _results(folder.path, models, files, clock)
        folder.write_manifest(manifest)
        return manifest


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


def _timed(frames: Frames, clock: Stopwatch) -> Frames:
    while True:
        with clock("decode"):
            frame = next(frames, None)
        if frame is None:
            return
        yield frame


def _until(stop: threading.Event, frames: Frames, clock: Stopwatch) -> Frames:
    while not stop.is_set():
        with clock("read wait"):
            frame = next(frames, None)
        if frame is None:
            return
        yield frame


def _frame_total(request: Request, info: ClipInfo) -> int | None:
    end = request.last_end(info)
    return None if end is None else len(range(request.start, end, request.every))


def _frame_name(info: ClipInfo) -> Callable[[int], str]:
    names = info.frame_names
    return "{:05d}".format if names is None else names.__getitem__


def _segment_frames(
    frames: Iterable[tuple[int, np.ndarray]],
    segmenters: Mapping[str, VideoSegmenter],
    masks: Mapping[int, GivenMask],
    files: ResultFiles,
    name_of: Callable[[int], str],
    clock: Stopwatch,
) -> None:
    """Show each frame to all models and have the results written; memory does not grow."""
    with files, Background(files.write) as write:
        for index, image in frames:
            given = masks[index].ids if index in masks else None
            found = {}
            for label, segmenter in segmenters.items():
                with clock(f"step {label}"):
                    found[label] = segmenter.step(image, given)
            with clock("write wait"):
                write(name_of(index), image, found)
        if "write wait" not in clock:
            raise KeyboardInterrupt  # before the first frame: nothing to keep


def _results(folder: Path, models: Mapping[str, Model], files: ResultFiles, clock: Stopwatch) -> dict[str, object]:
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
                "timing": _timing(clock[f"step {label}"]),
            }
            for label, model in models.items()
        },
        "side_by_side": relative(files.side_by_side),
        "timings": {
            "frames": files.frames,
            "total_seconds": sum(clock["total"]),
            # Frames are decoded, and results written, in threads of their own; the network waits for them now and then.
            "decode_seconds": sum(clock["decode"]),
            "read_wait_seconds": sum(clock["read wait"]),
            "write_seconds": files.seconds,
            "write_wait_seconds": sum(clock["write wait"]),
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
