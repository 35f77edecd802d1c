"""Exports of networks that read tables: raw rows give what the model predicts."""

import ctypes
import datetime
import platform
import shutil
import subprocess

import numpy as np
import pytest
from test_export import FLAGS, compile_c, needs_cc

import regnet_c as rn
from regnet_c.cli import main
from regnet_c.export.c_encoder import c_string, raw_row
from regnet_c.tables.columns import columns_of
from regnet_c.tables.form import KEY, TableForm

pd = pytest.importorskip("pandas")
pytest.importorskip("narwhals")
pytest.importorskip("pyarrow")
pytest.importorskip("sklearn")

NUMERIC = ("standard", "robust", "quantile", "ple")


def frame(rng, n=240):
    """Every kind of column with holes, and names that C knows as something else."""
    days = rng.integers(-20_000, 40_000, n)
    minutes = rng.integers(0, 1440, n)
    start = datetime.datetime(1970, 1, 1)
    dates = [
        start + datetime.timedelta(days=int(d), minutes=int(m))
        for d, m in zip(days, minutes, strict=True)
    ]
    table = pd.DataFrame(
        {
            "net_income": rng.lognormal(10, 1, n),
            "*/ t\u00f6wn??/": rng.choice(["Bern", 'R"ome', "\u00c5rhus", "rn"], n),
            "age": rng.integers(17, 90, n).astype(float),
            "member": rng.random(n) < 0.4,
            "since": pd.Series(dates).astype("datetime64[us]"),
            "int": rng.choice(["007", "7", "a b", "a_b"], n),
        }
    )
    for name in ("net_income", "*/ t\u00f6wn??/", "since", "age"):
        table.loc[rng.random(n) < 0.1, name] = None
    for row, text in enumerate(("2000-02-29T23:59", "1900-02-28", "2000-03-01")):
        table.loc[row, "since"] = pd.Timestamp(text)
    return table


def fitted(kind, table, rng, **options):
    """A quickly trained estimator of the table, and its target."""
    signal = np.log(table["net_income"].fillna(2e4)) + table["member"]
    signal = signal.to_numpy(float)
    if kind == "regression":
        y = 1000 + 20 * signal
        model = rn.RegNetRegressor
    else:
        count = 2 if kind == "two" else 3
        names = np.array(["yes", "n\u00f6?", "net_ */"][:count], object)
        y = names[np.digitize(signal, np.quantile(signal, [0.5, 0.8][: count - 1]))]
        model = rn.RegNetClassifier
    options = {"max_iter": 8, "random_state": 0, "hidden_layer_sizes": (9,)} | options
    return model(**options).fit(table, y), y


def run_c(source, rows, n_out, n_in, *options, prefix="net"):
    """(inputs, outputs, classes) of the compiled file for raw rows."""
    if not rn.cpu_info()["fused"]:
        options = [*options, f"-D{prefix.upper()}_NO_FMA"]
    library = ctypes.CDLL(
        str(compile_c(source, source.with_suffix(".so"), "-shared", "-fPIC", *options))
    )
    pointer = ctypes.c_void_p
    rows = np.ascontiguousarray(rows, np.float64)
    x = np.empty((len(rows), n_in), np.float32)
    y = np.empty((len(rows), n_out))
    classes = []
    for row, inputs, outputs in zip(rows, x, y, strict=True):
        at = pointer(row.ctypes.data)
        library[f"{prefix}_encode"](at, pointer(inputs.ctypes.data))
        classes.append(
            library[f"{prefix}_predict_row"](at, pointer(outputs.ctypes.data))
        )
    names = getattr(library, f"{prefix}_classes", None)
    return x, y, classes, names


@needs_cc
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("numeric", NUMERIC)
@pytest.mark.parametrize("kind", ["two", "three", "regression"])
def test_c_predicts_raw_rows_as_the_estimator_does(kind, numeric, tmp_path, rng):
    table = frame(rng)
    encoder = rn.tables.TableEncoder(numeric=numeric)
    model, _y = fitted(kind, table, rng, encoder=encoder)
    net = model.network_
    new = frame(np.random.default_rng(5))
    new.loc[3, "int"] = "never seen"
    form = TableForm.of(net)
    columns = columns_of(new)
    want_x = form.encoding.encode(columns)
    want = net.predict(want_x)
    net.to_c(tmp_path / "net")
    x, out, classes, names = run_c(
        tmp_path / "net.c", raw_row(form, columns), want.shape[1], want_x.shape[1]
    )
    assert x.tobytes() == want_x.tobytes()
    check_level_codes(tmp_path / "net.so", form)
    if kind == "regression":
        assert out.tobytes() == form.decoded(want).tobytes()
        np.testing.assert_allclose(out[:, 0], model.predict(new), rtol=1e-5)
    else:
        assert out.astype(np.float32).tobytes() == want.tobytes()
        texts = _texts(names, len(model.classes_))
        assert texts == [str(c) for c in model.classes_]
        assert [texts[c] for c in classes] == model.predict(new).tolist()


