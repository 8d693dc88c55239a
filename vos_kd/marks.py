"""Objects marked by hand to a tree of masks: `python -m vos_kd.marks MARKS GROUP CLIPS --sam mobile_sam.pt --out DIR`.

`vos_kd/weights/marks.json` holds the marks behind the held-out videos and the clips that the student was trained on.
A mark is an object in a frame: a box and clicks, of which MobileSAM makes the mask.
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

from vos_kd.data.masks import write_mask
from vos_kd.errors import InputError
from vos_kd.files import atomic_write
from vos_kd.prompts import Segmenter
from vos_kd.prompts.hints import gather
from vos_kd.prompts.kinds import Box, Click
from vos_kd.prompts.mobile_sam import MobileSamPrompt, open_mobile_sam
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
    parser.add_argument(
        "--all-frames", action="store_true", help="write those without a mark, too, to follow objects in"
    )
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        marks = read_marks(args.marks, args.group)
        segmenter = MobileSamPrompt(open_mobile_sam(args.sam))
        for name, own in tqdm(marks.items(), unit="clip"):
            write_clip(args.clips / f"{name}.mp4", own, segmenter, args.out, args.all_frames)
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
    path: Path, marks: list[tuple[Box, list[Click]]], segmenter: Segmenter, out: Path, all_frames: bool
) -> None:
    """Write the marked frames of a clip, and their masks, numbered from the first of them.

    Args:
        path: of the clip; its name without suffix is that of the folders.
        marks: of it.
        segmenter: makes a mask of each.
        out: the tree.
        all_frames: write the frames between them, too.

    Raises:
        InputError: the clip cannot be read, or ends before its last mark.
    """
    marked = sorted({box.frame for box, _ in marks})
    missing = set(marked)
    with open_clip(path) as clip:
        for index, image in clip.frames(marked[0], marked[-1] + 1):
            file = f"{index - marked[0]:05d}"
            if not (all_frames or index in missing):
                continue
            suffix = ".png" if all_frames else ".jpg"  # to follow objects in, as the clip has them; training reads jpg
            ok, data = cv2.imencode(suffix, image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
            assert ok
            atomic_write(out / "JPEGImages" / path.stem / f"{file}{suffix}", data.tobytes())
            if index in missing:
                missing.remove(index)
                height, width, _ = image.shape
                ids = np.zeros((height, width), np.uint8)
                for box, clicks in sorted((m for m in marks if m[0].frame == index), key=lambda m: m[0].object_id):
                    # Not `render`, which adds what surrounds a click: here MobileSAM has the word.
                    hints = gather(height, width, [box, *clicks])[box.object_id]
                    ids[_without_specks(segmenter(image, hints))] = box.object_id
                write_mask(out / "Annotations" / path.stem / f"{file}.png", ids)
    if missing:
        raise InputError(f"{path} has no frame {min(missing)}, which is marked; is it another clip of that name?")


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
