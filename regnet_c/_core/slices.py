"""Long work in slices of some 20 ms, between which Python checks for Ctrl-C."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import DTypeLike

    from ..typing import AnyArray, IntArray

_SECONDS = 0.02
_COPIED = 1 << 20  # numbers copied in the first slice


def slices(n: int, size: int) -> Iterable[tuple[int, int]]:
    """(first, last) of consecutive parts of range(n), each taking about 20 ms.

    Parameters
    ----------
    n : int
    size : int
        Length of the first part; that of the others follows from the time its loop took.
    """
    if 0 < n <= size:  # the clock would take a tenth of a one-row prediction
        return ((0, n),)
    return _timed(n, size)


def _timed(n: int, size: int) -> Iterator[tuple[int, int]]:
    first = 0
    while first < n:
        last = min(first + size, n)
        start = time.perf_counter()
        yield first, last
        seconds = time.perf_counter() - start
        if seconds < _SECONDS / 2:
            size *= 2
        elif seconds > 2 * _SECONDS:
            size = -(-size // 2)
        first = last


def copy_in_slices(
    array: AnyArray, dtype: DTypeLike, columns: slice | IntArray = slice(None)
) -> AnyArray:
    """array[:, columns].astype(dtype), of an array (n, n_columns)."""
    out = np.empty((len(array), array[:0, columns].shape[1]), dtype)
    size = max(1, _COPIED // max(1, array[:1].size))
    for first, last in slices(len(array), size):
        out[first:last] = array[first:last, columns]
    return out
