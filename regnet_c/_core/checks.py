"""Every check of an argument, every message; arrays in the second half.

A check returns the value in the form the package uses or raises TypeError or ValueError
with a sentence that states what was got and what was expected.  NaN in large arrays is
searched by the C core; only its message is made here.
"""

from __future__ import annotations

import math
import numbers
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np

from . import binding, csr
from .slices import copy_in_slices

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike

    from ..layers import Layer
    from ..losses import Loss
    from ..typing import (
        AnyArray,
        DType,
        Float64Array,
        FloatArray,
        IntArray,
        Rows,
        StrPath,
    )

    T = TypeVar("T")
    Name = TypeVar("Name", bound=str)

    # (columns the network reads, their numbers or None for all, of how many)
    Columns: TypeAlias = tuple[int, IntArray | None, int]

_NUMERIC_KINDS = "fiub"
_MAX_ROWS = 2**47  # not even one byte for each could be addressed
_MODEST = 2.0**500  # sums of weights up to this size, and down to its inverse, are safe


def _shown(value: object) -> str:
    """repr, cut where it is long; the size of an integer with too many digits."""
    if isinstance(value, numbers.Integral) and int(value).bit_length() > 1024:
        return f"an integer of {int(value).bit_length()} bits"
    text = repr(value)
    return text if len(text) <= 200 else text[:197] + "..."


def a_type(value: object) -> str:
    """The name of the value's type with its article: a list, an int."""
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeioAEIO' else 'a'} {name}"


def check_float(
    value: object,
    name: str,
    minimum: float | None = None,
    maximum: float | None = None,
    open_minimum: bool = False,
    below: float | None = None,
) -> float:
    """A finite float in the stated range."""
    if type(value) is not float and (  # the usual answer: numbers.Real takes longer
        isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real)
    ):
        raise TypeError(f"{name} is {_shown(value)}, expected a number")
    try:
        value = float(value)
    except OverflowError:
        raise ValueError(f"{name} is too large for a float") from None
    low_ok = (
        minimum is None or value > minimum or (value == minimum and not open_minimum)
    )
    high_ok = (maximum is None or value <= maximum) and (below is None or value < below)
    if not (math.isfinite(value) and low_ok and high_ok):
        limits = []
        if minimum is not None:
            limits.append(f"{'>' if open_minimum else '>='} {minimum}")
        if maximum is not None:
            limits.append(f"<= {maximum}")
        if below is not None:
            limits.append(f"< {below}")
        wanted = " and ".join(["a finite number", *limits])
        raise ValueError(f"{name} is {value}, expected {wanted}")
    return value


def check_int(
    value: object, name: str, minimum: int | None = None, maximum: int | None = None
) -> int:
    """An int in the stated range."""
    if type(value) is not int and (
        isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral)
    ):
        raise TypeError(f"{name} is {_shown(value)}, expected an integer")
    value = int(value)
    if minimum is not None and value < minimum:
        raise ValueError(f"{name} is {_shown(value)}, expected at least {minimum}")
    if maximum is not None and value > maximum:
        raise ValueError(f"{name} is {_shown(value)}, expected at most {maximum}")
    return value


def check_bool(value: object, name: str) -> bool:
    """True or False."""
    if isinstance(value, bool):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    raise TypeError(f"{name} is {_shown(value)}, expected True or False")


def check_rate(value: object, name: str = "rate") -> float:
    """A dropout rate in [0, 1)."""
    return check_float(value, name, minimum=0, below=1)


