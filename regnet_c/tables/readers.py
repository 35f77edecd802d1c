"""Tables from files: CSV in all its dialects, Parquet, Feather/Arrow, and folders of them.

Everything is read by pyarrow.  A CSV is read as text and typed here, column by column, so
that a number is a number by the rules of the file (its decimal mark, its thousands), a
code such as `007` stays as it was written, and an error can name the cell and the line as
an editor counts it.
"""

from __future__ import annotations

import bz2
import contextlib
import csv
import gzip
import io
import itertools
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from . import extra
from .columns import TEXT, ArrowColumn, parse_number
from .encoding import MISSING_NUMBERS
from .form import Dialect
from .learning import no_column
from .schema import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ..typing import StrPath

MISSING_TEXT = ("", "?", "nan", "NaN", "<NA>", "#N/A", "\\N")
_CSV = (".csv", ".tsv", ".tab", ".txt", ".data", ".test")
_PARQUET = (".parquet", ".pq")
_ARROW = (".feather", ".arrow", ".ipc")
_LIBSVM = (".svm", ".libsvm", ".svmlight")
_COMPRESSED = (".gz", ".bz2")
_DELIMITERS = (",", ";", "\t", "|")
_SAMPLE = 1 << 18  # bytes in which the dialect is detected
_BLOCK = 1 << 24  # bytes that pyarrow reads at a time
_SOME = 100_000  # distinct texts that are parsed one by one


class Table:
    """Columns of a file.

    Attributes
    ----------
    path : str
    columns : list of ArrowColumn
    notes : list of str
        What was detected of the file's dialect.
    """

    path: str
    columns: Sequence[ArrowColumn]
    notes: list[str]

    def __init__(
        self,
        path: StrPath,
        columns: Sequence[ArrowColumn],
        notes: Sequence[str] = (),
        csv_form: tuple[str, bool] | None = None,
        rows: NDArray[np.intp] | None = None,
    ) -> None:
        self.path, self.columns, self.notes = str(path), columns, list(notes)
        self._csv_form = csv_form  # (delimiter, has a header): to find a row's line
        self._rows = rows  # of the file, if not all

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return [column.name for column in self.columns]

    def __len__(self) -> int:
        return len(self.columns[0]) if self.columns else 0

    def __getitem__(self, name: str) -> ArrowColumn:
        for column in self.columns:
            if column.name == name:
                return column
        raise ValueError(no_column(self.path, name, self.names))

    def take(self, rows: NDArray[np.intp]) -> Table:
        """A Table of some rows; `rows` is an array of their numbers."""
        columns = [column.take(rows) for column in self.columns]
        rows = rows if self._rows is None else self._rows[rows]
        return Table(self.path, columns, self.notes, self._csv_form, rows)

    def without(self, names: Sequence[str]) -> list[ArrowColumn]:
        """The columns but those of these names."""
        return [column for column in self.columns if column.name not in names]

    def place(self, row: int) -> str:
        """Where a row is: its line in a CSV file, counted as an editor counts."""
        row = int(row if self._rows is None else self._rows[row])
        if self._csv_form is None:
            return f"row {row + 1}"
        delimiter, header = self._csv_form
        for number, (line, _) in enumerate(_records(self.path, delimiter)):
            if number == row + header:
                return f"line {line}"
        return f"row {row + 1}"


def kind_of(path: StrPath) -> str:
    """csv, parquet, arrow, npz, libsvm or folder.

    Raises
    ------
    ValueError
        For another suffix.
    """
    path = Path(path)
    if path.is_dir():
        return "folder"
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _COMPRESSED:
        suffixes.pop()
    suffix = suffixes[-1] if suffixes else ""
    kinds = {".npz": "npz"} | dict.fromkeys(_CSV, "csv")
    kinds |= dict.fromkeys(_PARQUET, "parquet") | dict.fromkeys(_ARROW, "arrow")
    kinds |= dict.fromkeys(_LIBSVM, "libsvm")
    if suffix not in kinds:
        raise ValueError(
            f"{path} ends in {suffix!r}, expected .csv, .tsv, .txt (also .gz), .parquet, "
            ".feather, .arrow, .npz, .svm or a folder of them"
        )
    return kinds[suffix]


