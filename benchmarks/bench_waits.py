"""What users wait for: whole fits, small fits, a grid, one row; ours and the peers'.

    python benchmarks/bench_waits.py --threads 1
    python benchmarks/bench_waits.py --only "100 tiny fits,one row"

"plain" is `RegNetClassifier(preset="plain")`, which has the settings of scikit-learn's MLP,
with as many epochs; "default" is `RegNetClassifier()`.  Tasks run in turn, ours, peer,
ours, peer ..., and a ratio is taken within a round; above 1 regnet_c is faster.  Every
library is imported and every task was run once before.  Import, first fit and the
encoder have scripts of their own: bench_import.py, bench_encoder.py.
"""

import argparse
import os
import statistics
import sys
import time
import warnings

from worker import thread_environment

COLUMNS = 20
EPOCHS = 20
TASKS = {}


def task(name):
    """Register a function (library) -> what to time, or None where it has no part."""

    def add(function):
        TASKS[name] = function
        return function

    return add


def table(n, columns=COLUMNS):
    """(X, y): two classes, a smooth border and noise."""
    import numpy as np

    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, columns)).astype(np.float32)
    score = X[:, 0] + np.sin(2 * X[:, 1]) + X[:, 2] * X[:, 3]
    return X, (score + rng.standard_normal(n) > 0).astype(int)


def classifier(library, threads, epochs=EPOCHS, hidden=(100,)):
    """An estimator that trains so many epochs."""
    if library == "plain":
        from regnet_c import RegNetClassifier

        return RegNetClassifier(
            hidden,
            preset="plain",
            max_iter=epochs,
            tol=0,
            n_iter_no_change=epochs,
            random_state=0,
            n_jobs=threads,
        )
    if library == "default":
        from regnet_c import RegNetClassifier

        return RegNetClassifier(random_state=0, n_jobs=threads)
    if library == "scikit-learn":
        from sklearn.neural_network import MLPClassifier

        return MLPClassifier(
            hidden, max_iter=epochs, tol=0, n_iter_no_change=epochs, random_state=0
        )
    from lightgbm import LGBMClassifier

    return LGBMClassifier(n_jobs=threads, verbose=-1)


def whole_fit(n):
    """The task of fitting n rows."""

    def prepare(library, threads):
        X, y = table(n)
        return lambda: classifier(library, threads).fit(X, y)

    return prepare


for n_rows in (1_000, 10_000, 100_000):
    task(f"fit {n_rows} x {COLUMNS}")(whole_fit(n_rows))


@task("100 tiny fits")
def tiny_fits(library, threads):
    """50 rows of 5 columns, a hundred times."""
    if library == "default":
        return None
    X, y = table(50, 5)

    def run():
        for _ in range(100):
            classifier(library, threads).fit(X, y)

    return run


@task("grid of 100 in two processes")
def grid(library, threads):
    """Ten strengths times ten rates, two folds, 1000 rows."""
    if library in ("default", "LightGBM"):
        return None
    import numpy as np
    from sklearn.model_selection import GridSearchCV

    X, y = table(1_000)
    strength = "l2" if library == "plain" else "alpha"
    values = {
        strength: np.geomspace(1e-6, 1e-1, 10),
        "learning_rate_init": np.geomspace(1e-4, 1e-2, 10),
    }
    search = GridSearchCV(classifier(library, 1), values, cv=2, n_jobs=2)
    return lambda: search.fit(X, y)


@task("one row")
def one_row(library, threads):
    """A thousand predictions of one row."""
    X, y = table(1_000)
    model = classifier(library, threads).fit(X, y)

    def run():
        for i in range(1_000):
            model.predict(X[i : i + 1])

    return run


def seconds(run):
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def measure(name, libraries, options):
    """Print a line for each library."""
    runs = {x: TASKS[name](x, options.threads) for x in libraries}
    runs = {x: run for x, run in runs.items() if run is not None}
    times = {x: [] for x in runs}
    for run in runs.values():
        run()
    for _ in range(options.rounds):
        for library, run in runs.items():
            times[library].append(seconds(run))
    print(f"\n{name}, {options.threads} threads")
    for library, taken in times.items():
        ratios = [a / b for a, b in zip(taken, times["plain"], strict=True)]
        against = f"{statistics.median(ratios):7.2f} x plain"
        print(f"  {library:14}{statistics.median(taken):10.4f} s {against}", flush=True)


def arguments():
    """What the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--threads", type=int, default=1, help="at most this many, default 1")
    add("--rounds", type=int, default=5, help="default 5")
    add("--only", type=lambda text: text.split(","), default=list(TASKS), help="tasks")
    libraries = ["plain", "default", "scikit-learn", "LightGBM"]
    add("--peers", type=lambda text: text.split(","), default=libraries)
    options = parser.parse_args()
    unknown = set(options.only) - TASKS.keys()
    if unknown:
        parser.error(f"no task {unknown}, expected some of {', '.join(TASKS)}")
    return options


def main():
    """Measure in a process that has no more threads than were asked for."""
    options = arguments()
    wanted = thread_environment(options.threads)
    if any(os.environ.get(name) != value for name, value in wanted.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | wanted)
    os.environ["PYTHONWARNINGS"] = "ignore"  # of the grid's processes
    warnings.simplefilter("ignore")  # scikit-learn's about epochs
    for name in options.only:
        measure(name, options.peers, options)


if __name__ == "__main__":
    main()
