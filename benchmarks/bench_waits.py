"""What users wait for: imports, encoders, whole fits, small fits, a grid, one row.

    python benchmarks/bench_waits.py --threads 1
    python benchmarks/bench_waits.py --only "100 tiny fits,one row"
    python benchmarks/bench_waits.py --only "MNIST adam" --data mnist.npz --rounds 1

"plain" is `RegNetClassifier(preset="plain")`, which has the settings of scikit-learn's MLP,
with as many epochs; "default" is `RegNetClassifier()`.  Tasks run in turn, ours, peer,
ours, peer ..., and a ratio is taken within a round; above 1 regnet_c is faster.  Every
task was run once before, unless there is one round.

"import" and "first fit" (of 1000 rows, import included) are of new processes that have
NumPy.  "encoder" makes numbers of a pandas table of 100 000 rows, ten columns of numbers
and ten of text: standardised and one-hot ("plain", scikit-learn), with bins ("default").
"MNIST" is scikit-learn's own bench_mnist: 100 and 100 units, the same penalty, learning
rate and rule of stopping for both, and the share of the test images that are wrong.
`--quick` takes a tenth of its images.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path

from worker import thread_environment

HERE = Path(__file__).resolve().parent
COLUMNS = 20
EPOCHS = 20
TASKS = {}
MODULES = {
    "plain": "regnet_c",
    "scikit-learn": "sklearn.neural_network",
    "LightGBM": "lightgbm",
}
# prints the seconds of what follows NumPy
NEW_PROCESS = """
import sys, time, warnings
import numpy
sys.path.insert(0, sys.argv[1])
warnings.simplefilter("ignore")
import bench_waits
X, y = bench_waits.table(1000)
library, action, threads = sys.argv[2], sys.argv[3], int(sys.argv[4])
start = time.perf_counter()
if action == "import":
    __import__(bench_waits.MODULES[library])
else:
    bench_waits.classifier(library, threads).fit(X, y)
print(time.perf_counter() - start)
"""


def task(name):
    """Register a function (library, options) -> what to time, None if it has no part.

    What is timed may return seconds of its own, or a text to print.
    """

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


def new_process(library, action, threads):
    """Seconds that a new process takes for it."""
    command = [sys.executable, "-c", NEW_PROCESS, str(HERE), library, action]
    done = subprocess.run(
        [*command, str(threads)], stdout=subprocess.PIPE, text=True, check=True
    )
    return float(done.stdout)


@task("import")
def importing(library, options):
    """The module; the estimators and encoders of regnet_c are imported when used."""
    if library == "default":
        return None
    return lambda: new_process(library, "import", options.threads)


@task("first fit")
def first_fit(library, options):
    """1000 rows, by a process that has imported NumPy only."""
    return lambda: new_process(library, "fit", options.threads)


@task("encoder")
def encoder(library, options):
    """Fit and apply the encoder of a table."""
    if library == "LightGBM":
        return None
    from bench_encoder import frame

    X = frame("pandas", 100_000)

    def run():
        make_encoder(library, X).fit_transform(X)

    return run


def make_encoder(library, X):
    """One that is not fitted."""
    if library != "scikit-learn":
        from regnet_c.tables import TableEncoder

        return TableEncoder(numeric="standard" if library == "plain" else "auto")
    import numpy as np
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    names = [name for name in X.columns if name.startswith("number")]
    numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    levels = OneHotEncoder(
        handle_unknown="ignore", sparse_output=False, dtype=np.float32
    )
    return make_column_transformer(
        (numbers, names), (levels, [name for name in X.columns if name not in names])
    )


def whole_fit(n):
    """The task of fitting n rows."""

    def prepare(library, options):
        X, y = table(n)

        def run():
            classifier(library, options.threads).fit(X, y)

        return run

    return prepare


for n_rows in (1_000, 10_000, 100_000):
    task(f"fit {n_rows} x {COLUMNS}")(whole_fit(n_rows))


@task("100 tiny fits")
def tiny_fits(library, options):
    """50 rows of 5 columns, a hundred times."""
    if library == "default":
        return None
    X, y = table(50, 5)

    def run():
        for _ in range(100):
            classifier(library, options.threads).fit(X, y)

    return run


@task("grid of 100 in two processes")
def grid(library, options):
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

    def run():
        search.fit(X, y)

    return run


@task("one row")
def one_row(library, options):
    """A thousand predictions of one row."""
    X, y = table(1_000)
    model = classifier(library, options.threads).fit(X, y)

    def run():
        for i in range(1_000):
            model.predict(X[i : i + 1])

    return run


def mnist(solver):
    """The task of fitting MNIST as scikit-learn's bench_mnist.py does."""

    def prepare(library, options):
        if library in ("default", "LightGBM") or options.data is None:
            return None
        import numpy as np

        with np.load(options.data) as file:
            x_train, y_train, x_test, y_test = (
                file[f"{name}_{part}"] for part in ("train", "test") for name in "xy"
            )
        every = 10 if options.quick else 1
        X = x_train.reshape(len(x_train), -1)[::every] / np.float32(255)
        y, x_test = y_train[::every], x_test.reshape(len(x_test), -1) / np.float32(255)

        def run():
            model = mnist_classifier(library, solver, options.threads).fit(X, y)
            wrong = 1 - model.score(x_test, y_test)
            return f"{model.n_iter_} epochs, {wrong:.2%} of the test images wrong"

        return run

    return prepare


def mnist_classifier(library, solver, threads):
    """The settings of bench_mnist.py; alpha / 2 of a batch of 200 is l2."""
    rate, alpha = {"adam": 1e-3, "sgd": 0.2}[solver], 1e-4
    common = {"max_iter": 400, "tol": 1e-4, "random_state": 1}
    if library == "scikit-learn":
        from sklearn.neural_network import MLPClassifier

        common |= {"solver": solver, "learning_rate_init": rate, "momentum": 0.9}
        return MLPClassifier((100, 100), alpha=alpha, **common)
    import regnet_c as rn

    optimizer = rn.Adam(rate) if solver == "adam" else rn.SGD(rate, 0.9, nesterov=True)
    return rn.RegNetClassifier(
        (100, 100),
        preset="plain",
        optimizer=optimizer,
        l2=alpha / 2 / 200,
        n_jobs=threads,
        **common,
    )


for solver_name in ("adam", "sgd"):
    task(f"MNIST {solver_name}")(mnist(solver_name))


def seconds(run):
    """Those that it took, and what it has to say."""
    start = time.perf_counter()
    found = run()
    taken = time.perf_counter() - start
    return (found, "") if isinstance(found, float) else (taken, found or "")


def measure(name, libraries, options):
    """Print a line for each library."""
    runs = {x: TASKS[name](x, options) for x in libraries}
    runs = {x: run for x, run in runs.items() if run is not None}
    if not runs:
        print(f"\n{name} is skipped: it needs --data mnist.npz")
        return
    times, notes = {x: [] for x in runs}, {}
    for run in runs.values() if options.rounds > 1 else ():
        run()
    for _ in range(options.rounds):
        for library, run in runs.items():
            taken, notes[library] = seconds(run)
            times[library].append(taken)
    print(f"\n{name}, {options.threads} threads")
    for library, taken in times.items():
        ratios = [a / b for a, b in zip(taken, times["plain"], strict=True)]
        against = f"{statistics.median(ratios):7.2f} x plain  {notes[library]}".rstrip()
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
    add("--data", help="mnist.npz with x_train, y_train, x_test, y_test")
    add("--quick", action="store_true", help="a tenth of MNIST's images")
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
