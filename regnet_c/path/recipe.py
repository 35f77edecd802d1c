"""How the networks of a regularization path look and are trained."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .._core import checks
from ..lassonet import LassoNet
from ..layers import Dense
from ..network import Network
from ..optimizers import Adam, get_optimizer
from ..penalties import L1, L2, GroupLasso
from ..schedules import CosineDecay, Schedule

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from .._core.units import Units
    from ..history import History
    from ..losses import Loss
    from ..optimizers import Optimizer
    from ..penalties import Penalty
    from ..typing import (
        ActivationName,
        AnyArray,
        AnyCallback,
        DType,
        DTypeName,
        InputGroups,
        OptimizerName,
        PathPenalty,
    )
    from .folds import Pair
    from .problem import Problem
    from .sources import Sources

PENALTIES: tuple[PathPenalty, ...] = ("group_inputs", "l1", "lassonet")
# of the dense fit and of each step: epochs, and the steps that they have at least
EPOCHS, EPOCH_STEPS = (100, 10), (2000, 100)
PATIENCE, PATIENCE_STEPS = (5, 3), (100, 30)


@dataclass(frozen=True)
class Recipe:
    """How the networks of a path look and are trained; see `regularization_path`."""

    penalty: PathPenalty
    hidden: tuple[int, ...]
    activation: ActivationName
    loss: Loss  # on the scale of the path
    floor: float  # its least value
    units: Units
    n_in: int
    n_out: int
    hierarchy: float
    l2: float
    epochs: tuple[int, int]
    patience: tuple[int, int]
    optimizer: Optimizer
    batch_size: int
    dtype: DType
    seed: int
    threads: int | None
    relax: bool
    adaptive: float
    sources: Sources | None = None  # of a table: the inputs of its columns

    @property
    def n_columns(self) -> int:
        """Columns of X: what is chosen."""
        return self.n_in if self.sources is None else len(self.sources)

    @property
    def groups(self) -> InputGroups:
        """Groups of inputs that stay or leave together."""
        return "inputs" if self.sources is None else self.sources.groups

    def of_inputs(self, inputs: NDArray[np.intp]) -> Recipe:
        """The recipe for networks that have only these inputs."""
        sources = None if self.sources is None else self.sources.only(inputs)
        return replace(self, n_in=len(inputs), sources=sources)

    def layers(
        self, n_in: int, first_penalty: Penalty | None = None, l2: float = 0.0
    ) -> list[Dense]:
        """Dense layers from n_in inputs; every layer but the first has this l2."""
        sizes = [n_in, *self.hidden, self.n_out]
        rest = L2(l2) if l2 else None
        return [
            Dense(
                sizes[i],
                sizes[i + 1],
                activation=self.activation if i < len(self.hidden) else "identity",
                weight_penalty=rest if i else first_penalty,
            )
            for i in range(len(sizes) - 1)
        ]

    def network(self, strength: float) -> Network:
        """The network of one step."""
        common: dict[str, Any] = {
            "loss": self.loss,
            "dtype": self.dtype,
            "seed": self.seed,
        }
        if self.penalty == "lassonet":
            layers = self.layers(self.n_in, l2=self.l2)
            options = common | {"groups": self.groups}
            return LassoNet(layers, strength, self.hierarchy, **options)
        penalty: Penalty
        if self.penalty == "l1":
            penalty = L1(strength)
        else:
            penalty = GroupLasso(strength, self.groups)
        return Network(self.layers(self.n_in, penalty, self.l2), **common)

    def fit(
        self,
        network: Network,
        X: AnyArray,
        y: AnyArray,
        callbacks: Sequence[AnyCallback],
        epochs: int,
        validation_data: Pair | None = None,
        optimizer: Optimizer | None = None,
        progress: bool = False,
    ) -> History:
        """Train with a fresh optimiser state."""
        return network.fit(
            X,
            y,
            epochs=epochs,
            batch_size=self.batch_size,
            optimizer=self.optimizer if optimizer is None else optimizer,
            validation_data=validation_data,
            callbacks=callbacks,
            threads=self.threads,
            progress=progress,
        )

    def decaying_optimizer(self, epochs: float) -> Optimizer:
        """The optimiser, its rate falling to zero within these epochs."""
        optimizer = copy.copy(self.optimizer)
        if not isinstance(optimizer.learning_rate, Schedule):
            optimizer.learning_rate = CosineDecay(optimizer.learning_rate, epochs)
        return optimizer


def make_recipe(
    problem: Problem,
    n: int,
    penalty: PathPenalty,
    *,
    hidden: Sequence[int] = (100,),
    activation: ActivationName = "relu",
    hierarchy: float = 10.0,
    l2: float = 1e-3,
    epochs: tuple[int, int] | None = None,
    patience: tuple[int, int] | None = None,
    optimizer: Optimizer | OptimizerName | None = None,
    batch_size: int = 128,
    dtype: DTypeName = "float32",
    seed: int = 0,
    threads: int | None = None,
    relax: bool = True,
    adaptive: float = 0.5,
) -> Recipe:
    """The Recipe for a `Problem` of n rows; the options of `regularization_path`."""
    if isinstance(hidden, (int, str)) or not len(hidden):
        raise ValueError(f"hidden is {hidden!r}, expected sizes such as (100,)")
    batch_size = checks.check_int(batch_size, "batch_size", minimum=1)
    steps = -(-n // batch_size)
    return Recipe(
        penalty=checks.check_name(penalty, PENALTIES, "penalty"),
        hidden=tuple(checks.check_int(n, "hidden", minimum=1) for n in hidden),
        activation=activation,
        loss=problem.scaled_loss,
        floor=problem.floor,
        units=problem.units,
        n_in=problem.n_inputs,
        sources=problem.sources,
        n_out=problem.n_out,
        hierarchy=hierarchy,
        l2=checks.check_float(l2, "l2", minimum=0),
        epochs=_pair(epochs, "epochs", EPOCHS, EPOCH_STEPS, steps),
        patience=_pair(patience, "patience", PATIENCE, PATIENCE_STEPS, steps),
        optimizer=Adam() if optimizer is None else get_optimizer(optimizer),
        batch_size=batch_size,
        dtype=checks.check_dtype(dtype),
        seed=seed,
        threads=checks.check_threads(threads),
        relax=checks.check_bool(relax, "relax"),
        adaptive=checks.check_float(adaptive, "adaptive", minimum=0, maximum=1),
    )


def _pair(
    value: object,
    name: str,
    least: tuple[int, int],
    least_steps: tuple[int, int],
    steps: int,
) -> tuple[int, int]:
    """The checked pair; by default these epochs, more where they have few steps."""
    if value is None:
        pairs = zip(least, least_steps, strict=True)
        first, other = (max(a, -(-b // steps)) for a, b in pairs)
        return first, other
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise TypeError(f"{name} is {value!r}, expected a pair such as (100, 10)")
    first, other = (checks.check_int(v, name, minimum=1) for v in value)
    return first, other
