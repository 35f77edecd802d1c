"""Runs tests of the kernels under valgrind: memory read before it is written, or past
its end, in the core or the binding.

    python tools/memcheck.py [pytest arguments]

Valgrind knows no AVX-512, so this is for the other variants.  What the interpreter and
NumPy do is not reported, what they do on behalf of the binding is.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import copied

TESTS = [
    "tests/test_kernels.py",
    "-k",
    "dense and float64",
]
OURS = re.compile(r"binding\.|dispatch\.|csrc/|rn_\w+\.")


def main(arguments):
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        options = ["--error-limit=no", "--num-callers=40", "--leak-check=no"]
        command = [copied.find("valgrind"), *options, f"--log-file={log}"]
        command += [sys.executable, *"-m pytest -q -n0 -p no:cacheprovider".split()]
        done = subprocess.run(
            [*command, *(arguments or TESTS)],
            cwd=copied.ROOT,
            env=os.environ | {"PYTHONMALLOC": "malloc", "PYTHONPATH": str(copied.ROOT)},
        )
        reports = re.split(r"(?m)^==\d+== \n", log.read_text())
    found = [r for r in reports if re.search(r"==\d+==    (at|by) ", r)]
    ours = [report for report in found if OURS.search(report)]
    print("\n".join(ours))
    print(f"{len(ours)} of {len(found)} reports name the core or the binding")
    return 1 if ours or done.returncode else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