def column_names(path: StrPath, dialect: Dialect | None = None) -> list[str]:
    """Names of the columns of a table file, or of the first file of a folder.

    Raises
    ------
    As `read_table`.
    """
    extra.pyarrow()
    kind = kind_of(path)
    if kind == "folder":
        return column_names(files_of(Path(path))[0], dialect)
    _check_exists(path)
    if kind == "csv":
        dialect = dialect or Dialect()
        delimiter = dialect.delimiter or _find_delimiter(path)
        return _header(path, delimiter, dialect.header)[0]
    return arrow_names(path, kind)


def _check_exists(path: StrPath) -> None:
    if not Path(path).exists():
        raise FileNotFoundError(f"no such file: {path}")


def read_table(
    path: StrPath,
    columns: Sequence[str] | None = None,
    text: Sequence[str] = (),
    dialect: Dialect | None = None,
) -> Table:
    """Read a table from a file, or from all files of a folder.

    Explained in :doc:`/tables`.

    Parameters
    ----------
    path : str or os.PathLike
        CSV (also .tsv, .txt, .data; .gz, .bz2), Parquet, Feather/Arrow, or a folder of
        files of one kind with the same columns, read in the order of their names.
    columns : list of str, optional
        Only these columns, in this order.
    text : sequence of str
        Columns of a CSV file whose cells stay as they were written.
    dialect : Dialect, optional

    Returns
    -------
    Table

    Raises
    ------
    ImportError
        Without pyarrow.
    ValueError
        If the file is not a table; the message names file, line and column.
    OSError
        If it cannot be read.

    Examples
    --------
    >>> import pyarrow
    >>> from regnet_c.tables import read_table
    >>> with open("people.csv", "w") as file:
    ...     _ = file.write("age;town\\n31;Rome\\n;Oslo\\n")
    >>> table = read_table("people.csv")
    >>> table.names, len(table)
    (['age', 'town'], 2)
    """
    extra.pyarrow()
    kind = kind_of(path)
    if kind == "folder":
        return _read_folder(Path(path), columns, text, dialect)
    if kind in ("npz", "libsvm"):
        raise ValueError(
            f"{path} is an {kind.upper()} file, expected a table with named columns"
        )
    _check_exists(path)
    if kind == "csv":
        return _read_csv(path, columns, text, dialect or Dialect())
    return _read_arrow(path, kind, columns)


def files_of(folder: Path) -> list[Path]:
    """The table files in a folder, all of one kind."""
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith((".", "_"))
    )
    if not files:
        raise ValueError(f"{folder} has no files, expected tables of one kind")
    if len({kind_of(path) for path in files}) > 1:
        raise ValueError(f"{folder} has files of several kinds, expected one")
    return files


def _read_folder(
    folder: Path,
    columns: Sequence[str] | None,
    text: Sequence[str],
    dialect: Dialect | None,
) -> Table:
    files = files_of(folder)
    tables = [read_table(path, columns, text, dialect) for path in files]
    pa = extra.pyarrow()
    joined = []
    for name in tables[0].names:
        parts = [table[name].values for table in tables]
        if len({part.type for part in parts}) > 1:
            wide = pa.float64()
            if any(pa.types.is_string(part.type) for part in parts):
                wide = pa.string()
            parts = [part.cast(wide) for part in parts]
        chunks = itertools.chain.from_iterable(part.chunks for part in parts)
        joined.append(ArrowColumn(name, pa.chunked_array(chunks, parts[0].type)))
    return Table(folder, joined, tables[0].notes)


