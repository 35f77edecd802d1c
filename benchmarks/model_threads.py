"""What more cores than this machine has would give: instructions of each thread.

    REGNET_C_FLAGS=-g python setup.py build_ext --inplace --force
    python benchmarks/model_threads.py W5a W5b W6
    python benchmarks/model_threads.py --barrier

A step lasts as long as the thread with most to do, and the barriers.  Valgrind counts the
instructions of the core in each thread of a team of any size, on any number of CPUs; what
threads do while they wait is left out.  `speedup` is the instructions of one thread over
those of the thread that has most, without barriers, shared caches and memory.  `--barrier`
measures the microseconds of one barrier by teams that this machine has the CPUs for.

Needs valgrind and a core with its symbols, as built above.  Networks whose gradient
travels from thread to thread (W3, W9) wait for it in order, which is not counted.
"""

import argparse
import ctypes
import os
import re
import statistics
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm
from workloads import WORKLOADS

HERE = Path(__file__).resolve().parent
CORE = HERE.parent / "csrc"
ISA = "avx2"  # valgrind has no AVX-512
STEPS = {"W5b": 2, "W6": 1, "W7": 1}  # that are counted, else 4
STEP = "train_worker"  # the function of the core that all steps are taken in
WAITING = "rn_threads.c"


def train(name, threads):
    """What valgrind watches: a team of that size, whatever the machine has."""
    sys.path[:0] = [str(HERE.parent), str(HERE)]
    from peers.regnet import Peer

    from regnet_c._core import team

    team._STEP_WORK = team._CALL_WORK = 1
    team._ASLEEP = float("inf")  # nor is it judged: all of it sleeps under valgrind
    steps = STEPS.get(name, 4)
    workload = replace(WORKLOADS[name], rows=steps * WORKLOADS[name].batch)
    peer = Peer(workload, threads)
    peer.set_weights(workload.initial_weights())
    peer.steps(steps)


def count(name, threads):
    """[instructions of each thread], barriers, of one step."""
    variables = {
        "REGNET_C_ISA": ISA,
        "PYTHONHASHSEED": "0",
        "OPENBLAS_NUM_THREADS": "1",
    }
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", "--separate-threads=yes"]
        command += [f"--toggle-collect={STEP}", f"--callgrind-out-file={folder}/out"]
        command += [sys.executable, __file__, "--train", name, str(threads)]
        done = subprocess.run(
            command, env=os.environ | variables, capture_output=True, text=True
        )
        if done.returncode:
            raise SystemExit(f"{name} failed under valgrind:\n{done.stderr[-2000:]}")
        found = [read(path) for path in sorted(Path(folder).glob("out-*"))]
    costs, barriers = zip(*found, strict=True)
    if not max(barriers):
        raise SystemExit("no symbols in the core: build it with REGNET_C_FLAGS=-g")
    steps = STEPS.get(name, 4)
    return [cost / steps for cost in costs], max(barriers) / steps


def read(path):
    """(instructions without waiting, calls of rn_barrier) of one thread.

    A name is written out once, as "(id) name", and then as "(id)"; the line after
    "calls=" has the cost of what was called.
    """
    names, place = {}, {"fl": ""}
    cost = barriers = 0
    called = False
    for line in path.read_text().splitlines():
        name = re.match(r"(c?f[lien])=(\(\d+\))(?: (.*))?$", line)
        if name:
            kind, number, text = name.groups()
            table = "function" if kind.endswith("n") else "file"
            if text:
                names[table, number] = text
            place[kind] = names[table, number]
        elif line.startswith("calls="):
            called = True
            if place["cfn"].startswith("rn_barrier"):
                barriers += int(line[6:].split()[0])
        elif re.match(r"[-+*\d]", line):
            if not called and not place["fl"].endswith(WAITING):
                cost += int(line.split()[1])
            called = False
    return cost, barriers


def rows_of(names, teams):
    """Lines of the table, as they are found."""
    for name in names:
        single = None
        for threads in tqdm(teams, desc=name):
            own, barriers = count(name, threads)
            single = single or max(own)
            yield (
                f"| {name} | {threads} | {max(own) / 1e6:.2f} | {sum(own) / 1e6:.2f} "
                f"| {barriers:.0f} | {single / max(own):.2f} |"
            )


def barrier(threads):
    """Microseconds of one, by a team of this library."""
    with tempfile.TemporaryDirectory() as folder:
        library = f"{folder}/barrier.so"
        sources = [str(HERE / "barrier.c"), str(CORE / "rn_threads.c")]
        command = ["cc", "-O3", "-std=c11", "-shared", "-fPIC", "-pthread", "-I", CORE]
        subprocess.run([*command, *sources, "-o", library], check=True)
        seconds = ctypes.CDLL(library).barrier_seconds
    seconds.restype, seconds.argtypes = ctypes.c_double, [ctypes.c_size_t] * 2
    rounds = 100_000
    return statistics.median(1e6 * seconds(threads, rounds) / rounds for _ in range(21))


def main():
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", default=["W5a", "W5b"])
    parser.add_argument("--teams", type=int, nargs="*", default=[1, 2, 4, 8, 16])
    parser.add_argument("--barrier", action="store_true", help="measure one")
    parser.add_argument("--train", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.train:
        name, threads = options.names
        return train(name, int(threads))
    if options.barrier:
        for threads in range(2, len(os.sched_getaffinity(0)) + 1):
            print(f"{threads} threads: {barrier(threads):.3f} us a barrier")
        return None
    print("| workload | threads | most, million | sum, million | barriers | speedup |")
    print("|---|---|---|---|---|---|")
    for row in rows_of(options.names, options.teams):
        print(row, flush=True)
    return None


if __name__ == "__main__":
    main()
