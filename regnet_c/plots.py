"""Plots of training runs, paths and weights, drawn with matplotlib.

matplotlib (the extra ``plot``) is imported on first use.  Every function takes
``ax`` and returns the Axes it drew on, one or an array; size, style and saving are left
to the caller.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ._core import checks
from ._core.members import refuse_members

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import FigureBase
    from matplotlib.gridspec import GridSpecBase
    from matplotlib.ticker import EngFormatter, PercentFormatter
    from numpy.typing import ArrayLike, NDArray

    from .path import RegularizationPath
    from .typing import AnyArray, BoolArray, Float64Array, FloatArray, IntArray, Rows

    AxesLike: TypeAlias = Axes | Sequence[Axes] | NDArray[Any] | None
    AxesOrArray: TypeAlias = Any  # Axes, or an array if there are several panels
    Fitted: TypeAlias = Any  # a Network, or an estimator that has one

__all__ = [
    "COLORS",
    "plot_calibration",
    "plot_decision_regions",
    "plot_filters",
    "plot_history",
    "plot_path",
    "plot_sparsity",
    "plot_trials",
    "plot_weights",
]

# Okabe and Ito's: colour-blind readers tell them apart
COLORS = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#F0E442",
    "#000000",
)

_SPIKE = COLORS[5]
_LOSSES = {"loss": ("training loss", 0), "val_loss": ("validation loss", 1)}
_SHARES = {
    "accuracy": ("training accuracy", 0),
    "val_accuracy": ("validation accuracy", 1),
    "zeros": ("weights exactly zero", 2),
}


def plot_history(history: Any, ax: AxesLike = None) -> AxesOrArray:
    """Losses above, accuracy and share of exact zeros below, against epochs.

    Explained in :doc:`/gallery/tutorials/first_network`.

    Parameters
    ----------
    history : History, dict of str to list, or a fitted Network or estimator
    ax : Axes or two Axes, optional
        A single Axes is divided.

    Returns
    -------
    Axes, or an array of two if there are accuracies or zeros

    Examples
    --------
    >>> from regnet_c import plots
    >>> ax = plots.plot_history({"loss": [0.9, 0.5, 0.4], "val_loss": [1.0, 0.7, 0.6]})
    >>> ax.figure.savefig("history.png")
    """
    network = getattr(history, "network_", history)
    unit = f" ({network.loss.name})" if hasattr(network, "loss") else ""
    values = network
    while hasattr(values, "history"):  # a network's History, a History's dict
        values = values.history
    if values is None and history is not None:
        raise ValueError("the network has no history: it has not been fitted")
    if not isinstance(values, dict):
        raise TypeError(
            f"history is {history!r:.99}, expected a History, its dict, a Network or a "
            "fitted estimator"
        )
    groups = [
        [name for name in names if name in values] for names in (_LOSSES, _SHARES)
    ]
    groups = [names for names in groups if names]
    if not groups:
        raise ValueError("the history is empty: fit has not finished an epoch")
    axes = panels(ax, len(groups), size=(6.4, 2.4), sharex=True)
    for panel, names in zip(axes, groups, strict=True):
        for name in names:
            label, color = {**_LOSSES, **_SHARES}[name]
            epochs = np.arange(1, len(values[name]) + 1)
            panel.plot(epochs, values[name], color=COLORS[color], label=label)
        plain(panel, "", f"loss{unit}" if names[0] in _LOSSES else "share")
        panel.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1))
        if names[0] in _SHARES:
            panel.set_ylim(-0.02, 1.02)
            panel.yaxis.set_major_formatter(percent())
    axes[-1].set_xlabel("epoch")
    axes[-1].locator_params(axis="x", integer=True)
    return one_or_all(axes)


def plot_trials(model: Any, ax: AxesLike = None) -> AxesOrArray:
    """Held-out scores of the recipes that raced, against the seconds they took.

    Those in the result are filled, and larger the more they weigh; the others left the
    race with the score they had then.

    Explained in :doc:`/accuracy`.

    Parameters
    ----------
    model : fitted estimator
        With `trials_`, see the parameter ``tune``.
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If there was no race.

    Examples
    --------
    >>> import numpy as np, regnet_c as rn
    >>> from regnet_c import plots
    >>> X = np.random.RandomState(0).randn(100, 2)
    >>> model = rn.RegNetRegressor(tune=4, max_iter=3, random_state=0).fit(X, X[:, 0])
    >>> ax = plots.plot_trials(model)
    >>> ax.get_xlabel()
    'seconds'
    """
    ran = [trial for trial in getattr(model, "trials_", ()) if trial.losses]
    if not ran:
        raise ValueError(
            "the estimator has no trials: fit it with tune=24, for example"
        )
    (panel,) = panels(ax, 1, size=(6.4, 4.0))
    for color, label, kept in (
        (COLORS[0], "in the result", True),
        (_SPIKE, "left", False),
    ):
        some = [trial for trial in ran if bool(trial.weight) == kept]
        panel.scatter(
            [trial.seconds for trial in some],
            [np.concatenate(trial.losses).mean() for trial in some],
            s=[30 + 120 * trial.weight for trial in some],
            facecolors=color if kept else "none",
            edgecolors=color,
            label=label,
        )
    plain(panel, "seconds", "mean loss of rows held out")
    panel.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1))
    return panel


def plot_weights(
    network: Fitted,
    layers: Sequence[int] | None = None,
    bins: int = 60,
    ax: AxesLike = None,
) -> AxesOrArray:
    """Histogram of each layer's weights; exact zeros appear as a separate spike.

    The bars count the weights that are not zero.  Both are shares of all weights of the
    layer on a logarithmic axis, so that a few weights far out stay visible.

    Explained in :doc:`/gallery/write_ups/weight_decay`.

    Parameters
    ----------
    network : Network or fitted estimator
    layers : list of int, optional
        Which Dense layers, counted from 0; default all.
    bins : int, default 60
        Approximate number of bars; one of them is centred on zero.
    ax : Axes or one per layer, optional
        A single Axes is divided.

    Returns
    -------
    Axes, or an array with one per layer

    Examples
    --------
    >>> import regnet_c as rn
    >>> from regnet_c import plots
    >>> net = rn.Network([rn.Dense(4, 8, "relu"), rn.Dense(8, 1)])
    >>> ax = plots.plot_weights(net, layers=[0])
    >>> ax.get_xlabel()
    'weight'
    """
    bins = checks.check_int(bins, "bins", minimum=1, maximum=10**6)
    chosen = _matrices(network, layers)
    axes = panels(ax, len(chosen), size=(6.4, 2.4))
    for panel, (number, w) in zip(axes, chosen, strict=True):
        _weight_histogram(panel, w, bins)
        panel.set_title(_layer_name(number, w), fontsize="medium")
    return one_or_all(axes)


def _weight_histogram(ax: Axes, w: FloatArray, bins: int) -> None:
    left, share = w[w != 0].astype(np.float64), float((w == 0).mean())
    if left.size:
        weight = np.full(left.size, 1 / w.size)
        edges = _edges(left, bins)
        ax.hist(left, edges.tolist(), weights=weight, color=COLORS[0], label="not zero")
    ax.set_yscale("log")
    floor = 0.5 / w.size
    if share:
        ax.vlines(0, floor, share, color=_SPIKE, linewidth=3, label="exactly zero")
        text = f"{share:.1%} exactly zero"
    else:
        text = "no exact zeros"
    ax.annotate(
        text,
        (0, share or 1),
        xytext=(6, 0),
        textcoords="offset points",
        color=_SPIKE,
        va="center",
    )
    ax.set_ylim(floor, 2)
    plain(ax, "weight", "share of the weights")


def _edges(values: Float64Array, bins: int) -> Float64Array:
    """About `bins` equal intervals over the values, one of them centred on zero."""
    low, high = values.min(), values.max()
    width = (high - low) / bins or abs(high)
    array: Float64Array = (
        np.arange(np.round(low / width), np.round(high / width) + 2) - 0.5
    ) * width
    return array


def plot_filters(
    network: Fitted, shape: Sequence[int] = (28, 28), n: int = 16, ax: AxesLike = None
) -> AxesOrArray:
    """The first layer's weights as images: one per unit, longest weight vector first.

    Red is positive, blue negative, the palest grey zero; all images share one scale.

    Explained in :doc:`/gallery/tutorials/first_network`.

    Parameters
    ----------
    network : Network or fitted estimator
    shape : (int, int), default (28, 28)
        Rows and columns of the inputs.
    n : int, default 16
        Maximum number of units.
    ax : Axes or one per image, optional
        A single Axes is divided.

    Returns
    -------
    Axes, or an array with one per image

    Examples
    --------
    >>> import regnet_c as rn
    >>> from regnet_c import plots
    >>> net = rn.Network([rn.Dense(64, 8, "relu"), rn.Dense(8, 10)])
    >>> axes = plots.plot_filters(net, shape=(8, 8))
    >>> len(axes)
    8
    """
    n = checks.check_int(n, "n", minimum=1)
    w = _matrices(network, [0])[0][1]
    shape = [
        checks.check_int(side, "shape", minimum=1)
        for side in checks.check_list(shape, "shape", "two integers")
    ]
    if len(shape) != 2:
        raise ValueError(f"shape has {len(shape)} entries, expected rows and columns")
    if np.prod(shape) != len(w):
        raise ValueError(
            f"shape is {shape}, {int(np.prod(shape))} pixels; the first layer has "
            f"{len(w)} inputs"
        )
    units = np.argsort(-np.linalg.norm(w, axis=0), kind="stable")[:n]
    columns = int(np.ceil(np.sqrt(len(units))))
    axes = panels(ax, len(units), size=(1.4, 1.4), columns=columns)
    top = float(np.abs(w[:, units]).max()) or 1.0
    for panel, unit in zip(axes, units, strict=True):
        image = panel.imshow(
            w[:, unit].reshape(shape), cmap="RdBu_r", vmin=-top, vmax=top
        )
        panel.set_title(f"unit {unit}", fontsize="small")
        panel.set(xticks=[], yticks=[])
    panel.figure.colorbar(image, ax=list(axes), label="weight", shrink=0.8)
    return one_or_all(axes)


def plot_sparsity(
    network: Fitted, layers: Sequence[int] | None = None, ax: AxesLike = None
) -> AxesOrArray:
    """Which weights are left: dark where a weight is not zero, white where it is.

    An input without a dark mark in its column is not used, a unit without one in its row
    is constant.

    Explained in :doc:`/choosing`.

    Parameters
    ----------
    network : Network or fitted estimator
    layers : list of int, optional
        Which Dense layers, counted from 0; default all.
    ax : Axes or one per layer, optional
        A single Axes is divided.

    Returns
    -------
    Axes, or an array with one per layer

    Examples
    --------
    >>> import regnet_c as rn
    >>> from regnet_c import plots
    >>> net = rn.Network([rn.Dense(4, 8, "relu"), rn.Dense(8, 1)])
    >>> first, second = plots.plot_sparsity(net)
    >>> second.get_xlabel()
    'input'
    """
    chosen = _matrices(network, layers)
    axes = panels(ax, len(chosen), size=(6.4, 2.4))
    for panel, (number, w) in zip(axes, chosen, strict=True):
        left = (w != 0).T
        panel.imshow(left.astype(float), cmap="Greys", vmin=0, vmax=1, aspect="auto")
        panel.set_title(
            f"{_layer_name(number, w)}, {left.mean():.1%} of the weights left",
            fontsize="medium",
        )
        panel.set(xlabel="input", ylabel="unit")
    return one_or_all(axes)


def plot_decision_regions(
    network_or_function: Any,
    X: ArrayLike,
    y: ArrayLike,
    resolution: int = 200,
    ax: AxesLike = None,
) -> Axes:
    """The predicted class over the plane, and the points.

    Explained in :doc:`/gallery/write_ups/spiral`.

    Parameters
    ----------
    network_or_function : Network, anything with predict, or callable
        Returns for (n, 2) points their labels (n,), or one score per class (n, classes), or
        the probability of class 1 (n, 1).  Where a score is NaN the plane stays white.
    X : array-like of shape (n, 2)
    y : array-like of shape (n,)
        Labels; with scores, the integers 0, 1, ...
    resolution : int, default 200
        Grid points along each side.
    ax : Axes, optional

    Returns
    -------
    Axes

    Examples
    --------
    >>> import numpy as np
    >>> from regnet_c import plots
    >>> X = np.random.RandomState(0).randn(100, 2)
    >>> ax = plots.plot_decision_regions(
    ...     lambda points: points[:, 0] > 0, X, X[:, 0] > 0, resolution=50
    ... )
    >>> ax.get_xlabel()
    'first input'
    """
    X, y = checks.as_array(X, "X").astype(np.float64), np.asarray(y)
    if X.ndim != 2 or X.shape[1] != 2 or y.shape != X.shape[:1] or not len(X):
        raise ValueError(
            f"X has shape {X.shape} and y {y.shape}, expected (n, 2) and (n,)"
        )
    if not np.isfinite(X).all():
        raise ValueError("X has NaN or infinite entries, expected finite numbers")
    resolution = checks.check_int(resolution, "resolution", minimum=1, maximum=10**4)
    predict = getattr(network_or_function, "predict", network_or_function)
    if not callable(predict):
        raise TypeError(
            f"network_or_function is {predict!r:.99}, expected predict or a function"
        )
    points, extent = grid(X, resolution)
    scores = np.asarray(predict(points))
    if scores.shape[:1] != points.shape[:1] or scores.ndim > 2:
        raise ValueError(
            f"predictions have shape {scores.shape}, expected {len(points)} rows"
        )
    classes, labels = region(scores, y)
    colors = class_colors(len(labels))
    panel: Axes = panels(ax, 1, size=(5.6, 4.0))[0]
    panel.imshow(
        np.ma.masked_invalid(classes.reshape(resolution, resolution)),
        cmap=color_map(colors),
        vmin=-0.5,
        vmax=len(labels) - 0.5,
        extent=extent,
        origin="lower",
        interpolation="nearest",
        alpha=0.35,
    )
    for color, label in zip(colors, labels, strict=True):
        own = X[y == label]
        panel.scatter(
            own[:, 0], own[:, 1], s=4, color=color, linewidths=0, label=f"class {label}"
        )
    plain(panel, "first input", "second input")
    panel.locator_params(nbins=6)
    panel.legend(frameon=False, markerscale=3, loc="upper left", bbox_to_anchor=(1, 1))
    return panel


def plot_calibration(
    network: Fitted, X: Rows, y: ArrayLike, bins: int = 10, ax: AxesLike = None
) -> Axes:
    """Whether predicted probabilities come true: the share observed against the predicted.

    Rows are sorted by the predicted probability and cut into bins of equal counts; each
    dot is one bin, with the 95 % interval of its share (Wilson 1927). On the diagonal
    the probabilities are right, below it they are too high. With more than two
    classes the probability is that of the predicted class and the share its accuracy.

    Explained in :doc:`/gallery/tutorials/imbalanced_classes`.

    Parameters
    ----------
    network : Network or classifier
        A Network that returns probabilities, or anything with ``predict_proba``.
    X : array-like of shape (n, n_in)
        Rows that were not trained on.
    y : array-like of shape (n,)
        Their labels; for a Network the integers 0, 1, ...
    bins : int, default 10
        Maximum number; at most one per row.
    ax : Axes, optional

    Returns
    -------
    Axes

    Examples
    --------
    >>> import numpy as np, regnet_c as rn
    >>> from regnet_c import plots
    >>> X = np.random.RandomState(0).randn(300, 2)
    >>> y = (X[:, 0] > 0).astype(int)
    >>> net = rn.Network([rn.Dense(2, 1)], loss="binary_cross_entropy")
    >>> history = net.fit(X[:200], y[:200])
    >>> ax = plots.plot_calibration(net, X[200:], y[200:])
    >>> ax.get_ylabel()
    'share observed'
    """
    bins = checks.check_int(bins, "bins", minimum=1, maximum=10**4)
    probability, hit = _probabilities(network, X, np.asarray(y))
    parts = np.array_split(np.argsort(probability, kind="stable"), bins)
    parts = [part for part in parts if part.size]
    x = np.array([probability[part].mean() for part in parts])
    share = np.array([hit[part].mean() for part in parts])
    low, high = _wilson(share, np.array([part.size for part in parts]))
    panel: Axes = panels(ax, 1, size=(6.8, 3.6))[0]
    panel.plot([0, 1], [0, 1], color="0.6", linewidth=1, label="calibrated")
    panel.errorbar(
        x,
        share,
        yerr=np.maximum([share - low, high - share], 0),
        fmt="o",
        color=COLORS[0],
        elinewidth=1,
        label=f"{len(parts)} bins of {parts[-1].size} rows",
    )
    plain(panel, "predicted probability", "share observed")
    panel.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_formatter(percent())
    panel.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1))
    return panel


def _probabilities(
    network: Fitted, X: Rows, y: AnyArray
) -> tuple[Float64Array, BoolArray]:
    """(probability, whether it was observed) of class 1, or of the predicted class."""
    predict = getattr(network, "predict_proba", None)
    loss = getattr(network, "loss", None)
    if predict is None and getattr(loss, "classification", False):
        predict = network.predict
    if predict is None:
        raise TypeError(
            f"network is {network!r:.99}, expected a classifier: a Network with a "
            "cross-entropy or an estimator with predict_proba"
        )
    p = np.asarray(predict(X))
    classes = getattr(network, "classes_", np.arange(max(p.shape[-1], 2)))
    if p.ndim != 2 or y.shape != p.shape[:1] or not y.size:
        raise ValueError(
            f"y has shape {y.shape} and the probabilities {p.shape}, expected one label "
            "per row"
        )
    if not np.isin(y, classes).all():
        raise ValueError(f"y has labels that are not among {list(classes)[:9]}")
    if len(classes) == 2:
        return p[:, -1].astype(np.float64), y == classes[1]
    return p.max(axis=1).astype(np.float64), y == np.asarray(classes)[p.argmax(axis=1)]


def _wilson(
    share: Float64Array, count: IntArray, z: float = 1.96
) -> tuple[Float64Array, Float64Array]:
    """Lowest and highest share that the counts are compatible with."""
    middle = share + z * z / (2 * count)
    half = z * np.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)
    return (middle - half) / (1 + z * z / count), (middle + half) / (1 + z * z / count)


# ---- paths ---------------------------------------------------------------------------

_NAMED = 7  # inputs with a colour and a name; the others are grey
_COUNTS = 9  # numbers of inputs along the top, at most
_BESIDE: dict[str, Any] = {
    "frameon": False,
    "loc": "upper left",
    "bbox_to_anchor": (1.01, 1),
}


def plot_path(path: RegularizationPath, ax: AxesLike = None) -> AnyArray:
    """Scores above, each input's weight below, against the strength.

    `RegularizationPath.plot` calls it.  The band around the validation score is one
    standard error wide on either side; vertical lines show what the rules choose, numbers
    along the top how many inputs are in use.  The most important inputs have a colour and
    their name.

    Explained in :doc:`/course/path`.

    Parameters
    ----------
    path : RegularizationPath
    ax : Axes or two Axes, optional
        A single Axes is divided.

    Returns
    -------
    array of two Axes

    Examples
    --------
    >>> import numpy as np, regnet_c as rn
    >>> from regnet_c import plots
    >>> X = np.random.RandomState(0).randn(150, 4)
    >>> path = rn.regularization_path(X, X[:, 2], n_lambdas=8)
    >>> scores, weights = plots.plot_path(path)
    >>> weights.get_ylabel()
    "norm of an input's weights"
    """
    if not hasattr(path, "train_scores"):
        raise TypeError(f"path is {path!r:.99}, expected a RegularizationPath")
    if not len(path):
        raise ValueError("the path has no steps, there is nothing to draw")
    axes = panels(ax, 2, size=(7.2, 2.7), sharex=True)
    order = np.argsort(path.strengths)
    x = path.strengths[order]
    for panel in axes:
        panel.set_xscale("log")
    _log_ticks(axes[1].xaxis, x)
    _path_scores(axes[0], path, x, order)
    _path_features(axes[1], path, x, order)
    _path_counts(axes[0], x, path.n_features[order])
    if np.isfinite(path.validation_scores).any():
        _path_rules(axes, path)
    axes[0].tick_params(labelbottom=False, which="both")
    axes[0].legend(**_BESIDE)
    if axes[1].get_legend_handles_labels()[0]:
        axes[1].legend(**_BESIDE)
    return axes


def _path_rules(axes: AnyArray, path: RegularizationPath) -> None:
    """Where the rules choose."""
    where: dict[int, list[str]] = {}
    for rule in ("1se", "best"):
        where.setdefault(path.step(rule), []).append(f"rule={rule!r}")
    for style, (step, rules) in zip("-:", where.items(), strict=False):
        for panel in axes:
            panel.axvline(path.strengths[step], color="0.3", lw=1, linestyle=style)
        axes[0].lines[-1].set_label(", ".join(rules))


def _log_ticks(axis: Axis, x: Float64Array) -> None:
    """Labels at 1, 2 and 5 times the powers of ten, at the powers alone where x is wide."""
    from matplotlib.ticker import LogLocator, NullFormatter

    wide = x[-1] > 100 * x[0]
    axis.set_major_locator(LogLocator(subs=(1,) if wide else (1, 2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def _path_scores(
    ax: Axes, path: RegularizationPath, x: Float64Array, order: NDArray[np.intp]
) -> None:
    """Accuracies, or losses in the units of y."""
    sign = 1 if path.loss.classification else -1
    ax.plot(x, sign * path.train_scores[order], "--", color=COLORS[0], label="training")
    if np.isfinite(path.validation_scores).any():
        scores = sign * path.validation_scores[order]
        errors = path.validation_errors[order]
        ax.plot(x, scores, color=COLORS[1], label="validation")
        ax.fill_between(
            x, scores - errors, scores + errors, color=COLORS[1], alpha=0.25, lw=0
        )
    plain(ax, "", "accuracy" if sign > 0 else f"loss ({path.loss.name})")
    if sign > 0:
        ax.yaxis.set_major_formatter(percent())
    else:
        ax.yaxis.set_major_formatter(engineering())


def _path_features(
    ax: Axes, path: RegularizationPath, x: Float64Array, order: NDArray[np.intp]
) -> None:
    """One line for each input."""
    weights = path.importances[order]
    gone = (weights == 0) & (np.roll(weights, 1, axis=0) == 0)
    gone[0] = False
    weights = np.where(gone, np.nan, weights)  # a line ends where it meets 0
    ranking = path._ranking()
    names = path.feature_names
    for number in ranking[_NAMED:]:
        ax.plot(x, weights[:, number], color="0.8", linewidth=0.8)
    for place, number in enumerate(ranking[:_NAMED]):
        name = f"column {number}" if names is None else _legible(names[number])
        color = (*COLORS[:6], COLORS[7])[place]
        ax.plot(x, weights[:, number], color=color, label=name)
    ax.set_ylim(bottom=0)
    plain(ax, "strength of the penalty", "norm of an input's weights")


def _legible(name: str) -> str:
    """A name as a legend takes it: short, no formula, not hidden by its underscore."""
    name = name if len(name) <= 24 else f"{name[:23]}…"
    name = name.replace("$", r"\$")
    return f" {name}" if name.startswith("_") else name


def _path_counts(ax: Axes, x: Float64Array, counts: IntArray) -> None:
    """The numbers of inputs in use, along the top."""
    places = np.unique(np.linspace(0, len(x) - 1, _COUNTS).round().astype(int))
    top = ax.secondary_xaxis("top")
    top.set_xticks(x[places], [str(counts[i]) for i in places])
    top.minorticks_off()
    top.tick_params(length=2)
    top.spines["top"].set_visible(False)
    top.set_xlabel("inputs in use")


# ---- networks ------------------------------------------------------------------------


def _matrices(
    network: Fitted, layers: Sequence[int] | None
) -> list[tuple[int, FloatArray]]:
    """[(number, W)] of the Dense layers asked for."""
    network = getattr(network, "network_", network)
    if not hasattr(network, "get_weights"):
        raise TypeError(
            f"network is {network!r:.99}, expected a Network or a fitted estimator"
        )
    refuse_members(network, "a plot of weights")
    matrices = [w for w in network.get_weights() if w.ndim == 2]
    numbers: Sequence[int] = range(len(matrices))
    if layers is not None:
        numbers = checks.check_list(layers, "layers", "integers")
    if not numbers:
        raise ValueError("layers is empty, expected at least one number")
    for number in numbers:
        checks.check_int(number, "layers")
        if not 0 <= number < len(matrices):
            raise ValueError(
                f"layers has {number}, the network's Dense layers are 0 to "
                f"{len(matrices) - 1}"
            )
    return [(number, matrices[number]) for number in numbers]


def _layer_name(number: int, w: FloatArray) -> str:
    return f"layer {number}: {w.shape[0]} × {w.shape[1]}"


# ---- axes and colours ----------------------------------------------------------------


def pyplot() -> ModuleType:
    """matplotlib.pyplot, or an error that states how to install it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        raise ImportError(
            "regnet_c.plots needs matplotlib: pip install regnet-c[plot]"
        ) from None
    return plt


