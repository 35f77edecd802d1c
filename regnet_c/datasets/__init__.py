"""Real data included in the package: 1797 handwritten digits (UCI)."""

from importlib.resources import files

import numpy as np


def load_digits():
    """The UCI handwritten digits, 8 x 8 pixels each.

    1797 digits written by 43 people (the test part of the UCI set "Optical Recognition of
    Handwritten Digits", E. Alpaydin and C. Kaynak 1998, CC BY 4.0).

    Returns
    -------
    X : ndarray of uint8, shape (1797, 64)
        Grey levels 0 to 16, row by row.
    y : ndarray of int64, shape (1797,)
        The digit, 0 to 9.
    """
    with (
        files(__package__).joinpath("digits.npz").open("rb") as file,
        np.load(file) as z,
    ):
        return z["X"], z["y"].astype(np.int64)
