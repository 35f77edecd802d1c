"""One comparison: what was expected, what was got, whether that is good."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

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
        None: reported beside the expected figure, without a verdict, or skipped.
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


def print_table(rows):
    """Print rows as they are found; the number of figures missed."""
    line = "{:<12} {:<58} {:>22} {:>22}  {:<7} {}"
    print(line.format("", "figure", "expected", "got", "verdict", "seeds"))
    missed = 0
    for row in rows:
        text = (row.system, row.what, row.expected, row.got, row.verdict, row.seeds)
        print(line.format(*text), flush=True)
        missed += row.ok is False
    return missed
