"""The command `reproduce`: the reference systems as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..reproduce import SYSTEMS, print_table, run

if TYPE_CHECKING:
    from argparse import Namespace

    from .data import Commands


def add_parser(commands: Commands, **options: Any) -> None:
    """Add the command to an argparse object of sub-commands."""
    parser = commands.add_parser(
        "reproduce",
        help="run the five reference systems and check their published figures",
        description="Runs five public write-ups of small regularised networks and prints "
        "the expected figure, the figure found and a verdict; exits with 1 if a figure is "
        "missed.",
        **options,
    )
    parser.add_argument(
        "systems",
        nargs="*",
        default="all",
        choices=[*SYSTEMS, "all"],
        metavar="SYSTEM",
        help=f"{', '.join(SYSTEMS)} or all (the default)",
    )
    parser.add_argument(
        "--data",
        metavar="FILE",
        help="MNIST, for perceptron and weight-decay: NPZ with x_train, y_train, x_test, "
        "y_test",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    parser.set_defaults(run=run_reproduce)


def run_reproduce(args: Namespace) -> int:
    """Print the table; 1 if a figure is missed."""
    everything = "all" in args.systems
    names = list(SYSTEMS) if everything else args.systems
    missed = print_table(run(names, args.data, progress=not args.quiet))
    if missed:
        print(f"{missed} figures missed")
    return 1 if missed else 0
