"""Callbacks: code that runs at the end of every epoch of `Network.fit`."""

import math

from . import _check


class Callback:
    """Base of the callbacks; every method may be left out."""

    def on_train_begin(self, network):
        """Called once before the first epoch.

        Parameters
        ----------
        network : Network
        """

    def on_epoch_end(self, epoch, logs):
        """Called after every epoch; return True to stop training.

        Parameters
        ----------
        epoch : int
            Counted from 0 since the optimiser's first step.
        logs : dict
            The epoch's entries of `History.history`.
        """

    def on_train_end(self):
        """Called once after the last epoch, also when training fails."""


class EarlyStopping(Callback):
    """Stop when a quantity has not improved for some epochs; put the best weights back.

    Parameters
    ----------
    monitor : str, default "val_loss"
        A key of `History.history`.
    patience : int, default 5
        Epochs without improvement that are allowed.
    min_delta : float, default 0
        A smaller change is no improvement.
    mode : {"auto", "min", "max"}
        auto: max for names that contain "accuracy".
    restore_best_weights : bool, default True

    Attributes
    ----------
    best : float
    best_epoch : int
    """

    def __init__(
        self,
        monitor="val_loss",
        patience=5,
        min_delta=0.0,
        mode="auto",
        restore_best_weights=True,
    ):
        self.monitor = monitor
        self.patience = _check.check_int(patience, "patience", minimum=0)
        self.min_delta = _check.check_float(min_delta, "min_delta", minimum=0)
        self.mode = _check.check_name(mode, ("auto", "min", "max"), "mode")
        self.restore_best_weights = _check.check_bool(
            restore_best_weights, "restore_best_weights"
        )

    def on_train_begin(self, network):
        self._network = network
        maximise = self.mode == "max" or (
            self.mode == "auto" and "accuracy" in self.monitor
        )
        self._sign = -1 if maximise else 1
        self._wait, self._best_weights = 0, None
        self.best, self.best_epoch = math.nan, None

    def on_epoch_end(self, epoch, logs):
        if self.monitor not in logs:
            raise ValueError(
                f"EarlyStopping monitors {self.monitor!r}, this run has "
                f"{', '.join(sorted(logs))}; pass validation_data for val_ entries"
            )
        value = logs[self.monitor]
        better = not math.isnan(value) and (
            self.best_epoch is None
            or self._sign * value < self._sign * self.best - self.min_delta
        )
        if better:
            self.best, self.best_epoch, self._wait = value, epoch, 0
            if self.restore_best_weights:
                self._best_weights = self._network.get_weights()
            return False
        self._wait += 1
        return self._wait > self.patience

    def on_train_end(self):
        if self._best_weights is not None:
            self._network.set_weights(self._best_weights)
        self._best_weights = self._network = None
