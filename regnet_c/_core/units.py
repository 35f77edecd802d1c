"""The scale on which paths and estimators train, and the way back to the user's units.

A penalty compares sizes of weights, an optimiser has a step size, biases start at 0: all
three depend on the unit and the offset of the data.  So X and y are standardised, and
weights, predictions and scores are returned in the units of the input.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .csr import CSR
from .portable import product

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..losses import Loss
    from ..typing import AnyArray, DType, Float64Array, FloatArray, IntArray

_FAR = 1024.0  # deviations from 0 at which float32 loses the digits of a prediction


class Units:
    """Centre and spread of each column of X and of y.

    Parameters
    ----------
    X : ndarray or CSR of shape (n, n_in)
    y : ndarray
        Labels, or targets (n, n_out).
    loss : Loss or None
        None leaves y as it is.
    standardize : bool
        Centre each column of X (not of a CSR), and divide it, and each of several
        targets, by its own deviation.  If not, X stays as it is and all targets share
        one spread.
    joint : bool, optional
        Whether all targets share one spread; overrides the above.
    sample_weight : ndarray of shape (n,), optional
        Of means and deviations.
    """

    x_mean: Float64Array
    x_scale: Float64Array
    y_mean: Float64Array
    y_scale: Float64Array

    def __init__(
        self,
        X: Any,
        y: AnyArray,
        loss: Loss | None,
        standardize: bool,
        joint: bool | None = None,
        sample_weight: Float64Array | None = None,
    ) -> None:
        n_in = X.shape[1]
        self.x_mean, self.x_scale = np.zeros(n_in), np.ones(n_in)
        if standardize:
            if type(X) is CSR:
                self.x_scale = _spreads(X)
            else:
                self.x_mean, self.x_scale = _moments(X, weight=sample_weight)
            self.x_scale[self.x_scale == 0] = np.inf  # a constant column is always 0
        traits = None if loss is None else loss.traits
        self._power = 0 if traits is None else traits.power
        self._log = traits is not None and self._power > 0 and traits.output == "exp"
        n_out = y.shape[1] if y.ndim == 2 else 1
        self.y_mean, self.y_scale = np.zeros(n_out), np.ones(n_out)
        if joint is None:
            joint = not standardize
        if self._log:
            mean = np.average(
                y.astype(np.float64), axis=0, weights=sample_weight
            ).mean()
            self.y_scale *= mean or 1.0
        elif traits is not None and self._power:
            self.y_mean, self.y_scale = _moments(y, traits.is_robust, sample_weight)
            self.y_scale[self.y_scale == 0] = 1.0
            if joint or traits.parameter_has_unit:
                self.y_scale = np.full(n_out, _joint(self.y_scale))

    @property
    def keep_x(self) -> bool:
        """Whether the networks see X as it is."""
        return not self.x_mean.any() and bool((self.x_scale == 1).all())

    @property
    def keep_y(self) -> bool:
        """Whether the networks see y as it is."""
        return not self.y_mean.any() and bool((self.y_scale == 1).all())

    def inputs(self, X: Any, dtype: DType) -> Any:
        """X as the path's networks see it, a new array of this dtype.

        A sparse X is only scaled: its mean of 0 leaves zeros where they are.
        """
        if hasattr(X, "indptr"):
            with np.errstate(over="ignore"):
                data = (X.data / self.x_scale[X.indices]).astype(dtype)
            if type(X) is CSR:
                return X.with_data(data)
            return type(X)((data, X.indices, X.indptr), X.shape)
        out = np.empty(X.shape, dtype)
        with np.errstate(over="ignore"):  # unscaled ones; the network reports where
            for j in range(X.shape[1]):  # one column at a time is widened
                out[:, j] = self._scaled(X[:, j], self.x_mean[j], self.x_scale[j])
        return out

    def targets(self, y: AnyArray) -> AnyArray:
        """y as the path's networks see it; labels as they are."""
        return self._scaled(y, self.y_mean, self.y_scale) if self._power else y

    @staticmethod
    def _scaled(
        values: AnyArray, mean: Float64Array | float, scale: Float64Array | float
    ) -> Float64Array:
        return (values.astype(np.float64) - mean) / scale

    def scaled(self, loss: Loss) -> Loss:
        """The loss of targets on the path's scale: one with a distance has a new one."""
        if not loss.traits.parameter_has_unit:
            return loss
        return loss.replace(param=loss.param / float(self.y_scale[0]))

    def scores(self, rows: Float64Array, y: AnyArray) -> Float64Array:
        """Row scores in units of y; those of several scaled targets stay as they are.

        Parameters
        ----------
        rows : ndarray of shape (n,)
            Of the path's networks: accuracies, or minus the loss.
        y : ndarray
            The targets those networks see.
        """
        scale = float(self.y_scale[0])
        if not self._power or not np.all(self.y_scale == scale):
            return rows
        if self._log:
            y = y.reshape(len(rows), -1)
            array: Float64Array = scale * (rows + math.log(scale) * y.sum(axis=1))
            return array
        return rows * scale**self._power

    @property
    def least_gain(self) -> float:
        """By how much outputs in the user's units are larger than the path's, at least."""
        return 1.0 if self._log else float(self.y_scale.min())

    def far(self, columns: slice | IntArray) -> bool:
        """True if float32 weights in the user's units would lose a prediction's digits."""
        x = np.abs(self.x_mean[columns]) / self.x_scale[columns]
        y = np.abs(self.y_mean) / self.y_scale
        return bool(max(x.max(initial=0), y.max()) > _FAR)

    def weights(
        self,
        weights: Sequence[FloatArray],
        columns: slice | IntArray,
        skip: bool = False,
    ) -> list[Float64Array]:
        """The weights with the same predictions on unscaled X, in the units of y.

        Parameters
        ----------
        weights : list of ndarray
            ``[W0, b0, ...]``, with a linear map from the inputs at the end if `skip`.
        columns : ndarray of int
            Those of X that the network reads.

        Returns
        -------
        list of ndarray of float64
        """
        w = [one.astype(np.float64) for one in weights]
        mean, scale = self.x_mean[columns], self.x_scale[columns]
        w[0] = w[0] / scale[:, None]
        w[1] = w[1] - product(mean[None], w[0])[0]
        last = -2 if skip else -1  # the output's bias
        if skip:
            w[-1] = w[-1] / scale[:, None]
            w[last] = w[last] - product(mean[None], w[-1])[0]
        if self._log:
            w[last] = w[last] + math.log(self.y_scale[0])
        elif self._power:
            w[last - 1] = w[last - 1] * self.y_scale
            w[last] = w[last] * self.y_scale + self.y_mean
            if skip:
                w[-1] = w[-1] * self.y_scale
        return w


