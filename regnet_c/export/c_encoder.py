"""The encoder of a table as C99 text: raw rows in, inputs of the network out.

A raw row is an array of double, one entry for each column the model needs: a number, the
code of a level (an enum in the header), or a date as seconds since 1970; NAN where the
value is missing.  Everything is computed in double and rounded once, as `Encoding` does,
so that the inputs have its bits.  Only the inputs that the network keeps are computed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from ..tables.encoding import DateColumn, DroppedColumn, LevelColumn, parts_of
from .c_math import with_prefix
from .legend import harmless

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..tables.columns import Column
    from ..tables.encoding import PreparedColumn
    from ..tables.form import TableForm
    from ..tables.numbers import NumberCode
    from ..typing import Float64Array, IntArray

_PIECES = {
    "standard": """\
static double net_standard(double v, double center, double scale) {
    const double z = (v - center) / scale;
    return z > 1e6 ? 1e6 : z < -1e6 ? -1e6 : z;
}
""",
    "robust": """\
static double net_robust(double v, double center, double scale) {
    const double z = net_standard(v, center, scale), third = z / 3;
    return z / NET_SQRT(1 + third * third);
}
""",
    "bin": """\
/* where v lies from low to high, as 0 to 1 */
static double net_bin(double v, double low, double high) {
    const double part = (v - low) / (high - low);
    return part > 1 ? 1 : part > 0 ? part : 0;
}
""",
    "between": """\
/* linear between n knots, constant beyond */
static double net_between(double v, uint32_t n, NET_CONST double *knots,
                          NET_CONST double *values) {
    uint32_t low = 0, high = n - 1;
    if (v <= knots[0]) return values[0];
    if (v >= knots[high]) return values[high];
    while (high - low > 1) {
        const uint32_t middle = low + (high - low) / 2;
        if (knots[middle] <= v) low = middle;
        else high = middle;
    }
    if (knots[low] == v) return values[low];
    return (values[high] - values[low]) / (knots[high] - knots[low]) * (v - knots[low]) +
           values[low];
}
""",
    "microseconds": """\
static int64_t net_microseconds(double seconds) {
    const double t = seconds * 1e6;
    return (int64_t)(t < 0 ? t - 0.5 : t + 0.5);
}
""",
    "day_number": """\
/* whole days since 1970, rounded down */
static int64_t net_day_number(int64_t t) {
    const int64_t length = (int64_t)86400 * 1000000;
    return t / length - (t % length < 0);
}
""",
    "days": """\
static double net_days(int64_t t) { return (double)t / 86400e6; }
""",
    "hour": """\
static double net_hour(int64_t t) {
    return (double)(t - net_day_number(t) * 86400 * 1000000) / 3.6e9;
}
""",
    "weekday": """\
static double net_weekday(int64_t t) {
    const int64_t day = (net_day_number(t) + 3) % 7;
    return (double)(day < 0 ? day + 7 : day);
}
""",
    "is_level": """\
static int net_is_level(double v, int32_t n) {
    return v >= 0 && v < n && v == (double)(int32_t)v;
}
""",
    "find": """\
/* the number of a text among n that end in 0 each; -1 if it is none of them */
static double net_find(const char *text, int32_t n, NET_CONST uint8_t *level) {
    int32_t code;
    for (code = 0; code < n; code++) {
        const char *t = text;
        while (*level && *level == (uint8_t)*t) {
            level++;
            t++;
        }
        if (!*level && !*t) return code;
        while (*level) level++;
        level++;
    }
    return -1;
}
""",
    "civil": """\
/* day of the year from 1 March and the month from March, by the 400-year cycle of the
   Gregorian calendar (H. Hinnant, chrono-compatible low-level date algorithms) */
static int net_civil(int64_t t, int *month) {
    const int64_t z = net_day_number(t) + 719468;
    const int64_t era = (z >= 0 ? z : z - 146096) / 146097, d = z - era * 146097;
    const int64_t year = (d - d / 1460 + d / 36524 - d / 146096) / 365;
    const int day = (int)(d - (365 * year + year / 4 - year / 100));
    *month = (5 * day + 2) / 153;
    return day;
}
""",
    "month": """\
static double net_month(int64_t t) {
    int month;
    net_civil(t, &month);
    return month < 10 ? month + 3 : month - 9;
}
""",
    "day": """\
