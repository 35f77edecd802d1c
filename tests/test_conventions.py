"""The rules of the house: import direction, complete kernel list, README that runs."""

import ast
import doctest
import functools
import importlib.metadata
import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from running import run_python

import regnet_c as rn
from regnet_c import activations, losses, optimizers, penalties
from regnet_c._core import binding

ROOT = Path(__file__).parent.parent
C_FILES = sorted((ROOT / "csrc").glob("*.[ch]"))
KERNELS = re.findall(r"^    X\(\w+, (\w+),", (ROOT / "csrc/rn.h").read_text(), re.M)


def name_of(path):
    """The dotted name of a module inside the package; "" for the package itself."""
    parts = path.relative_to(ROOT / "regnet_c").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(p): p for p in sorted((ROOT / "regnet_c").rglob("*.py"))}
BINDINGS = {"_core.binding", "kernels.cython_kernels"}


def for_types(test):
    """Whether this is the condition of ``if TYPE_CHECKING:``."""
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"


@functools.cache
def local_imports(name):
    """The modules of the package that `name` imports, also inside functions, but not for
    type checkers alone."""
    path = MODULES[name]
    here = path.relative_to(ROOT / "regnet_c").parent.parts
    tree, found = ast.parse(path.read_text()), set()
    typing = [n for n in ast.walk(tree) if isinstance(n, ast.If) and for_types(n.test)]
    unread = {child for node in typing for child in ast.walk(node)}
    for node in ast.walk(tree):
        if not (isinstance(node, ast.ImportFrom) and node.level) or node in unread:
            continue
        base = [*here[: len(here) - node.level + 1]]
        base += node.module.split(".") if node.module else []
        for alias in node.names:
            full = ".".join([*base, alias.name])
            known = full in MODULES or full in BINDINGS
            found.add(full if known else ".".join(base))
    # a module of a package runs the package's __init__ first
    found |= {package for module in found for package in packages_of(module)}
    return found - {name, *packages_of(name)}


def packages_of(module):
    """The packages that a module is in, apart from the whole."""
    parts = module.split(".")
    return {".".join(parts[:end]) for end in range(1, len(parts))}


def floors(below):
    """The sets of names that import from lower floors alone, from the ground up."""
    found, done = [], set()
    while len(done) < len(below):
        ready = {n for n in below if n not in done and below[n] <= done}
        assert ready, {n: i - done for n, i in below.items() if n not in done}
        found.append(ready)
        done |= ready
    return found


def test_rooms_stand_on_eight_floors_at_most():
    """A room is a package or a module beside them; nothing is imported from a floor
    above or the same one, inside functions neither.  The doors, `__init__` and
    `__main__`, are no rooms: nobody imports them."""
    rooms = {name.partition(".")[0]: set() for name in MODULES}
    for name in MODULES:
        imports = local_imports(name)
        room = name.partition(".")[0]
        rooms[room] |= {i.partition(".")[0] for i in imports} - {room}
    doors = {"", "__main__"}
    below = {room: i for room, i in rooms.items() if room not in doors}
    assert not any(imports & doors for imports in below.values())
    house = floors(below)
    assert len(house) <= 8, house
    assert "_core" in house[1] and {"errors", "history"} <= house[0]


def test_no_module_imports_itself_through_others():
    """The imports, also those inside functions, have no cycle."""
    assert floors({name: local_imports(name) - BINDINGS for name in MODULES})


def test_the_kernel_list_was_found():
    assert len(KERNELS) > 20 and "dense_forward" in KERNELS and "train" in KERNELS


def words(text):
    """The text without comments and with one blank at most."""
    return " ".join(re.sub(r"#.*", "", text).split())


