"""A network as one C99 file: constant weights, no allocation, the bits of `predict`.

The file needs fmaf, fabsf, copysignf and sqrtf, built in or of <math.h>, and <stdint.h>.
Biases, inputs, sums and outputs are float; weights are float, or int8 with one scale
for each unit.
"""

from __future__ import annotations

import itertools
import re
import zlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .._core import checks
from .._core.atomic import write_atomically
from .._core.data import checked_data
from .._core.slices import slices
from ..tables.form import KEY, TableForm
from .c_encoder import CEncoder
from .c_frame import (
    BUILD,
    GUARD,
    buffers,
    function_names,
    guard,
    head,
    header,
    predict_function,
    self_test,
)
from .c_layer import c_function, form_of_members, n_bytes
from .c_math import source
from .plain import describe, predict, raw_outputs

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from ..network import Network
    from ..typing import OutputName, Rows, Scores, StrPath
    from .c_layer import Arrays
    from .plain import PlainLayer

DTYPES: tuple[Literal["float32", "int8"], ...] = ("float32", "int8")
_SELF_TEST_ROWS = 4


def to_c(
    network: Network,
    path: StrPath,
    dtype: Literal["float32", "int8"] = "float32",
    prefix: str = "net",
    calibration: tuple[Rows, ArrayLike] | None = None,
) -> dict[str, Any]:
    """Write `path`.c and `path`.h, a network for any C99 compiler.

    ``int prefix_predict(const float *x, float *y)`` reads the `kept_inputs` of one row
    and writes what `predict` returns.  The result is the class: the index of the
    largest output after a softmax or several sigmoids, whether one sigmoid is above
    1/2, and 0 for other losses.  Every layer is stored in the smallest of five forms
    (``regnet_c.export.c_layer``).  Compiled with ``-DPREFIX_SELF_TEST`` the file has a
    main() that checks embedded rows and returns the number of wrong ones.  The .c file
    does not compile with the .h file of another export.

    Of members the file holds the shared weights once and the factors, biases and last
    layer of each; the function predicts with one after the other and writes the mean.

    Explained in :doc:`/shipping`.

    Parameters
    ----------
    network : Network
        float64 networks are rounded to float32.
    path : str or Path
        With or without the suffix .c.
    dtype : {"float32", "int8"}
        int8: each weight becomes a whole number in [-127, 127] times its unit's scale.
    prefix : str, default "net"
        Prefix of all names in the file; in capitals for macros.
    calibration : tuple (X, y), optional
        Data on which the exported network is compared with this one.

    Returns
    -------
    dict
        ``files``; ``flash``, bytes of constant data, code apart; ``ram``, bytes of
        buffers on the stack (the compiler adds its frames); ``layers``, a list with
        ``n_in``, ``n_out``, ``weights`` (stored ones), ``form`` and ``bytes``; with a
        calibration set ``original`` and ``exported``, their loss and accuracy.

    Examples
    --------
    >>> import regnet_c as rn
    >>> net = rn.Network([rn.Dense(4, 3, "relu"), rn.Dense(3, 1)])
    >>> report = net.to_c("model.c")
    >>> sorted(report)
    ['files', 'flash', 'layers', 'ram']
    """
    dtype = checks.check_name(dtype, DTYPES, "dtype")
    stem, prefix = _stem(path), _check_prefix(prefix)
    if calibration is not None:
        checks.check_pair(calibration, "calibration")
    members, output = describe(network, np.float32)
    for layer in itertools.chain(*members):
        flush_denormals(layer)
    if dtype == "int8":
        members = [[quantize(layer) for layer in layers] for layers in members]
    columns = list(zip(*members, strict=True))  # each layer of all members
    forms = [form_of_members(layers) for layers in columns]
    report = _sizes(members, forms)
    report["files"] = [f"{stem}.c", f"{stem}.h"]
    rows = _test_rows(network, calibration)
    if calibration is not None:
        report |= _compare(network, members, output, calibration)
    encoder = _encoder(network, prefix)
    if encoder is not None:
        report["flash"] += encoder.table_bytes
    body = [
        f'#include "{stem.name}.h"\n\n#include <stdint.h>\n',
        GUARD,
        source(function_names(members[0], output), prefix),
        *(
            c_function(number, layers, *form, prefix)
            for number, (layers, form) in enumerate(zip(columns, forms, strict=True))
        ),
        predict_function(members, output, prefix),
        "" if encoder is None else encoder.source(),
        self_test(rows, predict(members, output, rows), prefix),
    ]
    texts = ["\n".join([head(network, dtype, report, prefix), *body])]
    texts.append(header(network, members[0], prefix, encoder))
    # two files cannot be replaced in one step: a mixture must not compile
    build = zlib.crc32("".join(texts).encode("ascii"))
    texts[0] = texts[0].replace(GUARD, guard(stem.name, build, prefix), 1)
    texts[1] = texts[1].replace(BUILD, f"0x{build:08x}u", 1)
    for name, text in zip(report["files"], texts, strict=True):
        write_atomically(name, [text.encode("ascii")])
    return report


