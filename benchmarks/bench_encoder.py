"""What encoding a large table costs: CPU time and memory, for each kind of frame.

    python benchmarks/bench_encoder.py [--rows 1000000]
    python benchmarks/bench_encoder.py --one-hot

20 columns: ten of numbers (5 % missing), ten of categories of 2 to 20 levels, as text and,
of pandas, as `category` too.  The encoder is fitted on all rows, then applied three times:
the least CPU time (user and system) counts, because the first time includes what the
system takes to hand out fresh memory.  Memory is the peak of the process while encoding,
above what it had before, and as a multiple of the encoded float32 array.  Linux only.

`--one-hot`: categories with Zipf's frequencies, numbers, one hidden layer of 64, batches of
64, one thread.  How many times less time an epoch and the encoding take with sparse rows
than with the same rows dense, and how many times less memory: the rule of
`Encoding.network_rows` comes from here.
"""

import argparse
import gc
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import regnet_c as rn
from regnet_c.optimizers import get_optimizer
from regnet_c.tables import TableEncoder
from regnet_c.tables.columns import columns_of

LEVELS = (2, 3, 4, 5, 6, 8, 10, 12, 15, 20)
FRAMES = ("pandas", "pandas category", "polars", "pyarrow")
ROUNDS = 3


def columns(n_rows):
    """{name: array} of the table."""
    rng = np.random.default_rng(0)
    table = {}
    for i, levels in enumerate(LEVELS):
        numbers = rng.normal(size=n_rows) if i % 2 else rng.lognormal(size=n_rows)
        numbers[rng.random(n_rows) < 0.05] = np.nan
        names = np.array([f"level {j}" for j in range(levels)], dtype=object)
        table[f"number {i}"] = numbers
        table[f"category {i}"] = names[rng.integers(0, levels, n_rows)]
    return table


def frame(kind, n_rows):
    """The table as a data frame."""
    table = columns(n_rows)
    if kind == "polars":
        import polars

        return polars.DataFrame(table)
    if kind == "pyarrow":
        import pyarrow

        return pyarrow.table(table)
    import pandas

    data = pandas.DataFrame(table)
    if kind == "pandas category":
        data = data.astype({name: "category" for name in table if name[0] == "c"})
    return data


def resident():
    """Bytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def measure(kind, n_rows):
    """Print a line for one kind of frame; the peak needs a process of its own."""
    data = frame(kind, n_rows)
    start = time.process_time()
    encoder = TableEncoder().fit(data)
    fit_seconds = time.process_time() - start
    gc.collect()
    before, seconds = resident(), []
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins here
    for _ in range(ROUNDS):
        start = time.process_time()
        out = encoder.transform(data)
        seconds.append(time.process_time() - start)
        size, shape = out.nbytes, out.shape
        del out
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) * 1024 - before
    print(
        f"{kind:16}{shape[1]:8}{fit_seconds:9.2f}{min(seconds):9.2f}"
        f"{size / 1e6:12.0f}{peak / 1e6:10.0f}{peak / size:8.2f}",
        flush=True,
    )


SHAPES = (  # categories, levels of each, numbers
    (4, 12, 0),
    (8, 8, 0),
    (6, 12, 2),
    (8, 16, 0),
    (8, 16, 8),
    (20, 16, 0),
    (8, 40, 10),
    (20, 50, 0),
    (20, 1000, 0),
)


def one_hot(n_rows, categories, levels, numbers):
    """(encoding, columns) of a table."""
    import pandas

    rng, table = np.random.default_rng(0), {}
    share = 1 / (np.arange(levels) + 1.0)
    names = [f"level {j}" for j in range(levels)]
    for i in range(categories):
        codes = rng.choice(levels, n_rows, p=share / share.sum())
        table[f"category {i}"] = pandas.Categorical.from_codes(codes, names)
    for i in range(numbers):
        table[f"number {i}"] = rng.normal(size=n_rows)
    data = pandas.DataFrame(table)
    options = {"numeric": "standard", "max_levels": levels, "min_frequency": 1}
    return TableEncoder(**options).fit(data).encoding_, columns_of(data)


def cpu_seconds(function):
    """The least CPU time of `ROUNDS` calls."""
    best = np.inf
    for _ in range(ROUNDS):
        start = time.process_time()
        function()
        best = min(best, time.process_time() - start)
    return best


def epoch(X, y, optimizer):
    """A function that trains for an epoch."""
    layers = [rn.Dense(X.shape[1], 64, "relu"), rn.Dense(64, 1)]
    net = rn.Network(layers, "binary_cross_entropy")
    options = {"batch_size": 64, "optimizer": get_optimizer(optimizer), "threads": 1}
    return lambda: net.fit(X, y, 1, **options)


def measure_one_hot(n_rows=4000):
    """Print a line for each shape."""
    y = np.random.default_rng(1).integers(0, 2, n_rows)
    print(
        f"{'outputs':>8}{'filled':>8}{'sgd':>7}{'adamw':>7}{'encode':>8}{'memory':>8}"
    )
    for shape in SHAPES:
        encoding, columns_ = one_hot(n_rows, *shape)
        encoding.mostly_zero = True
        dense, sparse = encoding.encode(columns_), encoding.network_rows(columns_)
        found = []
        for optimizer in ("sgd", "adamw"):
            times = [cpu_seconds(epoch(X, y, optimizer)) for X in (dense, sparse)]
            found.append(times[0] / times[1])
        slow = cpu_seconds(lambda: encoding.encode(columns_))  # noqa: B023
        found.append(slow / cpu_seconds(lambda: encoding.network_rows(columns_)))  # noqa: B023
        parts = sparse.data, sparse.indices, sparse.indptr
        found.append(dense.nbytes / sum(part.nbytes for part in parts))
        filled = sparse.data.size / dense.size
        text = "".join(f"{x:{w}.1f}" for x, w in zip(found, (7, 7, 8, 8), strict=True))
        print(f"{dense.shape[1]:8}{filled:8.1%}{text}", flush=True)


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--frame", choices=FRAMES, help=argparse.SUPPRESS)
    parser.add_argument("--one-hot", action="store_true", help="sparse rows or dense")
    args = parser.parse_args()
    if args.one_hot:
        measure_one_hot()
        return
    if args.frame:
        measure(args.frame, args.rows)
        return
    print(
        f"{args.rows} rows of {2 * len(LEVELS)} columns; CPU seconds, MB\n"
        f"{'frame':16}{'outputs':>8}{'fit':>9}{'encode':>9}{'array':>12}{'peak':>10}"
        f"{'ratio':>8}"
    )
    for kind in FRAMES:
        command = [sys.executable, __file__, "--rows", str(args.rows), "--frame", kind]
        subprocess.run(command, check=True, env=os.environ)


if __name__ == "__main__":
    main()