def panels(
    ax: AxesLike,
    count: int,
    size: tuple[float, float],
    columns: int = 1,
    **options: Any,
) -> AnyArray:
    """An array of `count` Axes: those given, or parts of the one given, or new ones."""
    plt = pyplot()
    rows = -(-count // columns)
    if ax is None:
        figure = plt.figure(
            figsize=(size[0] * columns, size[1] * rows + 0.6), layout="constrained"
        )
        return fill(figure.add_gridspec(rows, columns), figure, count, **options)
    given = np.atleast_1d(np.asarray(ax, dtype=object)).reshape(-1)
    if not all(hasattr(one, "get_subplotspec") for one in given):
        raise TypeError(f"ax is {ax!r:.99}, expected Axes of matplotlib")
    if len(given) == 1 and count > 1 and given[0].get_subplotspec() is not None:
        given[0].set_axis_off()
        inner = given[0].get_subplotspec().subgridspec(rows, columns)
        return fill(inner, given[0].figure, count, **options)
    if len(given) != count:
        raise ValueError(f"ax has {len(given)} Axes, this plot has {count} panels")
    return given


def fill(
    grid: GridSpecBase, figure: FigureBase, count: int, sharex: bool = False
) -> AnyArray:
    """The first `count` cells of a grid as Axes."""
    axes: list[Axes] = []
    for number in range(count):
        shared = axes[0] if sharex and axes else None
        axes.append(figure.add_subplot(grid[divmod(number, grid.ncols)], sharex=shared))
    return np.array(axes, dtype=object)


def one_or_all(axes: AnyArray) -> AxesOrArray:
    """The only one of them, or all."""
    return axes[0] if len(axes) == 1 else axes


def plain(ax: Axes, xlabel: str, ylabel: str) -> None:
    """Labels, and no frame at the top and at the right."""
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.spines[["top", "right"]].set_visible(False)


def percent() -> PercentFormatter:
    """Tick labels 0 % to 100 % for shares."""
    from matplotlib.ticker import PercentFormatter

    return PercentFormatter(1, decimals=0)


def engineering() -> EngFormatter:
    """Tick labels such as 20 k or 5 m, without a factor next to the axis."""
    from matplotlib.ticker import EngFormatter

    return EngFormatter()


def class_colors(count: int) -> Sequence[Any]:
    """Okabe and Ito's for up to eight classes, then steps of a continuous scale."""
    if count <= len(COLORS):
        return COLORS[:count]
    return [pyplot().cm.viridis(x) for x in np.linspace(0, 1, count)]


def color_map(colors: Sequence[Any]) -> ListedColormap:
    """Colour number i for the value i."""
    from matplotlib.colors import ListedColormap

    return ListedColormap(colors)


# ---- the plane of `plot_decision_regions` --------------------------------------------


def grid(
    X: Float64Array, resolution: int
) -> tuple[Float64Array, tuple[float, float, float, float]]:
    """Centres of resolution^2 cells around the points (row by row), and their edges."""
    low, high = X.min(axis=0), X.max(axis=0)
    margin = 0.05 * np.where(high > low, high - low, 1)
    low, high = low - margin, high + margin
    steps = (np.arange(resolution) + 0.5) / resolution
    first, second = (low + (high - low) * steps[:, None]).T
    points = np.stack(np.meshgrid(first, second), axis=-1).reshape(-1, 2)
    return points, (low[0], high[0], low[1], high[1])


def region(scores: AnyArray, y: AnyArray) -> tuple[Float64Array, AnyArray]:
    """(place of each predicted class in the labels, NaN for none; the labels)."""
    if scores.ndim == 1:
        labels = np.unique(y)
        if not np.isin(scores, labels).all():
            raise ValueError(
                f"predictions are {np.unique(scores)[:5]} ..., y has {labels[:5]} ...; "
                "expected labels of y, or scores of shape (n, classes)"
            )
        return np.searchsorted(labels, scores).astype(np.float64), labels
    if scores.shape[1] == 1:
        scores = np.hstack([1 - scores, scores])
    unknown = np.isnan(scores).any(axis=1)
    return np.where(unknown, np.nan, scores.argmax(axis=1)), np.arange(scores.shape[1])
