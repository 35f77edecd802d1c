"""The package's own exceptions and warnings."""

from __future__ import annotations


class ModelFileError(ValueError):
    """A file is not a complete, consistent regnet_c network; nothing was loaded.

    Explained in :doc:`/reliability`.

    Examples
    --------
    >>> import regnet_c as rn
    >>> with open("cut.safetensors", "wb") as file:
    ...     _ = file.write(b"not a model")
    >>> try:
    ...     rn.Network.load("cut.safetensors")
    ... except rn.ModelFileError as error:
    ...     print(type(error).__name__)
    ModelFileError
    """


class DivergenceError(ArithmeticError):
    """Training produced a loss that is not finite.

    Explained in :doc:`/reliability`.

    Attributes
    ----------
    epoch, step : int
        Both counted from 0; `step` within the epoch.
    layer : int or None
        First Dense layer whose output is not finite.

    Examples
    --------
    >>> import numpy as np, regnet_c as rn
    >>> net = rn.Network([rn.Dense(2, 1)])
    >>> try:
    ...     _ = net.fit(1e3 * np.eye(2), [0, 1], 100, optimizer=rn.SGD(1.0))
    ... except rn.DivergenceError as error:
    ...     print("stopped in epoch", error.epoch)
    stopped in epoch 3
    """

    epoch: int
    step: int
    layer: int | None

    def __init__(self, message: str, epoch: int, step: int, layer: int | None) -> None:
        super().__init__(message)
        self.epoch, self.step, self.layer = epoch, step, layer


class DeadStartWarning(UserWarning):
    """The initial weights get no gradient and will never change.

    Explained in :doc:`/regularisation`.

    Examples
    --------
    >>> import numpy as np, regnet_c as rn, warnings
    >>> net = rn.Network([rn.Dense(2, 3, "relu", weight_init=0.0), rn.Dense(3, 1)])
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     _ = net.fit(np.eye(2), [0, 0])
    >>> caught[0].category.__name__
    'DeadStartWarning'
    """
