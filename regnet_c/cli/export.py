"""The command `export`: a saved model as C or ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..export.c import DTYPES, to_c
from ..network import Network
from ..tables import npz
from ..tables.form import KEY, TableForm
from . import data

if TYPE_CHECKING:
    from argparse import Namespace

    from ..typing import AnyArray, StrPath
    from .data import Commands

_ABOUT = """\
Writes the network together with the encoder of its table.  The C file takes raw rows
(PREFIX_predict_row: numbers, NAN where one is missing, levels by PREFIX_level_code) and
names the classes; the ONNX file has one input per column and returns the names of
classes, or the target in its own unit.
"""


def add_parser(commands: Commands, **options: Any) -> None:
    """Add the command to an argparse object of sub-commands."""
    parser = commands.add_parser(
        "export",
        help="write a saved model as one C file or as ONNX",
        description=_ABOUT,
        **options,
    )
    parser.add_argument("model", help="file written by train")
    parser.add_argument("output", help="file to write: .c (with its .h) or .onnx")
    parser.add_argument(
        "--dtype",
        choices=DTYPES,
        default=DTYPES[0],
        help="type of the stored weights (C only)",
    )
    parser.add_argument("--prefix", default="net", help="prefix of all names (C only)")
    parser.add_argument(
        "--compact",
        action="store_true",
        help="first remove inputs, units and layers without effect",
    )
    parser.add_argument(
        "--calibration",
        metavar="FILE",
        help="raw rows with their target (CSV, Parquet, ...; or NPZ) on which the exported "
        "network is evaluated (C only)",
    )
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    """Write the file and print its size."""
    suffix = Path(args.output).suffix
    if suffix not in (".c", ".onnx"):
        raise ValueError(f"{args.output} ends in {suffix!r}, expected .c or .onnx")
    written = [args.output]
    if suffix == ".c":
        written.append(str(Path(args.output).with_suffix(".h")))
    for path in written:
        data.check_not_an_input(path, args.calibration, args.model)
    network = Network.load(args.model)
    if args.compact:
        network = network.compact()
    if suffix == ".onnx":
        if args.dtype != "float32" or args.calibration or args.prefix != "net":
            raise ValueError("--dtype, --prefix and --calibration are for C files")
        _write_onnx(network, args.output)
        files = [args.output]
    else:
        calibration = None
        if args.calibration:
            calibration = read_calibration(network, args.model, args.calibration)
        report = to_c(network, args.output, args.dtype, args.prefix, calibration)
        files = report["files"]
        _print_report(report)
    print(f"inputs               {len(network.kept_inputs)} of {network.n_inputs}")
    print(f"written              {', '.join(files)}")
    return 0


def _write_onnx(network: Network, path: StrPath) -> None:
    try:
        network.to_onnx(path)
    except ImportError as error:
        raise ValueError(error) from None


def _print_report(report: dict[str, Any]) -> None:
    for number, row in enumerate(report["layers"]):
        print(
            f"layer {number}: {row['n_in']} x {row['n_out']:<5} {row['weights']} weights, "
            f"{row['form']}, {row['bytes']} bytes"
        )
    print(f"flash                {report['flash']} bytes of constants")
    print(f"ram                  {report['ram']} bytes of buffers on the stack")
    for name in ("original", "exported"):
        if name in report:
            scores = ", ".join(f"{k} {v:.6g}" for k, v in report[name].items())
            print(f"{name:<20} {scores}")


def read_calibration(
    network: Network, model: str, path: StrPath
) -> tuple[Any, AnyArray]:
    """(X, y) of a file, encoded as the metadata of the network say; `model`: its file."""
    if KEY not in network.metadata:
        return npz.read_npz(path)
    form = TableForm.of(network, model)
    return data.encoded_file(form, network, path, form.dialect, need_target=True)
