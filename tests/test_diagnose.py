"""diagnose: its figures against definitions, its verdicts on networks known to be so."""

import warnings

import numpy as np
import pytest
import reference as ref
from conftest import oracle_network

import regnet_c as rn


@pytest.fixture
def data(rng):
    x = rng.standard_normal((200, 6))
    return x, (x[:, 0] + 0.3 * rng.standard_normal(200) > 0).astype(int)


def network(*penalties, n_out=2, hidden=8, activation="relu"):
    one, two = penalties or (None, None)
    layers = [
        rn.Dense(6, hidden, activation, one),
        rn.Dense(hidden, n_out, "identity", two),
    ]
    return rn.Network(layers, "softmax_cross_entropy", dtype="float64", seed=0)


def test_figures_equal_their_definitions(data):
    net = network(rn.L1(0.01), rn.ElasticNet(0.02, 0.01))
    net.fit(*data, epochs=20, optimizer=rn.SGD(0.1), update_tau=0.05)
    found = net.diagnose(*data)
    weights = net.get_weights()
    _, g = oracle_network(net).loss_and_gradients(weights, *data)
    for layer, i, l1, l2 in ((0, 0, 0.01, 0.0), (1, 2, 0.02, 0.01)):
        w, d = weights[i], found.layers[layer]
        assert (d.n_in, d.n_out) == w.shape
        assert d.sum_abs == pytest.approx(np.abs(w).sum())
        assert d.zeros == (w == 0).sum() > 0
        pull = l1 * np.sign(w) + 2 * l2 * w
        ratio = np.linalg.norm(pull) / np.linalg.norm(g[i])
        assert d.gradient_ratio == pytest.approx(ratio, rel=1e-9)
        smooth = g[i] + 2 * l2 * w
        least = np.where(
            w == 0,
            np.sign(smooth) * np.maximum(np.abs(smooth) - l1, 0),
            smooth + l1 * np.sign(w),
        )
        assert d.kkt_residual == pytest.approx(np.linalg.norm(least), rel=1e-9)
        assert d.update_norm == pytest.approx(np.linalg.norm(net.update_average()[i]))
    assert found.converged in (True, False) and np.isnan(found.gap)


@pytest.mark.parametrize("strength", [0.05, 0.3])
def test_the_residual_is_zero_at_the_solution(strength, rng):
    x = rng.standard_normal((60, 5))
    y = x[:, :1] * 2 + 0.1 * rng.standard_normal((60, 1))
    layer = rn.Dense(5, 1, weight_penalty=rn.L1(strength), use_bias=False)
    net = rn.Network([layer], dtype="float64")
    net.set_weights([ref.lasso(x, y[:, 0], strength)[:, None]])
    assert net.zeros() > 0.5
    assert net.diagnose(x, y).layers[0].kkt_residual < 1e-10


@pytest.mark.parametrize("groups", ["units", "inputs", [[0, 2], [1]]])
def test_least_subgradient_is_the_smallest_of_all(groups, rng):
    """Against the best of many subgradients of one zero group and one that is not."""
    penalty = rn.SparseGroupLasso(0.3, 0.8, groups)
    w, g = rng.standard_normal((2, 3, 2))
    w[
        (slice(None), 0) if groups == "units" else 0 if groups == "inputs" else [0, 2]
    ] = 0
    w[1, 1] = 0
    least = penalty.least_subgradient(w, g)
    step = 1e-7  # (w - prox(w - step g)) / step tends to the least subgradient
    moved = (w - penalty.prox(w - step * g, step)) / step
    np.testing.assert_allclose(least, moved, atol=1e-5)


def test_dead_units_are_counted(data):
    net = network()
    w, b, *rest = net.get_weights()
    b[:3] = -1000
    net.set_weights([w, b, *rest])
    assert [d.dead_units for d in net.diagnose(*data).layers] == [3, 0]


def test_a_network_that_memorises_is_over_fitting(rng):
    x = rng.standard_normal((60, 6))
    y = rng.integers(0, 2, 60)
    net = network(hidden=64)
    net.fit(x, y, 300, 20, rn.Adam(0.02))
    found = net.diagnose(x, y, (rng.standard_normal((200, 6)), rng.integers(0, 2, 200)))
    assert found.fit == "over-fitting" and found.gap > 0.3
    assert "raise the penalty" in found.verdict and "validation" in str(found)