def check_name(value: object, names: tuple[Name, ...], what: str) -> Name:
    """One of `names`; the error lists them and guesses which was meant."""
    if isinstance(value, str) and value in names:
        return names[names.index(value)]  # the same string for all who use it
    import difflib  # for errors alone

    close = difflib.get_close_matches(str(value)[:50].lower(), names, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    error = ValueError if isinstance(value, str) else TypeError
    raise error(
        f"unknown {what} {_shown(value)}{hint}, expected one of {', '.join(names)}"
    )


def check_dtype(value: Any) -> DType:
    """numpy.dtype float32 or float64."""
    try:
        dtype: np.dtype[Any] | None = None if value is None else np.dtype(value)
    except (TypeError, ValueError, SyntaxError):  # all of which NumPy raises
        dtype = None
    if dtype is None or dtype not in (np.float32, np.float64) or not dtype.isnative:
        raise ValueError(f"dtype is {_shown(value)}, expected 'float32' or 'float64'")
    return dtype


def check_layers(layers: Sequence[Layer]) -> list[Layer]:
    """A non-empty list of layers; what they are is checked by the plan."""
    if not isinstance(layers, (list, tuple)):
        raise TypeError(f"layers is {a_type(layers)}, expected a list of layers")
    if not layers:
        raise ValueError("layers is empty, expected at least one Dense layer")
    return list(layers)


def check_threads(threads: object) -> int | None:
    """None or a positive int."""
    return None if threads is None else check_int(threads, "threads", minimum=1)


def check_tau(tau: object) -> float | None:
    """None, or the update average's tau."""
    if tau is None:
        return None
    return check_float(tau, "update_tau", minimum=0, open_minimum=True, maximum=1)


def check_validation_data(data: object) -> tuple[Any, ...]:
    """A tuple (X, y) or (X, y, sample_weight)."""
    if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
        raise TypeError(
            "validation_data must be a tuple (X, y) or (X, y, sample_weight)"
        )
    return tuple(data)


def check_pair(data: object, name: str) -> tuple[Any, Any]:
    """A tuple (X, y)."""
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        raise TypeError(f"{name} must be a tuple (X, y)")
    X, y = data
    return X, y


def check_list(value: Iterable[T], name: str, of: str = "arrays") -> list[T]:
    """A list of what a list, tuple or other iterable holds."""
    if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
        raise TypeError(f"{name} is {_shown(value)}, expected a list of {of}")
    return list(value)


def check_output(path: StrPath) -> None:
    """OSError before the work rather than after it."""
    folder = Path(path).absolute().parent
    if not folder.is_dir():
        raise FileNotFoundError(f"--output {path}: there is no folder {folder}")
    if Path(path).is_dir() or not os.access(folder, os.W_OK):
        raise PermissionError(f"--output {path} cannot be written")


# ---- arrays --------------------------------------------------------------------------


def check_unmasked(value: object, name: str) -> None:
    """ValueError for a masked array with masked entries."""
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise ValueError(
            f"{name} is a masked array with masked entries, fill or drop them first"
        )


def as_array(value: object, name: str) -> AnyArray:
    """An ndarray of real numbers: no strings, dates, complex numbers or masks."""
    if type(value) is np.ndarray and value.dtype.kind in _NUMERIC_KINDS:
        return value
    if value is None:
        raise TypeError(f"{name} is None, expected an array")
    if hasattr(value, "tocsr"):
        raise TypeError(
            f"{name} is a sparse matrix, expected a dense array (.toarray())"
        )
    check_unmasked(value, name)
    try:
        array = np.asarray(value)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name} is not a rectangular array: {error}") from None
    if array.dtype.kind == "O":
        array = _numbers_from_objects(array, name)
    if array.dtype.kind not in _NUMERIC_KINDS:
        raise TypeError(f"{name} has dtype {array.dtype}, expected real numbers")
    return array


def _numbers_from_objects(array: AnyArray, name: str) -> Float64Array:
    """float64 from an object array of Python numbers."""
    if not all(isinstance(x, (numbers.Real, np.bool_)) for x in array.flat):
        kinds = {type(x).__name__ for x in array.flat}
        raise TypeError(
            f"{name} is an object array of {', '.join(sorted(kinds))}, "
            "expected real numbers"
        )
    try:
        return array.astype(np.float64)
    except OverflowError:
        raise ValueError(f"{name} has an integer too large for a float") from None


def _native(array: AnyArray) -> AnyArray:
    """The array itself if C can read it in place, else an aligned native copy."""
    dtype = array.dtype
    if dtype.itemsize > 8:  # long double
        with np.errstate(over="ignore"):
            return copy_in_slices(array, np.float64)
    if array.flags.aligned and dtype.isnative:
        return array
    return copy_in_slices(array, dtype.newbyteorder("="))


def _is_sparse(X: object) -> bool:
    """Whether X is a sparse matrix: one of SciPy's, or anything with CSR's attributes."""
    parts = ("indptr", "indices", "data", "shape")
    return callable(getattr(X, "tocsr", None)) or all(hasattr(X, p) for p in parts)


