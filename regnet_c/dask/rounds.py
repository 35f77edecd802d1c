"""Rounds: shards take steps on their own, their weights are averaged, penalties charged.

In a round every shard starts from the same weights with a new optimiser and takes the
steps of some epochs over its rows, by the smooth part of the objective and dropout alone.
What comes of it is a function of (weights, shard, round, seed).  Then the weights are
averaged in the order of the shards, in float64, by the weight of their rows, and L1 and
group penalties are charged once, for all steps of the round: averages of shards that
each charge them themselves are zero only where all of them are.
"""

from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._core import binding
from .._core.plan import GROUPS, L1_RULES
from ..history import History
from ..kernels.steps import first_step, rn_step, work_size
from ..layers import Dense
from ..network import Network
from ..optimizers import FTRL, SGD, Adam, AdamW, RMSprop
from ..penalties import GROUP_RULES, L2

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from ..layers import Layer
    from ..losses import Loss
    from ..optimizers import Optimizer
    from ..penalties import Penalty
    from ..typing import AnyArray, DType, Float64Array, FloatArray

_CREDIT_DECAY = 1 - 1 / 10_000  # of the ledger in a step, as in one process
# between the seeds of two shards or rounds; odd, so that all 2^64 come first
_NEXT_SEED = 0xBF58476D1CE4E5B9


class Shard(NamedTuple):
    """Checked rows, as a Network takes them; X None: there are none."""

    X: AnyArray | None
    y: AnyArray | None
    sample_weight: Float64Array | None

    @property
    def weight(self) -> float:
        """Sum of the rows' weights."""
        if self.X is None:
            return 0.0
        if self.sample_weight is None:
            return float(len(self.X))
        return float(self.sample_weight.sum())


class Steps(NamedTuple):
    """What a shard's steps of a round led to."""

    weight: float  # of its rows
    weights: list[FloatArray]
    divisors: (
        list[Float64Array] | None
    )  # what the optimiser divides the steps of each matrix by
    steps: int
    response: float  # what it made of a constant unit gradient, in sum
    loss: float


@dataclasses.dataclass(frozen=True)
class Task:
    """What is the same for all shards and rounds."""

    layers: list[Layer]
    loss: Loss
    dtype: DType
    seed: int
    optimizer: Optimizer
    batch_size: int
    epochs_per_round: int
    shards: int

    def rate(self, round_: int) -> float:
        """The learning rate of a round: schedules count its epochs."""
        rates = self.optimizer.learning_rates(round_ * self.epochs_per_round, 1, 1)
        return float(rates[0])


def smooth(layer: Layer) -> Layer:
    """The layer with the smooth part of its penalty alone."""
    penalty = getattr(layer, "weight_penalty", None)
    if penalty is None:
        return layer
    l2 = _l2(penalty)
    return layer.replace(weight_penalty=L2(l2) if l2 else None)


def take_steps(
    shard: Shard, task: Task, weights: list[FloatArray], round_: int, number: int
) -> Steps | None:
    """The steps of a shard in a round; None if it has no rows that count."""
    X, y, row_weights = shard
    if X is None or y is None or shard.weight == 0:
        return None
    stream = 1 + round_ * task.shards + number
    seed = (task.seed + stream * _NEXT_SEED) % 2**64
    network = Network([*map(smooth, task.layers)], task.loss, task.dtype, seed)
    network.set_weights(weights)
    rate = task.rate(round_)
    if rate == 0:  # the end of a schedule
        loss = network.evaluate(X, y, row_weights)["loss"]
        return Steps(shard.weight, weights, None, 0, 0.0, loss)
    optimizer = copy.copy(task.optimizer)
    optimizer.learning_rate = rate
    history = network.fit(
        X,
        y,
        epochs=task.epochs_per_round,
        batch_size=task.batch_size,
        optimizer=optimizer,
        sample_weight=row_weights,
        threads=1,
    )
    assert network._state is not None  # it was trained
    steps = network._state.step
    return Steps(
        shard.weight,
        network.get_weights(),
        _divisors(network, optimizer),
        steps,
        _response(optimizer, steps),
        float(np.mean(history["loss"])),
    )


def _divisors(network: Network, optimizer: Optimizer) -> list[Float64Array] | None:
    """What steps were divided by, for each array, in float64; None: they were not.

    FTRL's divisor has the l2 owed so far.
    """
    state = network._state
    if state is None or state.v is None:
        return None
    scale = 1.0
    if isinstance(optimizer, (Adam, AdamW)):
        scale = 1 / (1 - state.scalars.get()["beta2_power"])
    owed = 0.0
    if isinstance(optimizer, FTRL):
        rate: Any = optimizer.learning_rate  # of a round, a number
        owed = 2 * rate * state.scalars.get()["credit"]
    plan, epsilon = network._plan, optimizer.constants()["epsilon"]
    return [
        np.sqrt(v.astype(np.float64) * scale) + (epsilon + owed * _l2(penalty))
        for v, penalty in zip(plan.views(state.v), plan.penalties, strict=True)
    ]


def _l2(penalty: Penalty | None) -> float:
    return 0.0 if penalty is None else penalty.fields().get("l2", 0.0)


