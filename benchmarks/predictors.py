"""The libraries of bench_predict.py, one small class each: a network of given weights.

All compute the same multilayer perceptron (ReLU inside, linear output, float32) from
[W0, b0, W1, b1, ...]; `predict(x)` returns a NumPy array of shape (n, n_out).  Each
class imports its library itself, so that one worker process holds one library.
"""

import numpy as np


class Regnet:
    """regnet_c's `Network.predict`."""

    def __init__(self, weights, threads):
        import regnet_c as rn

        last = len(weights) // 2 - 1
        layers = [
            rn.Dense(*w.shape, activation="identity" if i == last else "relu")
            for i, w in enumerate(weights[0::2])
        ]
        self._network = rn.Network(layers)
        self._network.set_weights(weights)
        self._threads = threads

    def predict(self, x):
        return self._network.predict(x, threads=self._threads)


class NumPy:
    """Matrix products and np.maximum."""

    def __init__(self, weights, threads):
        self._weights = weights

    def predict(self, x):
        *hidden, w, b = self._weights
        for i in range(0, len(hidden), 2):
            x = x @ hidden[i]
            x += hidden[i + 1]
            np.maximum(x, 0, out=x)
        return x @ w + b


class Torch:
    """PyTorch, from NumPy array to NumPy array, in inference mode."""

    def __init__(self, weights, threads):
        import torch

        torch.set_num_threads(threads)
        self._torch = torch
        self._weights = [torch.from_numpy(w) for w in weights]

    def predict(self, x):
        torch = self._torch
        with torch.inference_mode():
            x = torch.from_numpy(x)
            *hidden, w, b = self._weights
            for i in range(0, len(hidden), 2):
                x = torch.relu_(torch.addmm(hidden[i + 1], x, hidden[i]))
            return torch.addmm(b, x, w).numpy()


class Sklearn:
    """scikit-learn's MLPRegressor with the weights put in."""

    def __init__(self, weights, threads):
        from sklearn.neural_network import MLPRegressor

        hidden = tuple(len(b) for b in weights[1:-1:2])
        self._model = MLPRegressor(hidden_layer_sizes=hidden)
        rows = np.zeros((2, len(weights[0])), np.float32)
        self._model.partial_fit(rows, np.zeros(2, np.float32))  # allocates
        self._model.coefs_ = weights[0::2]
        self._model.intercepts_ = weights[1::2]

    def predict(self, x):
        return self._model.predict(x).reshape(len(x), -1)


class OnnxRuntime:
    """ONNX Runtime on a graph of Gemm and Relu."""

    def __init__(self, weights, threads):
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        model = _onnx_model(weights).SerializeToString()
        self._session = ort.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )

    def predict(self, x):
        return self._session.run(None, {"x": x})[0]


def _onnx_model(weights):
    from onnx import TensorProto, helper, numpy_helper

    nodes, name, last = [], "x", len(weights) // 2 - 1
    for i in range(last + 1):
        inputs = [name, f"p{2 * i}", f"p{2 * i + 1}"]
        nodes.append(helper.make_node("Gemm", inputs, [f"z{i}"]))
        name = f"z{i}"
        if i < last:
            nodes.append(helper.make_node("Relu", [name], [f"a{i}"]))
            name = f"a{i}"
    tensors = [numpy_helper.from_array(w, f"p{i}") for i, w in enumerate(weights)]
    sizes = len(weights[0]), len(weights[-1])

    def value(name, size):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", size])

    graph = helper.make_graph(
        nodes, "mlp", [value("x", sizes[0])], [value(name, sizes[1])], tensors
    )
    opset = helper.make_opsetid("", 17)
    return helper.make_model(graph, opset_imports=[opset], ir_version=8)


PREDICTORS = {
    "regnet": Regnet,
    "numpy": NumPy,
    "onnxruntime": OnnxRuntime,
    "torch": Torch,
    "sklearn": Sklearn,
}
