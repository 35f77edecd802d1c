"""The reference systems: foreign conventions step by step, and the quick figures."""

import numpy as np
import pytest

import regnet_c as rn
from regnet_c import cli
from regnet_c.reproduce import (
    Row,
    dropout,
    outliers,
    perceptron,
    print_table,
    run,
    spiral,
    weight_decay,
)

ETA, N, M, LAM, RHO = 0.3, 500, 20, 0.7, 0.4


# ------------------------------------------------------ one step in each convention


def start():
    """A batch of M rows, and weights with some exact zeros: W0, b0, W1, b1."""
    rng = np.random.default_rng(3)
    w0, w1 = rng.standard_normal((5, 4)), rng.standard_normal((4, 2))
    w0[0, 0] = w1[1, 1] = 0
    weights = [w0, rng.standard_normal(4), w1, rng.standard_normal(2)]
    return rng.standard_normal((M, 5)), rng.standard_normal((M, 2)), weights


def summed_gradients(x, y, weights):
    """Derivatives of the sum over rows of half the squared error, 5-4-2 with tanh."""
    w0, b0, w1, b1 = weights
    a = np.tanh(x @ w0 + b0)
    d1 = a @ w1 + b1 - y
    d0 = (d1 @ w1.T) * (1 - a**2)
    return [x.T @ d0, d0.sum(axis=0), a.T @ d1, d1.sum(axis=0)]


def sign1(w):
    return np.where(w >= 0, 1.0, -1.0)


def textbook(decay):
    """The steps w <- decay(w) - eta/m sum(gradient); biases without the decay."""

    def step(weights, gradients):
        return [
            (decay(w) if w.ndim == 2 else w) - ETA / M * g
            for w, g in zip(weights, gradients, strict=True)
        ]

    return step


def with_gradient(extra, biases=False):
    """The steps w <- w - eta (gradient / m + extra(w)); on biases only if told."""

    def step(weights, gradients):
        return [
            w - ETA * (g / M + (extra(w) if w.ndim == 2 or biases else 0))
            for w, g in zip(weights, gradients, strict=True)
        ]

    return step


def l1(convention, **options):
    return rn.L1.from_convention(convention, LAM, rule="subgradient", **options)


def elastic(convention):
    return rn.ElasticNet.from_convention(
        convention, LAM, l1_ratio=RHO, rule="subgradient"
    )


def glmnet_gradient(w):
    return LAM * (RHO * np.sign(w) + (1 - RHO) * w)


# name -> (weight penalty, bias penalty, the foreign step)
CONVENTIONS = {
    "weight-decay L2": (
        rn.L2.from_convention("weight-decay", LAM, n=N),
        None,
        textbook(lambda w: (1 - ETA * LAM / N) * w),
    ),
    "weight-decay L1": (
        l1("weight-decay", n=N),
        None,
        textbook(lambda w: w - ETA * LAM / N * np.sign(w)),
    ),
    "spiral L2": (
        rn.L2.from_convention("spiral", LAM),
        rn.L2.from_convention("spiral", LAM),
        with_gradient(lambda w: 2 * LAM * w, biases=True),
    ),
    "spiral L1": (
        l1("spiral"),
        l1("spiral"),
        with_gradient(lambda w: LAM * sign1(w), biases=True),
    ),
    "keras L2": (
        rn.L2.from_convention("keras", LAM),
        None,
        with_gradient(lambda w: 2 * LAM * w),
    ),
    "keras L1": (l1("keras"), None, with_gradient(lambda w: LAM * np.sign(w))),
    "outliers L2": (
        rn.L2.from_convention("outliers", LAM),
        None,
        with_gradient(lambda w: 2 * LAM * w),
    ),
    "outliers L1": (l1("outliers"), None, with_gradient(lambda w: LAM * sign1(w))),
    "dropout": (
        rn.L2.from_convention("dropout", LAM, batch_size=M),
        None,
        with_gradient(lambda w: LAM / M * w),
    ),
    "sklearn": (
        rn.L2.from_sklearn(LAM, batch_size=M),
        None,
        lambda weights, gradients: [
            w - ETA * ((g + LAM * w) / M if w.ndim == 2 else g / M)
            for w, g in zip(weights, gradients, strict=True)
        ],
    ),
    "pytorch": (
        rn.L2.from_convention("pytorch", LAM),
        rn.L2.from_convention("pytorch", LAM),
        with_gradient(lambda w: LAM * w, biases=True),
    ),
    "glmnet": (elastic("glmnet"), None, with_gradient(glmnet_gradient)),
    "skglm": (elastic("skglm"), None, with_gradient(glmnet_gradient)),
}


def network(weight_penalty=None, bias_penalty=None, activation="tanh"):
    layers = [
        rn.Dense(5, 4, activation, weight_penalty, bias_penalty),
        rn.Dense(4, 2, "identity", weight_penalty, bias_penalty),
    ]
    return rn.Network(layers, "squared_error", dtype="float64")


@pytest.mark.parametrize("name", CONVENTIONS)
def test_one_step_in_a_foreign_convention(name):
    weight_penalty, bias_penalty, step = CONVENTIONS[name]
    x, y, weights = start()
    want = step(weights, summed_gradients(x, y, weights))
    net = network(weight_penalty, bias_penalty)
    net.set_weights(weights)
    net.train_step(x, y, rn.SGD(ETA))
    for got, expected in zip(net.get_weights(), want, strict=True):
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)


def test_every_row_of_the_table_has_a_step():
    from regnet_c.penalties import CONVENTIONS as table

    assert {name.split()[0] for name in CONVENTIONS} == set(table)


