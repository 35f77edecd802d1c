"""Networks in safetensors files, which may be untrusted.

header.py has the layout.  A file is read only if it is, byte for byte, what `save` writes
for the values in it.  Sizes are compared before weights are allocated, and the checksum
before a network is built: no file costs more than about its own size until it is known
to be sound.

Nothing is ever unpickled and no name in a file is resolved to code: layer classes,
activations and losses are looked up in fixed tables.
"""

from __future__ import annotations

import math
import os
import stat
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np

from .._core.atomic import write_atomically
from .._core.digest import hexdigest, sha256
from ..errors import ModelFileError
from ..layers import Dense
from .header import (
    INPUTS,
    MAX_HEADER,
    NO_CHECKSUM,
    Tensor,
    compose,
    parse,
    read_string,
    read_values,
    take_inputs,
)
from .structure import ERRORS, quoted_part

if TYPE_CHECKING:
    from collections.abc import Sequence
    from io import BufferedReader

    from numpy.typing import NDArray

    from ..layers import Layer
    from ..network import Network
    from ..typing import AnyArray, FloatArray, StrPath
    from .header import Header

    N = TypeVar("N", bound=Network)
    # a dict of JSON values, and arrays or lists of arrays
    State: TypeAlias = tuple[dict[str, Any], dict[str, Any]]

_CHUNK = 1 << 20  # bytes read and hashed at a time


# ---- writing -------------------------------------------------------------------------


def save(network: Network, path: StrPath, state: State | None = None) -> None:
    """Write a network, atomically.

    Parameters
    ----------
    network : Network
    path : str or os.PathLike
    state : tuple of dict, optional
        What a checkpoint has besides the network: a dict of JSON values, and a dict of
        arrays of float32 or float64, or of lists of such, which are put end to end.

    Raises
    ------
    TypeError, ValueError
        If weights are not finite, or `network.metadata` is not a dict of JSON values or
        takes more memory than 4 MB and than twice the file.
    OSError
        If the file cannot be written; the old one is as it was.
    """
    weights = network.get_weights()
    values, arrays = (None, {}) if state is None else state
    tensors = [_tensor(name, array) for name, array in arrays.items()]
    start = compose(network, values, tensors)
    _check_what_will_be_read(start, weights, tensors)
    chunks: list[AnyArray] = list(weights)
    for array in arrays.values():
        chunks += array if isinstance(array, list) else [array]
    chunks = [np.require(c, c.dtype.newbyteorder("<"), ["C"]) for c in chunks]
    digest = sha256(start)
    for chunk in chunks:
        digest.update(chunk)
    checksum = hexdigest(digest).encode("ascii")
    write_atomically(path, [start.replace(NO_CHECKSUM, checksum, 1), *chunks])


def _tensor(name: str, array: AnyArray | list[AnyArray]) -> Tensor:
    """What the header states about an array of the state."""
    parts = array if isinstance(array, list) else [array]
    dtype = {"float32": "F32", "float64": "F64"}.get(parts[0].dtype.name)
    if dtype is None:
        raise TypeError(
            f"array {name!r} of the state has dtype {parts[0].dtype}, expected float32 "
            "or float64"
        )
    shape = (sum(p.size for p in parts),) if isinstance(array, list) else array.shape
    return Tensor(name, dtype, shape)


def _check_what_will_be_read(
    start: bytes, weights: list[FloatArray], tensors: list[Tensor]
) -> None:
    """ValueError for a network that could not be loaded again."""
    try:
        if len(start) - 8 > MAX_HEADER:
            raise ValueError(f"its header needs more than {MAX_HEADER} bytes")
        size = len(start) + sum(weight.nbytes for weight in weights)
        size += sum(tensor.nbytes for tensor in tensors)
        header = parse(start, size)
        text = read_string(quoted_part(start, *header.metadata), "metadata")
        metadata = read_values(text, "metadata")
        kept = metadata.get(INPUTS, {"n": header.shapes[0][0]})
        _check_table(metadata, header.arguments["layers"], kept["n"])
        if header.shapes != [weight.shape for weight in weights]:
            raise ValueError("its layers were changed after it was built")
        if header.tensors != tensors:
            raise ValueError("its state has an array of another kind")
        for number, weight in enumerate(weights):
            if not np.isfinite(weight).all():
                raise ValueError(f"weights[{number}] has NaN or infinite entries")
    except ERRORS as error:
        raise ValueError(
            f"the network cannot be saved: {short_reason(error)}"
        ) from None


# ---- reading -------------------------------------------------------------------------


