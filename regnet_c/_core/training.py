"""The training loop: an epoch is some calls of the C core.

One call of the core trains for about 20 ms without the GIL and comes back for Ctrl-C,
the progress bar and the schedule.  Steps change a copy of the weights; at the end of the
epoch it is published, and what was published before becomes the next copy if nobody has
read it.  Everything a run needs to go on exactly where it
stopped is in `TrainingState`.
"""

import shutil
import sys
import time
import warnings

import numpy as np

from ..activations import ACTIVATIONS
from ..errors import DeadStartWarning, DivergenceError
from . import binding
from .layerwise import layer_outputs
from .slices import in_slices
from .team import MIN_BLOCK_ROWS, Crowd, divide
from .weights import Weights

_SLICE_SECONDS = 0.02  # between two looks at Ctrl-C
_PUBLISH_SECONDS = 1.0  # between two copies for readers in other threads
_STEPS_PER_CALL = 4096  # learning rates computed ahead


def warn_of_dead_start(weights):
    """Warn if layers of zeros pass no gradient: relu'(0) = 0, or f(0) = 0 before zeros."""
    views = iter(weights.views)
    zero_before = False
    for number, layer in enumerate(weights.plan.dense):
        w = next(views)
        bias = next(views) if layer.use_bias else np.zeros(1)
        zero = w.flat[0] == 0 and not w.any()
        traits = ACTIVATIONS[layer.activation]
        if zero and traits.zero_below and not (bias > 0).any():
            reason = (
                f"all weights of layer {number} are zero and {layer.activation}'(0) = 0"
            )
            _warn(reason)
        elif zero and zero_before:
            _warn(f"all weights of layers {number - 1} and {number} are zero")
        zero_before = zero and traits.zero_at_zero and not bias.any()


def _warn(reason):
    warnings.warn(
        f"this network can never learn: {reason}; start from random weights",
        DeadStartWarning,
        stacklevel=5,
    )


def make_run(plan, model, optimizer, data, batch_size, division, **options):
    """A `binding.Run` with its work memory."""
    sizes = (division[k] for k in ("block_rows", "turn_rows", "n_threads"))
    work = np.empty(model.train_work_size(*sizes) + 64, np.uint8)
    return binding.Run(
        model,
        optimizer,
        data.x,
        data.y,
        data.labels,
        data.sample_weight,
        work,
        batch_size=batch_size,
        **division,
        **options,
    )


_crowd = Crowd()  # a property of the machine, not of a network


