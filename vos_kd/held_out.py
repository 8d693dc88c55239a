"""J on the clips that training holds out: `python -m vos_kd.held_out student,new.safetensors --set data.photos=DIR`.

The clips, and how they are cut, are those of `vos_kd.train` with the same settings: networks can be compared before a
choice is made, and the figure of a model card can be repeated.
"""

from __future__ import annotations

import argparse
import logging
import sys

from accelerate import Accelerator
from tqdm import tqdm

from vos_kd.arguments import whole
from vos_kd.checkpoint import fill, find_weights, read_weights
from vos_kd.errors import InputError
from vos_kd.modeling.stm import STM
from vos_kd.recipes import get_recipe
from vos_kd.training.feeds import VALIDATION_FRAMES, validation_batches
from vos_kd.training.validation import mean_jaccard

log = logging.getLogger(__name__)


def main(argv: list[str] | None = None) -> int:
    """Run the command; 0 when done, 2 for bad input, 130 for Ctrl-C."""
    args = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        recipe = get_recipe(args.recipe, args.set)
        networks = {source: _network(source) for source in args.models.split(",")}
        accelerator = Accelerator(mixed_precision=recipe.precision)
        batches = validation_batches(recipe, args.frames)
        for source, network in networks.items():
            j = mean_jaccard(network.to(accelerator.device), tqdm(batches, desc=source, leave=False), accelerator)
            clips = f"{recipe.validation_clips} held-out clips of {args.frames} frames"
            sys.stdout.write(f"{source}: J {j:.4f} on {clips}\n")
    except InputError as error:
        log.error("vos_kd.held_out: error: %s", error)
        return 2
    except KeyboardInterrupt:
        log.info("interrupted; nothing was written")
        return 130
    return 0


def _network(source: str) -> STM:
    path = find_weights(source)
    config, state = read_weights(path)
    if config.architecture != "stm":
        raise InputError(f"{source} is not trained here; expected one of this project's own networks.")
    network = STM(config.network)
    fill(network, state, path)
    return network.eval()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m vos_kd.held_out", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("models", metavar="A,B", help="bundled names, weight files, or hub repositories")
    parser.add_argument("--recipe", default="cpu", help="whose data settings hold; default cpu")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change one; repeatable")
    parser.add_argument(
        "--frames", type=whole(2), default=VALIDATION_FRAMES, help="of a clip; default %(default)s, as in training"
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
