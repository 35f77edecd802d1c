"""Mini-batch steps with L2, and what the L1 version should be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..callbacks import Callback
from ..layers import Dense
from ..network import Network
from ..optimizers import SGD
from ..penalties import L1, L2
from . import mnist
from .row import Row, one_thread_each

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..penalties import Penalty
    from ..typing import AnyArray, FloatArray, L1Rule, Logs, StrPath, WeightInit
    from .mnist import Images

SEED = 0
FIVE = np.array([-0.05, -0.001, 0, 0.001, 0.05])
FIVE_SHRUNK = np.array([-0.04, 0, 0, 0, 0.04])


# name -> the penalty of lam and n, the rows of the training set
PENALTIES: dict[str, Callable[[float, int], Penalty | None]] = {
    "no penalty": lambda lam, n: None,
    "L2": lambda lam, n: L2.from_convention("weight-decay", lam, n=n),
    "L1 subgradient": lambda lam, n: l1("subgradient", lam, n),
    "L1 shrink_first": lambda lam, n: l1("shrink_first", lam, n),
    "L1 proximal": lambda lam, n: l1("proximal", lam, n),
    "L1 cumulative": lambda lam, n: l1("cumulative", lam, n),
}


def l1(rule: L1Rule, lam: float, n: int) -> L1:
    """lam/n sum|w| by one of the rules."""
    return L1.from_convention("weight-decay", lam, n=n, rule=rule)


def network(
    n_in: int, hidden: int, penalty: Penalty | None, spread: float | None = None
) -> Network:
    """n_in-hidden-10 with sigmoids and cross-entropy; weights and biases are normal."""
    start: WeightInit = spread or "lecun_normal"
    layers = [
        Dense(n_in, hidden, "sigmoid", penalty, weight_init=start),
        Dense(hidden, 10, weight_penalty=penalty, weight_init=start),
    ]
    net = Network(layers, "binary_cross_entropy", seed=SEED)
    random = np.random.default_rng(SEED)
    w, b, w2, b2 = net.get_weights()
    net.set_weights([w, random.normal(size=b.shape), w2, random.normal(size=b2.shape)])
    return net


class Watch(Callback):
    """Validation accuracy after every epoch; a rate of 0.5 makes it jump by 0.005."""

    x: FloatArray
    y: AnyArray

    def __init__(self, x: FloatArray, y: AnyArray) -> None:
        self.x, self.y = x, y
        self.accuracies: list[float] = []

    def on_train_begin(self, network: Network) -> None:
        self.network = network

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self.accuracies.append(accuracy(self.network, self.x, self.y))


def accuracy(net: Network, x: FloatArray, y: AnyArray) -> float:
    """Share of rows whose largest output is the right one."""
    value: float = (net.predict(x).argmax(axis=1) == y).mean()
    return value


def rows(data: StrPath | None, progress: bool) -> Iterator[Row]:
    """The five weights, the two networks, over-fitting on 1000 images and its cure."""
    yield from five_weights()
    x, y, x_val, y_val = validation_split(data)
    targets = np.eye(10)[y].astype(np.float32)
    for hidden, least, published in ((30, 0.960, 0.9650), (100, 0.975, 0.9781)):
        penalty = PENALTIES["L2"](5.0, len(x))
        net, watch = network(784, hidden, penalty), Watch(x_val, y_val)
        net.fit(x, targets, 30, 10, SGD(0.5), callbacks=[watch], progress=progress)
        got, name = max(watch.accuracies), f"784-{hidden}-10, L2 lam 5"
        expected = f">= {least:.3f} ({published:.4f})"
        yield Row(
            f"{name}: best validation of 30 epochs",
            expected,
            f"{got:.4f}",
            bool(got >= least),
            str(SEED),
        )
        last = f"{np.mean(watch.accuracies[-10:]):.4f}"
        yield Row(f"{name}: mean of the last 10 epochs", "", last, None, str(SEED))
    yield from small_set(x[:1000], y[:1000], x_val, y_val)


def validation_split(data: StrPath | None) -> Images:
    """50 000 images to train on and 10 000 to validate on."""
    x, y, _, _ = mnist.load(data)
    return x[:50_000], y[:50_000], x[50_000:], y[50_000:]


def five_weights() -> Iterator[Row]:
    """S(w, 0.01) of the write-up's five weights, by one training step of each rule."""
    for rule in ("cumulative", "proximal", "shrink_first"):
        layer = Dense(1, 5, weight_penalty=L1(0.1, rule), use_bias=False)
        net = Network([layer], dtype="float64")
        net.set_weights([FIVE[None]])
        net.train_step(np.zeros((1, 1)), np.zeros((1, 5)), SGD(0.1))
        got = net.get_weights()[0][0]
        exact = bool(np.abs(got - FIVE_SHRUNK).max() <= 1e-17) and not got[1:4].any()
        text = " ".join(f"{w + 0:g}" for w in got)
        yield Row(f"five weights, {rule}", "-0.04 0 0 0 0.04", text, exact)


def small_set(
    x: FloatArray, y: AnyArray, x_val: FloatArray, y_val: AnyArray
) -> Iterator[Row]:
    """1000 images, N(0, 1) start, 400 epochs: without penalty and with lam = 0.1."""
    targets = np.eye(10)[y].astype(np.float32)

    def run(lam: float) -> tuple[float, float, str]:
        penalty = PENALTIES["L2"](lam, len(x)) if lam else None
        net = network(784, 30, penalty, spread=1.0)
        net.fit(x, targets, 400, 10, SGD(0.5), threads=1)
        validation = (x_val, np.eye(10, dtype=np.float32)[y_val])
        verdict = net.diagnose(x, targets, validation).fit
        return accuracy(net, x, y), accuracy(net, x_val, y_val), verdict

    (train, plain, verdict), (_, cured, _) = one_thread_each(run, (0.0, 0.1))
    seeds = str(SEED)
    over = bool(train >= 0.999 and plain <= 0.86)
    yield Row(
        "1000 images, no penalty: training, validation",
        "1.000, 0.822",
        f"{train:.3f}, {plain:.3f}",
        over,
        seeds,
    )
    yield Row(
        "the verdict of diagnose",
        "over-fitting",
        verdict,
        verdict == "over-fitting",
        seeds,
    )
    better = bool(cured >= plain + 0.02)
    yield Row(
        "1000 images, L2 lam 0.1: validation",
        ">= 0.02 better (0.870)",
        f"{cured:.3f}",
        better,
        seeds,
    )
