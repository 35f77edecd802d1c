"""Every check of an array, every message; `_check` has those of single arguments.

NaN in large arrays is searched by the C core; only its message is made here.
"""

import math
import numbers

import numpy as np

from ._check import check_list
from .slices import copy_in_slices

_NUMERIC_KINDS = "fiub"
_MAX_ROWS = 2**47  # not even one byte for each could be addressed
_MODEST = 2.0**500  # sums of weights up to this size, and down to its inverse, are safe


def check_unmasked(value, name):
    """ValueError for a masked array with masked entries."""
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise ValueError(
            f"{name} is a masked array with masked entries, fill or drop them first"
        )


def as_array(value, name):
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


def _numbers_from_objects(array, name):
    """float64 from an object array of Python numbers."""
    if not all(isinstance(x, (numbers.Real, np.bool_)) for x in array.flat):
        kinds = {type(x).__name__ for x in array.flat} or {"nothing"}
        raise TypeError(
            f"{name} is an object array of {', '.join(sorted(kinds))}, "
            "expected real numbers"
        )
    try:
        return array.astype(np.float64)
    except OverflowError:
        raise ValueError(f"{name} has an integer too large for a float") from None


def _native(array):
    """The array itself if C can read it in place, else an aligned native copy."""
    if array.dtype.itemsize > 8:  # long double
        with np.errstate(over="ignore"):
            return copy_in_slices(array, np.float64)
    if array.flags.aligned and array.dtype.isnative:
        return array
    return copy_in_slices(array, array.dtype.newbyteorder("="))


def check_x(X, n_in, name="X", kept=None, n_original=None):
    """(n, n_in) numbers in any layout; not copied unless C cannot read them.

    Of `n_original` columns, if so many come, the `kept` ones are taken.
    """
    array = as_array(X, name)
    if array.ndim != 2:
        hint = ", use X.reshape(-1, 1) for one column" if array.ndim == 1 else ""
        raise ValueError(f"{name} has {array.ndim} dimension(s), expected 2{hint}")
    if array.shape[0] == 0:
        raise ValueError(f"{name} has no rows, shape {array.shape}")
    if array.shape[0] > _MAX_ROWS:
        raise ValueError(
            f"{name} has {array.shape[0]} rows, more than memory can address"
        )
    if array.shape[1] != n_in and array.shape[1] == n_original:
        array = copy_in_slices(array, array.dtype, kept)
    if array.shape[1] != n_in:
        wanted = n_in if n_original in (None, n_in) else f"{n_in} (or all {n_original})"
        raise ValueError(
            f"{name} has {array.shape[1]} columns, the network expects {wanted}"
        )
    return _native(array)


def check_targets(y, n, n_out, loss):
    """(y (n, n_out), None) or (None, int64 labels (n,)), as the loss wants them."""
    array = as_array(y, "y")
    shape = array.shape
    if array.ndim == 0 or array.shape[0] != n:
        rows = array.shape[0] if array.ndim else 1
        raise ValueError(f"y has {rows} rows, X has {n}")
    if loss.name == "softmax_cross_entropy" and (
        array.ndim == 1 or (array.shape == (n, 1) and n_out != 1)
    ):
        return None, check_labels(array.reshape(n), n_out)
    if array.ndim == 1:
        array = array.reshape(n, 1)
    if array.ndim != 2 or array.shape[1] != n_out:
        raise ValueError(f"y has shape {shape}, expected ({n}, {n_out})")
    loss.check_range(array)
    return _native(array), None


def check_labels(array, n_classes):
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


def check_sample_weight(weight, n):
    """None or non-negative finite float64 (n,), not all zero.

    Only their ratios matter: huge and tiny ones are scaled by a power of two, which
    changes no bit of any result and keeps their sums finite and normal.
    """
    if weight is None:
        return None
    weight = as_array(weight, "sample_weight")
    if weight.shape != (n,):
        raise ValueError(f"sample_weight has shape {weight.shape}, expected ({n},)")
    with np.errstate(over="ignore"):
        weight = np.require(weight, np.float64, ["C", "A"])
    if not np.isfinite(weight).all():
        raise ValueError("sample_weight has NaN or infinite entries")
    if (weight < 0).any():
        raise ValueError(
            f"sample_weight has negative entries (the smallest is {weight.min()})"
        )
    largest = weight.max()
    if not largest > 0:
        raise ValueError("sample_weight is zero everywhere, expected a positive sum")
    if not 1 / _MODEST <= largest <= _MODEST:
        weight = np.ldexp(weight, -math.frexp(largest)[1])
    return weight


def check_weights(weights, shapes, dtype):
    """Arrays of exactly these shapes, finite in this dtype."""
    weights = check_list(weights, "weights")
    if len(weights) != len(shapes):
        raise ValueError(f"{len(weights)} arrays came, the network has {len(shapes)}")
    arrays = []
    for number, (weight, shape) in enumerate(zip(weights, shapes, strict=True)):
        arrays.append(check_array(weight, f"weights[{number}]", shape, dtype))
    return arrays


def check_array(array, name, shape, dtype):
    """An array of exactly this shape, finite in this dtype."""
    array = as_array(array, name)
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, expected {shape}")
    with np.errstate(over="ignore"):
        array = array.astype(dtype, copy=False)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has entries that are not finite as {dtype}")
    return array


def check_learning_rates(rates, count):
    """float64 (count,), finite and not negative."""
    rates = np.require(as_array(rates, "the schedule's result"), np.float64, ["C", "A"])
    if rates.shape != (count,):
        raise ValueError(f"the schedule gave shape {rates.shape}, expected ({count},)")
    if not (np.isfinite(rates) & (rates >= 0)).all():
        raise ValueError(
            f"the schedule gave rates from {rates.min()} to {rates.max()}, "
            "expected finite numbers >= 0"
        )
    return rates


def check_masks(masks, shapes):
    """One array of zeros and ones of each of these shapes."""
    masks = check_list(masks, "dropout_masks")
    if len(masks) != len(shapes):
        raise ValueError(
            f"{len(masks)} dropout masks came, the network has {len(shapes)} Dropout layers"
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


def not_finite_message(array, name, row, dtype):
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
