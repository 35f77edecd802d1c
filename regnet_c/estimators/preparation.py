"""How rows become what a network trains on: encoded, scaled, one array.

Everything is learned from the training rows, after the validation rows were taken away.
Scales are folded into the trained weights at the end, so that `network_` takes X as the
encoder (or, without one, the user) provides it and predicts in the units of y; an
encoder stays in front of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone

from .._core.units import Units
from ..recipes.presets import AUTO, FEW_ROWS, is_auto
from ..tables.columns import is_frame
from ..tables.encoder import TableEncoder
from .guard import take_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .._core.csr import CSR
    from ..losses import Loss
    from ..recipes.presets import Recipe
    from ..typing import AnyArray, Auto, DType, Float64Array

_PIXELS = 16  # columns of bytes, at least, that are taken for an image


class Preparation:
    """An encoder and units, learned from training rows.

    Parameters
    ----------
    recipe : Recipe
    loss : Loss
    X, y, weight
        Checked training rows, y as the network takes it.

    Attributes
    ----------
    encoder : TableEncoder or None
    units : Units
    """

    encoder: TableEncoder | None
    units: Units
    loss: Loss

    def __init__(
        self,
        recipe: Recipe,
        loss: Loss,
        X: Any,
        y: AnyArray,
        weight: Float64Array | None,
    ) -> None:
        self.encoder = _encoder(recipe.encoder, X)
        encoded = X if self.encoder is None else _learned(self.encoder, X, weight)
        automatic = recipe.encoder is not None and self.encoder is None
        scales_y = recipe.preset == AUTO
        self.units = Units(
            encoded,
            y if loss.classification else y.reshape(len(y), -1),
            loss if scales_y else None,
            standardize=automatic and X.shape[0] < FEW_ROWS and is_plain(X),
            joint=False,
            sample_weight=weight,
        )
        if automatic and _is_pixels(X):
            self.units.x_scale[:] = 255.0
        self.loss = self.units.scaled(loss)
        self._first = X, encoded  # so that these rows are encoded once

    @property
    def is_trivial(self) -> bool:
        """Whether the network sees X and y unchanged."""
        return self.units.keep_x and self.units.keep_y

    def encoded(self, X: Any) -> Any:
        """X as `network_` takes it."""
        return X if self.encoder is None else self.encoder.network_rows(X)

    def inputs(self, X: Any, dtype: DType) -> Any:
        """X on the scale of training."""
        (first, encoded), self._first = self._first, (None, None)
        if X is not first:
            encoded = self.encoded(X)
        return encoded if self.units.keep_x else self.units.inputs(encoded, dtype)

    def targets(self, y: AnyArray) -> AnyArray:
        """y on the scale of training."""
        if self.loss.classification or self.is_trivial:
            return y
        return self.units.targets(y.reshape(len(y), -1))


def _is_pixels(X: Any) -> bool:
    dtype = getattr(X, "dtype", None)
    return dtype == np.uint8 and X.ndim == 2 and X.shape[1] >= _PIXELS


def is_plain(X: Any) -> bool:
    """Whether X is a table of numbers without missing ones."""
    if is_frame(X) or hasattr(X, "toarray"):
        return False
    return X.dtype.kind in "iufb" and bool(np.isfinite(X.sum(dtype=np.float64)))


def _learned(
    encoder: TableEncoder, X: Any, weight: Float64Array | None
) -> NDArray[np.float32] | CSR:
    """The encoded rows, after the encoder learned from those that have a weight."""
    if weight is None or weight.all():
        return encoder.fit_network_rows(X)
    return encoder.fit(take_rows(X, np.flatnonzero(weight))).network_rows(X)


def _encoder(encoder: TableEncoder | Auto | None, X: Any) -> TableEncoder | None:
    """A fresh encoder for X, or None."""
    known = encoder is None or isinstance(encoder, TableEncoder)
    if not known and not is_auto(encoder):
        raise ValueError(
            f"encoder is {encoder!r:.60}, expected 'auto', None or a TableEncoder"
        )
    if encoder is None or hasattr(X, "toarray"):
        return None
    if not isinstance(encoder, str):
        result: TableEncoder | None = clone(encoder)
        return result
    n_rows = X.shape[0]
    if _is_pixels(X) or (n_rows < FEW_ROWS and is_plain(X)):
        return None
    numeric = "standard" if n_rows < FEW_ROWS else "auto"
    return TableEncoder(numeric=numeric)
