"""Numbers at the ends of their range: a finite model or a clear error, never NaN."""

import contextlib
import ctypes
import ctypes.util
import itertools
import os
import sys

import numpy as np
import pytest
from running import all_pairs, bits, network, some_data

import regnet_c as rn
from regnet_c._core import binding

LOSSES = ["softmax_cross_entropy", "binary_cross_entropy", "mse", "huber", "poisson"]
OPTIMIZERS = {
    "sgd": rn.SGD,
    "momentum": lambda rate: rn.SGD(rate, momentum=0.9),
    "adagrad": rn.Adagrad,
    "ftrl": rn.FTRL,
    "rmsprop": rn.RMSprop,
    "adam": rn.Adam,
    "adamw": rn.AdamW,
}


def finite_or_error(net, call):
    """The call works or diverges; either way the model is finite and predicts."""
    error = None
    try:
        call()
    except rn.DivergenceError as diverged:
        error = diverged
        assert "not finite" in str(diverged)
    assert all(np.isfinite(w).all() for w in net.get_weights())
    return error


@pytest.mark.parametrize("scale", [1e-310, 1e-40, 1e-30, 1e4, 1e19, 1e38, 1e154, 1e308])
@pytest.mark.parametrize("loss", LOSSES)
def test_features_of_any_size_give_a_finite_model_or_an_error(loss, scale, dtype):
    x = np.where(np.arange(120).reshape(20, 6) % 3 == 1, -scale, scale)
    y = (np.arange(60).reshape(20, 3) % 3 == 1).astype(float)
    activations = itertools.cycle(("relu", "tanh", "identity"))
    for name, activation in zip(OPTIMIZERS, activations, strict=False):
        net = rn.Network(
            [rn.Dense(6, 5, activation), rn.Dense(5, 3)], loss, dtype.name, seed=1
        )
        if scale > float(np.finfo(dtype).max):
            with pytest.raises(ValueError, match="too large for float32"):
                net.fit(x, y)
            continue
        finite_or_error(net, lambda: net.fit(x, y, 3, 7, OPTIMIZERS[name](0.1)))  # noqa: B023
        try:
            assert not np.isnan(net.predict(x)).any()
            assert not np.isnan(net.evaluate(x, y)["loss"])
        except OverflowError as error:
            assert "overflow" in str(error)
            assert scale >= 1e4


@pytest.mark.parametrize("rate", [1e300, 1e40, 1e10, 1e-300])
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_any_learning_rate_gives_a_finite_model_or_an_error(kind, rate, dtype):
    x, y = some_data(100)
    for (epochs, batch), penalty in itertools.product(
        ((1, 30), (3, 100)), (None, rn.L1(0.1), rn.L2(0.1), rn.GroupLasso(0.1))
    ):
        layers = [rn.Dense(12, 7, "relu", penalty), rn.Dense(7, 3, "identity", penalty)]
        net = rn.Network(layers, "softmax_cross_entropy", dtype.name)
        optimizer = OPTIMIZERS[kind](rate)
        finite_or_error(net, lambda: net.fit(x, y, epochs, batch, optimizer))  # noqa: B023
        before = bits(net)
        error = finite_or_error(net, lambda: net.train_step(x, y, optimizer))  # noqa: B023
        if error and "put back" in str(error):
            assert bits(net) == before
        finite_or_error(net, lambda: net.fit(x, y, 1, batch, optimizer))  # noqa: B023


def test_a_last_step_into_infinity_is_noticed():
    """No batch comes after it that could have a loss that is not finite."""
    x, y = some_data(50)
    net, optimizer = network(), rn.SGD(1e300)
    before = bits(net)
    with pytest.raises(rn.DivergenceError, match="a weight is not finite.*put back"):
        net.fit(x, y, 1, 50, optimizer)
    assert bits(net) == before
    net.fit(x, y, 2, 50, rn.Adam())
    want = network()
    want.fit(x, y, 2, 50, rn.Adam())
    assert bits(net) == bits(want)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_divergence_does_not_poison_the_optimiser(kind, dtype):
    """Moments that became infinite are forgotten: the same object trains again."""
    x, y = some_data(50)
    targets, huge = np.eye(3)[y], float(np.finfo(dtype).max) ** 0.6
    net, optimizer = (
        rn.Network([rn.Dense(12, 3)], dtype=dtype.name),
        OPTIMIZERS[kind](0.01),
    )
    net.fit(x, targets, 1, 10, optimizer)
    with pytest.raises(rn.DivergenceError):
        net.fit(huge * x, huge * targets, 9, 50, optimizer)
    before = net.evaluate(x, targets)["loss"]
    net.fit(x, targets, 20, 10, optimizer)
    assert net.evaluate(x, targets)["loss"] < before


@pytest.mark.parametrize("logit", [1e4, -1e4, 88.8, -104, 710, -746, 3e38])
def test_extreme_logits_have_finite_losses(logit, dtype):
    with np.errstate(over="ignore"):
        z = np.array([[logit, 0, -logit], [0, logit, 0]], dtype)
    for loss in ("softmax_cross_entropy", "binary_cross_entropy"):
        for y in (
            np.array([[1.0, 0, 0], [0, 0, 1]]),
            np.array([[0.0, 0, 1], [0, 1, 0]]),
        ):
            rows, dz = rn.kernels.loss_rows(loss, z, y.astype(dtype))
            assert np.isfinite(rows).all() or abs(logit) > 1e38
            assert np.isfinite(dz).all() and np.abs(dz).max() <= 1
    p = rn.kernels.softmax_forward(z)
    assert np.isfinite(p).all() and (p.sum(axis=1) == 1).all()


