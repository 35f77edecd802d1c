"""Sparse rows from files: LIBSVM's text, and NPZ as `scipy.sparse.save_npz` writes it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import checks
from .._core.csr import CSR

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..typing import AnyArray, StrPath

NAMES = ("data", "indices", "indptr", "row", "col", "shape", "format")


def read_libsvm(path: StrPath, n_columns: int | None = None) -> tuple[CSR, AnyArray]:
    """(X, y) of a LIBSVM file: lines ``y index:value index:value ...``.

    Column j of X is index j of the file, so that column 0 is empty where it counts from 1.
    With `n_columns`, entries of later columns are left out: no training row had them.

    Raises
    ------
    ImportError
        Without scikit-learn, whose reader it is.
    ValueError
        If it is not such a file.
    """
    try:
        from sklearn.datasets import load_svmlight_file
    except ImportError:
        raise ImportError(
            f"{path} is a LIBSVM file, reading it needs scikit-learn: pip install "
            "regnet-c[sklearn]"
        ) from None
    try:
        matrix, y = load_svmlight_file(str(path), zero_based=True)
    except (ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a readable LIBSVM file: {error}") from None
    X = _checked(matrix, matrix.shape[1])
    if n_columns is None or n_columns == X.shape[1]:
        return X, y
    if n_columns < X.shape[1]:
        return X.columns(np.arange(n_columns)), y
    return CSR(X.data, X.indices, X.indptr, (len(X), n_columns)), y


def is_sparse(arrays: Mapping[str, Any]) -> bool:
    """Whether an NPZ file with these arrays holds a sparse matrix."""
    return "format" in arrays and "shape" in arrays


def rows_of_parts(arrays: Mapping[str, Any]) -> CSR:
    """The matrix of the arrays that `scipy.sparse.save_npz` writes, as CSR."""
    kind = arrays["format"].item()
    kind = kind.decode("ascii", "replace") if isinstance(kind, bytes) else str(kind)
    places = {"csr": ("indices", "indptr"), "csc": ("indices", "indptr")}
    places["coo"] = "row", "col"
    if kind not in places:
        raise ValueError(f"it has format {kind!r:.20}, expected csr, csc or coo")
    absent = [name for name in ("data", *places[kind]) if arrays.get(name) is None]
    if absent:
        raise ValueError(f"it has format {kind!r} but no array {absent[0]!r}")
    shape = tuple(arrays["shape"].reshape(-1).tolist())
    parts = {name: arrays[name] for name in ("data", *places[kind])}
    if kind == "csc":
        parts = _by_column(shape, **parts)
    if kind != "csr":
        parts = _by_row(shape, **parts)
    n_columns = shape[1] if len(shape) == 2 else 0
    return _checked(SimpleNamespace(**parts, shape=shape), n_columns)


def _checked(matrix: Any, n_columns: int) -> CSR:
    rows: Any = checks.check_x(matrix, (n_columns, None, n_columns))
    checked: CSR = rows
    return checked


def _by_column(
    shape: tuple[int, ...], data: AnyArray, indices: AnyArray, indptr: AnyArray
) -> dict[str, AnyArray]:
    """CSC as COO."""
    counts = np.diff(indptr)
    if len(counts) != shape[-1] or counts.sum() != len(data) or (counts < 0).any():
        raise ValueError("its indptr does not fit its shape and data")
    return {
        "data": data,
        "row": indices,
        "col": np.repeat(np.arange(shape[-1]), counts),
    }


def _by_row(
    shape: tuple[int, ...], data: AnyArray, row: AnyArray, col: AnyArray
) -> dict[str, AnyArray]:
    """COO as CSR; what is there twice stays so."""
    if len(data) != len(row) or not len(row) == len(col):
        raise ValueError("its arrays data, row and col differ in length")
    if len(row) and not 0 <= row.min() <= row.max() < shape[0]:
        raise ValueError(f"it has an entry outside its {shape[0]} rows")
    order = np.argsort(row, kind="stable")
    start = np.searchsorted(row[order], np.arange(shape[0] + 1))
    return {"data": data[order], "indices": col[order], "indptr": start}


def read_target(path: StrPath) -> AnyArray:
    """A value for each row: an .npy file, or text with a line for each."""
    if str(path).endswith(".npy"):
        try:
            array: AnyArray = np.load(path, allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise ValueError(f"{path} is not a readable NPY file: {error}") from None
        return array
    with open(path, encoding="utf-8-sig") as file:
        return np.array(file.read().splitlines())
