"""The plane of `plot_decision_regions`: its grid, and which class is predicted where."""

import numpy as np


def grid(X, resolution):
    """Centres of resolution^2 cells around the points (row by row), and their edges."""
    low, high = X.min(axis=0), X.max(axis=0)
    margin = 0.05 * np.where(high > low, high - low, 1)
    low, high = low - margin, high + margin
    steps = (np.arange(resolution) + 0.5) / resolution
    first, second = (low + (high - low) * steps[:, None]).T
    grid = np.stack(np.meshgrid(first, second), axis=-1).reshape(-1, 2)
    return grid, (low[0], high[0], low[1], high[1])


def region(scores, y):
    """(place of each predicted class in the labels, NaN for none; the labels)."""
    if scores.ndim == 1:
        labels = np.unique(y)
        if not np.isin(scores, labels).all():
            raise ValueError(
                f"predictions are {np.unique(scores)[:5]} ..., y has {labels[:5]} ...; "
                "expected labels of y, or scores of shape (n, classes)"
            )
        return np.searchsorted(labels, scores).astype(np.float64), labels
    if scores.shape[1] == 1:
        scores = np.hstack([1 - scores, scores])
    unknown = np.isnan(scores).any(axis=1)
    return np.where(unknown, np.nan, scores.argmax(axis=1)), np.arange(scores.shape[1])
