"""The command `info`: what the package runs on, or what a model file holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._core.machine import cpu_info
from .._version import __version__
from ..network import Network
from ..tables.encoding import DroppedColumn
from ..tables.form import KEY, TableForm
from ..tables.schema import shown

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Collection

    from ..typing import StrPath
    from .data import Commands

_MANY = 1000  # columns: of more only those that are read are shown


def add_parser(commands: Commands, **options: Any) -> None:
    """Add the command to an argparse object of sub-commands."""
    parser = commands.add_parser(
        "info",
        help="of a model file; without one: version, CPU variant, threads, flags",
    )
    parser.add_argument("model", nargs="?", help="file written by train or save")
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    """Print what the package runs on, or what the file holds."""
    if args.model is not None:
        return _print_model(args.model)
    info = cpu_info()
    print(f"regnet_c     {__version__}")
    print(f"CPU variant  {info['isa']} (available: {', '.join(info['available'])})")
    print(f"threads      {info['threads']}")
    print(f"same bits    {'yes' if info['fused'] else 'to tolerance'} on every CPU")
    print(f"build flags  {info['build_flags']}")
    return 0


def _print_model(path: StrPath) -> int:
    network = Network.load(path)
    if KEY in network.metadata:
        form = TableForm.of(network, path)
        _print_form(form, set(form.encoding.needed_for(network.kept_inputs)))
    print(f"inputs       {len(network.kept_inputs)} of {network.n_inputs}")
    for number, row in enumerate(network.summary()):
        print(
            f"layer {number}      {row['n_in']} x {row['n_out']}, "
            f"{row['weights']} weights, {row['zeros']:.1%} exact zeros"
        )
    print(f"loss         {network.loss.name}")
    print(f"dtype        {network.dtype.name}")
    return 0


def _print_form(form: TableForm, needed: Collection[str]) -> None:
    if form.classes is not None:
        names = ", ".join(name[:30] for name in form.classes[:10])
        names += ", ..." * (len(form.classes) > 10)
        print(
            f"target       {shown(form.target)}: {len(form.classes)} classes: {names}"
        )
    else:
        print(f"target       {shown(form.target)}: numbers")
    columns = form.encoding.columns
    if len(columns) > _MANY:
        columns = [column for column in columns if column.name in needed]
    for column in columns[:_MANY]:
        about = f"{len(column.names(''))} inputs"
        if isinstance(column, DroppedColumn):
            about = f"dropped: {column.reason}"
        elif column.name not in needed:
            about = "not read, no input of it is left"
        print(f"column       {shown(column.name)}: {column.kind}, {about}"[:200])
    if len(columns) > _MANY:
        print(f"             and {len(columns) - _MANY} more columns that are read")
