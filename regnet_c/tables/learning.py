"""The kinds of a table's columns and their codes, learned from training rows.

The kind of a column follows from what it holds, from how its values repeat and, for
row numbers, from its name; `Options` override it.  Every decision is recorded in the
schema, with its reason where it is not obvious.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from .._core import checks
from . import dates, numbers
from .columns import BOOLEAN, DATE, NO_DATE, NUMBER, OTHER, TEXT, is_whole
from .encoding import (
    DateColumn,
    DroppedColumn,
    Encoding,
    LevelColumn,
    NumberColumn,
    date_numbers,
    real_numbers,
    refuse_infinity,
)
from .schema import ColumnSchema, Schema, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..typing import Float64Array
    from .columns import Column
    from .encoding import FittedColumn
    from .numbers import NumberCode

    # fitted column, missing values, what was found, note
    Learned: TypeAlias = tuple[FittedColumn, int, str, str]

_ROW_NUMBERS = re.compile(
    r"|unnamed: \d+|column1|__index_level_\d+__|index|row|rows?[ _]?(id|names?|num(ber)?s?)"
    r"|(\w*[ _])?id|\w*[a-z]Id",
)


_MANY_NUMBERS = 100  # with this many columns, each gets one output
_ROWS_OF_MANY_BINS = range(10_000, 200_000)
_COLUMNS_OF_FEW_BINS = 25  # numbers, at least
_FEW_VALUES = 25  # the hours of a day among them
_MANY = "text with more levels"


@dataclass
class Options:
    """How to encode, and what overrides the inference; the fields as in `TableEncoder`."""

    numeric: str = "auto"
    methods: dict[str, str] = field(default_factory=dict)  # of single columns
    numbers: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    drop: frozenset[str] = frozenset()
    n_bins: Any = "auto"  # or an int, as the next one
    min_frequency: Any = "auto"
    max_levels: int = 100
    few_values: int = 0  # a number with no more has an edge at each

    def check_values(
        self,
        numeric: str = "numbers",
        n_bins: str = "n_bins",
        min_frequency: str = "min_frequency",
    ) -> None:
        """TypeError or ValueError for a value out of range.

        Its arguments are what the user calls the fields.
        """
        for method in (self.numeric, *self.methods.values()):
            for part in str(method).split("+") if method != "auto" else ():
                checks.check_name(part, numbers.METHODS, f"method for {numeric}")
        if self.n_bins != "auto":
            self.n_bins = checks.check_int(self.n_bins, n_bins, 1, 4096)
        if self.min_frequency != "auto":
            self.min_frequency = checks.check_int(self.min_frequency, min_frequency, 0)
        self.max_levels = checks.check_int(self.max_levels, "max_levels", minimum=1)

    def resolve(self, columns: Sequence[Column]) -> None:
        """Decide what "auto" stands for.

        Of numbers: both codes, or one if there are many columns.  Of bins: more where
        there are enough rows (California, Bike and Adult lose 2-4 % of their error by it)
        and do not yet fill the memory; fewer for many columns, whose networks over-fit
        (Spambase and Ionosphere lose 10 % of their error, and all half of their time).
        Few values are cheap to tell apart: Bike, with its hours, loses 5 % of its error.
        """
        count = sum(column.holds == NUMBER for column in columns)
        if self.n_bins == "auto":
            few = 8 if count >= _COLUMNS_OF_FEW_BINS else 16
            self.n_bins = 48 if len(columns[0]) in _ROWS_OF_MANY_BINS else few
            self.few_values = _FEW_VALUES if self.n_bins == 16 else 0
        if "auto" in (self.numeric, *self.methods.values()):
            auto = "standard" if count > _MANY_NUMBERS else "standard+ple"
            self.numeric = auto if self.numeric == "auto" else self.numeric
            self.methods = {
                name: auto if method == "auto" else method
                for name, method in self.methods.items()
            }

    def of(self, name: str) -> tuple[str, ...]:
        """The methods for a column, a tuple of names."""
        return tuple(self.methods.get(name, self.numeric).split("+"))

    def check(self, names: Sequence[str], where: str = "the table") -> None:
        """ValueError if an option is about a column that is not among `names`."""
        for what in ("methods", "numbers", "categories", "drop"):
            for name in getattr(self, what):
                if name not in names:
                    raise ValueError(no_column(where, name, names))
        both = self.numbers & self.categories
        if both:
            raise ValueError(
                f"column {min(both)!r} cannot be both numeric and categorical, expected one"
            )


def no_column(where: object, name: object, names: Sequence[str]) -> str:
    """The message for a column that does not exist, with the nearest name."""
    import difflib  # for errors alone

    close = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    if not close:
        lower = {str(other).lower(): other for other in names}
        close = difflib.get_close_matches(
            str(name).lower(), list(lower), n=1, cutoff=0.5
        )
        close = [lower[key] for key in close]
    if close:
        return f"{where} has no column {name!r:.60}, did you mean {close[0]!r:.60}?"
    few = ", ".join(map(shown, names[:5])) + (", ..." if len(names) > 5 else "")
    return f"{where} has no column {name!r:.60}, its columns are {few}"


def learn(
    columns: Sequence[Column], options: Options
) -> tuple[Encoding, Schema, list[str]]:
    """The encoding of these columns.

    Parameters
    ----------
    columns : list of ArrayColumn or ArrowColumn
        The training rows.
    options : Options

    Returns
    -------
    encoding : Encoding
    schema : Schema
    warnings : list of str

    Raises
    ------
    ValueError
        If no column is left, or an option does not fit a column.
    """
    options.check([column.name for column in columns])
    options.resolve(columns)
    fitted, schema, warnings = [], [], []
    for column in columns:
        spec, missing, found, note = _learn_column(column, options)
        fitted.append(spec)
        outputs = len(spec.names(""))
        schema.append(
            ColumnSchema(column.name, spec.kind, missing, found, outputs, note)
        )
        if note.startswith(_MANY):
            warnings.append(f"column {shown(column.name)} is {note}")
    n_rows = len(columns[0]) if columns else 0
    schema = Schema(schema, n_rows)
    encoding = Encoding(fitted)
    if not encoding.n_outputs:
        reasons = "; ".join(f"{shown(c.name)}: {c.note}" for c in schema[:3])
        rows = "1 sample" if n_rows == 1 else f"{n_rows} samples"
        raise ValueError(
            f"none of the {len(columns)} columns is informative over {rows}, expected "
            f"one that varies ({reasons})"
        )
    return encoding, schema, warnings


def learn_scale(
    names: Sequence[str], scale: float, found: str, n_rows: int
) -> tuple[Encoding, Schema]:
    """(Encoding, Schema) of numbers that are divided by `scale`, such as pixels."""
    code = numbers.NumberCode("standard", 0.0, float(scale))
    fitted = [NumberColumn(name, 0.0, False, (code,)) for name in names]
    shown_columns = [ColumnSchema(name, "number", 0, found, 1) for name in names]
    return Encoding(fitted), Schema(shown_columns, n_rows)


def _learn_column(column: Column, options: Options) -> Learned:
    """(fitted column, missing values, what was found, note)."""
    name = column.name
    if name in options.drop:
        return _dropped(column, 0, "", "as requested")
    if name in options.categories:
        return _learn_levels(column, options, asked=True)
    if name in options.numbers or name in options.methods:
        return _learn_numbers(column, options, asked=True)
    if column.holds == NUMBER:
        return _learn_numbers(column, options)
    if column.holds == DATE:
        return _learn_dates(column, options)
    if column.holds in (TEXT, BOOLEAN):
        return _learn_levels(column, options)
    note = "no values"
    if column.holds == OTHER:
        kind = getattr(column.values, "type", None) or column.values.dtype
        note = f"neither numbers nor text, dates or booleans but {kind}"[:100]
    return _dropped(column, len(column), "", note)


def _dropped(column: Column, missing: int, found: str, note: str) -> Learned:
    return DroppedColumn(column.name, note), missing, found, note


# ---- numbers and dates ---------------------------------------------------------------


def _learn_numbers(column: Column, options: Options, asked: bool = False) -> Learned:
    values = real_numbers(column)
    values = values.astype(np.float64, copy=False)
    refuse_infinity(column.name, values)
    ordered = np.sort(values)
    ordered = (
        ordered[: len(ordered) - np.count_nonzero(np.isnan(values))] + 0.0
    )  # no -0
    missing = len(values) - len(ordered)
    if not len(ordered):
        return _dropped(column, missing, "", "no values")
    found = f"{ordered[0]:.6g} to {ordered[-1]:.6g}"
    if not asked and not missing and _are_row_numbers(column.name, ordered):
        return _dropped(column, missing, found, "row numbers, each occurs once")
    if ordered[0] == ordered[-1] and not missing:
        return _dropped(column, missing, found, f"always {ordered[0]:.6g}")
    codes = _number_codes(column.name, ordered, options)
    methods = options.of(column.name)
    mean = methods[0] == "standard"
    fill = float(ordered.mean()) if mean else float(numbers.ordered_at(ordered, 0.5))
    note = f"always {ordered[0]:.6g} where it is not missing" if not codes else ""
    return NumberColumn(column.name, fill, missing > 0, codes), missing, found, note


def _number_codes(
    name: str, ordered: Float64Array, options: Options
) -> tuple[NumberCode, ...]:
    """The codes of sorted values; none if they are all the same."""
    if ordered[0] == ordered[-1]:
        return ()
    few = options.few_values and len(numbers.distinct(ordered)) <= options.few_values
    n_bins = options.few_values if few else options.n_bins
    try:
        return tuple(
            numbers.learn(method, ordered, n_bins) for method in options.of(name)
        )
    except ValueError as error:
        raise ValueError(f"column {name!r:.60} cannot be encoded: {error}") from None


def _are_row_numbers(name: str, ordered: Float64Array) -> bool:
    """True for distinct whole numbers in a column without a name, or one named like id."""
    if len(ordered) < 2 or not _ROW_NUMBERS.fullmatch(name.strip().lower()):
        return False
    return is_whole(ordered) and bool((ordered[1:] != ordered[:-1]).all())


def _learn_dates(
    column: Column, options: Options, order: str | None = None, ambiguous: bool = False
) -> Learned:
    micros = date_numbers(column, order)
    present = np.sort(micros[micros != NO_DATE])
    missing = len(micros) - len(present)
    if not len(present):
        return _dropped(column, missing, "", "no values")
    ends = present[[0, -1]].view("M8[us]").astype("M8[s]").astype(str).tolist()
    first, last = (text.removesuffix("T00:00:00") for text in ends)
    found = f"{first} to {last}"
    if present[0] == present[-1] and not missing:
        return _dropped(column, missing, found, f"always {first}")
    codes = []
    for part in dates.PARTS:
        ordered = np.sort(dates.part(present, part))
        codes += [(part, code) for code in _number_codes(column.name, ordered, options)]
    fill = int(numbers.ordered_at(present, 0.5))
    note = f"text read as {'/'.join(order)}" if ambiguous and order else ""
    spec = DateColumn(column.name, order, fill, missing > 0, tuple(codes))
    return spec, missing, found, note


# ---- levels --------------------------------------------------------------------------


def _learn_levels(column: Column, options: Options, asked: bool = False) -> Learned:
    codes, texts = column.codes()
    present = codes[codes >= 0]
    missing = len(codes) - len(present)
    counts = np.bincount(present, minlength=len(texts))
    levels = {
        text: int(count) for text, count in zip(texts, counts, strict=True) if count
    }
    found = f"{len(levels)} level{'s' * (len(levels) != 1)}"
    if not levels:
        return _dropped(column, missing, "", "no values")
    if len(levels) == 1 and not missing:
        return _dropped(column, missing, found, f"always {shown(next(iter(levels)))}")
    text = column.holds == TEXT and not asked and not column.declared
    order = dates.find_order(list(levels)) if text else None
    if order is not None:
        return _learn_dates(column, options, *order)
    if text and len(levels) == len(present):
        return _dropped(column, missing, found, "text in which no value occurs twice")
    kept = _frequent(levels, options, len(codes))
    rare = len(levels) - len(kept)
    if not kept:
        return _dropped(column, missing, found, "none of its levels is frequent enough")
    kind = "boolean" if column.holds == BOOLEAN else "category"
    code = "sign" if len(kept) == 2 and not rare else "onehot"
    note = f"{rare} rare levels count as another" if rare > 1 else ""
    if text and len(levels) > len(codes) / 2:
        note = f"{_MANY} ({len(levels)}) than half the rows; {note}".rstrip("; ")
    spec = LevelColumn(
        column.name, kind, code, tuple(sorted(kept)), rare > 0, missing > 0
    )
    return spec, missing, found, note


def _frequent(levels: dict[str, int], options: Options, n_rows: int) -> list[str]:
    """The levels that have outputs of their own."""
    least = options.min_frequency
    if least == "auto":
        least = min(10, n_rows // 500)
    kept = [level for level, count in levels.items() if count >= least]
    kept.sort(key=lambda level: (-levels[level], level))
    return kept[: options.max_levels]