def check_level_codes(library, form):
    """The library's codes of texts are those that `raw_row` gives."""
    code = ctypes.CDLL(str(library)).net_level_code
    code.restype, code.argtypes = ctypes.c_double, [ctypes.c_int, ctypes.c_char_p]
    used = [c for c in form.encoding.columns if c.kind != "dropped"]
    for number, column in enumerate(used):
        if column.kind not in ("category", "boolean"):
            assert np.isnan(code(number, b"1"))
            continue
        codes = [code(number, level.encode()) for level in column.levels]
        assert codes == list(range(len(column.levels)))
        first = column.levels[0].encode()
        assert code(number, first + b" ") == code(number, first[:-1] or b" ") == -1
        assert np.isnan(code(number, b"")) and np.isnan(code(number, None))
    assert np.isnan(code(len(used), b"1")) and np.isnan(code(-1, b"1"))


def _texts(symbol, count):
    address = ctypes.cast(symbol, ctypes.c_void_p).value
    pointers = (ctypes.c_char_p * count).from_address(address)
    return [text.decode("utf-8") for text in pointers]


@needs_cc
@pytest.mark.filterwarnings("ignore")
def test_a_compacted_network_encodes_what_it_keeps(tmp_path, rng):
    table = frame(rng)
    model, _ = fitted("three", table, rng, encoder=rn.tables.TableEncoder())
    net = model.network_
    weights = net.get_weights()
    weights[0][::3] = 0
    net.set_weights(weights)
    small = net.compact()
    kept = small.kept_inputs
    assert 1 < len(kept) < net.n_inputs
    small.to_c(tmp_path / "net", prefix="some")
    form = TableForm.of(small)
    columns = columns_of(table)
    want_x = form.encoding.encode(columns)
    x, out, _, _ = run_c(
        tmp_path / "net.c", raw_row(form, columns), 3, len(kept), prefix="some"
    )
    assert x.tobytes() == np.ascontiguousarray(want_x[:, kept]).tobytes()
    np.testing.assert_array_equal(out.astype(np.float32), small.predict(want_x))


@needs_cc
@pytest.mark.filterwarnings("ignore")
def test_the_command_line_exports_a_program_that_takes_raw_rows(tmp_path, rng):
    """train, export, and a C program with the names of the header, against predict."""
    n = 200
    table = pd.DataFrame(
        {
            "net_size": rng.uniform(1, 9, n).round(3),
            "town": rng.choice(["Bern", "Rome"], n),
            "N IN": rng.normal(size=n).round(3),
        }
    )
    table["class"] = np.where(
        table["net_size"] + 3 * (table["town"] == "Rome") > 6, "007", 'a "b"'
    )
    table.loc[:20, "net_size"] = None
    data, model = tmp_path / "t.csv", tmp_path / "m.safetensors"
    table.to_csv(data, index=False)
    options = "--target class --epochs 60 --quiet --output"
    assert main(["train", "--data", str(data), *options.split(), str(model)]) == 0
    assert (
        main(["export", str(model), str(tmp_path / "net_a.c"), "--prefix", "my"]) == 0
    )
    new = pd.DataFrame(
        {
            "town": ["Rome", "Bern", None, "Oslo"],
            "N IN": [0.5, None, 0.25, 1.0],
            "net_size": [2.5, 7.0, 8.125, None],
        }
    )
    new.to_csv(tmp_path / "new.csv", index=False)
    out = tmp_path / "out.csv"
    assert (
        main(["predict", str(model), str(tmp_path / "new.csv"), "--output", str(out)])
        == 0
    )
    predicted = pd.read_csv(out, dtype=str)["class"].tolist()
    program = """
#include "net_a.h"
#include <math.h>
#include <stdio.h>
int main(void) {
    double row[MY_N_COLUMNS], y[MY_N_OUT];
    int i;
    const double numbers[4][2] = {{2.5, 0.5}, {7.0, NAN}, {8.125, 0.25}, {NAN, 1.0}};
    const char *const towns[4] = {"Rome", "Bern", "", "Oslo"};
    if (my_level_code(MY_COLUMN_TOWN, "Rome") != MY_LEVEL_TOWN_ROME) return 1;
    for (i = 0; i < 4; i++) {
        row[MY_COLUMN_NET_SIZE] = numbers[i][0];
        row[MY_COLUMN_TOWN] = my_level_code(MY_COLUMN_TOWN, towns[i]);
        row[MY_COLUMN_N_IN] = numbers[i][1];
        puts(my_classes[my_predict_row(row, y)]);
    }
    return 0;
}
"""
    (tmp_path / "main.c").write_text(program)
    no_fma = [] if rn.cpu_info()["fused"] else ["-DMY_NO_FMA"]
    compile_c(
        tmp_path / "main.c", tmp_path / "main.exe", str(tmp_path / "net_a.c"), *no_fma
    )
    run = subprocess.run([str(tmp_path / "main.exe")], capture_output=True, text=True)
    assert run.returncode == 0
    assert run.stdout.splitlines() == predicted


