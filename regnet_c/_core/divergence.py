"""Networks that cannot learn, and weights that are no longer finite."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from ..errors import DeadStartWarning
from . import binding
from .layerwise import layer_outputs

if TYPE_CHECKING:
    from ..typing import AnyArray, FloatArray
    from .weights import Weights


def warn_of_dead_start(weights: Weights) -> None:
    """Warn if layers of zeros pass no gradient: relu'(0) = 0, or f(0) = 0 before zeros."""
    weights = weights.member(0)
    views = iter(weights.views)
    zero_before = False
    for number, layer in enumerate(weights.plan.dense):
        w = next(views)
        bias = next(views) if layer.use_bias else np.zeros(1)
        zero = w.flat[0] == 0 and not w.any()
        traits = layer.traits
        if zero and traits.zero_below and not (bias > 0).any():
            reason = (
                f"all weights of layer {number} are zero and {layer.activation}'(0) = 0"
            )
            _warn(reason)
        elif zero and zero_before:
            _warn(f"all weights of layers {number - 1} and {number} are zero")
        zero_before = zero and traits.zero_at_zero and not bias.any()


def _warn(reason: str) -> None:
    warnings.warn(
        f"this network can never learn: {reason}; start from random weights",
        DeadStartWarning,
        stacklevel=7,  # the caller of fit
    )


def all_finite(array: FloatArray | None) -> bool:
    """True for None and for an array without NaN and infinities."""
    if array is None or np.isfinite(binding.penalty_sums(array)[0]):
        return True
    return bool(np.isfinite(array).all())  # the sum of finite numbers may overflow


def first_not_finite(weights: Weights, x: AnyArray) -> int | None:
    """Number of the first Dense layer whose output on x is not finite, or None."""
    with np.errstate(over="ignore"):
        a = np.asarray(x, weights.plan.dtype, order="C")
    with np.errstate(all="ignore"):
        for number, outputs in enumerate(
            zip(*(layer_outputs(own, a) for own in weights.members), strict=True)
        ):
            if not all(np.isfinite(z).all() for z, _ in outputs):
                return number
    return None
