"""One dense layer as C99 text: constant arrays and a function, in the smallest form.

dense    all weights, unit by unit
sparse   the weights that are not zero with the number of their input
gaps8    the same with the distance to the input before in one byte; 255 means: advance by
         255 and read the next byte as well
gaps4    the same with half bytes, and 15
bitmap   the weights that are not zero and one bit for every place

Sums take their terms in the order of `predict` whatever the form.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ..activations import ACTIVATIONS
from .c_math import with_prefix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ..typing import AnyArray
    from .plain import PlainLayer

    Arrays: TypeAlias = dict[str, AnyArray]  # of the C file, by name

_C_TYPES = {
    "float32": "float",
    "int8": "int8_t",
    "uint8": "uint8_t",
    "uint16": "uint16_t",
    "uint32": "uint32_t",
}
_BODIES = {
    "dense": """\
        for (k = 0; k < {n_in}; k++) {{
            sum = NET_FMA(x[k], {w}, sum);
            p++;
        }}""",
    "sparse": """\
        for (end = p + count[j]; p < end; p++) sum = NET_FMA(x[at[p]], {w}, sum);""",
    "gaps8": """\
        for (end = p + count[j], k = 0; p < end; p++) {{
            do {{
                step = at[i++];
                k += step;
            }} while (step == 255);
            sum = NET_FMA(x[k], {w}, sum);
        }}""",
    "gaps4": """\
        for (end = p + count[j], k = 0; p < end; p++) {{
            do {{
                step = (i & 1) != 0 ? at[i >> 1] >> 4 : at[i >> 1] & 15u;
                i++;
                k += step;
            }} while (step == 15);
            sum = NET_FMA(x[k], {w}, sum);
        }}""",
    "bitmap": """\
        for (k = 0; k < {n_in}; k += 8) {{
            for (bits = at[i++]; bits != 0; bits &= bits - 1) {{
                const uint32_t lowest = (bits & (0u - bits)) * 29 >> 5 & 7;
                sum = NET_FMA(x[k + place[lowest]], {w}, sum);
                p++;
            }}
        }}""",
}
# the number of the input in these bodies
_INPUT = {"sparse": "at[p]", "bitmap": "k + place[lowest]"}
_COUNTERS = {
    "dense": "p = 0, k",
    "sparse": "p = 0, end",
    "gaps8": "p = 0, i = 0, end, k, step",
    "gaps4": "p = 0, i = 0, end, k, step",
    "bitmap": "p = 0, i = 0, k, bits",
}


def smallest_type(largest: int) -> np.dtype[Any]:
    """The narrowest unsigned dtype that holds this number."""
    return np.min_scalar_type(int(largest))


def dense_arrays(w: AnyArray) -> Arrays:
    return {"w": w.T.reshape(-1)}


def sparse_arrays(w: AnyArray) -> Arrays:
    unit, at = np.nonzero(w.T)
    counts = np.bincount(unit, minlength=w.shape[1])
    return {
        "w": w[at, unit],
        "at": at.astype(smallest_type(w.shape[0] - 1)),
        "count": counts.astype(smallest_type(counts.max())),
    }


def gaps_arrays(w: AnyArray, bits: int) -> Arrays:
    """Steps from input to input in this many bits, each unit starting at input 0."""
    longest = 2**bits - 1
    arrays = sparse_arrays(w)
    unit, at = np.nonzero(w.T)
    first = np.diff(unit, prepend=-1) != 0
    steps = np.where(first, at, np.diff(at, prepend=0))
    words = steps // longest + 1
    codes = np.full(words.sum(), longest, np.uint8)
    # uint8 as codes is: NumPy would cast through a buffer, and aborts the process if
    # it cannot allocate one
    codes[np.cumsum(words) - 1] = (steps % longest).astype(np.uint8)
    if bits == 4:
        codes = np.append(codes, np.zeros(len(codes) % 2, np.uint8))
        codes = codes[0::2] | codes[1::2] << 4
    return {**arrays, "at": codes}


def bitmap_arrays(w: AnyArray) -> Arrays:
    """A bit for every input, a whole number of bytes for every unit."""
    columns = w.T
    return {
        "w": columns[columns != 0],
        "at": np.packbits(columns != 0, axis=1, bitorder="little").reshape(-1),
        "place": np.array([0, 1, 6, 2, 7, 5, 4, 3], np.uint8),  # of bit 2^n * 29 >> 5
    }


FORMS: dict[str, Callable[[AnyArray], Arrays]] = {
    "dense": dense_arrays,
    "sparse": sparse_arrays,
    "gaps8": partial(gaps_arrays, bits=8),
    "gaps4": partial(gaps_arrays, bits=4),
    "bitmap": bitmap_arrays,
}
_HANDICAP = {"bitmap": 1.05}


def n_bytes(arrays: Arrays) -> int:
    """Bytes of constant data."""
    return sum(array.nbytes for array in arrays.values())


def smallest_form(layer: PlainLayer) -> tuple[str, Arrays]:
    """(name, arrays) of the form with the fewest bytes; simple ones win ties.

    A bitmap has to save a twentieth: its branches cannot be predicted, and on a large
    CPU it is several times slower than the others.
    """
    found = {}
    for name in FORMS:
        found[name] = FORMS[name](layer.w)
        if layer.b is not None and layer.b.any():
            found[name]["b"] = layer.b
        if layer.scale is not None:
            found[name]["scale"] = layer.scale
    best = min(found, key=lambda name: _HANDICAP.get(name, 1) * n_bytes(found[name]))
    return best, found[best]


def form_of_members(layers: Sequence[PlainLayer]) -> tuple[str, Arrays]:
    """(name, arrays) of one layer of all members, whose own arrays follow one another."""
    first = layers[0]
    if len(layers) == 1:
        return smallest_form(first)
    if first.r is None:  # w is their own
        name, arrays = (
            "dense",
            {"w": _joined(layer.w.T.reshape(-1) for layer in layers)},
        )
        if first.scale is not None:
            arrays["scale"] = _joined(layer.scale for layer in layers)
    else:
        name, arrays = smallest_form(replace(first, b=None))
        arrays |= {key: _joined(getattr(x, key) for x in layers) for key in "rs"}
    if any(layer.b is not None and layer.b.any() for layer in layers):
        arrays["b"] = _joined(layer.b for layer in layers)
    return name, arrays


def _joined(arrays: Iterable[AnyArray | None]) -> AnyArray:
    return np.concatenate([array for array in arrays if array is not None])


def c_numbers(array: AnyArray, per_line: int = 8) -> str:
    """The numbers of an array as C literals, a few on each line."""
    if array.dtype == np.float32:
        words = [str(x) + "f" for x in array]  # shortest decimals of the same float
    else:
        words = [str(x) for x in array.tolist()]
        per_line = 16
    lines = (words[i : i + per_line] for i in range(0, len(words), per_line))
    return ",\n        ".join(", ".join(line) for line in lines)


def c_array(name: str, array: AnyArray) -> str:
    """A constant array; C has no empty ones, so an empty array gets one zero."""
    if array.size == 0:
        array = np.zeros(1, array.dtype)
    start = f"    static NET_CONST {_C_TYPES[array.dtype.name]} {name}[{array.size}] = "
    return f"{start}{{\n        {c_numbers(array)}}};"


def c_function(
    number: int, layers: Sequence[PlainLayer], form: str, arrays: Arrays, prefix: str
) -> str:
    """The function <prefix>_layer<number>(x, y), or (x, y, member)."""
    layer, members = layers[0], len(layers)
    n_in, n_out = layer.w.shape
    weight, start, result = _expressions(layers, form, arrays)
    weights = layers if layer.r is None else layers[:1]
    share = np.mean([np.count_nonzero(x.w) / x.w.size for x in weights])
    counters = _COUNTERS[form]
    if members > 1 and layer.r is None:
        counters = counters.replace("p = 0", f"p = {layer.w.size} * member")
    member = ", uint32_t member" if members > 1 else ""
    text = "\n".join(
        [
            (
                f"/* {n_in} -> {n_out}, {layer.activation}; {share:.1%} of the weights, "
                f"{form}, {n_bytes(arrays)} bytes */"
            ),
            f"static void net_layer{number}(const float *x, float *y{member}) {{",
            *(c_array(name, array) for name, array in arrays.items()),
            f"    uint32_t j, {counters};",
            f"    for (j = 0; j < {n_out}; j++) {{",
            f"        float sum = {start};",
            _BODIES[form].format(n_in=n_in, w=weight),
            f"        y[j] = {result};",
            "    }",
            "}",
            "",
        ]
    )
    return with_prefix(text, prefix)


def _expressions(
    layers: Sequence[PlainLayer], form: str, arrays: Arrays
) -> tuple[str, str, str]:
    """(a weight, what a sum starts from, a unit's result) as C text."""
    layer = layers[0]
    n_in, n_out = layer.w.shape
    unit = "j" if len(layers) == 1 else f"{n_out} * member + j"
    weight, scale = "(float)w[p]", f"scale[{'j' if layer.r is not None else unit}]"
    if layer.r is not None:  # (w r) s, in this order
        weight += f" * r[{n_in} * member + {_INPUT.get(form, 'k')}]"
        weight += f" * s[{unit}]"
    bias = f"b[{unit}]" if "b" in arrays else "0"
    start, result = bias, "sum"
    if layer.scale is not None:
        start, result = "0", f"NET_FMA({scale}, sum, {bias})"
    if ACTIVATIONS[layer.activation].parameter is not None:
        result = f"net_{layer.activation}({result}, {np.float32(layer.param)!s}f)"
    elif layer.activation != "identity":
        result = f"net_{layer.activation}({result})"
    return weight, start, result
