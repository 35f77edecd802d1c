"""Docstrings are complete, the examples in them and in docs/ run, the reference has all."""

import doctest
import importlib
import importlib.util
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import regnet_c as rn

DOCS = Path(__file__).parent.parent / "docs"
OPTIONAL = {"estimators": "sklearn", "plots": "matplotlib", "dask": "distributed"}
# what numpydoc calls its findings: no docstring; parameters missing, unknown, in
# another order, without a type; nothing about what is returned or yielded
WANTED = {"GL08", "PR01", "PR02", "PR03", "PR04", "RT01", "YD01"}
ALLOWED = {
    ("regnet_c.Diagnosis", "PR01"),  # made by the library: their attributes are
    ("regnet_c.DivergenceError", "PR01"),  # documented, not their arguments
    ("regnet_c.RegularizationPath", "PR01"),
    ("regnet_c.StabilitySelection", "PR01"),
    ("regnet_c.export.from_torch", "PR02"),  # numpydoc takes cls for a class's own
    ("regnet_c.export.from_sklearn", "PR02"),
}


def methods(name, thing):
    """Names of a class's public methods and properties that this package wrote."""
    for attribute in dir(thing):
        member = inspect.getattr_static(thing, attribute)
        code = getattr(member, "fget", None) or getattr(thing, attribute)
        ours = str(getattr(code, "__module__", "")).startswith("regnet_c")
        # an overriding method may leave its docstring to the base
        if attribute[0] != "_" and ours and callable(code) and code.__doc__:
            yield f"{name}.{attribute}"


def public_names():
    """Everything the API reference has."""
    for name in rn.__all__:
        thing = getattr(rn, name)
        if callable(thing):
            yield f"regnet_c.{name}"
            if isinstance(thing, type):
                yield from methods(f"regnet_c.{name}", thing)
    for module in ("callbacks", "kernels", "schedules", "export", "datasets"):
        home = importlib.import_module(f"regnet_c.{module}")
        for name, thing in vars(home).items():
            here = str(getattr(thing, "__module__", "")).startswith(home.__name__)
            if here and callable(thing) and name[0] != "_":
                yield f"regnet_c.{module}.{name}"
    yield "regnet_c.penalties.convert"


def findings(name):
    validate = pytest.importorskip("numpydoc.validate").validate
    return [
        (code, text)
        for code, text in validate(name)["errors"]
        if code in WANTED and (name, code) not in ALLOWED
    ]


def test_docstrings_are_complete():
    found = {name: findings(name) for name in sorted(set(public_names()))}
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


def test_docstrings_of_the_estimators_are_complete():
    pytest.importorskip("sklearn")
    for name in ("RegNetClassifier", "RegNetRegressor"):
        for full in (name, *methods(name, getattr(rn, name))):
            assert findings(f"regnet_c.{full}") == [], full


def test_docstrings_of_the_plots_are_complete():
    pytest.importorskip("matplotlib")
    from regnet_c import plots

    names = [n for n in vars(plots) if n.startswith("plot_")]
    assert len(names) == 8
    page = (DOCS / "api" / "plots.md").read_text()
    for name in names:  # each with its picture
        assert re.search(rf":: regnet_c.plots.{name}\n```\n\n!\[", page), name
    for name in names:
        assert findings(f"regnet_c.plots.{name}") == [], name


MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(rn.__path__, "regnet_c.")
    if not module.name.endswith("__main__")
)


def can_run(test):
    """Whether the packages that an example imports are installed."""
    source = "".join(example.source for example in test.examples)
    packages = re.findall(r"^(?:import|from) (\w+)", source, re.M)
    return all(importlib.util.find_spec(package) for package in packages)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name, tmp_path, monkeypatch):
    """As pasted into a new interpreter: with nothing imported for them."""
    for part, package in OPTIONAL.items():
        if f".{part}" in name:
            pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    found = doctest.DocTestFinder().find(importlib.import_module(name), globs={})
    runner = doctest.DocTestRunner()
    assert sum(runner.run(test).failed for test in found if can_run(test)) == 0


def resolve(name):
    """The module, class, function or method of this full name."""
    thing, path = rn, "regnet_c"
    for part in name.split(".")[1:]:
        path = f"{path}.{part}"
        try:  # a module first: it may have the name of what it defines
            thing = importlib.import_module(path)
        except ModuleNotFoundError:
            thing = getattr(thing, part)
    return thing


