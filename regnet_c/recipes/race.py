"""Recipes race on folds of the rows; the networks of the best are kept.

Each round trains every recipe that is left on all rows but one fold and scores it on that
fold.  Then those leave that are clearly worse than the best, row for row, and with many
recipes all but the best third.  Nothing is trained twice: the networks of the recipes that
reach the end, each from its own rows, are the members of the result.

Results depend on the seed and the recipes alone, not on how many train at a time.
"""

from __future__ import annotations

import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core.data import checked_data
from .._core.portable import output_of
from .._core.progress_bar import StepBar, terminal_width
from ..callbacks import Callback
from ..errors import DivergenceError
from ..layers import Dense
from . import recipe
from .candidates import FEW, N_FOLDS, Plan
from .members import next_seed
from .monitor import Monitor
from .presets import Recipe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..losses import Loss
    from ..network import Network
    from ..typing import AnyArray, AnyCallback, Float64Array, FloatArray

_CLEARLY = 1.0  # standard errors of the mean difference,
_CLEARLY_CLASSES = 2.0  # of classifications
_SHARE = 3  # one in three enters the next round
_STEPS = 12  # of the greedy choice of weights
_FIRST = 0.6  # of the seconds for the first round


@dataclass
class Rows:
    """What a race trains, and on what.

    Attributes
    ----------
    network : type of Network
    X : ndarray or sparse matrix (n, n_in)
    y : ndarray
        As the network takes it.
    weight : ndarray (n,) or None
    loss : Loss
    n_out : int
    dtype : dtype
    seed : int
    groups : "inputs" or list of ndarray
        On which group_l1 acts.
    plain : ndarray of int or None
        The inputs that recipes without bins see.
    """

    network: type[Network]
    X: Any
    y: AnyArray
    weight: Float64Array | None
    loss: Loss
    n_out: int
    dtype: Any
    seed: int
    groups: Any = "inputs"
    plain: AnyArray | None = None


@dataclass
class Trial:
    """One recipe's race.

    Attributes
    ----------
    number : int
    recipe : Recipe
    networks : list of Network
        One of each fold it was trained for.
    losses : list of ndarray
        Of the rows of each fold that was held out.
    score : float
        Mean held-out loss so far; inf if training diverged.
    seconds : float
    weight : float
        In the result; 0 for those that left the race.
    """

    number: int
    recipe: Recipe
    networks: list[Network] = field(default_factory=list)
    losses: list[Float64Array] = field(default_factory=list)
    outputs: list[FloatArray] = field(default_factory=list, repr=False)
    optimizers: list[Any] = field(default_factory=list, repr=False)
    monitors: list[Any] = field(default_factory=list, repr=False)
    score: float = math.inf
    seconds: float = 0.0
    weight: float = 0.0

    @property
    def share(self) -> float:
        """Weight of each of its networks in the result."""
        return self.weight / len(self.networks)


class _StopWhen(Callback):
    """Ends a training once another thread was interrupted."""

    def __init__(self, event: threading.Event) -> None:
        self._event = event

    def on_epoch_end(self, epoch: int, logs: Any) -> bool:
        return self._event.is_set()


def even_folds(
    n: int, count: int, seed: int, labels: AnyArray | None = None
) -> AnyArray:
    """The fold of each row, 0 to count - 1: shuffled, even in size and in the labels."""
    order = np.random.default_rng(seed).permutation(n)
    if labels is not None:
        order = order[np.argsort(labels[order], kind="stable")]
    fold = np.empty(n, int)
    fold[order] = np.arange(n) % count
    return fold


