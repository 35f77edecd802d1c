"""A network as lists of arrays and names: what every exporter starts from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from .._core import binding
from .._core.members import mean_of, raw_mean
from .._core.portable import activation, output_of
from ..activations import ACTIVATIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..network import Network
    from ..typing import (
        ActivationName,
        AnyArray,
        DType,
        DTypeName,
        FloatArray,
        OutputName,
    )


@dataclass
class PlainLayer:
    """a = f(scale * (x w) + b), f element by element.

    `scale` is None, or one number per unit that whole numbers in w are multiplied by;
    b is None where there are no biases.  Where members share w, r and s are the factors
    of one member's inputs and outputs, else None.
    """

    w: AnyArray
    b: FloatArray | None
    activation: ActivationName
    param: float
    scale: FloatArray | None = None
    r: FloatArray | None = None
    s: FloatArray | None = None

    def forward(self, x: FloatArray) -> FloatArray:
        """The layer's outputs for rows x, by the kernels that predict uses."""
        w = self.w.astype(x.dtype, copy=False)
        if self.r is not None and self.s is not None:
            w = w * self.r[:, None] * self.s
        if self.scale is None:
            z = _dense(x, w, self.b)
        else:
            z = _dense(x, w).astype(np.float64)
            z = z * self.scale + (0 if self.b is None else self.b)
        z = z.astype(x.dtype)
        if self.activation == "identity":
            return z
        return activation(self.activation, z, self.param)


def _dense(x: FloatArray, w: FloatArray, b: FloatArray | None = None) -> FloatArray:
    """x w + b, by the kernel that predict uses."""
    z = np.zeros((len(x), w.shape[1]), x.dtype)
    binding.dense_forward(z, np.ascontiguousarray(x), np.ascontiguousarray(w), b)
    return z


def describe(
    network: Network, dtype: DTypeName | None = None
) -> tuple[list[list[PlainLayer]], OutputName]:
    """(members, output): the layers of each member, one list for a network without.

    output is the function applied to the last layer's results, before the mean over the
    members: "identity", "softmax", "sigmoid" or "exp".  The members share the arrays w
    of all layers but the last.
    """
    kind: DType = network.dtype if dtype is None else np.dtype(dtype)
    weights = [_convert(w, kind) for w in network.get_weights()]
    output: OutputName = network.loss.output
    members = [_layers(network, weights, i) for i in range(network.members)]
    last = members[0][-1].activation
    is_output = not ACTIVATIONS[last].hidden
    if is_output and not network.loss.is_fused:
        output = cast("OutputName", last)
    if is_output or network.loss.is_fused:
        for layers in members:
            layers[-1].activation = "identity"
    return members, output


def _layers(
    network: Network, weights: Sequence[FloatArray], member: int
) -> list[PlainLayer]:
    """The layers of one member, with the arrays of `get_weights`."""
    arrays, dense = iter(weights), network._plan.dense
    layers: list[PlainLayer] = []

    def own() -> FloatArray:
        return next(arrays)[member] if network.members > 1 else next(arrays)

    for number, layer in enumerate(dense, 1):
        shared = network.members > 1 and number < len(dense)
        w = next(arrays) if shared else own()
        r, s = (own(), own()) if shared else (None, None)
        b = own() if layer.use_bias else None
        param = layer.activation_param or 0.0
        layers.append(PlainLayer(w, b, layer.activation, param, r=r, s=s))
    return layers


def _convert(array: FloatArray, dtype: DType) -> FloatArray:
    with np.errstate(over="ignore"):
        converted = array.astype(dtype)
    if not np.isfinite(converted).all():
        raise ValueError(
            f"a weight is {np.abs(array).max():.3g}, too large for {dtype}"
        )
    return converted


def raw_outputs(
    members: Sequence[Sequence[PlainLayer]], output: OutputName, x: FloatArray
) -> FloatArray:
    """Outputs for rows x before softmax, sigmoid or exp; of members those of the mean."""
    outs = (forward(layers, x) for layers in members)
    return raw_mean(output, outs, len(members))


def predict(
    members: Sequence[Sequence[PlainLayer]], output: OutputName, x: FloatArray
) -> FloatArray:
    """What `Network.predict` returns for rows x."""
    outs = (output_of(output, forward(layers, x)) for layers in members)
    return mean_of(outs, len(members))


def forward(layers: Sequence[PlainLayer], x: FloatArray) -> FloatArray:
    """Raw outputs (before softmax, sigmoid or exp) for rows x."""
    for layer in layers:
        x = layer.forward(x)
    return x
