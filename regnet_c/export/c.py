"""A network as one C99 file: constant weights, no allocation, the bits of `predict`.

The file needs <math.h> for fmaf, fabsf, copysignf and sqrtf, and <stdint.h> for types.
Biases, inputs, sums and outputs are float; weights are float, or int8 with one scale
for each unit.
"""

import re
from pathlib import Path

import numpy as np

from .._core import checks
from .._core.atomic import write_atomically
from .._core.data import checked_data
from .._core.slices import in_slices
from .c_frame import buffers, function_names, head, header, predict_function, self_test
from .c_layer import c_function, n_bytes, smallest_form
from .c_math import source
from .plain import describe, finish, forward

DTYPES = ("float32", "int8")
_SELF_TEST_ROWS = 4


def to_c(network, path, dtype="float32", prefix="net", calibration=None):
    """Write `path`.c and `path`.h, a network that any C99 compiler takes.

    ``int prefix_predict(const float *x, float *y)`` reads the `kept_inputs` of one row
    and writes what `predict` returns.  The result is the class: the index of the
    largest output after a softmax or several sigmoids, whether one sigmoid is above
    1/2, and 0 for other losses.  Every layer is stored in the smallest of five forms
    (`regnet_c.export.c_layer`).  Compiled with ``-DPREFIX_SELF_TEST`` the file has a
    main() that checks embedded rows and returns the number of wrong ones.

    Parameters
    ----------
    network : Network
        float64 networks are rounded to float32.
    path : str or Path
        With or without the suffix .c.
    dtype : {"float32", "int8"}
        int8: each weight becomes a whole number in [-127, 127] times its unit's scale.
    prefix : str, default "net"
        Of all names in the file; in capitals for macros.
    calibration : tuple (X, y), optional
        Data on which the exported network is compared with this one.

    Returns
    -------
    dict
        ``files``; ``flash``, bytes of constant data, code apart; ``ram``, bytes of
        working memory on the stack; ``layers``, a list with ``n_in``, ``n_out``,
        ``weights`` (stored ones), ``form`` and ``bytes``; with a calibration set
        ``original`` and ``exported``, their loss and accuracy.
    """
    dtype = checks.check_name(dtype, DTYPES, "dtype")
    stem, prefix = _stem(path), _check_prefix(prefix)
    if calibration is not None:
        checks.check_pair(calibration, "calibration")
    layers, output = describe(network, np.float32)
    for layer in layers:
        flush_denormals(layer)
    if dtype == "int8":
        layers = [quantize(layer) for layer in layers]
    forms = [smallest_form(layer) for layer in layers]
    report = _sizes(layers, forms)
    report["files"] = [f"{stem}.c", f"{stem}.h"]
    rows = _test_rows(network, calibration)
    if calibration is not None:
        report |= _compare(network, layers, calibration)
    text = [
        head(network, dtype, report),
        f'#include "{stem.name}.h"\n\n#include <math.h>\n#include <stdint.h>\n',
        source(function_names(layers, output)),
        *(
            c_function(number, layer, *form)
            for number, (layer, form) in enumerate(zip(layers, forms, strict=True))
        ),
        predict_function(layers, output),
        self_test(rows, finish(output, forward(layers, rows))),
    ]
    for name, content in zip(
        report["files"], ("\n".join(text), header(network, layers)), strict=True
    ):
        write_atomically(name, [_rename(content, prefix).encode("ascii")])
    return report


def quantize(layer):
    """The layer with int8 weights and one float scale per unit."""
    top = np.abs(layer.w).max(axis=0)
    scale = np.where(top > 0, top / np.float32(127), 1).astype(np.float32)
    scale = np.maximum(scale, np.finfo(np.float32).tiny)
    w = np.clip(np.rint(layer.w / scale), -127, 127).astype(np.int8)
    return type(layer)(w, layer.b, layer.activation, layer.param, scale)


def flush_denormals(layer):
    """Numbers below the normal ones become 0, which is what predict takes them for."""
    for array in (layer.w, layer.b):
        if array is not None:
            array[np.abs(array) < np.finfo(np.float32).tiny] = 0


def _stem(path):
    path = Path(path)
    stem = path.with_suffix("") if path.suffix == ".c" else path
    if not stem.name.isascii() or set(stem.name) & set('"\\\n'):
        raise ValueError(f"path is {str(path)!r}, expected an ASCII file name")
    return stem


def _check_prefix(prefix):
    if not isinstance(prefix, str) or not re.fullmatch("[A-Za-z][A-Za-z0-9_]*", prefix):
        raise ValueError(f"prefix is {prefix!r}, expected a C identifier such as 'net'")
    return prefix


def _rename(text, prefix):
    """net_ and NET_ become the prefix."""
    text = re.sub(r"\bnet_", f"{prefix}_", text)
    return re.sub(r"\bNET_", f"{prefix.upper()}_", text)


def _sizes(layers, forms):
    rows = [
        {
            "n_in": layer.w.shape[0],
            "n_out": layer.w.shape[1],
            "weights": int(np.count_nonzero(layer.w)),
            "form": name,
            "bytes": n_bytes(arrays),
        }
        for layer, (name, arrays) in zip(layers, forms, strict=True)
    ]
    flash = sum(row["bytes"] for row in rows)
    return {"flash": flash, "ram": 4 * sum(buffers(layers)), "layers": rows}


def _test_rows(network, calibration):
    """A few rows for the self-test: of the calibration set, or drawn."""
    n_in = len(network.kept_inputs)
    if calibration is None:
        shape = (_SELF_TEST_ROWS, n_in)
        return np.random.default_rng(0).normal(size=shape).astype(np.float32)
    x = checks.check_x(calibration[0], **network._plan.columns)
    chosen = np.linspace(0, len(x) - 1, min(len(x), _SELF_TEST_ROWS)).astype(int)
    return np.ascontiguousarray(x[chosen], np.float32)


def _compare(network, layers, calibration):
    """Loss and accuracy of the network and of the exported one on the same data."""
    data = checked_data(network._plan, *calibration, None)
    z = np.empty((data.n, layers[-1].w.shape[1]), np.float32)

    def some(first, last):
        z[first:last] = forward(
            layers, np.ascontiguousarray(data.raw_x[first:last], np.float32)
        )

    in_slices(data.n, some, 64)
    return {
        "original": network._evaluate(data, None),
        "exported": network.loss.score(z, data),
    }
