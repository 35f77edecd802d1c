"""The command line on sparse rows: LIBSVM and SciPy's NPZ files."""

import csv

import numpy as np
import pytest
from test_csr import parts_of

import regnet_c as rn
from regnet_c.cli import main
from regnet_c.tables import npz, sparse_files
from regnet_c.tables.encoding import Encoding
from regnet_c.tables.form import KEY, TableForm
from regnet_c.tables.learning import learn_scale

QUICK = "--hidden 8 --epochs 60 --learning-rate 0.03 --dropout 0 --quiet".split()
QUICK += "--batch-size 16 --members 1 --threads 1".split()


def data(n=90, n_in=12):
    """Rows of small counts; the class is whether columns 3 and 5 have any."""
    rng = np.random.default_rng(2)
    x = (rng.integers(1, 4, (n, n_in)) * (rng.random((n, n_in)) < 0.25)).astype(float)
    return x, np.where(x[:, 3] + x[:, 5] > 0, 1, -1)


def save(path, x, **more):
    """As `scipy.sparse.save_npz` does, without SciPy."""
    parts = vars(parts_of(x))
    np.savez(path, format=b"csr", **parts, **more)
    return path


def save_libsvm(path, x, y):
    """Indices from 1, as LIBSVM counts."""
    lines = []
    for row, label in zip(x, y, strict=True):
        pairs = [f"{j + 1}:{row[j]:g}" for j in np.flatnonzero(row)]
        lines.append(" ".join([f"{label}", *pairs]) + "  # a comment")
    path.write_text("\n".join(lines) + "\n")
    return path


def train(path, *options, status=0):
    model = path.with_suffix(".model")
    argv = ["train", "--data", path, "--output", model, *QUICK, *options]
    assert main([str(a) for a in argv]) == status
    return model


def predictions(model, path):
    out = path.with_suffix(".csv")
    assert main(["predict", str(model), str(path), "--output", str(out)]) == 0
    with open(out, encoding="utf-8", newline="") as file:
        return [row["y"] for row in csv.DictReader(file)]


def test_npz_files_of_all_forms_train_the_network_of_scipys_rows(tmp_path, capsys):
    x, y = data()
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(map(str, y)) + "\n")
    np.save(tmp_path / "labels.npy", y)
    plain, inside = save(tmp_path / "x.npz", x), save(tmp_path / "xy.npz", x, y=y)
    models = [train(inside), train(plain, "--target", labels)]
    models.append(train(plain, "--target", tmp_path / "labels.npy"))
    assert "validation accuracy" in capsys.readouterr().out
    weights = [[w.tobytes() for w in rn.Network.load(m).get_weights()] for m in models]
    assert weights[0] == weights[1] == weights[2]
    guess = predictions(models[0], plain)
    assert np.mean(np.array(guess, int) == y) > 0.95
    for path, more in ((inside, []), (plain, ["--target", str(labels)])):
        capsys.readouterr()
        assert main(["evaluate", str(models[0]), str(path), *more]) == 0
        assert "accuracy" in capsys.readouterr().out
    exported = str(tmp_path / "net.c")
    argv = ["export", str(models[0]), exported, "--compact", "--calibration"]
    assert main([*argv, str(inside)]) == 0
    assert main(["info", str(models[0])]) == 0


def test_a_model_of_sparse_rows_reads_dense_ones(tmp_path):
    x, y = data()
    sparse = save(tmp_path / "s.npz", x, y=y)
    np.savez(tmp_path / "d.npz", X=x, y=y)
    model = train(sparse)
    assert predictions(model, sparse) == predictions(model, tmp_path / "d.npz")


def test_a_libsvm_file(tmp_path, capsys):
    pytest.importorskip("sklearn")
    x, y = data()
    path = save_libsvm(tmp_path / "r.svm", x, y)
    model = train(path)
    network = rn.Network.load(model)
    assert network.n_inputs == 13  # index 0 is there, and never used
    got = np.array(predictions(model, path), int)
    assert np.mean(got == y) > 0.95
    # later columns than those of training are left out, fewer are zero
    wide = save_libsvm(tmp_path / "w.svm", np.hstack([x, x]), y)
    assert (np.array(predictions(model, wide), int) == got).all()
    narrow = save_libsvm(tmp_path / "n.svm", x[:, :7], y)
    x[:, 7:] = 0
    want = predictions(model, save_libsvm(tmp_path / "z.svm", x, y))
    assert predictions(model, narrow) == want
    assert main(["evaluate", str(model), str(path)]) == 0


def test_a_libsvm_file_without_scikit_learn(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "sklearn.datasets", None)
    train(save_libsvm(tmp_path / "r.svm", *data()), status=2)
    assert (
        "needs scikit-learn: pip install regnet-c[sklearn]" in capsys.readouterr().err
    )


@pytest.mark.parametrize("kind", ["csr", "csc", "coo"])
@pytest.mark.parametrize("compressed", [False, True])
def test_files_that_scipy_writes(tmp_path, kind, compressed):
    sparse = pytest.importorskip("scipy.sparse")
    x, _ = data()
    matrix = getattr(sparse, f"{kind}_array")(x.astype(np.float32))
    sparse.save_npz(tmp_path / "m.npz", matrix, compressed)
    rows, y = npz.read_npz(tmp_path / "m.npz")
    np.testing.assert_array_equal(rows[:], x)
    assert y is None and rows.dtype == np.float32


