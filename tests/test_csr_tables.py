"""Tables whose one-hot columns are mostly zero become sparse rows, with the same bits."""

import numpy as np
import pytest
from running import bits

import regnet_c as rn
from regnet_c._core.csr import CSR
from regnet_c.cli import main
from regnet_c.tables import Encoding
from regnet_c.tables.columns import columns_of

pd = pytest.importorskip("pandas")
pytest.importorskip("pyarrow")
pytest.importorskip("narwhals")
tables = pytest.importorskip("regnet_c.tables")


def frame(n=240, seed=0):
    """Five categories of 40 levels, one of two, numbers and holes."""
    rng = np.random.default_rng(seed)
    columns = {
        f"c{i}": [f"level {k}" for k in rng.integers(0, 40, n)] for i in range(5)
    }
    found = pd.DataFrame(columns)
    found["pair"] = rng.choice(["a", "b"], n)
    found["age"] = rng.normal(size=n).round(2)
    found.loc[::7, "age"] = np.nan
    found.loc[::9, "c1"] = None
    found["since"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(
        rng.integers(0, 900, n), unit="D"
    )
    return found


def target(table):
    return np.where(table["c0"] < "level 25", "low", "high")


@pytest.fixture
def dense(monkeypatch):
    """A function that turns sparse rows off."""
    return lambda: monkeypatch.setattr(Encoding, "mostly_zero", False)


@pytest.fixture
def fitted_on(monkeypatch):
    """The types of X that `Network.fit` gets."""
    types, fit = [], rn.Network.fit

    def noted(self, X, *args, **options):
        types.append(type(X))
        return fit(self, X, *args, **options)

    monkeypatch.setattr(rn.Network, "fit", noted)
    return types


def test_sparse_rows_are_the_encoded_ones():
    table, new = frame(), frame(seed=1)
    new["c2"] = "unknown"
    encoder = tables.TableEncoder(min_frequency=1, numeric="standard").fit(table)
    encoding = encoder.encoding_
    assert encoding.mostly_zero
    for rows in (table, new):
        got = encoder.network_rows(rows)
        np.testing.assert_array_equal(got[:], encoder.transform(rows))
        assert got.indptr[1] == len(got.data) / len(rows) < 0.15 * got.shape[1]
    needed = ["c3", "age"]
    got = encoding.network_rows(columns_of(table), needed)
    np.testing.assert_array_equal(got[:], encoding.encode(columns_of(table), needed))


@pytest.mark.parametrize(
    ("levels", "numeric", "sparse"),
    [(40, "standard", True), (40, "ple", False), (20, "standard", False)],
)
def test_the_rule(levels, numeric, sparse):
    """At most 15 % of at least 128 outputs."""
    table = frame()
    for i in range(5):
        table[f"c{i}"] = [
            int(s.split()[1]) % levels for s in table[f"c{i}"].fillna("x 0")
        ]
    options = {"categorical": [f"c{i}" for i in range(5)], "min_frequency": 1}
    encoder = tables.TableEncoder(numeric=numeric, n_bins=30, **options).fit(table)
    assert encoder.encoding_.mostly_zero == sparse
    assert (type(encoder.network_rows(table)) is CSR) == sparse


@pytest.mark.parametrize("task", ["classes", "numbers"])
def test_estimators_have_the_bits_of_dense_rows(task, dense, fitted_on):
    pytest.importorskip("sklearn")
    table = frame()
    classes = task == "classes"
    y = target(table) if classes else (target(table) == "low") + table["age"].fillna(0)
    kind = rn.RegNetClassifier if classes else rn.RegNetRegressor
    encoder = tables.TableEncoder(min_frequency=1, numeric="standard")
    found = []
    for turn in range(2):
        if turn:
            dense()
        model = kind((8,), max_iter=3, encoder=encoder, random_state=0, n_members=2)
        model.set_params(early_stopping=True, l1=1e-4)
        model.fit(table, y)
        answer = model.predict_proba(table) if classes else model.predict(table)
        found.append((bits(model.network_), answer.tobytes()))
    assert found[0] == found[1]
    assert fitted_on[0] is CSR and fitted_on[-1] is np.ndarray


def test_a_path_has_the_bits_of_dense_rows(dense):
    table = frame()
    encoder = tables.TableEncoder(min_frequency=1, numeric="standard")
    options = {"hidden": (3,), "n_lambdas": 3, "epochs": (3, 2), "encoder": encoder}
    found = []
    for turn in range(2):
        if turn:
            dense()
        path = rn.regularization_path(table, target(table), **options)
        found.append([w.tobytes() for step in path.weights for w in step])
    assert found[0] == found[1]


def test_the_command_line_has_the_bits_of_dense_rows(tmp_path, dense, fitted_on):
    table = frame()
    table["y"] = target(table)
    table.to_csv(tmp_path / "t.csv", index=False)
    options = "--hidden 4 --epochs 2 --quiet --members 1 --min-frequency 1".split()
    options += ["--encoding", "standard"]
    for turn in range(2):
        if turn:
            dense()
        model, out = (str(tmp_path / f"{name}{turn}") for name in ("model", "out"))
        data = ["--data", str(tmp_path / "t.csv"), "--target", "y"]
        assert main(["train", *data, *options, "--output", model]) == 0
        assert main(["predict", model, str(tmp_path / "t.csv"), "--output", out]) == 0
    for name in ("model", "out"):
        first, second = ((tmp_path / f"{name}{i}").read_bytes() for i in range(2))
        assert first == second
    assert fitted_on == [CSR, np.ndarray]
