"""Paths of the core that only some sizes, types or options take; see tools/cover.py."""

import math

import numpy as np
import pytest
import reference as ref
from conftest import assert_close, oracle_network, oracle_optimizer, weights64

import regnet_c as rn
from regnet_c import kernels
from regnet_c._core import binding, team


def assert_epoch_equals_the_oracle(net, n, batch_size, threads=None):
    rng = np.random.default_rng(n)
    dense = [layer for layer in net.layers if isinstance(layer, rn.Dense)]
    x = rng.standard_normal((n, dense[0].n_in)).astype(net.dtype)
    y = rng.random((n, dense[-1].n_out)).astype(net.dtype)
    optimizer = rn.SGD(0.05)
    want = oracle_network(net).epoch(
        weights64(net), x, y, oracle_optimizer(optimizer), batch_size, seed=net.seed
    )
    net.fit(x, y, 1, batch_size, optimizer, shuffle=False, threads=threads)
    for got, right in zip(net.get_weights(), want, strict=True):
        assert_close(got, right, scale=10 * (1 + np.abs(right)))


# ---- few rows of many inputs, wide layers ----------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 3, 5])
@pytest.mark.parametrize("activation", ["identity", "relu", "gelu"])
def test_few_rows_of_many_inputs_equal_the_oracle(activation, batch_size, dtype, isa):
    layers = [rn.Dense(150, 21, activation), rn.Dense(21, 3)]
    net = rn.Network(layers, "mse", dtype=dtype, seed=2)
    assert_epoch_equals_the_oracle(net, 7, batch_size)


@pytest.mark.parametrize("activation", ["softmax", "tanh"])
def test_few_rows_and_one_layer_equal_the_oracle(activation, dtype, isa):
    net = rn.Network([rn.Dense(150, 9, activation)], "mse", dtype=dtype, seed=2)
    assert_epoch_equals_the_oracle(net, 7, 3)


@pytest.mark.parametrize("n_out", [1, 3, 8, 33, 70])
def test_a_single_row_with_zeros_has_the_bits_of_many(n_out, dtype, isa, rng):
    """Zeros, which a single row passes over, have no effect on any bit."""
    net = rn.Network([rn.Dense(700, n_out, "relu"), rn.Dense(n_out, 4)], dtype=dtype)
    weights = net.get_weights()
    weights[1][:] = rng.standard_normal(n_out)
    weights[1][::2], weights[3][:] = -0.0, -0.0
    net.set_weights(weights)
    x = rng.standard_normal((40, 700)).astype(dtype)
    x[rng.random(x.shape) < np.linspace(0, 1, 40)[:, None]] = 0
    x[::3][x[::3] == 0] = -0.0
    x[5, :690] = x[39] = np.finfo(dtype).tiny / 4  # which are zeros to the core
    many = net.predict(x)
    for row in range(40):
        assert net.predict(x[row : row + 1]).tobytes() == many[row].tobytes()


def test_few_rows_without_a_bias_equal_those_with_one_of_zeros(dtype, isa, rng):
    x = rng.standard_normal((3, 150)).astype(dtype)
    bits = []
    for use_bias in (False, True):
        layers = [rn.Dense(150, 21, "tanh", use_bias=use_bias), rn.Dense(21, 2)]
        net = rn.Network(layers, "mse", dtype=dtype, seed=2)
        bits.append(net.loss_and_gradients(x, x[:, :2])[1][0].tobytes())
    assert bits[0] == bits[1]


@pytest.mark.parametrize("rate", [0.0, 0.25])
@pytest.mark.parametrize("activation", ["relu", "silu"])
def test_wide_layers_equal_the_oracle(activation, rate, dtype, isa, monkeypatch):
    """So wide that tiles of W are packed, forward and backward, by several threads."""
    monkeypatch.setattr(team, "useful_threads", lambda plan, threads, *_: threads)
    layers = [rn.Dense(70, 270, activation), rn.Dropout(rate)]
    layers += [rn.Dense(270, 265, activation), rn.Dense(265, 3)]
    for threads in (1, 2):
        net = rn.Network(layers, "mse", dtype=dtype, seed=2)
        assert_epoch_equals_the_oracle(net, 80, 40, threads)


