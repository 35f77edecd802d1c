"""MNIST from a file the user names; nothing in the package depends on it."""

import numpy as np

from .row import Skip


def load(path):
    """(x_train, y_train, x_test, y_test), images in [0, 1] as rows, float32.

    Raises
    ------
    Skip
        If no file is named.
    ValueError
        If it lacks one of the arrays.
    """
    if path is None:
        raise Skip("needs MNIST: --data mnist.npz (x_train, y_train, x_test, y_test)")
    with np.load(path, allow_pickle=False) as file:
        names = ("x_train", "y_train", "x_test", "y_test")
        missing = [name for name in names if name not in file]
        if missing:
            raise ValueError(f"{path} has no {', '.join(missing)}, expected {names}")
        x, y, x_test, y_test = (file[name] for name in names)

    def scaled(images):
        return images.reshape(len(images), -1) / np.float32(255)

    return scaled(x), y.astype(np.int64), scaled(x_test), y_test.astype(np.int64)
