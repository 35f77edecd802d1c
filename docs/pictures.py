"""Draws the pictures of the pages: `python docs/pictures.py`, or a Sphinx extension.

Each function trains what it shows, a few seconds, and returns a figure.  A picture that is
newer than this file is kept.
"""

import functools
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


def groups():
    """Course: dots, columns and rows."""
    cases = (
        ("L1(1e-3)", rn.L1(1e-3)),
        ('GroupLasso(5e-3, "inputs")', rn.GroupLasso(5e-3, groups="inputs")),
        ('GroupLasso(2e-2, "units")', rn.GroupLasso(2e-2, groups="units")),
    )
    figure, axes = plt.subplots(1, 3, figsize=(9, 3), sharey=True, layout="constrained")
    for ax, (name, penalty) in zip(axes, cases, strict=True):
        net, accuracy, _ = trained(penalty)
        plots.plot_sparsity(net, layers=[0], ax=ax)
        ax.set_title(
            caption(name, net, accuracy).replace(": ", "\n"), fontsize="medium"
        )
        ax.label_outer()
    return figure


def draw_norms(ax):
    """Units stop at the fence."""
    bins = np.arange(0.01, 6, 0.25)  # a norm of exactly 2 is below its edge
    for limit, color in ((None, "0.7"), (2.0, BLUE)):
        layers = [rn.Dense(64, 64, "relu", max_norm=limit), rn.Dense(64, 10)]
        net = rn.Network(layers, loss="softmax_cross_entropy", seed=0)
        net.fit(*digits()[0], 60, optimizer=rn.Adam(1e-2))
        length = np.linalg.norm(net.get_weights()[0], axis=0)
        ax.hist(length, bins, color=color, alpha=0.8, label=f"max_norm={limit}")
    plots.plain(ax, "norm of a unit's incoming weights", "units")


def norms():
    """Course: units stop at the fence."""
    figure, ax = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
    draw_norms(ax)
    ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1))
    return figure


def draw_early_stopping(ax):
    """The minimum of the validation loss; one label in five is wrong."""
    (X, y), validation = digits()
    wrong = np.random.default_rng(0).integers(0, 10, 60)
    y = np.concatenate([wrong, y[60:300]])
    layers = [rn.Dense(64, 64, "relu"), rn.Dense(64, 10)]
    net = rn.Network(layers, loss="softmax_cross_entropy", seed=0)
    history = net.fit(
        X[:300], y, 200, optimizer=rn.Adam(3e-3), validation_data=validation
    )
    x = np.arange(1, 201)
    ax.plot(x, history["loss"], color=BLUE, label="training")
    ax.plot(x, history["val_loss"], color=ORANGE, label="validation")
    best = int(np.argmin(history["val_loss"]))
    ax.axvline(x[best], color="0.3", linewidth=1, label=f"best: epoch {x[best]}")
    plots.plain(ax, "epoch", "loss (cross-entropy)")


def early_stopping():
    """Course: the minimum of the validation loss."""
    figure, ax = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
    draw_early_stopping(ax)
    ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1))
    return figure


@functools.cache
def friedman():
    """(X with names, y): five inputs that matter and fifteen of noise."""
    import pandas as pd
    from sklearn.datasets import make_friedman1

    X, y = make_friedman1(600, n_features=20, noise=1, random_state=0)
    noise = (f"noise {k}" for k in range(15))
    return pd.DataFrame(X, columns=["x1", "x2", "x3", "x4", "x5", *noise]), y


@functools.cache
def path_of_friedman():
    """Its path, cross-validated."""
    options = {"n_lambdas": 25, "lambda_min_ratio": 0.03}
    return rn.regularization_path(*friedman(), cv=3, **options)


def friedman_path():
    """Course: one line per input against the strength."""
    return path_of_friedman().plot()[0].figure


def stability():
    """Course: how often each input is chosen."""
    found = path_of_friedman().stability(*friedman(), n_subsamples=12)
    figure, ax = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
    order = np.argsort(found.strengths)
    for k, share in enumerate(found.frequencies[order].T):
        name, color = (f"x{k + 1}", plots.COLORS[k]) if k < 5 else (None, "0.8")
        ax.semilogx(found.strengths[order], share, color=color, label=name)
    plots.plain(ax, "strength of the penalty", "chosen in this share\nof the halves")
    ax.yaxis.set_major_formatter(plots.percent())
    ax.set_xticks(
        [0.02, 0.05, 0.1, 0.2, 0.5], labels=["0.02", "0.05", "0.1", "0.2", "0.5"]
    )
    ax.minorticks_off()
    ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1))
    return figure