def c_arguments(kernel):
    """The arguments of a kernel as Cython has them: T is floating, a scalar double."""
    header = (ROOT / "csrc/rn.h").read_text().replace("\\\n", "\n")
    args = re.search(rf"X\(\w+, {kernel},\s*\(([^)]*)\)\)", header).group(1)
    args = re.sub(
        r"\bT (?!\*)", "double ", words(args).replace("rn_run * ", "rn_run *")
    )
    return re.sub(r"\bT\b", "floating", args)


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_kernel_has_one_function_that_chooses_the_type(kernel):
    """Its arguments are those of rn.h, and nothing else calls the tables."""
    core = ROOT / "regnet_c/_core"
    members = re.findall(r"\(\*(\w+)\)", (core / "rn.pxd").read_text())
    assert members.count(kernel) == 1
    declared = words((core / "dispatch.pxd").read_text())
    args = re.search(rf"cdef \w+ {kernel}\( ?([^)]*?) ?\) noexcept", declared).group(1)
    own = r"(const rn_tables \*t, )?(bint single, )?"  # what structs do not say
    got = re.sub(f"^{own}", "", args) if "bint single" in args else args
    expected = c_arguments(kernel)
    if "bint single" in args:  # then arrays are void *
        expected = expected.replace("floating *", "void *")
    assert got == expected
    body = (core / "dispatch.pyx").read_text()
    for table in ("f32", "f64"):
        assert len(re.findall(rf"\b(?:table|t)\.{table}\.{kernel}\(", body)) == 1
    for path in core.glob("binding*.p[yx][xi]"):
        assert not re.search(r"\bf(32|64)\b", path.read_text()), path


def test_every_kernel_is_bound():
    files = sorted((ROOT / "regnet_c/_core").glob("binding*.p[yx][xi]"))
    text = "".join(path.read_text() for path in files)
    assert {k for k in KERNELS if f"dispatch.{k}(" not in text} == set()


def cython_signatures(text):
    """{name or Class.name: names of the arguments, None for an attribute}."""
    found, owner = {}, ""
    head = (
        r"^(?:cdef class (?P<owner>\w+):"
        r"|(?P<constant>[A-Z_]+) ="
        r"|    cdef readonly (?P<attributes>[^#\n]+)"
        r"|(?P<property>    @property\n)?"
        r"(?P<indent> *)def (?P<name>\w+)\((?P<args>.*?)\):\s)"
    )
    for m in re.finditer(head, text, re.M | re.S):
        owner = f"{m['owner']}." if m["owner"] else owner
        if m["constant"]:
            found[m["constant"]] = None
        elif m["attributes"]:
            names = [name.split()[-1] for name in m["attributes"].split(",")]
            found |= {owner + name: None for name in names}
        elif m["name"] and m["name"] != "__dealloc__":
            args = re.sub(r"\[[^]]*\]| not None", "", words(m["args"])).split(",")
            args = [arg.split("=")[0].split() for arg in args]
            args = [re.search(r"\**\w*$", a[-1]).group() for a in args if a]
            name = m["name"].replace("__cinit__", "__init__")
            name = owner + name if m["indent"] else name
            found[name] = None if m["property"] else [a for a in args if a != "self"]
    return found


def stub_signatures(text):
    """The same of a .pyi."""
    found = {}

    def look(body, owner):
        for node in body:
            if isinstance(node, ast.ClassDef):
                look(node.body, f"{node.name}.")
            elif isinstance(node, ast.AnnAssign):
                found[owner + node.target.id] = None
            elif isinstance(node, ast.FunctionDef):
                args = node.args
                names = [a.arg for a in args.args if a.arg != "self"]
                names += ["*" + args.vararg.arg] if args.vararg else []
                names += ["*"] if args.kwonlyargs and not args.vararg else []
                names += [a.arg for a in args.kwonlyargs]
                names += ["**" + args.kwarg.arg] if args.kwarg else []
                decorated = [d.id for d in node.decorator_list]
                found[owner + node.name] = None if "property" in decorated else names

    look(ast.parse(text).body, "")
    return found


def test_the_stub_is_the_binding():
    core = ROOT / "regnet_c/_core"
    files = [core / "dispatch.pyx", *sorted(core.glob("binding*.p[yx][xi]"))]
    bound = {}
    for path in files:
        bound |= cython_signatures(path.read_text())
    assert len(bound) > 60
    parts = [(core / f"{name}.pyi").read_text() for name in ("dispatch", "binding")]
    stub = stub_signatures("".join(parts))
    assert stub == bound
    for name in stub:
        thing = binding
        for part in name.split("."):
            if part != "__init__":
                thing = getattr(thing, part)


