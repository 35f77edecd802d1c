"""One interface to the columns of data frames and arrays.

A column knows what it holds (`holds`) and comes in three forms: `floats()`, real
numbers with NaN where a value is missing; `codes()`, the position of each value in a
list of texts, -1 where it is missing; `micros()`, microseconds since 1970.  Arrays need
NumPy only.  Frames are read through narwhals and pyarrow, whose dictionaries save every
loop over rows.
"""

from __future__ import annotations

import datetime
import decimal
import math
import numbers
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from . import extra

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..typing import AnyArray, BoolArray, Float64Array, IntArray

    Column: TypeAlias = "ArrayColumn | ArrowColumn"
    # codes, and the text of each; None or anything that no code means
    Codes: TypeAlias = tuple[NDArray[np.int32], list[Any]]

NUMBER, TEXT, BOOLEAN, DATE, NOTHING, OTHER = (
    "numbers",
    "text",
    "booleans",
    "dates",
    "nothing",
    "something else",
)
NO_DATE = np.iinfo(np.int64).min  # a missing value of `micros`


class ArrayColumn:
    """A column of a NumPy array.

    Parameters
    ----------
    name : str
    values : ndarray of shape (n,)
    """

    holds: str
    declared = False  # as categories, by the type of the column
    as_numbers: ArrayColumn | None = None

    def __init__(self, name: str, values: AnyArray) -> None:
        self.name = name
        if values.dtype.kind == "O":
            values = _typed(values)
        elif values.dtype.kind == "S":
            values = np.char.decode(values, "utf-8")
        self.values = values
        kinds = {"f": NUMBER, "i": NUMBER, "u": NUMBER, "m": NUMBER, "b": BOOLEAN}
        kinds |= {"U": TEXT, "O": TEXT, "M": DATE}
        self.holds = kinds.get(values.dtype.kind, OTHER)
        if values.dtype.kind == "O" and all(value is None for value in values):
            self.holds = NOTHING

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: AnyArray) -> ArrayColumn:
        """The column of some rows."""
        return ArrayColumn(self.name, self.values[rows])

    def floats(self) -> AnyArray:
        """Real numbers (n,) of any dtype, NaN where a value is missing."""
        if self.holds == NOTHING:
            return np.full(len(self.values), np.nan)
        return _seconds(self.values) if self.values.dtype.kind == "m" else self.values

    def codes(self) -> Codes:
        """(int32 codes (n,) with -1 for missing, list of the texts they stand for)."""
        kind = self.values.dtype.kind
        if kind == "O":
            return _factorize(self.values)
        if kind == "b":
            return self.values.astype(np.int32), ["False", "True"]
        values, codes = np.unique(self.values, return_inverse=True)
        levels = level_texts(values)
        return without_missing(codes.astype(np.int32).reshape(-1), levels)

    def micros(self) -> IntArray:
        """int64 (n,), microseconds since 1970, NO_DATE where a value is missing."""
        return self.values.astype("M8[us]").view(np.int64)


