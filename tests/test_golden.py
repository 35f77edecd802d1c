"""Files of every release so far, which this one must read to the same bits."""

import json
import runpy
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest
from golden_files import results

import regnet_c as rn

TABLES = bool(find_spec("pyarrow") and find_spec("narwhals"))
FOLDERS = sorted(path for path in (Path(__file__).parent / "golden").iterdir())
C_FILES = [path for folder in FOLDERS for path in sorted(folder.glob("*.c"))]
CC = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
CPU = rn.cpu_info()


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_every_file_has_the_bits_of_its_release(folder):
    kinds = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    expected = kinds["fused" if CPU["fused"] else "unfused"]
    found = results(folder, TABLES)
    assert list(found) == list(expected)
    for name, wanted in expected.items():
        numbers = found[name].pop("numbers")
        assert numbers == pytest.approx(wanted.pop("numbers"), rel=1e-6), name
        if not TABLES:
            wanted.pop("table", None)
        assert found[name] == wanted, name


@pytest.mark.skipif(CC is None, reason="no C compiler")
@pytest.mark.parametrize("path", C_FILES, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_exported_c_still_predicts_its_own_rows(path, tmp_path):
    program, flags = tmp_path / "program", ["-std=c99", "-DNET_SELF_TEST"]
    if not CPU["fused"]:
        flags.append("-DNET_NO_FMA")
    done = subprocess.run([CC, *flags, path, "-o", program, "-lm"], capture_output=True)
    assert done.returncode == 0, done.stderr
    assert subprocess.run([program]).returncode == 0


def test_a_folder_is_never_written_again(tmp_path):
    pytest.importorskip("pandas")
    tool = runpy.run_path(str(Path(__file__).parents[1] / "tools/golden.py"))
    with pytest.raises(SystemExit, match="exists: what a release has written"):
        tool["main"]([tmp_path])
    assert not list(tmp_path.iterdir())