class Race:
    """Recipes that train on the same folds.

    Parameters
    ----------
    rows : Rows
    plan : Plan
        The candidates and the rounds.
    jobs : int
        Networks that train at a time.
    threads : int or None
        Of a network that trains alone.
    one : bool
        Keep the best recipe alone, and train one network of it on all rows.
    callbacks : list
        Of every training.
    progress : bool
        Show a bar over the trainings, with the best score so far.
    """

    def __init__(
        self,
        rows: Rows,
        plan: Plan,
        jobs: int = 1,
        threads: int | None = None,
        one: bool = False,
        callbacks: Sequence[AnyCallback] = (),
        progress: bool = False,
    ) -> None:
        self._rows, self._plan = rows, plan
        self._jobs, self._threads, self._one = jobs, threads, one
        self._callbacks, self._progress = callbacks, progress
        self.trials: list[Trial] = [Trial(i, r) for i, r in enumerate(plan.candidates)]
        labels = rows.y if rows.loss.takes_labels or _is_binary(rows) else None
        labels = None if labels is None or labels.ndim > 1 else labels
        self._fold = even_folds(len(rows.y), N_FOLDS, rows.seed % 2**32, labels)
        self._truth: list[SimpleNamespace] = []
        self._stop = threading.Event()
        self._share = 1.0  # of the epochs

    def run(self) -> list[Trial]:
        """The trials that reached the end, best first, with their weights.

        Raises
        ------
        DivergenceError
            If every recipe diverges.
        """
        self._begin = time.perf_counter()
        alive = self.trials
        width = terminal_width()
        total = len(alive)
        with StepBar(self._progress, total, "recipes", "nets", width) as self._bar:
            if self._plan.heat:
                alive = self._heat(alive)
            for number in range(self._plan.rounds):
                if number and self._out_of_time():
                    break
                left = self._plan.rounds - number - 1
                self._bar.expect(len(alive) + left * min(len(alive), FEW))
                alive = self._round(alive, number)
            if not self._plan.rounds:  # the recipe, unless a rival is clearly better
                return [self._alone(min(alive, key=lambda trial: trial.number))]
            alive = [trial for trial in alive if _fit_together(trial, alive[0])]
            if self._one:
                return [self._alone(alive[0])]
            return self._together(alive)

    def so_far(self) -> list[Trial]:
        """After an interruption: the best trial that has a network, if there is one."""
        found = [trial for trial in self.trials if trial.losses]
        found.sort(key=lambda trial: (-len(trial.losses), np.mean(trial.losses[-1])))
        for trial in found[:1]:
            trial.weight = 1.0
        return found[:1]

    def _together(self, alive: list[Trial]) -> list[Trial]:
        """The trials whose networks make the result, with their weights."""
        _weigh(alive, self._truth, self._rows.loss)
        kept = [trial for trial in alive if trial.weight]
        kept.sort(key=lambda trial: -trial.weight)
        everything = np.arange(len(self._fold))
        for number in range(self._plan.more):
            self._fit(kept[number % len(kept)], everything, N_FOLDS + number)
        return kept

    def _alone(self, best: Trial) -> Trial:
        """The best trial with one network, of all rows."""
        best.weight = 1.0
        for found in (best.networks, best.optimizers, best.monitors):
            found.clear()
        self._fit(best, np.arange(len(self._fold)), N_FOLDS)
        return best

    def _heat(self, alive: list[Trial]) -> list[Trial]:
        """The trials left after a round of a share of the epochs, as if there was none."""
        self._share = self._plan.heat
        alive = self._round(alive, 0)
        self._share = 1.0
        self._truth.clear()
        for trial in alive:
            for found in (trial.networks, trial.optimizers, trial.monitors):
                found.clear()
            trial.losses.clear()
            trial.outputs.clear()
        return alive

    def _out_of_time(self, share: float = 1.0) -> bool:
        if self._plan.seconds is None:
            return False
        return time.perf_counter() - self._begin > share * self._plan.seconds

    def _round(self, alive: list[Trial], number: int) -> list[Trial]:
        failures = self._train_all(alive, number)
        ran = [trial for trial in alive if len(trial.losses) == number + 1]
        if not ran:
            raise failures[0]
        for trial in alive:
            diverged = len(trial.losses) <= number
            trial.score = math.inf if diverged else self._mean(trial.losses)
        ran.sort(key=lambda trial: (trial.score, trial.number))
        count = max(FEW, math.ceil(len(ran) / _SHARE))
        return [t for t in ran[:count] if not self._is_worse(t, ran[0])]

    def _weights(self) -> Float64Array | None:
        held = [truth.sample_weight for truth in self._truth]
        return None if held[0] is None else np.concatenate(held)

    def _mean(self, losses: list[Float64Array]) -> float:
        return float(np.average(np.concatenate(losses), weights=self._weights()))

    def _is_worse(self, trial: Trial, best: Trial) -> bool:
        """Whether its rows' losses are higher by more than chance."""
        weight = self._weights()
        d = np.concatenate(trial.losses) - np.concatenate(best.losses)
        mean = np.average(d, weights=weight)
        deviation = math.sqrt(np.average(np.square(d - mean), weights=weight))
        many = _CLEARLY_CLASSES if self._rows.loss.classification else _CLEARLY
        return bool(mean > many * deviation / math.sqrt(len(d)))

    def _train_all(self, alive: list[Trial], number: int) -> list[DivergenceError]:
        """Train the fold's network of every trial; those that diverge add none."""
        failures = []

        def one(trial: Trial) -> None:
            if number == 0 and trial.number and self._out_of_time(_FIRST):
                return
            try:
                self._train(trial, number)
            except DivergenceError as error:
                failures.append(error)
            done = [np.mean(t.losses[-1]) for t in alive if t.losses]
            self._bar.step(f"best {min(done, default=math.inf):.4g}")

        held = np.flatnonzero(self._fold == number)
        self._truth.append(self._truth_of(held))
        if self._jobs == 1 or len(alive) == 1:
            for trial in alive:
                one(trial)
            return failures
        with ThreadPoolExecutor(self._jobs) as pool:
            try:
                list(pool.map(one, alive))
            except BaseException:
                self._stop.set()
                pool.shutdown(cancel_futures=True)
                raise
        return failures

    def _truth_of(self, held: AnyArray) -> SimpleNamespace:
        rows = self._rows
        network = rows.network(
            [Dense(1, rows.n_out)], loss=rows.loss, dtype=rows.dtype, seed=0
        )
        weight = None if rows.weight is None else rows.weight[held]
        blank = np.zeros((len(held), 1), rows.dtype)
        data = checked_data(network._plan, blank, rows.y[held], weight)
        return SimpleNamespace(
            raw_y=data.raw_y, labels=data.labels, sample_weight=data.sample_weight
        )

    def _train(self, trial: Trial, number: int) -> None:
        start = time.perf_counter()
        network = self._fit(trial, np.flatnonzero(self._fold != number), number)
        held = np.flatnonzero(self._fold == number)
        z = network._predict(self._rows.X[held], self._limit(), raw=True)
        trial.outputs.append(z)
        trial.losses.append(_row_scores(self._rows.loss, z, self._truth[number]))
        trial.seconds += time.perf_counter() - start

    def _limit(self) -> int | None:
        return self._threads if self._jobs == 1 else 1

    def _fit(self, trial: Trial, part: AnyArray, number: int) -> Network:
        """Train a network of the trial's recipe on some rows."""
        rows, params = self._rows, trial.recipe
        if self._share < 1:
            epochs = math.ceil(self._share * recipe.max_iter(params))
            params = Recipe(**(vars(params) | {"max_iter": epochs}))
        columns = None if params.bins else rows.plain
        X, groups = rows.X, rows.groups
        if columns is not None:
            X, groups = X[:, columns], "inputs"
        layers = recipe.make_layers(params, X.shape[1], rows.n_out, groups)
        seed = next_seed(rows.seed, trial.number * 2 * N_FOLDS + number)
        loss = recipe.training_loss(rows.loss, params)
        network = rows.network(layers, loss=loss, dtype=rows.dtype, seed=seed)
        optimizer = recipe.make_optimizer(params)
        monitor = Monitor(None, 0.0, on_validation=False)
        monitor.begin(None, False)
        network.fit(
            X[part],
            rows.y[part],
            epochs=recipe.max_iter(params),
            batch_size=recipe.batch_size(params.batch_size),
            optimizer=optimizer,
            sample_weight=None if rows.weight is None else rows.weight[part],
            callbacks=[monitor, _StopWhen(self._stop), *self._callbacks],
            threads=self._limit(),
        )
        monitor.end()
        if columns is not None:
            network = _widened(network, params, rows, columns)
        trial.networks.append(network)
        trial.optimizers.append(optimizer)
        trial.monitors.append(monitor)
        return network


