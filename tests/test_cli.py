"""The command line: the main job, tables, one-line errors."""

import csv
import subprocess
import sys

import numpy as np
import pytest

import regnet_c as rn
from regnet_c.cli import main
from regnet_c.tables.form import TableForm


def write_csv(path, rows, header=("size", "colour", "price")):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return path


@pytest.fixture
def table(tmp_path, rng):
    """120 rows: the price depends on the size and on the colour."""
    sizes = rng.uniform(1, 9, 120)
    colours = rng.choice(["red", "green", "blue"], 120)
    prices = 3 * sizes + 5 * (colours == "red")
    return write_csv(tmp_path / "table.csv", zip(sizes, colours, prices, strict=True))


def one_line_error(capsys, argv):
    """The message of a command that must fail with one line and status 2."""
    try:
        status = main([str(a) for a in argv])
    except SystemExit as stop:
        status = stop.code
    error = capsys.readouterr().err
    assert status == 2
    assert error.startswith("regnet-c: error: ") and error.count("\n") == 1
    return error


def test_main_job_reaches_the_promised_figures(tmp_path):
    """No arguments, a new process: >= 96 % accuracy with >= 50 % exact zeros."""
    run = subprocess.run(
        [sys.executable, "-m", "regnet_c", "train"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    lines = dict(
        line.split("  ", 1) for line in run.stdout.splitlines() if "  " in line
    )
    assert float(lines["validation accuracy"].strip(" %")) >= 96
    assert float(lines["all weights"].split("%")[0]) >= 50
    for word in ("data loss", "penalty", "sum|w|", "samples/s"):
        assert word in run.stdout
    for word in ("loss", "val acc", "zeros"):
        assert word in run.stderr  # the progress bar
    net = rn.Network.load(tmp_path / "model.safetensors")
    assert 0.5 <= net.zeros() < 1


def test_regression_on_a_csv_and_prediction(table, tmp_path):
    model, out = tmp_path / "m.st", tmp_path / "p.csv"
    options = (
        "--target price --hidden 16 --l1 0 --dropout 0 --epochs 300 --quiet".split()
    )
    assert main(["train", "--data", str(table), *options, "--output", str(model)]) == 0
    new = write_csv(tmp_path / "new.csv", [(2, "red"), (2, "blue")], ("size", "colour"))
    assert main(["predict", str(model), str(new), "--output", str(out)]) == 0
    with open(out, encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[0]["price"]) == pytest.approx(11, abs=1.5)
    assert float(rows[1]["price"]) == pytest.approx(6, abs=1.5)


def test_classification_writes_names_and_probabilities(tmp_path, rng):
    x = rng.normal(size=(200, 2))
    names = np.where(x[:, 0] > 0, "yes", "no")
    rows = [(*a, b) for a, b in zip(x, names, strict=True)]
    path = write_csv(tmp_path / "t.csv", rows, ("a", "b", "answer"))
    model, out = tmp_path / "m.st", tmp_path / "p.csv"
    options = "--target answer --hidden 8 --epochs 100 --quiet".split()
    assert main(["train", "--data", str(path), *options, "--output", str(model)]) == 0
    argv = ["predict", str(model), str(path), "--output", str(out)]
    assert main([*argv, "--probabilities"]) == 0
    with open(out, encoding="utf-8") as file:
        got = list(csv.DictReader(file))
    right = [row["answer"] == name for row, name in zip(got, names, strict=True)]
    assert np.mean(right) > 0.95
    sums = [float(r["probability_no"]) + float(r["probability_yes"]) for r in got]
    np.testing.assert_allclose(sums, 1, rtol=1e-6)


def test_npz_with_images_and_a_test_part(tmp_path, rng, capsys):
    images = rng.integers(0, 256, (300, 4, 4), dtype=np.uint8)
    labels = (images[:, 0, 0] > 127).astype(np.int64)
    path, model = tmp_path / "d.npz", tmp_path / "m.st"
    parts = {"x_train": images[:200], "y_train": labels[:200]}
    parts |= {"x_test": images[200:], "y_test": labels[200:]}
    np.savez(path, **parts)
    argv = ["train", "--data", str(path), "--quiet", "--epochs", "50"]
    assert main([*argv, "--output", str(model)]) == 0
    assert "validation accuracy" in capsys.readouterr().out
    column = TableForm.of(rn.Network.load(model)).encoding.columns[0]
    assert column.codes[0].scale == images[:200].max()


def test_the_seed_decides_the_model(tmp_path):
    def train(name, seed):
        argv = ["train", "--quiet", "--epochs", "2", "--seed", str(seed)]
        assert main([*argv, "--output", str(tmp_path / name)]) == 0
        return rn.Network.load(tmp_path / name).get_weights()[0]

    first = train("a", 1)
    np.testing.assert_array_equal(first, train("b", 1))
    assert (first != train("c", 2)).any()


def test_info_names_version_variant_threads_and_flags(capsys):
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    for word in (rn.__version__, rn.cpu_info()["isa"], "threads", "build flags"):
        assert word in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--l1", "-1"], "l1 is -1.0"),
        (["--dropout", "1"], "dropout is 1.0"),
        (["--hidden", "a"], "whole numbers"),
        (["--optimizer", "adma"], "invalid choice"),
        (["--epochs", "-3"], "epochs is -3"),
        (["--validation", "2"], "--validation is 2.0"),
        (["--data", "nowhere.csv"], "nowhere.csv"),
        (["--data", "table.xlsx"], "expected .csv"),
        (["--output", "no/such/folder/m"], "no/such/folder"),
        (["--threads", "0"], "threads is 0"),
    ],
)
def test_bad_options_are_one_line(capsys, options, message):
    argv = ["train", "--quiet", "--epochs", "1", *options]
    assert message in one_line_error(capsys, argv)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty"),
        ("a,b\n", "no rows"),
        ("a,a\n1,2\n", "twice"),
        ("a,b\n1\n", "line 2 has 1 entries"),
        ("a,b\n1,x\n2,x\n", "one class"),
    ],
)
def test_bad_tables_are_one_line(tmp_path, capsys, content, message):
    path = tmp_path / "t.csv"
    path.write_text(content)
    argv = ["train", "--data", path, "--target", "b", "--quiet"]
    assert message in one_line_error(capsys, argv)


def test_prediction_refuses_other_files(tmp_path, capsys):
    path = tmp_path / "m.st"
    path.write_bytes(b"not a model")
    assert "not a regnet_c model" in one_line_error(capsys, ["predict", path, "x.csv"])
