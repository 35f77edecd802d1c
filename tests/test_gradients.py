"""Every derivative against fourth-order central differences in float64.

Points keep away from kinks: a difference quotient across one means nothing.
"""

import itertools

import numpy as np
import pytest
import reference as ref
from conftest import assert_close, oracle_network

import regnet_c as rn
from regnet_c import kernels

NUMERICAL = 2e-9  # h⁴ f⁽⁵⁾/30 + rounding/h for h = 1e-3 and terms of order one
HIDDEN = sorted(ref.ACTIVATIONS)
SMOOTHED = {
    name: rn.Loss(name, label_smoothing=0.3)
    for name in ("softmax_cross_entropy", "binary_cross_entropy")
}
LOSS_PARAM = {"huber": 0.7, "quantile": 0.3} | dict.fromkeys(SMOOTHED, 0.3)


def away_from_zero(rng, *shape):
    """Numbers with 0.05 < |x| < 2."""
    return rng.uniform(0.05, 2, shape) * rng.choice([-1, 1], shape)


def some_targets(loss, rng, n, n_out):
    if loss == "softmax_cross_entropy":
        return rng.integers(0, n_out, n)
    if loss == "binary_cross_entropy":
        return rng.integers(0, 2, (n, n_out)).astype(float)
    if loss == "poisson":
        return rng.poisson(2, (n, n_out)).astype(float)
    return 5 + rng.random((n, n_out))  # residuals far from the kinks


@pytest.mark.parametrize("name", HIDDEN)
def test_activation_slope_is_its_derivative(name, isa, rng):
    z = away_from_zero(rng, 60)
    _, slope = kernels.activation_forward(name, z, 0.3)
    numerical = np.empty_like(z)
    for i in range(len(z)):
        numerical[i] = ref.numerical_gradient(
            lambda v: kernels.activation_forward(name, v, 0.3)[0][0], z[i : i + 1]
        )[0]
    np.testing.assert_allclose(slope, numerical, rtol=0, atol=NUMERICAL)


def test_softmax_backward_is_the_derivative(isa, rng):
    z, da = rng.standard_normal((3, 5)), rng.standard_normal((3, 5))
    got = kernels.softmax_backward(da, kernels.softmax_forward(z))
    want = ref.numerical_gradient(lambda z: (da * kernels.softmax_forward(z)).sum(), z)
    np.testing.assert_allclose(got, want, rtol=0, atol=NUMERICAL)


@pytest.mark.parametrize("name", ref.LOSSES)
def test_loss_derivative(name, isa, rng):
    z, scale = away_from_zero(rng, 6, 4), rng.random(6)
    y = some_targets(name, rng, 6, 4)
    if name == "huber":
        y = z + np.where(rng.random(z.shape) < 0.5, 0.3, 2)  # both of its pieces
    param = LOSS_PARAM.get(name)
    _, dz = kernels.loss_rows(name, z, y, scale, param)

    def total(z):
        return scale @ kernels.loss_rows(name, z, y, None, param)[0]

    want = ref.numerical_gradient(total, z)
    np.testing.assert_allclose(dz, want, rtol=0, atol=4 * NUMERICAL)


@pytest.mark.parametrize(
    "penalty",
    [
        rn.L1(0.3),
        rn.L2(0.3),
        rn.ElasticNet(0.3, 0.2),
        rn.GroupLasso(0.3),
        rn.SparseGroupLasso(0.3, 0.2),
        rn.GroupLasso(0.3, [[0, 3], [1], [2]]),
    ],
    ids=repr,
)
def test_penalty_subgradient_is_the_derivative_away_from_zero(penalty, rng):
    w = away_from_zero(rng, 4, 3)
    want = ref.numerical_gradient(penalty.value, w)
    np.testing.assert_allclose(penalty.subgradient(w), want, rtol=0, atol=4 * NUMERICAL)


# --------------------------------------------------------------- a whole network


def frozen_network(activation="tanh", loss="squared_error", output="identity"):
    """Dropout, 5 -> 7 -> 4 -> 3 with dropout between."""
    loss = SMOOTHED.get(loss, loss)
    layers = [
        rn.Dropout(0.2),
        rn.Dense(5, 7, activation=activation),
        rn.Dropout(0.4),
        rn.Dense(7, 4, activation=activation),
        rn.Dense(4, 3, activation=output),
    ]
    return rn.Network(layers, loss=loss, dtype="float64", seed=3)


def frozen_data(net, rng, n=9):
    """(X, y, sample weights, 0/1 masks); weights of the network are drawn anew."""
    net.set_weights([0.7 * away_from_zero(rng, *w.shape) for w in net.get_weights()])
    y = some_targets(net.loss.name, rng, n, 3)
    masks = [rng.random((n, units)) < 0.7 for units in (5, 7)]
    return rng.standard_normal((n, 5)), y, rng.random(n) + 0.1, masks


def assert_gradients_are_derivatives(net, x, y, sample_weight, masks, count=5):
    """Of so many weights of each array; the oracle has the derivatives of all."""
    weights = net.get_weights()
    _, gradients = net.loss_and_gradients(x, y, sample_weight, masks)
    for i, w in enumerate(weights):
        some = np.random.default_rng(i).permutation(w.size)[:count]

        def loss(values, i=i, w=w, some=some):
            moved = w.copy()
            moved.flat[some] = values
            net.set_weights([*weights[:i], moved, *weights[i + 1 :]])
            return net.loss_and_gradients(x, y, sample_weight, masks)[0]

        want = ref.numerical_gradient(loss, w.flat[some])
        got, size = gradients[i].flat[some], np.abs(want).max() + 1
        np.testing.assert_allclose(got, want, rtol=0, atol=size * NUMERICAL)
    net.set_weights(weights)


