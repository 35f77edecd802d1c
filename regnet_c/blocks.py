"""Blocks: rows that are read block by block, for data larger than memory."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ._core import binding, checks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .typing import AnyArray, Block, BlockSource, StrPath

    CheckedBlock: TypeAlias = tuple[Any, Any, Any]  # the last one may be None

SAMPLE_ROWS = 1 << 17  # from which encoders and scales are learned
_BLOCK_ROWS = 1 << 16
_ARROW_SUFFIXES = {
    "parquet": (".parquet", ".pq"),
    "csv": (".csv",),
    "feather": (".feather", ".arrow", ".ipc"),
}


class Blocks:
    """Rows in blocks, of which `Network.fit` has two in memory at a time.

    An epoch takes the blocks in an order that is a function of the network's seed and the
    epoch, and the rows of a block in an order that is a function of seed, epoch and the
    block's number.  While one block is trained on, a thread reads the next one.  No
    batch has rows of two blocks: the last batch of each may be shorter.  A single block,
    or arrays in memory cut in the same way, give the same bits.

    Rows that lie together stay together in an epoch: where they are sorted, by class or
    by day, shuffle them once, or make the blocks so that each is like the whole.

    Explained in :doc:`/scaling`.

    Parameters
    ----------
    source : list, callable, pyarrow.dataset.Dataset, str or os.PathLike
        A list of tuples (X, y) or (X, y, sample_weight), of arrays or memory maps; a
        function ``block(i)`` that returns such a tuple, the same at every call, which a
        thread may call; or a dataset of numbers (extra ``[table]``), given as such or as
        a folder or file of Parquet, CSV or Feather.
    count : int, optional
        Number of blocks, for a function.
    rows : list of int, optional
        Rows of each block, for a function; default: every block is read once to count.
    target : str or list of str, optional
        Columns of a dataset that are y.
    columns : list of str, optional
        Columns of a dataset that are X; default: all others.
    weight : str, optional
        Column of a dataset with the row weights.
    block_rows : int, default 65536
        Files and row groups of a dataset, in the order of their paths, are joined until
        a block has this many rows; none is divided.

    Attributes
    ----------
    count : int
        Number of blocks.
    lengths : list of int
        Rows of each.

    Raises
    ------
    TypeError, ValueError
        For blocks that are empty or not tuples of arrays of the same length.
    ImportError
        For a dataset without the extra ``[table]``.

    Examples
    --------
    >>> import numpy as np, regnet_c as rn
    >>> X = np.random.RandomState(0).randn(300, 5).astype("float32")
    >>> y = (X[:, 0] > 0).astype(int)
    >>> blocks = rn.Blocks([(X[:200], y[:200]), (X[200:], y[200:])])
    >>> net = rn.Network([rn.Dense(5, 8, activation="relu"), rn.Dense(8, 2)],
    ...                  loss="softmax_cross_entropy", seed=0)
    >>> history = net.fit(blocks, epochs=30, optimizer=rn.Adam(0.01))
    >>> net.evaluate(X, y)["accuracy"] > 0.95
    True
    """

    def __init__(
        self,
        source: BlockSource,
        count: int | None = None,
        rows: Sequence[int] | None = None,
        *,
        target: str | Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        weight: str | None = None,
        block_rows: int = _BLOCK_ROWS,
    ) -> None:
        named = {"target": target, "columns": columns, "weight": weight}
        if isinstance(source, (str, os.PathLike)) or hasattr(source, "get_fragments"):
            _expect_none("a dataset", count=count, rows=rows)
            self._source: _Dataset | _Function | _Arrays
            self._source = _Dataset(source, named, block_rows)
            return
        _expect_none("a list or a function", **named)
        if callable(source):
            self._source = _Function(source, count, rows)
        else:
            _expect_none("a list", count=count, rows=rows)
            self._source = _Arrays(source)

    @property
    def count(self) -> int:
        return self._source.count

    @property
    def lengths(self) -> list[int]:
        return self._source.lengths

    def read(self, number: int) -> CheckedBlock:
        """One block.

        Parameters
        ----------
        number : int

        Returns
        -------
        tuple (X, y, sample_weight or None)

        Raises
        ------
        ValueError
            If it has not as many rows as before.

        Examples
        --------
        >>> import numpy as np, regnet_c as rn
        >>> X, y = np.eye(4), np.arange(4)
        >>> blocks = rn.Blocks([(X[:2], y[:2]), (X[2:], y[2:])])
        >>> blocks.read(1)
        (array([[0., 0., 1., 0.],
               [0., 0., 0., 1.]]), array([2, 3]), None)
        """
        block = self._source.read(number)
        if len(block[0]) != self.lengths[number]:
            raise ValueError(
                f"it has {len(block[0])} rows, it had {self.lengths[number]} when they "
                "were counted"
            )
        return block

    def __repr__(self) -> str:
        return f"Blocks({self._source}, {self.count} blocks)"


def _expect_none(what: str, **arguments: object) -> None:
    for name, value in arguments.items():
        if value is not None:
            raise TypeError(f"{name} is {value!r}, the source is {what}: expected None")


def _checked(block: Any, number: int) -> CheckedBlock:
    """(X, y, weight or None) from a user's block."""
    if not isinstance(block, (tuple, list)) or len(block) not in (2, 3):
        raise TypeError(
            f"block {number} is {checks.a_type(block)}, expected a tuple (X, y) or "
            "(X, y, sample_weight)"
        )
    X, y, weight = block if len(block) == 3 else (*block, None)
    if np.ndim(X) != 2 or len(X) == 0:
        raise ValueError(
            f"X of block {number} has shape {np.shape(X)}, expected (n, n_in) with n > 0"
        )
    return X, y, weight


