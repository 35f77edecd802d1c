"""The command `predict`: a saved model applied to a file, written as a CSV."""

import csv

from .._core import checks
from .._core.encoding import Encoding
from .._files import tables
from ..network import Network


def add_parser(commands, **options):
    """Add the command to an argparse object of sub-commands."""
    parser = commands.add_parser(
        "predict", help="apply a saved model to a file and write a CSV", **options
    )
    parser.add_argument("model", help="file written by train")
    parser.add_argument("data", help="CSV or NPZ with the columns of the training file")
    parser.add_argument("--output", default="predictions.csv", help="CSV to write")
    parser.add_argument("--threads", type=int, help="at most this many threads")
    parser.set_defaults(run=run)


def run(args):
    """Write a CSV with one line per row of the data file."""
    checks.check_output(args.output)
    network = Network.load(args.model)
    encoding = Encoding.of(network, args.model)
    if encoding.columns is None:
        if not tables.is_npz(args.data):
            raise ValueError(
                f"{args.model} was trained on an NPZ file, expected another"
            )
        X = encoding.encode_arrays(tables.read_npz(args.data, need_target=False)[0])
    else:
        if tables.is_npz(args.data):
            raise ValueError(
                f"{args.model} was trained on a CSV file, expected another"
            )
        X = encoding.encode_table(tables.read_csv(args.data))
    out = network.predict(X, threads=args.threads)
    with open(args.output, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if encoding.classes is None:
            writer.writerow([f"prediction_{i}" for i in range(out.shape[1])])
            writer.writerows(encoding.decode(out).tolist())
        else:
            names = encoding.classes
            writer.writerow(["prediction", *(f"probability_{name}" for name in names)])
            for row in out:
                writer.writerow([names[int(row.argmax())], *row.tolist()])
    print(f"{len(out)} predictions written to {args.output}")
    return 0
