"""LassoNet: its proximal operator, its gradient, a step of training, what it refuses."""

import pickle

import numpy as np
import pytest
import reference as ref
from conftest import OPTIMIZERS, assert_close
from test_kernels import update_step

import regnet_c as rn
from regnet_c import kernels
from regnet_c._core import binding, plan


def draw_rows(rng, dtype, n_in, n_out, n_hidden):
    beta = rng.standard_normal((n_in, n_out)).astype(dtype)
    theta = rng.standard_normal((n_in, n_hidden)).astype(dtype)
    beta[0] = 0
    return beta, theta


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_prox_equals_the_oracle_in_the_metric_of_the_optimiser(
    kind, dtype, every_isa, rng
):
    optimizer = ref.Optimizer(kind, 0.1)
    optimizer.begin_step()
    for n_in, n_out, n_hidden in ((1, 1, 1), (3, 1, 8), (4, 3, 17), (2, 10, 40)):
        beta, theta = draw_rows(rng, dtype, n_in, n_out, n_hidden)
        v, u = (10 ** rng.uniform(-2, 2, w.shape) for w in (beta, theta))
        v, u = v.astype(dtype), u.astype(dtype)
        unit = optimizer.unit_response()
        t, r = (unit / optimizer._metric(a.astype(np.float64)) for a in (v, u))
        for strength, hierarchy in ((0.0, 1.0), (0.5, 0.3), (2.0, 10.0), (50.0, 0.0)):
            rows = zip(beta, theta, t + 0 * beta, r + 0 * theta, strict=True)
            wants = [ref.prox_lassonet(*row, strength, hierarchy) for row in rows]
            for _ in every_isa():
                b, w = beta.copy(), theta.copy()
                work = np.empty(2 * (n_out + n_hidden + 16))
                step = update_step(optimizer)
                binding.prox_lassonet(b, w, v, u, strength, hierarchy, step, work)
                for j, (want_b, want_w) in enumerate(wants):
                    assert_close(b[j], want_b, scale=np.abs(beta[j]).max() + 1)
                    assert_close(w[j], want_w, scale=np.abs(theta[j]).max() + 1)
                    assert b[j].any() == want_b.any()


@pytest.mark.parametrize("strength", [0.3, 2.0])
def test_prox_minimises_its_own_definition_on_a_grid(strength):
    """One output and one hidden unit: the plane is searched as a whole."""
    m = 1.5
    grid = np.linspace(-4, 4, 801)
    b, w = np.meshgrid(grid, grid, indexing="ij")
    allowed = np.abs(w) <= m * np.abs(b) + 1e-12
    for v in (-2.0, 0.3, 1.0):
        for u in (-3.0, 0.2, 2.5):
            got_b, got_w = kernels.prox_lassonet([[v]], [[u]], strength, m)
            value = (b - v) ** 2 / 2 + (w - u) ** 2 / 2 + strength * np.abs(b)
            best = value[allowed].min()
            assert abs(got_w[0, 0]) <= m * abs(got_b[0, 0]) + 1e-12
            own = (got_b - v) ** 2 / 2 + (got_w - u) ** 2 / 2 + strength * np.abs(got_b)
            assert own[0, 0] <= best + 1e-12
            assert own[0, 0] >= best - 0.1  # the grid is 0.01 wide


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_prox_of_groups_is_that_of_one_input_with_all_their_weights(
    kind, dtype, every_isa, rng
):
    groups, optimizer = [[0, 3, 4], [1], [2, 5]], ref.Optimizer(kind, 0.1)
    optimizer.begin_step()
    rows = plan.group_rows(groups)
    for n_out, n_hidden in ((1, 1), (3, 17), (5, 20)):
        beta, theta = draw_rows(rng, dtype, 6, n_out, n_hidden)
        v, u = (10 ** rng.uniform(-2, 2, w.shape) for w in (beta, theta))
        v, u = v.astype(dtype), u.astype(dtype)
        unit = optimizer.unit_response()
        t, r = (unit / optimizer._metric(a.astype(np.float64)) for a in (v, u))
        arrays = [beta, theta, t + 0 * beta, r + 0 * theta]
        for strength, hierarchy in ((0.0, 1.0), (0.5, 0.3), (9.0, 1e-3), (50.0, 0.0)):
            wants = []
            for group in groups:
                parts = [a[group].ravel() for a in arrays]
                strong = strength * np.sqrt(len(group))
                wants.append(ref.prox_lassonet(*parts, strong, hierarchy))
            for _ in every_isa():
                b, w = beta.copy(), theta.copy()
                work = np.empty(2 * (n_out + n_hidden + 16) * 6)
                step = update_step(optimizer)
                binding.prox_lassonet(b, w, v, u, strength, hierarchy, step, work, rows)
                for group, (want_b, want_w) in zip(groups, wants, strict=True):
                    scales = [1 + np.abs(a[group]).max() for a in (beta, theta)]
                    assert_close(b[group].ravel(), want_b, scale=scales[0])
                    assert_close(w[group].ravel(), want_w, scale=scales[1])
                    assert b[group].any() == want_b.any()


