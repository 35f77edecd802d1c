"""Stability selection: inputs that are chosen again and again from halves of the data."""

import numpy as np

from .._core import checks


class StabilitySelection:
    """Result of `RegularizationPath.stability`.

    Attributes
    ----------
    strengths : ndarray
    frequencies : ndarray of shape (steps, n_in)
        Share of the subsamples in whose networks an input was in use.
    n_subsamples : int
    interrupted : bool
        True if Ctrl-C ended it early; the frequencies are those of the subsamples done.
    """

    def __init__(self, strengths, used, interrupted):
        self.strengths, self.interrupted = np.array(strengths), interrupted
        self.n_subsamples = len(used)
        steps, n_in = used.shape[1:]
        self.frequencies = used.mean(axis=0) if len(used) else np.zeros((steps, n_in))
        # inputs that a subsample has used from a strength on, upwards
        down = np.argsort(-self.strengths, kind="stable")
        union = np.maximum.accumulate(used[:, down], axis=1).sum(axis=2)
        self._order = down
        self._union = union.mean(axis=0) if len(used) else np.zeros(steps)

    def __repr__(self):
        return f"StabilitySelection({self.n_subsamples} subsamples)"

    def select(self, threshold=0.9, max_false=1.0):
        """Numbers of the inputs with a frequency of at least `threshold`, ascending.

        Only the largest strengths count, as long as q inputs on average were used by
        them and q^2 / ((2 threshold - 1) n_in) <= `max_false`, which bounds the expected
        number of wrongly chosen inputs if the wrong ones are exchangeable and not
        preferred to the right ones (Meinshausen and Buhlmann 2010).

        Parameters
        ----------
        threshold : float in (0.5, 1], default 0.9
        max_false : float, default 1

        Returns
        -------
        ndarray of int
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
        return np.flatnonzero(counted.max(axis=0, initial=0) >= threshold)


def halves(n, count, seed):
    """Rows of `count` random halves, in complementary pairs (Shah and Samworth 2013)."""
    rng, rows = np.random.default_rng([seed, 1]), []
    for _ in range(-(-count // 2)):
        order = rng.permutation(n)
        rows += [np.sort(order[: n // 2]), np.sort(order[n // 2 : n // 2 * 2])]
    return rows[:count]


def stability(parts, n_rows, count, n_jobs, progress):
    """See `RegularizationPath.stability`."""
    rows = halves(n_rows, count, parts.recipe.seed)
    calls = [(part, None) for part in rows]
    found, interrupted = parts.run(calls, n_jobs, progress, "subsamples")
    used = np.array([[s.importance > 0 for s in steps] for steps in found], bool)
    shape = (len(found), len(parts.grid), parts.recipe.n_in)
    return StabilitySelection(parts.grid, used.reshape(shape), interrupted)
