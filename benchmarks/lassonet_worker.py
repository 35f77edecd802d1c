"""The path of the package lassonet with its defaults, in a process of its own.

    python lassonet_worker.py data.npz features seed

data.npz has x, y (training), x_val, y_val, x_test and y_test.  The path ends with the
first step of at most `features` inputs.  Prints JSON: their numbers, the test accuracy of
that step's network and of lassonet's dense fit on these columns, seconds of both.
"""

import json
import sys
import time

import numpy as np
import torch
from lassonet import LassoNetClassifier


class Done(Exception):
    """Ends a path; lassonet itself would continue to no input at all."""


class Clock:
    """Wall and CPU seconds since it was made."""

    def __init__(self):
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def read(self):
        """The two."""
        return time.perf_counter() - self._wall, time.process_time() - self._cpu


def path_to(model, data, features, **validation):
    """Mask of the first step with at most so many inputs, and the number of steps."""

    def end(model, history):
        print(len(history), int(history[-1].selected.sum()), file=sys.stderr)
        if history[-1].selected.sum() <= features:
            raise Done(history[-1].selected.numpy(), len(history))

    try:
        model.path(data["x"], data["y"], callback=end, **validation)
    except Done as done:
        return done.args
    raise SystemExit("the path never became that sparse")


def main(file, features, seed):
    """See the head of the file."""
    torch.set_num_threads(1)  # two make full batches of this size no faster
    d = np.load(file)
    options = {"verbose": 0, "random_state": seed, "torch_seed": seed}
    model, clock = LassoNetClassifier(**options), Clock()
    mask, steps = path_to(model, d, features, X_val=d["x_val"], y_val=d["y_val"])
    seconds = clock.read()
    accuracy = float((model.predict(d["x_test"]) == d["y_test"]).mean())
    dense, clock = LassoNetClassifier(**options), Clock()
    cut = {"X_val": d["x_val"][:, mask], "y_val": d["y_val"]}
    dense.fit(d["x"][:, mask], d["y"], dense_only=True, **cut)
    result = {
        "columns": mask.nonzero()[0].tolist(),
        "steps": steps,
        "accuracy": accuracy,
        "refit": float((dense.predict(d["x_test"][:, mask]) == d["y_test"]).mean()),
        "seconds": seconds,
        "refit_seconds": clock.read(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
