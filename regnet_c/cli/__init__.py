"""The command line: train, predict, export, reproduce, info.

Errors are one line on standard error and exit status 2; Ctrl-C while training saves the
network as it stands and exits with 130.
"""

import argparse
import sys

from .. import __version__
from . import export, info, predict, reproduce, train


class _Parser(argparse.ArgumentParser):
    """An argparse parser whose errors are one line."""

    def error(self, message):
        print(f"regnet-c: error: {message}", file=sys.stderr)
        sys.exit(2)


def build_parser():
    """The argument parser of all commands."""
    formatter = {"formatter_class": argparse.ArgumentDefaultsHelpFormatter}
    parser = _Parser(
        prog="regnet-c", description="Regularised neural networks on the CPU."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in (train, predict, export, reproduce, info):
        command.add_parser(commands, **formatter)
    return parser


def main(argv=None):
    """Run a command; the exit status."""
    args = build_parser().parse_args(argv)
    try:
        return args.run(args)
    except KeyboardInterrupt:
        print("regnet-c: interrupted", file=sys.stderr)
        return 130
    except (ValueError, TypeError, ArithmeticError, OSError, MemoryError) as error:
        message = " ".join(str(error).split()) or type(error).__name__
        print(f"regnet-c: error: {message}", file=sys.stderr)
        return 2
