"""A call of `Network.fit`: checked options, one training run, the C run.

An epoch is first trained, then reported to the history and the callbacks; only then may
a checkpoint be written.  It is trained in several calls of the C core, each about 20 ms
without the GIL; between them come Ctrl-C, the progress bar and the schedule. Ctrl-C can
come anywhere: the position is in `TrainingState`, advanced by C, and an epoch that was
trained but not reported is reported by the call that resumes.

Steps change a copy of the weights.  At the end of the epoch it is published, and what
was published before becomes the next copy if nobody has read it.
"""

from __future__ import annotations

import dataclasses
import functools
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import DivergenceError
from ..history import History
from . import binding
from .course import Course
from .divergence import all_finite, first_not_finite, warn_of_dead_start
from .listeners import Listeners
from .progress_bar import ProgressBar
from .slices import slices
from .state import TrainingState
from .team import MIN_BLOCK_ROWS, Pace, divide

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._files.checkpoint import Saved
    from ..network import Network
    from ..optimizers import Optimizer
    from ..schedules import Schedule
    from ..typing import AnyCallback, Float64Array, FloatArray, IntArray, Logs, StrPath
    from .data import Data, Masks
    from .plan import Plan
    from .state import Cut
    from .stream import Stream
    from .team import Division
    from .weights import Weights

_SLICE_SECONDS = 0.02  # between two checks for Ctrl-C,
_SHARED_SECONDS = 0.002  # while a block is read: its end frees a thread
_SLICE_BYTES = 1 << 23  # longer by the size of what is brought up to date after each,
_LONGEST_SLICE = 50  # times
_PUBLISH_SECONDS = 1.0  # between two copies for readers in other threads
_RATES_AHEAD = 4096  # learning rates computed at once


def sums_of_batch(plan: Plan, batch_size: int) -> tuple[FloatArray, ...]:
    """What `Model.bind` takes for the gradient of a long batch, nothing for others."""
    if batch_size <= binding.LONG_BATCH:
        return ()
    return plan.zeros(), plan.zeros()


@dataclasses.dataclass(frozen=True)
class FitOptions:
    """What a call of `Network.fit` asks for, checked; the names are those of `fit`."""

    data: Data | Stream
    batch_size: int
    optimizer: Optimizer
    epochs: int = 1
    threads: int | None = None
    validation: Data | None = None
    callbacks: Sequence[AnyCallback] = ()
    shuffle: bool = False
    progress: bool = False
    keep_zeros: bool = False
    update_tau: float | None = None

    @property
    def cut(self) -> Cut:
        """How an epoch is cut; a position in one that is cut otherwise means nothing."""
        lengths = self.data.lengths
        return lengths, self.batch_size, self.shuffle if len(lengths) > 1 else None

    @functools.cached_property
    def arguments(self) -> dict[str, Any]:
        """What has to be the same when another call resumes this one, as JSON values."""
        blocks = self.data.lengths
        return {
            "rows": self.data.n if len(blocks) == 1 else list(blocks),
            "batch_size": self.batch_size,
            "optimizer": repr(self.optimizer),
            "shuffle": self.shuffle,
            "keep_zeros": self.keep_zeros,
            "update_tau": self.update_tau,
            "validation_rows": None if self.validation is None else self.validation.n,
            "data_checksum": self.data.checksum(),
        }


class Reported(NamedTuple):
    """What all callbacks have seen, replaced in one step."""

    epochs: int
    stopped_early: bool
    states: list[tuple[str, Any]]  # class name, state of each callback that has one


