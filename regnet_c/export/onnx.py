"""A network as an ONNX file, opset 17: what `predict` returns, for any number of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .._core.atomic import write_atomically
from ..activations import OUTPUTS
from ..tables.form import KEY, TableForm
from .onnx_encoder import OnnxEncoder
from .plain import describe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..network import Network
    from ..typing import StrPath
    from .plain import PlainLayer

OPSET, ML_OPSET = 17, 2
_IR_VERSION = 8  # of the first release with this opset

# what the chains of regnet_c.activations call in capitals
_CONSTANTS = {"ONE": 1.0, "HALF": 0.5, "ROOT_HALF": np.sqrt(0.5)}
_CONSTANTS |= {"FAR": 2.0**31, "MINUS_FAR": -(2.0**31)}
_MOST_BYTES = 2**31 - 1  # of a protocol buffer


def import_onnx() -> Any:
    """The onnx package, or an error that states how to install it."""
    try:
        import onnx
    except ImportError:
        raise ImportError(
            'to_onnx needs the package onnx: pip install "regnet-c[onnx]"'
        ) from None
    return onnx


def to_onnx(network: Network, path: StrPath, encoder: bool = True) -> None:
    """Write the network as an ONNX model of opset 17.

    Input ``x`` (rows, `kept_inputs`) and output ``y`` (rows, n_out) are float32, also
    for float64 networks, because run times lack many operators in float64; ``y`` is
    what `predict` returns, equal to rounding.  The metadata holds ``loss`` and
    ``kept_inputs``.

    A network that was trained on a table takes raw rows, one input (rows, 1) for each
    column, named like it: float64 for numbers and dates (seconds since 1970), NaN where
    one is missing; text for levels, "" where one is missing.  It returns ``label``, the
    names of the classes, in addition to ``y``; a regression returns ``y`` in the
    target's unit.

    Explained in :doc:`/shipping`.

    Parameters
    ----------
    network : Network
    path : str or Path
    encoder : bool, default True
        Whether a network of tables takes raw rows; otherwise it takes encoded ones.

    Raises
    ------
    ImportError
        Without the package onnx.
    ValueError
        If the weights take more than the 2 GiB an ONNX file may have.

    Examples
    --------
    >>> import regnet_c as rn
    >>> import onnx
    >>> layers = [rn.Dense(4, 8, "relu"), rn.Dense(8, 3)]
    >>> net = rn.Network(layers, loss="softmax_cross_entropy")
    >>> rn.export.to_onnx(net, "net.onnx")
    >>> [node.op_type for node in onnx.load("net.onnx").graph.node]
    ['Gemm', 'Relu', 'Gemm', 'Softmax', 'Identity']
    """
    onnx = import_onnx()
    members, output = describe(network, np.float32)
    layers = members[0]
    size = sum(w.nbytes for w in network.get_weights()) * 4 // network.dtype.itemsize
    if size > _MOST_BYTES:
        raise ValueError(
            f"the weights take {size} bytes, an ONNX file holds at most {_MOST_BYTES}"
        )
    graph = Graph(onnx)
    n_in, n_out = layers[0].w.shape[0], layers[-1].w.shape[1]
    name, table, kind = "x", None, onnx.TensorProto.FLOAT
    inputs, outputs = [("x", kind, n_in)], [("y", kind, ["rows", n_out])]
    if encoder and KEY in network.metadata:
        table = OnnxEncoder(graph, TableForm.of(network))
        name = table.encode(network.kept_inputs, network.n_inputs, table.declare())
        text, double = onnx.TensorProto.STRING, onnx.TensorProto.DOUBLE
        inputs = [(column, text if t else double, 1) for column, t in table.inputs]
        if table.form.classes is None:
            outputs = [("y", double, ["rows", n_out])]
        else:
            outputs.append(("label", text, ["rows"]))
    name = graph.network(name, members, output)
    if table is None:
        graph.node("Identity", [name], "y")
    else:
        table.finish(name, n_out)
    helper = onnx.helper
    opsets = [helper.make_opsetid("", OPSET)]
    if table is not None:
        opsets.append(helper.make_opsetid("ai.onnx.ml", ML_OPSET))
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "regnet_c",
            [helper.make_tensor_value_info(n, k, ["rows", m]) for n, k, m in inputs],
            [helper.make_tensor_value_info(*entry) for entry in outputs],
            list(graph.constants.values()),
        ),
        opset_imports=opsets,
        producer_name="regnet_c",
        ir_version=_IR_VERSION,
    )
    kept = ",".join(map(str, network.kept_inputs))
    helper.set_model_props(model, {"loss": network.loss.name, "kept_inputs": kept})
    onnx.checker.check_model(model, full_check=True)
    write_atomically(path, [model.SerializeToString()])


class Graph:
    """Nodes and constants of a model while it is written.

    Parameters
    ----------
    onnx : module
    dtype : dtype, default float32
        Of the products; activations are float32, for run times lack many in float64.
    """

    helper: Any
    from_array: Any
    dtype: np.dtype[Any]

    def __init__(self, onnx: Any, dtype: Any = np.float32) -> None:
        self.helper, self.from_array = onnx.helper, onnx.numpy_helper.from_array
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self.dtype = np.dtype(dtype)

    def node(
        self, operator: str, inputs: Sequence[str], output: str, **attributes: Any
    ) -> str:
        self.nodes.append(
            self.helper.make_node(operator, inputs, [output], **attributes)
        )
        return output

    def cast(self, x: str, dtype: Any, output: str) -> str:
        kind = self.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self.node("Cast", [x], output, to=kind)

    def constant(self, name: str, value: Any, dtype: Any = np.float32) -> str:
        value = np.asarray(value, dtype, order="C")
        self.constants[name] = self.from_array(value, name)
        return name

    def network(
        self, x: str, members: Sequence[Sequence[PlainLayer]], output: str
    ) -> str:
        """All layers, the output function that the loss contains, and the mean."""
        for number, layers in enumerate(zip(*members, strict=True)):
            dense = self.dense if len(members) == 1 else self.dense_of_members
            x = dense(f"dense_{number}", x, *layers)
        y = self.activation("output", x, output, 0.0)
        if len(members) == 1:
            return y
        return self.node("ReduceMean", [y], "output.mean", axes=[0], keepdims=0)

    def dense(self, name: str, x: str, layer: PlainLayer) -> str:
        inputs = [x, self.constant(f"{name}.weight", layer.w, self.dtype)]
        if layer.b is not None:
            inputs.append(self.constant(f"{name}.bias", layer.b, self.dtype))
        z = self.node("Gemm", inputs, f"{name}.z")
        return self.activation(name, z, layer.activation, layer.param)

    def dense_of_members(self, name: str, x: str, *layers: PlainLayer) -> str:
        """One layer of all members, of activations (members, rows, units)."""

        def stacked(key: str, column: bool = True) -> str:
            arrays = np.stack([getattr(layer, key) for layer in layers])
            arrays = arrays[:, None] if column else arrays
            return self.constant(f"{name}.{key}", arrays, self.dtype)

        first = layers[0]
        if first.r is None:  # w is their own
            z = self.node("MatMul", [x, stacked("w", column=False)], f"{name}.product")
        else:
            x = self.node("Mul", [x, stacked("r")], f"{name}.x")
            w = self.constant(f"{name}.w", first.w, self.dtype)
            z = self.node("MatMul", [x, w], f"{name}.product")
            z = self.node("Mul", [z, stacked("s")], f"{name}.scaled")
        if first.b is not None:
            z = self.node("Add", [z, stacked("b")], f"{name}.z")
        return self.activation(name, z, first.activation, first.param)

    def activation(self, name: str, z: str, activation: str, param: float) -> str:
        """Add f(z) and return its name."""
        if activation == "identity":
            return z
        if self.dtype == np.float32:
            return self._activation(name, z, activation, param)
        z = self.cast(z, np.float32, f"{name}.single")
        a = self._activation(name, z, activation, param)
        return self.cast(a, self.dtype, f"{name}.double")

    def _activation(self, name: str, z: str, activation: str, param: float) -> str:
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

    def most_probable(self, y: str, n_outputs: int) -> str:
        """The number of each row's class, from probabilities (rows, n_outputs)."""
        if n_outputs > 1:
            return self.node("ArgMax", [y], "output.best", axis=1, keepdims=0)
        second = self.above_half(y)
        axis = self.constant("output.axis", [1], np.int64)
        return self.node("Squeeze", [second, axis], "output.best")

    def above_half(self, y: str) -> str:
        """1 where a probability is above 1/2, else 0."""
        half = self.constant("output.half", 0.5, self.dtype)
        above = self.node("Greater", [y, half], "output.above")
        return self.cast(above, np.int64, "output.second")

    def class_names(self, numbers: str, classes: Sequence[str], output: str) -> str:
        """The names, text, of numbered classes."""
        return self.node(
            "LabelEncoder",
            [numbers],
            output,
            domain="ai.onnx.ml",
            keys_int64s=list(range(len(classes))),
            values_strings=list(classes),
        )

    def _operand(self, name: str, z: str, word: str) -> str:
        if word in _CONSTANTS:
            return self.constant(word, _CONSTANTS[word])
        return z if word == "z" else f"{name}.{word}"