def _check_csr(X: Any, name: str) -> csr.CSR:
    """CSR of real numbers in existing columns; only indptr is copied if C can read X."""
    if type(X) is csr.CSR:
        return X
    X = X.tocsr() if hasattr(X, "tocsr") else X
    shape = tuple(X.shape)
    _expect_matrix(shape, name)
    if getattr(X, "format", "csr") != "csr":
        raise TypeError(f"{name} is sparse in the format {X.format!r}, expected 'csr'")
    data = as_array(X.data, f"the data of {name}")
    native = np.float64 if data.dtype.itemsize > 8 else data.dtype.newbyteorder("=")
    with np.errstate(over="ignore"):  # of a long double
        data = np.require(data, native, ["C", "A"])
    parts = [as_array(getattr(X, p), f"{p} of {name}") for p in ("indices", "indptr")]
    for part, kind in zip(parts, ("indices", "indptr"), strict=True):
        if part.dtype.kind not in "iu" or part.ndim != 1:
            raise TypeError(
                f"{kind} of {name} is an array of {part.ndim} dimension(s) of "
                f"{part.dtype}, expected one of integers"
            )
    narrow = parts[0].dtype == np.int32
    indices = np.require(parts[0], np.int32 if narrow else np.int64, ["C", "A"])
    # a copy: C must read what was checked, whoever writes
    indptr = np.array(parts[1], np.int64)
    if data.shape != indices.shape or len(indptr) != shape[0] + 1:
        raise ValueError(
            f"{name} has {data.size} data, {indices.size} indices and {indptr.size} "
            f"indptr, expected as many data as indices, and {shape[0] + 1} indptr"
        )
    row, rising = binding.csr_fault(indptr, indices, shape[1])
    if row >= 0:
        raise ValueError(
            f"{name} is no CSR: row {row} ends before it begins, or behind the data, or "
            f"has an entry outside columns 0 to {shape[1] - 1}"
        )
    if not rising:
        data, indices, indptr = csr.summed(data, indices, indptr)
    return csr.CSR(data, indices, indptr, shape)


def _expect_matrix(shape: tuple[int, ...], name: str) -> None:
    if len(shape) != 2:
        hint = ", use X.reshape(-1, 1) for one column" if len(shape) == 1 else ""
        raise ValueError(f"{name} has {len(shape)} dimension(s), expected 2{hint}")


def check_x(X: Rows, columns: Columns, name: str = "X") -> AnyArray | csr.CSR:
    """(n, n_in) numbers in any layout, or CSR; not copied unless C cannot read them.

    `columns` is (n_in, those kept, of how many): of the last number of columns, if X
    has that many, the kept ones are taken.
    """
    sparse = type(X) is not np.ndarray and _is_sparse(X)
    array = _check_csr(X, name) if sparse else as_array(X, name)
    if array.ndim != 2:
        _expect_matrix(array.shape, name)
    n, n_columns = array.shape
    if n == 0:
        raise ValueError(f"{name} has no rows, shape {array.shape}")
    if n > _MAX_ROWS:
        raise ValueError(f"{name} has {n} rows, more than memory can address")
    if n_columns != columns[0]:
        array = _kept_columns(array, columns, name)
    return array if isinstance(array, csr.CSR) else _native(array)


def _kept_columns(
    array: AnyArray | csr.CSR, columns: Columns, name: str
) -> AnyArray | csr.CSR:
    """Those that the network reads, of all; ValueError if there are not as many."""
    n_in, kept, n_original = columns
    if kept is None or array.shape[1] != n_original:
        wanted = n_in if n_original == n_in else f"{n_in} (or all {n_original})"
        raise ValueError(
            f"{name} has {array.shape[1]} columns, the network expects {wanted}"
        )
    if isinstance(array, csr.CSR):
        return array.columns(kept)
    return copy_in_slices(array, array.dtype, kept)


def check_targets(
    y: ArrayLike | None, n: int, n_out: int, loss: Loss
) -> tuple[AnyArray, None] | tuple[None, IntArray]:
    """(y (n, n_out), None) or (None, int64 labels (n,)), as the loss wants them."""
    array = as_array(y, "y")
    shape = array.shape
    if array.ndim == 0 or array.shape[0] != n:
        rows = array.shape[0] if array.ndim else 1
        raise ValueError(f"y has {rows} rows, X has {n}")
    if loss.takes_labels and (
        array.ndim == 1 or (array.shape == (n, 1) and n_out != 1)
    ):
        return None, check_labels(array.reshape(n), n_out)
    if array.ndim == 1:
        array = array.reshape(n, 1)
    if array.ndim != 2 or array.shape[1] != n_out:
        raise ValueError(f"y has shape {shape}, expected ({n}, {n_out})")
    loss.check_range(array)
    return _native(array), None