def test_a_network_that_is_held_down_is_under_fitting(rng):
    x = rng.standard_normal((4000, 6))
    y = (x[:, 0] > 0).astype(int)
    net = network(rn.L2(0.3), rn.L2(0.3))
    net.fit(x[:2000], y[:2000], 300, 2000, rn.SGD(0.2))
    found = net.diagnose(x[:2000], y[:2000], (x[2000:], y[2000:]))
    assert found.fit == "under-fitting" and found.converged
    assert "lower the penalty" in found.verdict


def test_a_good_network_is_balanced(data):
    x, y = data[0], (data[0][:, 0] > 0).astype(int)
    net = network()
    net.fit(x[:150], y[:150], 200, 150, rn.Adam(0.02))
    assert net.diagnose(x[:150], y[:150], (x[150:], y[150:])).fit == "balanced"


@pytest.mark.parametrize("loss", ["mse", "mae", "huber", "quantile", "poisson"])
def test_unexplained_is_the_share_of_the_best_constants_loss(loss, rng):
    """1 for the best constant, more for all others, 0 for the targets themselves."""
    y = rng.poisson(3, (300, 1)).astype(float) + 1
    net = rn.Network([rn.Dense(1, 1)], rn.Loss(loss), dtype="float64")
    shares = []
    for constant in np.linspace(0, 6, 301):
        net.set_weights([np.zeros((1, 1)), [constant]])
        shares.append(net.diagnose(np.zeros((300, 1)), y).unexplained)
    assert min(shares) == pytest.approx(1, rel=0.02) and max(shares) > 1.5
    net.set_weights([np.ones((1, 1)), [0]])
    perfect = net.diagnose(np.log(y) if loss == "poisson" else y, y)
    assert perfect.unexplained == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_a_dead_start_is_named(activation, data):
    net = network(activation=activation)
    net.set_weights([np.zeros_like(w) for w in net.get_weights()])
    with pytest.warns(rn.DeadStartWarning, match="can never learn") as warned:
        net.fit(*data, epochs=1)
    assert warned[0].filename == __file__


def test_a_live_start_is_not_warned_of(data):
    net = network()
    w, b, w2, b2 = net.get_weights()
    net.set_weights([w * 0, b + 1, w2, b2])  # zero weights, but every unit is on
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net.fit(*data, epochs=1)


def poisson_diagnosis(unit, objective):
    """Of the same fit to counts in other units: exp(z) - y z is unit times as large,
    minus unit log(unit) y, which no network can change."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal((200, 3))
    y = rng.poisson(np.exp(x[:, :1])).astype(float)
    net = rn.Network([rn.Dense(3, 1)], loss="poisson", dtype="float64")
    weights = np.array([[0.7], [0.2], [-0.1]]), np.array([np.log(unit) + 0.1])
    net.set_weights(weights)
    net.history = rn.History()
    for share in objective:
        loss = unit * (share - np.log(unit) * y[:100].mean())
        net.history.append({"loss": float(loss), "penalty": 0.0})
    rest = (x[100:], unit * y[100:], rng.uniform(0.5, 2, 100))
    return net.diagnose(x[:100], unit * y[:100], rest)


@pytest.mark.parametrize("unit", [1e-3, 2.0, 1e4])
def test_verdicts_on_counts_do_not_depend_on_their_unit(unit):
    falling = np.linspace(1.4, 0.2, 20)
    one, other = (poisson_diagnosis(u, falling) for u in (1.0, unit))
    assert one.gap == pytest.approx(other.gap, rel=1e-9) and one.gap > -1
    assert one.unexplained == pytest.approx(other.unexplained, rel=1e-9)
    assert one.fit == other.fit and one.converged is other.converged is False
    flat = poisson_diagnosis(unit, [1.0] * 10 + [0.7] * 20)
    assert flat.converged is True


@pytest.mark.parametrize("scale", [1e-4, 1e4])
def test_verdicts_on_amounts_do_not_depend_on_their_unit(scale, rng):
    x = rng.standard_normal((120, 4))
    y = x[:, :1] + 0.5 * rng.standard_normal((120, 1))

    def found(unit):
        net = rn.Network([rn.Dense(4, 1)], dtype="float64")
        net.set_weights([unit * np.full((4, 1), 0.5), np.zeros(1)])
        rest = x[60:], unit * y[60:]
        return net.diagnose(x[:60], unit * y[:60], rest)

    one, other = found(1.0), found(scale)
    assert one.fit == other.fit
    assert one.gap == pytest.approx(other.gap, rel=1e-9)
    assert one.unexplained == pytest.approx(other.unexplained, rel=1e-9)
    assert f"loss {other.train['loss']:.5g}, " in str(other)  # not 0.0000
