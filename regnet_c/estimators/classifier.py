"""RegNetClassifier: classes or sets of labels as targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from .._core.memory import says_memory_error
from ..losses import Loss
from ..recipes import recipe
from ..tables.columns import level_text
from ..tables.form import KEY, TableForm
from .base import BaseRegNet
from .guard import checked_table, validated
from .labels import Labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from ..network import Network
    from ..optimizers import Optimizer
    from ..recipes.monitor import Score
    from ..schedules import Schedule
    from ..tables.encoder import TableEncoder
    from ..typing import (
        ActivationName,
        AnyArray,
        AnyCallback,
        Auto,
        BiasInit,
        ClassLoss,
        ClassWeight,
        DTypeName,
        Float64Array,
        FloatArray,
        Keep,
        L1Rule,
        Logs,
        OptimizerName,
        Preset,
        RandomState,
        ScheduleName,
        TableLike,
        Targets,
        WeightInit,
    )
    from .base import Rows3


class RegNetClassifier(ClassifierMixin, BaseRegNet):
    """A multilayer perceptron for classes or sets of labels.

    It minimises the weighted mean of the cross-entropy plus
    sum over layers of (l1 sum|W| + l2 sum W^2) + group_l1 sum over columns of X of
    the norm of the column's weights, independent of the batch size and of the number of
    rows.

    Explained in :doc:`/coming_from_scikit_learn`.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default "auto"
        Units of the hidden layers; () gives a linear model.
    activation : str, default "auto"
        Of the hidden layers; see `Dense`.
    loss : {"auto", "softmax_cross_entropy", "binary_cross_entropy"}, default "auto"
        auto: the binary one with a single output for two classes, and with an output per
        label for multi-label targets; softmax for more classes.
    l1, l2 : float, default 0
        Strengths on all weights; biases are not penalised.
    group_l1 : float, default 0
        Strength of the group penalty on the first layer, which removes whole columns of
        X, all encoded columns of one together as in ``GroupLasso(groups=)``; also
        together with l1 and l2.
    l1_rule : {"cumulative", "proximal", "shrink_first", "subgradient"}
        How l1 and group_l1 act, see `L1`; with group_l1 one of the first two.  Default:
        cumulative.
    dropout : float, Schedule or sequence of these, default "auto"
        Rate of all hidden layers; or the inputs' rate and one for each hidden layer.
    label_smoothing : float, default "auto"
        Share of each target that is spread evenly over the classes (Szegedy et al.
        2016); validation is scored without it.
    max_norm : float, optional
        Limit of the norm of each hidden unit's incoming weights.
    weight_init : str, array or callable, optional
        Of all layers; see `Dense`.
    bias_init : {"zeros", "kinks"}, default "zeros"
        Of the hidden layers; see `Dense`.
    optimizer : str or Optimizer, default "auto"
    learning_rate : str or Schedule, default "auto"
        constant, cosine, linear (both to 0 over `max_iter` epochs) or exponential (to
        1 %); a Schedule has its own initial rate.
    learning_rate_init : float, default "auto"
        None: the optimiser's own.
    weight_decay : float or Schedule, default "auto"
        AdamW only: applied outside the gradient, times the learning rate.
    batch_size : int, default "auto"
        All rows if there are fewer.
    max_iter : int, default "auto"
        Maximum number of epochs.
    n_members : int, default "auto"
        Networks with different seeds, trained one after the other and averaged (their
        logits, for classes) into the one network `network_`.  A number ends the race of
        tune="auto"; with 1 a regressor looks for eight epochs whether a network for smooth
        functions, without bins, is clearly better.
    encoder : "auto", None or TableEncoder, default "auto"
        How columns become inputs.  auto: data frames, categories and missing values as
        `TableEncoder` takes them, numbers standardised and in piecewise-linear bins;
        bytes of at least 16 columns are pixels, divided by 255; sparse X is used
        unchanged. None: X must be numbers and is used unchanged.
    preset : {"auto", "plain"}, default "auto"
        What "auto" means for the others: values that follow from the size of the data,
        in `recipe_`; or plain: those of scikit-learn's MLP, with X and y as they are.
        Its constant learning rate and 200 epochs leave the loss falling on many tables,
        and then a ConvergenceWarning says so, as scikit-learn's does.
    tune : "auto", bool, int or float, default "auto"
        How many recipes are tried.  They race on five folds of the rows: each round
        trains those that are left on all rows but one fold, scores them on that fold, and
        sends away the clearly worse ones; the networks of the best are averaged.
        auto: up to three (this one, one for smooth functions without bins, one with a
        quarter of the epochs for noise), if that takes a few times as long as one network,
        up to 10 000 rows and while the values they differ in, such as
        hidden_layer_sizes, max_iter and n_members, are "auto".  False: none.  An int: as
        many, drawn from a fixed space; True: 24.  A float: seconds; how many, at most 500,
        they allow depends on the machine, and then so does the result.
    keep : {"few", "one"}, default "few"
        The mean of the best recipes' networks, or one network of the best recipe,
        trained on all rows.
    early_stopping : bool, default False
        Stop by the validation loss and restore the best weights.
    validation_fraction : float, default 0.1
        Share of the rows held out for it if `fit` gets no X_val.
    n_iter_no_change : int or None, default 10
        Epochs without improvement to allow; None: train all `max_iter` epochs.
        Where the learning rate falls by a schedule, only ``early_stopping`` stops.
    tol : float, default 1e-4
        Smaller decreases do not count as improvements; relative to the loss of a
        constant prediction.
    warm_start : bool, default False
        Let `fit` start from the weights of the last fit; other parameters may change.
        If none has and the learning rate is constant, the optimiser's state, shuffles
        and dropout masks continue too: two fits are one of twice the epochs. Otherwise
        the optimiser starts afresh, with shuffles and masks not seen before.
    random_state : int, RandomState or None
        An int is the seed of the Network.
    n_jobs : int, optional
        Maximum number of threads, -1 for all; the bits do not depend on it. Default: as
        many as are worthwhile, and one inside a joblib worker.
    class_weight : dict or "balanced", optional
        Factors on the rows of a class; balanced gives each class the same total.
    dtype : {"auto", "float32", "float64"}, default "auto"
        auto: float32, whatever the dtype of X; float64 for fewer than 64 rows.
    callbacks : sequence of Callback, default ()
    verbose : bool, default False
        Show a progress bar.

    Attributes
    ----------
    network_ : Network
        Takes the output of `encoder_`, or X itself if there is none.
    encoder_ : TableEncoder or None
        Learned from the training rows, after validation rows were held out.
    recipe_ : Recipe
        The parameters with all "auto" values resolved; prints as a table.
    trials_ : list of Trial
        What raced, in the order of the candidates: ``recipe``, ``score`` (mean held-out
        loss; for classes the squared error of the probabilities), ``losses`` of the rows
        of each fold, ``seconds``, and ``weight`` in the result.  Empty without a race.
    classes_ : ndarray of shape (n_classes,)
    n_features_in_, n_outputs_, n_iter_ : int
    feature_names_in_ : ndarray of str
        If X had column names.
    coefs_, intercepts_ : list of ndarray
    feature_importances_ : ndarray of shape (n_features,)
        Norm of the weights that leave each column of X, on the scale of training.
    loss_curve_, validation_losses_, validation_scores_ : list of float
    loss_, best_loss_ : float

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from regnet_c import RegNetClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = RegNetClassifier((20,), l1=1e-3, learning_rate="cosine",
    ...                          learning_rate_init=0.01, random_state=0)
    >>> model.fit(X, y).score(X, y) > 0.95
    True
    """

    class_weight: ClassWeight
    label_smoothing: float | Auto

    # scikit-learn reads the parameters from this signature, hence its length
    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] | Auto = "auto",
        activation: ActivationName | Auto = "auto",
        *,
        loss: ClassLoss = "auto",
        l1: float | Auto = 0.0,
        l2: float = 0.0,
        group_l1: float = 0.0,
        l1_rule: L1Rule = "cumulative",
        dropout: float | Schedule | Sequence[float | Schedule] | Auto = "auto",
        label_smoothing: float | Auto = "auto",
        max_norm: float | None = None,
        weight_init: WeightInit | None = None,
        bias_init: BiasInit = "zeros",
        optimizer: Optimizer | OptimizerName | Auto = "auto",
        learning_rate: ScheduleName | Schedule | Auto = "auto",
        learning_rate_init: float | Auto | None = "auto",
        weight_decay: float | Schedule | Auto | None = "auto",
        batch_size: int | Auto = "auto",
        max_iter: int | Auto = "auto",
        n_members: int | Auto = "auto",
        encoder: TableEncoder | Auto | None = "auto",
        preset: Preset = "auto",
        tune: bool | float | Auto = "auto",
        keep: Keep = "few",
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int | None = 10,
        tol: float = 1e-4,
        warm_start: bool = False,
        random_state: RandomState = None,
        n_jobs: int | None = None,
        class_weight: ClassWeight = None,
        dtype: DTypeName | Auto = "auto",
        callbacks: Sequence[AnyCallback] = (),
        verbose: bool | int = False,
    ) -> None:
        given = {k: v for k, v in locals().items() if k not in ("self", "__class__")}
        self.class_weight = given.pop("class_weight")
        self.label_smoothing = given.pop("label_smoothing")
        super().__init__(**given)

    classes_: AnyArray
    n_outputs_: int
    _labels: Labels
    _is_classifier = True

    @says_memory_error
    def partial_fit(
        self,
        X: TableLike,
        y: Targets,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        X_val: TableLike | None = None,
        y_val: Targets | None = None,
    ) -> Self:
        """One epoch over these rows, from the current weights and optimiser state.

        With ``early_stopping``, calls count as epochs: X_val (or a share of X) decides,
        the best weights are put back when the rule stops, and later calls do nothing.

        Parameters
        ----------
        X, y : array-like
            As for `fit`.
        classes : array-like, optional
            All classes; needed in the first call, except for multi-label y.
        sample_weight, X_val, y_val : array-like, optional
            As for `fit`.

        Returns
        -------
        self

        Examples
        --------
        >>> import numpy as np, regnet_c as rn
        >>> X = np.random.RandomState(0).randn(300, 2)
        >>> y = np.where(X[:, 0] > 0, "yes", "no")
        >>> model = rn.RegNetClassifier((8,), learning_rate_init=0.05, random_state=0)
        >>> for rows in np.array_split(np.arange(300), 10):
        ...     _ = model.partial_fit(X[rows], y[rows], classes=["no", "yes"])
        >>> model.n_iter_, round(model.score(X, y), 1)
        (10, 0.9)
        """
        targets: Any = y
        first = not hasattr(self, "network_")
        if classes is None and first and len(np.shape(targets)) < 2:
            raise ValueError(
                "classes is None, expected all classes in the first call of partial_fit"
            )
        if isinstance(self.class_weight, str):
            raise ValueError(
                f"class_weight is {self.class_weight!r}, partial_fit expects a dict or "
                "None because it does not see all rows"
            )
        return self._fit_one_epoch(X, y, sample_weight, X_val, y_val, classes)

    @says_memory_error
    def predict(self, X: TableLike) -> AnyArray:
        """The most probable class, or the labels of a probability above 1/2.

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
        >>> y = np.where(X[:, 0] > 0, "yes", "no")
        >>> model = rn.RegNetClassifier((8,), learning_rate_init=0.05, random_state=0)
        >>> _ = model.fit(X, y)
        >>> model.predict([[-2.0, 0.0], [2.0, 0.0]])
        array(['no', 'yes'], dtype='<U3')
        """
        out = self._outputs(X)
        return self._labels.decode(out)

    @says_memory_error
    def predict_proba(self, X: TableLike) -> FloatArray:
        """Probabilities of the classes in the order of `classes_`, or of the labels.

        Parameters
        ----------
        X : array-like of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n, n_classes) or (n, n_outputs)

        Examples
        --------
        >>> import numpy as np, regnet_c as rn
        >>> X = np.random.RandomState(0).randn(200, 2)
        >>> y = np.where(X[:, 0] > 0, "yes", "no")
        >>> model = rn.RegNetClassifier((8,), learning_rate_init=0.05, random_state=0)
        >>> _ = model.fit(X, y)
        >>> model.classes_
        array(['no', 'yes'], dtype='<U3')
        >>> model.predict_proba([[2.0, 0.0]]).round(1)
        array([[0., 1.]], dtype=float32)
        """
        out = self._outputs(X)
        return self._labels.probabilities(out)

    @says_memory_error
    def predict_log_proba(self, X: TableLike) -> FloatArray:
        """Logarithms of `predict_proba`; -inf where a probability underflows.

        Parameters
        ----------
        X : array-like of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n, n_classes) or (n, n_outputs)

        Examples
        --------
        >>> import numpy as np, regnet_c as rn
        >>> X = np.random.RandomState(0).randn(200, 2)
        >>> model = rn.RegNetClassifier((8,), learning_rate_init=0.05, random_state=0)
        >>> _ = model.fit(X, X[:, 0] > 0)
        >>> np.exp(model.predict_log_proba([[2.0, 0.0]])).round(1)
        array([[0., 1.]], dtype=float32)
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    # ---- targets ---------------------------------------------------------------------

    def _check_data(self, X: Any, y: Any, reset: bool) -> tuple[Any, AnyArray]:
        check = checked_table if self._encodes() else validated
        X, y = check(self, X, y, multi_output=True, reset=reset)
        if hasattr(y, "toarray"):
            y = y.toarray()
        if y.ndim == 1 and y.dtype.kind in "iub":  # what follows would check it again
            return X, y
        kind = type_of_target(y, input_name="y")
        if kind == "multilabel-indicator":
            return X, y
        if kind not in ("binary", "multiclass"):
            check_classification_targets(y)  # raises
            raise ValueError(f"y is {kind}, expected classes or a 0/1 column per label")
        return X, column_or_1d(y, warn=True)

    def _learn_targets(self, y: AnyArray, classes: ArrayLike | None = None) -> None:
        before = getattr(self, "_labels", None) if self._goes_on() else None
        if before is not None:
            before.same(y)
            classes = before.classes
        self._labels = Labels(y, self.loss, classes)
        self.classes_, self.n_outputs_ = self._labels.classes, self._labels.n_outputs

    def _check_targets(self, y: AnyArray, classes: ArrayLike | None = None) -> None:
        self._labels.same(y, classes)

    def _network_loss(self) -> Loss:
        return Loss(self._labels.loss)

    def _encode(self, y: AnyArray) -> AnyArray:
        return self._labels.encode(y)

    def _row_weights(
        self, y: AnyArray, weight: Float64Array | None
    ) -> Float64Array | None:
        return self._labels.row_weights(y, weight, self.class_weight)

    def _training_loss(self) -> Loss:
        if not self._labels.multilabel and len(self.classes_) == 1:
            return self._prepared.loss
        return recipe.training_loss(self._prepared.loss, self.recipe_)

    def _metadata(self) -> dict[str, Any]:
        if self.encoder_ is None or self._labels.multilabel:
            return {}
        classes = [level_text(label) for label in self.classes_.tolist()]
        return {KEY: TableForm(self.encoder_.encoding_, "y", classes).to_config()}

    def _stratified(self) -> bool:
        return not self._labels.multilabel

    def _validation_score(self, held_out: Rows3 | None) -> Score | None:
        return _accuracy


def _accuracy(network: Network, logs: Logs) -> float:
    value: float = logs["val_accuracy"]
    return value
