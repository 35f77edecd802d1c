"""What every example needs: its arguments, images to learn, a place for the plot."""

import argparse
import sys
from typing import TypeAlias

import numpy as np

from regnet_c.datasets import load_digits
from regnet_c.typing import AnyArray

try:
    from matplotlib import pyplot as plt
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
except ImportError:
    sys.exit("the examples draw with matplotlib: pip install regnet-c[plot]")


__all__ = [
    "Axes",
    "Figure",
    "arguments",
    "finish",
    "load_images",
    "one_hot",
    "plt",
    "tidy",
]

Images: TypeAlias = tuple[AnyArray, AnyArray, AnyArray, AnyArray]


def arguments(doc: str | None, name: str, data: bool = False) -> argparse.Namespace:
    """The command line of an example; `doc` is its docstring."""
    parser = argparse.ArgumentParser(description=(doc or "").strip().split("\n")[0])
    if data:
        parser.add_argument("--data", help="mnist.npz (default: the embedded digits)")
    parser.add_argument(
        "--output", default=f"{name}.png", help="where the plot goes, '' for none"
    )
    parser.add_argument("--show", action="store_true", help="show the plot as well")
    parser.add_argument(
        "--quick", action="store_true", help="a few seconds, less to see"
    )
    return parser.parse_args()


def load_images(path: str | None = None) -> Images:
    """(x_train, y_train, x_test, y_test), grey levels in [0, 1]; digits without a path."""
    if path is None:
        x, y = load_digits()
        x = x / np.float32(16)
        return x[:1500], y[:1500], x[1500:], y[1500:]
    with np.load(path) as file:
        x, x_test = (file[k].reshape(-1, 784) for k in ("x_train", "x_test"))
        x, x_test = (images / np.float32(255) for images in (x[:50_000], x_test))
        return x, file["y_train"][:50_000], x_test, file["y_test"]


def one_hot(labels: AnyArray) -> AnyArray:
    """One row of ten targets per label."""
    return np.eye(10, dtype=np.float32)[labels]


def tidy(ax: Axes, xlabel: str, ylabel: str, title: str = "") -> None:
    """Labels, and no frame at the top and at the right."""
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title)
    ax.spines[["top", "right"]].set_visible(False)


def finish(figure: Figure, args: argparse.Namespace) -> None:
    """Save the figure, say where, and show it if asked."""
    if args.output:
        figure.savefig(args.output, dpi=120)
        print(f"plot: {args.output}")
    if args.show:
        plt.show()
