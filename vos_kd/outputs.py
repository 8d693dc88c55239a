"""What a run of `vos_kd.segment` leaves behind, and how it gets there beside the network.

    DIR/manifest.json                            what was run on what, how fast, and whether to the end
    DIR/MODEL/Annotations/CLIP/00000.png ...     palette PNGs, as in DAVIS
    DIR/MODEL/overlay.mp4                        the clip with the masks drawn over it
    DIR/side_by_side.mp4                         the overlays of several models next to each other

The manifest is there, and says `"completed": false`, before the first frame is: whatever ends a run, it never passes
for a whole one.
"""

from __future__ import annotations

import json
import os
import queue
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, ParamSpec, Self

import numpy as np

from vos_kd.data.masks import write_mask
from vos_kd.errors import InputError
from vos_kd.files import atomic_write
from vos_kd.overlay import draw_overlay, side_by_side
from vos_kd.video_io import VideoWriter

FORMAT = "vos-kd-segment/1"
MANIFEST = "manifest.json"

Manifest = dict[str, Any]
P = ParamSpec("P")


class RunFolder:
    """The folder of one run: never part of one run and part of another."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def require_writable(self) -> None:
        """Check, without making anything, that the folder can be made and written to.

        Raises:
            InputError: it cannot; names the part of the path that stands in the way.
        """
        there = next(p for p in (self.path.absolute(), *self.path.absolute().parents) if os.path.lexists(p))
        if not there.is_dir():
            raise InputError(f"cannot write to {self.path}: {there} is not a folder. Choose another place with --out.")
        if not os.access(there, os.W_OK | os.X_OK):
            raise InputError(f"cannot write to {self.path}: no permission in {there}. Choose another place with --out.")

    def require_free(self, inputs: Mapping[str, object], *, overwrite: bool) -> None:
        """Check that writing a run here takes nothing away that was not asked for.

        A run of the same inputs may be repeated in place.

        Args:
            inputs: the new run's entry of that name in its manifest.
            overwrite: whether a run of other inputs may be replaced.

        Raises:
            InputError: the folder holds a run of other inputs and `overwrite` is false, or files that are not of a run.
        """
        if not self.path.is_dir() or not any(self.path.iterdir()):
            return
        old = self._read_manifest()
        if old is None:
            raise InputError(f"{self.path} is not empty and holds no {MANIFEST} of a run; choose another --out.")
        new = json.loads(json.dumps(inputs))  # as the old ones were read: tuples are lists there
        changed = [name for name in new if old["inputs"].get(name) != new[name]]
        if changed and not overwrite:
            raise InputError(
                f"{self.path} holds a run with other {' and '.join(changed)}; "
                "choose another --out, or replace that run with --overwrite."
            )

    def clear(self) -> None:
        """Remove the files of an earlier run, and no others.

        Raises:
            InputError: one of them cannot be removed.
        """
        old = self._read_manifest()
        if old is None:
            return
        labels = [model["label"] for model in old["inputs"]["models"]]
        patterns = ["side_by_side.mp4", ".partial-*"]
        for label in labels:
            patterns += [f"{label}/{name}" for name in ("overlay.mp4", ".partial-*")]
            patterns += [f"{label}/Annotations/*/{name}" for name in ("*.png", ".partial-*")]
        # The manifest last: while anything of the run is left, it says what that is.
        try:
            for path in [path for pattern in (*patterns, MANIFEST) for path in self.path.glob(pattern)]:
                path.unlink()
        except OSError as error:
            raise InputError(f"cannot replace the run in {self.path}: {error}. Choose another --out.") from error
        for label in labels:
            top = self.path / label
            for folder in (*top.glob("Annotations/*"), top / "Annotations", top):
                with suppress(OSError):  # not empty: something of the user's own is in it, and stays
                    folder.rmdir()

    def write_manifest(self, manifest: Manifest) -> None:
        """Write the manifest, whole or not at all.

        Raises:
            InputError: it cannot be written.
        """
        atomic_write(self.path / MANIFEST, json.dumps(manifest, indent=2) + "\n")

    def _read_manifest(self) -> Manifest | None:
        """The manifest of the run in this folder; None where there is none, or none that `clear` could trust."""
        try:
            old: Manifest = json.loads((self.path / MANIFEST).read_text(encoding="utf-8"))
            labels = [model["label"] for model in old["inputs"]["models"]]
            is_ours = old["format"] == FORMAT and all(re.fullmatch(r"\w[\w.-]*", label) for label in labels)
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return old if is_ours else None


def model_labels(sources: Sequence[str]) -> list[str]:
    """A short, distinct name of each model, good for a folder.

    Args:
        sources: as for `vos_kd.load_model`.

    >>> model_labels(["student", "runs/a/student.safetensors", "me/vos@1f3", "b/student.onnx.zip"])
    ['student', 'student-2', 'me-vos-1f3', 'student.onnx']
    """
    labels: list[str] = []
    for source in sources:
        is_file = Path(source).suffix in (".safetensors", ".pth", ".pt", ".zip")
        stem = re.sub(r"[^\w.-]+", "-", Path(source).stem if is_file else source).strip(".-") or "model"
        label, count = stem, 1
        while label in labels:
            count += 1
            label = f"{stem}-{count}"
        labels.append(label)
    return labels


class ResultFiles:
    """Writes what models found in one clip, frame by frame; the videos get their final names when all went well."""

    def __init__(self, folder: Path, labels: Sequence[str], clip_name: str, fps: float, *, with_overlay: bool) -> None:
        self.annotations = {label: folder / label / "Annotations" / clip_name for label in labels}
        self.overlays = {label: folder / label / "overlay.mp4" for label in labels} if with_overlay else {}
        self.side_by_side = folder / "side_by_side.mp4" if with_overlay and len(labels) > 1 else None
        self.frames = 0
        """Frames whose files are all written."""
        self.seconds = 0.0
        """Spent in `write`."""
        self._fps = fps
        self._videos: dict[Path, VideoWriter] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        for path in (*self.overlays.values(), *filter(None, [self.side_by_side])):
            self._videos[path] = self._stack.enter_context(VideoWriter(path, self._fps))
        return self

    def __exit__(self, *exception: Any) -> bool | None:
        return self._stack.__exit__(*exception)

    def write(self, name: str, image: np.ndarray, masks: Mapping[str, np.ndarray]) -> None:
        """Write one frame.

        Args:
            name: of the PNGs, without suffix.
            image: RGB uint8 `[H, W, 3]`.
            masks: label -> uint8 `[H, W]` of object ids.

        Raises:
            InputError: a file cannot be written.
        """
        began = time.perf_counter()
        for label, folder in self.annotations.items():
            write_mask(folder / f"{name}.png", masks[label])
        drawn = {label: draw_overlay(image, masks[label]) for label in self.overlays}
        for label, path in self.overlays.items():
            self._videos[path].write(drawn[label])
        if self.side_by_side:
            self._videos[self.side_by_side].write(side_by_side(list(drawn.values()), list(drawn)))
        self.frames += 1
        self.seconds += time.perf_counter() - began


class Background(Generic[P]):
    """Calls a function in a thread of its own, in the order asked for, so that encoding overlaps the network.

    At most `limit` calls wait; then asking waits too, so memory stays flat. After a call has failed, no more are made;
    its exception comes out of the next `__call__`, or of the end of the `with` block.
    """

    def __init__(self, function: Callable[P, None], limit: int = 4) -> None:
        self._function = function
        self._calls: queue.Queue[Callable[[], None] | None] = queue.Queue(limit)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="vos-kd-writer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Ask for a call."""
        if self._error is not None:
            raise self._error
        self._calls.put(lambda: self._function(*args, **kwargs))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._calls.put(None)
        self._thread.join()
        if self._error is not None and error is None:
            raise self._error

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            if self._error is None:
                try:
                    call()
                except BaseException as error:
                    self._error = error
