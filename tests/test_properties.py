"""Networks of any shape and type: equal to the oracle, the same bits however divided."""

import itertools
import tempfile
from pathlib import Path

import numpy as np
import pytest
from conftest import assert_close, oracle_network, oracle_optimizer, weights64
from hypothesis import given, settings, strategies as st

import regnet_c as rn
from regnet_c import kernels
from regnet_c._core import binding, team

# sizes around those of vectors, tiles and panels, and any other
SIZE = st.one_of(
    st.sampled_from([1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 63, 64, 65, 129]),
    st.integers(1, 90),
)
DTYPE = st.sampled_from(["float32", "float64"])
SMOOTH = st.sampled_from(["identity", "tanh", "gelu", "softplus", "sigmoid", "isru"])
PENALTY = st.sampled_from(
    [None, rn.L1(1e-3), rn.ElasticNet(1e-3, 1e-2, rule="proximal"), rn.L2(1e-2)]
)
BOOLEAN = st.booleans()
often = settings(max_examples=45, deadline=None, derandomize=True)


@st.composite
def networks(draw, dtype, bias=BOOLEAN):
    """A network of one to four Dense layers."""
    sizes = draw(st.lists(SIZE, min_size=2, max_size=5))
    layers = []
    for n_in, n_out in itertools.pairwise(sizes):
        if draw(BOOLEAN):
            layers.append(rn.Dropout(draw(st.sampled_from([0.1, 0.5]))))
        layers.append(
            rn.Dense(
                n_in,
                n_out,
                draw(SMOOTH),
                weight_penalty=draw(PENALTY),
                use_bias=draw(bias),
                max_norm=draw(st.sampled_from([None, None, 1.0])),
            )
        )
    loss = draw(st.sampled_from(["mse", "huber", "squared_error"]))
    return rn.Network(layers, loss, dtype=dtype, seed=draw(st.integers(0, 99)))


def data_for(net, n):
    """n rows of inputs and targets, every second column of a wider array."""
    rng = np.random.default_rng(n)
    dense = [layer for layer in net.layers if isinstance(layer, rn.Dense)]
    return tuple(
        rng.standard_normal((n, 2 * columns)).astype(net.dtype)[:, ::2]
        for columns in (dense[0].n_in, dense[-1].n_out)
    )


@often
@given(st.data(), DTYPE, SIZE, SIZE)
def test_an_epoch_of_any_shape_equals_the_oracle(data, dtype, n, batch_size):
    net = data.draw(networks(dtype, bias=st.just(True)))
    x, y = data_for(net, n)
    optimizer = rn.SGD(1e-3, momentum=0.5)
    want = oracle_network(net).epoch(
        weights64(net), x, y, oracle_optimizer(optimizer), batch_size, seed=net.seed
    )
    net.fit(x, y, 1, batch_size, optimizer, shuffle=False)
    for got, right in zip(net.get_weights(), want, strict=True):
        assert_close(got, right, scale=10 * (1 + np.abs(right)))


def bits_after_training(net, start, x, y, batch_size, threads):
    net.set_weights(start)
    net.fit(x, y, 1, batch_size, rn.Adam(0.01), threads=threads)
    return b"".join(w.tobytes() for w in net.get_weights()) + net.predict(x).tobytes()


@often
@given(st.data(), DTYPE, st.integers(1, 300), st.integers(1, 300))
def test_no_division_of_the_work_changes_a_bit(data, dtype, n, batch_size):
    net = data.draw(networks(dtype))
    x, y = data_for(net, n)
    start = net.get_weights()
    results, before = set(), binding.current_isa()
    for isa in binding.available_isas():
        binding.set_isa(isa)
        if not binding.is_fused():
            continue
        for threads, near_bytes, rows in ((1, 0, 256), (3, 0, 64), (2, 1 << 40, 64)):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(team, "useful_threads", lambda p, threads, *_: threads)
                patch.setattr(team, "_NEAR_BYTES", near_bytes)
                patch.setattr(team, "_BLOCK_BYTES", 1)
                patch.setattr(team, "MIN_BLOCK_ROWS", rows)
                results.add(bits_after_training(net, start, x, y, batch_size, threads))
    binding.set_isa(before)
    assert len(results) <= 1


@often
@given(st.data(), DTYPE, SIZE)
def test_any_network_is_the_same_after_saving(data, dtype, n):
    net = data.draw(networks(dtype))
    x, _ = data_for(net, n)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net"
        net.save(path)
        again = rn.Network.load(path)
        again.save(Path(folder) / "again")
        assert path.read_bytes() == (Path(folder) / "again").read_bytes()
    assert again.predict(x).tobytes() == net.predict(x).tobytes()


@often
@given(DTYPE, SIZE, SIZE, SIZE)
def test_dense_products_of_any_shape(dtype, n, n_in, n_out):
    """Of small integers, so that every sum is exact."""
    rng = np.random.default_rng(n + n_in)

    def integers(*shape):
        return rng.integers(-8, 9, shape).astype(dtype)

    x, w, b, dz = (
        integers(n, n_in),
        integers(n_in, n_out),
        integers(n_out),
        integers(n, n_out),
    )
    for isa in binding.available_isas():
        before = binding.current_isa()
        binding.set_isa(isa)
        try:
            np.testing.assert_array_equal(kernels.dense_forward(x, w, b), x @ w + b)
            np.testing.assert_array_equal(kernels.dense_input_gradient(dz, w), dz @ w.T)
            np.testing.assert_array_equal(
                kernels.dense_weight_gradient(x, dz), x.T @ dz
            )
        finally:
            binding.set_isa(before)
