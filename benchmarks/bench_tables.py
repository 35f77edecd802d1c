"""Errors of the estimators' defaults, and of peers, on public tables.

    python benchmarks/bench_tables.py --protocol FOLDER            defaults, test rows
    python benchmarks/bench_tables.py --protocol FOLDER --peers    installed peers as well
    python benchmarks/bench_tables.py --protocol FOLDER --ablation what the defaults are for
    python benchmarks/bench_tables.py --protocol FOLDER --tune 24  tuned fits alone
    python benchmarks/bench_tables.py --protocol FOLDER --all-rows --methods LightGBM
    python benchmarks/bench_tables.py --protocol FOLDER --sets adult,california_raw

FOLDER holds tables_protocol.py (sets, splits, scores) with its data and the peers' stored
errors.  --ablation scores on a quarter of the *training* rows, so that nothing is chosen
by looking at test rows.  adult has the official test rows, california_raw a quarter of the
rows and the RMSE in 100 000 $ as its error; all their other rows are for training, and only
--sets takes them.  Ours run on one thread, and with OMP_NUM_THREADS=1 in the environment so
do the peers; seconds are of the CPU.
"""

import argparse
import json
import sys
import time
import warnings

import numpy as np
import pandas as pd
import sklearn.ensemble
import sklearn.neural_network
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from tqdm import tqdm

from regnet_c import RegNetClassifier, RegNetRegressor

ABLATIONS = {
    "defaults": {},
    "one member": {"n_members": 1},
    "no bins": {"encoder": "standard"},
    "no dropout": {"dropout": 0.0},
    "no weight decay": {"weight_decay": 0.0},
    "no label smoothing": {"label_smoothing": 0.0},
    "no L1": {"l1": 0.0},
    "five members": {"n_members": 5},
    "bias kinks": {"bias_init": "kinks"},
    "2 x 128": {"hidden_layer_sizes": (128, 128)},
    "1 x 256": {"hidden_layer_sizes": (256,)},
    "50 epochs": {"max_iter": 50},
    "constant rate": {"learning_rate": "constant", "n_iter_no_change": None},
    "scikit-learn's values": {"preset": "plain", "encoder": "standard"},
}


def ours(**params):
    """classification, seed -> an estimator of ours with these parameters."""

    def make(classification, seed):
        options = dict(params)
        if options.get("encoder") == "standard":
            from regnet_c.tables import TableEncoder

            options["encoder"] = TableEncoder(numeric="standard")
        if not classification:
            options.pop("label_smoothing", None)
        cls = RegNetClassifier if classification else RegNetRegressor
        return cls(random_state=seed, n_jobs=1, **options)

    return make


