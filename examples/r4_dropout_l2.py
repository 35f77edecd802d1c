"""L2 and inverted dropout for a binary classifier: training against test.

200-100-20-1, ReLU, binary cross-entropy, batches of m = 200, 150 epochs; 10 000 rows of
200 columns, of which four carry signal.  The write-up divides its L2 strength by the batch
size, lam/(2m) sum w^2: the same lam is four times stronger with batches of 50.
`L2.from_convention("dropout", lam, batch_size=m)` gives the strength that does not change.

Dropout keeps 80 % of the units of both hidden layers while training and none is dropped
when the accuracies are measured, on the training rows as on the test rows.  The last run
shows what these data ask for: a group penalty on the inputs, which drops the columns of
noise as a whole.  It takes all rows in one batch, since the noise of small batches wakes
columns that are already out: with 200 rows almost all are back at any moment.

    python examples/r4_dropout_l2.py [--quick]        (needs scikit-learn)
"""

import numpy as np
from common import arguments, finish, plt, tidy
from sklearn.datasets import make_classification

import regnet_c as rn
from regnet_c.plots import COLORS

BATCH = 200
L2 = rn.L2.from_convention("dropout", 1.0, batch_size=BATCH)

# name -> (penalty, group penalty of the first layer, dropout rate, batch, optimiser)
RUNS = {
    "no regularisation": (None, None, 0, BATCH, rn.SGD(0.05)),
    "L2, lam = 1": (L2, None, 0, BATCH, rn.SGD(0.05)),
    "dropout, keep 0.8": (None, None, 0.2, BATCH, rn.SGD(0.02)),
    "group penalty": (
        None,
        rn.GroupLasso(0.05, groups="inputs"),
        0,
        8000,
        rn.Adam(5e-3),
    ),
}


class Accuracies(rn.Callback):
    """Training and test accuracy after each epoch, both without dropout."""

    def __init__(self, train, test):
        self.data, self.found = (train, test), []

    def on_train_begin(self, network):
        self.network = network

    def on_epoch_end(self, epoch, logs):
        self.found.append([self.network.evaluate(*d)["accuracy"] for d in self.data])


def network(penalty, group, rate):
    """200-100-20-1, a Dropout behind each hidden layer if there is a rate."""
    start = (
        None if group else 0.01
    )  # the write-up's; slow, so not where it is not asked
    layers = [rn.Dense(200, 100, "relu", group or penalty, weight_init=start)]
    layers += [rn.Dropout(rate)] if rate else []
    layers += [rn.Dense(100, 20, "relu", penalty, weight_init=start)]
    layers += [rn.Dropout(rate)] if rate else []
    layers += [rn.Dense(20, 1, weight_penalty=penalty, weight_init=start)]
    return rn.Network(layers, loss="binary_cross_entropy", seed=0)


def columns_used(net):
    """How many inputs have a weight that is not zero."""
    return int(np.any(net.get_weights()[0] != 0, axis=1).sum())


def main():
    args = arguments(__doc__, "r4_dropout_l2")
    x, y = make_classification(10_000, 200, random_state=123)
    train, test = (x[:8000], y[:8000, None]), (x[8000:], y[8000:, None])
    figure, axes = plt.subplots(
        1, 4, figsize=(13, 3.6), sharey=True, layout="constrained"
    )
    print(f"{'network':<18}  training    test  columns used")
    epochs = 40 if args.quick else 150
    for ax, (name, settings) in zip(axes, RUNS.items(), strict=True):
        penalty, group, rate, batch, optimizer = settings
        net, seen = network(penalty, group, rate), Accuracies(train, test)
        net.fit(*train, epochs, batch, optimizer, callbacks=[seen])
        curves = np.array(seen.found)
        ax.plot(range(1, epochs + 1), curves[:, 0], color=COLORS[0], label="training")
        ax.plot(range(1, epochs + 1), curves[:, 1], color=COLORS[1], label="test")
        tidy(ax, "epoch", "accuracy", f"{name}: {curves[-1, 1]:.3f}")
        last = "  ".join(f"{value:.4f}" for value in curves[-1])
        print(f"{name:<18}    {last}  {columns_used(net):12}", flush=True)
    axes[0].legend(frameon=False)
    axes[0].set_ylim(0.45 if args.quick else 0.85, 1.005)
    for ax in axes[1:]:
        ax.label_outer()
    finish(figure, args)


if __name__ == "__main__":
    main()
