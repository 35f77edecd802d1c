"""Runs tools/same_bits.c under the tools that find what tests cannot.

    python tools/check_core.py [asan] [tsan] [memcheck] [helgrind]

Without names, all of them; what is not installed is named and left out.  Ends with 1 if
anything is found or a hash is another one than without the tool.  The flags are those of
setup.py; check_targets.py compares the bits of other machines.
"""

import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from check_targets import Skipped, build_program, hashes, need

EPOCHS = 1


def build(folder, name, *extra):
    """The program with these flags."""
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    libraries = ["-lpthread", "-lm"]
    return build_program(need("gcc"), folder / name, x86, libraries, extra)


def run(command, *threads, **environment):
    """The hashes that a command prints, which must succeed."""
    done = subprocess.run(
        [*map(str, command), str(EPOCHS), *map(str, threads)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise SystemExit(f"{command}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return hashes(done.stdout)


def plain(folder):
    """No tool."""
    return run([build(folder, "plain")], 1, 2, 3, 7)


def asan(folder):
    """Address and undefined-behaviour sanitizers."""
    flags = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    return run([build(folder, "asan", *flags)], 1, 3)


def tsan(folder):
    """Thread sanitizer."""
    program = build(folder, "tsan", "-O1", "-g", "-fsanitize=thread")
    return run([program], 2, 3, 7, TSAN_OPTIONS="halt_on_error=1")


def _valgrind(folder, *options):
    command = [*need("valgrind"), "-q", "--error-exitcode=9", *options]
    return run([*command, build(folder, "valgrind", "-O1", "-g")], 3)


def memcheck(folder):
    """Valgrind: memory that is read before it is written, or past its end, or lost.

    The team's threads, with the stacks they have, live as long as the process.
    """
    kinds = "definite,indirect"
    return _valgrind(
        folder,
        "--leak-check=full",
        f"--show-leak-kinds={kinds}",
        f"--errors-for-leak-kinds={kinds}",
    )


def helgrind(folder):
    """Valgrind: locks and condition variables used against their rules.

    Helgrind does not know C11's atomics, and takes what they order for races.
    """
    hidden = folder / "atomics.supp"
    hidden.write_text("{\n   atomics\n   Helgrind:Race\n   obj:*\n}\n")
    return _valgrind(folder, "--tool=helgrind", f"--suppressions={hidden}")


CHECKS = {f.__name__: f for f in (asan, tsan, memcheck, helgrind)}


def main(names):
    """Run the checks of these names; the exit status."""
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        wanted = plain(Path(folder))
        for name in names or CHECKS:
            try:
                found = CHECKS[name](Path(folder))
            except Skipped as reason:
                print(f"{name}: {reason}, left out")
                continue
            differing = {key for key in found if found[key] != wanted[key]}
            failures += bool(differing)
            status = f"other hashes: {sorted(differing)}" if differing else "clean"
            print(f"{name}: {status}", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
