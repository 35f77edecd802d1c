"""Bad input for what stands around a network: estimators, exports, imports, plots, CLI.

Tables as in test_inputs.py: a name, what is done, the exception, words of its message.
"""

import contextlib
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from test_inputs import (
    BAD_WEIGHTS,
    BAD_X,
    FORM,
    N_IN,
    N,
    classifier,
    npz,
    one_line,
    refused,
    run,
    table,
    trained,  # noqa: F401  (a fixture)
    virtual,
)

import regnet_c as rn
from regnet_c._files import model_file
from regnet_c.tables.form import KEY

nan, inf = float("nan"), float("inf")
W, B = np.ones((3, 6)), np.ones(3)


# ---- estimators ------------------------------------------------------------------------

# what scikit-learn's convention takes: any number of columns in fit, text that is a number
TAKEN_BY_FIT = ("1e300", "too few columns", "too many columns", "text inside")
TAKEN = ("1e300", "text inside")
LATER = {"classes": list("pqrs") * 2, "numbers": np.arange(16.0).reshape(8, 2)}


def estimators():
    """A fitted classifier and a fitted regressor with the X they know."""
    pytest.importorskip("sklearn")
    x = np.random.default_rng(2).standard_normal((N, N_IN))
    options = {"max_iter": 2, "n_iter_no_change": None, "random_state": 0}
    options["preset"] = "plain"  # which takes numbers alone
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two epochs are worse than a constant
        return (
            rn.RegNetClassifier((4,), **options).fit(x, list("abcabcab")),
            rn.RegNetRegressor((4,), **options).fit(x, x[:, 0]),
            x,
        )


@pytest.fixture(scope="module")
def fitted():
    return estimators()


def state_of_estimator(model, x):
    names = {k: v for k, v in vars(model).items() if not k.startswith("_")}
    return repr(sorted(names)), model.predict(x).tolist(), model.n_features_in_


def assert_refused(fitted, call, error, *words):
    """Both estimators refuse; neither has changed."""
    *models, x = fitted
    for model, y in zip(models, ("abcabcab", x[:, 0]), strict=True):
        before = state_of_estimator(model, x)
        with pytest.raises(error) as caught:
            call(model, x, list(y))
        for word in words:
            assert word in str(caught.value)
        assert state_of_estimator(model, x) == before


@pytest.mark.parametrize("method", ["fit", "partial_fit", "predict"])
@pytest.mark.parametrize("case", BAD_X)
def test_estimators_refuse_bad_x(case, method, fitted):
    x = BAD_X[case][0]
    if case in (TAKEN_BY_FIT if method == "fit" else TAKEN):
        pytest.skip("scikit-learn's convention takes it")
    error = (TypeError, ValueError, MemoryError)
    if method == "predict":
        assert_refused(fitted, lambda model, _, y: model.predict(x), error)
    else:
        assert_refused(fitted, lambda m, _, y: getattr(m, method)(x, y), error)


