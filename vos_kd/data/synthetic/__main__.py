"""`python -m vos_kd.data.synthetic NAME --out DIR`: write a clip in the layout of DAVIS, and as a video."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from vos_kd.data.masks import write_mask
from vos_kd.data.synthetic import SCENES, render_frames
from vos_kd.errors import InputError
from vos_kd.files import atomic_write

logger = logging.getLogger(__name__)

_QUALITY = 95  # DAVIS frames look like this
_FPS = 24


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="python -m vos_kd.data.synthetic", description=__doc__.partition(": ")[2])
    parser.add_argument("name", choices=SCENES, help="which scene")
    parser.add_argument(
        "--out", type=Path, required=True, help="gets JPEGImages/NAME/*.jpg, Annotations/NAME/*.png and NAME.mp4"
    )
    parser.add_argument("--frames", type=int, default=60, help="default: %(default)s")
    parser.add_argument("--height", type=int, default=480, help="in pixels; default: %(default)s")
    parser.add_argument("--width", type=int, default=854, help="in pixels; default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of textures and small motions; default: %(default)s")
    return parser


def write_clip(name: str, out: Path, frames: int, height: int, width: int, seed: int) -> None:
    """Write a clip's frames, masks and video.

    Raises:
        InputError: a number out of range, or the files cannot be written.
    """
    # Here, because the video library takes longer to load than `--help` to print.
    from vos_kd.video_io import VideoWriter

    rendered = render_frames(name, frames, height, width, seed)
    with VideoWriter(out / f"{name}.mp4", _FPS) as video:
        for number, (image, mask) in enumerate(rendered):
            atomic_write(out / "JPEGImages" / name / f"{number:05}.jpg", _jpeg(image))
            write_mask(out / "Annotations" / name / f"{number:05}.png", mask)
            video.write(image)


def _jpeg(image: np.ndarray) -> bytes:
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return bytes(data)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is 2 for bad input."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    options = build_parser().parse_args(argv)
    try:
        write_clip(**vars(options))
    except InputError as error:
        logger.error("%s", error)
        return 2
    logger.info("%d frames of %s written to %s", options.frames, options.name, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