def _is_binary(rows: Rows) -> bool:
    return rows.loss.classification and rows.n_out == 1


def _widened(
    network: Network, params: Recipe, rows: Rows, columns: AnyArray
) -> Network:
    """The same network as one of all inputs; the weights of the others are 0."""
    n_in = rows.X.shape[1]
    layers = recipe.make_layers(params, n_in, rows.n_out)
    wide = rows.network(layers, network.loss, rows.dtype, network.seed)
    first, *others = network.get_weights()
    weight = np.zeros((n_in, first.shape[1]), first.dtype)
    weight[columns] = first
    wide.set_weights([weight, *others])
    wide.history = network.history
    return wide


def _fit_together(trial: Trial, best: Trial) -> bool:
    """Whether their networks fit side by side: as many layers, of one activation."""
    sizes = [
        len(recipe.hidden_sizes(t.recipe.hidden_layer_sizes)) for t in (trial, best)
    ]
    return sizes[0] == sizes[1] and trial.recipe.activation == best.recipe.activation


def _row_scores(loss: Loss, z: FloatArray, truth: Any) -> Float64Array:
    """Per row the loss, or for classes the squared error of the probabilities.

    That is as proper a score as the cross-entropy and closer to the error: it does not
    prefer timid networks to those that are more often right but sometimes sure and wrong.
    """
    if not loss.classification:
        return loss.row_losses(z, truth).astype(np.float64)
    p = output_of(loss.output, z.astype(np.float64))
    if truth.raw_y is not None:
        p -= truth.raw_y
    else:
        p[np.arange(len(p)), truth.labels] -= 1
    squares: Float64Array = np.square(p).sum(axis=1)
    return squares


