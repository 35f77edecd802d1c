"""Files for the commands: reading, inferring, encoding, and reporting in a few lines."""

from __future__ import annotations

import argparse
import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

import numpy as np

from .._core import checks
from .._core.csr import CSR, take_rows
from ..datasets import load_digits
from ..kernels import permutation
from ..recipes.presets import AUTO, FEW_ROWS
from ..tables import npz, readers, sparse_files
from ..tables.columns import ArrayColumn, columns_of, parse_number
from ..tables.encoding import CellError
from ..tables.form import Dialect, TableForm
from ..tables.learning import Options, learn, learn_scale, no_column
from ..tables.numbers import METHODS
from ..tables.schema import shown
from ..tables.task import class_weights, encode_target, learn_target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from ..blocks import Blocks
    from ..network import Network
    from ..tables.columns import Column
    from ..tables.encoding import Encoding
    from ..tables.schema import Schema
    from ..tables.task import Target, TaskName
    from ..typing import AnyArray, BoolArray, Float64Array, IntArray, StrPath

    T = TypeVar("T")
    Commands: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]

EPOCH = 2**63  # of the random split: one that training never reaches
_CLASSES = 5  # named in a line


@dataclass
class TrainingData:
    """Encoded rows to train on and to validate on, and how they were read.

    With `blocks` those are trained on; X and y are a sample of them.
    """

    form: TableForm
    X: Any  # an array or CSR
    y: AnyArray
    validation: tuple[Any, AnyArray] | None  # (X, y)
    lines: list[str] = field(default_factory=list)
    schema: Schema | None = None
    weights: Float64Array | None = None
    blocks: Blocks | None = None

    @property
    def n(self) -> int:
        """Rows to train on."""
        return len(self.X) if self.blocks is None else sum(self.blocks.lengths)


# ---- options -------------------------------------------------------------------------


def add_dialect(parser: argparse._ActionsContainer, header: bool | None = True) -> None:
    """Options for the format of a file; None: detected, or as in training."""
    parser.add_argument(
        "--header",
        action="store_true",
        default=header,
        help="the first line of a CSV file has the names (the default)",
    )
    parser.add_argument(
        "--no-header",
        dest="header",
        action="store_false",
        help="it has no names: the columns are column_1, column_2, ...",
    )
    parser.add_argument(
        "--delimiter",
        type=_character,
        help="character between the cells of a CSV file; default: detected",
    )
    parser.add_argument(
        "--decimal",
        choices=(".", ","),
        help="decimal mark of the numbers in a CSV file; default: detected",
    )
    parser.add_argument(
        "--thousands",
        type=_character,
        help="thousands separator of the numbers in a CSV file; default: none",
    )
    parser.add_argument(
        "--missing",
        nargs="+",
        metavar="TEXT",
        help="cells of a CSV file that mean a missing value, besides empty ones; default: "
        "? and nan, and in columns of numbers NA, null, none",
    )


def add_columns(parser: argparse._ActionsContainer) -> None:
    """Options that override what was inferred about the columns."""
    for name, text in (
        ("drop", "columns to leave out"),
        ("categorical", "columns to treat as categories although they hold numbers"),
        ("numeric", "columns to treat as numbers although they hold text"),
    ):
        parser.add_argument(
            f"--{name}",
            nargs="+",
            metavar="COLUMN",
            default=[],
            action="extend",
            help=text,
        )
    parser.add_argument(
        "--encoding",
        default=Options.numeric,
        metavar="METHOD",
        help=f"encoding of numbers: {', '.join(METHODS)}, or two such as standard+ple; "
        "auto: these two, standard alone for over 100 columns",
    )
    parser.add_argument(
        "--bins",
        type=auto_int,
        default=Options.n_bins,
        help="bins per number, for ple; auto: 48 for 10 000 to 200 000 rows, else 16 (25 "
        "for as many values), or 8 with 25 or more columns of numbers",
    )
    parser.add_argument(
        "--min-frequency",
        type=auto_int,
        default=Options.min_frequency,
        metavar="ROWS",
        help="levels with fewer rows count as one; auto: one row in 500, at most 10",
    )


def _character(text: str) -> str:
    return {"\\t": "\t", "tab": "\t", "space": " "}.get(text, text)


def auto_or(convert: Callable[[str], T], expected: str) -> Callable[[str], T | str]:
    """argparse's type of what `convert` reads, or the word auto."""

    def read(text: str) -> T | str:
        try:
            return text if text == "auto" else convert(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r}, expected {expected}") from None

    return read


auto_int: Callable[[str], int | str] = auto_or(int, "a whole number or auto")


