"""Prediction: latency of one row and throughput of many, of regnet_c and its peers.

The network is 30-64-1 (ReLU), float32.  Outputs are first compared with NumPy's; then
the libraries take turns (A B C C B A), each in a process of its own.
"""

import argparse
import itertools
import json
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
from predictors import PREDICTORS
from worker import Worker, WorkerError

SIZES = (30, 64, 1)
TOLERANCE = 1e-5


def network():
    """[W0, b0, W1, b1], float32."""
    rng = np.random.default_rng(1)
    weights = []
    for n_in, n_out in itertools.pairwise(SIZES):
        w = rng.standard_normal((n_in, n_out)) / np.sqrt(n_in)
        weights += [w, rng.uniform(-0.1, 0.1, n_out)]
    return [w.astype(np.float32) for w in weights]


def inputs(rows):
    """x of shape (rows, n_in), float32."""
    return np.random.default_rng(2).standard_normal((rows, SIZES[0]), np.float32)


class Session:
    """What a worker process holds: one predictor."""

    def __init__(self, name, threads):
        self._predictor = PREDICTORS[name](network(), threads)
        self._x = {}

    def error(self):
        """Largest difference from NumPy's outputs, over one row and over many."""
        reference = PREDICTORS["numpy"](network(), 1)
        pairs = [(self._predictor, reference, inputs(n)) for n in (1, 1000)]
        return max(
            float(np.abs(p.predict(x) - r.predict(x)).max()) for p, r, x in pairs
        )

    def repeat(self, rows, count):
        """Seconds of `count` predictions of `rows` rows."""
        x = self._x.setdefault(rows, inputs(rows))
        predict = self._predictor.predict
        start = time.perf_counter()
        for _ in range(count):
            predict(x)
        return time.perf_counter() - start

    def calibrate(self, rows, seconds):
        """Number of predictions that take about `seconds`; warms up."""
        count = 1
        self.repeat(rows, 1)
        while True:
            taken = self.repeat(rows, count)
            if taken > seconds / 4:
                return max(1, round(count * seconds / taken))
            count *= 4


def arguments():
    """What the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--peers", type=lambda text: text.split(","), default=list(PREDICTORS))
    add("--rows", type=int, default=100_000, help="of the throughput, default 100000")
    add("--threads", type=int, default=1, help="at most this many, default 1")
    add("--rounds", type=int, default=7, help="default 7")
    add("--seconds", type=float, default=0.1, help="of a peer per round, default 0.1")
    add("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser.parse_args()


def open_workers(options):
    """({peer: Worker}, whether all of them give NumPy's outputs)."""
    workers, agreed = {}, True
    for name in options.peers:
        args = ("bench_predict:Session", options.threads, name, options.threads)
        try:
            worker = Worker(*args)
        except WorkerError as error:
            print(f"skipped: {name} ({error})")
            continue
        error = worker.call("error")
        print(f"{name}: outputs differ by {error:.0e}", flush=True)
        if error <= TOLERANCE:
            workers[name] = worker
        else:
            agreed = False
            print(f"{name} FAILED")
            worker.close()
    return workers, agreed


def measure(workers, rows, options):
    """{peer: microseconds per prediction of each round}."""
    counts = {
        name: worker.call("calibrate", rows, options.seconds)
        for name, worker in workers.items()
    }
    order, times = list(workers), {name: [] for name in workers}
    for _ in range(options.rounds):
        for name in order:
            seconds = workers[name].call("repeat", rows, counts[name])
            times[name].append(seconds / counts[name] * 1e6)
        order.reverse()
    return times


def table(rows, times, threads):
    """Lines of text, fastest first."""
    print(f"\n{rows} rows, {threads} threads, {'-'.join(map(str, SIZES))}")
    for name in sorted(times, key=lambda name: median(times[name])):
        middle, best = median(times[name]), min(times[name])
        rate = f"{rows / middle:.1f} million rows/s" if rows > 1 else ""
        print(f"  {name:12}{middle:10.2f} us, best{best:10.2f}  {rate}", flush=True)


def main():
    """Check, then measure one row and many."""
    options = arguments()
    workers, agreed = open_workers(options)
    results = {}
    try:
        for rows in (1, options.rows):
            results[rows] = measure(workers, rows, options)
            table(rows, results[rows], options.threads)
    finally:
        for worker in workers.values():
            worker.close()
    if options.json:
        everything = {"sizes": SIZES, "threads": options.threads, "us": results}
        options.json.write_text(json.dumps(everything, indent=1))
    return 0 if agreed else 1


if __name__ == "__main__":
    sys.exit(main())
