"""Members that share W: gradients, training, predictions, files, bits."""

import itertools
import pickle

import numpy as np
import pytest
import reference as ref
from conftest import assert_close, oracle_network, oracle_optimizer, weights64
from running import all_pairs, bits, use_real_threads
from test_gradients import (
    HIDDEN,
    SMOOTHED,
    assert_gradients_are_derivatives,
    assert_gradients_equal_the_oracle,
    away_from_zero,
    some_targets,
)
from test_training import OPTIMIZERS, RULES, assert_weights_close

import regnet_c as rn
from regnet_c import kernels
from regnet_c._core import binding, team, training

MEMBERS = 3


def network(
    dtype="float64",
    members=MEMBERS,
    rate=0.3,
    loss=SMOOTHED["softmax_cross_entropy"],
    **own,
):
    """6 -> 9 -> 5 -> 4 with all that may be with members."""
    layers = [
        *([rn.Dropout(rate / 2)] if rate else []),
        rn.Dense(
            6,
            9,
            "tanh",
            rn.L1(0.01),
            rn.L2(0.01),
            learning_rate_factor=0.7,
            bias_learning_rate_factor=0.3,
        ),
        *([rn.Dropout(rate)] if rate else []),
        rn.Dense(9, 5, "silu", rn.GroupLasso(0.01, "inputs")),
        rn.Dense(5, 4, weight_penalty=rn.GroupLasso(0.01)),
    ]
    return rn.Network(layers, loss, dtype, seed=3, members=members, **own)


def data(n=50):
    rng = np.random.default_rng(8)
    x = rng.standard_normal((n, 6))
    return x, (np.abs(x[:, 0]) * 2).astype(int).clip(0, 3)


def scrambled(net, rng):
    """The network with weights away from zero, factors that are not ones."""
    net.set_weights([0.7 * away_from_zero(rng, *w.shape) for w in net.get_weights()])
    return net


# ---- the start ------------------------------------------------------------------------


def test_the_first_weights_are_those_documented():
    net = network(members=16)
    w0, r0, s0, b0, w1, r1, s1, b1, w2, b2 = net.get_weights()
    assert [w0.shape, w1.shape, w2.shape] == [(6, 9), (9, 5), (16, 5, 4)]
    assert [r0.shape, s0.shape, b0.shape] == [(16, 6), (16, 9), (16, 9)]
    assert set(np.unique(r0)) == {-1.0, 1.0} and 20 < (r0 < 0).sum() < 76
    assert (s0 == 1).all() and (r1 == 1).all() and (s1 == 1).all()
    assert not b0.any() and not b1.any() and not b2.any()
    assert len({own.tobytes() for own in w2}) == 16
    plain = network(members=1).get_weights()
    for shared, alone in zip([w0, w1, w2[0]], plain[::2], strict=True):
        np.testing.assert_array_equal(shared, alone)


def test_one_member_is_a_plain_network():
    x, y = data()
    nets = [
        network(members=1),
        rn.Network(network().layers, network().loss, "float64", 3),
    ]
    for net in nets:
        net.fit(x, y, 2, 16)
    assert bits(nets[0]) == bits(nets[1])


def test_members_show():
    net = network()
    assert "members=3" in repr(net) and "members" not in repr(network(members=1))
    rows = net.summary()
    assert [row["weights"] for row in rows] == [54, 45, 60]


# ---- gradients ------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ref.LOSSES)
def test_gradients_with_each_loss(loss, rng):
    net = scrambled(network(loss=SMOOTHED.get(loss, loss)), rng)
    y = some_targets(loss, rng, 9, 4)
    masks = [rng.random((MEMBERS, 9, units)) < 0.7 for units in (6, 9)]
    drawn = rng.standard_normal((9, 6)), y, rng.random(9) + 0.1, masks
    assert_gradients_are_derivatives(net, *drawn, count=5)
    assert_gradients_equal_the_oracle(net, *drawn)