def dialect_of(args: argparse.Namespace, before: Dialect | None = None) -> Dialect:
    """The Dialect of the options; what they leave open is as `before`."""
    before = before or Dialect()
    for name in ("delimiter", "thousands"):
        value = getattr(args, name)
        if value is not None and len(value) != 1:
            raise ValueError(f"--{name} is {value!r:.40}, expected one character")
    return Dialect(
        header=before.header if args.header is None else args.header,
        delimiter=args.delimiter or before.delimiter,
        decimal=args.decimal or before.decimal,
        thousands=args.thousands or before.thousands,
        missing=tuple(args.missing) if args.missing else before.missing,
    )


def _options(args: argparse.Namespace) -> Options:
    options = Options(
        numeric=args.encoding,
        numbers=frozenset(args.numeric),
        categories=frozenset(args.categorical),
        drop=frozenset(args.drop),
        n_bins=args.bins,
        min_frequency=args.min_frequency,
    )
    options.check_values(
        numeric="--encoding", n_bins="--bins", min_frequency="--min-frequency"
    )
    return options


# ---- training ------------------------------------------------------------------------


def training_data(args: argparse.Namespace) -> TrainingData:
    """The TrainingData that the options of `train` describe."""
    if args.data is None:
        data = _arrays(args, "1797 handwritten digits", *load_digits())
    elif readers.kind_of(args.data) in ("npz", "libsvm"):
        data = _arrays(args, args.data, *_read_rows(args.data, args.target))
    else:
        data = _table(args)
    if args.class_weight:
        if data.form.classes is None:
            raise ValueError("--class-weight is for classes, the target is numeric")
        data.weights = class_weights(data.y, len(data.form.classes))
    return data


def _read_rows(
    path: StrPath, target: StrPath | None, n_columns: int | None = None
) -> tuple[AnyArray | CSR, AnyArray, tuple[AnyArray, AnyArray] | None]:
    """(X, y, test rows or None) of a file without names of columns.

    `target`: a file of the y of a sparse matrix that has none.
    """
    X: AnyArray | CSR
    y: Any
    if readers.kind_of(path) == "libsvm":
        test = None
        X, y = sparse_files.read_libsvm(path, n_columns)
    else:
        (X, y), test = npz.read_npz(path), npz.read_test_npz(path)
    if type(X) is CSR and target is not None and y is not None:
        raise ValueError(f"{path} has a target, expected no --target")
    if y is None:
        if target is None:
            raise ValueError(
                f"{path} has no y, expected --target FILE, .npy or lines of text"
            )
        y = sparse_files.read_target(target)
        if y.ndim == 0 or len(y) != len(X):
            raise ValueError(f"{target} has shape {y.shape}, {path} has {len(X)} rows")
    return X, y, test


def learned(
    columns: Sequence[Column], options: Options
) -> tuple[Encoding, Schema, list[str]]:
    """`learn`, of few rows with one output for each number, as the estimators do."""
    if options.numeric == AUTO and len(columns[0]) < FEW_ROWS:
        options.numeric = "standard"
    return learn(columns, options)


def _arrays(
    args: argparse.Namespace,
    path: StrPath,
    X: AnyArray | CSR,
    y: AnyArray,
    test: tuple[AnyArray, AnyArray] | None = None,
) -> TrainingData:
    """TrainingData of arrays or sparse rows."""
    where = str(path)
    if X.dtype.kind == "c":
        raise ValueError(f"{where}: X has dtype {X.dtype}, expected real numbers")
    with cells(where):
        targets = _array_targets(y, args.task, where)
    rows = np.flatnonzero(np.logical_and.reduce([t.present for t in targets]))
    if test is None:
        fit, held_out = _split(rows, args)
    else:
        fit, held_out = rows, None
    with cells(where, lambda row: f"row {fit[row] + 1}"):
        encoding, schema = _learned_from_rows(args, X, fit)
        X_fit = encode_rows(encoding, take_rows(X, fit))
    form = form_of(args, encoding, "y", targets, fit)
    validation = None
    if held_out is not None:
        with cells(where, lambda row: f"row {held_out[row] + 1}"):
            X_held_out = encode_rows(encoding, take_rows(X, held_out))
        validation = X_held_out, values_of(form, targets, held_out)
    elif test is not None:
        X_test = encode_rows(encoding, npz.same_columns(test[0], X))
        validation = X_test, encoded_targets(form, test[1], where)[0]
    lines = lines_of(where, len(X), X.shape[1], [], schema, targets, len(y) - len(rows))
    lines.append(line_of_rows(len(fit), validation))
    return TrainingData(
        form, X_fit, values_of(form, targets, fit), validation, lines, schema
    )