def _in_memory(array: Any) -> Any:
    """A copy of a memory map: it is read here, by the thread that reads ahead."""
    return np.array(array) if isinstance(array, np.memmap) else array


class _Arrays:
    """A list of blocks."""

    def __init__(self, source: Any) -> None:
        source = checks.check_list(source, "source", of="tuples (X, y)")
        if not source:
            raise ValueError("source is empty, expected at least one block")
        self._blocks = [_checked(block, i) for i, block in enumerate(source)]
        self.count = len(self._blocks)
        self.lengths = [len(X) for X, _, _ in self._blocks]

    def read(self, number: int) -> CheckedBlock:
        return tuple(map(_in_memory, self._blocks[number]))

    def __repr__(self) -> str:
        return "list"


class _Function:
    """A function that makes block i."""

    def __init__(
        self,
        function: Callable[[int], Block],
        count: int | None,
        rows: Sequence[int] | None,
    ) -> None:
        self._function = function
        if count is None:
            raise TypeError("count is None, expected the number of blocks")
        self.count = checks.check_int(count, "count", minimum=1)
        if rows is None:
            rows = [len(self.read(i)[0]) for i in range(self.count)]
        self.lengths = [
            checks.check_int(n, "rows", minimum=1)
            for n in checks.check_list(rows, "rows", of="numbers")
        ]
        if len(self.lengths) != self.count:
            raise ValueError(f"rows has {len(self.lengths)} entries, count is {count}")

    def read(self, number: int) -> CheckedBlock:
        block = _checked(self._function(number), number)
        return tuple(map(_in_memory, block))

    def __repr__(self) -> str:
        return getattr(self._function, "__name__", "function")


