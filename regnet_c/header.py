"""The header of a model file: the one text that belongs to a network, both ways.

    8 bytes   length of the header, little-endian
    header    {"__metadata__":{"format":"regnet_c","format_version":"1",
              "regnet_c_version":..,"checksum":..,"structure":..,"metadata":..},
              "0.weight":{"dtype":"F32","shape":[6,9],"data_offsets":[0,216]},..}
              and spaces up to a multiple of 8
    tensors   in the order of get_weights, little-endian, no gaps

"structure" and "metadata" are JSON; "checksum" is the SHA-256 of the whole file with 64
zeros in its place.  A header is read only if it is, byte for byte, what is written for
the values in it; a parameter that a layer does not mention has its default, so that later
releases can have more of them.  Layers are decoded one by one from a window and the list
of tensors is compared, not parsed: a bomb goes off in neither.
"""

import json
import math
import re
from typing import NamedTuple

import numpy as np

from . import _check
from ._version import __version__
from .layers import Dense, Dropout, layer_from_config
from .losses import loss_from_config
from .plan import split_layers

FORMAT_VERSION = 1
NO_CHECKSUM = b"0" * 64
MAX_HEADER = 100_000_000  # bytes, the limit of safetensors
FREE_METADATA = 1 << 22  # bytes of memory, over 100 000 values, in a file of any size
MAX_STRUCTURE = 1 << 21  # bytes, over 7000 layers
_WINDOW = 4096  # bytes, more than any layer needs
_DTYPES = {"float32": "F32", "float64": "F64"}
ERRORS = (LookupError, TypeError, ValueError, ArithmeticError, RecursionError)
_VERSION = re.compile(
    rb'\{"__metadata__":\{"format":"regnet_c","format_version":"([1-9]\d{0,8})",'
)
_CHECKSUM = re.compile(
    rb'"regnet_c_version":"[0-9A-Za-z.+]{1,64}","checksum":"([0-9a-f]{64})",'
    rb'"structure":"'
)
_LAYERS = ',"layers":['
INPUTS = "regnet_c.inputs"  # in the metadata of a file: what compact() kept


class Header(NamedTuple):
    """What a file's start says, checked but for the checksum and the user's metadata."""

    arguments: dict  # of Network
    shapes: list  # of its weights
    checksum: tuple  # position of its first digit and behind its last
    metadata: tuple  # the same of the user's metadata, with their quotes


