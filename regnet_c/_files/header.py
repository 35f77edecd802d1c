"""The header of a model file: each network has exactly one text, written and read here.

    8 bytes   length of the header, little-endian
    header    {"__metadata__":{"format":"regnet_c","format_version":"1",
              "regnet_c_version":..,"checksum":..,"structure":..,"metadata":..},
              "0.weight":{"dtype":"F32","shape":[6,9],"data_offsets":[0,216]},..}
              and spaces up to a multiple of 8
    tensors   in the order of get_weights, little-endian, no gaps

"structure" and "metadata" are JSON; "checksum" is the SHA-256 of the whole file with 64
zeros in its place.  A header is read only if it is, byte for byte, what is written for
the values in it; the list of the weights is compared, not parsed.

A checkpoint has format version 2: "state", JSON too, follows "metadata", and the state's
own tensors, float32 or float64, follow the weights.  Networks of several members have
version 3, their checkpoints 4.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._core import checks
from .._version import __version__
from ..layers import Dense
from .structure import (
    DTYPES,
    MAX_STRUCTURE,
    compose_structure,
    dumps,
    loads,
    read_structure,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .._core.plan import Plan
    from ..layers import Layer
    from ..network import Network
    from ..typing import DType
    from .structure import Arguments

FORMAT_VERSION = 4  # the latest
NO_CHECKSUM = b"0" * 64
MAX_HEADER = 100_000_000  # bytes, the limit of safetensors
MAX_TENSORS = 1000  # of a state
FREE_METADATA = 1 << 22  # bytes of memory, over 100 000 values, in a file of any size
_VERSION = re.compile(
    rb'\{"__metadata__":\{"format":"regnet_c","format_version":"([1-9]\d{0,8})",'
)
_CHECKSUM = re.compile(
    rb'"regnet_c_version":"[0-9A-Za-z.+]{1,64}","checksum":"([0-9a-f]{64})",'
    rb'"structure":"'
)
_METADATA, _STATE = b'","metadata":"', b'","state":"'
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,99}")
_TENSOR = re.compile(
    rb',"([A-Za-z][A-Za-z0-9_.]{0,99})":\{"dtype":"(F32|F64)",'
    rb'"shape":\[((?:\d{1,18}(?:,\d{1,18}){0,7})?)\],"data_offsets":'
)
INPUTS = "regnet_c.inputs"  # in the metadata of a file: what compact() kept


class Tensor(NamedTuple):
    """One array of a state."""

    name: str
    dtype: str  # F32 or F64
    shape: tuple[int, ...]

    @property
    def numpy_dtype(self) -> np.dtype[np.float32] | np.dtype[np.float64]:
        """As written in the file."""
        return np.dtype("<f4" if self.dtype == "F32" else "<f8")

    @property
    def nbytes(self) -> int:
        """Bytes in the file."""
        number: int = math.prod(self.shape) * self.numpy_dtype.itemsize
        return number


class Header(NamedTuple):
    """What a file's header states, checked except for the checksum and nested texts."""

    arguments: Arguments  # of Network
    shapes: list[tuple[int, ...]]  # of its weights
    tensors: list[Tensor]  # of the state
    checksum: tuple[int, int]  # position of its first digit and behind its last
    metadata: tuple[int, int]  # the same of the user's metadata, with their quotes
    state: tuple[int, int] | None  # the same of the state's values


# ---- writing -------------------------------------------------------------------------


def compose(
    network: Network,
    values: dict[str, Any] | None = None,
    tensors: Sequence[Tensor] = (),
) -> bytes:
    """Length and header of the file, with a checksum of zeros.

    A checkpoint has the state's JSON `values` and a Tensor for each of its arrays.
    """
    metadata = {
        "format": "regnet_c",
        "format_version": str(_version_of(network.members > 1, values is not None)),
        "regnet_c_version": __version__,
        "checksum": NO_CHECKSUM.decode("ascii"),
        "structure": compose_structure(network),
        "metadata": _metadata_text(network.metadata, network._plan),
    }
    if values is not None:
        metadata["state"] = dumps(values)
    entries, end = [], 0
    for text, shape in _weight_entries(network.layers, network.dtype, network.members):
        entries.append(text)
        end += math.prod(shape) * network.dtype.itemsize
    for tensor in tensors:
        if not _NAME.fullmatch(tensor.name):
            raise ValueError(f"an array of the state is called {tensor.name!r}")
        entries.append(_entry(*tensor, end, end + tensor.nbytes))
        end += tensor.nbytes
    header = f'{{"__metadata__":{dumps(metadata)}{"".join(entries)}}}'
    header += " " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header.encode("ascii")


