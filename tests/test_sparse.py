"""Predictions from the non-zero weights: the bits of the dense path, always up to date."""

import numpy as np
import pytest

import regnet_c as rn
from regnet_c._core import binding, sparse

ROWS = (1, 2, 5, 8, 9, 16, 17, 33, 100)


def thinned(net, rng, density):
    """The same network with this share of its weights, biases that are not zero."""
    weights = net.get_weights()
    for w in weights:
        if w.ndim == 2:
            w *= rng.random(w.shape) < density
        else:
            w[:] = rng.normal(size=w.shape)
    net.set_weights(weights)
    return net


def predicted(net, x, lists, threads=1):
    """The outputs before the loss's transformation, with the lists given (None: dense)."""
    model = net._weights.predictor
    out = np.full((len(x), model.n_out), 7, net.dtype)
    source = binding.Source(x)
    code = model.predict(source, out, False, threads, 0, lists)
    assert code == (-2 if np.isnan(out).any() else -1)
    return out


def all_lists(net, **options):
    """Lists of every layer, whatever its density."""
    matrices = [w for w in net._weights.views if w.ndim == 2]
    return binding.SparseLayers([sparse.sparse_lists(w, **options) for w in matrices])


def assert_same_bits(net, x, lists=None):
    lists = lists or all_lists(net)
    for n in ROWS:
        want = predicted(net, x[:n], None)
        assert predicted(net, x[:n], lists).tobytes() == want.tobytes()
        for threads in (2, 3):
            many = predicted(net, x[:n], lists, threads)
            assert many.tobytes() == want.tobytes()


def used(net, n=100):
    """Whether a prediction of n rows would use lists now."""
    return net._weights.sparse.layers(n) is not None


def sparse_network(rng, **options):
    layers = [rn.Dense(120, 100, activation="relu"), rn.Dense(100, 3)]
    return thinned(rn.Network(layers, "softmax_cross_entropy", **options), rng, 0.1)


@pytest.fixture
def x(rng):
    return rng.normal(size=(100, 120)).astype(np.float32)


@pytest.mark.parametrize("density", [0.0, 0.03, 0.3, 1.0])
@pytest.mark.parametrize("activation", ["relu", "tanh", "identity"])
def test_the_bits_are_those_of_the_dense_path(rng, dtype, isa, density, activation):
    layers = [
        rn.Dense(37, 45, activation=activation),
        rn.Dense(45, 16, activation=activation, use_bias=False),
        rn.Dense(16, 17, activation=activation),
        rn.Dense(17, 1),
    ]
    net = thinned(rn.Network(layers, dtype=dtype), rng, density)
    x = rng.normal(size=(100, 37)).astype(dtype)
    for max_slice in (400, 13, 1):
        assert_same_bits(net, x, all_lists(net, max_slice=max_slice))


def test_a_wide_dense_layer_may_follow_a_sparse_one(rng, dtype, isa):
    """W is packed then, even for a few rows; what comes behind the memory is looked at
    by tools/sanitize.py."""
    net = rn.Network([rn.Dense(120, 100), rn.Dense(100, 300)], dtype=dtype)
    first = sparse.sparse_lists(net._weights.views[0])
    lists = binding.SparseLayers([first, None])
    assert_same_bits(net, rng.normal(size=(100, 120)).astype(dtype), lists)


@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "binary_cross_entropy"])
def test_the_bits_are_the_same_behind_an_output_function(rng, loss):
    net = rn.Network([rn.Dense(20, 33, activation="elu"), rn.Dense(33, 5)], loss)
    assert_same_bits(thinned(net, rng, 0.1), rng.normal(size=(100, 20)))


def test_every_instruction_set_gives_the_same_bits(rng, x, each_fused_isa):
    net = sparse_network(rng)
    results = each_fused_isa(
        lambda: [predicted(net, x[:n], all_lists(net)).tobytes() for n in ROWS]
    )
    assert len(set(map(str, results.values()))) == 1


def test_a_row_does_not_depend_on_its_batch(rng, x):
    net = sparse_network(rng)
    whole = net.predict(x)
    assert used(net)
    for n in ROWS:
        np.testing.assert_array_equal(net.predict(x[:n]), whole[:n])