def test_groups_of_one_input_have_the_bits_of_inputs(rng, dtype):
    beta, theta = draw_rows(rng, dtype, 6, 3, 17)
    want = kernels.prox_lassonet(beta, theta, 0.5, 2.0)
    got = kernels.prox_lassonet(beta, theta, 0.5, 2.0, [[k] for k in range(6)])
    assert [a.tobytes() for a in got] == [a.tobytes() for a in want]
    with pytest.raises(ValueError, match="groups has 2 inputs, expected 6"):
        kernels.prox_lassonet(beta, theta, 0.5, 2.0, [[0, 1]])


def test_groups_of_inputs_leave_together(rng, real_threads):
    groups = [[0, 3], [1, 4], [2, 5]]
    x = rng.standard_normal((300, 6))
    y = x[:, 0] ** 2 + x[:, 0] + 0.1 * rng.standard_normal(300)

    def trained(threads=1, **options):
        layers = [rn.Dense(6, 20, activation="relu"), rn.Dense(20, 1)]
        net = rn.LassoNet(layers, 1.0, 2.0, seed=3, dtype="float64", **options)
        net.fit(x, y, 40, 20, rn.Adam(0.01), threads=threads, update_tau=0.1)
        return net

    net = trained(groups=groups)
    assert net.selected().tolist() == [0, 3]
    *_, b = net.get_weights()
    norms = np.sqrt((b**2).sum(axis=1))
    assert net.penalty() == pytest.approx(np.sqrt(2) * np.hypot(norms[0], norms[3]))
    w = np.abs(net.get_weights()[0])
    assert (w[[0, 3]] <= 2 * np.hypot(norms[0], norms[3]) * (1 + 1e-12)).all()
    assert not w[[1, 2, 4, 5]].any()
    again = pickle.loads(pickle.dumps(net))
    assert again.skip_penalty == net.skip_penalty and "groups=" in repr(net)
    want = [a.tobytes() for a in net.get_weights()]
    for threads in (2, 3):
        other = trained(threads, groups=groups[::-1]).get_weights()
        assert [a.tobytes() for a in other] == want
    alone = [a.tobytes() for a in trained(groups=[[k] for k in range(6)]).get_weights()]
    assert alone == [a.tobytes() for a in trained().get_weights()]


def test_groups_that_do_not_fit_are_refused():
    layers = [rn.Dense(4, 3), rn.Dense(3, 1)]
    with pytest.raises(ValueError, match="LassoNet has groups of 3 inputs"):
        rn.LassoNet(layers, 1.0, groups=[[0, 1], [2]])
    with pytest.raises(ValueError, match="unknown groups 'units'"):
        rn.LassoNet(layers, 1.0, groups="units")


def test_prox_without_hidden_weights_is_the_group_prox(rng):
    beta = rng.standard_normal((6, 4))
    got, theta = kernels.prox_lassonet(beta, np.zeros((6, 3)), 1.2, 10.0)
    np.testing.assert_allclose(got, ref.prox_group(beta, 1.2, "inputs"), atol=1e-12)
    assert not theta.any()


def test_prox_without_strength_keeps_what_obeys_the_hierarchy(rng):
    beta, theta = rng.standard_normal((5, 2)), rng.uniform(-0.1, 0.1, (5, 7))
    got = kernels.prox_lassonet(beta, theta, 0.0, 100.0)
    np.testing.assert_allclose(got[0], beta, rtol=1e-12)
    np.testing.assert_array_equal(got[1], theta)