def _read_arrow(path: StrPath, kind: str, columns: Sequence[str] | None) -> Table:
    names = wanted(path, arrow_names(path, kind), columns)
    with arrow_errors(path, kind):
        if kind == "parquet":
            from pyarrow import parquet

            table = parquet.read_table(path, columns=names, partitioning=None)
        else:
            from pyarrow import feather

            table = feather.read_table(path, columns=names)
    return Table(path, [ArrowColumn(name, table[name]) for name in names])


def arrow_names(path: StrPath, kind: str) -> list[str]:
    """Names of the columns of a Parquet or Arrow file."""
    with arrow_errors(path, kind):
        if kind == "parquet":
            from pyarrow import parquet

            names = parquet.read_schema(path).names
        else:
            with extra.pyarrow().memory_map(str(path)) as source:
                names = extra.pyarrow().ipc.open_file(source).schema.names
    _check_names(path, names)
    text: list[str] = names
    return text


@contextlib.contextmanager
def arrow_errors(path: StrPath, kind: str) -> Iterator[None]:
    """An error of pyarrow as a sentence about the file."""
    try:
        yield
    except extra.pyarrow().ArrowException as error:
        raise ValueError(f"{path} is not a {kind} file: {error}") from None


def wanted(path: StrPath, names: list[str], columns: Sequence[str] | None) -> list[str]:
    for name in columns or ():
        if name not in names:
            raise ValueError(no_column(path, name, names))
    return list(names if columns is None else columns)


def _check_names(path: StrPath, names: list[str]) -> None:
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{path} has the column {shown(twice)} twice")


# ---- CSV -----------------------------------------------------------------------------


class CSVFile:
    """How a CSV file is laid out, and how text read from it becomes columns.

    Attributes
    ----------
    names : list of str
        Of the columns.
    lines : int
        Before the first row.
    has_commas : bool
        Whether a decimal comma was found.
    """

    path: StrPath
    dialect: Dialect
    delimiter: str
    names: list[str]
    lines: int
    has_commas: bool = False

    def __init__(self, path: StrPath, dialect: Dialect) -> None:
        self.path, self.dialect = path, dialect
        self.delimiter = dialect.delimiter or _find_delimiter(path)
        self.names, self.lines = _header(path, self.delimiter, dialect.header)

    def parse(self, source: Any, columns: Sequence[str], skip: int) -> Any:
        """Some columns of the path or of a part of it, a pyarrow.Table of text."""
        from pyarrow import csv as arrow_csv

        pa = extra.pyarrow()
        keys = {name: f"f{i}" for i, name in enumerate(self.names)}
        read = {
            "read_options": arrow_csv.ReadOptions(
                column_names=list(keys.values()), skip_rows=skip, block_size=_BLOCK
            ),
            "parse_options": arrow_csv.ParseOptions(
                delimiter=self.delimiter, newlines_in_values=True
            ),
            "convert_options": arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(keys.values(), pa.string()),
                include_columns=[keys[name] for name in columns],
                strings_can_be_null=False,
            ),
        }
        try:
            table = arrow_csv.read_csv(source, **read)
        except pa.ArrowInvalid as error:
            raise ValueError(
                _what_is_wrong(self.path, self.delimiter, len(self.names), error)
            ) from None
        return table.rename_columns(list(columns))

    def typed(
        self, table: Any, text: Sequence[str], rows: NDArray[np.intp] | None = None
    ) -> Table:
        """A Table of what `parse` returned; `rows`: their numbers in the file."""
        names = table.column_names
        typing = _Typing(self.dialect, set(names).difference(text), self.delimiter)
        found = [typing.column(name, table[name]) for name in names]
        self.has_commas = self.has_commas or bool(typing.commas)
        form = (self.delimiter, self.dialect.header)
        return Table(self.path, found, typing.notes(), form, rows)


def _read_csv(
    path: StrPath, columns: Sequence[str] | None, text: Sequence[str], dialect: Dialect
) -> Table:
    file = CSVFile(path, dialect)
    table = file.parse(path, wanted(path, file.names, columns), file.lines)
    if not len(table):
        raise ValueError(f"{path} has a header but no rows")
    return file.typed(table, text)


