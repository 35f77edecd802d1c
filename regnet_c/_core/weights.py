"""One set of a network's weights, and what is derived from it.

A network's weights are published as one object that is never changed afterwards: readers
take it once and keep it, so that every prediction is that of one set of weights, whatever
other threads do.  Training changes a copy that no reader sees; see `WeightStore` in
binding_networks.pxi for how copies become published.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .sparse import SparseWeights

if TYPE_CHECKING:
    from ..typing import FloatArray, LayerSummary
    from . import binding
    from .plan import Plan


class Weights:
    """Weights in one flat array.

    Parameters
    ----------
    plan : Plan
    params : ndarray (plan.size,)
        Not copied.

    Attributes
    ----------
    views : list of ndarray
        [W0, b0, W1, b1, ...], read-only.
    predictor : binding.Model
        The network without dropout, with these weights.
    sparse : SparseWeights
    sums : list of tuple
        (sum|w|, sum w^2, exact zeros) of each view.
    """

    # made on demand: training publishes far more than is read
    views: list[FloatArray]
    predictor: binding.Model
    sparse: SparseWeights
    sums: list[tuple[float, float, int]]
    _made = ("views", "predictor", "sparse", "sums")

    def __init__(self, plan: Plan, params: FloatArray) -> None:
        self.plan, self.params = plan, params

    def __getattr__(self, name: str) -> Any:
        if name not in self._made:
            raise AttributeError(name)
        made = getattr(self, f"_make_{name}")()
        setattr(self, name, made)
        return made

    def copy(self) -> Weights:
        """The same weights in memory of their own."""
        return Weights(self.plan, self.plan.copy(self.params))

    def replace(self, params: FloatArray) -> None:
        """Copy other numbers into the same memory; not for published weights."""
        np.copyto(self.params, params)
        for name in ("sparse", "sums"):  # the others only know where the numbers are
            self.__dict__.pop(name, None)

    def _make_views(self) -> list[FloatArray]:
        views = self.plan.views(self.params)
        for view in views:
            view.flags.writeable = False
        return views

    def _make_predictor(self) -> binding.Model:
        return self.plan.predictor.bound_to(self.params)

    def _make_sparse(self) -> SparseWeights:
        matrices = [view for view in self.views if view.ndim == 2]
        return SparseWeights(matrices[: len(self.plan.dense)])

    def _make_sums(self) -> list[tuple[float, float, int]]:
        return self.predictor.weight_sums()

    def are_finite(self) -> bool:
        """Whether there is no NaN and no infinity."""
        total = 0.0
        for sum_abs, _, _ in self.sums:
            total += sum_abs
        if math.isfinite(total):
            return True
        return bool(np.isfinite(self.params).all())  # the sum may overflow

    def penalty(self) -> float:
        """Value of the penalties."""
        value = 0.0
        for number, penalty in enumerate(self.plan.penalties):
            if penalty:
                value += penalty.value(self.views[number], self.sums[number])
        return value

    def zeros(self) -> float:
        """Share of exact zeros among the weights, biases apart."""
        zeros = 0
        for number in self.plan.matrices:
            zeros += self.sums[number][2]
        return zeros / self.plan.products

    def summary(self) -> list[LayerSummary]:
        """See `Network.summary`."""
        return [
            {
                "n_in": w.shape[0],
                "n_out": w.shape[1],
                "weights": w.size,
                "sum_abs": sum_abs,
                "zeros": zeros / w.size,
            }
            for w, (sum_abs, _, zeros) in zip(self.views, self.sums, strict=True)
            if w.ndim == 2
        ]
