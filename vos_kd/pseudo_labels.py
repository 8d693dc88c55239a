"""Masks for clips that have none: `python -m vos_kd.pseudo_labels CLIPS --sam mobile_sam.pt --out DIR`.

Real motion is what synthetic clips lack. Of each clip a few stretches are taken. In the first frame of a stretch
MobileSAM proposes objects; the teacher follows them to the end and from there back again. An object stays if it comes
back to where it began and MobileSAM agrees with where it ended; pixels on which both ways disagree become void, and
nothing is learnt from them. The result is a tree in DAVIS layout, for `--set data.davis=...`.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from tqdm import tqdm

from vos_kd.arguments import whole
from vos_kd.checkpoint import load_model
from vos_kd.consistency import agreed, iou
from vos_kd.data.masks import object_ids, write_mask
from vos_kd.errors import InputError
from vos_kd.files import atomic_write
from vos_kd.inference import VideoSegmenter
from vos_kd.model import Model
from vos_kd.modeling.mobile_sam import Embedding, MobileSam, Proposals
from vos_kd.prompts.mobile_sam import open_mobile_sam
from vos_kd.video_io import open_clip
from vos_kd.video_io.archive import natural_key

log = logging.getLogger(__name__)

DONE = "stretches.json"
"""File of a tree: stretch to the number of its objects, of all that need not be done again."""
VIDEO_SUFFIXES = (".mp4", ".mov", ".webm", ".mkv", ".avi")
_GRID = 6
"""Points in each direction at which objects are asked for."""
_LEAST_SCORE, _LEAST_STABILITY = 0.88, 0.9
_LEAST_AREA, _MOST_AREA = 0.004, 0.4
"""Of the frame."""
_SAME = 0.5
"""Share of the smaller of two proposals in the larger, from which on they are one object."""
_LEAST_RETURN = 0.8
"""IoU of an object's mask with what following it there and back makes of it."""
_LEAST_AGREEMENT = 0.75
"""IoU of an object's last mask with MobileSAM's, asked for that mask's box."""


@dataclass(frozen=True)
class Stretch:
    """A part of a clip."""

    path: Path
    start: int
    frames: int
    every: int

    @property
    def name(self) -> str:
        """Of its folders."""
        return f"{self.path.stem}_{self.start:05d}"

    def read(self, short_side: int) -> list[np.ndarray]:
        """Its frames, RGB uint8 `[H, W, 3]`, made smaller where their short side is longer.

        Raises:
            InputError: the clip cannot be read, or has fewer frames than its header promised.
        """
        end = self.start + self.frames * self.every
        with open_clip(self.path) as clip:
            images = [_shrunk(image, short_side) for _, image in clip.frames(self.start, end, self.every)]
        if len(images) < self.frames:
            raise InputError(f"{self.path}: {len(images)} of {self.frames} frames from frame {self.start} on decode.")
        return images


def main(argv: list[str] | None = None) -> int:
    """Run the command; 0 when done, 2 for bad input, 130 for Ctrl-C."""
    args = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        videos = list(_videos(args.clips))
        _require_different_names(videos)
        stretches = [s for path in videos for s in plan(path, args.stretches, args.frames, args.every)]
        done = _read_done(args.out)
        todo = [s for s in stretches if s.name not in done]
        if not stretches:
            raise InputError(f"no clip has {args.frames * args.every} frames; ask for fewer with --frames.")
        sam, teacher = open_mobile_sam(args.sam), load_model(args.teacher)
        for stretch in tqdm(todo, unit="stretch"):
            try:
                images = stretch.read(args.short_side)
            except InputError as error:
                log.warning("left out: %s", error)
                continue
            done[stretch.name] = label_stretch(stretch.name, images, sam, teacher, args.out, args.objects)
            atomic_write(args.out / DONE, json.dumps(done, indent=1))
    except InputError as error:
        log.error("vos_kd.pseudo_labels: error: %s", error)
        return 2
    except KeyboardInterrupt:
        log.info("interrupted; finished stretches stay, the same command continues")
        return 130
    log.info("%d objects in %d stretches", sum(done.values()), len(done))
    return 0


