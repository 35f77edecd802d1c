"""RegNetRegressor: numbers as targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import RegressorMixin

from .._core import checks
from .._core.memory import says_memory_error
from ..losses import FOR_NUMBERS, get_loss
from .base import BaseRegNet
from .guard import checked_table, validated, warn_user

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ..losses import Loss
    from ..network import Network
    from ..recipes.monitor import Score
    from ..typing import AnyArray, Float64Array, FloatArray, Logs, TableLike, Targets
    from .base import Rows3


class RegNetRegressor(RegressorMixin, BaseRegNet):
    """A multilayer perceptron for one or several numbers per row.

    It minimises the weighted mean of the loss plus
    sum over layers of (l1 sum|W| + l2 sum W^2) + group_l1 sum over columns of X of
    the norm of the column's weights.

    Explained in :doc:`/coming_from_scikit_learn`.

    Parameters
    ----------
    hidden_layer_sizes : sequence of int, default "auto"
        As for `RegNetClassifier`, like all that follow but `loss`.
    activation : str, default "auto"
    loss : str or Loss, default "squared_error"
        squared_error (half the sum over outputs), mse (mean over outputs),
        absolute_error, mae, huber, quantile, poisson (predicts the mean, y >= 0); with
        another threshold or quantile ``Loss("huber", delta)``, ``Loss("quantile", q)``.
    l1 : float, default "auto"
    l2, group_l1 : float, default 0
    l1_rule : str, default "cumulative"
    dropout : float, Schedule or sequence of these, default "auto"
    max_norm : float, optional
    weight_init : str, array or callable, optional
    bias_init : {"zeros", "kinks"}, default "zeros"
    optimizer : str or Optimizer, default "auto"
    learning_rate : str or Schedule, default "auto"
    learning_rate_init : float, default "auto"
    weight_decay : float or Schedule, default "auto"
    batch_size, max_iter, n_members : int, default "auto"
    encoder : "auto", None or TableEncoder, default "auto"
    preset : {"auto", "plain"}, default "auto"
        As for `RegNetClassifier`.  Unless it is plain, targets are standardised (by
        mean and deviation; median and mean absolute distance for the absolute
        losses and huber; the mean for poisson) and predictions are returned in their units.
    tune : "auto", bool, int or float, default "auto"
    keep : {"few", "one"}, default "few"
    early_stopping : bool, default False
    validation_fraction : float, default 0.1
    n_iter_no_change : int or None, default 10
    tol : float, default 1e-4
    warm_start : bool, default False
    random_state : int, RandomState or None
    n_jobs : int, optional
    dtype : {"auto", "float32", "float64"}, default "auto"
    callbacks : sequence of Callback, default ()
    verbose : bool, default False

    Attributes
    ----------
    network_ : Network
        Predicts in the units of y.
    encoder_, recipe_, trials_
    n_features_in_, n_outputs_, n_iter_ : int
    feature_names_in_ : ndarray of str
        If X had column names.
    coefs_, intercepts_, feature_importances_
    loss_curve_, validation_losses_, validation_scores_, loss_, best_loss_
        As for `RegNetClassifier`; `validation_scores_` holds R^2.

    Examples
    --------
    >>> import numpy as np, regnet_c as rn
    >>> X = np.random.RandomState(0).randn(300, 4)
    >>> y = X[:, 0] - 2 * X[:, 1]
    >>> model = rn.RegNetRegressor((16,), learning_rate="cosine",
    ...                            learning_rate_init=0.02, random_state=0)
    >>> model.fit(X, y).score(X, y) > 0.99
    True
    """

    n_outputs_: int
    _is_classifier = False

    @says_memory_error
    def partial_fit(
        self,
        X: TableLike,
        y: Targets,
        sample_weight: ArrayLike | None = None,
        X_val: TableLike | None = None,
        y_val: Targets | None = None,
    ) -> Self:
        """One epoch over these rows; as `RegNetClassifier.partial_fit`.

        Parameters
        ----------
        X, y : array-like
            As for `fit`.
        sample_weight, X_val, y_val : array-like, optional
            As for `fit`.

        Returns
        -------
        self

        Examples
        --------
        >>> import numpy as np, regnet_c as rn
        >>> X = np.random.RandomState(0).randn(500, 2)
        >>> model = rn.RegNetRegressor((8,), learning_rate_init=0.05, random_state=0)
        >>> for rows in np.array_split(np.arange(500), 20):
        ...     _ = model.partial_fit(X[rows], X[rows, 0])
        >>> model.n_iter_, round(model.score(X, X[:, 0]), 1)
        (20, 0.9)
        """
        return self._fit_one_epoch(X, y, sample_weight, X_val, y_val)

    @says_memory_error
    def predict(self, X: TableLike) -> FloatArray:
        """The outputs; the mean for poisson.

        Parameters
        ----------
        X : array-like of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n,) or (n, n_outputs)

        Examples
        --------
        >>> import numpy as np, regnet_c as rn
        >>> X = np.random.RandomState(0).randn(200, 2)
        >>> model = rn.RegNetRegressor((8,), learning_rate_init=0.05, random_state=0)
        >>> _ = model.fit(X, X[:, 0])
        >>> model.predict([[-1.0, 0.0], [1.0, 0.0]]).round(0)
        array([-1.,  1.], dtype=float32)
        """
        out = self._outputs(X)
        return out[:, 0] if self.n_outputs_ == 1 else out

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    # ---- targets ---------------------------------------------------------------------

    def _check_data(self, X: Any, y: Any, reset: bool) -> tuple[Any, AnyArray]:
        check = checked_table if self._encodes() else validated
        X, y = check(self, X, y, multi_output=True, y_numeric=True, reset=reset)
        if y.dtype.kind not in "fiub":
            raise TypeError(f"y has dtype {y.dtype}, expected real numbers")
        return X, y

    def _learn_targets(self, y: AnyArray, classes: ArrayLike | None = None) -> None:
        if self._goes_on():
            self._check_targets(y)
        self.n_outputs_ = 1 if y.ndim == 1 else y.shape[1]

    def _check_targets(self, y: AnyArray, classes: ArrayLike | None = None) -> None:
        n_outputs = 1 if y.ndim == 1 else y.shape[1]
        if n_outputs != self.n_outputs_:
            raise ValueError(f"y has {n_outputs} column(s), before {self.n_outputs_}")

    def _network_loss(self) -> Loss:
        loss = get_loss(self.loss)
        checks.check_name(loss.name, FOR_NUMBERS, "loss for numbers")
        return loss

    def _encode(self, y: AnyArray) -> AnyArray:
        self._check_targets(y)
        return y

    def _row_weights(
        self, y: AnyArray, weight: Float64Array | None
    ) -> Float64Array | None:
        return weight

    def _validation_score(self, held_out: Rows3 | None) -> Score | None:
        if held_out is None:
            return None
        X, y, weight = held_out
        # NumPy adds rows one after the other: in float32 that loses digits
        y = y.reshape(len(y), -1).astype(np.float64)
        mean = np.average(y, axis=0, weights=weight)
        total = np.average(np.square(y - mean), axis=0, weights=weight)

        if len(y) == 1:
            warn_user("R^2 of a single validation row is not defined: its score is nan")
            return lambda network, logs: float("nan")

        def r2(network: Network, logs: Logs) -> float:
            error = np.square(y - network.predict(X))
            left = np.average(error, axis=0, weights=weight)
            return float(np.mean(1 - left / np.where(total == 0, 1, total)))

        return r2
