"""One model through a clip, into files: masks, a video to look at, and a report for every frame.

Decoding and encoding run beside the network, as in `vos_kd.segment`, whose folder layout this keeps.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import cv2
import numpy as np
import psutil

from vos_kd.data.masks import read_mask, write_mask
from vos_kd.demo.pictures import jpeg, shrink
from vos_kd.demo.upload import LoadedClip
from vos_kd.outputs import Background
from vos_kd.overlay import draw_overlay, safe_palette
from vos_kd.read_ahead import ReadAhead
from vos_kd.takeaway import FMeasure, Truth, object_ious, score_frame
from vos_kd.video_io import VideoWriter

if TYPE_CHECKING:
    from vos_kd.inference import VideoSegmenter

SegmenterFactory = Callable[[str, int], "VideoSegmenter"]
"""Name of a model and the short side to segment at -> a segmenter for one clip."""

PICTURE_SECONDS = 0.16
"""Between two pictures of a run. Six a second look alive; each takes a little of the network's time."""
PICTURE_SIDE = 480


@dataclass(frozen=True)
class Plan:
    """What a run shall do. Plain data: it may go to another process."""

    clip: LoadedClip
    start: int
    end: int
    masks: Mapping[int, Path]
    """Frame -> mask file; `start` is the first."""
    object_ids: tuple[int, ...]
    models: tuple[str, ...]
    folder: Path
    short_side: int
    with_pictures: bool = True

    @property
    def stop_file(self) -> Path:
        """Where it appears, the run ends after the frame at hand. A file, for the run may be in another process."""
        return self.folder / "stop"

    @property
    def frames(self) -> int:
        """How many, if the clip has as many as it says."""
        return self.end - self.start

    def annotations(self, model: str) -> Path:
        """Folder of a model's masks."""
        return self.folder / model / "Annotations" / self.clip.stem

    def overlay(self, model: str) -> Path:
        """A model's video."""
        return self.folder / model / "overlay.mp4"

    def frame_name(self, index: int) -> str:
        """Of a frame's PNG, without suffix; as `vos_kd.segment` calls it."""
        names = self.clip.info.frame_names
        return f"{index:05d}" if names is None else names[index]

    def mask_path(self, model: str, index: int) -> Path:
        """A model's mask of a frame."""
        return self.annotations(model) / f"{self.frame_name(index)}.png"


class Written(NamedTuple):
    """Of a frame that is on disk."""

    scores: tuple[float, float] | None
    agreement: float | None
    picture: bytes | None


class Report(NamedTuple):
    """Of a frame that is segmented; `written` are those that came to disk meanwhile."""

    network_ms: float
    step_ms: float
    frame_ms: float
    memory_mib: float
    written: tuple[Written, ...]
    warnings: tuple[str, ...] = ()
    facts: Mapping[str, Any] | None = None
    """Of the model, once it is loaded: that may have been in another process."""


def follow(
    plan: Plan, model: str, segmenter: VideoSegmenter, f_measure: FMeasure | None = None
) -> Generator[Report, None, None]:
    """Run one model.

    Args:
        plan: what to do.
        model: one of the plan's.
        segmenter: of this model, fresh.
        f_measure: of masks against the truth, where the clip has one.

    Yields:
        A report for each frame, and one for what was still being written then: its times are 0.

    Raises:
        InputError: the clip or a mask cannot be read, or a file not be written.
    """
    masks = {index: read_mask(path) for index, path in plan.masks.items()}
    watch = _watch_network(segmenter)
    memory = _memory_meter(segmenter)
    files = _Files(plan, model, f_measure)
    with plan.clip.open() as clip:
        frames = clip.frames(plan.start, plan.end)
        with ReadAhead(frames) as ahead, files, Background(files.write) as write:
            began = time.perf_counter()
            for index, image in ahead:
                watch.seconds = 0.0
                step_began = time.perf_counter()
                mask = segmenter.step(image, masks.get(index))
                step_seconds = time.perf_counter() - step_began
                write(index, image, mask)
                now = time.perf_counter()
                report = Report(1e3 * watch.seconds, 1e3 * step_seconds, 1e3 * (now - began), memory(), files.take())
                yield report
                if plan.stop_file.exists():
                    break
                began = time.perf_counter()
        yield Report(0.0, 0.0, 0.0, memory(), files.take(), tuple(clip.warnings))  # what was still being written


