"""The command `train`: a network from a file and options, saved with its encoding.

Ctrl-C saves the network in its current state.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from .. import losses
from .._core import checks
from ..activations import HIDDEN
from ..penalties import RULES
from ..recipes import presets, recipe
from ..tables.form import KEY
from . import data, stream
from .evaluate import scores
from .fit import fit, joined, resolve

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from ..network import Network
    from ..typing import StrPath
    from .data import Commands, TrainingData

_OPTIMIZERS = ("auto", "sgd", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "ftrl")
_SCHEDULES = ("auto", "constant", "cosine", "linear", "exponential")
_ABOUT = """\
Trains a network with values that follow from the data, those of the estimators
RegNetClassifier and RegNetRegressor, unless options override them.  "Large" is a table of
more than 10 000 training rows.  Without --data it shows what L1 does to a network of
256 and 64 units for handwritten digits (l1 3e-4, dropout 0.2, adam at 2e-3, batches of 32,
200 epochs).
"""
_EXAMPLE = """example:
  regnet-c train --data adult.csv --target income --output income.safetensors
  regnet-c predict income.safetensors new.csv --probabilities
"""


def _whole_numbers(text: str) -> list[int]:
    """'64,32' -> [64, 32]; '' -> []."""
    return [int(part) for part in text.split(",") if part]


def _tune(text: str) -> bool | float:
    """'24' -> 24, '60s' -> 60.0, 'no' -> False."""
    if text == "no":
        return False
    value = float(text[:-1]) if text.endswith("s") else int(text)
    recipe.check_tune(value)
    return value


_sizes = data.auto_or(_whole_numbers, "whole numbers such as 64,32")
_budget = data.auto_or(_tune, "trials such as 24, seconds such as 60s, no or auto")
_auto_float = data.auto_or(float, "a number or auto")


def add_parser(commands: Commands, **options: Any) -> None:
    """Add the command to an argparse object of sub-commands."""
    parser = commands.add_parser(
        "train",
        help="train a network (without options: on embedded handwritten digits)",
        description=_ABOUT,
        epilog=_EXAMPLE,
        **options,
    )
    parser.set_defaults(run=run)
    _add_arguments(parser)


def _add_arguments(parser: ArgumentParser) -> None:
    files = parser.add_argument_group("data")
    files.add_argument(
        "--data",
        metavar="FILE",
        help="CSV (.gz), Parquet, Feather or a folder of them; NPZ with X and y (or "
        "x_train, y_train and, for validation, x_test, y_test), or as "
        "scipy.sparse.save_npz writes it; LIBSVM (.svm); default: 1797 handwritten digits",
    )
    files.add_argument(
        "--target",
        metavar="COLUMN",
        help="the column to predict; no default. For a sparse NPZ without y: a file of "
        "its values, .npy or text with one a line",
    )
    files.add_argument(
        "--task",
        choices=("auto", "classification", "regression"),
        default="auto",
        help="auto: classification for text and for few whole values that repeat",
    )
    files.add_argument(
        "--validation",
        type=float,
        help="share of rows for validation, 0: train on all; default: 0.2",
    )
    files.add_argument(
        "--stream",
        action=argparse.BooleanOptionalAction,
        help="read a table block by block in every epoch, for files larger than memory "
        "(CSV that is not compressed, Parquet, Feather, or a folder of them); default: if "
        "the file is larger than a quarter of the free memory.  Encoding and scales are "
        "learned from 131 072 random rows, and at most as many validate unless "
        "--validation is given; no recipes race",
    )
    files.add_argument(
        "--class-weight",
        choices=("balanced",),
        help="balanced: every class has the same total weight; default: every row has",
    )
    files.add_argument(
        "--dry-run", action="store_true", help="print how the data are read, then stop"
    )
    files.add_argument("--output", default="model.safetensors", help="model to write")
    columns = parser.add_argument_group("columns of a table")
    data.add_columns(columns)
    data.add_dialect(parser.add_argument_group("format of CSV files"))
    net = parser.add_argument_group("network")
    net.add_argument(
        "--hidden",
        type=_sizes,
        default="auto",
        metavar="UNITS",
        help="units of the hidden layers, e.g. 64,32; auto: 256 for classes, "
        "256,128 from 200 rows per column; 128,128 for numbers, 256,128 if large",
    )
    net.add_argument(
        "--activation",
        choices=("auto", *HIDDEN),
        default="auto",
        help="auto: relu, or mish where it wins the race of --tune",
    )
    net.add_argument(
        "--l1",
        type=_auto_float,
        default="auto",
        help="strength of sum|w|; auto: 0 for classes, 1e-4 for numbers, 3e-5 if large",
    )
    net.add_argument("--l2", type=float, default=0.0, help="strength of sum w^2")
    net.add_argument("--l1-rule", choices=RULES, default=RULES[0])
    net.add_argument(
        "--dropout",
        type=float,
        help="rate in hidden layers; default: 0.3 for classes, 0.2 from 200 rows per "
        "column; 0.1 for numbers; 0 below 64 rows",
    )
    net.add_argument(
        "--input-dropout",
        type=float,
        help="rate of the inputs; default: 0.1 for classes, 0.05 from 200 rows per column; "
        "otherwise, and with --dropout, 0",
    )
    net.add_argument(
        "--max-norm",
        type=float,
        help="limit of the norm of a unit's weights; default: none",
    )
    net.add_argument(
        "--members",
        type=data.auto_int,
        default="auto",
        help="networks with different seeds that are averaged; auto: up to 3, within a "
        "fixed amount of work",
    )
    net.add_argument(
        "--loss",
        choices=losses.NAMES,
        metavar="NAME",
        help="default: mse for numbers, binary_cross_entropy for two classes, otherwise "
        "softmax_cross_entropy",
    )
    net.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    run = parser.add_argument_group("training")
    run.add_argument(
        "--optimizer", choices=_OPTIMIZERS, default="auto", help="auto: adamw"
    )
    run.add_argument(
        "--learning-rate",
        type=_auto_float,
        default="auto",
        help="auto: 3e-3, or 6e-3 for classes if the table is large; for other "
        "optimizers their default",
    )
    run.add_argument(
        "--weight-decay",
        type=_auto_float,
        default="auto",
        help="for adamw, times the learning rate; auto: 0.3",
    )
    run.add_argument("--momentum", type=float, default=0.9, help="for sgd and nesterov")
    run.add_argument(
        "--schedule", choices=_SCHEDULES, default="auto", help="auto: cosine"
    )
    run.add_argument(
        "--label-smoothing",
        type=_auto_float,
        default="auto",
        help="share of each target spread over all classes; auto: 0.03",
    )
    run.add_argument(
        "--epochs",
        type=data.auto_int,
        default="auto",
        help="auto: 100, 50 if large, 200 at a constant rate",
    )
    run.add_argument(
        "--batch-size",
        type=data.auto_int,
        default="auto",
        help="auto: 64; if large 256 for classes and 128 for numbers",
    )
    run.add_argument(
        "--tune",
        type=_budget,
        default="auto",
        metavar="BUDGET",
        help="recipes that race on folds of the rows: 24: that many; 60s: as many as a "
        "minute allows; no: none; auto: up to three, where that is cheap",
    )
    run.add_argument(
        "--keep",
        choices=presets.KEEP,
        default="few",
        help="few: the mean of the best recipes' networks; one: one network of the best",
    )
    run.add_argument(
        "--patience",
        type=int,
        help="stop after this many epochs without progress; default: never",
    )
    run.add_argument("--seed", type=int, default=0)
    run.add_argument("--threads", type=int, help="maximum number; default: all CPUs")
    run.add_argument("--quiet", action="store_true", help="no progress bar")


def run(args: Namespace) -> int:
    """Train, report, save."""
    checks.check_output(args.output)
    data.check_not_an_input(args.output, args.data)
    rows = (stream if stream.applies(args) else data).training_data(args)
    for line in rows.lines:
        print(line)
    if args.dry_run:
        print(rows.schema)
        return 0
    chosen = resolve(args, rows.form, rows.n)
    members: list[Network] = []
    finished, shares = fit(args, chosen, rows, members)
    network = joined(members, shares)
    network.metadata = {KEY: rows.form.to_config()}
    network.save(args.output)
    _report(network, members, rows, args.output)
    if not finished:
        print("interrupted: the model is as it was at the last finished step")
        return 130
    return 0


def _report(
    network: Network, members: list[Network], rows: TrainingData, path: StrPath
) -> None:
    X, y = rows.validation or (rows.X, rows.y)
    where = "validation" if rows.validation else "training"
    if rows.blocks is not None and not rows.validation:
        where = "sample"
    count = len(members)
    first, *others = scores(rows.form, network.predict(X), y)
    for name, value in [(f"{where} {first[0]}", first[1]), *others]:
        print(f"{name:<20} {value}")
    print(f"data loss            {network.evaluate(X, y)['loss']:.4g} ({where})")
    print(f"penalty              {sum(m.penalty() for m in members) / count:.4g}")
    if count > 1:
        print(f"members              {count}, side by side in one network; each of")
    for number, row in enumerate(members[0].summary()):
        print(
            f"layer {number}: {row['n_in']} x {row['n_out']:<5} "
            f"sum|w| {row['sum_abs']:.1f}, exact zeros {row['zeros']:.1%} "
            f"of {row['weights']}"
        )
    zeros = sum(m.zeros() for m in members) / count
    print(f"all weights          {zeros:.1%} exact zeros")
    histories = [m.history for m in members if m.history is not None]
    epochs = sum(history.epochs for history in histories)
    seconds = sum(history.seconds for history in histories)
    speed = epochs * rows.n / max(seconds, 1e-9)
    print(
        f"time                 {seconds:.2f} s, {epochs} epochs, {speed:,.0f} samples/s"
    )
    print(f"model                {path}")
