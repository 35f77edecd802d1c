"""regularization_path: networks along the strengths of a penalty on the inputs."""

from dataclasses import replace

import numpy as np

from .._core import checks
from .bar import Bar
from .folds import Parts, cross_validate, splits_of
from .recipe import check_data, make_recipe
from .result import RegularizationPath
from .steps import Walk, critical_strength, start_weights

DIRECTIONS = ("up", "down")


def regularization_path(
    X,
    y,
    penalty="group_inputs",
    n_lambdas=40,
    lambda_min_ratio=1e-2,
    direction="up",
    validation_data=None,
    cv=None,
    n_jobs=None,
    progress=False,
    **options,
):
    """Networks that use fewer and fewer inputs.

    The strengths are spaced evenly on a logarithmic scale from `lambda_min_ratio` times
    `lambda_max` to `lambda_max`, the strength at which no input would enter the network
    (given the later layers that the path starts from).  Every step starts from the weights
    of the one
    before, with a new state of the optimiser and a new ledger.  Going up, more strengths
    follow with the same spacing, at most `n_lambdas`, until no input is left: while
    inputs are in use, the later layers can outgrow `lambda_max`.

    The penalty looks at the size of weights: bring the columns of X to one scale first.

    Parameters
    ----------
    X : array-like of shape (n, n_in)
    y : array-like
        Integer labels (n,), or targets.
    penalty : {"group_inputs", "l1", "lassonet"}
        On the first layer: the norm of each input's weights; the absolute value of each
        weight; or a `LassoNet` with its linear skip connection.
    n_lambdas : int, default 40
    lambda_min_ratio : float in (0, 1), default 0.01
    direction : {"up", "down"}
        From a dense fit to no input, or from no input to many.
    validation_data : tuple (X, y), optional
        Scores every step, and stops the dense fit early.
    cv : int or list of (train rows, test rows), optional
        Cross-validate: paths over the same strengths, scored on the rows left out.
    n_jobs : int, optional
        Folds at a time, by joblib; -1: one per CPU.  Default: 1, or what
        `joblib.parallel_config` says.
    progress : bool, default False
        Show a progress bar.
    **options
        Of the networks:

        - hidden (tuple of int, default (100,)): units of the hidden layers.
        - activation (str, default "relu").
        - loss (str or Loss): by default softmax_cross_entropy for integer y, else
          squared_error.
        - hierarchy (float, default 10): LassoNet's M.
        - l2 (float, default 1e-3): L2 on the later layers, without which they could grow
          to make up for every penalty on the first.
        - epochs, patience (pairs of int, default (100, 10) and (5, 3)): for the dense fit
          and for each step, at most so many epochs, and how many without progress (of the
          validation loss in the dense fit; by 1 % of the training objective in the
          steps).
        - optimizer (str or Optimizer, default Adam(0.001)).
        - batch_size (int, default 128).
        - dtype ("float32" or "float64").
        - seed (int, default 0).
        - threads (int): at most this many within one network.
        - adaptive (float in [0, 1], default 0.5): every step divides an input's penalty
          by this power of the norm its weights had before, so that it falls on small
          weights most, in the end a multiple of ``sum_j |W_j|^(1 - adaptive)``; an input
          that has left does not come back.  0 is the convex penalty.  Going down it is 0.
        - relax (bool, default True): score a step by a network on its inputs alone that
          was trained on without the penalty: then shrinkage does not count against the
          sparse steps.

    Returns
    -------
    RegularizationPath
        Ctrl-C returns what is done, with ``interrupted`` set.

    Examples
    --------
    >>> import numpy as np, regnet_c as rn
    >>> X = np.random.RandomState(0).randn(600, 12)
    >>> y = (X[:, 3] * X[:, 7] > 0).astype(int)
    >>> path = rn.regularization_path(X[:400], y[:400], hidden=(16,),
    ...     validation_data=(X[400:], y[400:]), optimizer=rn.Adam(0.01), batch_size=32)
    >>> path.select(rule="1se")
    array([3, 7])
    """
    recipe = make_recipe(X, y, penalty, **options)
    X, y = check_data(X, y, recipe)
    if checks.check_name(direction, DIRECTIONS, "direction") == "down":
        recipe = replace(recipe, adaptive=0.0)
    if validation_data is not None:
        validation_data = checks.check_validation_data(validation_data)[:2]
        validation_data = check_data(*validation_data, recipe, "X_val")
    n_lambdas = checks.check_int(n_lambdas, "n_lambdas", minimum=1)
    ratio = checks.check_float(
        lambda_min_ratio, "lambda_min_ratio", minimum=0, open_minimum=True, below=1
    )
    splits = None if cv is None else splits_of(cv, y, recipe)
    steps, top, interrupted = [], float("nan"), False
    with Bar(progress, n_lambdas, "path") as bar:
        try:
            start = start_weights(recipe, direction, X, y, validation_data)
            top = critical_strength(recipe, start, X, y)
            strengths = _strengths(steps, top, ratio, n_lambdas, direction)
            for step in Walk(recipe, start, X, y, validation_data).steps(strengths):
                steps.append(step)
                bar.step(np.count_nonzero(step.importance))
        except KeyboardInterrupt:
            interrupted = True
    folds = None
    if splits is not None and not interrupted:
        grid = [step.strength for step in steps]
        parts = Parts(recipe, direction, grid, X, y, validation_data)
        folds = cross_validate(parts, splits, n_jobs, progress)
        interrupted = folds is None
    return RegularizationPath(recipe, direction, steps, top, interrupted, folds)


def _strengths(steps, top, ratio, n, direction):
    """The strengths; going up they end with the last input, seen in `steps`."""
    grid = top * ratio ** np.linspace(1, 0, n)
    if direction == "down":
        yield from grid[::-1].tolist()
        return
    factor = ratio ** (-1 / max(n - 1, 1))
    yield grid[0].item()
    for i in range(1, 2 * n):
        if not steps[-1].importance.any():
            return
        yield grid[i].item() if i < n else float(top * factor ** (i - n + 1))