def reference():
    """{name: thing} of all that the reference documents, properties apart."""
    found = {}
    directive = r"auto\w+:: (regnet_c[.\w]*)\n(?: +:members: (\w.*)\n)?"
    for page in (DOCS / "api").glob("*.md"):
        for name, listed in re.findall(directive, page.read_text()):
            thing = resolve(name)
            if inspect.ismodule(thing):
                names = getattr(thing, "__all__", [])
                found |= {f"{name}.{part}": getattr(thing, part) for part in names}
                continue
            found[name] = thing
            if isinstance(thing, type):
                found |= {
                    method: resolve(method)
                    for method in methods(name, thing)
                    if inspect.isroutine(resolve(method))
                    and (not listed or method.rpartition(".")[2] in listed.split(", "))
                }
    return {name: thing for name, thing in found.items() if callable(thing)}


def all_of_the_reference():
    for package in OPTIONAL.values():
        pytest.importorskip(package)
    return reference()


def test_every_public_docstring_has_an_example():
    things = all_of_the_reference()
    assert len(things) > 250
    heading = "Examples\n--------\n>>> "
    assert [
        n for n, thing in things.items() if heading not in inspect.getdoc(thing)
    ] == []


GALLERIES = {"tutorials": DOCS / "tutorials", "write_ups": DOCS.parent / "examples"}


def exists(page):
    """Whether Sphinx has this page, or makes it."""
    if page.startswith("/gallery/"):
        _, _, gallery, name = page.split("/")
        return (GALLERIES[gallery] / f"{name}.py").exists()
    return (DOCS / f"{page[1:]}.md").exists()


def test_classes_and_functions_link_to_the_page_that_explains_them():
    for name, thing in all_of_the_reference().items():
        is_method = isinstance(resolve(name.rpartition(".")[0]), type)
        if is_method or ".kernels." in name:  # one page explains all kernels
            continue
        pages = re.findall(r":doc:`(/[\w/]+)`", inspect.getdoc(thing))
        assert pages, f"{name} has no link to the guide"
        assert all(map(exists, pages)), name


PAGES = sorted(page.name for page in DOCS.glob("*.md"))
ALL_PAGES = sorted(
    str(page.relative_to(DOCS))
    for page in DOCS.rglob("*.md")
    if not {"_build", "gallery", "generated"} & set(page.parts)
)
# their code runs without prompts: below, and in test_integrations.py
WITHOUT_PROMPTS = {"coming_from_scikit_learn.md", "integrations.md"}


def blocks_of_python(page):
    return re.findall(r"^```python\n(.*?)^```", (DOCS / page).read_text(), re.S | re.M)


@pytest.mark.parametrize("page", sorted(set(ALL_PAGES) - WITHOUT_PROMPTS))
def test_the_code_of_pages_runs_and_prints_what_they_show(page, tmp_path, monkeypatch):
    """Block after block, but those that import what is not installed."""
    monkeypatch.chdir(tmp_path)
    parser, runner, names = doctest.DocTestParser(), doctest.DocTestRunner(), {}
    blocks = blocks_of_python(page)
    for block in blocks:
        test = parser.get_doctest(block, names, page, page, 0)
        assert test.examples, f"{page} has a block that no test runs:\n{block}"
        if can_run(test):
            assert runner.run(test, clear_globs=False).failed == 0
            names = test.globs
    text = (DOCS / page).read_text()
    assert len(parser.get_examples(text)) == sum(
        len(parser.get_examples(block)) for block in blocks
    ), f"{page} has an example outside of ```python"


def test_the_pages_of_examples_have_some():
    parser = doctest.DocTestParser()
    for page in ("quick_start", "coming_from_keras", "coming_from_pytorch"):
        assert len(parser.get_examples((DOCS / f"{page}.md").read_text())) > 10, page


