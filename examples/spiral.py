r"""
"L2 did not help on the spiral: is my code wrong?"
==================================================

Three arms, 2-128-3, ReLU, softmax cross-entropy, full batches of 3000 points, 10 001
epochs. The data are drawn by a formula, so Bayes' rule gives the probability of each
class at each point,

.. math::

   p(c \mid r, \theta) = \frac{\varphi(\theta - 10\,(c + r))}
   {\sum_k \varphi(\theta - 10\,(k + r))},

with :math:`\varphi` the normal density of deviation 0.5 wrapped around the circle, and
with it the best accuracy any classifier can have: 0.9098.

.. code-block:: none

    python examples/spiral.py [--quick]
"""

from common import arguments, finish, plt

from regnet_c.plots import plot_decision_regions
from regnet_c.reproduce import spiral

# as configured in the write-up, without its penalty, and what helps
NAMES = (
    "as configured, bias gradient repaired",
    "no penalty",
    "He start, Adam .02, L2 1e-5",
)


def main() -> None:
    args = arguments(__doc__, "spiral")
    epochs = 200 if args.quick else spiral.EPOCHS
    figure, axes = plt.subplots(2, 2, figsize=(9.5, 9), layout="constrained")
    print(f"{'network':<38}  training  validation")
    for ax, name in zip(axes.flat, NAMES, strict=False):
        net = spiral.trained(name, 0, epochs)
        data, validation = spiral.data_of(name, 0)
        train, valid = (net.evaluate(*d)["accuracy"] for d in (data, validation))
        print(f"{name:<38}  {train:8.4f}  {valid:10.4f}", flush=True)
        plot_decision_regions(net, *validation, ax=ax)
        ax.set_title(f"{name}: {valid:.3f}")
    best, _ = spiral.bayes()
    print(f"{'Bayes':<38}  {'':8}  {best:10.4f}")
    plot_decision_regions(spiral.posterior, *validation, ax=axes[1, 1])
    axes[1, 1].set_title(f"best possible (Bayes): {best:.4f}")
    for ax in axes.flat:
        ax.get_legend().remove()
    finish(figure, args)


if __name__ == "__main__":
    main()

# %%
# The answer
# ----------
#
# The code's gradient of the bias was wrong, but that is not why.  A network whose
# training accuracy is no better than its validation accuracy, and both far below the
# best possible, does not over-fit: it under-fits, and a penalty can only hurt.  Better
# starting weights and a better optimiser are what helps.  ``net.diagnose(X, y,
# validation_data)`` says so.
