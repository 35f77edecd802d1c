"""Real data included in the package: 1797 handwritten digits (UCI)."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ..typing import AnyArray, IntArray


def load_digits() -> tuple[AnyArray, IntArray]:
    """The UCI handwritten digits, 8 x 8 pixels each.

    1797 digits written by 43 people (the test part of the UCI set "Optical Recognition of
    Handwritten Digits", E. Alpaydin and C. Kaynak 1998, CC BY 4.0).

    Explained in :doc:`/quick_start`.

    Returns
    -------
    X : ndarray of uint8, shape (1797, 64)
        Grey levels 0 to 16, row by row.
    y : ndarray of int64, shape (1797,)
        The digit, 0 to 9.

    Examples
    --------
    >>> from regnet_c.datasets import load_digits
    >>> X, y = load_digits()
    >>> X.shape, y[:4].tolist()
    ((1797, 64), [0, 1, 2, 3])
    """
    with (
        files(__package__).joinpath("digits.npz").open("rb") as file,
        np.load(file) as z,
    ):
        return z["X"], z["y"].astype(np.int64)
