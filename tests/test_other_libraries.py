"""What docs/coming_from_keras.md and coming_from_pytorch.md claim, against the libraries.

One layer, float64, the same start: after three steps the weights agree, or the loss does.
The libraries are optional; the pages' own doctests need neither.
"""

import os

import numpy as np
import pytest

import regnet_c as rn

STEPS = 3
# Keras's own: it makes arrays of torch's tensors in a way NumPy 2 calls old
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")


@pytest.fixture
def data(rng):
    """x (8, 5), targets (8, 2), labels (8,), start W (5, 2)."""
    x, y = rng.normal(size=(8, 5)), rng.normal(size=(8, 2))
    return x, y, rng.integers(0, 2, 8), rng.normal(size=(5, 2))


def ours(data, optimizer, weight_penalty=None, bias_penalty=None, loss="mse", **dense):
    """[W, b] after three full-batch steps from a bias of 0.3."""
    x, y, _, w = data
    layer = rn.Dense(
        5, 2, weight_penalty=weight_penalty, bias_penalty=bias_penalty, **dense
    )
    net = rn.Network([layer], loss, "float64")
    net.set_weights([w, np.full(2, 0.3)])
    for _ in range(STEPS):
        net.train_step(x, y, optimizer)
    return net.get_weights()


def assert_weights(got, want, rtol=1e-10):
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-12)


# ---- PyTorch -------------------------------------------------------------------------


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def torchs(torch, data, make, penalty=None):
    """[W, b] of a Linear layer after three steps on the mean squared error."""
    x, y, _, w = data
    layer = torch.nn.Linear(5, 2, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(w.T))
        layer.bias.fill_(0.3)
    optimizer = make(torch.optim, layer.parameters())
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(
            layer(torch.from_numpy(x)), torch.from_numpy(y)
        )
        if penalty is not None:
            loss = loss + penalty(layer)
        loss.backward()
        optimizer.step()
    return [layer.weight.detach().numpy().T, layer.bias.detach().numpy()]


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (rn.SGD(0.1), lambda o, p: o.SGD(p, 0.1)),
        (rn.SGD(0.1, 0.9), lambda o, p: o.SGD(p, 0.1, momentum=0.9)),
        (
            rn.SGD(0.1, 0.9, nesterov=True),
            lambda o, p: o.SGD(p, 0.1, momentum=0.9, nesterov=True),
        ),
        (rn.Adagrad(0.1, epsilon=1e-10), lambda o, p: o.Adagrad(p, 0.1)),
        (rn.RMSprop(0.01, rho=0.99, epsilon=1e-8), lambda o, p: o.RMSprop(p, 0.01)),
        (rn.Adam(0.01), lambda o, p: o.Adam(p, 0.01)),
        (rn.AdamW(0.01), lambda o, p: o.AdamW(p, 0.01)),
    ],
    ids=["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw"],
)
def test_torchs_optimizers(torch, data, mine, theirs):
    assert_weights(ours(data, mine), torchs(torch, data, theirs))


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (rn.SGD(0.1, 0.9), lambda o, p: o.SGD(p, 0.1, momentum=0.9, weight_decay=0.2)),
        (rn.Adam(0.01), lambda o, p: o.Adam(p, 0.01, weight_decay=0.2)),
    ],
    ids=["momentum", "adam"],
)
def test_torchs_weight_decay_is_twice_l2_and_on_biases(torch, data, mine, theirs):
    l2 = rn.L2.from_convention("pytorch", 0.2)
    assert l2 == rn.L2(0.1)
    want = torchs(torch, data, theirs)
    assert_weights(ours(data, mine, l2, l2), want)
    with pytest.raises(AssertionError):
        assert_weights(ours(data, mine, l2), want)


def test_torchs_l1_in_the_loss_is_the_subgradient_rule(torch, data):
    want = torchs(
        torch,
        data,
        lambda o, p: o.SGD(p, 0.1),
        lambda layer: 0.05 * layer.weight.abs().sum(),
    )
    got = ours(data, rn.SGD(0.1), rn.L1(0.05, rule="subgradient"))
    assert_weights(got, want)