def _learned_from_rows(
    args: argparse.Namespace, X: AnyArray | CSR, fit: NDArray[np.intp]
) -> tuple[Encoding, Schema]:
    """Whole numbers of a byte are pixels; sparse rows are taken as they are."""
    names = [f"x{i}" for i in range(X.shape[1])]
    if isinstance(X, CSR):
        options = ("--encoding", "--numeric", "--categorical", "--drop")
        given = [
            o
            for o, default in zip(options, (Options.numeric, [], [], []), strict=True)
            if getattr(args, o[2:]) != default
        ]
        if given:
            raise ValueError(
                f"{given[0]} is for tables, sparse rows are taken as they are"
            )
        filled = (X.indptr[-1] - X.indptr[0]) / (len(X) * X.shape[1])
        return learn_scale(names, 1.0, f"{filled:.2%} filled", len(fit))
    if X.dtype == np.uint8:
        largest = int(X.max()) or 1
        return learn_scale(names, largest, f"0 to {largest}", len(fit))
    return learned(columns_of(X[fit]), _options(args))[:2]


def encode_rows(encoding: Encoding, X: AnyArray | CSR) -> AnyArray | CSR:
    """Rows without names of columns as the network takes them."""
    if type(X) is CSR:
        return encoding.encode_sparse(X)
    return encoding.encode(columns_of(X))


def _array_targets(
    y: AnyArray, task: TaskName | Literal["auto"], where: str
) -> list[Target]:
    """A Target per column of y."""
    if y.ndim == 1:
        return [learn_target(ArrayColumn("y", y), task, where)]
    if y.ndim != 2 or y.dtype.kind not in "iubf" or task == "classification":
        raise ValueError(
            f"{where}: y has shape {y.shape} and dtype {y.dtype}, expected one class per "
            "row or rows of numbers"
        )
    return [
        learn_target(ArrayColumn(f"y_{i}", y[:, i]), "regression", where)
        for i in range(y.shape[1])
    ]


def _table(args: argparse.Namespace) -> TrainingData:
    """TrainingData of a file with named columns."""
    opened = Opened(args)
    target, dialect = opened.target, opened.dialect
    table = readers.read_table(
        args.data, opened.wanted, text=opened.text, dialect=dialect
    )
    with cells(args.data, table.place):
        found = learn_target(table[target], args.task, args.data)
    rows = np.flatnonzero(found.present)
    fit, held_out = _split(rows, args)
    part = table.take(fit)
    with cells(args.data, part.place):
        encoding, schema, _ = learned(part.without([target]), opened.options)
        X = encoding.network_rows(part.columns)
    form = form_of(args, encoding, target, [found], fit, dialect)
    validation = None
    if held_out is not None:
        other = table.take(held_out)
        with cells(args.data, other.place):
            X_held_out = encoding.network_rows(other.columns)
        validation = X_held_out, values_of(form, [found], held_out)
    n, names = len(table), opened.names
    lines = lines_of(
        args.data, n, len(names), table.notes, schema, [found], n - len(rows), args.drop
    )
    lines.append(line_of_rows(len(fit), validation))
    y = values_of(form, [found], fit)
    return TrainingData(form, X, y, validation, lines, schema)


class Opened:
    """What the options of `train` say about a table, checked against its columns.

    Attributes
    ----------
    names, wanted : list of str
        All columns, and those to read.
    text : list of str
        Columns of a CSV file that stay as they were written.
    """

    dialect: Dialect
    names: list[str]
    target: str
    options: Options
    wanted: list[str]
    text: list[str]

    def __init__(self, args: argparse.Namespace) -> None:
        self.dialect = dialect_of(args)
        self.names = names = readers.column_names(args.data, self.dialect)
        self.target = target = _target_name(args, names)
        if len(names) == 1:
            raise ValueError(
                f"{args.data} has no column besides the target {shown(target)}"
            )
        self.options = options = _options(args)
        options.check([name for name in names if name != target], args.data)
        self.wanted = [name for name in names if name not in options.drop]
        self.text = [target, *options.categories]
        options.drop = frozenset()


def _target_name(args: argparse.Namespace, names: list[str]) -> str:
    if args.target is None:
        few = ", ".join(map(shown, names[-3:]))
        raise ValueError(
            f"{args.data} needs --target COLUMN, its last columns are {few}"
        )
    if args.target in names:
        text: str = args.target
        return text
    number = parse_number(args.target)
    if not args.header and number is not None and number in range(1, len(names) + 1):
        return names[int(number) - 1]
    message = no_column(args.data, args.target, names)
    if args.header and any(parse_number(name) is not None for name in names):
        message += " (its first line looks like a row: is it --no-header?)"
    raise ValueError(message)


