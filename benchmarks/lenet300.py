"""LeNet-300-100 on MNIST: how small it gets, and at what error.

    python benchmarks/lenet300.py mnist.npz --markdown lenet300.md --png lenet300.png

The NPZ has x_train, y_train, x_test and y_test.  `train` is the whole recipe: one network,
one `fit`.  Each network is cut down by `compact()` and written by `to_c()`; the error on
the 10 000 test images is that of the C file.  The recipe was chosen on the last 10 000
training images (`--validate` trains without them and measures on them); nothing was chosen
on the test images, and no image but the 60 000 is used.
"""

import argparse
import itertools
import json
import tempfile
import time
from pathlib import Path
from statistics import mean

import numpy as np

import regnet_c as rn
from regnet_c.schedules import CosineDecay

DENSITIES = (0.028, 0.012, 0.02)
PUBLISHED = {  # (error in %, bytes), as the papers count them; sources in the docs
    "Deep Compression": (1.58, 27_000),
    "L0, 266-88-33": (1.8, 106_060),
    "RigL+ (mean)": (1.69, 16_113),
}


def train(X, y, density, seed=0, epochs=60, threads=None):
    """A network with this share of its weights; all that `fit` is told is here."""
    penalty = rn.L1(4e-5)
    net = rn.Network(
        [
            rn.Dropout(0.15),
            rn.Dense(784, 300, activation="relu", weight_penalty=penalty),
            rn.Dense(300, 100, activation="relu", weight_penalty=penalty),
            rn.Dense(100, 10, weight_penalty=penalty),
        ],
        loss="softmax_cross_entropy",
        seed=seed,
    )
    net.fit(
        X,
        y,
        epochs=epochs,
        batch_size=128,
        optimizer=rn.Adam(CosineDecay(2e-3, epochs)),
        callbacks=[rn.Prune(density, begin=2, end=epochs * 2 // 3)],
        keep_zeros=True,
        threads=threads,
    )
    return net


def load(path, validate):
    """(X, y, X of the test, y of the test), pixels in [0, 1]."""
    with np.load(path) as file:
        X, y, Xt, yt = (file[k] for k in ("x_train", "y_train", "x_test", "y_test"))
    if validate:
        X, y, Xt, yt = X[:-10_000], y[:-10_000], X[-10_000:], y[-10_000:]
    scale = np.float32(255)
    return X.reshape(-1, 784) / scale, y, Xt.reshape(-1, 784) / scale, yt


def bitmask_bytes(weights, sizes):
    """Four bytes for each weight left, one bit for each place (RigL's count)."""
    places = sum(a * b for a, b in itertools.pairwise(sizes))
    return 4 * weights + -(-places // 8)


def measure(net, Xt, yt):
    """What is left of the network, what its C files weigh and what they get wrong."""
    small = net.compact()
    dense = [layer for layer in small.layers if isinstance(layer, rn.Dense)]
    sizes = [len(small.kept_inputs), *(layer.n_out for layer in dense)]
    weights = sum(np.count_nonzero(w) for w in small.get_weights() if w.ndim == 2)
    result = {"sizes": sizes, "weights": int(weights)}
    with tempfile.TemporaryDirectory() as folder:
        for dtype in ("float32", "int8"):
            report = small.to_c(Path(folder) / "net", dtype, calibration=(Xt, yt))
            result[f"{dtype}_bytes"] = report["flash"]
            result[f"{dtype}_error"] = 100 * (1 - report["exported"]["accuracy"])
    return result | {"bitmask_bytes": bitmask_bytes(result["weights"], sizes)}


def table(results):
    """Lines of Markdown: a row for each density, means over the seeds."""
    lines = [
        (
            "| weights | network | int8: error, by seed | bytes | float32: error | bytes "
            "| floats + bit mask |"
        ),
        "|---|---|---|---|---|---|---|",
    ]
    for density in sorted({r["density"] for r in results}):
        rows = [r for r in results if r["density"] == density]
        m = {k: mean(r[k] for r in rows) for k in rows[0] if k != "sizes"}
        seeds = ", ".join(f"{r['int8_error']:.2f}" for r in rows)
        lines.append(
            f"| {m['weights']:.0f} | {'-'.join(map(str, rows[0]['sizes']))} "
            f"| **{m['int8_error']:.2f} %** ({seeds}) | {m['int8_bytes']:.0f} "
            f"| {m['float32_error']:.2f} % | {m['float32_bytes']:.0f} "
            f"| {m['bitmask_bytes']:.0f} |"
        )
    return lines


def plot(results, path):
    """The error-size curve beside the published points."""
    from matplotlib.figure import Figure

    ax = Figure(figsize=(6.4, 4), layout="constrained").subplots()
    counts = {
        "int8": "C file, int8 weights",
        "float32": "C file, float32 weights",
        "bitmask": "float32 weights and a bit mask",
    }
    for (key, label), marker in zip(counts.items(), "osD", strict=True):
        error = "int8_error" if key == "int8" else "float32_error"
        points = []
        for density in sorted({r["density"] for r in results}):
            rows = [r for r in results if r["density"] == density]
            size = mean(r[f"{key}_bytes"] for r in rows) / 1000
            points.append((size, mean(r[error] for r in rows)))
        ax.plot(*np.transpose(points), marker=marker, ms=4, label=label)
    for name, (error, size) in PUBLISHED.items():
        ax.plot(size / 1000, error, "kx")
        ax.annotate(
            name, (size / 1000, error), (5, 5), textcoords="offset points", size=8
        )
    ax.set_xscale("log")
    ax.set_xticks([5, 10, 20, 50, 100], [5, 10, 20, 50, 100])
    ax.xaxis.minorticks_off()
    ax.set_xlabel("thousand bytes")
    ax.set_ylabel("test error, %")
    ax.set_title("LeNet-300-100 on MNIST", loc="left", size=10)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, fontsize=8)
    ax.figure.savefig(path, dpi=130)


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("data", type=Path, help="NPZ with x_train, y_train, x_test, y_test")
    add("--densities", type=float, nargs="+", default=DENSITIES)
    add("--seeds", type=int, nargs="+", default=(0, 1, 2))
    add("--epochs", type=int, default=60)
    add("--threads", type=int)
    add("--validate", action="store_true", help="measure on 10 000 training images")
    add("--results", type=Path, metavar="FILE", help="JSON; runs found there are kept")
    add("--markdown", type=Path, metavar="FILE")
    add("--png", type=Path, metavar="FILE")
    return parser.parse_args()


def main():
    options = arguments()
    data = load(options.data, options.validate)
    results = []
    if options.results and options.results.exists():
        results = json.loads(options.results.read_text())
    done = {(r["density"], r["seed"]) for r in results}
    for density, seed in ((d, s) for d in options.densities for s in options.seeds):
        if (density, seed) in done:
            continue
        start = time.perf_counter()
        net = train(*data[:2], density, seed, options.epochs, options.threads)
        seconds = time.perf_counter() - start
        results.append({"density": density, "seed": seed, **measure(net, *data[2:])})
        print(f"{seconds:.0f} s, {results[-1]}", flush=True)
        if options.results:
            options.results.write_text(json.dumps(results, indent=1))
    lines = table(results)
    print("\n".join(lines))
    if options.markdown:
        options.markdown.write_text("\n".join(lines) + "\n")
    if options.png:
        plot(results, options.png)


if __name__ == "__main__":
    main()
