"""Two threads on a quiet, a disturbed and a busy machine.

    python benchmarks/bench_threads.py [--workloads W5a,W5b,W6] [--rounds 5]

Each round times one thread and two alone, two threads beside a process that uses a CPU
for 5 ms in every 50, and both numbers beside one that uses a CPU all the time.  Medians
and the spread of the rounds.  Measure with nothing else running.
"""

import argparse
import multiprocessing
import time
from statistics import median

from worker import Worker
from workloads import WORKLOADS

CASES = {  # threads, seconds in which the other program works, and rests
    "1 thread": (1, 0, 0),
    "2 threads": (2, 0, 0),
    "2, 5 ms of 50 taken": (2, 0.005, 0.045),
    "1, one CPU taken": (1, 1, 0),
    "2, one CPU taken": (2, 1, 0),
}


def disturb(work, rest):
    """Use a CPU for `work` seconds, sleep for `rest`, for ever."""
    while True:
        end = time.perf_counter() + work
        while time.perf_counter() < end:
            pass
        time.sleep(rest)


def timed(worker, steps, work, rest):
    """Microseconds per step while another process works and rests."""
    other = None
    if work:
        other = multiprocessing.Process(target=disturb, args=(work, rest), daemon=True)
        other.start()
        time.sleep(0.3)  # it has started
    try:
        return 1e6 * worker.call("train", steps)[0] / steps
    finally:
        if other:
            other.kill()
            other.join()
            time.sleep(0.3)  # what a run finds, the next ones believe for 0.25 s


def main():
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workloads", default="W5a,W5b,W6")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="of a figure")
    options = parser.parse_args()
    workers = {n: Worker("session:Session", n, "regnet", n) for n in (1, 2)}
    print(
        f"| microseconds per step | {' | '.join(CASES)} |\n|---|{'---|' * len(CASES)}"
    )
    for name in options.workloads.split(","):
        steps = {}
        for n, worker in workers.items():
            worker.call("open", WORKLOADS[name])
            steps[n] = worker.call("calibrate", options.seconds)
        found = {case: [] for case in CASES}
        for _ in range(options.rounds):
            for case, (n, work, rest) in CASES.items():
                found[case].append(timed(workers[n], steps[n], work, rest))
        cells = [
            f"{median(times):.0f} ({min(times):.0f}-{max(times):.0f})"
            for times in found.values()
        ]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
