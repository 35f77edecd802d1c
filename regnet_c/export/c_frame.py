"""What surrounds the layers in an exported file: comment, predict, test, header."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .._version import __version__
from .c_layer import c_numbers
from .c_math import with_prefix
from .legend import legend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..network import Network
    from ..typing import FloatArray, OutputName
    from .c_encoder import CEncoder
    from .plain import PlainLayer

# where the checksum of both files goes; no name of the user's has a control character
GUARD, BUILD = "\0guard", "\0build"


def buffers(members: Sequence[Sequence[PlainLayer]]) -> dict[str, int]:
    """Lengths of the arrays that layers write to.

    Hidden layers take the first two in turn; the third is for the outputs of a member.
    """
    *widths, n_out = (layer.w.shape[1] for layer in members[0])
    lengths = {
        "even": max(widths[0::2], default=0),
        "odd": max(widths[1::2], default=0),
    }
    lengths["own"] = n_out if len(members) > 1 else 0
    return lengths


def function_names(layers: Sequence[PlainLayer], output: OutputName) -> set[str]:
    """The pieces of c_math that the file calls."""
    names: set[str] = {layer.activation for layer in layers} | {output}
    if output == "softmax" or (output == "sigmoid" and layers[-1].w.shape[1] > 1):
        names.add("largest")
    return names - {"identity"}


def head(network: Network, dtype: str, report: dict[str, Any], prefix: str) -> str:
    """The comment at the top: origin, structure, sizes."""
    lines = [f"/* Written by regnet_c {__version__}, do not edit.", " *"]
    lines += [
        f" *   {row['n_in']:>5} -> {row['n_out']:<5} {row['weights']:>7} weights, "
        f"{row['form']:<6} {row['bytes']:>8} bytes"
        for row in report["layers"]
    ]
    loss = network.loss.name
    lines.append(f" * Loss {loss}, trained in {network.dtype}, weights {dtype}.")
    if network.members > 1:
        lines.append(f" * The mean of {network.members} members, which share weights.")
    lines += [
        (
            f" * Flash: {report['flash']} bytes of constants.  "
            f"RAM: {report['ram']} bytes of buffers"
        ),
        " * on the stack; the compiler adds its frames (gcc -fstack-usage lists them).",
    ]
    for name in ("original", "exported"):
        if name in report:
            scores = ", ".join(f"{k} {v:.6g}" for k, v in report[name].items())
            lines.append(f" * On the calibration data, {name}: {scores}.")
    lines += [
        " *",
        " * Compile as C99 with -ffp-contract=off (-std=c99 does that) and the outputs",
        " * have the bits of regnet_c's predict; -DNET_NO_FMA is faster on a CPU without",
        " * fused multiply-add.  -DNET_SELF_TEST gives a program that checks itself. */",
    ]
    return with_prefix("\n".join(lines), prefix)


def predict_function(
    members: Sequence[Sequence[PlainLayer]], output: OutputName, prefix: str
) -> str:
    """The one public function."""
    n_layers, n_out = len(members[0]), members[0][-1].w.shape[1]
    one = len(members) == 1
    steps, x, last = [], "x", "y" if one else "own"
    for number in range(n_layers):
        target = last if number == n_layers - 1 else ("even", "odd")[number % 2]
        steps.append(f"net_layer{number}({x}, {target}{'' if one else ', member'});")
        x = target
    if output == "softmax":
        steps.append(f"net_softmax({n_out}, {last});")
    elif output != "identity":
        steps.append(
            f"for (j = 0; j < {n_out}; j++) {last}[j] = net_{output}({last}[j]);"
        )
    if not one:
        steps += [
            f"for (j = 0; j < {n_out}; j++)",
            "    y[j] = member == 0 ? own[j] : y[j] + own[j];",
        ]
        steps = [
            f"for (member = 0; member < {len(members)}; member++) {{",
            *(f"    {step}" for step in steps),
            "}",
            f"for (j = 0; j < {n_out}; j++) y[j] /= {len(members)};",
        ]
    counters = [] if one else ["uint32_t member"]
    counters += ["unsigned j"] if output in ("sigmoid", "exp") or not one else []
    result = "0"
    if "largest" in function_names(members[0], output):
        result = f"net_largest({n_out}, y)"
    elif output == "sigmoid":
        result = "y[0] > 0.5f"
    lines = [f"float {name}[{n}];" for name, n in buffers(members).items() if n]
    lines += [f"{counter};" for counter in counters]
    lines += [*steps, f"return {result};"]
    text = "\n".join(f"    {line}" for line in lines)
    start = "int net_predict(const float *x, float *y) {"
    return with_prefix(f"{start}\n{text}\n}}\n", prefix)


def self_test(x: FloatArray, y: FloatArray, prefix: str) -> str:
    """A main() that compares rows with their expected outputs."""
    text = f"""\