def lassonet(strength=0.02, dtype="float64", n_hidden=12, n_out=3, **options):
    layers = [rn.Dense(20, n_hidden, activation="tanh"), rn.Dense(n_hidden, n_out)]
    loss = "softmax_cross_entropy"
    return rn.LassoNet(layers, strength, loss=loss, dtype=dtype, seed=3, **options)


def data(rng, n=70):
    x = rng.standard_normal((n, 20))
    return x, (x[:, 1] > 0).astype(int) + (x[:, 4] > 0)


def test_gradients_are_the_numerical_derivatives(rng):
    net, (x, y) = lassonet(0.0), data(rng)
    _, gradients = net.loss_and_gradients(x, y)
    weights = net.get_weights()
    for number, gradient in enumerate(gradients):
        for at in (0, gradient.size // 2, gradient.size - 1):
            values = []
            for h in (-1e-5, 1e-5):
                moved = [w.copy() for w in weights]
                moved[number].flat[at] += h
                net.set_weights(moved)
                values.append(net.evaluate(x, y)["loss"])
            slope = (values[1] - values[0]) / 2e-5
            assert gradient.flat[at] == pytest.approx(slope, abs=1e-8)


@pytest.mark.parametrize("n_out", [1, 3, 17])
@pytest.mark.parametrize("n_hidden", [2, 40])
def test_predictions_are_network_plus_linear_map(n_out, n_hidden, dtype, isa, rng):
    layers = [rn.Dense(20, n_hidden, activation="tanh"), rn.Dense(n_hidden, n_out)]
    net, x = rn.LassoNet(layers, 1.0, dtype=dtype), rng.standard_normal((150, 20))
    x = x.astype(dtype)
    w0, b0, w1, b1, skip = (w.astype(np.float64) for w in net.get_weights())
    want = np.tanh(x @ w0 + b0) @ w1 + b1 + x @ skip
    for n in (1, 3, 150):
        assert_close(net.predict(x[:n]), want[:n], scale=10.0)


@pytest.mark.parametrize("clip_norm", [None, 0.2, 1e9])
def test_one_step_is_gradient_step_then_prox(clip_norm, rng):
    """The norm is that of all gradients; layers behind the first may have own rates."""
    hidden = rn.Dense(20, 12, "tanh", bias_learning_rate_factor=0.3)
    last = rn.Dense(12, 3, learning_rate_factor=0.7)
    loss = "softmax_cross_entropy"
    net = rn.LassoNet([hidden, last], 12.0, 2.0, loss=loss, dtype="float64", seed=3)
    x, y = data(rng)
    w0, b0, w1, b1, skip = net.get_weights()
    g = net.loss_and_gradients(x, y)[1]
    norm = np.sqrt(sum((array**2).sum() for array in g))
    rate = 0.5 * min(1, (clip_norm or np.inf) / norm)
    net.train_step(x, y, rn.SGD(0.5, clip_norm=clip_norm))
    got = net.get_weights()
    want = kernels.prox_lassonet(skip - rate * g[4], w0 - rate * g[0], 0.5 * 12.0, 2.0)
    np.testing.assert_allclose(got[4], want[0], atol=1e-13)
    np.testing.assert_allclose(got[0], want[1], atol=1e-13)
    np.testing.assert_allclose(got[1], b0 - 0.3 * rate * g[1], atol=1e-13)
    np.testing.assert_allclose(got[2], w1 - 0.7 * rate * g[2], atol=1e-13)
    np.testing.assert_allclose(got[3], b1 - 0.7 * rate * g[3], atol=1e-13)
    assert norm > 0.4 and 0 < len(net.selected()) < 20


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_bits_do_not_depend_on_threads(batch_size, dtype, rng):
    x, y = data(rng, 300)
    nets = [lassonet(0.01, dtype, n_hidden=33) for _ in range(2)]
    for net, threads in zip(nets, (1, 3), strict=True):
        net.fit(x, y, epochs=2, batch_size=batch_size, threads=threads)
    for one, three in zip(*(net.get_weights() for net in nets), strict=True):
        np.testing.assert_array_equal(one, three)


def test_hierarchy_holds_and_unused_inputs_leave_both_maps(rng):
    net, (x, y) = lassonet(1.0, hierarchy=3.0), data(rng, 400)
    net.fit(x, y, epochs=30, batch_size=50, optimizer=rn.Adam(0.02))
    w, skip = net.get_weights()[0], net.get_weights()[-1]
    limit = 3.0 * np.linalg.norm(skip, axis=1, keepdims=True)
    assert np.all(np.abs(w) <= limit * (1 + 1e-9))
    unused = np.setdiff1d(np.arange(20), net.selected())
    assert {1, 4} <= set(net.selected()) and len(unused) > 5
    assert not w[unused].any() and not skip[unused].any()


def test_pickle_keeps_strength_and_weights(rng):
    net, (x, _) = lassonet(0.25, hierarchy=4.0), data(rng)
    again = pickle.loads(pickle.dumps(net))
    np.testing.assert_array_equal(again.predict(x), net.predict(x))
    assert again.penalty() == net.penalty() > 0
    assert repr(again) == repr(net)


@pytest.mark.parametrize("name", ["compact", "save", "to_c", "to_onnx", "to_torch"])
def test_what_has_no_linear_map_is_refused(name):
    with pytest.raises(TypeError, match=f"{name} has no place for a LassoNet"):
        getattr(lassonet(), name)()


@pytest.mark.parametrize("name", ["load", "from_torch", "from_sklearn"])
def test_no_lassonet_comes_from_elsewhere(name):
    with pytest.raises(TypeError, match=f"{name} has no place for a LassoNet"):
        getattr(rn.LassoNet, name)("model")


def test_diagnose_and_summary_count_the_linear_map(rng):
    net, (x, y) = lassonet(), data(rng)
    net.fit(x, y, epochs=2)
    assert [row["weights"] for row in net.summary()] == [240, 36, 60]
    assert len(net.diagnose(x, y).layers) == 3


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([rn.Dense(4, 2)], "at least two"),
        ([rn.Dense(4, 3), rn.Dense(3, 2, activation="tanh")], "expects 'identity'"),
        (
            [rn.Dense(4, 3, weight_penalty=rn.GroupLasso(1.0)), rn.Dense(3, 2)],
            "its groups belong to LassoNet",
        ),
    ],
)
def test_layers_that_do_not_fit_are_refused(layers, message):
    with pytest.raises(ValueError, match=message):
        rn.LassoNet(layers, 1.0)