def lassonet():
    """Course: every weight of the network under the fence of its line."""
    X, y = friedman()
    X, y = (X - X.mean()) / X.std(), (y - y.mean()) / y.std()
    layers = [rn.Dense(20, 32, "relu"), rn.Dense(32, 1)]
    net = rn.LassoNet(layers, strength=3.0, hierarchy=10.0, seed=0)
    rate = rn.schedules.CosineDecay(5e-3, epochs=1500)
    net.fit(X.to_numpy(), y, 1500, batch_size=len(X), optimizer=rn.Adam(rate))
    line = np.abs(net.get_weights()[-1][:, 0])
    largest = np.abs(net.get_weights()[0]).max(axis=1)
    figure, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
    ax.axline((0, 0), slope=10, color="0.6", linewidth=1, label="M = 10 times it")
    ax.scatter(line[5:], largest[5:], color="0.7", label="noise")
    ax.scatter(line[:5], largest[:5], color=BLUE, label="x1 to x5")
    for k in range(5):
        ax.annotate(
            f"x{k + 1}", (line[k], largest[k]), (5, -10), textcoords="offset points"
        )
    plots.plain(
        ax, "coefficient on the line, |b|", "largest weight in the network, |W|"
    )
    ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1))
    return figure


def card():
    """A figure of the size that a card of the decision page has, and its axes."""
    return plt.subplots(figsize=(4, 2.9), layout="constrained")


def legend_above(ax):
    """Where a card has room for it."""
    ax.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3)


def draw_sizes(ax, name, penalty):
    """Sizes of the first layer's weights without a penalty and with it."""
    for label, color, case in (("no penalty", "0.6", None), (name, BLUE, penalty)):
        w = trained(case)[0].get_weights()[0].ravel()
        share = np.full(w.size, 1 / w.size)
        ax.hist(w, np.linspace(-1, 1, 42), weights=share, color=color, label=label)
        share_of_zeros = (w == 0).mean()
    ax.text(0.2, 0.3, f"{share_of_zeros:.0%} exactly zero", color=BLUE)
    plots.plain(ax, "weight", "share of the weights")
    ax.yaxis.set_major_formatter(plots.percent())
    legend_above(ax)


def card_l1():
    """Decision page: a spike at zero."""
    figure, ax = card()
    draw_sizes(ax, "L1(1e-3)", rn.L1(1e-3))
    return figure


def card_l2():
    """Decision page: smaller weights, none of them zero."""
    figure, ax = card()
    draw_sizes(ax, "L2(1e-3)", rn.L2(1e-3))
    return figure


def card_elastic_net():
    """Decision page: two columns with the same information, and one of noise."""
    rng = np.random.default_rng(0)
    first, noise = rng.standard_normal((2, 400))
    second = first + 0.2 * rng.standard_normal(400)
    X = np.stack([first, second, noise], axis=1)
    y = first + second + 0.3 * rng.standard_normal(400)
    figure, ax = card()
    cases = (
        ("L1(0.5)", rn.L1(0.5), PINK),
        ("ElasticNet(0.3, 0.5)", rn.ElasticNet(0.3, 0.5), BLUE),
    )
    for place, (name, penalty, color) in enumerate(cases):
        net = rn.Network([rn.Dense(3, 1, weight_penalty=penalty)], dtype="float64")
        rate = rn.schedules.CosineDecay(0.02, epochs=400)
        net.fit(X, y, 400, batch_size=400, optimizer=rn.Adam(rate))
        w = net.get_weights()[0][:, 0]
        ax.bar(np.arange(3) + 0.4 * place, w, 0.36, color=color, label=name)
    ax.set_xticks(np.arange(3) + 0.2, ["column", "its twin", "noise"])
    plots.plain(ax, "", "weight")
    legend_above(ax)
    return figure


def card_group():
    """Decision page: inputs that are still read, as an image."""
    figure, ax = card()
    net, _, _ = trained(rn.GroupLasso(5e-3, groups="inputs"))
    norms = np.linalg.norm(net.get_weights()[0], axis=1).reshape(8, 8)
    image = ax.imshow(np.where(norms == 0, np.nan, norms), cmap="cividis")
    for row, column in np.argwhere(norms == 0):
        ax.text(column, row, "×", ha="center", va="center", color="0.5")
    ax.set(xticks=[], yticks=[], xlabel=f"{(norms == 0).sum()} pixels (×) are not read")
    figure.colorbar(image, label="norm of a pixel's weights")
    return figure


def card_dropout():
    """Decision page: the gap between training and validation."""
    figure, ax = card()
    for label, color, dropout in (("none", ORANGE, None), ("Dropout(0.5)", BLUE, 0.5)):
        history = trained(dropout=dropout, epochs=100)[2]
        epochs = np.arange(1, 101)
        ax.semilogy(epochs, history["val_loss"], color=color, label=label)
        ax.semilogy(epochs, history["loss"], color=color, linestyle=":")
    plots.plain(ax, "epoch", "loss (dotted: training)")
    legend_above(ax)
    return figure


def card_max_norm():
    """Decision page: units stop at the fence."""
    figure, ax = card()
    draw_norms(ax)
    legend_above(ax)
    return figure


def card_early_stopping():
    """Decision page: the minimum of the validation loss."""
    figure, ax = card()
    draw_early_stopping(ax)
    legend_above(ax)
    return figure


