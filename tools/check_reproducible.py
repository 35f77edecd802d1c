"""Builds the sdist and a wheel from it twice, in folders that differ, and compares bytes.

    pip install build setuptools cython "cyclonedx-python-lib[json-validation]"
    python tools/check_reproducible.py [--keep FOLDER]

The folders have names of different length; the files have other times, the processes
another umask, time zone and seed of Python's hashes.  The compiler is the same.  The
list of what is in the wheel (SBOM) must be one by CycloneDX's own schema.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SBOM = "sboms/regnet-c.cdx.json"
WAYS = (  # (folder, umask, time of the files, environment)
    ("a", 0o022, 1_700_000_000, {"TZ": "UTC", "PYTHONHASHSEED": "1"}),
    (
        "a/longer/name",
        0o077,
        1_600_000_000,
        {"TZ": "Asia/Tokyo", "PYTHONHASHSEED": "2"},
    ),
)


def run(*command, **options):
    """Standard output of a command that must succeed."""
    done = subprocess.run(
        command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options
    )
    if done.returncode != 0:
        sys.exit(f"exit code {done.returncode} of {command}\n{done.stdout[-4000:]}")
    return done.stdout


def build(folder, umask, time, environment):
    """(sdist, wheel) of the tracked files, built in this folder."""
    source = folder / "source"
    for name in run("git", "ls-files", cwd=ROOT).split():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
        os.utime(source / name, (time, time))
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder]
    options = {"umask": umask, "env": {**os.environ, **environment}}
    run(*command, "--sdist", source, **options)
    (sdist,) = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    unpacked = folder / sdist.name.removesuffix(".tar.gz")
    run(*command, "--wheel", unpacked, **options)
    (wheel,) = folder.glob("*.whl")
    return sdist, wheel


def entries(path):
    """{name: what the archive has of it}."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as archive:
            return {
                i.filename: (i.date_time, i.external_attr, archive.read(i))
                for i in archive.infolist()
            }
    with tarfile.open(path) as archive:
        return {
            m.name: (m.get_info(), m.isfile() and archive.extractfile(m).read())
            for m in archive
        }


def compare(first, second):
    """Exit and name the entries if two archives are not the same bytes."""
    if first.read_bytes() != second.read_bytes():
        old, new = entries(first), entries(second)
        names = [n for n in sorted(old | new) if old.get(n) != new.get(n)]
        sys.exit(f"{first.name} differs in {names or 'its headers'}")
    print(f"{first.name}: {hashlib.sha256(first.read_bytes()).hexdigest()}, twice")


def check_sbom(wheel):
    """Exit if the wheel has no valid list of what is in it."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(f".dist-info/{SBOM}"))
        text = archive.read(name).decode()
    if error := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        sys.exit(f"{name}: {error}")
    print(f"{name}: valid CycloneDX 1.6")


def main():
    """Build, compare, check the SBOM."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--keep", type=Path, help="put sdist and wheel here")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        pairs = []
        for folder, *way in WAYS:
            place = Path(name, folder)
            place.mkdir(parents=True)
            pairs.append(build(place, *way))
        for first, second in zip(*pairs, strict=True):
            compare(first, second)
        check_sbom(pairs[0][1])
        for file in pairs[0] if wanted.keep else ():
            wanted.keep.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, wanted.keep)


if __name__ == "__main__":
    main()
