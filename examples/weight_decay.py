r"""
A mini-batch step with L2: what is its L1 version?
==================================================

n_in-100-10, sigmoid and cross-entropy, batches of 10, constant rate :math:`\eta`; the
strength :math:`\lambda` is divided by the number of training rows :math:`n`.  L2 makes
:math:`w` smaller by the factor :math:`1 - \eta\lambda/n` in each step.  L1 moves
:math:`w` towards zero by :math:`t = \eta\lambda/n`, never across it:

.. math::

   S(w, t) = \text{sign}(w) \max(|w| - t,\, 0)
   \qquad\text{not}\qquad \text{sign}(w) \max(|w - t|,\, 0),

before the gradient step ("shrink_first"), after it ("proximal"), or charging each weight
what it still owes since the start ("cumulative", the library's default).  Which one
leaves zeros?

.. code-block:: none

    python examples/weight_decay.py [--data mnist.npz] [--quick]
"""

from typing import TypeAlias

import numpy as np
from common import Figure, Images, arguments, finish, load_images, one_hot, plt, tidy
from matplotlib.gridspec import GridSpecFromSubplotSpec

import regnet_c as rn
from regnet_c.plots import COLORS, plot_weights
from regnet_c.reproduce import weight_decay

Run: TypeAlias = tuple[rn.Network, list[float]]


def train(name: str, data: Images, lam: float, epochs: int) -> Run:
    """The trained network and its test accuracy after each epoch."""
    x, y, x_test, y_test = data
    penalty = weight_decay.PENALTIES[name](lam, len(x))
    net = weight_decay.network(x.shape[1], 100, penalty)
    watch = weight_decay.Watch(x_test, y_test)
    net.fit(x, one_hot(y), epochs, 10, rn.SGD(0.5), callbacks=[watch])
    return net, watch.accuracies


def draw(runs: dict[str, Run]) -> Figure:
    """Accuracy against epochs, and the first layer's weights of each run."""
    figure = plt.figure(figsize=(9, 7), layout="constrained")
    grid = figure.add_gridspec(3, 3)
    top = figure.add_subplot(grid[0, :])
    widths = (1.5, 1.5, 6, 3.5, 1.2, 1.5)  # three curves lie one over the other
    for color, width, name in zip(COLORS, widths, runs, strict=False):
        found = runs[name][1]
        epochs = range(1, len(found) + 1)
        top.plot(epochs, found, color=color, linewidth=width, label=name)
    tidy(top, "epoch", "test accuracy")
    best = max(max(found) for _, found in runs.values())
    top.set_ylim(best - 0.05, best + 0.005)
    top.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    draw_weights(grid[1:, :].subgridspec(2, 3), runs)
    return figure


def draw_weights(grid: GridSpecFromSubplotSpec, runs: dict[str, Run]) -> None:
    """The first layer's weights of every run, on the same axes."""
    axes = np.asarray(grid.subplots(sharex=True, sharey=True))
    for ax, (name, (net, _)) in zip(axes.flat, runs.items(), strict=True):
        plot_weights(net, layers=[0], ax=ax)
        ax.set_title(name)
        ax.label_outer()
    axes[0, 0].set_xlim(-2, 2)


def main() -> None:
    args = arguments(__doc__, "weight_decay", data=True)
    data = load_images(args.data)
    lam = 2.0 if args.data else 0.2
    epochs = 2 if args.quick else 30
    print(f"lam = {lam:g}, {len(data[0])} training rows")
    print("penalty          exact zeros  test accuracy")
    runs = {}
    for name in weight_decay.PENALTIES:
        net, found = runs[name] = train(name, data, lam, epochs)
        print(f"{name:<15}  {net.zeros():>11.1%}  {found[-1]:>13.4f}")
    finish(draw(runs), args)


if __name__ == "__main__":
    main()

# %%
# The answer
# ----------
#
# The operation that is done last decides whether a weight stays at zero: shrinking
# first leaves none.  With mini-batches the noise of the gradient is far larger than
# :math:`t` and wakes zeros under the proximal rule; only the cumulative rule keeps most
# of them.  The accuracies are those of any other rule.  With measurements on MNIST:
# :doc:`/l1_rules`.