def _response(optimizer: Optimizer, steps: int) -> float:
    """What the steps make of a constant unit gradient before they are divided, in sum."""
    rate: Any = optimizer.learning_rate  # of a round, a number
    momentum = optimizer.constants()["momentum"]
    nesterov = getattr(optimizer, "nesterov", False)
    total = response = 0.0
    for _ in range(steps):
        response = momentum * response + rate
        total += momentum * response + rate if nesterov else response
    return total


def mean(arrays: Sequence[ArrayLike], shares: list[float]) -> Float64Array:
    """The weighted mean in float64, summed in the order in which the arrays stand."""
    total = np.zeros(np.shape(arrays[0]))
    for array, share in zip(arrays, shares, strict=True):
        total += share * np.asarray(array, np.float64)
    return total


class Rounds:
    """The weights, and what they owe, from round to round.

    Parameters
    ----------
    task : Task

    Attributes
    ----------
    network : Network
    history : History
        With an entry for each round.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self.network = Network(task.layers, task.loss, task.dtype, task.seed)
        self.history = History()
        self.network.history = self.history
        self._penalties = _charged(self.network.layers)
        self._credit = 0.0
        self._ledgers: dict[tuple[int, str], Float64Array] = {}

    @property
    def done(self) -> int:
        """Rounds finished."""
        return self.history.epochs

    def finish(self, results: Sequence[Steps | None]) -> None:
        """Average what the shards made, in their order, and charge the penalties."""
        found = [steps for steps in results if steps is not None]
        if not found:
            raise ValueError("all row weights are zero, or there are no rows")
        total = sum(steps.weight for steps in found)
        shares = [steps.weight / total for steps in found]
        weights = [
            mean(arrays, shares)
            for arrays in zip(*(steps.weights for steps in found), strict=True)
        ]
        self._charge(weights, found, shares)
        rate = self.task.rate(self.done)
        self.network.set_weights(weights)
        self.history.append(
            {
                "loss": float(mean([steps.loss for steps in found], shares)),
                "penalty": self.network.penalty(),
                "zeros": self.network.zeros(),
                "learning_rate": rate,
            }
        )

    def _charge(
        self, weights: list[Float64Array], found: list[Steps], shares: list[float]
    ) -> None:
        """L1 and group penalties for all steps of the round, on `weights` in place."""
        response = float(mean([steps.response for steps in found], shares))
        count = float(mean([steps.steps for steps in found], shares))
        decay = _CREDIT_DECAY**count
        self._credit = decay * self._credit + 1
        step = rn_step(SGD(1.0), response, first_step()) | {
            "kind": RMSprop(1.0).kind,  # thresholds are divided by the root of v
            "beta2": 1.0,  # which stays as it is
            "epsilon": 0.0,
            "credit": self._credit,
            "credit_decay": decay,
        }
        for number, fields in self._penalties.items():
            w = weights[number]
            v = np.ones(w.shape)
            divisors = [s.divisors[number] for s in found if s.divisors is not None]
            if divisors:
                v = mean(divisors, shares) ** 2
            if fields.get("l1"):
                self._charge_l1(number, fields, w, v, step)
            if fields.get("group_strength"):
                self._charge_groups(number, fields, w, v, step)

    def _ledger(self, number: int, kind: str, w: Float64Array) -> Float64Array:
        array: Float64Array = self._ledgers.setdefault(
            (number, kind), np.zeros(w.shape)
        )
        return array

    def _charge_l1(
        self,
        number: int,
        fields: dict[str, Any],
        w: Float64Array,
        v: Float64Array,
        step: dict[str, Any],
    ) -> None:
        step = step | {"l1": fields["l1"], "l1_rule": L1_RULES[fields["l1_rule"]]}
        q, nothing = self._ledger(number, "l1", w), np.zeros(w.size)
        flat = w.reshape(-1), np.zeros(w.size), v.reshape(-1), q.reshape(-1), nothing
        binding.update(*flat, step)

    def _charge_groups(
        self,
        number: int,
        fields: dict[str, Any],
        w: Float64Array,
        v: Float64Array,
        step: dict[str, Any],
    ) -> None:
        cumulative = fields["group_rule"] == "cumulative"
        q = self._ledger(number, "group", w) if cumulative else None
        work = np.empty(work_size(w.shape, None))
        code, strength = GROUPS[fields["group"]], fields["group_strength"]
        binding.prox_group(code, w, v, q, strength, step, work)


def _charged(layers: Sequence[Layer]) -> dict[int, dict[str, Any]]:
    """{number of an array: fields of its penalty} where there is more than L2."""
    found, number = {}, 0
    for layer in layers:
        if not isinstance(layer, Dense):
            continue
        fields = layer.weight_penalty.fields() if layer.weight_penalty else {}
        if fields.get("l1") and fields["l1_rule"] not in GROUP_RULES:
            raise ValueError(
                f"l1_rule is {fields['l1_rule']!r}, rounds expect one of "
                f"{', '.join(GROUP_RULES)}"
            )
        if fields.get("l1") or fields.get("group_strength"):
            found[number] = fields
        number += 1 + layer.use_bias
    return found
