"""Choosing inputs and weights: four columns of 200, 50 pixels of MNIST, sparse networks.

a  The data of the dropout system: 200 columns of which {0, 120, 156, 195} carry signal.
   The path is computed on 6400 rows and chooses by 1600 more; the network on the chosen
   columns is trained on these 8000 and tested on 2000.
b  MNIST with 50 pixels beside the package lassonet; needs --data mnist.npz.
c  The digits and breast cancer, 5 folds: L1 beside scikit-learn's MLP of the same
   architecture.  The strengths of L1 were chosen on these data.

The default takes about ten minutes, nearly all of it lassonet's.
"""

import argparse
import datetime
import sys
import time
import warnings

import numpy as np
import selection_mnist
from report import environment
from sklearn.datasets import load_breast_cancer, load_digits, make_classification
from sklearn.model_selection import StratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import regnet_c as rn

SIGNAL = {0, 120, 156, 195}
SETS = (("digits", load_digits, 2e-4), ("breast cancer", load_breast_cancer, 3e-3))
EPOCHS = 400


def arguments():
    """What the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--parts", default="abc", help="some of abc, default all")
    add("--data", help="mnist.npz with x_train, y_train, x_test, y_test")
    add("--images", type=int, default=5000, help="of MNIST, default 5000")
    add("--lassonet-python", default=sys.executable, help="a Python with lassonet")
    add("--seeds", type=int, default=5, help="default 5")
    add("--quick", action="store_true", help="1000 images, 2 seeds")
    add("--markdown", help="also write the tables to this file")
    options = parser.parse_args()
    if options.quick:
        options.images, options.seeds = 1000, 2
    return options


def signal_columns(seeds):
    """Part a: (header, rows)."""
    x, y = make_classification(10_000, 200, random_state=123)
    x, rows = x.astype(np.float32), []
    for penalty in ("group_inputs", "lassonet", "l1"):
        found, seconds = [], []
        for seed in range(seeds):
            start = time.perf_counter()
            path = rn.regularization_path(
                x[:6400],
                y[:6400],
                penalty=penalty,
                hidden=(100, 20),
                validation_data=(x[6400:8000], y[6400:8000]),
                seed=seed,
            )
            net = path.refit(x[:8000], y[:8000], rule="1se")
            seconds.append(time.perf_counter() - start)
            columns = net.metadata["columns"]
            accuracy = net.evaluate(x[8000:][:, columns], y[8000:])["accuracy"]
            found.append((columns, accuracy))
        union = sorted(set().union(*(columns for columns, _ in found)))
        inside = sum(set(columns) <= SIGNAL for columns, _ in found)
        accuracies = [accuracy for _, accuracy in found]
        rows.append(
            (
                penalty,
                ", ".join(map(str, union)),
                f"{inside} of {seeds}",
                np.median(accuracies),
                min(accuracies),
                np.median(seconds),
            )
        )
    header = ("penalty", "columns", "right", "median accuracy", "least", "seconds")
    return header, rows


def folds(make, x, y, seeds):
    """(mean accuracy, least share of zeros, CPU seconds) over 5 folds and the seeds."""
    scores, zeros, start = [], [], time.process_time()
    for seed in range(seeds):
        splitter = StratifiedKFold(5, shuffle=True, random_state=seed)
        for train, test in splitter.split(x, y):
            model = make_pipeline(StandardScaler(), make(seed)).fit(x[train], y[train])
            scores.append(model.score(x[test], y[test]))
            weights = np.concatenate([w.ravel() for w in model[-1].coefs_])
            zeros.append(np.mean(weights == 0))
    return np.mean(scores), min(zeros), time.process_time() - start


def sparse_networks(seeds):
    """Part c: (header, rows)."""
    rows = []
    for name, loader, l1 in SETS:
        x, y = loader(return_X_y=True)
        common = {"hidden_layer_sizes": (100,), "max_iter": EPOCHS}

        def sparse(seed, l1=l1, common=common):
            return rn.RegNetClassifier(l1=l1, random_state=seed, **common)

        def dense(seed, common=common):
            return MLPClassifier(random_state=seed, **common)

        rows.append((name, f"regnet_c, l1={l1}", *folds(sparse, x, y, seeds)))
        rows.append((name, "scikit-learn", *folds(dense, x, y, seeds)))
    return ("data", "", "accuracy", "exact zeros", "CPU s"), rows


def markdown(title, header, rows):
    """A table in Markdown."""

    def text(value):
        if not isinstance(value, (float, np.floating)):
            return str(value)
        return f"{value:.4f}" if abs(value) < 1 else f"{value:.1f}"

    lines = [f"**{title}**", ""]
    lines += ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    lines += ["| " + " | ".join(text(value) for value in row) + " |" for row in rows]
    return "\n".join(lines)


def main(options):
    """Run the parts asked for and print their tables."""
    warnings.simplefilter("ignore")  # both libraries warn of the last epoch
    here = environment()
    tables = [f"{here['cpu']}, {datetime.date.today()}, {options.seeds} seeds"]
    if "a" in options.parts:
        tables.append(markdown("a: dropout", *signal_columns(options.seeds)))
        print(tables[-1], flush=True)
    if "b" in options.parts and options.data is None:
        print("b is skipped: it needs --data mnist.npz")
    elif "b" in options.parts:
        found = selection_mnist.table(
            options.data, options.images, options.lassonet_python, options.seeds
        )
        title = f"b: MNIST, {options.images} images, 50 pixels, one thread"
        tables.append(markdown(title, *found))
        print(tables[-1], flush=True)
    if "c" in options.parts:
        tables.append(markdown("c: 5 folds", *sparse_networks(options.seeds)))
        print(tables[-1], flush=True)
    if options.markdown:
        with open(options.markdown, "w") as file:
            file.write("\n\n".join(tables) + "\n")


if __name__ == "__main__":
    main(arguments())
