"""What the compiled modules were built with, read from the modules themselves."""

import json
import runpy
import struct
import sys
from pathlib import Path

import pytest

import regnet_c as rn
from regnet_c._core import binding, dispatch

ROOT = Path(__file__).resolve().parent.parent
BUILD_FLAGS = rn.cpu_info()["build_flags"]
DT_FLAGS, BIND_NOW = 30, 8
PT_DYNAMIC, PT_GNU_RELRO = 2, 0x6474E552


def segments(data):
    """{type: (offset, size)} of the program headers of a 64-bit little-endian ELF file."""
    (start,) = struct.unpack_from("<Q", data, 32)
    entry, count = struct.unpack_from("<HH", data, 54)
    found = {}
    for at in range(start, start + entry * count, entry):
        kind, _, offset, _, _, size = struct.unpack_from("<IIQQQQ", data, at)
        found[kind] = offset, size
    return found


def dynamic(data):
    """{tag: value} of an ELF file's dynamic section."""
    offset, size = segments(data)[PT_DYNAMIC]
    return dict(struct.iter_unpack("<QQ", data[offset : offset + size]))


@pytest.mark.skipif(sys.platform != "linux", reason="flags of Linux's linkers")
@pytest.mark.skipif(
    "-fsanitize" in BUILD_FLAGS or "-fcoverage-mapping" in BUILD_FLAGS,
    reason="a build of tools/",
)
@pytest.mark.parametrize("module", [dispatch, binding])
def test_modules_are_hardened(module):
    with open(module.__file__, "rb") as file:
        data = file.read()
    assert PT_GNU_RELRO in segments(data)
    assert dynamic(data)[DT_FLAGS] & BIND_NOW
    assert b"__stack_chk_fail\0" in data
    for flag in ("-fstack-protector-strong", "-D_FORTIFY_SOURCE=2"):
        assert flag in BUILD_FLAGS.split()


def test_the_bill_of_materials_is_valid_and_names_every_requirement():
    pytest.importorskip("Cython")
    pytest.importorskip("setuptools.command.bdist_wheel")
    setup = runpy.run_path(str(ROOT / "setup.py"), run_name="functions")
    bill = setup["bill_of_materials"]("1.2.3", ["numpy>=1.26", "tqdm>=4.64"])
    named = {part["bom-ref"]: part for part in bill["components"]}
    assert named["numpy"]["properties"][0]["value"] == "numpy>=1.26"
    assert bill["dependencies"][0]["dependsOn"] == ["cython", "digits", "numpy", "tqdm"]
    assert bill["metadata"]["component"]["purl"] == "pkg:pypi/regnet-c@1.2.3"
    cyclonedx = pytest.importorskip("cyclonedx.validation.json")
    schema = pytest.importorskip("cyclonedx.schema").SchemaVersion.V1_6
    validator = cyclonedx.JsonStrictValidator(schema)
    assert validator.validate_str(json.dumps(bill)) is None


TYPES = runpy.run_path(str(ROOT / "tools/check_types.py"))


@pytest.mark.parametrize("page", ["README.md", "docs/quick_start.md"])
def test_the_code_of_a_page_is_found_at_its_lines(page):
    lines = (ROOT / page).read_text().splitlines()
    code = TYPES["code_of"]("\n".join(lines) + "\n").splitlines()
    assert len(code) == len(lines)
    found = [(c, line) for c, line in zip(code, lines, strict=True) if c]
    assert all(line.removeprefix(">>> ").removeprefix("... ") == c for c, line in found)
    wanted = [line for line in lines if line.startswith((">>> ", "... ", "import "))]
    assert {line for _, line in found} >= set(wanted)
    compile("\n".join(code), page, "exec")


def test_mutants_change_one_thing_each():
    mutants = runpy.run_path(str(ROOT / "tools/mutate.py"))
    text = (
        'def f(a: int = 1) -> int:\n    """1 < 2"""\n    if a < 7:\n        raise E\n'
    )
    found = [m[1:3] for m in mutants["python_mutants"](text)]
    assert sorted(found) == sorted(
        [("1", "2"), ("a < 7", "a <= 7"), ("7", "8"), ("raise E", "pass")]
    )
    text = "    if (a < n && b) { // x + 1\n        y[i] += 2;\n    }\n"
    found = [(line, after) for line, _, after, _ in mutants["c_mutants"](text)]
    assert sorted(found) == [
        (1, "if (a < n || b) { // x + 1"),
        (1, "if (a <= n && b) { // x + 1"),
        (2, ";"),
        (2, "y[i] += 3;"),
    ]
