"""Builds tools/core_check.c and runs it under the tools that find what tests cannot.

    python tools/check_core.py [bits] [asan] [tsan] [memcheck] [helgrind] [aarch64]

Without names, all of them; what is not installed is said and left out.  Ends with 1 if
anything is found or a checksum differs.  The flags are those of setup.py.
"""

import os
import runpy
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
EPOCHS = 29  # 203 steps


def flags():
    """(flags of all C, {variant: its flags}, the sources of variants), as in setup.py."""
    values = runpy.run_path(str(ROOT / "setup.py"), run_name="flags")
    common = [f.replace("c11", "gnu11") for f in values["UNIX_FLAGS"]]
    return common, values["VARIANT_FLAGS"]["unix"], values["c_sources"]


def build(folder, name, compiler="cc", extra=("-O3",), x86=True):
    """Compile the core and the program; the path of the program."""
    common, variants, sources = flags()
    common = [*common, *extra, f"-I{ROOT / 'csrc'}", f"-I{ROOT / 'tools'}"]
    if x86:
        common.append("-DRN_HAVE_X86_VARIANTS")
    objects = []
    for source, own in sources(variants if x86 else {"base": []}):
        objects.append(str(folder / f"{name}_{source}.o"))
        path = str(ROOT / "csrc" / source)
        subprocess.run(
            [compiler, *common, *own, "-c", path, "-o", objects[-1]], check=True
        )
    program = str(folder / name)
    main = str(ROOT / "tools" / "core_check.c")
    command = [compiler, *common, main, *objects, "-o", program, "-lm", "-pthread"]
    subprocess.run(command, check=True)
    return program


def checksums(command, threads, epochs=EPOCHS, **environment):
    """The set of checksums that a command prints."""
    done = subprocess.run(
        [*command, str(threads), str(epochs)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}:\n{done.stdout}{done.stderr[-4000:]}")
    return {line.split()[1] for line in done.stdout.splitlines()}


def bits(folder):
    """All variants of this machine, 1 to 7 threads."""
    program = build(folder, "plain")
    return [checksums([program], threads) for threads in (1, 2, 3, 7)], EPOCHS


def asan(folder):
    """Address and undefined-behaviour sanitizers."""
    extra = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    program = build(folder, "asan", extra=extra)
    return [checksums([program], threads, 3) for threads in (1, 3)], 3


def tsan(folder):
    """Thread sanitizer."""
    program = build(folder, "tsan", extra=["-O1", "-g", "-fsanitize=thread"])
    options = {"TSAN_OPTIONS": "halt_on_error=1"}
    return [checksums([program], threads, 3, **options) for threads in (2, 3, 7)], 3


def _valgrind(folder, *options):
    if not shutil.which("valgrind"):
        return None
    program = build(folder, "valgrind", extra=["-O1", "-g"])
    command = ["valgrind", "-q", "--error-exitcode=9", *options, program]
    return [checksums(command, threads, 1) for threads in (1, 3)], 1


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


def aarch64(folder):
    """NEON, under qemu."""
    if not (shutil.which("aarch64-linux-gnu-gcc") and shutil.which("qemu-aarch64")):
        return None
    compiler, extra = "aarch64-linux-gnu-gcc", ["-O3", "-static"]
    program = build(folder, "aarch64", compiler, extra, x86=False)
    return [checksums(["qemu-aarch64", program], threads) for threads in (1, 3)], EPOCHS


CHECKS = {f.__name__: f for f in (bits, asan, tsan, memcheck, helgrind, aarch64)}


def main(names):
    """Run the checks of these names; the exit status."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in names or CHECKS:
            result = CHECKS[name](Path(folder))
            if result is None:
                print(f"{name}: not installed, left out")
                continue
            sums = set().union(*result[0])
            found.setdefault(result[1], set()).update(sums)
            print(f"{name}: clean, checksum {', '.join(sorted(sums))}", flush=True)
    differing = [sums for sums in found.values() if len(sums) > 1]
    if differing:
        print("the checksums differ")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
