"""Stability selection: inputs that are selected repeatedly from halves of the data."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from .._core import checks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..typing import BoolArray, Float64Array
    from .folds import Parts


class StabilitySelection:
    """Result of `RegularizationPath.stability`.

    Explained in :doc:`/course/stability`.

    Attributes
    ----------
    strengths : ndarray
    frequencies : ndarray of shape (steps, n_in)
        Share of the subsamples in whose networks an input was in use.
    n_subsamples : int
    interrupted : bool
        True if Ctrl-C ended it early; the frequencies are those of the subsamples done.
    feature_names : list of str or None

    Examples
    --------
    >>> import numpy as np, regnet_c as rn
    >>> X = np.random.RandomState(0).randn(150, 4)
    >>> path = rn.regularization_path(X, X[:, 2], n_lambdas=4)
    >>> found = path.stability(X, X[:, 2], n_subsamples=4)
    >>> found
    StabilitySelection(4 subsamples)
    >>> found.frequencies.max(axis=0)[2].item()
    1.0
    """

    strengths: Float64Array
    interrupted: bool
    n_subsamples: int
    frequencies: Float64Array

    def __init__(
        self,
        strengths: Sequence[float],
        used: BoolArray,
        interrupted: bool,
        feature_names: list[str] | None = None,
    ) -> None:
        self.feature_names = feature_names
        self.strengths, self.interrupted = np.array(strengths), interrupted
        self.n_subsamples = len(used)
        steps, n_in = used.shape[1:]
        self.frequencies = used.mean(axis=0) if len(used) else np.zeros((steps, n_in))
        # inputs that a subsample has used from a strength on, upwards
        down = np.argsort(-self.strengths, kind="stable")
        union = np.maximum.accumulate(used[:, down], axis=1).sum(axis=2)
        self._order = down
        self._union = union.mean(axis=0) if len(used) else np.zeros(steps)

    def __repr__(self) -> str:
        return f"StabilitySelection({self.n_subsamples} subsamples)"

    def select(
        self, threshold: float = 0.9, max_false: float = 1.0, names: bool = False
    ) -> NDArray[np.intp] | list[str]:
        """The inputs with a frequency of at least `threshold`: ascending numbers, or names.

        Only the largest strengths count, as long as q inputs on average were used by
        them and q^2 / ((2 threshold - 1) n_in) <= `max_false`, which bounds the expected
        number of wrongly chosen inputs if the wrong ones are exchangeable and not
        preferred to the right ones (Meinshausen and Buhlmann 2010).

        Parameters
        ----------
        threshold : float in (0.5, 1], default 0.9
        max_false : float, default 1
        names : bool, default False
            The columns' names in place of their numbers.

        Returns
        -------
        ndarray of int, or list of str

        Warns
        -----
        UserWarning
            If no input is selected.

        Examples
        --------
        >>> import numpy as np, pandas as pd, regnet_c as rn
        >>> rows = np.random.RandomState(0).randn(150, 4)
        >>> X = pd.DataFrame(rows, columns=["a", "b", "c", "d"])
        >>> path = rn.regularization_path(X, X["c"], n_lambdas=4)
        >>> path.stability(X, X["c"], n_subsamples=4).select(names=True)
        ['c']
        """
        threshold = checks.check_float(
            threshold, "threshold", minimum=0.5, open_minimum=True, maximum=1
        )
        max_false = checks.check_float(
            max_false, "max_false", minimum=0, open_minimum=True
        )
        n_in = self.frequencies.shape[1]
        sparse = self._union**2 <= max_false * (2 * threshold - 1) * n_in
        counted = self.frequencies[self._order[sparse]]
        columns = np.flatnonzero(counted.max(axis=0, initial=0) >= threshold)
        if not len(columns):
            top = self.frequencies.max(initial=0)
            warnings.warn(
                f"threshold={threshold} and max_false={max_false} select no column: the "
                f"largest strengths that count are {np.count_nonzero(sparse)} of "
                f"{len(self.strengths)}, the highest frequency at any is {top:.2f}",
                UserWarning,
                stacklevel=2,
            )
        return chosen(columns, self.feature_names, names)


def halves(n: int, count: int, seed: int) -> list[NDArray[np.intp]]:
    """Rows of `count` random halves, in complementary pairs (Shah and Samworth 2013)."""
    rng, rows = np.random.default_rng([seed, 1]), []
    for _ in range(-(-count // 2)):
        order = rng.permutation(n)
        rows += [np.sort(order[: n // 2]), np.sort(order[n // 2 : n // 2 * 2])]
    return rows[:count]


def chosen(
    columns: NDArray[np.intp], feature_names: list[str] | None, names: bool
) -> NDArray[np.intp] | list[str]:
    """Numbers of columns as they are or, if `names`, the list of their names."""
    if not checks.check_bool(names, "names"):
        return columns
    if feature_names is None:
        raise ValueError("names is True, X had no column names; expected a data frame")
    return [feature_names[i] for i in columns]


def stability(
    parts: Parts,
    n_rows: int,
    count: int,
    n_jobs: int | None,
    progress: bool,
    feature_names: list[str] | None = None,
) -> StabilitySelection:
    """See `RegularizationPath.stability`."""
    rows = halves(n_rows, count, parts.recipe.seed)
    calls = [(part, None) for part in rows]
    found, interrupt = parts.run(calls, n_jobs, progress, "subsamples")
    used = np.array([[s.importance > 0 for s in steps] for steps in found], bool)
    shape = (len(found), len(parts.grid), parts.recipe.n_columns)
    result = StabilitySelection(
        parts.grid, used.reshape(shape), interrupt is not None, feature_names
    )
    if interrupt is not None:
        interrupt.partial = result  # type: ignore[attr-defined]  # what callers find there
        raise interrupt
    return result