def _encoder(network: Network, prefix: str) -> CEncoder | None:
    """The encoder of a network that was trained on a table, None for others."""
    if KEY not in network.metadata:
        return None
    return CEncoder(TableForm.of(network), network.kept_inputs, prefix)


def quantize(layer: PlainLayer) -> PlainLayer:
    """The layer with int8 weights and one float scale per unit."""
    top = np.abs(layer.w).max(axis=0)
    scale = np.where(top > 0, top / np.float32(127), 1).astype(np.float32)
    scale = np.maximum(scale, np.finfo(np.float32).tiny)
    w = np.clip(np.rint(layer.w / scale), -127, 127).astype(np.int8)
    return replace(layer, w=w, scale=scale)


def flush_denormals(layer: PlainLayer) -> None:
    """Denormal numbers become 0, as `predict` treats them."""
    for array in (layer.w, layer.b):
        if array is not None:
            array[np.abs(array) < np.finfo(np.float32).tiny] = 0


def _stem(path: StrPath) -> Path:
    path = Path(path)
    stem = path.with_suffix("") if path.suffix == ".c" else path
    name = stem.name
    printable = name.isascii() and name.isprintable() and not set(name) & set('"\\')
    if name in ("", ".", "..") or not printable:
        raise ValueError(
            f"path is {str(path)!r}, expected a file name of printable ASCII characters "
            "without quotation marks"
        )
    return stem


def _check_prefix(prefix: object) -> str:
    if not isinstance(prefix, str) or not re.fullmatch("[A-Za-z][A-Za-z0-9_]*", prefix):
        raise ValueError(f"prefix is {prefix!r}, expected a C identifier such as 'net'")
    return prefix


def _sizes(
    members: list[list[PlainLayer]], forms: list[tuple[str, Arrays]]
) -> dict[str, Any]:
    rows = [
        {
            "n_in": layer.w.shape[0],
            "n_out": layer.w.shape[1],
            "weights": int(np.count_nonzero(arrays["w"])),
            "form": name,
            "bytes": n_bytes(arrays),
        }
        for layer, (name, arrays) in zip(members[0], forms, strict=True)
    ]
    flash = sum(row["bytes"] for row in rows)
    ram = 4 * sum(buffers(members).values())
    return {"flash": flash, "ram": ram, "layers": rows}


def _test_rows(
    network: Network, calibration: tuple[Rows, ArrayLike] | None
) -> NDArray[np.float32]:
    """A few rows for the self-test: of the calibration set, or drawn."""
    n_in = len(network.kept_inputs)
    if calibration is None:
        shape = (_SELF_TEST_ROWS, n_in)
        return np.random.default_rng(0).normal(size=shape).astype(np.float32)
    x = checks.check_x(calibration[0], network._plan.columns)
    chosen = np.linspace(0, len(x) - 1, min(len(x), _SELF_TEST_ROWS)).astype(int)
    return np.ascontiguousarray(x[chosen], np.float32)


def _compare(
    network: Network,
    members: list[list[PlainLayer]],
    output: OutputName,
    calibration: tuple[Rows, ArrayLike],
) -> dict[str, Scores]:
    """Loss and accuracy of the network and of the exported one on the same data."""
    data = checked_data(network._plan, *calibration, None)
    z = np.empty((data.n, members[0][-1].w.shape[1]), np.float32)
    for first, last in slices(data.n, 64):
        rows = np.ascontiguousarray(data.raw_x[first:last], np.float32)
        z[first:last] = raw_outputs(members, output, rows)
    return {
        "original": network._evaluate(data, None),
        "exported": network.loss.score(z, data),
    }