def c_functions():
    """{name: {file: body}} of every function with a body in csrc, by the house's layout:
    the head starts in the first column and the body's brace ends a line."""
    found = {}
    for path in C_FILES:
        code = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
        code = re.sub(r"^#.*?(?<!\\)$", "", code, flags=re.S | re.M)
        head = r"^[A-Za-z][\w \*]*?\b(\w+)\([^;{}]*\) \{"
        for match in re.finditer(head, code, re.M):
            rest = code[match.end() :]
            line = rest.partition("\n")[0]
            body = line if line.endswith("}") else rest.partition("\n}")[0]
            found.setdefault(match[1], {})[path.name] = body
    return found


def c_hops(first, last):
    """The shortest chain of calls in C from one function to another."""
    functions = c_functions()
    chains = [[first]]
    for chain in chains:
        if chain[-1] == last:
            return chain
        words = set(re.findall(r"\w+", "".join(functions[chain[-1]].values())))
        known = {name for other in chains for name in other}
        chains += [[*chain, name] for name in sorted(words & functions.keys() - known)]
    raise AssertionError(f"{first} does not lead to {last}")


def python_hops(X, y):
    """The functions that are handed X in a call of fit, or are at work when X goes to C
    and the loss to the history."""
    seen = set()

    def at_work(frame):
        while frame is not None:
            if frame.f_globals.get("__name__", "").startswith("regnet_c"):
                seen.add(frame.f_code.co_qualname)
            frame = frame.f_back

    def watched(kind):
        class Watched(kind):
            def __getattribute__(self, name):
                found = super().__getattribute__(name)
                if name in ("find_not_finite", "advance"):
                    seen.add(f"{kind.__name__}.{name}")
                    at_work(sys._getframe(1))
                return found

        def make(*args, **options):
            seen.add(kind.__name__)
            at_work(sys._getframe(1))
            return Watched(*args, **options)

        return make

    def look(frame, event, arg):
        name = frame.f_code.co_qualname
        if event != "call" or not frame.f_globals["__name__"].startswith("regnet_c"):
            return
        names = frame.f_code.co_varnames[: frame.f_code.co_argcount]
        args = [frame.f_locals.get(n) for n in names]
        if any(isinstance(a, np.ndarray) and np.shares_memory(a, X) for a in args):
            seen.add(name)
        elif name == "History.append":
            at_work(frame)

    network = rn.Network([rn.Dense(X.shape[1], 4, "relu"), rn.Dense(4, 1)])
    with pytest.MonkeyPatch.context() as patch:
        for kind in (binding.Source, binding.Run):
            patch.setattr(binding, kind.__name__, watched(kind))
        sys.setprofile(look)
        try:
            network.fit(X, y, epochs=1)
        finally:
            sys.setprofile(None)
    return {name for name in seen if "genexpr" not in name and name != "watched"}


def test_x_takes_a_short_way():
    """A hop is a function that X is handed to, or that is at work when it is: 36 once."""
    X, y = np.ones((64, 3), np.float32), np.ones((64, 1), np.float32)
    hops = sorted(python_hops(X, y))
    hops += ["dispatch.train", *c_hops("train", "gather")]
    assert {"Network.fit", "TrainingRun.run", "Run.advance", "History.append"} <= {
        *hops
    }
    assert len(hops) <= 24, hops


def test_every_c_function_has_a_name_of_its_own():
    """No macro makes a name; what has one body per CPU or system has them in one file."""
    functions = c_functions()
    assert len(functions) > 200
    assert {n: [*f] for n, f in functions.items() if len(f) > 1} == {}
    for name in KERNELS:
        assert name in functions or f"map_{name}" in functions, name
    pasted = {p.name for p in C_FILES if "##" in p.read_text()}
    assert pasted == {"rn_core.inc.c"}  # names the table and map_exp ...


@pytest.mark.skipif(not shutil.which("ctags"), reason="ctags is not installed")
def test_ctags_finds_every_c_function():
    command = ["ctags", "-x", "--kinds-c=f", "--kinds-c++=f", "-R", str(ROOT / "csrc")]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    assert {line.split()[0] for line in done.stdout.splitlines()} == set(c_functions())


