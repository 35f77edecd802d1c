"""MNIST: train with L1, cut the network down, write C files, weigh and time them.

    python examples/mnist_ship.py mnist.npz

The NPZ has x_train, y_train, x_test and y_test.  A C compiler (cc) is needed.
"""

import ctypes
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np

import regnet_c as rn
from regnet_c.schedules import CosineDecay
from regnet_c.typing import AnyArray

Data: TypeAlias = tuple[AnyArray, AnyArray, AnyArray, AnyArray]

EPOCHS = 10


def load(path: str) -> Data:
    with np.load(path) as file:
        X, y, Xt, yt = (file[k] for k in ("x_train", "y_train", "x_test", "y_test"))
    scale = np.float32(255)
    return X.reshape(-1, 784) / scale, y, Xt.reshape(-1, 784) / scale, yt


def train(X: AnyArray, y: AnyArray, l1: float) -> rn.Network:
    penalty = rn.L1(l1)
    net = rn.Network(
        [
            rn.Dense(784, 300, activation="relu", weight_penalty=penalty),
            rn.Dense(300, 100, activation="relu", weight_penalty=penalty),
            rn.Dense(100, 10, weight_penalty=penalty),
        ],
        loss="softmax_cross_entropy",
    )
    net.fit(X, y, EPOCHS, 128, optimizer=rn.Adam(CosineDecay(2e-3, EPOCHS)))
    return net


def microseconds(call: Callable[[], object], seconds: float = 0.5) -> float:
    """Median time of a call."""
    times, end = list[float](), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(20):
            call()
        times.append((time.perf_counter() - start) / 20 * 1e6)
    return float(np.median(times))


def c_time(source: Path, x: AnyArray, *flags: str) -> float:
    """Microseconds of one row in the compiled file; every call takes the same row."""
    library = Path(tempfile.mkdtemp(dir=source.parent)) / "net.so"  # each loaded anew
    command = ["cc", "-std=c99", "-O2", "-shared", "-fPIC", *flags, source, "-lm", "-o"]
    subprocess.run([str(word) for word in [*command, library]], check=True)
    function = ctypes.CDLL(str(library)).net_predict
    y = np.empty(10, np.float32)
    pointers = ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(y.ctypes.data)
    return microseconds(lambda: function(*pointers))


def ship(net: rn.Network, small: rn.Network, Xt: AnyArray, yt: AnyArray) -> None:
    """Print sizes, accuracy and times of the exported files."""
    row = np.ascontiguousarray(Xt[:1, small.kept_inputs])
    print(f"  predict of one row: {microseconds(lambda: small.predict(row)):.1f} us")
    folder = Path(tempfile.mkdtemp())
    for dtype in ("float32", "int8"):
        for name, which in (("whole", net), ("compact", small)):
            report = which.to_c(folder / name, dtype, calibration=(Xt, yt))
            print(
                f"  {name:<8} {dtype:<8} {report['flash']:>7} bytes, ram "
                f"{report['ram']}, {report['exported']['accuracy']:.2%}, "
                f"{', '.join(layer['form'] for layer in report['layers'])}"
            )
        times = [
            c_time(folder / "compact.c", row, f) for f in ("-mfma", "-DNET_NO_FMA")
        ]
        print(f"    one row: {times[0]:.1f} us, without FMA {times[1]:.1f} us")


def main(path: str) -> None:
    X, y, Xt, yt = load(path)
    for l1 in (2e-5, 5e-5, 1e-4):
        net = train(X, y, l1)
        small = net.compact()
        units = "-".join(str(len(biases)) for biases in small.get_weights()[1::2])
        print(f"l1 {l1}: {net.zeros():.1%} zeros, {len(small.kept_inputs)}-{units}")
        ship(net, small, Xt, yt)


if __name__ == "__main__":
    main(sys.argv[1])
