"""Rounds: shards take steps on their own, their weights are averaged, penalties charged.

In a round every shard starts from the same weights and the same state of the optimiser
and takes its share of some steps: its rows of a batch are as many as its part of all
rows.  What comes of it is a function of (weights and state, shard, round, seed).

Weights, moments and ledgers are averaged in the order of the shards, in float64, by the
weight of their rows.  An average of weights is zero only where all are; so what the
cumulative rule has charged by L1 and group penalties, which the ledger knows, is then
undone, and all that is owed is charged once (dual averaging: Yuan, Zaheer and Reddi 2021).

Where steps are divided by the root of a second moment, the moment of a k-th of a batch
has k times the noise: the learning rate is multiplied by sqrt(k).  So that this is right
where gradients are more than noise, too, Adam's moments are made k times those of
whole batches: products of two shards' gradients, which have no noise in common, state
what is missing.
"""

from __future__ import annotations

import copy
import dataclasses
import math
from functools import cached_property
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._core import binding
from .._core.data import checked_data
from .._core.plan import GROUPS, group_rows
from .._core.state import TrainingState
from .._core.training import FitOptions, Reported, TrainingRun
from .._files import checkpoint
from ..history import History
from ..kernels import permutation
from ..kernels.steps import first_step, rn_step, work_size
from ..network import Network
from ..optimizers import FTRL, SGD, Adam, AdamW, Optimizer, RMSprop

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .._core.listeners import Listeners
    from .._core.plan import Plan
    from ..layers import Layer
    from ..losses import Loss
    from ..typing import AnyArray, DType, Float64Array, FloatArray, StrPath

_COUNTERS = ("beta1_power", "beta2_power", "response", "credit", "step")
_ARRAYS = ("m", "v", "q")
_PIECE = 1 << 16  # rows of a shard that are copied at a time
# between the seeds of two shards; odd, so that all 2^64 come first
_NEXT_SEED = 0xBF58476D1CE4E5B9


class Shard(NamedTuple):
    """Checked rows, as a Network takes them; X None: there are none."""

    X: AnyArray | None
    y: AnyArray | None
    sample_weight: Float64Array | None


class Size(NamedTuple):
    """What the client knows of a shard."""

    rows: int
    weight: float  # of its rows, in sum
    checksum: str


class Position(NamedTuple):
    """Where a round starts: flat arrays as those of `TrainingState`, and its counters."""

    params: FloatArray
    arrays: dict[str, FloatArray]
    counters: dict[str, Any]


class Steps(NamedTuple):
    """What a shard's steps of a round led to."""

    weight: float  # of its rows
    steps: int
    loss: float
    position: Position
    gradients: list[FloatArray] | None = None  # see `MeanGradients`


