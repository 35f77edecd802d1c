"""A single-layer perceptron, ReLU on the output, squared error, L1, update average."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ..datasets import load_digits
from ..errors import DeadStartWarning
from ..layers import Dense
from ..network import Network
from ..optimizers import SGD
from ..penalties import L1
from . import mnist
from .row import Row, Skip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..history import History
    from ..penalties import Penalty
    from ..typing import FloatArray, IntArray, StrPath

    # X and y to train on, X and y to test with, where they are from
    Samples: TypeAlias = tuple[FloatArray, IntArray, FloatArray, IntArray, str]

STRENGTHS = (1e-4, 3e-4, 1e-3, 3e-3)
LEAST_ZEROS = {"MNIST": (900, 2000, 3000, 3500), "digits": (80, 100, 120, 150)}
EPOCHS, BATCH, RATE, SEED = 30, 10, 0.05, 0


def load(path: StrPath | None) -> Samples:
    """1000 training rows and the test rows, float64, and where they come from."""
    try:
        x, y, x_test, y_test = mnist.load(path)
    except Skip:
        pixels, y = load_digits()
        grey: FloatArray = pixels / np.float32(16)
        return grey[:1000], y[:1000], grey[1000:], y[1000:], "digits"
    return x[:1000], y[:1000], x_test, y_test, "MNIST"


def perceptron(
    n_in: int, penalty: Penalty | None = None, start: float = 0.01, bias: float = 0.1
) -> Network:
    """One dense layer with ReLU outputs, all of them alive at this start."""
    layer = Dense(n_in, 10, "relu", penalty, weight_init=start)
    net = Network([layer], "squared_error", dtype="float64", seed=SEED)
    net.set_weights([net.get_weights()[0], np.full(10, bias)])
    return net


def train(
    data: Samples, penalty: Penalty | None, epochs: int = EPOCHS, **options: Any
) -> tuple[Network, float, History]:
    """(network, test accuracy, history); options are those of `Network.fit`."""
    x, y, x_test, y_test, _ = data
    net = perceptron(x.shape[1], penalty)
    history = net.fit(x, np.eye(10)[y], epochs, BATCH, SGD(RATE), **options)
    return net, (net.predict(x_test).argmax(axis=1) == y_test).mean(), history


def rows(data: StrPath | None, progress: object) -> Iterator[Row]:
    """Zeros of two rules, the update average against its definition, the dead start."""
    samples = load(data)
    seeds = f"{SEED}, {samples[-1]}"
    for strength, least in zip(STRENGTHS, LEAST_ZEROS[samples[-1]], strict=True):
        soft, accuracy, _ = train(samples, L1(strength, "proximal"))
        slope, other, _ = train(samples, L1(strength, "subgradient"))
        w = soft.get_weights()[0]
        name = f"L1 {strength:g}"
        zeros = int((slope.get_weights()[0] == 0).sum())
        yield Row(f"{name}: zeros, sub-gradient", "0", str(zeros), zeros == 0, seeds)
        zeros = int((w == 0).sum())
        yield Row(
            f"{name}: zeros, soft threshold",
            f">= {least} of {w.size}",
            str(zeros),
            zeros >= least,
            seeds,
        )
        gap = abs(accuracy - other)
        yield Row(
            f"{name}: accuracy, the two rules apart",
            "<= 0.005",
            f"{gap:.4f}",
            bool(gap <= 0.005),
            seeds,
        )
    yield from update_average(samples, seeds)
    yield dead_start(samples, seeds)


def update_average(data: Samples, seeds: str) -> Iterator[Row]:
    """The library's average of every update against the definition, step by step."""
    x, y, tau = data[0][:200], np.eye(10)[data[1][:200]], 0.01
    net, by_hand, optimizer = perceptron(x.shape[1]), perceptron(x.shape[1]), SGD(RATE)
    average: Any = 0.0
    steps = 0
    for start in range(0, len(x), BATCH):
        before = by_hand.get_weights()[0]
        rows = slice(start, start + BATCH)
        by_hand.train_step(x[rows], y[rows], optimizer)
        change = by_hand.get_weights()[0] - before
        average, steps = (1 - tau) * average + tau * change, steps + 1
    average = average / (1 - (1 - tau) ** steps)
    net.fit(x, y, 1, BATCH, SGD(RATE), shuffle=False, update_tau=tau)
    arrays = net.update_average() or []
    error = np.abs(arrays[0] - average).max()
    yield Row(
        "update average over every batch, against the definition",
        "<= 1e-12",
        f"{error:.1e}",
        bool(error <= 1e-12),
        seeds,
    )
    _, _, history = train(data, None, update_tau=tau)
    first, last = history["update_norm"][0][0], history["update_norm"][-1][0]
    yield Row(
        "its norm falls: after epoch 30 / after epoch 1",
        "< 0.5",
        f"{last / first:.3f}",
        bool(last < 0.5 * first),
        seeds,
    )


def dead_start(data: Samples, seeds: str) -> Row:
    """All-zero weights under ReLU outputs: warned of, and really never learning."""
    x, y, _x_test, _y_test, _ = data
    net = perceptron(x.shape[1], start=0.0, bias=0.0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        net.fit(x, np.eye(10)[y], 2, BATCH, SGD(RATE))
    warned = any(issubclass(w.category, DeadStartWarning) for w in caught)
    stuck = not net.get_weights()[0].any()
    got = f"{'warned' if warned else 'silent'}, {'stuck' if stuck else 'learns'}"
    return Row("zero start under ReLU", "warned, stuck", got, warned and stuck, seeds)
