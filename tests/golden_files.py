"""What the files of a release must still give, for test_golden.py and tools/golden.py.

A folder of tests/golden has models (*.safetensors), a checkpoint, tables with the rows they
predict, and exported C.  `results` reads all of them and returns what expected.json has:
bits as hexadecimal numbers (those of CPUs without fused multiply-add apart), and numbers
that are equal to rounding.
"""

import contextlib
import hashlib
import io
import shutil
import tempfile
from pathlib import Path

import numpy as np

import regnet_c as rn
from regnet_c.cli import main

ROWS, EPOCHS = 7, 4


def numbers(rows, columns):
    """Multiples of 1/8 that are the same everywhere, float64 (rows, columns)."""
    i, j = np.ogrid[:rows, :columns]
    return ((i * 37 + j * 11 + i * j) % 29 - 14) / 8


def hexadecimal(arrays):
    """The bits of arrays, end to end."""
    return b"".join(np.ascontiguousarray(a).tobytes() for a in arrays).hex()


def call(path, epochs):
    """Arguments of the training that the checkpoint is of."""
    return {
        "epochs": epochs,
        "batch_size": 4,
        "optimizer": rn.Adam(rn.schedules.CosineDecay(0.05, EPOCHS)),
        "validation_data": (numbers(5, 3), np.arange(5) % 2),
        "callbacks": [rn.EarlyStopping(patience=3), rn.Checkpoint(path)],
    }


def training():
    """A network, and the data that it is trained on."""
    layers = [
        rn.Dense(3, 5, "tanh", rn.L1(1e-2), max_norm=2.0),
        rn.Dropout(0.25),
        rn.Dense(5, 2, weight_penalty=rn.GroupLasso(1e-2)),
    ]
    net = rn.Network(layers, "softmax_cross_entropy", dtype="float32", seed=3)
    return net, numbers(11, 3), np.arange(11) % 2


def resumed(path):
    """Weights of a training that continues a copy of this checkpoint."""
    net, X, y = training()
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copy(path, folder)
        net.fit(X, y, **call(copy, EPOCHS), resume_from=copy)
    return net.get_weights()


def table_predictions(path):
    """What the command line predicts for the rows beside this model."""
    rows = path.with_suffix(".csv")
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.redirect_stdout(io.StringIO()),
    ):
        output = Path(folder, "predictions.csv")
        assert main(["predict", str(path), str(rows), "--output", str(output)]) == 0
        return output.read_text()


def reading(net):
    """{what: result} of a loaded network; of its weights a hash."""
    X = numbers(ROWS, net.n_inputs)
    out = net.predict(X)
    y = np.zeros(ROWS, int) if net.loss.takes_labels else np.zeros_like(out)
    weights = hexadecimal(net.get_weights())
    return {
        "predicted": hexadecimal([out]),
        "weights": hashlib.sha256(bytes.fromhex(weights)).hexdigest(),
        "metadata": net.metadata,
        "numbers": net.evaluate(X, y),  # with the penalties' value
    }


def results(folder, tables=True):
    """{name of a file: its results} of every model and checkpoint of a folder.

    Without `tables`, which need packages, nothing is read through an encoder.
    """
    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        found[path.name] = reading(rn.Network.load(path))
        if tables and path.stem.startswith("table_"):
            found[path.name]["table"] = table_predictions(path)
        if path.stem == "checkpoint":
            found[path.name]["resumed"] = hexadecimal(resumed(path))
    return found
