"""Biases that put the kinks of hidden units at rows of the training data."""

import numpy as np
import pytest
import reference as ref
import scipy.sparse
from conftest import assert_close

import regnet_c as rn
from regnet_c import kernels
from regnet_c._core import binding

SIZES = (6, 70, 9)


def network(dtype="float32", members=1, first="kinks", seed=3):
    a, b, c = SIZES
    layers = [
        rn.Dropout(0.5),
        rn.Dense(a, b, "relu", bias_init=first),
        rn.Dropout(0.5),
        rn.Dense(b, c, "tanh", bias_init="kinks"),
        rn.Dense(c, 2),
    ]
    return rn.Network(layers, dtype=dtype, seed=seed, members=members)


def some_rows(n=40, dtype=np.float64):
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((n, SIZES[0])), rng.standard_normal((n, 2))
    return x.astype(dtype), y.astype(dtype)


def biases(net, x, y, **options):
    """Of the hidden layers after a fit of no epoch."""
    net.fit(x, y, 0, **options)
    weights, each = net.get_weights(), 2 if net.members == 1 else 4
    return [weights[each - 1], weights[2 * each - 1]]


def bits(arrays):
    return [a.tobytes() for a in arrays]


def drawn(n, units, layer, member=0):
    """The row of each unit."""
    stream = (1 << 18) + layer + member * 4
    u = kernels.random_uniform(units, 3, stream, dtype="float64")
    return np.floor(u * n).astype(int)


@pytest.mark.parametrize("members", [1, 2])
def test_each_unit_has_its_kink_at_a_row(members, dtype, isa):
    """That its random number chooses, as the layers before it see the row."""
    x, y = some_rows(dtype=dtype)
    net = network(dtype, members)
    found = [b.reshape(members, -1) for b in biases(net, x, y)]
    for member in range(members):
        one = net.member(member)
        w0, _, w1, _, *_ = one.get_weights()
        rows = drawn(len(x), 70, 0, member)
        want = [ref.kink(w0[:, j], x[i]) for j, i in enumerate(rows)]
        assert_close(found[0][member], np.array(want), scale=5)
        a = np.maximum(ref.dense_forward(x, w0, np.array(want)), 0)
        rows = drawn(len(x), 9, 1, member)
        want = [ref.kink(w1[:, j], a[i]) for j, i in enumerate(rows)]
        assert_close(found[1][member], np.array(want), scale=20)


def test_variants_with_fused_multiply_add_agree(each_fused_isa):
    results = each_fused_isa(lambda: bits(biases(network(), *some_rows())))
    assert len({tuple(r) for r in results.values()}) == 1


def test_the_form_of_the_rows_does_not_matter():
    x, y = some_rows()
    x[x < 0.5] = 0
    whole = bits(biases(network(), x, y))
    assert bits(biases(network(), scipy.sparse.csr_array(x), y)) == whole
    assert bits(biases(network(), np.asfortranarray(x), y, threads=2)) == whole
    assert bits(biases(network(seed=4), x, y)) != whole
    assert bits(biases(network(), x[::-1], y)) != whole


def test_rows_of_weight_zero_are_not_drawn():
    x, y = some_rows()
    weight = np.arange(40) % 3 * 1.0
    some = weight > 0
    found = bits(biases(network(), x, y, sample_weight=weight))
    assert found == bits(biases(network(), x[some], y[some]))
    assert found != bits(biases(network(), x, y))


def test_the_first_fit_sets_them_and_no_other():
    x, y = some_rows()
    net = network()
    first = bits(biases(net, x, y))
    assert bits(biases(net, x[:20], y[:20])) == first
    net.fit(x, y, 1, optimizer=rn.Adam(1e-3))
    after = bits(net.get_weights())
    assert bits(net.get_weights()[1:2]) != first[:1]
    net.fit(x[:9], y[:9], 0, optimizer=rn.SGD(1e-3))
    assert bits(net.get_weights()) == after
    # zeros that training made stay
    weights = net.get_weights()
    net.set_weights([w * 0 if w.ndim == 1 else w for w in weights])
    net.fit(x, y, 0)
    assert not net.get_weights()[1].any()


def test_layers_whose_biases_are_set_keep_them():
    x, y = some_rows()
    net, other = network(), network(first="zeros")
    weights = net.get_weights()
    weights[1][4] = 0.25
    for n in (net, other):
        n.set_weights(weights)
    found = biases(net, x, y)
    assert found[0].tobytes() == weights[1].tobytes()
    assert bits(found) == bits(biases(other, x, y))


def test_a_step_alone_leaves_them_zero():
    x, y = some_rows()
    net = network()
    net.train_step(x, y, rn.SGD(1e-30))
    assert np.abs(net.get_weights()[1]).max() < 1e-20


def test_files_that_were_never_trained_still_wait(tmp_path):
    x, y = some_rows()
    network().save(tmp_path / "net")
    loaded = rn.Network.load(tmp_path / "net")
    assert bits(biases(loaded, x, y)) == bits(biases(network(), x, y))


