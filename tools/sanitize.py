"""Runs the tests with a sanitizer in the C core and the binding.

    python tools/sanitize.py address [--folder FOLDER] [pytest arguments]
    python tools/sanitize.py thread [--folder FOLDER] [pytest arguments]

`address` (and undefined behaviour, and Cython's bounds checks) runs the whole suite;
`thread` what tests threads, and the team of threads without Python (tests/team.c).  The
first finding ends the process with a report.  The build is made in FOLDER and kept there.
"""

import argparse
import os
import subprocess
import sys
import tempfile

import copied

# not forks, which it does not follow; nor the test that looks at a run beside its writer
THREADED = "(threads or pieces or blocks or small_batches or callers or busy or "
THREADED += "hot_swap or concurrency) and not forks and not second_thread"
# `import polars` alone ends a process with the thread sanitizer by a segmentation fault
POLARS = "test_frames_and_text_labels_are_taken_everywhere[polars]"


TIMED = (  # a guarantee in seconds, which the sanitizer triples
    "test_a_hostile_file_is_refused[5000 layers]",
    "test_a_hostile_file_is_refused[5000 large layers]",
    "test_kill_leaves_a_complete_file",
)


def address(folder, arguments):
    """Exit status of the suite with address and undefined-behaviour sanitizers."""
    copied.build(folder, CC="gcc", REGNET_C_DEBUG="1")
    names = ("libasan.so", "libubsan.so")
    timed = [f"--deselect=tests/test_files.py::{name}" for name in TIMED]
    return copied.pytest(
        folder,
        [*arguments, *timed],
        LD_PRELOAD=":".join(copied.library("gcc", name) for name in names),
        # the interpreter and NumPy never free all; refused sizes are tested
        ASAN_OPTIONS="detect_leaks=0:allocator_may_return_null=1",
        UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1",
    )


def thread(folder, arguments):
    """Exit status of the threaded tests with the thread sanitizer."""
    flags = "-O1 -g -fsanitize=thread"
    copied.build(folder, CC="gcc", REGNET_C_FLAGS=flags)
    team = os.path.join(folder, "team")
    sources = [str(copied.ROOT / s) for s in ("tests/team.c", "csrc/rn_threads.c")]
    include = f"-I{copied.ROOT / 'csrc'}"
    command = ["gcc", "-std=c11", *flags.split(), include, *sources, "-pthread"]
    subprocess.run([*command, "-o", team], check=True)
    fixed = [copied.find("setarch"), "-R"]  # no random addresses: it knows only some
    options = {"TSAN_OPTIONS": "halt_on_error=1"}
    names = ["meetings", "callers", "idle", "exit"]  # it does not follow forks
    done = subprocess.run([*fixed, team, *names], env=os.environ | options)
    if done.returncode:
        return done.returncode
    if not any(a.startswith("-k") for a in arguments):
        arguments = [*arguments, "-k", THREADED]
    arguments = [*arguments, f"--deselect=tests/test_path_units.py::{POLARS}"]
    preload = {"LD_PRELOAD": copied.library("gcc", "libtsan.so")}
    return copied.pytest(folder, arguments, before=fixed, **options, **preload)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("sanitizer", choices=["address", "thread"])
    parser.add_argument("--folder")
    known, arguments = parser.parse_known_args()
    run = {"address": address, "thread": thread}[known.sanitizer]
    with tempfile.TemporaryDirectory() as folder:
        return run(known.folder or folder, arguments)


if __name__ == "__main__":
    sys.exit(main())