def assert_gradients_equal_the_oracle(net, x, y, sample_weight, masks, variants=(0,)):
    kept = [1 - layer.rate for layer in net.layers if isinstance(layer, rn.Dropout)]
    want_loss, want = oracle_network(net).loss_and_gradients(
        net.get_weights(),
        x,
        y,
        sample_weight,
        [mask / keep for mask, keep in zip(masks, kept, strict=True)],
    )
    for _ in variants:
        loss, gradients = net.loss_and_gradients(x, y, sample_weight, masks)
        assert_close(loss, want_loss, np.float64, scale=abs(want_loss) + 1)
        for g, w in zip(gradients, want, strict=True):
            assert_close(g, w, scale=np.abs(w).max() + 1)


@pytest.mark.parametrize("activation", HIDDEN)
def test_network_gradients_with_each_activation(activation, isa, rng):
    net = frozen_network(activation)
    data = frozen_data(net, rng)
    assert_gradients_are_derivatives(net, *data)
    assert_gradients_equal_the_oracle(net, *data)


@pytest.mark.parametrize("loss", ref.LOSSES)
def test_network_gradients_with_each_loss(loss, isa, rng):
    net = frozen_network("tanh", loss)
    data = frozen_data(net, rng)
    assert_gradients_are_derivatives(net, *data)
    assert_gradients_equal_the_oracle(net, *data)


@pytest.mark.parametrize("output", ["relu", "sigmoid", "softmax"])
def test_network_gradients_with_an_output_activation(output, isa, rng):
    net = frozen_network("softplus", "squared_error", output)
    data = frozen_data(net, rng)
    assert_gradients_are_derivatives(net, *data)
    assert_gradients_equal_the_oracle(net, *data)


def test_network_gradients_of_a_batch_of_many_blocks(isa, rng, monkeypatch):
    """The batch is cut into blocks of rows; the gradient is that of the whole."""
    monkeypatch.setattr(rn._core.team, "_BLOCK_BYTES", 1)
    monkeypatch.setattr(rn._core.team, "MIN_BLOCK_ROWS", 64)
    net = frozen_network("tanh")
    x, y, sample_weight, masks = frozen_data(net, rng, n=333)
    assert_gradients_equal_the_oracle(net, x, y, sample_weight, masks)


@pytest.mark.parametrize("units", [1, 2, 3, 4])
@pytest.mark.parametrize("activation", ["identity", "relu", "tanh"])
def test_network_gradients_through_few_units(activation, units, isa, rng):
    """Tiles of few rows take two panels at a time: here there are odd numbers of them."""
    widths = (units, 40, units, 40, 3)
    layers = [
        rn.Dense(n_in, n_out, activation=activation)
        for n_in, n_out in itertools.pairwise(widths)
    ]
    net = rn.Network(layers, dtype="float64", seed=3)
    net.set_weights([0.3 * away_from_zero(rng, *w.shape) for w in net.get_weights()])
    x, y = rng.standard_normal((237, units)), rng.standard_normal((237, 3))
    assert_gradients_equal_the_oracle(net, x, y, None, [])


def test_loss_and_gradients_drop_nothing_unless_asked(rng):
    net = frozen_network()
    x, y, sample_weight, _ = frozen_data(net, rng)
    loss, _ = net.loss_and_gradients(x, y, sample_weight)
    want = net.evaluate(x, y, sample_weight=sample_weight)["loss"]
    assert_close(loss, want, np.float64, scale=10)
    ones = [np.ones((len(x), units)) for units in (5, 7)]
    same, _ = net.loss_and_gradients(x / 0.8 * 0.8, y, sample_weight, ones)
    assert same != loss  # a mask of ones still scales by 1/keep


@pytest.mark.parametrize("n_out", [1, 20])
@pytest.mark.parametrize("shape", ["network", "kernel"])
def test_errors_of_gradients_do_not_grow_with_the_rows(shape, n_out, dtype):
    """A million residuals of one sign: one chain of additions is off by 1e-4."""
    rng, n = np.random.default_rng(3), 10**6
    x = np.stack([np.ones(n), rng.random(n)], axis=1).astype(np.float32)
    r = (rng.random((n, 1)) + 0.1).astype(np.float32)
    want = x.T.astype(np.longdouble) @ r.astype(np.longdouble)
    if shape == "kernel":
        dz = np.repeat(r.astype(dtype), n_out, axis=1)
        found = [kernels.dense_weight_gradient(x.astype(dtype), dz)]
    else:
        net = rn.Network([rn.Dense(2, n_out)], "squared_error", dtype)
        net.set_weights([np.zeros((2, n_out)), np.zeros(n_out)])
        y = np.broadcast_to(-r, (n, n_out))
        _, (dw, db) = net.loss_and_gradients(x, y)
        found = [dw * dtype.type(n), db * dtype.type(n)]
    for got, exact in zip(found, (want, want[0]), strict=False):
        bound = 8 * np.finfo(dtype).eps
        np.testing.assert_allclose(got / exact, np.ones(got.shape), rtol=bound)


def test_weights_of_a_million_rows_are_summed_to_the_last_bit():
    """The loss is their mean: one residual of each row is known exactly."""
    n = 10**6
    weight = np.random.default_rng(4).random(n)
    net = rn.Network([rn.Dense(1, 1)], "squared_error", "float64")
    net.set_weights([np.zeros((1, 1)), np.zeros(1)])
    y = np.ones(n)
    loss, (_, db) = net.loss_and_gradients(np.zeros((n, 1)), y, weight)
    assert abs(loss - 0.5) < 1e-14
    np.testing.assert_allclose(db, [-1.0], rtol=4e-16)
