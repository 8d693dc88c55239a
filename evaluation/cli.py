"""The command line of the evaluation: `python evaluation/run.py COMMAND ...`.

A command is a function that adds its parser and sets `run`, which takes the parsed arguments and returns the exit code.
Results go to stdout, progress and messages to stderr. What a person can put right is said in one message, exit code 2.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence

from evaluation import complexity, predict, score, speed
from evaluation.errors import ProtocolError
from evaluation.options import Subparsers
from vos_kd import InputError

COMMANDS: tuple[Callable[[Subparsers], None], ...] = (
    predict.add_parser,
    score.add_parser,
    speed.add_parser,
    complexity.add_parser,
)
_INTERRUPTED = 130


def build_parser() -> argparse.ArgumentParser:
    """The parser with all commands."""
    parser = argparse.ArgumentParser(prog="python evaluation/run.py", description="J&F on DAVIS and YouTube-VOS.")
    subparsers = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for add in COMMANDS:
        add(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: arguments without the program's name; None takes them from the command line.

    Returns:
        0; 2 for input that a person can put right; 130 after Ctrl-C.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    arguments = build_parser().parse_args(argv, argparse.Namespace(argv=argv))
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(message)s")
    try:
        return int(arguments.run(arguments))
    except (ProtocolError, InputError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return _INTERRUPTED
