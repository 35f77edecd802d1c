"""Time of one training step of regnet_c and its peers, in one interleaved run.

First every peer's weights after three steps in float64, dropout off, must be those of
the NumPy reference; then all are timed in the order A B C C B A, each in a process of
its own, together with the FMA peak of the machine, so that drift meets all alike.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import report
from peers import PEERS, SPARSE
from session import Session
from worker import Worker, WorkerError
from workloads import WORKLOADS

TOLERANCE = 1e-9  # of the check
DEFAULT = "W1,W1-f64,W2a,W2b,W3,W4,W4-f64,W5a,W5b,W6,W7,W9,W8,W10"
MOVED = 1e-6  # what three steps must change at least, or the check proves nothing


def arguments():
    """What the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )

    def names(text):
        return text.split(",")

    def numbers(text):
        return [int(part) for part in text.split(",")]

    add = parser.add_argument
    add("--workloads", type=names, default=names(DEFAULT), metavar="W1,W2a,...")
    add("--peers", type=names, default=list(PEERS), metavar="regnet,jax_scan,...")
    add("--threads", type=numbers, default=[1, 2], metavar="1,2")
    add("--rounds", type=int, default=7, help="default 7")
    add("--seconds", type=float, default=0.3, help="of a peer per round, default 0.3")
    add("--check-only", action="store_true", help="compare the steps, time nothing")
    add("--json", type=Path, metavar="FILE", help="write all figures there")
    add("--markdown", type=Path, metavar="FILE", help="write the table there")
    options = parser.parse_args()
    for given, known in ((options.workloads, WORKLOADS), (options.peers, PEERS)):
        for name in given:
            if name not in known:
                parser.error(f"unknown name {name!r}, choose from {', '.join(known)}")
    return options


def open_workers(options):
    """{(peer, threads): Worker}, and {peer: why it was skipped}."""
    workers, skipped = {}, {}
    for peer in options.peers:
        for threads in options.threads:
            try:
                worker = Worker("session:Session", threads, peer, threads)
            except WorkerError as error:
                skipped[peer] = str(error)
                break
            workers[peer, threads] = worker
    for threads in options.threads:
        try:
            workers["peak", threads] = Worker("peak:Peak", threads, threads)
        except WorkerError as error:
            skipped["peak"] = str(error)
    for name, why in skipped.items():
        report.say(f"skipped: {name} ({why})")
    return workers, skipped


class Check:
    """Compares three steps of every peer with those of the NumPy reference."""

    def __init__(self):
        self._references = {}

    def _reference(self, workload):
        if workload not in self._references:
            self._references.clear()  # they can be large
            session = Session("numpy_peer", 1)
            session.open(workload)
            weights = session.weights_after(3)
            self._references[workload] = weights
            pairs = zip(weights, workload.initial_weights(), strict=True)
            if min(np.abs(new - old).max() for new, old in pairs) < MOVED:
                raise AssertionError(f"{workload.name}: the weights hardly move")
        return self._references[workload]

    def error(self, worker, workload):
        """Largest difference from the reference's weights, a float."""
        workload = workload.for_check()
        expected = self._reference(worker.call("adapt", workload))
        worker.call("open", workload)
        try:
            got = worker.call("weights_after", 3)
        finally:
            worker.call("close_workload")
        pairs = zip(got, expected, strict=True)
        return max(float(np.abs(a - b).max()) for a, b in pairs)


