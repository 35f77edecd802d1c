"""The fitted encoder: from columns to one float32 array, and to JSON and back.

NumPy only.  `TableEncoder` and the command line learn an `Encoding` from training rows;
model files carry it; the exporters write it as C and ONNX.  Its JSON form, version 1::

    {"format": "regnet_c.table", "version": 1,
     "columns": [...],      one entry per column of the training table, in its order
     "numbers": [...]}      all knots and values, end to end, in the order of the columns

A column is one of ::

    {"name": "age", "kind": "number", "missing": true, "fill": 37.0,
     "codes": [{"method": "robust", "center": 37.0, "scale": 20.0},
               {"method": "ple", "knots": 17}]}
    {"name": "since", "kind": "date", "order": "DMY", "missing": false, "fill": 0,
     "codes": [{"part": "days", "method": "standard", "center": .., "scale": ..}, ..]}
    {"name": "town", "kind": "category", "code": "onehot",
     "levels": ["Bern", "Rome"], "other": true, "missing": true}
    {"name": "member", "kind": "boolean", "code": "sign",
     "levels": ["False", "True"], "other": false, "missing": false}
    {"name": "id", "kind": "dropped", "reason": "row numbers"}

More than 4096 columns of numbers that differ in their names alone, x0, x1, ..., such as
those of sparse rows, are one entry, with ``"repeat": 48272`` at its end: as many columns,
whose names count on from its own.  A column makes these outputs, side by side, in the
order of the columns::

    number, date    each code in turn (formulas in `numbers`; `knots` counts the numbers it
                    takes from the list, quantile as many values after them).  A missing
                    value is encoded as `fill` is.  If `missing`, one more output: 1 where
                    the value is missing, 0 elsewhere.  `fill` of a date, and the dates,
                    are microseconds since 1970; `order` is that of dates written as text,
                    null for columns of dates.
    onehot          one output per level, 1 for the value's own, 0 for the others; with
                    `other`, one more that is 1 for every unknown level; with `missing`,
                    one more that is 1 for a missing value.  An unknown level without
                    `other` and a missing value without `missing` give zeros only.
    sign            -1 for the first level, 1 for the second, 0 for unknown and missing;
                    with `missing`, one more output as for numbers.
    dropped         nothing.

Levels are compared as text: a whole number as "3", a boolean as "True".
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from .._core.csr import CSR, MAX_DENSITY
from . import dates
from .columns import BOOLEAN, DATE, NO_DATE, NOTHING, NUMBER, TEXT, parse_number
from .few_rows import FewRows
from .numbers import LIMIT, METHODS, NumberCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from ..typing import AnyArray, Config, Float64Array, IntArray
    from .columns import Column

    PreparedColumn: TypeAlias = "NumberColumn | DateColumn | LevelColumn"
    FittedColumn: TypeAlias = "PreparedColumn | DroppedColumn"

FORMAT, VERSION = "regnet_c.table", 1
MISSING_NUMBERS = {"?", "na", "nan", "n/a", "#n/a", "<na>", "null", "none", "-", "."}
_MANY_OUTPUTS = 128  # from which on mostly zero rows are CSR
_REPEATED = 4096  # columns written one by one, at most
_MAX_COLUMNS = 1 << 20  # read from repeated ones
_BLOCK = 1 << 20  # entries of the output that are filled before the next rows


class CellError(ValueError):
    """A value that its column cannot have.

    Attributes
    ----------
    column : str
    row : int
        Counted from 0.
    problem : str
        What was found, and what was expected.
    """

    column: str
    row: int
    problem: str

    def __init__(self, column: str, row: int, problem: str, prefix: str = "") -> None:
        super().__init__(f"{prefix}column {column!r:.60} {problem} in row {row}")
        self.column, self.row, self.problem = column, row, problem


class _Filled:
    """A column whose outputs are all entries of a sparse row."""

    def write(self, values: AnyArray, out: NDArray[np.float32]) -> None:
        raise NotImplementedError

    def write_entries(
        self,
        values: AnyArray,
        first: int,
        data: NDArray[np.float32],
        indices: NDArray[np.int32],
    ) -> None:
        """The outputs and their numbers, from `first` on, for some prepared values."""
        self.write(values, data)
        indices[...] = np.arange(first, first + indices.shape[1])


@dataclass(frozen=True)
class NumberColumn(_Filled):
    """A column of numbers: codes side by side, and an indicator of missing values."""

    name: str
    fill: float
    missing: bool
    codes: tuple[NumberCode, ...]
    kind = "number"

    def names(self, name: str) -> list[str]:
        """A name for each output."""
        names = [label for code in self.codes for label in code.names(name)]
        return names + [f"{name} is missing"] * self.missing

    def prepare(self, column: Column) -> AnyArray:
        """The column as real numbers (n,), NaN where a value is missing."""
        values = real_numbers(column)
        refuse_infinity(self.name, values)
        return values

    def write(self, values: AnyArray, out: NDArray[np.float32]) -> None:
        """The outputs of some of the prepared values, into out (n, n_outputs)."""
        x = values.astype(np.float64)
        gone = np.isnan(x)
        np.copyto(x, self.fill, where=gone)
        _write_codes(self.codes, [x] * len(self.codes), out)
        if self.missing:
            out[:, -1] = gone


@dataclass(frozen=True)
class DateColumn(_Filled):
    """A column of dates: codes of its parts, and an indicator of missing values."""

    name: str
    order: str | None
    fill: int
    missing: bool
    codes: tuple[tuple[str, NumberCode], ...]  # of the parts
    kind = "date"

    def names(self, name: str) -> list[str]:
        """A name for each output."""
        names = [s for part, code in self.codes for s in code.names(f"{name}.{part}")]
        return names + [f"{name} is missing"] * self.missing

    def prepare(self, column: Column) -> AnyArray:
        """The column as microseconds since 1970 (n,)."""
        if column.holds in (DATE, NOTHING):
            return date_numbers(column)
        if column.holds == TEXT:
            return date_numbers(column, self.order or "YMD")
        raise ValueError(f"column {self.name!r} holds {column.holds}, expected dates")

    def write(self, values: AnyArray, out: NDArray[np.float32]) -> None:
        """The outputs of some of the prepared values, into out (n, n_outputs)."""
        gone = values == NO_DATE
        micros = np.where(gone, np.int64(self.fill), values)
        parts = [dates.part(micros, part) for part, _ in self.codes]
        _write_codes([code for _, code in self.codes], parts, out)
        if self.missing:
            out[:, -1] = gone


@dataclass(frozen=True)
class LevelColumn(_Filled):
    """A column of levels (kind category or boolean), one-hot or as -1 and 1."""

    name: str
    kind: str
    code: str  # onehot or sign
    levels: tuple[str, ...]
    other: bool
    missing: bool

    def names(self, name: str) -> list[str]:
        """A name for each output."""
        if self.code == "sign":
            names = [f"{name}={self.levels[1]}"]
        else:
            names = [f"{name}={level}" for level in self.levels]
            names += [f"{name} is another"] * self.other
        return names + [f"{name} is missing"] * self.missing

    def prepare(self, column: Column) -> AnyArray:
        """For each value its place among the levels, then other, then missing; or -1."""
        codes, levels = column.codes()
        if self.kind == "boolean" and column.holds == NUMBER:
            levels = [{"0": "False", "1": "True"}.get(level, level) for level in levels]
        places = {level: i for i, level in enumerate(self.levels)}
        unknown = len(self.levels) if self.other else -1
        table = [places.get(level, unknown) for level in levels]
        table.append(len(self.levels) + self.other if self.missing else -1)
        return np.array(table, np.int32)[codes]  # the code of a missing value is -1

    @cached_property
    def _rows(self) -> NDArray[np.float32]:
        """The outputs of each place, and zeros for -1."""
        count = len(self.levels) + self.other + self.missing
        return np.eye(count + 1, count, dtype=np.float32)

    def write(self, places: AnyArray, out: NDArray[np.float32]) -> None:
        """The outputs of some of the prepared values, into out (n, n_outputs)."""
        if self.code == "sign":
            out[:, 0] = np.array([-1, 1, 0, 0], np.float32)[places]
            if self.missing:
                out[:, 1] = places == 2
            return
        out[...] = self._rows.take(places, axis=0, mode="wrap")  # -1 is the last

    def write_entries(
        self,
        values: AnyArray,
        first: int,
        data: NDArray[np.float32],
        indices: NDArray[np.int32],
    ) -> None:
        """One entry for each value; 0 where none of the outputs is 1."""
        if self.code == "sign":
            super().write_entries(values, first, data, indices)
            return
        data[:, 0] = values >= 0
        indices[:, 0] = first + np.maximum(values, 0)


@dataclass(frozen=True)
class DroppedColumn:
    """A column without outputs, and why."""

    name: str
    reason: str
    kind = "dropped"

    def names(self, name: str) -> list[str]:
        """No names."""
        return []


class Encoding:
    """Fitted columns, in the order of the training table.

    Explained in :doc:`/tables`.

    Parameters
    ----------
    columns : list of NumberColumn, DateColumn, LevelColumn and DroppedColumn

    Attributes
    ----------
    columns : list
    names : list of str
        Of all source columns.
    needed : list of str
        Of the source columns that have outputs.
    feature_names : list of str
        Of the outputs.
    groups : list of ndarray of int
        The outputs of each source column.
    n_outputs : int

    Examples
    --------
    >>> import numpy as np
    >>> from regnet_c.tables import TableEncoder
    >>> X = np.array([[1.0, "a"], [3.0, "b"], [2.0, "c"]] * 4, dtype=object)
    >>> encoding = TableEncoder(numeric="standard").fit(X).encoding_
    >>> encoding.names, encoding.n_outputs
    (['x0', 'x1'], 4)
    >>> [group.tolist() for group in encoding.groups]
    [[0], [1, 2, 3]]
    """

    columns: list[FittedColumn]
    names: list[str]
    needed: list[str]
    feature_names: list[str]
    n_outputs: int
    groups: list[NDArray[np.intp]]

    def __init__(self, columns: Iterable[FittedColumn]) -> None:
        self.columns = list(columns)
        self.names = [column.name for column in self.columns]
        self.needed = [c.name for c in self.columns if c.kind != "dropped"]
        self.feature_names = self.output_names(self.names)
        sizes = [len(column.names("")) for column in self.columns]
        ends = np.cumsum([0, *sizes]).tolist()
        self.n_outputs = ends[-1]
        self.groups = [np.arange(a, b) for a, b in itertools.pairwise(ends)]

    def output_names(self, names: Sequence[str]) -> list[str]:
        """Names of the outputs if the source columns had these names."""
        pairs = zip(self.columns, names, strict=True)
        return [label for column, name in pairs for label in column.names(name)]

    def without_bins(self) -> IntArray:
        """The outputs that are no piecewise-linear bins, ndarray of int."""
        bins = []
        for column in self.columns:
            labels, count = column.names(""), 0
            flags = np.zeros(len(labels), bool)
            for entry in getattr(column, "codes", ()):
                code = entry[1] if column.kind == "date" else entry
                width = len(code.names(""))
                flags[count : count + width] = code.method == "ple"
                count += width
            bins.append(flags)
        return np.flatnonzero(~np.concatenate(bins)) if bins else np.arange(0)

    def needed_for(self, outputs: IntArray) -> list[str]:
        """Names of the source columns that any of these outputs need."""
        wanted = np.zeros(self.n_outputs, bool)
        wanted[outputs] = True
        pairs = zip(self.columns, self.groups, strict=True)
        return [column.name for column, group in pairs if wanted[group].any()]

    def encode(
        self, columns: Sequence[Column], needed: Sequence[str] | None = None
    ) -> NDArray[np.float32]:
        """The float32 array (n, n_outputs) of a table.

        Parameters
        ----------
        columns : list of ArrayColumn or ArrowColumn
            Of all needed columns, in any order; others are not looked at.
        needed : list of str, optional
            Those that are read, if not all: the other columns have outputs of 0.

        Raises
        ------
        ValueError
            If a needed column is absent, or holds what its kind cannot be.

        Examples
        --------
        >>> import numpy as np
        >>> from regnet_c.tables import TableEncoder
        >>> from regnet_c.tables.columns import columns_of
        >>> X = np.array([[1.0, "a"], [3.0, "b"], [2.0, "c"]] * 4, dtype=object)
        >>> encoding = TableEncoder(numeric="standard").fit(X).encoding_
        >>> encoding.encode(columns_of(X[:1])).shape
        (1, 4)
        """
        work = self._prepared(columns, needed)
        out = np.zeros((len(columns[0]), self.n_outputs), np.float32)
        for rows in self._blocks(len(out)):
            for column, values, left, right in work:
                column.write(values[rows], out[rows, left:right])
        return out

    def network_rows(
        self, columns: Sequence[Column], needed: Sequence[str] | None = None
    ) -> NDArray[np.float32] | CSR:
        """What `encode` returns, as CSR where most of it are zeros of one-hot columns.

        That is if CSR has an entry for at most `csr.MAX_DENSITY` of the outputs (one of a
        one-hot column, all of the others), of at least 128.
        """
        if not self.mostly_zero:
            return self.encode(columns, needed)
        work, n = self._prepared(columns, needed), len(columns[0])
        count = sum(_entries(column, right - left) for column, _, left, right in work)
        data = np.zeros((n, count), np.float32)
        indices = np.empty((n, count), np.int32)
        for rows in self._blocks(n):
            begin = 0
            for column, values, left, right in work:
                end = begin + _entries(column, right - left)
                column.write_entries(
                    values[rows], left, data[rows, begin:end], indices[rows, begin:end]
                )
                begin = end
        start = np.arange(n + 1) * count
        return CSR(data.reshape(-1), indices.reshape(-1), start, (n, self.n_outputs))

    @cached_property
    def few_rows(self) -> FewRows | None:
        """What encodes a few rows at once, if it can do that."""
        return FewRows(self.columns) if FewRows.serves(self.columns) else None

    @cached_property
    def mostly_zero(self) -> bool:
        """Whether `network_rows` returns CSR."""
        pairs = zip(self.columns, self.groups, strict=True)
        entries = sum(_entries(column, len(group)) for column, group in pairs)
        large = self.n_outputs >= _MANY_OUTPUTS
        return large and entries <= MAX_DENSITY * self.n_outputs

    def _prepared(
        self, columns: Sequence[Column], needed: Sequence[str] | None
    ) -> list[tuple[PreparedColumn, AnyArray, int, int]]:
        """Each needed column, its prepared values, its first output and the next one's."""
        by_name = {column.name: column for column in columns}
        wanted = dict.fromkeys(self.needed if needed is None else needed)
        absent = [name for name in wanted if name not in by_name]
        if absent:
            raise ValueError(f"the table has no column {absent[0]!r}")
        return [
            (
                column,
                column.prepare(by_name[column.name]),
                int(group[0]),
                int(group[-1]) + 1,
            )
            for column, group in zip(self.columns, self.groups, strict=True)
            if not isinstance(column, DroppedColumn)
            and len(group)
            and column.name in wanted
        ]

    def _blocks(self, n: int) -> Iterator[slice]:
        rows = min(max(_BLOCK // max(self.n_outputs, 1), 64), 16384)
        return (slice(begin, begin + rows) for begin in range(0, n, rows))

    def encode_sparse(self, X: CSR) -> CSR:
        """The rows of a table that is a CSR, encoded; they stay sparse.

        Raises
        ------
        ValueError
            If it has other columns, one whose zeros are not encoded as zero, or NaN.
        """
        if X.shape[1] != len(self.columns):
            raise ValueError(
                f"X has {X.shape[1]} columns, the encoder reads {len(self.columns)}"
            )
        if self._scales is None:
            raise ValueError(
                "X is sparse, the encoder was learned from rows in which zero is a number "
                "as any other"
            )
        bad = X.first_not_finite()
        if bad is not None:
            column = int(np.argmin(np.isfinite(X[bad])))
            problem = f"has {X[bad][column]}, expected finite numbers,"
            raise CellError(self.names[column], bad, problem)
        with np.errstate(over="ignore"):
            data = X.data / self._scales[X.indices]
        return X.with_data(np.clip(data, -LIMIT, LIMIT).astype(np.float32))

    @cached_property
    def _scales(self) -> Float64Array | None:
        """What each column is divided by, if that is all that is done to it."""
        scales = []
        for column in self.columns:
            if not isinstance(column, NumberColumn) or column.missing:
                return None
            if len(column.codes) > 1 or column.codes[0].method != "standard":
                return None
            if column.codes[0].center:
                return None
            scales.append(column.codes[0].scale)
        return np.array(scales)

    # ---- JSON ------------------------------------------------------------------------

    def to_config(self) -> Config:
        """The JSON-able form that the head of this file describes.

        Examples
        --------
        >>> import json
        >>> import numpy as np
        >>> from regnet_c.tables import TableEncoder
        >>> X = np.array([[1.0, "a"], [3.0, "b"], [2.0, "c"]] * 4, dtype=object)
        >>> config = TableEncoder(numeric="standard").fit(X).encoding_.to_config()
        >>> [(column["name"], column["kind"]) for column in config["columns"]]
        [('x0', 'number'), ('x1', 'category')]
        >>> len(json.dumps(config)) > 0
        True
        """
        numbers: list[float] = []
        entries: list[Config] = []
        for column, repeat in _runs(self.columns):
            entry: Config = {"name": column.name, "kind": column.kind}
            for key in _KEYS[column.kind]:
                value = getattr(column, key)
                if key == "codes":
                    value = [_code_entry(code, numbers) for code in value]
                entry[key] = list(value) if key == "levels" else value
            if repeat > 1:
                entry["repeat"] = repeat
            entries.append(entry)
        return {
            "format": FORMAT,
            "version": VERSION,
            "columns": entries,
            "numbers": numbers,
        }

    @classmethod
    def from_config(cls, config: Any) -> Encoding:
        """The encoding that `to_config` described.

        Raises
        ------
        ValueError
            If it describes anything else; a model file may be untrusted.

        Examples
        --------
        >>> import numpy as np
        >>> from regnet_c.tables import Encoding, TableEncoder
        >>> X = np.array([[1.0, "a"], [3.0, "b"], [2.0, "c"]] * 4, dtype=object)
        >>> config = TableEncoder(numeric="standard").fit(X).encoding_.to_config()
        >>> Encoding.from_config(config).feature_names
        ['x0', 'x1=a', 'x1=b', 'x1=c']
        """
        _require(isinstance(config, dict), "its encoder is not a dict")
        _require(config.get("format") == FORMAT, "its encoder has another format")
        version = config.get("version")
        _require(
            type(version) is int and version == VERSION,
            f"its encoder has version {version!r:.20}, this release reads {VERSION}",
        )
        keys = ["format", "version", "columns", "numbers"]
        _require(list(config) == keys, "its encoder has unexpected entries")
        entries, numbers = config["columns"], config["numbers"]
        _require(isinstance(entries, list), "its encoder has no list of columns")
        _require(
            isinstance(numbers, list) and all(map(_is_float, numbers)),
            "its encoder has numbers that are not finite floats",
        )
        reader = iter(numbers)
        columns = [c for entry in entries for c in _read_columns(entry, reader)]
        _require(next(reader, None) is None, "its encoder has numbers left over")
        names = [column.name for column in columns]
        _require(len(set(names)) == len(names), "its encoder has a column twice")
        return cls(columns)


def _entries(column: FittedColumn, n_outputs: int) -> int:
    """Entries that a sparse row has for this column."""
    one_hot = isinstance(column, LevelColumn) and column.code == "onehot"
    return min(n_outputs, 1) if one_hot else n_outputs


# ---- columns as what a kind needs ----------------------------------------------------


def real_numbers(column: Column) -> AnyArray:
    """Any column as real numbers (n,), NaN where a value is missing.

    Raises
    ------
    ValueError
        If it holds dates, or text that is not a number.
    """
    if column.holds in (NUMBER, NOTHING):
        return column.floats()
    if column.holds == BOOLEAN:
        codes, levels = column.codes()
        return np.array([float(level == "True") for level in levels] + [np.nan])[codes]
    if column.holds != TEXT:
        raise ValueError(
            f"column {column.name!r} holds {column.holds}, expected numbers"
        )
    codes, levels = column.codes()
    table = [math.nan if level is None else parse_number(level) for level in levels]
    for i, (level, value) in enumerate(zip(levels, table, strict=True)):
        if value is None:
            if level.strip() and level.strip().lower() not in MISSING_NUMBERS:
                row = int(np.flatnonzero(codes == i)[0])
                problem = f"has {level!r:.60}, expected a number,"
                raise CellError(column.name, row, problem)
            table[i] = math.nan
    return np.array([*table, math.nan])[codes]


def refuse_infinity(name: str, values: AnyArray) -> None:
    """CellError for an infinite number."""
    if values.dtype.kind == "f" and np.isinf(values).any():
        row = int(np.flatnonzero(np.isinf(values))[0])
        problem = f"has {values[row]}, expected finite numbers or missing values,"
        raise CellError(name, row, problem, "Input X contains infinity: ")


def date_numbers(column: Column, order: str | None = None) -> IntArray:
    """A column of dates, or of text in this order, as microseconds since 1970 (n,)."""
    if order is None:
        if column.holds == NOTHING:
            return np.full(len(column), NO_DATE)
        return column.micros()
    codes, levels = column.codes()
    table = dates.parse([level or "" for level in levels], order)
    return np.append(table, NO_DATE)[codes]


def parts_of(
    column: NumberColumn | DateColumn,
) -> list[tuple[str | None, NumberCode]]:
    """Its codes, each with the part of a date that it is of, or None."""
    if isinstance(column, DateColumn):
        return [*column.codes]
    return [(None, code) for code in column.codes]


def _write_codes(
    codes: Sequence[NumberCode],
    values: Sequence[Float64Array],
    out: NDArray[np.float32],
) -> None:
    begin = 0
    for code, x in zip(codes, values, strict=True):
        code.write(x, out[:, begin : begin + code.n_outputs])
        begin += code.n_outputs


# ---- reading untrusted descriptions --------------------------------------------------

_KEYS: dict[str, tuple[str, ...]] = {
    "number": ("missing", "fill", "codes"),
    "date": ("order", "missing", "fill", "codes"),
    "category": ("code", "levels", "other", "missing"),
    "boolean": ("code", "levels", "other", "missing"),
    "dropped": ("reason",),
}


def _require(condition: object, message: str) -> None:
    if not condition:
        raise ValueError(message)


def _is_float(value: object) -> bool:
    return type(value) is float and math.isfinite(value)


def _code_entry(
    code: NumberCode | tuple[str, NumberCode], numbers: list[float]
) -> Config:
    """A code as JSON; its knots and values go to the end of `numbers`."""
    entry: Config = {}
    if isinstance(code, tuple):
        entry["part"], code = code
    entry["method"] = code.method
    if code.knots:
        entry["knots"] = len(code.knots)
        numbers += [*code.knots, *code.values]
    else:
        entry |= {"center": code.center, "scale": code.scale}
    return entry


def _runs(columns: Sequence[FittedColumn]) -> Iterator[tuple[FittedColumn, int]]:
    """(column, how many like it follow, itself among them); a short run one by one."""
    at = 0
    while at < len(columns):
        first, last = columns[at], at + 1
        if first.kind == "number" and (number := _number_of(first.name)) is not None:
            while last < len(columns) and columns[last] == replace(
                first, name=f"x{number + last - at}"
            ):
                last += 1
        if last - at > _REPEATED:
            yield first, last - at
        else:
            for column in columns[at:last]:
                yield column, 1
        at = last


def _number_of(name: str) -> int | None:
    """7 for x7."""
    digits = name[1:]
    plain = name[:1] == "x" and digits.isascii() and digits.isdigit()
    return int(digits) if plain and str(int(digits)) == digits else None


def _read_columns(entry: Any, numbers: Iterator[float]) -> list[FittedColumn]:
    """The column of an entry, or its repeated columns."""
    if not isinstance(entry, dict) or list(entry)[-1:] != ["repeat"]:
        return [_read_column(entry, numbers)]
    entry = dict(entry)
    repeat = entry.pop("repeat")
    column = _read_column(entry, numbers)
    number = _number_of(column.name)
    fits = column.kind == "number" and type(repeat) is int
    if number is None or not fits or not _REPEATED < repeat <= _MAX_COLUMNS:
        raise ValueError(
            f"column {column.name!r:.60} of its encoder cannot be repeated"
        )
    return [replace(column, name=f"x{number + i}") for i in range(repeat)]


def _read_column(entry: Any, numbers: Iterator[float]) -> FittedColumn:
    _require(
        isinstance(entry, dict) and isinstance(entry.get("name"), str),
        "its encoder has a column without a name",
    )
    name, kind = entry["name"], entry.get("kind")
    what = f"column {name!r:.60} of its encoder"
    _require(kind in tuple(_KEYS), f"{what} has an unknown kind")
    _require(
        list(entry) == ["name", "kind", *_KEYS[kind]], f"{what} has unexpected entries"
    )
    if kind == "dropped":
        _require(isinstance(entry["reason"], str), f"{what} has no reason")
        return DroppedColumn(name, entry["reason"])
    _require(type(entry["missing"]) is bool, f"{what} does not state what is missing")
    if kind in ("category", "boolean"):
        return _read_levels(entry, what)
    _require(isinstance(entry["codes"], list), f"{what} has no codes")
    codes = [_read_code(code, kind, numbers, what) for code in entry["codes"]]
    _require(codes or entry["missing"], f"{what} has no outputs")
    fill = entry["fill"]
    if kind == "number":
        _require(_is_float(fill), f"{what} has no fill")
        return NumberColumn(name, fill, entry["missing"], tuple(c for _, c in codes))
    _require(
        type(fill) is int and -(2**63) < fill < 2**63, f"{what} has an impossible fill"
    )
    order = entry["order"]
    dated = [(part, code) for part, code in codes if part is not None]
    _require(order is None or order in dates.ORDERS, f"{what} has an unknown order")
    return DateColumn(name, order, fill, entry["missing"], tuple(dated))


def _read_levels(entry: Any, what: str) -> LevelColumn:
    levels, code = entry["levels"], entry["code"]
    _require(
        isinstance(levels, list)
        and all(isinstance(level, str) and level for level in levels)
        and len(set(levels)) == len(levels) > 0,
        f"{what} has no list of different levels",
    )
    _require(code in ("onehot", "sign"), f"{what} has an unknown code")
    _require(type(entry["other"]) is bool, f"{what} does not state what is unknown")
    if code == "sign":
        _require(
            len(levels) == 2 and not entry["other"], f"{what} is not of two levels"
        )
    return LevelColumn(
        entry["name"],
        entry["kind"],
        code,
        tuple(levels),
        entry["other"],
        entry["missing"],
    )


def _read_code(
    entry: Any, kind: str, numbers: Iterator[float], what: str
) -> tuple[str | None, NumberCode]:
    """(part or None, NumberCode)."""
    keys = list(entry) if isinstance(entry, dict) else []
    part = None
    if kind == "date":
        _require(keys[:1] == ["part"], f"{what} has a code without a part")
        part = entry["part"]
        _require(part in dates.PARTS, f"{what} has an unknown part")
        keys = keys[1:]
    method: Any = entry["method"] if keys[:1] == ["method"] else None
    _require(method in METHODS, f"{what} has an unknown method")
    if method in ("standard", "robust"):
        _require(
            keys == ["method", "center", "scale"], f"{what} has unexpected entries"
        )
        center, scale = entry["center"], entry["scale"]
        _require(
            _is_float(center) and _is_float(scale) and scale > 0,
            f"{what} has an impossible scale",
        )
        return part, NumberCode(method, center, scale)
    _require(keys == ["method", "knots"], f"{what} has unexpected entries")
    count = entry["knots"]
    _require(type(count) is int and 2 <= count <= 1 << 20, f"{what} has too few knots")
    total = count * (1 + (method == "quantile"))
    taken = list(itertools.islice(numbers, total))
    _require(len(taken) == total, f"{what} has more knots than numbers")
    knots, values = tuple(taken[:count]), tuple(taken[count:])
    rising = all(0 < b - a < math.inf for a, b in itertools.pairwise(knots))
    _require(rising, f"{what} has knots that do not rise")
    _require(all(abs(v) <= LIMIT for v in values), f"{what} has impossible values")
    return part, NumberCode(method, knots=knots, values=values)
