"""Losses: each name is one stated convention; the arithmetic is the core's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ._core import binding, checks
from ._core.data import rows_of_targets
from ._core.fixed import Fixed
from ._core.slices import slices

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike

    from ._core.data import Data
    from .typing import (
        AnyArray,
        Config,
        Float64Array,
        FloatArray,
        LossName,
        OutputName,
        Scores,
    )

_SCORED = 1 << 18  # outputs compared with their targets in the first slice
_SUMMED = 1 << 20  # targets summed in the first slice


@dataclass(frozen=True)
class LossTraits:
    """What the library needs to know about a loss besides its arithmetic.

    Attributes
    ----------
    formula : str
        Of one row; z are the outputs, y the targets.
    output : str
        What `predict` makes of the outputs, a key of `regnet_c.activations.OUTPUTS`.
    is_fused : bool
        Whether the loss contains that function: then the last layer's own activation is
        left out.
    classification : bool
    takes_labels : bool
        Whether y may be integer labels (n,).
    targets : tuple of float
        Lowest and highest target.
    sums_to_one : bool
        Whether every row of y is a distribution.
    power : int
        p of l(a + s z, a + s y) = s^p l(z, y); of l(z + log s, s y) = s^p l(z, y) + a
        constant where `output` is exp; 0: the targets have no unit.
    is_robust : bool
        Whether few far targets may not set centre and spread of the others.
    parameter : tuple, optional
        (name, default, upper limit or None) of a number above 0.
    parameter_has_unit : bool
        Whether it is a distance between targets.
    constant : callable
        (y in float64, parameter) -> the outputs that, the same for all rows, have the
        lowest loss; close for huber.
    least : callable
        y in float64 -> the lowest loss that any outputs can have, of each row.
    """

    formula: str
    output: OutputName = "identity"
    is_fused: bool = False
    classification: bool = False
    takes_labels: bool = False
    targets: tuple[float, float] = (-np.inf, np.inf)
    sums_to_one: bool = False
    power: int = 0
    is_robust: bool = False
    parameter: tuple[str, float, float | None] | None = None
    parameter_has_unit: bool = False
    constant: Callable[[Float64Array, float], Float64Array] = lambda y, param: y.mean(
        axis=0
    )
    least: Callable[[Float64Array], Float64Array] = lambda y: np.zeros(len(y))


def _median(y: Float64Array, param: float) -> Float64Array:
    return np.quantile(y, 0.5, axis=0)


def _log_mean(y: Float64Array, param: float) -> Float64Array:
    array: Float64Array = np.log(np.maximum(y.mean(axis=0), 1e-9))
    return array


def _logit(y: Float64Array, param: float) -> Float64Array:
    mean = np.clip(y.mean(axis=0), 1e-9, 1 - 1e-9)
    array: Float64Array = np.log(mean / (1 - mean))
    return array


def _y_log_y(y: Float64Array) -> Float64Array:
    return y * np.log(np.where(y > 0, y, 1))


LOSSES: dict[LossName, LossTraits] = {
    "softmax_cross_entropy": LossTraits(
        "-log softmax(z)[label], z the outputs",
        output="softmax",
        is_fused=True,
        classification=True,
        takes_labels=True,
        targets=(0, 1),
        sums_to_one=True,
        constant=_log_mean,
        least=lambda y: -_y_log_y(y).sum(axis=1),
    ),
    "binary_cross_entropy": LossTraits(
        "sum over outputs of log(1 + exp(z)) - y z",
        output="sigmoid",
        is_fused=True,
        classification=True,
        targets=(0, 1),
        constant=_logit,
        least=lambda y: -(_y_log_y(y) + _y_log_y(1 - y)).sum(axis=1),
    ),
    "squared_error": LossTraits("half the sum over outputs of (z - y)^2", power=2),
    "mse": LossTraits("mean over outputs of (z - y)^2", power=2),
    "absolute_error": LossTraits(
        "sum over outputs of |z - y|", power=1, is_robust=True, constant=_median
    ),
    "mae": LossTraits(
        "mean over outputs of |z - y|", power=1, is_robust=True, constant=_median
    ),
    "huber": LossTraits(
        "sum over outputs of r^2/2 up to |r| = delta, delta (|r| - delta/2) beyond",
        power=2,
        is_robust=True,
        parameter=("delta", 1.0, None),
        parameter_has_unit=True,
        constant=_median,
    ),
    "quantile": LossTraits(
        "sum over outputs of max(q r, (q - 1) r), r = y - z",
        power=1,
        is_robust=True,
        parameter=("q", 0.5, 1.0),
        constant=lambda y, param: np.quantile(y, param, axis=0),
    ),
    "poisson": LossTraits(
        "sum over outputs of exp(z) - y z; predict gives the mean exp(z)",
        output="exp",
        targets=(0, np.inf),
        power=1,
        constant=_log_mean,
        least=lambda y: (y - _y_log_y(y)).sum(axis=1),
    ),
}
NAMES: tuple[LossName, ...] = tuple(LOSSES)
_CODES = {name: code for code, name in enumerate(binding.loss_names())}
_TRANSFORMS = {  # what the core's prediction leaves to `transform`
    name: binding.FUNCTIONS[traits.output]
    for name, traits in LOSSES.items()
    if traits.output in binding.FUNCTIONS
}
FOR_NUMBERS = tuple(name for name in NAMES if not LOSSES[name].classification)


class Loss(Fixed):
    """The loss of one row; the network minimises its weighted mean over the rows.

    Explained in :doc:`/course/objective`.

    Parameters
    ----------
    name : str
        ``softmax_cross_entropy`` (integer labels or one-hot rows), ``binary_cross_entropy``
        (targets in [0, 1], one or many outputs), ``squared_error`` (with 1/2, summed over
        outputs), ``mse`` (mean over outputs), ``absolute_error``, ``mae`` likewise,
        ``huber``, ``quantile``, ``poisson``.  The derivative of ``|r|`` at 0 is 0.
    param : float, optional
        delta > 0 of huber (default 1); q in (0, 1) of quantile (default 0.5).
    label_smoothing : float in [0, 1), default 0
        Of the cross-entropies: training sees the targets ``(1 - a) y + a / K`` with K the
        number of classes, of which every output of ``binary_cross_entropy`` has two
        (Szegedy et al. 2016).  Like dropout it is part of training alone: `evaluate`,
        ``validation_data`` and `score` have the loss on the targets as they are.

    Examples
    --------
    >>> import regnet_c as rn
    >>> rn.Loss("quantile", 0.9)
    Loss('quantile', 0.9)
    >>> rn.Loss("softmax_cross_entropy", label_smoothing=0.1)
    Loss('softmax_cross_entropy', label_smoothing=0.1)
    """

    name: LossName
    param: float
    label_smoothing: float

    def __init__(
        self,
        name: LossName,
        param: float | None = None,
        label_smoothing: float = 0.0,
    ) -> None:
        self.name = checks.check_name(name, NAMES, "loss")
        self.label_smoothing = checks.check_rate(label_smoothing, "label_smoothing")
        if self.label_smoothing and not self.classification:
            raise ValueError(
                f"label_smoothing is {label_smoothing!r} and the loss {name!r}, expected "
                "a cross-entropy: only classes are smoothed"
            )
        if self.traits.parameter is None:
            if param not in (None, 0.0):
                raise ValueError(f"the loss {name!r} has no parameter, got {param!r}")
            self.param = 0.0
            return
        label, default, limit = self.traits.parameter
        value = default if param is None else param
        self.param = checks.check_float(
            value, label, minimum=0, open_minimum=True, below=limit
        )

    @property
    def traits(self) -> LossTraits:
        """What the library knows of this loss, a `LossTraits`."""
        return LOSSES[self.name]

    @property
    def code(self) -> int:
        """The core's number of this loss."""
        return _CODES[self.name]

    @property
    def classification(self) -> bool:
        """Whether the targets are classes."""
        return self.traits.classification

    @property
    def takes_labels(self) -> bool:
        """Whether y may be integer labels of shape (n,)."""
        return self.traits.takes_labels

    @property
    def output(self) -> OutputName:
        """What `predict` makes of the outputs: identity, softmax, sigmoid or exp."""
        return self.traits.output

    @property
    def is_fused(self) -> bool:
        """Whether the loss contains the function `output`."""
        return self.traits.is_fused

    @property
    def training_param(self) -> float:
        """What the core's loss takes in training: `param`, or the label smoothing."""
        return self.label_smoothing or self.param

    def smoothed(self, y: ArrayLike) -> Float64Array:
        """The targets that training sees.

        Parameters
        ----------
        y : ndarray of shape (n, n_out)

        Returns
        -------
        ndarray of float64, shape (n, n_out)

        Examples
        --------
        >>> import regnet_c as rn
        >>> loss = rn.Loss("softmax_cross_entropy", label_smoothing=0.3)
        >>> loss.smoothed([[0, 1, 0]]).round(3)
        array([[0.1, 0.8, 0.1]])
        """
        y, a = np.asarray(y, np.float64), self.label_smoothing
        classes = y.shape[1] if self.traits.sums_to_one else 2
        return (1 - a) * y + a / classes

    def best_constant(self, y: ArrayLike) -> Float64Array:
        """The outputs that, the same for all rows, have the lowest loss on these targets.

        Parameters
        ----------
        y : ndarray of shape (n, n_out)

        Returns
        -------
        ndarray of float64, shape (n_out,)
            Logits for the cross-entropies, log means for poisson; the median for huber.

        Examples
        --------
        >>> import regnet_c as rn
        >>> y = [[1.0], [2.0], [9.0]]
        >>> rn.Loss("squared_error").best_constant(y), rn.Loss("mae").best_constant(y)
        (array([4.]), array([2.]))
        """
        return self.traits.constant(np.asarray(y, np.float64), self.param)

    def least(self, y: ArrayLike, sample_weight: Float64Array | None = None) -> float:
        """The lowest weighted mean loss that any outputs can have on these targets.

        Parameters
        ----------
        y : ndarray of shape (n, n_out)
        sample_weight : ndarray of shape (n,), optional

        Returns
        -------
        float

        Examples
        --------
        >>> import regnet_c as rn
        >>> rn.Loss("squared_error").least([[1.0], [2.0]])
        0.0
        >>> round(rn.Loss("binary_cross_entropy").least([[0.5]]), 3)  # log 2
        0.693
        """
        rows = self.traits.least(np.asarray(y, np.float64))
        return float(np.average(rows, weights=sample_weight))

    def check_range(self, y: AnyArray) -> None:
        """ValueError if targets are outside what this loss allows.

        Parameters
        ----------
        y : ndarray of shape (n, n_out)
            Not empty.

        Raises
        ------
        ValueError

        Examples
        --------
        >>> import numpy as np, regnet_c as rn
        >>> try:
        ...     rn.Loss("poisson").check_range(np.array([[-1.0], [2.0]]))
        ... except ValueError as error:
        ...     print(error)
        y goes from -1.0 to 2.0, poisson expects values in [0, inf]
        """
        low, high = self.traits.targets
        if np.isinf(low) and np.isinf(high):
            return
        if y.min() < low or y.max() > high:
            raise ValueError(
                f"y goes from {y.min()} to {y.max()}, {self.name} expects values in "
                f"[{low}, {high}]"
            )
        if self.traits.sums_to_one:
            self._check_sums(y)

    def _check_sums(self, y: AnyArray) -> None:
        """ValueError for a row that is not a distribution, up to rounding."""
        rounding = np.finfo(y.dtype).eps if y.dtype.kind == "f" else 0.0
        tolerance = max(1e-4, 4 * rounding)
        for first, last in slices(len(y), max(1, _SUMMED // y.shape[1])):
            sums = y[first:last].sum(axis=1, dtype=np.float64)
            wrong = np.abs(sums - 1) > tolerance
            if wrong.any():
                row = int(np.argmax(wrong))
                labels = " (or integer labels)" if self.takes_labels else ""
                raise ValueError(
                    f"row {first + row} of y sums to {sums[row]:.6g}, {self.name} "
                    f"expects probabilities that sum to 1{labels}"
                )

    def transform(self, out: FloatArray) -> FloatArray:
        """What predict returns: exp(out) for poisson, out itself otherwise.

        Parameters
        ----------
        out : ndarray of shape (n, n_out)
            Changed in place.

        Returns
        -------
        ndarray of shape (n, n_out)

        Examples
        --------
        >>> import numpy as np, regnet_c as rn
        >>> rn.Loss("poisson").transform(np.array([[0.0], [1.0]])).round(2)
        array([[1.  ],
               [2.72]])
        """
        function = _TRANSFORMS.get(self.name)
        if function is not None:
            flat = out.reshape(-1)
            binding.elementwise(function, flat, flat)
        return out

    def score(self, z: FloatArray, data: Data) -> Scores:
        """Weighted mean loss (and accuracy) of raw outputs z against checked data.

        Parameters
        ----------
        z : ndarray of shape (n, n_out)
        data : regnet_c._core.data.Data
            Targets and weights, as `Network.fit` checks them.

        Returns
        -------
        dict
            ``loss``, and ``accuracy`` for classification.

        Examples
        --------
        >>> import numpy as np, regnet_c as rn
        >>> from regnet_c._core.data import Data
        >>> y = np.array([[1.0], [0.0]])
        >>> data = Data(np.zeros((2, 1)), y, None, None, np.dtype("float64"))
        >>> rn.Loss("squared_error").score(np.array([[3.0], [0.0]]), data)
        {'loss': 1.0}
        """
        row_loss = self.row_losses(z, data)
        weight = data.sample_weight
        with np.errstate(over="ignore", invalid="ignore"):
            loss = np.average(row_loss.astype(np.float64), weights=weight)
        logs = {"loss": float(loss)}
        if self.classification:
            right = self._right(z, data)
            logs["accuracy"] = float(np.average(right, weights=weight))
        return logs

    def row_losses(self, z: FloatArray, data: Data) -> FloatArray:
        """The loss of each row, for raw outputs z.

        Parameters
        ----------
        z : ndarray of shape (n, n_out)
        data : Data

        Returns
        -------
        ndarray of shape (n,)

        Examples
        --------
        >>> import numpy as np, regnet_c as rn
        >>> from regnet_c._core.data import Data
        >>> y = np.array([[1.0], [0.0]])
        >>> data = Data(np.zeros((2, 1)), y, None, None, np.dtype("float64"))
        >>> rn.Loss("squared_error").row_losses(np.array([[3.0], [0.0]]), data)
        array([2., 0.])
        """
        row_loss = np.empty(len(z), z.dtype)
        for first, last in slices(len(z), max(1, _SCORED // z.shape[1])):
            rows = slice(first, last)
            zt = np.ascontiguousarray(z[rows].T)
            y = labels = None
            if data.raw_y is not None:
                y = np.ascontiguousarray(data.raw_y[rows].T.astype(z.dtype, copy=False))
            elif data.labels is not None:
                labels = data.labels[rows]
            dz = np.empty_like(zt)
            binding.loss_rows(
                self.code, row_loss[rows], dz, zt, y, labels, None, self.param
            )
        return row_loss

    def row_scores(self, z: FloatArray, data: Data) -> Float64Array:
        """Per row a score, higher is better: 1 if right (classification), or -loss.

        Parameters
        ----------
        z : ndarray of shape (n, n_out)
            The network's raw outputs.
        data : Data

        Returns
        -------
        ndarray of shape (n,)

        Examples
        --------
        >>> import numpy as np, regnet_c as rn
        >>> from regnet_c._core.data import Data
        >>> y = np.array([[1.0], [0.0]])
        >>> data = Data(np.zeros((2, 1)), y, None, None, np.dtype("float64"))
        >>> rn.Loss("squared_error").row_scores(np.array([[3.0], [0.0]]), data)
        array([-2., -0.])
        """
        if self.classification:
            return self._right(z, data)
        return -self.row_losses(z, data).astype(np.float64)

    def _right(self, z: FloatArray, data: Data) -> Float64Array:
        """Per row: 1 if the most probable class is the given one (share of outputs)."""
        if not self.takes_labels:
            shares: Float64Array = ((z > 0) == (rows_of_targets(data) > 0.5)).mean(
                axis=1
            )
            return shares
        labels = data.labels
        if labels is None:
            labels = rows_of_targets(data).argmax(axis=1)
        right: Float64Array = (z.argmax(axis=1) == labels).astype(np.float64)
        return right

    def get_config(self) -> Config:
        """The loss as JSON-able data, for `loss_from_config`.

        Returns
        -------
        dict

        Examples
        --------
        >>> import regnet_c as rn
        >>> rn.Loss("quantile", 0.9).get_config()
        {'name': 'quantile', 'param': 0.9, 'label_smoothing': 0.0}
        """
        return {name: getattr(self, name) for name in self._names}

    def __repr__(self) -> str:
        shown = [repr(self.name)]
        if self.traits.parameter is not None:
            shown.append(repr(self.param))
        if self.label_smoothing:
            shown.append(f"label_smoothing={self.label_smoothing!r}")
        return f"Loss({', '.join(shown)})"


def get_loss(loss: Loss | LossName) -> Loss:
    """A Loss from a name or a Loss."""
    return loss if isinstance(loss, Loss) else Loss(loss)


def loss_from_config(config: Config) -> Loss:
    """The loss that `get_config` described."""
    traits = LOSSES.get(config["name"])
    has_parameter = traits is not None and traits.parameter is not None
    param = config["param"] if has_parameter else None
    return Loss(config["name"], param, config.get("label_smoothing", 0.0))
