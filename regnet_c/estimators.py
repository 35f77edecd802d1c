"""RegNetClassifier and RegNetRegressor: networks with scikit-learn's interface.

What a target is lives here; the run is in `_estimator`, the meaning of the parameters in
`_recipe`.  The only public room that needs scikit-learn, so the package imports it late.
"""

import numpy as np

try:
    from sklearn.base import ClassifierMixin, RegressorMixin
    from sklearn.utils import column_or_1d
    from sklearn.utils.multiclass import check_classification_targets, type_of_target
    from sklearn.utils.validation import validate_data
except ImportError as error:
    raise ImportError(
        "RegNetClassifier and RegNetRegressor need scikit-learn 1.6 or newer: "
        "pip install regnet-c[sklearn]"
    ) from error

from . import _check
from ._estimator import BaseRegNet
from .losses import Loss, get_loss

_REGRESSION_LOSSES = (
    "squared_error",
    "mse",
    "absolute_error",
    "mae",
    "huber",
    "quantile",
    "poisson",
)
_CLASSIFICATION_LOSSES = ("auto", "softmax_cross_entropy", "binary_cross_entropy")


class RegNetClassifier(ClassifierMixin, BaseRegNet):
    """A multilayer perceptron for classes or sets of labels.

    It minimises the weighted mean of the cross-entropy plus
    sum over layers of (l1 sum|W| + l2 sum W^2) + group_l1 sum over inputs of the norm of
    the input's weights, independent of the batch size and of the number of rows.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default (100,)
        Units of the hidden layers; () is a linear model.
    activation : str, default "relu"
        Of the hidden layers; see `Dense`.
    loss : {"auto", "softmax_cross_entropy", "binary_cross_entropy"}, default "auto"
        auto: the binary one with a single output for two classes, and with an output per
        label for multi-label targets; softmax for more classes.
    l1, l2 : float, default 0
        Strengths on all weights; biases are free.
    group_l1 : float, default 0
        Strength of the group penalty that removes whole inputs from the first layer; not
        together with l2.
    l1_update : str, default "cumulative"
        How the l1 part acts; see `L1`.
    dropout : float or sequence of float, default 0
        Rate of all hidden layers; or the inputs' rate and one for each hidden layer.
    max_norm : float, optional
        Limit of the norm of each hidden unit's incoming weights.
    optimizer : str or Optimizer, default "adam"
    learning_rate : str or Schedule, default "constant"
        constant, cosine, linear (both to 0 over `max_iter` epochs) or exponential (to
        1 %); a Schedule brings its own initial rate.
    learning_rate_init : float, optional
        Default: the optimiser's own.
    batch_size : int, default "auto"
        auto: 200, or all rows if there are fewer.
    max_iter : int, default 200
        Epochs at most.
    early_stopping : bool, default False
        Stop by the validation loss and put the best weights back.
    validation_fraction : float, default 0.1
        Share of the rows held out for it if `fit` gets no X_val.
    n_iter_no_change : int or None, default 10
        Epochs without improvement that are allowed; None: train all `max_iter` epochs.
    tol : float, default 1e-4
        A smaller decrease of the loss is no improvement.
    warm_start : bool, default False
        Let `fit` begin with the weights of the last one; other parameters may change.
    random_state : int, RandomState or None
        An int is the seed of the Network.
    n_jobs : int, optional
        Threads at most, -1 for all; no bit depends on it.  Default: as many as pay, and
        one inside a worker of joblib.
    class_weight : dict or "balanced", optional
        Factors on the rows of a class; balanced gives each class the same total.
    dtype : {"auto", "float32", "float64"}, default "auto"
        auto: the smaller that holds X's dtype exactly.
    callbacks : sequence of Callback, default ()
    verbose : bool, default False
        Show a progress bar.

    Attributes
    ----------
    network_ : Network
    classes_ : ndarray of shape (n_classes,)
    n_features_in_, n_outputs_, n_iter_ : int
    feature_names_in_ : ndarray of str
        If X had column names.
    coefs_, intercepts_ : list of ndarray
    feature_importances_ : ndarray of shape (n_features,)
        Norm of each input's outgoing weights.
    loss_curve_, validation_losses_, validation_scores_ : list of float
    loss_, best_loss_ : float

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from regnet_c import RegNetClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = RegNetClassifier((20,), l1=1e-3, learning_rate_init=0.01, random_state=0)
    >>> model.fit(X, y).score(X, y) > 0.95
    True
    """

    # scikit-learn reads the parameters from this signature, hence its length
    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        loss="auto",
        l1=0.0,
        l2=0.0,
        group_l1=0.0,
        l1_update="cumulative",
        dropout=0.0,
        max_norm=None,
        optimizer="adam",
        learning_rate="constant",
        learning_rate_init=None,
        batch_size="auto",
        max_iter=200,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        tol=1e-4,
        warm_start=False,
        random_state=None,
        n_jobs=None,
        class_weight=None,
        dtype="auto",
        callbacks=(),
        verbose=False,
    ):
        given = {k: v for k, v in locals().items() if k not in ("self", "__class__")}
        self.class_weight = given.pop("class_weight")
        super().__init__(**given)

    def partial_fit(
        self, X, y, classes=None, sample_weight=None, X_val=None, y_val=None
    ):
        """One epoch over these rows, from the weights and optimiser state there are.

        With ``early_stopping``, calls count as epochs: X_val (or a share of X) decides,
        the best weights are put back when the rule stops, and later calls do nothing.

        Parameters
        ----------
        X, y, sample_weight, X_val, y_val : array-like
            As for `fit`.
        classes : array-like, optional
            All classes; needed in the first call, except for multi-label y.

        Returns
        -------
        self
        """
        if classes is None and not hasattr(self, "network_") and len(np.shape(y)) < 2:
            raise ValueError(
                "classes is None, expected all classes in the first call of partial_fit"
            )
        if isinstance(self.class_weight, str):
            raise ValueError(
                f"class_weight is {self.class_weight!r}, partial_fit expects a dict or "
                "None because it does not see all rows"
            )
        return self._fit_one_epoch(X, y, sample_weight, X_val, y_val, classes)

    def predict(self, X):
        """The most probable class, or the labels of a probability above 1/2.

        Returns
        -------
        ndarray of shape (n,) or (n, n_outputs)
        """
        out = self._outputs(X)
        if self._multilabel:
            return (out > 0.5).astype(np.int64)
        if self.n_outputs_ == 1:
            return self.classes_[(out[:, 0] > 0.5).astype(np.intp)]
        return self.classes_[out.argmax(axis=1)]

    def predict_proba(self, X):
        """Probabilities of the classes in the order of `classes_`, or of the labels.

        Returns
        -------
        ndarray of shape (n, n_classes) or (n, n_outputs)
        """
        out = self._outputs(X)
        if self.n_outputs_ == 1 and not self._multilabel:
            return np.hstack([1 - out, out])
        return out

    def predict_log_proba(self, X):
        """Logarithms of `predict_proba`; -inf where a probability underflows."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    # ---- targets ---------------------------------------------------------------------

    def _check_data(self, X, y, reset):
        X, y = validate_data(
            self, X, y, multi_output=True, dtype="numeric", reset=reset
        )
        if hasattr(y, "toarray"):
            y = y.toarray()
        kind = type_of_target(y, input_name="y")
        if kind == "multilabel-indicator":
            return X, y
        if kind not in ("binary", "multiclass"):
            check_classification_targets(y)  # raises
            raise ValueError(f"y is {kind}, expected classes or a 0/1 column per label")
        return X, column_or_1d(y, warn=True)

    def _learn_targets(self, y, goes_on, classes=None):
        multilabel = y.ndim == 2
        n_labels = y.shape[1] if multilabel else None
        if classes is not None:
            classes = np.unique(classes)
        if goes_on:
            known = self.n_outputs_ if self._multilabel else None
            if n_labels != known:
                raise ValueError(
                    f"y has {n_labels} label columns, earlier y had {known}"
                )
            if classes is not None and not np.array_equal(classes, self.classes_):
                raise ValueError(
                    f"classes is {classes}, earlier it was {self.classes_}"
                )
            return
        if multilabel:
            classes = np.arange(n_labels)
        elif classes is None:
            classes = np.unique(y)
        if len(classes) < 2 and not multilabel:
            raise ValueError(
                f"y has only one class ({classes[0]!r}), expected two or more"
            )
        name = _classification_loss(self.loss, len(classes), multilabel)
        self._loss_name, self._multilabel, self.classes_ = name, multilabel, classes
        binary = name == "binary_cross_entropy" and not multilabel
        self.n_outputs_ = 1 if binary else len(classes)

    def _network_loss(self):
        return Loss(self._loss_name)

    def _encode(self, y):
        """Labels 0, 1, ... (int64), or the 0/1 columns of a multi-label y."""
        if (y.ndim == 2) != self._multilabel:
            raise ValueError(
                f"y has {y.ndim} dimension(s), expected {1 + self._multilabel}"
            )
        if self._multilabel:
            return y
        labels = np.minimum(np.searchsorted(self.classes_, y), len(self.classes_) - 1)
        new = self.classes_[labels] != y
        if new.any():
            raise ValueError(
                f"y has the labels {np.unique(y[new])}, expected only the classes "
                f"{self.classes_}"
            )
        return labels

    def _row_weights(self, y, weight):
        """Row weights times the class weights of the encoded y."""
        if self.class_weight is None:
            return weight
        if self._multilabel:
            raise ValueError("class_weight needs one class per row, y is multi-label")
        if isinstance(self.class_weight, str):
            _check.check_name(self.class_weight, ("balanced",), "class_weight")
            totals = np.bincount(y, weights=weight, minlength=len(self.classes_))
            factors = totals.sum() / np.maximum(totals, 1e-300) / len(totals)
        else:
            factors = self._factors(self.class_weight)
        return factors[y] if weight is None else factors[y] * weight

    def _factors(self, class_weight):
        """Factor of each class from a dict; classes it leaves out keep 1."""
        if not isinstance(class_weight, dict):
            raise TypeError(
                f"class_weight is {class_weight!r}, expected 'balanced', a dict or None"
            )
        unknown = set(class_weight) - set(self.classes_.tolist())
        if unknown:
            raise ValueError(
                f"class_weight has {sorted(map(str, unknown))}, the classes are "
                f"{self.classes_}"
            )
        return np.array(
            [
                _check.check_float(
                    class_weight.get(c, 1.0), f"class_weight[{c!r}]", minimum=0
                )
                for c in self.classes_.tolist()
            ]
        )

    def _stratified(self):
        return not self._multilabel

    def _validation_score(self, held_out):
        return _accuracy


def _accuracy(network, logs):
    return logs["val_accuracy"]


def _classification_loss(loss, n_classes, multilabel):
    """Name of the Network's loss; ValueError if it does not fit the targets."""
    _check.check_name(loss, _CLASSIFICATION_LOSSES, "loss")
    if loss == "softmax_cross_entropy" and multilabel:
        raise ValueError(f"loss is {loss!r}, multi-label y needs binary_cross_entropy")
    if loss == "binary_cross_entropy" and not multilabel and n_classes > 2:
        raise ValueError(
            f"loss is {loss!r}, y has {n_classes} classes, expected 2 or multi-label y"
        )
    if loss != "auto":
        return loss
    if multilabel or n_classes == 2:
        return "binary_cross_entropy"
    return "softmax_cross_entropy"


