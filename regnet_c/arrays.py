"""What users pass in, checked and ready for the C core, which reads it in place."""

import numpy as np

from . import _check, _kernels


class Data:
    """A checked data set.

    Attributes
    ----------
    n : int
        Rows.
    x, y : Source
        Views for the core; y None if there are labels.
    labels : ndarray of int64 or None
    sample_weight : ndarray of float64 or None
    raw_x, raw_y : ndarray
        The arrays behind x and y.
    """

    def __init__(self, x, y, labels, sample_weight, dtype):
        self.n = len(x)
        self.raw_x, self.raw_y = x, y
        self.labels, self.sample_weight = labels, sample_weight
        self.x = as_source(x, "X", dtype)
        self.y = None if y is None else as_source(y, "y", dtype)


def as_source(array, name, dtype):
    """A view for the core; ValueError if a number is not finite as `dtype`."""
    source = _kernels.Source(array)
    if array.dtype.kind == "f":
        bad = source.find_not_finite(dtype == np.float32)
        if bad >= 0:
            raise ValueError(_check.not_finite_message(array, name, bad, dtype))
    return source


def checked_x(plan, X):
    """The inputs of `plan`'s network from its own columns or all of the original's."""
    return _check.check_x(X, plan.dense[0].n_in, "X", plan.kept_inputs, plan.n_inputs)


def checked_data(plan, X, y, sample_weight):
    """The data set as `plan`'s network needs it, or the error that says why not."""
    x = checked_x(plan, X)
    y, labels = _check.check_targets(y, len(x), plan.dense[-1].n_out, plan.loss)
    weight = _check.check_sample_weight(sample_weight, len(x))
    return Data(x, y, labels, weight, plan.dtype)


def checked_masks(plan, masks, n):
    """(input mask, masks per Dense layer) as Sources, from one per Dropout layer."""
    if masks is None:
        return None, None
    units = [plan.dense[0].n_in, *(layer.n_out for layer in plan.dense)]
    arrays = _check.check_masks(masks, [(n, units[i]) for i in plan.dropouts])
    sources = [None] * len(units)
    for i, array in zip(plan.dropouts, arrays, strict=True):
        sources[i] = _kernels.Source(array)
    return sources[0], sources[1:]
