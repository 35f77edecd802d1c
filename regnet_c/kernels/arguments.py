"""Arguments of the kernels, checked and converted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import checks

if TYPE_CHECKING:
    from ..typing import AnyArray, FloatArray


def as_floats(
    array: object,
    name: str,
    ndim: int | None = None,
    dtype: Any = None,
) -> FloatArray:
    """A C-contiguous, aligned float32 or float64 array; converted if it is not."""
    array = checks.as_array(array, name)
    if ndim is not None and array.ndim != ndim:
        raise ValueError(f"{name} has {array.ndim} dimensions, expected {ndim}")
    if dtype is None:
        dtype = np.float32 if array.dtype == np.float32 else np.float64
    with np.errstate(over="ignore"):
        return np.require(array, dtype, ["C", "A"])


def expect_shape(array: AnyArray, name: str, shape: tuple[int, ...], of: str) -> None:
    """ValueError if the array does not have the shape that `of` requires."""
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, expected {shape} for {of}")


def as_count(value: object, name: str) -> int:
    return checks.check_int(value, name, minimum=0, maximum=2**63 - 1)


def as_word(value: object, name: str, bits: int = 64) -> int:
    """An unsigned integer of this many bits: seeds, steps, streams."""
    return checks.check_int(value, name, minimum=0, maximum=2**bits - 1)
