"""What the members of a network predict together: the mean of what each predicts.

Of probabilities and of Poisson means it is taken as they are, not of their logarithms.
A loss needs the raw outputs that belong to this mean.  They are found by logarithms of
sums, so that a probability too small for the dtype still has its loss, by the core's
functions and in one order, so that they have the same bits everywhere.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .portable import activation, by_core

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..network import Network
    from ..typing import FloatArray, OutputName


def refuse_members(network: Network, what: str) -> None:
    """TypeError where only a plain network has a meaning."""
    if network.members > 1:
        raise TypeError(
            f"{what} takes a network without members, this one has {network.members}: "
            "network.member(0) is the first of them as a network of its own"
        )


def mean_of(arrays: Iterable[FloatArray], count: int) -> FloatArray:
    """The mean of `count` arrays, of which the first one is overwritten."""
    arrays = iter(arrays)
    total = next(arrays)
    for array in arrays:
        total += array
    total /= total.dtype.type(count)
    return total


def raw_mean(
    output: OutputName, arrays: Iterable[FloatArray], count: int
) -> FloatArray:
    """The raw outputs whose prediction is the mean of the members'.

    Parameters
    ----------
    output : str
        What the loss contains: identity, softmax, sigmoid or exp.
    arrays : iterable of ndarray (n, n_out)
        The raw outputs of each of `count` members.
    """
    if output == "softmax":
        return _log_mean(map(_log_softmax, arrays), count)
    if output == "exp":
        return _log_mean(arrays, count)
    if output == "sigmoid":  # the log odds
        pairs = (np.stack([-_softplus(-z), -_softplus(z)]) for z in arrays)
        both = _log_mean(pairs, count)
        odds: FloatArray = both[0] - both[1]
        return odds
    return mean_of(arrays, count)


def _softplus(z: FloatArray) -> FloatArray:
    return activation("softplus", z)


def _log_softmax(z: FloatArray) -> FloatArray:
    """z - log sum exp(z), row by row."""
    with np.errstate(invalid="ignore"):  # of outputs that are infinite
        z = z - z.max(axis=1, keepdims=True)
    e, total = by_core("exp", z.copy()), np.zeros(len(z), z.dtype)
    for column in e.T:  # NumPy's own sum has another order on other machines
        total += column
    z -= by_core("log", total)[:, None]
    return z


def _log_mean(logs: Iterable[FloatArray], count: int) -> FloatArray:
    """log of the mean of exp(x), element by element."""
    logs = iter(logs)
    total = next(logs)
    for x in logs:
        with np.errstate(invalid="ignore"):
            low, high = np.minimum(total, x), np.maximum(total, x)
            total = high + by_core("log1p", by_core("exp", low - high))
    total -= total.dtype.type(math.log(count))
    return total
