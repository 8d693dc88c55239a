"""J on what training holds out: `python -m vos_kd.held_out student,new.safetensors --set data.photos=DIR`.

The clips, and how they are cut, are those of `vos_kd.train` with the same settings: networks can be compared before a
choice is made, and the figure of a model card can be repeated. With `--videos DIR` it is whole videos instead, at any
size and speed, and with `--memory KEY=VALUE` what a model remembers of them can be chosen, too.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

import numpy as np
from accelerate import Accelerator
from tqdm import tqdm

from vos_kd.arguments import whole
from vos_kd.checkpoint import find_weights, load_model, read_network
from vos_kd.errors import InputError
from vos_kd.modeling.stm import STM
from vos_kd.recipes import Recipe, changed, get_recipe
from vos_kd.training.feeds import VALIDATION_FRAMES, validation_batches
from vos_kd.training.validation import mean_jaccard
from vos_kd.training.whole_videos import video_jaccard, whole_videos

log = logging.getLogger(__name__)


def main(argv: list[str] | None = None) -> int:
    """Run the command; 0 when done, 2 for bad input, 130 for Ctrl-C."""
    args = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        if args.videos is None and (args.memory or args.short_side or args.every != 1):
            raise InputError("--memory, --short-side and --every are for whole videos; give --videos DIR with them.")
        if args.videos is not None and (args.recipe or args.set or args.frames):
            raise InputError("--recipe, --set and --frames are for clips of photos; leave them or --videos out.")
        if args.videos is not None:
            _report_videos(args.models.split(","), args.videos, args.memory, args.short_side, args.every)
        else:
            recipe = get_recipe(args.recipe or "cpu", args.set)
            _report_clips(args.models.split(","), recipe, args.frames or VALIDATION_FRAMES)
    except InputError as error:
        log.error("vos_kd.held_out: error: %s", error)
        return 2
    except KeyboardInterrupt:
        log.info("interrupted; nothing was written")
        return 130
    return 0


def _report_clips(sources: list[str], recipe: Recipe, frames: int) -> None:
    networks = {source: _network(source) for source in sources}
    accelerator = Accelerator(mixed_precision=recipe.precision)
    batches = validation_batches(recipe, frames)
    for source, (network, top_k) in networks.items():
        seen = tqdm(batches, desc=source, leave=False)
        j = mean_jaccard(network.to(accelerator.device), seen, accelerator, top_k)
        clips = f"{recipe.validation_clips} held-out clips of {frames} frames"
        sys.stdout.write(f"{source}: J {j:.4f} on {clips}\n")


def _report_videos(sources: list[str], root: Path, memory: list[str], short_side: int | None, every: int) -> None:
    models = {source: load_model(source) for source in sources}
    videos = whole_videos(root)
    for source, model in models.items():
        remember = changed(model.config.memory, memory)
        scores = {
            name: video_jaccard(model, images, masks, remember, short_side=short_side, every=every)
            for name, images, masks in tqdm(videos, desc=source, leave=False, unit="video")
        }
        each = ", ".join(f"{name} {j:.3f}" for name, j in scores.items())
        sys.stdout.write(f"{source}: J {np.mean(list(scores.values())):.4f} on {len(videos)} whole videos ({each})\n")


def _network(source: str) -> tuple[STM, int | None]:
    """A network, and how many memory positions its queries read."""
    config, network = read_network(find_weights(source))
    if not isinstance(network, STM):
        raise InputError(f"{source} is not trained here; expected one of this project's own networks.")
    return network, config.memory.top_k


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m vos_kd.held_out", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("models", metavar="A,B", help="bundled names, weight files, or hub repositories")
    parser.add_argument("--recipe", help="whose data settings hold; default cpu")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change one; repeatable")
    parser.add_argument(
        "--frames", type=whole(2), metavar="N", help=f"of a clip; default {VALIDATION_FRAMES}, as in training"
    )
    parser.add_argument(
        "--videos",
        type=Path,
        metavar="DIR",
        help="whole videos instead of clips: JPEGImages/NAME with all frames, Annotations/NAME with masks of the first "
        "frame and of some others",
    )
    parser.add_argument(
        "--memory", action="append", default=[], metavar="KEY=VALUE", help="of whole videos, such as max_recent=1"
    )
    parser.add_argument(
        "--short-side", type=whole(16), metavar="PIXELS", help="scale whole videos to it, up or down; default: as is"
    )
    parser.add_argument(
        "--every", type=whole(1), default=1, metavar="N", help="of whole videos, see every Nth frame; default: all"
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
