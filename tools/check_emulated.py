"""Runs a part of the Python suite on emulated CPUs; slow, so not the whole of it.

    pip install ziglang
    apt install qemu-user debootstrap
    debootstrap --foreign --arch=arm64 --include=python3 bookworm arm64
    python tools/check_emulated.py arm64

In an environment with the package and its tests' requirements: (1) an x86-64 CPU without
AVX, where the base variant must be chosen; (2) AArch64, if a root file system with a
Python is given.  Its wheel is cross-compiled by zig against this Python's headers, which
the stable ABI allows.  Tests that start other programs are left out: emulation ends there.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ISA = "import regnet_c; print(regnet_c.cpu_info()['isa'], regnet_c.cpu_info()['fused'])"
TOOLS = ("pytest", "pytest-xdist", "hypothesis", "safetensors")
TESTS = [f"tests/test_{name}.py" for name in ("penalties", "gradients", "threads")]
PYTEST = ["-P", "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", *TESTS]
OLD_CPU = "Nehalem"  # NumPy needs SSE4.2; tools/same_bits.c runs on older ones


def run(*command, **options):
    """Standard output of a command that must succeed."""
    done = subprocess.run(
        [str(part) for part in command],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        **options,
    )
    if done.returncode != 0:
        sys.exit(f"exit code {done.returncode} of {command}\n{done.stdout[-4000:]}")
    return done.stdout


def check(name, emulator, isa):
    """The chosen variant, then the tests, by `emulator`: a command and a Python."""
    found = run(*emulator, "-P", "-c", ISA).split()
    assert found == isa, f"{name}: {found}, expected {isa}"
    output = run(*emulator, *PYTEST, cwd=ROOT)
    print(f"{name}: {re.search(r'[0-9]+ passed.*', output)[0]}", flush=True)


def cross_compile(folder):
    """A folder with the packages of an AArch64 Python of this version, ours included."""
    zig = Path(importlib.util.find_spec("ziglang").origin).with_name("zig")
    cc = f"{zig} cc -target aarch64-linux-gnu.2.17"
    environment = {**os.environ, "CC": cc, "LDSHARED": f"{cc} -shared"}
    environment["_PYTHON_HOST_PLATFORM"] = "linux-aarch64"
    source = folder / "source"  # a build leaves its module in the source folder
    shutil.copytree(
        ROOT, source, ignore=shutil.ignore_patterns("build", "*.so", ".git")
    )
    pip = [sys.executable, "-m", "pip"]
    run(*pip, "wheel", "--no-deps", "-w", folder, source, env=environment)
    (wheel,) = folder.glob("*.whl")
    site = folder / "site"
    tags = ["linux_aarch64", *(f"manylinux_2_{v}_aarch64" for v in (28, 27, 17))]
    options = ["--only-binary=:all:", "--target", site, "--implementation", "cp"]
    for tag in tags:
        options += ["--platform", tag]
    for abi in (f"cp3{sys.version_info.minor}", "abi3", "none"):
        options += ["--abi", abi]
    run(*pip, "install", *options, wheel, *TOOLS)
    return site


def main():
    """Both checks; the second needs a root file system."""
    version = f"python3.{sys.version_info.minor}"
    blas = "OPENBLAS_CORETYPE=NEHALEM"  # NumPy's own choice fails under emulation
    emulator = ["qemu-x86_64", "-cpu", OLD_CPU, "-E", blas, sys.executable]
    check(f"x86-64 without AVX ({OLD_CPU})", emulator, ["base", "False"])
    if len(sys.argv) < 2:
        print("AArch64: no root file system given")
        return
    root = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        site = cross_compile(Path(folder))
        emulator = ["qemu-aarch64", "-L", root, "-E", f"PYTHONPATH={site}"]
        check("AArch64", [*emulator, root / "usr/bin" / version], ["base", "True"])


if __name__ == "__main__":
    main()
