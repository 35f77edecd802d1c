"""The encoder of a table as ONNX operators: one input per column, class names out.

Numbers are double (rows, 1) with NaN where a value is missing, dates double as seconds
since 1970, levels (also of booleans) text, "" where one is missing.  As in `Encoding`,
everything is computed in double and rounded once; a quantile code is a sum over its bins
and may differ in the last bit of a float.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ..tables.columns import parse_number
from ..tables.encoding import DroppedColumn, LevelColumn, parts_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..tables.encoding import DateColumn, NumberColumn
    from ..tables.form import TableForm
    from ..tables.numbers import NumberCode
    from ..typing import IntArray
    from .onnx import Graph

    # name of a column: (name of a tensor, whether it is text)
    Sources: TypeAlias = dict[str, tuple[str, bool]]

LEVELS = ("category", "boolean")
_BOOLEANS = {"False": 0.0, "True": 1.0}
_DAY = 86400e6  # microseconds
_RESERVED = re.compile(r"(x|y|label|[A-Z_]+|(dense_\d+|output)\..*|encoder/.*|)")


class OnnxEncoder:
    """Adds the encoder of a network to a graph.

    Parameters
    ----------
    graph : Graph
    form : TableForm

    Attributes
    ----------
    inputs : list of (name, is_text)
        Of the columns; a name that the graph needs itself gets "column " before it.
    """

    graph: Graph
    form: TableForm
    count: int

    def __init__(self, graph: Graph, form: TableForm) -> None:
        self.graph, self.form, self.count = graph, form, 0
        self.inputs: list[tuple[str, bool]] = []

    def declare(self) -> Sources:
        """{name of a column: (name of an input of its own, whether it is text)}."""
        sources = {}
        for column in self.form.encoding.columns:
            if column.kind == "dropped":
                continue
            name = column.name
            if _RESERVED.fullmatch(name):
                name = f"column {name}"
            sources[column.name] = name, column.kind in LEVELS
        self.inputs = list(sources.values())
        return sources

    def encode(self, kept: IntArray, n_outputs: int, sources: Sources) -> str:
        """Add the columns; the name of the network's input.

        Parameters
        ----------
        kept : ndarray of int
            The outputs of the encoder that the network reads.
        n_outputs : int
            All that the encoder has.
        sources : dict
            For each column used, a tensor (rows, 1), and whether it is text or double.
        """
        parts = []
        for column in self.form.encoding.columns:
            if isinstance(column, DroppedColumn):
                continue
            name, is_text = sources[column.name]
            if isinstance(column, LevelColumn):
                code = self._code_of_text if is_text else self._code_of_number
                parts += self._levels(column, code(column, name))
            else:
                parts += self._number(column, name)
        x = self.node("Concat", parts, axis=1)
        if len(kept) < n_outputs:
            x = self.node("Gather", [x, self.constant(kept, np.int64)], axis=1)
        return x

    def finish(self, y: str, n_outputs: int) -> None:
        """Add the label, or the target's unit; ``y`` is the network's output."""
        form, node = self.form, self.node
        if form.classes is None:
            y = self.cast(y, np.float64)
            y = node("Mul", [y, self.constant([form.scales])])
            y = node("Add", [y, self.constant([form.centers])])
            self.graph.node("Identity", [y], "y")
            return
        self.graph.node("Identity", [y], "y")
        best = self.graph.most_probable(y, n_outputs)
        self.graph.class_names(best, form.classes, "label")

    # ---- columns ---------------------------------------------------------------------

    def _code_of_text(self, column: LevelColumn, name: str) -> str:
        """Each value's place among the levels, then other, then missing; or -1."""
        return self.node(
            "LabelEncoder",
            [name],
            domain="ai.onnx.ml",
            keys_strings=[*column.levels, ""],
            values_int64s=[*range(len(column.levels)), _missing_place(column)],
            default_int64=_other_place(column),
        )

    def _code_of_number(self, column: LevelColumn, name: str) -> str:
        """The same for levels that come as numbers, NaN where one is missing."""
        found = [_BOOLEANS.get(level, parse_number(level)) for level in column.levels]
        levels = np.array([np.nan if v is None else v for v in found])
        equal = self.node("Equal", [name, self.constant(levels[None])])
        equal = self.cast(equal, np.float64)
        other = float(_other_place(column))
        steps = np.arange(len(levels)) - other
        place = self.node("MatMul", [equal, self.constant(steps[:, None])])
        place = self._apply("Add", place, other)
        missing = self.constant(float(_missing_place(column)))
        place = self.node("Where", [self.node("IsNaN", [name]), missing, place])
        return self.cast(place, np.int64)

    def _levels(self, column: LevelColumn, code: str) -> list[str]:
        """One-hot or sign codes of places."""
        count = len(column.levels) + column.other + column.missing
        every = np.arange(count, dtype=np.int64)[None]
        if column.code != "sign":
            return [self._equal(code, every)]
        no, yes = self._equal(code, every[:, :1]), self._equal(code, every[:, 1:2])
        parts = [self.node("Sub", [yes, no])]
        return parts + ([self._equal(code, every[:, 2:])] if column.missing else [])

    def _equal(self, code: str, places: IntArray) -> str:
        return self.cast(
            self.node("Equal", [code, self.constant(places, np.int64)]), np.float32
        )

    def _number(self, column: NumberColumn | DateColumn, name: str) -> list[str]:
        """The codes of numbers or of the parts of dates, and the indicator."""
        gone = self.node("IsNaN", [name])
        value = name
        if column.kind == "date":
            value = self.node("Mul", [name, self.constant(1e6)])
            value = self._floor(self.node("Add", [value, self.constant(0.5)]))
        fill = self.constant(float(column.fill))
        value = self.node("Where", [gone, fill, value])
        codes = parts_of(column)
        parts = [self._code(code, self._part(value, part)) for part, code in codes]
        parts = [self.cast(part, np.float32) for part in parts]
        return parts + ([self.cast(gone, np.float32)] if column.missing else [])

    def _code(self, code: NumberCode, v: str) -> str:
        if code.method in ("ple", "quantile"):
            knots = np.array(code.knots)
            part = self.node("Sub", [v, self.constant(knots[None, :-1])])
            part = self.node("Div", [part, self.constant(np.diff(knots)[None])])
            part = self._clip(part, 0.0, 1.0)
            if code.method == "ple":
                return part
            steps = np.diff(code.values)[:, None]
            sums = self.node("MatMul", [part, self.constant(steps)])
            return self.node("Add", [sums, self.constant(code.values[0])])
        z = self.node("Sub", [v, self.constant(code.center)])
        z = self._clip(self.node("Div", [z, self.constant(code.scale)]), -1e6, 1e6)
        if code.method == "standard":
            return z
        third = self.node("Div", [z, self.constant(3.0)])
        square = self.node("Mul", [third, third])
        return self.node(
            "Div",
            [z, self.node("Sqrt", [self.node("Add", [square, self.constant(1.0)])])],
        )

    def _part(self, t: str, part: str | None) -> str:
        """A part of a date in microseconds; months as in `c_encoder`."""
        if part is None:
            return t
        if part == "days":
            return self._apply("Div", t, _DAY)
        day = self._floor(self._apply("Div", t, _DAY))
        if part == "hour":
            rest = self.node("Sub", [t, self._apply("Mul", day, _DAY)])
            return self._apply("Div", rest, 3.6e9)
        if part == "weekday":
            return self._modulo(self._apply("Add", day, 3.0), 7.0)
        z = self._modulo(self._apply("Add", day, 719468.0), 146097.0)
        year = z
        for operator, length in (("Sub", 1460.0), ("Add", 36524.0), ("Sub", 146096.0)):
            year = self.node(operator, [year, self._whole(z, length)])
        year = self._whole(year, 365.0)
        z = self.node("Sub", [z, self._apply("Mul", year, 365.0)])
        z = self.node("Sub", [z, self._whole(year, 4.0)])
        z = self.node("Add", [z, self._whole(year, 100.0)])
        month = self._apply("Add", self._apply("Mul", z, 5.0), 2.0)
        month = self._whole(month, 153.0)
        if part == "month":
            return self._apply(
                "Add", self._modulo(self._apply("Add", month, 2.0), 12.0), 1.0
            )
        before = self._apply("Add", self._apply("Mul", month, 153.0), 2.0)
        days = self.node("Sub", [z, self._whole(before, 5.0)])
        return self._apply("Add", days, 1.0)

    # ---- operators -------------------------------------------------------------------

    def node(self, operator: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Add a node; the name of its output."""
        self.count += 1
        output = f"encoder/{self.count}"
        return self.graph.node(operator, inputs, output, **attributes)

    def constant(self, value: Any, dtype: Any = np.float64) -> str:
        """Add a constant; its name."""
        self.count += 1
        return self.graph.constant(f"encoder/{self.count}", value, dtype)

    def cast(self, x: str, dtype: Any) -> str:
        """Add a cast to this dtype."""
        self.count += 1
        return self.graph.cast(x, dtype, f"encoder/{self.count}")

    def _apply(self, operator: str, x: str, number: float) -> str:
        return self.node(operator, [x, self.constant(number)])

    def _floor(self, x: str) -> str:
        return self.node("Floor", [x])

    def _whole(self, x: str, number: float) -> str:
        return self._floor(self._apply("Div", x, number))

    def _modulo(self, x: str, number: float) -> str:
        whole = self._apply("Mul", self._whole(x, number), number)
        return self.node("Sub", [x, whole])

    def _clip(self, x: str, low: float, high: float) -> str:
        return self.node("Clip", [x, self.constant(low), self.constant(high)])


def _other_place(column: LevelColumn) -> int:
    return len(column.levels) if column.other else -1


def _missing_place(column: LevelColumn) -> int:
    return len(column.levels) + column.other if column.missing else -1