def _dumps(value):
    """The one JSON text of a value."""
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def _loads(text, what):
    """The value of a JSON text."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"{what} cannot be decoded: {error}") from None


def compose(network):
    """Length and header of the file, with a checksum of zeros."""
    head = {
        "dtype": network.dtype.name,
        "loss": network.loss.get_config(),
        "seed": network.seed,
    }
    layers = [_dumps(layer.get_config()) for layer in network.layers]
    metadata = {
        "format": "regnet_c",
        "format_version": str(FORMAT_VERSION),
        "regnet_c_version": __version__,
        "checksum": NO_CHECKSUM.decode("ascii"),
        "structure": _dumps(head)[:-1] + _LAYERS + ",".join(layers) + "]}",
        "metadata": _metadata_text(network.metadata, network._plan),
    }
    entries = [text for text, _ in _tensor_entries(network.layers, network.dtype)]
    header = f'{{"__metadata__":{_dumps(metadata)}{"".join(entries)}}}'
    header += " " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header.encode("ascii")


def _metadata_text(metadata, plan):
    if not isinstance(metadata, dict):
        raise TypeError(f"metadata is a {type(metadata).__name__}, expected a dict")
    if INPUTS in metadata:
        raise ValueError(f"metadata has the key {INPUTS!r}, which belongs to compact()")
    if len(plan.kept_inputs) < plan.n_inputs:
        kept = {"n": plan.n_inputs, "kept": plan.kept_inputs.tolist()}
        metadata = {**metadata, INPUTS: kept}
    try:
        return _dumps(metadata)
    except RecursionError:
        raise ValueError("metadata is nested too deeply to be saved") from None


def _tensor_entries(layers, dtype):
    """The text of each tensor in the header, and its shape."""
    number, offset = 0, 0
    for layer in layers:
        if not isinstance(layer, Dense):
            continue
        shapes = {"weight": (layer.n_in, layer.n_out), "bias": (layer.n_out,)}
        for kind, shape in shapes.items():
            if kind == "weight" or layer.use_bias:
                end = offset + math.prod(shape) * dtype.itemsize
                sizes = ",".join(map(str, shape))
                yield (
                    f',"{number}.{kind}":{{"dtype":"{_DTYPES[dtype.name]}",'
                    f'"shape":[{sizes}],"data_offsets":[{offset},{end}]}}',
                    shape,
                )
                offset = end
        number += 1


def parse(start, size):
    """The Header of a file of this size; ValueError unless `save` writes such a one."""
    version = _VERSION.match(start, 8)
    if version is None:
        raise ValueError("its header does not begin as regnet_c begins it")
    if int(version[1]) > FORMAT_VERSION:
        raise ValueError(
            f"it has format version {int(version[1])}, this release reads up to "
            f"{FORMAT_VERSION}"
        )
    checksum = _CHECKSUM.match(start, version.end())
    if checksum is None:
        raise ValueError("its header is not written as regnet_c writes it")
    # in JSON no string has these marks inside: their second quote would end it
    structure_end = start.find(b'","metadata":"', checksum.end())
    metadata_end = start.find(b'"},"0.weight":', structure_end + 1) + 1
    if not 0 < structure_end < metadata_end:
        raise ValueError("its header has no structure, metadata and tensors")
    metadata = (structure_end + len('","metadata":'), metadata_end)
    _check_cost(start, *metadata, max(2 * size, FREE_METADATA))
    if structure_end - checksum.end() > MAX_STRUCTURE:
        raise ValueError(f"its structure has more than {MAX_STRUCTURE} bytes")
    arguments = _read_structure(start, checksum.end(), structure_end)
    shapes = _check_tensors(start, metadata_end + 1, arguments)
    return Header(arguments, shapes, checksum.span(1), metadata)


def _check_cost(start, begin, end, limit):
    """ValueError for metadata that decode to far more bytes than the file has."""
    containers = start.count(b"{", begin, end) + start.count(b"[", begin, end)
    cost = 72 * containers + 32 * start.count(b",", begin, end)
    if cost > limit:
        raise ValueError(
            f"metadata needs about {cost} bytes of memory, expected at most {limit}"
        )


def read_metadata(text):
    """The user's metadata; ValueError unless it is the one JSON text of a dict."""
    metadata = _loads(text, "metadata")
    if not isinstance(metadata, dict):
        raise ValueError(f"metadata is a {type(metadata).__name__}, expected a dict")
    if _dumps(metadata) != text:
        raise ValueError("metadata is not written as its values are")
    return metadata


def quoted_part(start, begin, end):
    """A part of the header as a str."""
    return str(memoryview(start)[begin:end], "ascii")


def take_inputs(metadata, plan):
    """Move what compact() kept from a file's metadata to the plan."""
    if INPUTS not in metadata:
        return
    text = _dumps(metadata)
    inputs = metadata.pop(INPUTS)
    if not isinstance(inputs, dict) or list(inputs) != ["n", "kept"]:
        raise ValueError(f"{INPUTS} in its metadata has other entries than n and kept")
    plan.keep_inputs(inputs["n"], inputs["kept"])
    if _metadata_text(metadata, plan) != text:
        raise ValueError(f"{INPUTS} in its metadata is not written as its values are")


