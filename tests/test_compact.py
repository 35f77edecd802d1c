"""compact(): what goes, what stays, and that predictions stay with it."""

import copy
import itertools
import json
import pickle

import numpy as np
import pytest
from running import ulps

import regnet_c as rn
from regnet_c._files import header, model_file
from regnet_c.activations import HIDDEN


def make_net(
    sizes, activation="relu", dtype="float32", loss="mse", bias=True, seed=0, **options
):
    """A network with biases that are not zero."""
    layers = [
        rn.Dense(n, m, activation=activation, use_bias=bias, **options)
        for n, m in itertools.pairwise(sizes[:-1])
    ]
    layers.append(rn.Dense(*sizes[-2:], use_bias=bias))
    net = rn.Network(layers, loss=loss, dtype=dtype, seed=seed)
    rng = np.random.default_rng(seed)
    shapes = [w.shape for w in net.get_weights()]
    net.set_weights([rng.normal(0, 1 / np.sqrt(s[0]), s) for s in shapes])
    return net


def edit(net, **changes):
    """Put values into parts of weights: edit(net, W0=(index, value))."""
    names, arrays = [], net.get_weights()
    for number, layer in enumerate(net._plan.dense):
        names += [f"W{number}", f"b{number}"] if layer.use_bias else [f"W{number}"]
    for name, (index, value) in changes.items():
        arrays[names.index(name)][index] = value
    net.set_weights(arrays)
    return net


def sizes_of(net):
    return [net._plan.dense[0].n_in, *(layer.n_out for layer in net._plan.dense)]


def assert_same_bits(small, net, X):
    want = net.predict(X)
    assert small.predict(X).tobytes() == want.tobytes()
    assert small.predict(X[:, small.kept_inputs]).tobytes() == want.tobytes()


ROWS = (slice(None), 2)  # column 2 of a matrix: what comes into unit 2


@pytest.mark.parametrize("activation", HIDDEN)
def test_dead_inputs_and_units_without_effect_go_bit_for_bit(
    activation, dtype, isa, rng
):
    for n in (1, 3, 100):
        print(n)
        net = make_net([9, 7, 6, 3], activation, dtype, "softmax_cross_entropy")
        edit(net, W0=([0, 4], 0), W1=([1, 3], 0), W2=(5, -0.0))
        small = net.compact()
        if activation != "identity":
            assert sizes_of(small) == [7, 5, 5, 3]
        assert small.kept_inputs.tolist() == [1, 2, 3, 5, 6, 7, 8]
        X = rng.normal(size=(n, 9)).astype(dtype)
        if activation != "identity":
            assert_same_bits(small, net, X)


@pytest.mark.parametrize("activation", HIDDEN[1:])
def test_constant_units_are_folded(activation, dtype, rng):
    net = make_net([6, 5, 3], activation, dtype)
    small = edit(net, W0=(ROWS, 0)).compact()
    assert sizes_of(small) == [6, 4, 3]
    X = rng.normal(size=(1000, 6)).astype(dtype)
    want = net.predict(X)
    assert ulps(small.predict(X), want, np.abs(want).max()) <= 2


def test_folding_many_constants_adds_no_error(rng):
    """The rounding errors of long sums differ, those of the smaller network are less."""
    exact = make_net([50, 200, 100, 10], "sigmoid", "float64")
    every_third = (slice(None), slice(None, None, 3))
    net = make_net([50, 200, 100, 10], "sigmoid")
    for each in (net, edit(exact, **dict.fromkeys(("W0", "W1"), (every_third, 0)))):
        each.set_weights([w.astype(np.float32) for w in exact.get_weights()])
    small = net.compact()
    assert sizes_of(small) == [50, 133, 66, 10]
    X = rng.normal(size=(2000, 50)).astype(np.float32)
    want = exact.predict(X)
    errors = [np.abs(each.predict(X) - want).mean() for each in (small, net)]
    assert errors[0] < errors[1] < 1e-6


