"""Numbers encoded for a network: four methods, learned from a column, NumPy only.

    standard   (x - mean) / deviation
    robust     z / sqrt(1 + (z/3)^2) with z = (x - median) / (interquartile range):
               close to z near 0, never beyond 3 (RealMLP, Holzmueller et al. 2024)
    quantile   the normal quantile of x's rank, linear between `knots`
    ple        one output per bin between neighbouring knots (quantiles): 0 below the
               bin, 1 above it, linear inside (piecewise-linear encoding, Gorishniy et
               al. 2022, with both ends cut at 0 and 1)

Everything is computed in float64, `z` is cut at +-1e6, and the result is rounded once, to
float32.  Means are plain sums and quantiles are values of the column, so that one table
gives the same bits on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from ..typing import AnyArray, Float64Array

METHODS = ("standard", "robust", "quantile", "ple")
LIMIT = 1e6  # of z, so that neither its square nor a float32 overflows
_QUANTILE_KNOTS = 256


@dataclass(frozen=True)
class NumberCode:
    """One method, fitted.

    Attributes
    ----------
    method : str
        One of `METHODS`.
    center, scale : float
        Of standard and robust; 0 and 1 otherwise.
    knots : tuple of float
        Of quantile and ple, strictly increasing, at least two.
    values : tuple of float
        Of quantile: the output at each knot.
    """

    method: str
    center: float = 0.0
    scale: float = 1.0
    knots: tuple[float, ...] = ()
    values: tuple[float, ...] = ()

    @property
    def n_outputs(self) -> int:
        """Columns that `write` fills."""
        return len(self.knots) - 1 if self.method == "ple" else 1

    def names(self, name: str) -> list[str]:
        """A name for each output."""
        if self.method != "ple" or self.n_outputs == 1:
            return [name]
        return [f"{name}>{knot!r}" for knot in self.knots[:-1]]

    @cached_property
    def _bins(self) -> tuple[Float64Array, Float64Array, NDArray[np.float32]]:
        """Knots, widths of the bins, and a row for each bin: 1 for those below it."""
        knots = np.array(self.knots)
        below = np.tri(self.n_outputs, k=-1, dtype=np.float32)
        return knots, np.diff(knots), below

    def write(self, x: Float64Array, out: NDArray[np.float32]) -> None:
        """The code of x (n,), float64 and finite, into out (n, n_outputs), float32."""
        if self.method == "ple":
            knots, widths, below = self._bins
            bins = knots[1:-1].searchsorted(x, side="right")
            part = x - knots.take(bins)
            part /= widths.take(bins)
            rows = below.take(bins, axis=0)
            bins += np.arange(0, rows.size, self.n_outputs)
            # float32 as rows are: NumPy would cast through a buffer, and aborts the process
            # if it cannot allocate one
            rows.put(bins, _cut(part, 0.0, 1.0).astype(rows.dtype))
            out[...] = rows
        elif self.method == "quantile":
            out[:, 0] = np.interp(x, self.knots, self.values)
        else:
            z = x - self.center
            z /= self.scale
            _cut(z, -LIMIT, LIMIT)
            if self.method == "robust":
                z /= np.sqrt(1 + np.square(z / 3))
            out[:, 0] = z


def _cut(x: Float64Array, low: float, high: float) -> Float64Array:
    """np.clip in place, without its overhead over the comparisons."""
    np.maximum(x, low, out=x)
    return np.minimum(x, high, out=x)


def learn(method: str, ordered: Float64Array, n_bins: int) -> NumberCode:
    """A NumberCode of the sorted finite values (n,) of a column, two different at least.

    Raises
    ------
    ValueError
        If the values lie too far apart for a float.
    """
    if method == "standard":
        center = float(ordered.mean())
        with np.errstate(over="ignore"):  # refused below
            scale = float(np.sqrt(np.square(ordered - center).mean()))
        return NumberCode(method, *_finite(ordered, center, scale))
    if method == "robust":
        low, center, high = (float(ordered_at(ordered, p)) for p in (0.25, 0.5, 0.75))
        scale = high - low or (float(ordered[-1]) - float(ordered[0])) / 2
        return NumberCode(method, *_finite(ordered, center, scale))
    _finite(ordered, 0.0, float(ordered[-1]) - float(ordered[0]))
    if method == "ple":
        return NumberCode(method, knots=tuple(_edges(ordered, n_bins).tolist()))
    return _learn_quantile(ordered)


def ordered_at(ordered: AnyArray, share: ArrayLike) -> Any:
    """The value at this share of a sorted array: always one of its values."""
    return ordered[np.floor(np.multiply(share, len(ordered) - 1) + 0.5).astype(np.intp)]


def distinct(ordered: AnyArray) -> AnyArray:
    """The different values of a sorted array."""
    array: AnyArray = ordered[np.append(True, ordered[1:] != ordered[:-1])]
    return array


def _edges(ordered: Float64Array, n_bins: int) -> Float64Array:
    """At most n_bins + 1 values of a sorted column: all of them if there are so few.

    Values that fill a bin alone, such as the many zeros of an amount, are edges, and the
    other edges are quantiles of the other values.
    """
    values = distinct(ordered)
    if len(values) <= n_bins + 1:
        return values
    counts = np.diff(np.searchsorted(ordered, values), append=len(ordered))
    heavy = values[counts > len(ordered) / n_bins]
    others = np.repeat(values, np.where(np.isin(values, heavy), 0, counts))
    shares = np.linspace(0, 1, n_bins + 1 - len(heavy))
    if len(others) and len(shares):
        heavy = np.append(heavy, ordered_at(others, shares))
    edges = distinct(np.sort(heavy))
    return edges if len(edges) > 1 else ordered[[0, -1]]


def _learn_quantile(ordered: Float64Array) -> NumberCode:
    count = min(_QUANTILE_KNOTS, len(ordered))
    shares = np.linspace(0, 1, count)
    knots = ordered_at(ordered, shares)
    first = np.flatnonzero(np.append(True, knots[1:] != knots[:-1]))
    if len(first) == 1:
        knots, first, shares = ordered[[0, -1]], np.arange(2), np.array([0.0, 1.0])
    last = np.append(first[1:] - 1, len(knots) - 1)
    middle = (shares[first] + shares[last]) / 2  # of equal knots
    margin = 0.5 / count
    from statistics import NormalDist  # on first use: it imports much

    normal = NormalDist()
    values = [normal.inv_cdf(min(max(p, margin), 1 - margin)) for p in middle.tolist()]
    return NumberCode(
        "quantile", knots=tuple(knots[first].tolist()), values=tuple(values)
    )


def _finite(ordered: Float64Array, center: float, scale: float) -> tuple[float, float]:
    """(center, scale), or ValueError if they overflow."""
    if not (np.isfinite(center) and np.isfinite(scale) and scale > 0):
        raise ValueError(
            f"its values lie between {ordered[0]} and {ordered[-1]}, "
            "too far apart or too close together to be scaled"
        )
    return center, scale