def read_string(quoted):
    """The text of a JSON string; ValueError for escapes that are not needed."""
    text = _loads(quoted, "metadata")
    if len(quoted) != len(text) + text.count('"') + text.count("\\") + 2:
        raise ValueError("metadata is not written as its values are")
    return text


def _escaped(text):
    """JSON text as it stands inside a string of the header, without its quotes."""
    return _dumps(text)[1:-1].encode("ascii")


def _window(start, begin, end):
    """The next part of the structure's text, which has no backslash of its own."""
    quoted = quoted_part(start, begin, min(begin + _WINDOW, end))
    return quoted.replace('\\"', '"')


def _read_structure(start, begin, end):
    """The arguments of Network in this part of the header."""
    text, mark, _ = _window(start, begin, end).partition(_LAYERS)
    if not mark:
        raise ValueError("its structure has no layers")
    head = _loads(text + "}", "its structure")
    if not isinstance(head, dict) or list(head) != ["dtype", "loss", "seed"]:
        raise ValueError("its structure does not begin with dtype, loss and seed")
    dtype = _check.check_name(head["dtype"], tuple(_DTYPES), "dtype")
    if not isinstance(head["loss"], dict) or list(head["loss"]) != ["name", "param"]:
        raise ValueError("its loss has other entries than name and param")
    loss = loss_from_config(head["loss"])
    seed = _check.check_int(head["seed"], "seed", minimum=0, maximum=2**64 - 1)
    text = _dumps({"dtype": dtype, "loss": loss.get_config(), "seed": seed})
    written = _escaped(text[:-1] + _LAYERS)
    if not start.startswith(written, begin):
        raise ValueError("its structure is not written as its values are")
    layers = _read_layers(start, begin + len(written), end)
    split_layers(layers)
    return {"layers": layers, "loss": loss, "dtype": dtype, "seed": seed}


def _read_layers(start, begin, end):
    """The layers in this part of the header."""
    layers = []
    while True:
        try:
            layer, written = _read_layer(_window(start, begin, end))
            if not start.startswith(written, begin):
                raise ValueError("it is not written as its values are")
            if isinstance(layer, Dropout) and isinstance((layers or [0])[-1], Dropout):
                raise ValueError("it and the one before are both Dropout")
        except ERRORS as error:
            raise ValueError(f"layer {len(layers)}: {error}") from None
        layers.append(layer)
        begin += len(written)
        if start[begin:end] == b"]}":
            return layers
        if start[begin : begin + 1] != b",":
            raise ValueError(f"its structure breaks off after layer {len(layers) - 1}")
        begin += 1


def _read_layer(text):
    """The layer at the beginning of this text, and what the header has for it."""
    config, _ = json.JSONDecoder().raw_decode(text)
    if not isinstance(config, dict):
        raise ValueError(f"found a {type(config).__name__}, expected a dict")
    layer = layer_from_config(config)
    return layer, _escaped(_dumps(_mentioned(layer.get_config(), config)))


def _mentioned(full, config):
    """What `full` says about the parameters in `config`; the others have defaults."""
    return {
        name: _mentioned(value, config[name])
        if isinstance(value, dict) and isinstance(config[name], dict)
        else value
        for name, value in full.items()
        if name in config
    }


def _check_tensors(start, position, arguments):
    """Shapes of the tensors; ValueError if the header lists others from `position`."""
    shapes = []
    dtype = np.dtype(arguments["dtype"])
    for text, shape in _tensor_entries(arguments["layers"], dtype):
        entry = text.encode("ascii")
        if not start.startswith(entry, position):
            found = start[position : position + len(entry)]
            raise ValueError(f"its header has {found!r}, its layers need {entry!r}")
        position += len(entry)
        shapes.append(shape)
    end = b"}" + b" " * (-(position + 1) % 8)
    if start[position : position + 9] != end:  # the length of the longest end, and one
        found = start[position : position + 80]
        raise ValueError(f"its header goes on with {found!r} after its last tensor")
    return shapes