def score(loss, z, y, sample_weight=None, smoothing=0.0):
    """The loss that `evaluate` gives for outputs z; with smoothing that of training."""
    loss = rn.Loss(loss, label_smoothing=smoothing) if smoothing else loss
    net = rn.Network([rn.Dense(z.shape[1], z.shape[1])], loss, "float64")
    net.set_weights([np.eye(z.shape[1]), np.zeros(z.shape[1])])
    if smoothing:
        return net.loss_and_gradients(z, y, sample_weight)[0]
    return net.evaluate(z, y, sample_weight)["loss"]


def test_torchs_losses(torch, rng):
    f, t = torch.nn.functional, torch.from_numpy
    z, y = rng.normal(size=(7, 3)), 3 * rng.normal(size=(7, 3))
    label, weight, yes = rng.integers(0, 3, 7), rng.random(3), (y > 0).astype(float)
    pairs = [
        (score("softmax_cross_entropy", z, label), f.cross_entropy(t(z), t(label))),
        (
            score("softmax_cross_entropy", z, label, weight[label]),
            f.cross_entropy(t(z), t(label), t(weight)),
        ),
        (
            score("softmax_cross_entropy", z, label, smoothing=0.2),
            f.cross_entropy(t(z), t(label), label_smoothing=0.2),
        ),
        (
            score("binary_cross_entropy", z, yes),
            3 * f.binary_cross_entropy_with_logits(t(z), t(yes)),
        ),
        (score("mse", z, y), f.mse_loss(t(z), t(y))),
        (score("mae", z, y), f.l1_loss(t(z), t(y))),
        (score(rn.Loss("huber", 0.7), z, y), 3 * f.huber_loss(t(z), t(y), delta=0.7)),
        (
            score(rn.Loss("huber", 0.7), z, y),
            3 * 0.7 * f.smooth_l1_loss(t(z), t(y), beta=0.7),
        ),
        (score("poisson", z, yes), 3 * f.poisson_nll_loss(t(z), t(yes))),
    ]
    for got, want in pairs:
        np.testing.assert_allclose(got, want.item(), rtol=1e-12)


def test_torchs_initial_weights_can_be_had(torch):
    layer = torch.nn.Linear(400, 50)
    bound = 1 / np.sqrt(400)
    assert 0.9 * bound < layer.weight.abs().max() <= bound

    def start(shape):
        return np.random.default_rng(0).uniform(-1, 1, shape) / np.sqrt(shape[0])

    w = rn.Network([rn.Dense(400, 50, weight_init=start)]).get_weights()[0]
    assert 0.9 * bound < np.abs(w).max() <= bound
    assert w.std() == pytest.approx(layer.weight.std().item(), rel=0.05)


# ---- Keras ---------------------------------------------------------------------------


@pytest.fixture
def keras(monkeypatch):
    """Keras on torch: the arithmetic of its optimisers is the same on every backend."""
    pytest.importorskip("torch")
    if "KERAS_BACKEND" not in os.environ:
        monkeypatch.setenv("KERAS_BACKEND", "torch")
    return pytest.importorskip("keras")


def kerass(keras, data, optimizer, **dense):
    """[W, b] of a Dense layer after three full batches."""
    x, y, _, w = data
    layer = keras.layers.Dense(2, dtype="float64", **dense)
    model = keras.Sequential([keras.Input((5,), dtype="float64"), layer])
    model.compile(optimizer, loss="mse")
    layer.set_weights([w, np.full(2, 0.3)])
    for _ in range(STEPS):
        model.train_on_batch(x, y)
    return [keras.ops.convert_to_numpy(v.value) for v in layer.weights]


@pytest.mark.parametrize("nesterov", [False, True])
def test_kerass_momentum(keras, data, nesterov):
    theirs = keras.optimizers.SGD(0.1, momentum=0.9, nesterov=nesterov)
    want = kerass(keras, data, theirs)
    assert_weights(ours(data, rn.SGD(0.1, 0.9, nesterov=nesterov)), want, 1e-6)


def test_kerass_regularizers_have_our_strengths(keras, data):
    r = keras.regularizers
    want = kerass(
        keras,
        data,
        keras.optimizers.SGD(0.1),
        kernel_regularizer=r.L1L2(0.05, 0.02),
        bias_regularizer=r.L2(0.1),
    )
    penalty = rn.ElasticNet(0.05, 0.02, rule="subgradient")
    assert rn.L1.from_convention("keras", 0.05) == rn.L1(0.05)
    assert rn.L2.from_convention("keras", 0.02) == rn.L2(0.02)
    assert_weights(ours(data, rn.SGD(0.1), penalty, rn.L2(0.1)), want, 1e-6)


