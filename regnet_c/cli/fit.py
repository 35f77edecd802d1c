"""The training of the command `train`: the estimators' recipe, overridden by options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import checks
from .._core.team import available_threads
from ..callbacks import EarlyStopping
from ..losses import FOR_NUMBERS, get_loss
from ..network import Network
from ..optimizers import SGD
from ..recipes import presets, recipe
from ..recipes.candidates import Plan, default_plan, tuning_plan
from ..recipes.members import combine, next_seed
from ..recipes.race import Race, Rows

if TYPE_CHECKING:
    from argparse import Namespace

    from ..losses import Loss
    from ..recipes.presets import Recipe
    from ..tables.form import TableForm
    from .data import TrainingData

# without a file the command shows what L1 does
_DIGITS = {
    "hidden_layer_sizes": [256, 64],
    "dropout": 0.2,
    "l1": 3e-4,
    "label_smoothing": 0.0,
    "optimizer": "adam",
    "learning_rate_init": 2e-3,
    "batch_size": 32,
    "max_iter": 200,
    "n_members": 1,
}
_SOFTMAX, _BINARY = "softmax_cross_entropy", "binary_cross_entropy"
_WITH_MOMENTUM = {"sgd": False, "nesterov": True}  # nesterov or not


def resolve(args: Namespace, form: TableForm, n_rows: int) -> Recipe:
    """The Recipe of the options for a table.

    Parameters
    ----------
    args : Namespace
    form : TableForm
    n_rows : int
        To train on.
    """
    _check(args)
    params = {
        "preset": presets.AUTO,
        "hidden_layer_sizes": args.hidden,
        "activation": args.activation,
        "l1": args.l1,
        "l2": args.l2,
        "group_l1": 0.0,
        "l1_rule": args.l1_rule,
        "dropout": presets.AUTO if args.dropout is None else args.dropout,
        "label_smoothing": args.label_smoothing,
        "max_norm": args.max_norm,
        "weight_init": None,
        "bias_init": "zeros",
        "optimizer": _optimizer(args),
        "learning_rate": args.schedule,
        "learning_rate_init": args.learning_rate,
        "weight_decay": args.weight_decay,
        "batch_size": args.batch_size,
        "max_iter": args.epochs,
        "n_members": args.members,
        "encoder": presets.AUTO,
        "tune": args.tune,
    }
    if args.data is None:
        for name, value in _DIGITS.items():
            params[name] = value if presets.is_auto(params[name]) else params[name]
    shape = n_rows, len(form.encoding.names)
    found = presets.resolve(params, shape, form.classes is not None)
    if args.input_dropout is not None:
        n_hidden = len(recipe.hidden_sizes(found.hidden_layer_sizes))
        rates = recipe.dropout_rates(found.dropout, n_hidden, "dropout" in found.chosen)
        found.dropout = [args.input_dropout, *rates[1:]]
        found.chosen -= {"dropout"}
    return found


def _check(args: Namespace) -> None:
    """ValueError that names the option that is wrong."""
    for size in () if presets.is_auto(args.hidden) else args.hidden:
        checks.check_int(size, "--hidden", minimum=1)
    for option in ("--epochs", "--batch-size", "--members"):
        value = _value(args, option)
        if not presets.is_auto(value):
            checks.check_int(value, option, minimum=1)
    for option in ("--l1", "--weight-decay", "--learning-rate"):
        value = _value(args, option)
        if not presets.is_auto(value):
            above = option == "--learning-rate"
            checks.check_float(value, option, minimum=0, open_minimum=above)
    for option in ("--dropout", "--input-dropout", "--label-smoothing"):
        value = _value(args, option)
        if value is not None and not presets.is_auto(value):
            checks.check_rate(value, option)


def _value(args: Namespace, option: str) -> Any:
    return getattr(args, option.removeprefix("--").replace("-", "_"))


def _optimizer(args: Namespace) -> Any:
    """A name, or an optimiser with the momentum of the options."""
    if args.optimizer not in _WITH_MOMENTUM:
        return args.optimizer
    nesterov = _WITH_MOMENTUM[args.optimizer]
    return SGD(momentum=args.momentum, nesterov=nesterov)


def fit(
    args: Namespace, chosen: Recipe, rows: TrainingData, members: list[Network]
) -> tuple[bool, list[float] | None]:
    """Train networks and add them to `members`.

    On Ctrl-C the first counts in its current state; of the others only finished ones.

    Returns
    -------
    finished : bool
        False if it was interrupted.
    shares : list of float or None
        Weights of the members in their mean; None: all the same.
    """
    loss, n_out = _loss(args.loss, rows.form)
    plan = _plan(args, chosen, rows, n_out)
    if plan is None:
        return _fit_alike(args, chosen, rows, members, loss, n_out), None
    table = Rows(
        Network,
        rows.X,
        rows.y,
        rows.weights,
        loss,
        n_out,
        np.dtype(args.dtype),
        args.seed,
        plain=rows.form.encoding.without_bins(),
    )
    race = Race(
        table,
        plan,
        jobs=args.threads or available_threads(),
        threads=args.threads,
        one=args.keep == "one",
        progress=not args.quiet,
    )
    finished = True
    try:
        kept = race.run()
    except KeyboardInterrupt:
        kept, finished = race.so_far(), False
        if not kept:
            raise
    members += [network for trial in kept for network in trial.networks]
    shares = [trial.share for trial in kept for _ in trial.networks]
    return finished, shares


def _plan(
    args: Namespace, chosen: Recipe, rows: TrainingData, n_out: int
) -> Plan | None:
    """How recipes race; None if they do not."""
    n_rows, n_inputs = rows.X.shape
    has_bins = 0 < len(rows.form.encoding.without_bins()) < n_inputs
    classes = rows.form.classes is not None
    if args.tune is False or rows.blocks is not None:
        return None
    if args.tune != presets.AUTO:
        if args.patience is not None:
            raise ValueError("--tune and --patience exclude each other, expected one")
        return tuning_plan(chosen, classes, args.tune, args.seed, has_bins)
    if args.patience is not None:
        return None
    return default_plan(chosen, classes, n_rows, n_inputs, n_out, has_bins)


def _fit_alike(
    args: Namespace,
    chosen: Recipe,
    rows: TrainingData,
    members: list[Network],
    loss: Loss,
    n_out: int,
) -> bool:
    """Train members of one recipe; False if that was interrupted."""
    layers = recipe.make_layers(chosen, rows.X.shape[1], n_out)
    loss = recipe.training_loss(loss, chosen)
    data: Any = rows.X, rows.y, rows.weights
    if rows.blocks is not None:
        data = rows.blocks, None, None
    X, y, weights = data
    for number in range(presets.member_count(chosen, rows.n, layers)):
        seed = next_seed(args.seed, number) if number else args.seed
        network = Network(layers, loss=loss, dtype=args.dtype, seed=seed)
        callbacks = []
        if args.patience is not None:
            callbacks.append(EarlyStopping(patience=args.patience))
        try:
            network.fit(
                X,
                y,
                epochs=chosen.max_iter,
                batch_size=chosen.batch_size,
                optimizer=recipe.make_optimizer(chosen),
                sample_weight=weights,
                validation_data=rows.validation,
                callbacks=callbacks,
                progress=not args.quiet,
                threads=args.threads,
            )
        except KeyboardInterrupt:
            if not members:
                if network.history is None:
                    raise
                members.append(network)
            return False
        members.append(network)
    return True


def _loss(name: Any, form: TableForm) -> tuple[Loss, int]:
    """(Loss, outputs) of a name, or of the task; two classes share one output."""
    if form.classes is None:
        fitting: tuple[str, ...] = FOR_NUMBERS
        what, n_out = "a target of numbers", len(form.centers)
        name = name or "mse"
    else:
        count = len(form.classes)
        fitting = (_BINARY, _SOFTMAX) if count == 2 else (_SOFTMAX,)
        name = name or fitting[0]
        what, n_out = f"a target of {count} classes", 1 if name == _BINARY else count
    if name not in fitting:
        raise ValueError(f"--loss is {name}, {what} expects {' or '.join(fitting)}")
    return get_loss(name), n_out


def joined(members: list[Network], shares: list[float] | None) -> Network:
    """One network with the weighted mean of the members' outputs."""
    if len(members) == 1:
        return members[0]
    return combine(members, None, members[0].loss, shares)
