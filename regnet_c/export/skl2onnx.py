"""The estimators in the ONNX files of skl2onnx, alone or at the end of a pipeline.

skl2onnx calls three functions for a model: one makes its outputs (its own parser for
classifiers), one states their types, one adds the nodes.  The nodes are those of
`to_onnx`, under names of skl2onnx's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..tables.form import TableForm
from ..tables.learning import no_column
from .onnx import ML_OPSET, OPSET, Graph, import_onnx
from .onnx_encoder import LEVELS, OnnxEncoder
from .plain import describe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..estimators.classifier import RegNetClassifier
    from ..network import Network
    from ..tables.encoding import Encoding
    from ..typing import AnyArray
    from .onnx_encoder import Sources

_OPTIONS = {
    "zipmap": [True, False, "columns"],
    "output_class_labels": [False, True],
    "nocl": [True, False],
}


def register(classifier: type, regressor: type) -> None:
    """Make the converters of two classes of estimators known to skl2onnx.

    Parameters
    ----------
    classifier, regressor : type

    Raises
    ------
    ImportError
        Without the package skl2onnx.
    """
    try:
        from skl2onnx import update_registered_converter
    except ImportError:
        raise ImportError(
            "register_skl2onnx needs the package skl2onnx: pip install skl2onnx"
        ) from None
    name = f"RegnetC{classifier.__name__}"
    update_registered_converter(
        classifier, name, _classifier_types, _convert_classifier, options=_OPTIONS
    )
    name = f"RegnetC{regressor.__name__}"
    update_registered_converter(regressor, name, _regressor_types, _convert_regressor)


# ---- types ---------------------------------------------------------------------------


def _classifier_types(operator: Any) -> None:
    from skl2onnx.common.data_types import Int64TensorType, StringTensorType

    model = operator.raw_operator
    is_text = _class_values(model).dtype.kind == "U"
    several = model._labels.multilabel
    shape = [None, model.n_outputs_] if several else [None]
    kind = StringTensorType if is_text else Int64TensorType
    operator.outputs[0].type = kind(shape)
    operator.outputs[1].type.shape = [None, len(model.classes_)]


def _regressor_types(operator: Any) -> None:
    operator.outputs[0].type.shape = [None, operator.raw_operator.n_outputs_]


def _class_values(model: RegNetClassifier) -> AnyArray:
    """The classes as an array of int64 or text."""
    classes = model.classes_
    if classes.dtype.kind == "f" and (classes == np.floor(classes)).all():
        return classes.astype(np.int64)
    if classes.dtype.kind in "iub":
        return classes.astype(np.int64)
    if all(isinstance(name, str) for name in classes):
        return classes.astype(str)
    raise ValueError(
        f"classes_ has {classes[0]!r:.40}, skl2onnx expects text or whole numbers"
    )


# ---- nodes ---------------------------------------------------------------------------


def _convert_classifier(scope: Any, operator: Any, container: Any) -> None:
    model = operator.raw_operator
    graph, y = _network(operator, container)
    n_outputs = model.n_outputs_
    label, probabilities = (variable.onnx_name for variable in operator.outputs)
    if model._labels.multilabel:
        graph.node("Identity", [graph.above_half(y)], label)
    else:
        best = graph.most_probable(y, n_outputs)
        classes = _class_values(model)
        if classes.dtype.kind == "U":
            graph.class_names(best, classes.tolist(), label)
        else:
            table = graph.constant("output.classes", classes, np.int64)
            graph.node("Gather", [table, best], label)
        if model._labels.is_binary:
            one = graph.constant("output.one", 1.0, graph.dtype)
            first = graph.node("Sub", [one, y], "output.first")
            y = graph.node("Concat", [first, y], "output.both", axis=1)
    graph.cast(y, _dtype_of(operator.outputs[1]), probabilities)
    _transfer(graph, scope, operator, container)


def _convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    graph, y = _network(operator, container)
    graph.cast(y, _dtype_of(operator.outputs[0]), operator.outputs[0].onnx_name)
    _transfer(graph, scope, operator, container)


def _network(operator: Any, container: Any) -> tuple[Graph, str]:
    """(Graph, name of the network's outputs)."""
    if container.target_opset < OPSET:
        raise ValueError(
            f"target_opset is {container.target_opset}, expected {OPSET} or newer"
        )
    model = operator.raw_operator
    network = model.network_
    graph = Graph(import_onnx(), network.dtype)
    if model.encoder_ is None:
        x = _joined(graph, operator.inputs, network)
    else:
        encoding = model.encoder_.encoding_
        encoder = OnnxEncoder(graph, TableForm(encoding, "y"))
        sources = _sources(encoder, operator.inputs, encoding)
        x = encoder.encode(network.kept_inputs, network.n_inputs, sources)
        if network.dtype != np.float32:
            x = encoder.cast(x, network.dtype)
    return graph, graph.network(x, *describe(network))


def _joined(graph: Graph, variables: Sequence[Any], network: Network) -> str:
    """All inputs side by side, as numbers."""
    parts = []
    for number, variable in enumerate(variables):
        if _is_text(variable):
            raise ValueError(
                f"input {variable.raw_name!r:.60} is text, an estimator with "
                "encoder=None expects numbers"
            )
        part = f"input.{number}"
        parts.append(graph.cast(variable.onnx_name, network.dtype, part))
    x = parts[0]
    if len(parts) > 1:
        x = graph.node("Concat", parts, "input.all", axis=1)
    if len(network.kept_inputs) < network.n_inputs:
        kept = graph.constant("input.columns", network.kept_inputs, np.int64)
        x = graph.node("Gather", [x, kept], "input.kept", axis=1)
    return x


def _sources(
    encoder: OnnxEncoder, variables: Sequence[Any], encoding: Encoding
) -> Sources:
    """What `OnnxEncoder.encode` asks for: by name, else by position."""
    names = [variable.raw_name for variable in variables]
    widths = [_width(variable, len(encoding.names)) for variable in variables]
    if set(encoding.needed) <= set(names) and set(widths) == {1}:
        places = {name: (variables[names.index(name)], 0) for name in encoding.needed}
    elif sum(widths) == len(encoding.names):
        cells = [
            (variable, i)
            for variable, width in zip(variables, widths, strict=True)
            for i in range(width)
        ]
        places = dict(zip(encoding.names, cells, strict=True))
    else:
        absent = next((n for n in encoding.needed if n not in names), names[0])
        raise ValueError(no_column("the list of inputs", absent, names))
    kinds = {column.name: column.kind for column in encoding.columns}
    sources = {}
    for name in encoding.needed:
        variable, i = places[name]
        is_text = _is_text(variable)
        if is_text and kinds[name] not in LEVELS:
            raise ValueError(
                f"input {variable.raw_name!r:.60} is text, column {name!r:.60} expects "
                f"{'numbers' if kinds[name] == 'number' else 'seconds since 1970'}"
            )
        cell = variable.onnx_name
        if _width(variable, len(encoding.names)) > 1:
            cell = encoder.node(
                "Gather", [cell, encoder.constant([i], np.int64)], axis=1
            )
        sources[name] = (cell if is_text else encoder.cast(cell, np.float64)), is_text
    return sources


def _width(variable: Any, otherwise: int) -> int:
    """Columns of an input; all columns if the input does not state them."""
    shape = variable.type.shape
    return shape[1] if len(shape) == 2 and shape[1] else otherwise


def _is_text(variable: Any) -> bool:
    return type(variable.type).__name__ == "StringTensorType"


def _dtype_of(variable: Any) -> type[np.float32 | np.float64]:
    double = type(variable.type).__name__ == "DoubleTensorType"
    return np.float64 if double else np.float32


def _transfer(graph: Graph, scope: Any, operator: Any, container: Any) -> None:
    """Nodes and constants into skl2onnx's container, under names that are unique there."""
    attribute = graph.helper.get_attribute_value
    given = {v.onnx_name for v in [*operator.inputs, *operator.outputs]}
    names = {name: name for name in given}

    def unique(name: str) -> str:
        if name not in names:
            names[name] = scope.get_unique_variable_name(name)
        text: str = names[name]
        return text

    for name, tensor in graph.constants.items():
        container.add_initializer(unique(name), None, None, tensor)
    for node in graph.nodes:
        container.add_node(
            node.op_type,
            [unique(name) for name in node.input],
            [unique(name) for name in node.output],
            op_domain=node.domain,
            op_version=ML_OPSET if node.domain else None,
            name=scope.get_unique_operator_name(node.op_type),
            **{a.name: attribute(a) for a in node.attribute},
        )
