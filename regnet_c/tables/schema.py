"""How a table's columns are read, to inspect and to print."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True)
class ColumnSchema:
    """One column.

    Explained in :doc:`/tables`.

    Attributes
    ----------
    name : str
    kind : str
        number, category, boolean, date or dropped.
    missing : int
        Rows without a value.
    found : str
        The range of the values, or how many levels there are.
    outputs : int
        Columns of the encoded array.
    note : str
        Why it was dropped, which levels were joined, how a date was read; or empty.

    Examples
    --------
    >>> from regnet_c.tables import ColumnSchema
    >>> column = ColumnSchema("age", "number", 2, found="18 to 90", outputs=2)
    >>> column.kind, column.outputs
    ('number', 2)
    """

    name: str
    kind: str
    missing: int
    found: str
    outputs: int
    note: str = ""


class Schema(list[ColumnSchema]):
    """A list of ColumnSchema that prints as a table.

    Explained in :doc:`/tables`.

    Parameters
    ----------
    columns : iterable of ColumnSchema
    n_rows : int
        Rows of the training table.

    Examples
    --------
    >>> from regnet_c.tables import ColumnSchema, Schema
    >>> Schema([ColumnSchema("age", "number", 2, "18 to 90", 2)], n_rows=100)
    column  kind    missing  found     outputs  note
    'age'   number  2        18 to 90  2
    """

    def __init__(self, columns: Iterable[ColumnSchema], n_rows: int) -> None:
        super().__init__(columns)
        self.n_rows = n_rows

    def of_kind(self, *kinds: str) -> list[ColumnSchema]:
        """The columns of these kinds.

        Examples
        --------
        >>> from regnet_c.tables import ColumnSchema, Schema
        >>> age = ColumnSchema("age", "number", 2, "18 to 90", 2)
        >>> town = ColumnSchema("town", "category", 0, "3 levels", 3)
        >>> [column.name for column in Schema([age, town], 100).of_kind("category")]
        ['town']
        """
        return [column for column in self if column.kind in kinds]

    def summary(self) -> list[str]:
        """A few lines: how many columns of which kind, and what was dropped and why.

        Returns
        -------
        list of str

        Examples
        --------
        >>> from regnet_c.tables import ColumnSchema, Schema
        >>> age = ColumnSchema("age", "number", 2, "18 to 90", 2)
        >>> town = ColumnSchema("town", "category", 0, "3 levels", 3)
        >>> Schema([age, town], 100).summary()
        ['2 of 2 columns: 1 numeric, 1 categorical', "2 missing values in 'age'"]
        """
        counts = [
            (len(self.of_kind("number")), "numeric"),
            (len(self.of_kind("category", "boolean")), "categorical"),
            (len(self.of_kind("date")), "dates"),
            (len(self.of_kind("dropped")), "dropped"),
        ]
        used = len(self) - counts[-1][0]
        parts = ", ".join(f"{count} {word}" for count, word in counts if count)
        lines = [f"{used} of {len(self)} columns: {parts or 'none'}"]
        holes = [
            column for column in self if column.missing and column.kind != "dropped"
        ]
        if holes:
            cells = sum(column.missing for column in holes)
            lines.append(f"{cells} missing values in {_names(holes)}")
        reasons: dict[str, list[ColumnSchema]] = {}
        for column in self.of_kind("dropped"):
            reasons.setdefault(column.note, []).append(column)
        lines += [f"dropped {_names(cs)}: {reason}" for reason, cs in reasons.items()]
        noted = [c for c in self if c.note and c.kind != "dropped"]
        lines += [f"{shown(c.name)}: {c.note}" for c in noted[:_MOST]]
        if len(noted) > _MOST:
            lines.append(f"and notes on {len(noted) - _MOST} more columns")
        return lines

    def __str__(self) -> str:
        head = ("column", "kind", "missing", "found", "outputs", "note")
        rows = [
            (shown(c.name), c.kind, str(c.missing), c.found, str(c.outputs), c.note)
            for c in self
        ]
        widths = [max(map(len, cells)) for cells in zip(head, *rows, strict=True)]
        lines = [
            "  ".join(
                cell.ljust(width) for cell, width in zip(row, widths, strict=True)
            )
            for row in (head, *rows)
        ]
        return "\n".join(line.rstrip() for line in lines)

    __repr__ = __str__


_MOST = 5  # names or notes in a summary


def shown(name: str) -> str:
    """A column's name as messages have it: short and in quotes."""
    return repr(name if len(name) <= 40 else name[:37] + "...")


def _names(columns: Sequence[ColumnSchema]) -> str:
    names = ", ".join(shown(column.name) for column in columns[:_MOST])
    rest = len(columns) - _MOST
    return f"{names} and {rest} more" if rest > 0 else names
