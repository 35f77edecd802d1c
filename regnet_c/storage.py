"""Networks in safetensors files that may come from strangers.

header.py has the layout.  A file is read only if it is, byte for byte, what `save` writes
for the values in it.  Sizes are compared before weights are allocated, and the checksum
before a network is built: no file costs more than about its own size until it is known
to be sound.

Nothing is ever unpickled and no name in a file is resolved to code: layer classes,
activations and losses are looked up in fixed tables.
"""

import hashlib
import math
import os
import stat

import numpy as np

from .atomic import write_atomically
from .header import (
    ERRORS,
    MAX_HEADER,
    NO_CHECKSUM,
    compose,
    parse,
    quoted_part,
    read_metadata,
    read_string,
    take_inputs,
)

_CHUNK = 1 << 20  # bytes read, hashed and searched for NaN at a time


class ModelFileError(ValueError):
    """A file is no complete, consistent network of regnet_c; nothing was loaded."""


# ---- writing -------------------------------------------------------------------------


def save(network, path):
    """Write a network, atomically.

    Parameters
    ----------
    network : Network
    path : str or os.PathLike

    Raises
    ------
    TypeError, ValueError
        If weights are not finite, or `network.metadata` is no dict of JSON values or
        takes more memory than 4 MB and than twice the file.
    OSError
        If the file cannot be written; the old one is as it was.
    """
    weights = network.get_weights()
    start = compose(network)
    _check_what_will_be_read(start, weights)
    chunks = [w.astype(w.dtype.newbyteorder("<"), copy=False) for w in weights]
    digest = hashlib.sha256(start)
    for chunk in chunks:
        digest.update(chunk)
    checksum = digest.hexdigest().encode("ascii")
    write_atomically(path, [start.replace(NO_CHECKSUM, checksum, 1), *chunks])


def _check_what_will_be_read(start, weights):
    """ValueError for a network that could not be loaded again."""
    try:
        if len(start) - 8 > MAX_HEADER:
            raise ValueError(f"its header needs more than {MAX_HEADER} bytes")
        header = parse(start, len(start) + sum(weight.nbytes for weight in weights))
        read_metadata(read_string(quoted_part(start, *header.metadata)))
        if header.shapes != [weight.shape for weight in weights]:
            raise ValueError("its layers were changed after it was built")
        for number, weight in enumerate(weights):
            if not np.isfinite(weight).all():
                raise ValueError(f"weights[{number}] has NaN or infinite entries")
    except ERRORS as error:
        raise ValueError(f"the network cannot be saved: {_reason(error)}") from None


# ---- reading -------------------------------------------------------------------------


def load(cls, path):
    """Read the file at `path` into a new network of class `cls`.

    Raises
    ------
    ModelFileError
        If the file is anything but what `save` writes.
    OSError
        If it cannot be read.
    """
    with open(path, "rb", opener=_open_at_once) as file:
        try:
            return _load(cls, file)
        except ERRORS as error:
            reason = _reason(error)
    raise ModelFileError(f"{path} is not a regnet_c model: {reason}")


def _open_at_once(path, flags):
    """Open without waiting for the other end of a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _reason(error):
    """One short line; a file decides neither its length nor its control characters."""
    text = " ".join(str(error).split())
    text = text if len(text) <= 300 else text[:297] + "..."
    return "".join(c if c.isprintable() else "?" for c in text)


def _load(cls, file):
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("it is not a regular file")
    start = _read_start(file, status.st_size)
    header = parse(start, status.st_size)
    dtype = np.dtype(header.arguments["dtype"])
    count = sum(map(math.prod, header.shapes))
    size = len(start) + count * dtype.itemsize
    if size != status.st_size:
        raise ValueError(f"it has {status.st_size} bytes, its header asks for {size}")
    body = _read_body(file, start, header, np.empty(count, dtype.newbyteorder("<")))
    quoted = quoted_part(start, *header.metadata)
    del start  # it may be most of the file
    text = read_string(quoted)
    del quoted
    metadata = read_metadata(text)
    network = cls.__new__(cls)
    network._build(**header.arguments)
    take_inputs(metadata, network._plan)
    network.metadata = metadata
    end = 0
    for view in network._views:
        begin, end = end, end + view.size
        view[...] = body[begin:end].reshape(view.shape)
    return network


def _read_start(file, size):
    """The header's length and the header, as they stand."""
    start = file.read(8)
    length = int.from_bytes(start, "little")
    if len(start) < 8 or length > min(size - 8, MAX_HEADER):
        raise ValueError(f"its header has {length} bytes, the whole file {size}")
    file.seek(0)
    return file.read(8 + length)


def _read_body(file, start, header, body):
    """Fill `body` from the file; ValueError if it is not what was saved."""
    begin, end = header.checksum
    digest = hashlib.sha256(start[:begin])
    digest.update(NO_CHECKSUM)
    digest.update(memoryview(start)[end:])
    finite = True
    step = _CHUNK // body.itemsize
    for i in range(0, body.size, step):
        part = body[i : i + step]
        if file.readinto(part.view(np.uint8)) != part.nbytes:
            raise ValueError("it became shorter while it was read")
        digest.update(part.view(np.uint8))
        finite = finite and bool(np.isfinite(part).all())
    if digest.hexdigest().encode("ascii") != start[begin:end]:
        raise ValueError("it is damaged: its checksum is not that of its content")
    if not finite:
        raise ValueError("its weights have NaN or infinite entries")
    return body
