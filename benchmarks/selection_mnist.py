"""MNIST with 50 pixels: the path of regnet_c beside that of the package lassonet.

Both get the same images and the same split, 70 % to train, 10 % to validate and 20 % to
test, one thread, and their defaults: lassonet trains by full batches.  lassonet runs in a
process of its own, with a Python that has it.
"""

import json
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

import regnet_c as rn

FEATURES = 50
HEADER = ("", "features", "accuracy", "re-fit", "seconds", "CPU s", "re-fit s")


def load(file, n):
    """Dict of x, y, x_val, y_val, x_test, y_test: n images from an npz file."""
    with np.load(file) as d:
        x = np.concatenate([d["x_train"], d["x_test"]])
        y = np.concatenate([d["y_train"], d["y_test"]]).astype(np.int64)
    order = np.random.default_rng(0).permutation(len(x))[:n]
    x, y = x[order].reshape(n, -1) / np.float32(255), y[order]
    a, b = n * 7 // 10, n * 8 // 10
    parts = {"": slice(0, a), "_val": slice(a, b), "_test": slice(b, n)}
    found = {f"x{name}": x[rows] for name, rows in parts.items()}
    return found | {f"y{name}": y[rows] for name, rows in parts.items()}


def ours(d, penalty, seed):
    """One row of the table."""
    validation = d["x_val"], d["y_val"]
    wall, cpu = time.perf_counter(), time.process_time()
    path = rn.regularization_path(
        d["x"],
        d["y"],
        penalty=penalty,
        validation_data=validation,
        seed=seed,
        threads=1,
        standardize=False,  # pixels share a unit
    )
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    step = int(np.flatnonzero(path.n_features <= FEATURES)[0])
    sparse = path.network(step).evaluate(d["x_test"], d["y_test"])["accuracy"]
    start = time.perf_counter()
    dense = path.refit(d["x"], d["y"], k=FEATURES, validation_data=validation)
    seconds = time.perf_counter() - start
    columns = dense.metadata["columns"]
    accuracy = dense.evaluate(d["x_test"][:, columns], d["y_test"])["accuracy"]
    return f"regnet_c {penalty}", len(columns), sparse, accuracy, wall, cpu, seconds


def theirs(python, d, seed):
    """The row of lassonet, or None with a word why."""
    worker = Path(__file__).parent / "lassonet_worker.py"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "data.npz"
        np.savez(file, **d)
        command = [python, worker, file, str(FEATURES), str(seed)]
        run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if run.returncode:
        print(f"lassonet did not run with {python}; see its message above")
        return None
    r = json.loads(run.stdout.splitlines()[-1])
    count, (wall, cpu) = len(r["columns"]), r["seconds"]
    name = f"lassonet, {r['steps']} steps"
    return name, count, r["accuracy"], r["refit"], wall, cpu, r["refit_seconds"][0]


def table(file, n, python, seeds):
    """(header, rows): means over the seeds, lassonet with the first of them."""
    d, rows = load(file, n), []
    for penalty in ("group_inputs", "lassonet"):
        runs = [ours(d, penalty, seed)[1:] for seed in range(seeds)]
        rows.append((f"regnet_c {penalty}", *np.mean(runs, axis=0)))
    peer = theirs(python, d, 0)
    return HEADER, rows if peer is None else [*rows, peer]
