"""Each C kernel: first against NumPy, then its time, per instruction set and dtype.

The variants take turns (A B C C B A), with the FMA peak among them; GFLOP/s of the
products, GB/s of everything else, counting each array read or written once.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
from kernel_cases import GROUPS
from peak import Peak

from regnet_c._core import binding

TOLERANCE = {"float32": 1e-5, "float64": 1e-12}
SECONDS = 0.005  # of one measurement


def arguments():
    """What the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )

    def names(text):
        return text.split(",")

    add = parser.add_argument
    isas = binding.available_isas()
    add("--isa", type=names, default=isas, help=f"default {','.join(isas)}")
    add("--groups", type=names, default=list(GROUPS), metavar=",".join(GROUPS))
    add("--dtypes", type=names, default=list(TOLERANCE), metavar=",".join(TOLERANCE))
    add("--rounds", type=int, default=7, help="default 7")
    add("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser.parse_args()


def cases(group, dtype):
    """Fresh cases, the same for every instruction set."""
    return list(GROUPS[group](np.random.default_rng(1), dtype))


def wrong(case, dtype):
    """Runs the case once; a message if it does not give NumPy's answer, else ""."""
    case.run()
    for got, expected in zip(case.results, case.expected, strict=True):
        scale = max(1.0, np.abs(expected).max())
        error = np.abs(got - expected).max() / scale
        if not error <= TOLERANCE[dtype]:
            return f"{case.kernel} {case.size} {dtype}: relative error {error:.1e}"
    return ""


def repeats(run):
    """How many runs take about SECONDS."""
    count = 1
    while True:
        taken = seconds(run, count)
        if taken > SECONDS / 4:
            return max(1, round(count * SECONDS / taken))
        count *= 4


def seconds(run, count):
    """Seconds of `count` runs."""
    start = time.perf_counter()
    for _ in range(count):
        run()
    return time.perf_counter() - start


def measure(variants, rounds, peak, dtype):
    """({isa: seconds per run of each round}, peak GFLOP/s of each round)."""
    counts, times, peaks = {}, {isa: [] for isa in variants}, []
    for isa, case in variants.items():
        binding.set_isa(isa)
        counts[isa] = repeats(case.run)
    order = list(variants)
    for _ in range(rounds):
        for isa in order:
            binding.set_isa(isa)
            times[isa].append(seconds(variants[isa].run, counts[isa]) / counts[isa])
        if peak:
            peaks.append(peak.gflops(dtype))
        order.reverse()
    return times, peaks


def row(case, dtype, isa, times, peaks):
    """One result as a dict, printed as a line."""
    middle, best = median(times), min(times)
    result = {
        "kernel": case.kernel,
        "size": case.size,
        "dtype": dtype,
        "isa": isa,
        "median_us": middle * 1e6,
        "best_us": best * 1e6,
        "rate": case.work / middle / 1e9,
        "unit": case.unit,
    }
    share = ""
    if peaks and case.unit == "GFLOP/s":
        fractions = [case.work / t / 1e9 / p for t, p in zip(times, peaks, strict=True)]
        result["of_peak"] = median(fractions)
        share = f"  {result['of_peak']:4.0%} of the peak"
    print(
        f"{case.kernel:22}{case.size:>15} {dtype} {isa:7}{middle * 1e6:10.2f} us, best"
        f"{best * 1e6:10.2f}{result['rate']:9.2f} {case.unit}{share}",
        flush=True,
    )
    return result


def bench(group, dtype, options, peak):
    """(results, errors) of one group of kernels."""
    results, errors, ready = [], [], {}
    for isa in options.isa:
        binding.set_isa(isa)
        ready[isa] = cases(group, dtype)
        found = [wrong(case, dtype) for case in ready[isa]]
        errors += [f"{isa} {message}" for message in found if message]
    if errors:
        return results, errors
    for same in zip(*ready.values(), strict=True):
        variants = dict(zip(ready, same, strict=True))
        shown = peak if same[0].unit == "GFLOP/s" else None
        times, peaks = measure(variants, options.rounds, shown, dtype)
        results += [row(c, dtype, i, times[i], peaks) for i, c in variants.items()]
    return results, errors


def main():
    """Check and time everything that was asked for."""
    options = arguments()
    try:
        peak = Peak(1)
    except OSError as error:
        print(f"skipped: the FMA peak ({error})")
        peak = None
    results, errors = [], []
    for group in options.groups:
        for dtype in options.dtypes:
            found, wrong_ones = bench(group, dtype, options, peak)
            results += found
            errors += wrong_ones
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))
    print("\n".join(errors) or "all kernels give NumPy's answers")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
