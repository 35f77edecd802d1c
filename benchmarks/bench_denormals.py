"""What denormal numbers cost: time of a step with them over that of one without.

    python benchmarks/bench_denormals.py [--bound 1.2]

CPU time, best of several turns of both.  Ends with 1 if a ratio is above the bound.
"""

import argparse
import platform
import sys
import time
from datetime import date
from pathlib import Path

import numpy as np

import regnet_c as rn

_TURNS = 9


def ratio(one, other):
    """Best time of one() by the best of other(), measured in turns."""
    times = [(one(), other()) for _ in range(_TURNS)]
    return min(t for t, _ in times) / min(t for _, t in times)


def seconds_of_steps(net, x, y, optimizer, steps=4000):
    """CPU seconds of so many steps of 16 rows on one thread."""
    start = time.process_time()
    net.fit(x, y, steps * 16 // len(x), 16, optimizer, threads=1)
    return time.process_time() - start


def features(scale):
    """Steps on features of this size by steps on features of size 1, float64."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((640, 40)), rng.standard_normal((640, 2))

    def seconds(x):
        net = rn.Network([rn.Dense(40, 60, "tanh"), rn.Dense(60, 2)], dtype="float64")
        return seconds_of_steps(net, x, y, rn.SGD(1e-3))

    return ratio(lambda: seconds(x * scale), lambda: seconds(x))


def strong_penalty(rule, dtype):
    """Steps of a network after 100 000 steps of strong L1 by those of a fresh one."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((64, 40)), rng.standard_normal((64, 2))
    layers = [rn.Dense(40, 60, "tanh", rn.L1(0.5, rule)), rn.Dense(60, 2)]
    late, old = rn.Network(layers, dtype=dtype), rn.SGD(1e-3, momentum=0.9)
    late.fit(x, y, 25_000, 16, old, threads=1)

    def fresh():
        net = rn.Network(layers, dtype=dtype)
        return seconds_of_steps(net, x, y, rn.SGD(1e-3, momentum=0.9))

    return ratio(lambda: seconds_of_steps(late, x, y, old), fresh)


def main():
    """Print a table; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bound", type=float, default=1.2)
    parser.add_argument("--markdown", type=Path, help="also write the table there")
    options = parser.parse_args()
    head = f"{date.today()}, {platform.machine()}, {rn.cpu_info()['isa']}, 1 thread"
    table = [head, "", "| denormals | ratio |", "|---|---|"]
    print(head)
    rows = {f"features x {scale}": features(scale) for scale in (1e-310, 1e-318)}
    for rule in ("cumulative", "subgradient"):
        for dtype in ("float32", "float64"):
            rows[f"100000 steps of {rule} L1, {dtype}"] = strong_penalty(rule, dtype)
    for name, value in rows.items():
        print(f"{name:<44}{value:6.2f}", flush=True)
        table.append(f"| {name} | {value:.2f} |")
    if options.markdown:
        options.markdown.write_text("\n".join(table) + "\n")
    return int(max(rows.values()) > options.bound)


if __name__ == "__main__":
    sys.exit(main())
