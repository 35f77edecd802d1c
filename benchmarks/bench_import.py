"""What it costs to begin: import time and memory, time to the first step, peak memory.

Every figure comes from fresh processes that take turns (A B C C B A).  Import time and
memory are over those of NumPy, which every library needs and which is imported first.
Reads /proc, so it runs on Linux only.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from worker import thread_environment

HERE = Path(__file__).resolve().parent
MODULES = {
    "regnet": "regnet_c",
    "sklearn_peer": "sklearn.neural_network",
    "numba_peer": "numba",
    "jax_scan": "jax",
    "torch_eager": "torch",
}
# prints seconds and bytes that importing the module adds to NumPy's
IMPORT = """
import os, sys, time
import numpy

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

before, start = resident(), time.perf_counter()
__import__(sys.argv[1])
print(time.perf_counter() - start, resident() - before)
"""
# one step of the workload W2b, its ten rows of data included
FIRST_STEP = """
import sys
from dataclasses import replace
sys.path.insert(0, sys.argv[2])
from session import Session
from workloads import WORKLOADS
workload = WORKLOADS["W2b"]
session = Session(sys.argv[1], 1)
session.open(replace(workload, rows=workload.batch))
session.train(1)
"""
NUMPY = "import numpy"


def arguments():
    """What the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--peers", type=lambda text: text.split(","), default=list(MODULES))
    add("--rounds", type=int, default=7, help="default 7")
    add("--json", type=Path, metavar="FILE", help="write all figures there")
    options = parser.parse_args()
    for name in options.peers:
        if name not in MODULES:
            parser.error(f"unknown peer {name!r}, choose from {', '.join(MODULES)}")
    return options


def run(code, *args):
    """(output, wall seconds) of a fresh Python; OSError if it fails."""
    environment = {**os.environ, **thread_environment(1)}
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", code, *args],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    output, errors = process.communicate()
    seconds = time.perf_counter() - start
    if process.returncode:
        raise OSError(errors.strip().rpartition("\n")[2])
    return output, seconds


# runs the code in its own process and adds its peak memory to what it prints
PEAK = """
import atexit, resource
atexit.register(
    lambda: print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
)
"""


def peak_of(output):
    """The bytes that PEAK printed."""
    return int(output.rpartition("peak ")[2])


def one_round(order, figures):
    """Adds one measurement of every peer to `figures`."""
    output, numpy_seconds = run(PEAK + NUMPY)
    numpy_peak = peak_of(output)
    for name in order:
        seconds, resident = run(IMPORT, MODULES[name])[0].split()
        output, first = run(PEAK + FIRST_STEP, name, str(HERE))
        row = figures[name]
        row["import_ms"].append(float(seconds) * 1e3)
        row["import_mb"].append(int(resident) / 1e6)
        row["first_step_ms"].append((first - numpy_seconds) * 1e3)
        row["peak_mb"].append((peak_of(output) - numpy_peak) / 1e6)


def available(names):
    """Those that can be imported; the others are named."""
    found = []
    for name in names:
        try:
            run(f"import {MODULES[name]}")  # also writes the .pyc files
            found.append(name)
        except OSError as error:
            print(f"skipped: {name} ({error})")
    return found


def main():
    """Measure and print."""
    options = arguments()
    order = available(options.peers)
    names = ("import_ms", "import_mb", "first_step_ms", "peak_mb")
    figures = {name: {key: [] for key in names} for name in order}
    for _ in range(options.rounds):
        one_round(order, figures)
        order.reverse()
    print("over NumPy's own: import, memory of it, time to the first step, peak memory")
    for name, row in figures.items():
        a, b, c, d = (median(row[key]) for key in names)
        best = min(row["import_ms"])
        print(
            f"  {name:14}{a:8.1f} ms (best {best:.1f}){b:8.1f} MB"
            f"{c:10.0f} ms{d:8.1f} MB"
        )
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
