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
import logging
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

import cv2
import numpy as np

from vos_kd.data.masks import write_mask
from vos_kd.errors import InputError
from vos_kd.files import atomic_write
from vos_kd.overlay import draw_overlay
from vos_kd.video_io import VideoWriter

log = logging.getLogger(__name__)

FORMAT = "vos-kd-segment/1"
MANIFEST = "manifest.json"
IDENTITY = ("clip", "masks", "models", "options")
"""Entries of a manifest that say what was run; where they are equal, two runs have equal masks."""

Manifest = dict[str, Any]
P = ParamSpec("P")


class RunFolder:
    """The folder of one run: never half of one run and half of another."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def require_writable(self) -> None:
        """Check, without making anything, that the folder can be made and written to.

        Raises:
            InputError: it cannot; names the part of the path that stands in the way.
        """
        there = next(p for p in (self.path.absolute(), *self.path.absolute().parents) if p.exists() or p.is_symlink())
        if not there.is_dir():
            raise InputError(f"cannot write to {self.path}: {there} is not a folder. Choose another place with --out.")
        if not os.access(there, os.W_OK | os.X_OK):
            raise InputError(f"cannot write to {self.path}: no permission in {there}. Choose another place with --out.")

    def require_free(self, manifest: Manifest, *, overwrite: bool) -> None:
        """Check that writing the run of `manifest` here takes nothing away that was not asked for.

        A run of the same models on the same clip with the same masks and options may be repeated in place.

        Raises:
            InputError: the folder holds another run and `overwrite` is false, or files that are not of a run.
        """
        if not self.path.exists() or not any(self.path.iterdir()):
            return
        old = self._read_manifest()
        if old is None:
            raise InputError(f"{self.path} is not empty and holds no {MANIFEST} of a run; choose another --out.")
        # Through JSON, where tuples are lists and paths text.
        new = json.loads(json.dumps(manifest))
        changed = [name for name in IDENTITY if _identity(old, name) != _identity(new, name)]
        if changed and not overwrite:
            raise InputError(
                f"{self.path} holds a run with other {' and '.join(changed)}; "
                "choose another --out, or replace it with --overwrite."
            )

    def clear(self) -> None:
        """Remove the files of an earlier run, and no others."""
        old = self._read_manifest()
        if old is None:
            return
        patterns = ["side_by_side.mp4", ".partial-*"]
        for label in (model["label"] for model in old["models"]):
            patterns += [f"{label}/overlay.mp4", f"{label}/.partial-*"]
            patterns += [f"{label}/Annotations/*/*.png", f"{label}/Annotations/*/.partial-*"]
        # The manifest last: as long as anything is left, it says whose it is.
        for pattern in (*patterns, MANIFEST):
            for path in sorted(self.path.glob(pattern)):
                path.unlink()
        for label in (model["label"] for model in old["models"]):
            for folder in (*self.path.glob(f"{label}/Annotations/*"), self.path / label / "Annotations", self.path / label):
                with suppress(OSError):  # not empty: something of the user's own is in it
                    folder.rmdir()

    def write_manifest(self, manifest: Manifest) -> None:
        """Write the manifest, whole or not at all.

        Raises:
            InputError: it cannot be written.
        """
        atomic_write(self.path / MANIFEST, json.dumps(manifest, indent=2) + "\n")

    def _read_manifest(self) -> Manifest | None:
        """The manifest of the run in this folder; None where there is none, or not one of ours."""
        try:
            old = json.loads((self.path / MANIFEST).read_text(encoding="utf-8"))
            is_ours = old["format"] == FORMAT and all(_is_label(model["label"]) for model in old["models"])
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return old if is_ours else None


def _is_label(text: object) -> bool:
    """Whether a folder name can be trusted to stay inside its folder; `clear` deletes in it."""
    return isinstance(text, str) and re.fullmatch(r"\w[\w.-]*", text) is not None


def model_labels(sources: Sequence[str], names: Sequence[str]) -> list[str]:
    """A short, distinct name of each model, good for a folder.

    Args:
        sources: as for `vos_kd.load_model`.
        names: registry names, which are labels as they are.

    >>> model_labels(["student", "runs/a/student.safetensors", "me/vos@1f3"], ["student"])
    ['student', 'student-2', 'me-vos-1f3']
    """
    labels: list[str] = []
    for source in sources:
        is_file = Path(source).suffix in (".safetensors", ".pth", ".pt")
        label = source if source in names else re.sub(r"[^\w.-]+", "-", Path(source).stem if is_file else source)
        label = label.strip("-.") or "model"
        count = sum(re.fullmatch(rf"{re.escape(label)}(-\d+)?", other) is not None for other in labels)
        labels.append(f"{label}-{count + 1}" if count else label)
    return labels
