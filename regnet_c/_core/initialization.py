"""Starting weights, drawn from the core's counter-based random numbers.

The same seed gives the same weights on every machine and with every NumPy; so do the same
seed and rows the biases that depend on them.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np

from . import binding, checks
from .layerwise import layer_outputs

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..typing import BiasInit, FloatArray, InitializerName, WeightInit
    from .data import Data
    from .weights import Weights

_SIGNS = 1 << 17  # their random numbers, beyond those of all layers
_KINKS = 1 << 18
_UNITS_AT_ONCE = 64  # whose products with as many rows are computed
BIAS_INITS: tuple[BiasInit, ...] = ("zeros", "kinks")

# name -> (normal?, standard deviation as a function of n_in, n_out)
INITIALIZERS: dict[InitializerName, tuple[bool, Callable[[int, int], float]]] = {
    "he_uniform": (False, lambda n_in, n_out: math.sqrt(2 / n_in)),
    "he_normal": (True, lambda n_in, n_out: math.sqrt(2 / n_in)),
    "glorot_uniform": (False, lambda n_in, n_out: math.sqrt(2 / (n_in + n_out))),
    "glorot_normal": (True, lambda n_in, n_out: math.sqrt(2 / (n_in + n_out))),
    "lecun_uniform": (False, lambda n_in, n_out: math.sqrt(1 / n_in)),
    "lecun_normal": (True, lambda n_in, n_out: math.sqrt(1 / n_in)),
}


def fill_weights(weight: FloatArray, init: WeightInit, seed: int, stream: int) -> None:
    """Fill weight (n_in, n_out) in place.

    Parameters
    ----------
    weight : ndarray
    init : str, float, array or callable
        A name of `INITIALIZERS`, the standard deviation of a normal distribution, the
        weights themselves, or a function of the shape that returns them.
    seed, stream : int
        Select the random numbers.
    """
    if callable(init):
        init = np.asarray(init(weight.shape))
    if isinstance(init, np.ndarray):
        weight[...] = checks.check_array(
            init, "weight_init", weight.shape, weight.dtype
        )
        return
    if isinstance(init, str):
        normal, formula = INITIALIZERS[init]
        deviation = formula(*weight.shape)
    else:
        normal, deviation = True, float(init)
    if deviation == 0:
        weight[...] = 0
        return
    numbers = np.empty(weight.size, weight.dtype)
    binding.random_fill(numbers, normal, seed, stream, 0)
    if not normal:  # uniform on [-1, 1) has a standard deviation of 1/sqrt(3)
        numbers *= 2
        numbers -= 1
        numbers *= weight.dtype.type(math.sqrt(3))
    numbers *= weight.dtype.type(deviation)
    weight[...] = numbers.reshape(weight.shape)


def fill_factors(factor: FloatArray, seed: int | None) -> None:
    """Fill the factors of members (members, n) in place: with ones, or with random signs
    if there is a seed."""
    factor[...] = 1
    if seed is not None:
        numbers = np.empty(factor.size, factor.dtype)
        binding.random_fill(numbers, False, seed, _SIGNS, 0)
        factor[numbers.reshape(factor.shape) < 0.5] = -1


def kinks_to_place(weights: Weights) -> list[int]:
    """The Dense layers whose biases wait for the rows of the first `fit`: still all 0."""
    return [
        number
        for number, layer in enumerate(weights.plan.dense)
        if layer.bias_init == "kinks"
        and not weights.views[_bias(weights, number)].any()
    ]


def place_kinks(weights: Weights, data: Data, seed: int) -> Weights:
    """Other weights, where each unit of these layers has z = 0 at a row of the data.

    One layer after the other: a row is what the layers before make of it, with their new
    biases and without dropout.  A unit whose z overflows keeps the bias 0.

    Parameters
    ----------
    weights : Weights
    data : Data
        Rows of weight 0 are not drawn.
    seed : int
        Of the rows, one for each unit of each member.
    """
    placed, plan = weights.copy(), weights.plan
    rows = np.arange(data.n)
    if data.sample_weight is not None:
        rows = np.flatnonzero(data.sample_weight)
    views = plan.views(placed.params)
    for number in kinks_to_place(weights):
        biases = views[_bias(weights, number)].reshape(plan.members, -1)
        for member, bias in enumerate(biases):
            u = np.empty(len(bias))
            stream = _KINKS + number + member * (len(plan.dense) + 1)
            binding.random_fill(u, False, seed, stream, 0)
            chosen = rows[(u * len(rows)).astype(np.int64)]
            x = np.asarray(data.raw_x[chosen], plan.dtype, order="C")
            z = _of_one_row_each(placed.member(member), number, x)
            bias[:] = np.where(np.isfinite(z), 0 - z, 0)
    return placed


def _bias(weights: Weights, number: int) -> int:
    """The number in `views` of a hidden layer's bias; of members factors are before it."""
    return weights.plan.matrices[number] + (1 if weights.plan.members == 1 else 3)


def _of_one_row_each(weights: Weights, number: int, x: FloatArray) -> FloatArray:
    """z without bias of the j-th unit of Dense layer `number` on the j-th row."""
    a = x
    for outputs, _ in itertools.islice(layer_outputs(weights, x), number):
        a = outputs
    w = weights.views[weights.plan.matrices[number]]
    found = np.empty(len(x), x.dtype)
    for first in range(0, len(x), _UNITS_AT_ONCE):
        units = slice(first, first + _UNITS_AT_ONCE)
        z = np.empty((len(found[units]),) * 2, x.dtype)
        binding.dense_forward(z, a[units], np.ascontiguousarray(w[:, units]), None)
        found[units] = z.diagonal()
    return found
