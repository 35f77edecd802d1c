"""Checks what only a CI service reads: workflows, cibuildwheel's rows, citation.

    pip install check-jsonschema cibuildwheel
    python tools/check_config.py

The schemas come with check-jsonschema, so no network is needed; actionlint is run too if
it is installed.
"""

import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCHEMAS = {
    "vendor.github-workflows": [
        ".github/workflows/ci.yml",
        ".github/workflows/fuzz.yml",
        ".github/workflows/wheels.yml",
    ],
    "vendor.dependabot": [".github/dependabot.yml"],
    "vendor.citation-file-format": ["CITATION.cff"],
}
PLATFORMS = {  # cibuildwheel's names: (platform, machine): tags of its wheels
    ("linux", "x86_64"): ["manylinux_x86_64", "musllinux_x86_64"],
    ("linux", "aarch64"): ["manylinux_aarch64", "musllinux_aarch64"],
    ("macos", "arm64"): ["macosx_arm64"],
    ("macos", "x86_64"): ["macosx_x86_64"],
    ("windows", "AMD64"): ["win_amd64"],
    ("windows", "ARM64"): ["win_arm64"],
}
BUILDS = ["cp311", "cp312", "cp313", "cp314", "cp314t"]  # the first builds, all test


def run(*command):
    """Standard output of a command that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if done.returncode != 0:
        sys.exit(
            f"exit code {done.returncode} of {command}\n{done.stdout}{done.stderr}"
        )
    return done.stdout


def main():
    """Every check, or exit with the first that fails."""
    for schema, files in SCHEMAS.items():
        run(
            sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *files
        )
        print(f"{schema}: {', '.join(files)}")
    if shutil.which("actionlint"):
        run("actionlint")
        print("actionlint: nothing found")
    for (platform, machine), tags in PLATFORMS.items():
        options = ["--platform", platform, "--archs", machine]
        command = [sys.executable, "-m", "cibuildwheel", "--print-build-identifiers"]
        found = run(*command, *options, ".").split()
        wanted = [f"{build}-{tag}" for tag in tags for build in BUILDS]
        if sorted(found) != sorted(wanted):
            sys.exit(f"{platform} {machine}: found {found}, expected {wanted}")
        print(f"{platform} {machine}: {len(found)} rows of cibuildwheel")
    version = runpy.run_path(str(ROOT / "regnet_c/_version.py"))["__version__"]
    cited = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.M)[1]
    if cited != version:
        sys.exit(f"CITATION.cff has version {cited}, the package {version}")


if __name__ == "__main__":
    main()
