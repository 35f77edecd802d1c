"""MNIST from a file the user names; nothing in the package depends on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from .._core import checks
from ..tables import npz
from .row import Skip

if TYPE_CHECKING:
    from ..typing import FloatArray, IntArray, StrPath

    Images: TypeAlias = tuple[FloatArray, IntArray, FloatArray, IntArray]


def load(path: StrPath | None) -> Images:
    """(x_train, y_train, x_test, y_test), images in [0, 1] as rows, float32.

    Raises
    ------
    Skip
        If no file is named.
    ValueError
        If it lacks one of the arrays, or they are not images and digits.
    """
    if path is None:
        raise Skip("needs MNIST: --data mnist.npz (x_train, y_train, x_test, y_test)")
    arrays = npz.load_npz(path)
    names = ("x_train", "y_train", "x_test", "y_test")
    missing = [name for name in names if name not in arrays]
    if missing:
        raise ValueError(f"{path} has no {', '.join(missing)}, expected {names}")
    return *_images(arrays, "x_train", "y_train"), *_images(arrays, "x_test", "y_test")


def _images(
    arrays: dict[str, Any], x_name: str, y_name: str
) -> tuple[FloatArray, IntArray]:
    x, y = npz.rows_of(arrays, x_name, y_name)
    if x.shape[1] != 28 * 28 or not np.isfinite(x).all():
        raise ValueError(
            f"{x_name} has {x.shape[1]} numbers per row, expected 784 finite ones"
        )
    labels = checks.check_labels(checks.as_array(y, y_name), 10)
    return x / np.float32(255), labels