def csc_parts(x):
    parts = parts_of(np.ascontiguousarray(x.T))
    return {"data": parts.data, "indices": parts.indices, "indptr": parts.indptr}


def test_columns_and_coordinates_become_rows_without_scipy():
    x, _ = data(n=7)
    shape = np.array(x.shape)
    parts = csc_parts(x) | {"format": np.array(b"csc"), "shape": shape}
    np.testing.assert_array_equal(sparse_files.rows_of_parts(parts)[:], x)
    row, col = np.nonzero(x)
    order = np.random.default_rng(0).permutation(len(row))
    parts = {"data": np.append(x[row, col][order], 5), "format": np.array("coo")}
    parts |= {"row": np.append(row[order], 6), "col": np.append(col[order], 0)}
    x[6, 0] += 5  # what is there twice is added
    got = sparse_files.rows_of_parts(parts | {"shape": shape})
    np.testing.assert_array_equal(got[:], x)


BAD = {
    "format": ({"format": b"bsr"}, "format 'bsr', expected csr, csc or coo"),
    "no array": ({"indptr": None}, "format 'csr' but no array 'indptr'"),
    "shape": ({"shape": [90]}, "no readable sparse matrix"),
    "column": ({"shape": [90, 4]}, "outside columns 0 to 3"),
    "y": ({"y": np.ones(3)}, "y has shape (3,), X has 90 rows"),
    "csc": ({"format": b"csc"}, "indptr does not fit"),
    "text": ({"data": "a"}, "no readable sparse matrix"),
    "NaN": ({"data": "nan"}, "column 'x0' has nan, expected finite numbers"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_sparse_matrix_is_refused(tmp_path, capsys, case):
    change, message = BAD[case]
    x, y = data()
    x[:, 0] = 1
    parts = {"format": b"csr", "y": y, **vars(parts_of(x)), **change}
    if case in ("text", "NaN"):
        data_ = parts_of(x).data
        parts["data"] = data_.astype(str) if case == "text" else data_ * np.nan
    parts = {name: value for name, value in parts.items() if value is not None}
    np.savez(tmp_path / "b.npz", **parts)
    train(tmp_path / "b.npz", status=2)
    assert message in capsys.readouterr().err


def test_what_does_not_fit_sparse_rows_is_refused(tmp_path, capsys):
    x, y = data()
    plain, inside = save(tmp_path / "x.npz", x), save(tmp_path / "xy.npz", x, y=y)
    np.save(tmp_path / "y.npy", y[:5])
    (tmp_path / "r.svm").write_text("1 3:x\n")
    np.savez(tmp_path / "d.npz", X=x, y=y)
    for path, options, message in (
        (plain, [], "x.npz has no y, expected --target FILE"),
        (inside, ["--target", "y.npy"], "has a target, expected no --target"),
        (plain, ["--target", tmp_path / "y.npy"], "has shape (5,)"),
        (inside, ["--drop", "x1"], "--drop is for tables, sparse rows"),
        (tmp_path / "r.svm", [], "is not a readable LIBSVM file"),
    ):
        train(path, *options, status=2)
        assert message in capsys.readouterr().err
    dense = train(tmp_path / "d.npz")
    assert main(["predict", str(dense), str(plain)]) == 2
    assert "X is sparse, the encoder was learned from rows" in capsys.readouterr().err


def test_many_columns_are_one_entry_of_a_file():
    names = [f"x{i}" for i in range(5000)]
    encoding, _ = learn_scale(names, 2.0, "", 1)
    config = encoding.to_config()
    assert len(config["columns"]) == 1
    assert Encoding.from_config(config).columns == encoding.columns
    few, _ = learn_scale(names[:4096], 2.0, "", 1)
    assert len(few.to_config()["columns"]) == 4096
    odd = Encoding([*encoding.columns[:4500], *encoding.columns[4600:]])
    assert len(odd.to_config()["columns"]) == 1 + 400
    assert Encoding.from_config(odd.to_config()).names == odd.names


@pytest.mark.parametrize(
    "change",
    [
        {"repeat": 1 << 40},
        {"repeat": 7},
        {"repeat": True},
        {"name": "age"},
        {"name": "x07"},
    ],
)
def test_columns_that_cannot_be_repeated(change):
    encoding, _ = learn_scale([f"x{i}" for i in range(5000)], 1.0, "", 1)
    config = encoding.to_config()
    config["columns"][0] |= change
    with pytest.raises(ValueError, match="of its encoder cannot be repeated"):
        Encoding.from_config(config)


def test_info_shows_the_columns_that_are_read(tmp_path, capsys):
    n_in = 5000
    net = rn.Network([rn.Dense(n_in, 1)])
    w = np.zeros((n_in, 1))
    w[[7, 4321]] = 1
    net.set_weights([w, np.zeros(1)])
    encoding, _ = learn_scale([f"x{i}" for i in range(n_in)], 1.0, "", 1)
    net.metadata = {KEY: TableForm(encoding, "y").to_config()}
    net.compact().save(tmp_path / "m.st")
    net.save(tmp_path / "n.st")
    assert main(["info", str(tmp_path / "m.st")]) == 0
    lines = [s for s in capsys.readouterr().out.split("\n") if s.startswith("column")]
    assert [line.split("'")[1] for line in lines] == ["x7", "x4321"]
    assert main(["info", str(tmp_path / "n.st")]) == 0
    assert "and 4000 more columns that are read" in capsys.readouterr().out