def _version_of(has_members: bool, has_state: bool) -> int:
    return 1 + 2 * has_members + has_state


def _metadata_text(metadata: object, plan: Plan) -> str:
    if not isinstance(metadata, dict):
        raise TypeError(f"metadata is {checks.a_type(metadata)}, expected a dict")
    if INPUTS in metadata:
        raise ValueError(f"metadata has the key {INPUTS!r}, which belongs to compact()")
    if plan.kept is not None and len(plan.kept) < plan.n_inputs:
        kept = {"n": plan.n_inputs, "kept": plan.kept.tolist()}
        metadata = {**metadata, INPUTS: kept}
    try:
        return dumps(metadata)
    except RecursionError:
        raise ValueError("metadata is nested too deeply to be saved") from None


def _entry(name: str, dtype: str, shape: tuple[int, ...], begin: int, end: int) -> str:
    """The text of a tensor in the header."""
    sides = ",".join(map(str, shape))
    values = f'"dtype":"{dtype}","shape":[{sides}],"data_offsets":[{begin},{end}]'
    return f',"{name}":{{{values}}}'


def _weight_entries(
    layers: Sequence[Layer], dtype: DType, members: int
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The text of each weight tensor in the header, and its shape."""
    offset = 0
    letters = DTYPES["float32" if dtype == np.float32 else "float64"]
    dense = [layer for layer in layers if isinstance(layer, Dense)]
    for number, layer in enumerate(dense):
        for kind, shape in _shapes(layer, number + 1 == len(dense), members):
            end = offset + math.prod(shape) * dtype.itemsize
            yield _entry(f"{number}.{kind}", letters, shape, offset, end), shape
            offset = end


def _shapes(
    layer: Dense, is_last: bool, members: int
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The arrays of a layer by their names in a file."""
    each = (members,) if members > 1 else ()
    yield "weight", (*(each if is_last else ()), layer.n_in, layer.n_out)
    if each and not is_last:
        yield "in_factor", (*each, layer.n_in)
        yield "out_factor", (*each, layer.n_out)
    if layer.use_bias:
        yield "bias", (*each, layer.n_out)


# ---- reading -------------------------------------------------------------------------


def parse(start: bytes, size: int) -> Header:
    """The Header of a file of this size; ValueError unless `save` writes such a one."""
    version = _VERSION.match(start, 8)
    if version is None:
        raise ValueError("its header does not begin as regnet_c writes it")
    number = int(version[1])
    if number > FORMAT_VERSION:
        raise ValueError(
            f"it has format version {number}, this release reads up to {FORMAT_VERSION}"
        )
    checksum = _CHECKSUM.match(start, version.end())
    if checksum is None:
        raise ValueError("its header is not in canonical form")
    # in JSON no string has these marks inside: their second quote would end it
    structure_end = start.find(_METADATA, checksum.end())
    end = start.find(b'"},"0.weight":', structure_end + 1) + 1
    if not 0 < structure_end < end:
        raise ValueError("its header has no structure, metadata and tensors")
    metadata = (structure_end + len(_METADATA) - 1, end)
    state, mark = None, start.find(_STATE, metadata[0], end)
    if (mark >= 0) != (number % 2 == 0):
        found = "a" if mark >= 0 else "no"
        raise ValueError(f"it has format version {number} and {found} training state")
    if mark >= 0:
        metadata, state = (metadata[0], mark + 1), (mark + len(_STATE) - 1, end)
    _check_cost(start, metadata[0], end, max(2 * size, FREE_METADATA))
    if structure_end - checksum.end() > MAX_STRUCTURE:
        raise ValueError(f"its structure has more than {MAX_STRUCTURE} bytes")
    arguments = read_structure(start, checksum.end(), structure_end, number > 2)
    shapes, tensors = _check_tensors(start, end + 1, arguments, state is not None)
    return Header(arguments, shapes, tensors, checksum.span(1), metadata, state)


def _check_cost(start: bytes, begin: int, end: int, limit: int) -> None:
    """ValueError for metadata that would take far more memory than the file has bytes."""
    containers = start.count(b"{", begin, end) + start.count(b"[", begin, end)
    cost = 72 * containers + 32 * start.count(b",", begin, end)
    if cost > limit:
        raise ValueError(
            f"metadata needs about {cost} bytes of memory, expected at most {limit}"
        )


def read_values(text: str, what: str) -> dict[str, Any]:
    """The dict in the metadata or the state; ValueError unless `text` is its one text."""
    values = loads(text, what)
    if not isinstance(values, dict):
        raise ValueError(f"{what} is {checks.a_type(values)}, expected a dict")
    if dumps(values) != text:
        raise ValueError(f"{what} is not in canonical form")
    return values


def take_inputs(metadata: dict[str, Any], plan: Plan) -> None:
    """Move what compact() kept from a file's metadata to the plan."""
    if INPUTS not in metadata:
        return
    text = dumps(metadata)
    inputs = metadata.pop(INPUTS)
    if not isinstance(inputs, dict) or list(inputs) != ["n", "kept"]:
        raise ValueError(f"{INPUTS} in its metadata has entries other than n and kept")
    plan.keep_inputs(inputs["n"], inputs["kept"])
    if _metadata_text(metadata, plan) != text:
        raise ValueError(f"{INPUTS} in its metadata is not in canonical form")


def read_string(quoted: str, what: str) -> str:
    """The text of a JSON string; ValueError for escapes that are not needed."""
    text = loads(quoted, what)
    if len(quoted) != len(text) + text.count('"') + text.count("\\") + 2:
        raise ValueError(f"{what} is not in canonical form")
    result: str = text
    return result


def _check_tensors(
    start: bytes, position: int, arguments: Arguments, has_state: bool
) -> tuple[list[tuple[int, ...]], list[Tensor]]:
    """Shapes of the weights, and the state's tensors, in the list from `position`."""
    shapes: list[tuple[int, ...]] = []
    tensors: list[Tensor] = []
    offset = 0
    dtype = np.dtype(arguments["dtype"])
    for text, shape in _weight_entries(
        arguments["layers"], dtype, arguments["members"]
    ):
        entry = text.encode("ascii")
        if not start.startswith(entry, position):
            found = start[position : position + len(entry)]
            raise ValueError(f"its header has {found!r}, its layers need {entry!r}")
        position += len(entry)
        offset += math.prod(shape) * dtype.itemsize
        shapes.append(shape)
    if has_state:
        tensors, position = _read_tensors(start, position, offset)
    end = b"}" + b" " * (-(position + 1) % 8)
    if start[position : position + 9] != end:  # the length of the longest end, and one
        found = start[position : position + 80]
        raise ValueError(f"its header continues with {found!r} after its last tensor")
    return shapes, tensors


def _read_tensors(start: bytes, position: int, offset: int) -> tuple[list[Tensor], int]:
    """The state's tensors from `position` on, and where their list ends."""
    tensors: list[Tensor] = []
    names: set[str] = set()
    while match := _TENSOR.match(start, position):
        name, dtype, sizes = (group.decode("ascii") for group in match.groups())
        tensor = Tensor(name, dtype, tuple(int(s) for s in sizes.split(",") if s))
        end = offset + tensor.nbytes
        entry = _entry(*tensor, offset, end).encode("ascii")
        if name in names or len(tensors) == MAX_TENSORS:
            raise ValueError(
                f"its state has {name} twice or over {MAX_TENSORS} tensors"
            )
        if not start.startswith(entry, position):
            found = start[position : position + len(entry)]
            raise ValueError(f"its header has {found!r}, expected {entry!r}")
        tensors.append(tensor)
        names.add(name)
        position, offset = position + len(entry), end
    return tensors, position
