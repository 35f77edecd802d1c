"""How much faster predictions from non-zero weights are, and from which density on.

    python benchmarks/bench_sparse.py [--quick] [--isa avx2]

First table: a 784-300-100-10 network, 90 % zeros at random places, `predict` as a user
calls it, beside ONNX Runtime's dense figure if it and onnx are installed.  Second table:
one layer alone, dense time / sparse time for each density, and the density at which both
take the same time: the constants of `regnet_c/_core/sparse.py` come from here.

Bits are compared before anything is timed.  Times are the best of interleaved repeats, of
one thread in its own CPU time, so that other programs disturb little, except where two
threads are named: there it is the clock on the wall.
"""

import argparse
import os
import time
from functools import partial

import numpy as np

import regnet_c as rn
from regnet_c._core import binding, sparse

SHAPES = [(64, 64), (784, 300), (300, 100), (1000, 1000), (2000, 10), (30, 3000)]
BATCHES = [1, 2, 8, 16, 64, 1000]
DENSITIES = [0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5]


def best_times(functions, seconds, clock=time.thread_time):
    """Best time per call of each function, in seconds; the functions take turns."""
    calls = {}
    for name, function in functions.items():
        start = clock()
        function()
        calls[name] = max(1, int(1e-3 / max(clock() - start, 1e-9)))
    best = dict.fromkeys(functions, np.inf)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for name, function in functions.items():
            start = clock()
            for _ in range(calls[name]):
                function()
            best[name] = min(best[name], (clock() - start) / calls[name])
    return best


def thin(net, density, rng):
    """Leave this share of the weights, at random places."""
    weights = net.get_weights()
    for w in weights:
        if w.ndim == 2:
            w *= rng.random(w.shape) < density
    net.set_weights(weights)
    return net


def without_lists(net):
    """A network with the same weights that never uses lists."""
    other = rn.Network(net.layers, net.loss, net.dtype)
    other.set_weights(net.get_weights())
    other._weights.sparse.layers = lambda n: None
    return other


def onnx_session(net, threads):
    """ONNX Runtime on the same network with dense weights, or None."""
    try:
        import onnx
        import onnxruntime
        from onnx import TensorProto, helper, numpy_helper
    except ImportError:
        return None
    nodes, tensors, weights, last = [], [], iter(net.get_weights()), "x"
    layers = [layer for layer in net.layers if isinstance(layer, rn.Dense)]
    for i, layer in enumerate(layers):
        tensors += [
            numpy_helper.from_array(next(weights), f"{name}{i}") for name in ("w", "b")
        ]
        nodes.append(helper.make_node("Gemm", [last, f"w{i}", f"b{i}"], [f"z{i}"]))
        last = f"z{i}"
        if layer.activation == "relu":
            nodes.append(helper.make_node("Relu", [last], [f"a{i}"]))
            last = f"a{i}"
    nodes.append(helper.make_node("Softmax", [last], ["y"]))
    shapes = {"x": layers[0].n_in, "y": layers[-1].n_out}
    x, y = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, size])
        for name, size in shapes.items()
    )
    graph = helper.make_graph(nodes, "mlp", [x], [y], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def print_network(seconds, rng):
    net = rn.Network(
        [
            rn.Dense(784, 300, activation="relu"),
            rn.Dense(300, 100, activation="relu"),
            rn.Dense(100, 10),
        ],
        loss="softmax_cross_entropy",
    )
    thin(net, 0.1, rng)
    dense = without_lists(net)
    X = rng.normal(size=(10_000, 784)).astype(np.float32)
    print("784-300-100-10, 90 % zeros, microseconds\n")
    print("| rows | threads | dense | sparse | dense / sparse | ONNX Runtime, dense |")
    print("|---|---|---|---|---|---|")
    for n, threads in ((1, 1), (8, 1), (100, 1), (10_000, 1), (10_000, 2)):
        x = X[:n]
        want = dense.predict(X[: max(n, 100)])[:n]  # large enough to make the lists
        net.predict(X[:100])
        assert net.predict(x).tobytes() == want.tobytes()
        functions = {
            "dense": partial(dense.predict, x, threads),
            "sparse": partial(net.predict, x, threads),
        }
        session = onnx_session(net, threads)
        if session is not None:
            np.testing.assert_allclose(session.run(None, {"x": x})[0], want, atol=1e-5)
            functions["onnx"] = partial(session.run, None, {"x": x})
        clock = time.thread_time if threads == 1 else time.perf_counter
        t = {k: 1e6 * v for k, v in best_times(functions, seconds, clock).items()}
        onnx = f"{t['onnx']:.1f}" if "onnx" in t else "not installed"
        print(
            f"| {n} | {threads} | {t['dense']:.1f} | {t['sparse']:.1f} "
            f"| {t['dense'] / t['sparse']:.2f} | {onnx} |"
        )


def layer_ratios(n_in, n_out, n, dtype, seconds, rng):
    """Dense time / sparse time of one layer for each density."""
    x = rng.normal(size=(n, n_in)).astype(dtype)
    out, source, ratios = np.empty((n, n_out), dtype), binding.Source(x), []
    for density in DENSITIES:
        net = thin(rn.Network([rn.Dense(n_in, n_out)], dtype=dtype), density, rng)
        model = net._weights.predictor
        lists = binding.SparseLayers([sparse.sparse_lists(net._weights.views[0])])
        t = best_times(
            {
                "dense": partial(model.predict, source, out, False, 1),
                "sparse": partial(model.predict, source, out, False, 1, 0, lists),
            },
            seconds,
        )
        ratios.append(t["dense"] / t["sparse"])
    return np.array(ratios)


def crossing(ratios):
    """The density at which the ratio falls to 1, between two measured ones."""
    below = np.flatnonzero(ratios < 1)
    if not len(below):
        return f"> {DENSITIES[-1]}"
    i = below[0]
    if i == 0:
        return f"< {DENSITIES[0]}"
    share = (ratios[i - 1] - 1) / (ratios[i - 1] - ratios[i])
    return f"{DENSITIES[i - 1] + share * (DENSITIES[i] - DENSITIES[i - 1]):.2f}"


def print_layers(dtype, seconds, rng):
    print(f"\n{dtype}, one layer: dense time / sparse time by density\n")
    heads = [f"{d:.0%}" for d in DENSITIES]
    print(f"| layer | rows | {' | '.join(heads)} | equal at | making the lists |")
    print("|" + "---|" * (len(heads) + 4))
    for n_in, n_out in SHAPES:
        net = thin(rn.Network([rn.Dense(n_in, n_out)], dtype=dtype), 0.1, rng)
        w = net._weights.views[0]
        making = best_times({"making": partial(sparse.sparse_lists, w)}, seconds)
        for n in BATCHES:
            ratios = layer_ratios(n_in, n_out, n, dtype, seconds, rng)
            cells = " | ".join(f"{r:.1f}" for r in ratios)
            print(
                f"| {n_in}x{n_out} | {n} | {cells} | {crossing(ratios)} "
                f"| {1e6 * making['making']:.0f} us |",
                flush=True,
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a few seconds in all")
    parser.add_argument("--isa", help="instruction set, default the best")
    parser.add_argument("--dtype", default="float32")
    arguments = parser.parse_args()
    if arguments.isa:
        binding.set_isa(arguments.isa)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(f"{binding.current_isa()}, load {load:.1f}\n")
    rng = np.random.default_rng(0)
    print_network(0.1 if arguments.quick else 3, rng)
    print_layers(arguments.dtype, 0.002 if arguments.quick else 0.1, rng)


if __name__ == "__main__":
    main()
