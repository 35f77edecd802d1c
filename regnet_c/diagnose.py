"""What regularisation does to a trained network: figures per layer and a verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from ._core import checks
from ._core.data import checked_data, rows_of_targets
from ._core.layerwise import layer_outputs
from ._core.members import refuse_members

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ._core.csr import CSR
    from ._core.data import Data
    from .history import History
    from .losses import Loss
    from .network import Network
    from .typing import AnyArray, Rows, Scores, ValidationData

    Fit: TypeAlias = Literal["over-fitting", "under-fitting", "balanced", "unknown"]

_ROWS = 10_000  # of X that are looked at for dead units
_ROWS_AT_A_TIME = 500
_STALLED = 0.01  # relative progress over the last tenth of the epochs
_ACCURACY_GAP = 0.03  # between training and validation, where it is over-fitting
_LOSS_GAP = 0.3  # the same for regression, relative
_UNEXPLAINED = 0.25  # of the constant prediction's loss, where it is under-fitting


@dataclass
class LayerDiagnosis:
    """Figures of one Dense layer.

    Attributes
    ----------
    n_in, n_out : int
    sum_abs : float
        sum|W|.
    zeros : int
        Exact zeros in W.
    dead_units : int
        Units whose activation has slope 0 for every row: no gradient reaches them.
    update_norm : float
        Norm of the bias-corrected moving average of W's updates (`fit`'s update_tau), NaN
        if it was not kept.
    gradient_ratio : float
        Norm of the penalty's (sub)gradient over that of the data loss, NaN for 0 / 0.
    kkt_residual : float
        Norm of the smallest subgradient of the penalised objective by W: 0 exactly at a
        stationary point, however many weights are zero.
    """

    n_in: int
    n_out: int
    sum_abs: float
    zeros: int
    dead_units: int
    update_norm: float
    gradient_ratio: float
    kkt_residual: float


@dataclass
class Diagnosis:
    """Result of `Network.diagnose`; prints as a table.

    Explained in :doc:`/regularisation`.

    Attributes
    ----------
    layers : list of LayerDiagnosis
    train, validation : dict
        As from `Network.evaluate`; validation is None without validation data.
    gap : float
        Training accuracy minus validation accuracy, or for regression
        validation loss / training loss - 1, both above the lowest loss the targets allow;
        NaN without validation data.
    unexplained : float
        Training loss as a share of the best constant prediction's, both above the
        lowest loss these targets allow.
    fit : str
        "over-fitting", "under-fitting", "balanced", or "unknown" without validation data
        when there is no sign of under-fitting.
    converged : bool or None
        Whether the objective still fell by 1 % over the last tenth of the epochs of the
        last `fit`; None without such a history.
    verdict : str

    Examples
    --------
    >>> import numpy as np, regnet_c as rn
    >>> X = np.random.RandomState(0).randn(200, 3)
    >>> net = rn.Network([rn.Dense(3, 1, weight_penalty=rn.L1(0.1))])
    >>> _ = net.fit(X, X[:, 0], 20, optimizer=rn.Adam(0.05))
    >>> found = net.diagnose(X[:150], X[:150, 0], (X[150:], X[150:, 0]))
    >>> found.fit, found.layers[0].zeros
    ('balanced', 2)
    """

    layers: list[LayerDiagnosis]
    train: Scores
    validation: Scores | None
    gap: float
    unexplained: float
    fit: Fit
    converged: bool | None
    verdict: str

    def __str__(self) -> str:
        head = (
            f"{'layer':>10} {'sum|w|':>10} {'zeros':>14} {'dead units':>10} "
            f"{'update':>9} {'pen/data':>9} {'KKT':>9}"
        )
        lines = [head]
        for d in self.layers:
            size = d.n_in * d.n_out
            lines.append(
                f"{f'{d.n_in}x{d.n_out}':>10} {d.sum_abs:>10.4g} "
                f"{f'{d.zeros} ({d.zeros / size:.1%})':>14} {d.dead_units:>10} "
                f"{d.update_norm:>9.2e} {d.gradient_ratio:>9.2e} {d.kkt_residual:>9.2e}"
            )
        for name, scores in (("train", self.train), ("validation", self.validation)):
            if scores:
                lines.append(
                    f"{name:>10} "
                    + ", ".join(f"{k} {v:.5g}" for k, v in scores.items())
                )
        return "\n".join([*lines, self.verdict])


def diagnose(
    network: Network,
    X: Rows,
    y: ArrayLike,
    validation_data: ValidationData | None = None,
) -> Diagnosis:
    """See `Network.diagnose`."""
    refuse_members(network, "diagnose()")
    network = network._frozen()
    train = network.evaluate(X, y)
    data = _one_hot(network, X, y)
    validation, rows, floors = None, [data.n], []
    if validation_data is not None:
        validation = network.evaluate(*checks.check_validation_data(validation_data))
        held_out = _one_hot(network, *validation_data)
        rows.append(held_out.n)
        targets = rows_of_targets(held_out)
        floors = [network.loss.least(targets, held_out.sample_weight)]
    baseline, floor = _loss_range(network.loss, data)
    unexplained = (train["loss"] - floor) / max(baseline - floor, np.finfo(float).tiny)
    gap = _gap(train, validation, [floor, *floors])
    fit = _judge(validation, gap, unexplained, rows)
    trained = network.loss.smoothed(rows_of_targets(data))
    least = network.loss.least(trained, data.sample_weight)
    converged = _converged(network.history, least)
    layers = _layers(network, X, y, data.raw_x)
    verdict = _verdict(fit, "accuracy" in train, gap, unexplained, converged, layers)
    return Diagnosis(
        layers, train, validation, gap, unexplained, fit, converged, verdict
    )


def _layers(
    network: Network, X: Rows, y: ArrayLike, x: AnyArray | CSR
) -> list[LayerDiagnosis]:
    _, gradients = network.loss_and_gradients(X, y)
    average = network.update_average()
    dead = iter(_dead_units(network, x))
    found = []
    rows = zip(network._weights.views, gradients, network._plan.penalties, strict=True)
    for number, (w, g, penalty) in enumerate(rows):
        if w.ndim == 1:
            continue
        w, g = w.astype(np.float64), g.astype(np.float64)
        pull = penalty.subgradient(w) if penalty else np.zeros_like(w)
        data_norm = np.linalg.norm(g)
        least = penalty.least_subgradient(w, g) if penalty else g
        found.append(
            LayerDiagnosis(
                n_in=w.shape[0],
                n_out=w.shape[1],
                sum_abs=float(np.abs(w).sum()),
                zeros=int((w == 0).sum()),
                dead_units=next(dead, 0),  # a skip connection has none
                update_norm=float(np.linalg.norm(average[number]))
                if average
                else float("nan"),
                gradient_ratio=float(np.linalg.norm(pull) / data_norm)
                if data_norm
                else float("nan"),
                kkt_residual=float(np.linalg.norm(least)),
            )
        )
    return found


def _dead_units(network: Network, x: AnyArray | CSR) -> list[int]:
    """Per Dense layer the number of units with slope 0 for the first rows of x."""
    dead: list[Any] = []
    weights, n = network._weights, min(x.shape[0], _ROWS)
    for first in range(0, n, _ROWS_AT_A_TIME):
        rows = x[first : min(first + _ROWS_AT_A_TIME, n)]  # dense, also of a sparse x
        found = [
            slope is not None and (slope == 0).all(axis=0)
            for _, slope in layer_outputs(
                weights, np.ascontiguousarray(rows, network.dtype)
            )
        ]
        dead = [a & b for a, b in zip(dead, found, strict=True)] if dead else found
    return [int(np.sum(units)) for units in dead]


def _loss_range(loss: Loss, data: Data) -> tuple[float, float]:
    """(loss of the best constant output, lowest loss any outputs can have)."""
    targets = rows_of_targets(data)
    constant = loss.best_constant(targets)
    baseline = loss.score(np.tile(constant, (data.n, 1)), data)["loss"]
    return baseline, loss.least(targets, data.sample_weight)


def _one_hot(
    network: Network, X: Rows, y: ArrayLike, weight: ArrayLike | None = None
) -> Data:
    """The checked data set with rows of targets in place of labels."""
    plan = network._plan
    data = checked_data(plan, X, y, weight)
    if data.raw_y is None:
        data = checked_data(plan, X, np.eye(plan.dense[-1].n_out)[data.labels], weight)
    return data


def _gap(train: Scores, validation: Scores | None, floors: list[float]) -> float:
    """`floors` are the lowest losses of both."""
    if validation is None:
        return float("nan")
    if "accuracy" in train:
        return train["accuracy"] - validation["accuracy"]
    fit, rest = train["loss"] - floors[0], validation["loss"] - floors[1]
    return rest / fit - 1 if fit else float("inf")


def _judge(
    validation: Scores | None, gap: float, unexplained: float, rows: list[int]
) -> Fit:
    """One of the words of Diagnosis.fit."""
    if validation is not None and "accuracy" in validation:
        p = validation["accuracy"]
        noise = 3 * np.sqrt(p * (1 - p) * sum(1 / n for n in rows))
        if gap > max(_ACCURACY_GAP, noise):
            return "over-fitting"
    elif validation is not None and gap > _LOSS_GAP:
        return "over-fitting"
    if unexplained > _UNEXPLAINED:
        return "under-fitting"
    return "unknown" if validation is None else "balanced"


def _converged(history: History | None, floor: float) -> bool | None:
    """True if the objective moved by less than 1 % over the last tenth of the epochs."""
    if history is None or history.epochs < 10:
        return None
    objective = np.add(history["loss"], history["penalty"]) - floor
    tenth = history.epochs // 10
    before, after = objective[-2 * tenth : -tenth].mean(), objective[-tenth:].mean()
    return bool(abs(before - after) <= _STALLED * abs(before))


_ADVICE = {
    "over-fitting": "over-fitting: {gap}; raise the penalty or the dropout rate, stop "
    "earlier, or train a smaller network",
    "under-fitting": "under-fitting: the training loss is {share:.0%} of that of a "
    "constant prediction{no_gap}; lower the penalty, change the initialisation or the "
    "optimiser, or train longer (unless the data are that noisy)",
    "balanced": "balanced: the training loss is {share:.0%} of that of a constant "
    "prediction, and validation is about as good",
    "unknown": "the training loss is {share:.0%} of that of a constant prediction; pass "
    "validation_data to see whether that generalises",
}


def _verdict(
    fit: Fit,
    classification: bool,
    gap: float,
    unexplained: float,
    converged: bool | None,
    layers: list[LayerDiagnosis],
) -> str:
    """The diagnosis in words."""
    if classification:
        gap_words = f"training accuracy is {100 * gap:.1f} points above validation"
    else:
        gap_words = f"the validation loss is {gap:.0%} above the training loss"
    words = _ADVICE[fit].format(
        gap=gap_words,
        share=unexplained,
        no_gap="" if np.isnan(gap) else " and validation is no worse",
    )
    ending = {
        True: "converged (the objective has stopped moving)",
        False: "not converged (the objective is still moving)",
        None: "convergence unknown (fewer than 10 epochs of history)",
    }[converged]
    dead = [f"layer {i}" for i, d in enumerate(layers) if d.dead_units == d.n_out]
    if dead:
        ending += f"; no gradient passes {', '.join(dead)}: every unit is dead"
    return f"{words}; {ending}"
