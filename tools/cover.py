"""Counts the lines and branches of the C core that the tests run.

    python tools/cover.py [--folder FOLDER] [pytest arguments]

The core is compiled several times from one text: for float and double, per instruction
set.  llvm-cov takes a function of which there are copies as it was run in the copy with
the most lines run, and the same for branches; a branch that the compiler folds (as
`RN_FLOAT ? a : b`) is none.  What is run in no copy is listed.  A second table counts
the functions entered in every copy: that each of them is tested, not only one.

Needs clang and llvm-cov, which count places of the text, not of the machine code.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import copied

FLAGS = "-O1 -g0 -Wno-pass-failed -fprofile-instr-generate -fcoverage-mapping"
TESTS = ["tests", "--ignore=tests/test_examples.py", "--ignore=tests/test_reproduce.py"]
GOAL = {"lines": 99, "branches": 90}  # per cent


def measure(folder, arguments):
    """Run the tests; what llvm-cov knows of csrc as a dict."""
    profiles = folder / "profiles"
    copied.build(folder, CC=copied.find("clang"), REGNET_C_FLAGS=FLAGS)
    pattern = str(profiles / "%4m.profraw")
    if copied.pytest(folder, arguments or TESTS, LLVM_PROFILE_FILE=pattern):
        print("some tests failed; what follows is what was run nevertheless")
    merged = str(folder / "merged.profdata")
    found = map(str, profiles.glob("*.profraw"))
    command = [copied.find("llvm-profdata"), "merge", "-sparse", *found]
    subprocess.run([*command, "-o", merged], check=True)
    module = next((folder / "regnet_c/_core").glob("dispatch*.so"))
    command = [copied.find("llvm-cov"), "export", str(module)]
    command += [f"-instr-profile={merged}", "-ignore-filename-regex=dispatch|include/"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)["data"][0]


def gaps(functions):
    """{file: {(line, what)}}: code, and ways of branches, that no copy has taken."""
    counts = defaultdict(int)
    for function in functions:
        names = [Path(name) for name in function["filenames"]]
        for first, column, _, _, count, file, _, kind in function["regions"]:
            if kind == 0 and names[file].parent.name == "csrc":
                counts[names[file].name, first, column, "not run"] += count
        for first, column, _, _, true, false, file, _, _ in function["branches"]:
            if names[file].parent.name == "csrc":
                counts[names[file].name, first, column, "never true"] += true
                counts[names[file].name, first, column, "never false"] += false
    found = defaultdict(set)
    for (name, line, column, what), count in counts.items():
        if count == 0:
            found[name].add((line, column, what))
    return found


def copies(functions):
    """{file: [functions entered, functions]} of the copies of the core."""
    found = defaultdict(lambda: [0, 0])
    for function in functions:
        unit = function["name"].rpartition(":")[0]
        if unit.endswith(("_f32.c", "_f64.c")):
            found[unit][0] += function["count"] > 0
            found[unit][1] += 1
    return found


def report(data):
    """Print the tables; True if the goal is reached."""
    files = [f for f in data["files"] if Path(f["filename"]).parent.name == "csrc"]
    sums = {kind: [0, 0] for kind in GOAL}
    missing = gaps(data["functions"])
    for file in files:
        name, parts = Path(file["filename"]).name, []
        for kind, total in sums.items():
            figures = file["summary"][kind]
            total[0] += figures["covered"]
            total[1] += figures["count"]
            parts.append(f"{kind} {figures['covered']:4} of {figures['count']:4}")
        print(f"{name:20}", "  ".join(parts))
        for line, column, what in sorted(missing[name]):
            print(f"    {name}:{line}:{column} {what}")
    for unit, (entered, count) in sorted(copies(data["functions"]).items()):
        print(f"{unit}: {entered} of {count} functions entered")
    reached = {kind: 100 * a / b for kind, (a, b) in sums.items()}
    print(", ".join(f"{kind} {share:.1f} %" for kind, share in reached.items()))
    return all(reached[kind] >= GOAL[kind] for kind in GOAL)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder")
    known, arguments = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(known.folder or folder).resolve()
        return 0 if report(measure(folder, arguments)) else 1


if __name__ == "__main__":
    sys.exit(main())
