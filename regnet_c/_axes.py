"""How plots get their Axes and colours; the only place that imports matplotlib."""

import numpy as np

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


def pyplot():
    """matplotlib.pyplot, or one sentence that says how to get it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        raise ImportError(
            "regnet_c.plots needs matplotlib: pip install regnet-c[plot]"
        ) from None
    return plt


def panels(ax, count, size, columns=1, **options):
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


def fill(grid, figure, count, sharex=False):
    """The first `count` cells of a grid as Axes."""
    axes = []
    for number in range(count):
        shared = axes[0] if sharex and axes else None
        axes.append(figure.add_subplot(grid[divmod(number, grid.ncols)], sharex=shared))
    return np.array(axes, dtype=object)


def one_or_all(axes):
    """The only one of them, or all."""
    return axes[0] if len(axes) == 1 else axes


def plain(ax, xlabel, ylabel):
    """Labels, and no frame at the top and at the right."""
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.spines[["top", "right"]].set_visible(False)


def percent():
    """Tick labels 0 % to 100 % for shares."""
    from matplotlib.ticker import PercentFormatter

    return PercentFormatter(1, decimals=0)


def engineering():
    """Tick labels such as 20 k or 5 m, without a factor beside the axis."""
    from matplotlib.ticker import EngFormatter

    return EngFormatter()


def class_colors(count):
    """Okabe and Ito's for up to eight classes, then steps of a continuous scale."""
    if count <= len(COLORS):
        return COLORS[:count]
    return [pyplot().cm.viridis(x) for x in np.linspace(0, 1, count)]


def color_map(colors):
    """Colour number i for the value i."""
    from matplotlib.colors import ListedColormap

    return ListedColormap(colors)
