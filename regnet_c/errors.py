"""The package's own exceptions and warnings."""

from __future__ import annotations


class ModelFileError(ValueError):
    """A file is not a complete, consistent regnet_c network; nothing was loaded."""


class DivergenceError(ArithmeticError):
    """Training produced a loss that is not finite.

    Attributes
    ----------
    epoch, step : int
        Both counted from 0; `step` within the epoch.
    layer : int or None
        First Dense layer whose output is not finite.
    """

    epoch: int
    step: int
    layer: int | None

    def __init__(self, message: str, epoch: int, step: int, layer: int | None) -> None:
        super().__init__(message)
        self.epoch, self.step, self.layer = epoch, step, layer


class DeadStartWarning(UserWarning):
    """The initial weights get no gradient and will never change."""