def test_masks_on_an_identity_layer_and_a_few_wide_rows(dtype, isa, rng):
    layers = [rn.Dropout(0.5), rn.Dense(150, 9), rn.Dropout(0.5), rn.Dense(9, 2)]
    net = rn.Network(layers, "mse", dtype=dtype, seed=2)
    x, y = rng.standard_normal((3, 150)).astype(dtype), rng.random((3, 2)).astype(dtype)
    masks = [rng.random((3, 150)) < 0.5, rng.random((3, 9)) < 0.5]
    loss, gradients = net.loss_and_gradients(x, y, dropout_masks=masks)
    want_loss, want = oracle_network(net).loss_and_gradients(
        weights64(net), x, y, masks=[2.0 * mask for mask in masks]
    )
    assert_close(loss, want_loss, dtype, scale=10)
    for got, right in zip(gradients, want, strict=True):
        assert_close(got, right, scale=10 * (1 + np.abs(right)))


def test_a_product_of_no_inputs_is_the_bias(dtype):
    x, w, b = np.ones((3, 0), dtype), np.ones((0, 2), dtype), np.array([1, -2], dtype)
    np.testing.assert_array_equal(kernels.dense_forward(x, w, b), np.tile(b, (3, 1)))
    assert not kernels.dense_forward(x, w).any()


# ---- predictions -----------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 3, 500])
def test_softmax_as_a_layer_gives_probabilities(n, dtype, isa, rng):
    layers = [rn.Dense(5, 9, "tanh"), rn.Dense(9, 4, "softmax")]
    net = rn.Network(layers, "mse", dtype=dtype, seed=2)
    x = rng.standard_normal((n, 5)).astype(dtype)
    w0, b0, w1, b1 = weights64(net)
    assert_close(net.predict(x), ref.softmax_forward(np.tanh(x @ w0 + b0) @ w1 + b1))


TYPES = "f2 f4 f8 i1 u1 i2 u2 i4 u4 i8 u8 ?".split()


@pytest.mark.parametrize("n", [2, 70])
@pytest.mark.parametrize("kind", TYPES)
def test_every_element_type_is_read_as_its_value(kind, n, dtype, isa):
    numbers = np.arange(n * 6).reshape(n, 6) * 37 % 256
    x = (
        numbers.astype(np.uint8).view("i1").astype(kind)
        if kind != "?"
        else numbers > 99
    )
    net = rn.Network([rn.Dense(6, 3, "tanh"), rn.Dense(3, 2)], dtype=dtype, seed=1)
    want = net.predict(x.astype(dtype))
    assert net.predict(x).tobytes() == want.tobytes()


def test_every_half_precision_number_is_read_as_its_value(isa):
    bits = np.arange(1 << 16, dtype=np.uint16)
    x = bits[np.isfinite(bits.view("f2"))].view("f2").reshape(-1, 1)
    net = rn.Network([rn.Dense(1, 1)], dtype="float64", seed=1)
    net.set_weights([np.ones((1, 1)), np.zeros(1)])
    np.testing.assert_array_equal(net.predict(x), x.astype("f8"))


def test_an_unknown_variant_is_refused():
    with pytest.raises(ValueError, match="'vax' is not available here, choose one of"):
        binding.set_isa("vax")


# ---- the order of an epoch -------------------------------------------------------------


def words_of_shuffle(seed, epoch, n):
    """n words of the generator: 16 counters at a time, first word of each, second, .."""
    counter = np.zeros((-(-n // 64) * 16, 4), np.uint64)
    counter[:, 0] = np.arange(len(counter))
    counter[:, 1], counter[:, 2] = epoch & 0xFFFFFFFF, epoch >> 32
    counter[:, 3] = 0xFFFF0002
    words = ref.philox4x32(counter, (seed & 0xFFFFFFFF, seed >> 32))
    return words.reshape(-1, 16, 4).transpose(0, 2, 1).reshape(-1).tolist()


@pytest.mark.parametrize("n", [1, 2, 65, 300_000])
def test_permutation_equals_the_oracle(n):
    """Fisher-Yates with Lemire's draws; the largest n draws some of them again."""
    seed, epoch = (7 << 40) + 5, (3 << 33) + 1
    words = iter(words_of_shuffle(seed, epoch, n + 1000))
    order, again = list(range(n)), 0
    for i in range(n, 1, -1):
        product = next(words) * i
        while product % 2**32 < 2**32 % i:
            product = next(words) * i
            again += 1
        j = product >> 32
        order[i - 1], order[j] = order[j], order[i - 1]
    assert kernels.permutation(n, seed, epoch).tolist() == order
    assert math.isclose(again, n * n / 2**34, abs_tol=10)
