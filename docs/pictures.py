"""Draws the pictures of the pages: `python docs/pictures.py`, or a Sphinx extension.

Each function trains what it shows, a few seconds, and returns a figure.  A picture that is
newer than this file is kept.
"""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import numpy as np
from matplotlib import pyplot as plt

import regnet_c as rn
from regnet_c import plots
from regnet_c.datasets import load_digits

FOLDER = Path(__file__).parent / "generated"
BLUE, ORANGE, GREEN, PINK = plots.COLORS[:4]


def digits():
    """Training and validation rows, shuffled once."""
    X, y = load_digits()
    order = np.random.default_rng(0).permutation(len(X))
    X, y = X[order] / np.float32(16), y[order]
    return (X[:1200], y[:1200]), (X[1200:], y[1200:])


def trained(penalty=None, dropout=None, epochs=60, width=64):
    """A network, its validation accuracy, and its History."""
    train, validation = digits()
    layers = [rn.Dense(64, width, "relu", weight_penalty=penalty)]
    if dropout:
        layers.append(rn.Dropout(dropout))
    layers.append(rn.Dense(width, 10))
    net = rn.Network(layers, loss="softmax_cross_entropy", seed=0)
    schedule = rn.schedules.CosineDecay(3e-3, epochs=epochs)
    history = net.fit(
        *train, epochs, optimizer=rn.Adam(schedule), validation_data=validation
    )
    return net, net.evaluate(*validation)["accuracy"], history


def caption(name, net, accuracy):
    """Name, share of zeros in the first layer, accuracy."""
    zeros = (net.get_weights()[0] == 0).mean()
    return f"{name}: {zeros:.0%} zeros, {accuracy:.1%} right"


def weights_before_and_after():
    """Start page: what eight units look at, without a penalty and with L1."""
    figure = plt.figure(figsize=(8, 3.2), layout="constrained")
    cases = (("no penalty", None), ("L1(1e-3)", rn.L1(1e-3)))
    for part, (name, penalty) in zip(figure.subfigures(2), cases, strict=True):
        net, accuracy, _ = trained(penalty)
        w = net.get_weights()[0]
        units = np.argsort(-np.linalg.norm(w, axis=0), kind="stable")[:8]
        top = np.abs(w[:, units]).max()
        for ax, unit in zip(part.subplots(1, 8), units, strict=True):
            image = w[:, unit].reshape(8, 8)
            ax.imshow(image, cmap="RdBu_r", vmin=-top, vmax=top)
            ax.set(xticks=[], yticks=[])
        part.suptitle(caption(name, net, accuracy), fontsize="medium")
    return figure


def penalties():
    """Decision page: which weights of the first layer are left."""
    cases = (
        ("none", None),
        ("L2(1e-3)", rn.L2(1e-3)),
        ("L1(1e-3)", rn.L1(1e-3)),
        ('GroupLasso(5e-3, "inputs")', rn.GroupLasso(5e-3, groups="inputs")),
    )
    figure, axes = plt.subplots(2, 2, figsize=(9, 5.4), layout="constrained")
    for ax, (name, penalty) in zip(axes.flat, cases, strict=True):
        net, accuracy, _ = trained(penalty)
        plots.plot_sparsity(net, layers=[0], ax=ax)
        ax.set_title(caption(name, net, accuracy), fontsize="medium")
    return figure


def strengths():
    """Decision page: accuracy and zeros against the strength of L1."""
    values = np.geomspace(1e-5, 1e-1, 13)
    found = [trained(rn.L1(value)) for value in values]
    figure, (above, below) = plt.subplots(
        2, 1, figsize=(6.4, 4.6), sharex=True, layout="constrained"
    )
    above.semilogx(values, [accuracy for _, accuracy, _ in found], "o-", color=ORANGE)
    zeros = [(net.get_weights()[0] == 0).mean() for net, _, _ in found]
    below.semilogx(values, zeros, "o-", color=GREEN)
    plots.plain(above, "", "validation accuracy")
    plots.plain(below, "strength of L1", "first layer's weights\nexactly zero")
    for ax in (above, below):
        ax.yaxis.set_major_formatter(plots.percent())
    return figure


def over_fitting():
    """Decision page: how the losses part, and what holds them together."""
    cases = (
        ("no regulariser", {}),
        ("L2(1e-3)", {"penalty": rn.L2(1e-3)}),
        ("Dropout(0.5)", {"dropout": 0.5}),
    )
    figure, axes = plt.subplots(
        1, 3, figsize=(9, 3), sharey=True, sharex=True, layout="constrained"
    )
    for ax, (name, options) in zip(axes, cases, strict=True):
        history = trained(**options, epochs=100)[2]
        for key, label, color in (
            ("loss", "training", BLUE),
            ("val_loss", "validation", ORANGE),
        ):
            ax.semilogy(np.arange(1, 101), history[key], color=color, label=label)
        plots.plain(ax, "epoch", "loss (cross-entropy)" if ax is axes[0] else "")
        ax.set_title(name, fontsize="medium")
    axes[2].legend(frameon=False, loc="upper left", bbox_to_anchor=(1.02, 1))
    return figure


def zeros_over_epochs():
    """Course: what three L1 rules do with the same objective."""
    figure, ax = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
    rules = ("cumulative", "proximal", "subgradient")
    for rule, color in zip(rules, (BLUE, ORANGE, PINK), strict=True):
        history = trained(rn.L1(1e-3, rule=rule), epochs=60)[2]
        ax.plot(np.arange(1, 61), history["zeros"], color=color, label=rule)
    plots.plain(ax, "epoch", "weights exactly zero")
    ax.yaxis.set_major_formatter(plots.percent())
    ax.set_ylim(-0.02, 1)
    ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.02, 1))
    return figure


def shrinkage():
    """Course: where the best weight is, against where the data alone want it."""
    x = np.linspace(-3, 3, 601)
    figure, ax = plt.subplots(figsize=(5.6, 3.4), layout="constrained")
    ax.plot(x, x, color="0.7", label="no penalty")
    soft = np.sign(x) * np.maximum(np.abs(x) - 1, 0)
    ax.plot(x, soft, color=BLUE, label="L1, strength 1")
    ax.plot(x, x / 2, color=ORANGE, label="L2, strength 1/2")
    plots.plain(ax, "weight without a penalty", "weight with it")
    ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.02, 1))
    return figure


def path():
    """Decision page: one line per input against the strength."""
    from sklearn.datasets import load_breast_cancer

    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    return rn.regularization_path(X, y, cv=3).plot()[0].figure


PICTURES = (
    weights_before_and_after,
    penalties,
    strengths,
    over_fitting,
    zeros_over_epochs,
    shrinkage,
    path,
)


def draw(app=None):
    """Draw what is older than this file."""
    FOLDER.mkdir(exist_ok=True)
    for picture in PICTURES:
        file = FOLDER / f"{picture.__name__}.png"
        if not file.exists() or file.stat().st_mtime < Path(__file__).stat().st_mtime:
            figure = picture()
            figure.savefig(file, dpi=120)
            plt.close(figure)


def setup(app):
    """What Sphinx calls."""
    app.connect("builder-inited", draw)
    return {"parallel_read_safe": True}


if __name__ == "__main__":
    draw()
