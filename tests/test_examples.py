"""The examples run, print figures of the right form and write a plot."""

import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

EXAMPLES = Path(__file__).parent.parent / "examples"
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    """A function: the lines an example prints; its plot must be there, with something on
    it.

    In this process, as matplotlib takes longer to import than most examples take.
    """

    def lines_of(name, *options):
        plot = tmp_path / "plot.png"
        command = [str(EXAMPLES / f"{name}.py"), *options, "--output", str(plot)]
        monkeypatch.setattr(sys, "argv", command)
        runpy.run_path(command[0], run_name="__main__")
        return checked(plot, *capsys.readouterr())

    import matplotlib.pyplot as plt
    from matplotlib import layout_engine

    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(EXAMPLES)
    plt.switch_backend("Agg")
    # half the time of drawing is where axes stand, which the process below still asks
    laid_out = layout_engine.ConstrainedLayoutEngine
    monkeypatch.setattr(laid_out, "execute", lambda engine, figure: None)
    yield lines_of
    plt.close("all")
    sys.modules.pop("common", None)


def checked(plot, out, err):
    """The lines but the last, which names the plot."""
    assert err == ""
    assert plot.read_bytes()[:8] == PNG and plot.stat().st_size > 10_000
    *lines, last = out.splitlines()
    assert last == f"plot: {plot}"
    return lines


def figures(lines, pattern):
    """The groups of each line, which must match as a whole."""
    matches = [re.fullmatch(pattern, line) for line in lines]
    assert all(matches), lines
    return [match.groups() for match in matches]


def test_perceptron(run):
    _, *lines = run("perceptron", "--quick")
    rows = figures(lines, r" *([\d.]+)  (\w+) +(\d+) +(0\.\d{4})")
    assert len(rows) == 8
    zeros = {(float(l1), rule): int(count) for l1, rule, count, _ in rows}
    assert {count for (_, rule), count in zeros.items() if rule == "subgradient"} == {0}
    assert zeros[3e-3, "proximal"] > zeros[1e-4, "proximal"] > 0
    for slope, soft in zip(rows[::2], rows[1::2], strict=True):
        assert 0.5 < float(soft[3]) == pytest.approx(float(slope[3]), abs=0.005)


def test_l1_rules(run):
    setting, _, *lines = run("weight_decay", "--quick")
    assert setting == "lam = 0.2, 1500 training rows"
    rows = figures(lines, r"(\w+ \w+|L2) +(\d+\.\d)% +(0\.\d{4})")
    zeros = {name: float(share) for name, share, _ in rows}
    assert list(zeros) == [
        "no penalty",
        "L2",
        "L1 subgradient",
        "L1 shrink_first",
        "L1 proximal",
        "L1 cumulative",
    ]
    assert zeros["L1 cumulative"] > zeros["L1 proximal"] > zeros["L1 subgradient"] == 0
    assert all(float(right) > 0.5 for *_, right in rows)


def test_images_from_a_file(tmp_path):
    """In a process of its own, as users run it."""
    import numpy as np

    random = np.random.default_rng(0)
    images = random.integers(0, 256, (600, 28, 28), np.uint8)
    labels = np.arange(600) % 10
    images[:, 0] = 25 * labels[:, None]  # the first row of pixels tells the digit
    np.savez(
        tmp_path / "images.npz",
        x_train=images[:500],
        y_train=labels[:500],
        x_test=images[500:],
        y_test=labels[500:],
    )
    example, plot = EXAMPLES / "perceptron.py", tmp_path / "plot.png"
    options = ["--quick", "--data", tmp_path / "images.npz", "--output", plot]
    done = subprocess.run(
        [sys.executable, example, *options],
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    _, *lines = checked(plot, done.stdout, done.stderr)
    rows = figures(lines, r" *([\d.]+)  (\w+) +(\d+) +([01]\.\d{4})")
    assert int(rows[-1][2]) > 640  # of 7840 weights: there are 784 inputs, not 64


def test_spiral(run):
    _, *lines, bayes = run("spiral", "--quick")
    rows = figures(lines, r"(.+\w)  +(0\.\d{4})  +(0\.\d{4})")
    assert len(rows) == 3 and rows[0][0].startswith("as configured")
    best = figures([bayes], r"Bayes +(0\.\d{4})")[0][0]
    assert float(best) == pytest.approx(0.9098, abs=0.001)
    assert float(rows[0][2]) < float(rows[2][2]) < 0.93


def test_six_regressions(run):
    start, _, *lines = run("outliers", "--quick")
    assert start == "start: sum|w| = 25180"
    rows = figures(lines, r"(\w+ loss) +(no penalty|L1|L2) +(\d+\.\d)  +(\d+\.\d)")
    assert len({row[:2] for row in rows}) == 6
    total = {row[:2]: float(row[2]) for row in rows}
    for loss in ("absolute loss", "squared loss"):
        assert total[loss, "L1"] < 25_180 and total[loss, "L2"] < 25_180
        assert abs(total[loss, "no penalty"] - 25_180) < 200


def test_dropout_and_l2(run):
    pytest.importorskip("sklearn")
    _, *lines = run("dropout", "--quick")
    rows = figures(lines, r"(.+\w)  +([01]\.\d{4})  (0\.\d{4}) +(\d+)")
    assert [row[0] for row in rows] == [
        "no regularisation",
        "L2 lam 1",
        "dropout .2/.2",
        "group penalty",
    ]
    used = [int(row[3]) for row in rows]
    assert used[:3] == [200] * 3 and 1 <= used[3] < 20
    assert float(rows[3][2]) > 0.8


@pytest.mark.skipif(not shutil.which("cc"), reason="needs cc")
def test_a_raw_file_becomes_a_c_file(run):
    pytest.importorskip("pyarrow")
    lines = run("table_to_c", "--quick")
    assert "          dropped 'id': row numbers, each occurs once" in lines
    size, difference, error = figures(
        lines[-3:],
        r"(?:C file|C and Python|error of new) [a-z ]*?([\d.e-]+)(?: bytes.*)?",
    )
    assert int(size[0]) > 1000
    assert float(difference[0]) < 1e-3
    assert float(error[0]) < 40