@pytest.mark.parametrize("name", ["RegNetClassifier", "RegNetRegressor"])
@pytest.mark.parametrize("case", ["2^60 columns", "2^33 columns"])
def test_defaults_refuse_a_width_beyond_memory_at_once(case, name):
    pytest.importorskip("sklearn")
    with pytest.raises(ValueError, match="columns, expected at most 2147483648"):
        getattr(rn, name)().fit(BAD_X[case][0], [0, 1] * (N // 2))


def test_a_default_regression_refuses_text_targets():
    pytest.importorskip("sklearn")
    with pytest.raises(TypeError, match="y has dtype <U1, expected real numbers"):
        rn.RegNetRegressor().fit(np.ones((N, 2)), list("abcdefgh"))


@pytest.mark.parametrize("case", BAD_WEIGHTS)
def test_estimators_refuse_bad_weights(case, fitted):
    weight, error, *words = BAD_WEIGHTS[case]
    assert_refused(fitted, lambda m, x, y: m.fit(x, y, weight), error, *words)
    assert_refused(
        fitted, lambda m, x, y: m.partial_fit(x, y, sample_weight=weight), error, *words
    )


BAD_CLASSES = {
    "None": (None, ValueError, "y is None"),
    "one NaN": ([nan] * 8, ValueError, "y has no value in row 0 (nan)"),
    "mixed": ([0, "a"] * 4, TypeError, "y has text and 0", "one kind"),
    "missing": ([None, "a"] * 4, ValueError, "y has no value in row 0 (None)"),
    "missing number": ([None, 1] * 4, ValueError, "y has no value in row 0 (None)"),
    "fractions": ([0.5, 1.5] * 4, ValueError, "continuous"),
    "short": (list("ab"), ValueError, "[8, 2]"),
    "masked": (np.ma.masked_equal(np.arange(8) % 2, 1), ValueError, "masked entries"),
    "complex": (np.ones(8) * 1j, ValueError, "Complex"),
    "cube": (np.zeros((8, 2, 2)), ValueError, "dim 3"),
    "ragged": ([[1], [1, 0]] * 4, ValueError, ""),
}
BAD_NUMBERS = {
    "None": (None, ValueError, "y is None"),
    "text": (list("abcdefgh"), TypeError, "<U1", "real numbers"),
    "NaN": ([nan] + [1.0] * 7, ValueError, "y has no value in row 0 (nan)"),
    "inf": ([inf] + [1.0] * 7, ValueError, "y contains infinity"),
    "missing": ([None] + [1.0] * 7, ValueError, "y has no value in row 0"),
    "dates": (np.zeros(8, "M8[D]"), TypeError, "datetime64", "real numbers"),
    "masked": (np.ma.masked_equal(np.arange(8), 1), ValueError, "masked entries"),
    "short": ([1.0, 2.0], ValueError, "[8, 2]"),
    "complex": (np.ones(8) * 1j, ValueError, "Complex"),
    "cube": (np.zeros((8, 2, 2)), ValueError, "dim 3"),
}


@pytest.mark.parametrize("case", BAD_CLASSES)
def test_bad_classes_are_refused(case, fitted):
    y, error, *words = BAD_CLASSES[case]
    assert_refused(
        (fitted[0], fitted[0], fitted[2]), lambda m, x, _: m.fit(x, y), error, *words
    )


@pytest.mark.parametrize("case", BAD_NUMBERS)
def test_bad_numbers_are_refused(case, fitted):
    y, error, *words = BAD_NUMBERS[case]
    assert_refused(
        (fitted[1], fitted[1], fitted[2]), lambda m, x, _: m.fit(x, y), error, *words
    )


BAD_PARAMETERS = {
    "sizes 0": ({"hidden_layer_sizes": 0}, ValueError, "hidden_layer_sizes is 0"),
    "sizes text": ({"hidden_layer_sizes": "ab"}, TypeError, "hidden_layer_sizes is"),
    "sizes half": ({"hidden_layer_sizes": (1.5,)}, TypeError, "is 1.5"),
    "sizes huge": ({"hidden_layer_sizes": (10**30,)}, ValueError, "memory can"),
    "activation": ({"activation": "rellu"}, ValueError, "did you mean 'relu'"),
    "loss": ({"loss": "hinge"}, ValueError, "'hinge'"),
    "l1": ({"l1": nan}, ValueError, "l1 is nan"),
    "l2": ({"l2": -1}, ValueError, "l2 is -1"),
    "group_l1": ({"group_l1": inf}, ValueError, "group_l1 is inf"),
    "rule": ({"l1": 1, "l1_rule": "x"}, ValueError, "l1_rule"),
    "dropout 1": ({"dropout": 1}, ValueError, "dropout is 1"),
    "dropout three": ({"dropout": (0, 0, 0)}, ValueError, "3 rates, expected 2"),
    "max_norm": ({"max_norm": 0}, ValueError, "max_norm is 0"),
    "optimizer": ({"optimizer": "adamm"}, ValueError, "'adam'"),
    "optimizer 3": ({"optimizer": 3}, TypeError, "optimizer is 3"),
    "schedule": ({"learning_rate": "cosin"}, ValueError, "'cosine'"),
    "schedule 0.1": ({"learning_rate": 0.1}, TypeError, "is learning_rate_init"),
    "rate 0": ({"learning_rate_init": 0}, ValueError, "learning_rate_init is 0"),
    "batch 0": ({"batch_size": 0}, ValueError, "batch_size is 0"),
    "batch text": ({"batch_size": "all"}, ValueError, "batch_size 'all'"),
    "epochs 0": ({"max_iter": 0}, ValueError, "max_iter is 0"),
    "early 1": ({"early_stopping": 1}, TypeError, "early_stopping is 1"),
    "share 1": (
        {"early_stopping": True, "validation_fraction": 1.0},
        ValueError,
        "validation_fraction is 1",
    ),
    "patience 0": ({"n_iter_no_change": 0}, ValueError, "n_iter_no_change is 0"),
    "tol": ({"tol": -1}, ValueError, "tol is -1"),
    "seed": ({"random_state": -1}, ValueError, "random_state is -1"),
    "seed text": ({"random_state": "a"}, ValueError, "'a'"),
    "jobs 0": ({"n_jobs": 0}, ValueError, "n_jobs is 0"),
    "jobs text": ({"n_jobs": "2"}, TypeError, "n_jobs is '2'"),
    "dtype": ({"dtype": "f2"}, ValueError, "dtype is 'f2'"),
    "callbacks": ({"callbacks": 3}, TypeError, "list of callbacks"),
    "class_weight": ({"class_weight": "x"}, ValueError, "class_weight"),
    "class_weight 3": ({"class_weight": 3}, TypeError, "class_weight is 3"),
    "class_weight d": ({"class_weight": {"d": 1}}, ValueError, "the class 'd'"),
    "class_weight -1": ({"class_weight": {"i": -1}}, ValueError, "is -1"),
}


@pytest.mark.parametrize("case", BAD_PARAMETERS)
def test_bad_parameters_are_refused_by_fit(case):
    """And what was fitted before still predicts."""
    parameters, error, *words = BAD_PARAMETERS[case]
    model, _, x = estimators()
    before = model.predict(x)
    model.set_params(**parameters)
    with pytest.raises(error) as caught:
        model.fit(x[:, :4], list("ijklijkl"))
    for word in words:
        assert word in str(caught.value)
    if "n_jobs" not in parameters:
        assert model.predict(x).tolist() == before.tolist()


# ---- exports, imports, plots -----------------------------------------------------------


def mlp(**changes):
    """What a fitted MLPClassifier has, with changes."""
    attributes = {
        "coefs_": [W.T],
        "intercepts_": [B],
        "activation": "relu",
        "out_activation_": "softmax",
    }
    attributes.update(changes)
    return SimpleNamespace(**{k: v for k, v in attributes.items() if v is not ...})


def torch_state(weight=W, **bias):
    return {"a.weight": weight, **{f"a.{k}": v for k, v in bias.items()}}


from_torch, from_sklearn = rn.Network.from_torch, rn.Network.from_sklearn
X2 = np.ones((2, N_IN))
BAD_EXPORTS = {
    "c None": (lambda n, f: n.to_c(None), TypeError, "NoneType"),
    "c no folder": (lambda n, f: n.to_c(f / "no" / "m"), FileNotFoundError, "m.c"),
    "c zero byte": (lambda n, f: n.to_c("a\0b"), ValueError, "printable ASCII"),
    "c name": (lambda n, f: n.to_c(f / "\u00e9.c"), ValueError, "printable ASCII"),
    "c quote": (lambda n, f: n.to_c(f / 'a"b.c'), ValueError, "printable ASCII"),
    "c dtype": (lambda n, f: n.to_c(f / "m", "int4"), ValueError, "'int8'"),
    "c prefix": (lambda n, f: n.to_c(f / "m", prefix="1a"), ValueError, "identifier"),
    "c prefix line": (
        lambda n, f: n.to_c(f / "m", prefix="a\n"),
        ValueError,
        "identifier",
    ),
    "calibration 3": (
        lambda n, f: n.to_c(f / "m", calibration=3),
        TypeError,
        "calibration must be a tuple (X, y)",
    ),
    "calibration three": (
        lambda n, f: n.to_c(f / "m", calibration=(X2, [0, 1], [1, 1])),
        TypeError,
        "calibration must be a tuple (X, y)",
    ),
    "calibration NaN": (
        lambda n, f: n.to_c(f / "m", calibration=(nan * X2, [0, 1])),
        ValueError,
        "row 0, column 0",
    ),
    "calibration labels": (
        lambda n, f: n.to_c(f / "m", calibration=(X2, [0, 9])),
        ValueError,
        "0 to 9",
        "0 to 2",
    ),
    "diagnose 3": (
        lambda n, f: n.diagnose(X2, [0, 1], 3),
        TypeError,
        "validation_data must be",
    ),
    "torch None": (lambda n, f: from_torch(None), TypeError, "NoneType"),
    "torch list": (lambda n, f: from_torch([W]), TypeError, "is a list"),
    "torch empty": (lambda n, f: from_torch({}), ValueError, "is empty"),
    "torch name": (lambda n, f: from_torch({5: W}), TypeError, "the name 5"),
    "torch text": (lambda n, f: from_torch(torch_state("x")), TypeError, "a.weight"),
    "torch 1-D": (lambda n, f: from_torch(torch_state(B)), ValueError, "(3,)"),
    "torch 4-D": (
        lambda n, f: from_torch(torch_state(np.ones((1, 2, 3, 3)))),
        ValueError,
        "(1, 2, 3, 3)",
    ),
    "torch NaN": (lambda n, f: from_torch(torch_state(W * nan)), ValueError, "finite"),
    "torch 1e300": (
        lambda n, f: from_torch(torch_state(W * 1e300), dtype="float32"),
        ValueError,
        "finite as float32",
    ),
    "torch dates": (
        lambda n, f: from_torch(torch_state(W.astype("M8[s]"))),
        TypeError,
        "datetime64",
    ),
    "torch complex": (lambda n, f: from_torch(torch_state(W * 1j)), TypeError, "compl"),
    "torch masked": (
        lambda n, f: from_torch(torch_state(np.ma.masked_equal(W, 1))),
        ValueError,
        "masked entries",
    ),
    "torch no rows": (lambda n, f: from_torch(torch_state(W[:0])), ValueError, "is 0"),
    "torch huge": (
        lambda n, f: from_torch(torch_state(virtual(2**40, 2**40))),
        ValueError,
    ),
    "torch bias": (
        lambda n, f: from_torch(torch_state(bias=np.ones(4))),
        ValueError,
        "(4,)",
        "(3,)",
    ),
    "torch bias None": (
        lambda n, f: from_torch(torch_state(bias=None)),
        TypeError,
        "a.bias",
    ),
    "torch chain": (
        lambda n, f: from_torch({"a.weight": W, "b.weight": W}),
        ValueError,
        "layer 1 expects 6",
        "3 outputs",
    ),
    "torch names": (
        lambda n, f: from_torch(torch_state(), ["relu"] * 3),
        ValueError,
        "3 activations",
    ),
    "torch name 5": (lambda n, f: from_torch(torch_state(), 5), TypeError, "is 5"),
    "torch loss": (lambda n, f: from_torch(torch_state(), loss="x"), ValueError, "'x'"),
    "torch dtype": (
        lambda n, f: from_torch(torch_state(), dtype="f2"),
        ValueError,
        "'f2'",
    ),
    "mlp None": (lambda n, f: from_sklearn(None), TypeError, "has no coefs_"),
    "mlp unfitted": (lambda n, f: from_sklearn(mlp(coefs_=...)), TypeError, "coefs_"),
    "mlp no name": (
        lambda n, f: from_sklearn(mlp(activation=...)),
        TypeError,
        "has no activation",
    ),
    "mlp output": (
        lambda n, f: from_sklearn(mlp(out_activation_="x")),
        ValueError,
        "output activation 'x'",
    ),
    "mlp output list": (
        lambda n, f: from_sklearn(mlp(out_activation_=[])),
        TypeError,
        "output activation []",
    ),
    "mlp hidden": (
        lambda n, f: from_sklearn(
            mlp(coefs_=[W.T, np.ones((3, 3))], intercepts_=[B, B], activation="x")
        ),
        ValueError,
        "activation 'x'",
    ),
    "mlp coefs 3": (lambda n, f: from_sklearn(mlp(coefs_=3)), TypeError, "coefs_ is 3"),
    "mlp no coefs": (lambda n, f: from_sklearn(mlp(coefs_=[])), ValueError, "0 coefs_"),
    "mlp 1-D": (lambda n, f: from_sklearn(mlp(coefs_=[B])), ValueError, "(3,)"),
    "mlp NaN": (
        lambda n, f: from_sklearn(mlp(coefs_=[W.T * nan])),
        ValueError,
        "finite",
    ),
    "mlp biases": (
        lambda n, f: from_sklearn(mlp(intercepts_=[])),
        ValueError,
        "1 coefs_ and 0 intercepts_",
    ),
}
BAD_PLOTS = {
    "history None": (lambda p, n: p.plot_history(None), TypeError, "history is None"),
    "history empty": (lambda p, n: p.plot_history({}), ValueError, "is empty"),
    "no network": (lambda p, n: p.plot_weights(None), TypeError, "network is None"),
    "layer 5": (
        lambda p, n: p.plot_weights(n, [5]),
        ValueError,
        "layers has 5",
        "0 to 1",
    ),
    "layer -1": (lambda p, n: p.plot_sparsity(n, [-1]), ValueError, "layers has -1"),
    "layer half": (lambda p, n: p.plot_sparsity(n, [0.5]), TypeError, "layers is 0.5"),
    "layers text": (
        lambda p, n: p.plot_weights(n, "ab"),
        TypeError,
        "list of integers",
    ),
    "layers 0": (lambda p, n: p.plot_weights(n, 0), TypeError, "list of integers"),
    "no layers": (lambda p, n: p.plot_weights(n, []), ValueError, "layers is empty"),
    "bins 0": (lambda p, n: p.plot_weights(n, bins=0), ValueError, "bins is 0"),
    "bins NaN": (lambda p, n: p.plot_weights(n, bins=nan), TypeError, "bins is nan"),
    "bins 10^12": (lambda p, n: p.plot_weights(n, bins=10**12), ValueError, "bins is"),
    "ax 3": (lambda p, n: p.plot_weights(n, ax=3), TypeError, "ax is 3", "Axes"),
    "pixels": (lambda p, n: p.plot_filters(n, (28, 28)), ValueError, "784", "6 inputs"),
    "shape None": (lambda p, n: p.plot_filters(n, None), TypeError, "shape is None"),
    "shape -2": (lambda p, n: p.plot_filters(n, (-2, -3)), ValueError, "shape is -2"),
    "shape 2.0": (
        lambda p, n: p.plot_filters(n, (2.0, 3.0)),
        TypeError,
        "shape is 2.0",
    ),
    "shape one": (lambda p, n: p.plot_filters(n, (6,)), ValueError, "1 entries"),
    "units 0": (lambda p, n: p.plot_filters(n, (2, 3), 0), ValueError, "n is 0"),
    "region X": (
        lambda p, n: p.plot_decision_regions(len, np.ones((3, 3)), [0, 1, 2]),
        ValueError,
        "(3, 3)",
        "(n, 2)",
    ),
    "region y": (
        lambda p, n: p.plot_decision_regions(len, np.ones((3, 2)), [0, 1]),
        ValueError,
        "(3, 2)",
        "(2,)",
    ),
    "region empty": (
        lambda p, n: p.plot_decision_regions(len, np.ones((0, 2)), []),
        ValueError,
        "(0, 2)",
    ),
    "region NaN": (
        lambda p, n: p.plot_decision_regions(len, np.full((2, 2), nan), [0, 1]),
        ValueError,
        "NaN",
    ),
    "region dates": (
        lambda p, n: p.plot_decision_regions(len, np.zeros((2, 2), "M8[s]"), [0, 1]),
        TypeError,
        "datetime64",
    ),
    "region grid": (
        lambda p, n: p.plot_decision_regions(len, np.ones((2, 2)), [0, 1], 10**6),
        ValueError,
        "resolution is 1000000",
    ),
    "region 5": (
        lambda p, n: p.plot_decision_regions(5, np.ones((2, 2)), [0, 1]),
        TypeError,
        "expected predict or a function",
    ),
    "region None": (
        lambda p, n: p.plot_decision_regions(lambda z: None, np.ones((2, 2)), [0, 1]),
        ValueError,
        "shape ()",
    ),
    "region short": (
        lambda p, n: p.plot_decision_regions(lambda z: z[:3], np.ones((2, 2)), [0, 1]),
        ValueError,
        "(3, 2)",
        "40000 rows",
    ),
}


@pytest.mark.parametrize("case", BAD_EXPORTS)
def test_bad_exports_and_imports_are_refused(case, trained, tmp_path):  # noqa: F811
    call, error, *words = BAD_EXPORTS[case]
    with refused(trained, error, *words):
        call(trained.net, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("case", BAD_PLOTS)
def test_bad_plots_are_refused(case, trained):  # noqa: F811
    pytest.importorskip("matplotlib").use("Agg")
    from regnet_c import plots

    call, error, *words = BAD_PLOTS[case]
    with refused(trained, error, *words):
        call(plots, trained.net)


# ---- the commands export and reproduce -------------------------------------------------


def saved(form=None, name="m"):
    net = classifier()
    if form is not None:
        net.metadata = {KEY: form}
    net.save(name)
    return name


IMAGES, DIGITS = np.zeros((3, 784)), np.arange(3)


def reproduce(folder, **changes):
    arrays = {"x_train": IMAGES, "y_train": DIGITS, "x_test": IMAGES, "y_test": DIGITS}
    return ["reproduce", "perceptron", "--data", npz(folder, **arrays | changes).name]


CALIBRATE = ["m", "m.c", "--calibration", "c.npz"]
BAD_COMMANDS = {
    "no model": (lambda f: ["export", "none", "m.c"], "none"),
    "no ending": (lambda f: ["export", saved(), "m.txt"], "expected .c or .onnx"),
    "not a model": (lambda f: ["export", npz(f, X=W).name, "m.c"], "not a regnet_c"),
    "no folder": (lambda f: ["export", saved(), "no/m.c"], "no/m.c"),
    "prefix": (lambda f: ["export", saved(), "m.c", "--prefix", "a b"], "identifier"),
    "dtype": (lambda f: ["export", saved(), "m.c", "--dtype", "f8"], "invalid choice"),
    "no data": (lambda f: ["export", saved() and "m", *CALIBRATE[1:]], "c.npz"),
    "no arrays": (
        lambda f: ["export", saved() and "m", "m.c", "--calibration", npz(f).name],
        "expected X and y",
    ),
    "other table": (
        lambda f: [
            *["export", saved(FORM), "m.c", "--calibration"],
            table(f, "x,y\n1,2\n").name,
        ],
        "d.csv has no column 'a'",
    ),
    "system": (lambda f: ["reproduce", "r9"], "invalid choice"),
    "no MNIST": (
        lambda f: ["reproduce", "perceptron", "--data", "none.npz"],
        "none.npz",
    ),
    "MNIST lacks": (
        lambda f: ["reproduce", "perceptron", "--data", npz(f, x_train=W).name],
        "has no y_train, x_test, y_test",
    ),
    "MNIST rows": (lambda f: reproduce(f, y_test=DIGITS[:2]), "y_test has 2 rows"),
    "MNIST text": (lambda f: reproduce(f, x_train=IMAGES.astype(str)), "real numbers"),
    "MNIST labels": (lambda f: reproduce(f, y_train=-DIGITS - 1), "expected 0 to 9"),
    "MNIST label text": (lambda f: reproduce(f, y_test=list("abc")), "real numbers"),
    "MNIST NaN": (lambda f: reproduce(f, x_train=IMAGES * nan), "784 finite"),
    "MNIST size": (lambda f: reproduce(f, x_test=IMAGES[:, :9]), "9 numbers per row"),
}


@pytest.mark.parametrize("case", BAD_COMMANDS)
def test_bad_commands_are_one_line(case, trained, tmp_path, capsys, monkeypatch):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    arguments, *words = BAD_COMMANDS[case]
    arguments = arguments(tmp_path)
    before = sorted(tmp_path.iterdir())
    with one_line(trained, capsys, *words):
        run(*arguments)
    assert sorted(tmp_path.iterdir()) == before


WRONG = (
    "the network has wrong metadata 'regnet_c.table': its table has unexpected entries"
)


@pytest.mark.parametrize("command", ["info m", "export m m.c", "export m m.onnx"])
def test_commands_name_a_file_whose_table_is_none(
    command,
    trained,  # noqa: F811
    tmp_path,
    capsys,
    monkeypatch,
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(model_file, "_check_table", lambda *arguments: None)
    saved({"version": 1, "encoder": []})
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    with one_line(
        trained, capsys, "m is not a regnet_c model", "has unexpected entries"
    ):
        run(*command.split())
    with pytest.raises(rn.ModelFileError, match="m is not.*has unexpected entries"):
        rn.Network.load("m")


def test_a_table_that_is_none_stops_an_export(tmp_path):
    """Without its encoder a C file would take raw rows for encoded ones."""
    net = classifier()
    for form in (5, "a", [], {"encoder": None}, {"version": 1, "target": "x"}):
        net.metadata = {KEY: form}
        with pytest.raises(ValueError, match=WRONG):
            net.to_c(tmp_path / "m")
        with contextlib.suppress(ImportError), pytest.raises(ValueError, match=WRONG):
            net.to_onnx(tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())