class ArrowColumn:
    """A column of a data frame, as a pyarrow array.

    Parameters
    ----------
    name : str
    values : pyarrow.ChunkedArray
    """

    declared: bool
    holds: str

    def __init__(self, name: str, values: Any) -> None:
        self.name = name
        self.values = values
        self.as_numbers: ArrowColumn | None = (
            None  # text read as numbers by the rules of its file
        )
        self.declared = extra.pyarrow().types.is_dictionary(values.type)
        self.holds = TEXT if self.declared else _holds(values.type)
        if values.null_count == len(values):
            self.holds = NOTHING

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: AnyArray) -> ArrowColumn:
        """The column of some rows."""
        return ArrowColumn(self.name, self.values.take(extra.pyarrow().array(rows)))

    def floats(self) -> AnyArray:
        """Real numbers (n,) of any dtype, NaN where a value is missing."""
        pa = extra.pyarrow()
        values, kind = self.values, self.values.type
        if self.holds == NOTHING:
            return np.full(len(values), np.nan)
        if pa.types.is_duration(kind):
            return _seconds(values.to_numpy())
        if pa.types.is_time(kind):
            unit = kind.unit
            whole = pa.int32() if pa.types.is_time32(kind) else pa.int64()
            values = values.cast(whole)
            per_second = {"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}[unit]
            seconds: AnyArray = values.to_numpy().astype(np.float64) / per_second
            return seconds
        if pa.types.is_decimal(kind) or pa.types.is_float16(kind):
            values = values.cast(pa.float64())
        array: AnyArray = values.to_numpy()
        return array

    def codes(self) -> Codes:
        """(int32 codes (n,) with -1 for missing, list of the texts they stand for)."""
        pa, values = extra.pyarrow(), self.values
        if self.holds == NOTHING:
            return np.full(len(values), -1, np.int32), []
        if self.holds == DATE:
            values = values.cast(pa.string())
        if not pa.types.is_dictionary(values.type):
            values = values.dictionary_encode()
        values = values.unify_dictionaries().combine_chunks()
        if isinstance(values, pa.ChunkedArray):  # without a single chunk
            values = pa.concat_arrays(values.chunks)
        codes = values.indices
        if codes.null_count:
            codes = codes.fill_null(-1)
        codes = codes.to_numpy().astype(np.int32, copy=False)
        levels = level_texts(values.dictionary)
        return without_missing(codes, levels)

    def micros(self) -> IntArray:
        """int64 (n,), microseconds since 1970, NO_DATE where a value is missing."""
        pa = extra.pyarrow()
        values = self.values.cast(
            pa.timestamp("us", getattr(self.values.type, "tz", None))
        )
        array: IntArray = values.cast(pa.int64()).fill_null(NO_DATE).to_numpy()
        return array


def columns_of(X: Any, names: Sequence[str] | None = None) -> list[Column]:
    """The columns of a data frame or of an array of shape (n, n_columns).

    Parameters
    ----------
    X : data frame that narwhals knows, pyarrow.Table or array-like
    names : list of str, optional
        Of an array's columns; x0, x1, ... by default.

    Returns
    -------
    list of ArrayColumn or ArrowColumn

    Raises
    ------
    ImportError
        For a data frame without narwhals and pyarrow.
    TypeError, ValueError
        For anything that has no columns.
    """
    if is_frame(X):
        return _frame_columns(X)
    X = as_array(X)
    if names is None:
        names = [f"x{i}" for i in range(X.shape[1])]
    return [ArrayColumn(name, X[:, i]) for i, name in enumerate(names)]


def is_frame(X: object) -> bool:
    """True for a data frame: it has columns with names, or an Arrow schema.

    Raises
    ------
    TypeError, ValueError
        For a frame that is not in memory, or has two columns of one name.
    """
    if not hasattr(X, "__len__") and hasattr(type(X), "columns"):
        raise TypeError(
            f"X is a {type(X).__name__}, expected a data frame in memory; collect() or "
            "compute() it first"
        )
    if hasattr(X, "iloc") and hasattr(
        X, "columns"
    ):  # pandas allows the same name twice
        _refuse_doubles([str(name) for name in X.columns])
    return not isinstance(X, np.ndarray) and (
        hasattr(X, "columns") or hasattr(X, "schema")
    )


def as_array(X: object) -> AnyArray:
    """An array of two dimensions; lists of mixed types are not turned into text."""
    if hasattr(X, "toarray") or hasattr(X, "todense"):
        raise TypeError(
            "X is a sparse matrix, the encoder expects a data frame or a dense array"
        )
    array = np.asarray(X)
    if array.dtype.kind in "US" and not isinstance(X, np.ndarray):
        array = np.asarray(X, dtype=object)
    if array.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: X has dtype {array.dtype}")
    if array.ndim != 2:
        raise ValueError(
            f"X has shape {array.shape}, expected 2D array (rows, columns). Reshape your "
            "data with reshape(-1, 1) for one column or reshape(1, -1) for one row"
        )
    return array


def _refuse_doubles(names: list[str]) -> None:
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"X has the column {twice!r:.60} twice")


def _frame_columns(X: Any) -> list[Column]:
    nw, pa = extra.narwhals(), extra.pyarrow()
    try:
        frame = nw.from_native(X, eager_only=True)
    except TypeError:
        raise TypeError(
            f"X is a {type(X).__module__}.{type(X).__name__}, expected a data frame in "
            "memory (pandas, polars, pyarrow) or an array"
        ) from None
    names = list(frame.columns)
    _refuse_doubles(list(map(str, names)))
    columns: list[Column] = []
    for position, name in enumerate(names):
        series = frame[:, position]
        try:
            values = series.to_arrow()
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
            columns.append(ArrayColumn(str(name), series.to_numpy()))
            continue
        if not isinstance(values, pa.ChunkedArray):
            values = pa.chunked_array([values])
        columns.append(ArrowColumn(str(name), values))
    return columns


# ---- what a column holds -------------------------------------------------------------