#ifdef NET_SELF_TEST
#include <math.h>
#include <stdio.h>

static const float net_test_x[][NET_N_IN] = {{
    {{{_rows(x)}}}}};
static const float net_test_y[][NET_N_OUT] = {{
    {{{_rows(y)}}}}};

/* Every output within a ten-thousandth of its row's largest. */
int main(void) {{
    int i, j, wrong = 0;
    for (i = 0; i < {len(x)}; i++) {{
        float y[NET_N_OUT], top = 0, error = 0;
        net_predict(net_test_x[i], y);
        for (j = 0; j < NET_N_OUT; j++) {{
            top = fmaxf(top, fabsf(net_test_y[i][j]));
            error = fmaxf(error, fabsf(y[j] - net_test_y[i][j]));
        }}
        wrong += !(error <= 1e-4f * top);
    }}
    printf("%d of {len(x)} rows wrong\\n", wrong);
    return wrong;
}}
#endif
"""
    return with_prefix(text, prefix)


def _rows(array: FloatArray) -> str:
    return "},\n    {".join(c_numbers(row.astype(np.float32)) for row in array)


def guard(name: str, build: int, prefix: str) -> str:
    """Lines that do not compile with the header of another export."""
    return (
        with_prefix(f'#if NET_BUILD != 0x{build:08x}u\n#error "', prefix)
        + f'{name}.c and {name}.h come from different exports"\n#endif\n'
    )


def header(
    network: Network,
    layers: Sequence[PlainLayer],
    prefix: str,
    encoder: CEncoder | None = None,
) -> str:
    """The text of the header file, with `BUILD` where `guard`'s number belongs."""
    n_in, n_out = layers[0].w.shape[0], layers[-1].w.shape[1]
    top = [
        "#ifndef NET_PREDICT_H",
        "#define NET_PREDICT_H",
        "",
        f"#define NET_BUILD {BUILD} /* must be that of the .c file */",
        f"#define NET_N_IN {n_in}",
        f"#define NET_N_OUT {n_out}",
    ]
    if network.n_inputs != n_in:
        columns = ", ".join(map(str, network.kept_inputs))
        top += [
            "/* x has these columns of the original ones, in this order. */",
            f"#define NET_N_ORIGINAL {network.n_inputs}",
            f"#define NET_KEPT_INPUTS {{{columns}}}",
        ]
    words = [f"/* {line} */" for line in legend(network)]  # the user's own
    lines, functions = ([], []) if encoder is None else encoder.header()
    start = [
        "",
        "#ifdef __cplusplus",
        'extern "C" {',
        "#endif",
        "/* y[NET_N_OUT] = outputs for x[NET_N_IN]; returns the class, 0 without one. */",
        "int net_predict(const float *x, float *y);",
    ]
    end = [
        "#ifdef __cplusplus",
        "}",
        "#endif",
        "#endif",
        "",
    ]
    first, middle, last = (
        with_prefix("\n".join(part), prefix) for part in (top, start, end)
    )
    return "\n".join([first, *words, *lines, middle, *functions, last])
