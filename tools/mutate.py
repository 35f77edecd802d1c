"""Counts the faults that the tests notice: changes one thing, runs the tests, and again.

    pip install -e ".[test]"      (keeps the objects of the core in build/)
    python tools/mutate.py python --count 130 --seed 20 --output python.json
    python tools/mutate.py c --count 90 --seed 20 --output c.json
    python tools/mutate.py c --again c.json     after more tests

Each mutant has one operator, constant, statement or `raise` of a file of TESTS changed,
in a copy of the package; it is killed if one of the file's test modules fails.  Of the C
core only the float64 AVX2 variant is compiled again, at -O1, and linked with the other
objects; tests of other variants and of float32 are left out unless they compare them.
The sample follows from the seed.  Survivors are printed: read them, then write a test or
explain in docs/evidence/mutation.md why nobody can see the difference.
"""

import argparse
import ast
import copy
import json
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CORE = "regnet_c/_core/"
TESTS = {  # in the order in which they are run
    "python": {
        CORE + "checks.py": "checks inputs csr",
        CORE + "csr.py": "checks csr inputs",
        CORE + "data.py": "checks",
        CORE + "digest.py": "checks",
        CORE + "fixed.py": "fixed",
        CORE + "initialization.py": "checks fixed",
        CORE + "keywords.py": "checks",
        CORE + "plan.py": "checks network penalties lassonet compact",
    },
    "c": {
        f"csrc/rn_{topic}.inc.c": "kernels gradients penalties " + others
        for topic, others in {
            "act": "numbers",
            "dense": "network",
            "group": "properties training",
            "lassonet": "lassonet",
            "loss": "numbers",
            "random": "numbers",
            "steps": "network corners",
            "tile": "network corners",
            "update": "properties corners",
        }.items()
    },
}
SWAPPED = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
OPERATORS = dict(
    zip(
        "< <= > >= == != + - * / && ||".split(),
        "<= < >= > != == - + / * || &&".split(),
        strict=True,
    )
)
NOT_CODE = re.compile(r'/\*.*?\*/|//[^\n]*|"[^"\n]*"|^#[^\n]*', re.S | re.M)
OPERATOR = re.compile(r" (<=?|>=?|[!=]=|[-+*/]|&&|\|\|) ")
NUMBER = re.compile(r"(?<![\w.])(\d+)(\.\d+)?(?![\w.])")
STATEMENT = re.compile(r"(?<=^    )( *)([\w>.\[\]-]+(?: [-+*/]?= .+?|\(.*?\)));$", re.M)
C_TESTS = "not float32 and not avx512 and not base"
SECONDS = 60  # of CPU for a test module and a mutant; the longest takes 11


# ---- mutants -------------------------------------------------------------------------


def parts_of(tree):
    """Nodes that run: no annotations, docstrings or imports for type checkers."""
    waiting = [tree]
    while waiting:
        node = waiting.pop(0)
        yield node
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list"):
                continue
            for part in value if isinstance(value, list) else [value]:
                if isinstance(part, ast.AST) and not is_ignored(part):
                    waiting += [part]


def is_ignored(node):
    """True for docstrings and `if TYPE_CHECKING`."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def mutated(node):
    """Replacements of one node."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPPED:
        other = copy.deepcopy(node)
        other.ops[0] = SWAPPED[type(node.ops[0])]()
        yield other
    elif isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign):
        if type(node.op) in SWAPPED:
            other = copy.deepcopy(node)
            other.op = SWAPPED[type(node.op)]()
            yield other
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield node.operand
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield ast.Constant(node.value + 1)
    elif isinstance(node, ast.Constant) and type(node.value) is bool:
        yield ast.Constant(not node.value)
    elif isinstance(node, ast.Raise):
        yield ast.Pass()


def python_mutants(text):
    """(line, before, after, whole text) of each mutant."""
    tree = ast.parse(text)
    for node in list(parts_of(tree)):
        for other in mutated(node):
            new = replaced(tree, node, other)
            yield node.lineno, ast.unparse(node), ast.unparse(other), new


def replaced(tree, node, other):
    """Source in which one node is another."""

    class Replace(ast.NodeTransformer):
        def visit(self, here):
            return other if here is node else super().visit(here)

    memo = {id(node): node}  # the copy keeps this node itself
    return ast.unparse(
        ast.fix_missing_locations(Replace().visit(copy.deepcopy(tree, memo)))
    )


def c_mutants(text):
    """The same of a C file."""
    code = NOT_CODE.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)
    found = [(*m.span(1), OPERATORS[m[1]]) for m in OPERATOR.finditer(code)]
    found += [
        (*m.span(), f"{int(m[1]) + 1}{m[2] or ''}") for m in NUMBER.finditer(code)
    ]
    found += [(*m.span(2), "") for m in STATEMENT.finditer(code)]
    for start, end, other in found:
        line = text.count("\n", 0, start) + 1
        new = text[:start] + other + text[end:]
        yield (
            line,
            text.splitlines()[line - 1].strip(),
            (new.splitlines()[line - 1].strip()),
            new,
        )


