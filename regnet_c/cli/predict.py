"""The command `predict`: a saved model applied to a file, written as a CSV."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from .._core import checks
from .._core.atomic import write_atomically
from ..network import Network
from ..tables.form import TableForm
from . import data

if TYPE_CHECKING:
    from argparse import Namespace

    from ..typing import FloatArray
    from .data import Commands


def add_parser(commands: Commands, **options: Any) -> None:
    """Add the command to an argparse object of sub-commands."""
    parser = commands.add_parser(
        "predict", help="apply a saved model to a file and write a CSV", **options
    )
    parser.add_argument("model", help="file written by train")
    parser.add_argument(
        "data",
        help="file with the columns the model needs, in any order; others are not read",
    )
    parser.add_argument("--output", default="predictions.csv", help="CSV to write")
    parser.add_argument(
        "--probabilities",
        action="store_true",
        help="also write the probabilities of all classes",
    )
    parser.add_argument("--threads", type=int, help="maximum number; default: all CPUs")
    data.add_dialect(parser, header=None)
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    """Write a CSV with one line per row of the data file."""
    checks.check_output(args.output)
    data.check_not_an_input(args.output, args.data, args.model)
    network = Network.load(args.model)
    form = TableForm.of(network, args.model)
    dialect = data.dialect_of(args, form.dialect)
    X, _ = data.encoded_file(form, network, args.data, dialect)
    out = network.predict(X, threads=args.threads)
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    if form.classes is None:
        writer.writerow(form.names)
        rows = form.decoded(out).tolist()
        writer.writerows([f"{value:.9g}" for value in row] for row in rows)
    else:
        shares = form.probabilities(out)
        _write_classes(writer, form.target, form.classes, shares, args.probabilities)
    write_atomically(args.output, [file.getvalue().encode("utf-8")])
    print(f"{len(out)} predictions written to {args.output}")
    return 0


def _write_classes(
    writer: Any,
    target: str,
    classes: list[str],
    probabilities: FloatArray,
    all_of_them: bool,
) -> None:
    """The most probable class of each row, and probabilities if they are asked for."""
    best = [classes[i] for i in probabilities.argmax(axis=1).tolist()]
    if not all_of_them:
        writer.writerows([[target], *([name] for name in best)])
        return
    writer.writerow([target, *(f"probability_{name}" for name in classes)])
    for name, row in zip(best, probabilities.tolist(), strict=True):
        writer.writerow([name, *(f"{value:.9g}" for value in row)])