def form_of(
    args: argparse.Namespace,
    encoding: Encoding,
    name: str,
    targets: Sequence[Target],
    fit: NDArray[np.intp],
    dialect: Dialect | None = None,
) -> TableForm:
    dialect = dialect or Dialect()
    if targets[0].classes is not None:
        return TableForm(encoding, name, targets[0].classes, dialect=dialect)
    centers, scales = [], []
    for target in targets:
        y = target.values[fit]
        if args.loss == "poisson":  # the network begins with the mean
            center, scale = 0.0, float(y.mean())
        else:
            with np.errstate(over="ignore", invalid="ignore"):
                center, scale = float(y.mean()), float(y.std())
            if not np.isfinite([center, scale]).all():
                raise ValueError(
                    f"target {shown(target.name)} lies between {y.min()} and {y.max()}, "
                    "too far apart to be standardised"
                )
        centers.append(center)
        scales.append(scale if scale > 0 else 1e-6 * max(abs(center), 1.0))
    return TableForm(
        encoding, name, None, tuple(centers), tuple(scales), dialect=dialect
    )


def values_of(
    form: TableForm, targets: Sequence[Target], rows: NDArray[np.intp]
) -> AnyArray:
    """y as the network learns it."""
    if form.classes is not None:
        return targets[0].values[rows]
    y = form.scaled(np.column_stack([target.values[rows] for target in targets]))
    return y[:, 0] if y.shape[1] == 1 else y


def _split(
    rows: NDArray[np.intp], args: argparse.Namespace
) -> tuple[NDArray[np.intp], NDArray[np.intp] | None]:
    """(rows to train on, rows to validate on or None)."""
    share = share_of(args)
    count = round(len(rows) * share)
    if not is_split(args, len(rows), count):
        return rows, None
    order = permutation(len(rows), args.seed, EPOCH)
    return rows[np.sort(order[count:])], rows[np.sort(order[:count])]


def share_of(args: argparse.Namespace) -> float:
    """The share of rows to validate on."""
    share = 0.2 if args.validation is None else args.validation
    return checks.check_float(share, "--validation", 0, below=1)


def is_split(args: argparse.Namespace, n: int, count: int) -> bool:
    """Whether `count` of n rows are for validation; ValueError for too few or many."""
    if share_of(args) == 0 or (args.validation is None and not 0 < count < n - 1):
        return False
    if not 0 < count < n:
        raise ValueError(
            f"--validation {args.validation} leaves {count} of {n} rows for validation"
        )
    return True


# ---- other rows ----------------------------------------------------------------------


def encoded_file(
    form: TableForm,
    network: Network,
    path: StrPath,
    dialect: Dialect | None = None,
    need_target: bool = False,
    target: StrPath | None = None,
) -> tuple[AnyArray | CSR, Any]:
    """(X, y or None) of a file for a trained model.

    Reads only the columns that the network still needs.  Where a target is needed, the
    rows without one are left out, and y is as the network learns it.  `target`: a file
    of the y of a sparse matrix that has none.
    """
    if readers.kind_of(path) in ("npz", "libsvm"):
        return _encoded_rows(form, path, need_target, target)
    if target is not None:
        raise ValueError(
            f"--target is for sparse matrices without y, {path} is a table"
        )
    names = readers.column_names(path, dialect)
    needed = form.encoding.needed_for(network.kept_inputs)
    wanted = needed + [form.target] * need_target
    for name in wanted:
        if name not in names:
            raise ValueError(no_column(path, name, names))
    text = [c.name for c in form.encoding.columns if c.kind == "category"]
    table = readers.read_table(path, wanted, [*text, form.target], dialect)
    y = None
    if need_target:
        with cells(path, table.place):
            y, present = encode_target(table[form.target], form.classes)
        if not present.any():
            raise ValueError(f"{path} target {shown(form.target)} has no values")
        table, y = table.take(np.flatnonzero(present)), y[present]
        y = y if form.classes is not None else form.scaled(y)[:, 0]
    with cells(path, table.place):
        X = form.encoding.network_rows(table.columns, needed)
    return X, y


