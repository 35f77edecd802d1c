"""The exceptions and warnings of the package's own."""


class ModelFileError(ValueError):
    """A file is no complete, consistent network of regnet_c; nothing was loaded."""


class DivergenceError(ArithmeticError):
    """Training produced a loss that is not finite.

    Attributes
    ----------
    epoch, step : int
        Both counted from 0; `step` within the epoch.
    layer : int or None
        First Dense layer whose output is not finite.
    """

    def __init__(self, message, epoch, step, layer):
        super().__init__(message)
        self.epoch, self.step, self.layer = epoch, step, layer


class DeadStartWarning(UserWarning):
    """The weights training starts from get no gradient and will never change."""