@pytest.mark.parametrize("n", [1, 33, 333, 5000])
@pytest.mark.parametrize("units", [1, 40, 130])
def test_gradients_of_any_size(units, n, every_isa, rng, monkeypatch):
    """Few units, many, wide ones; batches of one row, of many blocks, long ones."""
    monkeypatch.setattr(team, "_BLOCK_BYTES", 1)
    monkeypatch.setattr(team, "MIN_BLOCK_ROWS", 64)
    monkeypatch.setattr(team, "_NEAR_BYTES", 10_000)
    layers = [rn.Dense(70, units, "tanh"), rn.Dense(units, 40, "relu"), rn.Dense(40, 1)]
    net = rn.Network(layers, "squared_error", "float64", members=MEMBERS)
    net.set_weights([0.2 * away_from_zero(rng, *w.shape) for w in net.get_weights()])
    x, y = rng.standard_normal((n, 70)), rng.standard_normal((n, 1))
    weight = rng.random(n) + 0.1
    assert_gradients_equal_the_oracle(net, x, y, weight, [], every_isa())


@pytest.mark.parametrize("activation", HIDDEN)
def test_gradients_with_each_activation(activation, rng):
    layers = [rn.Dense(6, 7, activation, use_bias=False), rn.Dense(7, 2)]
    net = rn.Network(layers, "mse", "float64", members=2)
    scrambled(net, rng)
    drawn = rng.standard_normal((9, 6)), rng.standard_normal((9, 2)), None, None
    assert_gradients_are_derivatives(net, *drawn, count=99)


def test_sparse_rows_have_the_bits_of_dense_ones(rng):
    sparse = pytest.importorskip("scipy.sparse")
    x = rng.standard_normal((60, 400)) * (rng.random((60, 400)) < 0.02)
    y = rng.standard_normal((60, 1))

    def trained(X):
        layers = [rn.Dense(400, 20, "relu", rn.L1(1e-3)), rn.Dense(20, 1)]
        net = rn.Network(layers, "squared_error", members=MEMBERS)
        net.fit(X, y, 3, 20)
        return bits(net), net.predict(X).tobytes()

    assert trained(sparse.csr_array(x)) == trained(x)


# ---- steps ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_steps_equal_the_oracle(kind, dtype, every_isa):
    x, y = data()
    for rule in RULES:
        print(rule)
        layers = [
            rn.Dense(6, 9, "tanh", rn.L1(0.02, rule=rule), rn.L1(0.01, rule=rule)),
            rn.Dense(9, 4, weight_penalty=rn.ElasticNet(0.02, 0.01, rule=rule)),
        ]

        def fresh(layers=layers):
            loss = "softmax_cross_entropy"
            return rn.Network(layers, loss, dtype, seed=5, members=MEMBERS)

        oracle, state = oracle_network(fresh()), oracle_optimizer(OPTIMIZERS[kind]())
        weights, losses = weights64(fresh()), []
        for _ in range(3):
            loss, weights = oracle.train_step(weights, x, y, state)
            losses.append(loss)
        for variant in every_isa():
            print(variant)
            net, optimizer = fresh(), OPTIMIZERS[kind]()
            for want in losses:
                assert_close(net.train_step(x, y, optimizer), want, dtype, scale=10)
            assert_weights_close(net, weights)
            wanted = oracle.penalty(weights64(net))
            assert_close(net.penalty(), wanted, dtype, scale=10)


@pytest.mark.parametrize("clip_norm", [None, 0.05])
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_epoch_with_dropout_and_groups_equals_the_oracle(
    kind, clip_norm, dtype, every_isa
):
    x, y = data()
    optimizer = OPTIMIZERS[kind]().replace(clip_norm=clip_norm)
    oracle, state = oracle_network(network(dtype)), oracle_optimizer(optimizer)
    weights, order = weights64(network(dtype)), kernels.permutation(50, 3, 0)
    want = oracle.epoch(weights, x, y, state, 16, order, seed=3)
    for variant in every_isa():
        print(variant)
        net = network(dtype)
        net.fit(x, y, epochs=1, batch_size=16, optimizer=optimizer)
        assert_weights_close(net, want)
        wanted = oracle.penalty(weights64(net))
        assert_close(net.penalty(), wanted, dtype, scale=10)


def test_zeros_are_those_of_weights(rng):
    net = network()
    weights = net.get_weights()
    weights[0][2] = 0  # 9 of 54 + 45 + 60
    weights[1][:] = 0  # factors do not count
    weights[8][1, 0] = 0
    net.set_weights(weights)
    assert net.zeros() == 13 / 159


def test_zeros_stay_when_asked():
    net, (x, y) = network(), data()
    weights = net.get_weights()
    weights[0][2] = weights[8][1, 0] = 0
    net.set_weights(weights)
    net.fit(x, y, 2, keep_zeros=True)
    assert not net.get_weights()[0][2].any() and not net.get_weights()[8][1, 0].any()


