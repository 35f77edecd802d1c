"""The tables of traits say what the core does, entry by entry."""

import numpy as np
import pytest
import reference as ref

import regnet_c as rn
from regnet_c import kernels
from regnet_c.activations import ACTIVATIONS, HIDDEN, OUTPUTS
from regnet_c.losses import FOR_NUMBERS, LOSSES, NAMES

GRID = np.concatenate([np.linspace(-30, 30, 2001), [-1e4, -1e-30, 0.0, 1e-30, 1e4]])


def parameters(name):
    """Parameters to look at: the default and what is asked for beside it."""
    traits = ACTIVATIONS[name]
    if traits.parameter is None:
        return [None]
    return [traits.parameter[1], 0.3] + [traits.identity_at] * bool(traits.identity_at)


def values(name, param):
    return kernels.activation_forward(name, GRID, param or 0.0)


def test_every_activation_has_its_oracle():
    assert set(HIDDEN) == set(ref.ACTIVATIONS)


@pytest.mark.parametrize("name", HIDDEN)
def test_traits_of_an_activation_are_those_of_its_function(name):
    traits = ACTIVATIONS[name]
    for param in parameters(name):
        a, slope = values(name, param)
        low, high = GRID <= 0, GRID >= 0
        assert traits.zero_at_zero == (a[GRID == 0] == 0).all()
        assert traits.non_negative == (a >= 0).all()
        assert traits.zero_below == (not a[low].any() and not slope[low].any())
        assert traits.identity_above == np.array_equal(a[high], GRID[high])
        assert traits.is_identity(param) == np.array_equal(a, GRID)


@pytest.mark.parametrize("name", HIDDEN)
def test_an_activation_starts_from_its_own_weights(name):
    by_default = rn.Network([rn.Dense(7, 5, name)]).get_weights()[0]
    named = rn.Dense(7, 5, name, weight_init=ACTIVATIONS[name].initializer)
    np.testing.assert_array_equal(by_default, rn.Network([named]).get_weights()[0])


def test_a_parameter_belongs_to_an_activation_that_has_one():
    assert rn.Dense(1, 1, "elu").activation_param == 1.0
    with pytest.raises(ValueError, match="activation_param is 0.5, tanh has no param"):
        rn.Dense(1, 1, "tanh", activation_param=0.5)


def targets(name, rng):
    """Targets (n, 3) that the loss allows, not all alike."""
    y = rng.uniform(0.05, 0.95, (400, 3)) ** 2
    if LOSSES[name].sums_to_one:
        return y / y.sum(axis=1, keepdims=True)
    low, high = LOSSES[name].targets
    return y if high == 1 else 3 * y if low == 0 else 4 * y - 2


def mean_loss(name, z, y):
    return kernels.loss_rows(name, np.ascontiguousarray(z), y)[0].mean()


@pytest.mark.parametrize("name", NAMES)
def test_the_best_constant_is_the_best_constant(name, rng):
    y = targets(name, rng)
    best = rn.Loss(name).best_constant(y)
    lowest = mean_loss(name, np.tile(best, (len(y), 1)), y)
    slack = 0.02 * lowest if name == "huber" else 1e-9
    for _ in range(200):
        z = best + rng.normal(size=3) * rng.choice([0.01, 0.1, 1])
        assert mean_loss(name, np.tile(z, (len(y), 1)), y) >= lowest - slack


@pytest.mark.parametrize("name", NAMES)
def test_no_outputs_have_less_than_the_least_loss(name, rng):
    y = targets(name, rng)
    loss = rn.Loss(name)
    perfect = {
        "softmax": np.log,
        "sigmoid": lambda y: np.log(y / (1 - y)),
        "exp": np.log,
        "identity": lambda y: y,
    }[loss.output](y)
    assert mean_loss(name, perfect, y) == pytest.approx(loss.least(y), abs=1e-12)
    for _ in range(50):
        z = perfect + rng.normal(size=y.shape)
        assert mean_loss(name, z, y) > loss.least(y)


@pytest.mark.parametrize("name", NAMES)
def test_traits_of_a_loss_are_those_of_its_network(name, rng):
    loss, y = rn.Loss(name), targets(name, rng)
    net = rn.Network([rn.Dense(2, 3)], name)
    x = rng.normal(size=(len(y), 2))
    z = net._predict(np.ascontiguousarray(x, np.float32), None, raw=True)
    want = {
        "softmax": lambda z: np.exp(z) / np.exp(z).sum(axis=1, keepdims=True),
        "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
        "exp": np.exp,
        "identity": lambda z: z,
    }[loss.output](z)
    np.testing.assert_allclose(net.predict(x), want, rtol=1e-5)
    assert ("accuracy" in net.evaluate(x, y)) == loss.classification
    assert (name in FOR_NUMBERS) != loss.classification
    low, high = LOSSES[name].targets
    for outside in (low - 0.5, high + 0.5):
        if np.isfinite(outside):
            bad = y.copy()
            bad[3, 1] = outside
            with pytest.raises(ValueError, match="expects values in"):
                net.evaluate(x, bad)


def test_every_output_has_an_exporter():
    for name, traits in OUTPUTS.items():
        assert traits.onnx, name
        assert (traits.torch_module is None) != (traits.torch_function is None), name


ROWS = np.array([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0]])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([0.5, 0.5, 0.5], r"row 1 of y sums to 1.5, .* sum to 1 \(or integer labels\)"),
        ([0.0, 0.0, 0.0], "row 1 of y sums to 0,"),
        ([0.3, 0.3, 0.3], "row 1 of y sums to 0.9,"),
        ([-0.5, 0.5, 1.0], "y goes from -0.5 to 1.0"),
        ([0.5, 0.5, 1e-3], "row 1 of y sums to 1.001"),
    ],
)
def test_softmax_targets_are_distributions(row, message):
    y = ROWS.copy()
    y[1] = row
    net = rn.Network([rn.Dense(2, 3)], "softmax_cross_entropy")
    x = np.eye(2)
    before = net.get_weights()
    for call in (net.fit, net.evaluate, net.loss_and_gradients):
        with pytest.raises(ValueError, match=message):
            call(x, y)
    with pytest.raises(ValueError, match=message):
        net.train_step(x, y, rn.SGD(0.1))
    with pytest.raises(ValueError, match=message):
        net.fit(x, ROWS, validation_data=(x, y))
    for a, b in zip(before, net.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_rounded_distributions_are_distributions(dtype, rng):
    y = rng.random((500, 7))
    y = (y / y.sum(axis=1, keepdims=True)).astype(dtype)
    net = rn.Network([rn.Dense(2, 7)], "softmax_cross_entropy")
    assert np.isfinite(net.evaluate(rng.normal(size=(500, 2)), y)["loss"])
