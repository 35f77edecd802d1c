"""One comparison: what was expected, what was got, whether that is good."""

from __future__ import annotations

import textwrap
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from .._core.team import available_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    T = TypeVar("T")
    U = TypeVar("U")


class Skip(Exception):
    """A system needs something that is not here; the message states what."""


@dataclass
class Row:
    """One line of the table.

    Attributes
    ----------
    what, expected, got : str
    ok : bool or None
        None: reported with the expected figure, without a verdict, or skipped.
    seeds : str
    system : str
    """

    what: str
    expected: str
    got: str
    ok: bool | None
    seeds: str = ""
    system: str = ""

    @property
    def verdict(self) -> str:
        """ok, MISSED or a dash."""
        return {True: "ok", False: "MISSED", None: "-"}[self.ok]


def spread(values: Sequence[float]) -> str:
    """'mean ± sd' of some figures."""
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"


def one_thread_each(function: Callable[[T], U], arguments: Iterable[T]) -> list[U]:
    """[function(a) for a in arguments], as many at a time as there are CPUs."""
    with ThreadPoolExecutor(available_threads()) as pool:
        return list(pool.map(function, arguments))


_WIDTHS = (12, 34, 18, 18, 7, 6)  # 100 columns with the blanks between
_LINE = "{:<12} {:<34} {:>18} {:>18} {:<7} {}"


def lines_of(cells: Sequence[str]) -> str:
    """The cells side by side, each wrapped to its width."""
    wrapped = [textwrap.wrap(c, w) for c, w in zip(cells, _WIDTHS, strict=True)]
    parts = zip_longest(*wrapped, fillvalue="")
    return "\n".join(_LINE.format(*part).rstrip() for part in parts)


def print_table(rows: Iterable[Row]) -> int:
    """Print rows as they are found, in 100 columns; the number of figures missed."""
    print(lines_of(("", "figure", "expected", "got", "verdict", "seeds")))
    missed = 0
    for row in rows:
        cells = (row.system, row.what, row.expected, row.got, row.verdict, row.seeds)
        print(lines_of(cells), flush=True)
        missed += row.ok is False
    return missed