def test_the_sign_of_a_zero_is_that_of_the_dense_path(rng, dtype, isa):
    """-0 from biases, weights, inputs and underflow: the dense path adds zeros to it."""
    tiny = np.finfo(dtype).tiny
    net = rn.Network([rn.Dense(6, 40)], dtype=dtype)
    w, b = np.zeros((6, 40), dtype), np.full(40, -0.0, dtype)
    w[:, 10:20] = -0.0
    w[2, 20:30] = -1
    b[20:30] = 1.5 * tiny  # 1.5 tiny - 1.75 tiny is below the smallest normal number
    w[3, 30:] = [0, -0.0, 1, -1, 2] * 2
    net.set_weights([w, b])
    x = rng.choice(np.array([0.0, -0.0, 1, -1], dtype), (100, 6))
    x[:, 2] = 1.75 * tiny
    x[:50, 3] = -0.0
    assert_same_bits(net, x)
    assert not np.signbit(predicted(net, x, None)[x[:, 3] == 0]).any()


def test_hidden_infinities_go_through_the_dense_path(rng, dtype, isa):
    big = np.finfo(dtype).max
    layers = [rn.Dense(5, 20, activation="relu"), rn.Dense(20, 9), rn.Dense(9, 4)]
    net = thinned(rn.Network(layers, dtype=dtype), rng, 0.3)
    weights = net.get_weights()
    weights[0][3, 7] = 2
    net.set_weights(weights)
    x = rng.normal(size=(100, 5)).astype(dtype)
    x[[0, 6, 70], 3] = big
    out = predicted(net, x, None)
    assert np.isnan(out[0]).any() and np.isfinite(out[1:6]).all()
    lists = all_lists(net)
    for n in ROWS:
        np.testing.assert_array_equal(
            predicted(net, x[:n], lists), predicted(net, x[:n], None)
        )


