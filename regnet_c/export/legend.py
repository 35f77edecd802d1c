"""What the inputs and outputs of a network mean, in words, from its metadata."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ..tables.encoding import DroppedColumn, LevelColumn, parts_of
from ..tables.form import TableForm

if TYPE_CHECKING:
    from ..network import Network
    from ..tables.encoding import FittedColumn
    from ..tables.numbers import NumberCode


def legend(network: Network) -> list[str]:
    """Lines such as 'x[0] = (size - 4.5) / 2.3'; none without an encoder."""
    try:
        form = TableForm.of(network)
    except ValueError:  # it was not trained on a table
        return []
    inputs = [text for column in form.encoding.columns for text in _column(column)]
    lines = [f"x[{i}] = {inputs[k]}" for i, k in enumerate(network.kept_inputs)]
    return [harmless(line) for line in lines + _outputs(form)]


def _column(column: FittedColumn) -> list[str]:
    """The inputs that one column of a table becomes."""
    name = column.name
    if isinstance(column, DroppedColumn):
        return []
    if isinstance(column, LevelColumn):
        texts = [f"1 if {name} is {_quoted(level)}, else 0" for level in column.levels]
        if column.code == "sign":
            no, yes = map(_quoted, column.levels)
            texts = [f"1 if {name} is {yes}, -1 if it is {no}, else 0"]
        texts += [f"1 if {name} is another, else 0"] * column.other
    else:
        codes = parts_of(column)
        texts = [
            text
            for part, code in codes
            for text in _code(f"{name}.{part}" if part else name, code)
        ]
    return texts + [f"1 if {name} is missing, else 0"] * column.missing


def _code(name: str, code: NumberCode) -> list[str]:
    """The inputs that one code of a number becomes."""
    if code.method == "ple":
        pairs = zip(code.knots, code.knots[1:], strict=False)
        return [
            f"({name} - {low:.9g}) / {high - low:.9g}, between 0 and 1"
            for low, high in pairs
        ]
    if code.method == "quantile":
        return [f"normal quantile of the rank of {name}"]
    standard = f"({name} - {code.center:.9g}) / {code.scale:.9g}"
    return [
        standard
        if code.method == "standard"
        else f"z / sqrt(1 + (z/3)^2), z = {standard}"
    ]


def _outputs(form: TableForm) -> list[str]:
    if form.classes is not None:
        names = ", ".join(_quoted(name) for name in form.classes)
        return [f"classes in the order of y: {names}"]
    return [
        f"{name} = y * {scale:.9g} + {center:.9g}"
        for name, center, scale in zip(
            form.names, form.centers, form.scales, strict=True
        )
    ]


def _quoted(name: str) -> str:
    return f'"{name}"'


def harmless(line: str) -> str:
    """ASCII on one line that cannot end or start a C comment or be a trigraph."""
    line = json.dumps(line)[1:-1].replace('\\"', '"')
    return line.replace("/", " / ").replace("?", "? ").replace("  ", " ")
