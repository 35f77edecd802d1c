"""One walk along the strengths of a penalty: a network that is warm-started at each."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .._core.csr import take_columns
from .._core.data import checked_data
from ..callbacks import Callback, EarlyStopping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from threading import Event

    from numpy.typing import NDArray

    from ..network import Network
    from ..typing import (
        AnyArray,
        Direction,
        Float64Array,
        FloatArray,
        Logs,
        PathPenalty,
    )
    from .folds import Pair
    from .recipe import Recipe

_OPEN = 0.5  # biases of a first layer without inputs
_SETTLED = 0.01  # relative fall of the objective that counts as progress


class Step(NamedTuple):
    """The result of one strength; scores are mean and standard error, or None."""

    strength: float
    weights: Sequence[FloatArray]
    importance: Float64Array  # per column of X, 0 where it is not used
    train: tuple[float, float]
    validation: tuple[float, float] | None


class Settled(Callback):
    """Stops when the training objective has not fallen by 1 % for `patience` epochs.

    The share is of the objective above the least loss the targets allow: a Poisson loss
    may be negative.
    """

    patience: int
    floor: float

    def __init__(self, patience: int, floor: float) -> None:
        self.patience, self.floor = patience, floor
        self._best, self._wait = np.inf, 0

    def on_epoch_end(self, epoch: int, logs: Logs) -> bool:
        objective = logs["loss"] + logs["penalty"] - self.floor
        if objective < self._best - _SETTLED * abs(self._best) or self._best == np.inf:
            self._best, self._wait = objective, 0
            return False
        self._wait += 1
        return self._wait >= self.patience


class StopWhen(Callback):
    """Stops when another thread has set an event, and for the walk to notice."""

    def __init__(self, event: Event | None) -> None:
        self.event = event

    def on_epoch_end(self, epoch: int, logs: Logs) -> bool:
        return self.event is not None and self.event.is_set()


def importance(penalty: PathPenalty, weights: Sequence[FloatArray]) -> Float64Array:
    """Per input the norm of the weights that decide whether it is in use."""
    w = weights[-1] if penalty == "lassonet" else weights[0]
    array: Float64Array = np.linalg.norm(w.astype(np.float64), axis=1)
    return array


def input_importance(recipe: Recipe, weights: Sequence[FloatArray]) -> Float64Array:
    """The same, with the norm of all inputs of a table's column for each of them."""
    norms = importance(recipe.penalty, weights)
    return norms if recipe.sources is None else recipe.sources.norms(norms)


def score(
    recipe: Recipe, network: Network, X: AnyArray, y: AnyArray
) -> tuple[float, float]:
    """Mean and standard error over the rows of accuracy, or of minus the loss.

    The data are those of the path, the loss is in the user's units.
    """
    data = checked_data(network._plan, X, y, None)
    rows = network.loss.row_scores(network._predict(data.raw_x, None, raw=True), data)
    rows = recipe.units.scores(rows, y)
    return float(rows.mean()), float(rows.std() / np.sqrt(len(rows)))


def empty_start(recipe: Recipe) -> list[FloatArray]:
    """Initial weights with nothing coming in from the inputs.

    The first layer's biases are positive: a ReLU with a bias of 0 would never learn.
    """
    weights = without_inputs(recipe, recipe.network(0.0).get_weights())
    weights[1][...] = _OPEN
    return weights


def without_inputs(recipe: Recipe, weights: Sequence[FloatArray]) -> list[FloatArray]:
    """The same weights with nothing coming in from the inputs."""
    weights = [w.copy() for w in weights]
    weights[0][...] = 0
    if recipe.penalty == "lassonet":
        weights[-1][...] = 0
    return weights


