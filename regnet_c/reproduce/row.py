"""One comparison: what was expected, what was got, whether that is good."""

import textwrap
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from .._core.team import available_threads


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
    def verdict(self):
        """ok, MISSED or a dash."""
        return {True: "ok", False: "MISSED", None: "-"}[self.ok]


def spread(values):
    """'mean ± sd' of some figures."""
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"


def one_thread_each(function, arguments):
    """[function(a) for a in arguments], as many at a time as there are CPUs."""
    with ThreadPoolExecutor(available_threads()) as pool:
        return list(pool.map(function, arguments))


_WIDTHS = (12, 34, 18, 18, 7, 6)  # 100 columns with the blanks between
_LINE = "{:<12} {:<34} {:>18} {:>18} {:<7} {}"


def lines_of(cells):
    """The cells side by side, each wrapped to its width."""
    wrapped = [textwrap.wrap(c, w) for c, w in zip(cells, _WIDTHS, strict=True)]
    parts = zip_longest(*wrapped, fillvalue="")
    return "\n".join(_LINE.format(*part).rstrip() for part in parts)


def print_table(rows):
    """Print rows as they are found, in 100 columns; the number of figures missed."""
    print(lines_of(("", "figure", "expected", "got", "verdict", "seeds")))
    missed = 0
    for row in rows:
        cells = (row.system, row.what, row.expected, row.got, row.verdict, row.seeds)
        print(lines_of(cells), flush=True)
        missed += row.ok is False
    return missed
