"""Time from Ctrl-C to KeyboardInterrupt, in the middle of every call that takes long.

    python benchmarks/bench_interrupt.py [--cpu] [--repeats 10] [--bound 0.1]

Each call gets a signal at times that are spread over half a second.  With --cpu the
process's CPU time is measured instead of the clock: what a machine takes that has
nothing else to do.  Ends with 1 if one answer takes longer than the bound.
"""

import argparse
import platform
import signal
import statistics
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from running import LONG_CALLS, million_rows, wide_network

import regnet_c as rn

# --cpu -> (clock, timer, its signal)
CLOCKS = {
    False: (time.perf_counter, signal.ITIMER_REAL, signal.SIGALRM),
    True: (time.process_time, signal.ITIMER_PROF, signal.SIGPROF),
}


def answer(call, arguments, after, cpu):
    """Seconds from the signal to the end of the call, None if it was over before."""
    clock, timer, number = CLOCKS[cpu]

    def handler(signum, frame):
        raise KeyboardInterrupt

    signal.signal(number, handler)
    start = clock()
    signal.setitimer(timer, after)
    try:
        call(*arguments)
    except KeyboardInterrupt:
        return clock() - start - after
    finally:
        signal.setitimer(timer, 0)
    return None


def main():
    """Print a table; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cpu", action="store_true", help="CPU time, not the clock")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--bound", type=float, default=0.1, help="seconds")
    parser.add_argument("--markdown", type=Path, help="also write the table there")
    options = parser.parse_args()
    info = rn.cpu_info()
    head = f"{date.today()}, {platform.machine()}, {info['isa']}, {info['threads']} threads"
    table = [head, "", "| call | median, ms | longest, ms |", "|---|---|---|"]
    print(head)
    print(f"{'call':<20}{'median':>10}{'longest':>10}   ms")
    late = 0
    for name, call in LONG_CALLS.items():
        times = []
        for i in range(options.repeats):
            with tempfile.TemporaryDirectory() as folder:
                arguments = wide_network(), *million_rows(), Path(folder)
                times.append(
                    answer(
                        call, arguments, 0.1 + 0.5 * i / options.repeats, options.cpu
                    )
                )
        times = [t for t in times if t is not None]
        if not times:
            print(f"{name:<20}{'over too soon':>20}")
            continue
        late += max(times) > options.bound
        median, longest = statistics.median(times), max(times)
        print(f"{name:<20}{1e3 * median:>10.0f}{1e3 * longest:>10.0f}", flush=True)
        table.append(f"| {name} | {1e3 * median:.0f} | {1e3 * longest:.0f} |")
    if options.markdown:
        options.markdown.write_text("\n".join(table) + "\n")
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
