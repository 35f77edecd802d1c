"""Arrays from NPZ files: X and y, or x_train and y_train with x_test and y_test.

Or a sparse matrix, the X of `scipy.sparse.save_npz`, to which y may be added.
"""

from __future__ import annotations

import zipfile
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import checks
from . import sparse_files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .._core.csr import CSR
    from ..typing import AnyArray, StrPath


def read_npz(path: StrPath, need_target: bool = True) -> tuple[AnyArray | CSR, Any]:
    """(X, y) of an NPZ file with X and y, with x_train and y_train, or a sparse matrix.

    Images are flattened.  y is None if the file has none and `need_target` is false, and
    where a sparse matrix has none.
    """
    arrays = load_npz(path)
    if sparse_files.is_sparse(arrays):
        return _sparse_rows(path, arrays)
    for x_name, y_name in (("X", "y"), ("x_train", "y_train")):
        if x_name not in arrays:
            continue
        if y_name not in arrays and need_target:
            raise ValueError(f"{path} has {x_name} but no {y_name}")
        return rows_of(arrays, x_name, y_name)
    raise ValueError(
        f"{path} has the arrays {', '.join(arrays) or 'none'}, expected X and y"
    )


def load_npz(path: StrPath) -> dict[str, Any]:
    """The arrays of an NPZ file we look for, by name, and None for all others."""
    wanted = ("X", "y", "x_train", "y_train", "x_test", "y_test", *sparse_files.NAMES)
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


def rows_of(
    arrays: Mapping[str, Any], x_name: str, y_name: str
) -> tuple[AnyArray, Any]:
    """(X with a row per sample, y or None), of one length."""
    X, y = checks.as_array(arrays[x_name], x_name), arrays.get(y_name)
    if X.ndim == 0 or X.size == 0:
        raise ValueError(f"{x_name} has shape {X.shape}, expected rows of numbers")
    if y is not None and (y.ndim == 0 or len(y) != len(X)):
        rows = len(y) if y.ndim else 1
        raise ValueError(f"{y_name} has {rows} rows, {x_name} has {len(X)}")
    return X.reshape(len(X), -1), y


def _sparse_rows(path: StrPath, arrays: Mapping[str, Any]) -> tuple[CSR, Any]:
    try:
        X = sparse_files.rows_of_parts(arrays)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} has no readable sparse matrix: {error}") from None
    y = arrays.get("y")
    if y is not None and (y.ndim == 0 or len(y) != len(X)):
        raise ValueError(f"{path}: y has shape {y.shape}, X has {len(X)} rows")
    return X, y


def read_test_npz(path: StrPath) -> tuple[AnyArray, Any] | None:
    """(X, y) of the x_test and y_test of an NPZ file, or None."""
    arrays = load_npz(path)
    if "x_test" not in arrays or "y_test" not in arrays:
        return None
    return rows_of(arrays, "x_test", "y_test")


def same_columns(X: AnyArray, other: AnyArray | CSR) -> AnyArray:
    """X, or ValueError if it has not as many columns as `other`."""
    if X.shape[1] != other.shape[1]:
        raise ValueError(
            f"x_test has {X.shape[1]} numbers per row, x_train has {other.shape[1]}"
        )
    return X