def test_a_variant_file_sets_its_type_and_includes_the_core():
    for isa in ("base", "avx2", "avx512"):
        for suffix, type_name, single in (("f32", "float", 1), ("f64", "double", 0)):
            lines = (ROOT / f"csrc/rn_{isa}_{suffix}.c").read_text().splitlines()
            assert lines[-4:] == [
                f"#define RN_ISA {isa}",
                f"#define T {type_name}",
                f"#define RN_FLOAT {single}",
                '#include "rn_core.inc.c"',
            ]


def test_the_tables_have_what_the_core_has():
    """One line of a list in rn.h is one entry of a table, whatever their order."""
    assert set(activations.ACTIVATIONS) == set(binding.activation_names())
    assert set(losses.LOSSES) == set(binding.loss_names())
    assert {"none", *penalties.RULES} == set(binding.l1_rule_names())
    found = [rn.SGD(momentum=0.9), rn.SGD(momentum=0.9, nesterov=True)]
    found += [kind() for kind in optimizers.BY_NAME.values()]
    traits = binding.optimizer_traits()
    assert {o.kind for o in found} == {code for code, _, _ in traits.values()}


def test_the_recipes_name_files_that_exist():
    """And no more of them than is promised for an activation, a loss and a penalty."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    recipes = text.partition("## Adding things")[2].partition("\n## ")[0]
    files = set(
        re.findall(r"`((?:csrc|regnet_c|tests|tools)/[\w/]+\.[\w.]+)`", recipes)
    )
    assert len(files) > 20
    assert [f for f in sorted(files) if not (ROOT / f).is_file()] == []
    for what, most in {"An activation": 6, "A loss": 8, "A penalty": 10}.items():
        recipe = recipes.partition(f"**{what}**")[2].partition("\n**")[0]
        assert 0 < len(re.findall(r"^\d+\. ", recipe, re.M)) <= most


def test_the_map_has_every_room_and_every_module_of_the_core():
    """The table "where does X live" names them all, and nothing that is not there."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    table = text.partition("## Where does X live")[2].partition("\n## ")[0]
    cells = re.findall(r"\| ([^|]+) \|$", table, re.M)
    named = set(re.findall(r"`([\w/]+(?:\.\w+|/))`", "".join(cells)))
    package = ROOT / "regnet_c"
    assert [name for name in named if not (package / name).exists()] == []
    modules = [p for p in (package / "_core").glob("*.py") if p.stem != "__init__"]
    wanted = {f"_core/{p.name}" for p in modules}
    rooms = {name.partition(".")[0] for name in MODULES} - {"", "__main__", "_version"}
    rooms -= {"_core", "datasets"}
    wanted |= {f"{r}/" if (package / r).is_dir() else f"{r}.py" for r in rooms}
    assert wanted - named == set()


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


def test_dir_has_what_there_is_to_use():
    modules = {name for name in MODULES if re.fullmatch(r"[a-z]\w*", name)}
    public = {name for name in rn.__all__ if name[:2] != "__"}
    public |= {"RegNetClassifier", "RegNetRegressor"}  # not in `from regnet_c import *`
    assert {name for name in dir(rn) if name[:2] != "__"} == public | modules


def test_public_modules_are_there_when_they_are_asked_for(tmp_path):
    code = """
        import sys, regnet_c
        names = ["cli", "datasets", "export", "path", "plots", "reproduce"]
        for name in names:
            assert f"regnet_c.{name}" not in sys.modules, name
        for name in names:
            vars(regnet_c).pop(name, None)  # which another of them may have imported
            assert getattr(regnet_c, name) is sys.modules[f"regnet_c.{name}"], name
    """
    done = run_python(code, tmp_path)
    assert done.returncode == 0, done.stderr


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


def test_public_things_have_docstrings():
    assert [name for name, thing in public_objects() if not inspect.getdoc(thing)] == []