def test_kerass_constraints(keras, data):
    c = keras.constraints
    want = kerass(
        keras, data, keras.optimizers.SGD(0.1), kernel_constraint=c.MaxNorm(0.8, axis=0)
    )
    # it divides by norm + 1e-7
    assert_weights(ours(data, rn.SGD(0.1), max_norm=0.8), want, 1e-5)
    want = kerass(keras, data, keras.optimizers.SGD(0.1), kernel_constraint=c.NonNeg())
    assert_weights(ours(data, rn.SGD(0.1), rn.NonNegative()), want, 1e-6)


def test_kerass_adam_differs_only_in_where_epsilon_stands(keras, data):
    def difference(epsilon):
        theirs = keras.optimizers.Adam(0.01, epsilon=epsilon)
        want = kerass(keras, data, theirs)
        got = ours(data, rn.Adam(0.01, epsilon=epsilon))
        return max(np.abs(a - b).max() for a, b in zip(got, want, strict=True))

    assert difference(1e-7) < 1e-5 < difference(1e-1)


def test_kerass_adamw_decays_biases_too(keras, data):
    theirs = keras.optimizers.AdamW(0.01, weight_decay=0.3)
    want = kerass(keras, data, theirs)
    got = ours(data, rn.AdamW(0.01, weight_decay=0.3, epsilon=1e-7))
    assert_weights(got, want, 1e-4)


def test_kerass_rmsprop_and_adagrad_have_epsilon_inside_the_root(keras, data):
    o = keras.optimizers
    want = kerass(keras, data, o.RMSprop(0.01, epsilon=1e-14))
    assert_weights(ours(data, rn.RMSprop(0.01, epsilon=1e-7)), want, 1e-4)
    want = kerass(keras, data, o.Adagrad(0.1, 0.0, epsilon=1e-14))
    assert_weights(ours(data, rn.Adagrad(0.1, epsilon=1e-7)), want, 1e-4)
    x, y, _, w = data
    slope = 2 / y.size * x.T @ (x @ w + 0.3 - y)
    theirs = o.Adagrad(0.1, 0.1, epsilon=1e-2)
    variable = keras.Variable(w, dtype="float64")
    theirs.apply([keras.ops.convert_to_tensor(slope)], [variable])
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(variable.value),
        w - 0.1 * slope / np.sqrt(0.1 + slope**2 + 1e-2),
        rtol=1e-6,
    )


def test_kerass_losses(keras, rng):
    losses = keras.losses
    z, y = rng.normal(size=(7, 3)), 3 * rng.normal(size=(7, 3))
    label, yes = rng.integers(0, 3, 7), (y > 0).astype(float)
    pairs = [
        (
            score("softmax_cross_entropy", z, label),
            losses.SparseCategoricalCrossentropy(from_logits=True, dtype="float64")(
                label, z
            ),
        ),
        (
            score("binary_cross_entropy", z, yes),
            3 * losses.BinaryCrossentropy(from_logits=True, dtype="float64")(yes, z),
        ),
        (
            score("binary_cross_entropy", z, yes, smoothing=0.2),
            3
            * losses.BinaryCrossentropy(
                from_logits=True, label_smoothing=0.2, dtype="float64"
            )(yes, z),
        ),
        (score("mse", z, y), losses.MeanSquaredError(dtype="float64")(y, z)),
        (score("mae", z, y), losses.MeanAbsoluteError(dtype="float64")(y, z)),
        (
            score(rn.Loss("huber", 0.7), z, y),
            3 * losses.Huber(0.7, dtype="float64")(y, z),
        ),
        (
            score("poisson", z, yes),
            3 * losses.Poisson(dtype="float64")(yes, np.exp(z)),
        ),
    ]
    for got, want in pairs:
        np.testing.assert_allclose(got, float(want), rtol=1e-6)


def test_keras_divides_by_the_rows_not_by_the_weights(keras, rng):
    z, y = rng.normal(size=(7, 3)), rng.normal(size=(7, 3))
    weight = rng.random(7)
    theirs = keras.losses.MeanSquaredError(dtype="float64")(y, z, sample_weight=weight)
    np.testing.assert_allclose(
        float(theirs), score("mse", z, y, weight) * weight.mean(), rtol=1e-6
    )
