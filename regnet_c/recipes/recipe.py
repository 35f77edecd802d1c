"""From an estimator's parameters to the parts of a run: layers, optimiser, threads.

It does not depend on scikit-learn.  Each function checks the parameters it uses, so that an
estimator's constructor can store them untouched.
"""

from __future__ import annotations

import copy
import multiprocessing
import numbers
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import checks
from .._core.listeners import check_callbacks
from .._core.team import available_threads
from ..layers import Dense, Dropout, check_dropout
from ..optimizers import AdamW, check_decay, get_optimizer
from ..penalties import (
    GROUP_RULES,
    L1,
    L2,
    RULES,
    ElasticNet,
    GroupLasso,
    SparseGroupLasso,
)
from ..schedules import CosineDecay, ExponentialDecay, LinearDecay, Schedule
from .monitor import Monitor
from .presets import FEW_ROWS, KEEP, is_auto

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..layers import Layer
    from ..losses import Loss
    from ..optimizers import Optimizer
    from ..penalties import Penalty
    from ..typing import DType, InputGroups, L1Rule

_SCHEDULES: dict[str, Callable[[float, int], float | Schedule]] = {
    "constant": lambda rate, epochs: rate,
    "cosine": CosineDecay,
    "linear": LinearDecay,
    "exponential": lambda rate, epochs: ExponentialDecay(rate, 0.01 ** (1 / epochs)),
}


def hidden_sizes(sizes: object) -> list[int]:
    """List of the hidden layers' units, from one int or a sequence of them."""
    if isinstance(sizes, numbers.Integral):
        sizes = (sizes,)
    if isinstance(sizes, str) or not np.iterable(sizes):
        raise TypeError(
            f"hidden_layer_sizes is {sizes!r}, expected whole numbers such as (100, 50)"
        )
    return [checks.check_int(size, "hidden_layer_sizes", minimum=1) for size in sizes]


def dropout_rates(
    dropout: Any, n_hidden: int, chosen: bool = False
) -> list[float | Schedule]:
    """[rate of the inputs, rate after each hidden layer]; chosen: (inputs, others)."""
    if chosen:
        dropout = [dropout[0]] + [dropout[1]] * n_hidden
    if not np.iterable(dropout) or isinstance(dropout, str):
        return [0.0] + [check_dropout(dropout, "dropout")] * n_hidden
    rates = [check_dropout(rate, "dropout") for rate in dropout]
    if len(rates) != n_hidden + 1:
        raise ValueError(
            f"dropout has {len(rates)} rates, expected {n_hidden + 1}: the inputs' and "
            "one for each hidden layer (or a single number for all hidden layers)"
        )
    return rates


def penalties(
    l1: float,
    l2: float,
    group_l1: float,
    l1_rule: L1Rule,
    groups: InputGroups = "inputs",
) -> tuple[Penalty | None, Penalty | None]:
    """(penalty of the first layer, penalty of the others), each a Penalty or None.

    groups : those of the inputs on which group_l1 acts.
    """
    l1 = checks.check_float(l1, "l1", minimum=0)
    l2 = checks.check_float(l2, "l2", minimum=0)
    group_l1 = checks.check_float(group_l1, "group_l1", minimum=0)
    checks.check_name(l1_rule, RULES, "l1_rule")
    rest: Penalty | None
    if l1 and l2:
        rest = ElasticNet(l1, l2, rule=l1_rule)
    else:
        rest = L1(l1, rule=l1_rule) if l1 else L2(l2) if l2 else None
    if not group_l1:
        return rest, rest
    if l1_rule not in ("cumulative", "proximal"):
        raise ValueError(
            f"l1_rule is {l1_rule!r}, group_l1 expects {' or '.join(GROUP_RULES)}"
        )
    first: Penalty
    if l1 or l2:
        first = SparseGroupLasso(l1, group_l1, groups=groups, l2=l2, rule=l1_rule)
    else:
        first = GroupLasso(group_l1, groups=groups, rule=l1_rule)
    return first, rest


def make_layers(
    params: Any, n_in: int, n_out: int, groups: InputGroups = "inputs"
) -> list[Layer]:
    """The layers that `params`, a Recipe, describes; groups: as for `penalties`."""
    hidden = hidden_sizes(params.hidden_layer_sizes)
    automatic = "dropout" in params.chosen and np.iterable(params.dropout)
    rates = dropout_rates(params.dropout, len(hidden), automatic)
    strengths = params.l1, params.l2, params.group_l1
    first, rest = penalties(*strengths, params.l1_rule, groups)
    layers: list[Layer] = [Dropout(rates[0])] if rates[0] else []
    for number, units in enumerate(hidden):
        layers.append(
            Dense(
                n_in,
                units,
                activation=params.activation,
                weight_penalty=rest if number else first,
                weight_init=params.weight_init,
                bias_init=params.bias_init,
                max_norm=params.max_norm,
            )
        )
        if rates[number + 1]:
            layers.append(Dropout(rates[number + 1]))
        n_in = units
    last = rest if hidden else first
    layers.append(
        Dense(n_in, n_out, weight_penalty=last, weight_init=params.weight_init)
    )
    return layers


