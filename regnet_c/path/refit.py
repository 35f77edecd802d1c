"""A dense network on chosen columns, trained until it has converged."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from .._core.csr import take_columns
from ..callbacks import EarlyStopping
from ..history import History
from ..network import Network
from ..penalties import L2

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from .folds import Pair
    from .problem import Problem
    from .recipe import Recipe

_FIRST = 2000  # steps of the first cycle, and
_FIRST_EPOCHS = 50  # the least number of epochs
_CYCLES = 6  # each twice as long as the one before
_PROGRESS = 0.005  # of a constant's loss, by which a cycle must beat the one before


def refit(
    problem: Problem,
    recipe: Recipe,
    columns: NDArray[np.intp],
    data: Pair,
    validation: Pair | None,
    epochs: int | None,
    patience: int,
    progress: bool,
) -> Network:
    """A Network in the user's units for some columns of the path's data.

    Parameters
    ----------
    problem : Problem
    recipe : Recipe
    columns : ndarray of int
    data, validation : (X, y)
        As the path's networks see them, all columns; validation may be None.
    epochs : int or None
        None: until the loss has converged.
    patience : int
        Epochs without a better validation loss.
    progress : bool
    """
    layers = recipe.layers(len(columns), L2(recipe.l2), recipe.l2)
    network = Network(layers, recipe.loss, recipe.dtype, recipe.seed)
    data = take_columns(data[0], columns), data[1]
    if validation is not None:
        validation = take_columns(validation[0], columns), validation[1]

    def cycle(epochs: int) -> tuple[float, History]:
        """Train this long, the rate falling to zero; the quantity to minimise."""
        callbacks = [] if validation is None else [EarlyStopping(patience=patience)]
        optimizer = recipe.decaying_optimizer(epochs)
        history = recipe.fit(
            network, *data, callbacks, epochs, validation, optimizer, progress
        )
        if callbacks:
            return callbacks[0].best, history
        return history["loss"][-1] + history["penalty"][-1], history

    try:
        history = (
            cycle(epochs)[1] if epochs else _converge(network, recipe, data, cycle)
        )
    except KeyboardInterrupt as error:
        partial = problem.network(recipe, network.get_weights(), columns)
        partial.history = network.history
        error.partial = partial  # type: ignore[attr-defined]  # what callers find there
        raise
    final = problem.network(recipe, network.get_weights(), columns)
    final.history = history
    return final


def _converge(
    network: Network,
    recipe: Recipe,
    data: Pair,
    cycle: Callable[[int], tuple[float, History]],
) -> History:
    """Cycles of doubling length until one of them changes little; their History.

    Only losses at the end of a cycle, where the rate is 0, are compared: there the noise
    of the mini-batches is gone.  Cosines of doubling length: Loshchilov and Hutter 2017.
    """
    steps = -(-len(data[1]) // recipe.batch_size)
    epochs = max(_FIRST_EPOCHS, -(-_FIRST // steps))
    history, best, weights = History(), np.inf, network.get_weights()
    constant = _constant_loss(network, recipe, data)
    for number in range(_CYCLES):
        loss, part = cycle(epochs << number)
        history.extend(part)
        fell = best - (loss - recipe.floor)
        if fell > 0:
            best, weights = loss - recipe.floor, network.get_weights()
        if number and fell <= _PROGRESS * constant:
            break
    else:
        warnings.warn(
            f"the loss of the re-fit has not converged: the last {epochs << number} "
            f"epochs lowered it by {fell / constant:.1%} of a constant prediction's; "
            "pass epochs= to train longer",
            UserWarning,
            stacklevel=4,
        )
    network.set_weights(weights)
    return history


def _constant_loss(network: Network, recipe: Recipe, data: Pair) -> float:
    """Loss above the least possible of a network that sees no inputs."""
    weights = network.get_weights()
    network.set_weights([np.zeros_like(w) for w in weights])
    loss = network.evaluate(*data)["loss"] - recipe.floor
    network.set_weights(weights)
    return loss
