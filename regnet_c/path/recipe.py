"""How the networks of a regularization path look and are trained."""

import copy
from dataclasses import dataclass

import numpy as np

from .._core import checks
from .._core.data import checked_data
from ..lassonet import LassoNet
from ..layers import Dense
from ..losses import Loss, get_loss
from ..network import Network
from ..optimizers import Adam, get_optimizer
from ..penalties import L1, L2, GroupLasso
from ..schedules import CosineDecay, Schedule

PENALTIES = ("group_inputs", "l1", "lassonet")


@dataclass(frozen=True)
class Recipe:
    """How the networks of a path look and are trained; see `regularization_path`."""

    penalty: str
    hidden: tuple
    activation: str
    loss: Loss
    n_in: int
    n_out: int
    hierarchy: float
    l2: float
    epochs: tuple
    patience: tuple
    optimizer: object
    batch_size: int
    dtype: str
    seed: int
    threads: int | None
    relax: bool
    adaptive: float

    def layers(self, n_in, first_penalty=None, l2=0.0):
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

    def network(self, strength):
        """The network of one step."""
        common = {"loss": self.loss, "dtype": self.dtype, "seed": self.seed}
        if self.penalty == "lassonet":
            layers = self.layers(self.n_in, l2=self.l2)
            return LassoNet(layers, strength, self.hierarchy, **common)
        kind = L1 if self.penalty == "l1" else _group_inputs
        return Network(self.layers(self.n_in, kind(strength), self.l2), **common)

    def fit(
        self, network, X, y, callbacks, epochs, validation_data=None, optimizer=None
    ):
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
        )

    def decaying_optimizer(self, epochs):
        """The optimiser, its rate falling to zero within so many epochs."""
        optimizer = copy.copy(self.optimizer)
        if not isinstance(optimizer.learning_rate, Schedule):
            optimizer.learning_rate = CosineDecay(optimizer.learning_rate, epochs)
        return optimizer


def _group_inputs(strength):
    return GroupLasso(strength, "inputs")


def make_recipe(
    X,
    y,
    penalty,
    *,
    hidden=(100,),
    activation="relu",
    loss=None,
    hierarchy=10.0,
    l2=1e-3,
    epochs=(100, 10),
    patience=(5, 3),
    optimizer=None,
    batch_size=128,
    dtype="float32",
    seed=0,
    threads=None,
    relax=True,
    adaptive=0.5,
):
    """The Recipe for these data; the options of `regularization_path`, checked."""
    if loss is None:
        labels = np.ndim(y) == 1 and np.asarray(y).dtype.kind in "iub"
        loss = "softmax_cross_entropy" if labels else "squared_error"
    loss = get_loss(loss)
    if isinstance(hidden, int) or not len(hidden):
        raise ValueError(f"hidden is {hidden!r}, expected sizes such as (100,)")
    return Recipe(
        penalty=checks.check_name(penalty, PENALTIES, "penalty"),
        hidden=tuple(checks.check_int(n, "hidden", minimum=1) for n in hidden),
        activation=activation,
        loss=loss,
        n_in=checks.check_x(X, np.shape(X)[-1] if np.ndim(X) else 0).shape[1],
        n_out=_outputs(y, loss),
        hierarchy=hierarchy,
        l2=checks.check_float(l2, "l2", minimum=0),
        epochs=_pair(epochs, "epochs"),
        patience=_pair(patience, "patience"),
        optimizer=Adam() if optimizer is None else get_optimizer(optimizer),
        batch_size=batch_size,
        dtype=dtype,
        seed=seed,
        threads=checks.check_threads(threads),
        relax=checks.check_bool(relax, "relax"),
        adaptive=checks.check_float(adaptive, "adaptive", minimum=0, maximum=1),
    )


def check_data(X, y, recipe, name="X"):
    """X and y as arrays that the recipe's networks take."""
    X = checks.check_x(X, recipe.n_in, name)
    checked_data(recipe.network(0.0)._plan, X, y, None)
    return X, np.asarray(y)


def _pair(value, name):
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise TypeError(f"{name} is {value!r}, expected a pair such as (100, 10)")
    return tuple(checks.check_int(v, name, minimum=1) for v in value)


def _outputs(y, loss):
    y = np.asarray(y)
    if y.ndim == 2:
        return y.shape[1]
    if loss.name != "softmax_cross_entropy":
        return 1
    if y.dtype.kind not in "iubf" or not y.size:
        raise TypeError(f"y is {y.size} values of {y.dtype}, expected integer labels")
    return int(y.max()) + 1
