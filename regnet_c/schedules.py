"""Schedules: a learning rate for every step, computed for many steps at once.

Dropout rates and AdamW's decay take them too, which change once an epoch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._core import checks
from ._core.fixed import Fixed
from ._core.portable import half_cosine, log, power

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from .typing import Float64Array


class Schedule(Fixed):
    """Base of the schedules: a callable (steps, steps_per_epoch) -> learning rates.

    The rates of thousands of steps are computed at once, those of later epochs too, so
    they must follow from the arguments alone; a callback that sets the optimiser's
    ``learning_rate`` takes effect with the next epoch.

    `Dropout` takes one as its rate and `AdamW` as its decay: an epoch uses the schedule's
    value at its first step.

    Explained in :doc:`/coming_from_pytorch`.

    Parameters
    ----------
    initial : float
        Learning rate after the warm-up.
    warmup_epochs : float, default 0
        The rate rises linearly from 0 over these epochs.

    Examples
    --------
    >>> import regnet_c as rn
    >>> class Halving(rn.schedules.Schedule):
    ...     def factor(self, epochs):
    ...         return 0.5 ** epochs
    >>> Halving(0.1)([0, 10, 20], steps_per_epoch=10)
    array([0.1  , 0.05 , 0.025])
    """

    initial: float
    warmup_epochs: float

    def __init__(self, initial: float, warmup_epochs: float = 0.0) -> None:
        self.initial = checks.check_float(
            initial, "initial", minimum=0, open_minimum=True
        )
        self.warmup_epochs = checks.check_float(
            warmup_epochs, "warmup_epochs", minimum=0
        )

    def __call__(self, steps: ArrayLike, steps_per_epoch: int) -> Float64Array:
        """Learning rates (float64) of the given step numbers, counted from 0.

        Parameters
        ----------
        steps : array-like of int
            Counted from 0.
        steps_per_epoch : int

        Returns
        -------
        ndarray of float64, like steps

        Examples
        --------
        >>> import regnet_c as rn
        >>> rn.schedules.Constant(0.1, warmup_epochs=1)([0, 1, 2, 3], steps_per_epoch=2)
        array([0.05, 0.1 , 0.1 , 0.1 ])
        """
        epochs = np.asarray(steps, np.float64) / steps_per_epoch
        rates = self.initial * self.factor(np.maximum(epochs - self.warmup_epochs, 0))
        if self.warmup_epochs:
            done = (np.asarray(steps) + 1) / (self.warmup_epochs * steps_per_epoch)
            rates = rates * np.minimum(done, 1)
        return rates

    def at(self, step: int, steps_per_epoch: int) -> float:
        """The value at one step.

        Parameters
        ----------
        step, steps_per_epoch : int

        Returns
        -------
        float

        Examples
        --------
        >>> import regnet_c as rn
        >>> rn.schedules.LinearDecay(0.5, epochs=2).at(10, steps_per_epoch=10)
        0.25
        """
        return float(self([step], steps_per_epoch)[0])

    def factor(self, epochs: Float64Array) -> Float64Array:
        """Share of the initial rate after these (fractional) numbers of epochs.

        Parameters
        ----------
        epochs : ndarray of float64

        Returns
        -------
        ndarray of float64

        Examples
        --------
        >>> import numpy as np, regnet_c as rn
        >>> rn.schedules.LinearDecay(0.1, epochs=4).factor(np.array([0.0, 1.0, 8.0]))
        array([1.  , 0.75, 0.  ])
        """
        raise NotImplementedError


class Constant(Schedule):
    """The initial rate throughout (after the warm-up).

    Explained in :doc:`/coming_from_pytorch`.

    Parameters
    ----------
    initial : float
        Learning rate after the warm-up.
    warmup_epochs : float, default 0
        As for `Schedule`.

    Examples
    --------
    >>> import regnet_c as rn
    >>> schedule = rn.schedules.Constant(0.1, warmup_epochs=1)
    >>> schedule([0, 4, 9, 20], steps_per_epoch=10)
    array([0.01, 0.05, 0.1 , 0.1 ])
    """

    def factor(self, epochs: Float64Array) -> Float64Array:
        return np.ones_like(epochs)


class ExponentialDecay(Schedule):
    """``initial * decay^epochs``, changing every step.

    Explained in :doc:`/coming_from_pytorch`.

    Parameters
    ----------
    initial : float
        Learning rate after the warm-up.
    decay : float in (0, 1]
    warmup_epochs : float, default 0
        As for `Schedule`.

    Examples
    --------
    >>> import regnet_c as rn
    >>> schedule = rn.schedules.ExponentialDecay(0.5, decay=0.5)
    >>> schedule([0, 10, 20], steps_per_epoch=10)
    array([0.5  , 0.25 , 0.125])
    """

    decay: float

    def __init__(
        self, initial: float, decay: float, warmup_epochs: float = 0.0
    ) -> None:
        super().__init__(initial, warmup_epochs)
        self.decay = checks.check_float(
            decay, "decay", minimum=0, open_minimum=True, maximum=1
        )

    def factor(self, epochs: Float64Array) -> Float64Array:
        return power(self.decay, epochs)


class StepDecay(Schedule):
    """``initial * decay^k`` after k times `every` epochs.

    Explained in :doc:`/coming_from_pytorch`.

    Parameters
    ----------
    initial : float
        Learning rate after the warm-up.
    decay : float in (0, 1]
    every : float
        Epochs between two drops.
    warmup_epochs : float, default 0
        As for `Schedule`.

    Examples
    --------
    >>> import regnet_c as rn
    >>> schedule = rn.schedules.StepDecay(0.5, decay=0.5, every=2)
    >>> schedule([0, 10, 20], steps_per_epoch=10)
    array([0.5 , 0.5 , 0.25])
    """

    decay: float
    every: float

    def __init__(
        self, initial: float, decay: float, every: float, warmup_epochs: float = 0.0
    ) -> None:
        super().__init__(initial, warmup_epochs)
        self.decay = checks.check_float(
            decay, "decay", minimum=0, open_minimum=True, maximum=1
        )
        self.every = checks.check_float(every, "every", minimum=0, open_minimum=True)

    def factor(self, epochs: Float64Array) -> Float64Array:
        return power(self.decay, np.floor(epochs / self.every))


class _Until(Schedule):
    """A schedule that reaches `final` * initial after `epochs` epochs and stays there."""

    epochs: float
    final: float

    def __init__(
        self,
        initial: float,
        epochs: float,
        final: float = 0.0,
        warmup_epochs: float = 0.0,
    ) -> None:
        super().__init__(initial, warmup_epochs)
        self.epochs = checks.check_float(epochs, "epochs", minimum=0, open_minimum=True)
        self.final = checks.check_float(final, "final", minimum=0, maximum=1)


class LinearDecay(_Until):
    """A straight line from ``initial`` to ``final * initial``.

    Explained in :doc:`/coming_from_pytorch`.

    Parameters
    ----------
    initial : float
        Learning rate after the warm-up.
    epochs : float
        When it reaches its final rate, which it keeps.
    final : float in [0, 1], default 0
    warmup_epochs : float, default 0
        As for `Schedule`.

    Examples
    --------
    >>> import regnet_c as rn
    >>> schedule = rn.schedules.LinearDecay(0.5, epochs=2)
    >>> schedule([0, 10, 20], steps_per_epoch=10)
    array([0.5 , 0.25, 0.  ])
    """

    def factor(self, epochs: Float64Array) -> Float64Array:
        done = np.minimum(epochs / self.epochs, 1)
        return 1 - (1 - self.final) * done


class CosineDecay(_Until):
    """Half a cosine from ``initial`` to ``final * initial`` (Loshchilov and Hutter 2017).

    Explained in :doc:`/coming_from_pytorch`.

    Parameters
    ----------
    initial : float
        Learning rate after the warm-up.
    epochs : float
        When it reaches its final rate, which it keeps.
    final : float in [0, 1], default 0
    warmup_epochs : float, default 0
        As for `Schedule`.

    Examples
    --------
    >>> import regnet_c as rn
    >>> schedule = rn.schedules.CosineDecay(0.5, epochs=2)
    >>> schedule([0, 10, 20], steps_per_epoch=10)
    array([0.5 , 0.25, 0.  ])
    """

    def factor(self, epochs: Float64Array) -> Float64Array:
        done = np.minimum(epochs / self.epochs, 1)
        return self.final + (1 - self.final) * half_cosine(done)


class FlatCosine(_Until):
    """``initial`` for half of the epochs, then half a cosine to ``final * initial``.

    RealMLP's schedule of dropout and weight decay (Holzmueller, Grinsztajn and Steinwart
    2024, flat_cos).

    Explained in :doc:`/coming_from_pytorch`.

    Parameters
    ----------
    initial : float
        The value after the warm-up.
    epochs : float
        When it reaches its final value, which it keeps.
    final : float in [0, 1], default 0
    warmup_epochs : float, default 0
        As for `Schedule`.

    Examples
    --------
    >>> import regnet_c as rn
    >>> schedule = rn.schedules.FlatCosine(0.5, epochs=4)
    >>> schedule([0, 20, 30, 40], steps_per_epoch=10)
    array([0.5 , 0.5 , 0.25, 0.  ])
    """

    def factor(self, epochs: Float64Array) -> Float64Array:
        done = np.clip(2 * epochs / self.epochs - 1, 0, 1)
        return self.final + (1 - self.final) * half_cosine(done)


class CosineCycles(Schedule):
    """Cosine waves, each twice as long as the one before (RealMLP's coslog).

    From 0 up to ``initial`` and back to 0, `cycles` times; the last wave takes half of
    the epochs, and the rate stays 0 after it: ``(1 - cos(2 pi log2(1 + (2^cycles - 1)
    t))) / 2`` times ``initial`` for the share t of the epochs (Holzmueller, Grinsztajn
    and Steinwart 2024).

    Explained in :doc:`/coming_from_pytorch`.

    Parameters
    ----------
    initial : float
        The highest rate.
    epochs : float
        When the last wave ends.
    cycles : int, default 4
    warmup_epochs : float, default 0
        As for `Schedule`.

    Examples
    --------
    >>> import regnet_c as rn
    >>> schedule = rn.schedules.CosineCycles(0.5, epochs=3, cycles=2)
    >>> schedule([0, 10, 30], steps_per_epoch=10)
    array([0., 0., 0.])
    >>> schedule([4, 18], steps_per_epoch=10).round(2)  # near both tops
    array([0.5, 0.5])
    """

    epochs: float
    cycles: int

    def __init__(
        self,
        initial: float,
        epochs: float,
        cycles: int = 4,
        warmup_epochs: float = 0.0,
    ) -> None:
        super().__init__(initial, warmup_epochs)
        self.epochs = checks.check_float(epochs, "epochs", minimum=0, open_minimum=True)
        self.cycles = checks.check_int(cycles, "cycles", minimum=1, maximum=50)

    def factor(self, epochs: Float64Array) -> Float64Array:
        done = np.minimum(epochs / self.epochs, 1)
        waves = log(1 + (2.0**self.cycles - 1) * done) / log(2.0)
        part = waves - np.floor(waves)
        return np.where(done < 1, half_cosine(np.abs(1 - 2 * part)), 0.0)