class _Dataset:
    """Files and row groups of a pyarrow dataset, joined to blocks."""

    def __init__(self, source: Any, named: dict[str, Any], block_rows: int) -> None:
        block_rows = checks.check_int(block_rows, "block_rows", minimum=1)
        self._place = source if isinstance(source, (str, os.PathLike)) else "dataset"
        if self._place is source:
            source = _open(source)
        if named["target"] is None:
            raise TypeError("target is None, expected the columns that are y")
        self._schema = source.schema
        self._choose(self._schema.names, **named)
        self._blocks: list[list[Any]] = []
        self.lengths: list[int] = []
        rows = block_rows
        for part in _parts(source):
            if (n := _rows(part)) == 0:
                continue
            if rows >= block_rows:
                self._blocks.append([])
                self.lengths.append(0)
            self._blocks[-1].append(part)
            self.lengths[-1] += n
            rows = self.lengths[-1]
        self.count = len(self._blocks)
        if not self.count:
            raise ValueError(f"{self._place} has no rows")

    def _choose(
        self,
        names: list[str],
        target: str | Sequence[str],
        columns: Sequence[str] | None,
        weight: str | None,
    ) -> None:
        self._targets = [target] if isinstance(target, str) else list(target)
        self._weight = [] if weight is None else [weight]
        apart = {*self._targets, *self._weight}
        self._columns = [n for n in names if n not in apart]
        if columns is not None:
            self._columns = checks.check_list(columns, "columns", of="names")
        for name in (*self._columns, *self._targets, *self._weight):
            if name not in names:
                raise ValueError(f"{self._place} has no column {name!r}, only {names}")

    def read(self, number: int) -> CheckedBlock:
        names = [*self._columns, *self._targets, *self._weight]
        parts = [
            part.to_table(self._schema, columns=names, use_threads=False)
            for part in self._blocks[number]
        ]
        n = sum(part.num_rows for part in parts)
        X = _matrix(parts, self._columns, n)
        y = _matrix(parts, self._targets, n)
        weight = _matrix(parts, self._weight, n)[:, 0] if self._weight else None
        return X, y[:, 0] if len(self._targets) == 1 else y, weight

    def __repr__(self) -> str:
        return str(self._place)


def _open(path: StrPath) -> Any:
    """A pyarrow dataset of a file, or of the files of a folder."""
    from .tables import extra

    extra.pyarrow()
    import pyarrow.dataset

    path = os.fspath(path)
    if not os.path.exists(path):
        raise FileNotFoundError(f"no such file or folder: {path}")
    found = {
        kind
        for _, _, files in os.walk(path)
        for kind, suffixes in _ARROW_SUFFIXES.items()
        if any(name.lower().endswith(suffixes) for name in files)
    }
    if not os.path.isdir(path):
        found = {k for k, s in _ARROW_SUFFIXES.items() if path.lower().endswith(s)}
    if len(found) != 1:
        what = " and ".join(sorted(found)) or "none of them"
        raise ValueError(f"{path} has {what}, expected parquet, csv or feather files")
    return pyarrow.dataset.dataset(path, format=found.pop(), partitioning="hive")


def _parts(dataset: Any) -> Iterator[Any]:
    """Row groups of Parquet files, other files as a whole, in the order of their paths."""
    fragments = sorted(dataset.get_fragments(), key=lambda f: getattr(f, "path", ""))
    for fragment in fragments:
        split = getattr(fragment, "split_by_row_group", None)
        yield from [fragment] if split is None else split()


def _rows(part: Any) -> int:
    """Rows of a row group or file; `count_rows` takes a row group for its whole file."""
    groups = getattr(part, "row_groups", None)
    if groups is None:
        number: int = part.count_rows()
        return number
    return sum(group.num_rows for group in groups)


def _matrix(parts: Sequence[Any], names: list[str], n: int) -> AnyArray:
    """Columns of some tables side by side, (n, len(names)), of their joint dtype."""
    tables = [[_numbers(part[name], name) for name in names] for part in parts]
    dtype = np.result_type(*itertools.chain(*tables))
    out, first = np.empty((n, len(names)), dtype), 0
    for columns in tables:
        rows = out[first : first + len(columns[0])]
        first += len(rows)
        if dtype in (np.float32, np.float64):  # several times faster than NumPy
            columns = [np.ascontiguousarray(column, dtype) for column in columns]
            binding.columns_to_rows(rows, columns)
        else:
            np.stack(columns, axis=1, out=rows)
    return out


def _numbers(column: Any, name: str) -> AnyArray:
    """A column of numbers as an array; missing ones are refused."""
    if column.null_count:
        raise ValueError(
            f"column {name!r} has {column.null_count} missing values, expected numbers"
        )
    array = column.to_numpy()
    if array.dtype.kind not in "fiub":
        raise TypeError(f"column {name!r} has the type {column.type}, expected numbers")
    result: AnyArray = array
    return result
