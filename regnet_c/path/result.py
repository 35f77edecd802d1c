"""RegularizationPath: what a path found, and ways to select from it."""

from __future__ import annotations

import functools
import warnings
from typing import TYPE_CHECKING

import numpy as np

from .._core import checks
from .folds import Parts
from .refit import refit
from .stability import chosen, stability

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..losses import Loss
    from ..network import Network
    from ..plots import AxesLike
    from ..tables.encoder import TableEncoder
    from ..typing import (
        AnyArray,
        Direction,
        Float64Array,
        IntArray,
        PathRule,
        TableLike,
        Targets,
    )
    from .problem import Problem
    from .recipe import Recipe
    from .stability import StabilitySelection
    from .steps import Step

RULES: tuple[PathRule, ...] = ("best", "1se")


class RegularizationPath:
    """Result of `regularization_path`; one entry per strength, in the order of training.

    Weights, predictions and scores are in the units of the X and y passed in;
    strengths and importances are those of the standardised columns and targets.

    Explained in :doc:`/feature_selection`.

    Attributes
    ----------
    strengths : ndarray
    n_features : ndarray of int
        Inputs in use.
    selected : list of ndarray
        Their numbers.
    feature_names : list of str or None
        Names of the columns, if X was a data frame.
    encoder : TableEncoder or None
        What encodes X, if it was a table with more than numbers: a network takes
        ``path.encoder.transform(X)``.
    classes : ndarray or None
        For labels, in the order of a network's outputs.
    importances : ndarray of shape (steps, n_in)
        Norm of each input's weights, 0 where it is not used.
    weights : list of list of ndarray
        As of `Network.get_weights`, float64.
    train_scores, validation_scores : ndarray
        Accuracy, or minus the loss (several targets that were divided by their deviations
        stay so in it); the latter NaN without validation data or cv.
    validation_errors : ndarray
        Standard errors of `validation_scores`: over the rows, or over the folds.
    loss : Loss
    lambda_max : float
        The strength at which no input would enter an empty network.
    interrupted : bool
        True if Ctrl-C ended the path early.

    Examples
    --------
    >>> import numpy as np, regnet_c as rn
    >>> X = np.random.RandomState(0).randn(300, 4)
    >>> path = rn.regularization_path(X, X[:, 2] + 0.5 * X[:, 0], n_lambdas=4)
    >>> path.ranking()
    array([2, 0, 1, 3])
    >>> path.n_features[:2], path.importances.shape
    (array([4, 2]), (5, 4))
    """

    loss: Loss
    classes: AnyArray | None
    feature_names: list[str] | None
    encoder: TableEncoder | None
    lambda_max: float
    interrupted: bool
    strengths: Float64Array
    importances: Float64Array
    selected: list[NDArray[np.intp]]
    n_features: IntArray
    train_scores: Float64Array
    validation_scores: Float64Array
    validation_errors: Float64Array

    def __init__(
        self,
        problem: Problem,
        recipe: Recipe,
        direction: Direction,
        steps: list[Step],
        lambda_max: float,
        interrupted: bool,
        folds: list[tuple[float, float]] | None,
    ) -> None:
        self._problem, self._recipe, self._direction = problem, recipe, direction
        self.loss, self.classes = problem.loss, problem.classes
        self.feature_names, self.encoder = problem.names, problem.encoder
        self.lambda_max, self.interrupted = lambda_max, interrupted
        self.strengths = np.array([s.strength for s in steps])
        self.importances = np.array([s.importance for s in steps]).reshape(
            -1, recipe.n_columns
        )
        self.selected = [np.flatnonzero(row) for row in self.importances]
        self.n_features = np.array([len(s) for s in self.selected], int)
        self._steps = steps
        self.train_scores = np.array([s.train[0] for s in steps])
        missing = (np.nan, np.nan)
        scores = folds or [s.validation or missing for s in steps]
        self.validation_scores, self.validation_errors = (
            np.array(scores, float).reshape(-1, 2)[: len(steps)].T
        )

    @functools.cached_property
    def weights(self) -> list[list[Float64Array]]:
        every, skip = np.arange(self._recipe.n_in), self._recipe.penalty == "lassonet"
        units = self._problem.units
        return [units.weights(step.weights, every, skip) for step in self._steps]

    def __len__(self) -> int:
        return len(self.strengths)

    def __repr__(self) -> str:
        if not len(self):
            return "RegularizationPath(0 steps)"
        counts = self.n_features
        return (
            f"RegularizationPath({len(self)} steps, {counts.max()} to {counts.min()} "
            f"features, {'interrupted' if self.interrupted else 'complete'})"
        )

    def network(self, step: int) -> Network:
        """The network of one step, for X and y as they were given.

        It has no penalties: their strengths hold on the standardised scale.  Pass
        ``keep_zeros=True`` to `Network.fit` to train it further without losing the
        selection.

        Parameters
        ----------
        step : int

        Returns
        -------
        Network or LassoNet
            float32, or the path's dtype; float64 where offsets of more than 1024
            standard deviations would be lost in float32.

        Examples
        --------
        >>> import numpy as np, regnet_c as rn
        >>> X = np.random.RandomState(0).randn(300, 4)
        >>> path = rn.regularization_path(X, X[:, 2], n_lambdas=4)
        >>> path.network(step=0).n_inputs
        4
        """
        weights = self._steps[step].weights
        return self._problem.network(
            self._recipe, weights, np.arange(self._recipe.n_in)
        )

    def step(self, rule: PathRule) -> int:
        """The step that a rule chooses.

        Parameters
        ----------
        rule : {"best", "1se"}
            The best validation score, or the fewest features whose score is within one
            standard error of it.

        Returns
        -------
        int

        Examples
        --------
        >>> import numpy as np, regnet_c as rn
        >>> X = np.random.RandomState(0).randn(300, 4)
        >>> path = rn.regularization_path(X, X[:, 2], cv=3, n_lambdas=4)
        >>> path.n_features[path.step("1se")].item()
        1
        """
        rule = checks.check_name(rule, RULES, "rule")
        scores = self.validation_scores
        if not np.isfinite(scores).any():
            raise ValueError(
                f"rule={rule!r} compares validation scores, but there are none; pass "
                "validation_data= or cv= to regularization_path, or choose k="
            )
        best = np.nanmax(scores)
        margin = 0.0
        if rule == "1se":
            margin = self.validation_errors[np.flatnonzero(scores == best)].max()
        good = np.flatnonzero(scores >= best - margin)
        return int(min(good, key=lambda i: (self.n_features[i], -scores[i])))

    def select(
        self, k: int | None = None, rule: PathRule | None = None, names: bool = False
    ) -> NDArray[np.intp] | list[str]:
        """The chosen inputs: their numbers in ascending order, or their names.

        Parameters
        ----------
        k : int, optional
            Exactly this many: those in use up to the largest strengths; of those that
            are removed together, the ones with the largest weights.
        rule : {"best", "1se"}, optional
            See `step`; "1se" if neither is given.
        names : bool, default False
            The columns' names in place of their numbers.

        Returns
        -------
        ndarray of int, or list of str

        Warns
        -----
        UserWarning
            If the rule chooses no input at all.

        Examples
        --------
        >>> import numpy as np, regnet_c as rn
        >>> X = np.random.RandomState(0).randn(300, 4)
        >>> path = rn.regularization_path(X, X[:, 2] + 0.5 * X[:, 0], cv=3, n_lambdas=4)
        >>> path.select(rule="1se"), path.select(k=1)
        (array([0, 2]), array([2]))
        """
        columns = self._chosen(k, rule)
        if not len(columns):
            rule = "1se" if rule is None else rule
            place = "within one standard error of" if rule == "1se" else "itself"
            warnings.warn(
                f"rule={rule!r} selects no column: the network without inputs is {place} "
                "the best validation score; pass k= for the first k columns",
                UserWarning,
                stacklevel=2,
            )
        return chosen(columns, self.feature_names, names)

    def _chosen(self, k: int | None, rule: PathRule | None) -> NDArray[np.intp]:
        if k is None:
            return self.selected[self.step("1se" if rule is None else rule)]
        if rule is not None:
            raise ValueError(f"got k={k} and rule={rule!r}, expected one of them")
        ranking = self._ranking()
        k = checks.check_int(k, "k", minimum=1)
        if k > len(ranking):
            raise ValueError(
                f"k is {k}, the path has only ever used {len(ranking)} features"
            )
        return np.sort(ranking[:k])

    def ranking(self, names: bool = False) -> NDArray[np.intp] | list[str]:
        """All inputs that are in use at some step, the most important first.

        Parameters
        ----------
        names : bool, default False
            The columns' names in place of their numbers.

        Returns
        -------
        ndarray of int, or list of str

        Examples
        --------
        >>> import numpy as np, regnet_c as rn
        >>> X = np.random.RandomState(0).randn(300, 4)
        >>> path = rn.regularization_path(X, X[:, 2] + 0.5 * X[:, 0], n_lambdas=4)
        >>> path.ranking()[:2]
        array([2, 0])
        """
        return chosen(self._ranking(), self.feature_names, names)

    def _ranking(self) -> NDArray[np.intp]:
        by_strength = np.argsort(-self.strengths, kind="stable")
        used = self.importances[by_strength] > 0
        ever = np.flatnonzero(used.any(axis=0))
        if not len(ever):
            return ever
        last = used[:, ever].argmax(axis=0)
        weight = self.importances[by_strength[last], ever]
        return ever[np.lexsort((-weight, last))]

    def refit(
        self,
        X: TableLike,
        y: Targets,
        k: int | None = None,
        rule: PathRule | None = None,
        columns: Sequence[int] | Sequence[str] | AnyArray | None = None,
        validation_data: tuple[TableLike, Targets] | None = None,
        epochs: int | None = None,
        patience: int = 20,
        progress: bool = False,
    ) -> Network:
        """Train a dense network on the selected columns alone.

        Training starts afresh, without the penalty of the path but with its `l2` on all
        layers.  The learning rate falls to zero by a cosine, in cycles of doubling length
        until one of them lowers the objective by less than 0.5 % of the loss of a
        constant prediction.  Rows that have validated the selection can be trained on
        here.

        Parameters
        ----------
        X, y : array-like
            As for `regularization_path`, all columns.
        k : int, optional
            As for `select`.
        rule : {"best", "1se"}, optional
            As for `select`.
        columns : list of int or str, or mask, optional
            These columns, by number or by name, instead of the path's selection.
        validation_data : tuple (X, y), optional
            All columns; then training follows its loss, and the best epoch's weights
            are restored.
        epochs : int, optional
            Exactly this many, in one cycle; default: until the loss has converged.
        patience : int, default 20
            With validation data a cycle ends after this many epochs without a better loss.
        progress : bool, default False
            Show a progress bar for each cycle.

        Returns
        -------
        Network
            For X and y as they are given: `predict` takes all columns or the selected
            ones, ``network.metadata["columns"]``.  Its outputs are in the units of y, or
            probabilities in the order of `classes`.  It has no penalties, and the dtype
            that `network` states.

        Raises
        ------
        ValueError
            If no column is selected, or for data that do not fit the path.
        KeyboardInterrupt
            After Ctrl-C; its attribute `partial` is the network as trained so far.

        Warns
        -----
        UserWarning
            If the loss is still falling at the end of the last cycle.

        Examples
        --------
        >>> import numpy as np, regnet_c as rn
        >>> X = np.random.RandomState(0).randn(300, 4)
        >>> path = rn.regularization_path(X, X[:, 2] + 0.5 * X[:, 0], n_lambdas=4)
        >>> net = path.refit(X, X[:, 2] + 0.5 * X[:, 0], k=2, epochs=30)
        >>> net.metadata["columns"]
        [0, 2]
        """
        if columns is not None:
            if k is not None or rule is not None:
                raise ValueError("got columns and k or rule, expected one of them")
            columns = self._problem.columns(columns)
        else:
            columns = self._chosen(k, rule)
        if not len(columns):
            raise ValueError(
                "no column is selected, there is nothing to train on; pass k= or columns="
            )
        problem, recipe = self._problem, self._recipe
        columns = problem.inputs_of(columns)
        data = problem.data(X, y, recipe.dtype)
        if validation_data is not None:
            pair = checks.check_pair(validation_data, "validation_data")
            validation_data = problem.data(*pair, recipe.dtype, "X_val")
        if epochs is not None:
            epochs = checks.check_int(epochs, "epochs", minimum=1)
        patience = checks.check_int(patience, "patience", minimum=0)
        return refit(
            problem, recipe, columns, data, validation_data, epochs, patience, progress
        )

    def stability(
        self,
        X: TableLike,
        y: Targets,
        n_subsamples: int = 40,
        n_jobs: int | None = None,
        progress: bool = False,
    ) -> StabilitySelection:
        """Repeat the path, with the same strengths, on random halves of the data.

        Parameters
        ----------
        X, y : array-like
            As for `regularization_path`.
        n_subsamples : int, default 40
            In complementary pairs.
        n_jobs : int, optional
            As for `regularization_path`.
        progress : bool, default False

        Returns
        -------
        StabilitySelection

        Raises
        ------
        KeyboardInterrupt
            After Ctrl-C; its attribute `partial` is the StabilitySelection of the
            subsamples that were finished.

        Examples
        --------
        >>> import numpy as np, regnet_c as rn
        >>> X = np.random.RandomState(0).randn(300, 4)
        >>> path = rn.regularization_path(X, X[:, 2], n_lambdas=4)
        >>> found = path.stability(X, X[:, 2], n_subsamples=4)
        >>> found.frequencies.shape, found.select()
        ((5, 4), array([2]))
        """
        count = checks.check_int(n_subsamples, "n_subsamples", minimum=2)
        X, y = self._problem.data(X, y, self._recipe.dtype)
        parts = Parts(self._recipe, self._direction, self.strengths.tolist(), X, y)
        return stability(parts, len(X), count, n_jobs, progress, self.feature_names)

    def plot(self, ax: AxesLike = None) -> AnyArray:
        """Scores above and each input's weight below, against the strength.

        The band around the validation score is one standard error wide on either side;
        vertical lines show what the rules choose, numbers along the top how many inputs
        are in use.  The most important inputs have a colour and their name.

        Parameters
        ----------
        ax : matplotlib Axes or two Axes, optional
            A single Axes is divided; default: a new figure.

        Returns
        -------
        array of two Axes

        Examples
        --------
        >>> import numpy as np, regnet_c as rn
        >>> import matplotlib
        >>> X = np.random.RandomState(0).randn(300, 4)
        >>> path = rn.regularization_path(X, X[:, 2], n_lambdas=4)
        >>> scores, weights = path.plot()
        >>> weights.get_xlabel()
        'strength of the penalty'
        """
        from ..plots import plot_path

        return plot_path(self, ax)