class Trainer:
    """One call of `Network.fit`."""

    def __init__(
        self,
        network,
        state,
        data,
        batch_size,
        threads,
        shuffle,
        progress,
        keep_zeros=False,
    ):
        self.network, self.state, self.data = network, state, data
        self.batch_size, self.shuffle, self.progress = batch_size, shuffle, progress
        self.plan = network._plan
        self.model = self.plan.model()
        self.model.keep_zeros(keep_zeros)
        division = divide(self.plan, threads, batch_size, data.n)
        gradient = None  # kept only where a batch has several pieces
        if division["turn_rows"] or batch_size > division["block_rows"]:
            gradient = np.empty(self.plan.size, self.plan.dtype)
        self.model.bind(None, state.m, state.v, state.q, gradient, state.ema)
        self.run = make_run(
            self.plan,
            self.model,
            state.scalars,
            data,
            batch_size,
            division,
            ema_decay=1 - (state.tau or 0.0),
        )
        self.steps_per_epoch = -(-data.n // batch_size)
        self._working = self._last_finite = None
        self._last_rate = None

    def epoch(self):
        """Train to the end of the epoch; its mean data loss."""
        state, n = self.state, self.data.n
        epoch, *place = state.begin(n, self.batch_size)
        order = None
        if self.shuffle and self.batch_size < n:
            order = np.empty(n, np.int64)
            binding.permutation(order, self.plan.seed, epoch)
        self._begin()
        self.run.start_epoch(order, *place)
        state.follow(self.run, epoch)
        return self._to_the_end(epoch, order)

    def single_step(self):
        """One step on all rows, in no epoch; their mean data loss before it."""
        self._begin()
        self.run.start_epoch(None)
        return self._to_the_end(self.state.epoch, None)

    def _to_the_end(self, epoch, order):
        """Train the rest of the run's rows."""
        while self.run.row < self.data.n:
            threads = _crowd.threads(self.run.max_threads)
            start = time.monotonic()
            rates = self._learning_rates()
            asleep = self.run.advance(rates, _SLICE_SECONDS, threads)
            _crowd.report(threads, time.monotonic() - start, asleep)
            if self.run.steps_done:
                self._last_rate = float(rates[self.run.steps_done - 1])
            if self.run.diverged:
                raise self._divergence(epoch, order)
            self.progress.rows(self.run.row, self.run.loss)
            self._publish_for_readers()
        self._working.sums = self.model.weight_sums()
        if not self._working.are_finite():
            raise self._divergence(epoch, order)
        self.network._store.publish_working()
        self._working = self._last_finite = None
        return self.run.loss

    def _begin(self):
        """Copy the published weights to where steps change them."""
        store = self.network._store
        self._last_finite, self._copied = store.published, time.monotonic()
        spare = store.take_spare()
        params = (
            np.empty_like(self._last_finite.params) if spare is None else spare.params
        )
        np.copyto(params, self._last_finite.params)
        self.model.bind_weights(params)
        self._working = Weights(self.plan, params)
        store.begin(self._working)

    def _publish_for_readers(self):
        """In long epochs: a copy of the weights for other threads, if they look."""
        store, now = self.network._store, time.monotonic()
        if not store.seen or now - self._copied < _PUBLISH_SECONDS:
            return
        copy = self._working.copy()
        if copy.are_finite():
            store.publish_copy(copy)
            self._last_finite, self._copied = copy, now

    @property
    def learning_rate(self):
        """The rate of the last step, even if another call took it."""
        if self._last_rate is not None:
            return self._last_rate
        last = max(self.state.step - 1, 0)
        rates = self.state.optimizer.learning_rates(last, 1, self.steps_per_epoch)
        return float(rates[0])

    def _learning_rates(self):
        first = self.state.step
        left = self.steps_per_epoch - self.run.row // self.batch_size
        count = min(left, _STEPS_PER_CALL)
        return self.state.optimizer.learning_rates(first, count, self.steps_per_epoch)

    def _divergence(self, epoch, order):
        """The error for the batch that was just refused, or for the last step.

        Puts back finite weights and forgets what the optimiser made of infinite ones.
        """
        network, state = self.network, self.state
        step = min(self.run.row, self.data.n - 1) // self.batch_size
        layer = self._blamed_layer(step, order)
        what, kept = "the loss", "the weights are those before this step"
        if not all_finite(self._working.params):
            what = "the loss" if self.run.diverged else "a weight"
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

    def _blamed_layer(self, step, order):
        """The first layer whose output is not finite for a row of this batch."""
        first = step * self.batch_size
        last = min(first + self.batch_size, self.data.n)

        def search(a, b):
            rows = slice(first + a, first + b)
            return first_not_finite(
                self._working, self.data.raw_x[rows if order is None else order[rows]]
            )

        return in_slices(last - first, search, MIN_BLOCK_ROWS)


def all_finite(array):
    """True for None and for an array without NaN and infinities."""
    if array is None or np.isfinite(binding.penalty_sums(array)[0]):
        return True
    return bool(np.isfinite(array).all())  # the sum of finite numbers may overflow


def first_not_finite(weights, x):
    """Number of the first Dense layer whose output on x is not finite, or None."""
    with np.errstate(over="ignore"):
        a = np.asarray(x, weights.plan.dtype, order="C")
    with np.errstate(all="ignore"):
        for number, (outputs, _) in enumerate(layer_outputs(weights, a)):
            if not np.isfinite(outputs).all():
                return number
    return None


_BAR = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"


class Progress:
    """A tqdm bar over all rows of all epochs, at most 80 columns wide, or nothing."""

    def __init__(self, show, epochs, n, done=0):
        self._bar, self._n, self._epoch, self._epochs = None, n, done, epochs
        if show and sys.stderr is not None:  # as under pythonw
            from tqdm.auto import tqdm

            notebook = any(c.__module__ == "tqdm.notebook" for c in tqdm.__mro__)
            self._bar = tqdm(
                total=epochs * n,
                initial=done * n,
                desc=self._count(),
                bar_format=_BAR,
                ncols=None if notebook else min(80, shutil.get_terminal_size().columns),
            )

    def _count(self):
        return f"epoch {min(self._epoch + 1, self._epochs)}/{self._epochs}"

    def rows(self, row, loss):
        """Row `row` of the epoch is done."""
        if self._bar is not None:
            self._bar.update(self._epoch * self._n + row - self._bar.n)
            if self._epoch == 0:
                self._bar.set_postfix_str(f"loss {loss:.4g}", refresh=False)

    def epoch(self, logs):
        """An epoch is done; show its figures."""
        self._epoch += 1
        if self._bar is None:
            return
        parts = [f"loss {logs['loss']:.4g}"]
        if "val_accuracy" in logs:
            parts.append(f"val acc {logs['val_accuracy']:.2%}")
        elif "val_loss" in logs:
            parts.append(f"val loss {logs['val_loss']:.4g}")
        parts.append(f"zeros {logs['zeros']:.0%}")
        self._bar.set_description_str(self._count(), refresh=False)
        self._bar.set_postfix_str(", ".join(parts), refresh=False)

    def close(self):
        """Leave the bar as it stands."""
        if self._bar is not None:
            self._bar.close()
