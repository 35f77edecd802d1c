"""The five reference systems, run and compared with their published and checked figures.

Each is one of the public write-ups this library answers: a small regularised network
with its own conventions and its own open question.  `docs/regularisation.md` has the
answers; here are the runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import dropout, outliers, perceptron, spiral, weight_decay
from .row import Row, Skip, print_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..typing import StrPath

SYSTEMS = {
    "perceptron": perceptron,
    "weight-decay": weight_decay,
    "spiral": spiral,
    "outliers": outliers,
    "dropout": dropout,
}

__all__ = ["SYSTEMS", "Row", "Skip", "print_table", "run"]


def run(
    names: Iterable[str], data: StrPath | None = None, progress: bool = False
) -> Iterator[Row]:
    """The rows of the systems `names`, one after the other as they are done.

    Parameters
    ----------
    names : list of str
        Keys of `SYSTEMS`.
    data : str, optional
        An NPZ file with MNIST: x_train, y_train, x_test, y_test.
    progress : bool

    Yields
    ------
    Row
    """
    for name in names:
        try:
            for row in SYSTEMS[name].rows(data, progress):
                row.system = name
                yield row
        except Skip as reason:
            yield Row(str(reason), "-", "-", None, system=name)
