"""Table files in pieces of whole rows, for those larger than memory.

Row groups of Parquet and batches of Arrow files are joined to pieces; a CSV is cut at ends
of lines that are not within quotes.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import extra, readers
from .columns import ArrowColumn
from .readers import CSVFile, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ..typing import StrPath
    from .form import Dialect

_ROWS = 1 << 16  # of a piece, at least
_BYTES = 1 << 24  # of a piece of a CSV
_COMPRESSED = (".gz", ".bz2")


def can_be_cut(path: StrPath) -> bool:
    """Whether pieces of a file can be read without all that comes before."""
    kind = readers.kind_of(path)
    if kind != "folder":
        return kind in ("parquet", "arrow", "csv") and not _is_compressed(path)
    return all(map(can_be_cut, readers.files_of(Path(path))))


def _is_compressed(path: StrPath) -> bool:
    return Path(path).suffix.lower() in _COMPRESSED


def size_of(path: StrPath) -> int:
    """Bytes of a file, or of all files of a folder; 0 if there is none."""
    if not Path(path).is_dir():
        return os.path.getsize(path) if os.path.exists(path) else 0
    return sum(map(os.path.getsize, readers.files_of(Path(path))))


class Pieces:
    """Some columns of a table file, or of all files of a folder, piece by piece.

    Parameters
    ----------
    path : str or os.PathLike
        CSV that is not compressed, Parquet, Feather/Arrow, or a folder of them.
    columns : list of str
    text : sequence of str
        Columns of a CSV file whose cells stay as they were written.
    dialect : Dialect

    Raises
    ------
    ValueError
        For a file that is not such a table.
    """

    def __init__(
        self,
        path: StrPath,
        columns: Sequence[str],
        text: Sequence[str],
        dialect: Dialect,
    ) -> None:
        extra.pyarrow()
        self.path: StrPath = path
        self.text: Sequence[str] = text
        files: list[Any] = [path]
        if readers.kind_of(path) == "folder":
            files = readers.files_of(Path(path))
        self.csv: CSVFile | None = None
        self._parts: list[_Part] = []
        for file in files:
            kind = readers.kind_of(file)
            if kind == "csv":
                layout = CSVFile(file, dialect)
                self.csv = self.csv or layout
                self._parts += _lines(layout, columns)
                continue
            names = readers.arrow_names(file, kind)
            readers.wanted(file, names, columns)
            with readers.arrow_errors(file, kind):
                of_kind = _groups if kind == "parquet" else _batches
                self._parts += of_kind(file, names, list(columns))
        self._one_file = len(files) == 1

    def __len__(self) -> int:
        return len(self._parts)

    def read(self, number: int) -> Any:
        """A piece, a pyarrow.Table; cells of a CSV are text."""
        return self._parts[number].read()

    def settle(self, text: Sequence[str]) -> None:
        """Type later pieces alike: these columns as text, decimals as found so far."""
        self.text = text
        if self.csv is not None and self.csv.has_commas:
            self.csv.dialect = replace(self.csv.dialect, decimal=",")

    def typed(self, table: Any, rows: NDArray[np.intp]) -> Table:
        """Rows of pieces as a Table; `rows` are their numbers in the file."""
        if self.csv is None:
            columns = [ArrowColumn(name, table[name]) for name in table.column_names]
            return Table(self.path, columns, rows=rows)
        found = self.csv.typed(table, self.text, rows)
        if self._one_file:
            return found
        return Table(self.path, found.columns, found.notes, rows=rows)


class _Part:
    """A piece of one file."""

    def read(self) -> Any:
        raise NotImplementedError


class _Groups(_Part):
    """Row groups of a Parquet file."""

    def __init__(self, path: StrPath, columns: list[str], groups: list[int]) -> None:
        self._path, self._columns, self._groups = path, columns, groups

    def read(self) -> Any:
        from pyarrow import parquet

        with (
            readers.arrow_errors(self._path, "parquet"),
            parquet.ParquetFile(self._path) as file,
        ):
            table = file.read_row_groups(self._groups, columns=self._columns)
            return table.select(self._columns)


def _groups(path: StrPath, names: list[str], columns: list[str]) -> Iterator[_Part]:
    from pyarrow import parquet

    about = parquet.read_metadata(path)
    rows = [about.row_group(i).num_rows for i in range(about.num_row_groups)]
    yield from (_Groups(path, columns, found) for found in _joined(rows))


class _Batches(_Part):
    """Batches of an Arrow file."""

    def __init__(self, path: StrPath, fields: list[int], batches: list[int]) -> None:
        self._path, self._fields, self._batches = path, fields, batches

    def read(self) -> Any:
        pa = extra.pyarrow()
        options = pa.ipc.IpcReadOptions(included_fields=self._fields)
        with (
            readers.arrow_errors(self._path, "arrow"),
            pa.memory_map(str(self._path)) as source,
        ):
            file = pa.ipc.open_file(source, options=options)
            batches = map(file.get_batch, self._batches)
            return pa.Table.from_batches(batches, schema=file.schema)


def _batches(path: StrPath, names: list[str], columns: list[str]) -> Iterator[_Part]:
    pa = extra.pyarrow()
    options = pa.ipc.IpcReadOptions(included_fields=[0])  # the least to count rows
    with pa.memory_map(str(path)) as source:
        file = pa.ipc.open_file(source, options=options)
        rows = [file.get_batch(i).num_rows for i in range(file.num_record_batches)]
    fields = [names.index(name) for name in columns]
    yield from (_Batches(path, fields, found) for found in _joined(rows))


def _joined(rows: list[int]) -> Iterator[list[int]]:
    """Numbers of neighbours that have `_ROWS` rows together; none is divided."""
    found: list[int] = []
    count = 0
    for number, n in enumerate(rows):
        found.append(number)
        count += n
        if count >= _ROWS:
            yield found
            found, count = [], 0
    if count:
        yield found


class _Lines(_Part):
    """Whole lines of a CSV file."""

    def __init__(
        self, file: CSVFile, columns: Sequence[str], begin: int, end: int
    ) -> None:
        self._file, self._columns, self._begin, self._end = file, columns, begin, end

    def read(self) -> Any:
        pa = extra.pyarrow()
        with open(self._file.path, "rb") as file:
            file.seek(self._begin)
            data = file.read(self._end - self._begin)
        skip = 0 if self._begin else self._file.lines
        return self._file.parse(pa.BufferReader(data), self._columns, skip)


def _lines(file: CSVFile, columns: Sequence[str]) -> Iterator[_Part]:
    readers.wanted(file.path, file.names, columns)
    begin, size = 0, os.path.getsize(file.path)
    with open(file.path, "rb") as source:
        while begin < size:
            end = begin + _end_of_lines(source, begin)
            yield _Lines(file, columns, begin, end)
            begin = end


def _end_of_lines(source: Any, begin: int) -> int:
    """Bytes from `begin` to the last end of a line, outside quotes, of some `_BYTES`."""
    length = _BYTES
    while True:
        source.seek(begin)
        data: bytes = source.read(length)
        if len(data) < length:
            return len(data)
        quotes, end = data.count(b'"'), len(data)
        while (place := data.rfind(b"\n", 0, end)) >= 0:
            quotes -= data.count(b'"', place, end)
            if quotes % 2 == 0:
                return place + 1
            end = place
        length *= 2  # a line longer than that