@pytest.mark.parametrize("activation", ["sigmoid", "softplus", "tanh"])
def test_constants_need_no_bias(activation, rng):
    """sigmoid(0) = 1/2 goes into a bias that did not exist; tanh(0) = 0 into none."""
    net = make_net([4, 5, 2], activation, bias=False)
    small = edit(net, W0=(ROWS, 0)).compact()
    assert sizes_of(small) == [4, 4, 2]
    assert small.layers[-1].use_bias == (activation != "tanh")
    X = rng.normal(size=(50, 4)).astype(np.float32)
    want = net.predict(X)
    assert ulps(small.predict(X), want, np.abs(want).max()) <= 2
    if activation == "tanh":
        assert_same_bits(small, net, X)


def test_removal_goes_on_until_nothing_changes(rng):
    """Unit 0 of layer 2 is unread, so is unit 1 of layer 1, so is input 3."""
    net = make_net([5, 4, 4, 4, 2], "tanh")
    edit(net, W3=(0, 0), W2=((1, slice(1, None)), 0), W1=((2, [0, 2, 3]), 0))
    edit(net, W0=((3, [0, 1, 3]), 0))
    small = net.compact()
    assert sizes_of(small) == [4, 3, 3, 3, 2]
    assert small.kept_inputs.tolist() == [0, 1, 2, 4]
    assert_same_bits(small, net, rng.normal(size=(40, 5)).astype(np.float32))
    assert sizes_of(small.compact()) == sizes_of(small)


@pytest.mark.parametrize("activation", HIDDEN)
@pytest.mark.parametrize("bias", [True, False])
def test_everything_zero_leaves_a_valid_network(activation, bias, rng):
    for dead in ("W0", "W1", "W2", "all"):
        print(dead)
        net = make_net([5, 4, 3, 2], activation, bias=bias)
        names = ["W0", "W1", "W2"] if dead == "all" else [dead]
        small = edit(net, **{name: (slice(None), 0) for name in names}).compact()
        assert sizes_of(small) == [1, 2]
        X = rng.normal(size=(20, 5)).astype(np.float32)
        want = net.predict(X)
        assert ulps(small.predict(X), want, np.abs(want).max() + 1e-30) <= 2
        assert small.predict(X[:, small.kept_inputs]).shape == (20, 2)


def test_a_relu_that_never_opens_goes_and_one_that_never_closes_is_linear(rng):
    net = make_net([6, 5, 4, 3])
    assert sizes_of(edit(net, b1=(slice(None), 0)).compact()) == [6, 5, 4, 3]
    W0, b0, W1, b1, W2, b2 = net.get_weights()
    W1, b1 = -np.abs(W1), -np.abs(b1)
    W1[:, 0], b1[0] = -W1[:, 0], -b1[0]
    net.set_weights([W0, b0, W1, b1, W2, b2])
    small = net.compact()
    assert sizes_of(small) == [6, 5, 1, 3]  # 5 x 3 would be larger than 5 + 3
    X = rng.normal(size=(200, 6)).astype(np.float32)
    assert_same_bits(small, net, X)
    net.set_weights([W0, b0, np.abs(W1), np.abs(b1), W2, b2])
    small = net.compact()
    assert sizes_of(small) == [6, 5, 3]
    want = net.predict(X)
    assert ulps(small.predict(X), want, np.abs(want).max()) <= 4


def test_linear_layers_merge_only_where_that_is_smaller(dtype, rng):
    wide = make_net([4, 50, 3], "identity", dtype)
    assert sizes_of(wide.compact()) == [4, 3]
    narrow = make_net([40, 2, 30], "identity", dtype)
    assert sizes_of(narrow.compact()) == [40, 2, 30]
    leaky = make_net([4, 50, 3], "leaky_relu", dtype, activation_param=1.0, bias=False)
    X = rng.normal(size=(200, 4)).astype(dtype)
    for net in (wide, leaky):
        small, want = net.compact(), net.predict(X)
        assert sizes_of(small) == [4, 3]
        assert ulps(small.predict(X), want, np.abs(want).max()) <= 8


