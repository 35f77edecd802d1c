"""The structure in a model file: a network's layers, loss, dtype and seed as JSON text.

    {"dtype":..,"loss":{"name":..,"param":..},"seed":..,"layers":[{..},{..}]}

A loss that smooths labels has "label_smoothing":.. too. Of several members their
number, "members":.., follows the seed. It is a JSON string inside the header, with its
quotes escaped. It is read only if it is, byte for byte, what is written for the values
in it; a parameter that a layer does not mention has its default, so that later releases
can have more of them. Layers are decoded one by one from a window, so that a small file
cannot expand into a huge structure.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict

from .._core import checks
from .._core.plan import check_members
from ..layers import Dropout, layer_from_config, split_layers
from ..losses import loss_from_config

if TYPE_CHECKING:
    from ..layers import Dense
    from ..losses import Loss
    from ..network import Network
    from ..typing import Config

    class Arguments(TypedDict):
        """Of Network, read from a file."""

        layers: list[Dense | Dropout]
        loss: Loss
        dtype: DTypeLiteral
        seed: int
        members: int

    DTypeLiteral: TypeAlias = Literal["float32", "float64"]


MAX_STRUCTURE = 1 << 21  # bytes, over 7000 layers
DTYPES: dict[DTypeLiteral, str] = {"float32": "F32", "float64": "F64"}
ERRORS = (LookupError, TypeError, ValueError, ArithmeticError, RecursionError)
_WINDOW = 4096  # bytes, more than a layer needs whose penalty lists no inputs
MAX_LAYER = 1 << 17  # bytes, over 15 000 inputs in lists
_LAYERS = ',"layers":['
# Parameters that are newer than the formats: stated where they are not the default, so
# that the releases before them read every file that does without.
_LATER = {
    "label_smoothing": 0.0,
    "learning_rate_factor": 1.0,
    "bias_learning_rate_factor": 1.0,
    "bias_init": "zeros",
}
_LOSS = ["name", "param", "label_smoothing"]


def dumps(value: object) -> str:
    """The one JSON text of a value."""
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def loads(text: str, what: str) -> Any:
    """The value of a JSON text."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"{what} cannot be decoded: {error}") from None


def quoted_part(start: bytes, begin: int, end: int) -> str:
    """A part of the header as a str."""
    return str(memoryview(start)[begin:end], "ascii")


def compose_structure(network: Network) -> str:
    """The text of a network's structure."""
    head = {
        "dtype": network.dtype.name,
        "loss": _stated(network.loss.get_config()),
        "seed": network.seed,
    }
    if network.members > 1:
        head["members"] = network.members
    layers = [dumps(_stated(layer.get_config())) for layer in network.layers]
    for number, layer in enumerate(layers):
        size = len(_escaped(layer))
        if size > MAX_LAYER:
            raise ValueError(
                f"layer {number} needs {size} bytes in a file, expected at most "
                f"{MAX_LAYER}: the groups of its penalty list too many inputs"
            )
    return dumps(head)[:-1] + _LAYERS + ",".join(layers) + "]}"


def _stated(config: Config) -> Config:
    """The parameters that a file states."""
    return {k: v for k, v in config.items() if k not in _LATER or v != _LATER[k]}


def _escaped(text: str) -> bytes:
    """JSON text as written inside a string of the header, without its quotes."""
    return dumps(text)[1:-1].encode("ascii")


def _window(start: bytes, begin: int, end: int, size: int = _WINDOW) -> str:
    """The next part of the structure's text, which has no backslash of its own."""
    quoted = quoted_part(start, begin, min(begin + size, end))
    return quoted.replace('\\"', '"')


def read_structure(start: bytes, begin: int, end: int, has_members: bool) -> Arguments:
    """The arguments of Network in this part of the header."""
    names = ["dtype", "loss", "seed", "members"][: 4 if has_members else 3]
    text, mark, _ = _window(start, begin, end).partition(_LAYERS)
    if not mark:
        raise ValueError("its structure has no layers")
    head = loads(text + "}", "its structure")
    if not isinstance(head, dict) or list(head) != names:
        expected = f"{', '.join(names[:-1])} and {names[-1]}"
        raise ValueError(f"its structure does not begin with {expected}")
    dtype = checks.check_name(head["dtype"], tuple(DTYPES), "dtype")
    found = head["loss"]
    if not isinstance(found, dict) or list(found) not in (_LOSS[:2], _LOSS):
        raise ValueError(f"its loss has entries other than {', '.join(_LOSS)}")
    loss = loss_from_config(found)
    seed = checks.check_int(head["seed"], "seed", minimum=0, maximum=2**64 - 1)
    values = {"dtype": dtype, "loss": _stated(loss.get_config()), "seed": seed}
    members = 1
    if has_members:
        members = checks.check_int(head["members"], "members", minimum=2)
        values["members"] = members
    written = _escaped(dumps(values)[:-1] + _LAYERS)
    if not start.startswith(written, begin):
        raise ValueError("its structure is not in canonical form")
    layers = _read_layers(start, begin + len(written), end)
    dense, _, _ = split_layers(layers)
    if has_members:
        check_members(dense, members)
    return {
        "layers": layers,
        "loss": loss,
        "dtype": dtype,
        "seed": seed,
        "members": members,
    }


def _read_layers(start: bytes, begin: int, end: int) -> list[Dense | Dropout]:
    """The layers in this part of the header."""
    layers: list[Dense | Dropout] = []
    units: int | None = None
    while True:
        try:
            layer, written = _read_layer(_decoded(start, begin, end), units)
            units = getattr(layer, "n_out", units)
            if not start.startswith(written, begin):
                raise ValueError("it is not in canonical form")
            if (
                isinstance(layer, Dropout)
                and layers
                and isinstance(layers[-1], Dropout)
            ):
                raise ValueError("it and the one before are both Dropout")
        except ERRORS as error:
            raise ValueError(f"layer {len(layers)}: {error}") from None
        layers.append(layer)
        begin += len(written)
        if end - begin == 2 and start[begin:end] == b"]}":
            return layers
        if start[begin : begin + 1] != b",":
            raise ValueError(
                f"its structure is truncated after layer {len(layers) - 1}"
            )
        begin += 1


def _decoded(start: bytes, begin: int, end: int) -> Any:
    """The value at the beginning of this text, from a window as wide as it needs."""
    size = _WINDOW
    while True:
        try:
            return json.JSONDecoder().raw_decode(_window(start, begin, end, size))[0]
        except ValueError:
            if size >= min(MAX_LAYER, end - begin):
                raise
            size *= 2


def _read_layer(config: Any, units: int | None) -> tuple[Dense | Dropout, bytes]:
    """The layer of these values, and what the header has for it.

    units : those of the layer before; a large number that both have is kept once.
    """
    if not isinstance(config, dict):
        raise ValueError(f"found {checks.a_type(config)}, expected a dict")
    if type(config.get("n_in")) is int and config["n_in"] == units:
        config["n_in"] = units
    layer = layer_from_config(config)
    return layer, _escaped(dumps(_mentioned(_stated(layer.get_config()), config)))


def _mentioned(full: Config, config: Config) -> Config:
    """What `full` states about the parameters in `config`; the others have defaults."""
    return {
        name: _mentioned(value, config[name])
        if isinstance(value, dict) and isinstance(config[name], dict)
        else value
        for name, value in full.items()
        if name in config
    }