def test_the_update_average_has_all_arrays():
    net, (x, y) = network(), data()
    before = net.get_weights()
    history = net.fit(x, y, 1, 64, rn.SGD(0.1), update_tau=1.0)
    after = net.get_weights()
    for change, old, new in zip(net.update_average(), before, after, strict=True):
        np.testing.assert_allclose(change, new - old, atol=1e-12)
    assert len(history.history["update_norm"][0]) == 3


def test_divergence_names_the_layer_and_keeps_the_weights():
    net, (x, y) = network(rate=0), data()
    weights = net.get_weights()
    weights[5][1] = 1e200  # a factor of the second layer
    weights[6][1] = 1e200
    net.set_weights(weights)
    with pytest.raises(rn.DivergenceError, match="layer 1"):
        net.fit(x, y, 1)
    assert bits(net) == [w.tobytes() for w in weights]


# ---- predictions ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "loss", ["softmax_cross_entropy", "binary_cross_entropy", "poisson", "mse"]
)
def test_predictions_are_the_mean_of_the_members(loss, dtype, isa, rng):
    net = scrambled(network(dtype, loss=loss), rng)
    x, y = rng.standard_normal((70, 6)), some_targets(loss, rng, 70, 4)
    each, mean = net.predict(x, per_member=True), net.predict(x)
    assert each.shape == (MEMBERS, 70, 4) and each.dtype == mean.dtype == dtype
    assert_close(mean, each.astype(np.float64).mean(axis=0), scale=1 + np.abs(mean))
    for i in range(MEMBERS):
        np.testing.assert_array_equal(net.member(i).predict(x), each[i])
    p = mean.astype(np.float64)
    labels = ref.one_hot(y, 4) if y.ndim == 1 else y
    want = {
        "softmax_cross_entropy": lambda: -(labels * np.log(p)).sum(axis=1),
        "binary_cross_entropy": lambda: (
            -(y * np.log(p) + (1 - y) * np.log1p(-p)).sum(axis=1)
        ),
        "poisson": lambda: (p - y * np.log(p)).sum(axis=1),
        "mse": lambda: ((p - y) ** 2).mean(axis=1),
    }[loss]().mean()
    rtol = 1e-12 if dtype == np.float64 else 1e-5
    np.testing.assert_allclose(net.evaluate(x, y)["loss"], want, rtol=rtol)


def test_a_probability_too_small_for_the_dtype_has_its_loss():
    net = rn.Network(
        [rn.Dense(1, 1), rn.Dense(1, 2)], "softmax_cross_entropy", members=2
    )
    weights = [np.zeros(w.shape) for w in net.get_weights()]
    weights[-1][:] = [[0, 300], [0, 301]]
    net.set_weights(weights)
    x, y = np.zeros((1, 1)), [0]
    assert net.predict(x)[0, 0] == 0
    want = 300 - np.log((1 + np.exp(-1)) / 2)
    assert net.evaluate(x, y)["loss"] == pytest.approx(want, rel=1e-6)


def test_a_member_trains_on_its_own_outputs():
    """Two heads at 0 and 2, the target 1: the mean is right, each is wrong."""
    net = rn.Network([rn.Dense(1, 1), rn.Dense(1, 1)], "squared_error", members=2)
    weights = [np.zeros(w.shape) for w in net.get_weights()]
    weights[-1][1] = 2
    net.set_weights(weights)
    x, y = np.zeros((4, 1)), np.ones((4, 1))
    loss, gradients = net.loss_and_gradients(x, y)
    assert loss == 0.5 and net.evaluate(x, y)["loss"] == 0
    np.testing.assert_array_equal(gradients[-1], [[-0.5], [0.5]])


# ---- refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layers", "members", "message"),
    [
        ([rn.Dense(3, 2)], 2, "hidden layers, this network has none"),
        ([rn.Dense(3, 2, max_norm=1.0), rn.Dense(2, 1)], 2, "max_norm=1.0"),
        (
            [rn.Dense(3, 2, weight_penalty=rn.NonNegative()), rn.Dense(2, 1)],
            2,
            "negative",
        ),
        ([rn.Dense(3, 2), rn.Dense(2, 1)], 1 << 15, "at most 21845"),
        ([rn.Dense(3, 2), rn.Dense(2, 1)], 0, "members is 0"),
    ],
)
def test_what_members_cannot_have_is_refused(layers, members, message):
    with pytest.raises(ValueError, match=message):
        rn.Network(layers, members=members)


