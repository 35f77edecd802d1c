"""Many small fits, and what is left of the memory they used.

    python tools/soak.py [--fits N] [--limit BYTES]

A fit builds a network, trains it, saves and loads it now and then, fails now and then.
The first tenth warms up; ends with 1 if the process has grown by more than the limit
after that.
"""

import argparse
import gc
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import regnet_c as rn
from regnet_c._core import team

PAGE = os.sysconf("SC_PAGE_SIZE")


def resident():
    """Bytes of this process in memory."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def fit(number, x, labels, folder):
    """One network from its first weights to its predictions."""
    layers = [
        rn.Dropout(0.1),
        rn.Dense(8, 6, "tanh", weight_penalty=rn.L1(1e-3)),
        rn.Dense(6, 3, weight_penalty=rn.GroupLasso(1e-3)),
    ]
    loss = "softmax_cross_entropy"
    net = rn.Network(layers, loss, ("float32", "float64")[number % 2], seed=number)
    threads = 1 + number % 50 // 48  # two, now and then
    net.fit(x, labels, 1, 16, rn.Adam(0.01), threads=threads)
    net.predict(x)
    if number % 20 == 0:
        net.save(folder / "net")
        rn.Network.load(folder / "net").predict(x)
    if number % 7 == 0:
        try:
            net.fit(x, labels + 9, 1)
        except ValueError:
            return
        raise AssertionError("labels out of range were taken")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fits", type=int, default=100_000)
    parser.add_argument("--limit", type=int, default=1_000_000)
    options = parser.parse_args()
    team.useful_threads = lambda plan, threads, *rest: threads or 1
    rng = np.random.default_rng(1)
    x, labels = rng.standard_normal((32, 8)), rng.integers(0, 3, 32)
    start, before = time.monotonic(), None
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.fits):
            if number == options.fits // 10:
                before = resident()
            fit(number, x, labels, Path(folder))
    grown = resident() - before
    print(
        f"{options.fits} fits in {time.monotonic() - start:.0f} s: {before / 1e6:.1f} MB "
        f"in memory after a tenth, {grown / 1e6:+.2f} MB after all"
    )
    return 1 if grown > options.limit else 0


if __name__ == "__main__":
    sys.exit(main())