def _weigh(trials: list[Trial], truth: list[SimpleNamespace], loss: Loss) -> None:
    """Weights whose mean output has a low held-out loss, found greedily.

    Caruana et al., "Ensemble selection from libraries of models" (2004): from the best
    trial on, add again and again the one that helps most, until none does.
    """
    for trial in trials:
        trial.weight = 0.0
    outputs = [np.concatenate(t.outputs).astype(np.float64) for t in trials]
    everything = SimpleNamespace(
        raw_y=_joined([t.raw_y for t in truth]),
        labels=_joined([t.labels for t in truth]),
        sample_weight=_joined([t.sample_weight for t in truth]),
    )
    weight = everything.sample_weight

    def mean(scores: Float64Array) -> float:
        return float(np.average(scores, weights=weight))

    total, counts, best = np.zeros_like(outputs[0]), np.zeros(len(trials)), math.inf
    for step in range(1, _STEPS + 1):
        scores = [
            mean(_row_scores(loss, (total + z) / step, everything)) for z in outputs
        ]
        choice = int(np.argmin(scores))
        if not scores[choice] < best:
            break
        best = scores[choice]
        total += outputs[choice]
        counts[choice] += 1
    for trial, count in zip(trials, counts, strict=True):
        trial.weight = float(count / counts.sum())


def _joined(arrays: list[Any]) -> Any:
    return None if arrays[0] is None else np.concatenate(arrays)