def critical_strength(
    recipe: Recipe, weights: Sequence[FloatArray], X: AnyArray, y: AnyArray
) -> float:
    """Least strength at which no input enters when none is used: `lambda_max`.

    An input stays out while no direction of its weights outweighs its penalty: with the
    gradient g of the data loss at zero weights, |g|_2 <= strength for a group, |g|_inf
    for L1, |g_skip|_2 + hierarchy |g|_1 for LassoNet; the inputs of a table's column are
    one input, with sqrt(inputs) times the strength.
    """
    network = recipe.network(0.0)
    network.set_weights(without_inputs(recipe, weights))
    _, gradients = network.loss_and_gradients(X, y)
    g = np.abs(gradients[0].astype(np.float64))
    if recipe.penalty == "l1":
        return float(g.max())
    grouped, sources = recipe.penalty == "group_inputs", recipe.sources
    norms = np.linalg.norm(g if grouped else gradients[-1].astype(np.float64), axis=1)
    sums = 0.0 if grouped else recipe.hierarchy * g.sum(axis=1)
    if sources is not None:
        return float(sources.critical(norms**2, sums))
    return float((norms + sums).max())


def start_weights(
    recipe: Recipe,
    direction: Direction,
    X: AnyArray,
    y: AnyArray,
    validation_data: Pair | None,
    event: Event | None = None,
) -> list[FloatArray]:
    """The weights a walk in this direction starts from."""
    if direction == "down":
        return empty_start(recipe)
    return fit_dense(recipe, X, y, validation_data, event)


def fit_dense(
    recipe: Recipe,
    X: AnyArray,
    y: AnyArray,
    validation_data: Pair | None,
    event: Event | None = None,
) -> list[FloatArray]:
    """Weights of the network without penalty on its inputs."""
    network = recipe.network(0.0)
    monitor = "loss" if validation_data is None else "val_loss"
    callbacks = [EarlyStopping(monitor, recipe.patience[0]), StopWhen(event)]
    recipe.fit(network, X, y, callbacks, recipe.epochs[0], validation_data)
    return network.get_weights()


def relax(
    recipe: Recipe,
    weights: Sequence[FloatArray],
    columns: NDArray[np.intp],
    X: AnyArray,
    y: AnyArray,
    event: Event | None = None,
) -> Network:
    """A step's network on its own inputs alone, trained on without their penalty.

    Judged by this one, sparse steps do not suffer from the shrinkage that made them sparse
    (the relaxed Lasso of Meinshausen 2007).
    """
    network = recipe.of_inputs(columns).network(0.0)
    by_input = (0, len(weights) - 1) if recipe.penalty == "lassonet" else (0,)
    network.set_weights(
        [w[columns] if i in by_input else w for i, w in enumerate(weights)]
    )
    callbacks = [Settled(recipe.patience[1], recipe.floor), StopWhen(event)]
    recipe.fit(network, take_columns(X, columns), y, callbacks, recipe.epochs[1])
    return network


class Columns:
    """The inputs of one step: which ones, and the scale at which the network sees them.

    With x_j s_j in place of x_j, and W_j / s_j in place of W_j, the penalty on an input's
    weights becomes that of W_j divided by s_j.  So s_j = (|W_j| / unit)^adaptive of the
    step before makes it the tangent of a multiple of |W_j|^(1 - adaptive), which shrinks
    large weights less (Candes, Wakin and Boyd 2008).
    """

    numbers: NDArray[np.intp]

    def __init__(
        self, recipe: Recipe, weights: Sequence[FloatArray], unit: float
    ) -> None:
        self._penalty, self._n_in = recipe.penalty, recipe.n_in
        used = input_importance(recipe, weights)
        self.numbers = np.arange(recipe.n_in)
        self._scale: FloatArray | None = None
        if recipe.adaptive and used.any():
            self.numbers = np.flatnonzero(used)
            scale = (used[self.numbers] / unit) ** recipe.adaptive
            self._scale = scale.astype(recipe.dtype)

    def data(self, X: AnyArray) -> AnyArray:
        """These columns of X as the network sees them."""
        if self._scale is None:
            return X
        seen: AnyArray = take_columns(X, self.numbers, self._scale)
        return seen

    def narrow(self, weights: Sequence[FloatArray]) -> Sequence[FloatArray]:
        """The network's weights from those for all inputs."""
        if self._scale is None:
            return weights
        scale = self._scale[:, None]
        return self._by_input(weights, lambda w: w[self.numbers] / scale)

    def widen(self, weights: Sequence[FloatArray]) -> Sequence[FloatArray]:
        """And back, with zeros for the other inputs."""

        if self._scale is None:
            return weights
        scale = self._scale[:, None]

        def full(w: FloatArray) -> FloatArray:
            wide = np.zeros((self._n_in, w.shape[1]), w.dtype)
            wide[self.numbers] = w * scale
            return wide

        return self._by_input(weights, full)

    def _by_input(
        self,
        weights: Sequence[FloatArray],
        function: Callable[[FloatArray], FloatArray],
    ) -> Sequence[FloatArray]:
        weights = list(weights)
        for i in (0, -1) if self._penalty == "lassonet" else (0,):
            weights[i] = function(weights[i])
        return weights


