"""The command line on tables as people have them: each file here was once refused."""

import csv
import gzip
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import regnet_c as rn
from regnet_c.cli import build_parser, main
from regnet_c.tables.columns import columns_of
from regnet_c.tables.form import TableForm

pd = pytest.importorskip("pandas")
pa = pytest.importorskip("pyarrow")
pytest.importorskip("narwhals")

SMALL = "--hidden 16 --l1 0 --dropout 0 --quiet --batch-size 16".split()


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def train(path, target, *options, status=0):
    """Train on a file; the model's path."""
    model = Path(str(path) + ".model")
    argv = ["train", "--data", path, "--target", target, "--output", model, *SMALL]
    assert main([str(a) for a in [*argv, *options]]) == status
    return model


def predict(model, path, *options):
    """Predict for a file; the rows of the CSV as dicts."""
    out = Path(str(path) + ".out")
    argv = ["predict", model, path, "--output", out, *options]
    assert main([str(a) for a in argv]) == 0
    with open(out, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def error_of(capsys, *argv):
    """The one line of a command that fails."""
    capsys.readouterr()
    try:
        status = main([str(a) for a in argv])
    except SystemExit as stop:
        status = stop.code
    error = capsys.readouterr().err
    assert status == 2 and error.count("\n") == 1 and len(error) <= 301
    return error


def towns(n=200, seed=0):
    """A frame whose price follows from its columns, with holes."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "size": rng.uniform(20, 120, n).round(1),
            "rooms": rng.integers(1, 6, n),
            "town": rng.choice(["Bern", "Rome", "Oslo"], n),
        }
    )
    frame["price"] = (
        frame["size"] * 2 + frame["rooms"] * 10 + 50 * (frame.town == "Rome")
    )
    frame.loc[::17, "rooms"] = np.nan
    frame.loc[::13, "town"] = None
    return frame


def test_whole_number_prices_are_a_regression(tmp_path, capsys):
    prices = np.arange(45) * 7 + 100
    text = "size,price\n" + "\n".join(f"{p // 7},{p}" for p in prices)
    path = write(tmp_path / "t.csv", text)
    model = train(path, "price", "--epochs", 500)
    out = capsys.readouterr().out
    assert "'price': regression (45 different values in 45 rows; --task class" in out
    got = [float(row["price"]) for row in predict(model, path)]
    assert np.abs(np.array(got) - prices).max() < 40


def test_a_target_with_currency_signs_is_refused_with_an_example(tmp_path, capsys):
    rows = "\n".join(f'{i},"$1,{i:03d}.50"' for i in range(30))
    path = write(tmp_path / "t.csv", "x,y\n" + rows)
    error = error_of(capsys, "train", "--data", path, "--target", "y")
    assert "target 'y' is text, mostly distinct (such as '$1,000.50')" in error
    path = write(tmp_path / "u.csv", (tmp_path / "t.csv").read_text().replace("$", ""))
    model = train(path, "y", "--thousands", ",", "--epochs", 1)
    center = TableForm.of(rn.Network.load(model)).centers[0]
    assert center == pytest.approx(1015, abs=3)


def test_blank_targets_and_unused_columns_do_not_stop_a_prediction(tmp_path):
    frame = towns()
    frame["comment"] = "free text " + frame.index.astype(str)
    frame.to_csv(tmp_path / "t.csv", index=False)
    model = train(tmp_path / "t.csv", "price", "--epochs", 200)
    frame[["price", "comment"]] = ""
    reordered = frame[["comment", "town", "price", "rooms", "size"]]
    reordered.to_csv(tmp_path / "blank.csv", index=False)
    got = predict(model, tmp_path / "blank.csv")
    without = frame[["town", "size", "rooms"]]
    without.to_csv(tmp_path / "without.csv", index=False)
    assert got == predict(model, tmp_path / "without.csv")
    values = np.array([float(row["price"]) for row in got])
    assert list(got[0]) == ["price"]
    assert np.corrcoef(values, towns()["price"])[0, 1] > 0.95


def test_one_unknown_town_does_not_stop_a_thousand_predictions(tmp_path):
    towns(1000).to_csv(tmp_path / "t.csv", index=False)
    model = train(tmp_path / "t.csv", "price", "--epochs", 20)
    frame = towns(1000)
    frame.loc[500, "town"] = "Atlantis"
    frame.to_csv(tmp_path / "new.csv", index=False)
    old, new = predict(model, tmp_path / "t.csv"), predict(model, tmp_path / "new.csv")
    different = [a != b for a, b in zip(old, new, strict=True)]
    assert len(new) == 1000 and different[500] and sum(different) == 1


def test_spaces_in_a_header(tmp_path):
    rows = "\n".join(f"{i}, {i % 3}, {'yn'[i % 2]}" for i in range(60))
    path = write(tmp_path / "t.csv", "a, b, y\n" + rows)
    model = train(path, "y", "--epochs", 1)
    form = TableForm.of(rn.Network.load(model))
    assert form.encoding.names == ["a", "b"] and form.classes == ["n", "y"]


def test_semicolons_and_decimal_commas(tmp_path, capsys):
    frame = towns()
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_csv(tmp_path / "b.csv", index=False, sep=";", decimal=",")
    models = [
        train(tmp_path / name, "price", "--epochs", 2) for name in ("a.csv", "b.csv")
    ]
    out = capsys.readouterr().out
    assert "columns separated by ';'" in out and "numbers with a decimal comma" in out
    first, second = (rn.Network.load(model) for model in models)
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert predict(models[0], tmp_path / "b.csv") == predict(
        models[0], tmp_path / "a.csv"
    )


def test_a_file_without_a_header(tmp_path, capsys):
    frame = towns()
    frame.to_csv(tmp_path / "t.csv", index=False, header=False)
    model = train(tmp_path / "t.csv", "column_4", "--no-header", "--epochs", 2)
    assert (
        model.read_bytes()
        == train(tmp_path / "t.csv", "4", "--no-header", "--epochs", 2).read_bytes()
    )
    frame.drop(columns="price").to_csv(tmp_path / "n.csv", index=False, header=False)
    got = predict(model, tmp_path / "n.csv")  # the model knows that there is no header
    assert len(got) == 200 and list(got[0]) == ["column_4"]
    error = error_of(capsys, "train", "--data", tmp_path / "t.csv", "--target", "price")
    assert "has the column '' twice; if it has no header, pass --no-header" in error
    frame[frame["rooms"] != 0].dropna()[1:].to_csv(
        tmp_path / "u.csv", index=False, header=False
    )
    error = error_of(capsys, "train", "--data", tmp_path / "u.csv", "--target", "price")
    assert "no column 'price'" in error and "--no-header" in error


def test_a_column_of_row_numbers_is_dropped(tmp_path, capsys):
    frame = towns()
    frame.to_csv(tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text().startswith(",size")
    model = train(tmp_path / "t.csv", "price", "--epochs", 2)
    assert "dropped '': row numbers, each occurs once" in capsys.readouterr().out
    frame.to_csv(tmp_path / "without.csv", index=False)
    assert len(predict(model, tmp_path / "without.csv")) == 200


@pytest.mark.parametrize(
    "levels", [("1_1", "11", "1_0"), ("007", "08", "1e3"), ("NA", "none", "NULL")]
)
def test_levels_and_classes_stay_as_they_were_written(tmp_path, levels):
    names = [levels[i % 3] for i in range(90)]
    rows = "\n".join(f"{name},{i % 7},{name}" for i, name in enumerate(names))
    path = write(tmp_path / "t.csv", "level,x,label\n" + rows)
    model = train(path, "label", "--epochs", 100)
    form = TableForm.of(rn.Network.load(model))
    assert sorted(form.classes) == sorted(levels)
    assert sorted(form.encoding.columns[0].levels) == sorted(levels)
    assert [row["label"] for row in predict(model, path)] == names


def test_ids_that_differ_in_the_last_digit_are_different_classes(tmp_path):
    ids = [2**53 + i % 3 for i in range(90)]
    path = write(tmp_path / "t.csv", "x,y\n" + "\n".join(f"{i % 3},{i}" for i in ids))
    model = train(path, "y", "--epochs", 100)
    assert [int(row["y"]) for row in predict(model, path)] == ids


def test_dates_as_strings_are_dates(tmp_path, capsys):
    days = pd.date_range("2023-01-01", periods=300)
    frame = pd.DataFrame({"day": days.strftime("%d.%m.%Y"), "x": np.arange(300) % 5})
    frame["sales"] = 10.0 * (days.day_of_week < 5) + np.arange(300) / 50
    frame.to_csv(tmp_path / "t.csv", index=False)
    model = train(tmp_path / "t.csv", "sales", "--epochs", 100)
    assert "2 of 2 columns: 1 numeric, 1 dates" in capsys.readouterr().out
    got = np.array([float(row["sales"]) for row in predict(model, tmp_path / "t.csv")])
    assert np.abs(got - frame["sales"]).mean() < 1


def test_many_levels_need_little_memory(tmp_path):
    """50 000 rows, 5000 levels: at most .5 GB, half of what one-hot columns need."""
    status = Path("/proc/self/status")  # ru_maxrss begins at the parent's
    if not status.exists():
        pytest.skip("no /proc")
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 5000, 50_000)
    pd.DataFrame(
        {"town": levels, "x": rng.normal(size=50_000), "y": levels % 2}
    ).assign(town=lambda f: "town " + f["town"].astype(str)).to_csv(
        tmp_path / "t.csv", index=False
    )
    code = (
        "import sys; from regnet_c.cli import main; code = main(sys.argv[1:]);"
        f"print(open('{status}').read()); sys.exit(code)"
    )
    argv = ["train", "--data", "t.csv", "--target", "y", "--epochs", "1", *SMALL]
    run = subprocess.run(
        [sys.executable, "-c", code, *argv],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    assert int(re.search(r"VmHWM:\s*(\d+) kB", run.stdout)[1]) < 5e5
    assert "4898 rare levels count as another" in run.stdout


@pytest.mark.parametrize("n", [3, 5])
def test_files_of_a_few_rows(tmp_path, n):
    rows = "\n".join(f"{i},{2 * i},{'ab'[i % 2]}" for i in range(n))
    path = write(tmp_path / "t.csv", "x,z,y\n" + rows)
    model = train(path, "y", "--epochs", 100)
    got = [row["y"] for row in predict(model, path)]
    assert len(got) == n and set(got) <= {"a", "b"}
    assert len(predict(train(path, "z", "--epochs", 1), path)) == n


def test_a_constant_target_is_predicted(tmp_path, capsys):
    path = write(tmp_path / "t.csv", "x,y\n" + "\n".join(f"{i},5" for i in range(40)))
    got = predict(train(path, "y", "--epochs", 50), path)
    assert np.allclose([float(row["y"]) for row in got], 5, atol=0.1)
    path = write(tmp_path / "u.csv", "x,y\n" + "\n".join(f"{i},a" for i in range(40)))
    error = error_of(capsys, "train", "--data", path, "--target", "y")
    assert "target 'y' has one class only, 'a'" in error


def test_one_table_in_every_format_gives_the_same_model(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4))
    X[::9, 2] = np.nan
    frame = pd.DataFrame(X, columns=["x0", "x1", "x2", "x3"])
    frame["y"] = X[:, 0] > X[:, 1]
    frame["y"] = frame["y"].astype(int)
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_csv(tmp_path / "t.tsv.gz", index=False, sep="\t")
    frame.to_parquet(tmp_path / "t.parquet", index=False)
    frame.to_feather(tmp_path / "t.feather")
    np.savez(tmp_path / "t.npz", X=X, y=frame["y"].to_numpy())
    (tmp_path / "folder").mkdir()
    frame[:90].to_csv(tmp_path / "folder/1.csv", index=False)
    frame[90:].to_csv(tmp_path / "folder/2.csv", index=False)
    names = ["t.csv", "t.tsv.gz", "t.parquet", "t.feather", "t.npz", "folder"]
    models = [train(tmp_path / name, "y", "--epochs", 3).read_bytes() for name in names]
    assert all(model == models[0] for model in models)


def test_missing_targets_are_left_out_of_training(tmp_path, capsys):
    frame = towns()
    frame.loc[::20, "price"] = np.nan
    frame.to_csv(tmp_path / "t.csv", index=False)
    train(tmp_path / "t.csv", "price", "--epochs", 1)
    out = capsys.readouterr().out
    assert "10 rows without a target are left out" in out
    assert "152 to train on, 38 to validate on" in out


def test_columns_are_overruled(tmp_path, capsys):
    frame = towns()
    frame["zip"] = np.arange(200) % 4 + 8000
    frame["odd"] = ["x" if i % 50 == 0 else str(i) for i in range(200)]
    frame.to_csv(tmp_path / "t.csv", index=False)
    options = ["--categorical", "zip", "--drop", "town", "--missing", "x"]
    model = train(
        tmp_path / "t.csv", "price", "--epochs", 1, *options, "--numeric", "odd"
    )
    kinds = {
        c.name: c.kind for c in TableForm.of(rn.Network.load(model)).encoding.columns
    }
    assert kinds == {
        "size": "number",
        "rooms": "number",
        "zip": "category",
        "odd": "number",
    }
    assert "dropped 'town': as requested" in capsys.readouterr().out
    frame["odd"] = frame["odd"].replace("x", "7%")
    frame.to_csv(tmp_path / "u.csv", index=False)
    error = error_of(
        capsys,
        "train",
        "--data",
        tmp_path / "u.csv",
        "--target",
        "price",
        "--numeric",
        "odd",
    )
    assert "column 'odd' has '7%', expected a number" in error and "u.csv line" in error
    for option in ("--drop", "--categorical", "--numeric"):
        argv = [
            "train",
            "--data",
            tmp_path / "t.csv",
            "--target",
            "price",
            option,
            "Twon",
        ]
        assert "no column 'Twon', did you mean 'town'?" in error_of(capsys, *argv)


def test_validation_0_trains_on_all_rows(tmp_path, capsys):
    towns().to_csv(tmp_path / "t.csv", index=False)
    train(tmp_path / "t.csv", "price", "--epochs", 1, "--validation", 0)
    out = capsys.readouterr().out
    assert "200 to train on, none to validate on" in out and "training R^2" in out


def test_balanced_classes_weigh_the_same(tmp_path, capsys):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 2))
    rare = (x[:, 0] + rng.normal(size=400)) > 2.2
    frame = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": np.where(rare, "r", "c")})
    frame.to_csv(tmp_path / "t.csv", index=False)
    shares = []
    for options in ([], ["--class-weight", "balanced"]):
        model = train(tmp_path / "t.csv", "y", "--epochs", 5, *options)
        got = predict(model, tmp_path / "t.csv")
        shares.append(np.mean([row["y"] == "r" for row in got]))
    assert shares[1] > 2 * shares[0] + 0.05
    towns().to_csv(tmp_path / "u.csv", index=False)
    argv = [
        "--data",
        tmp_path / "u.csv",
        "--target",
        "price",
        "--class-weight",
        "balanced",
    ]
    assert "--class-weight is for classes" in error_of(capsys, "train", *argv)


def test_a_dry_run_says_what_was_understood_and_stops(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame = towns()
    frame["note"] = "n" + frame.index.astype(str)
    frame.to_csv("t.csv", index=False)
    assert main(["train", "--data", "t.csv", "--target", "price", "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:5] == [
        "data      t.csv: 200 rows, 5 columns",
        "inputs    3 of 4 columns: 2 numeric, 1 categorical, 1 dropped",
        "          23 missing values in 'rooms', 'town'",
        "          dropped 'note': text in which no value occurs twice",
        (
            "target    'price': regression (numbers that are not whole; "
            "--task classification overrides)"
        ),
    ]
    assert os.listdir() == ["t.csv"]


def test_probabilities_on_request_and_the_names_of_the_classes(tmp_path):
    frame = pd.DataFrame({"x": np.arange(100), "label": ["007", "08"] * 50})
    frame.to_csv(tmp_path / "t.csv", index=False)
    model = train(tmp_path / "t.csv", "label", "--epochs", 1)
    assert list(predict(model, tmp_path / "t.csv")[0]) == ["label"]
    row = predict(model, tmp_path / "t.csv", "--probabilities")[0]
    assert list(row) == ["label", "probability_007", "probability_08"]
    assert float(row["probability_007"]) + float(
        row["probability_08"]
    ) == pytest.approx(1)


def test_a_prediction_never_overwrites_its_input(tmp_path, capsys):
    towns().to_csv(tmp_path / "t.csv", index=False)
    model = train(tmp_path / "t.csv", "price", "--epochs", 1)
    before = (tmp_path / "t.csv").read_bytes(), model.read_bytes()
    os.symlink(tmp_path / "t.csv", tmp_path / "link")
    for output in (tmp_path / "t.csv", model, tmp_path / "link"):
        argv = ["predict", model, tmp_path / "t.csv", "--output", output]
        assert "is a file to be read" in error_of(capsys, *argv)
    argv = ["--data", tmp_path / "t.csv", "--output", tmp_path / "t.csv"]
    assert "is a file to be read" in error_of(capsys, "train", *argv)
    header = model.rename(tmp_path / "t.h")
    os.symlink(header, tmp_path / "link.h")
    for output in (tmp_path / "t.c", tmp_path / "link.c"):
        assert "is a file to be read" in error_of(capsys, "export", header, output)
    assert before == ((tmp_path / "t.csv").read_bytes(), header.read_bytes())


def test_a_prediction_is_not_written_among_the_parts_of_its_input(tmp_path, capsys):
    parts = tmp_path / "parts"
    parts.mkdir()
    towns().to_csv(parts / "1.csv", index=False)
    model = train(parts, "price", "--epochs", 1)
    before = (parts / "1.csv").read_bytes()
    for output in (parts / "1.csv", parts / "2.csv"):
        argv = ["predict", model, parts, "--output", output]
        assert f"{output} is in the folder to be read" in error_of(capsys, *argv)
    assert (parts / "1.csv").read_bytes() == before
    assert [path.name for path in parts.iterdir()] == ["1.csv"]


def test_evaluate_gives_the_figures_of_other_rows(tmp_path, capsys):
    frame = towns(300)
    frame.to_csv(tmp_path / "t.csv", index=False)
    model = train(tmp_path / "t.csv", "price", "--epochs", 100)
    other = towns(100, seed=1)
    other.to_csv(tmp_path / "u.csv", index=False)
    capsys.readouterr()
    assert main(["evaluate", str(model), str(tmp_path / "u.csv")]) == 0
    lines = dict(x.rsplit(maxsplit=1) for x in capsys.readouterr().out.splitlines())
    got = np.array([float(row["price"]) for row in predict(model, tmp_path / "u.csv")])
    error = got - other["price"]
    assert lines["rows"] == "100"
    assert float(lines["RMSE"]) == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-4)
    r2 = 1 - np.sum(error**2) / np.sum((other["price"] - other["price"].mean()) ** 2)
    assert float(lines["R^2"]) == pytest.approx(r2, abs=1e-3) and r2 > 0.8


def test_evaluate_counts_classes(tmp_path, capsys):
    frame = pd.DataFrame({"x": np.arange(100) % 10, "y": ["a"] * 75 + ["b"] * 25})
    frame.to_csv(tmp_path / "t.csv", index=False)
    model = train(tmp_path / "t.csv", "y", "--epochs", 30)
    capsys.readouterr()
    assert main(["evaluate", str(model), str(tmp_path / "t.csv")]) == 0
    lines = dict(x.rsplit(maxsplit=1) for x in capsys.readouterr().out.splitlines())
    got = [row["y"] for row in predict(model, tmp_path / "t.csv")]
    assert lines["accuracy"] == f"{np.mean(np.array(got) == frame['y']):.2%}"
    frame.assign(y="c").to_csv(tmp_path / "u.csv", index=False)
    error = error_of(capsys, "evaluate", model, tmp_path / "u.csv")
    assert "has the class 'c', the model knows a, b" in error


def test_a_compacted_model_wants_only_the_columns_it_reads(tmp_path, capsys):
    """A source column whose inputs are all zero is not missed, and named by info."""
    frame = towns()
    frame.to_csv(tmp_path / "t.csv", index=False)
    model = train(tmp_path / "t.csv", "price", "--epochs", 1)
    network = rn.Network.load(model)
    form = TableForm.of(network)
    weights = network.get_weights()
    weights[0][form.encoding.groups[form.encoding.names.index("town")]] = 0
    network.set_weights(weights)
    network.save(tmp_path / "whole")
    network.compact().save(tmp_path / "small")
    want = predict(tmp_path / "whole", tmp_path / "t.csv")
    assert predict(tmp_path / "small", tmp_path / "t.csv") == want
    frame.drop(columns="town").to_csv(tmp_path / "u.csv", index=False)
    assert predict(tmp_path / "small", tmp_path / "u.csv") == want
    assert main(["evaluate", str(tmp_path / "small"), str(tmp_path / "u.csv")]) == 0
    error = error_of(capsys, "predict", tmp_path / "whole", tmp_path / "u.csv")
    assert "no column 'town'" in error
    assert main(["info", str(tmp_path / "small")]) == 0
    assert (
        "'town': category, not read, no input of it is left" in capsys.readouterr().out
    )
    form = TableForm.of(rn.Network.load(tmp_path / "small"))
    assert form.encoding.needed_for([0]) == ["size"]


def test_info_shows_a_model(tmp_path, capsys):
    towns().to_csv(tmp_path / "t.csv", index=False)
    model = train(tmp_path / "t.csv", "price", "--epochs", 1)
    capsys.readouterr()
    assert main(["info", str(model)]) == 0
    out = capsys.readouterr().out
    for words in (
        "target       'price': numbers",
        "'town': category, 4 inputs",
        "layer 1",
    ):
        assert words in out


def test_errors_name_the_file_the_line_and_the_nearest_column(tmp_path, capsys):
    path = write(tmp_path / "t.csv", 'a,b,y\n"x\ny",1,1\nx,inf,2\nx,3,3\n' * 1)
    error = error_of(
        capsys, "train", "--data", path, "--target", "y", "--validation", 0
    )
    assert "t.csv line 4 column 'b' has inf, expected finite numbers" in error
    error = error_of(capsys, "train", "--data", path, "--target", "Y")
    assert "t.csv has no column 'Y', did you mean 'y'?" in error
    error = error_of(capsys, "train", "--data", path)
    assert "needs --target COLUMN, its last columns are 'a', 'b', 'y'" in error
    error = error_of(capsys, "train", "--data", path, "--target", "3")
    assert "has no column '3'" in error  # a position only where there are no names
    nowhere = tmp_path / ("a" * 200) / ("b" * 200) / "t.csv"
    error = error_of(capsys, "train", "--data", nowhere, "--target", "y")
    assert len(error) == 301 and error.endswith("...\n")
    long = write(tmp_path / "long.csv", "x" * 5000 + ",y\n1,2\n")
    error_of(capsys, "train", "--data", long, "--target", "z")


@pytest.mark.parametrize("command", ["info", "predict", "evaluate", "export"])
def test_a_model_that_does_not_exist_is_named(command, tmp_path, capsys):
    more = [] if command == "info" else [str(tmp_path / "new.onnx")]
    model = str(tmp_path / "m.safetensors")
    assert main([command, model, *more]) == 2
    assert capsys.readouterr().err == f"regnet-c: error: no such file: {model}\n"


def test_a_model_wants_its_columns(tmp_path, capsys):
    towns().to_csv(tmp_path / "t.csv", index=False)
    model = train(tmp_path / "t.csv", "price", "--epochs", 1)
    towns().rename(columns={"town": "Town"}).to_csv(tmp_path / "u.csv", index=False)
    error = error_of(capsys, "predict", model, tmp_path / "u.csv")
    assert "u.csv has no column 'town', did you mean 'Town'?" in error
    np.savez(tmp_path / "u.npz", X=np.zeros((2, 3)))
    error = error_of(capsys, "predict", model, tmp_path / "u.npz")
    assert "the model reads a table with the columns 'size'" in error


def test_help_shows_every_default_and_an_example():
    commands = next(
        action.choices
        for action in build_parser()._actions
        if hasattr(action, "choices") and isinstance(action.choices, dict)
    )
    parser = commands["train"]
    text = " ".join(parser.format_help().split())
    assert "regnet-c train --data adult.csv --target income" in text
    for action in parser._actions:
        silent = (
            action.default in (None, False, [], "==SUPPRESS==") or action.const is False
        )
        if action.dest not in ("help", "header") and not silent:
            assert f"(default: {action.default})" in text or "default: 1797" in text
        elif action.default is None and action.dest != "target":
            assert "default" in action.help, action.dest


def test_training_is_that_of_the_estimators(tmp_path, capsys):
    """The same layers, optimiser, epochs and members; explicit options overrule."""
    pytest.importorskip("sklearn")
    frame = towns()
    frame.to_csv(tmp_path / "t.csv", index=False)
    argv = ["train", "--data", tmp_path / "t.csv", "--target", "price", "--quiet"]
    argv += ["--validation", "0", "--output", tmp_path / "m"]
    assert main([str(a) for a in argv]) == 0
    out = capsys.readouterr().out
    model = rn.RegNetRegressor(random_state=0, loss="mse")
    model.fit(frame.drop(columns="price"), frame["price"])
    count = model.recipe_.n_members
    assert count >= 3 and f"members              {count}," in out
    kept = [trial for trial in model.trials_ if trial.weight]
    epochs = sum(len(trial.networks) * trial.recipe.max_iter for trial in kept)
    assert f"{epochs} epochs" in out
    sizes = [w.shape for w in model.network_.get_weights()]
    net = rn.Network.load(tmp_path / "m")
    assert [w.shape for w in net.get_weights()] == sizes
    form = TableForm.of(net)
    got = form.decoded(net.predict(form.encoding.encode(columns_of(frame))))[:, 0]
    # only the roundings of the scales that the estimator folds into its weights differ
    want = model.predict(frame.drop(columns="price"))
    np.testing.assert_allclose(got, want, rtol=1e-3)
    options = "--hidden 7 --members 1 --epochs 2 --l1 .01 --optimizer sgd --schedule "
    options += "constant --learning-rate .02 --dropout 0 --input-dropout .5"
    assert main([str(a) for a in [*argv, *options.split()]]) == 0
    net = rn.Network.load(tmp_path / "m")
    assert [type(layer).__name__ for layer in net.layers] == [
        "Dropout",
        "Dense",
        "Dense",
    ]
    assert net.layers[0].rate == 0.5 and net.layers[1].n_out == 7
    assert net.layers[1].weight_penalty.l1 == 0.01
    assert "2 epochs" in capsys.readouterr().out


def test_ctrl_c_in_a_later_member_saves_the_finished_ones(
    tmp_path, capsys, monkeypatch
):
    towns().to_csv(tmp_path / "t.csv", index=False)
    fit, calls = rn.Network.fit, []

    def interrupted(network, *arguments, **options):
        calls.append(network)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return fit(network, *arguments, **options)

    monkeypatch.setattr(rn.Network, "fit", interrupted)
    options = ["--epochs", "2", "--members", "4"]
    model = train(tmp_path / "t.csv", "price", *options, status=130)
    out = capsys.readouterr().out
    assert "members              2," in out and "interrupted: the model is" in out
    assert rn.Network.load(model).layers[0].n_out == 2 * 16


def test_recipes_race_within_a_budget(tmp_path, capsys):
    towns().to_csv(tmp_path / "t.csv", index=False)
    argv = ["train", "--data", tmp_path / "t.csv", "--target", "price", "--epochs", "3"]
    argv += ["--output", tmp_path / "m", "--tune", "4", "--keep", "one"]
    assert main([str(a) for a in argv]) == 0
    out, bar = capsys.readouterr()
    assert "members" not in out and " 3 epochs" in out
    assert "recipes: " in bar and "best " in bar
    assert max(map(len, bar.replace("\r", "\n").splitlines())) <= 80
    assert "exclude each other" in error_of(capsys, *argv, "--patience", "3")
    for wrong in ("0", "-2s", "much"):
        with pytest.raises(SystemExit):
            main([str(a) for a in [*argv, "--tune", wrong]])


def test_two_classes_are_those_of_the_classifier(tmp_path, capsys):
    pytest.importorskip("sklearn")
    frame = towns()
    frame["price"] = np.where(frame["price"] > 200, "dear", "cheap")
    frame.to_csv(tmp_path / "t.csv", index=False)
    argv = ["train", "--data", tmp_path / "t.csv", "--target", "price", "--quiet"]
    argv += ["--validation", "0", "--epochs", "5", "--output", tmp_path / "m"]
    assert main([str(a) for a in argv]) == 0
    model = rn.RegNetClassifier(max_iter=5, random_state=0)
    X = frame.drop(columns="price")
    model.fit(X, frame["price"])
    rows = predict(tmp_path / "m", tmp_path / "t.csv", "--probabilities")
    got = [float(row["probability_dear"]) for row in rows]
    np.testing.assert_allclose(got, model.predict_proba(X)[:, 1], atol=1e-6)
    error = error_of(capsys, *argv, "--loss", "mse")
    assert "--loss is mse, a target of 2 classes expects binary_cross_" in error
    argv = ["train", "--data", tmp_path / "t.csv", "--target", "rooms", "--quiet"]
    argv += ["--output", tmp_path / "m", "--loss", "softmax_cross_entropy"]
    error = error_of(capsys, *argv, "--task", "regression")
    assert "a target of numbers expects squared_error or mse or" in error
    error = error_of(capsys, *argv[:-1], "binary_cross_entropy")
    assert "a target of 5 classes expects softmax_cross_entropy" in error


def test_counts_start_at_their_mean(tmp_path, capsys):
    """--loss poisson; R^2 was -4500 after five epochs from exp(0)."""
    rng = np.random.default_rng(0)
    x = rng.uniform(1, 9, 200)
    frame = pd.DataFrame({"x": x, "calls": rng.poisson(400 * x)})
    frame.to_csv(tmp_path / "t.csv", index=False)
    train(tmp_path / "t.csv", "calls", "--loss", "poisson", "--epochs", "30")
    lines = dict(
        line.rsplit(maxsplit=1) for line in capsys.readouterr().out.splitlines()
    )
    assert float(lines["validation R^2"]) > 0.8


def test_the_progress_bar_fits_80_columns(tmp_path):
    towns().to_csv(tmp_path / "t.csv", index=False)
    argv = (
        "-m regnet_c train --data t.csv --target price --epochs 120 --tune no "
        "--hidden 8 --members 1".split()
    )
    run = subprocess.run(
        [sys.executable, *argv],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONIOENCODING": "utf-8", "COLUMNS": "200"},
        timeout=120,
    )
    lines = run.stderr.replace("\r", "\n").splitlines()
    assert run.returncode == 0 and max(map(len, lines)) == 80
    last = lines[-1]
    assert last.startswith("epoch 120/120 100%|") and "zeros" in last and "val " in last


def test_the_raw_adult_file(tmp_path, capsys):
    """UCI Adult as it is: no header, spaces, ? for missing; 85.9 % on the test rows."""
    folder = os.environ.get("REGNET_C_TABLES")
    if not folder:
        pytest.skip("REGNET_C_TABLES does not name the folder of adult-train.csv.gz")
    with gzip.open(Path(folder) / "adult-test.csv.gz", "rt") as file:
        text = file.read().replace("K.\n", "K\n")
    write(tmp_path / "test.csv", text)
    model, train_file = tmp_path / "m", Path(folder) / "adult-train.csv.gz"
    argv = ["--target", "15", "--no-header", "--quiet", "--output", str(model)]
    assert main(["train", "--data", str(train_file), *argv]) == 0
    assert "4262 missing" not in capsys.readouterr().err
    assert main(["evaluate", str(model), str(tmp_path / "test.csv")]) == 0
    lines = dict(x.rsplit(maxsplit=1) for x in capsys.readouterr().out.splitlines())
    assert float(lines["accuracy"].rstrip("%")) >= 85.9


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch, capsys):
    towns().to_csv(tmp_path / "t.csv", index=False)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    error = error_of(capsys, "train", "--data", tmp_path / "t.csv", "--target", "price")
    assert "needs narwhals and pyarrow: pip install 'regnet-c[table]'" in error
