"""What an optimiser remembers from call to call, and its form in a checkpoint.

Together with the weights, the seed and the arguments of `fit` it determines all further
bits: dropout masks depend on the step, the order of the rows on the epoch.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from . import binding, checks

if TYPE_CHECKING:
    from ..optimizers import Optimizer
    from ..typing import AnyArray, FloatArray
    from .course import Course
    from .plan import Plan
    from .training import FitOptions

    Cut: TypeAlias = tuple[tuple[int, ...], int, bool | None]

_CREDIT_DECAY = 1 - 1 / 10_000  # forgetting of the cumulative penalty's ledger
_ARRAYS = ("m", "v", "q", "ema")
_SUMS = "blocks"
_COUNTERS = ("beta1_power", "beta2_power", "response", "credit", "step")


class TrainingState:
    """Moments, ledger, counters and where training stands.

    Attributes
    ----------
    m, v, q, ema : ndarray or None
        Flat, like the weights: the optimiser's two moments, what the cumulative rules
        are owed, the moving average of the updates.
    scalars : binding.Optimizer
    progress : binding.Progress
        Advanced by the C core, one `epoch` for every block of rows; after a block its
        sums are those of the whole block.
    """

    m: FloatArray | None
    v: FloatArray | None
    q: FloatArray | None
    scalars: binding.Optimizer
    progress: binding.Progress
    ema_start: int

    def __init__(self, plan: Plan, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self.progress = binding.Progress()
        self._cut: Cut | None = None  # of FitOptions
        self._blocks = 1
        self._sums: dict[int, tuple[float, float]] = {}  # of each block's losses
        self._plan = plan
        traits = optimizer.traits
        self.m = self._plan.zeros() if traits.first_moment else None
        self.v = self._plan.zeros() if traits.second_moment else None
        self.q = self._plan.zeros() if plan.needs_ledger() else None
        self.ema: FloatArray | None = None
        self.tau: float | None = None
        self.ema_start = 0
        self.scalars = binding.Optimizer(
            kind=optimizer.kind, credit_decay=_CREDIT_DECAY, **optimizer.constants()
        )

    def track_updates(self, tau: float | None) -> None:
        """Keep a moving average of the updates with this tau from now on, or stop."""
        if tau != self.tau:
            # an allocation that fails must leave nothing changed
            ema = None if tau is None else self._plan.zeros()
            self.tau, self.ema_start, self.ema = tau, self.step, ema

    def update_average(self) -> FloatArray | None:
        """The bias-corrected moving average of the updates, flat; None without one."""
        if self.ema is None or self.tau is None or self.step == self.ema_start:
            return None
        return self.ema / (1 - (1 - self.tau) ** (self.step - self.ema_start))

    # ---- epochs ----------------------------------------------------------------------

    @property
    def epoch(self) -> int:
        """The epoch being trained, or the next one."""
        return self.progress.epoch // self._blocks

    @property
    def begun(self) -> bool:
        """Whether some rows of the epoch are done."""
        return bool(self.progress.row or self.progress.epoch % self._blocks)

    def cut_epochs(self, cut: Cut) -> None:
        """Epochs are cut like this: one that was interrupted begins again if it was cut in
        another way."""
        if self._cut != cut:
            blocks = len(cut[0])
            if self.begun or blocks != self._blocks:
                self.progress.set(self.epoch * blocks, 0, 0.0, 0.0)
                self._blocks, self._sums = blocks, {}
            self._cut = cut

    def note_block(self) -> None:
        """Keep the sums of the last block before the next begins; twice does no harm."""
        last = self.progress.epoch - 1
        if last >= 0 and self.progress.rows_seen == 0:
            sums = self.progress.loss_sum, self.progress.weight_sum
            self._sums.setdefault(last, sums)
        first = last // self._blocks * self._blocks
        self._sums = {at: sums for at, sums in self._sums.items() if at >= first}

    def mean_loss(self) -> float:
        """Mean data loss of the epoch that ended last."""
        if self._blocks == 1:
            return self.progress.mean_loss
        self.note_block()
        sums = [self._sums[at] for at in sorted(self._sums)]
        loss, weight = (sum(parts) for parts in zip(*sums, strict=True))
        return loss / weight if weight else math.nan

    @property
    def step(self) -> int:
        """Steps taken so far."""
        return self.scalars.step

    # ---- checkpoints -----------------------------------------------------------------

    def get_state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What a checkpoint has: JSON values, and arrays as lists of parts."""
        progress = self.progress
        values = {
            "epoch": progress.epoch,
            "row": progress.row,
            "loss_sum": progress.loss_sum,
            "weight_sum": progress.weight_sum,
            "ema_start": self.ema_start,
            **self.scalars.get(),
            **self.optimizer.constants(),  # a decay is what its schedule begins with
        }
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        arrays = {
            name: [view.reshape(-1) for view in self._plan.views(array)]
            for name, array in arrays.items()
            if array is not None
        }
        if self._blocks > 1:
            self.note_block()
            if self._sums:
                sums = [(at, *sums) for at, sums in sorted(self._sums.items())]
                arrays[_SUMS] = np.array(sums, np.float64)
        return values, arrays

    def set_state(
        self,
        values: dict[str, Any],
        arrays: dict[str, AnyArray],
        options: FitOptions,
        course: Course,
    ) -> None:
        """Continue from a state of the same plan, optimiser, tau and cut.

        It may be untrusted: ValueError for what `get_state` does not return.
        """
        expected, _ = self.get_state()
        if list(values) != list(expected):
            raise ValueError(f"its training state has the values {', '.join(values)}")
        fixed = set(self.scalars.get()) - set(_COUNTERS)
        for name, here in expected.items():
            found = values[name]
            if type(found) is not type(here) or (name in fixed and found != here):
                raise ValueError(f"{name}={found!r} in the file, {here!r} here")
        for name in ("epoch", "row", "step", "ema_start"):
            checks.check_int(values[name], name, minimum=0, maximum=2**63 - 1)
        row, step, n = values["row"], values["step"], course.rows(values["epoch"])
        if row >= n or row % options.batch_size or values["ema_start"] > step:
            raise ValueError(f"training cannot resume at row {row} of {n}, step {step}")
        self._blocks = course.count
        self._sums = self._noted(values["epoch"], arrays)
        self._fill(arrays)
        self.scalars.set(**{name: values[name] for name in _COUNTERS})
        self.ema_start = values["ema_start"]
        sums = values["loss_sum"], values["weight_sum"]
        self.progress.set(values["epoch"], row, *sums)
        self._cut = options.cut

    def _noted(
        self, at: int, arrays: dict[str, AnyArray]
    ) -> dict[int, tuple[float, float]]:
        """Sums of the blocks of this epoch, from an array that may be untrusted."""
        if self._blocks == 1 or _SUMS not in arrays:
            return {}
        noted = arrays.pop(_SUMS)
        if noted.ndim != 2 or noted.shape[1] != 3:
            raise ValueError(f"the losses of its blocks have shape {noted.shape}")
        known = range(max(0, (at - 1) // self._blocks * self._blocks), at)
        sums = {number: (loss, weight) for number, loss, weight in noted.tolist()}
        if not np.isfinite(noted).all() or not set(sums) <= set(known):
            raise ValueError(f"the losses of its blocks are not among {known}")
        return sums

    def _fill(self, arrays: dict[str, AnyArray]) -> None:
        """Take the arrays' numbers."""
        for name in _ARRAYS:
            own, array = getattr(self, name), arrays.pop(name, None)
            if own is None and array is None:
                continue
            views = [] if own is None else self._plan.views(own)
            size = sum(view.size for view in views)
            expected = None if own is None else (size,)
            found = None if array is None else array.shape
            if array is None or found != expected or array.dtype != own.dtype:
                raise ValueError(f"array {name} has shape {found}, expected {expected}")
            end = 0
            for view in views:
                begin, end = end, end + view.size
                view[...] = array[begin:end].reshape(view.shape)
