"""Bad input is refused in a sentence and harms nothing; odd input gives the same bits.

Every case is a line of a table: a name, what is done, the exception, and the words its
message must have.  Bad data go through every door of the library that takes data; a new
door is one more line of `DOORS`.
"""

import contextlib
import json
import re
import zipfile
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

import regnet_c as rn
from regnet_c._files import model_file
from regnet_c.cli import main
from regnet_c.tables.form import KEY

kernels = rn.kernels
N, N_IN, N_OUT = 8, 6, 3


# ---- the model that must survive, and the one that must still train alike --------------


def classifier(dtype="float32", loss="softmax_cross_entropy"):
    layers = [rn.Dense(N_IN, 5, "tanh", rn.L1(1e-3)), rn.Dropout(0.2), rn.Dense(5, 3)]
    return rn.Network(layers, loss, dtype=dtype, seed=3)


def good_data():
    rng = np.random.default_rng(1)
    return rng.standard_normal((N, N_IN)), np.arange(N) % N_OUT


def reference_bits():
    """The bytes of a network trained in this process, now."""
    net, (x, y) = classifier(), good_data()
    net.fit(x, y, epochs=2, batch_size=3, optimizer=rn.Adam(0.01))
    return [w.tobytes() for w in net.get_weights()]


def state_of(net):
    """All that training continues from, as bytes and numbers."""
    state = net._state
    arrays = [*net.get_weights(), state.m, state.v, state.q]
    scalars = sorted(state.scalars.get().items())
    position = state.progress.epoch, state.progress.row
    return [None if a is None else a.tobytes() for a in arrays], scalars, position


@pytest.fixture(scope="module")
def trained():
    """A trained network with its optimiser.

    After all that this module does to the process, training has the same bits.
    """
    before = reference_bits()
    net, (x, y) = classifier(), good_data()
    optimizer = rn.Adam(0.01)
    net.fit(x, y, epochs=1, batch_size=3, optimizer=optimizer)
    yield SimpleNamespace(net=net, optimizer=optimizer, x=x, y=y)
    assert reference_bits() == before


@contextlib.contextmanager
def refused(trained, error, *words):
    """The body raises this error with these words; the model is as it was."""
    before, history = state_of(trained.net), trained.net.history
    with pytest.raises(error) as caught:
        yield
    assert type(caught.value) is error or error is MemoryError
    for word in words:
        assert word in str(caught.value)
    assert len(str(caught.value)) < 1000
    assert state_of(trained.net) == before and trained.net.history is history


# ---- bad data, through every door ------------------------------------------------------


def _fit(t, x, y, **options):
    t.net.fit(x, y, optimizer=t.optimizer, **options)


def _validate(t, x, y, sample_weight=None):
    data = (x, y) if sample_weight is None else (x, y, sample_weight)
    t.net.fit(t.x, t.y, optimizer=t.optimizer, validation_data=data)


# name -> call(trained, X, y, **sample_weight)
DOORS = {
    "fit": _fit,
    "validation": _validate,
    "train_step": lambda t, x, y, **w: t.net.train_step(x, y, t.optimizer, **w),
    "evaluate": lambda t, x, y, **w: t.net.evaluate(x, y, **w),
    "gradients": lambda t, x, y, **w: t.net.loss_and_gradients(x, y, **w),
    "diagnose": lambda t, x, y: t.net.diagnose(x, y),
    "predict": lambda t, x, y: t.net.predict(x),
}
TAKES_WEIGHTS = ["fit", "validation", "train_step", "evaluate", "gradients"]
TAKES_Y = [*TAKES_WEIGHTS, "diagnose"]


def with_value(value, dtype=np.float64):
    x = np.zeros((N, N_IN), dtype)
    x[5, 2] = value
    return x


def objects(value):
    x = np.zeros((N, N_IN), object)
    x[5, 2] = value
    return x


def itself():
    cycle = []
    cycle.append(cycle)
    return cycle


def virtual(*shape, dtype=np.uint8):
    """An array of this shape that takes one element of memory."""
    return np.broadcast_to(np.zeros((), dtype), shape)


