"""Training against the oracle, a Lasso with a known answer, and the same bits."""

import contextlib
import copy
import math
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import reference as ref
from conftest import (
    CREDIT_DECAY,
    assert_close,
    oracle_network,
    oracle_optimizer,
    weights64,
)
from running import all_pairs, bits as bits_of

import regnet_c as rn
from regnet_c import kernels, schedules
from regnet_c._core import binding, team, training
from regnet_c._core.data import checked_data

OPTIMIZERS = {
    "sgd": lambda lr=0.1: rn.SGD(lr),
    "momentum": lambda lr=0.05: rn.SGD(lr, momentum=0.8),
    "nesterov": lambda lr=0.05: rn.SGD(lr, momentum=0.8, nesterov=True),
    "adagrad": lambda lr=0.1: rn.Adagrad(lr),
    "rmsprop": lambda lr=0.02: rn.RMSprop(lr),
    "adam": lambda lr=0.02: rn.Adam(lr),
    "adamw": lambda lr=0.02: rn.AdamW(lr, weight_decay=0.1),
    "ftrl": lambda lr=0.1: rn.FTRL(lr),
}
RULES = ["cumulative", "proximal", "shrink_first", "subgradient"]


def small_network(dtype, rule="cumulative", rate=0.0, l1=0.02, seed=5):
    """6 -> 9 -> 4, weights and biases penalised."""
    layers = [
        rn.Dense(
            6,
            9,
            activation="tanh",
            weight_penalty=rn.L1(l1, rule=rule),
            bias_penalty=rn.L1(l1 / 2, rule=rule),
        ),
        *([rn.Dropout(rate)] if rate else []),
        rn.Dense(9, 4, weight_penalty=rn.ElasticNet(l1, 0.01, rule=rule)),
    ]
    return rn.Network(layers, "softmax_cross_entropy", dtype=dtype, seed=seed)


def small_data(rng, dtype, n=50):
    x = rng.standard_normal((n, 6)).astype(dtype)
    return x, (np.abs(x[:, 0]) * 2).astype(int).clip(0, 3)


def assert_weights_close(net, want):
    for got, w in zip(net.get_weights(), want, strict=True):
        assert got.dtype == net.dtype
        assert_close(got, w, scale=1 + np.abs(w))


# ------------------------------------------------------------ one step, one epoch


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_steps_equal_the_oracle(kind, dtype, isa, rng):
    x, y = small_data(rng, dtype)
    for rule in RULES:
        print(rule)
        net = small_network(dtype, rule)
        optimizer = OPTIMIZERS[kind]()
        oracle, state, weights = (
            oracle_network(net),
            oracle_optimizer(optimizer),
            weights64(net),
        )
        for _ in range(3):
            loss = net.train_step(x, y, optimizer)
            want, weights = oracle.train_step(weights, x, y, state)
            assert_close(loss, want, dtype, scale=10)
        assert_weights_close(net, weights)


@pytest.mark.parametrize(
    ("kind", "rule", "dtype", "isa"),
    all_pairs(
        kind=OPTIMIZERS,
        rule=RULES,
        dtype=["float32", "float64"],
        isa=binding.available_isas(),
    ),
    indirect=["dtype", "isa"],
)
def test_clipped_steps_equal_the_oracle(kind, rule, dtype, isa, rng):
    """The gradients of the first steps are longer, those of small steps are not."""
    net = small_network(dtype, rule)
    x, y = small_data(rng, dtype)
    optimizer = OPTIMIZERS[kind]().replace(clip_norm=0.3)
    weights, state = weights64(net), oracle_optimizer(optimizer)
    oracle, norms = oracle_network(net), []
    for _ in range(4):
        g = oracle.loss_and_gradients(weights, x, y)[1]
        norms.append(math.sqrt(sum((array**2).sum() for array in g)))
        net.train_step(x, y, optimizer)
        _, weights = oracle.train_step(weights, x, y, state)
    assert norms[0] > 0.35
    assert_weights_close(net, weights)


@pytest.mark.parametrize(
    ("kind", "rule", "dtype", "isa"),
    all_pairs(
        kind=OPTIMIZERS,
        rule=RULES,
        dtype=["float32", "float64"],
        isa=binding.available_isas(),
    ),
    indirect=["dtype", "isa"],
)
def test_rate_factors_equal_the_oracle(kind, rule, dtype, isa, rng):
    layers = [
        layer.replace(learning_rate_factor=a, bias_learning_rate_factor=b)
        for layer, a, b in zip(
            small_network(dtype, rule).layers, (0.3, 1.5), (0.2, 2.0), strict=True
        )
    ]
    net = rn.Network(layers, "softmax_cross_entropy", dtype, seed=5)
    x, y = small_data(rng, dtype)
    optimizer, weights = OPTIMIZERS[kind](), weights64(net)
    oracle, state = oracle_network(net), oracle_optimizer(optimizer)
    for _ in range(4):
        net.train_step(x, y, optimizer)
        _, weights = oracle.train_step(weights, x, y, state)
    assert_weights_close(net, weights)


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("members", [1, 3])
def test_half_the_factor_at_twice_the_rate_is_the_same(members, kind, dtype, rng):
    """Thresholds and decay too; the ledger of L1 and groups counts in thresholds."""
    x, y = small_data(rng, dtype)

    def trained(rule, factor, rate):
        one = rn.L1(0.02, rule=rule)
        group = rn.GroupLasso(0.01) if rule == "cumulative" else one
        layers = [
            rn.Dense(6, 40, "relu", group, one, learning_rate_factor=factor),
            rn.Dense(40, 4, "identity", one, one, learning_rate_factor=factor),
        ]
        net = rn.Network(layers, "softmax_cross_entropy", dtype, 3, members=members)
        net.fit(x, y, 3, 16, OPTIMIZERS[kind](rate))
        return bits_of(net)

    for rule in RULES:
        got, other = trained(rule, 0.5, 0.04), trained(rule, 1.0, 0.04)
        assert got == trained(rule, 1.0, 0.02) != other, rule


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_factor_of_0_leaves_weights_as_they_are(kind, dtype, rng):
    layers = [
        rn.Dense(6, 40, "relu", rn.L1(0.02), learning_rate_factor=0),
        rn.Dense(40, 4, weight_penalty=rn.L2(0.02), bias_learning_rate_factor=0),
    ]
    net = rn.Network(layers, "softmax_cross_entropy", dtype, seed=3)
    before = bits_of(net)
    net.fit(*small_data(rng, dtype), 3, 16, OPTIMIZERS[kind]())
    changed = [a != b for a, b in zip(before, bits_of(net), strict=True)]
    assert changed == [False, False, True, False]