def test_the_code_of_the_page_for_scikit_learn_runs():
    pytest.importorskip("sklearn")
    text = (DOCS / "coming_from_scikit_learn.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.S)
    assert len(blocks) == 2
    for block in blocks:
        exec(compile(block, "coming_from_scikit_learn.md", "exec"), {})


def test_the_reference_has_every_public_name():
    text = "".join(page.read_text() for page in (DOCS / "api").glob("*.md"))
    names = {n for n in rn.__all__ if n not in ("__version__", "kernels")}
    missing = names - set(re.findall(r":: regnet_c\.(?:schedules\.)?(\w+)", text))
    assert missing == set()
    assert "automodule:: regnet_c.kernels" in text


@pytest.mark.parametrize("page", sorted(set(PAGES) - {"index.md"}))
def test_every_page_is_in_the_index(page):
    assert f"\n{page[:-3]}\n" in (DOCS / "index.md").read_text()


def test_links_between_pages_exist():
    for page in DOCS.glob("**/*.md"):
        if {"_build", "gallery", "generated"} & set(page.parts):
            continue
        for target in re.findall(r"\]\(([\w/.]+\.md)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


EVIDENCE = DOCS / "evidence"
MONTHS = (
    "January|February|March|April|May|June|July|August|September|October|November"
    "|December"
)
# dates, hashes, machines, timings, counts of tests
MEASURED = re.compile(
    rf"\b20\d\d-\d\d-\d\d\b|\b(?:{MONTHS}) 20\d\d\b|\b[0-9a-f]{{16}}\b|\bEPYC\b|\bXeon\b"
    r"|\d ?(?:µs|us|ns|ms)\b|\d (?:passed|failed|skipped)\b|\bload average\b"
)
USER_PAGES = [DOCS.parent / "README.md", *sorted(DOCS.glob("*.md"))]
USER_PAGES += sorted((DOCS / "api").glob("*.md"))


def prose(page):
    """A page without its blocks of code."""
    return re.sub(r"^```\w.*?^```", "", page.read_text(), flags=re.S | re.M)


@pytest.mark.parametrize("page", USER_PAGES, ids=lambda page: page.stem)
def test_user_pages_state_and_evidence_measures(page):
    assert MEASURED.findall(prose(page)) == []


def test_the_readme_has_four_measured_figures_at_most():
    """Each in a paragraph that links to its evidence."""
    with_figures = [
        paragraph
        for paragraph in re.split(r"\n\n|\n(?=\* )", prose(DOCS.parent / "README.md"))
        if re.search(r"\d %", paragraph)
    ]
    assert len(re.findall(r"\d %", "".join(with_figures))) <= 4
    for paragraph in with_figures:
        assert "](docs/evidence/" in paragraph, paragraph


@pytest.mark.parametrize("page", sorted(EVIDENCE.glob("*.md")), ids=lambda p: p.stem)
def test_evidence_names_the_commands_that_measure_it(page):
    text = page.read_text()
    assert text.startswith("# Evidence: ")
    assert MEASURED.search(text), "a page of evidence has a date"
    scripts = re.findall(r"\b(?:benchmarks|tools|examples)/\w+\.py\b", text)
    assert scripts
    assert [s for s in scripts if not (DOCS.parent / s).is_file()] == []


def test_every_page_of_evidence_is_linked():
    text = "".join(page.read_text() for page in USER_PAGES)
    for page in EVIDENCE.glob("*.md"):
        assert f"evidence/{page.name})" in text, page.name


def page_maker(name, monkeypatch):
    """A module of docs/."""
    monkeypatch.syspath_prepend(str(DOCS))
    return importlib.import_module(name)


def test_the_command_line_page_has_every_option(monkeypatch):
    from regnet_c.cli import build_parser

    parser = build_parser()
    text = page_maker("generated_pages", monkeypatch).command_page(parser)
    commands = parser._subparsers._group_actions[0].choices
    assert {f"## {name}" for name in commands} <= set(text.splitlines())
    for command in commands.values():
        for action in command._actions:
            if action.dest != "help":
                assert f"`` {', '.join(action.option_strings)}" in text, action


def test_the_parameter_page_has_every_parameter(monkeypatch):
    pytest.importorskip("sklearn")
    pytest.importorskip("numpydoc")
    makes = page_maker("generated_pages", monkeypatch)
    names = [name for _, _, group in makes.TOPICS for name in group]
    signatures = [
        set(inspect.signature(estimator).parameters)
        for estimator in (rn.RegNetClassifier, rn.RegNetRegressor)
    ]
    assert len(names) == len(set(names)) and set(names) == set.union(*signatures)
    page = makes.parameters_page(rn.RegNetClassifier, rn.RegNetRegressor)
    assert all(f"\n`{name}` — " in page for name in names)


def test_the_logo_is_what_its_script_draws(monkeypatch):
    for name, text in page_maker("logo", monkeypatch).FILES.items():
        assert (DOCS / "_static" / name).read_text() == text


def test_every_tutorial_and_example_is_in_the_gallery(monkeypatch):
    order = page_maker("gallery", monkeypatch).ORDER
    scripts = {path.stem for path in (DOCS / "tutorials").glob("*.py")}
    examples = {path.stem for path in (DOCS.parent / "examples").glob("*.py")}
    measured = {"mnist_l1", "mnist_ship"}  # they need MNIST and write pages of evidence
    assert sorted(order) == sorted(scripts | examples - measured - {"common"})


PICTURES = {
    name
    for page in DOCS.rglob("*.md")
    for name in re.findall(r"generated/(\w+)\.png", page.read_text())
}


def test_every_picture_has_a_function_that_draws_it(monkeypatch):
    pytest.importorskip("matplotlib")
    pictures = page_maker("pictures", monkeypatch)
    assert {picture.__name__ for picture in pictures.PICTURES} == PICTURES
