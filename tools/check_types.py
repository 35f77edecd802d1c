"""Checks the types of the package, of its stubs, and of every example that users read.

    pip install ".[test,dask]" mypy
    python tools/check_types.py [--pyright]

mypy, with the options of pyproject.toml (strict): the package, the scripts of `examples/`
and `docs/tutorials/`, the code of `README.md` and `docs/quick_start.md`.  mypy.stubtest:
the compiled modules against their stubs (tests/test_conventions.py compares the stubs with
the sources, for Cython's constructors too, which have no signature).  --pyright: that
every public name has a type (`pip install pyright`, which downloads itself on first use).
"""

import argparse
import doctest
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMPILED = ["dispatch", "binding"]
FENCE = re.compile(r"(?<=^```python\n).*?(?=^```$)", re.S | re.M)
# what Cython adds to a module and to its classes
OF_CYTHON = r""".*\.__init__
.*\.__pyx_\w+__
.*\.__(reduce|setstate)_cython__
.*\.__test__
"""


def code_of(page):
    """The Python of a page, each line at its own number, so that findings name it."""
    lines = [""] * page.count("\n")
    for block in FENCE.finditer(page):
        code, first = block[0], page.count("\n", 0, block.start())
        if ">>> " in code:
            examples = doctest.DocTestParser().get_examples(code)
            parts = [(first + example.lineno, example.source) for example in examples]
        else:
            parts = [(first, code)]
        for at, source in parts:
            source = source.splitlines()
            lines[at : at + len(source)] = source
    return "\n".join(lines) + "\n"


def run(*command):
    """Print what a command must do, and exit with it if it fails."""
    print(" ".join(command[:3]), flush=True)
    # -P: the installed package; in ROOT nothing is compiled
    whole = [sys.executable, "-P", "-m", *command]
    code = subprocess.run(whole, cwd=ROOT).returncode
    if code:
        sys.exit(code)


def check_mypy(folder):
    """The package and everything that users copy from."""
    pages = []
    for page in (ROOT / "README.md", ROOT / "docs/quick_start.md"):
        pages.append(folder / f"{page.stem.lower()}_page.py")
        pages[-1].write_text(code_of(page.read_text()))
    scripts = [*ROOT.glob("examples/*.py"), *ROOT.glob("docs/tutorials/*.py")]
    run("mypy", "regnet_c", *sorted(map(str, scripts)), *map(str, pages))


def check_stubs(folder):
    """The compiled modules, as they were imported."""
    allowed = folder / "allowed"
    allowed.write_text(OF_CYTHON)
    modules = [f"regnet_c._core.{name}" for name in COMPILED]
    options = ["--allowlist", str(allowed), "--ignore-unused-allowlist"]
    options += ["--ignore-disjoint-bases", "--mypy-config-file", "pyproject.toml"]
    run("mypy.stubtest", *modules, *options)


def main():
    """Every check, or exit with the first that fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pyright", action="store_true", help="pyright as well")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        check_mypy(Path(folder))
        check_stubs(Path(folder))
    if wanted.pyright:
        options = ["--ignoreexternal", "--pythonpath", sys.executable]
        run("pyright", "--verifytypes", "regnet_c", *options)


if __name__ == "__main__":
    main()
