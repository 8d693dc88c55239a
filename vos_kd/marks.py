"""Objects marked by hand to a tree of masks: `python -m vos_kd.marks MARKS GROUP CLIPS --sam mobile_sam.pt --out DIR`.

`vos_kd/weights/marks.json` holds the marks behind the held-out videos and the clips that the student was trained on.
A mark is an object in a frame: a box and clicks, of which MobileSAM makes the mask. With `--between MODEL` a model
follows the objects from each mark to the next, and from there back; frames in which both ways agree get masks, too.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from vos_kd.arguments import whole
from vos_kd.checkpoint import load_model
from vos_kd.consistency import between
from vos_kd.data.masks import write_mask
from vos_kd.errors import InputError
from vos_kd.files import atomic_write
from vos_kd.model import Model
from vos_kd.prompts import Segmenter
from vos_kd.prompts.hints import gather
from vos_kd.prompts.kinds import Box, Click
from vos_kd.prompts.mobile_sam import MobileSamPrompt, open_mobile_sam
from vos_kd.training.whole_videos import frames_between, scaled
from vos_kd.video_io import open_clip

log = logging.getLogger(__name__)

_LEAST_PIECE = 0.04
"""Pieces of a mask below this share of its largest are dropped: specks, by what was looked at."""


def main(argv: list[str] | None = None) -> int:
    """Run the command; 0 when done, 2 for bad input, 130 for Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m vos_kd.marks", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("marks", type=Path, help="such as vos_kd/weights/marks.json")
    parser.add_argument("group", help="of the file, such as held_out or training")
    parser.add_argument("clips", type=Path, help="folder of NAME.mp4 for each clip of the group")
    parser.add_argument("--sam", required=True, metavar="FILE", help="MobileSAM's mobile_sam.pt, or a hub repository")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="gets JPEGImages and Annotations")
    others = parser.add_mutually_exclusive_group()
    others.add_argument(
        "--all-frames", action="store_true", help="write those without a mark, too, to follow objects in"
    )
    others.add_argument(
        "--between", metavar="MODEL", help="write those, with masks, in which MODEL finds the same from both marks"
    )
    parser.add_argument("--short-side", type=whole(16), metavar="PIXELS", help="make larger frames as small as this")
    parser.add_argument(
        "--every",
        type=whole(1),
        default=1,
        metavar="N",
        help="longest step between marks (default 1 frame)",
    )
    args = parser.parse_args(argv)
    if args.every != 1 and not (args.all_frames or args.between):
        parser.error("--every is for the frames between marks; give --between or --all-frames with it")
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        marks = read_marks(args.marks, args.group)
        segmenter = MobileSamPrompt(open_mobile_sam(args.sam))
        follower = load_model(args.between) if args.between else None
        for name, own in tqdm(marks.items(), unit="clip"):
            path = args.clips / f"{name}.mp4"
            write_clip(path, own, segmenter, args.out, args.all_frames, follower, args.short_side, args.every)
    except InputError as error:
        log.error("vos_kd.marks: error: %s", error)
        return 2
    except KeyboardInterrupt:
        log.info("interrupted; finished clips stay")
        return 130
    return 0


def read_marks(path: Path, group: str) -> dict[str, list[tuple[Box, list[Click]]]]:
    """Boxes and clicks of each clip of a group.

    Raises:
        InputError: the file cannot be read, has no such group, or a mark is not as expected.
    """
    try:
        clips: dict[str, list[dict[str, Any]]] = json.loads(path.read_text())[group]
        if not all(marks and Path(name).name == name for name, marks in clips.items()):
            raise ValueError("a clip's name is no plain name, or it has no mark")
        return {name: [_mark(mark) for mark in marks] for name, marks in clips.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"cannot read group {group!r} of {path}: {type(error).__name__}: {error}. Expected "
            '{GROUP: {CLIP: [{"frame": 0, "object": 1, "box": [x0, y0, x1, y1], "on": [[x, y]], "off": []}]}}.'
        ) from error


