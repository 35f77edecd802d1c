"""Copies of the project for the tools, built with other flags than the user's own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("csrc", "regnet_c", "tests", "examples", "benchmarks", "docs", "tools")


def build(folder, **environment):
    """Bring `folder` up to date with the project and build it there."""
    folder = Path(folder).resolve()
    ignore = shutil.ignore_patterns("*.so", "__pycache__")
    for part in PARTS:
        shutil.copytree(ROOT / part, folder / part, ignore=ignore, dirs_exist_ok=True)
    for file in ROOT.iterdir():
        if file.is_file():
            shutil.copy2(file, folder)
    command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    subprocess.run(command, cwd=folder, env=os.environ | environment, check=True)
    return folder


def pytest(folder, arguments, before=(), **environment):
    """Run pytest on a copy; its exit status.  `before`: a command that runs it.

    What C writes is not captured: a report that ends the process would be lost.  One
    process: those of pytest-xdist end without writing what they counted.
    """
    command = [*before, sys.executable, "-m", "pytest", "-q", "-n0", "--capture=sys"]
    command += arguments
    environment = os.environ | {"PYTHONPATH": str(folder)} | environment
    return subprocess.run(command, cwd=folder, env=environment).returncode


def find(tool):
    """The path of a program; SystemExit if it is not installed."""
    path = shutil.which(tool)
    if path is None:
        raise SystemExit(f"{tool} is not installed")
    return path


def library(compiler, name):
    """The path of a compiler's run-time library."""
    command = [find(compiler), f"-print-file-name={name}"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()
