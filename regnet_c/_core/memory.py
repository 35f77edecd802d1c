"""Memory on cache lines, what is free, the exception that NumPy forgets to raise."""

from __future__ import annotations

import contextlib
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..typing import AnyArray

    Function = TypeVar("Function", bound=Callable[..., Any])

_CGROUP = Path("/sys/fs/cgroup")  # of a container on Linux
ALIGNMENT = 64  # bytes of a cache line, and of the longest vectors


def aligned_zeros(n: int, dtype: np.dtype[Any]) -> AnyArray:
    """At least one zero, on the boundary of a cache line.

    NumPy's own arrays begin anywhere on 16 bytes, and a vector that crosses cache lines
    takes two loads: steps of a small network were a fifth slower, or not, by chance.
    """
    size = max(int(n), 1) * dtype.itemsize
    buffer = np.zeros(size + ALIGNMENT, np.uint8)
    begin = -buffer.__array_interface__["data"][0] % ALIGNMENT
    return buffer[begin : begin + size].view(dtype)


def free_memory() -> int | None:
    """Bytes that this process may still use; None without psutil (extra `[table]`)."""
    try:
        import psutil
    except ImportError:
        return None
    free: int = psutil.virtual_memory().available
    with contextlib.suppress(OSError, ValueError):  # "max": no limit
        limit, used = (
            int((_CGROUP / f"memory.{name}").read_text()) for name in ("max", "current")
        )
        free = min(free, max(limit - used, 0))
    return free


def says_memory_error(function: Function) -> Function:
    """`function`, raising MemoryError where NumPy forgets to.

    With NumPy 2 a reduction, `np.where` or a ufunc whose iterator cannot be allocated
    returns without an exception, of which the interpreter makes a SystemError.  For
    public functions and methods: inner ones leave it to them.
    """

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except SystemError as error:
            if "without" not in str(error):
                raise
            raise MemoryError("a NumPy function could not allocate memory") from error

    return cast("Function", wrapper)
