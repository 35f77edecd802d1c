"""Instructions of a training step and of a predicted row, compared with stored counts.

    python benchmarks/count_instructions.py            # compare with instructions.json
    python benchmarks/count_instructions.py --write    # store what is counted here

Time is noisy on a shared machine; instructions are not: a count repeats to a fraction of
a per cent, so that a step that has become 3 % longer is seen without a stopwatch.  Counts
depend on the compiler: those of another one are printed and not compared.

Valgrind counts a whole process.  The same program with fewer and with more steps gives
two counts, whose difference has neither the start of Python nor the data in it.  Needs
valgrind, which knows AVX2 and not AVX-512.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm
from workloads import WORKLOADS

STORED = Path(__file__).with_name("instructions.json")
TOLERANCE = 0.03
ISA = "avx2"
# steps of an epoch; the counted ones are those of one epoch
STEPS = {"W1": 40, "W2b": 20, "W3": 1, "W4": 20, "W5a": 4, "W9": 1}
PREDICTED = "one row"  # of W5a's network
ROWS = 200
ARGUMENTS = "--tool=callgrind", "--callgrind-out-file=/dev/null"


def work(name, repeats):
    """Train for `repeats` epochs, or predict as many times ROWS rows, one at a time."""
    from peers.regnet import Peer

    counted = STEPS.get(name, 1)
    workload = WORKLOADS[name if name in STEPS else "W5a"]
    workload = replace(workload, rows=counted * workload.batch)
    peer = Peer(workload, threads=1)
    peer.set_weights(workload.initial_weights())
    if name in STEPS:
        peer.steps(counted * repeats)
    else:
        row = np.ones((1, workload.sizes[0]), np.float32)
        for _ in range(ROWS * repeats):
            peer.network.predict(row, threads=1)


def count(name, repeats):
    """Instructions of a process that calls `work`."""
    command = ["valgrind", *ARGUMENTS, sys.executable, __file__, "--work", name]
    environment = os.environ | {"REGNET_C_ISA": ISA, "PYTHONHASHSEED": "0"}
    done = subprocess.run(
        [*command, str(repeats)], env=environment, capture_output=True, text=True
    )
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not found:
        raise SystemExit(f"{name} failed under valgrind:\n{done.stderr[-2000:]}")
    return int(found[1])


def instructions(name):
    """Instructions of one step, or of one predicted row."""
    per_repeat = STEPS.get(name, ROWS)
    return (count(name, 3) - count(name, 1)) / (2 * per_repeat)


def compiler():
    """What counts depend on, as one text."""
    done = subprocess.run(["gcc", "--version"], capture_output=True, text=True)
    version = done.stdout.split("\n")[0]
    return f"{version}, Python {sys.version_info.major}.{sys.version_info.minor}, {ISA}"


def compare(counts, stored):
    """Print the counts beside the stored ones; how many have grown too much."""
    old = stored["instructions"] if stored["compiler"] == compiler() else {}
    if not old:
        print(f"stored counts are of {stored['compiler']}, not compared")
    grown = 0
    for name, found in counts.items():
        line = f"{name:8} {found:14,.0f}"
        if name in old:
            ratio = found / old[name]
            grown += ratio > 1 + TOLERANCE
            line += f"  {ratio:.3f} of the stored count"
            line += "  TOO MANY" * (ratio > 1 + TOLERANCE)
        print(line)
    return grown


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true", help=f"replace {STORED.name}")
    parser.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("names", nargs="*", help="default: all")
    args = parser.parse_args()
    if args.work:
        return work(args.work[0], int(args.work[1]))
    if not shutil.which("valgrind"):
        parser.error("valgrind is not installed")
    counts = {}
    for name in tqdm(args.names or (*STEPS, PREDICTED)):
        counts[name] = instructions(name)
    if args.write:
        content = {"compiler": compiler(), "instructions": counts}
        STORED.write_text(json.dumps(content, indent=1) + "\n")
    return compare(counts, json.loads(STORED.read_text())) > 0


if __name__ == "__main__":
    sys.exit(main())