class RegNetRegressor(RegressorMixin, BaseRegNet):
    """A multilayer perceptron for one or several numbers per row.

    It minimises the weighted mean of the loss plus
    sum over layers of (l1 sum|W| + l2 sum W^2) + group_l1 sum over inputs of the norm of
    the input's weights.

    Parameters
    ----------
    loss : str or Loss, default "squared_error"
        squared_error (half the sum over outputs), mse (mean over outputs),
        absolute_error, mae, huber, quantile, poisson (predicts the mean, y >= 0); with
        another threshold or quantile ``Loss("huber", delta)``, ``Loss("quantile", q)``.
    hidden_layer_sizes, activation, l1, l2, group_l1, l1_update, dropout, max_norm
        As for `RegNetClassifier`, like all that follow.
    optimizer, learning_rate, learning_rate_init, batch_size, max_iter
    early_stopping, validation_fraction, n_iter_no_change, tol
    warm_start, random_state, n_jobs, dtype, callbacks, verbose

    Attributes
    ----------
    network_ : Network
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
    >>> model = rn.RegNetRegressor((16,), learning_rate_init=0.02, random_state=0)
    >>> model.fit(X, y).score(X, y) > 0.99
    True
    """

    def partial_fit(self, X, y, sample_weight=None, X_val=None, y_val=None):
        """One epoch over these rows; as `RegNetClassifier.partial_fit`.

        Returns
        -------
        self
        """
        return self._fit_one_epoch(X, y, sample_weight, X_val, y_val)

    def predict(self, X):
        """The outputs; the mean for poisson.

        Returns
        -------
        ndarray of shape (n,) or (n, n_outputs)
        """
        out = self._outputs(X)
        return out[:, 0] if self.n_outputs_ == 1 else out

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    # ---- targets ---------------------------------------------------------------------

    def _check_data(self, X, y, reset):
        return validate_data(
            self, X, y, multi_output=True, y_numeric=True, dtype="numeric", reset=reset
        )

    def _learn_targets(self, y, goes_on, classes=None):
        n_outputs = 1 if y.ndim == 1 else y.shape[1]
        if goes_on and n_outputs != self.n_outputs_:
            raise ValueError(f"y has {n_outputs} columns, earlier {self.n_outputs_}")
        self.n_outputs_ = n_outputs

    def _network_loss(self):
        loss = get_loss(self.loss)
        _check.check_name(loss.name, _REGRESSION_LOSSES, "loss for numbers")
        return loss

    def _encode(self, y):
        return y

    def _row_weights(self, y, weight):
        return weight

    def _validation_score(self, held_out):
        if held_out is None:
            return None
        X, y, weight = held_out
        y = y.reshape(len(X), -1)
        mean = np.average(y, axis=0, weights=weight)
        total = np.average(np.square(y - mean), axis=0, weights=weight)

        def r2(network, logs):
            error = np.square(y - network.predict(X))
            left = np.average(error, axis=0, weights=weight)
            return float(np.mean(1 - left / np.where(total == 0, 1, total)))

        return r2