def check(params: Any) -> None:
    """TypeError or ValueError for a parameter that is wrong, before anything is done."""
    make_layers(params, 1, 1)
    make_optimizer(params)
    make_monitor(params)
    batch_size(params.batch_size)
    max_iter(params)
    thread_limit(params.n_jobs)
    choose_dtype(params.dtype, 0)
    check_callbacks(params.callbacks)
    checks.check_bool(params.warm_start, "warm_start")
    if not isinstance(params.verbose, numbers.Integral):  # scikit-learn's has levels
        checks.check_bool(params.verbose, "verbose")
    checks.check_rate(getattr(params, "label_smoothing", 0.0), "label_smoothing")
    if not is_auto(params.n_members):
        checks.check_int(params.n_members, "n_members", minimum=1)
    checks.check_name(params.keep, KEEP, "keep")
    check_tune(params.tune)


def check_tune(tune: object) -> None:
    """TypeError or ValueError unless it is "auto", a boolean, trials or seconds."""
    if is_auto(tune) or isinstance(tune, (bool, np.bool_)):
        return
    if isinstance(tune, numbers.Integral):
        checks.check_int(tune, "tune", minimum=1)
    elif isinstance(tune, numbers.Real):
        checks.check_float(tune, "tune", minimum=0, open_minimum=True)
    else:
        raise TypeError(
            f"tune is {tune!r}, expected 'auto', True, False, a whole number of trials "
            "or a float: seconds"
        )


def make_optimizer(params: Any) -> Optimizer:
    """A fresh optimiser with the learning rate that `params`, a Recipe, describes.

    A copy, because a Network continues with the state of an object it has seen before.
    """
    optimizer = get_optimizer(params.optimizer)
    if optimizer is params.optimizer:
        optimizer = copy.copy(optimizer)
    if params.weight_decay is not None:
        optimizer = _decaying(optimizer, params.weight_decay)
    rate, schedule = params.learning_rate_init, params.learning_rate
    if rate is not None:
        rate = checks.check_float(
            rate, "learning_rate_init", minimum=0, open_minimum=True
        )
    if isinstance(schedule, Schedule):
        if rate is not None:
            raise ValueError(
                f"learning_rate is {schedule!r}, which has its own initial rate, and "
                f"learning_rate_init is {rate}: leave one of them out"
            )
        optimizer.learning_rate = schedule
        return optimizer
    if isinstance(schedule, numbers.Real):
        raise TypeError(
            f"learning_rate is {schedule!r}, expected one of {', '.join(_SCHEDULES)} or a "
            "Schedule; a number is learning_rate_init"
        )
    checks.check_name(schedule, tuple(_SCHEDULES), "learning_rate")
    own = optimizer.learning_rate
    if rate is None and schedule != "constant":
        rate = own.initial if isinstance(own, Schedule) else own
    if rate is not None:
        optimizer.learning_rate = _SCHEDULES[schedule](rate, max_iter(params))
    return optimizer


def _decaying(optimizer: Optimizer, weight_decay: object) -> AdamW:
    decay = check_decay(weight_decay)
    if not isinstance(optimizer, AdamW):
        raise ValueError(
            f"weight_decay is {weight_decay!r} and optimizer {optimizer!r}, expected "
            "'adamw' (or l2, which every optimizer has)"
        )
    return optimizer.replace(weight_decay=decay)


def training_loss(loss: Loss, params: Any) -> Loss:
    """The loss of a network that `params`, a Recipe, describes."""
    if not loss.classification or loss.label_smoothing == params.label_smoothing:
        return loss
    return loss.replace(label_smoothing=params.label_smoothing)


def max_iter(params: Any) -> int:
    """The checked number of epochs."""
    return checks.check_int(params.max_iter, "max_iter", minimum=1)


def make_monitor(params: Any, stops: bool = True) -> Monitor:
    """The Monitor that `params`, an estimator, describes; it may only watch.

    Where the learning rate falls by a schedule, the loss on the training rows stops
    nothing: the last epochs of small steps are what the schedule is for.
    """
    stops = stops and (params.early_stopping or params.learning_rate == "constant")
    patience = params.n_iter_no_change if stops else None
    if patience is not None:
        patience = checks.check_int(patience, "n_iter_no_change", minimum=1)
    tol = checks.check_float(params.tol, "tol", minimum=0)
    early = checks.check_bool(params.early_stopping, "early_stopping")
    return Monitor(patience, tol, on_validation=early)


def validation_share(params: Any) -> float:
    """The checked share of the rows that early stopping holds out."""
    return checks.check_float(
        params.validation_fraction,
        "validation_fraction",
        minimum=0,
        open_minimum=True,
        below=1,
    )


def batch_size(size: object) -> int:
    """The checked batch size; the Network cuts it down to the number of rows."""
    if isinstance(size, str):
        checks.check_name(size, ("auto",), "batch_size")
    return checks.check_int(size, "batch_size", minimum=1)


def thread_limit(n_jobs: object) -> int | None:
    """The maximum number of threads, or None for as many as are worthwhile.

    A worker of joblib is one of several, so it takes one thread unless told otherwise.
    """
    if n_jobs is not None:
        n_jobs = checks.check_int(n_jobs, "n_jobs")
        if n_jobs == 0:
            raise ValueError("n_jobs is 0, expected a positive number, -1 or None")
        return n_jobs if n_jobs > 0 else max(1, available_threads() + 1 + n_jobs)
    in_process = multiprocessing.parent_process() is not None
    in_thread = threading.current_thread() is not threading.main_thread()
    return 1 if in_process or in_thread else None


def choose_dtype(dtype: object, n_rows: int) -> DType:
    """The network's dtype; "auto": float32, and float64 where speed does not matter."""
    if is_auto(dtype):
        return np.dtype(np.float64 if n_rows < FEW_ROWS else np.float32)
    return checks.check_dtype(dtype)
