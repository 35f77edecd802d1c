"""Two builds of regnet_c against each other, on the steps of bench_train.py.

A build is a checkout with a Python that imports it: after `pip install -e .` in each of
two checkouts with an environment of its own,

    python benchmarks/bench_builds.py old/.venv/bin/python new/.venv/bin/python

run from a third Python or the new one.  Every build measures with the workloads of its
own checkout, in a process of its own, in the order A B B A; a ratio is taken within a
round, and above 1 the new build is the faster one.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from worker import thread_environment

DEFAULT = "W1,W2b,W3,W5a,W6,W9"
# the benchmarks of the checkout that this Python imports, never the ones here
SERVER = """
import json, sys
from pathlib import Path
import regnet_c
sys.path.insert(0, str(Path(regnet_c.__file__).parents[1] / "benchmarks"))
from session import Session
from workloads import WORKLOADS
session = Session("regnet", int(sys.argv[1]))
for line in sys.stdin:
    method, argument = json.loads(line)
    if method == "open":
        argument = WORKLOADS[argument]
    print(json.dumps(getattr(session, method)(argument)), flush=True)
"""


class Build:
    """One build with so many threads, in its own process."""

    def __init__(self, python, threads):
        self._process = subprocess.Popen(
            [python, "-c", SERVER, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | thread_environment(threads),
        )

    def call(self, method, argument):
        """session.method(argument), evaluated there."""
        self._process.stdin.write(json.dumps([method, argument]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"the build of {self._process.args[0]} failed, see above")
        return json.loads(line)

    def close(self):
        """End the process."""
        self._process.stdin.close()
        self._process.wait()


def measure(builds, workload, options):
    """[(seconds a step of the old build, of the new one), ...], one per round."""
    for build in builds:
        build.call("open", workload)
    steps = max(build.call("calibrate", options.seconds) for build in builds)
    rounds = []
    for turn in range(options.rounds):
        order = builds if turn % 2 == 0 else builds[::-1]
        taken = {build: build.call("train", steps)[0] / steps for build in order}
        rounds.append(tuple(taken[build] for build in builds))
    return rounds


def summary(workload, threads, rounds):
    """One row of the table, as a dict."""
    ratios = sorted(old / new for old, new in rounds)
    return {
        "workload": workload,
        "threads": threads,
        "old_us": statistics.median(old for old, _ in rounds) * 1e6,
        "new_us": statistics.median(new for _, new in rounds) * 1e6,
        "ratio": statistics.median(ratios),
        "quartiles": (ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]),
    }


def line(row):
    """The row as text."""
    low, high = row["quartiles"]
    return (
        f"{row['workload']:6} {row['threads']} thread(s)  old {row['old_us']:9.2f} us"
        f"  new {row['new_us']:9.2f} us  ratio {row['ratio']:.3f} ({low:.3f}-{high:.3f})"
    )


def arguments():
    """What the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("old", help="Python that imports the old build")
    parser.add_argument("new", help="Python that imports the new build")
    parser.add_argument("--workloads", default=DEFAULT, help=f"default {DEFAULT}")
    parser.add_argument("--threads", default="1,2", help="default 1,2")
    parser.add_argument("--rounds", type=int, default=11, help="default 11")
    parser.add_argument(
        "--seconds", type=float, default=0.3, help="of a build per round, default 0.3"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the rows there"
    )
    return parser.parse_args()


def main():
    """Measure, print, write."""
    options, rows = arguments(), []
    for threads in map(int, options.threads.split(",")):
        builds = [Build(python, threads) for python in (options.old, options.new)]
        for workload in options.workloads.split(","):
            rounds = measure(builds, workload, options)
            rows.append(summary(workload, threads, rounds))
            print(line(rows[-1]), flush=True)
        for build in builds:
            build.close()
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
