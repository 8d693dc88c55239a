"""One object's mask from boxes, clicks and scribbles by MobileSAM, where its weights are: better than GrabCut at things
that look like their background, slower for the first prompt of a frame, quick from the second on.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from pathlib import Path

import cv2
import numpy as np
import torch

from vos_kd.errors import InputError
from vos_kd.hub import hub_file, is_repository
from vos_kd.modeling.mobile_sam import Embedding, MobileSam
from vos_kd.prompts.hints import BACKGROUND, FOREGROUND, Hints

_POINTS_OF_A_SCRIBBLE = 4
"""Of what was painted; more tell the network nothing new."""


_IMAGES = 16
"""That are remembered, 4 MiB each: visitors who mark at the same time do not make each other wait."""
_FILE = "mobile_sam.pt"


def open_mobile_sam(source: str) -> MobileSam:
    """Load MobileSAM.

    Args:
        source: the published `mobile_sam.pt`, or `OWNER/REPO@REVISION` of a hub repository that holds it.

    Raises:
        InputError: there is no such file, it is of another network, or `transformers` is not installed.
    """
    path = Path(source)
    if not path.is_file():
        if not is_repository(source) or path.suffix == ".pt":
            raise InputError(f"{source} is not there; expected MobileSAM's {_FILE}, or OWNER/REPO@REVISION on the hub.")
        path = hub_file(source, _FILE)
    return MobileSam.load(path)


class MobileSamPrompt:
    """A `Segmenter` that remembers the images it was asked about lately. Safe to share between threads.

    Args:
        network: that is asked.
    """

    def __init__(self, network: MobileSam) -> None:
        self._network = network
        self._lock = threading.Lock()
        self._remembered: OrderedDict[bytes, Embedding] = OrderedDict()

    def __call__(self, image: np.ndarray, hints: Hints) -> np.ndarray:
        """Cut an object out.

        Args:
            image: RGB uint8 `[H, W, 3]`.
            hints: what is known of the object.

        Returns:
            bool `[H, W]`.
        """
        points, is_foreground = hint_points(hints)
        box = None if hints.box is None else torch.tensor([hints.box])
        if box is None and not is_foreground.any():
            return np.zeros(hints.sure.shape, bool)  # told only where the object is not
        with self._lock:
            proposals = self._network.ask(
                self._embed(image),
                boxes=box,
                points=torch.from_numpy(points)[None] if len(points) else None,
                is_foreground=torch.from_numpy(is_foreground)[None] if len(points) else None,
                is_ambiguous=box is None and len(points) == 1,
            )
        best = int(proposals.scores[0].argmax())
        logits = proposals.logits[0, best].numpy()
        return np.asarray(cv2.resize(logits, hints.sure.shape[::-1], interpolation=cv2.INTER_LINEAR) > 0)

    def _embed(self, image: np.ndarray) -> Embedding:
        key = hashlib.sha256(repr(image.shape).encode() + image.tobytes()).digest()
        if key not in self._remembered:
            self._remembered[key] = self._network.embed(torch.from_numpy(image).permute(2, 0, 1).float().div(255))
            if len(self._remembered) > _IMAGES:
                self._remembered.popitem(last=False)
        self._remembered.move_to_end(key)
        return self._remembered[key]


def hint_points(hints: Hints) -> tuple[np.ndarray, np.ndarray]:
    """Points that stand for what is known of an object.

    Clicks as they are. Of what was painted for it, or handed over as its mask, the few that are furthest inside, one
    after the other; likewise of what is known not to be it.

    Returns:
        float32 `[K, 2]` of x and y, and bool `[K]`: whether the object is there. K may be 0.
    """
    found = list(hints.clicks)
    areas = {True: hints.sure == FOREGROUND, False: hints.sure == BACKGROUND}
    if hints.base is not None:
        areas[True] = areas[True] | (hints.base & ~areas[False])
    is_more_than_clicks = hints.is_painted or hints.base is not None
    for shows, area in areas.items() if is_more_than_clicks else ():
        area = area.copy()
        for x, y, _ in hints.clicks:
            area[y, x] = False
        for _ in range(_POINTS_OF_A_SCRIBBLE):
            depth = cv2.distanceTransform(np.pad(area, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
            y, x = divmod(int(depth.argmax()), area.shape[1])
            if not depth[y, x]:
                break
            found.append((x, y, shows))
            radius = max(int(2 * depth[y, x]), 1)
            area &= cv2.circle(np.zeros(area.shape, np.uint8), (x, y), radius, 1, -1) == 0
    return (
        np.array([(x, y) for x, y, _ in found], np.float32).reshape(-1, 2),
        np.array([shows for _, _, shows in found], bool),
    )
