"""A network as a list of arrays and names: what every exporter starts from."""

from dataclasses import dataclass

import numpy as np

from .. import kernels
from ..activations import ACTIVATIONS


@dataclass
class PlainLayer:
    """a = f(scale * (x w) + b), f element by element.

    `scale` is None, or one number per unit that whole numbers in w are multiplied by;
    b is None where there are no biases.
    """

    w: np.ndarray
    b: np.ndarray | None
    activation: str
    param: float
    scale: np.ndarray | None = None

    def forward(self, x):
        """The layer's outputs for rows x, by the kernels that predict uses."""
        if self.scale is None:
            z = kernels.dense_forward(x, self.w, self.b)
        else:
            z = kernels.dense_forward(x, self.w.astype(x.dtype)).astype(np.float64)
            z = z * self.scale + (0 if self.b is None else self.b)
        z = z.astype(x.dtype)
        if self.activation == "identity":
            return z
        return kernels.activation_forward(self.activation, z, self.param)[0]


def describe(network, dtype=None):
    """(layers, output): PlainLayers and what happens to the last one's results.

    output is "identity", "softmax", "sigmoid" or "exp".
    """
    weights = iter(network.get_weights())
    dtype = network.dtype if dtype is None else np.dtype(dtype)
    plan, layers = network._plan, []
    output = network.loss.output
    for layer in plan.dense:
        w = _convert(next(weights), dtype)
        b = _convert(next(weights), dtype) if layer.use_bias else None
        layers.append(PlainLayer(w, b, layer.activation, layer.activation_param or 0.0))
    last = layers[-1]
    if network.loss.is_fused:
        last.activation = "identity"
    elif not ACTIVATIONS[last.activation].hidden:
        output, last.activation = last.activation, "identity"
    return layers, output


def _convert(array, dtype):
    with np.errstate(over="ignore"):
        converted = array.astype(dtype)
    if not np.isfinite(converted).all():
        raise ValueError(
            f"a weight is {np.abs(array).max():.3g}, too large for {dtype}"
        )
    return converted


def forward(layers, x):
    """Raw outputs (before softmax, sigmoid or exp) for rows x."""
    for layer in layers:
        x = layer.forward(x)
    return x


def finish(output, z):
    """softmax, sigmoid or exp of raw outputs."""
    if output == "softmax":
        return kernels.softmax_forward(z)
    if output == "sigmoid":
        return kernels.activation_forward("sigmoid", z)[0]
    return kernels.exp(z) if output == "exp" else z