def test_configuration_dropout_and_metadata_stay():
    layers = [
        rn.Dropout(0.1),
        rn.Dense(6, 5, activation="elu", weight_penalty=rn.L1(1e-3), max_norm=3.0),
        rn.Dropout(0.5),
        rn.Dense(5, 1),
    ]
    net = rn.Network(layers, loss=rn.Loss("huber", 2.0), seed=7)
    net.metadata = {"note": [1]}
    small = edit(net, W0=(3, 0), W1=(2, 0)).compact()
    assert small.layers[0] == layers[0] and small.layers[2] == layers[2]
    assert small.layers[1].get_config() == {
        **layers[1].get_config(),
        "n_in": 5,
        "n_out": 4,
    }
    assert (small.loss, small.seed, small.metadata) == (net.loss, 7, {"note": [1]})
    assert sizes_of(net) == [6, 5, 1] and small.metadata is not net.metadata


def test_kept_inputs_compose_and_are_saved(tmp_path, rng):
    net = make_net([8, 6, 3], loss="softmax_cross_entropy")
    first = edit(net, W0=([0, 5], 0)).compact()
    second = edit(first, W0=(1, 0)).compact()
    assert second.kept_inputs.tolist() == [1, 3, 4, 6, 7]
    second.save(tmp_path / "m.safetensors")
    loaded = rn.Network.load(tmp_path / "m.safetensors")
    assert loaded.kept_inputs.tolist() == [1, 3, 4, 6, 7] and loaded.n_inputs == 8
    X, y = rng.normal(size=(30, 8)), rng.integers(3, size=30)
    want = second.predict(X)
    for x in (X, X[:, loaded.kept_inputs]):
        np.testing.assert_array_equal(loaded.predict(x), want)
        assert loaded.evaluate(x, y) == second.evaluate(X, y)
    with pytest.raises(ValueError, match=r"6 columns.*expects 5 \(or all 8\)"):
        loaded.predict(X[:, :6])
    loaded.fit(X, y, epochs=1)


def test_copies_keep_the_inputs(rng):
    small = edit(make_net([5, 3, 2]), W0=([1, 3], 0)).compact()
    X = rng.normal(size=(10, 5))
    for other in (pickle.loads(pickle.dumps(small)), copy.deepcopy(small)):
        assert other.kept_inputs.tolist() == [0, 2, 4] and other.n_inputs == 5
        assert_same_bits(other, small, X)


def test_only_compacted_networks_have_inputs_in_their_file(tmp_path):
    net, path = make_net([4, 3, 2]), tmp_path / "m.safetensors"
    net.save(path)
    assert b"regnet_c.inputs" not in path.read_bytes()
    assert rn.Network.load(path).kept_inputs.tolist() == [0, 1, 2, 3]
    net.metadata = {"regnet_c.inputs": 1}
    with pytest.raises(ValueError, match="'regnet_c.inputs', which belongs to compact"):
        net.save(path)
    small = edit(make_net([4, 3, 2]), W0=(1, 0)).compact()
    small.metadata = {"note": 1}
    small.save(path)
    loaded = rn.Network.load(path)
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == path.read_bytes()
    assert loaded.metadata == {"note": 1}


@pytest.mark.parametrize(
    "inputs",
    [
        1,
        [],
        {},
        {"kept": [0, 2, 3], "n": 4},
        {"n": 4, "kept": [0, 2, 3], "more": 1},
        {"n": 3, "kept": [0, 1, 2]},
        {"n": 4, "kept": [0, 2]},
        {"n": 4, "kept": [2, 0, 3]},
        {"n": 4, "kept": [0, 2, 2]},
        {"n": 4, "kept": [-1, 2, 3]},
        {"n": 4, "kept": [0, 2, 4]},
        {"n": 4.0, "kept": [0, 2, 3]},
        {"n": True, "kept": [0, 2, 3]},
        {"n": 4, "kept": [0, 2, 3.0]},
        {"n": 2**70, "kept": [0, 2**63, 5]},
        {"n": 4, "kept": "023"},
        {"n": 4, "kept": [[0], [2, 3]]},
    ],
)
def test_other_inputs_in_a_file_are_refused(inputs, tmp_path, monkeypatch):
    net = make_net([3, 3, 2])
    monkeypatch.setattr(
        header,
        "_metadata_text",
        lambda m, plan: json.dumps({"regnet_c.inputs": inputs}, separators=(",", ":")),
    )
    monkeypatch.setattr(model_file, "_check_what_will_be_read", lambda *args: None)
    net.save(tmp_path / "m")
    monkeypatch.undo()
    with pytest.raises(rn.ModelFileError, match="kept inputs|regnet_c.inputs|array"):
        rn.Network.load(tmp_path / "m")


