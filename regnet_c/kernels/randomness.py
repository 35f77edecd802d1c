"""Random numbers, masks and permutations, functions of their arguments alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._core import binding, checks
from .arguments import as_count, as_word

if TYPE_CHECKING:
    from ..typing import DTypeName, FloatArray, IntArray


def _random(
    normal: bool, n: int, seed: int, stream: int, first: int, dtype: DTypeName
) -> FloatArray:
    seed, stream = as_word(seed, "seed"), as_word(stream, "stream", 32)
    first = as_word(first, "first")
    u = np.empty(as_count(n, "n"), checks.check_dtype(dtype))
    binding.random_fill(u, normal, seed, stream, first)
    return u


def random_uniform(
    n: int, seed: int, stream: int = 0, first: int = 0, dtype: DTypeName = "float32"
) -> FloatArray:
    """Uniform numbers in [0, 1): element e depends on (seed, stream, first + e) alone.

    Parameters
    ----------
    n, seed : int
    stream : int, default 0
    first : int, default 0
    dtype : {"float32", "float64"}, default "float32"

    Returns
    -------
    ndarray of shape (n,)

    Examples
    --------
    >>> import numpy as np
    >>> from regnet_c import kernels
    >>> u = kernels.random_uniform(5, seed=1)
    >>> np.array_equal(u[2:], kernels.random_uniform(3, seed=1, first=2))
    True
    """
    return _random(False, n, seed, stream, first, dtype)


def random_normal(
    n: int, seed: int, stream: int = 0, first: int = 0, dtype: DTypeName = "float32"
) -> FloatArray:
    """Standard normal numbers: element e depends on (seed, stream, first + e) alone.

    Parameters
    ----------
    n, seed : int
    stream : int, default 0
    first : int, default 0
    dtype : {"float32", "float64"}, default "float32"

    Returns
    -------
    ndarray of shape (n,)

    Examples
    --------
    >>> from regnet_c import kernels
    >>> z = kernels.random_normal(10_000, seed=1)
    >>> round(abs(float(z.mean())), 1), round(float(z.std()), 1)
    (0.0, 1.0)
    """
    return _random(True, n, seed, stream, first, dtype)


def dropout_mask(
    n_rows: int,
    n_units: int,
    rate: float,
    seed: int,
    step: int,
    layer: int,
    dtype: DTypeName = "float32",
) -> FloatArray:
    """The mask of one training step.

    A pure function of its arguments (Philox4x32-10, Salmon et al. 2011), so that
    forward and backward, and every thread, see the same mask.

    Parameters
    ----------
    n_rows, n_units : int
    rate : float in [0, 1)
    seed, step, layer : int
    dtype : {"float32", "float64"}, default "float32"

    Returns
    -------
    ndarray of shape (n_rows, n_units)
        0 or 1/(1 - rate).

    Examples
    --------
    >>> import numpy as np
    >>> from regnet_c import kernels
    >>> mask = kernels.dropout_mask(100, 50, rate=0.75, seed=0, step=0, layer=0)
    >>> np.unique(mask)
    array([0., 4.], dtype=float32)
    """
    seed, step = as_word(seed, "seed"), as_word(step, "step")
    layer = as_word(layer, "layer", 32)
    shape = as_count(n_units, "n_units"), as_count(n_rows, "n_rows")
    mask = np.ones(shape, checks.check_dtype(dtype))
    binding.dropout_apply(mask, 1 - checks.check_rate(rate), seed, step, layer, 0)
    return np.ascontiguousarray(mask.T)


def permutation(n: int, seed: int, epoch: int) -> IntArray:
    """The order in which epoch `epoch` visits n rows.

    Parameters
    ----------
    n, seed, epoch : int

    Returns
    -------
    ndarray of int64, shape (n,)

    Examples
    --------
    >>> from regnet_c import kernels
    >>> sorted(kernels.permutation(5, seed=0, epoch=3).tolist())
    [0, 1, 2, 3, 4]
    """
    seed, epoch = as_word(seed, "seed"), as_word(epoch, "epoch")
    order = np.empty(as_count(n, "n"), np.int64)
    binding.permutation(order, seed, epoch)
    return order