def _find_delimiter(path: StrPath) -> str:
    """The delimiter that splits most of the first records into equally many fields."""
    sample = _sample(path)
    best, score = ",", (0.0, 1)
    for delimiter in _DELIMITERS:
        rows = itertools.islice(
            csv.reader(io.StringIO(sample), delimiter=delimiter), 50
        )
        try:
            counts = [len(row) for row in rows if row]
        except csv.Error:
            continue
        common = max(set(counts), key=counts.count, default=1)
        if common > 1 and (counts.count(common) / len(counts), common) > score:
            best, score = delimiter, (counts.count(common) / len(counts), common)
    return best


def _sample(path: StrPath) -> str:
    """The whole lines at the beginning of a file."""
    with _open(path) as file:
        sample = file.read(_SAMPLE)
        if len(sample) == _SAMPLE:
            sample = sample[: sample.rfind("\n") + 1] or sample
    return sample


def _open(path: StrPath) -> IO[str]:
    """A CSV file as text, decompressed; a wrong byte is seen when pyarrow reads it."""
    openers: dict[str, Callable[..., IO[str]]] = {".gz": gzip.open, ".bz2": bz2.open}
    opener = openers.get(Path(path).suffix.lower(), open)
    text: IO[str] = opener(
        path, "rt", encoding="utf-8-sig", errors="replace", newline=""
    )
    return text