@pytest.mark.parametrize("seed", range(30))
def test_random_sparse_networks(seed):
    """Any activation, depth and sparsity: smaller, and equal to a few ulp."""
    rng = np.random.default_rng(seed)
    sizes = [*rng.integers(1, 12, rng.integers(2, 6)), 2]
    dtype = ["float32", "float64"][seed % 2]
    layers = [
        rn.Dense(n, m, activation=str(rng.choice(HIDDEN)), use_bias=rng.random() < 0.7)
        for n, m in itertools.pairwise(sizes)
    ]
    net = rn.Network(layers, dtype=dtype)
    weights = [rng.normal(size=w.shape) for w in net.get_weights()]
    keep = rng.random()
    net.set_weights([w * (rng.random(w.shape) < keep) for w in weights])
    small = net.compact()
    X = rng.normal(size=(100, sizes[0])).astype(dtype)
    want = net.predict(X)
    assert ulps(small.predict(X), want, np.abs(want).max() + 1) <= 16
    assert sum(w.size for w in small.get_weights()) <= sum(w.size for w in weights) + 20
    assert sizes_of(small.compact()) == sizes_of(small)


def test_a_trained_l1_penalty_gives_the_columns_that_matter(rng):
    X = rng.normal(size=(600, 12)).astype(np.float32)
    y = np.sin(X[:, 2]) + X[:, 7] * X[:, 9]
    net = rn.Network(
        [
            rn.Dense(12, 24, activation="tanh", weight_penalty=rn.L1(1e-2)),
            rn.Dense(24, 1, weight_penalty=rn.L1(2e-3)),
        ]
    )
    net.fit(X, y, epochs=100, optimizer=rn.Adam(0.01))
    small = net.compact()
    assert small.kept_inputs.tolist() == [2, 7, 9]
    np.testing.assert_allclose(small.predict(X), net.predict(X), atol=1e-5)


def test_groups_of_inputs_keep_those_that_are_left(rng):
    """By their new numbers, in hidden layers too; a group that is gone is left out."""
    first = rn.GroupLasso(0.1, [[0, 4], [1, 2], [3, 5]])
    second = rn.NonNegative(rn.GroupLasso(0.2, [[0, 3], [1, 2]], rule="proximal"))
    layers = [
        rn.Dense(6, 4, "tanh", first),
        rn.Dense(4, 2, weight_penalty=second),
    ]
    net = rn.Network(layers)
    W0, b0, W1, b1 = net.get_weights()
    W0[[1, 2, 5]] = 0
    W1[1] = 0
    net.set_weights([W0, b0, W1, b1])
    small = net.compact()
    assert small.kept_inputs.tolist() == [0, 3, 4]
    penalties = [layer.weight_penalty for layer in small.layers]
    assert penalties[0] == rn.GroupLasso(0.1, [[0, 2], [1]])
    assert penalties[1] == second.replace(
        penalty=rn.GroupLasso(0.2, [[0, 2], [1]], rule="proximal")
    )
    x = rng.standard_normal((9, 6))
    np.testing.assert_array_equal(small.predict(x), net.predict(x))


def test_groups_of_a_layer_that_is_merged_are_lost():
    layers = [
        rn.Dense(2, 9, weight_penalty=rn.L2(0.1)),
        rn.Dense(9, 1, weight_penalty=rn.GroupLasso(0.1, [range(9)])),
    ]
    assert [layer.weight_penalty for layer in rn.Network(layers).compact().layers] == [
        None
    ]
