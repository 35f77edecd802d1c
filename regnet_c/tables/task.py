"""Classification or regression? What a target is, and how to override that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from .columns import BOOLEAN, DATE, NOTHING, NUMBER, OTHER, TEXT, parse_number
from .encoding import CellError, real_numbers, refuse_infinity
from .schema import shown

if TYPE_CHECKING:
    from ..typing import AnyArray, BoolArray, Float64Array, IntArray
    from .columns import Column

    TaskName: TypeAlias = Literal["classification", "regression"]

TASKS = ("classification", "regression")
_FEW = 20  # different whole values
_REPEATS = 5  # rows per class, on average


@dataclass(frozen=True)
class Target:
    """A target as a network takes it.

    Attributes
    ----------
    name : str
    task : str
        classification or regression.
    values : ndarray
        int32 class numbers, or float64.
    classes : list of str or None
        The classes as they were written.
    reason : str
        Why this task.
    present : ndarray of bool
        Rows that have a target.
    """

    name: str
    task: str
    values: AnyArray
    classes: list[str] | None
    reason: str
    present: BoolArray


def infer_task(
    n_rows: int, n_distinct: int, text: bool = False, whole: bool = True
) -> tuple[TaskName, str]:
    """The task that a target implies, and the reason.

    Classification if the target is text (or boolean or categorical), or has at most 20
    different whole values with five rows each on average; regression otherwise.

    Parameters
    ----------
    n_rows : int
        Rows that have a target.
    n_distinct : int
        Different values among them.
    text : bool
        The target is text, boolean or categorical.
    whole : bool
        All its numbers are whole.

    Returns
    -------
    task : str
    reason : str
    """
    if text:
        return "classification", f"{n_distinct} different texts"
    if not whole:
        return "regression", "numbers that are not whole"
    if 2 <= n_distinct <= _FEW and n_rows >= _REPEATS * n_distinct:
        return "classification", f"{n_distinct} different whole values"
    return "regression", f"{n_distinct} different values in {n_rows} rows"


def learn_target(
    column: Column, task: TaskName | Literal["auto"] = "auto", where: str = "the table"
) -> Target:
    """The target in a column of a training table.

    Parameters
    ----------
    column : ArrayColumn or ArrowColumn
        Of a CSV file: as text, so that classes keep the form they were written in.
    task : {"auto", "classification", "regression"}
    where : str
        The file, for messages.

    Returns
    -------
    Target

    Raises
    ------
    ValueError
        If the target is empty, constant, or text that is mostly distinct.
    """
    what = f"{where} target {shown(column.name)}"
    numeric = column.as_numbers or column
    if column.holds == NOTHING:
        raise ValueError(f"{what} has no values")
    if column.holds == DATE:
        raise ValueError(f"{what} holds dates, expected numbers or classes")
    if column.holds == OTHER:
        raise ValueError(f"{what} holds neither numbers nor text nor booleans")
    if task == "regression":
        return _regression(numeric, _numbers(numeric, what), "as requested", what)
    codes, levels = column.codes()
    present = codes >= 0
    counts = np.bincount(codes[present], minlength=len(levels))
    used = [level for level, count in zip(levels, counts, strict=True) if count]
    n_rows = int(present.sum())
    reason = "as requested"
    if task == "auto":
        text = column.holds in (TEXT, BOOLEAN) or column.declared
        numbers = None if column.declared else _all_numbers(column, used)
        whole = numbers is not None and all(float(x).is_integer() for x in numbers)
        text = text and numbers is None
        task, reason = infer_task(n_rows, len(used), text, whole)
        if text and len(used) > max(2, n_rows / 2):
            raise ValueError(
                f"{what} is text, mostly distinct (such as {used[0]!r:.40}), expected "
                "numbers or repeated classes; --task classification accepts it, --decimal "
                "and --thousands set how numbers are written"
            )
        if task == "regression":
            return _regression(numeric, _numbers(numeric, what), reason, what)
    if len(used) < 2:
        raise ValueError(f"{what} has one class only, {used[0]!r:.40}")
    classes = sorted(used, key=class_order)
    number = {level: i for i, level in enumerate(classes)}
    table = np.array([number.get(level, -1) for level in levels] + [-1], np.int32)
    return Target(column.name, task, table[codes], classes, reason, present)


def encode_target(
    column: Column, classes: list[str] | None
) -> tuple[AnyArray, BoolArray]:
    """(values, present) of other rows: numbers, or numbers of the learned classes.

    Raises
    ------
    ValueError
        If a class is unknown.
    """
    if classes is None:
        numbers = real_numbers(column.as_numbers or column).astype(np.float64)
        return numbers, np.isfinite(numbers)
    codes, levels = column.codes()
    number = {level: i for i, level in enumerate(classes)}
    used = set(codes[codes >= 0].tolist())
    unknown = [levels[i] for i in sorted(used) if levels[i] not in number]
    if unknown:
        known = ", ".join(classes[:5]) + (", ..." if len(classes) > 5 else "")
        raise ValueError(
            f"target {shown(column.name)} has the class {unknown[0]!r:.40}, the model "
            f"knows {known:.100}"
        )
    table = np.array([number.get(level, -1) for level in levels] + [-1], np.int32)
    values = table[codes]
    return values, values >= 0


def _regression(column: Column, values: Float64Array, reason: str, what: str) -> Target:
    present = ~np.isnan(values)
    refuse_infinity(column.name, values)
    if not present.any():
        raise ValueError(f"{what} has no values")
    return Target(column.name, "regression", values, None, reason, present)


def _numbers(column: Column, what: str) -> Float64Array:
    try:
        return real_numbers(column).astype(np.float64)
    except CellError as error:
        problem = f"{error.problem} --decimal and --thousands set how they are written,"
        raise CellError(column.name, error.row, problem, f"{what}: ") from None


def _all_numbers(column: Column, levels: list[str]) -> list[float] | None:
    """The distinct values as floats, or None if one is not a number as text has it."""
    if column.holds == NUMBER:
        return [float(level) for level in levels]
    if column.as_numbers is not None:
        values = column.as_numbers.floats()
        present: list[float] = values[~np.isnan(values)].tolist()
        return present
    numbers = [x for level in levels if (x := parse_number(level)) is not None]
    coded = any(_is_code(level) for level in levels)
    return None if coded or len(numbers) < len(levels) else numbers


def _is_code(text: str) -> bool:
    """True for digits after a zero, such as 007."""
    digits = text.removeprefix("-")
    return len(digits) > 1 and digits[0] == "0" and digits.isdigit()


def class_order(level: str) -> tuple[bool, float, str]:
    """Numbers by size, then texts."""
    number = parse_number(level)
    return (number is None, 0.0 if number is None else number, level)


def class_weights(values: AnyArray, n_classes: int) -> Float64Array:
    """Weights of rows that give each class the same total, mean 1.

    Parameters
    ----------
    values : ndarray of int, shape (n,)
        Class numbers.
    n_classes : int

    Returns
    -------
    ndarray of float64, shape (n,)
    """
    return weights_of_classes(np.bincount(values, minlength=n_classes))[values]


def weights_of_classes(counts: IntArray) -> Float64Array:
    """Weights of rows by class, from the number of rows of each."""
    weights: Float64Array = counts.sum() / (
        np.count_nonzero(counts) * np.maximum(counts, 1)
    )
    return weights