static double net_day(int64_t t) {
    int month;
    const int day = net_civil(t, &month);
    return day - (153 * month + 2) / 5 + 1;
}
""",
}


class CEncoder:
    """The C text of a network's encoder.

    Parameters
    ----------
    form : TableForm
    kept : ndarray of int
        The encoder's outputs that the network reads.
    prefix : str

    Attributes
    ----------
    table_bytes : int
        Bytes of constant tables, of 8-byte doubles, and of the levels' texts.
    """

    form: TableForm
    prefix: str
    macro: str
    place: dict[int, int]
    table_bytes: int
    columns: list[PreparedColumn]
    level_code: str

    def __init__(self, form: TableForm, kept: IntArray, prefix: str) -> None:
        self.form, self.prefix, self.macro = form, prefix, prefix.upper()
        self.place = {int(output): i for i, output in enumerate(kept)}
        self.table_bytes = 0
        self.tables: list[str] = []
        self.statements: list[str] = []
        self.pieces: set[str] = set()
        self.columns = [
            c for c in form.encoding.columns if not isinstance(c, DroppedColumn)
        ]
        groups = [g for g in form.encoding.groups if len(g)]
        for number, (column, group) in enumerate(
            zip(self.columns, groups, strict=True)
        ):
            self._column(number, column, group.tolist())
        self.level_code = self._level_code()

    # ---- the header ------------------------------------------------------------------

    def header(self) -> tuple[list[str], list[str]]:
        """Lines of the header: the columns of a row, the levels, the functions."""
        macro, prefix = self.macro, self.prefix
        taken: set[str] = set()
        lines = ["", f"#define {macro}_N_COLUMNS {len(self.columns)}"]
        classes = self.form.classes
        if classes is not None:
            lines.append(f"#define {macro}_N_CLASSES {len(classes)}")
        lines.append(
            "/* A raw row: the meaning of each place; NAN is a missing value. */"
        )
        entries, levels = [], []
        for number, column in enumerate(self.columns):
            word = _identifier(column.name)
            what = "a number"
            if column.kind == "date":
                what = "a date, seconds since 1970"
            if isinstance(column, LevelColumn):
                what = "a level below, any other code is an unknown one"
                levels.append((word, column))
            name = _unique(f"{macro}_COLUMN_{word}", taken)
            entries.append((name, number, f"{column.name}: {what}"))
        lines += _enum(entries)
        for word, column in levels:
            lines.append(f"/* {harmless(column.name)} */")
            lines += _enum(
                (_unique(f"{macro}_LEVEL_{word}_{_identifier(s)}", taken), i, s)
                for i, s in enumerate(column.levels)
            )
        returned = "0"
        declarations = []
        if classes is not None:
            declarations.append(
                f"extern const char *const {prefix}_classes[{macro}_N_CLASSES];"
            )
            returned = f"the class, an index of {prefix}_classes"
        y = "the outputs" if classes is not None else "the target in its own unit"
        declarations += [
            f"/* x[{macro}_N_IN] = inputs of the network for row[{macro}_N_COLUMNS]. */",
            f"void {prefix}_encode(const double *row, float *x);",
            f"/* y[{macro}_N_OUT] = {y}; returns {returned}. */",
            f"int {prefix}_predict_row(const double *row, double *y);",
        ]
        if levels:
            declarations += [
                "/* The code of a level in a row, by its text (UTF-8); NAN for empty text,",
                "   NULL (a missing value) and for columns without levels. */",
                f"double {prefix}_level_code(int column, const char *text);",
            ]
        return lines, declarations

    # ---- the file --------------------------------------------------------------------

    def source(self) -> str:
        """Functions encode and predict_row, and the names of the classes."""
        text = "\n".join(_PIECES[name] for name in self._wanted())
        parts = [with_prefix(text, self.prefix), *self.tables]
        parts += [self._encode(), self.level_code]
        if self.form.classes is not None:
            names = ",\n    ".join(c_string(name) for name in self.form.classes)
            parts.append(
                f"const char *const {self.prefix}_classes[{self.macro}_N_CLASSES] = {{\n"
                f"    {names}}};\n"
            )
        parts.append(self._predict_row())
        return "\n".join(parts)

    def _wanted(self) -> list[str]:
        wanted, open_names = set(), list(self.pieces)
        while open_names:
            name = open_names.pop()
            if name not in wanted:
                wanted.add(name)
                called = re.findall(r"\bnet_(\w+)\(", _PIECES[name])
                open_names += [word for word in called if word != name]
        return [name for name in _PIECES if name in wanted]

    def _encode(self) -> str:
        text = "\n".join(self.statements)
        variables = [
            f"    {kind} {name};"
            for kind, name in (("double", "v"), ("int64_t", "t"), ("int", "missing"))
            if re.search(rf"\b{name} = ", text)
        ]
        return "\n".join(
            [
                f"void {self.prefix}_encode(const double *row, float *x) {{",
                *variables,
                *self.statements,
                "}",
                "",
            ]
        )

    def _predict_row(self) -> str:
        prefix, macro, form = self.prefix, self.macro, self.form
        lines = [
            f"int {prefix}_predict_row(const double *row, double *y) {{",
            f"    float x[{macro}_N_IN], z[{macro}_N_OUT];",
            "    int result;",
            f"    {prefix}_encode(row, x);",
            f"    result = {prefix}_predict(x, z);",
        ]
        if form.classes is not None:
            lines += [
                "    {",
                "        int j;",
                f"        for (j = 0; j < {macro}_N_OUT; j++) y[j] = z[j];",
                "    }",
            ]
        else:
            lines += [
                f"    y[{j}] = z[{j}] * {scale!r} + {center!r};"
                for j, (center, scale) in enumerate(
                    zip(form.centers, form.scales, strict=True)
                )
            ]
        return "\n".join([*lines, "    return result;", "}", ""])

    # ---- columns ---------------------------------------------------------------------

    def _column(self, number: int, column: PreparedColumn, outputs: list[int]) -> None:
        kept = [(i, self.place[o]) for i, o in enumerate(outputs) if o in self.place]
        if not kept:
            return
        self.statements.append(f"    /* {harmless(column.name)} */")
        self.statements.append(f"    v = row[{number}];")
        if isinstance(column, LevelColumn):
            self._levels(column, kept)
            return
        self.statements.append("    missing = v != v;")
        if isinstance(column, DateColumn):
            self.pieces.add("microseconds")
            self.statements.append(
                f"    t = missing ? {_int64(column.fill)} : "
                f"{self.prefix}_microseconds(v);"
            )
        else:
            self.statements.append(f"    if (missing) v = {column.fill!r};")
        makers = []
        for part, code in parts_of(column):
            if part is not None:
                self.pieces.add(part)
            v = "v" if part is None else f"{self.prefix}_{part}(t)"
            makers += [(code, v, bin_) for bin_ in range(code.n_outputs)]
        tables: dict[int, tuple[int, str, str]] = {}
        for i, place in kept:
            value = "missing"
            if i < len(makers):
                value = self._value(*makers[i], tables)
            self.statements.append(f"    x[{place}] = (float){value};")

    def _level_code(self) -> str:
        """Function level_code, with the texts of all levels; nothing without levels."""
        cases = []
        for number, column in enumerate(self.columns):
            if not isinstance(column, LevelColumn):
                continue
            name, count = f"{self.prefix}_levels{number}", len(column.levels)
            texts = [_c_characters(level) for level in column.levels]
            self.table_bytes += sum(map(len, texts))
            lines = ",\n    ".join(", ".join(text) for text in texts)
            self.tables.append(
                f"static {self.macro}_CONST uint8_t {name}[] = {{\n    {lines}}};\n"
            )
            find = f"{self.prefix}_find(text, {count}, {name})"
            cases.append(f"    case {number}: return {find};")
        if not cases:
            return ""
        self.pieces.add("find")
        return "\n".join(
            [
                f"double {self.prefix}_level_code(int column, const char *text) {{",
                f"    if (!text || !*text) return {self.macro}_NAN;",
                "    switch (column) {",
                *cases,
                f"    default: return {self.macro}_NAN;",
                "    }",
                "}",
                "",
            ]
        )

    def _levels(self, column: LevelColumn, kept: list[tuple[int, int]]) -> None:
        count, is_sign = len(column.levels), column.code == "sign"
        for i, place in kept:
            if is_sign and i == 0:
                value = "v == 0 ? -1 : v == 1 ? 1 : 0"
            elif column.missing and i == (1 if is_sign else count + column.other):
                value = "v != v"
            elif i == count:  # neither a level nor missing
                value = f"v == v && !{self.prefix}_is_level(v, {count})"
                self.pieces.add("is_level")
            else:
                value = f"v == {i}"
            self.statements.append(f"    x[{place}] = (float)({value});")

    def _value(
        self,
        code: NumberCode,
        v: str,
        bin_: int,
        tables: dict[int, tuple[int, str, str]],
    ) -> str:
        prefix = self.prefix
        if code.method == "ple":
            self.pieces.add("bin")
            low, high = code.knots[bin_ : bin_ + 2]
            return f"{prefix}_bin({v}, {low!r}, {high!r})"
        if code.method == "quantile":
            self.pieces.add("between")
            if id(code) not in tables:
                tables[id(code)] = self._table(code)
            n, knots, values = tables[id(code)]
            return f"{prefix}_between({v}, {n}, {knots}, {values})"
        self.pieces.add(code.method)
        return f"{prefix}_{code.method}({v}, {code.center!r}, {code.scale!r})"

    def _table(self, code: NumberCode) -> tuple[int, str, str]:
        number, names = len(self.tables), []
        for word, numbers in (("knots", code.knots), ("values", code.values)):
            name = f"{self.prefix}_{word}{number}"
            lines = (numbers[i : i + 4] for i in range(0, len(numbers), 4))
            text = ",\n    ".join(", ".join(map(repr, line)) for line in lines)
            self.tables.append(
                f"static {self.macro}_CONST double {name}[{len(numbers)}] = {{\n"
                f"    {text}}};\n"
            )
            self.table_bytes += 8 * len(numbers)
            names.append(name)
        knots, values = names
        return len(code.knots), knots, values


def c_string(text: str) -> str:
    """A C literal of the UTF-8 bytes of a text, without trigraphs."""
    out = []
    for byte in text.encode("utf-8"):
        plain = 32 <= byte < 127 and chr(byte) not in '"\\?'
        out.append(chr(byte) if plain else f"\\{byte:03o}")
    return '"' + "".join(out) + '"'


def _c_characters(text: str) -> list[str]:
    """C literals of the UTF-8 bytes of a text, with the 0 at its end."""
    text = text.partition("\0")[0]  # no C program can ask for what is behind
    plain = set(range(32, 127)) - set(b"'\\?")
    return [f"'{b:c}'" if b in plain else str(b) for b in text.encode("utf-8")] + ["0"]


def _int64(value: int) -> str:
    """A C expression of this whole number without a literal that C90 and C++98 lack."""
    high, low = divmod(int(value), 1 << 31)
    return f"((int64_t){high} * 2147483647 + {high} + {low})"


def _identifier(text: str) -> str:
    """Letters and digits of a text, in capitals."""
    return re.sub("[^A-Z0-9]+", "_", text.upper()).strip("_") or "EMPTY"


def _unique(name: str, taken: set[str]) -> str:
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    taken.add(found)
    return found


def _enum(entries: Iterable[tuple[str, int, str]]) -> list[str]:
    """Lines of an enum; entries are (name, number, words of the user's)."""
    lines = [
        f"    {name} = {number}, /* {harmless(w)} */" for name, number, w in entries
    ]
    lines[-1] = lines[-1].replace(", /*", " /*", 1)
    return ["enum {", *lines, "};"]


def raw_row(form: TableForm, columns: Sequence[Column]) -> Float64Array:
    """Rows of a table in the form the C file takes, float64 (n, n_columns).

    Parameters
    ----------
    form : TableForm
    columns : list of ArrayColumn or ArrowColumn
    """
    by_name = {column.name: column for column in columns}
    out = []
    for column in form.encoding.columns:
        if isinstance(column, DroppedColumn):
            continue
        values = column.prepare(by_name[column.name])
        if column.kind == "date":
            gone = values == np.iinfo(np.int64).min
            values = np.where(gone, np.nan, values / 1e6)
        elif isinstance(column, LevelColumn):
            values = _codes(column, by_name[column.name])
        out.append(np.asarray(values, np.float64))
    return np.column_stack(out)


def _codes(column: LevelColumn, cells: Column) -> Float64Array:
    codes, levels = cells.codes()
    if column.kind == "boolean" and cells.holds == "numbers":
        levels = [{"0": "False", "1": "True"}.get(level, level) for level in levels]
    places = {level: float(i) for i, level in enumerate(column.levels)}
    return np.array([*(places.get(level, -1.0) for level in levels), np.nan])[codes]
