"""The command `train`: a network from a file and options, saved with its encoding.

Ctrl-C saves the network as it stands.
"""

import argparse

from .. import losses
from .._core import checks
from ..activations import HIDDEN
from ..callbacks import EarlyStopping
from ..layers import Dense, Dropout
from ..network import Network
from ..optimizers import SGD, Adagrad, Adam, AdamW, RMSprop
from ..penalties import RULES, ElasticNet
from ..schedules import CosineDecay, ExponentialDecay, LinearDecay
from ..tables.form import KEY
from . import data
from .evaluate import scores

_OPTIMIZERS = {
    "sgd": lambda rate, momentum: SGD(rate, momentum=momentum),
    "nesterov": lambda rate, momentum: SGD(rate, momentum=momentum, nesterov=True),
    "adagrad": lambda rate, momentum: Adagrad(rate),
    "rmsprop": lambda rate, momentum: RMSprop(rate),
    "adam": lambda rate, momentum: Adam(rate),
    "adamw": lambda rate, momentum: AdamW(rate),
}
_SCHEDULES = {
    "constant": lambda rate, epochs: rate,
    "cosine": lambda rate, epochs: CosineDecay(rate, epochs),
    "linear": lambda rate, epochs: LinearDecay(rate, epochs),
    "exponential": lambda rate, epochs: ExponentialDecay(rate, 0.01 ** (1 / epochs)),
}


_EXAMPLE = """example:
  regnet-c train --data adult.csv --target income --output income.safetensors
  regnet-c predict income.safetensors new.csv --probabilities
"""


def _numbers(text):
    """'64,32' -> [64, 32]; '' -> []."""
    try:
        return [int(part) for part in text.split(",") if part]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r}, expected whole numbers such as 64,32"
        ) from None


def add_parser(commands, **options):
    """Add the command to an argparse object of sub-commands."""
    parser = commands.add_parser(
        "train",
        help="train a network (without options: on embedded handwritten digits)",
        epilog=_EXAMPLE,
        **options,
    )
    parser.set_defaults(run=run)
    _add_arguments(parser)


def _add_arguments(parser):
    files = parser.add_argument_group("data")
    files.add_argument(
        "--data",
        metavar="FILE",
        help="CSV (.gz), Parquet, Feather or a folder of them; or NPZ with X and y (or "
        "x_train, y_train and, for validation, x_test, y_test); default: 1797 "
        "handwritten digits",
    )
    files.add_argument(
        "--target", metavar="COLUMN", help="the column to predict; no default"
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
        "--class-weight",
        choices=("balanced",),
        help="balanced: all classes weigh the same; default: all rows do",
    )
    files.add_argument(
        "--dry-run", action="store_true", help="say what was understood, and stop"
    )
    files.add_argument("--output", default="model.safetensors", help="model to write")
    columns = parser.add_argument_group("columns of a table")
    data.add_columns(columns)
    data.add_dialect(parser.add_argument_group("how a CSV is written"))
    net = parser.add_argument_group("network")
    net.add_argument(
        "--hidden", type=_numbers, default=[256, 64], help="units, e.g. 64,32"
    )
    net.add_argument("--activation", choices=HIDDEN, default="relu")
    net.add_argument("--l1", type=float, default=3e-4, help="strength of sum|w|")
    net.add_argument("--l2", type=float, default=0.0, help="strength of sum w^2")
    net.add_argument("--l1-rule", choices=RULES, default=RULES[0])
    net.add_argument("--dropout", type=float, default=0.2, help="rate, hidden layers")
    net.add_argument("--input-dropout", type=float, default=0.0, help="rate, inputs")
    net.add_argument(
        "--max-norm", type=float, help="limit of a unit's weight norm; default: none"
    )
    net.add_argument(
        "--loss", choices=losses.NAMES, help="default: by the task", metavar="NAME"
    )
    net.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    run = parser.add_argument_group("training")
    run.add_argument("--optimizer", choices=tuple(_OPTIMIZERS), default="adam")
    run.add_argument("--learning-rate", type=float, default=2e-3)
    run.add_argument("--momentum", type=float, default=0.9, help="sgd and nesterov")
    run.add_argument("--schedule", choices=tuple(_SCHEDULES), default="cosine")
    run.add_argument(
        "--epochs",
        type=data.auto_int,
        default="auto",
        help="auto: 200, fewer for over 5000 rows, at least 20",
    )
    run.add_argument("--batch-size", type=int, default=32)
    run.add_argument(
        "--patience",
        type=int,
        help="stop after so many epochs without progress; default: never",
    )
    run.add_argument("--seed", type=int, default=0)
    run.add_argument("--threads", type=int, help="at most this many; default: all")
    run.add_argument("--quiet", action="store_true", help="no progress bar")


