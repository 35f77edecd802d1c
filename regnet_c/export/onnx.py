"""A network as an ONNX file, opset 17: what `predict` returns, for any number of rows."""

import numpy as np

from .._core.atomic import write_atomically
from ..activations import OUTPUTS
from .plain import describe

OPSET = 17
_IR_VERSION = 8  # of the first release with this opset

# what the chains of regnet_c.activations call in capitals
_CONSTANTS = {"ONE": 1.0, "HALF": 0.5, "ROOT_HALF": np.sqrt(0.5)}
_CONSTANTS |= {"FAR": 2.0**31, "MINUS_FAR": -(2.0**31)}
_MOST_BYTES = 2**31 - 1  # of a protocol buffer


def import_onnx():
    """The onnx package, or one sentence about how to get it."""
    try:
        import onnx
    except ImportError:
        raise ImportError(
            'to_onnx needs the package onnx: pip install "regnet-c[onnx]"'
        ) from None
    return onnx


def to_onnx(network, path):
    """Write the network as an ONNX model of opset 17.

    Input ``x`` (rows, `kept_inputs`) and output ``y`` (rows, n_out) are float32, also
    for float64 networks, because run times lack many operators in float64; ``y`` is
    what `predict` returns, equal to rounding.  The metadata hold ``loss`` and
    ``kept_inputs``.

    Parameters
    ----------
    network : Network
    path : str or Path

    Raises
    ------
    ImportError
        Without the package onnx.
    ValueError
        If the weights take more than the 2 GiB an ONNX file may have.
    """
    onnx = import_onnx()
    layers, output = describe(network, np.float32)
    size = sum(layer.w.nbytes for layer in layers)
    if size > _MOST_BYTES:
        raise ValueError(
            f"the weights take {size} bytes, an ONNX file holds at most {_MOST_BYTES}"
        )
    graph = _Graph(onnx.helper, onnx.numpy_helper)
    name = "x"
    for number, layer in enumerate(layers):
        name = graph.dense(f"dense_{number}", name, layer)
    name = graph.activation("output", name, output, 0.0)
    graph.node("Identity", [name], "y")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    n_in, n_out = layers[0].w.shape[0], layers[-1].w.shape[1]
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "regnet_c",
            [helper.make_tensor_value_info("x", kind, ["rows", n_in])],
            [helper.make_tensor_value_info("y", kind, ["rows", n_out])],
            list(graph.constants.values()),
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="regnet_c",
        ir_version=_IR_VERSION,
    )
    kept = ",".join(map(str, network.kept_inputs))
    helper.set_model_props(model, {"loss": network.loss.name, "kept_inputs": kept})
    onnx.checker.check_model(model, full_check=True)
    write_atomically(path, [model.SerializeToString()])


class _Graph:
    """Nodes and constants of a model while it is written."""

    def __init__(self, helper, numpy_helper):
        self.helper, self.from_array = helper, numpy_helper.from_array
        self.nodes, self.constants = [], {}

    def node(self, operator, inputs, output, **attributes):
        self.nodes.append(
            self.helper.make_node(operator, inputs, [output], **attributes)
        )
        return output

    def constant(self, name, value):
        value = np.asarray(value, np.float32, order="C")
        self.constants[name] = self.from_array(value, name)
        return name

    def dense(self, name, x, layer):
        inputs = [x, self.constant(f"{name}.weight", layer.w)]
        if layer.b is not None:
            inputs.append(self.constant(f"{name}.bias", layer.b))
        z = self.node("Gemm", inputs, f"{name}.z")
        return self.activation(name, z, layer.activation, layer.param)

    def activation(self, name, z, activation, param):
        """Add f(z) and return its name."""
        if activation == "identity":
            return z
        traits = OUTPUTS[activation]
        if isinstance(traits.onnx, str):
            attributes = dict(traits.onnx_attributes)
            if traits.onnx_parameter:
                attributes[traits.onnx_parameter] = param
            return self.node(traits.onnx, [z], f"{name}.a", **attributes)
        for operator, inputs, output in traits.onnx:
            names = [self._operand(name, z, word) for word in inputs.split()]
            last = self.node(operator, names, f"{name}.{output}")
        return last

    def _operand(self, name, z, word):
        if word in _CONSTANTS:
            return self.constant(word, _CONSTANTS[word])
        return z if word == "z" else f"{name}.{word}"
