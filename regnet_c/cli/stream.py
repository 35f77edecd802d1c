"""Training data of `train` that stay in their file: tables larger than memory.

One pass counts rows and classes and keeps two sets of random rows: some of those to train
on, from which encoding and scales are learned, and those to validate on.  Afterwards
every piece of the file is a block of `Blocks`, encoded when it is read.
"""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core.course import block_seed
from .._core.memory import free_memory
from ..blocks import SAMPLE_ROWS, Blocks
from ..kernels import permutation
from ..tables import extra, readers
from ..tables.encoding import real_numbers, refuse_infinity
from ..tables.pieces import Pieces, can_be_cut, size_of
from ..tables.schema import shown
from ..tables.task import class_order, encode_target, learn_target, weights_of_classes
from . import data

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..tables.form import TableForm
    from ..tables.readers import Table
    from ..tables.task import Target
    from ..typing import AnyArray, Float64Array, IntArray

    Rows = NDArray[np.intp]

_VALIDATION = SAMPLE_ROWS  # rows at most, if no share is given
_CLASSES = 1 << 16  # at most
_SHARE = 4  # files larger than this part of the free memory are streamed


def applies(args: Namespace) -> bool:
    """Whether to stream: if requested, or by itself if the file is large for the memory.

    Raises
    ------
    ValueError
        For what cannot be streamed.
    """
    if args.stream is not None:
        if args.stream:
            _check(args)
        return bool(args.stream)
    if args.data is None or readers.kind_of(args.data) in ("npz", "libsvm"):
        return False
    size, free = size_of(args.data), free_memory()
    if free is None or size * _SHARE <= free or not can_be_cut(args.data):
        return False
    print(
        f"{args.data} has {size / 1e9:.3g} GB, more than a quarter of the free memory of "
        f"{free / 1e9:.3g} GB: it is read block by block; --no-stream reads all at once",
        file=sys.stderr,
    )
    _check(args)
    return True


def _check(args: Namespace) -> None:
    """ValueError for options that a stream has not."""
    if args.data is None:
        raise ValueError("--stream needs --data FILE")
    if not can_be_cut(args.data):
        raise ValueError(
            f"{args.data} cannot be read in blocks, --stream expects CSV that is not "
            "compressed, Parquet, Feather or Arrow files, or a folder of them"
        )
    for option, value, default in (
        ("--tune", args.tune, ("auto", False)),
        ("--keep", args.keep, ("few",)),
    ):
        if value not in default:
            raise ValueError(
                f"{option} and --stream exclude each other: recipes race on rows in memory"
            )


def training_data(args: Namespace) -> data.TrainingData:
    """The TrainingData of a table that is read piece by piece."""
    opened = data.Opened(args)
    stream = _Stream(args, opened)
    form, target, schema = stream.learn()
    validation = stream.validation(form)
    counts, weights = stream.class_counts, None
    if args.class_weight:
        if counts is None:
            raise ValueError("--class-weight is for classes, the target is numeric")
        held = validation[1] if validation else np.zeros(0, np.int64)
        weights = weights_of_classes(counts - np.bincount(held, minlength=len(counts)))
    blocks = _Encoded(stream, form, weights).blocks()
    X, y = stream.encoded_sample(form, target)
    lines = data.lines_of(
        args.data,
        stream.n,
        len(opened.names),
        stream.notes,
        schema,
        [target],
        stream.n_absent,
        args.drop,
        counts,
    )
    rows = data.TrainingData(form, X, y, validation, lines, schema, blocks=blocks)
    lines.append(data.line_of_rows(rows.n, validation))
    lines.append(
        f"stream    in blocks of {max(blocks.lengths)} rows at most; encoding and scales "
        f"from {len(X)} random rows"
    )
    return rows


