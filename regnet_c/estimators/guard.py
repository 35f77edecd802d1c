"""Checks beyond scikit-learn's validation, calls refused half-way, and warnings."""

from __future__ import annotations

import functools
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import joblib
import numpy as np
import sklearn
from sklearn.utils.validation import check_X_y, validate_data

from .._core import checks
from ..tables.columns import as_array, is_frame, is_missing

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ..typing import AnyArray

    Function = TypeVar("Function", bound=Callable[..., Any])

_MOST_COLUMNS = 2**31  # a broadcast array may have more, which takes hours to read
_INSIDE = tuple(
    str(folder)
    for folder in (
        Path(__file__).parent.parent,
        Path(sklearn.__file__).parent,
        Path(joblib.__file__).parent,
    )
)


def unchanged_if_refused(method: Function) -> Function:
    """An error before a network was trained leaves every attribute as it was.

    Otherwise an estimator that was fitted before would continue with the old weights and
    the classes, or the number of columns, of the data that were refused.
    """

    @functools.wraps(method)
    def guarded(estimator: Any, *arguments: Any, **options: Any) -> Any:
        before = dict(vars(estimator))
        try:
            return method(estimator, *arguments, **options)
        except BaseException:
            if getattr(estimator, "_members", None) is before.get("_members"):
                vars(estimator).clear()
                vars(estimator).update(before)
            raise

    return cast("Function", guarded)


def warn_user(message: str, category: type[Warning] = UserWarning) -> None:
    """A warning at the line of the user, not in this package, scikit-learn or joblib."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back and frame.f_code.co_filename.startswith(_INSIDE):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def needs_no_check(estimator: Any, X: Any, allow_nan: bool) -> bool:
    """Whether scikit-learn's checks, which take ten predictions of a row, return X itself.

    With `allow_nan` NaN and infinities are left to an encoder.
    """
    return (
        _is_numbers(X, 2)
        and _has_columns_of_fit(estimator, X)
        and (allow_nan or bool(np.isfinite(X).all()))
    )


def _is_numbers(array: Any, ndim: int) -> bool:
    """Whether it is an ndarray of real numbers with that many axes, and not empty."""
    return (
        type(array) is np.ndarray
        and array.dtype.kind in "fiub"
        and array.ndim == ndim
        and array.size > 0
    )


def _has_columns_of_fit(estimator: Any, X: Any) -> bool:
    """Whether X has as many columns as the estimator was fitted on, without names."""
    known: int = getattr(estimator, "n_features_in_", -1)
    return X.shape[1] == known and not hasattr(estimator, "feature_names_in_")


def _fit_needs_no_check(estimator: Any, X: Any, y: Any, reset: bool) -> bool:
    """Whether scikit-learn's checks, half of a fit of 50 rows, return X and y."""
    return (
        _is_numbers(X, 2)
        and _is_numbers(y, 1)
        and len(X) == len(y)
        and (reset or _has_columns_of_fit(estimator, X))
        and _is_finite(X)
        and _is_finite(y)
    )


def _is_finite(array: AnyArray) -> bool:
    """Whether there is no NaN and no infinity, by one sum, which takes no memory."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(array.sum(dtype=np.float64)))


def validated(estimator: Any, X: Any, *y: Any, **options: Any) -> Any:
    """`validate_data`, and no masked entries, dates or integers beyond all floats.

    A sparse X stays sparse (CSR).

    Returns
    -------
    X, or (X, y)
    """
    _refuse_huge(X)
    if y and _fit_needs_no_check(estimator, X, y[0], options["reset"]):
        estimator.n_features_in_ = X.shape[1]
        vars(estimator).pop("feature_names_in_", None)
        return X, *y
    for value, name in zip((X, *y), "Xy", strict=False):
        checks.check_unmasked(value, name)
    _check_labels(*y)
    try:
        result = validate_data(
            estimator, X, *y, dtype="numeric", accept_sparse="csr", **options
        )
    except OverflowError:
        raise ValueError("X has an integer too large for a float") from None
    except (TypeError, ValueError):
        _refuse_text_column(X)
        raise
    array = result[0] if y else result
    if array.dtype.kind not in "fiub":
        raise TypeError(f"X has dtype {array.dtype}, expected real numbers")
    return result


def checked_table(estimator: Any, X: Any, *y: Any, **options: Any) -> Any:
    """Any table an encoder takes; numbers in an array as `validated`, but with holes.

    Returns
    -------
    X, or (X, y)
    """
    if hasattr(X, "toarray"):
        return validated(estimator, X, *y, **options)
    checks.check_unmasked(X, "X")
    _refuse_huge(X)
    table = X if is_frame(X) else as_array(X)
    if not is_frame(table) and table.dtype.kind in "fiubc" and table.ndim == 2:
        return validated(estimator, table, *y, ensure_all_finite="allow-nan", **options)
    reset = options.pop("reset")
    validate_data(estimator, table, reset=reset, skip_check_array=True)
    if not y:
        return table
    _check_labels(*y)
    return table, check_X_y(np.zeros((table.shape[0], 1)), *y, **options)[1]


def _refuse_huge(X: Any) -> None:
    """ValueError for too many columns, before any is read."""
    shape = getattr(X, "shape", ())
    if isinstance(shape, tuple) and len(shape) == 2 and shape[1] > _MOST_COLUMNS:
        raise ValueError(f"X has {shape[1]} columns, expected at most {_MOST_COLUMNS}")


def take_rows(data: Any, rows: NDArray[np.intp]) -> Any:
    """Some rows of an array, a sparse matrix or a frame."""
    if not is_frame(data):
        return data[rows]
    import narwhals

    return narwhals.from_native(data)[rows].to_native()


def _refuse_text_column(X: Any) -> None:
    """ValueError that names the first column of a frame or array which is not numbers."""
    columns = getattr(X, "columns", None)
    if columns is None:
        if getattr(getattr(X, "dtype", None), "kind", "") != "O" or X.ndim != 2:
            return
        columns = range(X.shape[1])
    for place, name in enumerate(columns):
        column = np.asarray(X[name] if hasattr(X, "columns") else X[:, place])
        if column.dtype.kind not in "OUST":
            continue
        for value in column:
            if not isinstance(value, str):
                continue
            try:
                float(value)
            except ValueError:
                raise ValueError(
                    f"column {name!r} of X holds {value!r:.60}, expected numbers; encode "
                    "or drop it"
                ) from None


def _check_labels(y: Any = None) -> None:
    """Targets that scikit-learn's checks accept, or refuse without an explanation."""
    if y is not None:
        _check_present(y)
        _check_one_kind(y)


def _check_present(y: Any) -> None:
    """ValueError for a missing target: None, NA or a NaN among labels."""
    if hasattr(y, "toarray"):
        return
    # a list of text and NaN would become text
    values = np.array(y, dtype=object if isinstance(y, (list, tuple)) else None)
    if values.dtype.kind != "O":
        return
    for place in np.ndindex(values.shape):
        if is_missing(values[place]):
            row = place[0] if place else 0
            raise ValueError(
                f"y has no value in row {row} ({values[place]!r}), expected a target in "
                "every row"
            )


def _check_one_kind(y: Any) -> None:
    """TypeError for a list of text and numbers, all of which NumPy turns into text."""
    if not isinstance(y, (list, tuple)):
        return
    text = [isinstance(label, str) for label in y]
    if any(text) and not all(text):
        label = y[text.index(False)]
        raise TypeError(f"y has text and {label!r}, expected labels of one kind")
