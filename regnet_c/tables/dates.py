"""Dates: the formats of text that are read as dates, and the parts a network gets.

A date is an int64 of microseconds since 1970 (UTC for those with a time zone).  Its parts
are numbers: `days` since 1970 with the time as a fraction, `month` 1-12, `day` 1-31,
`weekday` 0-6 from Monday, `hour` 0-24 with the minutes as a fraction.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from .columns import NO_DATE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..typing import AnyArray, IntArray

PARTS = ("days", "month", "day", "weekday", "hour")
ORDERS = ("YMD", "DMY", "MDY")
_DAY = 86_400_000_000  # microseconds
_TEXT = re.compile(
    r"(\d{1,4})([-./])(\d{1,2})\2(\d{1,4})"
    r"(?:[ T](\d{1,2}):(\d\d)(?::(\d\d)(?:\.(\d{1,6})\d*)?)?Z?)?",
    re.ASCII,
)


def part(micros: IntArray, name: str) -> AnyArray:
    """A part of dates (n,), float64."""
    days = micros // _DAY
    if name == "days":
        return micros / _DAY
    if name == "weekday":
        return (days + 3) % 7.0
    if name == "hour":
        return (micros - days * _DAY) / 3.6e9
    months = days.view("M8[D]").astype("M8[M]")
    if name == "month":
        return months.view(np.int64) % 12 + 1.0
    return (days - months.astype("M8[D]").view(np.int64)) + 1.0


def find_order(texts: Sequence[str]) -> tuple[str, bool] | None:
    """(order of day, month and year, True if another was possible), or None.

    Parameters
    ----------
    texts : list of str
        All values of a column; each has to be a date.
    """
    matches = [m for text in texts if (m := _TEXT.fullmatch(text.strip()))]
    if not matches or len(matches) < len(texts):
        return None
    if all(len(match[1]) == 4 for match in matches):
        order, ambiguous = "YMD", False
    elif all(len(match[4]) == 4 and len(match[1]) <= 2 for match in matches):
        first = max(int(match[1]) for match in matches)
        second = max(int(match[3]) for match in matches)
        ambiguous = first <= 12 and second <= 12
        month_first = second > 12 or (ambiguous and matches[0][2] == "/")
        order = "MDY" if month_first else "DMY"
    else:
        return None
    if (parse(texts, order) == NO_DATE).any():
        return None
    return order, ambiguous


def parse(texts: Sequence[str], order: str) -> IntArray:
    """Microseconds of each text, NO_DATE where it is not a date in this order."""
    year, month, day = (
        1 + 2 * (place > 0) + (place > 1) for place in map(order.index, "YMD")
    )
    written = []
    for text in texts:
        match = _TEXT.fullmatch(text.strip())
        if match is None or len(match[year]) != 4 or len(match[day]) > 2:
            written.append("NaT")
            continue
        hour, minute, second, fraction = (match[i] or "0" for i in (5, 6, 7, 8))
        written.append(
            f"{match[year]}-{match[month]:0>2}-{match[day]:0>2}T{hour:0>2}:{minute:0>2}:"
            f"{second:0>2}.{fraction:0<6}"
        )
    try:
        dates = np.array(written, dtype="M8[us]")
    except ValueError:
        dates = np.array([_one(text) for text in written], dtype="M8[us]")
    return dates.view(np.int64)


def _one(text: str) -> np.datetime64:
    try:
        return np.datetime64(text, "us")
    except ValueError:  # the 31st of February
        return np.datetime64("NaT")
