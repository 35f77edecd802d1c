"""Files that tools/fuzz_load.py found to take different ways through `load`."""

from pathlib import Path

import fuzzed
import pytest

CORPUS = sorted((Path(__file__).parent / "corpus").iterdir())


def test_the_corpus_is_small_and_of_both_kinds(tmp_path):
    loaded = [fuzzed.check(path.read_bytes(), tmp_path) for path in CORPUS]
    assert 5 <= sum(loaded) <= len(loaded) - 5
    assert sum(path.stat().st_size for path in CORPUS) < 200_000


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name[:8])
def test_a_file_of_the_corpus_and_its_cuts(path, tmp_path):
    content = path.read_bytes()
    fuzzed.check(content, tmp_path)
    fuzzed.check(fuzzed.repaired(content), tmp_path)
    for cut in {0, 7, len(content) // 2, len(content) - 1}:
        assert not fuzzed.check(content[:cut], tmp_path)
