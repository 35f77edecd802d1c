"""A step of members that share W against a step of a plain network on as many rows.

    python benchmarks/bench_members.py --rounds 9 --markdown members.md

k members on a batch of B rows are compared with one network of the same layers on a batch
of k B rows: both multiply k B rows by each W.  The two take turns, an epoch of 40 steps
each; the table has the medians, and the ratio of the medians and of the best.
"""

import argparse
import platform
import statistics
import time
from datetime import date
from pathlib import Path

import numpy as np

import regnet_c as rn

MEMBERS, STEPS, CLASSES = 16, 40, 2
SHAPES = [  # inputs, hidden layers, rows of a batch
    (100, (128, 128), 32),
    (100, (128, 128), 64),
    (100, (128, 128), 256),
    (300, (128, 128), 64),
    (20, (64, 64), 64),
    (100, (256, 256), 64),
    (100, (512, 512), 64),
]


class Side:
    """One of the two: a network, its data, and the times of its epochs."""

    def __init__(self, n_in, hidden, rows, members, threads):
        rng, widths = np.random.default_rng(0), (n_in, *hidden)
        layers = []
        for before, units in zip(widths, hidden, strict=False):
            layers += [rn.Dense(before, units, "relu"), rn.Dropout(0.1)]
        layers.append(rn.Dense(widths[-1], CLASSES))
        self.net = rn.Network(layers, "softmax_cross_entropy", members=members)
        self.X = rng.standard_normal((STEPS * rows, n_in)).astype(np.float32)
        self.y = rng.integers(0, CLASSES, len(self.X))
        self.rows, self.threads, self.times = rows, threads, []
        self.optimizer = rn.AdamW(1e-3, weight_decay=0.1)

    def epoch(self):
        start = time.perf_counter()
        self.net.fit(self.X, self.y, 1, self.rows, self.optimizer, threads=self.threads)
        self.times.append((time.perf_counter() - start) / STEPS)


def row(shape, threads, rounds):
    """The table's row of one shape."""
    n_in, hidden, rows = shape
    members = Side(n_in, hidden, rows, MEMBERS, threads)
    plain = Side(n_in, hidden, rows * MEMBERS, 1, threads)
    for _ in range(rounds + 1):
        members.epoch()
        plain.epoch()
    own, other = members.times[1:], plain.times[1:]
    medians = [1e3 * statistics.median(t) for t in (own, other)]
    layers = "-".join(map(str, (n_in, *hidden, CLASSES)))
    return (
        f"| {layers} | {rows} | {threads} | {medians[0]:.3f} | {medians[1]:.3f} | "
        f"{medians[0] / medians[1]:.2f} | {min(own) / min(other):.2f} |"
    )


def main():
    """Measure every shape and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--markdown", type=Path, help="also write the table there")
    options = parser.parse_args()
    head = "layers | rows | threads | members, ms | plain, ms | ratio | of the best"
    lines = [f"| {head} |", "|---" * 7 + "|"]
    print(f"{platform.machine()}, {rn.cpu_info()['isa']}, {date.today():%d %B %Y}")
    print(*lines, sep="\n")
    for threads in options.threads:
        for shape in SHAPES:
            lines.append(row(shape, threads, options.rounds))
            print(lines[-1], flush=True)
    if options.markdown:
        options.markdown.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
