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
MAX_STRUCTURE = 1 << 21  # characters, over 7000 layers
_WINDOW = 4096  # characters, more than any layer needs
_DTYPES = {"float32": "F32", "float64": "F64"}
ERRORS = (LookupError, TypeError, ValueError, ArithmeticError, RecursionError)
_VERSION = re.compile(
    rb'\{"__metadata__":\{"format":"regnet_c","format_version":"([1-9]\d{0,8})",'
)
_CHECKSUM = re.compile(
    rb'"regnet_c_version":"[0-9A-Za-z.+]{1,64}","checksum":"([0-9a-f]{64})",'
    rb'"structure":(?=")'
)
_LAYERS = ',"layers":['


class Header(NamedTuple):
    """What a file's start says, checked but for the checksum and the user's metadata."""

    arguments: dict  # of Network
    shapes: list  # of its weights
    checksum: tuple  # position of its first digit and behind its last
    metadata: tuple  # the same of the metadata's text, quotes included


def _dumps(value):
    """The one JSON text of a value."""
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


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
        "metadata": _metadata_text(network.metadata),
    }
    entries = [text for text, _ in _tensor_entries(network.layers, network.dtype)]
    header = f'{{"__metadata__":{_dumps(metadata)}{"".join(entries)}}}'
    header += " " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header.encode("ascii")


def _metadata_text(metadata):
    if not isinstance(metadata, dict):
        raise TypeError(f"metadata is a {type(metadata).__name__}, expected a dict")
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


def read_metadata(text, size):
    """The user's metadata in a file of this size; ValueError unless it is canonical."""
    cost = 72 * (text.count("{") + text.count("[")) + 32 * text.count(",")
    limit = max(2 * size, FREE_METADATA)
    if cost > limit:
        raise ValueError(
            f"metadata needs about {cost} bytes of memory, expected at most {limit}"
        )
    metadata = json.loads(text)
    if not isinstance(metadata, dict):
        raise ValueError(f"metadata is a {type(metadata).__name__}, expected a dict")
    if _dumps(metadata) != text:
        raise ValueError("metadata is not written as its values are")
    return metadata


def parse(start):
    """The Header of a file's start; ValueError unless `save` writes such a one."""
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
    structure_end = start.find(b'","metadata":"', checksum.end()) + 1
    metadata_end = start.find(b'"},"0.weight":', structure_end) + 1
    if not 0 < structure_end < metadata_end:
        raise ValueError("its header has no structure, metadata and tensors")
    if structure_end - checksum.end() > MAX_STRUCTURE:
        raise ValueError(f"its structure has more than {MAX_STRUCTURE} characters")
    structure = quoted_part(start, checksum.end(), structure_end)
    arguments = _read_structure(read_string(structure))
    shapes = _check_tensors(start, metadata_end + 1, arguments)
    metadata = (structure_end + len(',"metadata":'), metadata_end)
    return Header(arguments, shapes, checksum.span(1), metadata)


def quoted_part(start, begin, end):
    """A part of the header as a str."""
    return str(memoryview(start)[begin:end], "ascii")


def read_string(quoted):
    """The text of a JSON string; ValueError for escapes that are not needed."""
    text = json.loads(quoted)
    if len(quoted) != len(text) + text.count('"') + text.count("\\") + 2:
        raise ValueError("its header is not written as its values are")
    return text


def _read_structure(text):
    """The arguments of Network in the structure's JSON text."""
    end = text.find(_LAYERS, 0, _WINDOW)
    if end < 0:
        raise ValueError("its structure has no layers")
    head_text = text[:end] + "}"
    head = json.loads(head_text)
    if not isinstance(head, dict) or list(head) != ["dtype", "loss", "seed"]:
        raise ValueError("its structure does not begin with dtype, loss and seed")
    dtype = _check.check_name(head["dtype"], tuple(_DTYPES), "dtype")
    loss = loss_from_config(head["loss"])
    seed = _check.check_int(head["seed"], "seed", minimum=0, maximum=2**64 - 1)
    if _dumps({"dtype": dtype, "loss": loss.get_config(), "seed": seed}) != head_text:
        raise ValueError("its structure is not written as its values are")
    layers = _read_layers(text, end + len(_LAYERS))
    split_layers(layers)
    return {"layers": layers, "loss": loss, "dtype": dtype, "seed": seed}


def _read_layers(text, position):
    """The layers in the structure's JSON text from `position` to its end."""
    layers = []
    while True:
        window = text[position : position + _WINDOW]
        try:
            layer, length = _read_layer(window)
        except ERRORS as error:
            raise ValueError(f"layer {len(layers)}: {error}") from None
        if isinstance(layer, Dropout) and isinstance((layers or [0])[-1], Dropout):
            raise ValueError(f"layers {len(layers) - 1} and {len(layers)} are Dropout")
        layers.append(layer)
        position += length
        if text[position : position + 3] == "]}":
            return layers
        if text[position : position + 1] != ",":
            raise ValueError(f"its structure breaks off after layer {len(layers) - 1}")
        position += 1


def _read_layer(window):
    """The layer at the beginning of this text, and the length of its part."""
    config, length = json.JSONDecoder().raw_decode(window)
    if not isinstance(config, dict):
        raise ValueError(f"found a {type(config).__name__}, expected a dict")
    layer = layer_from_config(config)
    if _dumps(_mentioned(layer.get_config(), config)) != window[:length]:
        raise ValueError("it is not written as its values are")
    return layer, length


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