def _holds(kind: Any) -> str:
    types = extra.pyarrow().types
    if types.is_boolean(kind):
        return BOOLEAN
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return NUMBER
    if types.is_time(kind) or types.is_duration(kind):
        return NUMBER
    if types.is_timestamp(kind) or types.is_date(kind):
        return DATE
    if _is_text(kind):
        return TEXT
    return NOTHING if types.is_null(kind) else OTHER


def _is_text(kind: Any) -> bool:
    types = extra.pyarrow().types
    view = getattr(types, "is_string_view", lambda kind: False)
    return types.is_string(kind) or types.is_large_string(kind) or view(kind)


def is_missing(value: Any) -> bool:
    """True for None, NaN, NaT and pandas.NA."""
    if value is None:
        return True
    different = value != value
    return (
        different is True
        or (isinstance(different, np.bool_) and bool(different))
        or (type(value).__name__ == "NAType")
    )


def _typed(values: AnyArray) -> AnyArray:
    """An object array as numbers, booleans or dates if it holds nothing else."""
    kinds = set(map(type, values))
    missing = [
        k for k in kinds if k is type(None) or k.__name__ in ("NAType", "NaTType")
    ]
    kinds -= set(missing)
    for kind in kinds:
        if not issubclass(kind, _CELLS):
            raise TypeError(
                f"argument must be a string or a real number, a date or a boolean; X has "
                f"a {kind.__name__}"
            )
    if not kinds:
        return np.full(len(values), None, dtype=object)
    if all(issubclass(k, (bool, np.bool_)) for k in kinds):
        return values if missing else values.astype(bool)
    if all(issubclass(k, numbers.Real | decimal.Decimal) for k in kinds) and not any(
        issubclass(k, (bool, np.bool_)) for k in kinds
    ):
        if missing:
            values = np.where(_missing_mask(values), np.nan, values)
        elif all(issubclass(k, numbers.Integral) for k in kinds):
            try:
                return values.astype(np.int64)
            except OverflowError:
                pass
        return values.astype(np.float64)
    if all(issubclass(k, (datetime.date, np.datetime64)) for k in kinds):
        if missing:
            values = np.where(_missing_mask(values), np.datetime64("NaT"), values)
        return values.astype("M8[us]")
    return values


_CELLS = (
    str,
    bytes,
    bool,
    np.bool_,
    numbers.Real,
    decimal.Decimal,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    np.datetime64,
    np.timedelta64,
)


def _missing_mask(values: AnyArray) -> BoolArray:
    return np.fromiter(map(is_missing, values), bool, len(values))


def _factorize(values: AnyArray) -> Codes:
    """codes and levels of objects, by a dictionary."""
    levels: dict[str, int] = {}
    codes = np.empty(len(values), np.int32)
    for i, value in enumerate(values):
        if is_missing(value):
            codes[i] = -1
        else:
            codes[i] = levels.setdefault(level_text(value), len(levels))
    return without_missing(codes, list(levels))


def without_missing(codes: NDArray[np.int32], levels: list[Any]) -> Codes:
    """codes and levels in which NaN and the empty text are missing values."""
    gone = [i for i, level in enumerate(levels) if level is None or level == ""]
    if gone:
        codes = np.where(np.isin(codes, gone), np.int32(-1), codes)
    return codes, levels


def level_texts(values: Any) -> list[str | None]:
    """The text of each distinct value, None where it is missing.

    Whole floats are written as integers, so that a column that became float because a
    value is missing keeps its levels.
    """
    if isinstance(values, np.ndarray):
        values = values.tolist() if values.dtype.kind != "M" else values.astype(str)
    else:
        values = values.to_pylist()
    return [None if is_missing(value) else level_text(value) for value in values]


def level_text(value: object) -> str:
    """A value as the name of a level."""
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)


def is_whole(values: AnyArray) -> bool:
    """True if every number is whole; missing values are ignored."""
    if values.dtype.kind in "iub":
        return True
    if values.dtype.kind != "f":
        return False
    with np.errstate(invalid="ignore"):
        return bool(((values == np.floor(values)) | np.isnan(values)).all())


def _seconds(values: AnyArray) -> Float64Array:
    out = values.astype("m8[us]").astype(np.float64) / 1e6
    out[np.isnat(values)] = np.nan
    return out


def parse_number(text: str) -> float | None:
    """The float that a text is, or None; `1_1`, `0x1` and words are not numbers."""
    text = text.strip()
    if not text or not set(text) <= set("0123456789+-.eE"):
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