def test_the_tests_see_the_installed_package():
    """Not the source folder, unless this is an editable or in-place install."""
    folder = Path(rn.__file__).parent
    if folder == ROOT / "regnet_c":
        core = folder / "_core"
        assert list(core.glob("binding.*.so")) or list(core.glob("binding.*.pyd"))
    else:
        assert importlib.metadata.version("regnet-c") == rn.__version__


def test_import_stays_light(tmp_path):
    code = (
        "import numpy, sys; before = set(sys.modules); import regnet_c; "
        "heavy = {'sklearn', 'matplotlib', 'torch', 'pandas', 'tqdm', 'onnx', 'hashlib', "
        "'concurrent.futures', 'difflib', 'html', 'decimal', 'regnet_c.tables'} "
        "& (set(sys.modules) - before); sys.exit(str(heavy) if heavy else 0)"
    )
    done = run_python(code, tmp_path)
    assert done.returncode == 0, done.stderr


def readme_blocks():
    return re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)


def test_the_readmes_code_runs_and_prints_what_it_shows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = readme_blocks()
    assert blocks
    assert "of the weights exactly zero\n" in blocks[0]  # what it prints
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner()
    first = parser.get_doctest(blocks[0], {}, "README.md", "README.md", 0)
    assert runner.run(first, clear_globs=False).failed == 0
    for block in blocks[1:]:  # they use the first one's network
        exec(compile(block, "README.md", "exec"), first.globs)


def test_the_readme_has_the_two_commands():
    text = (ROOT / "README.md").read_text()
    assert "pip install . && python -m regnet_c train" in text
    assert 'pip install ".[test]" && pytest' in text


def test_the_citation_has_the_version():
    text = (ROOT / "CITATION.cff").read_text()
    assert re.findall(r"^version: (.+)$", text, re.M) == [rn.__version__]


def test_isa_override_is_checked(tmp_path):
    code = "import regnet_c; print(regnet_c.cpu_info()['isa'])"
    for isa in rn.cpu_info()["available"]:
        assert run_python(code, tmp_path, REGNET_C_ISA=isa).stdout.strip() == isa
    done = run_python(code, tmp_path, REGNET_C_ISA="avx1024")
    assert done.returncode != 0 and "choose one of" in done.stderr


# what no page, docstring, message or comment has, and what it says instead
UNIDIOMATIC = {
    r"came": "got",
    r"go(es|ing)? on|went on": "continues",
    r"of others": "third-party",
    r"strangers?": "untrusted",
    r"promises?d?": "guarantee",
    r"breaks off": "is truncated",
    r"lets go": "releases",
    r"want of memory": "when memory runs out",
    r"so-maniest": "n-th",
    r"beside": "next to, besides, in addition to, during",
    r"overrul(e|es|ed|ing)": "override",
    r"as asked": "as requested",
    r"so many": "this many",
    r"at most this many": "maximum number",
    r"as many as pay": "as many as are worthwhile",
    r"nobody reads|nobody changes": "unused, immutable",
    r"in a sentence": "with a clear message",
    r"as (it|they) stands?": "unchanged, in the current state",
    r"for ever": "without limit",
    r"(class|label|number|target)s? a row": "per row",
    r"is no (bool|dict|term|row|regular|complete|number|distribution)": "is not a",
    r"says (that|which|what|how|why)": "states, shows",
    r"what was understood": "how the data are read",
}


def prose():
    """The pages, and the sources of the package, the core and the examples."""
    yield from (ROOT / name for name in ("README.md", "SECURITY.md", "CHANGELOG.md"))
    yield ROOT / "CONTRIBUTING.md"
    for folder in ("docs", "docs/api", "docs/course", "docs/evidence", "benchmarks"):
        yield from (ROOT / folder).glob("*.md")
    for kind in ("py", "pyx", "pxi", "pxd"):
        yield from (ROOT / "regnet_c").rglob(f"*.{kind}")
    for folder in ("docs", "docs/tutorials", "examples"):
        yield from (ROOT / folder).glob("*.py")
    yield from (ROOT / "csrc").glob("*.[ch]")


def test_the_english_is_idiomatic():
    banned = re.compile(rf"\b({'|'.join(UNIDIOMATIC)})\b", re.I)
    found = []
    for path in prose():
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if match := banned.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {match[0]}")
    assert found == []