@pytest.mark.parametrize("max_slice", [29, 28, 10])
def test_lists_hold_the_weights_in_the_order_of_the_inputs(rng, dtype, isa, max_slice):
    w = rng.normal(size=(29, 37)).astype(dtype) * (rng.random((29, 37)) < 0.2)
    w[:, 5], w[0, 6] = 0, -0.0
    slices, start, unit, index, value = sparse.sparse_lists(w, max_slice)
    lanes, seen = binding.SPARSE_UNITS, np.zeros_like(w)
    assert slices == -(-29 // max_slice) and len(start) == 3 * slices + 1
    for units in unit.reshape(slices, -1):
        np.testing.assert_array_equal(np.sort(units), [-1] * 11 + list(range(37)))
    for place in np.flatnonzero(unit >= 0):
        group, lane = divmod(place, lanes)
        mine = slice(start[group] * lanes + lane, start[group + 1] * lanes, lanes)
        count = np.count_nonzero(value[mine])
        rows = index[mine][:count]
        assert (np.diff(rows) > 0).all() and (index[mine] < 29).all()
        assert not value[mine][count:].any()
        number, size = group // 3, 29 / slices
        assert ((number * size - 1 < rows) & (rows < (number + 1) * size)).all()
        seen[rows, unit[place]] += value[mine][:count]
    np.testing.assert_array_equal(seen, w)


def test_counts_are_those_of_the_units(rng, dtype, isa):
    w = rng.normal(size=(29, 37)).astype(dtype) * (rng.random((29, 37)) < 0.2)
    counts = np.empty(37, np.int64)
    binding.sparse_count(counts, w)
    np.testing.assert_array_equal(counts, np.count_nonzero(w, axis=0))


def test_lists_are_made_when_rows_repay_them(rng, x):
    net = sparse_network(rng)
    for _ in range(sparse.ROWS_BEFORE):
        net.predict(x[:1])
    assert net._weights.sparse.made is None
    net.predict(x[:1])
    made = net._weights.sparse.made
    net.predict(x)
    assert made[1] is not None and net._weights.sparse.made is made


def test_small_and_dense_layers_have_no_lists(rng, x):
    assert not used(thinned(rn.Network([rn.Dense(60, 60)]), rng, 0.1))
    assert used(thinned(rn.Network([rn.Dense(120, 100)]), rng, 0.1))
    assert not used(thinned(rn.Network([rn.Dense(120, 100)]), rng, 0.5))
    between = (sparse.MAX_DENSITY_FEW + sparse.MAX_DENSITY) / 2
    net = thinned(rn.Network([rn.Dense(120, 100)]), rng, between)
    assert used(net, 100) and not used(net, sparse.FEW_ROWS)
    for sides in ((99, 100), (100, 99)):
        net = thinned(rn.Network([rn.Dense(*sides)]), rng, 0.1)
        assert used(net, 100) and not used(net, sparse.FEW_ROWS)
    net = thinned(rn.Network([rn.Dense(100, 100)]), rng, 0.1)
    assert used(net, 100) and used(net, sparse.FEW_ROWS)


def changes(tmp_path):
    """Every way in which weights change, each a function (net, x, y, other weights)."""

    def load(net, x, y, weights):
        other = rn.Network(net.layers, net.loss)
        other.set_weights(weights)
        other.save(tmp_path / "net.safetensors")
        return rn.Network.load(tmp_path / "net.safetensors")

    def diverge(net, x, y, weights):
        with pytest.raises(rn.DivergenceError), np.errstate(all="ignore"):
            net.fit(x * 1e18, y, 3, 10, rn.SGD(1e18))

    return {
        "set_weights": lambda net, x, y, weights: net.set_weights(weights),
        "fit": lambda net, x, y, weights: net.fit(x, y, epochs=1),
        "train_step": lambda net, x, y, weights: net.train_step(x, y, rn.SGD(0.1)),
        "load": load,
        "divergence": diverge,
    }


@pytest.mark.parametrize("change", sorted(changes(None)))
def test_lists_are_never_out_of_date(rng, x, tmp_path, change):
    net, other = sparse_network(rng), sparse_network(rng)
    y = rng.integers(0, 3, len(x))
    before = net.predict(x)
    assert used(net)
    result = changes(tmp_path)[change](net, x, y, other.get_weights())
    net = result if change == "load" else net
    fresh = rn.Network(net.layers, net.loss)
    fresh.set_weights(net.get_weights())
    after = predicted(fresh, x, None)
    assert (after != before).any()
    for n in (100, 1):
        got = predicted(net, x[:n], net._weights.sparse.layers(n))
        np.testing.assert_array_equal(got, after[:n])


def test_a_callback_sees_the_weights_of_its_epoch(rng, x):
    net, y = sparse_network(rng), rng.integers(0, 3, len(x))
    seen = []

    class Watch(rn.Callback):
        def on_train_begin(self, network):
            self.network = network

        def on_epoch_end(self, epoch, logs):
            got = self.network.predict(x)
            seen.append((got == predicted(self.network, x, None)).all())

    net.fit(x, y, epochs=3, callbacks=[Watch()], keep_zeros=True)
    assert seen == [True] * 3 and used(net)


@pytest.mark.parametrize("n", [1, 4, 100])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_rows_that_are_not_finite_are_named(rng, x, n, value):
    net = sparse_network(rng)
    net.predict(x)
    bad = x[:n].copy()
    bad[n // 2 :, 79] = value
    for _ in range(2):
        with pytest.raises(ValueError, match=rf"row {n // 2}\b"):
            net.predict(bad, threads=3)
        net.set_weights([w + 1 for w in net.get_weights()])  # dense from now on


def test_rows_too_large_for_the_dtype_are_named(rng, x):
    bad = x.astype(np.float64)
    bad[60, 0] = 1e60
    with pytest.raises(ValueError, match=r"row 60\b"):
        sparse_network(rng).predict(bad)


PENALTIES = [
    None,
    rn.L1(1e-4),
    rn.L2(1e-3),
    rn.GroupLasso(1e-4),
    rn.GroupLasso(1e-4, "inputs"),
    "several inputs",
]


@pytest.mark.parametrize("optimizer", [rn.SGD(0.1, 0.9), rn.Adam(0.01), rn.Adagrad()])
@pytest.mark.parametrize("penalty", PENALTIES)
def test_keep_zeros_keeps_the_zeros_and_trains_the_rest(rng, x, optimizer, penalty):
    penalties = [penalty] * 2
    if penalty == "several inputs":
        penalties = [
            rn.GroupLasso(1e-4, [range(k, n, 9) for k in range(9)]) for n in (120, 100)
        ]
    layers = [
        rn.Dense(120, 100, activation="relu", weight_penalty=penalties[0], max_norm=2),
        rn.Dense(100, 3, weight_penalty=penalties[1]),
    ]
    net, y = rn.Network(layers, "softmax_cross_entropy"), rng.integers(0, 3, len(x))
    net.fit(x, y, 2, 20, optimizer)  # what penalties have charged must not come back
    before = thinned(net, rng, 0.2).get_weights()
    net.fit(x, y, 5, 20, optimizer, keep_zeros=True)
    for old, new in zip(before, net.get_weights(), strict=True):
        assert (new != old)[old != 0].mean() > 0.2
        assert old.ndim == 1 or not new[old == 0].any()


def test_without_keep_zeros_zeros_wake(rng, x):
    net = sparse_network(rng)
    net.fit(x, rng.integers(0, 3, len(x)), epochs=1, keep_zeros=False)
    assert net.zeros() < 0.5
    with pytest.raises(TypeError, match="keep_zeros"):
        net.fit(x, rng.integers(0, 3, len(x)), keep_zeros=1)