def _moments(
    array: AnyArray, robust: bool = False, weight: Float64Array | None = None
) -> tuple[Float64Array, Float64Array]:
    """Centre and spread of each column: mean and standard deviation, or, if `robust`,
    the median and the mean absolute distance from it."""
    if weight is not None:
        array, weight = array[weight > 0], weight[weight > 0]
    centers, spreads = np.zeros(array.shape[1]), np.zeros(array.shape[1])
    for j in range(array.shape[1]):
        values = array[:, j].astype(np.float64)
        low, high = values.min(), values.max()
        if not low < high:
            centers[j] = low
            continue
        size = math.frexp(max(abs(low), abs(high)))[1]  # sums must not overflow
        values = np.ldexp(values, -size)
        center = (
            _median(values, weight) if robust else np.average(values, weights=weight)
        )
        values -= center
        spread = np.average(np.abs(values) if robust else values**2, weights=weight)
        spread = spread if robust else math.sqrt(spread)
        centers[j] = np.ldexp(center, size)
        spreads[j] = np.ldexp(spread, size)
    return centers, spreads


def _spreads(X: CSR) -> Float64Array:
    """The standard deviation of each column."""
    n, n_columns = X.shape
    entries = slice(X.indptr[0], X.indptr[-1])
    order = np.argsort(X.indices[entries], kind="stable")
    indices = X.indices[entries][order]
    values = X.data[entries][order].astype(np.float64)
    columns, begins, counts = np.unique(indices, return_index=True, return_counts=True)
    spreads = np.zeros(n_columns)
    if not len(columns):
        return spreads
    rest = n - counts  # rows where the column is 0
    low, high = (f.reduceat(values, begins) for f in (np.minimum, np.maximum))
    size = np.frexp(np.maximum(-low, high))[1]  # sums must not overflow
    values = np.ldexp(values, -np.repeat(size, counts))
    mean = np.add.reduceat(values, begins) / n
    squares = np.add.reduceat((values - np.repeat(mean, counts)) ** 2, begins)
    spread = np.ldexp(np.sqrt((squares + rest * mean**2) / n), size)
    constant = (low == high) & (rest == 0)
    spreads[columns] = np.where(constant, 0, spread)
    return spreads


def _median(values: Float64Array, weight: Float64Array | None) -> float:
    if weight is None:
        return float(np.median(values))
    order = np.argsort(values)
    total = np.cumsum(weight[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])


def _joint(spreads: Float64Array) -> float:
    """One spread for all targets."""
    largest = spreads.max()
    return float(largest) * math.sqrt(np.mean(np.square(spreads / largest)))
