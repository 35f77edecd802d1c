"""A few rows of numbers, encoded all columns at once.

Column by column a row takes some 20 us for each of them, as much as predicting it a
hundred times.  Here every output is one number of the row, less an offset, over a width,
cut at two limits, which serves two of the methods: standard, and the bins of ple.  The
bits are those of `NumberCode.write`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .numbers import LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from ..typing import AnyArray, Float64Array
    from .numbers import NumberCode

_MOST = 1 << 15  # outputs of all rows; with more, columns one by one take less time


class _Output(NamedTuple):
    column: int
    offset: float
    width: float
    low: float
    high: float


class FewRows:
    """All codes of a table of numbers.

    Parameters
    ----------
    columns : sequence of NumberColumn and DroppedColumn
        For which `FewRows.serves` is true.
    """

    def __init__(self, columns: Sequence[Any]) -> None:
        self._n_columns = len(columns)
        outputs: list[_Output] = []
        indicators, self._fill = [], np.zeros(len(columns))
        for number, column in enumerate(columns):
            if column.kind == "dropped":
                continue
            self._fill[number] = column.fill
            for code in column.codes:
                outputs += _outputs(number, code)
            if column.missing:
                indicators.append((len(outputs), number))
                outputs.append(_Output(number, 0.0, 1.0, 0.0, 0.0))
        self._column = np.array([x.column for x in outputs], np.intp)
        self._offset, self._width, self._low, self._high = (
            np.array([getattr(x, name) for x in outputs])
            for name in ("offset", "width", "low", "high")
        )
        # rows with a smaller sum of squares cannot overflow
        most = 1e150 * min(1, self._width.min(initial=1))
        most -= np.abs(self._offset).max(initial=0)
        self._square = max(most, 0) ** 2
        self._indicators = np.array(indicators, np.intp).reshape(-1, 2).T

    @staticmethod
    def serves(columns: Sequence[Any]) -> bool:
        """Whether all columns are numbers in codes that are cut straight lines."""
        return all(
            column.kind == "dropped"
            or (
                column.kind == "number"
                and all(code.method in ("standard", "ple") for code in column.codes)
            )
            for column in columns
        )

    def encode(self, X: AnyArray) -> NDArray[np.float32] | None:
        """The outputs (n, n_outputs); None for what is left to the columns.

        That is what they refuse, and arrays of other types or of many rows.
        """
        is_few = X.ndim == 2 and 0 < len(X) * len(self._column) <= _MOST
        if not is_few or X.dtype.kind not in "fiu" or X.shape[1] != self._n_columns:
            return None
        x, gone = X.astype(np.float64), None
        if np.vdot(x, x) < self._square:  # not if there is a NaN
            z = self._lines(x)
        else:
            if np.isinf(X).any():
                return None
            gone = np.isnan(x)
            np.copyto(x, self._fill, where=gone)
            with np.errstate(over="ignore"):  # of bins far away, which are cut
                z = self._lines(x)
        np.maximum(z, self._low, out=z)
        np.minimum(z, self._high, out=z)
        if gone is not None:
            places, columns = self._indicators
            z[:, places] = gone[:, columns]
        return z.astype(np.float32)

    def _lines(self, x: Float64Array) -> Float64Array:
        """The outputs before they are cut."""
        z = x.take(self._column, axis=1)
        z -= self._offset
        z /= self._width
        return z


def _outputs(column: int, code: NumberCode) -> Iterator[_Output]:
    if code.method == "standard":
        yield _Output(column, code.center, code.scale, -LIMIT, LIMIT)
        return
    for low, high in zip(code.knots, code.knots[1:], strict=False):
        yield _Output(column, low, high - low, 0.0, 1.0)