@pytest.mark.parametrize("what", ["diagnose", "plot_weights"])
def test_what_takes_one_network_names_the_way_to_one(what):
    net = network()
    call = {
        "diagnose": lambda: net.diagnose(*data()),
        "plot_weights": lambda: rn.plots.plot_weights(net),
    }[what]
    with pytest.raises(TypeError, match=r"has 3: network\.member\(0\) is the first"):
        call()


def test_members_can_be_kept(rng):
    net = scrambled(network(members=5), rng)
    x = data()[0]
    net.metadata = {"note": 1}
    each = net.predict(x, per_member=True)
    few = net.keep_members([4, 1])
    np.testing.assert_array_equal(few.predict(x, per_member=True), each[[4, 1]])
    assert few.members == 2 and few.metadata == {"note": 1}
    alone = net.keep_members([2])
    assert alone.members == 1 and alone.layers == net.layers
    np.testing.assert_array_equal(alone.predict(x), each[2])
    for wrong in ([], [0, 0], [5], [-1], [0.5]):
        with pytest.raises((ValueError, TypeError), match="numbers"):
            net.keep_members(wrong)
    with pytest.raises(ValueError, match="number is 5"):
        net.member(5)


def test_pruning_leaves_factors_alone():
    net, (x, y) = network(), data()
    net.fit(x, y, 4, callbacks=[rn.Prune(0.25, begin=1, end=3)])
    w = net.get_weights()
    assert net.zeros() == pytest.approx(0.75, abs=0.01)
    assert all(w[i].all() for i in (1, 2, 5, 6))


@pytest.mark.parametrize("use_bias", [True, False])
def test_compact_removes_what_no_member_needs(use_bias, dtype, rng):
    layers = [
        rn.Dense(6, 9, "sigmoid", rn.GroupLasso(0.1, "inputs"), use_bias=use_bias),
        rn.Dropout(0.2),
        rn.Dense(9, 5, "tanh", use_bias=use_bias),
        rn.Dense(5, 4, use_bias=use_bias),
    ]
    net = rn.Network(layers, "softmax_cross_entropy", dtype, members=MEMBERS)
    scrambled(net, rng)
    x = rng.standard_normal((40, 6))
    names = ["w0", "r0", "s0", *["b0"] * use_bias, "w1", "r1", "s1"]
    names += [*["b1"] * use_bias, "w2", *["b2"] * use_bias]
    w = dict(zip(names, net.get_weights(), strict=True))
    w["w0"][[1, 4]] = 0  # inputs that are not read
    w["w1"][2] = 0  # a unit without effect
    w["w2"][:, 3] = 0  # and one that no member's last layer reads
    w["w2"][0, 0] = 0  # which this one is not
    net.set_weights(w.values())
    small = net.compact()
    assert small.kept_inputs.tolist() == [0, 2, 3, 5] and small.members == MEMBERS
    assert [(d.n_in, d.n_out) for d in small._plan.dense] == [(4, 8), (8, 4), (4, 4)]
    for rows in (x, x[:, small.kept_inputs]):
        got = small.predict(rows, per_member=True)
        np.testing.assert_array_equal(got, net.predict(x, per_member=True))
    w["w0"][:, 5] = 0  # a unit that is constant, another number in each member
    net.set_weights(w.values())
    small = net.compact()
    assert [(d.n_in, d.n_out) for d in small._plan.dense] == [(4, 7), (7, 4), (4, 4)]
    assert_close(small.predict(x), net.predict(x), scale=1 + 0 * net.predict(x))
    assert isinstance(small.layers[1], rn.Dropout)
    for number in ("w0", "w1"):  # nothing is left but the biases
        w[number][:] = 0
    net.set_weights(w.values())
    assert net.compact()._plan.weights == 1 + 1 + MEMBERS * 4
    assert_close(net.compact().predict(x), net.predict(x), scale=1 + 0 * net.predict(x))


# ---- bits -----------------------------------------------------------------------------


class Interrupt:
    """Stands for the progress bar; Ctrl-C at every fifth look."""

    count = 0

    def rows(self, row, loss):
        self.count += 1
        if self.count % 5 == 0:
            raise KeyboardInterrupt

    def epoch(self, logs):
        pass

    def close(self):
        pass


CLIP_NORMS = [None, 0.05]  # the gradients are longer