class _Chosen:
    """Rows with the smallest keys of all pieces, at most `count` if there is a limit."""

    def __init__(self, count: int | None) -> None:
        self._count = count
        self._keys: list[Float64Array] = []
        self._rows: list[Rows] = []
        self._tables: list[Any] = []
        self.cut = False

    def add(self, keys: Float64Array, rows: Rows, table: Any) -> None:
        """Rows of a piece; `rows` are their numbers in the file."""
        self._keys.append(keys)
        self._rows.append(rows)
        self._tables.append(table)
        if self._count is not None and sum(map(len, self._keys)) > 2 * self._count:
            self._keep()

    def _keep(self) -> None:
        keys = np.concatenate(self._keys)
        kept = np.sort(np.argsort(keys, kind="stable")[: self._count])
        self.cut = self.cut or len(kept) < len(keys)
        table = _joined(self._tables).take(extra.pyarrow().array(kept))
        self._keys, self._tables = [keys[kept]], [table.combine_chunks()]
        self._rows = [np.concatenate(self._rows)[kept]]

    def result(self) -> tuple[Float64Array, Rows, Any]:
        """(keys, rows, table) in the order of the file."""
        self._keep()
        return self._keys[0], self._rows[0], self._tables[0]


def _joined(tables: Sequence[Any]) -> Any:
    return extra.pyarrow().concat_tables(tables, promote_options="permissive")