class _Files:
    """Writes what a model found, frame by frame, in a thread of its own."""

    def __init__(self, plan: Plan, model: str, f_measure: FMeasure | None) -> None:
        self._plan = plan
        self._model = model
        self._f_measure = f_measure
        self._truth: Truth | None = None
        self._other = next((name for name in plan.models if name != model), None) if model != plan.models[0] else None
        self._video = VideoWriter(plan.overlay(model), plan.clip.info.fps)
        self._written: deque[Written] = deque()
        self._pictured = 0.0

    def __enter__(self) -> Self:
        clip = self._plan.clip
        if clip.truth is not None:
            self._truth = Truth(clip.truth, clip.info, clip.frame_count)
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        if self._truth is not None:
            self._truth.close()
        if kind is None and self._video.frame_count:
            self._video.close()
        else:
            self._video.discard()

    def write(self, index: int, image: np.ndarray, mask: np.ndarray) -> None:
        """Write one frame."""
        plan = self._plan
        write_mask(plan.mask_path(self._model, index), mask)
        scale = min(1.0, plan.clip.limits.view_short_side / min(mask.shape))
        seen = shrink(image, scale)
        mask_seen = mask if scale >= 1 else cv2.resize(mask, seen.shape[1::-1], interpolation=cv2.INTER_NEAREST_EXACT)
        drawn = draw_overlay(seen, mask_seen, colours=safe_palette())
        self._video.write(drawn)
        self._written.append(Written(self._scores(index, mask), self._agreement(index, mask), self._picture(drawn)))

    def take(self) -> tuple[Written, ...]:
        """What came to disk since the last call."""
        return tuple(self._written.popleft() for _ in range(len(self._written)))

    def _scores(self, index: int, mask: np.ndarray) -> tuple[float, float] | None:
        name = self._plan.frame_name(index)
        # A mask that was given scores nothing.
        if self._truth is None or name not in self._truth.names or index in self._plan.masks:
            return None
        j, f = score_frame(mask, self._truth.mask(name), self._plan.object_ids, self._f_measure)
        return float(j.mean()), float("nan") if f is None else float(f.mean())

    def _agreement(self, index: int, mask: np.ndarray) -> float | None:
        if self._other is None:
            return None
        path = self._plan.mask_path(self._other, index)
        return float(object_ious(read_mask(path), mask, self._plan.object_ids).mean()) if path.is_file() else None

    def _picture(self, drawn: np.ndarray) -> bytes | None:
        now = time.monotonic()
        if not self._plan.with_pictures or now - self._pictured < PICTURE_SECONDS:
            return None
        self._pictured = now
        return jpeg(shrink(drawn, min(1.0, PICTURE_SIDE / max(drawn.shape[:2]))), quality=70)


class _Watch:
    """Seconds spent in the network since it was last set to 0."""

    seconds = 0.0


def _watch_network(segmenter: VideoSegmenter) -> _Watch:
    """Time `look` and `memorize`, which are all that the network does for a frame."""
    watch = _Watch()
    wait = _device_wait(segmenter)

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            wait()
            began = time.perf_counter()
            result = function(*args, **kwargs)
            wait()
            watch.seconds += time.perf_counter() - began
            return result

        return call

    segmenter.look = timed(segmenter.look)  # type: ignore[method-assign]
    segmenter.memorize = timed(segmenter.memorize)  # type: ignore[method-assign]
    return watch


def _device_wait(segmenter: VideoSegmenter) -> Callable[[], None]:
    """Wait for a GPU, which works on while Python is ahead; nothing on a CPU."""
    if segmenter.model.device.type != "cuda":
        return lambda: None
    import torch

    return torch.cuda.synchronize


def _memory_meter(segmenter: VideoSegmenter) -> Callable[[], float]:
    """MiB: of a GPU what was allocated at most, else what the server's process holds now."""
    if segmenter.model.device.type == "cuda":
        import torch

        torch.cuda.reset_peak_memory_stats()
        return lambda: torch.cuda.max_memory_allocated() / 2**20
    process = psutil.Process()
    return lambda: process.memory_info().rss / 2**20
