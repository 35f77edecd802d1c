r"""
L1 rules seen
=============

One objective, four ways to step.  The mean loss plus :math:`\lambda \sum |W|` has many
zeros at its minimum; which rule finds them when every step sees only a batch?

.. math::

   \begin{aligned}
   \text{subgradient} &\quad w \leftarrow w - \eta\,(g + \lambda\,\text{sign}\,w) \\
   \text{shrink first} &\quad w \leftarrow S(w, \eta\lambda) - \eta g \\
   \text{proximal} &\quad w \leftarrow S(w - \eta g, \eta\lambda) \\
   \text{cumulative} &\quad w \leftarrow S(w - \eta g, \text{all that } w \text{ owes})
   \end{aligned}

with :math:`S(w, t) = \text{sign}(w) \max(|w| - t, 0)`.
"""

import numpy as np
from matplotlib import pyplot as plt

import regnet_c as rn
from regnet_c.datasets import load_digits
from regnet_c.plots import COLORS, percent, plain
from regnet_c.typing import BoolArray, L1Rule, Logs

X, y = load_digits()
order = np.random.default_rng(0).permutation(len(X))
X, y = X[order] / np.float32(16), y[order]
RULES: tuple[L1Rule, ...] = ("subgradient", "shrink_first", "proximal", "cumulative")
SEEN = (1, 5, 20, 60)

# %%
# A callback keeps which weights of the first layer are not zero, for the epochs to be
# seen.


class Masks(rn.Callback):
    """The weights of the first layer that are not zero after some epochs."""

    def on_train_begin(self, network: rn.Network) -> None:
        self.network = network
        self.masks: dict[int, BoolArray] = {}

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        if epoch + 1 in SEEN:
            self.masks[epoch + 1] = self.network.get_weights()[0] != 0


def train(rule: L1Rule) -> tuple[dict[int, BoolArray], rn.History, float]:
    """The masks, the history and the validation accuracy of one rule."""
    layer = rn.Dense(64, 32, "relu", weight_penalty=rn.L1(1e-3, rule=rule))
    net = rn.Network([layer, rn.Dense(32, 10)], loss="softmax_cross_entropy", seed=0)
    masks = Masks()
    history = net.fit(
        X[:1200], y[:1200], 60, optimizer=rn.Adam(2e-3), callbacks=[masks]
    )
    return masks.masks, history, net.evaluate(X[1200:], y[1200:])["accuracy"]


runs = {rule: train(rule) for rule in RULES}

# %%
# Black is a weight that is not zero: 64 pixels from left to right, 32 units from top to
# bottom.  The accuracies hardly differ.

figure, axes = plt.subplots(len(RULES), len(SEEN), figsize=(9, 6), layout="constrained")
for row, (rule, (masks, _, accuracy)) in zip(axes, runs.items(), strict=True):
    row[0].set_ylabel(
        f"{rule}\n{accuracy:.1%} right", rotation=0, ha="right", va="center"
    )
    for ax, (epoch, mask) in zip(row, masks.items(), strict=True):
        ax.imshow(mask.T, cmap="Greys", vmin=0, vmax=1, aspect="auto")
        ax.set(xticks=[], yticks=[])
        ax.set_title(f"epoch {epoch}: {1 - mask.mean():.0%} zero", fontsize="small")

# %%
# The share of zeros in the whole network after every epoch:

figure, ax = plt.subplots(figsize=(7, 3.2), layout="constrained")
for rule, color, width in zip(RULES, COLORS, (4, 1.5, 1.5, 1.5), strict=False):
    zeros = runs[rule][1]["zeros"]
    ax.plot(range(1, 61), zeros, color=color, linewidth=width, label=rule)
plain(ax, "epoch", "weights exactly zero")
ax.yaxis.set_major_formatter(percent())
ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1))

# %%
# The answer
# ----------
#
# The subgradient jumps over zero.  Shrinking first lets the gradient step move every
# zero away again; what is left are pixels that are always white and units that are
# dead, where no gradient arrives.  The proximal rule stops at zero, but the noise of
# the next batch, which is larger than :math:`\eta\lambda`, pushes weights out.  The
# cumulative rule remembers what a weight at zero has not paid; noise must exceed the
# whole debt.  It is the default.  Why, and with what measurements: :doc:`/l1_rules`; as
# a lesson with exercise: :doc:`/course/zeros`.
