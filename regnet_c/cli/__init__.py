"""The command line: train, predict, evaluate, export, reproduce, info.

Errors are one line on standard error and exit status 2; Ctrl-C while training saves the
network in its current state and exits with 130.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, NoReturn

from .._version import __version__
from . import evaluate, export, info, predict, reproduce, train

if TYPE_CHECKING:
    from collections.abc import Sequence

_LONGEST = 300  # characters of an error


class _Formatter(
    argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter
):
    """Help with defaults, except where the text explains None."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default in (None, [], False, True) or "default" in (
            action.help or ""
        ):
            return action.help
        return super()._get_help_string(action)


class _Parser(argparse.ArgumentParser):
    """An argparse parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        _print_error(message)
        sys.exit(2)


def build_parser() -> argparse.ArgumentParser:
    """The argument parser of all commands."""
    formatter = {"formatter_class": _Formatter}
    parser = _Parser(
        prog="regnet-c", description="Regularised neural networks on the CPU."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in (train, predict, evaluate, export, reproduce, info):
        command.add_parser(commands, **formatter)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit status."""
    args = build_parser().parse_args(argv)
    try:
        number: int = args.run(args)
        return number
    except KeyboardInterrupt:
        print("regnet-c: interrupted", file=sys.stderr)
        return 130
    except (
        ValueError,
        TypeError,
        ArithmeticError,
        ImportError,
        OSError,
        MemoryError,
    ) as error:
        message = str(error) or type(error).__name__
        if isinstance(error, FileNotFoundError) and error.filename:
            message = f"no such file: {error.filename}"
        _print_error(message)
        return 2


def _print_error(message: str) -> None:
    """One line of at most 300 characters on standard error."""
    line = " ".join(f"regnet-c: error: {message}".split())
    line = line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."
    print(line, file=sys.stderr)
