"""A spiral of three classes: "regularisation did not help, is my code wrong?"

2-128-3, ReLU, softmax cross-entropy, full batches of 3000 points, 10 001 epochs.  How the
data are made gives the probability of each class at each point, so the best accuracy any
classifier can have is known: 0.9098.  A network at .84 whose training accuracy is no
better does not over-fit, it under-fits: a penalty can only hurt.  Better starting weights
and a better optimiser are what helps.

    python examples/r2_spiral.py [--quick]
"""

import numpy as np
from common import arguments, finish, plt

import regnet_c as rn
from regnet_c.plots import plot_decision_regions

TURNS, NOISE = 2.5, 0.2


def spiral(points, random):
    """(X, y): class c has angles theta = 4 c + 4 r + 0.2 N(0, 1), r from 0 to 1; the
    point is (r sin 2.5 theta, r cos 2.5 theta)."""
    r, found = np.linspace(0, 1, points), []
    for c in range(3):
        theta = 4 * c + 4 * r + NOISE * random.standard_normal(points)
        found.append(np.c_[r * np.sin(TURNS * theta), r * np.cos(TURNS * theta)])
    return np.concatenate(found), np.repeat(np.arange(3), points)


def posterior(x):
    """P(class | point), shape (n, 3); NaN outside the unit disc, where no point can be.

    A point shows its radius r and its angle phi = 2.5 theta modulo 2 pi.  Given r and c,
    2.5 theta is normal with mean 10 (c + r) and deviation 0.5, so phi has that normal
    wrapped around the circle: the sum over k of its density at phi + 2 pi k.  The radius
    is uniform in every class and dx dy = r dr dphi for all of them, so both cancel.
    """
    r, phi = np.hypot(x[:, 0], x[:, 1]), np.arctan2(x[:, 0], x[:, 1])
    density = np.stack([wrapped_normal(phi - 10 * (c + r)) for c in range(3)], axis=1)
    density[r > 1] = np.nan
    return density / density.sum(axis=1, keepdims=True)


def wrapped_normal(angle):
    """Density of N(0, 0.5) wrapped around the circle."""
    deviation = TURNS * NOISE
    away = np.remainder(angle + np.pi, 2 * np.pi) - np.pi
    away = away[..., None] + 2 * np.pi * np.arange(-3, 4)
    scale = deviation * np.sqrt(2 * np.pi)
    return np.exp(-0.5 * (away / deviation) ** 2).sum(axis=-1) / scale


def bayes_accuracy(steps=100_000):
    """Mean of the largest posterior: an integral over phi, the same at every radius."""
    phi = (np.arange(steps) + 0.5) * 2 * np.pi / steps
    density = [wrapped_normal(phi - 10 * c) for c in range(3)]
    return np.max(density, axis=0).mean() * 2 * np.pi / 3


def network(l2, start):
    """2-128-3 with L2 on the first layer's weights and biases."""
    penalty = rn.L2.from_convention("spiral", l2) if l2 else None
    layers = [
        rn.Dense(2, 128, "relu", penalty, bias_penalty=penalty, weight_init=start),
        rn.Dense(128, 3, weight_init=start),
    ]
    return rn.Network(layers, loss="softmax_cross_entropy", seed=0)


# name -> (l2, deviation of the starting weights or an initialiser, optimiser)
RUNS = {
    "L2 5e-4, small start, SGD": (5e-4, 0.01, rn.SGD(1.0, momentum=0.5)),
    "no penalty, small start, SGD": (0, 0.01, rn.SGD(1.0, momentum=0.5)),
    "L2 1e-5, He start, Adam": (1e-5, "he_normal", rn.Adam(0.02)),
}


def main():
    args = arguments(__doc__, "r2_spiral")
    random = np.random.default_rng(0)
    (x, y), validation = spiral(1000, random), spiral(1000, random)
    figure, axes = plt.subplots(2, 2, figsize=(9.5, 9), layout="constrained")
    print(f"{'network':<30}  training  validation")
    for ax, (name, (l2, start, optimizer)) in zip(
        axes.flat, RUNS.items(), strict=False
    ):
        net = network(l2, start)
        net.fit(x, y, 300 if args.quick else 10_001, len(x), optimizer)
        train, valid = (net.evaluate(*d)["accuracy"] for d in ((x, y), validation))
        print(f"{name:<30}  {train:8.4f}  {valid:10.4f}", flush=True)
        plot_decision_regions(net, *validation, ax=ax)
        ax.set_title(f"{name}: {valid:.3f}")
    best = bayes_accuracy()
    print(f"{'Bayes':<30}  {'':8}  {best:10.4f}")
    plot_decision_regions(posterior, *validation, ax=axes[1, 1])
    axes[1, 1].set_title(f"best possible (Bayes): {best:.4f}")
    for ax in axes.flat:
        ax.get_legend().remove()
    finish(figure, args)


if __name__ == "__main__":
    main()
