"""Tables from CSV and NPZ files, refused where a number is missing or infinite."""

import csv
import zipfile
import zlib
from pathlib import Path

import numpy as np

from .._core import binding, checks

_MISSING = {"", "na", "nan", "n/a", "null", "none", "?"}


class Table:
    """Named columns of a CSV file: `text` as written, `columns` as numbers if possible."""

    def __init__(self, text, path):
        self.text, self.path = text, path
        self.columns = {name: _numbers_or_text(cells) for name, cells in text.items()}


def read_csv(path):
    """Read a CSV file with a header line.

    Returns
    -------
    Table
        Columns in which every entry is a number are float64, the others text.

    Raises
    ------
    ValueError
        For missing values, rows of another length, repeated column names.
    """
    header, cells = _read_cells(path)
    if not header:
        raise ValueError(f"{path} is empty, expected a header line")
    if len(set(header)) != len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise ValueError(f"{path} has the column {twice!r} twice")
    if not cells:
        raise ValueError(f"{path} has a header but no rows")
    for number, row in enumerate(cells, start=2):
        _check_row(path, number, header, row)
    columns = zip(header, zip(*cells, strict=True), strict=True)
    table = {name: [c.strip() for c in column] for name, column in columns}
    return _finite(Table(table, path))


def _read_cells(path):
    """(header, rows) of a CSV file, empty lines left out."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = csv.reader(file)
            return next(rows, None), [row for row in rows if row]
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a CSV file in UTF-8: {error}") from None


def _check_row(path, number, header, row):
    """ValueError for a row of another length or with a missing value."""
    if len(row) != len(header):
        raise ValueError(
            f"{path} line {number} has {len(row)} entries, the header {len(header)}"
        )
    for name, cell in zip(header, row, strict=True):
        if cell.strip().lower() in _MISSING:
            raise ValueError(
                f"{path} line {number} has no value in column {name!r} ({cell!r}); "
                "delete such rows, drop the column, or fill in a value (the column's "
                "median, or a category of its own) before training"
            )


def _finite(table):
    """The table, or ValueError for an infinity in a column of numbers."""
    for name, values in table.columns.items():
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            row = int(np.argmin(np.isfinite(values)))
            raise ValueError(
                f"{table.path} line {row + 2} has {table.text[name][row]!r} in column "
                f"{name!r}, expected finite numbers"
            )
    return table


def _numbers_or_text(cells):
    try:
        return np.array(cells, dtype=np.float64)
    except ValueError:
        return np.array(cells)


def read_npz(path, need_target=True):
    """(X, y) of an NPZ file with X and y, or with x_train and y_train.

    Images are flattened.  y is None if the file has none and `need_target` is false.
    """
    arrays = load_npz(path)
    for x_name, y_name in (("X", "y"), ("x_train", "y_train")):
        if x_name not in arrays:
            continue
        if y_name not in arrays and need_target:
            raise ValueError(f"{path} has {x_name} but no {y_name}")
        return rows_of(arrays, x_name, y_name)
    raise ValueError(
        f"{path} has the arrays {', '.join(arrays) or 'none'}, expected X and y"
    )


def load_npz(path):
    """The arrays of an NPZ file we look for, by name, and None for all others."""
    wanted = ("X", "y", "x_train", "y_train", "x_test", "y_test")
    try:
        with open(path, "rb") as file:
            if not zipfile.is_zipfile(file):
                raise ValueError("it is not a ZIP archive")
            file.seek(0)
            archive = np.load(file, allow_pickle=False)
            arrays = {name: archive[name] for name in wanted if name in archive}
            for name, array in arrays.items():
                if not isinstance(array, np.ndarray):  # bytes of another format
                    raise ValueError(f"{name} is not an array")
            return dict.fromkeys(archive) | arrays
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        ValueError,
        KeyError,
        NotImplementedError,
        RuntimeError,
    ) as error:
        raise ValueError(f"{path} is not a readable NPZ file: {error}") from None


def rows_of(arrays, x_name, y_name):
    """(X with a row per sample, y or None), of one length."""
    X, y = checks.as_array(arrays[x_name], x_name), arrays.get(y_name)
    if X.ndim == 0 or X.size == 0:
        raise ValueError(f"{x_name} has shape {X.shape}, expected rows of numbers")
    if y is not None and (y.ndim == 0 or len(y) != len(X)):
        rows = len(y) if y.ndim else 1
        raise ValueError(f"{y_name} has {rows} rows, {x_name} has {len(X)}")
    return X.reshape(len(X), -1), y


def read_test_npz(path):
    """(X, y) of the x_test and y_test of an NPZ file, or None."""
    arrays = load_npz(path)
    if "x_test" not in arrays or "y_test" not in arrays:
        return None
    return rows_of(arrays, "x_test", "y_test")


def is_npz(path):
    """True for NPZ, False for CSV; ValueError for other endings."""
    suffix = Path(path).suffix.lower()
    if suffix not in (".npz", ".csv"):
        raise ValueError(f"{path} ends in {suffix!r}, expected .csv or .npz")
    return suffix == ".npz"


def split(n, fraction, seed):
    """(training rows, validation rows) of a random split, a function of the seed."""
    fraction = checks.check_float(fraction, "the validation share", 0)
    order = np.empty(n, np.int64)
    binding.permutation(order, seed, 2**63)  # an epoch that training never reaches
    count = int(round(n * fraction))
    if not 0 < count < n:
        raise ValueError(
            f"a validation share of {fraction} leaves {count} of {n} rows for validation"
        )
    return np.sort(order[count:]), np.sort(order[:count])
