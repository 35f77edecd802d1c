"""L2 and dropout for a binary classifier, and the numbers that overflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from .. import kernels
from ..layers import Dense, Dropout
from ..network import Network
from ..optimizers import SGD, Adam
from ..penalties import L2, GroupLasso
from .row import Row, Skip, one_thread_each

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from ..layers import Layer
    from ..typing import AnyCallback, Float64Array, IntArray

    # X and y to train on, X and y to test with
    Samples: TypeAlias = tuple[Float64Array, IntArray, Float64Array, IntArray]

SEED, BATCH, EPOCHS = 0, 200, 150
PAIRS = range(10)  # seeds of the paired comparison


def load() -> Samples:
    """10 000 rows of 200 columns from scikit-learn's generator, 8000 to train on."""
    try:
        from sklearn.datasets import make_classification
    except ImportError:
        reason = "the runs need scikit-learn's data: pip install regnet-c[sklearn]"
        raise Skip(reason) from None
    x, y = make_classification(10_000, 200, random_state=123)
    return x[:8000], y[:8000, None], x[8000:], y[8000:, None]


def network(lam: float = 0.0, rate: float = 0.0, seed: int = SEED) -> Network:
    """200-100-20-1 with ReLU; lam/(2m) sum w^2 with m the batch size."""
    penalty = L2.from_convention("dropout", lam, batch_size=BATCH) if lam else None
    layers: list[Layer] = []
    n_in = 200
    for units in (100, 20):
        layers.append(Dense(n_in, units, "relu", penalty, weight_init=0.01))
        if rate:
            layers.append(Dropout(rate))
        n_in = units
    layers.append(Dense(n_in, 1, weight_penalty=penalty, weight_init=0.01))
    return Network(layers, "binary_cross_entropy", seed=seed)


# name -> (lam, dropout rate, learning rate, checked test accuracy)
RUNS = {
    "no regularisation": (0.0, 0.0, 0.05, 0.9335),
    "L2 lam 1": (1.0, 0.0, 0.05, 0.9425),
    "dropout .2/.2": (0.0, 0.2, 0.02, 0.936),
}


def trained(
    name: str,
    data: Samples,
    seed: int = SEED,
    epochs: int = EPOCHS,
    callbacks: Sequence[AnyCallback] = (),
) -> Network:
    """The network of one run."""
    lam, rate, learning_rate, _ = RUNS[name]
    net, optimizer = network(lam, rate, seed), SGD(learning_rate)
    x, y, _, _ = data
    net.fit(x, y, epochs, BATCH, optimizer, callbacks=callbacks, threads=1)
    return net


def train(name: str, data: Samples, seed: int = SEED) -> float:
    """Test accuracy of one run."""
    return trained(name, data, seed).evaluate(*data[2:])["accuracy"]


def selecting(
    data: Samples,
    strength: float = 0.02,
    epochs: int = 60,
    callbacks: Sequence[AnyCallback] = (),
) -> Network:
    """The network of a group penalty on the inputs, which drops columns of noise.

    Later, the layers behind, which have no penalty, grow and the columns come back.
    """
    layers = [
        Dense(200, 100, "relu", GroupLasso(strength, "inputs")),
        Dense(100, 20, "relu"),
        Dense(20, 1),
    ]
    net = Network(layers, "binary_cross_entropy", seed=SEED)
    x, y, _, _ = data
    net.fit(x, y, epochs, BATCH, Adam(1e-3), callbacks=callbacks)
    return net


def columns_used(net: Network) -> NDArray[np.intp]:
    """Numbers of the inputs with a weight that is not zero."""
    return np.flatnonzero(np.any(net.get_weights()[0] != 0, axis=1))


def rows(data: object, progress: object) -> Iterator[Row]:
    """The check value, no NaN at any logit, the three runs, the group penalty."""
    yield from fused_loss()
    data = load()
    accuracies = one_thread_each(lambda name: train(name, data), RUNS)
    for (name, run), got in zip(RUNS.items(), accuracies, strict=True):
        good = bool(abs(got - run[-1]) <= 0.012)
        yield Row(f"{name}: test", f"{run[-1]:.4f}", f"{got:.4f}", good, str(SEED))
    yield gain_of_l2(data)
    net = selecting(data)
    got, left = net.evaluate(*data[2:])["accuracy"], columns_used(net)
    yield Row(
        "group penalty on the inputs: test",
        "about 0.959",
        f"{got:.4f}",
        bool(got >= 0.955),
        str(SEED),
    )
    columns = " ".join(map(str, left[:8])) + (" .." if len(left) > 8 else "")
    yield Row("the columns it leaves", "0 120 156 195", columns, None, str(SEED))


def gain_of_l2(data: Samples) -> Row:
    """Test accuracy with L2 less that without, from ten starts each."""
    pairs = [
        (name, seed) for seed in PAIRS for name in ("no regularisation", "L2 lam 1")
    ]
    found = one_thread_each(lambda pair: train(pair[0], data, pair[1]), pairs)
    gains = np.subtract(found[1::2], found[0::2])
    error = gains.std(ddof=1) / np.sqrt(len(gains))
    got = f"{gains.mean():.4f} ± {error:.4f}"
    good = bool(gains.mean() > 2 * error)
    return Row("gain of L2, paired", "0.0053 ± 0.0016", got, good, "0..9")


def fused_loss() -> Iterator[Row]:
    """The write-up's check value; losses and gradients at logits up to 1e4."""
    p, ones = np.array([[0.3, 0.5, 0.7]]).T, np.ones((3, 1))
    losses, _ = kernels.loss_rows("binary_cross_entropy", np.log(p / (1 - p)), ones)
    got = losses.mean()
    good = bool(abs(got - 0.7512649762748712) <= 1e-12)
    yield Row("outputs .3 .5 .7 labelled 1", "0.7512649762748712", f"{got:.16f}", good)
    for dtype in (np.float32, np.float64):
        z = np.array([[-1e4, -37, 0, 37, 1e4]], dtype).T
        finite = True
        for label in (0, 1):
            y = np.full_like(z, label)
            finite &= all(
                np.isfinite(part).all()
                for part in kernels.loss_rows("binary_cross_entropy", z, y)
            )
        name = np.dtype(dtype).name
        got = "finite" if finite else "NaN"
        yield Row(f"logits up to 1e4, {name}", "finite", got, bool(finite))
