"""Which inputs of a path's networks belong to which column of X."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..tables.columns import BOOLEAN, NUMBER, columns_of, is_frame

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from ..tables.columns import Column
    from ..typing import Float64Array, IntArray


@dataclass(frozen=True)
class Sources:
    """The inputs of each column of X, which stay or leave together.

    Attributes
    ----------
    inputs : tuple of tuple of int
        Rising numbers for each column; a column that was dropped has none.
    """

    inputs: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, groups: Iterable[Iterable[int]]) -> Sources:
        """From lists of numbers."""
        return cls(tuple(tuple(int(k) for k in group) for group in groups))

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """As a penalty lists them."""
        return tuple(group for group in self.inputs if group)

    def largest(self, values: Float64Array) -> Float64Array:
        """For each column the largest of its inputs' values, 0 if it has none."""
        return np.array([values[list(g)].max() if g else 0.0 for g in self.inputs])

    def norms(self, values: Float64Array) -> Float64Array:
        """For each input the Euclidean norm of the values of its column's inputs."""
        out = np.array(values, np.float64)
        for group in map(list, self.groups):
            out[group] = np.sqrt(np.square(out[group]).sum())
        return out

    def critical(
        self, squares: Float64Array, sums: Float64Array | float = 0.0
    ) -> float:
        """The largest (sqrt(sum of squares) + sum of sums) / sqrt(inputs) of a column."""
        sums = np.zeros(len(squares)) + sums
        value: float = max(
            (np.sqrt(squares[group].sum()) + sums[group].sum()) / np.sqrt(len(group))
            for group in map(list, self.groups)
        )
        return value

    def inputs_of(self, columns: Iterable[int]) -> IntArray:
        """The inputs of these columns."""
        return np.array([k for j in columns for k in self.inputs[j]], np.int64)

    def columns_of(self, inputs: NDArray[np.intp]) -> NDArray[np.intp]:
        """The columns that have any of these inputs."""
        found = set(np.asarray(inputs).tolist())
        return np.array([j for j, g in enumerate(self.inputs) if found & set(g)], int)

    def only(self, inputs: NDArray[np.intp]) -> Sources:
        """The columns of a network that has only these inputs, renumbered."""
        place = {k: number for number, k in enumerate(np.asarray(inputs).tolist())}
        kept = [[place[k] for k in group if k in place] for group in self.inputs]
        return Sources.of(kept)


def needs_encoder(X: Any) -> bool:
    """Whether X is a frame with more than numbers, or with missing ones."""
    if not is_frame(X) or not len(X):
        return False
    try:
        columns = columns_of(X)
    except ImportError:  # without the extra numbers alone can be read
        return False
    return not all(_is_plain(column) for column in columns)


def _is_plain(column: Column) -> bool:
    plain = column.holds in (NUMBER, BOOLEAN) and not column.declared
    return plain and not np.isnan(np.asarray(column.floats(), np.float64)).any()
