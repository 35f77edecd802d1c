"""A spiral of three classes, 2-128-3, L2: does regularisation help?"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..layers import Dense
from ..network import Network
from ..optimizers import SGD, Adam
from ..penalties import L2
from .row import Row, one_thread_each, spread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..optimizers import Optimizer
    from ..typing import Float64Array, IntArray

POINTS, CLASSES, NOISE = 1000, 3, 0.2
EPOCHS, SEEDS = 10_001, range(5)


def spiral(points: int, random: np.random.Generator) -> tuple[Float64Array, IntArray]:
    """(X, y): class c at radius r and angle 4 (c + r) + 0.2 N(0, 1), turned 2.5 times."""
    radius = np.linspace(0, 1, points)
    x = []
    for c in range(CLASSES):
        angle = 4 * (c + radius) + NOISE * random.standard_normal(points)
        x.append(np.c_[radius * np.sin(2.5 * angle), radius * np.cos(2.5 * angle)])
    return np.concatenate(x), np.repeat(np.arange(CLASSES), points)


def posterior(x: Float64Array) -> Float64Array:
    """P(class | point), shape (n, 3), from the way the data are made.

    A point tells its radius r and 2.5 times its angle modulo 2 pi.  Given r, the angle of
    class c is normal around 4 (c + r), so the density of the turned angle is a normal of
    standard deviation 0.5 around 10 (c + r), wrapped around the circle; the radius has
    the same density in every class.  NaN outside the unit disc, where no point can be.
    """
    radius, turned = np.hypot(*x.T), np.arctan2(x[:, 0], x[:, 1])
    density = _densities(radius, turned)
    density[radius > 1 + 1e-9] = np.nan
    array: Float64Array = density / density.sum(axis=1, keepdims=True)
    return array


def _densities(radius: float | Float64Array, turned: Float64Array) -> Float64Array:
    """Of the turned angle in each class, shape (n, 3), up to one factor."""
    wraps = 2 * math.pi * np.arange(-2, 3)  # of |away| <= pi: the others add nothing
    density = []
    for c in range(CLASSES):
        away = (turned - 10 * (c + radius) + math.pi) % (2 * math.pi) - math.pi
        away = (away[:, None] + wraps) / (2.5 * NOISE)
        density.append(np.exp(-0.5 * away**2).sum(axis=1))
    return np.array(density).T


def bayes(angles: int = 3600) -> tuple[float, float]:
    """(accuracy, log-loss) of the posterior: integrals over the turned angle.

    One radius is enough, as another only turns the densities.  The trapezoidal rule over a
    period converges faster than any power of the number of angles.
    """
    density = _densities(0.0, np.linspace(0, 2 * math.pi, angles, endpoint=False))
    density /= density.sum()  # of class and angle together
    log_p = np.log(density / density.sum(axis=1, keepdims=True))
    return float(density.max(axis=1).sum()), -float((density * log_p).sum())


def network(
    seed: int, l2: float = 0.0, l2_bias: float = 0.0, start: float | None = None
) -> Network:
    """2-128-3; start None: He et al."""
    weight, bias = (
        L2.from_convention("spiral", s) if s else None for s in (l2, l2_bias)
    )
    layers = [
        Dense(2, 128, "relu", weight, bias, weight_init=start),
        Dense(128, 3, weight_init=start),
    ]
    return Network(layers, "softmax_cross_entropy", dtype="float64", seed=seed)


# name -> (network's arguments, optimiser, points per class, checked validation figure)
RUNS: dict[str, tuple[dict[str, float], Callable[[], Optimizer], int, str]] = {
    "as configured, bias gradient repaired": (
        {"l2": 5e-4, "l2_bias": 5e-4, "start": 0.01},
        lambda: SGD(1.0, momentum=0.5),
        POINTS,
        ".698 ± .045",
    ),
    "no penalty": (
        {"start": 0.01},
        lambda: SGD(1.0, momentum=0.5),
        POINTS,
        ".838 ± .037",
    ),
    "L2 1e-5": (
        {"l2": 1e-5, "l2_bias": 1e-5, "start": 0.01},
        lambda: SGD(1.0, momentum=0.5),
        POINTS,
        ".831 ± .047",
    ),
    "He start, Adam .02": ({}, lambda: Adam(0.02), POINTS, ".889 ± .006"),
    "He start, Adam .02, L2 1e-5": (
        {"l2": 1e-5, "l2_bias": 1e-5},
        lambda: Adam(0.02),
        POINTS,
        ".8945 ± .004",
    ),
    "300 points, He, Adam, no penalty": (
        {},
        lambda: Adam(0.02),
        100,
        "(over-fits) .808",
    ),
    "300 points, He, Adam, L2 5e-5": (
        {"l2": 5e-5, "l2_bias": 5e-5},
        lambda: Adam(0.02),
        100,
        ".838",
    ),
}


def data_of(
    name: str, seed: int
) -> tuple[tuple[Float64Array, IntArray], tuple[Float64Array, IntArray]]:
    """(training data, validation data) of a run."""
    random = np.random.default_rng(1000 + seed)
    return spiral(RUNS[name][2], random), spiral(POINTS, random)


def trained(name: str, seed: int, epochs: int = EPOCHS) -> Network:
    """The network of a run."""
    arguments, optimizer, _, _ = RUNS[name]
    (x, y), _ = data_of(name, seed)
    net = network(seed, **arguments)
    net.fit(x, y, epochs, len(x), optimizer(), threads=1)
    return net


def train(name: str, seed: int, epochs: int = EPOCHS) -> tuple[float, float, str]:
    """(training accuracy, validation accuracy, the verdict of diagnose)."""
    (x, y), validation = data_of(name, seed)
    found = trained(name, seed, epochs).diagnose(x, y, validation)
    assert found.validation is not None  # it was given
    return found.train["accuracy"], found.validation["accuracy"], found.fit


def rows(data: object, progress: object) -> Iterator[Row]:
    """Bayes figures, then every run as mean and deviation over five seeds."""
    accuracy, loss = bayes()
    good = abs(accuracy - 0.9098) < 0.001
    yield Row("Bayes accuracy, analytic posterior", "0.9098", f"{accuracy:.4f}", good)
    good = abs(loss - 0.2133) < 0.002
    yield Row("Bayes log-loss", "0.2133", f"{loss:.4f}", good)
    best = 0.0
    seeds = f"{SEEDS[0]}..{SEEDS[-1]}"
    for name, (_, _, points, checked) in RUNS.items():
        results = one_thread_each(lambda seed: train(name, seed), SEEDS)  # noqa: B023
        training, validation, words = zip(*results, strict=True)
        if points == POINTS:
            best = max(best, np.mean(validation))
        yield Row(f"{name}: training", "", spread(training), None, seeds)
        yield Row(f"{name}: validation", checked, spread(validation), None, seeds)
        if name.startswith("as configured"):
            verdict = max(set(words), key=words.count)
            yield Row(
                "the verdict of diagnose",
                "under-fitting",
                verdict,
                verdict == "under-fitting",
                seeds,
            )
    yield Row(
        "best cure: validation", ">= 0.885", f"{best:.4f}", bool(best >= 0.885), seeds
    )
