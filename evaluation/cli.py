"""The command line of the evaluation: `python evaluation/run.py COMMAND ...`.

A command NAME is the function `add_parser` of `evaluation.NAME`: it adds the command's parser and sets `run`, which
takes the parsed arguments and returns the exit code. Only the module of the command that is called is imported, for
most need torch, which takes seconds, while `score` and `--help` do not.

Results go to stdout, progress and messages to stderr. What a person can put right is said in one message, exit code 2.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from importlib import import_module

from evaluation.errors import ProtocolError
from vos_kd import InputError

COMMANDS = {
    "all": "the whole record of models on a data set, for the leaderboard",
    "predict": "masks of models for a data set",
    "score": "J&F of masks in a folder or a zip",
    "speed": "latency and frames a second",
    "budget": "where the time of a frame goes",
    "complexity": "parameters and FLOPs",
    "sheet": "the worst sequences as a picture",
    "pack": "masks to a zip for the server of DAVIS or YouTube-VOS",
    "benchmark": "how fast and how equal scoring is, beside vos-benchmark",
    "hub": "a record as a model card's model-index and .eval_results",
}
_INTERRUPTED = 130


def build_parser(command: str | None = None) -> argparse.ArgumentParser:
    """The parser of all commands; complete for `command`, the others have just their name and purpose."""
    parser = argparse.ArgumentParser(prog="python evaluation/run.py", description="J&F on DAVIS and YouTube-VOS.")
    subparsers = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, purpose in COMMANDS.items():
        if name == command:
            import_module(f"evaluation.{name}").add_parser(subparsers)
        else:
            subparsers.add_parser(name, help=purpose)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: arguments without the program's name; None takes them from the command line.

    Returns:
        0; 2 for input that a person can put right; 130 after Ctrl-C.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    arguments = build_parser(argv[0] if argv else None).parse_args(argv, argparse.Namespace(argv=argv))
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(message)s")
    try:
        return int(arguments.run(arguments))
    except (ProtocolError, InputError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt:
        hint = "; --resume goes on with what is done" if hasattr(arguments, "resume") else ""
        sys.stderr.write(f"interrupted{hint}\n")
        return _INTERRUPTED
