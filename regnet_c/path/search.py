"""regularization_path: networks along the strengths of a penalty on the inputs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from .._core import checks
from .._core.memory import says_memory_error
from .._core.portable import power
from .._core.progress_bar import StepBar
from .folds import Parts, cross_validate, splits_of
from .problem import Problem
from .recipe import make_recipe
from .result import RegularizationPath
from .steps import Walk, critical_strength, start_weights

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..typing import Direction, PathOptions, PathPenalty, Splits, TableLike, Targets
    from .steps import Step

DIRECTIONS = ("up", "down")


@says_memory_error
def regularization_path(
    X: TableLike,
    y: Targets,
    penalty: PathPenalty = "group_inputs",
    n_lambdas: int = 40,
    lambda_min_ratio: float = 1e-2,
    direction: Direction = "up",
    validation_data: tuple[TableLike, Targets] | None = None,
    cv: Splits | None = None,
    n_jobs: int | None = None,
    progress: bool = False,
    **options: Unpack[PathOptions],
) -> RegularizationPath:
    """Networks that use fewer and fewer inputs.

    The strengths are spaced evenly on a logarithmic scale from `lambda_min_ratio` times
    `lambda_max` to `lambda_max`, the strength at which no input would enter the network
    (given the later layers that the path starts from).  Every step starts from the weights
    of the one before, with a new state of the optimiser and a new ledger.  Going up, more
    strengths follow with the same spacing, at most `n_lambdas`, until no input is left:
    while inputs are in use, the later layers can outgrow `lambda_max`.

    Neither the unit nor the offset of a column of X or of y changes the selection: the
    path trains on columns of mean 0 and standard deviation 1 and on targets scaled
    likewise, and returns weights, predictions and scores in your units.
    For absolute_error, mae and quantile the targets' median and mean absolute deviation
    take the place of mean and standard deviation; huber's delta is in units of y, and
    several targets share one deviation there; for poisson y is divided by its mean.  Mean
    and deviation are those of all rows of X, in the folds of `cv` too.  Columns of a
    sparse X are divided by their deviation and keep their mean.

    Explained in :doc:`/feature_selection`.

    Parameters
    ----------
    X : array-like, sparse matrix or data frame of shape (n, n_in)
        Numbers; sparse rows, which stay sparse; or a data frame, whose columns can be
        chosen by name, with categories, dates and missing values: what they become is in
        or out as a whole.
    y : array-like
        Labels (n,), text or numbers, or targets (n,) or (n, n_out).
    penalty : {"group_inputs", "l1", "lassonet"}
        On the first layer: the norm of each input's weights; the absolute value of each
        weight; or a `LassoNet` with its linear skip connection.
    n_lambdas : int, default 40
    lambda_min_ratio : float in (0, 1), default 0.01
    direction : {"up", "down"}
        From a dense fit to no input, or from no input to many.
    validation_data : tuple (X, y), optional
        Scores every step, and stops the dense fit early; with few rows one such split
        is noisier than `cv` and selects more irrelevant columns.
    cv : int, list of (train rows, test rows) or splitter, optional
        Cross-validate: paths over the same strengths, scored on the rows left out.  A
        splitter is one of scikit-learn's.
    n_jobs : int, optional
        Folds at a time, by joblib; -1: one per CPU.  Default: 1, or what
        ``joblib.parallel_config`` states, which may also name processes or a cluster
        ("loky", "dask"); without a backend named there they are threads.
    progress : bool, default False
        Show a progress bar.
    **options
        Of the networks:

        - hidden (tuple of int, default (100,)): units of the hidden layers.
        - activation (str, default "relu").
        - loss (str or Loss): by default softmax_cross_entropy for text, booleans and
          integers of at most 20 different values with five rows each on average, else
          squared_error.
        - standardize (bool, default True): False leaves the columns of X as they are,
          for those that share a unit, such as pixels, and several targets in proportion.
        - encoder ("auto", None or TableEncoder): how a data frame becomes inputs.  auto:
          by a `TableEncoder` with standardised numbers if it has more than numbers or
          missing ones; the inputs of a column are one group, as of `GroupLasso`.
        - hierarchy (float, default 10): LassoNet's M.
        - l2 (float, default 1e-3): L2 on the later layers, without which they could
          grow to compensate for any penalty on the first.
        - epochs, patience (pairs of int): for the dense fit and for each step, the
          maximum number of epochs, and the number without progress (of the validation
          loss in the
          dense fit; by 1 % of the training objective in the steps).  Default (100, 10)
          and (5, 3), or as many as make (2000, 100) and (100, 30) optimiser steps.
        - optimizer (str or Optimizer, default Adam(0.001)).
        - batch_size (int, default 128).
        - dtype ("float32" or "float64").
        - seed (int, default 0).
        - threads (int): the maximum number within one network.
        - adaptive (float in [0, 1], default 0.5): every step divides an input's penalty
          by this power of the norm its weights had before, so that it falls on small
          weights most, in the end a multiple of ``sum_j |W_j|^(1 - adaptive)``; an
          input that was removed does not return. 0 is the convex penalty. Going down it
          is 0.
        - relax (bool, default True): score a step by a network on its inputs alone that
          was trained further without the penalty: then sparse steps do not suffer from
          their shrinkage.

    Returns
    -------
    RegularizationPath

    Raises
    ------
    TypeError, ValueError
        For invalid options or data.
    KeyboardInterrupt
        After Ctrl-C; its attribute `partial` is the RegularizationPath as far as it got,
        with ``interrupted`` set and the scores of the folds that were finished, if there
        are two: ``except KeyboardInterrupt as stop: path = stop.partial``.

    Examples
    --------
    >>> import numpy as np, regnet_c as rn
    >>> X = np.random.RandomState(0).randn(400, 12)
    >>> y = np.where(X[:, 3] * X[:, 7] > 0, "same", "opposite")
    >>> path = rn.regularization_path(X, y, cv=3, n_lambdas=8, hidden=(16,))
    >>> path.select()
    array([3, 7])
    >>> net = path.refit(X, y)
    >>> guess = path.classes[net.predict(X).argmax(axis=1)]
    >>> bool((guess == y).mean() > 0.95)
    True
    """
    given: dict[str, Any] = {**options}
    targets: Any = y
    loss, standardize = given.pop("loss", None), given.pop("standardize", True)
    problem = Problem(X, y, loss, standardize, given.pop("encoder", "auto"))
    recipe = make_recipe(problem, len(targets), penalty, **given)
    recipe.network(0.0)  # refuses what is wrong with the other options
    X, y = problem.data(X, y, recipe.dtype)
    if checks.check_name(direction, DIRECTIONS, "direction") == "down":
        recipe = replace(recipe, adaptive=0.0)
    if validation_data is not None:
        pair = checks.check_pair(validation_data, "validation_data")
        validation_data = problem.data(*pair, recipe.dtype, "X_val")
    n_lambdas = checks.check_int(n_lambdas, "n_lambdas", minimum=1)
    ratio = checks.check_float(
        lambda_min_ratio, "lambda_min_ratio", minimum=0, open_minimum=True, below=1
    )
    splits = None if cv is None else splits_of(cv, X, y, recipe)
    steps: list[Step] = []
    top, interrupt, folds = float("nan"), None, None
    with StepBar(progress, n_lambdas, "path", "steps") as bar:
        try:
            start = start_weights(recipe, direction, X, y, validation_data)
            top = critical_strength(recipe, start, X, y)
            strengths = _strengths(steps, top, ratio, n_lambdas, direction)
            for step in Walk(recipe, start, X, y, validation_data).steps(strengths):
                steps.append(step)
                bar.step(f"{np.count_nonzero(step.importance)} features")
        except KeyboardInterrupt as error:
            interrupt = error
    if splits is not None and interrupt is None:
        grid = [step.strength for step in steps]
        parts = Parts(recipe, direction, grid, X, y, validation_data)
        folds, interrupt = cross_validate(parts, splits, n_jobs, progress)
    path = RegularizationPath(
        problem, recipe, direction, steps, top, interrupt is not None, folds
    )
    if interrupt is not None:
        interrupt.partial = path  # type: ignore[attr-defined]  # what callers find there
        raise interrupt
    return path


def _strengths(
    steps: list[Step], top: float, ratio: float, n: int, direction: Direction
) -> Iterator[float]:
    """The strengths; going up they end with the last input, seen in `steps`."""
    grid = top * power(ratio, np.linspace(1, 0, n))
    if direction == "down":
        yield from grid[::-1].tolist()
        return
    factor = float(power(ratio, -1 / max(n - 1, 1)))
    yield grid[0].item()
    for i in range(1, 2 * n):
        if not steps[-1].importance.any():
            return
        yield grid[i].item() if i < n else float(top * factor ** (i - n + 1))
