r"""
Why does lam/m depend on the batch size, and what does dropout gain?
====================================================================

200-100-20-1, ReLU, binary cross-entropy, batches of m = 200, 150 epochs; 10 000 rows of 200
columns, of which four carry signal.  The write-up's cost of a batch is

.. math::

   J_m = \frac1m \sum_{i=1}^m \ell_i + \frac{\lambda}{2m} \sum w^2 :

its strength is divided by the size of the *batch*.  Dropout keeps a unit with probability
:math:`p = 0.8` while training and divides by it, :math:`\tilde h = m \odot h / p`; none is
dropped when accuracies are measured, on the training rows as on the test rows.

.. code-block:: none

    python examples/dropout.py [--quick]        (needs scikit-learn)
"""

from functools import partial
from typing import Any

import numpy as np
from common import arguments, finish, plt, tidy

import regnet_c as rn
from regnet_c.plots import COLORS
from regnet_c.reproduce import dropout
from regnet_c.typing import AnyArray, Logs


class Accuracies(rn.Callback):
    """Training and test accuracy after each epoch, both without dropout."""

    def __init__(self, *data: tuple[AnyArray, AnyArray]) -> None:
        self.data = data
        self.found: list[list[float]] = []

    def on_train_begin(self, network: rn.Network) -> None:
        self.network = network

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self.found.append([self.network.evaluate(*d)["accuracy"] for d in self.data])


def main() -> None:
    args = arguments(__doc__, "dropout")
    data = dropout.load()
    runs: dict[str, Any] = {
        name: partial(dropout.trained, name) for name in dropout.RUNS
    }
    runs["group penalty"] = dropout.selecting
    figure, axes = plt.subplots(2, 2, figsize=(8, 6), sharey=True, layout="constrained")
    print(f"{'network':<18}  training    test  columns used")
    for ax, (name, train) in zip(axes.flat, runs.items(), strict=True):
        epochs = 60 if name == "group penalty" else dropout.EPOCHS
        if args.quick:  # only the last run has left the plateau of its start by then
            epochs = 10
        seen = Accuracies(data[:2], data[2:])
        net = train(data, epochs=epochs, callbacks=[seen])
        curves = np.array(seen.found)
        ax.plot(range(1, epochs + 1), curves[:, 0], color=COLORS[0], label="training")
        ax.plot(range(1, epochs + 1), curves[:, 1], color=COLORS[1], label="test")
        tidy(ax, "epoch", "accuracy", f"{name}: {curves[-1, 1]:.3f}")
        last = "  ".join(f"{value:.4f}" for value in curves[-1])
        used = len(dropout.columns_used(net))
        print(f"{name:<18}    {last}  {used:12}", flush=True)
    axes[0, 0].legend(frameon=False)
    axes[0, 0].set_ylim(0.45 if args.quick else 0.85, 1.005)
    for ax in axes.flat:
        ax.yaxis.label.set_visible(ax in axes[:, 0])
    finish(figure, args)


if __name__ == "__main__":
    main()

# %%
# The answer
# ----------
#
# With batches of 50 each step pulls four times as hard, and there are four times as
# many: the same :math:`\lambda` is another objective.  ``L2.from_convention("dropout",
# lam, batch_size=m)`` gives the strength that does not change.
#
# L2 and dropout gain about half a point.  The last run shows what these data ask for: a
# group penalty on the inputs, which drops the columns of noise as a whole; the
# cumulative rule keeps them out although the batches are small.  From there to the four
# columns: :doc:`/gallery/tutorials/choosing_inputs`.