@needs_cc
@pytest.mark.filterwarnings("ignore")
def test_the_encoder_calls_no_library_and_has_its_constants_counted(tmp_path, rng):
    """All of it is in the object file, also the texts of levels; none needs a loader."""
    if platform.machine() not in ("x86_64", "AMD64") or shutil.which("nm") is None:
        pytest.skip("needs x86-64 and nm")
    model, _ = fitted("three", frame(rng), rng)
    report = model.network_.to_c(tmp_path / "net.c")
    options = ["-O2", "-mfma", "-ffreestanding", "-fno-math-errno", "-c"]
    compiled = compile_c(tmp_path / "net.c", tmp_path / "net.o", *options)
    listing = subprocess.run(["nm", "-u", compiled], capture_output=True, text=True)
    assert listing.returncode == 0 and listing.stdout.strip() == ""
    form = TableForm.of(model.network_)
    texts = sum(
        len(level.encode()) + 1
        for column in form.encoding.columns
        for level in getattr(column, "levels", ())
    )
    layers = sum(row["bytes"] for row in report["layers"])
    assert report["flash"] == layers + texts > layers
    text = (tmp_path / "net.c").read_text()
    assert "static const" not in text.split("#ifdef NET_SELF_TEST")[0]
    volatile = ["-DNET_CONST=const volatile", "-c"]
    compile_c(tmp_path / "net.c", tmp_path / "net.o", *volatile)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("numeric", NUMERIC)
def test_the_encoder_is_valid_c_plus_plus(numeric, tmp_path, rng):
    model, _ = fitted(
        "three", frame(rng), rng, encoder=rn.tables.TableEncoder(numeric=numeric)
    )
    model.network_.to_c(tmp_path / "net")
    found = [c for c in ("g++", "clang++") if shutil.which(c)]
    if not found:
        pytest.skip("no C++ compiler")
    flags = [f for f in FLAGS if not f.startswith("-std")]
    for compiler in found:
        for std in ("c++98", "c++17"):
            run = subprocess.run(
                [
                    compiler,
                    f"-std={std}",
                    *flags,
                    "-x",
                    "c++",
                    "-c",
                    str(tmp_path / "net.c"),
                    "-o",
                    str(tmp_path / "net.o"),
                ],
                capture_output=True,
                text=True,
            )
            assert run.returncode == 0, run.stderr[:2000]


@needs_cc
@pytest.mark.filterwarnings("ignore")
def test_a_regression_has_the_unit_of_its_target(tmp_path, rng):
    table = frame(rng, 120)[["age", "since"]]
    table["price"] = 5000 + 30 * table["age"].fillna(40)
    data, model = tmp_path / "t.csv", tmp_path / "m.safetensors"
    table.to_csv(data, index=False)
    argv = "--target price --task regression --epochs 3 --quiet --output"
    assert main(["train", "--data", str(data), *argv.split(), str(model)]) == 0
    net = rn.Network.load(model)
    net.to_c(tmp_path / "net")
    form = TableForm.of(net)
    assert form.centers[0] > 5000 and form.scales[0] > 10
    columns = columns_of(table.drop(columns="price"))
    x = form.encoding.encode(columns)
    got = run_c(tmp_path / "net.c", raw_row(form, columns), 1, x.shape[1])
    assert got[0].tobytes() == x.tobytes()
    assert got[1].tobytes() == form.decoded(net.predict(x)).tobytes()