def test_probabilities_of_zero_and_one_are_targets_and_predictions(dtype):
    """A network sure of itself is exactly right or pays its logit."""
    net = rn.Network([rn.Dense(1, 2)], "binary_cross_entropy", dtype.name)
    net.set_weights([[[1e4, -1e4]], [0, 0]])
    np.testing.assert_array_equal(net.predict([[1.0]]), [[1, 0]])
    right = net.evaluate([[1.0]], [[1, 0]])
    wrong = net.evaluate([[1.0]], [[0, 1]])
    assert right["loss"] == 0 and right["accuracy"] == 1
    assert wrong["loss"] == pytest.approx(2e4) and wrong["accuracy"] == 0
    net.fit([[1.0]], [[0, 1]], 3, optimizer=rn.SGD(0.1))
    assert all(np.isfinite(w).all() for w in net.get_weights())


# ---- denormal numbers and the floating-point mode --------------------------------------


def has_denormals(array):
    """True if a number of the array is below the normal ones and not zero."""
    size = np.abs(array)
    return bool(((size > 0) & (size < np.finfo(array.dtype).tiny)).any())


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_denormal_features_are_zeros(kind, dtype, isa):
    """As bits, in training and prediction: what costs time elsewhere does not exist."""
    x, y = some_data(60)
    tiny = (x * float(np.finfo(dtype).tiny) / 8).astype(dtype)
    assert has_denormals(tiny)
    results = []
    for features in (tiny, np.zeros_like(tiny)):
        net = network(dtype.name)
        net.fit(features, y, 3, 20, OPTIMIZERS[kind](0.01))
        results.append([*bits(net), net.predict(features[:2]).tobytes()])
        results[-1].append(net.predict(features).tobytes())
    assert results[0] == results[1]


@pytest.mark.parametrize(
    ("rule", "kind", "dtype", "isa"),
    all_pairs(
        rule=["cumulative", "proximal", "subgradient"],
        kind=OPTIMIZERS,
        dtype=["float32", "float64"],
        isa=binding.available_isas(),
    ),
    indirect=["isa"],
)
def test_strong_penalties_leave_no_denormals(rule, kind, dtype, isa):
    """Neither in the weights nor in what the optimiser remembers, after 3000 steps."""
    x, y = np.zeros((600, 6)), np.zeros((600, 2))  # weights and moments only decay
    layers = [rn.Dense(6, 5, "tanh", rn.L1(1e-3, rule)), rn.Dense(5, 2)]
    net = rn.Network(layers, "mse", dtype)
    optimizer = OPTIMIZERS[kind](0.5)
    net.fit(np.ones((8, 6)), np.ones((8, 2)), 1, 4, optimizer)
    for _ in range(10):
        net.fit(x, y, 2, 4, optimizer)
        state = net._state
        arrays = [*net.get_weights(), state.m, state.v, state.q]
        assert not any(a is not None and has_denormals(a) for a in arrays)


def floating_point_mode():
    """The control words of this thread, without the flags that say what has happened."""
    libm = ctypes.CDLL(ctypes.util.find_library("m"))
    environment = (ctypes.c_uint8 * 64)()
    libm.fegetenv(environment)
    control = bytes(environment[:2])  # of the x87
    mxcsr = int.from_bytes(bytes(environment[28:32]), "little") & ~0x3F
    return control, mxcsr


@pytest.mark.skipif(
    sys.platform != "linux" or os.uname().machine != "x86_64", reason="x86-64 Linux"
)
def test_no_call_changes_the_floating_point_mode(isa, tmp_path, real_threads):
    net, (x, y) = network(), some_data(300)
    before = floating_point_mode()
    assert before[1] & 0x8040 == 0
    calls = {
        "fit": lambda: net.fit(x, y, 1, threads=2),
        "diverge": lambda: net.fit(1e30 * x, y, 5, 50, rn.SGD(1e30)),
        "refuse": lambda: net.fit(x * np.nan, y),
        "predict": lambda: net.predict(x, threads=2),
        "one row": lambda: net.predict(x[:1]),
        "evaluate": lambda: net.evaluate(x, y),
        "gradients": lambda: net.loss_and_gradients(x, y),
        "step": lambda: net.train_step(x, y, rn.SGD(0.1)),
        "diagnose": lambda: net.diagnose(x, y),
        "save": lambda: net.save(tmp_path / "m"),
        "load": lambda: rn.Network.load(tmp_path / "m"),
        "exp": lambda: rn.kernels.exp(x),
        "dense": lambda: rn.kernels.dense_forward(x, x.T),
        "update": lambda: rn.kernels.update(np.ones(9), np.ones(9), "adam", {}),
    }
    for name, call in calls.items():
        with contextlib.suppress(ValueError, rn.DivergenceError):
            call()
        assert floating_point_mode() == before, name
