"""Which layers predict from their non-zero weights alone, and when the lists are made.

The lists (rn_sparse.inc.c) are copies of weights that never change, made at the first
prediction that repays it.  No bit of a prediction depends on whether they are used.
The constants are measured by `benchmarks/bench_sparse.py`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from . import binding
from .memory import aligned_zeros

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..typing import FloatArray, IntArray

    # (slices, start, unit, index, value), see `sparse_lists`
    Lists: TypeAlias = tuple[
        int, IntArray, NDArray[np.int32], NDArray[np.int32], FloatArray
    ]
    # for few rows, for many
    Made: TypeAlias = tuple[binding.SparseLayers | None, binding.SparseLayers | None]

MAX_DENSITY = 0.25  # share of non-zero weights up to which lists pay,
MAX_DENSITY_FEW = 0.125  # and where only FEW_ROWS or fewer are predicted at a time;
MIN_SIDE_FEW = 100  # then only in layers with this many inputs and units
FEW_ROWS = 8
MIN_WEIGHTS = 4096  # of a layer; smaller ones are as fast as they can be
MAX_SLICE = 400  # inputs whose values for a panel of rows fit in the first-level cache
ROWS_BEFORE = 64  # rows whose prediction costs as much as making the lists

_MAX_INPUTS = np.iinfo(np.int32).max


class SparseWeights:
    """The lists of a network's sparse layers, made when predictions repay it.

    Parameters
    ----------
    matrices : list of ndarray
        One for each layer; never changed.
    """

    def __init__(self, matrices: list[FloatArray]) -> None:
        self._matrices = [
            w if w.size >= MIN_WEIGHTS and len(w) <= _MAX_INPUTS else None
            for w in matrices
        ]
        self._never = all(w is None for w in self._matrices)
        self._rows = 0
        self.made: Made | None = None  # lists for few rows, for many

    def layers(self, n: int) -> binding.SparseLayers | None:
        """What `Model.predict` of n rows takes: lists of some layers, or None."""
        if self._never:
            return None
        if self.made is None:
            self._rows += n
            if self._rows <= ROWS_BEFORE:
                return None
            self.made = self._make()
        few, many = self.made
        return few if n <= FEW_ROWS else many

    def _make(self) -> Made:
        few: list[Lists | None] = []
        many: list[Lists | None] = []
        for w in self._matrices:
            lists, pays = None, False
            if w is not None:
                density = int(np.count_nonzero(w)) / w.size
                lists = sparse_lists(w) if density <= MAX_DENSITY else None
                pays = density <= MAX_DENSITY_FEW and min(w.shape) >= MIN_SIDE_FEW
            many.append(lists)
            few.append(lists if pays else None)
        return _layers(few), _layers(many)


def _layers(lists: list[Lists | None]) -> binding.SparseLayers | None:
    return binding.SparseLayers(lists) if any(lists) else None


def sparse_lists(w: FloatArray, max_slice: int = MAX_SLICE) -> Lists:
    """(slices, start, unit, index, value) of w as rn.h describes it.

    Units with similar numbers of weights are grouped, so that few places are wasted.
    """
    n_in, n_out = w.shape
    lanes = binding.SPARSE_UNITS
    slices, groups = -(-n_in // max_slice), -(-n_out // lanes)
    bounds = np.linspace(0, n_in, slices + 1).astype(int)
    parts = [w[first:end] for first, end in pairwise(bounds)]
    counts = np.empty((slices, n_out), np.int64)
    for count, part in zip(counts, parts, strict=True):
        binding.sparse_count(count, part)
    unit = np.full((slices, groups * lanes), -1, np.int32)
    unit[:, :n_out] = order = np.argsort(-counts, axis=1, kind="stable")
    longest = np.take_along_axis(counts, order[:, ::lanes], axis=1)
    start = np.concatenate([[0], np.cumsum(longest)])
    value = aligned_zeros(start[-1] * lanes, w.dtype)
    index = aligned_zeros(start[-1] * lanes, np.dtype(np.int32))
    group, lane = np.divmod(np.arange(n_out), lanes)
    for number, part in enumerate(parts):
        begins = start[number * groups :]
        first, end = np.empty((2, n_out), np.int64)
        first[order[number]] = begins[group] * lanes + lane
        end[order[number]] = begins[group + 1] * lanes
        binding.sparse_fill(value, index, first, end, part)
        # int32 as index is: NumPy would convert another type through a buffer, and
        # aborts the process if it cannot allocate one
        index[begins[0] * lanes : begins[groups] * lanes] += np.int32(bounds[number])
    return slices, start, unit.reshape(-1), index, value
