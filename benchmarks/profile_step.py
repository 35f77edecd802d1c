"""Where the time of a training step goes, by perf's samples of the core's functions.

    REGNET_C_FLAGS=-g python setup.py build_ext --inplace
    python benchmarks/profile_step.py W1 W3 W9

Linux, `perf` installed, a core built with its symbols as above (the package of the source
folder is measured).  Prints a table in Markdown: per cent of the samples of one thread.
"""

import argparse
import platform
import re
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

HERE = Path(__file__).parent
STARTED = 2.0  # seconds until the import and the first steps are over
STAGES = {
    "products": r"tile_",
    "rows gathered": r"gather_|transpose_rows|convert_row|__mem(move|cpy)",
    "panels turned": r"panel_to",
    "activations, losses": r"activation_|softmax_|loss_|drop",
    "updates": r"update_",
    "checks, sums, shuffle": r"find_not_finite|all_finite|penalty_sums|permutation",
    "rest of the core": r"",
}


def arguments():
    """What the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("workloads", nargs="*", default=["W1", "W3", "W9"])
    parser.add_argument("--seconds", type=float, default=6.0, help="per workload")
    parser.add_argument("--markdown", type=Path, help="also write the table there")
    parser.add_argument("--train", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def train(name, seconds):
    """What perf watches: steps of one workload."""
    sys.path[:0] = [str(HERE.parent), str(HERE)]
    from peers.regnet import Peer
    from workloads import WORKLOADS

    peer = Peer(WORKLOADS[name], 1)
    peer.set_weights(WORKLOADS[name].initial_weights())
    end = time.monotonic() + STARTED + seconds
    while time.monotonic() < end:
        peer.steps(20 * WORKLOADS[name].steps_per_epoch)


def samples(name, seconds):
    """[(per cent, object, symbol)] of perf's report."""
    with tempfile.NamedTemporaryFile() as file:
        record = ["perf", "record", "-q", "-e", "cpu-clock", "-F", "4000"]
        record += ["-D", str(round(1000 * STARTED)), "-o", file.name]
        command = [sys.executable, __file__, name, "--train", "--seconds", str(seconds)]
        subprocess.run([*record, *command], check=True, capture_output=True)
        report = ["perf", "report", "--stdio", "--no-children", "-g", "none", "-i"]
        text = subprocess.run(
            [*report, file.name, "-F", "overhead,dso,sym"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    found = re.findall(r"^ *([\d.]+)% +(\S+) +\[.\] +(\S+)", text, re.MULTILINE)
    return [(float(share), where, symbol) for share, where, symbol in found]


def stage_of(where, symbol):
    """The row of the table that a function belongs to."""
    for stage, pattern in STAGES.items():
        of_core = "dispatch" in where or symbol.startswith("__mem")
        if of_core and re.match(pattern, symbol):
            return stage
    return "Python"


def shares(name, seconds):
    """{stage: per cent} of one workload."""
    sums = dict.fromkeys([*STAGES, "Python"], 0.0)
    found = samples(name, seconds)
    if not any(symbol.startswith("tile_") for _, _, symbol in found):
        sys.exit("no symbols in the core: build it with REGNET_C_FLAGS=-g")
    for share, where, symbol in found:
        sums[stage_of(where, symbol)] += share
    return sums


def main():
    """Print the table."""
    args = arguments()
    if args.train:
        return train(args.workloads[0], args.seconds)
    columns = {name: shares(name, args.seconds) for name in args.workloads}
    table = [
        f"{date.today()}, {platform.processor() or platform.machine()}, one thread",
        "",
        "| % of the time | " + " | ".join(columns) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for stage in [*STAGES, "Python"]:
        cells = [f"{column[stage]:.0f}" for column in columns.values()]
        table.append(f"| {stage} | " + " | ".join(cells) + " |")
    print("\n".join(table))
    if args.markdown:
        args.markdown.write_text("\n".join(table) + "\n")
    return None


if __name__ == "__main__":
    main()