def test_from_sklearn_has_the_gradient_of_its_mlp():
    """One plain step of MLPRegressor, whose batch is all its rows."""
    neural_network = pytest.importorskip("sklearn.neural_network")
    x, y, weights = start()
    alpha = 0.9
    mlp = neural_network.MLPRegressor(
        hidden_layer_sizes=(4,),
        activation="tanh",
        alpha=alpha,
        solver="sgd",
        batch_size=M,
        learning_rate_init=ETA,
        momentum=0,
        random_state=0,
    )
    mlp.partial_fit(x, y)
    mlp.coefs_, mlp.intercepts_ = [weights[0], weights[2]], [weights[1], weights[3]]
    mlp._optimizer.params = mlp.coefs_ + mlp.intercepts_
    for param in mlp._optimizer.params:
        param += 0
    copies = [w.copy() for w in weights]
    mlp.partial_fit(x, y)
    net = network(rn.L2.from_sklearn(alpha, batch_size=M))
    net.set_weights(copies)
    net.train_step(x, y, rn.SGD(ETA))
    pairs = zip(mlp.coefs_, mlp.intercepts_, strict=True)
    for got, want in zip(net.get_weights(), [w for p in pairs for w in p], strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-12)


# ------------------------------------------------------------- the quick figures


def assert_all_ok(rows):
    rows = list(rows)
    assert rows
    for row in rows:
        assert row.ok in (True, None), f"{row.what}: {row.got}, not {row.expected}"
    assert any(row.ok for row in rows)


def test_perceptron_on_the_digits():
    assert_all_ok(perceptron.rows(None, False))


def test_weight_decay_five_weights():
    assert_all_ok(weight_decay.five_weights())


def test_an_outliers_case_of_absolute_loss_to_a_thousandth():
    name = "L1 loss + L1"
    assert_all_ok(outliers.compare(name, *outliers.CASES[name]))


def test_outliers_needs_no_scikit_learn_for_its_data():
    datasets = pytest.importorskip("sklearn.datasets")
    np.random.seed(outliers.SEED)  # noqa: NPY002 (scikit-learn's own generator)
    x, y = datasets.make_regression(500, n_features=1, n_informative=1, noise=0)
    got_x, got_y, weights = outliers.problem()
    inliers = np.r_[0:50, 100:500]
    np.testing.assert_array_equal(got_x[inliers, 0], x[inliers, 0])
    np.testing.assert_array_equal(got_y[inliers, 0], y[inliers])
    assert sum(np.abs(w).sum() for w in weights) == pytest.approx(25180.18, abs=0.01)


def test_dropout_check_value_and_large_logits():
    assert_all_ok(dropout.fused_loss())


@pytest.fixture(scope="module")
def judged():
    """(The posterior, the class) of 300 000 points of the spiral."""
    x, y = spiral.spiral(100_000, np.random.default_rng(5))
    return spiral.posterior(x), y


def test_spiral_posterior_is_calibrated(judged):
    """Among points with posterior p for a class, a share p is of that class."""
    p, y = judged
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert np.isnan(spiral.posterior(np.array([[0.8, 0.8]]))).all()
    for c in range(3):
        bins = np.digitize(p[:, c], np.linspace(0, 1, 11)[1:-1])
        for b in range(10):
            inside = bins == b
            share, mean = (y[inside] == c).mean(), p[inside, c].mean()
            assert abs(share - mean) < 4 * np.sqrt(0.25 / inside.sum())


def test_spiral_bayes_figures(judged):
    accuracy, loss = spiral.bayes()
    assert accuracy == pytest.approx(0.9098, abs=1e-4)
    assert loss == pytest.approx(0.2133, abs=2e-4)
    p, y = judged
    assert (p.argmax(axis=1) == y).mean() == pytest.approx(accuracy, abs=2e-3)
    assert -np.log(p[np.arange(len(y)), y]).mean() == pytest.approx(loss, abs=3e-3)


def test_spiral_as_configured_is_under_fitting():
    assert spiral.train("as configured, bias gradient repaired", 0, 500)[2] == (
        "under-fitting"
    )


# ------------------------------------------------------------------- the command


def test_the_command_prints_a_table_and_fails_if_a_figure_is_missed(
    monkeypatch, capsys
):
    row = Row("two", "2", "2", True, "seed 0")
    monkeypatch.setattr(dropout, "rows", lambda data, progress: [row])
    assert cli.main(["reproduce", "dropout"]) == 0
    assert "two" in (out := capsys.readouterr().out) and "ok" in out and "seed 0" in out
    monkeypatch.setattr(
        dropout, "rows", lambda data, progress: [Row("2", "2", "3", False)]
    )
    assert cli.main(["reproduce", "dropout"]) == 1
    assert "MISSED" in capsys.readouterr().out


def test_the_table_has_100_columns_and_loses_no_word(capsys):
    words = "the share of the weights that are exactly zero when the penalty is strong"
    row = Row(words, "0.7512649762748712", "-0.04 0 0 0 0.04 0 0 0", True, "0..9", "x")
    assert print_table([row]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    assert set(words.split()) <= set(" ".join(lines).split())


def test_without_a_name_all_systems_run(monkeypatch, capsys):
    systems = (perceptron, weight_decay, spiral, outliers, dropout)
    for number, system in enumerate(systems):
        row = Row(f"row {number}", "1", "1", True)
        monkeypatch.setattr(system, "rows", lambda data, progress, row=row: [row])
    assert cli.main(["reproduce", "--quiet"]) == 0
    out = capsys.readouterr().out
    assert all(f"row {number}" in out for number in range(5))


def test_without_mnist_weight_decay_says_what_it_needs():
    rows = list(run(["weight-decay"]))
    assert rows[-1].ok is None and "--data mnist.npz" in rows[-1].what


def test_an_unknown_system_is_refused(capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["reproduce", "r9"])
    assert stopped.value.code == 2 and "r9" in capsys.readouterr().err
