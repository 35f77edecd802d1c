"""Exported networks: compiled C, and ONNX, PyTorch and scikit-learn there and back."""

import ctypes
import shutil
import subprocess

import numpy as np
import pytest

import regnet_c as rn
from regnet_c.export import c_layer
from regnet_c.export.plain import PlainLayer
from regnet_c.layers import ACTIVATIONS

CC = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
FLAGS = "-std=c99 -Wall -Wextra -Werror -pedantic -ffp-contract=off".split()
HIDDEN = ACTIVATIONS[:-1]
needs_cc = pytest.mark.skipif(CC is None, reason="no C compiler")


def make_net(sizes, activation="relu", loss="mse", density=1.0, seed=0, **options):
    """A network with random weights, some of them zero."""
    rng = np.random.default_rng(seed)
    dense = {
        k: options.pop(k) for k in ("use_bias", "activation_param") if k in options
    }
    layers = [
        rn.Dense(n, m, activation=activation, **dense)
        for n, m in zip(sizes[:-2], sizes[1:-1], strict=True)
    ]
    dense.pop("activation_param", None)
    layers.append(rn.Dense(*sizes[-2:], **dense))
    net = rn.Network(layers, loss=loss, **options)
    weights = [
        rng.normal(0, 2 / np.sqrt(len(w) * density), w.shape)
        * (rng.random(w.shape) < (density if w.ndim == 2 else 1))
        for w in net.get_weights()
    ]
    net.set_weights(weights)
    return net


def compile_c(source, output, *options):
    run = subprocess.run(
        [CC, *FLAGS, *options, str(source), "-o", str(output), "-lm"],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[:2000]
    return output


def predict_c(source, X, n_out, *options, prefix="net"):
    """(outputs, classes) of the compiled file for rows X, called one by one."""
    library = compile_c(
        source, source.with_suffix(".so"), "-shared", "-fPIC", "-O1", *options
    )
    function = ctypes.CDLL(str(library))[f"{prefix}_predict"]
    X = np.ascontiguousarray(X, np.float32)
    out = np.empty((len(X), n_out), np.float32)
    classes = [
        function(ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(y.ctypes.data))
        for x, y in zip(X, out, strict=True)
    ]
    return out, classes


def run_self_test(source, *options):
    program = compile_c(source, source.with_suffix(".exe"), *options)
    return subprocess.run([str(program)], capture_output=True, text=True)


def ulps(got, want):
    """Largest difference in units of the last place; denormal numbers count as zero."""
    tiny = np.finfo(np.float32).tiny
    got, want = (np.where(np.abs(y) < tiny, 0, y) for y in (got, want))
    unit = np.spacing(np.maximum(np.abs(want), tiny))
    return float((np.abs(got.astype(np.float64) - want) / unit).max())


@needs_cc
@pytest.mark.parametrize("activation", HIDDEN)
def test_c_has_the_bits_of_predict(activation, tmp_path, rng):
    net = make_net([9, 17, 6, 5], activation, "softmax_cross_entropy")
    net.to_c(tmp_path / "net")
    X = rng.normal(0, 3, (400, 9)).astype(np.float32)
    X[0], X[1] = 0, 1e4
    want = net.predict(X)
    got, classes = predict_c(tmp_path / "net.c", X, 5)
    assert ulps(got, want) <= (0 if rn.cpu_info()["fused"] else 400)
    assert classes == want.argmax(axis=1).tolist()
