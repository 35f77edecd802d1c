"""How time and memory of training grow with rows, width, depth, batch and classes.

    python benchmarks/bench_growth.py [--only rows,width] [--plot growth.png]

Each point is a process of its own and one thread: the least of the epochs that half a
second has room for, after one that warms up.  Memory is the most that this one allocates
at a time, by tracemalloc (10^7 rows are a memory map): parameters, the optimiser's two
arrays of them, copies, and 8 bytes a row for the order of the rows.  The exponent is the
slope between a series' last points, two or three: 1 is linear.  `theory` is what the
arithmetic says; a knee at the small end is the cost of a call or of a step.
"""

import argparse
import tempfile
import time
import tracemalloc
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from worker import Worker


@dataclass(frozen=True)
class Point:
    """A training: one epoch of `rows` rows."""

    rows: int = 20_000
    width: int = 64
    depth: int = 1
    batch: int = 100
    classes: int = 2
    n_in: int = 32


# what grows: (values, exponent in theory)
SERIES = {
    "rows": ((10**3, 10**4, 10**5, 10**6, 10**7), 1),
    "width": ((8, 32, 128, 512, 2048, 8192), 1),
    "depth": ((1, 2, 5, 10, 20, 50), 1),
    "batch": ((1, 8, 64, 512, 4096, 65_536), 0),
    "classes": ((2, 10, 100, 1000, 10_000, 100_000), 1),
}
ENOUGH = 0.5  # seconds of epochs
FEWER_ROWS = {"width": 8192, "classes": 8192, "depth": 10_000, "batch": 131_072}


class Training:
    """One point in this process."""

    def measure(self, point, folder):
        """Seconds of an epoch, bytes that fit allocates, bytes of the parameters."""
        import regnet_c as rn

        x, labels = self._data(point, folder)
        layers = [rn.Dense(point.n_in, point.width, "relu", rn.L1(1e-5))]
        between = rn.Dense(point.width, point.width, "relu", rn.L1(1e-5))
        layers += [between] * (point.depth - 1)
        layers.append(rn.Dense(point.width, point.classes))
        net = rn.Network(layers, "softmax_cross_entropy", seed=0)
        options = {"batch_size": point.batch, "optimizer": rn.Adam(1e-4), "threads": 1}
        tracemalloc.start()
        net.fit(x, labels, epochs=1, **options)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        seconds = []
        while sum(seconds) < ENOUGH:
            start = time.perf_counter()
            net.fit(x, labels, epochs=1, **options)
            seconds.append(time.perf_counter() - start)
        return min(seconds), most, sum(w.nbytes for w in net.get_weights())

    def _data(self, point, folder):
        rng = np.random.default_rng(0)
        labels = rng.integers(0, point.classes, point.rows)
        if point.rows <= 10**6:
            return rng.standard_normal((point.rows, point.n_in), np.float32), labels
        shape = point.rows, point.n_in
        x = np.lib.format.open_memmap(folder + "/x.npy", "w+", np.float32, shape)
        for first in range(0, point.rows, 10**6):
            x[first : first + 10**6] = rng.standard_normal((10**6, point.n_in))
        del x
        return np.load(folder + "/x.npy", mmap_mode="r"), labels


def measured(name):
    """[(value, Point, seconds, bytes that fit allocates, bytes of the parameters)]."""
    found, values = [], SERIES[name][0]
    for value in values:
        point = replace(Point(rows=FEWER_ROWS.get(name, 20_000)), **{name: value})
        with tempfile.TemporaryDirectory() as folder:
            worker = Worker("bench_growth:Training", 1)
            found.append((value, point, *worker.call("measure", point, folder)))
            worker.close()
    return found


def exponent(values, seconds):
    """The slope of the last points in logarithms."""
    last = 3 if len(values) > 5 else 2
    return np.polyfit(np.log(values[-last:]), np.log(seconds[-last:]), 1)[0]


def draw(results, path):
    """A panel for each series, in logarithms, with a line of theory through the end."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(
        1, len(results), figsize=(3 * len(results), 3), layout="constrained"
    )
    for panel, (name, found) in zip(
        np.atleast_1d(panels), results.items(), strict=True
    ):
        values, seconds = [row[0] for row in found], [row[2] for row in found]
        theory = SERIES[name][1]
        line = seconds[-1] * (np.array(values) / values[-1]) ** theory
        panel.loglog(values, line, "--", color="#999999", label=f"exponent {theory}")
        panel.loglog(values, seconds, "o-", color="#0072b2", label="measured")
        panel.set_xlabel(name)
        panel.set_ylabel("seconds an epoch")
        panel.legend(fontsize="small")
    figure.savefig(path, dpi=110)


def main():
    """Print a table for each series."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(SERIES), help="names, by commas")
    parser.add_argument("--plot", type=Path, metavar="FILE")
    options = parser.parse_args()
    results = {}
    for name in options.only.split(","):
        found = results[name] = measured(name)
        print(f"\n| {name} | seconds | us a row | fit allocates, MB | parameters, MB |")
        print("|---|---|---|---|---|")
        for value, point, seconds, most, size in found:
            per_row = 1e6 * seconds / point.rows
            print(
                f"| {value} | {seconds:.3g} | {per_row:.3g} | {most / 1e6:.1f} "
                f"| {size / 1e6:.2f} |"
            )
        slope = exponent([row[0] for row in found], [row[2] for row in found])
        print(f"\nexponent {slope:.2f}, theory {SERIES[name][1]}", flush=True)
    if options.plot:
        draw(results, options.plot)


if __name__ == "__main__":
    main()
