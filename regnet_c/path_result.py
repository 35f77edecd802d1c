"""RegularizationPath: what a path found, and the ways to choose from it."""

import numpy as np

from . import _check
from .callbacks import EarlyStopping
from .network import Network

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
    lambda_max : float
        The strength at which no input would enter an empty network.
    interrupted : bool
        True if Ctrl-C ended the path early.
    """

    def __init__(self, recipe, steps, lambda_max, interrupted=False, folds=None):
        self._recipe = recipe
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
        """The network of one step, penalties included: a Network or a LassoNet."""
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
        """
        rule = _check.check_name(rule, RULES, "rule")
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
        """
        if k is None:
            return self.selected[self.step("1se" if rule is None else rule)]
        if rule is not None:
            raise ValueError(f"k={k} and rule={rule!r} came, expected one of them")
        most = int(self.n_features.max(initial=0))
        k = _check.check_int(k, "k", minimum=1, maximum=max(most, 1))
        return np.sort(self.ranking()[:k])

    def ranking(self):
        """Numbers of all inputs that are ever in use, the most important first."""
        by_strength = np.argsort(-self.strengths, kind="stable")
        used = self.importances[by_strength] > 0
        ever = np.flatnonzero(used.any(axis=0))
        last = used[:, ever].argmax(axis=0)
        weight = self.importances[by_strength[last], ever]
        return ever[np.lexsort((-weight, last))]

    def refit(
        self, X, y, k=None, rule=None, validation_data=None, epochs=100, patience=20
    ):
        """Train a dense network, without penalty, on the selected columns alone.

        Parameters
        ----------
        X, y : array-like
            As for `regularization_path`, all columns.
        k, rule
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
        network = Network(
            recipe.layers(len(columns)), recipe.loss, recipe.dtype, recipe.seed
        )
        network.metadata["columns"] = columns.tolist()
        callbacks = []
        if validation_data is not None:
            validation_data = (
                np.asarray(validation_data[0])[:, columns],
                validation_data[1],
            )
            callbacks = [EarlyStopping(patience=patience)]
        X = np.asarray(X)[:, columns]
        recipe.fit(network, X, y, callbacks, epochs, validation_data)
        return network

    def plot(self, ax=None):
        """Number of features and scores against the strength.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Default: a new figure.

        Returns
        -------
        Axes
            Of the number of features; the scores are on its twin.
        """
        if ax is None:
            ax = _pyplot().figure(layout="constrained").add_subplot()
        ax.step(self.strengths, self.n_features, where="mid", color="tab:gray")
        ax.set(xscale="log", xlabel="strength", ylabel="features")
        twin = ax.twinx()
        twin.plot(self.strengths, self.train_scores, "--", label="training")
        if np.isfinite(self.validation_scores).any():
            twin.errorbar(
                self.strengths,
                self.validation_scores,
                self.validation_errors,
                label="validation",
            )
            ax.axvline(self.strengths[self.step("1se")], linestyle=":", color="black")
        classification = self._recipe.loss.classification
        twin.set_ylabel("accuracy" if classification else "minus the loss")
        twin.legend()
        return ax


def _pyplot():
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        raise ImportError(
            "plots need matplotlib: pip install 'regnet-c[plot]'"
        ) from None
    return plt