def _build(args, n_in, n_out, loss):
    """The network the options describe."""
    penalty = None
    if args.l1 or args.l2:
        penalty = ElasticNet(args.l1, args.l2, rule=args.l1_rule)
    layers = [Dropout(args.input_dropout)] if args.input_dropout else []
    for units in args.hidden:
        layers.append(
            Dense(
                n_in,
                units,
                activation=args.activation,
                weight_penalty=penalty,
                max_norm=args.max_norm,
            )
        )
        if args.dropout:
            layers.append(Dropout(args.dropout))
        n_in = units
    layers.append(Dense(n_in, n_out, weight_penalty=penalty))
    return Network(layers, loss=loss, dtype=args.dtype, seed=args.seed)


def run(args):
    """Train, report, save."""
    checks.check_output(args.output)
    data.check_not_an_input(args.output, args.data)
    rows = data.training_data(args)
    for line in rows.lines:
        print(line)
    if args.dry_run:
        print(rows.schema)
        return 0
    form = rows.form
    default = "mse" if form.classes is None else "softmax_cross_entropy"
    n_out = len(form.centers if form.classes is None else form.classes)
    network = _build(args, rows.X.shape[1], n_out, args.loss or default)
    network.metadata = {KEY: form.to_config()}
    finished = _fit(args, network, rows)
    network.save(args.output)
    _report(network, rows, args.output)
    if not finished:
        print("interrupted: the model is as it was at the last finished step")
        return 130
    return 0


def _fit(args, network, rows):
    """Train as the options say; False if it was interrupted."""
    epochs = args.epochs
    if epochs == "auto":
        epochs = min(200, max(20, 1_000_000 // len(rows.X)))
    rate = _SCHEDULES[args.schedule](args.learning_rate, max(epochs, 1))
    callbacks = []
    if args.patience is not None:
        callbacks.append(EarlyStopping(patience=args.patience))
    try:
        network.fit(
            rows.X,
            rows.y,
            epochs=epochs,
            batch_size=args.batch_size,
            optimizer=_OPTIMIZERS[args.optimizer](rate, args.momentum),
            sample_weight=rows.weights,
            validation_data=rows.validation,
            callbacks=callbacks,
            progress=not args.quiet,
            threads=args.threads,
        )
    except KeyboardInterrupt:
        if network.history is None:
            raise
        return False
    return True


def _report(network, rows, path):
    X, y = rows.validation or (rows.X, rows.y)
    where = "validation" if rows.validation else "training"
    figures = network.evaluate(X, y)
    history = network.history
    first, *others = scores(rows.form, network.predict(X), y)
    for name, value in [(f"{where} {first[0]}", first[1]), *others]:
        print(f"{name:<20} {value}")
    print(f"data loss            {figures['loss']:.4g} ({where})")
    print(f"penalty              {figures['penalty']:.4g}")
    for number, row in enumerate(network.summary()):
        print(
            f"layer {number}: {row['n_in']} x {row['n_out']:<5} "
            f"sum|w| {row['sum_abs']:.1f}, exact zeros {row['zeros']:.1%} "
            f"of {row['weights']}"
        )
    print(f"all weights          {network.zeros():.1%} exact zeros")
    print(
        f"time                 {history.seconds:.2f} s, {history.epochs} epochs, "
        f"{history.samples_per_second:,.0f} samples/s"
    )
    print(f"model                {path}")