def test_a_resumed_fit_has_the_bits_of_one(tmp_path):
    x, y = some_rows()
    whole, part = network(), network()
    whole.fit(x, y, 4, optimizer=rn.Adam(1e-3))
    checkpoint = rn.Checkpoint(tmp_path / "run")
    part.fit(x, y, 2, optimizer=rn.Adam(1e-3), callbacks=[checkpoint])
    other = network()
    other.fit(x, y, 4, optimizer=rn.Adam(1e-3), resume_from=tmp_path / "run")
    assert bits(other.get_weights()) == bits(whole.get_weights())


def test_blocks_are_refused_until_rows_have_set_them():
    x, y = some_rows()
    net = network()
    before, blocks = bits(net.get_weights()), rn.Blocks([(x[:25], y[:25]), (x, y)])
    with pytest.raises(ValueError, match=r"layer 0 has .* fit\(rows, y, epochs=0\)"):
        net.fit(blocks, epochs=1)
    assert bits(net.get_weights()) == before and net._state is None
    net.fit(x, y, 0)
    assert net.fit(blocks, epochs=1).epochs == 1


def test_a_fit_of_blocks_is_resumed_by_a_network_whose_biases_wait(tmp_path):
    x, y = some_rows()
    part, other, blocks = network(), network(), rn.Blocks([(x[:25], y[:25]), (x, y)])
    part.fit(x, y, 0)
    checkpoint = rn.Checkpoint(tmp_path / "run")
    part.fit(blocks, epochs=2, optimizer=rn.Adam(1e-3), callbacks=[checkpoint])
    options = {"optimizer": rn.Adam(1e-3), "resume_from": tmp_path / "run"}
    other.fit(blocks, epochs=2, **options)
    assert bits(other.get_weights()) == bits(part.get_weights())


def test_a_unit_that_overflows_keeps_zero():
    x, y = some_rows()
    x[:] = 1e38
    net = network()
    weights = net.get_weights()
    weights[0][:, 2] = 1e3
    net.set_weights(weights)
    found = biases(net, x, y)
    assert found[0][2] == 0 and found[0][[0, 1]].all()
    assert all(np.isfinite(b).all() for b in found)


def test_a_network_of_zeros_has_plain_zeros():
    layers = [rn.Dense(6, 3, "tanh", weight_init=0.0, bias_init="kinks")]
    net = rn.Network([*layers, rn.Dense(3, 2)])
    net.fit(*some_rows(), 0)
    assert net.get_weights()[1].tobytes() == bytes(12)


def test_wide_layers_take_units_in_groups(monkeypatch):
    """As many products as there are units times 64 rows, not units times units."""
    seen, forward = [], binding.dense_forward

    def counted(z, *rest):
        seen.append(z.shape)
        forward(z, *rest)

    monkeypatch.setattr(binding, "dense_forward", counted)
    biases(network(), *some_rows())
    assert seen == [(64, 64), (6, 6), (9, 70), (9, 9)]


def test_compact_networks_wait_for_nothing():
    net = network()
    weights = [np.zeros_like(w) if w.ndim == 1 else w for w in net.get_weights()]
    weights[0][:, 5:] = 0
    net.set_weights(weights)
    small = net.compact()
    small.fit(*some_rows(), 0)
    assert small.layers[1].n_out == 5
    assert not any(w.any() for w in small.get_weights()[1::2])


def test_a_lassonet_has_them():
    x, y = some_rows()
    layers = [rn.Dense(6, 8, "relu", bias_init="kinks"), rn.Dense(8, 2)]
    net = rn.LassoNet(layers, 0.1, seed=3)
    net.fit(x, y, 0)
    w, b = net.get_weights()[:2]
    want = [ref.kink(w[:, j], x[i]) for j, i in enumerate(drawn(40, 8, 0))]
    assert_close(b, np.array(want), scale=5)


@pytest.mark.filterwarnings("ignore:the fit ended worse than a constant")
@pytest.mark.parametrize("n_members", [1, 3])
def test_estimators_have_them(n_members):
    pytest.importorskip("sklearn")
    x, y = some_rows()
    labels = y[:, 0] > 0
    for cls, target in ((rn.RegNetRegressor, y[:, 0]), (rn.RegNetClassifier, labels)):
        options = {"random_state": 0, "preset": "plain", "max_iter": 2, "tol": 0}
        options |= {"hidden_layer_sizes": (8, 4), "learning_rate_init": 1e-9}
        options |= {"n_members": n_members, "n_iter_no_change": None}
        model = cls(**options, bias_init="kinks").fit(x, target)
        kinds = [m.network.layers for m in model._members]
        assert all([d.bias_init for d in k] == ["kinks"] * 2 + ["zeros"] for k in kinds)
        assert model.intercepts_[0].all()
        assert np.abs(cls(**options).fit(x, target).intercepts_[0]).max() < 1e-6