class TrainingRun:
    """A call of `Network.fit` at work; what callbacks get as `training`.

    Parameters
    ----------
    network : Network
    options : FitOptions
    saved : checkpoint.Saved, optional
        What the run continues from.
    progress : binding.Progress, optional
        The position of training, if the network should not remember it.

    Attributes
    ----------
    epochs : int
        Epochs reported, those before a resumption too.
    ends : bool
        Whether no other epoch follows: it was the last one, or Ctrl-C was pressed.
    """

    _working: Weights  # while an epoch is trained: what steps change,
    _last_finite: Weights  # and what is put back if they diverge

    def __init__(
        self,
        network: Network,
        options: FitOptions,
        saved: Saved | None = None,
        progress: binding.Progress | None = None,
    ) -> None:
        self.network, self.options = network, options
        self._saved = saved
        state = network._state
        if saved or state is None or state.optimizer is not options.optimizer:
            state = TrainingState(network._plan, options.optimizer)
        self.state = state
        self.state.track_updates(options.update_tau)
        if not self._saved:  # otherwise only once everything has been restored
            network._state = self.state
        self.progress = self.state.progress if progress is None else progress
        self.history, self.first_epoch = History(), self.state.epoch
        self.listeners = Listeners(options.callbacks)
        self.reported = Reported(0, False, [])
        self.course = Course(
            options.data, options.batch_size, options.shuffle, network.seed
        )
        self.steps_per_epoch = self.course.steps
        self._bar = ProgressBar(False, 0, 0)
        self._started = self._interrupted = False
        self._last_rate: float | None = None
        self._rates = np.empty(0)  # those known,
        self._first_rate = 0  # the step of the first one,
        self._rate: float | Schedule | None = None  # and what they follow from
        longest = max(options.data.lengths)
        self._division = divide(
            network._plan,
            options.threads,
            options.batch_size,
            longest,
            options.data.row_entries,
        )
        self._pace = Pace(self._division["n_threads"])
        self.model = self._make_model(self._division)
        self._block: Data | None = None
        self._order: IntArray | None = None
        self.c_run: binding.Run | None = None

    @property
    def _end(self) -> int:
        """The number behind the last block of the call."""
        return (self.first_epoch + self.options.epochs) * self.course.count

    def _make_run(self, block: Data) -> binding.Run:
        """The C run on a block's rows."""
        return binding.Run(
            self.model,
            self.state.scalars,
            self.progress,
            block.x,
            block.y,
            block.labels,
            block.sample_weight,
            batch_size=self.options.batch_size,
            ema_decay=1 - (self.state.tau or 0.0),
            clip_norm=self.options.optimizer.clip_norm or 0.0,
            **self._division,
        )

    def _make_model(self, division: Division) -> binding.Model:
        """The network as C sees it, on the arrays of the state."""
        options, state, plan = self.options, self.state, self.network._plan
        gradient, sums = None, sums_of_batch(plan, options.batch_size)
        pieces = division["piece_rows"] or options.batch_size > division["block_rows"]
        clips = options.optimizer.clip_norm is not None
        if pieces or sums or plan.members > 1 or clips:
            gradient = plan.zeros()
        model = plan.model()
        model.keep_zeros(options.keep_zeros)
        model.bind(None, state.m, state.v, state.q, gradient, state.ema, *sums)
        return model

    # ---- epochs ----------------------------------------------------------------------

    def run(self) -> History:
        """Train; the history."""
        options, done = self.options, self._saved.epochs if self._saved else 0
        if self.state.step == 0 and not self._saved:
            warn_of_dead_start(self.network._store.published)
        self._bar = ProgressBar(options.progress, options.epochs, options.data.n, done)
        try:
            self.listeners.train_begin(self.network)
            self._start()
            start = time.perf_counter() - self.history.seconds
            while not self.finished:
                # otherwise the checkpoint brought an epoch that was trained
                if self.state.epoch - self.first_epoch == self.history.epochs:
                    self.train_epoch()
                self._report(start)
                self.listeners.checkpoint(self)
        except (KeyboardInterrupt, SystemExit):
            self._interrupted = True
            if self._started:
                self.listeners.checkpoint(self)
            raise
        finally:
            try:
                self.listeners.train_end()
            finally:
                self.course.close()
                self.network._store.take_spare()
                self._bar.close()
        return self.history

    def _start(self) -> None:
        """Restore a checkpoint, if any; from here on the network has this training."""
        if self._saved:
            self._restore(self._saved)
        self.state.cut_epochs(self.options.cut)
        self.network._state, self.network.history = self.state, self.history
        self._remember()
        self._started = True

    def _restore(self, saved: Saved) -> None:
        """Continue from the file, or leave the network as it was."""
        weights = self.network.get_weights()
        try:
            saved.restore(self)
        except BaseException:
            try:
                self.listeners.train_end()  # which may put best weights back
            finally:
                self.network.set_weights(weights)
            raise

    def save(self, path: StrPath) -> None:
        """Write everything that a call with `resume_from` needs, atomically."""
        self.network._save_training(self, path)

    @property
    def epochs(self) -> int:
        """Epochs that all callbacks have seen."""
        return self.reported.epochs

    @property
    def ends(self) -> bool:
        """True if no epoch follows in this call."""
        return self._interrupted or self.finished

    @property
    def finished(self) -> bool:
        """True after the last epoch."""
        return self.history.stopped_early or self.history.epochs >= self.options.epochs

    def _report(self, start: float) -> None:
        """Tell the history, the progress bar and the callbacks of the last epoch."""
        history, logs, options = self.history, self._logs(), self.options
        epoch = self.first_epoch + history.epochs
        history.append(logs)
        history.samples += options.data.n
        history.seconds = time.perf_counter() - start
        self._bar.epoch(logs)
        if self.listeners.epoch_end(epoch, logs):
            history.stopped_early = True
        self._remember()

    def _logs(self) -> Logs:
        network, options = self.network, self.options
        weights = network._store.published
        logs: Logs = {"loss": self.state.mean_loss(), "penalty": weights.penalty()}
        logs["zeros"] = weights.zeros()
        logs["learning_rate"] = self._learning_rate()
        if options.validation is not None:
            scores = network._evaluate(options.validation, options.threads, weights)
            logs.update({f"val_{k}": v for k, v in scores.items()})
        average = self.state.update_average()
        if average is not None:
            views = network._plan.views(average)
            matrices = [views[n] for n in network._plan.matrices]
            logs["update_norm"] = [float(np.linalg.norm(a)) for a in matrices]
        return logs

    def _remember(self) -> None:
        history = self.history
        states = [(type(c).__name__, state) for c, state in self.listeners.states()]
        self.reported = Reported(history.epochs, history.stopped_early, states)

    # ---- one epoch -------------------------------------------------------------------

    def train_epoch(self) -> None:
        """Train to the end of the epoch, block by block."""
        progress, course = self.progress, self.course
        self._follow_schedules()
        self._copy_weights()
        while self._train_block(progress.epoch) % course.count:
            pass
        self._working.sums = self.model.weight_sums()
        if not self._working.are_finite():
            assert self._block is not None  # it was trained
            raise self._divergence(progress.epoch - 1, self._block.n - 1)
        self.network._store.publish_working()
        del self._working, self._last_finite

    def _follow_schedules(self) -> None:
        """Use the dropout rates and the decay of this epoch, which may have begun."""
        plan, optimizer = self.network._plan, self.options.optimizer
        constant = isinstance(optimizer.weight_decay, float)
        if constant and not plan.has_schedules:
            return
        first = self.state.step - self._steps_done(self.progress.epoch)
        if plan.has_schedules:
            self.model.keep(plan.keeps(first, self.steps_per_epoch))
            self.c_run = None  # what drops decides how much memory it needs
        if not constant:
            constants = optimizer.constants(first, self.steps_per_epoch)
            self.state.scalars.set(weight_decay=constants["weight_decay"])

    def _train_block(self, at: int) -> int:
        """Train to the end of the block that is number `at` of the course; the next `at`.

        What `Progress` calls an epoch is one block.
        """
        progress, course = self.progress, self.course
        if course.count > 1:
            self.state.note_block()
            self._block = self.c_run = None  # their memory is the next block's
        block = course.block(at, last=at + 1 == self._end)
        run = self.c_run
        if run is None or block is not self._block:
            self._block, self.c_run = block, (run := self._make_run(block))
        self._order = course.order(at)
        run.start_epoch(self._order)
        while progress.epoch == at:
            row, start = progress.row, time.monotonic()
            rates, threads = self._learning_rates(at), self._free_threads()
            shared = threads < self._pace.threads
            asleep = run.advance(rates, self._slice_seconds(shared), threads)
            if run.steps_done:
                self._last_rate = float(rates[run.steps_done - 1])
            if run.diverged:
                raise self._divergence(at, progress.rows_seen)
            seen = progress.rows_seen if progress.epoch == at else block.n
            if not shared:
                self._pace.report(seen - row, time.monotonic() - start, asleep)
            self._bar.rows(course.rows_before(at) + seen, progress.mean_loss)
            self._publish_for_readers()
        return progress.epoch

    def _free_threads(self) -> int:
        """Those of the next call: one may be reading the next block."""
        threads = self._pace.threads
        return threads - (threads > 1 and self.course.is_reading)

    def _slice_seconds(self, shared: bool) -> float:
        """Until C returns; then rows of W that sparse rows did not touch catch up."""
        if self.options.data.row_entries is None:
            seconds = _SHARED_SECONDS if shared else _SLICE_SECONDS
            return min(seconds, self._pace.seconds)
        state = self.state
        arrays = 1 + sum(a is not None for a in (state.m, state.v, state.q))
        size = arrays * self.network._plan.size * self.network._plan.dtype.itemsize
        return _SLICE_SECONDS * min(max(1.0, size / _SLICE_BYTES), _LONGEST_SLICE)

    def _copy_weights(self) -> None:
        """Copy the published weights to where steps change them."""
        store = self.network._store
        self._last_finite, self._copied = store.published, time.monotonic()
        spare = store.take_spare()
        if spare is None:
            self._working = self._last_finite.copy()
        else:
            self._working = spare
            self._working.replace(self._last_finite.params)
        self.model.bind_weights(self._working.params)
        store.begin(self._working)

    def _publish_for_readers(self) -> None:
        """In long epochs: publish a copy of the weights, if other threads read them."""
        store, now = self.network._store, time.monotonic()
        if not store.seen or now - self._copied < _PUBLISH_SECONDS:
            return
        copy = self._working.copy()
        if copy.are_finite():
            store.publish_copy(copy)
            self._last_finite, self._copied = copy, now

    def _learning_rate(self) -> float:
        """The rate of the last step, even if another call took it."""
        if self._last_rate is not None:
            return self._last_rate
        last = max(self.state.step - 1, 0)
        rates = self.options.optimizer.learning_rates(last, 1, self.steps_per_epoch)
        return float(rates[0])

    def _learning_rates(self, at: int) -> Float64Array:
        """Those of the next steps, all that are known; a callback may set another rate."""
        optimizer, step = self.options.optimizer, self.state.step
        known = step - self._first_rate
        if optimizer.learning_rate is not self._rate or known >= len(self._rates):
            count = min(self._steps_left(at), _RATES_AHEAD)
            self._rates = optimizer.learning_rates(step, count, self.steps_per_epoch)
            self._rate, self._first_rate, known = optimizer.learning_rate, step, 0
        return self._rates[known:]

    def _steps_left(self, at: int) -> int:
        """Steps of this call from the next one on, which is in block `at`."""
        epochs = self.first_epoch + self.options.epochs - at // self.course.count
        return epochs * self.steps_per_epoch - self._steps_done(at)

    def _steps_done(self, at: int) -> int:
        """Steps of the epoch before the next one, which is in block `at`."""
        done = self.progress.row // self.options.batch_size
        return self.course.steps_before(at) + done

    def _divergence(self, at: int, row: int) -> DivergenceError:
        """The error for the batch of this row of block `at`, or for the step after it.

        Puts back finite weights and forgets what the optimiser made of infinite ones.
        """
        network, state = self.network, self.state
        step = row // self.options.batch_size
        layer = self._blamed_layer(step)
        epoch, step = at // self.course.count, step + self.course.steps_before(at)
        what, kept = "the loss", "the weights are those before this step"
        if not all_finite(self._working.params):
            assert self.c_run is not None  # it made them so
            what = "the loss" if self.c_run.diverged else "a weight"
            network._store.discard_working(self._last_finite)
            kept = "the last finite weights were put back"
        if not (all_finite(state.m) and all_finite(state.v) and all_finite(state.q)):
            network._state = None
        where = f" in layer {layer}" if layer is not None else ""
        return DivergenceError(
            f"training diverged at epoch {epoch}, step {step}{where}: {what} is "
            f"not finite; {kept}; a lower learning rate or smaller inputs may help",
            epoch,
            step,
            layer,
        )

    def _blamed_layer(self, step: int) -> int | None:
        """The first layer whose output is not finite for a row of this batch."""
        data, order = self._block, self._order
        assert data is not None  # it is being trained
        first = step * self.options.batch_size
        last = min(first + self.options.batch_size, data.n)
        for a, b in slices(last - first, MIN_BLOCK_ROWS):
            rows = slice(first + a, first + b)
            x = data.raw_x[rows if order is None else order[rows]]
            layer = first_not_finite(self._working, x)
            if layer is not None:
                return layer
        return None


def loss_and_gradient(
    plan: Plan, params: FloatArray, data: Data, masks: Masks | None
) -> tuple[float, FloatArray]:
    """Mean data loss and its derivatives, flat; masks None: dropout is off."""
    gradient, progress = plan.zeros(), binding.Progress()
    model = plan.model(dropout=masks is not None)
    sums = sums_of_batch(plan, data.n)
    model.bind(params, None, None, None, gradient, None, *sums)
    if masks is not None:
        model.set_masks(*masks)
    run = binding.Run(
        model,
        None,
        progress,
        data.x,
        data.y,
        data.labels,
        data.sample_weight,
        batch_size=data.n,
        gradient_only=True,
        **divide(plan, None, data.n, data.n, data.row_entries),
    )
    run.start_epoch(None)
    while progress.epoch == 0:
        run.advance(np.zeros(1), _SLICE_SECONDS, run.max_threads)
    return progress.mean_loss, gradient