def check_labels(array: AnyArray, n_classes: int) -> IntArray:
    """Integer class labels in [0, n_classes) as contiguous int64."""
    if array.dtype.kind == "f":
        bad = ~np.isfinite(array) | (array != np.round(array))
        if bad.any():
            row = int(np.argmax(bad))
            raise ValueError(f"label {array[row]} in row {row} of y is not an integer")
    with np.errstate(invalid="ignore"):  # first, as it may need too much memory
        labels = np.require(array, np.int64, ["C", "A"])
    low, high = array.min(), array.max()
    if low < 0 or high >= n_classes:
        raise ValueError(
            f"labels go from {low} to {high}, expected 0 to {n_classes - 1} "
            f"for {n_classes} outputs"
        )
    return labels


def check_sample_weight(weight: ArrayLike | None, n: int) -> Float64Array | None:
    """None or non-negative finite float64 (n,), not all zero.

    Only their ratios matter: huge and tiny ones are scaled by a power of two, which
    changes no bit of any result and keeps their sums finite and normal.
    """
    if weight is None:
        return None
    array = as_array(weight, "sample_weight")
    if array.shape != (n,):
        raise ValueError(f"sample_weight has shape {array.shape}, expected ({n},)")
    with np.errstate(over="ignore"):
        array = np.require(array, np.float64, ["C", "A"])
    if not np.isfinite(array).all():
        raise ValueError("sample_weight has NaN or infinite entries")
    if (array < 0).any():
        raise ValueError(
            f"sample_weight has negative entries (the smallest is {array.min()})"
        )
    largest = array.max()
    if not largest > 0:
        raise ValueError("sample_weight is zero everywhere, expected a positive sum")
    if not 1 / _MODEST <= largest <= _MODEST:
        array = np.ldexp(array, -math.frexp(largest)[1])
    return array


def check_weights(
    weights: Iterable[ArrayLike], shapes: list[tuple[int, ...]], dtype: DType
) -> list[FloatArray]:
    """Arrays of exactly these shapes, finite in this dtype."""
    weights = check_list(weights, "weights")
    if len(weights) != len(shapes):
        raise ValueError(f"got {len(weights)} weight arrays, expected {len(shapes)}")
    arrays = []
    for number, (weight, shape) in enumerate(zip(weights, shapes, strict=True)):
        arrays.append(check_array(weight, f"weights[{number}]", shape, dtype))
    return arrays


def check_array(
    array: ArrayLike, name: str, shape: tuple[int, ...], dtype: DType
) -> FloatArray:
    """An array of exactly this shape, finite in this dtype."""
    array = as_array(array, name)
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, expected {shape}")
    with np.errstate(over="ignore"):
        array = array.astype(dtype, copy=False)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has entries that are not finite as {dtype}")
    return array


def check_learning_rates(rates: ArrayLike, count: int) -> Float64Array:
    """float64 (count,), finite and not negative."""
    rates = np.require(as_array(rates, "the schedule's result"), np.float64, ["C", "A"])
    if rates.shape != (count,):
        raise ValueError(
            f"the schedule returned shape {rates.shape}, expected ({count},)"
        )
    if not (np.isfinite(rates) & (rates >= 0)).all():
        raise ValueError(
            f"the schedule returned rates from {rates.min()} to {rates.max()}, "
            "expected finite numbers >= 0"
        )
    return rates


def check_masks(
    masks: Iterable[ArrayLike], shapes: list[tuple[int, ...]]
) -> list[AnyArray]:
    """One array of zeros and ones of each of these shapes."""
    masks = check_list(masks, "dropout_masks")
    if len(masks) != len(shapes):
        raise ValueError(
            f"got {len(masks)} dropout masks, expected {len(shapes)}: one per Dropout layer"
        )
    arrays = []
    for number, (mask, shape) in enumerate(zip(masks, shapes, strict=True)):
        array = as_array(mask, f"dropout_masks[{number}]")
        if array.shape != shape:
            raise ValueError(
                f"dropout_masks[{number}] has shape {array.shape}, expected {shape}"
            )
        if not np.isin(array, (0, 1)).all():
            raise ValueError(f"dropout_masks[{number}] has entries other than 0 and 1")
        arrays.append(_native(array))
    return arrays


def not_finite_message(
    array: AnyArray | csr.CSR, name: str, row: int, dtype: DType
) -> str:
    """Says where the first NaN or infinity of `row` is, and what it is."""
    values = np.atleast_1d(array[row])
    with np.errstate(over="ignore"):
        column = int(np.argmin(np.isfinite(values.astype(dtype))))
    value = values[column]
    if np.isfinite(value):
        return (
            f"{name} has {value} in row {row}, column {column}, too large for {dtype}; "
            "scale the data or use dtype='float64'"
        )
    return (
        f"{name} has {value} in row {row}, column {column}, expected finite numbers; "
        "drop such rows or impute them first"
    )
