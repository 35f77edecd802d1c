"""The products of a dense layer and of its derivatives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._core import binding
from .arguments import as_floats, expect_shape

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ..typing import FloatArray


def dense_forward(x: ArrayLike, w: ArrayLike, b: ArrayLike | None = None) -> FloatArray:
    """``z = x w + b``.

    Parameters
    ----------
    x : array-like of shape (n, n_in)
    w : array-like of shape (n_in, n_out)
    b : array-like of shape (n_out,), optional

    Returns
    -------
    ndarray of shape (n, n_out)

    Examples
    --------
    >>> from regnet_c import kernels
    >>> kernels.dense_forward([[1.0, 2.0]], [[1.0], [1.0]], [0.5])
    array([[3.5]])
    """
    x = as_floats(x, "x", 2)
    w = as_floats(w, "w", 2, x.dtype)
    expect_shape(w, "w", (x.shape[1], w.shape[1]), "x")
    if b is not None:
        b = as_floats(b, "b", 1, x.dtype)
        expect_shape(b, "b", (w.shape[1],), "w")
    z = np.zeros((x.shape[0], w.shape[1]), x.dtype)
    if b is not None and not x.shape[1]:
        z += b  # the binding leaves z as it is where there is nothing to sum
    binding.dense_forward(z, x, w, b)
    return z


def dense_input_gradient(dz: ArrayLike, w: ArrayLike) -> FloatArray:
    """``dx = dz w'``.

    Parameters
    ----------
    dz : array-like of shape (n, n_out)
    w : array-like of shape (n_in, n_out)

    Returns
    -------
    ndarray of shape (n, n_in)

    Examples
    --------
    >>> from regnet_c import kernels
    >>> kernels.dense_input_gradient([[2.0]], [[1.0], [3.0]])
    array([[2., 6.]])
    """
    dz = as_floats(dz, "dz", 2)
    w = as_floats(w, "w", 2, dz.dtype)
    expect_shape(w, "w", (w.shape[0], dz.shape[1]), "dz")
    dx = np.zeros((dz.shape[0], w.shape[0]), dz.dtype)
    binding.dense_input_gradient(dx, dz, w, np.empty(16 * w.shape[1], dz.dtype))
    return dx


def dense_weight_gradient(x: ArrayLike, dz: ArrayLike) -> FloatArray:
    """``dw = x' dz``, summed over the rows in order.

    Parameters
    ----------
    x : array-like of shape (n, n_in)
    dz : array-like of shape (n, n_out)

    Returns
    -------
    ndarray of shape (n_in, n_out)

    Examples
    --------
    >>> from regnet_c import kernels
    >>> kernels.dense_weight_gradient([[1.0, 2.0], [3.0, 4.0]], [[1.0], [1.0]])
    array([[4.],
           [6.]])
    """
    x = as_floats(x, "x", 2)
    dz = as_floats(dz, "dz", 2, x.dtype)
    expect_shape(dz, "dz", (len(x), dz.shape[1]), "x")
    dw = np.zeros((x.shape[1], dz.shape[1]), x.dtype)
    binding.dense_weight_gradient(dw, x, dz)
    return dw
