"""RegularizationPath: what a path found, and the ways to choose from it."""

import numpy as np

from .._core import checks
from ..callbacks import EarlyStopping
from ..network import Network
from ..penalties import L2
from .folds import Parts
from .recipe import check_data
from .stability import stability

RULES = ("best", "1se")


class RegularizationPath:
    """Result of `regularization_path`; one entry per strength, in the order of training.

    Attributes
    ----------
    strengths : ndarray
    n_features : ndarray of int
        Inputs in use.
    selected : list of ndarray
        Their numbers.
    importances : ndarray of shape (steps, n_in)
        Norm of each input's weights, 0 where it is not used.
    weights : list of list of ndarray
    train_scores, validation_scores : ndarray
        Accuracy, or minus the loss; the latter NaN without validation data or cv.
    validation_errors : ndarray
        Standard errors of `validation_scores`: over the rows, or over the folds.
    loss : Loss
    lambda_max : float
        The strength at which no input would enter an empty network.
    interrupted : bool
        True if Ctrl-C ended the path early.
    """

    def __init__(self, recipe, direction, steps, lambda_max, interrupted, folds):
        self._recipe, self._direction, self.loss = recipe, direction, recipe.loss
        self.lambda_max, self.interrupted = lambda_max, interrupted
        self.strengths = np.array([s.strength for s in steps])
        self.importances = np.array([s.importance for s in steps]).reshape(
            -1, recipe.n_in
        )
        self.selected = [np.flatnonzero(row) for row in self.importances]
        self.n_features = np.array([len(s) for s in self.selected], int)
        self.weights = [s.weights for s in steps]
        self.train_scores = np.array([s.train[0] for s in steps])
        missing = (np.nan, np.nan)
        scores = folds or [s.validation or missing for s in steps]
        self.validation_scores, self.validation_errors = (
            np.array(scores, float).reshape(-1, 2)[: len(steps)].T
        )

    def __len__(self):
        return len(self.strengths)

    def __repr__(self):
        if not len(self):
            return "RegularizationPath(0 steps)"
        counts = self.n_features
        return (
            f"RegularizationPath({len(self)} steps, {counts.max()} to {counts.min()} "
            f"features, {'interrupted' if self.interrupted else 'complete'})"
        )

    def network(self, step):
        """The network of one step, penalties included.

        Parameters
        ----------
        step : int

        Returns
        -------
        Network or LassoNet
        """
        network = self._recipe.network(float(self.strengths[step]))
        network.set_weights(self.weights[step])
        return network

    def step(self, rule):
        """The step that a rule chooses.

        Parameters
        ----------
        rule : {"best", "1se"}
            The best validation score, or the fewest features whose score is within one
            standard error of it.

        Returns
        -------
        int
        """
        rule = checks.check_name(rule, RULES, "rule")
        scores = self.validation_scores
        if not np.isfinite(scores).any():
            raise ValueError(
                f"rule={rule!r} compares validation scores, there are none; pass "
                "validation_data= or cv= to regularization_path, or choose k="
            )
        best = np.nanmax(scores)
        margin = 0.0
        if rule == "1se":
            margin = self.validation_errors[np.flatnonzero(scores == best)].max()
        good = np.flatnonzero(scores >= best - margin)
        return int(min(good, key=lambda i: (self.n_features[i], -scores[i])))

    def select(self, k=None, rule=None):
        """Numbers of the chosen inputs, ascending.

        Parameters
        ----------
        k : int, optional
            Exactly so many: those that are in use up to the largest strengths; of those
            that leave together, the heaviest.
        rule : {"best", "1se"}, optional
            See `step`; "1se" if neither is given.

        Returns
        -------
        ndarray of int
        """
        if k is None:
            return self.selected[self.step("1se" if rule is None else rule)]
        if rule is not None:
            raise ValueError(f"k={k} and rule={rule!r} came, expected one of them")
        ranking = self.ranking()
        k = checks.check_int(k, "k", minimum=1)
        if k > len(ranking):
            raise ValueError(
                f"k is {k}, the path has ever used {len(ranking)} features"
            )
        return np.sort(ranking[:k])

    def ranking(self):
        """Numbers of all inputs that are ever in use, the most important first.

        Returns
        -------
        ndarray of int
        """
        by_strength = np.argsort(-self.strengths, kind="stable")
        used = self.importances[by_strength] > 0
        ever = np.flatnonzero(used.any(axis=0))
        if not len(ever):
            return ever
        last = used[:, ever].argmax(axis=0)
        weight = self.importances[by_strength[last], ever]
        return ever[np.lexsort((-weight, last))]

    def refit(
        self, X, y, k=None, rule=None, validation_data=None, epochs=100, patience=20
    ):
        """Train a dense network on the selected columns alone.

        It starts afresh, without the penalty of the path but with its `l2` on all
        layers; the learning rate falls to zero by a cosine.  Rows that have validated
        the selection can be trained on here.

        Parameters
        ----------
        X, y : array-like
            As for `regularization_path`, all columns.
        k : int, optional
            As for `select`.
        rule : {"best", "1se"}, optional
            As for `select`.
        validation_data : tuple (X, y), optional
            All columns; for early stopping.
        epochs : int, default 100
        patience : int, default 20

        Returns
        -------
        Network
            Its inputs are the columns ``network.metadata["columns"]``.
        """
        columns = self.select(k, rule)
        if not len(columns):
            raise ValueError("no feature is selected, there is nothing to train on")
        recipe = self._recipe
        X, y = check_data(X, y, recipe)
        layers = recipe.layers(len(columns), L2(recipe.l2), recipe.l2)
        network = Network(layers, recipe.loss, recipe.dtype, recipe.seed)
        network.metadata["columns"] = columns.tolist()
        callbacks = []
        if validation_data is not None:
            X_val, y_val = check_data(*validation_data, recipe, "X_val")
            validation_data = X_val[:, columns], y_val
            callbacks = [EarlyStopping(patience=patience)]
        epochs = checks.check_int(epochs, "epochs", minimum=1)
        optimizer = recipe.decaying_optimizer(epochs)
        recipe.fit(
            network, X[:, columns], y, callbacks, epochs, validation_data, optimizer
        )
        return network

    def stability(self, X, y, n_subsamples=40, n_jobs=None, progress=False):
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
            Ctrl-C returns what is done.
        """
        count = checks.check_int(n_subsamples, "n_subsamples", minimum=2)
        X, y = check_data(X, y, self._recipe)
        parts = Parts(self._recipe, self._direction, self.strengths.tolist(), X, y)
        return stability(parts, len(X), count, n_jobs, progress)

    def plot(self, ax=None):
        """Number of features and scores against the strength.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Default: a new figure.

        Returns
        -------
        Axes
            Of the number of features; the scores are on its twin at the right.
        """
        from .plot import plot_path

        return plot_path(self, ax)
