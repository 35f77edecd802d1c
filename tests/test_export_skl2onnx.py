"""skl2onnx converts the estimators: its files predict what they predict."""

import sys

import numpy as np
import pytest
from test_export_tables import fitted, frame

import regnet_c as rn

pytest.importorskip("sklearn")
pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
skl2onnx = pytest.importorskip("skl2onnx")
pd = pytest.importorskip("pandas")
from skl2onnx.common import data_types  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
TYPES = {
    np.float32: data_types.FloatTensorType,
    np.float64: data_types.DoubleTensorType,
    np.int64: data_types.Int64TensorType,
    np.bool_: data_types.BooleanTensorType,
    np.str_: data_types.StringTensorType,
}


@pytest.fixture(autouse=True)
def registered():
    rn.estimators.register_skl2onnx()


def converted(model, columns, **options):
    """Outputs of the converted model for {name: array (rows, columns)}."""
    types = [(k, TYPES[v.dtype.type]([None, v.shape[1]])) for k, v in columns.items()]
    options.setdefault(
        "options", {"zipmap": False} if hasattr(model, "classes_") else {}
    )
    file = skl2onnx.convert_sklearn(model, initial_types=types, **options)
    session = runtime.InferenceSession(file.SerializeToString())
    feed = {  # skl2onnx writes the names of inputs in ASCII
        entry.name: cells.astype(object) if cells.dtype.kind == "U" else cells
        for entry, cells in zip(session.get_inputs(), columns.values(), strict=True)
    }
    return session.run(None, feed)


def check_classifier(model, X, columns):
    label, probabilities = converted(model, columns)
    want = model.predict_proba(X)
    assert probabilities.shape == want.shape
    np.testing.assert_allclose(probabilities, want, rtol=1e-4, atol=2e-6)
    top = np.sort(want)
    clear = top[:, -1] - top[:, -2] > 1e-4
    assert clear.mean() > 0.95
    assert label[clear].tolist() == model.predict(X)[clear].tolist()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("encoder", [None, "auto"])
@pytest.mark.parametrize("names", [("no", "yes"), (7, 1, 4), ("a", "b", "c")])
def test_a_pipeline_of_arrays_predicts_the_same(names, encoder, dtype, rng):
    X = rng.normal(3, 2, size=(150, 4)).astype(dtype)
    y = np.array(names)[np.digitize(X[:, 0], [2.5, 4])[:] % len(names)]
    model = rn.RegNetClassifier((8,), max_iter=5, random_state=0, encoder=encoder)
    pipeline = make_pipeline(StandardScaler(), model).fit(X, y)
    check_classifier(pipeline, X, {"X": X})
    check_classifier(pipeline[-1], X, {"X": X})


@pytest.mark.parametrize("encoder", [None, "auto"])
@pytest.mark.parametrize("n_outputs", [1, 2])
def test_regressions_predict_the_same(n_outputs, encoder, rng):
    X = rng.normal(size=(150, 4))
    y = 5000 + 100 * X[:, :n_outputs] ** 2
    model = rn.RegNetRegressor((8,), max_iter=5, random_state=0, encoder=encoder)
    model.fit(X, y if n_outputs == 2 else y[:, 0])
    (got,) = converted(model, {"X": X})
    want = model.predict(X).reshape(len(X), -1)
    np.testing.assert_allclose(got, want, rtol=1e-6)


def table_inputs(table):
    """Text for levels, double for numbers and for seconds since 1970."""
    columns = {}
    for name in table:
        values = table[name]
        if values.dtype.kind == "M":
            micros = values.to_numpy().astype("M8[us]").astype(np.int64)
            cells = np.where(values.isna(), np.nan, micros / 1e6)
        elif values.dtype.kind == "f":
            cells = values.to_numpy(np.float64)
        else:
            cells = np.array(["" if pd.isna(v) else str(v) for v in values])
        columns[name] = cells[:, None]
    return columns


@pytest.mark.parametrize("numeric", ["auto", "quantile"])
@pytest.mark.parametrize("kind", ["two", "three", "regression"])
def test_a_table_with_named_inputs_predicts_the_same(kind, numeric, rng):
    table = frame(rng)
    encoder = rn.tables.TableEncoder(numeric=numeric)
    model, _ = fitted(kind, table, rng, encoder=encoder)
    new = frame(np.random.default_rng(5))
    new.loc[3, "int"] = "never seen"
    columns = table_inputs(new[new.columns[::-1]])  # the order does not matter
    if kind == "regression":
        (got,) = converted(model, columns)
        np.testing.assert_allclose(got[:, 0], model.predict(new), rtol=1e-5)
    else:
        check_classifier(make_pipeline(model), new, columns)