MAKERS = {"python": python_mutants, "c": c_mutants}


# ---- running -------------------------------------------------------------------------


def build_c(folder, source, text):
    """Compile a changed file into the module of `folder`; False if it does not compile."""
    headers = folder / "csrc"
    shutil.copytree(ROOT / "csrc", headers, dirs_exist_ok=True)
    (folder / source).write_text(text)
    (objects,) = ROOT.glob(
        f"build/temp.*-cpython-{sys.version_info[0]}{sys.version_info[1]}"
    )
    flags = "-O1 -std=c11 -ffp-contract=off -fvisibility=hidden -fPIC -w -mavx2 -mfma"
    target, linked = folder / "mutant.o", folder / CORE / "dispatch.abi3.so"
    compiler = ["gcc", *flags.split(), "-c", headers / "rn_avx2_f64.c", "-o", target]
    if subprocess.run(compiler, stderr=subprocess.DEVNULL).returncode:
        return False
    others = [path for path in objects.glob("csrc/*.o") if path.stem != "rn_avx2_f64"]
    whole = [objects / "build" / CORE / "dispatch.o", *others, target]
    linked.unlink(missing_ok=True)  # a process that maps the old one keeps it
    subprocess.run(["gcc", "-shared", *whole, "-pthread", "-o", linked], check=True)
    return True


def run_tests(folder, modules, only):
    """True if the modules pass on the package in `folder`, in a process of its own.

    It is forked, so that NumPy and pytest are imported once."""
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        sys.path.insert(0, str(folder))
        paths = [str(ROOT / f"tests/test_{module}.py") for module in modules]
        options = ["-x", "-q", "-n0", "-p", "no:cacheprovider", "-p", "no:randomly"]
        code = 99
        try:
            code = pytest.main([*options, *(["-k", only] if only else []), *paths])
        finally:
            os._exit(int(code))
    return os.waitpid(child, 0)[1] == 0


def judge(kind, folder, path, text, modules):
    """What becomes of a mutant."""
    if kind == "c":
        if not build_c(folder, path, text):
            return "does not compile"
    else:
        (folder / path).write_text(text)
    only = C_TESTS if kind == "c" else ""
    passed = all(run_tests(folder, [module], only) for module in modules)
    return "survived" if passed else "killed"


def main():
    """Judge a sample, print the survivors and the counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=MAKERS)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--file", help="only of this file")
    parser.add_argument("--output", type=Path, help="the results as JSON")
    parser.add_argument("--again", type=Path, help="the survivors of these results")
    given = parser.parse_args()
    os.environ["REGNET_C_ISA"] = "avx2" if given.kind == "c" else ""
    # a cache of bytecode takes two mutants of one second and one size for the same
    sys.dont_write_bytecode = True
    os.chdir(ROOT)
    tests = TESTS[given.kind]
    found = [
        (path, *mutant)
        for path in ([given.file] if given.file else tests)
        for mutant in MAKERS[given.kind]((ROOT / path).read_text())
    ]
    chosen = random.Random(given.seed).sample(found, min(given.count, len(found)))
    if given.again:
        before = json.loads(given.again.read_text())
        wanted = [tuple(e.values())[:4] for e in before if e["result"] == "survived"]
        chosen = [mutant for mutant in found if mutant[:4] in wanted]
    print(f"{len(chosen)} of {len(found)} mutants", flush=True)
    results = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        no_cache = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "regnet_c", folder / "regnet_c", ignore=no_cache)
        if given.kind == "c":
            shutil.copytree(ROOT / "csrc", folder / "csrc")
        path, modules = next(iter(tests)), sorted({*" ".join(tests.values()).split()})
        text = (ROOT / path).read_text()
        if judge(given.kind, folder, path, text, modules) != "survived":
            sys.exit("the tests fail without a mutant")
        for path, line, before, after, text in sorted(chosen, key=lambda m: m[:2]):
            result = judge(given.kind, folder, path, text, tests[path].split())
            if given.kind == "python":
                shutil.copy(ROOT / path, folder / path)
            results.append(
                {
                    "file": path,
                    "line": line,
                    "before": before,
                    "after": after,
                    "result": result,
                }
            )
            if result == "survived":
                print(f"{path}:{line}\n- {before}\n+ {after}", flush=True)
    counts = Counter(entry["result"] for entry in results)
    print(", ".join(f"{n} {result}" for result, n in sorted(counts.items())))
    if given.output:
        given.output.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
