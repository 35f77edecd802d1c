"""`regnet-c train --stream`: a table that stays in its file trains as one in memory."""

import gzip
import sys
import types

import numpy as np
import pytest

import regnet_c as rn
from regnet_c._core import memory

pd = pytest.importorskip("pandas")
pa = pytest.importorskip("pyarrow")
pytest.importorskip("narwhals")

from test_cli_tables import error_of, predict, towns, train, write  # noqa: E402

from regnet_c.cli import build_parser, data, fit, stream  # noqa: E402
from regnet_c.tables import pieces  # noqa: E402

ONE = ("--members", 1, "--tune", "no", "--epochs", 5)
WRITERS = {
    "csv": lambda frame, path: frame.to_csv(path, index=False),
    "parquet": lambda frame, path: frame.to_parquet(path, row_group_size=30),
    "feather": lambda frame, path: pa.feather.write_feather(
        pa.Table.from_pandas(frame), path, chunksize=30
    ),
}


@pytest.fixture
def small_pieces(monkeypatch):
    monkeypatch.setattr(pieces, "_ROWS", 60)
    monkeypatch.setattr(pieces, "_BYTES", 1000)


def saved(frame, kind, folder):
    import pyarrow.feather  # noqa: F401  (a writer needs it)

    path = folder / f"t.{kind}"
    WRITERS[kind](frame, path)
    return path


def read(path, *options, target="price"):
    """The TrainingData of a stream."""
    argv = ["train", "--data", path, "--target", target, "--stream", *options]
    args = build_parser().parse_args([str(a) for a in argv])
    assert stream.applies(args)
    return stream.training_data(args)


def rows_of(blocks):
    found = [blocks.read(i) for i in range(blocks.count)]
    return [np.concatenate([block[k] for block in found]) for k in (0, 1)]


def by_row(X, y):
    return sorted(map(tuple, np.column_stack([X, y]).tolist()))


# ---- the same as in memory -----------------------------------------------------------


@pytest.mark.parametrize("kind", WRITERS)
def test_one_piece_is_the_training_in_memory(kind, tmp_path, capsys):
    path = saved(towns(), kind, tmp_path)
    whole = train(path, "price", *ONE, "--no-stream").read_bytes()
    report = capsys.readouterr().out
    assert train(path, "price", *ONE, "--stream").read_bytes() == whole
    streamed = capsys.readouterr().out
    assert "in blocks of 160 rows at most; encoding and scales from 160" in streamed
    figures = [line for line in report.splitlines() if line[:4] in ("vali", "RMSE")]
    assert len(figures) == 2 and set(figures) <= set(streamed.splitlines())
    assert train(path, "price", *ONE, "--stream", "--seed", 1).read_bytes() != whole


@pytest.mark.parametrize("kind", [*WRITERS, "folder"])
def test_every_row_is_trained_on_or_validates(kind, tmp_path, small_pieces):
    frame = towns()
    frame["id"] = [f'a "{i}",\n b' for i in range(200)]  # line ends within quotes
    if kind == "folder":
        path = tmp_path / "parts"
        path.mkdir()
        for number in range(4):
            part = frame[50 * number : 50 * number + 50]
            part.to_csv(path / f"{number}.csv", index=False)
    else:
        path = saved(frame, kind, tmp_path)
    rows = read(path)
    assert rows.blocks.count > 2 and max(rows.blocks.lengths) < 100
    assert rows.n + len(rows.validation[1]) == 200
    assert abs(len(rows.validation[1]) - 40) <= rows.blocks.count
    X, y = rows_of(rows.blocks)
    assert by_row(X, y) == by_row(rows.X, rows.y)  # all are in the sample
    everything = np.concatenate([y, rows.validation[1]])
    prices = rows.form.scaled(frame["price"].to_numpy()[:, None])[:, 0]
    np.testing.assert_array_equal(np.sort(everything), np.sort(prices))
    encoded = rows.form.encoding.encode(data.columns_of(pa.Table.from_pandas(frame)))
    both = by_row(X, y) + by_row(*rows.validation)
    assert sorted(both) == by_row(encoded, prices)


def test_sample_and_validation_have_limits(tmp_path, small_pieces, monkeypatch):
    monkeypatch.setattr(stream, "_VALIDATION", 10)
    monkeypatch.setattr(stream, "SAMPLE_ROWS", 50)
    path = saved(towns(), "parquet", tmp_path)
    rows = read(path)
    held = len(rows.validation[1])
    assert len(rows.y) == 50 and 5 < held <= 10 and rows.n == 200 - held
    trained = by_row(*rows_of(rows.blocks))
    assert set(by_row(rows.X, rows.y)) <= set(trained)
    assert not set(by_row(*rows.validation)) & set(trained)
    assert f"{rows.n} to train on, {held} to validate on" in rows.lines[-2]
    many = read(path, "--validation", "0.5")
    assert len(many.validation[1]) == 100 == many.n
    none = read(path, "--validation", "0")
    assert none.validation is None and none.n == 200


def test_the_model_of_several_blocks_predicts(
    tmp_path, small_pieces, capsys, monkeypatch
):
    path = saved(towns(), "csv", tmp_path)
    model = train(path, "price", "--members", 1, "--epochs", 100, "--stream")
    assert rn.Network.load(model).metadata["regnet_c.table"]
    got = [float(row["price"]) for row in predict(model, path)]
    assert np.corrcoef(got, towns()["price"])[0, 1] > 0.97
    monkeypatch.setattr(fit, "default_plan", None)  # recipes race on rows in memory
    train(path, "price", "--epochs", 1, "--stream")
    stopped = ("--stream", "--patience", 1, "--epochs", 500, "--members", 1)
    capsys.readouterr()
    train(path, "price", *stopped)
    epochs = int(capsys.readouterr().out.split(" epochs,")[0].split()[-1])
    assert epochs % 500


