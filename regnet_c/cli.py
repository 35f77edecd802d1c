"""The command line: train, predict, export, reproduce, info.

Errors are one line on standard error and exit status 2; Ctrl-C while training saves the
network as it stands and exits with 130.
"""

import argparse
import csv
import sys

from . import __version__, _check, cpu_info, data, train_command
from .encoding import Encoding
from .export import command as export_command
from .network import Network
from .reproduce import command as reproduce_command


class _Parser(argparse.ArgumentParser):
    """An argparse parser whose errors are one line."""

    def error(self, message):
        print(f"regnet-c: error: {message}", file=sys.stderr)
        sys.exit(2)


def build_parser():
    """The argument parser of all commands."""
    formatter = {"formatter_class": argparse.ArgumentDefaultsHelpFormatter}
    parser = _Parser(
        prog="regnet-c", description="Regularised neural networks on the CPU."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    train_command.add_parser(commands, **formatter)
    predict = commands.add_parser(
        "predict", help="apply a saved model to a file and write a CSV", **formatter
    )
    predict.add_argument("model", help="file written by train")
    predict.add_argument(
        "data", help="CSV or NPZ with the columns of the training file"
    )
    predict.add_argument("--output", default="predictions.csv", help="CSV to write")
    predict.add_argument("--threads", type=int, help="at most this many threads")
    predict.set_defaults(run=run_predict)
    export_command.add_parser(commands, **formatter)
    reproduce_command.add_parser(commands, **formatter)
    info = commands.add_parser("info", help="version, CPU variant, threads, flags")
    info.set_defaults(run=run_info)
    return parser


def run_predict(args):
    """Write a CSV with one line per row of the data file."""
    _check.check_output(args.output)
    network = Network.load(args.model)
    encoding = Encoding.of(network, args.model)
    if encoding.columns is None:
        if not data.is_npz(args.data):
            raise ValueError(
                f"{args.model} was trained on an NPZ file, expected another"
            )
        X = encoding.encode_arrays(data.read_npz(args.data, need_target=False)[0])
    else:
        if data.is_npz(args.data):
            raise ValueError(
                f"{args.model} was trained on a CSV file, expected another"
            )
        X = encoding.encode_table(data.read_csv(args.data))
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


def run_info(args):
    """Print what the package runs on."""
    info = cpu_info()
    print(f"regnet_c     {__version__}")
    print(f"CPU variant  {info['isa']} (available: {', '.join(info['available'])})")
    print(f"threads      {info['threads']}")
    print(f"same bits    {'yes' if info['fused'] else 'to tolerance'} on every CPU")
    print(f"build flags  {info['build_flags']}")
    return 0


def main(argv=None):
    """Run a command; the exit status."""
    args = build_parser().parse_args(argv)
    try:
        return args.run(args)
    except KeyboardInterrupt:
        print("regnet-c: interrupted", file=sys.stderr)
        return 130
    except (ValueError, TypeError, ArithmeticError, OSError, MemoryError) as error:
        message = " ".join(str(error).split()) or type(error).__name__
        print(f"regnet-c: error: {message}", file=sys.stderr)
        return 2
