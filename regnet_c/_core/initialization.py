"""Starting weights, drawn from the core's counter-based random numbers.

The same seed gives the same weights on every machine and with every NumPy.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from . import binding, checks

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..typing import FloatArray, InitializerName, WeightInit

_SIGNS = 1 << 17  # their random numbers, beyond those of all layers

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
