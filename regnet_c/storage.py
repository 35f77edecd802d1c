"""Networks in safetensors files: weights as tensors, structure as JSON metadata.

Nothing is ever unpickled and no name in a file is resolved to code: layer classes,
activations and losses are looked up in fixed tables.
"""

import json
import os
import tempfile
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from ._version import __version__
from .layers import layer_from_config
from .losses import loss_from_config

FORMAT = "regnet_c"
FORMAT_VERSION = 1


def _names(network):
    """Tensor names in the order of get_weights."""
    names = []
    for number, layer in enumerate(network._plan.dense):
        names.append(f"{number}.weight")
        if layer.use_bias:
            names.append(f"{number}.bias")
    return names


def save(network, path):
    """Write to a temporary file in the same folder, flush it to disk, rename it."""
    structure = {
        "layers": [layer.get_config() for layer in network.layers],
        "loss": network.loss.get_config(),
        "dtype": network.dtype.name,
        "seed": network.seed,
        "metadata": network.metadata,
        "n_inputs": network.n_inputs,
        "kept_inputs": network.kept_inputs.tolist(),
    }
    header = {
        "format": FORMAT,
        "format_version": str(FORMAT_VERSION),
        "regnet_c_version": __version__,
        "structure": json.dumps(structure, allow_nan=False),
    }
    tensors = dict(zip(_names(network), network.get_weights(), strict=True))
    write_atomically(Path(path), save_tensors(tensors, metadata=header))


def write_atomically(path, content):
    """Replace the file at `path` by these bytes, or leave it as it was."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name + ".")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _read_header(content, path):
    """The metadata of a safetensors file; ValueError if it is not one of ours."""
    try:
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])["__metadata__"]
        if header["format"] != FORMAT:
            raise ValueError(f"format {header['format']!r}")
        version = int(header["format_version"])
        structure = json.loads(header["structure"])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not a regnet_c model: {error}") from None
    if version > FORMAT_VERSION:
        raise ValueError(
            f"{path} has format version {version}, this release reads up to "
            f"{FORMAT_VERSION}"
        )
    return structure


def load(cls, path):
    """Read the file at `path` into a new network of class `cls`."""
    content = Path(path).read_bytes()
    structure = _read_header(content, path)
    try:
        tensors = load_tensors(content)
        network = cls(
            [layer_from_config(config) for config in structure["layers"]],
            loss=loss_from_config(structure["loss"]),
            dtype=structure["dtype"],
            seed=structure["seed"],
        )
        network.metadata = structure["metadata"]
        _load_inputs(network, structure)
        names = _names(network)
        if set(names) != set(tensors):
            raise ValueError(f"it has the tensors {sorted(tensors)}, not {names}")
        for name in names:
            if tensors[name].dtype != network.dtype:
                raise ValueError(f"tensor {name} is {tensors[name].dtype}")
        network.set_weights([tensors[name] for name in names])
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not a valid regnet_c model: {error}") from None
    return network


def _load_inputs(network, structure):
    """Set kept_inputs and n_inputs; files written before compact() have neither."""
    if "kept_inputs" not in structure:
        return
    n, kept = structure["n_inputs"], structure["kept_inputs"]
    kept = np.asarray(kept, np.int64)
    n_in = network.n_inputs
    rising = bool((np.diff(kept) > 0).all())
    if kept.shape != (n_in,) or not rising or kept[0] < 0 or kept[-1] >= n:
        raise ValueError(
            f"kept_inputs has {kept.size} columns of {n}, expected {n_in} rising ones"
        )
    network.n_inputs, network.kept_inputs = n, kept