class _Stream:
    """A table file after the pass over all of its rows.

    Parameters
    ----------
    args : Namespace
    opened : Opened

    Attributes
    ----------
    n, n_absent : int
        Rows of the file, and those without a target.
    notes : list of str
        How the file is written.
    class_counts : ndarray or None
        Rows of each class.
    """

    def __init__(self, args: Namespace, opened: data.Opened) -> None:
        self._args, self._opened = args, opened
        self.pieces = Pieces(args.data, opened.wanted, opened.text, opened.dialect)
        self._share, self._begins = data.share_of(args), [0]
        # rows without a value, and without a number or why there is none, of each piece
        self._absent: list[tuple[Rows, Rows | ValueError]] = []
        self._levels: dict[str, int] | None = {}
        self.notes: list[str] = []
        self.class_counts: IntArray | None = None
        sample = _Chosen(SAMPLE_ROWS)
        held = _Chosen(_VALIDATION if args.validation is None else None)
        for number in range(len(self.pieces)):
            self._look_at(number, sample, held)
        self._choose(sample, held)

    @property
    def n(self) -> int:
        return self._begins[-1]

    def _look_at(self, number: int, sample: _Chosen, held: _Chosen) -> None:
        raw = self.pieces.read(number)
        rows = np.arange(self.n, self.n + len(raw))
        self._begins.append(self.n + len(raw))
        ranks = self._ranks(number)
        pa = extra.pyarrow()
        for chosen, sign, mine in (
            (held, 1, ranks < self._share),
            (sample, -1, ranks >= self._share),
        ):
            found = np.flatnonzero(mine)
            chosen.add(sign * ranks[found], rows[found], raw.take(pa.array(found)))
        self._count(self.pieces.typed(raw.select([self._opened.target]), rows))

    def _ranks(self, number: int) -> Float64Array:
        """Random places of a piece's rows, between 0 and 1: functions of the seed."""
        n = self._begins[number + 1] - self._begins[number]
        seed = block_seed(self._args.seed, number)
        ranks = np.empty(n)
        ranks[permutation(n, seed, data.EPOCH)] = (np.arange(n) + 0.5) / n
        return ranks

    def _count(self, table: Table) -> None:
        """Count the classes of a piece, and note which rows have no target."""
        column = table[self._opened.target]
        codes, levels = column.codes()
        none: Rows | ValueError
        try:
            with data.cells(self._args.data, table.place):
                values = real_numbers(column.as_numbers or column)
                refuse_infinity(column.name, values)
                none = np.flatnonzero(np.isnan(values))
        except ValueError as error:
            none = error  # of no interest if the target are classes
        self._absent.append((np.flatnonzero(codes < 0), none))
        if self._levels is None:
            return
        counts = np.bincount(codes[codes >= 0], minlength=len(levels)).tolist()
        for level, count in zip(levels, counts, strict=True):
            if count:
                self._levels[level] = self._levels.get(level, 0) + count
        if len(self._levels) > _CLASSES:
            self._levels = None

    def _choose(self, sample: _Chosen, held: _Chosen) -> None:
        """The sample and the rows for validation, for good."""
        keys, rows, table = held.result()
        if held.cut:  # rows of the last one's place may not all be among them
            self._share = float(keys.max())
            kept = keys < self._share
            rows, table = rows[kept], table.filter(extra.pyarrow().array(kept))
        if not data.is_split(self._args, self.n, len(rows)):
            self._share, rows, table = 0.0, rows[:0], table[:0]
        self._held = rows, table
        _, self._rows, self._sample = sample.result()

    # ---- what is learned ---------------------------------------------------------

    def learn(self) -> tuple[TableForm, Target, Any]:
        """(form, the sample's target, schema) from the sample."""
        args, opened = self._args, self._opened
        table = self.pieces.typed(self._sample, self._rows)
        self.notes = table.notes
        with data.cells(args.data, table.place):
            target = learn_target(table[opened.target], args.task, args.data)
        if target.classes is not None:
            target = self._with_all_classes(target, table)
        fit = np.flatnonzero(target.present)
        part = self._part = table.take(fit)
        with data.cells(args.data, part.place):
            encoding, schema, _ = data.learned(
                part.without([opened.target]), opened.options
            )
        form = data.form_of(
            args, encoding, opened.target, [target], fit, opened.dialect
        )
        categories = [c.name for c in encoding.columns if c.kind == "category"]
        self.pieces.settle([*opened.text, *categories])
        return form, target, schema

    def _with_all_classes(self, target: Target, table: Table) -> Target:
        """The sample's target in terms of the classes of all rows."""
        if self._levels is None:
            raise ValueError(
                f"{self._args.data} target {shown(target.name)} has more than {_CLASSES} "
                "classes"
            )
        known = set(target.classes or ())
        classes = sorted({*known, *self._levels}, key=class_order)
        self.class_counts = np.array([self._levels.get(c, 0) for c in classes])
        values = encode_target(table[target.name], classes)[0]
        return dataclasses.replace(target, classes=classes, values=values)

    @property
    def n_absent(self) -> int:
        return sum(len(self._without(i)) for i in range(len(self.pieces)))

    def _without(self, number: int) -> Rows:
        """Rows of a piece without a target."""
        text, none = self._absent[number]
        if self.class_counts is not None:
            return text
        if isinstance(none, ValueError):
            raise none
        return none

    def rows(self, number: int) -> Rows:
        """Rows of a piece to train on."""
        mine = self._ranks(number) >= self._share
        mine[self._without(number)] = False
        return np.flatnonzero(mine)

    def encoded_sample(self, form: TableForm, target: Target) -> tuple[Any, AnyArray]:
        """(X, y) of the sample."""
        with data.cells(self._args.data, self._part.place):
            X = form.encoding.network_rows(self._part.columns)
        return X, data.values_of(form, [target], np.flatnonzero(target.present))

    def validation(self, form: TableForm) -> tuple[Any, AnyArray] | None:
        """(X, y) to validate on."""
        rows, table = self._held
        if not len(rows):
            return None
        return self.encoded(form, table, rows)

    def block(self, number: int, form: TableForm) -> tuple[Any, AnyArray]:
        """(X, y) of a piece to train on."""
        rows = self.rows(number)
        raw = self.pieces.read(number)
        if len(raw) != self._begins[number + 1] - self._begins[number]:
            raise ValueError(f"{self._args.data} has changed since training began")
        table = raw.take(extra.pyarrow().array(rows))
        return self.encoded(form, table, self._begins[number] + rows)

    def encoded(self, form: TableForm, raw: Any, rows: Rows) -> tuple[Any, AnyArray]:
        """(X, y) of rows as the network takes them."""
        table = self.pieces.typed(raw, rows)
        with data.cells(self._args.data, table.place):
            y, present = encode_target(table[form.target], form.classes)
            if not present.all():
                keep = np.flatnonzero(present)
                table, y = table.take(keep), y[keep]
            X = form.encoding.network_rows(table.columns)
        return X, y if form.classes is not None else form.scaled(y)[:, 0]


class _Encoded:
    """The pieces with rows to train on, as Blocks."""

    def __init__(
        self, stream: _Stream, form: TableForm, weights: Float64Array | None
    ) -> None:
        self._stream, self._form, self._weights = stream, form, weights
        lengths = [len(stream.rows(i)) for i in range(len(stream.pieces))]
        self._numbers = [i for i, n in enumerate(lengths) if n]
        self._lengths = [n for n in lengths if n]

    def blocks(self) -> Blocks:
        """They, read when they are needed."""
        return Blocks(self._block, len(self._numbers), self._lengths)

    def _block(self, number: int) -> Any:
        X, y = self._stream.block(self._numbers[number], self._form)
        return (X, y) if self._weights is None else (X, y, self._weights[y])
