"""Sparse rows (CSR) as the C core reads them: entries, their columns, where rows begin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import binding

if TYPE_CHECKING:
    from ..typing import AnyArray, IntArray

MAX_DENSITY = 0.15  # share of entries up to which reading them one by one is faster
_MAX_COLUMNS = np.iinfo(np.int32).max


class CSR:
    """A checked sparse matrix; C puts its entries into the rows of one block at a time.

    Parameters
    ----------
    data : ndarray of shape (count,)
    indices : ndarray of int32 or int64 of shape (count,)
        Columns, rising within each row.
    indptr : ndarray of int64 of shape (n + 1,)
    shape : tuple of int
    """

    data: AnyArray
    indices: AnyArray
    indptr: IntArray
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    ndim = 2

    def __init__(
        self,
        data: AnyArray,
        indices: AnyArray,
        indptr: IntArray,
        shape: tuple[int, int],
    ) -> None:
        self.data, self.indices, self.indptr = data, indices, indptr
        self.shape, self.dtype = shape, data.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> AnyArray:
        """Some rows as a dense array: rows by number, a slice or an array of numbers."""
        numbers = np.arange(len(self))[rows]
        out = np.zeros((*numbers.shape, self.shape[1]), self.dtype)
        for row, to in zip(np.atleast_1d(numbers), np.atleast_2d(out), strict=True):
            entries = slice(self.indptr[row], self.indptr[row + 1])
            to[self.indices[entries]] = self.data[entries]
        return out

    @property
    def by_entry(self) -> bool:
        """Whether so few entries pay to be read one by one; the bits are the same."""
        n, n_columns = self.shape
        count = self.indptr[-1] - self.indptr[0]
        return n_columns <= _MAX_COLUMNS and count <= MAX_DENSITY * n * n_columns

    @property
    def row_entries(self) -> int | None:
        """Entries of a row, on average, if C reads them one by one; else None."""
        count = int(self.indptr[-1] - self.indptr[0])
        return -(-count // len(self)) if self.by_entry else None

    def columns(self, kept: IntArray) -> CSR:
        """These columns, sorted numbers, as another CSR."""
        place = np.full(self.shape[1], -1, self.indices.dtype)
        place[kept] = np.arange(len(kept))
        taken = place[self.indices] >= 0
        before = np.concatenate(([0], np.cumsum(taken)))
        shape = self.shape[0], len(kept)
        return CSR(
            self.data[taken],
            place[self.indices[taken]],
            before[self.indptr].astype(np.int64),
            shape,
        )

    def rows(self, numbers: Any) -> CSR:
        """These rows, by number, a mask or a slice, as another CSR."""
        chosen = np.arange(len(self))[numbers]
        counts = np.diff(self.indptr)[chosen]
        indptr = np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))
        entries = np.repeat(self.indptr[chosen] - indptr[:-1], counts)
        entries += np.arange(indptr[-1])
        shape = len(chosen), self.shape[1]
        return CSR(self.data[entries], self.indices[entries], indptr, shape)

    def with_data(self, data: AnyArray) -> CSR:
        """Other numbers at the same places."""
        return CSR(data, self.indices, self.indptr, self.shape)

    def first_not_finite(self) -> int | None:
        """The first row with a NaN or infinity."""
        entries = self.data[self.indptr[0] : self.indptr[-1]]
        bad = np.flatnonzero(~np.isfinite(entries))
        if not len(bad):
            return None
        return int(np.searchsorted(self.indptr, self.indptr[0] + bad[0], "right")) - 1

    def source(self) -> binding.Source:
        """What C reads."""
        return binding.Source(
            self.data, self.indptr, self.indices, self.shape[1], self.by_entry
        )


def take_rows(X: Any, numbers: Any) -> Any:
    """These rows of an array or of a CSR."""
    return X.rows(numbers) if type(X) is CSR else X[numbers]


def take_columns(X: Any, kept: IntArray, scale: AnyArray | None = None) -> Any:
    """These columns, sorted numbers, of an array or of a CSR, each times its scale."""
    if type(X) is not CSR:
        return np.ascontiguousarray(X[:, kept]) if scale is None else X[:, kept] * scale
    X = X.columns(kept)
    return X if scale is None else X.with_data(X.data * scale[X.indices])


def summed(
    data: AnyArray, indices: AnyArray, indptr: IntArray
) -> tuple[AnyArray, AnyArray, IntArray]:
    """A copy with the columns of each row rising, duplicate entries added in order."""
    rows = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    entries = slice(indptr[0], indptr[-1])
    data, indices = data[entries], indices[entries]
    order = np.lexsort((indices, rows))  # stable
    rows, indices = rows[order], indices[order]
    new = np.ones(len(rows), bool)
    new[1:] = (rows[1:] != rows[:-1]) | (indices[1:] != indices[:-1])
    total = np.zeros(np.count_nonzero(new), data.dtype)
    np.add.at(total, np.cumsum(new) - 1, data[order])
    start = np.searchsorted(rows[new], np.arange(len(indptr))).astype(np.int64)
    return total, indices[new], start
