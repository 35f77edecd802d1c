"""One call of `Network.fit`: epochs, and what happens between them.

An epoch is first trained, then reported: history, callbacks, and only then may a
checkpoint be written.  Ctrl-C can come anywhere; what a checkpoint then has is the state
of training and the last epoch that every callback has seen, so that an epoch which was
trained but not reported is reported by the call that resumes.
"""

import dataclasses
import functools
import time
from typing import NamedTuple

import numpy as np

from .._files import checkpoint
from ..history import History
from ..optimizers import Optimizer
from .data import Data
from .listeners import Listeners
from .state import TrainingState
from .training import Progress, Trainer, warn_of_dead_start


@dataclasses.dataclass(frozen=True)
class Job:
    """What a call of `Network.fit` asks for, checked; the names are those of `fit`."""

    epochs: int
    batch_size: int
    threads: int | None
    data: Data
    validation: Data | None
    callbacks: list
    shuffle: bool
    progress: bool
    keep_zeros: bool
    update_tau: float | None
    optimizer: Optimizer

    @functools.cached_property
    def arguments(self):
        """What has to be the same when another call resumes this one, as JSON values."""
        return {
            "rows": self.data.n,
            "batch_size": self.batch_size,
            "optimizer": repr(self.optimizer),
            "shuffle": self.shuffle,
            "keep_zeros": self.keep_zeros,
            "update_tau": self.update_tau,
            "validation_rows": None if self.validation is None else self.validation.n,
            "data_checksum": self.data.checksum(),
        }


class Reported(NamedTuple):
    """What all callbacks have seen, changed in one step."""

    epochs: int
    stopped_early: bool
    states: list  # (class name, state) of each callback that has one


class Fit:
    """A call of `Network.fit` at work; what callbacks get as `training`.

    Attributes
    ----------
    epochs : int
        Epochs reported, those before a resumption too.
    ends : bool
        Whether no other epoch follows: it was the last one, or Ctrl-C came.
    """

    def __init__(self, network, job, resume_from=None):
        self.network, self.job = network, job
        self._saved = None
        if resume_from is not None:
            self._saved = checkpoint.Saved(resume_from, network, job)
        self.state = network._state
        if (
            self._saved
            or self.state is None
            or self.state.optimizer is not job.optimizer
        ):
            self.state = TrainingState(network._plan, job.optimizer)
        self.state.track_updates(job.update_tau)
        if not self._saved:  # else only when everything in the file has been taken
            network._state = self.state
        self.history = History()
        self.listeners = Listeners(job.callbacks)
        self.first_epoch = self.state.epoch
        self.reported = Reported(0, False, [])
        self._interrupted = False

    def run(self):
        """Train; the history."""
        job, done = self.job, self._saved.epochs if self._saved else 0
        if self.state.step == 0 and not self._saved:
            warn_of_dead_start(self.network._store.published)
        progress = Progress(job.progress, job.epochs, job.data.n, done)
        try:
            trainer = Trainer(
                self.network,
                self.state,
                job.data,
                job.batch_size,
                job.threads,
                job.shuffle,
                progress,
                job.keep_zeros,
            )
            self._run(trainer)
        finally:
            self.state.settle()
            self.network._store.take_spare()
            progress.close()
        return self.history

    def _run(self, trainer):
        network = self.network
        try:
            self.listeners.train_begin(network)
            if self._saved:
                self._restore()
            network._state, network.history = self.state, self.history
            self._remember()
            self._run_epochs(trainer)
        finally:
            self.listeners.train_end()

    def _restore(self):
        """Continue from the file, or leave the network as it was."""
        weights = self.network.get_weights()
        try:
            self._saved.restore(self)
        except BaseException:
            try:
                self.listeners.train_end()  # which may put best weights back
            finally:
                self.network.set_weights(weights)
            raise

    def save(self, path):
        """Write all that a call with `resume_from` needs, atomically."""
        checkpoint.save(self, path)

    @property
    def epochs(self):
        """Epochs that all callbacks have seen."""
        return self.reported.epochs

    @property
    def ends(self):
        """True if no epoch follows in this call."""
        return self._interrupted or self.finished

    @property
    def finished(self):
        """True after the last epoch."""
        return self.history.stopped_early or self.history.epochs >= self.job.epochs

    def _run_epochs(self, trainer):
        start = time.perf_counter() - self.history.seconds
        trained = self.state.epoch - self.first_epoch
        try:
            while not self.finished:
                if trained == self.history.epochs:  # else a checkpoint brought it
                    trainer.epoch()
                    trained += 1
                self._report(trainer, start)
                self.listeners.checkpoint(self)
        except (KeyboardInterrupt, SystemExit):
            self._interrupted = True
            self.listeners.checkpoint(self)
            raise

    def _report(self, trainer, start):
        """Tell the history, the progress bar and the callbacks of the last epoch."""
        history, logs = self.history, self._logs(trainer)
        epoch = self.first_epoch + history.epochs
        history.append(logs)
        history.samples += self.job.data.n
        history.seconds = time.perf_counter() - start
        trainer.progress.epoch(logs)
        if self.listeners.epoch_end(epoch, logs):
            history.stopped_early = True
        self._remember()

    def _logs(self, trainer):
        network, weights = self.network, self.network._store.published
        logs = {"loss": self.state.mean_loss, "penalty": weights.penalty()}
        logs["zeros"] = weights.zeros()
        logs["learning_rate"] = trainer.learning_rate
        if self.job.validation is not None:
            scores = network._evaluate(self.job.validation, self.job.threads, weights)
            logs.update({f"val_{k}": v for k, v in scores.items()})
        average = network.update_average()
        if average is not None:
            logs["update_norm"] = [
                float(np.linalg.norm(a)) for a in average if a.ndim == 2
            ]
        return logs

    def _remember(self):
        history = self.history
        states = [(type(c).__name__, state) for c, state in self.listeners.states()]
        self.reported = Reported(history.epochs, history.stopped_early, states)
