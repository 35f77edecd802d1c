"""What a call costs in two builds, in instructions: the stable ABI's price, or a flag's.

    git worktree add ../own && (cd ../own && REGNET_C_ABI3=0 python setup.py build_ext -i)
    python setup.py build_ext -i
    python benchmarks/bench_abi.py ../own . --names "this Python's ABI" "stable ABI"

Each folder has a compiled package.  valgrind (callgrind) counts the instructions of a
process that imports and warms up, and of one that makes a call many times besides: the
difference is the calls alone.  It does not depend on what else the machine does.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

WARM_UP = 5
SETUP = """
import sys
import numpy as np
import regnet_c as rn
from regnet_c._core import binding
rng = np.random.default_rng(0)
X, y = rng.standard_normal((16, 8)).astype(np.float32), rng.integers(0, 3, 16)
net = rn.Network([rn.Dense(8, 16, activation="relu", weight_penalty=rn.L1(1e-4)),
                  rn.Dense(16, 3)], loss="softmax_cross_entropy")
optimizer, row, w = rn.Adam(1e-3), X[:1].copy(), np.zeros(16, np.float32)
pixels, digits = rng.random((100, 784), np.float32), rng.random((100, 10), np.float32)
wide = rn.Network([rn.Dense(784, 10, activation="relu")], loss="squared_error")
"""
CALLS = {  # name: (call, how often: some 50 million instructions)
    "binding of one kernel, 16 numbers": ("binding.prox_l1(w, 0.0)", 10_000),
    "`predict`, one row": ("net.predict(row)", 1000),
    "`train_step`, 16 rows": ("net.train_step(X, y, optimizer)", 300),
    "`fit`, an epoch of 16 steps": ("net.fit(X, y, 1, 1, optimizer)", 150),
    "`fit`, 10 steps of W1 (784-10, 10 rows)": (
        "wide.fit(pixels, digits, 1, 10, rn.SGD(1e-3))",
        30,
    ),
}


def instructions(folder, scratch, call="pass", count=0):
    """Instructions of a process that warms up and makes the call so often."""
    warm_up = "".join(f"\n    {c}" for c, _ in CALLS.values())
    code = (
        f"{SETUP}for _ in range({WARM_UP}):{warm_up}\nfor _ in range({count}): {call}"
    )
    environment = {**os.environ, "PYTHONPATH": folder, "PYTHONHASHSEED": "0"}
    environment["OPENBLAS_NUM_THREADS"] = "1"
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
        + [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=environment,
        cwd=scratch,
    )
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not found:
        sys.exit(done.stderr[-2000:])
    return int(found[1])


def main():
    """Print one row per call."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("first", help="folder with a build")
    parser.add_argument("second", help="folder with the other")
    parser.add_argument("--names", nargs=2, default=["first", "second"])
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="for docs/evidence"
    )
    wanted = parser.parse_args()
    folders = [os.path.abspath(f) for f in (wanted.first, wanted.second)]
    table = [f"| call | {' | '.join(wanted.names)} | ratio |", "|---|---|---|---|"]
    print("\n".join(table))
    with tempfile.TemporaryDirectory() as scratch:
        before = [instructions(folder, scratch) for folder in folders]
        for name, (call, count) in CALLS.items():
            after = [instructions(folder, scratch, call, count) for folder in folders]
            old, new = ((b - a) / count for a, b in zip(before, after, strict=True))
            table.append(f"| {name} | {old:,.0f} | {new:,.0f} | {new / old:.3f} |")
            print(table[-1], flush=True)
    if wanted.markdown:
        wanted.markdown.write_text("\n".join(table) + "\n")


if __name__ == "__main__":
    main()