def test_levels_may_come_as_numbers_and_booleans(rng):
    """In one array, by position, with missing and unknown ones; and by name."""
    X = np.column_stack([rng.integers(0, 4, 300), rng.integers(0, 2, 300)]).astype(
        float
    )
    X = np.column_stack([X, rng.normal(size=300)])
    X[::7, 0] = X[::11, 2] = np.nan
    y = (np.nan_to_num(X[:, 0]) > 1).astype(int)
    encoder = rn.tables.TableEncoder(categorical=[0, 1])
    model = rn.RegNetClassifier((8,), max_iter=5, random_state=0, encoder=encoder)
    model.fit(X, y)
    X[1, 0] = 9.0
    check_classifier(model, X, {"X": X})
    check_classifier(model, X, {"a": X[:, :2].copy(), "b": X[:, 2:].copy()})
    table = pd.DataFrame({"member": X[:, 1] > 0, "year": X[:, 1].astype(int) + 1999})
    table["town"] = np.where(X[:, 0] > 1, "Oslo", "Bern")
    encoder = rn.tables.TableEncoder(categorical=["year"])
    model = rn.RegNetClassifier((8,), max_iter=5, random_state=0, encoder=encoder)
    model.fit(table, y)
    columns = {name: table[[name]].to_numpy() for name in ("member", "year")}
    columns["town"] = table[["town"]].to_numpy(str)
    check_classifier(model, table, columns)


def test_labels_and_a_dictionary_for_each_row(rng):
    X = rng.normal(size=(80, 3)).astype(np.float32)
    y = (X[:, :2] > 0).astype(int)
    model = rn.RegNetClassifier((8,), max_iter=5, random_state=0).fit(X, y)
    label, probabilities = converted(model, {"X": X})
    np.testing.assert_allclose(probabilities, model.predict_proba(X), atol=2e-6)
    np.testing.assert_array_equal(label, model.predict(X))
    model.fit(X, np.where(y[:, 0], "yes", "no"))
    label, rows = converted(model, {"X": X}, options={})  # skl2onnx's default
    assert label.tolist() == model.predict(X).tolist()
    assert rows[3]["yes"] == pytest.approx(model.predict_proba(X)[3, 1], abs=2e-6)


def test_numbers_far_from_zero_keep_their_digits(rng):
    """Networks that are float64 because of their data are converted in float64."""
    X = rng.normal(size=(100, 2))
    y = 2e9 + X[:, 0]
    model = rn.RegNetRegressor((8,), max_iter=5, random_state=0).fit(X, y)
    assert model.network_.dtype == np.float64
    (got,) = converted(model, {"X": X})
    assert np.abs(got[:, 0] - model.predict(X)).max() < 1e-4


def test_what_cannot_be_converted_is_said(rng, monkeypatch):
    table = frame(rng)
    model, _ = fitted("two", table, rng)
    columns = table_inputs(table)
    wrong = columns | {"age": np.full((2, 1), "old")}
    with pytest.raises(ValueError, match="'age' is text, .* expects numbers"):
        converted(model, wrong)
    del columns["age"]
    with pytest.raises(ValueError, match="no column 'age'"):
        converted(model, columns)
    with pytest.raises(ValueError, match="target_opset is 12, expected 17"):
        converted(model, table_inputs(table), target_opset=12)
    numbers = rn.RegNetRegressor((4,), max_iter=2, encoder=None).fit(
        np.eye(9), range(9)
    )
    with pytest.raises(
        ValueError, match="'X' is text, .* encoder=None expects numbers"
    ):
        converted(numbers, {"X": np.full((2, 9), "1")})
    halves = rn.RegNetClassifier((4,), max_iter=2).fit(
        np.eye(8), np.array([0.5, 1.5] * 4, object).astype(str)
    )
    halves._labels.classes = halves.classes_ = np.array([0.5, 1.5])
    with pytest.raises(ValueError, match="text or whole numbers"):
        converted(halves, {"X": np.eye(8)})
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(ImportError, match="pip install skl2onnx"):
        rn.estimators.register_skl2onnx()