@dataclasses.dataclass(frozen=True)
class Task:
    """What is the same for all shards and rounds."""

    layers: list[Layer]
    loss: Loss
    dtype: DType
    seed: int
    optimizer: Optimizer
    batch_size: int  # of all shards together
    epochs_per_round: float
    sizes: tuple[Size, ...] = ()

    def network(self, number: int = -1) -> Network:
        """The network of a shard, or of the client: they differ in the seed."""
        seed = (self.seed + (1 + number) * _NEXT_SEED) % 2**64
        return Network(self.layers, self.loss, self.dtype, seed)

    def rate(self, round_: int) -> float:
        """The learning rate of a round; schedules count rounds."""
        return float(self.optimizer.learning_rates(round_, 1, 1)[0])

    @property
    def has_both_moments(self) -> bool:
        """Whether the optimiser averages gradients as well as their squares."""
        traits = self.optimizer.traits
        return traits.first_moment and traits.second_moment

    def cut(self, number: int) -> tuple[int, int]:
        """(rows of a shard in each step, its steps of an epoch)."""
        rows = self.sizes[number].rows
        batch = -(-rows // -(-sum(size.rows for size in self.sizes) // self.batch_size))
        return batch, -(-rows // batch)

    @property
    def steps(self) -> int:
        """Most steps of an epoch that a shard has."""
        return max(self.cut(number)[1] for number in range(len(self.sizes)))

    def batches(self, number: int, round_: int) -> Iterator[tuple[int, int, int]]:
        """(epoch, first row, end) of a shard's parts of epochs that a round has."""
        rows, batch, steps = self.sizes[number].rows, *self.cut(number)
        each = round(self.epochs_per_round * steps, 9)  # 49 / 49 is less than 1 else
        first, last = int(round_ * each), int((round_ + 1) * each)
        at_once = max(1, _PIECE // batch)
        while first < last:
            epoch, step = divmod(first, steps)
            end = min(steps, step + last - first, step + at_once)
            yield epoch, step * batch, min(end * batch, rows)
            first += end - step

    def local_optimizer(self, round_: int) -> Optimizer:
        """That of a shard in a round, with a constant rate.

        Before the first average Adam's v does not know yet what is noise.
        """
        optimizer, root = copy.copy(self.optimizer), 1.0
        known = round_ > 0 or not self.has_both_moments
        if optimizer.traits.second_moment and known:
            root = math.sqrt(len(self.sizes))
        if isinstance(optimizer, AdamW):
            decay = optimizer.constants(round_)["weight_decay"]  # of its schedule
            optimizer = optimizer.replace(weight_decay=decay / root)
        optimizer.learning_rate = root * self.rate(round_)
        return optimizer


def measure(shard: Shard, task: Task, number: int) -> Size:
    """The rows of a shard, and what tells them from others."""
    if shard.X is None or shard.y is None:
        return Size(0, 0.0, "")
    weight, n = shard.sample_weight, len(shard.X)
    data = checked_data(task.network()._plan, shard.X, shard.y, weight)
    total = float(n) if weight is None else float(weight.sum())
    return Size(n, total, data.checksum())


def take_steps(
    shard: Shard, task: Task, start: Position, round_: int, number: int
) -> Steps | None:
    """The steps of a shard in a round; None if it has none."""
    X, y, weight = shard
    assert X is not None and y is not None  # others have no size
    network = task.network(number)
    plan = network._plan
    network.set_weights(plan.views(start.params))
    total = task.sizes[number].weight
    if task.rate(round_) == 0:  # the end of a schedule
        return Steps(total, 0, network.evaluate(X, y, weight)["loss"], start)
    optimizer = task.local_optimizer(round_)
    state = network._state = TrainingState(plan, optimizer)
    for name, array in start.arrays.items():
        getattr(state, name)[:] = array
    state.scalars.set(**start.counters)
    gradients = MeanGradients(state) if task.has_both_moments else None
    losses, rows, batch = [], [], task.cut(number)[0]
    for epoch, first, end in task.batches(number, round_):
        order = permutation(len(X), network.seed, epoch)[first:end]
        part = None if weight is None else weight[order]
        data = checked_data(plan, X[order], y[order], part)
        options = FitOptions(data, min(batch, data.n), optimizer, threads=1)
        with network._store:
            losses.append(_ShardRun(network, options, gradients).run()["loss"][-1])
        rows.append(end - first)
    if not rows:
        return None
    params, counters = network._weights.params.copy(), _counters(state)
    steps = counters["step"] - start.counters["step"]
    loss = float(np.average(losses, weights=rows))
    position = Position(params, _arrays(state), counters)
    means = None if gradients is None else gradients.of_round()
    return Steps(total, steps, loss, position, means)


class MeanGradients:
    """The mean gradients of 1, 2, 4, 8 ... steps of a round.

    The first steps of training have by far the largest gradients, and Adam's v keeps
    them for a thousand steps: one mean of all steps, or the first moment, would lose them.

    Parameters
    ----------
    state : TrainingState
        Of an optimiser with a first moment, from whose changes the gradients come.
    """

    def __init__(self, state: TrainingState) -> None:
        self._state = state
        self._step, self._moment = state.step, self._first_moment()
        self._means: list[FloatArray] = []

    def _first_moment(self) -> Float64Array:
        assert self._state.m is not None
        return self._state.m.astype(np.float64)

    @property
    def left(self) -> int:
        """Steps to the end of the group."""
        return (1 << len(self._means)) - (self._state.step - self._step)

    def end_group(self) -> None:
        """Note the mean gradient since the last group, as Adam weights it."""
        assert self._state.m is not None
        before, self._moment = self._moment, self._first_moment()
        steps, self._step = self._state.step - self._step, self._state.step
        kept = self._state.optimizer.constants()["beta1"] ** steps
        mean = (self._moment - kept * before) / (1 - kept)
        self._means.append(mean.astype(self._state.m.dtype))

    def of_round(self) -> list[FloatArray]:
        """Of all groups; the last one may have fewer steps."""
        if self._state.step > self._step:
            self.end_group()
        return self._means


class _ShardRun(TrainingRun):
    """A call of `fit` that stops after each group of steps."""

    def __init__(
        self, network: Network, options: FitOptions, gradients: MeanGradients | None
    ) -> None:
        super().__init__(network, options)
        self._gradients = gradients

    def _learning_rates(self, at: int) -> Float64Array:
        rates = super()._learning_rates(at)
        if self._gradients is None:
            return rates
        if self._gradients.left == 0:
            self._gradients.end_group()
        return rates[: self._gradients.left]


def _arrays(state: TrainingState) -> dict[str, FloatArray]:
    """Moments and ledger."""
    arrays = {name: getattr(state, name) for name in _ARRAYS}
    return {name: array for name, array in arrays.items() if array is not None}


def _counters(state: TrainingState) -> dict[str, Any]:
    values = state.scalars.get()
    return {name: values[name] for name in _COUNTERS}


class Thresholds:
    """What L1 and group penalties charge in a step, of an optimiser at its last step.

    Parameters
    ----------
    plan : Plan
    optimizer : Optimizer
        With a constant rate.
    counters : dict
    """

    def __init__(
        self, plan: Plan, optimizer: Optimizer, counters: dict[str, Any]
    ) -> None:
        self._plan, self._optimizer, self._counters = plan, optimizer, counters
        response, momentum = counters["response"], optimizer.constants()["momentum"]
        self._rate: Any = optimizer.learning_rate  # of a round, a number
        if getattr(optimizer, "nesterov", False):
            response = momentum * response + self._rate
        self._response = response

    def _root(self, v: FloatArray | None) -> Float64Array | float:
        """What the optimiser divides steps by."""
        if v is None:
            return 1.0
        exact, scale = np.asarray(v, np.float64), 1.0
        if isinstance(self._optimizer, (Adam, AdamW)):
            scale = 1 / (1 - self._counters["beta2_power"])
        return np.sqrt(exact * scale) + self._optimizer.constants()["epsilon"]

    def _owed(self, fields: dict[str, Any]) -> float:
        """FTRL's divisor has all the l2 owed so far."""
        if not isinstance(self._optimizer, FTRL):
            return 0.0
        owed: float = 2 * self._rate * self._counters["credit"] * fields.get("l2", 0.0)
        return owed

    def _charged(self, *flat: FloatArray) -> Iterator[tuple[Any, ...]]:
        """(fields of its penalty, factor of its rate, views) of arrays with more than L2.

        Those whose rate is zero stay as they are.
        """
        rows = zip(*map(self._plan.views, flat), strict=True)
        arrays = zip(self._plan.penalties, self._plan.rate_factors, rows, strict=True)
        for penalty, factor, views in arrays:
            fields = penalty.fields() if penalty else {}
            if factor and (fields.get("l1") or fields.get("group_strength")):
                yield fields, factor, *views

    def _unit(self, fields: dict[str, Any], root: Float64Array) -> Float64Array:
        """What the ledger counts: the group's threshold or, without one, that of l1."""
        strength = fields.get("group_strength") or fields["l1"]
        unit: Float64Array = strength * self._response / root
        for group in _several(fields):
            unit[group] *= math.sqrt(len(group))
        return unit

    def charge(
        self, params: Float64Array, ledger: FloatArray, v: FloatArray | None
    ) -> None:
        """Undo what the ledger says was charged, charge all that is owed, and note it."""
        credit = self._counters["credit"]
        root = np.broadcast_to(self._root(v), params.shape).copy()
        for fields, factor, w, q, root_ in self._charged(params, ledger, root):
            root_ /= factor
            root_ += self._owed(fields)
            unit = self._unit(fields, root_)
            w -= unit * q
            before = w.copy()
            if fields.get("l1"):
                most = credit * fields["l1"] * self._response / root_
                w -= np.clip(w, -most, most)
            if fields.get("group_strength"):
                self._charge_groups(fields, w, root_, credit)
            q[...] = (w - before) / unit

    def _charge_groups(
        self, fields: dict[str, Any], w: Float64Array, root: Float64Array, credit: float
    ) -> None:
        step = rn_step(SGD(1.0), credit * self._response, first_step()) | {
            "kind": RMSprop(1.0).kind,  # thresholds are divided by the root of v
            "learning_rate": credit * self._response,
            "epsilon": 0.0,
        }
        several = _several(fields)
        rows = group_rows(several) if several else None
        code = GROUPS["inputs" if several else fields["group"]]
        work = np.empty(work_size(w.shape, rows))
        strength = fields["group_strength"]
        binding.prox_group(code, w, root**2, None, strength, step, work, rows)


def _several(fields: dict[str, Any]) -> list[list[int]]:
    """The groups of several inputs."""
    groups = fields.get("group")
    return [list(g) for g in groups] if isinstance(groups, tuple) else []


def mean(arrays: Sequence[AnyArray], shares: Sequence[float]) -> Float64Array:
    """The weighted mean in float64, summed in the order in which the arrays stand."""
    total = np.zeros(np.shape(arrays[0]))
    for array, share in zip(arrays, shares, strict=True):
        total += share * np.asarray(array, np.float64)
    return total


class Rounds:
    """The weights and the optimiser's state from round to round.

    It is what a Checkpoint saves, and what one is restored to; rounds take the place of
    epochs.

    Parameters
    ----------
    task : Task
    listeners : Listeners
    rounds : int
        How many there will be.

    Attributes
    ----------
    network : Network
    history : History
        With an entry for each round.
    """

    network: Network
    history: History
    task: Task
    listeners: Listeners
    state: TrainingState
    reported: Reported
    course: Any
    interrupted: bool
    first_epoch = 0

    def __init__(self, task: Task, listeners: Listeners, rounds: int) -> None:
        if round(task.steps * task.epochs_per_round, 9) < 1:
            raise ValueError(
                f"epochs_per_round is {task.epochs_per_round}, an epoch has {task.steps} "
                "steps; expected at least one step in a round"
            )
        self.task, self.listeners, self._rounds = task, listeners, rounds
        self.network, self.history = task.network(), History()
        self.network.history = self.history
        self.state = TrainingState(self.network._plan, task.optimizer)
        self.reported = Reported(0, False, [])
        self.interrupted = False

    # ---- rounds ----------------------------------------------------------------------

    @property
    def done(self) -> int:
        """Rounds finished."""
        return self.history.epochs

    @property
    def finished(self) -> bool:
        """True after the last round."""
        return self.history.stopped_early or self.done >= self._rounds

    def position(self) -> Position:
        """Where the next round starts."""
        params = self.network._weights.params
        return Position(params, _arrays(self.state), _counters(self.state))

    def finish(self, results: Sequence[Steps | None]) -> dict[str, Any]:
        """Average what the shards made, in their order, and charge the penalties."""
        found = [steps for steps in results if steps is not None]
        total = sum(steps.weight for steps in found)
        shares = [steps.weight / total for steps in found]
        positions = [steps.position for steps in found]
        rate = self.task.rate(self.done)
        params = mean([p.params for p in positions], shares)
        for name in positions[0].arrays:
            getattr(self.state, name)[:] = mean(
                [p.arrays[name] for p in positions], shares
            )
        longest = max(found, key=lambda steps: steps.steps)
        counters = longest.position.counters
        self._add_common_squares(found, shares, counters)
        self.state.scalars.set(**counters)
        if self.state.q is not None and rate > 0:
            optimizer = self.task.local_optimizer(self.done)
            charges = Thresholds(self.network._plan, optimizer, counters)
            charges.charge(params, self.state.q, self.state.v)
        self.network.set_weights(self.network._plan.views(params))
        return {
            "loss": float(np.dot([steps.loss for steps in found], shares)),
            "penalty": self.network.penalty(),
            "zeros": self.network.zeros(),
            "learning_rate": rate,
        }

    def _add_common_squares(
        self, found: Sequence[Steps], shares: Sequence[float], counters: dict[str, Any]
    ) -> None:
        """Make v the k-fold second moment of the gradients of whole batches.

        Of k parts of a batch, with the mean mu and the noise s of the whole one, the mean
        square is mu^2 + k s^2; k (mu^2 + s^2) has (k - 1) mu^2 more.  The product of two
        shards' gradients is mu^2 and noise with the mean 0: it may be negative, because v
        averages it over many rounds.
        """
        taken = [s.gradients for s in found if s.gradients is not None]
        if len(taken) < 2:
            return
        before = self.state.scalars.get()["beta2_power"]
        new = 1 - counters["beta2_power"] / before  # part of v that this round made
        steps, squares = counters["step"] - self.state.step, [p**2 for p in shares]
        groups = list(zip(*taken, strict=False))  # shards may have fewer steps
        lengths = [min(2**k, steps + 1 - 2**k) for k in range(len(groups))]
        total = np.zeros(self.network._plan.size)
        for gradients, length in zip(groups, lengths, strict=True):
            common = np.square(mean(gradients, shares))
            common -= mean([np.square(g, dtype=np.float64) for g in gradients], squares)
            total += length / sum(lengths) * common
        total *= new * (len(self.task.sizes) - 1) / (1 - sum(squares))
        v = self.state.v
        assert v is not None
        v += np.maximum(total, -v / 2)

    def report(self, logs: dict[str, Any]) -> None:
        """Tell the history and the callbacks of a round; they may save it."""
        round_ = self.done
        self.history.append(logs)
        self.history.samples += int(self.task.epochs_per_round * self.options.data.n)
        self.state.progress.set(self.done, 0, 0.0, 0.0)
        if self.listeners.epoch_end(round_, logs):
            self.history.stopped_early = True
        states = [(type(c).__name__, state) for c, state in self.listeners.states()]
        self.reported = Reported(self.done, self.history.stopped_early, states)
        self.listeners.checkpoint(self)

    def interrupt(self) -> None:
        """Let callbacks save the last round: no other follows."""
        self.interrupted = True
        if self.done:
            self.listeners.checkpoint(self)

    # ---- what a Checkpoint asks ------------------------------------------------------

    @cached_property
    def options(self) -> Any:
        """What has to be the same when another call resumes this one."""
        task = self.task
        arguments = {
            "shards": [list(size) for size in task.sizes],
            "batch_size": task.batch_size,
            "epochs_per_round": task.epochs_per_round,
            "optimizer": repr(task.optimizer),
        }
        n = sum(size.rows for size in task.sizes)
        data = SimpleNamespace(n=n)
        return SimpleNamespace(arguments=arguments, data=data, batch_size=1, cut=None)

    epochs = done

    @property
    def ends(self) -> bool:
        """True if no round follows."""
        return self.interrupted or self.finished

    def save(self, path: StrPath) -> None:
        """Write all that a call with ``resume_from`` needs, atomically."""
        run: Any = self
        checkpoint.save(run, path)

    def resume(self, path: StrPath) -> None:
        """Continue from a file."""
        self.course = SimpleNamespace(count=1, rows=lambda at: self.options.data.n)
        run: Any = self
        checkpoint.Saved(path, self.network, self.options).restore(run)
        self.reported = Reported(self.done, self.history.stopped_early, [])

    @property
    def progress(self) -> binding.Progress:
        """In rounds."""
        return self.state.progress
