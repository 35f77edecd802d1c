"""Paths over the same strengths on parts of the data, several at a time."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np

from .._core import checks
from .._core.csr import take_rows
from .._core.progress_bar import StepBar
from .steps import Walk, start_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence
    from threading import Event

    from numpy.typing import NDArray

    from ..typing import AnyArray, Direction, Splits
    from .recipe import Recipe
    from .steps import Step

    Split: TypeAlias = tuple[NDArray[np.intp], NDArray[np.intp]]  # train, test
    Pair: TypeAlias = tuple[AnyArray, AnyArray]  # X, y
    T = TypeVar("T")


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

    recipe: Recipe
    grid: list[float]

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

        Held-out rows score the steps; None: no scores.  Threads, because the core trains
        without the GIL and they share the data, unless joblib was told otherwise: a walk
        is a job that other processes and machines can do.
        """
        stop, done, interrupt = threading.Event(), {}, None
        jobs, in_threads = _jobs(n_jobs)
        recipe = replace(self.recipe, threads=1) if jobs > 1 else self.recipe
        total = len(parts) * len(self.grid)
        with StepBar(progress, total, name, "steps") as bar:
            watch = (stop, bar) if in_threads else ()
            calls = [(recipe, i, *part, *watch) for i, part in enumerate(parts)]
            results = _results(self.walk, calls, jobs)
            try:
                for number, steps in results:
                    if len(steps) == len(self.grid):
                        done[number] = steps
                    for step in steps if not in_threads else ():
                        bar.step(f"{np.count_nonzero(step.importance)} features")
            except KeyboardInterrupt as error:
                interrupt = error
                stop.set()
                results.close()
            found = [done[i] for i in sorted(done)]
        return found, interrupt

    def walk(
        self,
        recipe: Recipe,
        number: int,
        rows: NDArray[np.intp],
        held_out: NDArray[np.intp] | None,
        stop: Event | None = None,
        bar: StepBar | None = None,
    ) -> tuple[int, list[Step]]:
        """The number of a part, and the steps on it, fewer if `stop` was set."""
        X, y = take_rows(self._X, rows), self._y[rows]
        judge = None
        if held_out is not None:
            judge = take_rows(self._X, held_out), self._y[held_out]
        start = start_weights(recipe, self.direction, X, y, self._validation, stop)
        steps = []
        for step in Walk(recipe, start, X, y, judge, stop).steps(self.grid):
            steps.append(step)
            if bar is not None:
                bar.step(f"{np.count_nonzero(step.importance)} features")
        return number, steps


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


def _jobs(n_jobs: int | None) -> tuple[int, bool]:
    """(how many walks at a time, whether in threads); joblib knows, unless it is one."""
    if n_jobs is not None and checks.check_int(n_jobs, "n_jobs") == 1:
        return 1, True
    try:
        from joblib import effective_n_jobs
        from joblib.parallel import get_active_backend
    except ImportError:
        if n_jobs is None:
            return 1, True
        raise ImportError(
            f"n_jobs={n_jobs} needs joblib: pip install regnet-c[sklearn]"
        ) from None
    jobs: int = effective_n_jobs(n_jobs)
    backend, _ = get_active_backend(prefer="threads")
    return jobs, jobs == 1 or getattr(backend, "supports_sharedmem", False)


def _results(
    function: Callable[..., T], calls: Sequence[tuple[Any, ...]], jobs: int
) -> Generator[T]:
    """What the function returns, as the calls end."""
    if jobs == 1:
        return (function(*arguments) for arguments in calls)
    from joblib import Parallel, delayed

    parallel = Parallel(jobs, prefer="threads", return_as="generator_unordered")
    found: Generator[T] = parallel(delayed(function)(*a) for a in calls)
    return found
