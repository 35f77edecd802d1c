"""The rules of the house: import direction, complete kernel list, README that runs."""

import ast
import doctest
import importlib.metadata
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import regnet_c as rn

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "regnet_c").glob("*.py"))
C_FILES = sorted((ROOT / "csrc").glob("*.[ch]"))
KERNELS = re.findall(r"^    X\(\w+, (\w+),", (ROOT / "csrc/rn.h").read_text(), re.M)

# who may import whom; what is not listed may import anything
ALLOWED = {
    "_check": set(),
    "_check_arrays": {"_check", "slices"},
    "schedules": {"_check"},
    "initialization": {"_check_arrays", "_kernels"},
    "conventions": {"_check"},
    "penalty": {"_check"},
    "group_penalties": {"_check", "penalty"},
    "penalties": {"_check", "conventions", "group_penalties", "penalty"},
    "layers": {"_check", "initialization", "penalties", "penalty"},
    "losses": {"_check", "_kernels", "slices"},
    "optimizers": {"_check", "_check_arrays", "schedules"},
    "arrays": {"_check_arrays", "_kernels", "digest", "slices"},
    "callback": set(),
    "callbacks": {"_check", "_check_arrays", "callback"},
    "compact": {"_kernels", "layers", "slices"},
    "diagnose": {"_check", "arrays", "layerwise"},
    "history": set(),
    "state": {"_check", "_kernels"},
    "resume": {"_check", "layers", "storage", "structure"},
    "fitting": {"arrays", "history", "optimizers", "resume", "state", "training"},
    "plan": {"_kernels", "layers"},
    "slices": set(),
    "sparse": {"_kernels"},
    "team": {"_kernels"},
    "layerwise": {"_kernels"},
    "training": {"_kernels", "layerwise", "slices", "team"},
    "atomic": set(),
    "structure": {"_check", "layers", "losses", "plan"},
    "header": {"_version", "layers", "structure"},
    "digest": set(),
    "storage": {"atomic", "digest", "header", "structure"},
    "_axes": set(),
    "_plane": set(),
    "plots": {"_axes", "_check", "_check_arrays", "_plane"},
    "exchange": {"compact", "export", "storage"},
}


def local_imports(path):
    tree = ast.parse(path.read_text())
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            names |= {node.module} if node.module else {a.name for a in node.names}
    return names


@pytest.mark.parametrize("module", sorted(ALLOWED))
def test_imports_go_one_way(module):
    assert local_imports(ROOT / "regnet_c" / f"{module}.py") <= ALLOWED[module]


def test_the_kernel_list_was_found():
    assert len(KERNELS) > 20 and "dense_forward" in KERNELS and "train" in KERNELS


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_kernel_is_declared_bound_and_described(kernel):
    pxd = (ROOT / "regnet_c/_kernels.pxd").read_text()
    files = [ROOT / "regnet_c/_kernels.pyx", *(ROOT / "regnet_c").glob("*.pxi")]
    pyx = "".join(file.read_text() for file in files)
    for table in ("f32", "f64"):
        assert re.search(rf"\b(table|t)\.{table}\.{kernel}\(", pyx)
    assert len(re.findall(rf"\(\*{kernel}\)", pxd)) == 2


def test_c_never_allocates_or_prints():
    words = r"\b(malloc|calloc|realloc|free|printf|fprintf|abort|assert)\s*\("
    for path in C_FILES:
        assert not re.search(words, path.read_text()), path


def test_fast_math_is_nowhere():
    for path in [*C_FILES, ROOT / "setup.py"]:
        for word in ("ffast-math", "Ofast", "funsafe"):
            assert word not in path.read_text(), path


def test_kernels_use_no_libm_for_results():
    """exp and its friends are ours; fma and sqrt are exact everywhere."""
    words = r"(?<![\w_])(expf?|logf?|powf?|tanhf?|sinf?|cosf?|erff?|atanf?)\s*\("
    for path in sorted((ROOT / "csrc").glob("*.inc.c")):
        code = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
        assert not re.search(words, code), path


def public_objects():
    for name in rn.__all__:
        thing = getattr(rn, name)
        if callable(thing):
            yield name, thing
            for attribute, value in (
                vars(thing).items() if isinstance(thing, type) else ()
            ):
                if callable(value) and not attribute.startswith("_"):
                    yield f"{name}.{attribute}", getattr(thing, attribute)


@pytest.mark.parametrize(("name", "thing"), list(public_objects()))
def test_public_things_have_docstrings(name, thing):
    assert inspect.getdoc(thing)


def test_the_tests_see_the_installed_package():
    """Not the source folder, unless this is an editable or in-place install."""
    folder = Path(rn.__file__).parent
    if folder == ROOT / "regnet_c":
        assert list(folder.glob("_kernels.*.so")) or list(folder.glob("_kernels.*.pyd"))
    else:
        assert importlib.metadata.version("regnet-c") == rn.__version__


def run_python(code, folder, **environment):
    """A new process outside the source folder, which would shadow the package."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


def test_import_stays_light(tmp_path):
    code = (
        "import sys, regnet_c; heavy = {'sklearn', 'matplotlib', 'torch', 'pandas', "
        "'tqdm', 'onnx'} & set(sys.modules); sys.exit(str(heavy) if heavy else 0)"
    )
    done = run_python(code, tmp_path)
    assert done.returncode == 0, done.stderr


def readme_blocks():
    return re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)


def test_the_readmes_code_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = readme_blocks()
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})
    assert "exactly zero" in capsys.readouterr().out


def test_the_readme_has_the_two_commands():
    text = (ROOT / "README.md").read_text()
    assert "pip install . && python -m regnet_c train" in text
    assert 'pip install ".[test]" && pytest' in text


def test_the_citation_has_the_version():
    text = (ROOT / "CITATION.cff").read_text()
    assert re.findall(r"^version: (.+)$", text, re.M) == [rn.__version__]


def test_doctests():
    modules = [
        sys.modules[f"regnet_c.{p.stem}"]
        for p in SOURCES
        if p.stem[0] != "_" and f"regnet_c.{p.stem}" in sys.modules
    ]
    results = [doctest.testmod(m, raise_on_error=False) for m in [rn, *modules]]
    assert sum(r.attempted for r in results) > 10
    assert sum(r.failed for r in results) == 0


def test_isa_override_is_checked(tmp_path):
    code = "import regnet_c; print(regnet_c.cpu_info()['isa'])"
    for isa in rn.cpu_info()["available"]:
        assert run_python(code, tmp_path, REGNET_C_ISA=isa).stdout.strip() == isa
    done = run_python(code, tmp_path, REGNET_C_ISA="avx1024")
    assert done.returncode != 0 and "choose one of" in done.stderr