def box(ax, x, y, width, text, color):
    """A labelled box of the diagram, 0.9 high."""
    from matplotlib.patches import FancyBboxPatch

    shape = FancyBboxPatch(
        (x, y), width, 0.9, "round,pad=0,rounding_size=0.12", fc=color, ec="0.35", lw=1
    )
    ax.add_patch(shape)
    ax.text(x + width / 2, y + 0.45, text, ha="center", va="center", fontsize=8.5)


def arrow(ax, start, end, bend=0.0):
    """An arrow of the diagram."""
    style = {
        "arrowstyle": "-|>",
        "color": "0.35",
        "lw": 1.2,
        "shrinkA": 0,
        "shrinkB": 0,
    }
    ax.annotate(
        "", end, start, arrowprops=style | {"connectionstyle": f"arc3,rad={bend}"}
    )


def step():
    """How it works: one step of training in C, and what it reads and writes."""
    memory, work = "#FFF3D6", "#DCEBF7"
    figure, ax = plt.subplots(figsize=(9, 4.6), layout="constrained")
    ax.set(xlim=(-0.1, 9.4), ylim=(-0.2, 5.3), aspect="equal")
    ax.set_axis_off()
    box(ax, 0, 4.2, 1.9, "X, y\nas you gave them", memory)
    box(ax, 2.6, 4.2, 2.0, "gather\nrows of the batch", work)
    box(ax, 5.3, 4.2, 1.9, "panels\nunits first", memory)
    box(ax, 5.3, 2.8, 1.9, "forward\ntile x W, bias,\nactivation, dropout", work)
    box(ax, 2.6, 2.8, 2.0, "activations,\nslopes", memory)
    box(ax, 2.6, 1.4, 2.0, "loss, then\nbackward", work)
    box(ax, 5.3, 1.4, 1.9, "dz of each layer", memory)
    box(ax, 5.3, 0, 1.9, "gradient of a few\nrows of W", work)
    box(ax, 2.6, 0, 2.0, "optimiser, L2, L1 rule\nin one loop", work)
    box(ax, 0, 0, 1.9, "moments, ledger", memory)
    box(ax, 0, 1.7, 1.9, "W, b", memory)
    box(ax, 7.8, 2.8, 1.5, "seed, step, row\nPhilox", memory)
    arrow(ax, (1.9, 4.65), (2.6, 4.65))
    arrow(ax, (4.6, 4.65), (5.3, 4.65))
    arrow(ax, (6.25, 4.2), (6.25, 3.7))
    arrow(ax, (5.3, 3.25), (4.6, 3.25))
    arrow(ax, (3.6, 2.8), (3.6, 2.3))
    arrow(ax, (4.6, 1.85), (5.3, 1.85))
    arrow(ax, (6.25, 1.4), (6.25, 0.9))
    arrow(ax, (5.3, 0.45), (4.6, 0.45))
    arrow(ax, (2.6, 0.6), (1.9, 1.7))
    arrow(ax, (1.9, 0.3), (2.6, 0.3))
    arrow(ax, (7.8, 3.25), (7.2, 3.25))
    return figure


def path():
    """Decision page: one line per input against the strength."""
    from sklearn.datasets import load_breast_cancer

    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    return rn.regularization_path(X, y, cv=3).plot()[0].figure


def plot_history():
    """Reference: the plot of this name, as all that follow."""
    return plots.plot_history(trained(rn.L1(1e-3))[0])[0].figure


def plot_weights():
    net, _, _ = trained(rn.L1(1e-3))
    return plots.plot_weights(net)[0].figure


def plot_filters():
    net, _, _ = trained(rn.L1(1e-3))
    return plots.plot_filters(net, shape=(8, 8), n=16)[0].figure


def plot_sparsity():
    net, _, _ = trained(rn.L1(1e-3))
    return plots.plot_sparsity(net)[0].figure


def plot_decision_regions():
    from sklearn.datasets import make_moons

    X, y = make_moons(300, noise=0.2, random_state=0)
    model = rn.RegNetClassifier(random_state=0).fit(X, y)
    figure, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
    plots.plot_decision_regions(model, X, y, ax=ax)
    return figure


def plot_calibration():
    from sklearn.datasets import load_breast_cancer

    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    model = rn.RegNetClassifier(random_state=0).fit(X[::2], y[::2])
    return plots.plot_calibration(model, X[1::2], y[1::2]).figure


def plot_trials():
    model = rn.RegNetRegressor(tune=8, random_state=0).fit(*friedman())
    return plots.plot_trials(model).figure


PICTURES = (
    weights_before_and_after,
    penalties,
    strengths,
    over_fitting,
    zeros_over_epochs,
    shrinkage,
    path,
    step,
    groups,
    norms,
    early_stopping,
    friedman_path,
    stability,
    lassonet,
    card_l1,
    card_l2,
    card_elastic_net,
    card_group,
    card_dropout,
    card_max_norm,
    card_early_stopping,
    plot_history,
    plot_weights,
    plot_filters,
    plot_sparsity,
    plot_decision_regions,
    plot_calibration,
    plot_trials,
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
