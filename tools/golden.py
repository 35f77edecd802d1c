"""Writes the files of this release that every later one must read: tests/golden/VERSION.

    python tools/golden.py [FOLDER]

Once for each version that changes a file format, before its release; an existing folder is
never overwritten.  Needs pandas, pyarrow and scikit-learn.  tests/test_golden.py reads all
folders, tests/golden_files.py states what of them is compared.
"""

import json
import sys
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from golden_files import call, numbers, results, training  # noqa: E402

import regnet_c as rn  # noqa: E402
from regnet_c._core import binding  # noqa: E402
from regnet_c.activations import ACTIVATIONS  # noqa: E402
from regnet_c.losses import LOSSES  # noqa: E402

N = 12
PENALTIES = [
    rn.L1(1e-2),
    rn.L1(1e-2, rule="proximal"),
    rn.L1(1e-2, rule="shrink_first"),
    rn.L1(1e-2, rule="subgradient", sign_at_zero=1),
    rn.L2(1e-2),
    rn.ElasticNet(1e-2, 1e-3),
    rn.GroupLasso(1e-2),
    rn.GroupLasso(1e-2, groups="inputs"),
    rn.GroupLasso(1e-2, groups=[[0, 2], [1, 3]]),
    rn.SparseGroupLasso(1e-2, 1e-2),
    rn.NonNegative(rn.L1(1e-2)),
    rn.NonNegative(),
]


def fitted(layers, loss, y, dtype="float32"):
    """A network after a few steps on numbers that are the same everywhere."""
    net = rn.Network(layers, loss, dtype=dtype, seed=1)
    net.fit(
        numbers(N, net.n_inputs), y, epochs=2, batch_size=4, optimizer=rn.Adam(0.01)
    )
    return net


def networks():
    """{name of a file: network}: every activation, penalty and loss."""
    hidden = [name for name in ACTIVATIONS if name != "softmax"]
    classes, targets = np.arange(N) % 3, numbers(N, 2) ** 2 / 4
    layers = [rn.Dense(4, 4, name) for name in hidden]
    layers[0] = rn.Dense(4, 4, hidden[0], use_bias=False, max_norm=1.5)
    layers += [rn.Dense(4, 4, "elu", activation_param=0.5), rn.Dense(4, 3, "softmax")]
    penalties = [rn.Dropout(0.1)]
    for penalty in PENALTIES:
        penalties += [rn.Dense(4, 4, "tanh", penalty), rn.Dropout(0.125)]
    penalties += [rn.Dense(4, 2, bias_penalty=rn.L2(1e-2), weight_init=0.5)]
    sparse = fitted([rn.Dense(6, 5, "relu"), rn.Dense(5, 2)], "mse", targets)
    weights = sparse.get_weights()
    weights[0][[1, 4]] = weights[0][:, 2] = 0
    sparse.set_weights(weights)
    sparse.metadata = {"note": "inputs 1 and 4 are not read", "numbers": [1, 0.1]}
    found = {
        "activations": fitted(layers, "squared_error", targets[:, [0, 1, 0]] / 4),
        "penalties": fitted(penalties, "mse", targets, "float64"),
        "compact": sparse.compact(),
    }
    for name in LOSSES:
        y, n_out = (classes, 3) if name == "softmax_cross_entropy" else (targets, 2)
        y = (targets > 1).astype(float) if name == "binary_cross_entropy" else y
        pair = [rn.Dense(3, 4, "relu"), rn.Dense(4, n_out)]
        found[f"loss_{name}"] = fitted(pair, name, y)
    return found


def table(n):
    """A frame with numbers, a category, a date and holes."""
    i = np.arange(n)
    frame = pd.DataFrame(
        {
            "size": numbers(n, 1)[:, 0] + 20,
            "town": np.array(["Bern", "Rome", "Ōsaka, east"])[i * 7 % 3],
            "built": pd.Timestamp("2001-02-03") + pd.to_timedelta(i * 100, unit="D"),
        }
    )
    frame.loc[i % 7 == 2, "size"] = np.nan
    frame.loc[i % 11 == 3, "town"] = None
    return frame


def write_tables(folder):
    """A classifier and a regressor with their encoders, and rows for them."""
    X, options = table(60), {"max_iter": 5, "random_state": 0, "n_members": 1}
    value = X["size"].fillna(20) + (X["town"] == "Rome")
    classes = np.where(value > 20, "dear", "cheap")
    models = {
        "table_classifier": rn.RegNetClassifier((4,), **options).fit(X, classes),
        "table_regressor": rn.RegNetRegressor((4,), **options).fit(X, value),
    }
    rows = table(9)
    rows.loc[4, "town"] = "a town of later"
    for name, model in models.items():
        model.network_.save(folder / f"{name}.safetensors")
        rows.to_csv(folder / f"{name}.csv", index=False)


def write(folder):
    """Every file of the folder."""
    made = networks()
    for name, net in made.items():
        net.save(folder / f"{name}.safetensors")
    write_tables(folder)
    net, X, y = training()
    net.fit(X, y, **call(folder / "checkpoint.safetensors", 2))
    made["activations"].to_c(folder / "float.c")
    small, data = made["loss_mse"], (numbers(N, 3), numbers(N, 2) ** 2 / 4)
    small.to_c(folder / "int8.c", dtype="int8", calibration=data)


def main(arguments):
    """Write a new folder; its models' results on every variant of this machine."""
    place = arguments[0] if arguments else ROOT / "tests/golden" / rn.__version__
    folder = Path(place)
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        sys.exit(f"{folder} exists: what a release has written stays as it is")
    warnings.simplefilter("ignore")
    write(folder)
    expected = {}
    for isa in binding.available_isas():
        binding.set_isa(isa)
        kind = "fused" if binding.is_fused() else "unfused"
        found = results(folder)
        assert expected.setdefault(kind, found) == found, f"{isa} has other bits"
    text = json.dumps(expected, indent=1, ensure_ascii=False) + "\n"
    (folder / "expected.json").write_text(text, encoding="utf-8")
    print(f"{folder}: {len(list(folder.iterdir()))} files")


if __name__ == "__main__":
    main(sys.argv[1:])