@pytest.mark.parametrize("n_out", [1, 100])
def test_the_norm_is_that_of_long_arrays_too(n_out, rng):
    """Threads share spans of 4096 elements; the last is shorter."""
    net = rn.Network([rn.Dense(9000 // n_out, n_out)], dtype="float64", seed=1)
    x, y = rng.standard_normal((8, 9000 // n_out)), rng.standard_normal((8, n_out))
    gradients, before = net.loss_and_gradients(x, y)[1], net.get_weights()
    norm = math.sqrt(sum((g**2).sum() for g in gradients))
    net.train_step(x, y, rn.SGD(1.0, clip_norm=norm / 3))
    for w, g, got in zip(before, gradients, net.get_weights(), strict=True):
        np.testing.assert_allclose(got, w - g / 3, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("members", [1, 3])
def test_a_norm_that_is_never_reached_changes_no_bit(members, kind, dtype, rng):
    layers = [
        rn.Dense(6, 40, "relu", rn.GroupLasso(0.01), rn.L1(0.01)),
        rn.Dense(40, 3, "tanh", rn.SparseGroupLasso(0.01, 0.01, "inputs")),
        rn.Dense(3, 4, max_norm=None if members > 1 else 0.7, use_bias=False),
    ]
    x, y = small_data(rng, dtype)

    def trained(clip_norm):
        net = rn.Network(layers, "softmax_cross_entropy", dtype, 3, members=members)
        optimizer = OPTIMIZERS[kind]().replace(clip_norm=clip_norm)
        net.fit(x, y, 3, 16, optimizer, update_tau=0.1, keep_zeros=True)
        return bits_of(net) + [a.tobytes() for a in net.update_average()]

    assert trained(1e9) == trained(None)
    assert trained(1e-3) != trained(None)


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_epoch_with_dropout_equals_the_oracle(kind, shuffle, dtype, isa, rng):
    net = small_network(dtype, rate=0.4)
    x, y = small_data(rng, dtype)
    optimizer = OPTIMIZERS[kind]()
    weights, state = weights64(net), oracle_optimizer(optimizer)
    order = kernels.permutation(50, 5, 0) if shuffle else None
    want = oracle_network(net).epoch(weights, x, y, state, 16, order, seed=5)
    net.fit(x, y, epochs=1, batch_size=16, optimizer=optimizer, shuffle=shuffle)
    assert_weights_close(net, want)


def test_masks_given_equal_the_oracle(dtype, isa, rng):
    net = small_network(dtype, rate=0.5)
    x, y = small_data(rng, dtype)
    mask, weight = rng.random((50, 9)) < 0.5, rng.random(50)
    optimizer, weights = rn.SGD(0.5), weights64(net)
    _, want = oracle_network(net).train_step(
        weights, x, y, oracle_optimizer(optimizer), weight, [2.0 * mask]
    )
    net.train_step(x, y, optimizer, sample_weight=weight, dropout_masks=[mask])
    assert_weights_close(net, want)


def test_constraints_equal_the_oracle(dtype, isa, rng):
    layers = [
        rn.Dense(6, 40, activation="relu", max_norm=0.9),
        rn.Dense(40, 4, max_norm=0.5, weight_penalty=rn.L1(0.01)),
    ]
    net = rn.Network(layers, "softmax_cross_entropy", dtype=dtype, seed=1)
    x, y = small_data(rng, dtype)
    optimizer = rn.SGD(0.5)
    want = oracle_network(net).epoch(
        weights64(net), x, y, oracle_optimizer(optimizer), 16
    )
    net.fit(x, y, epochs=1, batch_size=16, optimizer=optimizer, shuffle=False)
    assert_weights_close(net, want)
    norms = np.linalg.norm(net.get_weights()[0].astype(np.float64), axis=0)
    assert norms.max() <= 0.9 * (1 + 1e-6)


GROUP_RULES = ["cumulative", "proximal"]
GROUP_CASES = pytest.mark.parametrize(
    ("kind", "rule", "dtype"),
    all_pairs(kind=OPTIMIZERS, rule=GROUP_RULES, dtype=["float32", "float64"]),
)


@GROUP_CASES
def test_group_penalties_equal_the_oracle(kind, rule, dtype, every_isa, rng):
    sparse = rn.SparseGroupLasso(0.004, 0.06, "inputs", l2=0.001, rule=rule)
    layers = [
        rn.Dense(6, 40, "tanh", sparse, max_norm=0.9),
        rn.Dense(40, 4, weight_penalty=rn.GroupLasso(0.02, "units", rule=rule)),
    ]
    net = rn.Network(layers, "softmax_cross_entropy", dtype=dtype, seed=1)
    x, y = small_data(rng, dtype)
    want = oracle_network(net).epoch(
        weights64(net), x, y, oracle_optimizer(OPTIMIZERS[kind]()), 16
    )
    penalty = oracle_network(net).penalty(weights64(net))
    for _ in every_isa():
        assert net.penalty() == pytest.approx(penalty, rel=1e-5)
        fitted = copy.deepcopy(net)
        fitted.fit(x, y, 1, 16, OPTIMIZERS[kind](), shuffle=False)
        assert_weights_close(fitted, want)


@GROUP_CASES
def test_groups_of_several_inputs_equal_the_oracle(kind, rule, dtype, every_isa, rng):
    several = [[0, 3, 5], [1], [2, 4]]
    fives = [[*range(k, k + 5)] for k in range(0, 40, 5)]
    sparse = rn.SparseGroupLasso(0.004, 0.06, several, l2=0.001, rule=rule)
    positive = rn.NonNegative(rn.GroupLasso(0.02, fives, rule=rule))
    layers = [
        rn.Dense(6, 40, "tanh", sparse, max_norm=0.9),
        rn.Dense(40, 4, weight_penalty=positive),
    ]
    net = rn.Network(layers, "softmax_cross_entropy", dtype=dtype, seed=1)
    x, y = small_data(rng, dtype)
    want = oracle_network(net).epoch(
        weights64(net), x, y, oracle_optimizer(OPTIMIZERS[kind]()), 16
    )
    penalty = oracle_network(net).penalty(weights64(net))
    for _ in every_isa():
        assert net.penalty() == pytest.approx(penalty, rel=1e-5)
        fitted = copy.deepcopy(net)
        fitted.fit(x, y, 1, 16, OPTIMIZERS[kind](), shuffle=False)
        assert_weights_close(fitted, want)


def one_layer(penalty):
    layer = rn.Dense(8, 3, weight_penalty=penalty, use_bias=False)
    return rn.Network([layer], dtype="float64", seed=0)


def assert_full_batch_reaches(solution, penalty, kind, x, y):
    """The weights found, with exactly the zeros of the solution.

    Each batch is all rows; an epoch has 30 of them, as an epoch takes longer than a step.
    """
    rate = rn.schedules.ExponentialDecay(5 * LASSO_RATES[kind], decay=0.995**30)
    optimizer = (
        rn.AdamW(rate, weight_decay=0.0) if kind == "adamw" else OPTIMIZERS[kind](rate)
    )
    net = one_layer(penalty)
    rows = np.tile(x, (30, 1)), np.tile(y, (30, 1))
    net.fit(*rows, 60, 200, optimizer, shuffle=False)
    w = net.get_weights()[0]
    np.testing.assert_array_equal(w == 0, solution == 0)
    np.testing.assert_allclose(w, solution, atol=2e-3)
    return w


@pytest.fixture(scope="module")
def several_inputs_a_group():
    """(groups, x, y, solution): the third group leaves."""
    rng = np.random.default_rng(5)
    groups = [[0, 4, 6], [1, 2, 7], [3, 5]]
    x, true = rng.standard_normal((200, 8)), np.zeros((8, 3))
    true[:2] = rng.uniform(1, 2, (2, 3))
    y = x @ true + 0.3 * rng.standard_normal((200, 3))
    solution, step = np.zeros((8, 3)), 0.5
    for _ in range(150):
        gradient = x.T @ (x @ solution - y) / len(x)
        solution = ref.prox_group(solution - step * gradient, step * 0.15, groups)
    rows = (solution == 0).all(axis=1)
    assert rows.tolist() == [k in (3, 5) for k in range(8)] and solution[~rows].all()
    return groups, x, y, solution


@pytest.mark.parametrize("rule", GROUP_RULES)
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_full_batch_reaches_the_solution_for_several_inputs_a_group(
    kind, rule, several_inputs_a_group
):
    """A group of noise leaves as a whole, one with a single good input stays whole."""
    groups, x, y, solution = several_inputs_a_group
    penalty = rn.GroupLasso(0.15, groups, rule=rule)
    w = assert_full_batch_reaches(solution, penalty, kind, x, y)
    gradient = x.T @ (x @ w - y) / len(x)
    assert np.abs(penalty.least_subgradient(w, gradient)).max() < 1e-2


def group_bits(dtype, groups, threads, tau=None):
    """Bytes after training with these groups in the first of two layers."""
    rng = np.random.default_rng(3)
    layers = [
        rn.Dense(11, 21, "tanh", rn.SparseGroupLasso(1e-3, 5e-2, groups)),
        rn.Dense(21, 3, weight_penalty=rn.GroupLasso(1e-2, groups="inputs")),
    ]
    net = rn.Network(layers, "softmax_cross_entropy", dtype=dtype, seed=4)
    x, y = rng.standard_normal((230, 11)), rng.integers(0, 3, 230)
    net.fit(x, y, 3, 20, rn.Adam(0.01), threads=threads, update_tau=tau)
    arrays = net.get_weights() + ([] if tau is None else net.update_average())
    return [w.tobytes() for w in arrays]


@pytest.mark.parametrize("tau", [None, 0.1])
def test_groups_have_the_same_bits_by_any_threads_and_variant(
    tau, dtype, real_threads, each_fused_isa
):
    groups, found = [[0, 10, 5], [1], [2, 3, 4], [9, 6, 7, 8]], set()

    def trained():
        return [group_bits(dtype, groups, threads, tau) for threads in (1, 2, 3, 7)]

    for _ in range(2):
        runs = [bits for runs in each_fused_isa(trained).values() for bits in runs]
        found.update(map(tuple, runs))
        groups = [group[::-1] for group in groups[::-1]]
    assert len(found) <= 1


def test_groups_of_one_input_are_inputs(dtype, isa):
    alone = [[k] for k in range(11)]
    assert group_bits(dtype, alone, 1) == group_bits(dtype, "inputs", 1)


@pytest.fixture(scope="module")
def group_lasso_problem():
    """(x, y, argmin of half the mean squared error + 0.15 * sum of row norms)."""
    rng = np.random.default_rng(5)
    x, true = rng.standard_normal((200, 8)), np.zeros((8, 3))
    true[:3] = rng.uniform(1, 2, (3, 3))
    y = x @ true + 0.3 * rng.standard_normal((200, 3))
    w, rate = np.zeros((8, 3)), 0.5
    for _ in range(150):
        gradient = x.T @ (x @ w - y) / len(x)
        w = ref.prox_group(w - rate * gradient, rate * 0.15, "inputs")
    assert (np.abs(w).sum(axis=1) == 0).tolist() == [False] * 3 + [True] * 5
    return x, y, w


@pytest.mark.parametrize("rule", ["cumulative", "proximal"])
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_full_batch_reaches_the_group_lasso_solution(kind, rule, group_lasso_problem):
    """The same strength has the same solution and zero rows under every optimiser."""
    x, y, solution = group_lasso_problem
    penalty = rn.GroupLasso(0.15, "inputs", rule=rule)
    assert_full_batch_reaches(solution, penalty, kind, x, y)


@pytest.mark.parametrize("kind", ["sgd", "momentum", "adam"])
def test_cumulative_groups_stay_zero_under_noise(kind, group_lasso_problem):
    """Why it is the default: mini-batches wake the groups of the proximal rule."""
    x, y, solution = group_lasso_problem
    zero_rows = {}
    for rule in ("cumulative", "proximal"):
        penalty = rn.GroupLasso(0.15, "inputs", rule=rule)
        net = one_layer(penalty)
        rate = {"sgd": 0.05, "momentum": 0.01, "adam": 0.02}[kind]
        net.fit(x, y, 80, 1, OPTIMIZERS[kind](rate))
        zero_rows[rule] = (net.get_weights()[0] == 0).all(axis=1)
    np.testing.assert_array_equal(zero_rows["cumulative"], (solution == 0).all(axis=1))
    assert zero_rows["proximal"].sum() < zero_rows["cumulative"].sum()


@pytest.fixture(scope="module")
def sparse_group_problem():
    """(x, y, argmin of half the mean squared error + 0.2 sum|w| + 0.15 sum of row norms),
    in which single weights are zero in rows that are not."""
    rng = np.random.default_rng(7)
    x, true = rng.standard_normal((200, 8)), np.zeros((8, 3))
    true[:4] = rng.uniform(1, 2, (4, 3)) * (rng.random((4, 3)) < 0.6)
    y = x @ true + 0.3 * rng.standard_normal((200, 3))
    w, rate = np.zeros((8, 3)), 0.5
    for _ in range(200):
        w = ref.prox_l1(w - rate * x.T @ (x @ w - y) / len(x), rate * 0.2)
        w = ref.prox_group(w, rate * 0.15, "inputs")
    rows = (w == 0).all(axis=1)
    assert 3 <= rows.sum() <= 5 and (w[~rows] == 0).sum() >= 3
    return x, y, w


def sparse_group(rule):
    return rn.SparseGroupLasso(0.2, 0.15, "inputs", rule=rule)


@pytest.mark.parametrize("rule", ["cumulative", "proximal"])
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_full_batch_reaches_the_sparse_group_solution(kind, rule, sparse_group_problem):
    x, y, solution = sparse_group_problem
    assert_full_batch_reaches(solution, sparse_group(rule), kind, x, y)


@pytest.mark.parametrize("kind", ["sgd", "momentum", "adam"])
def test_both_parts_of_a_cumulative_penalty_stay_zero_under_noise(
    kind, sparse_group_problem
):
    """One ledger for a weight and its group: the rule holds for both parts."""
    x, y, solution = sparse_group_problem
    zeros = {}
    for rule in ("cumulative", "proximal"):
        net = one_layer(sparse_group(rule))
        rate = {"sgd": 0.02, "momentum": 0.002, "adam": 0.005}[kind]
        net.fit(x, y, 100, 1, OPTIMIZERS[kind](rate))
        zeros[rule] = net.get_weights()[0] == 0
    np.testing.assert_array_equal(zeros["cumulative"], solution == 0)
    assert zeros["proximal"].sum() < zeros["cumulative"].sum()


def test_schedule_is_followed(dtype, rng):
    net = small_network(dtype)
    x, y = small_data(rng, dtype)
    optimizer = rn.SGD(rn.schedules.LinearDecay(0.5, epochs=2), momentum=0.5)
    weights, state = weights64(net), oracle_optimizer(optimizer, steps_per_epoch=4)
    for _ in range(2):
        weights = oracle_network(net).epoch(weights, x, y, state, 16)
    net.fit(x, y, epochs=2, batch_size=16, optimizer=optimizer, shuffle=False)
    assert_weights_close(net, weights)


@pytest.mark.parametrize("members", [1, 3])
def test_schedules_of_dropout_and_decay_are_followed(members, dtype, rng):
    """One value an epoch, as it begins, also at 0 and from the middle of a call on."""
    layers = [
        rn.Dropout(schedules.StepDecay(0.3, 0.5, 2, warmup_epochs=1)),
        rn.Dense(6, 9, activation="tanh"),
        rn.Dropout(schedules.LinearDecay(0.6, epochs=3)),
        rn.Dense(9, 4),
    ]
    options = {"loss": "softmax_cross_entropy", "dtype": dtype, "members": members}
    net, (x, y) = rn.Network(layers, seed=5, **options), small_data(rng, dtype)
    decay = schedules.ExponentialDecay(3.0, 0.5)
    optimizer = rn.AdamW(0.02, weight_decay=decay)
    weights, state = weights64(net), oracle_optimizer(optimizer, steps_per_epoch=4)
    oracle = oracle_network(net, steps_per_epoch=4)
    for _ in range(5):
        weights = oracle.epoch(weights, x, y, state, 16, seed=5)
    for epochs in (2, 3):
        net.fit(x, y, epochs, 16, optimizer, shuffle=False)
    assert_weights_close(net, weights)


def test_steps_alone_are_epochs_of_a_schedule(dtype, rng):
    rate, decay = schedules.LinearDecay(0.6, 2), schedules.LinearDecay(3.0, 2)
    layers = [rn.Dense(6, 9, "tanh"), rn.Dropout(rate), rn.Dense(9, 4)]
    net = rn.Network(layers, "softmax_cross_entropy", dtype=dtype, seed=5)
    optimizer, (x, y) = rn.AdamW(0.02, weight_decay=decay), small_data(rng, dtype)
    weights, state = weights64(net), oracle_optimizer(optimizer)
    for _ in range(3):
        weights = oracle_network(net).epoch(weights, x, y, state, len(x), seed=5)
        net.train_step(x, y, optimizer)
    assert_weights_close(net, weights)


@pytest.mark.parametrize("threads", [1, 3])
def test_what_begins_or_stops_to_drop_has_the_memory_it_needs(
    threads, rng, real_threads
):
    """Behind a layer without activation the work memory depends on it."""
    x, y = rng.standard_normal((400, 40)), rng.standard_normal((400, 1))
    found = []
    for rate in (schedules.StepDecay(0.5, 1e-30, 1), schedules.Constant(0.5, 1e30)):
        net = rn.Network([rn.Dense(40, 300), rn.Dropout(rate), rn.Dense(300, 1)])
        weights, state = weights64(net), rn.SGD(1e-3)
        oracle = oracle_network(net, steps_per_epoch=4)
        optimizer = oracle_optimizer(state)
        for _ in range(2):
            weights = oracle.epoch(weights, x, y, optimizer, 100)
        net.fit(x, y, 2, 100, state, shuffle=False, threads=threads)
        assert_weights_close(net, weights)
        found.append(bits_of(net))
    assert found[0] != found[1]


def test_memory_of_other_rates_is_refused(rng):
    x, y = small_data(rng, np.float32)
    net = small_network("float32", rate=0.5)
    with net._store:
        options = training.FitOptions(
            checked_data(net._plan, x, y, None), 16, rn.Adam()
        )
        run = training.TrainingRun(net, options)
        run.train_epoch()
        run.model.keep([1.0, 1.0, 1.0])
        with pytest.raises(ValueError, match="what drops has changed"):
            run.train_epoch()


class Noted(rn.schedules.LinearDecay):
    """Keeps the epochs that it was asked for."""

    def __init__(self, initial, epochs):
        super().__init__(initial, epochs)
        self._asked = []

    def factor(self, epochs):
        self._asked.append(epochs)
        return super().factor(epochs)


@pytest.mark.parametrize(("ahead", "calls"), [(4096, 2), (7, 12)])
def test_rates_of_many_epochs_are_computed_at_once(ahead, calls, monkeypatch):
    """Each step's rate once, none beyond the last step, whatever the windows."""
    monkeypatch.setattr(training, "_RATES_AHEAD", ahead)
    noted, x = Noted(0.5, epochs=30), np.eye(10)
    optimizer = rn.SGD(noted)
    network = rn.Network([rn.Dense(10, 1)])
    found = []
    for epochs in (13, 12):
        history = network.fit(x, x[:, :1], epochs, 4, optimizer)
        found += history["learning_rate"]
    steps = np.arange(75)
    np.testing.assert_array_equal(np.concatenate(noted._asked), steps / 3)
    assert len(noted._asked) == calls
    np.testing.assert_array_equal(found, noted(steps, 3)[2::3])


def test_a_batch_of_weight_zero_changes_nothing(rng):
    """Its rows are not there: no step towards NaN, no divergence."""
    net = small_network("float64", l1=0.0)
    x, y = small_data(rng, np.float64, n=48)
    weight = np.repeat([1.0, 0.0, 1.0], 16)
    net.fit(x, y, 1, 16, rn.SGD(0.1), sample_weight=weight, shuffle=False)
    other = small_network("float64", l1=0.0)
    some = weight > 0
    other.fit(x[some], y[some], 1, 16, rn.SGD(0.1), shuffle=False)
    for a, b in zip(net.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


# ------------------------------------------------------- the rules' exact values


def test_batches_of_weight_zero_leave_the_schedule_alone(dtype, rng, monkeypatch):
    """Rates belong to steps that are taken, however many of them a call of C takes."""
    x, y = small_data(rng, dtype, n=60)
    weight = np.repeat(np.arange(12) % 3 > 0, 5).astype(float)
    bits, rate = [], schedules.ExponentialDecay(0.01, 0.5)
    for seconds in (0.0, 10.0):
        monkeypatch.setattr(training, "_SLICE_SECONDS", seconds)
        net = small_network(dtype)
        net.fit(x, y, 3, 5, rn.Adam(rate), weight, shuffle=False)
        bits.append([w.tobytes() for w in net.get_weights()])
    assert bits[0] == bits[1]


def five_weights(rule, dtype, sign_at_zero=0):
    """Weight-decay's five weights after one step without a data gradient, threshold
    0.01."""
    penalty = rn.L1(0.1, rule=rule, sign_at_zero=sign_at_zero)
    layer = rn.Dense(1, 5, weight_penalty=penalty, use_bias=False)
    net = rn.Network([layer], dtype=dtype)
    net.set_weights([np.array([[-0.05, -0.001, 0, 0.001, 0.05]])])
    net.train_step(np.zeros((1, 1)), np.zeros((1, 5)), rn.SGD(0.1))
    return net.get_weights()[0][0]


@pytest.mark.parametrize("rule", ["cumulative", "proximal", "shrink_first"])
def test_five_weights_are_moved_to_zero_never_across(rule, dtype, isa):
    got = five_weights(rule, dtype)
    assert_close(got, [-0.04, 0, 0, 0, 0.04], scale=0.05)
    np.testing.assert_array_equal(got[1:4], 0)


@pytest.mark.parametrize("sign_at_zero", [0, 1])
def test_five_weights_under_the_subgradient_rule(sign_at_zero, dtype, isa):
    got = five_weights("subgradient", dtype, sign_at_zero)
    want = [-0.04, 0.009, -0.01 * sign_at_zero, -0.009, 0.04]
    assert_close(got, want, scale=0.05)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("kind", ["sgd", "momentum", "nesterov"])
def test_momentum_does_not_change_the_strength_of_l1(kind, rule, dtype):
    """500 steps take l1 * 500 * rate / (1 - momentum) from a large weight."""
    layer = rn.Dense(1, 1, weight_penalty=rn.L1(0.1, rule=rule), use_bias=False)
    net = rn.Network([layer], dtype=dtype)
    net.set_weights([np.array([[100.0]])])
    net.fit(np.zeros((500, 1)), np.zeros((500, 1)), 1, 1, OPTIMIZERS[kind](0.01))
    unit = 0.01 if kind == "sgd" else 0.01 / (1 - 0.8)
    lost = 100.0 - net.get_weights()[0].item()
    assert lost == pytest.approx(500 * 0.1 * unit, rel=0.02)


def test_cumulative_debt_is_bounded():
    """A weight that was silent wakes after about ln(g/(g - l1)) / (1 - decay) steps."""
    optimizer = ref.Optimizer("sgd", 0.01, credit_decay=CREDIT_DECAY)
    penalty, w, steps = ref.Penalty(l1=0.1), np.zeros(1), 0
    optimizer.credit = 1 / (1 - CREDIT_DECAY)  # after a very long time
    while not w.any():
        optimizer.begin_step()
        w = optimizer.update(0, w, np.array([-1.0]), penalty)
        steps += 1
    assert steps == pytest.approx(math.log(1 / 0.9) / (1 - CREDIT_DECAY), rel=0.01)


@pytest.mark.parametrize(("l1", "l2"), [(0, 0), (0.3, 0), (0, 0.1), (0.2, 0.05)])
def test_ftrl_follows_the_regularised_leader(l1, l2, rng):
    """What the papers keep as sums is here a weight and what its penalty was charged."""
    w, centre, state = rng.standard_normal(60), rng.standard_normal(60), {}
    optimizer, state["credit_decay"] = rn.FTRL(0.3, beta=0.5), 1.0

    def gradient(w):
        return np.sin(3 * w) + w - centre

    want = ref.ftrl(w, gradient, 40, 0.3, 0.5, l1, l2)
    for _ in range(40):
        kernels.update(w, gradient(w), optimizer, state, l1, l2)
    np.testing.assert_allclose(w, want, rtol=1e-12, atol=1e-14)
    assert (w == 0).any() == (l1 > 0)


def test_ftrl_without_l2_has_the_bits_of_adagrad(rng, dtype):
    found = []
    for optimizer in (rn.FTRL(0.3, beta=0.5), rn.Adagrad(0.3, epsilon=0.5)):
        net = rn.Network(
            [rn.Dense(6, 5, "tanh", rn.L1(0.01)), rn.Dense(5, 4)], dtype=dtype
        )
        net.fit(np.eye(6), np.ones((6, 4)), 9, 2, optimizer)
        found.append(bits_of(net))
    assert found[0] == found[1]


# ---------------------------------------------------------------- a known Lasso


def sparse_regression(n=1000, p=41, informative=9):
    """Correlated inputs (0.5 between neighbours), noise 1, everything centred.

    At l1 = 0.1 the solution is well separated: 32 zeros with |gradient| < 0.75 l1, nine
    weights above 0.6.  The seed was chosen for that.
    """
    rng = np.random.default_rng(3)
    z = rng.standard_normal((n, p))
    x = z.copy()
    for j in range(1, p):
        x[:, j] = 0.5 * x[:, j - 1] + math.sqrt(0.75) * z[:, j]
    x -= x.mean(axis=0)
    x /= x.std(axis=0)
    w = np.zeros(p)
    where = rng.choice(p, informative, replace=False)
    w[where] = rng.choice([-1, 1], informative) * rng.uniform(0.5, 2, informative)
    y = x @ w + rng.standard_normal(n)
    return x, y - y.mean()


@pytest.fixture(scope="module")
def lasso_problem():
    x, y = sparse_regression()
    solution = ref.lasso(x, y, 0.1)
    gradient = x.T @ (x @ solution - y) / len(x)
    assert np.sum(solution == 0) == 32
    assert np.abs(gradient[solution == 0]).max() < 0.075
    assert np.abs(solution[solution != 0]).min() > 0.6
    return x, y, solution


LASSO_RATES = {
    "sgd": 0.03,
    "momentum": 0.006,
    "nesterov": 0.006,
    "adagrad": 0.2,
    "rmsprop": 0.01,
    "adam": 0.01,
    "adamw": 0.01,
    "ftrl": 0.2,
}
SCHEDULES = {
    "constant": lambda rate: rate,
    "linear": lambda rate: rn.schedules.LinearDecay(rate, epochs=60),
    "cosine": lambda rate: rn.schedules.CosineDecay(rate, epochs=60),
}


def lasso_network(dtype, **penalty):
    layer = rn.Dense(41, 1, weight_penalty=rn.L1(0.1, **penalty))
    return rn.Network([layer], "squared_error", dtype=dtype, seed=0)


def lasso_optimizer(kind, schedule="constant"):
    rate = SCHEDULES[schedule](LASSO_RATES[kind])
    if kind == "adamw":
        return rn.AdamW(rate, weight_decay=0.0)
    return OPTIMIZERS[kind](rate)


def reached_l1(x, y, w):
    """The strength at which w would be stationary: mean |gradient| of its non-zeros."""
    gradient = x.T @ (x @ w - y) / len(x)
    return -np.mean((gradient * np.sign(w))[w != 0])


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_default_rule_finds_exactly_the_lasso_zeros(
    kind, schedule, dtype, lasso_problem
):
    x, y, solution = lasso_problem
    net = lasso_network(dtype)
    optimizer = lasso_optimizer(kind, schedule)
    net.fit(x, y[:, None], epochs=60, batch_size=20, optimizer=optimizer)
    w = net.get_weights()[0][:, 0].astype(np.float64)
    np.testing.assert_array_equal(w == 0, solution == 0)
    np.testing.assert_allclose(w, solution, atol=0.1)
    # RMSprop's short memory of g² weighs large gradients less: 8 % too strong.
    assert reached_l1(x, y, w) == pytest.approx(0.1, rel=0.12)


def test_other_rules_do_not_find_the_lasso_zeros(lasso_problem):
    """Why the cumulative rule is the default: noise re-awakens weights."""
    x, y, _solution = lasso_problem
    zeros = {}
    for rule in RULES:
        net = lasso_network("float64", rule=rule)
        net.fit(x, y[:, None], 60, 20, lasso_optimizer("sgd"))
        zeros[rule] = int(np.sum(net.get_weights()[0] == 0))
    assert zeros["cumulative"] == 32
    assert zeros["proximal"] < 28
    assert zeros["shrink_first"] == zeros["subgradient"] == 0


@pytest.mark.parametrize("rule", ["cumulative", "proximal"])
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_full_batch_reaches_the_lasso_solution(kind, rule, lasso_problem):
    x, y, solution = lasso_problem
    net = lasso_network("float64", rule=rule)
    rate = 20 * LASSO_RATES[kind] if "sgd" in kind else 5 * LASSO_RATES[kind]
    schedule = rn.schedules.ExponentialDecay(rate, decay=0.99**20)
    optimizer = (
        rn.AdamW(schedule, weight_decay=0.0)
        if kind == "adamw"
        else OPTIMIZERS[kind](schedule)
    )
    rows = np.tile(x, (20, 1)), np.tile(y[:, None], (20, 1))  # 20 full batches
    net.fit(*rows, 40, len(x), optimizer, shuffle=False)
    w = net.get_weights()[0][:, 0]
    np.testing.assert_array_equal(w == 0, solution == 0)
    np.testing.assert_allclose(w, solution, atol=2e-3)


# ------------------------------------------------------------------ the same bits


def trained_bits(dtype, threads, n=700, batch_size=130):
    """Bytes of all weights after two epochs of a network with everything in it."""
    rng = np.random.default_rng(8)
    layers = [
        rn.Dropout(0.1),
        rn.Dense(37, 53, activation="gelu", weight_penalty=rn.L1(1e-3)),
        rn.Dropout(0.3),
        rn.Dense(
            53,
            41,
            activation="tanh",
            max_norm=1.5,
            bias_penalty=rn.L2(1e-3),
            weight_penalty=rn.GroupLasso(1e-3, "inputs"),
        ),
        rn.Dense(41, 7, weight_penalty=rn.SparseGroupLasso(1e-3, 1e-3)),
        rn.Dense(7, 5, weight_penalty=rn.ElasticNet(1e-3, 1e-3, rule="proximal")),
    ]
    net = rn.Network(layers, "softmax_cross_entropy", dtype=dtype, seed=4)
    x = rng.standard_normal((n, 37)).astype(dtype)
    y = rng.integers(0, 5, n)
    history = net.fit(
        x,
        y,
        epochs=2,
        batch_size=batch_size,
        optimizer=rn.Adam(0.01),
        sample_weight=rng.random(n),
        threads=threads,
    )
    return [w.tobytes() for w in net.get_weights()] + history["loss"]


@pytest.fixture
def real_threads(monkeypatch):
    """Use as many threads as asked for, however small the network."""
    monkeypatch.setattr(team, "_STEP_WORK", 1)
    monkeypatch.setattr(team, "_CALL_WORK", 1)


def test_training_bits_are_the_same_under_every_variant(dtype, each_fused_isa):
    results = each_fused_isa(lambda: trained_bits(dtype, threads=1))
    assert len({tuple(bits) for bits in results.values()}) <= 1


@pytest.mark.parametrize("share_bytes", [0, 1 << 40], ids=["units", "rows"])
def test_training_bits_do_not_depend_on_threads(
    share_bytes, dtype, isa, real_threads, monkeypatch
):
    monkeypatch.setattr(team, "_NEAR_BYTES", share_bytes)
    want = trained_bits(dtype, threads=1)
    for threads in (2, 3):
        assert trained_bits(dtype, threads) == want


def test_training_bits_do_not_depend_on_blocks(dtype, isa, real_threads, monkeypatch):
    want = trained_bits(dtype, threads=1, batch_size=600)
    monkeypatch.setattr(team, "_BLOCK_BYTES", 1)
    monkeypatch.setattr(team, "MIN_BLOCK_ROWS", 64)
    for threads in (1, 2, 3):
        got = trained_bits(dtype, threads, batch_size=600)
        assert got[:-2] == want[:-2]  # the reported loss is summed block by block
        np.testing.assert_allclose(got[-2:], want[-2:], rtol=1e-6)


@pytest.mark.parametrize("share_bytes", [0, 1 << 40], ids=["units", "rows"])
@pytest.mark.parametrize("units", [16, 45])
@pytest.mark.parametrize("n_out", [1, 3])
def test_dz_of_the_first_layer_is_the_same_as_rows_and_as_panels(
    n_out, units, share_bytes, dtype, isa, real_threads, monkeypatch
):
    """Before few outputs ReLU takes rows at once; leaky ReLU, the same here, does not."""
    monkeypatch.setattr(team, "_NEAR_BYTES", share_bytes)
    rng = np.random.default_rng(5)
    x, y = rng.standard_normal((130, 6)), rng.standard_normal((130, n_out))

    def trained(activation, batch_size, threads):
        slope = 0.0 if activation == "leaky_relu" else None
        first = rn.Dense(6, units, activation, rn.L1(1e-3), activation_param=slope)
        layers = [first, rn.Dropout(0.3), rn.Dense(units, n_out)]
        net = rn.Network(layers, dtype=dtype, seed=2)
        net.fit(x, y, 3, batch_size, rn.SGD(0.01), threads=threads)
        return net.get_weights()

    one, three = ((40,), (7, 130)) if share_bytes else ((7, 130), (40,))
    for batch_size, threads in [*((n, 1) for n in one), *((n, 3) for n in three)]:
        pairs = zip(
            trained("relu", batch_size, threads),
            trained("leaky_relu", batch_size, threads),
            strict=True,
        )
        for got, want in pairs:
            np.testing.assert_array_equal(got, want)


def turn_bits(dtype, threads, n=2100, batch_size=2000):
    """Bytes of weights and losses of a small network that trains on large batches."""
    rng = np.random.default_rng(8)
    layers = [
        rn.Dense(17, 19, activation="tanh", weight_penalty=rn.GroupLasso(1e-3)),
        rn.Dropout(0.2),
        rn.Dense(19, 3, max_norm=2.0, weight_penalty=rn.L1(1e-3)),
    ]
    net = rn.Network(layers, "softmax_cross_entropy", dtype=dtype, seed=4)
    x, y = rng.standard_normal((n, 17)).astype(dtype), rng.integers(0, 3, n)
    history = net.fit(
        x,
        y,
        3,
        batch_size,
        rn.Adam(0.01),
        sample_weight=rng.random(n),
        threads=threads,
        update_tau=0.1,
    )
    arrays = [*net.get_weights(), *net.update_average()]
    return [w.tobytes() for w in arrays], history["loss"]


def test_training_bits_do_not_depend_on_pieces(dtype, isa, real_threads, monkeypatch):
    """Pieces of a batch done in order by several threads: the same sums in one order."""
    want, loss = turn_bits(dtype, threads=1)
    monkeypatch.setattr(team, "_PIECE_BYTES", 1 << 20)
    for rows, pieces in ((64, 64), (64, 4), (192, 64)):
        monkeypatch.setattr(team, "_PIECE_ROWS", rows)
        monkeypatch.setattr(team, "_PIECES", pieces)
        for threads in (2, 3):
            got, other_loss = turn_bits(dtype, threads)
            assert got == want
            np.testing.assert_allclose(other_loss, loss, rtol=1e-6)


def test_divergence_is_noticed_in_pieces(real_threads):
    x = np.ones((20_000, 3), np.float32)
    x[12_345] = 1e30
    net = rn.Network([rn.Dense(3, 4, "relu"), rn.Dense(4, 2)], "mse", seed=0)
    before = net.get_weights()
    with pytest.raises(rn.DivergenceError):
        net.fit(x, np.full((20_000, 2), 1e30), 1, 20_000, rn.SGD(0.1), threads=2)
    for a, b in zip(net.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("n_in", [8, 16, 33, 100])
def test_layers_of_few_units_equal_the_oracle(n_in, dtype, isa, rng):
    """Their weight gradient has the inputs as vectors, with and without blocks."""
    for n_out in (1, 2, 3, 7):
        print(n_out)
        layers = [rn.Dense(5, n_in, "tanh"), rn.Dense(n_in, n_out, "sigmoid")]
        net = rn.Network(layers, "squared_error", dtype=dtype, seed=1)
        x, y = rng.standard_normal((150, 5)), rng.random((150, n_out))
        optimizer, weights = rn.Adam(0.01), weights64(net)
        state = oracle_optimizer(optimizer)
        for rows in (slice(0, 150), slice(0, 1), slice(1, 14), slice(20, 85)):
            _, weights = oracle_network(net).train_step(
                weights, x[rows], y[rows], state
            )
            net.train_step(x[rows], y[rows], optimizer)
        assert_weights_close(net, weights)


def test_rows_of_a_prediction_do_not_depend_on_their_batch(dtype, isa, rng):
    net = small_network(dtype)
    x = rng.standard_normal((150, 6)).astype(dtype)
    whole = net.predict(x)
    for first, last in ((0, 1), (7, 9), (20, 53), (149, 150), (1, 150)):
        np.testing.assert_array_equal(net.predict(x[first:last]), whole[first:last])


# --------------------------------------------------------- interrupted, continued


def continued_network(dtype):
    return small_network(dtype, rate=0.3, seed=9)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_fit_continued_equals_fit_at_once(kind, dtype, rng):
    x, y = small_data(rng, dtype, n=200)
    whole, parts = continued_network(dtype), continued_network(dtype)
    whole.fit(x, y, 5, 16, OPTIMIZERS[kind]())
    optimizer = OPTIMIZERS[kind]()
    for epochs in (2, 1, 2):
        parts.fit(x, y, epochs, 16, optimizer)
    for a, b in zip(whole.get_weights(), parts.get_weights(), strict=True):
        assert a.tobytes() == b.tobytes()


@contextlib.contextmanager
def keyboard_interrupt_after(seconds):
    """Ctrl-C in `seconds`; yields a list that receives the moment it is handled."""
    handled = []

    def interrupt(signum, frame):
        handled.append(time.perf_counter())
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        with pytest.raises(KeyboardInterrupt):
            yield handled
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


needs_timer = pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="needs POSIX timers"
)


@needs_timer
@pytest.mark.parametrize("delay", [0.03, 0.05, 0.08])
def test_interrupted_fit_goes_on_exactly_where_it_stopped(delay, rng):
    """Ctrl-C within an epoch: a whole number of steps is done, none of them twice."""
    x, y = small_data(rng, np.float32, n=100_000)
    whole, parts = continued_network("float32"), continued_network("float32")
    optimizer = rn.Adam(1e-3)
    with keyboard_interrupt_after(delay):
        parts.fit(x, y, 10_000, 4, optimizer)
    finished = parts._state.progress.epoch
    parts.fit(x, y, 1, 4, optimizer)
    whole.fit(x, y, finished + 1, 4, rn.Adam(1e-3))
    for a, b in zip(whole.get_weights(), parts.get_weights(), strict=True):
        assert a.tobytes() == b.tobytes()


@needs_timer
def test_interrupted_epoch_does_not_spoil_other_data(rng):
    """The half-finished epoch belonged to other rows: the next one starts at row 0."""
    x, y = small_data(rng, np.float32, n=400_000)
    net, optimizer = continued_network("float32"), rn.SGD(1e-3)
    with keyboard_interrupt_after(0.03):
        net.fit(x, y, 10_000, 4, optimizer)
    history = net.fit(x[:100], y[:100], 1, 16, optimizer)
    assert np.isfinite(history["loss"][0])


@needs_timer
def test_interrupt_is_answered_within_a_quarter_second(rng):
    """Also inside one enormous batch."""
    x = rng.standard_normal((60_000, 300)).astype(np.float32)
    layers = [rn.Dense(300, 600, activation="relu"), rn.Dense(600, 1)]
    net = rn.Network(layers, "squared_error")
    start = time.perf_counter()
    with keyboard_interrupt_after(0.2) as handled:
        net.fit(x, x[:, :1], 50, len(x), rn.SGD(1e-3))
    assert handled[0] - start < 0.45


# -------------------------------------------------------------------- divergence


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("rule", RULES)
def test_divergence_names_epoch_step_layer_and_keeps_weights(rule, momentum, dtype):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((64, 6)), rng.standard_normal((64, 1))
    layers = [
        rn.Dense(6, 20, activation="relu", weight_penalty=rn.L1(1e-3, rule=rule)),
        rn.Dense(20, 1, weight_penalty=rn.L1(1e-3, rule=rule)),
    ]
    net = rn.Network(layers, "squared_error", dtype=dtype, seed=1)
    with pytest.raises(rn.DivergenceError) as caught:
        net.fit(x, y, 50, 8, rn.SGD(50.0, momentum=momentum))
    error = caught.value
    place = f"epoch {error.epoch}, step {error.step}"
    place += "" if error.layer is None else f" in layer {error.layer}:"
    assert place in str(error)
    assert all(np.isfinite(w).all() for w in net.get_weights())
    assert np.isfinite(net.predict(x[:1] * 0)).all()


def test_divergence_of_one_layer_is_blamed_on_that_layer():
    net = rn.Network([rn.Dense(2, 3), rn.Dense(3, 1)], "squared_error", dtype="float32")
    big = 1e25
    net.set_weights([np.full((2, 3), big), np.zeros(3), np.full((3, 1), big), [0]])
    with pytest.raises(rn.DivergenceError, match="layer 1") as caught:
        net.fit(np.ones((4, 2)), np.ones((4, 1)), 1, 4, rn.SGD(0.1))
    assert (caught.value.epoch, caught.value.step, caught.value.layer) == (0, 0, 1)
    np.testing.assert_array_equal(net.get_weights()[0], np.float32(big))


def test_training_leaves_the_floating_point_mode_alone(rng):
    """Denormals are flushed inside training only, never in the whole process."""
    net = small_network("float32")
    x, y = small_data(rng, np.float32)
    net.fit(x, y, 1, 16, rn.SGD(0.1), threads=2)
    tiny = np.array([np.finfo(np.float32).tiny], np.float32)
    assert (tiny / np.float32(2))[0] > 0


# ---------------------------------------------------------- threads on busy machines


class Machine:
    """Two CPUs with a clock; another program takes time of the second one.

    A row takes a microsecond on one thread, and 0.55 of that on a team of two while it
    has both CPUs.  Without the second CPU a team goes on at `slowed` of the speed of one
    thread and sleeps for half of its threads' time.
    """

    def __init__(self, is_taken, slowed=0.5, calls=0.004):
        self.now, self.rows, self._is_taken = 0.0, 0, is_taken
        self._slowed, self._calls = slowed, calls

    def train(self, pace, seconds):
        """Rows per second of calls that end after `_calls` or a trial's time."""
        start, self.rows = self.now, 0
        while self.now < start + seconds:
            begun, rows, asleep, threads = self.now, 0.0, 0.0, pace.threads
            while self.now < begun + min(self._calls, pace.seconds):
                self.now += 1e-4
                taken = threads > 1 and self._is_taken(self.now)
                speed = self._slowed if taken else 1 if threads == 1 else 1 / 0.55
                rows += 100 * speed
                asleep += 1e-4 * taken
            pace.report(int(rows), self.now - begun, asleep)
            self.rows += int(rows)
        return self.rows / (self.now - start)


@pytest.fixture
def paces(monkeypatch):
    """A function (is_taken, **options) -> Machine, Pace of two threads on it."""

    def make(is_taken, **options):
        machine = Machine(is_taken, **options)
        monkeypatch.setattr(team.time, "monotonic", lambda: machine.now)
        return machine, team.Pace(2, team.Judgement())

    return make


ALONE, TOGETHER = 1e6, 1e6 / 0.55  # rows per second


@pytest.mark.parametrize("calls", [0.0003, 0.004, 0.02])
@pytest.mark.parametrize("slowed", [0.05, 0.5, 0.9])
def test_a_busy_machine_costs_little_more_than_one_thread(paces, calls, slowed):
    machine, pace = paces(lambda now: True, slowed=slowed, calls=calls)
    machine.train(pace, 1.0)
    assert machine.train(pace, 5.0) > ALONE / 1.05
    assert pace.threads == 1 or pace._on_trial


@pytest.mark.parametrize("calls", [0.0003, 0.004, 0.02])
def test_a_team_rides_out_short_disturbances(paces, calls):
    """5 ms of every 50: most of what two threads can do then."""
    machine, pace = paces(lambda now: now % 0.05 < 0.005, calls=calls)
    best = 0.9 * TOGETHER + 0.1 * ALONE / 2
    assert machine.train(pace, 5.0) > 0.95 * best


def test_a_team_returns_after_a_disturbance(paces):
    """The longer it was, the later, but within a second."""
    for until, returned in ((0.05, 0.15), (6.0, 7.1)):
        machine, pace = paces(lambda now, until=until: now < until)
        machine.train(pace, returned)
        assert machine.train(pace, 1.0) > 0.999 * TOGETHER


def test_a_disturbance_long_ago_is_forgotten(paces):
    machine, pace = paces(lambda now: now < 1 or now > 3)
    machine.train(pace, 3.0)
    assert machine.train(pace, 0.6) > 0.9 * ALONE


def test_a_team_that_is_faster_though_it_sleeps_stays(paces):
    """A CPU that another program has half of the time."""
    machine, pace = paces(lambda now: now % 0.002 < 0.001, slowed=0.5)
    assert machine.train(pace, 5.0) > 0.97 * (TOGETHER + ALONE / 2) / 2


def test_short_runs_start_from_what_is_known(paces):
    """Runs of 10 ms each, which end before they are judged, while the machine is busy
    and thereafter."""
    machine, pace = paces(lambda now: now < 4, slowed=0.1, calls=0.002)
    machine.train(pace, 1.0)

    def rows_per_second(until):
        rows, start = 0, machine.now
        while machine.now < until:
            machine.train(team.Pace(2, pace._last), 0.01)
            rows += machine.rows
        return rows / (machine.now - start)

    assert rows_per_second(4.0) > 0.95 * ALONE
    rows_per_second(5.1)
    assert rows_per_second(6.0) > 0.99 * TOGETHER


def test_one_thread_is_never_judged(paces):
    pace = team.Pace(1, team.Judgement())
    for _ in range(10):
        pace.report(1, 1.0, 1.0)
        assert pace.threads == 1 and not pace._per_row


def test_training_on_a_busy_machine_is_not_much_slower(rng, monkeypatch):
    """Another program on every CPU: threads stop waiting for each other."""
    monkeypatch.setattr(team, "_STEP_WORK", 1)
    monkeypatch.setattr(team, "_CALL_WORK", 1)
    net = small_network("float32", l1=0.0)
    x, y = small_data(rng, np.float32, n=20_000)
    net.fit(x, y, 1, 10, rn.SGD(0.01), threads=2)
    burn = "while True: pass"
    others = [
        subprocess.Popen([sys.executable, "-c", burn])
        for _ in range(team.available_threads())
    ]
    try:
        seconds = {}
        for threads in (1, 4):
            start = time.perf_counter()
            net.fit(x, y, 20, 10, rn.SGD(0.01), threads=threads)
            seconds[threads] = time.perf_counter() - start
    finally:
        for other in others:
            other.kill()
            other.wait()
    # 40 000 steps with 6 meetings each: 100 times slower if every one costs a time slice
    assert seconds[4] < 10 * seconds[1] + 1


# ------------------------------------------------------- moving average of updates


@pytest.mark.parametrize("penalty", ["l1", "group"])
def test_the_update_average_equals_its_definition(penalty, dtype, isa, rng):
    """Every batch enters, and the start-up is corrected."""
    x, y = small_data(rng, dtype)
    groups = rn.GroupLasso(0.02, "inputs")

    def build():
        layers = [
            rn.Dense(6, 9, "tanh", groups if penalty == "group" else rn.L1(0.01)),
            rn.Dense(9, 4, max_norm=0.4),
        ]
        return rn.Network(layers, "softmax_cross_entropy", dtype=dtype, seed=1)

    net, other, optimizer = build(), build(), rn.SGD(0.3)
    want, tau = [np.zeros(w.shape) for w in net.get_weights()], 0.1
    for start in range(0, 50, 16):
        before = weights64(other)
        other.train_step(x[start : start + 16], y[start : start + 16], optimizer)
        for a, old, new in zip(want, before, weights64(other), strict=True):
            a += tau * (new - old - a)
    history = net.fit(
        x, y, 1, 16, rn.SGD(0.3), shuffle=False, update_tau=tau, threads=2
    )
    for a, b in zip(net.update_average(), want, strict=True):
        assert_close(a, b / (1 - 0.9**4), dtype, scale=1.0)
    norms = [np.linalg.norm(a) for a in net.update_average() if a.ndim == 2]
    np.testing.assert_allclose(history["update_norm"][0], norms, rtol=1e-6)
    assert other.update_average() is None


def test_progress_shows_losses_of_any_size(capsys, rng):
    x = rng.standard_normal((20, 2))
    net = rn.Network([rn.Dense(2, 1)])
    net.set_weights([np.zeros((2, 1)), np.zeros(1)])
    y = np.full(20, 2e-4)
    net.fit(x, y, 1, 20, rn.SGD(1e-9), validation_data=(x, y), progress=True)
    shown = capsys.readouterr().err
    assert "loss 2e-08, val loss 2e-08" in shown
