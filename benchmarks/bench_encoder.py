"""What encoding a large table costs: CPU time and memory, for each kind of frame.

    python benchmarks/bench_encoder.py [--rows 1000000]

20 columns: ten of numbers (5 % missing), ten of categories of 2 to 20 levels, as text and,
of pandas, as `category` too.  The encoder is fitted on all rows, then applied three times:
the least CPU time (user and system) counts, because the first time includes what the
system takes to hand out fresh memory.  Memory is the peak of the process while encoding,
above what it had before, and as a multiple of the encoded float32 array.  Linux only.
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

from regnet_c.tables import TableEncoder

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


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--frame", choices=FRAMES, help=argparse.SUPPRESS)
    args = parser.parse_args()
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