def write_clip(
    path: Path,
    marks: list[tuple[Box, list[Click]]],
    segmenter: Segmenter,
    out: Path,
    all_frames: bool,
    follower: Model | None = None,
    short_side: int | None = None,
    every: int = 1,
) -> None:
    """Write the marked frames of a clip, and their masks, numbered from the first of them.

    Args:
        path: of the clip; its name without suffix is that of the folders.
        marks: of it.
        segmenter: makes a mask of each.
        out: the tree.
        all_frames: write the frames between them, too, without masks.
        follower: write those of them, with masks, on which this model agrees with itself (`between`).
        short_side: pixels that a larger frame's is brought down to once MobileSAM has seen it whole; None: as it is.
        every: the longest step, in frames, from one that is followed to the next.

    Raises:
        InputError: the clip cannot be read, or ends before its last mark.
    """
    marked = sorted({box.frame for box, _ in marks})
    missing, kept = set(marked), frames_between(marked, every)
    suffix = ".png" if all_frames else ".jpg"  # to follow objects in, as the clip has them; training reads jpg
    passed: list[tuple[str, np.ndarray]] = []  # frames, by the names of their files, from the last mark on
    before: np.ndarray | None = None  # the mask there
    images, masks = out / "JPEGImages" / path.stem, out / "Annotations" / path.stem
    with open_clip(path) as clip:
        for index, image in clip.frames(marked[0], marked[-1] + 1):
            if index not in kept:
                continue
            file = f"{index - marked[0]:05d}"
            scale = min(1.0, short_side / min(image.shape[:2])) if short_side is not None else 1.0
            large, image = image, scaled(image, scale, cv2.INTER_AREA)
            if follower is not None:
                passed.append((file, image))
            if all_frames or index in missing:
                _write_image(images / f"{file}{suffix}", image)
            if index not in missing:
                continue
            missing.remove(index)
            mask = _marked_mask(large, [mark for mark in marks if mark[0].frame == index], segmenter)
            mask = scaled(mask, scale, cv2.INTER_NEAREST_EXACT)
            write_mask(masks / f"{file}.png", mask)
            if follower is not None and before is not None:
                agreed = between([image for _, image in passed], before, mask, follower)
                for (name, own), found in zip(passed[1:-1], agreed, strict=True):
                    if found is None:  # another model may have been sure of it before
                        (masks / f"{name}.png").unlink(missing_ok=True)
                        (images / f"{name}.jpg").unlink(missing_ok=True)
                    else:
                        _write_image(images / f"{name}.jpg", own)
                        write_mask(masks / f"{name}.png", found)
            passed, before = passed[-1:], mask
    if missing:
        raise InputError(f"{path} has no frame {min(missing)}, which is marked; is it another clip of that name?")


def _marked_mask(image: np.ndarray, marks: list[tuple[Box, list[Click]]], segmenter: Segmenter) -> np.ndarray:
    """Ids, uint8 `[H, W]`, of the objects that are marked in an image."""
    height, width, _ = image.shape
    ids = np.zeros((height, width), np.uint8)
    for box, clicks in sorted(marks, key=lambda mark: mark[0].object_id):
        # Not `render`, which adds what surrounds a click: here MobileSAM has the word.
        hints = gather(height, width, [box, *clicks])[box.object_id]
        ids[_without_specks(segmenter(image, hints))] = box.object_id
    return ids


def _write_image(path: Path, image: np.ndarray) -> None:
    ok, data = cv2.imencode(path.suffix, image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
    assert ok
    atomic_write(path, data.tobytes())


def _mark(mark: dict[str, Any]) -> tuple[Box, list[Click]]:
    frame, object_id = mark["frame"], mark["object"]
    x0, y0, x1, y1 = mark["box"]
    clicks = [Click(object_id, frame, x, y, key == "on") for key in ("on", "off") for x, y in mark[key]]
    return Box(object_id, frame, x0, y0, x1 - 1, y1 - 1), clicks


def _without_specks(mask: np.ndarray) -> np.ndarray:
    _, pieces, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0  # what is around them
    return np.asarray((areas >= _LEAST_PIECE * areas.max())[pieces] & mask)


if __name__ == "__main__":
    raise SystemExit(main())
