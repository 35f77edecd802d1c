"""What an estimator records while its network trains, and when it stops."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

from ..callbacks import Callback

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..network import Network
    from ..typing import FloatArray, Logs

    Score: TypeAlias = Callable[[Network, Logs], float]


class Monitor(Callback):
    """Loss curves, and scikit-learn's rule of stopping, over one or many runs.

    An epoch improves if the watched loss falls below the best so far by more than `tol`
    times `scale`; training stops after more than `patience` epochs in a row that do not.

    Parameters
    ----------
    patience : int or None
        None never stops.
    tol : float
        Relative to `scale`, the loss of a constant prediction: units of y do not matter.
    on_validation : bool
        Watch the validation loss and put the best weights back; otherwise watch the
        objective on the training rows and keep the last weights.

    Attributes
    ----------
    loss_curve, validation_losses, validation_scores : list of float
    best : float
    done : bool
        True once training has stopped by the rule.
    """

    tol: float
    on_validation: bool
    constant: float
    scale: float
    best: float
    done: bool

    def __init__(self, patience: int | None, tol: float, on_validation: bool) -> None:
        self.patience, self.tol, self.on_validation = patience, tol, on_validation
        self.constant, self.scale = math.inf, 1.0
        self.loss_curve: list[float] = []
        self.validation_losses: list[float] = []
        self.validation_scores: list[float] = []
        self._forget()

    def restart(self) -> None:
        """After `fit`, for calls of partial_fit: forget the best epoch, keep the curves."""
        if not self.on_validation:
            self.patience = None  # only validation rows may end them
        self._forget()

    def _forget(self) -> None:
        self.best, self.done = math.inf, False
        self._wait = 0
        self._best_weights: list[FloatArray] | None = None
        self._network: Network | None = None

    def begin(self, score: Score | None, one_epoch: bool) -> None:
        """Before a run: `score(network, logs)` is the validation score of an epoch.

        After a run of `one_epoch` of many the last weights stay until the rule stops.
        """
        self._score: Score | None = score
        self._one_epoch = one_epoch

    def end(self) -> None:
        """After a run, also one that failed."""
        self._network = self._score = None

    def on_train_begin(self, network: Network) -> None:
        self._network = network

    def on_epoch_end(self, epoch: int, logs: Logs) -> bool:
        watched = logs["loss"] + logs["penalty"]
        self.loss_curve.append(watched)
        if "val_loss" in logs:
            self.validation_losses.append(logs["val_loss"])
            assert self._score is not None and self._network is not None
            self.validation_scores.append(self._score(self._network, logs))
        if self.on_validation:
            watched = logs["val_loss"]
        self._wait = (
            0 if watched <= self.best - self.tol * self.scale else self._wait + 1
        )
        if watched < self.best:
            self.best = watched
            if self.on_validation and self._network is not None:
                self._best_weights = self._network.get_weights()
        self.done = self.patience is not None and self._wait > self.patience
        return self.done

    def on_train_end(self) -> None:
        if self._best_weights is None or self._network is None:
            return
        if self.done or not self._one_epoch:
            self._network.set_weights(self._best_weights)
            self._best_weights = None