class Judge:
    """Scores the steps of one walk on validation data; equal selections once."""

    def __init__(
        self,
        recipe: Recipe,
        X: AnyArray,
        y: AnyArray,
        validation_data: Pair | None,
        event: Event | None,
    ) -> None:
        self._recipe, self._train, self._event = recipe, (X, y), event
        self._validation = validation_data
        self._known: dict[bytes, tuple[float, float]] = {}

    def __call__(
        self,
        network: Network,
        columns: Columns,
        weights: Sequence[FloatArray],
        used: Float64Array,
    ) -> tuple[float, float] | None:
        """Mean and standard error, or None without validation data."""
        if self._validation is None:
            return None
        X, y = self._validation
        chosen = np.flatnonzero(used)
        if not self._recipe.relax or not len(chosen):
            return score(self._recipe, network, columns.data(X), y)
        key = chosen.tobytes()
        if key not in self._known:
            relaxed = relax(self._recipe, weights, chosen, *self._train, self._event)
            self._known[key] = score(self._recipe, relaxed, take_columns(X, chosen), y)
        return self._known[key]


class Walk:
    """Steps of growing or falling strength on one data set."""

    def __init__(
        self,
        recipe: Recipe,
        start: Sequence[FloatArray],
        X: AnyArray,
        y: AnyArray,
        validation_data: Pair | None,
        event: Event | None = None,
    ) -> None:
        self._recipe, self._start, self._event = recipe, start, event
        self._X, self._y = X, y
        self._judge = Judge(recipe, X, y, validation_data, event)
        norms = input_importance(recipe, start)
        self._unit = np.median(norms[norms > 0]) if norms.any() else 1.0

    def steps(self, strengths: Iterable[float]) -> Iterator[Step]:
        """Yields a Step for each strength, started from the weights of the last one.

        Where the last one used no input its weights are no start: if the strengths grow
        the step repeats it, else it begins from the initial weights.
        """
        last: Step | None = None
        for strength in strengths:
            if last is None:
                last = self._step(strength, self._start)
            elif last.importance.any():
                last = self._step(strength, last.weights)
            elif strength > last.strength:
                last = last._replace(strength=strength)
            else:
                last = self._step(strength, self._start)
            if self._event is not None and self._event.is_set():
                return
            yield last

    def _step(self, strength: float, weights: Sequence[FloatArray]) -> Step:
        recipe = self._recipe
        columns = Columns(recipe, weights, self._unit)
        X = columns.data(self._X)
        network = recipe.of_inputs(columns.numbers).network(strength)
        network.set_weights(columns.narrow(weights))
        callbacks = [Settled(recipe.patience[1], recipe.floor), StopWhen(self._event)]
        recipe.fit(network, X, self._y, callbacks, recipe.epochs[1])
        weights = columns.widen(network.get_weights())
        used = input_importance(recipe, weights)
        judged = self._judge(network, columns, weights, used)
        train = score(recipe, network, X, self._y)
        by_column = used if recipe.sources is None else recipe.sources.largest(used)
        return Step(strength, weights, by_column, train, judged)