def onnx_rows(session, table):
    """Columns of a data frame as the inputs of a session."""
    rows = {}
    for entry in session.get_inputs():
        column = table[entry.name.removeprefix("column ")]
        if entry.type == "tensor(string)":
            texts = ["" if pd.isna(v) else str(v) for v in column]
            rows[entry.name] = np.array(texts, object)[:, None]
        elif column.dtype.kind == "M":
            micros = column.astype("datetime64[us]").to_numpy().view(np.int64)
            seconds = np.where(column.isna(), np.nan, micros / 1e6)
            rows[entry.name] = seconds[:, None]
        else:
            rows[entry.name] = column.to_numpy(np.float64)[:, None]
    return rows


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("numeric", NUMERIC)
@pytest.mark.parametrize("kind", ["two", "three", "regression"])
@pytest.mark.parametrize("compact", [False, True])
def test_onnx_predicts_raw_rows_as_the_estimator_does(
    kind, numeric, compact, tmp_path, rng
):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    table = frame(rng).rename(columns={"age": "y"})
    model, _ = fitted(kind, table, rng, encoder=rn.tables.TableEncoder(numeric=numeric))
    net = model.network_
    if compact:
        weights = net.get_weights()
        weights[0][::4] = 0
        net.set_weights(weights)
        net = net.compact()
        assert len(net.kept_inputs) < net.n_inputs
    net.to_onnx(tmp_path / "m.onnx")
    session = runtime.InferenceSession(tmp_path / "m.onnx")
    new = frame(np.random.default_rng(5), 500).rename(columns={"age": "y"})
    new.loc[3, "int"] = "never seen"
    form = TableForm.of(net)
    want = net.predict(form.encoding.encode(columns_of(new)))
    got = dict(
        zip(
            [output.name for output in session.get_outputs()],
            session.run(None, onnx_rows(session, new)),
            strict=True,
        )
    )
    if kind == "regression":
        want = form.decoded(want)
        np.testing.assert_allclose(got["y"], want, rtol=1e-5)
    else:
        np.testing.assert_allclose(got["y"], want, rtol=1e-4, atol=1e-5)
        classes = [str(c) for c in model.classes_]
        best = form.probabilities(want).argmax(axis=1)
        clear = np.abs(np.sort(form.probabilities(want))[:, -2:] @ [-1, 1]) > 1e-4
        assert clear.mean() > 0.95
        assert got["label"][clear].tolist() == [classes[i] for i in best[clear]]


@pytest.mark.parametrize("numeric", NUMERIC)
def test_onnx_encodes_to_the_bits_of_the_encoder(numeric, tmp_path, rng):
    """A network that returns its inputs shows them; quantile codes may differ by 1 ulp."""
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    encoder = rn.tables.TableEncoder(numeric=numeric).fit(frame(rng))
    n = encoder.encoding_.n_outputs
    net = rn.Network([rn.Dense(n, n, use_bias=False)], loss="mse")
    net.set_weights([np.eye(n)])
    form = TableForm(encoder.encoding_, "t", None, (0.0,) * n, (1.0,) * n)
    net.metadata = {KEY: form.to_config()}
    net.to_onnx(tmp_path / "m.onnx")
    session = runtime.InferenceSession(tmp_path / "m.onnx")
    new = frame(np.random.default_rng(5), 1000)
    new.loc[3, "int"] = "never seen"
    want = form.encoding.encode(columns_of(new))
    (got,) = session.run(None, onnx_rows(session, new))
    ulp = np.spacing(np.maximum(np.abs(want), 1e-3)) if numeric == "quantile" else 0
    assert (np.abs(got - want) <= ulp).all()


@pytest.mark.filterwarnings("ignore")
def test_onnx_takes_encoded_rows_if_asked(tmp_path, rng):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    table = frame(rng)
    model, _ = fitted("three", table, rng, encoder=rn.tables.TableEncoder())
    net = model.network_
    net.to_onnx(tmp_path / "m.onnx", encoder=False)
    session = runtime.InferenceSession(tmp_path / "m.onnx")
    x = TableForm.of(net).encoding.encode(columns_of(table))
    (got,) = session.run(None, {"x": x})
    np.testing.assert_allclose(got, net.predict(x), rtol=1e-4, atol=1e-5)


def test_texts_become_c_strings():
    text = 'a "b"\\ ??/\n\u00f6'
    want = '"a \\042b\\042\\134 \\077\\077/\\012\\303\\266"'
    assert c_string(text) == want