def _encoded_rows(
    form: TableForm, path: StrPath, need_target: bool, target: StrPath | None
) -> tuple[AnyArray | CSR, Any]:
    names = form.encoding.names
    if need_target:
        X, y, _ = _read_rows(path, target, len(names))
    elif readers.kind_of(path) == "libsvm":
        X, y = sparse_files.read_libsvm(path, len(names))
    else:
        X, y = npz.read_npz(path, need_target)
    if names != [f"x{i}" for i in range(len(names))]:
        raise ValueError(
            f"{path} has no names of columns, the model reads a table with the columns "
            + ", ".join(map(shown, names[:3]))
        )
    if X.shape[1] != len(names):
        raise ValueError(f"{path} has {X.shape[1]} columns, the model {len(names)}")
    if need_target:
        y, present = encoded_targets(form, y, path)
        X, y = take_rows(X, present), y[present]
    with cells(path):
        return encode_rows(form.encoding, X), y


def encoded_targets(
    form: TableForm, y: AnyArray, where: object
) -> tuple[AnyArray, BoolArray]:
    """(y as the network learns it, rows that have one) of an array."""
    with cells(where):
        if form.classes is not None:
            if y.ndim != 1:
                raise ValueError(
                    f"{where}: y has shape {y.shape}, expected one class per row"
                )
            return encode_target(ArrayColumn(form.target, y), form.classes)
        y = y.reshape(len(y), -1)
        if y.shape[1] != len(form.centers):
            raise ValueError(
                f"{where}: y has {y.shape[1]} columns, expected {len(form.centers)}"
            )
        columns = [ArrayColumn(form.target, y[:, i]) for i in range(y.shape[1])]
        parts = [encode_target(column, None)[0] for column in columns]
    y = form.scaled(np.column_stack(parts))
    present: Any = np.isfinite(y).all(axis=1)
    return (y[:, 0] if y.shape[1] == 1 else y), present


def check_not_an_input(
    output: StrPath, data: StrPath | None, model: StrPath | None = None
) -> None:
    """ValueError if a file to be written is one that is read, or in the data's folder."""
    place = Path(output).resolve()
    if place in [Path(path).resolve() for path in (data, model) if path is not None]:
        raise ValueError(f"the output {output} is a file to be read, expected another")
    if data is not None and Path(data).resolve() in place.parents:
        raise ValueError(
            f"the output {output} is in the folder to be read, expected another"
        )


@contextlib.contextmanager
def cells(where: object, place: Callable[[int], str] | None = None) -> Iterator[None]:
    """Name the file and the line of a refused value."""
    try:
        yield
    except CellError as error:
        at = place(error.row) if place else f"row {error.row + 1}"
        problem = error.problem.rstrip(",")
        raise ValueError(
            f"{where} {at} column {shown(error.column)} {problem}"
        ) from None
    except ValueError as error:
        known = str(error).startswith(str(where))
        raise ValueError(error if known else f"{where}: {error}") from None


# ---- how the data were read ----------------------------------------------------------


def lines_of(
    where: object,
    n_rows: int,
    n_columns: int,
    notes: Sequence[str],
    schema: Schema,
    targets: Sequence[Target],
    without: int,
    dropped: Sequence[str] = (),
    counts: IntArray | None = None,
) -> list[str]:
    """The lines that print how the data were read; `counts`: rows of each class."""
    lines = [f"data      {where}: {n_rows} rows, {n_columns} columns"]
    lines += [f"          {note}" for note in notes]
    summary = schema.summary()
    if dropped:
        summary.append(f"dropped {', '.join(map(shown, dropped))}: as requested")
    lines.append(f"inputs    {summary[0]}")
    lines += [f"          {line}" for line in summary[1:]]
    target = targets[0]
    other = {"classification": "regression", "regression": "classification"}
    why = (
        ""
        if target.reason == "as requested"
        else f"; --task {other[target.task]} overrides"
    )
    names = shown(target.name) if len(targets) == 1 else f"{len(targets)} numbers"
    lines.append(f"target    {names}: {target.task} ({target.reason}{why})")
    if target.classes is not None:
        if counts is None:
            counts = np.bincount(target.values[target.present])
        pairs = zip(target.classes, counts.tolist(), strict=True)
        parts = [f"{name:.30} {count}" for name, count in list(pairs)[:_CLASSES]]
        rest = len(counts) - len(parts)
        lines.append(
            "          " + ", ".join(parts) + f", and {rest} more" * (rest > 0)
        )
    else:
        y = target.values[target.present]
        lines.append(f"          {y.min():.6g} to {y.max():.6g}, mean {y.mean():.6g}")
    if without:
        lines.append(f"          {without} rows without a target are left out")
    return lines


def line_of_rows(n_fit: int, validation: tuple[Any, AnyArray] | None) -> str:
    if validation is None:
        return f"rows      {n_fit} to train on, none to validate on"
    return f"rows      {n_fit} to train on, {len(validation[0])} to validate on"
