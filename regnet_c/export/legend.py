"""What the inputs and outputs of a network mean, in words, from its metadata."""

import json

from .._core.encoding import Encoding


def legend(network):
    """Lines such as 'x[0] = (size - 4.5) / 2.3'; none without an encoding."""
    try:
        encoding = Encoding.of(network, "the network")
    except ValueError:  # it was not trained by the command line
        return []
    if encoding.columns is None:
        lines = _array_inputs(network, encoding.scale)
    else:
        inputs = [text for c in encoding.columns for text in _column(c)]
        lines = [f"x[{i}] = {inputs[k]}" for i, k in enumerate(network.kept_inputs)]
    return [_harmless(line) for line in lines + _outputs(encoding)]


def _array_inputs(network, scale):
    compacted = len(network.kept_inputs) < network.n_inputs
    column = "column NET_KEPT_INPUTS[k]" if compacted else "column k"
    return [f"x[k] = {column} / {scale:.9g}"]


def _column(column):
    """The inputs that one column of a table becomes."""
    name = column["name"]
    if "categories" in column:
        return [f"1 if {name} is {_quoted(c)}, else 0" for c in column["categories"]]
    return [f"({name} - {column['mean']:.9g}) / {column['deviation']:.9g}"]


def _outputs(encoding):
    if encoding.classes is not None:
        names = ", ".join(_quoted(name) for name in encoding.classes)
        return [f"classes in the order of y: {names}"]
    mean, deviation = encoding.target_mean, encoding.target_deviation
    return [f"{encoding.target or 'target'} = y * {deviation:.9g} + {mean:.9g}"]


def _quoted(name):
    return f'"{name}"'


def _harmless(line):
    """ASCII on one line that cannot end or start a C comment or be a trigraph."""
    line = json.dumps(line)[1:-1].replace('\\"', '"')
    return line.replace("/", " / ").replace("?", "? ").replace("  ", " ")
