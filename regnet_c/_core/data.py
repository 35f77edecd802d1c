"""What users pass in, checked and ready for the C core, which reads it in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from . import binding, checks, csr
from .digest import hexdigest, sha256

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike

    from ..typing import AnyArray, DType, Float64Array, IntArray, Rows
    from .csr import CSR
    from .plan import Plan

    # of the inputs, and of each Dense layer's outputs
    Masks: TypeAlias = tuple[binding.Source | None, list[binding.Source | None] | None]

_SIGNED = 64  # rows that tell a data set from others


class Data:
    """A checked data set.

    Attributes
    ----------
    n : int
        Rows.
    lengths : tuple of int
        Rows of each block; data in memory are one.
    x, y : Source
        Views for the core; y None if there are labels.
    labels : ndarray of int64 or None
    sample_weight : ndarray of float64 or None
    row_entries : int or None
        Those of an x that is read entry by entry.
    raw_x, raw_y : ndarray
        The arrays behind x and y; a sparse x is a `CSR`.
    """

    n: int
    lengths: tuple[int, ...]
    raw_x: AnyArray | CSR
    raw_y: AnyArray | None
    labels: IntArray | None
    sample_weight: Float64Array | None
    x: binding.Source
    row_entries: int | None
    y: binding.Source | None

    def __init__(
        self,
        x: AnyArray | csr.CSR,
        y: AnyArray | None,
        labels: IntArray | None,
        sample_weight: Float64Array | None,
        dtype: DType,
    ) -> None:
        self.n = len(x)
        self.lengths = (self.n,)
        self.raw_x, self.raw_y = x, y
        self.labels, self.sample_weight = labels, sample_weight
        self.x = x.source() if isinstance(x, csr.CSR) else binding.Source(x)
        self.row_entries = x.row_entries if isinstance(x, csr.CSR) else None
        self.y = None if y is None else binding.Source(y)
        self._dtype = dtype
        for source, array, name in ((self.x, x, "X"), (self.y, y, "y")):
            if source is None or array is None or array.dtype.kind != "f":
                continue
            bad = source.find_not_finite(dtype == np.float32)
            if bad >= 0:
                raise ValueError(checks.not_finite_message(array, name, bad, dtype))

    def block(self, number: int) -> Data:
        """Block 0, which is all of them."""
        return self

    def checksum(self) -> str:
        """16 hexadecimal digits that tell these data from others.

        They are those of 64 rows as the core reads them, the first and the last among
        them, and of all weights: also data larger than memory are told apart at once.
        """
        rows = np.unique(np.linspace(0, self.n - 1, _SIGNED).astype(np.int64))
        targets: Any = self.labels if self.raw_y is None else self.raw_y
        digest = sha256()
        for part in (self.raw_x[rows].astype(self._dtype), targets[rows]):
            digest.update(np.ascontiguousarray(part))
        if self.sample_weight is not None:
            digest.update(self.sample_weight)
        return hexdigest(digest)[:16]


def rows_of_targets(data: Data) -> AnyArray:
    """Its `raw_y`, where y is known not to be labels."""
    assert data.raw_y is not None
    return data.raw_y


def checked_data(
    plan: Plan, X: Rows, y: ArrayLike | None, sample_weight: ArrayLike | None
) -> Data:
    """The data set as `plan`'s network needs it, or the error that states why not."""
    x = checks.check_x(X, plan.columns)
    n_out = plan.dense[-1].n_out
    targets, labels = checks.check_targets(y, len(x), n_out, plan.loss)
    weight = checks.check_sample_weight(sample_weight, len(x))
    return Data(x, targets, labels, weight, plan.dtype)


def checked_masks(plan: Plan, masks: Iterable[ArrayLike] | None, n: int) -> Masks:
    """(input mask, masks per Dense layer) as Sources, from one per Dropout layer."""
    if masks is None:
        return None, None
    units = [plan.dense[0].n_in, *(layer.n_out for layer in plan.dense)]
    each = (plan.members,) if plan.members > 1 else ()
    arrays = checks.check_masks(masks, [(*each, n, units[i]) for i in plan.dropouts])
    sources: list[binding.Source | None] = [None] * len(units)
    for i, array in zip(plan.dropouts, arrays, strict=True):
        sources[i] = binding.Source(array.reshape(-1, units[i]))
    return sources[0], sources[1:]