def _records(path: StrPath, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """(line it begins on, cells) of each record of a CSV file, empty lines left out."""
    with _open(path) as file:
        reader, line = csv.reader(file, delimiter=delimiter), 1
        for cells in reader:
            if cells:
                yield line, cells
            line = reader.line_num + 1


def _header(path: StrPath, delimiter: str, header: bool) -> tuple[list[str], int]:
    """(names of the columns, lines before the first row)."""
    try:
        reader = csv.reader(io.StringIO(_sample(path)), delimiter=delimiter)
        cells = next((row for row in reader if row), None)
    except csv.Error as error:
        raise ValueError(f"{path} is not a CSV file: {error}") from None
    if cells is None:
        raise ValueError(f"{path} is empty, expected a header line")
    if not header:
        return [f"column_{i}" for i in range(1, len(cells) + 1)], 0
    names = [name.strip() for name in cells]
    try:
        _check_names(path, names)
    except ValueError as error:
        if not any(parse_number(name) is not None for name in names):
            raise
        raise ValueError(f"{error}; if it has no header, pass --no-header") from None
    return names, reader.line_num


def _what_is_wrong(
    path: StrPath, delimiter: str, n_columns: int, error: Exception
) -> str:
    """The message for a file that pyarrow refused."""
    try:
        for line, cells in _records(path, delimiter):
            if len(cells) != n_columns:
                return (
                    f"{path} line {line} has {len(cells)} entries, expected {n_columns} "
                    f"(delimiter {delimiter!r})"
                )
            if any("�" in cell for cell in cells):
                return f"{path} line {line} is not UTF-8 text"
    except csv.Error:
        pass
    return f"{path} cannot be read as CSV: {error}"


# ---- types of text -------------------------------------------------------------------


class _Typing:
    """The types of a CSV's columns, by one notion of decimals for the whole file."""

    def __init__(self, dialect: Dialect, typed: Iterable[str], delimiter: str) -> None:
        self.dialect, self.typed = dialect, set(typed)
        self.may_be_comma = dialect.decimal == "," or (
            dialect.decimal is None and delimiter != ","
        )
        self.commas: list[str] = []  # columns with a decimal comma
        self.delimiter = delimiter

    def notes(self) -> list[str]:
        """What was found out, in sentences."""
        notes = []
        if self.dialect.delimiter is None and self.delimiter != ",":
            notes.append(f"columns separated by {self.delimiter!r}")
        if self.dialect.decimal is None and self.commas:
            notes.append("numbers with a decimal comma (--decimal . overrides)")
        return notes

    def column(self, name: str, values: Any) -> ArrowColumn:
        """Text as a column; one that stays text keeps its numbers, if any, as well."""
        column = ArrowColumn(name, self._apply(name, values))
        if name not in self.typed and column.holds == TEXT:
            numbers = self._numbers(name, column.values)
            if numbers is not None:
                column.as_numbers = ArrowColumn(name, numbers)
        return column

    def _apply(self, name: str, values: Any) -> Any:
        """Numbers, booleans or text, nulls where a cell is missing."""
        pa = extra.pyarrow()
        from pyarrow import compute

        values = compute.utf8_trim_whitespace(values)
        missing = ("", *self.dialect.missing) if self.dialect.missing else MISSING_TEXT
        mask = compute.is_in(values, value_set=pa.array(missing))
        values = compute.if_else(mask, pa.scalar(None, pa.string()), values)
        if name not in self.typed or values.null_count == len(values):
            return values
        numbers = self._numbers(name, values)
        if numbers is not None:
            return numbers
        levels = compute.unique(values.slice(0, _SOME))
        if len(levels) <= 7 and _all_booleans(levels):
            levels = compute.unique(values)
            if _all_booleans(levels):
                return compute.equal(compute.utf8_lower(values), "true")
        return values

    def _numbers(self, name: str, values: Any) -> Any:
        """The column as numbers, or None."""
        plain = None
        if self.dialect.decimal != ",":
            plain = _plain_numbers(values, self.dialect.missing is None)
        if plain is None and (self.may_be_comma or self.dialect.thousands):
            plain = self._marked_numbers(values)
            if plain is not None and self.may_be_comma:
                self.commas.append(name)
        return plain

    def _marked_numbers(self, values: Any) -> Any:
        """Numbers with a decimal comma or with groups of three digits, or None."""
        from pyarrow import compute

        decimal = "," if self.may_be_comma else "."
        groups = self.dialect.thousands or ("." if decimal == "," else ",")
        d, g = f"[{decimal}]", f"[{groups}]"
        pattern = rf"^[+-]?(\d+|\d{{1,3}}({g}\d{{3}})+)?({d}\d*)?([eE][+-]?\d+)?$"
        fits = compute.match_substring_regex(values, pattern)
        if not compute.all(fits, skip_nulls=True).as_py():
            return None
        values = compute.replace_substring(values, groups, "")
        return _plain_numbers(compute.replace_substring(values, decimal, "."), False)


def _all_booleans(levels: Any) -> bool:
    texts = {level.lower() for level in levels.to_pylist() if level is not None}
    return bool(texts) and texts <= {"true", "false"}


def _plain_numbers(values: Any, words: bool) -> Any:
    """Text as numbers, or None; with `words`, `NA` and the like are missing values."""
    from pyarrow import compute

    pa = extra.pyarrow()
    numbers = _cast(values, pa.float64())
    if numbers is None and words:
        texts = compute.unique(values).drop_null().to_pylist()
        if len(texts) > _SOME:  # a text that is not a number shows early
            texts = texts[:_SOME]
        missing = [text for text in texts if text.lower() in MISSING_NUMBERS]
        if not missing or len(missing) == len(texts):
            return None
        mask = compute.is_in(values, value_set=pa.array(missing))
        values = compute.if_else(mask, pa.scalar(None, pa.string()), values)
        numbers = _cast(values, pa.float64())
    if numbers is None:
        return None
    coded = compute.and_(
        compute.match_substring_regex(values, r"^-?0\d"), compute.is_valid(values)
    )
    if compute.any(coded, skip_nulls=True).as_py():
        return None  # a code such as 007
    whole = _cast(values, pa.int64())
    if whole is not None:
        return whole
    return compute.if_else(
        compute.is_nan(numbers), pa.scalar(None, pa.float64()), numbers
    )


def _cast(values: Any, kind: Any) -> Any:
    pa = extra.pyarrow()
    try:
        return values.cast(kind)
    except pa.ArrowInvalid:
        return None
