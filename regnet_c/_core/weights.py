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

from . import binding
from .sparse import SparseWeights

if TYPE_CHECKING:
    from ..penalties import Term
    from ..typing import FloatArray, LayerSummary
    from .plan import Plan


def _value(terms: list[Term], w: FloatArray, sums: tuple[float, float, int]) -> float:
    """The value of a penalty on an array whose sums are known."""
    value = 0.0
    for term in terms:
        value += term.value(w, sums)
    return float(value)


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
    members : list of Weights
        Those of each member as a network of its own; without members the weights
        themselves.
    """

    # made on demand: training publishes far more than is read
    views: list[FloatArray]
    predictor: binding.Model
    sparse: SparseWeights
    sums: list[tuple[float, float, int]]
    members: list[Weights]
    _made = ("views", "predictor", "sparse", "sums", "members")

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
        self.params[:] = params
        made = self.__dict__  # what else it has only knows where the numbers are
        made.pop("sparse", None)
        made.pop("sums", None)
        made.pop("members", None)

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

    def _make_members(self) -> list[Weights]:
        return [self.member(i) for i in range(self.plan.members)]

    def member(self, number: int) -> Weights:
        """The weights of one member, W r s in place of W."""
        plan = self.plan.member_plan
        if plan is self.plan:
            return self
        params = plan.zeros()
        arrays = self.plan.member_views(self.params, number)
        for view, array in zip(plan.views(params), arrays, strict=True):
            view[...] = array
        return Weights(plan, params)

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
        for number, terms, is_each in self.plan.penalty_terms:
            view = self.views[number]
            if not is_each:
                value += _value(terms, view, self.sums[number])
                continue
            for own in view:  # the mean over the members
                sums = binding.penalty_sums(own.reshape(-1))
                value += _value(terms, own, sums) / len(view)
        return value

    def zeros(self) -> float:
        """Share of exact zeros among the weights, biases apart."""
        zeros = 0
        for number in self.plan.matrices:
            zeros += self.sums[number][2]
        return zeros / self.plan.weights

    def summary(self) -> list[LayerSummary]:
        """See `Network.summary`."""
        found: list[LayerSummary] = []
        for number in self.plan.matrices:
            w, (sum_abs, _, zeros) = self.views[number], self.sums[number]
            found.append(
                {
                    "n_in": w.shape[-2],
                    "n_out": w.shape[-1],
                    "weights": w.size,
                    "sum_abs": sum_abs,
                    "zeros": zeros / w.size,
                }
            )
        return found
