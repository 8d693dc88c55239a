"""One network from several trainings of it: `python -m vos_kd.average_weights A,B --out student.safetensors`.

Runs that began from the same weights lie in one valley: the mean of their weights is often better than each, at the
cost of none. Wortsman et al., "Model soups", ICML 2022 (the uniform one).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from vos_kd.checkpoint import find_weights, read_weights, save_weights
from vos_kd.config import ModelConfig
from vos_kd.errors import InputError
from vos_kd.files import sha256


def main(argv: list[str] | None = None) -> int:
    """Run the command; 0 when written, 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m vos_kd.average_weights", description=__doc__.split("\n")[0])
    parser.add_argument("weights", metavar="A,B", help="bundled names, files, or hub repositories; all count the same")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="to write, in half precision")
    args = parser.parse_args(argv)
    try:
        sources = args.weights.split(",")
        paths = [find_weights(source) for source in sources]
        config, mean = average(paths)
        save_weights(args.out, mean, config, {"mean_of": ", ".join(sha256(path) for path in paths)})
    except InputError as error:
        sys.stderr.write(f"vos_kd.average_weights: error: {error}\n")
        return 2
    sys.stdout.write(f"{args.out}: the mean of {', '.join(sources)}; SHA-256 {sha256(args.out)}\n")
    return 0


def average(paths: Sequence[Path]) -> tuple[ModelConfig, dict[str, Tensor]]:
    """The mean of weight files of one network.

    Args:
        paths: two files or more.

    Returns:
        The configuration of the first, and floats as the mean of all, in float32; counters are those of the first.

    Raises:
        InputError: fewer than two, or of different networks; says which.
    """
    if len(paths) < 2:
        raise InputError(f"there is nothing to average in {paths[0]} alone; name two files or more.")
    config, first = read_weights(paths[0])
    states = [first]
    for path in paths[1:]:
        other, state = read_weights(path)
        shapes, expected = ({key: value.shape for key, value in s.items()} for s in (state, first))
        if other.network != config.network or other.architecture != config.architecture or shapes != expected:
            raise InputError(f"{path} is of another network than {paths[0]}; expected several trainings of one.")
        states.append(state)
    mean = {
        key: torch.stack([state[key].float() for state in states]).mean(0) if value.is_floating_point() else value
        for key, value in first.items()
    }
    return config, mean


if __name__ == "__main__":
    raise SystemExit(main())
