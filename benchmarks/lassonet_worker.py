"""The path of the package lassonet with its defaults, as a process of its own.

    python lassonet_worker.py data.npz features seed

data.npz has x, y (training), x_val, y_val, x_test and y_test.  Prints JSON: the seconds
of the path; of its last step with at most `features` inputs their numbers and the test
accuracy; and the seconds and test accuracy of lassonet's dense fit on those columns.
"""

import json
import sys
import time

import numpy as np
from lassonet import LassoNetClassifier


def main(file, features, seed):
    """See the head of the file."""
    d = np.load(file)
    validation = {"X_val": d["x_val"], "y_val": d["y_val"]}
    model = LassoNetClassifier(verbose=0, random_state=seed, torch_seed=seed)
    start = time.perf_counter()
    path = model.path(d["x"], d["y"], return_state_dicts=True, **validation)
    seconds = time.perf_counter() - start
    step = next(s for s in path if s.selected.sum() <= features)
    model.load(step.state_dict)
    accuracy = float((model.predict(d["x_test"]) == d["y_test"]).mean())
    columns = step.selected.numpy().nonzero()[0]
    dense = LassoNetClassifier(verbose=0, random_state=seed, torch_seed=seed)
    start = time.perf_counter()
    cut = {"X_val": d["x_val"][:, columns], "y_val": d["y_val"]}
    dense.fit(d["x"][:, columns], d["y"], dense_only=True, **cut)
    refit_seconds = time.perf_counter() - start
    refit = float((dense.predict(d["x_test"][:, columns]) == d["y_test"]).mean())
    result = {
        "seconds": seconds,
        "steps": len(path),
        "columns": columns.tolist(),
        "accuracy": accuracy,
        "refit_accuracy": refit,
        "refit_seconds": refit_seconds,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