def plan(path: Path, stretches: int, frames: int, every: int) -> list[Stretch]:
    """Stretches of a clip, spread evenly and without overlap; fewer where it is short.

    Raises:
        InputError: the clip cannot be read.
    """
    length = frames * every
    with open_clip(path) as clip:
        count = clip.info.frame_count
        if count is None:
            count = sum(1 for _ in clip.frames())
    count = max(count - 2, 0)  # a header may promise a frame or two that do not decode
    fitting = min(stretches, count // length)
    gap = (count - fitting * length) // (fitting + 1) if fitting else 0
    return [Stretch(path, gap + n * (length + gap), frames, every) for n in range(fitting)]


def label_stretch(
    name: str, images: Sequence[np.ndarray], sam: MobileSam, teacher: Model, out: Path, most_objects: int
) -> int:
    """Label a stretch and write it; returns how many objects it has. One with none leaves nothing.

    Args:
        name: of its folders.
        images: its frames, RGB uint8 `[H, W, 3]`.
        sam: proposes and verifies.
        teacher: follows.
        out: the tree.
        most_objects: to follow.
    """
    masks = label(images, sam, teacher, most_objects)
    if masks is None:
        return 0
    for number, (image, mask) in enumerate(zip(images, masks, strict=True)):
        ok, jpeg = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
        assert ok
        atomic_write(out / "JPEGImages" / name / f"{number:05d}.jpg", jpeg.tobytes())
        write_mask(out / "Annotations" / name / f"{number:05d}.png", mask)
    return len(object_ids(masks[0]))


def label(images: Sequence[np.ndarray], sam: MobileSam, teacher: Model, most_objects: int) -> list[np.ndarray] | None:
    """Masks of a clip's frames, uint8 `[H, W]` of object ids and void; None where no object passes.

    Args:
        images: RGB uint8 `[H, W, 3]`.
        sam: proposes and verifies.
        teacher: follows.
        most_objects: to follow.
    """
    first = propose(_embed(sam, images[0]), sam, most_objects)
    if not first.any():
        return None
    there = list(VideoSegmenter(teacher).segment(images, {0: first}))
    if not there[-1].any():
        return None
    back = list(VideoSegmenter(teacher).segment(images[::-1], {0: there[-1]}))[::-1]
    returned = [i for i in object_ids(first) if iou(first == i, back[0] == i) >= _LEAST_RETURN]
    last = _embed(sam, images[-1])
    kept = [i for i in returned if iou(there[-1] == i, _in_box(sam, last, there[-1] == i)) >= _LEAST_AGREEMENT]
    names = np.zeros(256, np.uint8)
    names[kept] = range(1, len(kept) + 1)
    return [agreed(names[a], names[b]) for a, b in zip(there, back, strict=True)] if kept else None


def propose(embedding: Embedding, sam: MobileSam, most: int) -> np.ndarray:
    """The surest objects of an image, uint8 `[H, W]` of ids 1, 2, ...: MobileSAM asked at a grid of points."""
    xs, ys = np.meshgrid(*((np.arange(_GRID) + 0.5) / _GRID * side for side in (embedding.width, embedding.height)))
    points = torch.tensor(np.stack([xs.ravel(), ys.ravel()], axis=1))[:, None]
    parts = [
        sam.ask(embedding, points=part, is_foreground=torch.ones(part.shape[:2], dtype=torch.bool), is_ambiguous=True)
        for part in points.split(12)
    ]
    chosen = choose(Proposals(*(torch.cat(tensors) for tensors in zip(*parts, strict=True))), most)
    ids = np.zeros((embedding.height, embedding.width), np.uint8)
    for number, logits in enumerate(chosen, start=1):
        ids[cv2.resize(logits, ids.shape[::-1], interpolation=cv2.INTER_LINEAR) > 0] = number
    return ids


def choose(proposals: Proposals, most: int) -> list[np.ndarray]:
    """Logits of the best proposals, surest first, none twice.

    A good one is expected to be right, does not change with the threshold, is neither tiny nor the scene, and leaves
    most of the frame's border alone.
    """
    logits, scores = proposals.logits.flatten(0, 1).numpy(), proposals.scores.flatten().numpy()
    chosen: list[np.ndarray] = []
    for n in np.argsort(-scores, kind="stable"):
        mask = logits[n] > 0
        if len(chosen) == most or scores[n] < _LEAST_SCORE:
            break
        rim = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
        if not _LEAST_AREA <= mask.mean() <= _MOST_AREA or rim.mean() > 0.25:
            continue
        if (logits[n] > 1).sum() / (logits[n] > -1).sum() < _LEAST_STABILITY:
            continue
        if all((mask & (c > 0)).sum() < _SAME * min(mask.sum(), (c > 0).sum()) for c in chosen):
            chosen.append(logits[n])
    return chosen


def _require_different_names(videos: Sequence[Path]) -> None:
    """Stretches are named after their clips."""
    first: dict[str, Path] = {}
    for path in videos:
        if first.setdefault(path.stem, path) != path:
            raise InputError(f"{first[path.stem]} and {path} have one name; rename one of them.")


def _read_done(out: Path) -> dict[str, int]:
    file = out / DONE
    try:
        done = json.loads(file.read_text()) if file.is_file() else {}
    except ValueError as error:
        raise InputError(f"{file} is damaged ({error}); delete it, and the stretches are labelled anew.") from error
    if not isinstance(done, dict) or not all(isinstance(count, int) for count in done.values()):
        raise InputError(f"{file} is none of this command's; expected stretches and numbers of objects.")
    return done


def _in_box(sam: MobileSam, embedding: Embedding, mask: np.ndarray) -> np.ndarray:
    """What MobileSAM sees in a mask's box, bool `[H, W]`."""
    left, top, across, down = cv2.boundingRect(mask.astype(np.uint8))
    box = torch.tensor([[left, top, left + across, top + down]])
    logits = sam.ask(embedding, boxes=box).logits[0, 0].numpy()
    return np.asarray(cv2.resize(logits, mask.shape[::-1], interpolation=cv2.INTER_LINEAR) > 0)


def _embed(sam: MobileSam, image: np.ndarray) -> Embedding:
    return sam.embed(torch.from_numpy(image).permute(2, 0, 1).float().div(255))


def _shrunk(image: np.ndarray, short_side: int) -> np.ndarray:
    height, width = image.shape[:2]
    scale = short_side / min(height, width)
    if scale >= 1:
        return image
    return cv2.resize(image, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)


def _videos(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(
                (p for p in path.glob("[!.]*") if p.suffix.lower() in VIDEO_SUFFIXES), key=lambda p: natural_key(p.name)
            )
        else:
            yield path


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m vos_kd.pseudo_labels", description=__doc__.split("\n")[0])
    parser.add_argument("clips", nargs="+", type=Path, help="videos, or folders of them")
    parser.add_argument("--sam", required=True, metavar="FILE", help="MobileSAM's mobile_sam.pt, or a hub repository")
    parser.add_argument("--teacher", default="teacher", help="the model that follows; default teacher")
    parser.add_argument("--out", required=True, type=Path, help="the tree; what it has already is not done again")
    parser.add_argument("--stretches", type=whole(1), default=3, help="of a clip, at most; default 3")
    parser.add_argument("--frames", type=whole(2), default=24, help="of a stretch; default 24")
    parser.add_argument("--every", type=whole(1), default=2, help="take each Nth frame; default 2")
    parser.add_argument("--objects", type=whole(1), default=3, help="of a stretch, at most; default 3")
    parser.add_argument(
        "--short-side", type=whole(16), default=256, metavar="PIXELS", help="of the frames; default 256"
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
