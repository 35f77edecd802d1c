"""Functions, activations and losses."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from .._core import binding, checks
from ..activations import HIDDEN, check_param, code
from ..losses import get_loss
from .arguments import as_floats, expect_shape

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike

    from ..typing import ActivationName, FloatArray, LossName

    Elementwise: TypeAlias = Callable[[ArrayLike], FloatArray]


def _elementwise(name: str, of_1_and_2: str) -> Elementwise:
    code = binding.FUNCTIONS[name]

    def function(x: ArrayLike) -> FloatArray:
        x = as_floats(x, "x")
        y = np.empty_like(x)
        binding.elementwise(code, y.reshape(-1), x.reshape(-1))
        return y

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""{name}(x), element by element; the same bits on every CPU.

    Parameters
    ----------
    x : array-like
        float32 is kept, everything else becomes float64.

    Returns
    -------
    ndarray like x

    Examples
    --------
    >>> from regnet_c import kernels
    >>> kernels.{name}([1.0, 2.0])
    array([{of_1_and_2}])
    """
    return function


exp: Elementwise = _elementwise("exp", "2.71828183, 7.3890561 ")
expm1: Elementwise = _elementwise("expm1", "1.71828183, 6.3890561 ")
log: Elementwise = _elementwise("log", "0.        , 0.69314718")
log1p: Elementwise = _elementwise("log1p", "0.69314718, 1.09861229")
tanh: Elementwise = _elementwise("tanh", "0.76159416, 0.96402758")
atan: Elementwise = _elementwise("atan", "0.78539816, 1.10714872")
erf: Elementwise = _elementwise("erf", "0.84270079, 0.99532227")


def activation_forward(
    name: ActivationName, z: ArrayLike, param: float | None = None
) -> tuple[FloatArray, FloatArray]:
    """f(z) and its slope f'(z) for one of the activations except softmax.

    Parameters
    ----------
    name : str
    z : array-like
    param : float, optional
        Slope of leaky_relu (default 0.01), alpha of elu (default 1), as in `Dense`;
        ignored by the others.

    Returns
    -------
    a, slope : ndarray like z

    Examples
    --------
    >>> from regnet_c import kernels
    >>> a, slope = kernels.activation_forward("relu", [-1.0, 0.0, 2.0])
    >>> a, slope
    (array([0., 0., 2.]), array([0., 0., 1.]))
    """
    name = checks.check_name(name, HIDDEN, "activation")
    z = as_floats(z, "z")
    if param is None:
        param = check_param(name, None) or 0.0
    param = checks.check_float(param, "param")
    a, slope = np.empty_like(z), np.empty_like(z)
    binding.activation_forward(
        code(name),
        a.reshape(-1),
        slope.reshape(-1),
        z.reshape(-1),
        param,
    )
    return a, slope


def softmax_forward(z: ArrayLike) -> FloatArray:
    """Softmax of every row.

    Parameters
    ----------
    z : array-like of shape (n, n_out)

    Returns
    -------
    ndarray of shape (n, n_out)

    Examples
    --------
    >>> import numpy as np
    >>> from regnet_c import kernels
    >>> kernels.softmax_forward(np.zeros((1, 4)))
    array([[0.25, 0.25, 0.25, 0.25]])
    """
    zt = np.ascontiguousarray(as_floats(z, "z", 2).T)
    a = np.empty_like(zt)
    binding.softmax_forward(a, zt)
    return np.ascontiguousarray(a.T)


def softmax_backward(da: ArrayLike, a: ArrayLike) -> FloatArray:
    """Derivative with respect to z of ``a = softmax(z)``, given da.

    Parameters
    ----------
    da, a : array-like of shape (n, n_out)

    Returns
    -------
    ndarray of shape (n, n_out)

    Examples
    --------
    >>> from regnet_c import kernels
    >>> kernels.softmax_backward([[1.0, 0.0]], [[0.5, 0.5]])
    array([[ 0.25, -0.25]])
    """
    a = as_floats(a, "a", 2)
    da = as_floats(da, "da", 2, a.dtype)
    expect_shape(da, "da", a.shape, "a")
    dz = np.empty(a.shape[::-1], a.dtype)
    binding.softmax_backward(dz, np.ascontiguousarray(da.T), np.ascontiguousarray(a.T))
    return np.ascontiguousarray(dz.T)


def loss_rows(
    name: LossName,
    z: ArrayLike,
    y: ArrayLike,
    scale: ArrayLike | None = None,
    param: float | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Loss of every row and its derivative.

    Parameters
    ----------
    name : str
        See `Loss`; logits for the cross-entropies, the log mean for poisson.
    z : array-like of shape (n, n_out)
    y : array-like of shape (n, n_out), or (n,) integer labels for the softmax loss
    scale : array-like of shape (n,), optional
        Multiplies the derivative of each row, not its loss.
    param : float, optional
        delta of huber, q of quantile, the label smoothing of the cross-entropies (ignored
        by others); default: the loss's own.

    Returns
    -------
    row_loss : ndarray of shape (n,)
    dz : ndarray of shape (n, n_out)

    Examples
    --------
    >>> from regnet_c import kernels
    >>> kernels.loss_rows("squared_error", [[3.0], [1.0]], [[1.0], [1.0]])
    (array([2., 0.]), array([[2.],
           [0.]]))
    """
    loss = get_loss(name)
    if param is not None:
        param = checks.check_float(param, "param")
        if loss.classification:
            loss = loss.replace(label_smoothing=param)
        elif loss.param:
            loss = loss.replace(param=param)
    z = as_floats(z, "z", 2)
    zt = np.ascontiguousarray(z.T)
    labels = targets = None
    y = checks.as_array(y, "y")
    if y.ndim == 1 and loss.takes_labels:
        expect_shape(y, "y", (len(z),), "z")
        labels = checks.check_labels(y, z.shape[1]) if y.size else np.empty(0, np.int64)
    else:
        y = as_floats(y, "y", 2, z.dtype)
        expect_shape(y, "y", z.shape, "z")
        targets = np.ascontiguousarray(y.T)
    if scale is not None:
        scale = as_floats(scale, "scale", 1, z.dtype)
        expect_shape(scale, "scale", (len(z),), "z")
    row_loss, dz = np.empty(len(z), z.dtype), np.empty_like(zt)
    param = loss.training_param
    binding.loss_rows(loss.code, row_loss, dz, zt, targets, labels, scale, param)
    return row_loss, np.ascontiguousarray(dz.T)