def test_sparse_predictions_have_the_bits_of_dense_ones(rng, dtype, isa):
    layers = [rn.Dense(150, 120, "relu"), rn.Dense(120, 3)]
    net = rn.LassoNet(layers, strength=0.1, dtype=dtype, seed=1)
    weights = net.get_weights()
    for w in (weights[0], weights[-1]):
        w *= rng.random(len(w))[:, None] < 0.1
    net.set_weights(weights)
    x = rng.normal(size=(100, 150)).astype(dtype)
    got = net.predict(x)
    assert any(net._weights.sparse.layers(len(x)) is not None for _ in range(2))
    net._weights.sparse.layers = lambda n: None
    np.testing.assert_array_equal(got, net.predict(x))


def test_the_strength_goes_with_the_unit_of_y():
    x = np.random.default_rng(0).standard_normal((50, 4))
    y, s = x[:, :1] + 2, 1e3

    def make(strength, hierarchy):
        layers = [rn.Dense(4, 5, activation="tanh"), rn.Dense(5, 1)]
        return rn.LassoNet(layers, strength, hierarchy, dtype="float64")

    net, scaled = make(0.3, 0.1), make(0.3 * s, 0.1 / s)
    W0, b0, W1, b1, skip = net.get_weights()
    scaled.set_weights([W0, b0, s * W1, s * b1, s * skip])
    one, two = net.evaluate(x, y), scaled.evaluate(x, s * y)
    for part in ("loss", "penalty", "objective"):
        assert two[part] == pytest.approx(s**2 * one[part], rel=1e-12)
    # and the same weights are on the edge of the hierarchy
    for factor, changed in ((0.99, False), (1.01, True)):
        edge = np.broadcast_to(0.1 * factor * np.abs(skip), W0.shape)
        net.set_weights([edge, b0, W1, b1, skip])
        scaled.set_weights([edge, b0, s * W1, s * b1, s * skip])
        net.train_step(x, y, rn.SGD(1e-300))
        scaled.train_step(x, s * y, rn.SGD(1e-300))
        for a in (net, scaled):
            assert np.allclose(a.get_weights()[0], edge, rtol=1e-9) is not changed
