"""Tables: what columns are taken for, how they are encoded, and that the form is kept."""

import datetime
import json
import tracemalloc

import numpy as np
import pytest

pytest.importorskip("sklearn")
pd = pytest.importorskip("pandas")
pa = pytest.importorskip("pyarrow")
pytest.importorskip("narwhals")

from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

from regnet_c.tables import Encoding, TableEncoder  # noqa: E402
from regnet_c.tables.columns import columns_of, parse_number  # noqa: E402


@parametrize_with_checks(
    [
        TableEncoder(),
        TableEncoder("ple"),
        TableEncoder("robust+ple", n_bins=3),
        TableEncoder("quantile"),
    ]
)
def test_encoder_passes_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


def mixed_frame(n=60):
    """A pandas frame with a column of every kind."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "whole": rng.integers(0, 100, n),
            "real": rng.normal(size=n),
            "nullable": pd.array(
                [None if i % 7 == 0 else i // 2 for i in range(n)], dtype="Int64"
            ),
            "flag": rng.random(n) > 0.5,
            "maybe": pd.array(
                [None if i % 9 == 0 else bool(i % 2) for i in range(n)], "boolean"
            ),
            "text": rng.choice(["u", "v", "w"], n),
            "categorical": pd.Categorical(rng.choice(["p", "q"], n), ["q", "p", "z"]),
            "day": pd.date_range("2024-01-30", periods=n, freq="7h"),
            "holes": [None if i % 5 == 0 else "xyz"[i % 3] for i in range(n)],
            "constant": 1.0,
            "id": range(n),
            "comment": [f"number {i}" for i in range(n)],
        }
    )
    frame.loc[3, "real"] = np.nan
    return frame


def test_kinds_are_inferred_and_shown():
    encoder = TableEncoder("robust").fit(mixed_frame())
    kinds = {column.name: column.kind for column in encoder.schema_}
    assert kinds == {
        "whole": "number",
        "real": "number",
        "nullable": "number",
        "flag": "boolean",
        "maybe": "boolean",
        "text": "category",
        "categorical": "category",
        "day": "date",
        "holes": "category",
        "constant": "dropped",
        "id": "dropped",
        "comment": "dropped",
    }
    lines = str(encoder.schema_).splitlines()
    assert len(lines) == 13 and lines[0].split()[:3] == ["column", "kind", "missing"]
    summary = encoder.schema_.summary()
    assert summary[0] == "9 of 12 columns: 3 numeric, 5 categorical, 1 dates, 3 dropped"
    assert "dropped 'id': row numbers, each occurs once" in summary


@pytest.mark.parametrize("numeric", ["robust", "standard", "quantile", "ple"])
def test_frames_of_all_libraries_give_the_same_bits(numeric):
    pl = pytest.importorskip("polars")
    frame = mixed_frame()
    expected = TableEncoder(numeric).fit_transform(frame)
    assert np.isfinite(expected).all() and expected.dtype == np.float32
    others = [
        pl.from_pandas(frame),
        pa.Table.from_pandas(frame, preserve_index=False),
        frame.convert_dtypes(dtype_backend="pyarrow"),
        frame.convert_dtypes(),
        frame.astype(object),
    ]
    for other in others:
        encoder = TableEncoder(numeric).fit(other)
        np.testing.assert_array_equal(encoder.transform(other), expected)


def test_the_json_form_gives_the_same_bits():
    frame = mixed_frame()
    encoder = TableEncoder({"*": "standard+ple", "real": "quantile"}).fit(frame)
    text = json.dumps(encoder.encoding_.to_config(), allow_nan=False)
    encoding = Encoding.from_config(json.loads(text))
    assert encoding.feature_names == encoder.get_feature_names_out().tolist()
    assert json.dumps(encoding.to_config(), allow_nan=False) == text
    np.testing.assert_array_equal(
        encoding.encode(columns_of(frame)), encoder.transform(frame)
    )


def test_groups_are_the_outputs_of_each_column():
    frame = mixed_frame()
    encoder = TableEncoder("ple", n_bins=4).fit(frame)
    names = encoder.feature_names
    assert len(encoder.groups_) == frame.shape[1]
    assert np.concatenate(encoder.groups_).tolist() == list(range(len(names)))
    for column, group in zip(frame.columns, encoder.groups_, strict=True):
        assert all(name.startswith(column) for name in names[group])


def array(*columns):
    return np.array(list(zip(*columns, strict=True)), dtype=object)


def test_standard_is_mean_and_deviation():
    X = np.array([[1.0], [2.0], [3.0], [6.0]])
    Z = TableEncoder("standard").fit_transform(X)
    np.testing.assert_array_equal(Z, ((X - 3) / np.sqrt(3.5)).astype(np.float32))


def test_robust_is_median_and_quartiles_and_bounded():
    X = np.array([[0.0], [1.0], [2.0], [3.0], [4.0]])
    encoder = TableEncoder("robust").fit(X)
    z = (np.array([[2.0], [4.0], [1e300], [-1e300]]) - 2) / 2
    z = np.clip(z, -1e6, 1e6)
    expected = (z / np.sqrt(1 + (z / 3) ** 2)).astype(np.float32)
    np.testing.assert_array_equal(
        encoder.transform(np.array([[2.0], [4.0], [1e300], [-1e300]])), expected
    )
    assert np.abs(expected).max() <= 3


def test_ple_fills_one_bin_after_the_other():
    X = np.array([[0.0], [1.0], [3.0], [7.0]])
    encoder = TableEncoder("ple").fit(X)
    Z = encoder.transform(np.array([[-5.0], [0.0], [0.5], [1.0], [5.0], [7.0], [9.0]]))
    expected = [[0, 0, 0], [0, 0, 0], [0.5, 0, 0], [1, 0, 0], [1, 1, 0.5]]
    assert Z.tolist() == [*expected, [1, 1, 1], [1, 1, 1]]
    assert encoder.feature_names.tolist() == ["x0>0.0", "x0>1.0", "x0>3.0"]


def test_ple_bins_hold_equal_shares_of_the_rows():
    X = np.random.default_rng(0).exponential(size=(1000, 1))
    knots = np.array(
        TableEncoder("ple", n_bins=8).fit(X).encoding_.columns[0].codes[0].knots
    )
    counts = np.histogram(X[:, 0], knots)[0]
    assert len(knots) == 9 and counts.min() >= 124 and counts.max() <= 126


def test_ple_sees_the_values_beside_a_flood_of_zeros():
    x = np.concatenate([np.zeros(950), np.arange(1, 51)])[:, None]
    knots = TableEncoder("ple", n_bins=10).fit(x).encoding_.columns[0].codes[0].knots
    assert knots == (0, 1, 6, 12, 17, 23, 28, 34, 39, 45, 50)


def test_few_values_have_a_bin_between_each_two_of_them():
    hours = np.arange(500) % 24
    X = np.column_stack([hours, np.arange(500) % 26]).astype(float)
    codes = [c.codes[0].knots for c in TableEncoder("ple").fit(X).encoding_.columns]
    assert codes[0] == tuple(range(24)) and len(codes[1]) == 17
    codes = TableEncoder("ple", n_bins=16).fit(X).encoding_.columns[0].codes
    assert len(codes[0].knots) == 17  # as the user said


def test_quantile_is_nearly_normal():
    X = np.random.default_rng(0).exponential(size=(2000, 1))
    Z = TableEncoder("quantile").fit_transform(X)
    assert abs(Z.mean()) < 0.01 and abs(Z.std() - 1) < 0.02
    assert (np.argsort(Z[:, 0], kind="stable") == np.argsort(X[:, 0])).all()


@pytest.mark.parametrize("numeric", ["robust", "standard", "quantile", "ple"])
def test_missing_numbers_are_the_centre_with_an_indicator(numeric):
    X = np.array([[1.0], [2.0], [np.nan], [2.0], [3.0]])
    encoder = TableEncoder(numeric).fit(X)
    Z = encoder.transform(X)
    assert Z[:, -1].tolist() == [0, 0, 1, 0, 0]
    assert Z[2, :-1].tolist() == Z[1, :-1].tolist()
    whole = TableEncoder(numeric).fit(X[[0, 1, 3, 4]])  # no indicator without any
    assert whole.transform(X)[2].tolist() == whole.transform(X)[1].tolist()


def test_many_columns_of_numbers_get_one_output_each():
    X = np.random.default_rng(0).normal(size=(50, 101))
    assert TableEncoder().fit(X).encoding_.n_outputs == 101
    few = TableEncoder().fit(X[:, :100]).encoding_
    assert few.n_outputs == 100 * 9  # 8 bins: as many columns over-fit with 16
    assert TableEncoder().fit(X[:, :24]).encoding_.n_outputs == 24 * 17
    assert [code.method for code in few.columns[0].codes] == ["standard", "ple"]


def test_many_rows_bear_more_bins():
    x = np.arange(10_000.0)[:, None]
    assert TableEncoder("ple").fit(x).encoding_.n_outputs == 48
    assert TableEncoder("ple").fit(x[1:]).encoding_.n_outputs == 16
    assert TableEncoder("ple").fit(np.tile(x, (20, 1))).encoding_.n_outputs == 16


def test_levels_unknown_rare_and_missing():
    towns = ["Bern"] * 5 + ["Rome"] * 4 + ["Oslo", "Pisa", None]
    encoder = TableEncoder(min_frequency=2).fit(array(towns))
    names = ["x0=Bern", "x0=Rome", "x0 is another", "x0 is missing"]
    assert encoder.feature_names.tolist() == names
    Z = encoder.transform(array(["Rome", "Oslo", "Atlantis", None]))
    assert Z.tolist() == [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    limited = TableEncoder(min_frequency=1, max_levels=1).fit(array(towns))
    assert limited.feature_names[:2].tolist() == ["x0=Bern", "x0 is another"]
    plain = TableEncoder(min_frequency=1).fit(array(["a", "b", "c"] * 2))
    assert plain.transform(array(["z", None])).tolist() == [[0, 0, 0], [0, 0, 0]]


def test_booleans_and_pairs_are_minus_one_and_one():
    X = array([True, False, None, True], ["m", "f", "f", "m"])
    encoder = TableEncoder().fit(X)
    assert encoder.feature_names.tolist() == ["x0=True", "x0 is missing", "x1=m"]
    assert encoder.transform(X).tolist() == [
        [1, 0, 1],
        [-1, 0, -1],
        [0, 1, -1],
        [1, 0, 1],
    ]
    assert encoder.transform(array([None], ["x"])).tolist() == [[0, 1, 0]]


def test_dates_become_their_parts():
    days = ["2023-12-31", "2024-02-29", "1969-07-20", "2024-06-15"]
    X = array([datetime.date.fromisoformat(day) for day in days])
    encoding = TableEncoder("standard").fit(X).encoding_
    parts = dict(encoding.columns[0].codes)
    assert list(parts) == ["days", "month", "day", "weekday"]  # the hour is constant
    Z = encoding.encode(columns_of(X))
    for j, value in enumerate(
        ([19722, 19782, -165, 19889], [12, 2, 7, 6], [31, 29, 20, 15], [6, 3, 6, 5])
    ):
        code = list(parts.values())[j]
        expected = (np.array(value) - code.center) / code.scale
        np.testing.assert_array_equal(Z[:, j], expected.astype(np.float32))


@pytest.mark.parametrize(
    ("texts", "order"),
    [
        (["2024-01-31", "2024-02-01 13:45"], "YMD"),
        (["31.1.2024", "01.02.2024"], "DMY"),
        (["01/31/2024", "02/01/2024"], "MDY"),
        (["31/01/2024", "01/02/2024"], "DMY"),
    ],
)
def test_dates_as_text_are_read(texts, order):
    texts = [*texts, texts[0]]
    encoder = TableEncoder().fit(array(texts))
    column = encoder.encoding_.columns[0]
    assert (column.kind, column.order) == ("date", order)
    values = column.prepare(columns_of(array(texts))[0])
    day = 86_400_000_000
    assert values[0] == values[2] == 19753 * day and values[1] // day == 19754


@pytest.mark.parametrize(("mark", "order"), [(".", "DMY"), ("-", "DMY"), ("/", "MDY")])
def test_ambiguous_dates_say_how_they_were_read(mark, order):
    texts = [text.replace(".", mark) for text in ("01.02.2024", "03.04.2024")]
    encoder = TableEncoder().fit(array(texts * 2))
    assert encoder.encoding_.columns[0].order == order
    assert encoder.schema_[0].note == "text read as " + "/".join(order)


def test_whole_levels_survive_a_hole():
    codes = [8000, 9000, 8000, 9000]
    encoder = TableEncoder(categorical=["zip"]).fit(pd.DataFrame({"zip": codes}))
    holes = pd.DataFrame({"zip": [9000.0, np.nan, 8000.0]})
    assert encoder.transform(holes)[:, 0].tolist() == [1, 0, -1]


def test_text_that_is_no_date_stays_text():
    for texts in (["31.02.2024", "a"], ["2024-13-45"] * 2, ["1-2-3", "now"], ["NaT"]):
        schema = TableEncoder().fit(array([*texts, "x"] * 2)).schema_
        assert schema[0].kind == "category"


def test_kinds_are_overruled_by_name_and_position():
    frame = pd.DataFrame(
        {"zip": [10, 20, 10], "age": ["3", "?", "5"], "x": [1.0, 2.0, 3.0]}
    )
    encoder = TableEncoder(["age"], categorical=["zip"], drop=[-1]).fit(frame)
    assert [c.kind for c in encoder.schema_] == ["category", "number", "dropped"]
    assert encoder.encoding_.columns[0].levels == ("10", "20")
    assert encoder.schema_[1].missing == 1
    with pytest.raises(ValueError, match="column 'age' has 'five', expected a number"):
        TableEncoder(["age"]).fit(frame.replace("?", "five"))
    with pytest.raises(ValueError, match="no column 'agge', did you mean 'age'"):
        TableEncoder(drop=["agge"]).fit(frame)
    with pytest.raises(ValueError, match="'age' cannot be both"):
        TableEncoder(["age"], categorical=["age"]).fit(frame)


@pytest.mark.parametrize("text", ["1_1", "0x10", "one", "", "nan", "inf", "1e999", "١"])
def test_only_plain_decimals_are_numbers(text):
    assert parse_number(text) is None


def test_large_ids_stay_apart():
    ids = [2**53, 2**53 + 1, 2**53 + 2] * 2
    for X in (
        pd.DataFrame({"id": ids, "x": range(6)}),
        pd.DataFrame({"id": pd.array(ids, "Int64"), "x": range(6)}),
        pd.DataFrame({"id": pd.Series(ids, dtype=object), "x": range(6)}),
    ):
        encoder = TableEncoder(categorical=["id"], drop=["x"]).fit(X)
        assert encoder.transform(X).tolist() == np.tile(np.eye(3), (2, 1)).tolist()


def test_text_columns_that_nearly_never_repeat_are_named():
    names = [f"n{i}" for i in range(8)] + ["n0", "n1"]
    X = array(names, range(10, 20))
    with pytest.warns(UserWarning, match=r"'x0' is text with more levels \(8\) than"):
        TableEncoder().fit(X)
    with pytest.raises(ValueError, match="none of the 1 columns is informative over"):
        TableEncoder().fit(array([f"n{i}" for i in range(10)]))


def test_infinite_numbers_are_refused_with_their_place():
    X = np.array([[1.0, 1.0], [2.0, np.inf]])
    with pytest.raises(ValueError, match="column 'x1' has inf, .* in row 1"):
        TableEncoder().fit(X)
    with pytest.raises(ValueError, match="column 'x1' has inf, .* in row 1"):
        TableEncoder().fit(np.eye(2)).transform(X)


def test_frames_of_odd_types_are_told_by_their_type():
    pl = pytest.importorskip("polars")
    frame = pd.DataFrame({"x": [1, 2, 3] * 2, "list": [[1]] * 6})
    encoder = TableEncoder().fit(frame)
    assert "list<" in encoder.schema_[1].note and encoder.schema_[1].kind == "dropped"
    with pytest.raises(TypeError, match="X is a LazyFrame, expected .* collect()"):
        TableEncoder().fit(pl.LazyFrame({"x": [1, 2]}))
    frame.columns = ["x", "x"]
    with pytest.raises(ValueError, match="X has the column 'x' twice"):
        TableEncoder().fit(frame)
    times = pl.DataFrame({"t": [datetime.time(1), datetime.time(2), None]})
    values = columns_of(times)[0].floats()
    np.testing.assert_array_equal(values, [3600, 7200, np.nan])


def test_the_encoded_array_is_nearly_all_the_memory_there_is():
    """At most 3 times its size at the peak, for a table half of categories."""
    rng = np.random.default_rng(0)
    n = 50_000
    frame = pd.DataFrame({f"n{i}": rng.normal(size=n) for i in range(10)})
    for i in range(10):
        frame[f"c{i}"] = rng.choice(["u", "v", "w"], n)
    for numeric in ("standard", "standard+ple"):
        encoder = TableEncoder(numeric).fit(frame)
        tracemalloc.start()
        size = encoder.transform(frame).nbytes
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert size <= peak <= 3 * size


def spoiled():
    """Configurations that no encoder writes, and what is said of them."""
    good = TableEncoder({"whole": "ple", "*": "standard"}).fit(mixed_frame())
    good = good.encoding_.to_config()

    def change(*path, to):
        config = json.loads(json.dumps(good))
        place = config
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = to
        return config

    yield [], "not a dict"
    yield change("version", to=2), "has version 2"
    yield change("version", to=True), "has version True"
    yield change("format", to="other"), "another format"
    yield change("numbers", to=[*good["numbers"], 1.0]), "left over"
    yield change("numbers", to=good["numbers"][1:]), "more knots than numbers"
    yield change("numbers", to=good["numbers"][::-1]), "do not rise"
    yield change("numbers", 0, to=float("nan")), "not finite"
    yield change("numbers", 0, to=1), "not finite floats"
    yield change("columns", to={}), "no list of columns"
    yield change("columns", 0, to=None), "without a name"
    yield change("columns", 0, "kind", to=["number"]), "unknown kind"
    yield change("columns", 1, "name", to="whole"), "a column twice"
    yield change("columns", 1, "fill", to="0"), "no fill"
    yield change("columns", 1, "missing", to=1), "does not state what is missing"
    yield change("columns", 1, "codes", 0, "scale", to=0.0), "impossible scale"
    yield change("columns", 1, "codes", 0, "method", to="magic"), "unknown method"
    yield change("columns", 0, "codes", 0, "knots", to=1), "too few knots"
    yield change("columns", 3, "levels", to=["a", "a"]), "different levels"
    yield change("columns", 5, "code", to="sign"), "not of two levels"
    yield change("columns", 7, "order", to="MYD"), "unknown order"
    yield change("columns", 7, "fill", to=2**63), "impossible fill"
    yield change("columns", 7, "codes", 0, "part", to="year"), "unknown part"
    yield change("columns", 9, "reason", to=1), "no reason"
    yield change("columns", 9, "more", to=1), "unexpected entries"


@pytest.mark.parametrize(("config", "message"), list(spoiled()))
def test_other_json_is_refused(config, message):
    with pytest.raises(ValueError, match=message):
        Encoding.from_config(config)


# ---- few rows --------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "uint8"])
@pytest.mark.parametrize("numeric", ["auto", "standard", "ple"])
def test_few_rows_have_the_bits_of_columns_one_by_one(numeric, dtype, rng):
    X = np.rint(rng.normal(100, 30, (400, 5))).clip(0, 255).astype(dtype)
    X[:, 3] = 7  # dropped
    if dtype[0] == "f":
        X[:, 1] = rng.lognormal(0, 5, 400)
        X[::9, 2] = np.nan
    encoder = TableEncoder(numeric=numeric, n_bins=6).fit(X)
    encoding = encoder.encoding_
    some = [X[:1], X[5:60], X[9:10]]
    if dtype[0] == "f":
        far = X[:40].copy()
        far[::7, 0], far[1::7, 0] = np.finfo(dtype).max, np.finfo(dtype).min
        far[::5] = np.nan  # also where no value was missing before
        some.append(far)
    for rows in some:
        got = encoding.few_rows.encode(rows)
        assert got.tobytes() == encoding.encode(columns_of(rows)).tobytes()
        assert encoder.network_rows(rows).tobytes() == got.tobytes()


def test_few_rows_cut_what_overflows(rng):
    """(x - offset) / width is infinite, though x squared is not."""
    X = rng.normal(size=(200, 2)) * [1e-200, 1]
    encoding = TableEncoder(numeric="ple", n_bins=4).fit(X).encoding_
    far = np.array([[1e120, 0.0], [-1e120, 0.0]])
    got = encoding.few_rows.encode(far)
    with np.errstate(over="ignore"):
        assert got.tobytes() == encoding.encode(columns_of(far)).tobytes()


def test_what_few_rows_leave_to_the_columns(rng):
    X = rng.normal(size=(100, 3))
    few = TableEncoder().fit(X).encoding_.few_rows
    infinite = np.array([[0.0, np.inf, 0.0]])
    for other in (X[:0], X[0], X[:, :2], X.astype(object), infinite, X > 0):
        assert few.encode(other) is None
    assert few.encode(np.tile(X, (1000, 1))) is None
    text = np.array([["a", 1.0], ["b", 2.0]] * 20, dtype=object)
    for encoder, table in (
        (TableEncoder(), text),
        (TableEncoder(numeric="quantile"), X),
        (TableEncoder(numeric="robust"), X),
    ):
        assert encoder.fit(table).encoding_.few_rows is None
