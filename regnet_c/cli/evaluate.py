"""The command `evaluate`: how well a saved model predicts the target of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..network import Network
from ..tables.form import TableForm
from . import data

if TYPE_CHECKING:
    from argparse import Namespace

    from ..typing import AnyArray, FloatArray
    from .data import Commands


def add_parser(commands: Commands, **options: Any) -> None:
    """Add the command to an argparse object of sub-commands."""
    parser = commands.add_parser(
        "evaluate",
        help="compare the predictions of a saved model with the target of a file",
        **options,
    )
    parser.add_argument("model", help="file written by train")
    parser.add_argument(
        "data", help="file with the columns the model needs and the target"
    )
    parser.add_argument(
        "--target",
        metavar="FILE",
        help="of a sparse NPZ without y: its values, .npy or text with one a line",
    )
    parser.add_argument("--threads", type=int, help="maximum number; default: all CPUs")
    data.add_dialect(parser, header=None)
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    """Print the figures."""
    network = Network.load(args.model)
    form = TableForm.of(network, args.model)
    dialect = data.dialect_of(args, form.dialect)
    X, y = data.encoded_file(form, network, args.data, dialect, True, args.target)
    out = network.predict(X, threads=args.threads)
    print(f"rows                 {len(X)}")
    for name, value in scores(form, out, y):
        print(f"{name:<20} {value}")
    return 0


def scores(form: TableForm, out: FloatArray, y: AnyArray) -> list[tuple[str, str]]:
    """Figures of the outputs for encoded targets, as (name, text) pairs."""
    if form.classes is not None:
        probabilities = form.probabilities(out)
        right = probabilities.argmax(axis=1) == y
        log = np.log(np.maximum(probabilities[np.arange(len(y)), y], 1e-15))
        recalls = [right[y == k].mean() for k in np.unique(y)]
        return [
            ("accuracy", f"{right.mean():.2%}"),
            ("balanced accuracy", f"{np.mean(recalls):.2%}"),
            ("log loss", f"{-log.mean():.4f}"),
        ]
    predicted = form.decoded(out)
    y = form.decoded(np.asarray(y).reshape(len(y), -1))
    error = predicted - y
    total = np.square(y - y.mean(axis=0)).sum(axis=0)
    pairs = [
        ("RMSE", f"{np.sqrt(np.square(error).mean()):.6g}"),
        ("mean absolute error", f"{np.abs(error).mean():.6g}"),
    ]
    if (total > 0).all():
        r2 = np.mean(1 - np.square(error).sum(axis=0) / total)
        pairs.insert(0, ("R^2", f"{r2:.4f}"))
    return pairs
