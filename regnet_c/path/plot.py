"""The plot of a regularization path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..plots import COLORS, engineering, panels, percent, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from numpy.typing import NDArray

    from ..plots import AxesLike
    from ..typing import AnyArray, Float64Array, IntArray
    from .result import RegularizationPath

_NAMED = 7  # inputs with a colour and a name; the others are grey
_COUNTS = 9  # numbers of inputs along the top, at most
_BESIDE: dict[str, Any] = {
    "frameon": False,
    "loc": "upper left",
    "bbox_to_anchor": (1.01, 1),
}


def plot_path(path: RegularizationPath, ax: AxesLike = None) -> AnyArray:
    """Scores above, each input's weight below, against the strength.

    Parameters
    ----------
    path : RegularizationPath
    ax : Axes or two Axes, optional
        A single Axes is divided.

    Returns
    -------
    array of two Axes
    """
    if not len(path):
        raise ValueError("the path has no steps, there is nothing to draw")
    axes = panels(ax, 2, size=(7.2, 2.7), sharex=True)
    order = np.argsort(path.strengths)
    x = path.strengths[order]
    for panel in axes:
        panel.set_xscale("log")
    _ticks(axes[1].xaxis, x)
    _scores(axes[0], path, x, order)
    _features(axes[1], path, x, order)
    _counts(axes[0], x, path.n_features[order])
    if np.isfinite(path.validation_scores).any():
        _rules(axes, path)
    axes[0].tick_params(labelbottom=False, which="both")
    axes[0].legend(**_BESIDE)
    if axes[1].get_legend_handles_labels()[0]:
        axes[1].legend(**_BESIDE)
    return axes


def _rules(axes: AnyArray, path: RegularizationPath) -> None:
    """Where the rules choose."""
    where: dict[int, list[str]] = {}
    for rule in ("1se", "best"):
        where.setdefault(path.step(rule), []).append(f"rule={rule!r}")
    for style, (step, rules) in zip("-:", where.items(), strict=False):
        for panel in axes:
            panel.axvline(path.strengths[step], color="0.3", lw=1, linestyle=style)
        axes[0].lines[-1].set_label(", ".join(rules))


def _ticks(axis: Axis, x: Float64Array) -> None:
    """Labels at 1, 2 and 5 times the powers of ten, at the powers alone where x is wide."""
    from matplotlib.ticker import LogLocator, NullFormatter

    wide = x[-1] > 100 * x[0]
    axis.set_major_locator(LogLocator(subs=(1,) if wide else (1, 2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def _scores(
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


def _features(
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


def _counts(ax: Axes, x: Float64Array, counts: IntArray) -> None:
    """The numbers of inputs in use, along the top."""
    places = np.unique(np.linspace(0, len(x) - 1, _COUNTS).round().astype(int))
    top = ax.secondary_xaxis("top")
    top.set_xticks(x[places], [str(counts[i]) for i in places])
    top.minorticks_off()
    top.tick_params(length=2)
    top.spines["top"].set_visible(False)
    top.set_xlabel("inputs in use")