def prepared(model):
    """The model behind one-hot encoding, filling and standardising."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    levels = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = make_column_transformer(
        (levels, make_column_selector(dtype_include="category")), remainder=numbers
    )
    return make_pipeline(columns, model)


def peers():
    """name -> (classification, seed -> estimator) of the peers that are installed."""
    trees, nets = sklearn.ensemble, sklearn.neural_network

    def boosting(classification, seed):
        kind = "Classifier" if classification else "Regressor"
        cls = getattr(trees, f"HistGradientBoosting{kind}")
        return cls(random_state=seed, categorical_features="from_dtype")

    def perceptron(classification, seed):
        kind = "Classifier" if classification else "Regressor"
        return prepared(getattr(nets, f"MLP{kind}")(random_state=seed))

    found = {"HistGradientBoosting": boosting, "sklearn MLP": perceptron}
    try:
        import lightgbm
    except ImportError:
        return found

    def light(classification, seed):
        cls = lightgbm.LGBMClassifier if classification else lightgbm.LGBMRegressor
        return cls(random_state=seed, n_jobs=1, verbose=-1)

    return found | {"LightGBM": light}


ADULT = (
    "age workclass fnlwgt education education-num marital-status occupation relationship"
    " race sex capital-gain capital-loss hours-per-week native-country income"
).split()


def adult(folder, seed):
    """Rows to train on and the official test rows; labels there end in a full stop."""
    files = [folder / f"adult-{part}.csv.gz" for part in ("train", "test")]
    how = {"names": ADULT, "skipinitialspace": True, "na_values": "?"}
    parts = [pd.read_csv(file, **how) for file in files]
    frame, n = pd.concat(parts, ignore_index=True), len(parts[0])
    y = frame.pop("income").str.startswith(">").to_numpy().astype(int)
    for column in frame.select_dtypes(exclude="number"):
        frame[column] = frame[column].astype("category")
    X, X_test = (part.reset_index(drop=True) for part in (frame[:n], frame[n:]))
    return X, y[:n], X_test, y[n:], True


def california_raw(folder, seed):
    """Three quarters of the rows to train on, the others to test on; 100 000 $."""
    frame = pd.read_csv(folder / "california-raw.csv.gz")
    frame["ocean_proximity"] = frame["ocean_proximity"].astype("category")
    y = frame.pop("median_house_value").to_numpy() / 1e5
    train, test = train_test_split(np.arange(len(y)), test_size=0.25, random_state=seed)
    X, X_test = (frame.iloc[part].reset_index(drop=True) for part in (train, test))
    return X, y[train], X_test, y[test], False


RAW = {"adult": adult, "california_raw": california_raw}


def rows(protocol, name, seed, cap, validation):
    """Training rows and those to score on."""
    if name in RAW:
        X, y, X_test, y_test, classification = RAW[name](protocol.FOLDER, seed)
    else:
        X, y, X_test, y_test, classification = protocol.split(name, seed, cap=cap)
    if not validation:
        return X, y, X_test, y_test, classification
    first, second = train_test_split(
        np.arange(len(y)),
        test_size=0.25,
        random_state=seed + 50,
        stratify=y if classification else None,
    )
    X_first, X_second = (X.iloc[r].reset_index(drop=True) for r in (first, second))
    return X_first, y[first], X_second, y[second], classification


def log_loss(y, p):
    return float(-np.mean(np.log(np.maximum(p[np.arange(len(y)), y], 1e-12))))


def measure(protocol, make, sets, seeds, cap, validation, label):
    """{set: (error, log loss or NaN, seconds)}, means over the splits."""
    results = {}
    for name in tqdm(sets, desc=f"{label:24.24}", leave=False):
        scores = []
        for seed in seeds:
            X, y, X_test, y_test, kind = rows(protocol, name, seed, cap, validation)
            start = time.process_time()
            model = make(kind, seed).fit(X, y)
            out = model.predict_proba(X_test) if kind else model.predict(X_test)
            seconds = time.process_time() - start
            loss = log_loss(y_test, out) if kind else np.nan
            unit = y_test.std() if name == "california_raw" else 1.0
            error = unit * protocol.score(y_test, out, kind)
            scores.append((error, loss, seconds))
        results[name] = np.mean(scores, axis=0)
    return results


def report(protocol, best, label, results):
    """A line of gaps to the best error of each set, log loss and seconds."""
    parts = []
    for names in (protocol.CLASSIFICATION, protocol.REGRESSION):
        errors = {n: results[n][0] for n in names if n in results}
        gap = protocol.gap(errors, best) if errors else np.nan
        parts.append(f"{gap:8.3f}")
    losses = [r[1] for r in results.values() if not np.isnan(r[1])]
    loss = np.mean(losses) if losses else np.nan
    seconds = np.mean([r[2] for r in results.values()])
    print(f"{label:24}{''.join(parts)}{loss:9.3f}{seconds:9.2f}", flush=True)


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--protocol", required=True, help="folder of the protocol")
    parser.add_argument("--peers", action="store_true", help="measure peers as well")
    parser.add_argument("--ablation", action="store_true", help="on validation rows")
    parser.add_argument("--tune", type=int, help="recipes to try, in place of defaults")
    parser.add_argument("--splits", type=int, default=3, help="of each set")
    parser.add_argument("--all-rows", action="store_true", help="not at most 3000")
    parser.add_argument("--sets", help="names, separated by commas; default: all")
    parser.add_argument("--methods", help="only these, separated by commas")
    args = parser.parse_args()
    sys.path.insert(0, args.protocol)
    import tables_protocol as protocol

    sets = args.sets.split(",") if args.sets else protocol.NAMES
    stored = json.loads((protocol.FOLDER / "peers.json").read_text())["methods"]
    known = [name for name in stored if not name.startswith("regnet_c")]
    best = {n: min(stored[p]["error"][n] for p in known) for n in protocol.NAMES}
    methods = {name: ours(**params) for name, params in ABLATIONS.items()}
    if args.methods:
        methods |= peers()
        methods = {name: methods[name] for name in args.methods.split(",")}
    elif args.tune:
        methods = {f"tune={args.tune}": ours(tune=args.tune)}
    elif not args.ablation:
        methods = {k: methods[k] for k in ("defaults", "one member")}
    methods |= peers() if args.peers else {}
    print(f"{'':24}{'gap c':>8}{'gap r':>8}{'log loss':>9}{'seconds':>9}")
    cap, found = None if args.all_rows else 3000, {}
    for label, make in methods.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            how = range(args.splits), cap, args.ablation, label
            found[label] = measure(protocol, make, sets, *how)
        report(protocol, best, label, found[label])
    print(f"\n{'set':16}{'best peer':>10}" + "".join(f"{k:>22.20}" for k in found))
    for name in sets:
        errors = "".join(f"{results[name][0]:22.4f}" for results in found.values())
        print(f"{name:16}{best.get(name, np.nan):10.4f}{errors}")


if __name__ == "__main__":
    main()
