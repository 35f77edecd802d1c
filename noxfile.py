#!/usr/bin/env -S uv run --script

# /// script
# dependencies = ["nox>=2025.2.9"]
# ///

"""One command for each thing a contributor runs: `nox -l` lists them."""

import os
import re
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"
INTEGRATIONS = ["mlflow", "shap", "imbalanced-learn", "skl2onnx>=1.17"]
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]


@nox.session
def lint(session):
    """Formatters and linters, as CI runs them."""
    session.install(*nox.project.dependency_groups(nox.project.load_toml(), "lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    cython = "regnet_c/*/*.pyx regnet_c/*/*.px[id] examples/cython/*.pyx"
    session.run("bash", "-c", f"cython-lint {cython}")
    session.run("bash", "-c", "clang-format --dry-run -Werror csrc/*.[ch] tools/*.c")
    session.run("codespell")
    session.run("rumdl", "check", ".")
    session.run("zizmor", "--offline", ".github")
    session.run("sp-repo-review", ".")


@nox.session
def types(session):
    """Types of the package, its stubs and every example, by mypy and pyright."""
    session.install(".[test,dask]", "mypy==2.4.1", "pyright==1.1.414")
    session.run("python", "tools/check_types.py", "--pyright")


@nox.session(python=PYTHONS)
def tests(session):
    """The suite on the installed package; arguments go to pytest."""
    session.install(".[test]")
    session.run("pytest", *session.posargs)


@nox.session(default=False, venv_backend="none")
def interpreters(session):
    """`pip install` in a fresh environment of every interpreter of this machine."""
    pythons = sorted({p for p in found_interpreters() if supported(session, p)})
    for python in pythons:
        folder = session.create_tmp()
        session.run(python, "-m", "venv", "--clear", folder)
        inside = f"{folder}/bin/python"
        session.run(
            inside, "-m", "pip", "install", "--quiet", ".", "pytest", "hypothesis"
        )
        session.run(inside, "-m", "pip", "check")
        session.run(inside, "-P", "-m", "regnet_c", "info")
        command = ["-P", "-m", "pytest", "-q", "-o", "addopts=--import-mode=importlib"]
        session.run(inside, *command, "tests/test_numbers.py", "tests/test_golden.py")


def found_interpreters():
    """Paths of the Pythons on PATH, and of pyenv's and uv's."""
    homes = [Path.home() / ".pyenv/versions", Path.home() / ".local/share/uv/python"]
    folders = [Path(folder) for folder in os.environ["PATH"].split(os.pathsep)]
    folders += [version / "bin" for home in homes for version in home.glob("*")]
    for folder in folders:
        for path in folder.glob("python3.*"):
            if re.fullmatch(r"python3\.\d+t?", path.name):
                yield str(path.resolve())


def supported(session, python):
    """True for a CPython that pyproject.toml allows and that can make environments."""
    code = "import ensurepip, sys; print(sys.version_info >= (3, 11), sys.prefix)"
    said = session.run(python, "-c", code, silent=True, success_codes=range(256))
    return said.startswith("True")


@nox.session(default=False, python="3.11", venv_backend="uv")
def oldest(session):
    """The suite with the oldest packages that pyproject.toml declares."""
    pyparsing = "pyparsing<3.3,>=3.2"  # matplotlib 3.7 calls what 3.3 deprecates
    session.install("--resolution", "lowest-direct", ".[test-all]", pyparsing)
    session.run("pytest", *session.posargs)


@nox.session(default=False)
def integrations(session):
    """The recipes of docs/integrations.md with the packages themselves."""
    session.install(".[test,onnx,tracking]", *INTEGRATIONS)
    session.run("pytest", "-n0", "-rs", "tests/test_integrations.py")


@nox.session(default=False)
def docs(session):
    """The documentation site, into docs/_build; a warning is an error."""
    session.install(".[docs]")
    session.run("python", "-m", "sphinx", "-W", "docs", "docs/_build")


if __name__ == "__main__":
    nox.main()