FINITE = "expected finite numbers"
BAD_X = {
    "NaN": (with_value(np.nan), ValueError, "row 5, column 2", "nan", FINITE),
    "infinity": (with_value(np.inf), ValueError, "row 5, column 2", "inf", FINITE),
    "-infinity": (with_value(-np.inf), ValueError, "row 5, column 2", "-inf", FINITE),
    "NaN float32": (with_value(np.nan, "f4"), ValueError, "row 5, column 2", FINITE),
    "inf float16": (with_value(np.inf, "f2"), ValueError, "row 5, column 2", FINITE),
    "NaN big-endian": (with_value(np.nan, ">f8"), ValueError, "row 5", FINITE),
    "NaN objects": (objects(np.nan), ValueError, "row 5, column 2", FINITE),
    "1e300": (with_value(1e300), ValueError, "1e+300", "too large for float32"),
    "long 1e4000": (with_value(np.longdouble("1e4000"), "g"), ValueError, "row 5"),
    "integer 10^400": (objects(10**400), ValueError, "integer too large"),
    "fraction 10^400": (objects(Fraction(10**400)), ValueError, "too large"),
    "no rows": (np.zeros((0, N_IN)), ValueError, "X has no rows", "(0, 6)"),
    "no columns": (np.zeros((N, 0)), ValueError, "0 columns", "expects 6"),
    "too few columns": (np.zeros((N, 5)), ValueError, "5 columns", "expects 6"),
    "too many columns": (np.zeros((N, 7)), ValueError, "7 columns", "expects 6"),
    "a number": (3.5, ValueError, "0 dimension", "expected 2"),
    "a row": (np.zeros(N_IN), ValueError, "1 dimension", "reshape(-1, 1)"),
    "a cube": (np.zeros((N, 2, 3)), ValueError, "3 dimension", "expected 2"),
    "empty list": ([], ValueError, "1 dimension"),
    "ragged list": ([[1.0] * 6, [1.0] * 5], ValueError, "not a rectangular array"),
    "list in itself": (itself(), ValueError, "not a rectangular array"),
    "None": (None, TypeError, "X is None"),
    "None inside": (objects(None), TypeError, "NoneType", "expected real numbers"),
    "text": ("abc", TypeError, "real numbers"),
    "bytes": (b"abc", TypeError, "real numbers"),
    "array of text": (np.full((N, N_IN), "1"), TypeError, "<U1", "real numbers"),
    "text inside": (objects("1"), TypeError, "str", "real numbers"),
    "dict": ({"a": 1}, TypeError, "dict", "real numbers"),
    "set": ({1.0}, TypeError, "set", "real numbers"),
    "generator": ((i for i in "ab"), TypeError, "generator", "real numbers"),
    "function": (len, TypeError, "builtin_function", "real numbers"),
    "complex": (with_value(1j, complex), TypeError, "complex128", "real numbers"),
    "complex inside": (objects(1j), TypeError, "complex", "real numbers"),
    "dates": (np.zeros((N, N_IN), "M8[s]"), TypeError, "datetime64", "real numbers"),
    "durations": (np.zeros((N, N_IN), "m8[s]"), TypeError, "timedelta64", "real"),
    "structured": (np.zeros((N, N_IN), "f4,i4"), TypeError, "expected real numbers"),
    "void": (np.zeros((N, N_IN), "V8"), TypeError, "V8", "real numbers"),
    "masked": (
        np.ma.masked_equal(np.eye(N, N_IN), 1),
        ValueError,
        "masked entries",
        "fill or drop",
    ),
    "sparse": (SimpleNamespace(tocsr=1), TypeError, "sparse", ".toarray()"),
    "2^60 rows": (virtual(2**60, N_IN), ValueError, str(2**60), "memory can address"),
    "2^48 rows": (virtual(2**48, N_IN), ValueError, str(2**48), "memory can address"),
    "2^60 columns": (virtual(N, 2**59), ValueError, str(2**59), "expects 6"),
    "2^33 columns": (virtual(N, 2**33), ValueError, str(2**33), "expects 6"),
}
BAD_Y = {
    "None": (None, TypeError, "y is None"),
    "too short": (np.zeros(7, int), ValueError, "y has 7 rows", "X has 8"),
    "too long": (np.zeros(9, int), ValueError, "y has 9 rows", "X has 8"),
    "empty": ([], ValueError, "y has 0 rows", "X has 8"),
    "2^60 rows": (virtual(2**60), ValueError, f"y has {2**60} rows", "X has 8"),
    "a number": (1, ValueError, "y has 1 rows", "X has 8"),
    "label too large": ([0, 1, 2, 3] * 2, ValueError, "0 to 3", "expected 0 to 2"),
    "label -1": ([0, 1, -1, 0] * 2, ValueError, "-1 to 1", "expected 0 to 2"),
    "label 2^63": (np.full(8, 2**63, "u8"), ValueError, str(2**63), "0 to 2"),
    "label -2^63": (np.full(8, -(2**63)), ValueError, str(-(2**63)), "0 to 2"),
    "label 1.5": ([0, 1.5] * 4, ValueError, "label 1.5 in row 1", "integer"),
    "label 1e300": ([0, 1e300] * 4, ValueError, "1e+300", "expected 0 to 2"),
    "label NaN": ([0, np.nan] * 4, ValueError, "label nan in row 1"),
    "label inf": ([0, np.inf] * 4, ValueError, "label inf in row 1"),
    "label None": ([0, None] * 4, TypeError, "NoneType", "real numbers"),
    "mixed": ([0, "a"] * 4, TypeError, "real numbers"),
    "text": (list("abcdabcd"), TypeError, "real numbers"),
    "dates": (np.zeros(8, "M8[D]"), TypeError, "datetime64", "real numbers"),
    "complex": (np.zeros(8, complex), TypeError, "complex128", "real numbers"),
    "ragged": ([[1, 0, 0], [0, 1]] * 4, ValueError, "not a rectangular array"),
    "masked": (np.ma.masked_equal(np.arange(8) % 3, 1), ValueError, "masked entries"),
    "two columns": (np.zeros((8, 2)), ValueError, "(8, 2)", "expected (8, 3)"),
    "cube": (np.zeros((8, 3, 1)), ValueError, "(8, 3, 1)", "expected (8, 3)"),
    "share of 2": (np.full((8, 3), 2.0), ValueError, "from 2.0 to 2.0", "[0, 1]"),
    "share NaN": (np.full((8, 3), np.nan), ValueError, "y has nan", FINITE),
}
BAD_WEIGHTS = {
    "negative": ([-1.0] + [1.0] * 7, ValueError, "negative", "-1.0"),
    "NaN": ([np.nan] + [1.0] * 7, ValueError, "NaN"),
    "infinity": ([np.inf] + [1.0] * 7, ValueError, "infinite"),
    "zero": (np.zeros(8), ValueError, "zero everywhere"),
    "-0.0": (np.full(8, -0.0), ValueError, "zero everywhere"),
    "short": (np.ones(7), ValueError, "(7,)", "(8,)"),
    "column": (np.ones((8, 1)), ValueError, "(8, 1)", "(8,)"),
    "number": (2.0, ValueError, "()", "(8,)"),
    "text": (["a"] * 8, TypeError, "real numbers"),
    "complex": (np.ones(8) * 1j, TypeError, "complex128"),
    "dates": (np.zeros(8, "M8[s]"), TypeError, "datetime64"),
    "masked": (np.ma.masked_equal(np.arange(8), 1), ValueError, "masked"),
    "2^60": (virtual(2**60), ValueError, str(2**60), "(8,)"),
    "long 1e4000": (np.full(8, np.longdouble("1e4000")), ValueError, "infinite"),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("case", BAD_X)
def test_bad_x_is_refused(case, door, trained):
    x, error, *words = BAD_X[case]
    with refused(trained, error, *words):
        DOORS[door](trained, x, trained.y)


@pytest.mark.parametrize("door", TAKES_Y)
@pytest.mark.parametrize("case", BAD_Y)
def test_bad_y_is_refused(case, door, trained):
    y, error, *words = BAD_Y[case]
    with refused(trained, error, *words):
        DOORS[door](trained, trained.x, y)


@pytest.mark.parametrize("door", TAKES_WEIGHTS)
@pytest.mark.parametrize("case", BAD_WEIGHTS)
def test_bad_weights_are_refused(case, door, trained):
    weight, error, *words = BAD_WEIGHTS[case]
    with refused(trained, error, *words):
        DOORS[door](trained, trained.x, trained.y, sample_weight=weight)


# ---- other arguments of a network ------------------------------------------------------

nan, inf = float("nan"), float("inf")


class Rates(rn.schedules.Schedule):
    """A schedule that gives whatever it is told to."""

    def __init__(self, rates):
        super().__init__(0.1)
        self.rates = rates

    def __call__(self, steps, steps_per_epoch):
        return self.rates(len(steps))


BAD_OPTIONS = {
    "epochs -1": ({"epochs": -1}, ValueError, "epochs is -1", "at least 0"),
    "epochs 1.5": ({"epochs": 1.5}, TypeError, "epochs is 1.5", "an integer"),
    "epochs True": ({"epochs": True}, TypeError, "epochs is True", "an integer"),
    "epochs text": ({"epochs": "9" * 999}, TypeError, "epochs is '999", "an integer"),
    "epochs NaN": ({"epochs": nan}, TypeError, "epochs is nan", "an integer"),
    "epochs None": ({"epochs": None}, TypeError, "epochs is None", "an integer"),
    "epochs -10^5000": ({"epochs": -(10**5000)}, ValueError, "of 16610 bits"),
    "batch 0": ({"batch_size": 0}, ValueError, "batch_size is 0", "at least 1"),
    "batch 2.0": ({"batch_size": 2.0}, TypeError, "batch_size is 2.0"),
    "threads 0": ({"threads": 0}, ValueError, "threads is 0", "at least 1"),
    "threads text": ({"threads": "all"}, TypeError, "threads is 'all'"),
    "shuffle 1": ({"shuffle": 1}, TypeError, "shuffle is 1", "True or False"),
    "progress text": ({"progress": "no"}, TypeError, "progress is 'no'"),
    "tau 0": ({"update_tau": 0}, ValueError, "update_tau is 0", "> 0"),
    "tau 2": ({"update_tau": 2}, ValueError, "update_tau is 2", "<= 1"),
    "optimizer name": ({"optimizer": "adamm"}, ValueError, "did you mean 'adam'"),
    "optimizer 3": ({"optimizer": 3}, TypeError, "optimizer is 3", "Adam(0.001)"),
    "validation 3": ({"validation_data": 3}, TypeError, "tuple (X, y)"),
    "validation X": ({"validation_data": (1,)}, TypeError, "tuple (X, y)"),
    "validation None": (
        {"validation_data": (None, None)},
        TypeError,
        "validation_data",
    ),
    "callbacks None": ({"callbacks": None}, TypeError, "NoneType", "list of callbacks"),
    "callback 3": ({"callbacks": [3]}, TypeError, "callback 3", "on_epoch_end"),
}
BAD_PREDICTION = {
    "threads 0": (0, ValueError, "threads is 0"),
    "threads -1": (-1, ValueError, "threads is -1"),
    "threads text": ("two", TypeError, "threads is 'two'"),
    "threads 1.0": (1.0, TypeError, "threads is 1.0"),
}


def weights_with(index, value):
    weights = classifier().get_weights()
    weights[index] = value
    return weights


BAD_NEW_WEIGHTS = {
    "None": (None, TypeError, "weights is None", "list of arrays"),
    "a number": (3, TypeError, "weights is 3", "list of arrays"),
    "text": ("abcd", TypeError, "list of arrays"),
    "three": (
        classifier().get_weights()[:3],
        ValueError,
        "got 3 weight arrays",
        "expected 4",
    ),
    "turned": (weights_with(0, np.zeros((5, 6))), ValueError, "weights[0]", "(6, 5)"),
    "NaN": (weights_with(3, [0, nan, 0]), ValueError, "weights[3]", "not finite"),
    "1e300": (weights_with(3, [0, 1e300, 0]), ValueError, "not finite as float32"),
    "text inside": (weights_with(3, list("abc")), TypeError, "weights[3]", "real"),
    "None inside": (weights_with(3, None), TypeError, "weights[3] is None"),
    "huge": (weights_with(3, virtual(2**60)), ValueError, str(2**60), "(3,)"),
}
BAD_MASKS = {
    "a number": (3, TypeError, "dropout_masks is 3"),
    "none": ([], ValueError, "got 0 dropout masks", "expected 1"),
    "turned": ([np.ones((5, N))], ValueError, "(5, 8)", "expected (8, 5)"),
    "a half": ([np.full((N, 5), 0.5)], ValueError, "other than 0 and 1"),
    "NaN": ([np.full((N, 5), nan)], ValueError, "other than 0 and 1"),
    "huge": ([virtual(2**30, 2**29)], ValueError, str(2**30), "(8, 5)"),
}


@pytest.mark.parametrize("case", BAD_OPTIONS)
def test_bad_options_are_refused(case, trained):
    options, error, *words = BAD_OPTIONS[case]
    with refused(trained, error, *words):
        trained.net.fit(
            trained.x, trained.y, **{"optimizer": trained.optimizer} | options
        )


@pytest.mark.parametrize("method", ["predict", "evaluate"])
@pytest.mark.parametrize("case", BAD_PREDICTION)
def test_bad_thread_numbers_are_refused(case, method, trained):
    threads, error, *words = BAD_PREDICTION[case]
    arguments = (trained.x,) if method == "predict" else (trained.x, trained.y)
    with refused(trained, error, *words):
        getattr(trained.net, method)(*arguments, threads=threads)


@pytest.mark.parametrize("case", BAD_NEW_WEIGHTS)
def test_bad_new_weights_are_refused(case, trained):
    weights, error, *words = BAD_NEW_WEIGHTS[case]
    with refused(trained, error, *words):
        trained.net.set_weights(weights)


@pytest.mark.parametrize("case", BAD_MASKS)
def test_bad_masks_are_refused(case, trained):
    masks, error, *words = BAD_MASKS[case]
    with refused(trained, error, *words):
        trained.net.train_step(
            trained.x, trained.y, trained.optimizer, dropout_masks=masks
        )


BAD_RATES = {
    "NaN": (lambda n: np.full(n, nan), ValueError, "rates", "finite"),
    "negative": (lambda n: -np.ones(n), ValueError, "-1.0", ">= 0"),
    "too few": (lambda n: np.ones(1), ValueError, "(1,)", "(3,)"),
    "text": (lambda n: "fast", TypeError, "schedule", "real numbers"),
    "None": (lambda n: None, TypeError, "schedule's result is None"),
}


@pytest.mark.parametrize("case", BAD_RATES)
def test_bad_schedules_are_refused(case, trained):
    rates, error, *words = BAD_RATES[case]
    net = classifier()
    before = [w.tobytes() for w in net.get_weights()]
    with refused(trained, error, *words):
        optimizer = rn.SGD(Rates(rates))
        net.fit(trained.x, trained.y, epochs=1, batch_size=3, optimizer=optimizer)
    assert [w.tobytes() for w in net.get_weights()] == before


# ---- descriptions of networks ----------------------------------------------------------


def net(*layers, **options):
    return rn.Network(list(layers), **options)


BAD_DESCRIPTIONS = {
    "no layers": (lambda: net(), ValueError, "layers is empty"),
    "one layer": (lambda: rn.Network(rn.Dense(1, 1)), TypeError, "Dense", "a list"),
    "layers None": (lambda: rn.Network(None), TypeError, "NoneType", "a list"),
    "text layer": (lambda: net("dense"), TypeError, "layer 0 is a str"),
    "dropout alone": (lambda: net(rn.Dropout(0.1)), ValueError, "at least one Dense"),
    "dropout last": (lambda: net(rn.Dense(1, 1), rn.Dropout(0)), ValueError, "last"),
    "dropout twice": (
        lambda: net(rn.Dropout(0.1), rn.Dropout(0.1), rn.Dense(1, 1)),
        ValueError,
        "layers 0 and 1 are both Dropout",
    ),
    "no fit": (
        lambda: net(rn.Dense(2, 3), rn.Dense(4, 1)),
        ValueError,
        "layer 1 expects 4 inputs",
        "3 outputs",
    ),
    "10^9 x 10^9": (
        lambda: net(rn.Dense(10**9, 10**9)),
        ValueError,
        "1000000001000000000 parameters",
        "memory can address",
    ),
    "3*10^8 x 3*10^8": (lambda: net(rn.Dense(3 * 10**8, 3 * 10**8)), MemoryError),
    "2^62 x 4": (lambda: net(rn.Dense(2**62, 4)), ValueError, "memory can address"),
    "2^64 inputs": (lambda: net(rn.Dense(2**64, 1)), ValueError, "memory can address"),
    "10^5000 units": (lambda: net(rn.Dense(1, 10**5000)), ValueError, "over 2**100"),
    "5000 layers too wide": (
        lambda: net(*[rn.Dense(2**28, 2**28)] * 5000),
        ValueError,
        "memory can address",
    ),
    "n_in 0": (lambda: rn.Dense(0, 1), ValueError, "n_in is 0", "at least 1"),
    "n_in -1": (lambda: rn.Dense(-1, 1), ValueError, "n_in is -1"),
    "n_in -10^5000": (lambda: rn.Dense(-(10**5000), 1), ValueError, "16610 bits"),
    "n_in 2.0": (lambda: rn.Dense(2.0, 1), TypeError, "n_in is 2.0", "an integer"),
    "n_out text": (lambda: rn.Dense(1, "3"), TypeError, "n_out is '3'"),
    "n_out True": (lambda: rn.Dense(1, True), TypeError, "n_out is True"),
    "n_out array": (lambda: rn.Dense(1, np.ones(999)), TypeError, "n_out is array"),
    "activation": (lambda: rn.Dense(1, 1, "rellu"), ValueError, "'relu'"),
    "activation None": (lambda: rn.Dense(1, 1, None), TypeError, "activation None"),
    "activation long": (lambda: rn.Dense(1, 1, "x" * 9999), ValueError, "activation"),
    "penalty 0.1": (
        lambda: rn.Dense(1, 1, weight_penalty=0.1),
        TypeError,
        "weight_penalty is 0.1",
        "L1",
    ),
    "bias groups": (
        lambda: rn.Dense(1, 1, bias_penalty=rn.GroupLasso(1)),
        ValueError,
        "a bias has no groups",
    ),
    "init name": (lambda: rn.Dense(1, 1, weight_init="he"), ValueError, "weight_init"),
    "init NaN": (lambda: rn.Dense(1, 1, weight_init=nan), ValueError, "is nan"),
    "bias init": (
        lambda: rn.Dense(1, 1, bias_init="kink"),
        ValueError,
        "did you mean 'kinks'",
    ),
    "bias init without bias": (
        lambda: rn.Dense(1, 1, bias_init="kinks", use_bias=False),
        ValueError,
        "use_bias False",
    ),
    "bias init of the outputs": (
        lambda: net(rn.Dense(1, 1, bias_init="kinks")),
        ValueError,
        "last Dense layer has bias_init='kinks'",
    ),
    "init list": (lambda: rn.Dense(1, 1, weight_init=[1]), TypeError, "weight_init"),
    "init shape": (
        lambda: net(rn.Dense(2, 1, weight_init=np.ones((1, 2)))),
        ValueError,
        "(1, 2)",
        "(2, 1)",
    ),
    "init text": (
        lambda: net(rn.Dense(2, 1, weight_init=lambda shape: "a")),
        TypeError,
        "weight_init",
        "real numbers",
    ),
    "bias 1": (lambda: rn.Dense(1, 1, use_bias=1), TypeError, "use_bias is 1"),
    "max_norm 0": (lambda: rn.Dense(1, 1, max_norm=0), ValueError, "max_norm is 0"),
    "max_norm inf": (lambda: rn.Dense(1, 1, max_norm=inf), ValueError, "is inf"),
    "alpha NaN": (
        lambda: rn.Dense(1, 1, "elu", activation_param=nan),
        ValueError,
        "activation_param is nan",
    ),
    "softmax inside": (
        lambda: net(rn.Dense(1, 2, "softmax"), rn.Dense(2, 1)),
        ValueError,
        "softmax is for outputs",
    ),
    "loss": (lambda: net(rn.Dense(1, 1), loss="mze"), ValueError, "'mse'"),
    "loss None": (lambda: net(rn.Dense(1, 1), loss=None), TypeError, "loss None"),
    "dtype int": (lambda: net(rn.Dense(1, 1), dtype=int), ValueError, "float64"),
    "dtype None": (
        lambda: net(rn.Dense(1, 1), dtype=None),
        ValueError,
        "dtype is None",
    ),
    "dtype swapped": (lambda: net(rn.Dense(1, 1), dtype=">f4"), ValueError, "'>f4'"),
    "dtype text": (lambda: net(rn.Dense(1, 1), dtype="("), ValueError, "'('"),
    "seed -1": (lambda: net(rn.Dense(1, 1), seed=-1), ValueError, "seed is -1"),
    "seed 2^64": (lambda: net(rn.Dense(1, 1), seed=2**64), ValueError, "at most"),
    "seed 1.5": (lambda: net(rn.Dense(1, 1), seed=1.5), TypeError, "seed is 1.5"),
    "rate 1": (lambda: rn.Dropout(1), ValueError, "rate is 1", "< 1"),
    "rate -0.1": (lambda: rn.Dropout(-0.1), ValueError, "rate is -0.1", ">= 0"),
    "rate NaN": (lambda: rn.Dropout(nan), ValueError, "rate is nan"),
    "rate True": (lambda: rn.Dropout(True), TypeError, "rate is True", "a number"),
    "rate 1j": (lambda: rn.Dropout(1j), TypeError, "rate is 1j", "a number"),
    "l1 -1": (lambda: rn.L1(-1), ValueError, "l1 is -1"),
    "l1 inf": (lambda: rn.L1(inf), ValueError, "l1 is inf", "finite"),
    "l1 None": (lambda: rn.L1(None), TypeError, "l1 is None"),
    "l1 rule": (lambda: rn.L1(1, rule="prox"), ValueError, "proximal"),
    "l1 sign": (lambda: rn.L1(1, sign_at_zero=2), ValueError, "sign_at_zero is 2"),
    "l2 10^400": (lambda: rn.L2(10**400), ValueError, "l2 is too large"),
    "l2 text": (lambda: rn.L2("0.1"), TypeError, "l2 is '0.1'"),
    "groups": (lambda: rn.GroupLasso(1, "rows"), ValueError, "units, inputs"),
    "groups twice": (
        lambda: rn.GroupLasso(1, [[0, 1], [1, 2]]),
        ValueError,
        "input 1 twice",
        "every input in exactly one",
    ),
    "groups gap": (
        lambda: rn.SparseGroupLasso(1, 1, [[0], [2, 3]]),
        ValueError,
        "input 1 in no group",
    ),
    "groups none": (lambda: rn.GroupLasso(1, [[], []]), ValueError, "no inputs"),
    "groups flat": (lambda: rn.GroupLasso(1, [0, 1]), TypeError, "a group is 0"),
    "groups number": (lambda: rn.GroupLasso(1, 3), TypeError, "groups is 3"),
    "groups None": (lambda: rn.GroupLasso(1, None), TypeError, "units, inputs"),
    "groups float": (lambda: rn.GroupLasso(1, [[0.5]]), TypeError, "0.5"),
    "groups -1": (lambda: rn.GroupLasso(1, [[-1, 0]]), ValueError, "is -1"),
    "groups far": (lambda: rn.GroupLasso(1, [[2**70]]), ValueError, "in no group"),
    "groups of others": (
        lambda: rn.Dense(4, 1, weight_penalty=rn.GroupLasso(1, [[0, 2], [1]])),
        ValueError,
        "groups of 3 inputs",
        "the layer's 4",
    ),
    "group NaN": (lambda: rn.SparseGroupLasso(1, nan), ValueError, "strength is nan"),
    "non-negative": (lambda: rn.NonNegative(1), TypeError, "penalty is 1"),
    "prox": (lambda: rn.L1(1).prox([1.0], -1), ValueError, "step is -1"),
    "convention": (lambda: rn.L1.from_convention("r9", 1), ValueError, "weight-decay"),
    "convention n": (
        lambda: rn.L1.from_convention("weight-decay", 1),
        ValueError,
        "needs n=",
    ),
    "rate 0": (lambda: rn.SGD(0), ValueError, "learning_rate is 0", "> 0"),
    "rate inf": (lambda: rn.Adam(inf), ValueError, "learning_rate is inf"),
    "rate text": (lambda: rn.Adam("fast"), TypeError, "learning_rate is 'fast'"),
    "momentum 1": (lambda: rn.SGD(1, momentum=1), ValueError, "momentum is 1"),
    "nesterov": (lambda: rn.SGD(1, nesterov=True), ValueError, "needs a momentum"),
    "beta 1": (lambda: rn.Adam(beta2=1), ValueError, "beta2 is 1", "< 1"),
    "dropout rates": (
        lambda: rn.Dropout(rn.schedules.Constant(1.0)),
        ValueError,
        "rate is Constant(1.0), its initial is 1.0",
        "< 1",
    ),
    "own dropout rates": (
        lambda: rn.Dropout(Rates(np.ones)),
        TypeError,
        "schedule of regnet_c.schedules",
    ),
    "decays": (
        lambda: rn.AdamW(weight_decay=Rates(lambda n: -np.ones(n))).constants(),
        ValueError,
        "weight_decay is -1",
    ),
    "rate factor": (
        lambda: rn.Dense(2, 1, learning_rate_factor=-1),
        ValueError,
        "learning_rate_factor is -1",
    ),
    "bias rate factor": (
        lambda: rn.Dense(2, 1, bias_learning_rate_factor=np.nan),
        ValueError,
        "bias_learning_rate_factor is nan",
    ),
    "rate factor of a LassoNet": (
        lambda: rn.LassoNet(
            [rn.Dense(2, 3, "relu", learning_rate_factor=0.5), rn.Dense(3, 1)], 0.1
        ),
        ValueError,
        "LassoNet expects 1",
    ),
    "clip 0": (lambda: rn.SGD(clip_norm=0), ValueError, "clip_norm is 0"),
    "epsilon 0": (lambda: rn.Adagrad(epsilon=0), ValueError, "epsilon is 0"),
    "beta 0": (lambda: rn.FTRL(beta=0), ValueError, "beta is 0"),
    "rho": (lambda: rn.RMSprop(rho=-1), ValueError, "rho is -1"),
    "decay": (lambda: rn.AdamW(weight_decay=nan), ValueError, "weight_decay is nan"),
    "huber 0": (lambda: rn.Loss("huber", 0), ValueError, "delta is 0"),
    "quantile 1": (lambda: rn.Loss("quantile", 1), ValueError, "q is 1"),
    "smoothing 1": (
        lambda: rn.Loss("binary_cross_entropy", label_smoothing=1),
        ValueError,
        "label_smoothing is 1",
    ),
    "smoothed mse": (
        lambda: rn.Loss("mse", label_smoothing=0.1),
        ValueError,
        "expected a cross-entropy",
    ),
    "mse param": (lambda: rn.Loss("mse", 1), ValueError, "no parameter"),
    "patience": (lambda: rn.EarlyStopping(patience=-1), ValueError, "patience is -1"),
    "monitor": (lambda: rn.EarlyStopping(monitor=3), TypeError, "monitor is 3"),
    "mode": (lambda: rn.EarlyStopping(mode="most"), ValueError, "auto, min, max"),
    "schedule": (lambda: rn.schedules.StepDecay(1, 1, 0), ValueError, "every is 0"),
}


@pytest.mark.parametrize("case", BAD_DESCRIPTIONS)
def test_bad_descriptions_are_refused(case, trained):
    build, error, *words = BAD_DESCRIPTIONS[case]
    with refused(trained, error, *words):
        build()


# ---- kernels ---------------------------------------------------------------------------

ones = np.ones
FULL = ones((2, 3))


def update(w=None, g=None, optimizer="sgd", state=None, **options):
    w, g = (ones(3) if a is None else a for a in (w, g))
    kernels.update(w, g, optimizer, {} if state is None else state, **options)


def read_only():
    w = ones(3)
    w.flags.writeable = False
    return w


BAD_KERNELS = {
    "None": (lambda k: k.exp(None), TypeError, "x is None"),
    "text": (lambda k: k.exp("a"), TypeError, "<U1", "real numbers"),
    "complex": (lambda k: k.tanh([1j]), TypeError, "complex128"),
    "dates": (lambda k: k.erf(np.zeros(3, "M8[s]")), TypeError, "datetime64"),
    "ragged": (lambda k: k.log([[1], [1, 2]]), ValueError, "x is not a rectangular"),
    "masked": (lambda k: k.log1p(np.ma.masked_equal([1.0], 1)), ValueError, "masked"),
    "objects": (lambda k: k.atan(objects(None)), TypeError, "NoneType"),
    "10^400": (lambda k: k.expm1([10**400]), ValueError, "x has an integer too large"),
    "activation": (
        lambda k: k.activation_forward("softmax", [1.0]),
        ValueError,
        "activation 'softmax'",
    ),
    "alpha": (
        lambda k: k.activation_forward("elu", [1.0], nan),
        ValueError,
        "param is nan",
    ),
    "alpha text": (
        lambda k: k.activation_forward("elu", [1.0], "a"),
        TypeError,
        "param is 'a'",
    ),
    "softmax 1-D": (lambda k: k.softmax_forward([1.0]), ValueError, "1 dim", "2"),
    "softmax shapes": (
        lambda k: k.softmax_backward(FULL, FULL.T),
        ValueError,
        "(2, 3)",
        "(3, 2)",
    ),
    "loss rows": (
        lambda k: k.loss_rows("mse", FULL, FULL[:1]),
        ValueError,
        "(1, 3)",
        "(2, 3)",
    ),
    "loss labels": (
        lambda k: k.loss_rows("softmax_cross_entropy", FULL, [0, 3]),
        ValueError,
        "0 to 3",
        "0 to 2",
    ),
    "loss 1.5": (
        lambda k: k.loss_rows("softmax_cross_entropy", FULL, [0, 1.5]),
        ValueError,
        "label 1.5",
    ),
    "loss many labels": (
        lambda k: k.loss_rows("softmax_cross_entropy", FULL, [0] * 3),
        ValueError,
        "(3,)",
        "(2,)",
    ),
    "loss scale": (
        lambda k: k.loss_rows("mse", FULL, FULL, scale=ones(3)),
        ValueError,
        "scale",
        "(3,)",
        "(2,)",
    ),
    "loss param": (
        lambda k: k.loss_rows("huber", FULL, FULL, param=-1),
        ValueError,
        "delta is -1",
    ),
    "loss name": (lambda k: k.loss_rows("mze", FULL, FULL), ValueError, "'mse'"),
    "random n": (lambda k: k.random_uniform(-1, 0), ValueError, "n is -1"),
    "random 2^62": (lambda k: k.random_normal(2**62, 0), ValueError),
    "random 2^50": (lambda k: k.random_normal(2**50, 0), MemoryError),
    "random seed": (lambda k: k.random_uniform(3, -1), ValueError, "seed is -1"),
    "random seed 2^64": (lambda k: k.random_uniform(3, 2**64), ValueError, "seed"),
    "random stream": (
        lambda k: k.random_uniform(3, 0, stream=2**32),
        ValueError,
        "stream is 4294967296",
    ),
    "random first": (lambda k: k.random_uniform(3, 0, first=1.0), TypeError, "first"),
    "random dtype": (
        lambda k: k.random_uniform(3, 0, dtype="f2"),
        ValueError,
        "dtype is 'f2'",
    ),
    "mask rows": (
        lambda k: k.dropout_mask(-1, 3, 0.5, 0, 0, 0),
        ValueError,
        "n_rows is -1",
    ),
    "mask 2^40": (lambda k: k.dropout_mask(2**40, 2**40, 0.5, 0, 0, 0), ValueError),
    "mask 2^25": (lambda k: k.dropout_mask(2**25, 2**25, 0.5, 0, 0, 0), MemoryError),
    "mask rate": (lambda k: k.dropout_mask(2, 3, 1, 0, 0, 0), ValueError, "rate is 1"),
    "mask step": (lambda k: k.dropout_mask(2, 3, 0.5, 0, -1, 0), ValueError, "step"),
    "mask layer": (
        lambda k: k.dropout_mask(2, 3, 0.5, 0, 0, 2**32),
        ValueError,
        "layer",
    ),
    "order n": (lambda k: k.permutation(1.5, 0, 0), TypeError, "n is 1.5"),
    "order 2^50": (lambda k: k.permutation(2**50, 0, 0), MemoryError),
    "order epoch": (lambda k: k.permutation(3, 0, 2**64), ValueError, "epoch"),
    "dense": (lambda k: k.dense_forward(FULL, FULL), ValueError, "(2, 3)", "(3, 3)"),
    "dense bias": (
        lambda k: k.dense_forward(FULL, FULL.T, ones(3)),
        ValueError,
        "b has shape (3,)",
        "(2,)",
    ),
    "dense cube": (
        lambda k: k.dense_forward(ones((1, 2, 3)), FULL),
        ValueError,
        "3 dim",
    ),
    "dense dx": (lambda k: k.dense_input_gradient(FULL, FULL.T), ValueError, "(3, 3)"),
    "dense dw": (
        lambda k: k.dense_weight_gradient(FULL, FULL.T),
        ValueError,
        "(3, 2)",
        "(2, 2)",
    ),
    "prox": (lambda k: k.prox_l1([1.0], -1), ValueError, "threshold is -1"),
    "prox NaN": (lambda k: k.prox_group(FULL, nan), ValueError, "threshold is nan"),
    "prox rows": (lambda k: k.prox_group(FULL, 1, [[0]]), ValueError, "groups has 1"),
    "prox groups": (lambda k: k.prox_group(FULL, 1, "rows"), ValueError, "groups"),
    "max_norm": (lambda k: k.max_norm(FULL, 0), ValueError, "max_norm is 0"),
    "sums": (lambda k: k.penalty_sums("a"), TypeError, "real numbers"),
    "update list": (lambda k: update([1.0]), TypeError, "w is list", "ndarray"),
    "update int": (lambda k: update(ones(3, int)), TypeError, "w is int64"),
    "update strided": (lambda k: update(ones(6)[::2]), ValueError, "w must be C-cont"),
    "update fortran": (
        lambda k: update(FULL.T, FULL.T),
        ValueError,
        "w must be C-cont",
    ),
    "update read-only": (lambda k: update(read_only()), ValueError, "writeable"),
    "update swapped": (lambda k: update(ones(3, ">f8")), TypeError, "w is >f8"),
    "update g": (lambda k: update(g=ones(4)), ValueError, "(4,)", "(3,)"),
    "update g float32": (lambda k: update(g=ones(3, "f4")), ValueError, "float32"),
    "update state": (
        lambda k: update(state={"m": ones(2)}),
        ValueError,
        "m is",
        "(2,)",
    ),
    "update rule": (lambda k: update(l1=1, l1_rule="x"), ValueError, "cumulative"),
    "update l1": (lambda k: update(l1=-1), ValueError, "l1 is -1"),
    "update l2": (lambda k: update(l2=inf), ValueError, "l2 is inf"),
    "update sign": (lambda k: update(sign_at_zero=3), ValueError, "sign_at_zero is 3"),
    "update optimizer": (lambda k: update(optimizer=None), TypeError, "optimizer"),
}


@pytest.mark.parametrize("case", BAD_KERNELS)
def test_bad_arrays_are_refused_by_kernels(case, trained):
    call, error, *words = BAD_KERNELS[case]
    with refused(trained, error, *words):
        call(kernels)


def test_a_refused_update_changes_nothing():
    w, g = np.asfortranarray(ones((3, 2))), ones((3, 2))
    with pytest.raises(ValueError, match="C-contiguous"):
        kernels.update(w, g, "sgd", {})
    np.testing.assert_array_equal(w, 1)


# ---- model files (test_files.py has the hostile ones) ----------------------------------

BAD_FILES = {
    "empty": (b"", rn.ModelFileError, "not a regnet_c model"),
    "text": (b"hello" * 99, rn.ModelFileError, "not a regnet_c model"),
    "pickle": (b"\x80\x04\x95\x00.", rn.ModelFileError, "not a regnet_c model"),
    "zip": (b"PK\x03\x04" + bytes(99), rn.ModelFileError, "not a regnet_c model"),
    "zeros": (bytes(4096), rn.ModelFileError, "not a regnet_c model"),
    "long header": (b"\xff" * 16, rn.ModelFileError, str(2**64 - 1)),
}
BAD_PATHS = {
    "missing": (lambda folder: folder / "none", FileNotFoundError, "none"),
    "folder": (lambda folder: folder, IsADirectoryError, "directory"),
    "zero byte": (lambda folder: "a\0b", ValueError, "embedded null"),
    "None": (lambda folder: None, TypeError, "None"),
    "a number": (lambda folder: 1.5, TypeError, "float"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_files_are_refused(case, trained, tmp_path):
    content, error, *words = BAD_FILES[case]
    path = tmp_path / "m.safetensors"
    path.write_bytes(content)
    with refused(trained, error, *words):
        rn.Network.load(path)


@pytest.mark.parametrize("method", ["load", "save"])
@pytest.mark.parametrize("case", BAD_PATHS)
def test_bad_paths_are_refused(case, method, trained, tmp_path):
    path, error, *words = BAD_PATHS[case]
    if method == "save" and case == "missing":
        path = lambda folder: folder / "none" / "m"  # noqa: E731
    with refused(trained, error, *words):
        (rn.Network.load if method == "load" else trained.net.save)(path(tmp_path))
    assert not list(tmp_path.iterdir())


# ---- the command line ------------------------------------------------------------------


def npz(folder, **arrays):
    np.savez(folder / "d.npz", **arrays)
    return folder / "d.npz"


def table(folder, content):
    path = folder / "d.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def cut(folder):
    path = npz(folder, X=np.zeros((9, 2)), y=np.arange(9))
    path.write_bytes(path.read_bytes()[:-30])
    return path


def damaged(folder):
    """A byte of the compressed data is wrong."""
    path = folder / "d.npz"
    np.savez_compressed(path, X=np.arange(900.0).reshape(-1, 2), y=np.arange(450))
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0xFF
    path.write_bytes(bytes(content))
    return path


def no_array(folder):
    """An archive whose entries are not in NumPy's format."""
    with zipfile.ZipFile(folder / "d.npz", "w") as file:
        file.writestr("X.npy", b"not an array")
        file.writestr("y.npy", b"nor is this")
    return folder / "d.npz"


def encrypted(folder):
    path = npz(folder, X=np.zeros((9, 2)), y=np.arange(9))
    content = path.read_bytes()
    at = content.index(b"PK\x01\x02")
    path.write_bytes(content[: at + 8] + b"\x01" + content[at + 9 :])
    return path


X9, Y9 = np.arange(18.0).reshape(9, 2), np.arange(9) % 2
COLUMN = "a,b\n" + "\n".join(f"{i},{i % 2}" for i in range(9))
BAD_DATA_FILES = {
    "no file": (lambda f: f / "none.csv", "none.csv"),
    "parquet": (lambda f: f / "d.parquet", "no such file", "d.parquet"),
    "no ending": (lambda f: f / "d", "ends in '', expected .csv"),
    "folder": (lambda f: (f / "d.csv").mkdir() or f / "d.csv", "has no files"),
    "empty CSV": (lambda f: table(f, ""), "is empty"),
    "header only": (lambda f: table(f, "a,b\n"), "no rows"),
    "double column": (lambda f: table(f, "b,b\n1,2\n"), "column 'b' twice"),
    "short row": (lambda f: table(f, "a,b\n1\n"), "line 2 has 1 entries, expected 2"),
    "missing": (lambda f: table(f, "a,b\n1,\n"), "target 'b' has no values"),
    "nan": (lambda f: table(f, "a,b\nnan,1\n"), "('a': no values)"),
    "inf": (
        lambda f: table(f, "a,b\n1,0\n-inf,1\n"),
        "d.csv line 3 column 'a' has -inf, expected finite",
    ),
    "1e999": (lambda f: table(f, "a,b\n1e999,1\n"), "line 2 column 'a' has inf"),
    "1e308": (
        lambda f: table(f, "a,b\n-1.7e308,0\n1.7e308,1\n"),
        "d.csv: column 'a' cannot be encoded",
        "too far apart",
    ),
    "one class": (lambda f: table(f, "a,b\n1,x\n2,x\n"), "one class only"),
    "no such target": (lambda f: table(f, "a,c\n1,2\n"), "no column 'b'"),
    "target alone": (lambda f: table(f, "b\n1\n"), "no column besides the target 'b'"),
    "Latin-1": (lambda f: table(f, b"a,b\n\xff\xfe,1\n"), "d.csv line 2 is not UTF-8"),
    "long field": (lambda f: table(f, "a,b\n" + "x" * 200_000 + ",1\n"), "always 'xxx"),
    "empty NPZ": (lambda f: npz(f), "the arrays none", "expected X and y"),
    "not an NPZ": (lambda f: (npz(f).write_bytes(b"x"), f / "d.npz")[1], "ZIP archive"),
    "cut NPZ": (cut, "not a readable NPZ"),
    "damaged NPZ": (damaged, "not a readable NPZ"),
    "no array": (no_array, "not a readable NPZ file: X is not an array"),
    "encrypted NPZ": (encrypted, "not a readable NPZ"),
    "pickles": (
        lambda f: npz(f, X=np.array([{}, {}], object), y=Y9),
        "allow_pickle=False",
    ),
    "no y": (lambda f: npz(f, X=X9), "has X but no y"),
    "y too short": (lambda f: npz(f, X=X9, y=Y9[:8]), "y has 8 rows, X has 9"),
    "y a number": (lambda f: npz(f, X=X9, y=3), "y has 1 rows, X has 9"),
    "X a number": (lambda f: npz(f, X=3, y=Y9), "X has shape ()"),
    "X empty": (lambda f: npz(f, X=X9[:0], y=Y9[:0]), "X has shape (0, 2)"),
    "X always True": (lambda f: npz(f, X=X9 >= 0, y=Y9), "('x0': always 'True'"),
    "X complex": (lambda f: npz(f, X=X9 * 1j, y=Y9), "complex128"),
    "X NaN": (lambda f: npz(f, X=X9 * np.nan, y=Y9), "('x0': no values"),
    "X inf": (
        lambda f: npz(f, X=np.where(X9 == 3, np.inf, X9), y=Y9),
        "row 2 column 'x1'",
    ),
    "y dates": (lambda f: npz(f, X=X9, y=Y9.astype("M8[s]")), "'y' holds dates"),
    "y complex": (lambda f: npz(f, X=X9, y=Y9 * 1j), "neither numbers nor text"),
    "y NaN": (lambda f: npz(f, X=X9, y=Y9 * np.nan), "target 'y' has no values"),
    "y inf": (lambda f: npz(f, X=X9, y=Y9 + np.inf), "row 1 column 'y' has inf"),
    "y texts": (lambda f: npz(f, X=X9, y=X9.astype(str)), "(9, 2)"),
    "one row": (lambda f: npz(f, X=X9[:1], y=Y9[:1]), "over 1 sample"),
}
BAD_COMMANDS = {
    "nothing": ([], "COMMAND"),
    "unknown command": (["fly"], "invalid choice"),
    "unknown option": (["train", "--wings"], "--wings"),
    "hidden 0": (["train", "--hidden", "0"], "--hidden is 0"),
    "hidden huge": (["train", "--hidden", str(10**30)], "memory can address"),
    "hidden text": (["train", "--hidden", "1,x"], "whole numbers"),
    "epochs -1": (["train", "--epochs", "-1"], "epochs is -1"),
    "epochs text": (["train", "--epochs", "ten"], "'ten'", "whole number or auto"),
    "batch": (["train", "--batch-size", "0"], "--batch-size is 0"),
    "seed": (["train", "--seed", "-1"], "seed is -1"),
    "threads": (["train", "--threads", "0"], "threads is 0"),
    "rate": (["train", "--learning-rate", "inf"], "--learning-rate is inf"),
    "momentum": (["train", "--optimizer", "sgd", "--momentum", "2"], "momentum is 2"),
    "l1": (["train", "--l1", "nan"], "l1 is nan"),
    "l2": (["train", "--l2", "-1"], "l2 is -1"),
    "dropout": (["train", "--dropout", "1"], "--dropout is 1"),
    "input dropout": (["train", "--input-dropout", "-1"], "--input-dropout is -1"),
    "max norm": (["train", "--max-norm", "0"], "max_norm is 0"),
    "validation NaN": (["train", "--validation", "nan"], "--validation is nan"),
    "validation inf": (["train", "--validation", "inf"], "--validation is inf"),
    "validation 1": (["train", "--validation", "1"], "--validation is 1.0, expected"),
    "patience": (["train", "--patience", "-1"], "patience is -1"),
    "loss": (["train", "--loss", "mze"], "invalid choice"),
    "wrong loss": (
        ["train", "--loss", "binary_cross_entropy"],
        "a target of 10 classes expects softmax",
    ),
    "no folder": (["train", "--output", "no/such/m"], "no folder"),
    "output folder": (["train", "--output", "."], "cannot be written"),
    "diverges": (
        ["train", "--optimizer", "sgd", "--learning-rate", "1e300"],
        "diverged",
    ),
    "no model": (["predict", "none.st", "d.csv"], "none.st"),
    "model folder": (["predict", ".", "d.csv"], "directory"),
}


@contextlib.contextmanager
def one_line(trained, capsys, *words):
    """The command fails with status 2 and one line with these words on stderr."""
    with refused(trained, SystemExit):
        capsys.readouterr()
        yield
    error = capsys.readouterr().err
    assert error.startswith("regnet-c: error: ") and error.count("\n") == 1
    for word in words:
        assert word in error


def run(*arguments):
    raise SystemExit(main([str(a) for a in arguments]))


@pytest.mark.parametrize("case", BAD_DATA_FILES)
def test_bad_data_files_are_one_line(case, trained, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make, *words = BAD_DATA_FILES[case]
    path = make(tmp_path)
    before = sorted(tmp_path.iterdir())
    with one_line(trained, capsys, *words):
        run("train", "--data", path, "--target", "b", "--epochs", 1, "--quiet")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("case", BAD_COMMANDS)
def test_bad_commands_are_one_line(case, trained, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments, *words = BAD_COMMANDS[case]
    quiet = ["--quiet"] if arguments[:1] == ["train"] else []
    if arguments[:1] == ["train"] and "--epochs" not in arguments:
        quiet += ["--epochs", "1"]
    with one_line(trained, capsys, *words):
        run(*arguments, *quiet)
    assert not list(tmp_path.iterdir())


ENCODING = {
    "format": "regnet_c.table",
    "version": 1,
    "columns": [
        {
            "name": "a",
            "kind": "number",
            "missing": False,
            "fill": 0.0,
            "codes": [{"method": "standard", "center": 0.0, "scale": 1.0}],
        },
        {
            "name": "c",
            "kind": "category",
            "code": "onehot",
            "levels": list("vwxyz"),
            "other": False,
            "missing": False,
        },
    ],
    "numbers": [],
}
FORM = {
    "version": 1,
    "encoder": ENCODING,
    "target": {"name": "b", "classes": ["yes", "no", "perhaps"]},
    "dialect": {
        "header": True,
        "delimiter": None,
        "decimal": None,
        "thousands": None,
        "missing": None,
    },
}
NUMBERS = {"name": "b", "centers": [0.0] * 3, "scales": [1.0] * 3}


def encoder(**changes):
    return FORM | {"encoder": ENCODING | changes}


def target(**changes):
    return FORM | {"target": FORM["target"] | changes}


def dialect(**changes):
    return FORM | {"dialect": FORM["dialect"] | changes}


BAD_FORMS = {
    "a list": ([], "unexpected entries"),
    "an entry less": ({k: FORM[k] for k in list(FORM)[1:]}, "unexpected entries"),
    "an entry more": (FORM | {"path": "/"}, "unexpected entries"),
    "another order": (dict(reversed(FORM.items())), "unexpected entries"),
    "version 2": (FORM | {"version": 2}, "has version 2, this release reads 1"),
    "version true": (FORM | {"version": True}, "has version True"),
    "no encoder": (FORM | {"encoder": None}, "not a dict"),
    "fewer outputs": (
        encoder(columns=ENCODING["columns"][1:]),
        "5 outputs",
        "6 inputs",
    ),
    "column twice": (encoder(columns=ENCODING["columns"][:1] * 6), "a column twice"),
    "numbers left": (encoder(numbers=[1.0]), "left over"),
    "target 5": (FORM | {"target": 5}, "target has no name"),
    "target name": (target(name=[]), "target has no name"),
    "target more": (target(path="/"), "target has unexpected entries"),
    "classes 2": (target(classes=["a", "b"]), "3 different classes"),
    "classes same": (target(classes=["a", "b", "a"]), "3 different classes"),
    "classes text": (target(classes="abc"), "classes that are not text"),
    "classes lists": (target(classes=[[], [], []]), "classes that are not text"),
    "centers 2": (FORM | {"target": NUMBERS | {"centers": [0.0]}}, "scale 3 outputs"),
    "scale 0": (
        FORM | {"target": NUMBERS | {"scales": [0.0] * 3}},
        "impossible scales",
    ),
    "scale int": (
        FORM | {"target": NUMBERS | {"scales": [1] * 3}},
        "impossible scales",
    ),
    "header 1": (dialect(header=1), "dialect has impossible entries"),
    "delimiter long": (dialect(delimiter="::"), "dialect has impossible entries"),
    "missing text": (dialect(missing="?"), "dialect has impossible entries"),
    "dialect more": (dialect(path="/"), "dialect has unexpected entries"),
}


@pytest.mark.parametrize("case", BAD_FORMS)
def test_bad_encoders_are_not_saved_and_not_loaded(
    case, trained, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    form, *words = BAD_FORMS[case]
    net = classifier()
    net.metadata = {KEY: form}
    with pytest.raises(ValueError, match="cannot be saved.*" + words[0]):
        net.save("m")
    monkeypatch.setattr(model_file, "_check_table", lambda *arguments: None)
    net.save("m")
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    table(tmp_path, "a,c\n1,v\n")
    with one_line(trained, capsys, "is not a regnet_c model", *words):
        run("predict", "m", "d.csv")


@pytest.mark.parametrize("form", [FORM, FORM | {"target": NUMBERS}])
def test_the_good_encoder_is_taken(form, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    net = classifier()
    net.metadata = {KEY: json.loads(json.dumps(form))}
    net.save("m")
    table(tmp_path, "a,c\n1,v\n")
    assert main(["predict", "m", "d.csv"]) == 0
    assert "1 predictions" in capsys.readouterr().out


def test_a_network_without_an_encoder_predicts_no_tables(
    trained, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    classifier().save("m")
    table(tmp_path, "a,c\n1,v\n")
    with one_line(trained, capsys, "m does not know how to read tables"):
        run("predict", "m", "d.csv")


# ---- odd but legal: the same bits ------------------------------------------------------


def odd_offset_map(x, folder):
    """A read-only memory map that begins at byte 3 of a file."""
    path = folder / f"map {len(list(folder.iterdir()))}"
    path.write_bytes(b"abc" + x.tobytes())
    return np.memmap(path, x.dtype, "r", offset=3, shape=x.shape)


def unaligned(x, folder=None):
    data = np.zeros(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape)
    data[...] = x
    assert not data.flags.aligned
    return data


def spread(x, folder=None):
    """Strides of 3 and 5 elements, both backwards."""
    wide = np.zeros(
        tuple(k * n for k, n in zip((3, 5), x.shape, strict=False)), x.dtype
    )
    steps = tuple(slice(None, None, -k) for k in (3, 5)[: x.ndim])
    view = wide[steps]
    view[...] = x
    return view


def odd_stride(x, folder=None):
    """Records of 11 bytes with one number in each: no number but the first is aligned."""
    record = np.dtype({"names": ["v"], "formats": [x.dtype], "itemsize": 11})
    records = np.zeros(x.shape, record)
    records["v"] = x
    return records["v"]


def readonly(x, folder=None):
    x = x.copy()
    x.flags.writeable = False
    return x


class Wrapped:
    """Something that only says how to become an array."""

    def __init__(self, x):
        self.x = x

    def __array__(self, dtype=None, copy=None):
        return self.x if dtype is None else self.x.astype(dtype)


class Subclass(np.ndarray):
    """An ndarray that would notice arithmetic."""

    def __array_ufunc__(self, *arguments, **options):
        raise AssertionError("arithmetic on the user's own array")


ODD_FORMS = {
    "Fortran order": lambda x, folder: np.asfortranarray(x),
    "reversed rows": lambda x, folder: x[::-1].copy()[::-1],
    "reversed": lambda x, folder: np.flip(np.flip(x).copy()),
    "spread": spread,
    "unaligned": unaligned,
    "odd strides": odd_stride,
    "byte-swapped": lambda x, folder: x.astype(x.dtype.newbyteorder()),
    "swapped, spread": lambda x, folder: spread(x.astype(x.dtype.newbyteorder())),
    "read-only": readonly,
    "memory map": odd_offset_map,
    "list": lambda x, folder: x.tolist(),
    "tuples": lambda x, folder: (
        tuple(map(tuple, x.tolist())) if x.ndim == 2 else tuple(x)
    ),
    "objects": lambda x, folder: x.astype(object),
    "list of arrays": lambda x, folder: list(x),
    "wrapped": lambda x, folder: Wrapped(x),
    "subclass": lambda x, folder: x.view(Subclass),
    "unmasked": lambda x, folder: np.ma.masked_array(x),
    "long": lambda x, folder: x.astype(np.longdouble),
    "memoryview": lambda x, folder: memoryview(np.ascontiguousarray(x)),
}


def everything(x, y, sample_weight, loss="softmax_cross_entropy", dtype="float32"):
    """The bytes of all that the doors of a network give for these data."""
    net = classifier(dtype, loss)
    optimizer = rn.Adam(0.01)
    history = net.fit(
        x,
        y,
        epochs=2,
        batch_size=3,
        optimizer=optimizer,
        sample_weight=sample_weight,
        validation_data=(x, y, sample_weight),
    )
    step = net.train_step(x, y, optimizer, sample_weight=sample_weight)
    loss, gradients = net.loss_and_gradients(x, y, sample_weight=sample_weight)
    scores = net.evaluate(x, y, sample_weight=sample_weight)
    arrays = [*net.get_weights(), *gradients, net.predict(x)]
    return [a.tobytes() for a in arrays], history.history, step, loss, scores


def assert_same_bits(forms, plain, **options):
    """Odd forms of (x, y, weights) give the bits of the plain ones and stay as they are."""
    before = [np.array(f, copy=True) for f in forms]
    assert everything(*forms, **options) == everything(*plain, **options)
    for form, old in zip(forms, before, strict=True):
        np.testing.assert_array_equal(np.asarray(form), old)


@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "squared_error"])
@pytest.mark.parametrize("form", ODD_FORMS)
def test_odd_forms_give_the_same_bits(form, loss, tmp_path):
    rng = np.random.default_rng(5)
    x = rng.standard_normal((11, N_IN)).astype(np.float32)
    y = np.arange(11) % 3 if loss[1] == "o" else rng.standard_normal((11, 3))
    plain = x, y, rng.integers(1, 5, 11).astype(float)
    odd = [ODD_FORMS[form](a, tmp_path) for a in plain]
    assert_same_bits(odd, plain, loss=loss)


WIDE_FORMS = ODD_FORMS | {
    "reversed columns": lambda x, folder: x[:, ::-1].copy()[:, ::-1],
    "every third column": lambda x, folder: x.repeat(3, 1)[:, ::3],
    "doubles": lambda x, folder: x.astype("f8"),
    "floats": lambda x, folder: x.astype("f4"),
    "bytes": lambda x, folder: x.astype("u1"),
    "bytes, reversed": lambda x, folder: x[:, ::-1].astype("u1")[:, ::-1],
}


@pytest.mark.parametrize("form", WIDE_FORMS)
def test_odd_forms_of_small_wide_batches_give_the_same_bits(form, dtype, isa, tmp_path):
    """Few rows of many columns stay rows, and the next batch's are asked for ahead."""
    rng = np.random.default_rng(7)
    x, y = rng.integers(0, 5, (23, 130)).astype(dtype), np.arange(23) % 3
    odd, results = WIDE_FORMS[form](x, tmp_path), []
    for rows in (x, odd):
        layers = [rn.Dense(130, 20, "tanh", rn.L1(1e-3)), rn.Dense(20, 3)]
        net = rn.Network(layers, "softmax_cross_entropy", dtype=dtype.name, seed=2)
        loss = net.fit(rows, y, 3, 4, rn.Adam(0.01)).history["loss"]
        results.append([loss, *(w.tobytes() for w in net.get_weights())])
    assert results[0] == results[1]
    np.testing.assert_array_equal(np.asarray(odd), x)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("form", ["plain", "unaligned", "spread", "byte-swapped"])
@pytest.mark.parametrize("kind", list("?bBhHiIlLqQefd"))
def test_all_element_types_give_the_same_bits(kind, form, dtype, tmp_path):
    rng = np.random.default_rng(6)
    change = ODD_FORMS.get(form, lambda x, folder: x)
    x = (np.arange(11 * N_IN).reshape(11, N_IN) % 5).astype(kind)
    y, weight = (np.arange(11) % 2).astype(kind), rng.integers(1, 2, 11).astype(kind)
    odd = [change(a, tmp_path) if a.itemsize > 1 else a for a in (x, y, weight)]
    plain = x.astype(dtype), y.astype(np.int64), weight.astype(float)
    assert_same_bits(odd, plain, dtype=dtype)
    targets = (x[:, :3] % 2).astype(kind) if kind != "?" else x[:, :3]
    odd[1] = change(targets, tmp_path) if targets.itemsize > 1 else targets
    assert_same_bits(
        odd, (plain[0], targets.astype(dtype), plain[2]), loss="mse", dtype=dtype
    )


@pytest.mark.parametrize("kind", list("bhlBHL"))
def test_extreme_integers_give_the_same_bits(kind, dtype):
    limits = np.iinfo(kind)
    x = np.array(
        [[limits.min, limits.max, limits.max // 3, 0, 1, limits.max - 1]], kind
    )
    net = rn.Network([rn.Dense(6, 3)], dtype=dtype.name)
    want = net.predict(x.astype(dtype))
    np.testing.assert_array_equal(net.predict(x), want)
    np.testing.assert_array_equal(
        net.predict(np.asfortranarray(x.repeat(40, 0))[:1]), want
    )


def test_strides_of_zero_are_rows_repeated():
    x, y = good_data()
    row = np.broadcast_to(x[:1].astype("f4"), (40, N_IN))
    column = np.broadcast_to(x[:, :1].astype("f4"), (N, N_IN))
    ones = np.broadcast_to(np.int8(1), 40)
    assert row.strides[0] == column.strides[1] == ones.strides[0] == 0
    assert everything(row, ones, ones) == everything(row.copy(), ones.copy(), None)
    assert everything(column, y, None) == everything(column.copy(), y, None)


def test_strides_beyond_32_bits(tmp_path):
    """Rows 4 GB apart in a file that is nearly all hole."""
    path, stride = tmp_path / "sparse", 2**32 + 24
    x = np.arange(12.0, dtype="f4").reshape(2, 6)
    with open(path, "wb") as file:
        try:
            for number, row in enumerate(x):
                file.seek(number * stride)
                file.write(row.tobytes())
        except OSError:
            pytest.skip("no sparse files here")
    data = np.memmap(path, np.uint8, "r")
    far = np.lib.stride_tricks.as_strided(data[:4].view("f4"), x.shape, (stride, 4))
    back = np.lib.stride_tricks.as_strided(
        data[stride : stride + 4].view("f4"), x.shape, (-stride, 4)
    )
    net = classifier()
    np.testing.assert_array_equal(net.predict(far), net.predict(x))
    np.testing.assert_array_equal(net.predict(back), net.predict(x[::-1]))
    assert everything(far, [0, 1], None) == everything(x, [0, 1], None)


def test_huge_counts_cost_nothing(trained):
    """Only as many epochs, rows and threads as there are."""

    class Stop(rn.Callback):
        def on_epoch_end(self, epoch, logs):
            return True

    nets = [classifier(), classifier()]
    huge = {"batch_size": 10**30, "threads": 10**18, "callbacks": [Stop()]}
    nets[0].fit(trained.x, trained.y, epochs=10**30, **huge)
    nets[1].fit(trained.x, trained.y, epochs=1, batch_size=N)
    for a, b in zip(nets[0].get_weights(), nets[1].get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    nets[0].predict(trained.x, threads=10**30)


def test_5000_layers_train_and_predict():
    net = rn.Network([rn.Dense(2, 2, "softsign")] * 5000, dtype="float64")
    x, y = np.eye(2), np.eye(2)
    before = net.get_weights()[-2]
    net.fit(x, y, epochs=2, optimizer=rn.SGD(0.1))
    assert np.isfinite(net.predict(x)).all() and (net.get_weights()[-2] != before).any()


def test_memory_of_predictions_does_not_grow_with_the_rows():
    """A virtual array of a million rows is read as it stands."""
    import tracemalloc

    net = rn.Network([rn.Dense(100, 1)])
    x = np.broadcast_to(np.arange(100, dtype="u1"), (10**6, 100))
    tracemalloc.start()
    out = net.predict(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < out.nbytes + 2**22 and (out == out[0]).all()


@pytest.mark.parametrize("scale", [5e-324, 1e-300, 2.0**-520, 1e300, 1.7e308])
def test_only_the_ratios_of_weights_matter(scale, dtype):
    x, y = good_data()
    weight = np.where(np.arange(N) % 2, scale, 0)
    want = everything(x, y, np.where(weight, 1.0, 0), dtype=dtype.name)
    got = everything(x, y, weight, dtype=dtype.name)
    if np.frexp(scale)[0] == 0.5:
        assert got == want
    assert got[1]["loss"] == pytest.approx(want[1]["loss"])
    assert np.isfinite(got[1]["loss"]).all()


# ---- one row and the whole batch -------------------------------------------------------

SIZES = st.tuples(st.integers(1, 70), st.integers(1, 40), st.integers(1, 40))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.sampled_from(["float32", "float64"]),
    SIZES,
    st.sampled_from(["relu", "gelu", "tanh", "silu", "isru"]),
    st.sampled_from(
        ["softmax_cross_entropy", "binary_cross_entropy", "mse", "poisson"]
    ),
    st.integers(1, 200),
    st.data(),
)
def test_one_row_has_the_bits_of_the_same_row_in_a_batch(
    dtype, sizes, activation, loss, n, data
):
    a, b, c = sizes
    layers = [rn.Dense(a, b, activation), rn.Dense(b, c)]
    net = rn.Network(layers, loss, dtype=dtype, seed=n)
    x = np.random.default_rng(n).standard_normal((n, a)).astype(dtype)
    whole = net.predict(x)
    row = data.draw(st.integers(0, n - 1))
    last = data.draw(st.integers(row + 1, n))
    assert net.predict(x[row : row + 1]).tobytes() == whole[row : row + 1].tobytes()
    assert net.predict(x[row:last]).tobytes() == whole[row:last].tobytes()
    assert net.predict(x[::-1])[::-1].tobytes() == whole.tobytes()
    rows = [net.predict(x[i : i + 1]) for i in range(0, n, 7)]
    assert np.concatenate(rows).tobytes() == whole[::7].tobytes()


# ---- any array at all ------------------------------------------------------------------

# without text, whose alphabet takes seconds to build
SCALAR = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(endianness="?"),
    hnp.unsigned_integer_dtypes(endianness="?"),
    hnp.floating_dtypes(endianness="?"),
    hnp.complex_number_dtypes(),
    hnp.datetime64_dtypes(),
    hnp.timedelta64_dtypes(),
    hnp.byte_string_dtypes(),
)
FIELDS = st.lists(SCALAR, min_size=1, max_size=2)
ANY_DTYPE = st.one_of(
    SCALAR,
    FIELDS.map(lambda kinds: np.dtype([(f"f{i}", k) for i, k in enumerate(kinds)])),
)
ANY_SHAPE = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=7)
FITTING = st.tuples(st.integers(0, 9), st.sampled_from([5, 6, 6, 6]))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.data())
def test_any_array_is_taken_or_refused_in_a_sentence(data):
    """Refused with TypeError or ValueError, or treated as its float copy."""
    shape = data.draw(st.one_of(FITTING, FITTING, ANY_SHAPE))
    dtype = data.draw(ANY_DTYPE)
    x = data.draw(hnp.arrays(dtype, shape))
    if data.draw(st.booleans()):
        x = x.T.copy().T
    net = classifier("float64")
    try:
        out = net.predict(x)
    except (TypeError, ValueError) as error:
        assert "X" in str(error) or "rectangular" in str(error)
        plain = x.dtype.kind in "biuf" and x.ndim == 2 and len(x) and x.shape[1] == N_IN
        assert not plain or not np.isfinite(x.astype(float)).all()
        return
    assert x.ndim == 2 and x.shape[1] == N_IN
    with np.errstate(over="ignore"):
        assert out.tobytes() == net.predict(x.astype(np.float64)).tobytes()


@settings(max_examples=120, deadline=None, derandomize=True)
@given(st.data())
def test_any_target_is_taken_or_refused_in_a_sentence(data):
    y = data.draw(hnp.arrays(data.draw(ANY_DTYPE), data.draw(ANY_SHAPE)))
    loss = data.draw(st.sampled_from(["softmax_cross_entropy", "mse", "poisson"]))
    net = classifier("float64", loss)
    x = np.ones((max(1, y.shape[0] if y.ndim else 1), N_IN))
    try:
        net.fit(x, y, epochs=1)
    except (TypeError, ValueError) as error:
        assert re.search(r"\by\b|^labels? ", str(error))
    except rn.DivergenceError:
        assert np.abs(np.asarray(y, float)).max() > 1e100
    assert all(np.isfinite(w).all() for w in net.get_weights())


def test_variants_agree_on_odd_forms(each_fused_isa, tmp_path):
    x = np.random.default_rng(7).standard_normal((23, N_IN)).astype("f2")
    y = np.arange(23) % 3
    odd = each_fused_isa(lambda: everything(odd_stride(x), y, None))
    plain = each_fused_isa(lambda: everything(x.astype("f4"), y, None))
    assert odd == plain and all(odd[a] == odd[b] for a in odd for b in odd)