def after_training(dtype, threads, block_rows, how, path, clip_norm):
    """Bits after 4 epochs of 5 steps, and of a prediction."""
    net, (x, y) = network(dtype), data(250)
    optimizer = rn.Adam(0.01, clip_norm=clip_norm)
    options, stops, left, bar = {}, 0, 4, Interrupt()
    if how == "resumed":
        options["callbacks"] = [rn.Checkpoint(path)]
    with pytest.MonkeyPatch.context() as patch:
        use_real_threads(patch.setattr)
        own = training.divide
        changed = lambda *a: {**own(*a), "block_rows": block_rows}  # noqa: E731
        patch.setattr(training, "divide", changed)
        if how != "straight":
            patch.setattr(training, "ProgressBar", lambda *args: bar)
            patch.setattr(training, "_SLICE_SECONDS", 0.0)
        while left:
            try:
                net.fit(x, y, left, 50, optimizer, threads=threads, **options)
                break
            except KeyboardInterrupt:
                stops += 1
            if how == "resumed":
                net, optimizer = network(dtype), rn.Adam(0.01, clip_norm=clip_norm)
                options["resume_from"] = path
            else:
                left = 4 - net._state.progress.epoch
    assert net._state.step == 20 and (stops > 1) == (how != "straight")
    return bits(net), net.predict(x, threads).tobytes()


@pytest.fixture(scope="module")
def reference_runs(tmp_path_factory):
    """{(dtype, variant, clip_norm): the bits of one thread, never stopped}."""
    found, before = {}, binding.current_isa()
    for name in binding.available_isas():
        binding.set_isa(name)
        for dtype, clip in itertools.product(("float32", "float64"), CLIP_NORMS):
            run = after_training(dtype, 1, 50, "straight", None, clip)
            found[dtype, name, clip] = run
    binding.set_isa(before)
    return found


def test_variants_with_fused_multiply_add_agree(reference_runs, each_fused_isa, dtype):
    fused = each_fused_isa(lambda: None)
    for clip in CLIP_NORMS:
        assert len({str(reference_runs[dtype.name, name, clip]) for name in fused}) <= 1


@pytest.mark.parametrize(
    ("threads", "block_rows", "how", "clip_norm", "dtype", "isa"),
    all_pairs(
        threads=[1, 2, 3, 7],
        block_rows=[50, 16],
        how=["straight", "interrupted", "resumed"],
        clip_norm=CLIP_NORMS,
        dtype=["float32", "float64"],
        isa=binding.available_isas(),
    ),
    indirect=["isa"],
)
def test_training_has_the_same_bits(
    threads, block_rows, how, clip_norm, dtype, isa, reference_runs, tmp_path
):
    path = tmp_path / "run"
    got = after_training(dtype, threads, block_rows, how, path, clip_norm)
    assert got == reference_runs[dtype, isa, clip_norm]


# ---- files ----------------------------------------------------------------------------


@pytest.mark.parametrize("use_bias", [True, False])
def test_files_and_pickles_keep_members(use_bias, dtype, tmp_path):
    layers = [
        rn.Dense(6, 9, "tanh", use_bias=use_bias),
        rn.Dense(9, 4, use_bias=use_bias),
    ]
    net = rn.Network(layers, "softmax_cross_entropy", dtype, seed=3, members=5)
    net.fit(*data(), epochs=1)
    net.save(tmp_path / "m")
    for other in (rn.Network.load(tmp_path / "m"), pickle.loads(pickle.dumps(net))):
        assert repr(other) == repr(net) and bits(other) == bits(net)
        np.testing.assert_array_equal(other.predict(data()[0]), net.predict(data()[0]))


def test_a_file_of_members_is_no_plain_one(tmp_path):
    network(members=3).save(tmp_path / "members")
    network(members=1).save(tmp_path / "plain")
    for name, version in (("members", b'"3"'), ("plain", b'"1"')):
        content = (tmp_path / name).read_bytes()
        assert b'"format_version":' + version in content[:100]
        swapped = b'"1"' if version == b'"3"' else b'"3"'
        (tmp_path / name).write_bytes(content.replace(version, swapped, 1))
        with pytest.raises(rn.ModelFileError, match="does not begin with"):
            rn.Network.load(tmp_path / name)


def test_a_checkpoint_of_other_members_is_refused(tmp_path):
    path, (x, y) = tmp_path / "run", data()
    network().fit(x, y, 2, callbacks=[rn.Checkpoint(path)])
    with pytest.raises(ValueError, match="members=3 in the file, 4 here"):
        network(members=4).fit(x, y, 3, resume_from=path)