def test_rare_classes_are_counted_in_all_rows(tmp_path, small_pieces, monkeypatch):
    monkeypatch.setattr(stream, "SAMPLE_ROWS", 20)
    frame = towns()
    frame["price"] = ["dear" if price > 200 else "cheap" for price in frame["price"]]
    frame.loc[100:101, "price"] = "free"
    frame.loc[5:7, "price"] = None
    path = saved(frame, "csv", tmp_path)
    rows = read(path, "--validation", "0", "--class-weight", "balanced")
    assert rows.form.classes == ["cheap", "dear", "free"] and set(rows.y) == {0, 1}
    counts = frame["price"].value_counts()
    assert f"cheap {counts['cheap']}, dear {counts['dear']}, free 2" in rows.lines[4]
    assert "3 rows without a target are left out" in rows.lines[5] and rows.n == 197
    totals = np.zeros(3)
    for number in range(rows.blocks.count):
        _, y, weight = rows.blocks.read(number)
        totals += np.bincount(y, weight, minlength=3)
    np.testing.assert_allclose(totals, 197 / 3)


def test_decimal_commas_hold_for_every_piece(tmp_path, small_pieces):
    """A piece of `1.234` alone would be read as a number with a point."""
    cells = [f"{i},5" if i < 150 else f"1.{i}" for i in range(300)]
    lines = [f"{cell};{i % 7}" for i, cell in enumerate(cells)]
    path = write(tmp_path / "t.csv", "a;b\n" + "\n".join(lines))
    rows = read(path, "--validation", "0", target="a")
    y = rows_of(rows.blocks)[1] * rows.form.scales[0] + rows.form.centers[0]
    expected = [i + 0.5 if i < 150 else 1000 + i for i in range(300)]
    np.testing.assert_allclose(np.sort(y), expected, rtol=1e-9)


# ---- by itself -----------------------------------------------------------------------


def test_a_file_larger_than_a_quarter_of_the_free_memory(tmp_path, capsys, monkeypatch):
    path = saved(towns(), "csv", tmp_path)
    size = path.stat().st_size
    for free, expected in ((4 * size, False), (4 * size - 1, True), (None, False)):
        monkeypatch.setattr(stream, "free_memory", lambda free=free: free)
        train(path, "price", *ONE)
        out, err = capsys.readouterr()
        assert ("in blocks of 160 rows" in out) is expected
        assert ("more than a quarter of the free memory" in err) is expected
    monkeypatch.setattr(stream, "free_memory", lambda: 1)
    train(path, "price", *ONE, "--no-stream")
    zipped = tmp_path / "t.csv.gz"
    zipped.write_bytes(gzip.compress(path.read_bytes()))
    train(zipped, "price", *ONE)
    assert capsys.readouterr().err == ""
    error = error_of(capsys, "train", "--data", tmp_path / "none.csv", "--target", "y")
    assert "no such file" in error


def test_free_memory_is_that_of_the_container(tmp_path, monkeypatch):
    pytest.importorskip("psutil")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    free = memory.free_memory()
    assert free > 2**20
    (tmp_path / "memory.current").write_text("1000\n")
    for limit, expected in (("max\n", None), ("5000\n", 4000), ("900\n", 0)):
        (tmp_path / "memory.max").write_text(limit)
        found = memory.free_memory()
        assert found > 2**20 if expected is None else found == expected
    monkeypatch.setitem(sys.modules, "psutil", types.ModuleType("psutil"))
    monkeypatch.delitem(sys.modules, "psutil")
    monkeypatch.setitem(sys.modules, "psutil", None)
    assert memory.free_memory() is None


# ---- what is refused -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (None, (), "--stream needs --data FILE"),
        ("t.csv.gz", (), "t.csv.gz cannot be read in blocks, --stream expects CSV"),
        ("t.npz", (), "t.npz cannot be read in blocks"),
        ("t.csv", ("--tune", "24"), "--tune and --stream exclude each other"),
        ("t.csv", ("--keep", "one"), "--keep and --stream exclude each other"),
    ],
)
def test_options_that_do_not_go_together(name, options, message, tmp_path, capsys):
    file = () if name is None else ("--data", tmp_path / name, "--target", "y")
    error = error_of(capsys, "train", *file, "--stream", *options)
    assert message in error


def test_a_wrong_cell_is_named_before_training(tmp_path, small_pieces, capsys):
    lines = [f"{i},{i % 9}" for i in range(400)]
    lines[333] = "much,3"
    path = write(tmp_path / "t.csv", "price,b\n" + "\n".join(lines))
    options = ("--target", "price", "--stream", "--task", "regression")
    error = error_of(capsys, "train", "--data", path, *options)
    assert "line 335 column 'price' has 'much', expected a number" in error
    lines[333] = "1,inf"
    path.write_text("price,b\n" + "\n".join(lines))
    output = tmp_path / "model"
    error = error_of(capsys, "train", "--data", path, *options, "--output", output)
    assert "line 335 column 'b' has inf, expected finite numbers" in error
    assert not output.exists()


def test_a_file_that_changes_is_refused(tmp_path, small_pieces):
    path = saved(towns(), "parquet", tmp_path)
    rows = read(path)
    saved(towns(100), "parquet", tmp_path)
    with pytest.raises(ValueError, match="t.parquet"):
        rows_of(rows.blocks)
