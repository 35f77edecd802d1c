"""The targets of a classifier: classes or sets of labels, as a Network sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._core import checks
from .guard import warn_user

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ..typing import (
        AnyArray,
        ClassLoss,
        ClassWeight,
        Float64Array,
        FloatArray,
        LossName,
    )

LOSSES = ("auto", "softmax_cross_entropy", "binary_cross_entropy")


class Labels:
    """Classes, number of outputs and loss that go with a checked y.

    Parameters
    ----------
    y : ndarray of shape (n,) or, of 0 and 1 for several labels per row, (n, n_labels)
    loss : str
        One of `LOSSES`.
    classes : array-like, optional
        All classes; default: those of y.
    """

    multilabel: bool
    classes: AnyArray
    is_binary: bool
    n_outputs: int

    def __init__(
        self, y: AnyArray, loss: ClassLoss, classes: ArrayLike | None = None
    ) -> None:
        self.multilabel = y.ndim == 2
        if self.multilabel:
            self.classes = np.arange(y.shape[1])
        else:
            self.classes = np.unique(y if classes is None else classes)
            if len(self.classes) == 1:
                warn_user(
                    f"y has only one class ({self.classes[0]}): every prediction will "
                    "be that class"
                )
        self.loss = self._choose_loss(loss)
        self.is_binary = self.loss == "binary_cross_entropy" and not self.multilabel
        self.n_outputs = 1 if self.is_binary else len(self.classes)

    def _choose_loss(self, loss: ClassLoss) -> LossName:
        checks.check_name(loss, LOSSES, "loss")
        if loss == "auto":
            # the softmax of a single output is 1: one class needs nothing else
            binary = self.multilabel or len(self.classes) == 2
            return "binary_cross_entropy" if binary else "softmax_cross_entropy"
        if loss == "softmax_cross_entropy" and self.multilabel:
            raise ValueError(
                f"loss is {loss!r}, multi-label y needs binary_cross_entropy"
            )
        if loss == "binary_cross_entropy" and not self.multilabel:
            if len(self.classes) > 2:
                raise ValueError(
                    f"loss is {loss!r}, y has {len(self.classes)} classes, expected 2 "
                    "or multi-label y"
                )
            if len(self.classes) == 1:
                return "softmax_cross_entropy"
        return loss

    def same(self, y: AnyArray, classes: ArrayLike | None = None) -> None:
        """ValueError if a later y, or its `classes`, is of another kind."""
        wanted = f"(n, {self.n_outputs})" if self.multilabel else "(n,)"
        columns = y.shape[1] if y.ndim == 2 else None
        if columns != (self.n_outputs if self.multilabel else None):
            raise ValueError(f"y has shape {y.shape}, it was {wanted} before")
        if classes is not None and not np.array_equal(np.unique(classes), self.classes):
            raise ValueError(f"classes is {classes}, it was {self.classes} before")

    def encode(self, y: AnyArray) -> AnyArray:
        """Labels 0, 1, ... (int64), or the 0/1 columns of a multi-label y."""
        self.same(y)
        if self.multilabel:
            return y
        last = len(self.classes) - 1
        labels = np.minimum(np.searchsorted(self.classes, y), last)
        new = self.classes[labels] != y
        if new.any():
            raise ValueError(
                f"y has the labels {np.unique(y[new])}, expected only the classes "
                f"{self.classes}"
            )
        return labels

    def decode(self, out: FloatArray) -> AnyArray:
        """Classes (n,) or 0/1 columns from the Network's probabilities."""
        if self.multilabel:
            return (out > 0.5).astype(np.int64)
        if self.is_binary:
            return self.classes[(out[:, 0] > 0.5).astype(np.intp)]
        array: AnyArray = self.classes[out.argmax(axis=1)]
        return array

    def probabilities(self, out: FloatArray) -> FloatArray:
        """A column per class, or per label, from the Network's probabilities."""
        if self.is_binary:
            return np.hstack([1 - out, out])
        return out

    def row_weights(
        self, labels: AnyArray, weight: Float64Array | None, class_weight: ClassWeight
    ) -> Float64Array | None:
        """Row weights times the class weights of encoded labels; None: all equal."""
        if class_weight is None:
            return weight
        if self.multilabel:
            raise ValueError(
                f"class_weight is {class_weight!r}, multi-label y expects None: its "
                "rows have no single class"
            )
        if isinstance(class_weight, str):
            checks.check_name(class_weight, ("balanced",), "class_weight")
            totals = np.bincount(labels, weight, minlength=len(self.classes))
            mean = totals.sum() / len(totals)
            factors = np.divide(mean, totals, np.zeros(len(totals)), where=totals > 0)
        else:
            factors = self._factors(class_weight)
        array: Float64Array | None = (
            factors[labels] if weight is None else factors[labels] * weight
        )
        return array

    def _factors(self, class_weight: ClassWeight) -> Float64Array:
        """Factor of each class from a dict; classes it leaves out keep 1."""
        if not isinstance(class_weight, dict):
            raise TypeError(
                f"class_weight is {class_weight!r}, expected 'balanced', a dict or None"
            )
        factors = np.ones(len(self.classes))
        position = {c: i for i, c in enumerate(self.classes.tolist())}
        for name, factor in class_weight.items():
            if name not in position:
                raise ValueError(
                    f"class_weight has the class {name!r}, y has {self.classes}"
                )
            factors[position[name]] = checks.check_float(
                factor, f"class_weight[{name!r}]", minimum=0
            )
        return factors
