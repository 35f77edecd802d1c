"""The plot of a regularization path."""

import numpy as np

from .._axes import COLORS, panels, percent, plain


def plot_path(path, ax=None):
    """Number of features and scores against the strength.

    Parameters
    ----------
    path : RegularizationPath
    ax : Axes, optional

    Returns
    -------
    Axes
        Of the number of features; the scores are on its twin at the right.
    """
    if not len(path):
        raise ValueError("the path has no steps, there is nothing to draw")
    ax = panels(ax, 1, size=(6.4, 3.2))[0]
    plain(ax, "strength", "features")
    ax.set_xscale("log")
    order = np.argsort(path.strengths)
    x = path.strengths[order]
    ax.step(x, path.n_features[order], where="mid", color="0.5")
    ax.set_ylim(bottom=0)
    twin = ax.twinx()
    twin.spines["top"].set_visible(False)
    twin.plot(x, path.train_scores[order], "--", color=COLORS[0], label="training")
    if np.isfinite(path.validation_scores).any():
        scores, errors = path.validation_scores[order], path.validation_errors[order]
        twin.plot(x, scores, color=COLORS[1], label="validation")
        twin.fill_between(
            x, scores - errors, scores + errors, color=COLORS[1], alpha=0.2, lw=0
        )
        ax.axvline(
            path.strengths[path.step("1se")], linestyle=":", color="0", label="1se"
        )
    if path.loss.classification:
        twin.yaxis.set_major_formatter(percent())
    twin.set_ylabel("accuracy" if path.loss.classification else "minus the loss")
    twin.legend(frameon=False, loc="best")
    return ax
