"""Long work in slices of some 20 ms: between two of them Python looks for Ctrl-C."""

import time

_SECONDS = 0.02


def in_slices(n, call, size):
    """call(first, last) for consecutive parts of range(n), each taking about 20 ms.

    Parameters
    ----------
    n : int
    call : callable
        Its first result other than None ends the loop and is returned.
    size : int
        Length of the first part; that of the others follows from the clock.
    """
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
