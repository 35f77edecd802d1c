"""The forward pass one layer at a time, for callers that need what is in between."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from . import binding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..typing import FloatArray
    from .weights import Weights


def layer_outputs(
    weights: Weights, x: FloatArray
) -> Iterator[tuple[FloatArray, FloatArray | None]]:
    """Each Dense layer's outputs on the rows of x, dropout off, and their slopes.

    Parameters
    ----------
    weights : Weights
    x : ndarray of shape (n, n_in), the network's dtype, C order

    Yields
    ------
    tuple of ndarray (n, n_out)
        a = f(z) and f'(z); of a softmax layer z and None.
    """
    a, views, plan = x, iter(weights.views), weights.plan
    for number, layer in enumerate(plan.dense):
        z = np.empty((len(a), layer.n_out), plan.dtype)
        w = next(views)
        binding.dense_forward(z, a, w, next(views) if layer.use_bias else None)
        if not layer.traits.hidden:
            a, slope = z, None
        else:
            a, slope = np.empty_like(z), np.empty_like(z)
            code, param = plan.activation_code(number), layer.activation_param
            flat = a.reshape(-1), slope.reshape(-1), z.reshape(-1)
            binding.activation_forward(code, *flat, param or 0.0)
        yield a, slope
