"""Paths over the same strengths on parts of the data, several at a time."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from .._core import checks
from .._core.csr import take_rows
from .bar import Bar
from .steps import Walk, start_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from threading import Event

    from numpy.typing import NDArray

    from ..typing import AnyArray, Direction, Splits
    from .recipe import Recipe
    from .steps import Step

    Split: TypeAlias = tuple[NDArray[np.intp], NDArray[np.intp]]  # train, test
    Pair: TypeAlias = tuple[AnyArray, AnyArray]  # X, y


def splits_of(cv: Splits, X: AnyArray, y: AnyArray, recipe: Recipe) -> list[Split]:
    """List of (train rows, test rows); an int is that many folds, even in the labels."""
    if hasattr(cv, "split"):  # one of scikit-learn's splitters
        cv = list(cv.split(X, y))
    if not isinstance(cv, (int, np.integer)):
        pairs = [(np.asarray(train), np.asarray(test)) for train, test in cv]
        if len(pairs) < 2:
            raise ValueError(f"cv has {len(pairs)} split(s), expected at least 2")
        return pairs
    cv = checks.check_int(cv, "cv", minimum=2, maximum=len(y))
    order = np.random.default_rng(recipe.seed).permutation(len(y))
    if recipe.loss.classification and y.ndim == 1:
        order = order[np.argsort(y[order], kind="stable")]
    fold = np.empty(len(y), int)
    fold[order] = np.arange(len(y)) % cv
    return [(np.flatnonzero(fold != i), np.flatnonzero(fold == i)) for i in range(cv)]


class Parts:
    """Walks along one grid on parts of the data; what they share."""

    def __init__(
        self,
        recipe: Recipe,
        direction: Direction,
        grid: Iterable[float],
        X: AnyArray,
        y: AnyArray,
        validation_data: Pair | None = None,
    ) -> None:
        self.recipe, self.direction, self.grid = recipe, direction, list(grid)
        self._X, self._y, self._validation = X, y, validation_data

    def run(
        self,
        parts: Sequence[tuple[NDArray[np.intp], NDArray[np.intp] | None]],
        n_jobs: int | None,
        progress: bool,
        name: str,
    ) -> tuple[list[list[Step]], KeyboardInterrupt | None]:
        """(lists of steps, the KeyboardInterrupt that ended it or None).

        One list for each finished (rows, held out).

        Held-out rows score the steps; None: no scores.  Threads, not processes: the
        core trains without the GIL, and the data are shared.
        """
        stop, done, interrupt = threading.Event(), {}, None
        jobs = _jobs(n_jobs)
        recipe = replace(self.recipe, threads=1) if jobs > 1 else self.recipe
        with Bar(progress, len(parts) * len(self.grid), name) as bar:

            def walk(
                number: int, rows: NDArray[np.intp], held_out: NDArray[np.intp] | None
            ) -> None:
                steps = self._walk(recipe, rows, held_out, stop, bar)
                if len(steps) == len(self.grid):
                    done[number] = steps

            try:
                _run_all(walk, [(i, *part) for i, part in enumerate(parts)], jobs)
            except KeyboardInterrupt as error:
                interrupt = error
                stop.set()
            found = [done[i] for i in sorted(done)]
        return found, interrupt

    def _walk(
        self,
        recipe: Recipe,
        rows: NDArray[np.intp],
        held_out: NDArray[np.intp] | None,
        stop: Event,
        bar: Bar,
    ) -> list[Step]:
        X, y = take_rows(self._X, rows), self._y[rows]
        judge = None
        if held_out is not None:
            judge = take_rows(self._X, held_out), self._y[held_out]
        start = start_weights(recipe, self.direction, X, y, self._validation, stop)
        steps = []
        for step in Walk(recipe, start, X, y, judge, stop).steps(self.grid):
            steps.append(step)
            bar.step(int(np.count_nonzero(step.importance)))
        return steps


def cross_validate(
    parts: Parts, splits: Sequence[Split], n_jobs: int | None, progress: bool
) -> tuple[list[tuple[float, float]] | None, KeyboardInterrupt | None]:
    """([(mean score, its standard error)] for each strength, interrupt or None).

    After Ctrl-C over the folds that were finished; None if they are fewer than two.
    """
    found, interrupt = parts.run(splits, n_jobs, progress, "folds")
    if len(found) < 2:
        return None, interrupt
    scores = [[s.validation[0] for s in steps if s.validation] for steps in found]
    rows = np.array(scores)
    errors = rows.std(axis=0, ddof=1) / np.sqrt(len(rows))
    return list(zip(rows.mean(axis=0), errors, strict=True)), interrupt


def _jobs(n_jobs: int | None) -> int:
    """How many walks at a time; joblib knows, unless it is one."""
    if n_jobs is not None and checks.check_int(n_jobs, "n_jobs") == 1:
        return 1
    try:
        from joblib import effective_n_jobs
    except ImportError:
        if n_jobs is None:
            return 1
        raise ImportError(
            f"n_jobs={n_jobs} needs joblib: pip install regnet-c[sklearn]"
        ) from None
    number: int = effective_n_jobs(n_jobs)
    return number


def _run_all(
    function: Callable[..., None], calls: Sequence[tuple[Any, ...]], jobs: int
) -> None:
    if jobs == 1:
        for arguments in calls:
            function(*arguments)
        return
    from joblib import Parallel, delayed

    Parallel(jobs, require="sharedmem")(
        delayed(function)(*arguments) for arguments in calls
    )
