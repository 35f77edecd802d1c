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

    python examples/outliers.py [--quick]
"""

import numpy as np
from common import arguments, finish, plt, tidy

from regnet_c.plots import COLORS
from regnet_c.reproduce import outliers

LOSSES = {"absolute loss": "mae", "squared loss": "mse"}
PENALTIES = {"no penalty": None, "L1": "L1", "L2": "L2"}


def draw_points(ax, x, y):
    """The data, outliers apart."""
    moved = np.zeros(len(x), bool)
    moved[50:100] = True
    ax.scatter(x[~moved], y[~moved], s=8, color="0.75", label="points")
    ax.scatter(x[moved], y[moved], s=8, color="0.35", label="outliers")


def main():
    args = arguments(__doc__, "outliers")
    X, y, start = outliers.problem()
    x = X[:, :1]
    line = np.linspace(x.min(), x.max(), 200)[:, None]
    print(f"start: sum|w| = {sum(np.abs(w).sum() for w in start):.0f}")
    print(f"{'loss':<13}  {'penalty':<10}  {'sum|w|':>8}  mean |error|")
    figure, axes = plt.subplots(
        1, 2, figsize=(11, 4.6), sharey=True, layout="constrained"
    )
    epochs = 40 if args.quick else outliers.EPOCHS
    for ax, (title, loss) in zip(axes, LOSSES.items(), strict=True):
        draw_points(ax, x, y)
        tidy(ax, "x", "y", title)
        for color, (name, penalty) in zip(COLORS, PENALTIES.items(), strict=False):
            total, error, _, net = outliers.train(loss, penalty, epochs=epochs)
            print(f"{title:<13}  {name:<10}  {total:8.1f}  {error:12.1f}", flush=True)
            label = f"{name}: Σ|w| = {total:.0f}"
            fitted = net.predict(np.hstack([line, np.ones_like(line)]))
            ax.plot(line, fitted, color=color, lw=2, label=label)
        ax.legend(frameon=False)
    finish(figure, args)


if __name__ == "__main__":
    main()