def load(cls: type[N], path: StrPath) -> N:
    """Read the file at `path` into a new network of class `cls`.

    Raises
    ------
    ModelFileError
        If the file is anything but what `save` writes.
    OSError
        If it cannot be read.
    """
    return load_with_state(cls, path)[0]


def load_with_state(cls: type[N], path: StrPath) -> tuple[N, State | None]:
    """The network, and the state that `save` got or None; errors as for `load`."""
    with open(path, "rb", opener=_open_at_once) as file:
        try:
            return _load(cls, file)
        except ERRORS as error:
            reason = short_reason(error)
    raise ModelFileError(f"{path} is not a regnet_c model: {reason}")


def _open_at_once(path: str, flags: int) -> int:
    """Open a file; a pipe does not block."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def short_reason(error: BaseException | str) -> str:
    """One short line: a file chooses neither its length nor its control characters."""
    text = " ".join(str(error).split())
    text = text if len(text) <= 300 else text[:297] + "..."
    return "".join(c if c.isprintable() else "?" for c in text)


def _load(cls: type[N], file: BufferedReader) -> tuple[N, State | None]:
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("it is not a regular file")
    start = _read_start(file, status.st_size)
    header = parse(start, status.st_size)
    weights, arrays = _read_arrays(file, start, header, status.st_size)
    quoted = quoted_part(start, *header.metadata)
    quoted_state = quoted_part(start, *header.state) if header.state else None
    del start  # it may be most of the file
    quoted = read_string(quoted, "metadata")
    metadata = read_values(quoted, "metadata")
    network = cls.__new__(cls)
    network._build(**header.arguments)
    take_inputs(metadata, network._plan)
    _check_table(metadata, header.arguments["layers"], network.n_inputs)
    network.metadata = metadata
    network._publish(weights)
    if quoted_state is None:
        return network, None
    return network, (read_values(read_string(quoted_state, "state"), "state"), arrays)


def _check_table(
    metadata: dict[str, Any], layers: Sequence[Layer], n_inputs: int
) -> None:
    """ValueError for an encoder of tables that does not fit the network."""
    if "regnet_c.table" in metadata:
        from ..tables.form import KEY, TableForm

        n_outputs = [layer.n_out for layer in layers if isinstance(layer, Dense)][-1]
        TableForm.from_config(metadata[KEY], n_inputs, n_outputs)


def _read_start(file: BufferedReader, size: int) -> bytes:
    """The header's length and the header, as written."""
    start = file.read(8)
    length = int.from_bytes(start, "little")
    if len(start) < 8 or length > min(size - 8, MAX_HEADER):
        raise ValueError(f"its header has {length} bytes, the whole file {size}")
    file.seek(0)
    return file.read(8 + length)


def _read_arrays(
    file: BufferedReader, start: bytes, header: Header, file_size: int
) -> tuple[list[FloatArray], dict[str, AnyArray]]:
    """The weights, a list, and the arrays of the state by their names."""
    weight_dtype = np.dtype(header.arguments["dtype"]).newbyteorder("<")
    kinds = [(weight_dtype, shape) for shape in header.shapes]
    kinds += [(tensor.numpy_dtype, tensor.shape) for tensor in header.tensors]
    sizes = [dtype.itemsize * math.prod(shape) for dtype, shape in kinds]
    if len(start) + sum(sizes) != file_size:
        raise ValueError(
            f"it has {file_size} bytes, its header asks for {len(start) + sum(sizes)}"
        )
    body = _read_body(file, start, header, np.empty(sum(sizes), np.uint8))
    arrays, end = [], 0
    for (dtype, shape), size in zip(kinds, sizes, strict=True):
        begin, end = end, end + size
        arrays.append(body[begin:end].view(dtype).reshape(shape))
    weights, arrays = arrays[: len(header.shapes)], arrays[len(header.shapes) :]
    if not all(np.isfinite(weight).all() for weight in weights):
        raise ValueError("its weights have NaN or infinite entries")
    names = [tensor.name for tensor in header.tensors]
    return weights, dict(zip(names, arrays, strict=True))


def _read_body(
    file: BufferedReader, start: bytes, header: Header, body: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Fill `body` from the file; ValueError if it is not what was saved."""
    begin, end = header.checksum
    digest = sha256(start[:begin])
    digest.update(NO_CHECKSUM)
    digest.update(memoryview(start)[end:])
    for i in range(0, body.size, _CHUNK):
        part = body[i : i + _CHUNK]
        if file.readinto(part.data) != part.nbytes:
            raise ValueError("it became shorter while it was read")
        digest.update(part)
    if hexdigest(digest).encode("ascii") != start[begin:end]:
        raise ValueError("it is damaged: its checksum is not that of its content")
    return body
