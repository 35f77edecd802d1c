"""Long work in slices of some 20 ms, between which Python checks for Ctrl-C."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import DTypeLike

    from ..typing import AnyArray, IntArray

    T = TypeVar("T")

_SECONDS = 0.02
_COPIED = 1 << 20  # numbers copied in the first slice


def in_slices(n: int, call: Callable[[int, int], T | None], size: int) -> T | None:
    """call(first, last) for consecutive parts of range(n), each taking about 20 ms.

    Parameters
    ----------
    n : int
    call : callable
        Its first result other than None ends the loop and is returned.
    size : int
        Length of the first part; that of the others follows from the clock.
    """
    if 0 < n <= size:  # the clock would take a tenth of a one-row prediction
        return call(0, n)
    first = 0
    while first < n:
        last = min(first + size, n)
        start = time.perf_counter()
        result = call(first, last)
        if result is not None:
            return result
        seconds = time.perf_counter() - start
        if seconds < _SECONDS / 2:
            size *= 2
        elif seconds > 2 * _SECONDS:
            size = -(-size // 2)
        first = last
    return None


def copy_in_slices(
    array: AnyArray, dtype: DTypeLike, columns: slice | IntArray = slice(None)
) -> AnyArray:
    """array[:, columns].astype(dtype), of an array (n, n_columns)."""
    out = np.empty((len(array), array[:0, columns].shape[1]), dtype)

    def some(first: int, last: int) -> None:
        out[first:last] = array[first:last, columns]

    in_slices(len(array), some, max(1, _COPIED // max(1, array[:1].size)))
    return out
