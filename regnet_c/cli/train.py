"""The command `train`: a network from a file and options, saved with its encoding.

Ctrl-C saves the network as it stands.
"""

import argparse

import numpy as np

from .. import losses
from .._core import checks
from .._core.encoding import Encoding
from .._files import tables
from ..activations import HIDDEN
from ..callbacks import EarlyStopping
from ..datasets import load_digits
from ..layers import Dense, Dropout
from ..network import Network
from ..optimizers import SGD, Adagrad, Adam, AdamW, RMSprop
from ..penalties import RULES, ElasticNet
from ..schedules import CosineDecay, ExponentialDecay, LinearDecay

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
        **options,
    )
    parser.set_defaults(run=run)
    _add_arguments(parser)


def _add_arguments(parser):
    files = parser.add_argument_group("data")
    files.add_argument(
        "--data",
        metavar="FILE",
        help="CSV with a header, or NPZ with X and y (or x_train, y_train and, for "
        "validation, x_test, y_test); default: 1797 handwritten digits",
    )
    files.add_argument("--target", metavar="COLUMN", help="the column to predict (CSV)")
    files.add_argument(
        "--task", choices=("auto", "classification", "regression"), default="auto"
    )
    files.add_argument(
        "--validation", type=float, default=0.2, help="share of rows for validation"
    )
    files.add_argument("--output", default="model.safetensors", help="model to write")
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
    net.add_argument("--max-norm", type=float, help="limit of a unit's weight norm")
    net.add_argument(
        "--loss", choices=losses.NAMES, help="default: by the task", metavar="NAME"
    )
    net.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    run = parser.add_argument_group("training")
    run.add_argument("--optimizer", choices=tuple(_OPTIMIZERS), default="adam")
    run.add_argument("--learning-rate", type=float, default=2e-3)
    run.add_argument("--momentum", type=float, default=0.9, help="sgd and nesterov")
    run.add_argument("--schedule", choices=tuple(_SCHEDULES), default="cosine")
    run.add_argument("--epochs", type=int, default=200)
    run.add_argument("--batch-size", type=int, default=32)
    run.add_argument("--patience", type=int, help="stop early after so many epochs")
    run.add_argument("--seed", type=int, default=0)
    run.add_argument("--threads", type=int, help="at most this many threads")
    run.add_argument("--quiet", action="store_true", help="no progress bar")


def _load(args):
    """(encoding, training X, y, validation X, y) as the options say.

    The target of a regression is standardised, except for poisson's counts.
    """
    encoding, X, y, X_val, y_val = _load_files(args)
    if encoding.classes is None and args.loss != "poisson":
        y = encoding.standardize_target(y)
        y_val = encoding.encode_target(y_val)
    return encoding, X, y, X_val, y_val


def _load_files(args):
    if args.data is None:
        X, y = load_digits()
        encoding, X, y = Encoding.learn_arrays(X, y, args.task)
    elif tables.is_npz(args.data):
        X, y = tables.read_npz(args.data)
        encoding, X, y = Encoding.learn_arrays(X, y, args.task)
        test = tables.read_test_npz(args.data)
        if test is not None:
            X, X_test = encoding.encode_arrays(X), encoding.encode_arrays(test[0])
            return encoding, X, y, X_test, encoding.encode_target(test[1])
    else:
        table = tables.read_csv(args.data)
        encoding, X, y = Encoding.learn_csv(table, args.target, args.task)
    if encoding.columns is None:
        X = encoding.encode_arrays(X)
    fit, validate = tables.split(len(X), args.validation, args.seed)
    return encoding, X[fit], y[fit], X[validate], y[validate]


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
    encoding, X, y, X_val, y_val = _load(args)
    default = "mse" if encoding.classes is None else "softmax_cross_entropy"
    n_out = len(encoding.classes) if encoding.classes else np.atleast_2d(y.T).shape[0]
    network = _build(args, X.shape[1], n_out, args.loss or default)
    rate = _SCHEDULES[args.schedule](args.learning_rate, max(args.epochs, 1))
    callbacks = []
    if args.patience is not None:
        callbacks.append(EarlyStopping(patience=args.patience))
    network.metadata = {"encoding": encoding.to_dict()}
    interrupted = False
    try:
        network.fit(
            X,
            y,
            epochs=args.epochs,
            batch_size=args.batch_size,
            optimizer=_OPTIMIZERS[args.optimizer](rate, args.momentum),
            validation_data=(X_val, y_val),
            callbacks=callbacks,
            progress=not args.quiet,
            threads=args.threads,
        )
    except KeyboardInterrupt:
        if network.history is None:
            raise
        interrupted = True
    network.save(args.output)
    _report(network, X_val, y_val, args.output)
    if interrupted:
        print("interrupted: the model is as it was at the last finished step")
        return 130
    return 0


def _report(network, X_val, y_val, path):
    scores = network.evaluate(X_val, y_val)
    history = network.history
    if "accuracy" in scores:
        print(f"validation accuracy  {scores['accuracy']:.2%}")
    elif network.loss.name == "mse":
        print(f"validation R^2       {1 - scores['loss'] / np.var(y_val):.4f}")
    print(f"data loss            {scores['loss']:.4g} (validation)")
    print(f"penalty              {scores['penalty']:.4g}")
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
