#!/usr/bin/env -S uv run --script

# /// script
# dependencies = ["nox>=2025.2.9"]
# ///

"""One command for each thing a contributor runs: `nox -l` lists them."""

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


@nox.session(python=PYTHONS)
def tests(session):
    """The suite on the installed package; arguments go to pytest."""
    session.install(".[test]")
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