def check(workers, workload, first_threads):
    """{(peer, threads): why} of those whose step is not the reference's."""
    failed, errors, comparison = {}, {}, Check()
    for (peer, threads), worker in workers.items():
        # threads change no library's formulas; of ours we want to be sure
        if peer == "peak" or (peer != "regnet" and threads != first_threads):
            continue
        try:
            errors[peer] = comparison.error(worker, workload)
            good = errors[peer] <= TOLERANCE  # false for NaN
            why = f"its weights differ by {errors[peer]:.1e}"
        except WorkerError as error:
            good, why = False, str(error)
        if not good:
            affected = (
                [threads] if peer == "regnet" else [t for p, t in workers if p == peer]
            )
            failed.update({(peer, t): why for t in affected})
    text = ", ".join(f"{peer} {error:.0e}" for peer, error in errors.items())
    report.say(f"{workload.name}: weights after 3 steps differ by {text}")
    for (peer, threads), why in failed.items():
        report.say(f"{workload.name}: {peer} with threads={threads} FAILED: {why}")
    return failed


def attempt(failed, workload, key, worker, *call):
    """worker.call(*call), or None and a note in `failed`."""
    try:
        return worker.call(*call)
    except WorkerError as error:
        failed[key] = str(error)
        report.say(f"{workload.name}: {key[0]} with threads={key[1]} FAILED: {error}")
        return None


def prepare(workers, workload, seconds, failed):
    """{(peer, threads): steps per round} after opening and warming up."""
    steps = {}
    for key, worker in workers.items():
        if key[0] == "peak" or key in failed:
            continue
        attempt(failed, workload, key, worker, "open", workload)
        if key not in failed:
            count = attempt(failed, workload, key, worker, "calibrate", seconds)
            steps[key] = count
    return {key: steps[key] for key in steps if key not in failed}


def measure(workers, workload, options, failed):
    """{(peer, threads): {"us": [...], "cpu": [...]}}, for "peak" {"gflops": [...]}."""
    steps = prepare(workers, workload, options.seconds, failed)
    order = [key for key in workers if key in steps or key[0] == "peak"]
    times = {key: {"us": [], "cpu": []} for key in steps}
    times |= {key: {"gflops": []} for key in order if key[0] == "peak"}
    for _ in range(options.rounds):
        for key in [key for key in order if key not in failed]:
            if key[0] == "peak":
                gflops = workers[key].call("gflops", workload.dtype)
                times[key]["gflops"].append(gflops)
                continue
            call = (workers[key], "train", steps[key])
            taken = attempt(failed, workload, key, *call)
            if taken:
                seconds, cpu = taken
                times[key]["us"].append(seconds / steps[key] * 1e6)
                times[key]["cpu"].append(cpu / seconds)
        order.reverse()
    for key in steps:
        attempt(failed, workload, key, workers[key], "close_workload")
    return {key: times[key] for key in times if key not in failed}


def adaptations(workers, workload, times):
    """{peer: what it computes in place of the workload} of those that were timed."""
    return {
        key[0]: report.difference(workload, workers[key].call("adapt", workload))
        for key in times
        if key[0] != "peak"
    }


def able_of_sparse(workers):
    """The workers of peers that take sparse rows, and of the peak."""
    return {key: workers[key] for key in workers if key[0] in (*SPARSE, "peak")}


def run(workers, options):
    """All workloads; the list of `report.summary` of each, and whether none failed."""
    results, good = [], True
    for name in options.workloads:
        workload = WORKLOADS[name]
        able = workers if not workload.entries else able_of_sparse(workers)
        failed = check(able, workload, options.threads[0])
        if not options.check_only:
            times = measure(able, workload, options, failed)
            adapted = adaptations(able, workload, times)
            results.append(report.summary(workload, times, adapted, failed))
            report.say(report.line(results[-1]))
        good = good and not failed
    return results, good


def main():
    """Run everything, print the table, write the files."""
    options = arguments()
    workers, skipped = open_workers(options)
    try:
        results, good = run(workers, options)
    finally:
        for worker in workers.values():
            worker.close()
    if results:
        table = report.markdown(results, options.threads)
        report.say("\n" + table)
        if options.markdown:
            options.markdown.write_text(table)
        if options.json:
            everything = {"environment": report.environment(), "skipped": skipped}
            everything |= {"rounds": options.rounds, "workloads": results}
            options.json.write_text(json.dumps(everything, indent=1))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
