"""A network as a list of arrays and names: what every exporter starts from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from .._core import binding
from .._core.members import refuse_members
from ..activations import ACTIVATIONS, code

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
    b is None where there are no biases.
    """

    w: AnyArray
    b: FloatArray | None
    activation: ActivationName
    param: float
    scale: FloatArray | None = None

    def forward(self, x: FloatArray) -> FloatArray:
        """The layer's outputs for rows x, by the kernels that predict uses."""
        if self.scale is None:
            z = _dense(x, self.w, self.b)
        else:
            z = _dense(x, self.w.astype(x.dtype)).astype(np.float64)
            z = z * self.scale + (0 if self.b is None else self.b)
        z = z.astype(x.dtype)
        if self.activation == "identity":
            return z
        return _activation(self.activation, z, self.param)


def _dense(x: FloatArray, w: FloatArray, b: FloatArray | None = None) -> FloatArray:
    """x w + b, by the kernel that predict uses."""
    z = np.zeros((len(x), w.shape[1]), x.dtype)
    binding.dense_forward(z, np.ascontiguousarray(x), np.ascontiguousarray(w), b)
    return z


def _activation(name: ActivationName, z: FloatArray, param: float = 0.0) -> FloatArray:
    """f(z), by the kernel that predict uses."""
    a, slope = np.empty_like(z), np.empty_like(z)
    flat = a.reshape(-1), slope.reshape(-1), z.reshape(-1)
    binding.activation_forward(code(name), *flat, param)
    return a


def describe(
    network: Network, dtype: DTypeName | None = None
) -> tuple[list[PlainLayer], OutputName]:
    """(layers, output): PlainLayers and the function applied to the last one's results.

    output is "identity", "softmax", "sigmoid" or "exp".
    """
    refuse_members(network, "an export")
    weights = iter(network.get_weights())
    kind: DType = network.dtype if dtype is None else np.dtype(dtype)
    plan = network._plan
    layers: list[PlainLayer] = []
    output: OutputName = network.loss.output
    for layer in plan.dense:
        w = _convert(next(weights), kind)
        b = _convert(next(weights), kind) if layer.use_bias else None
        layers.append(PlainLayer(w, b, layer.activation, layer.activation_param or 0.0))
    last = layers[-1]
    if network.loss.is_fused:
        last.activation = "identity"
    elif not ACTIVATIONS[last.activation].hidden:
        output, last.activation = cast("OutputName", last.activation), "identity"
    return layers, output


def _convert(array: FloatArray, dtype: DType) -> FloatArray:
    with np.errstate(over="ignore"):
        converted = array.astype(dtype)
    if not np.isfinite(converted).all():
        raise ValueError(
            f"a weight is {np.abs(array).max():.3g}, too large for {dtype}"
        )
    return converted


def forward(layers: Sequence[PlainLayer], x: FloatArray) -> FloatArray:
    """Raw outputs (before softmax, sigmoid or exp) for rows x."""
    for layer in layers:
        x = layer.forward(x)
    return x


def finish(output: OutputName, z: FloatArray) -> FloatArray:
    """softmax, sigmoid or exp of raw outputs."""
    if output == "softmax":
        a = np.empty(z.shape[::-1], z.dtype)
        binding.softmax_forward(a, np.ascontiguousarray(z.T))
        return np.ascontiguousarray(a.T)
    if output == "sigmoid":
        return _activation("sigmoid", z)
    if output == "exp":
        a = np.empty_like(z)
        binding.elementwise(binding.FUNCTIONS["exp"], a.reshape(-1), z.reshape(-1))
        return a
    return z
