"""Absolute or squared loss, with no, an L1 or an L2 penalty: six fits of one line.

500 points, 50 of them moved to a cluster of outliers; [x, 1] -> 100 tanh -> 104 ->
200 arctan -> 1, plain full-batch gradient descent, 800 steps of 4e-4, lam = 3 over all
matrices, the same start for all.  Which combination makes the weights smallest, and which
line does it fit?

With lam = 3 the penalties shrink the weights by far more than the data hold them: at this
number of steps sum|w| mostly measures strength x rate x steps.  How much the outliers pull
depends first of all on the loss.

The absolute-loss cases come out the same, to the digits printed, with every set of
instructions and with other implementations.  The squared-loss cases are chaotic: a start
that differs by one unit in the last place ends with a sum|w| up to 0.3 % away, so only
about two digits of theirs mean anything.

    python examples/r3_six_regressions.py [--quick]        (needs scikit-learn)
"""

import numpy as np
from common import arguments, finish, plt, tidy
from sklearn.datasets import make_regression

import regnet_c as rn
from regnet_c.plots import COLORS

LAYERS = (("tanh", 2, 100), ("identity", 100, 104))
LAYERS += (("arctan", 104, 200), ("identity", 200, 1))
LOSSES = {"absolute loss": "mae", "squared loss": "mse"}
PENALTIES = {
    "no penalty": None,
    "L1": rn.L1.from_convention("outliers", 3.0, rule="subgradient"),
    "L2": rn.L2.from_convention("outliers", 3.0),
}


def problem():
    """(x, y, starting weights), by NumPy's legacy generator in the published order."""
    np.random.seed(456789)
    x, y = make_regression(n_samples=500, n_features=1, n_informative=1, noise=0)
    x[50:100] = 1 + 0.08 * np.random.normal(size=(50, 1))
    y[50:100] = -85 + 0.8 * np.random.normal(size=50)
    start = [np.random.normal(size=(n_in, n_out)) for _, n_in, n_out in LAYERS]
    return x, y[:, None], start


def with_one(x):
    """A column of ones beside x, in place of biases."""
    return np.hstack([x, np.ones_like(x)])


def train(loss, penalty, epochs):
    """The network after `epochs` steps of gradient descent."""
    x, y, start = problem()
    layers = [
        rn.Dense(n_in, n_out, activation, penalty, use_bias=False)
        for activation, n_in, n_out in LAYERS
    ]
    net = rn.Network(layers, loss=loss, dtype="float64")
    net.set_weights(start)
    net.fit(with_one(x), y, epochs, len(x), rn.SGD(4e-4), shuffle=False)
    return net


def sum_abs(weights):
    """sum|w| over all matrices."""
    return sum(np.abs(w).sum() for w in weights)


def draw_points(ax, x, y, loss):
    """The data, outliers apart."""
    moved = np.zeros(len(x), bool)
    moved[50:100] = True
    ax.scatter(x[~moved], y[~moved], s=8, color="0.75", label="points")
    ax.scatter(x[moved], y[moved], s=8, color="0.35", label="outliers")
    tidy(ax, "x", "y", loss)


def main():
    args = arguments(__doc__, "r3_six_regressions")
    x, y, start = problem()
    line = np.linspace(x.min(), x.max(), 200)[:, None]
    print(f"start: sum|w| = {sum_abs(start):.0f}")
    print(f"{'loss':<13}  {'penalty':<10}  {'sum|w|':>8}  mean |error|")
    figure, axes = plt.subplots(
        1, 2, figsize=(11, 4.6), sharey=True, layout="constrained"
    )
    for ax, (title, loss) in zip(axes, LOSSES.items(), strict=True):
        draw_points(ax, x, y, title)
        for color, (name, penalty) in zip(COLORS, PENALTIES.items(), strict=False):
            net = train(loss, penalty, 40 if args.quick else 800)
            total = sum_abs(net.get_weights())
            error = np.abs(net.predict(with_one(x)) - y).mean()
            print(f"{title:<13}  {name:<10}  {total:8.1f}  {error:12.1f}", flush=True)
            label = f"{name}: Σ|w| = {total:.0f}"
            ax.plot(line, net.predict(with_one(line)), color=color, lw=2, label=label)
        ax.legend(frameon=False)
    finish(figure, args)


if __name__ == "__main__":
    main()
