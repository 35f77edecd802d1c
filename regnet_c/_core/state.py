"""What an optimiser remembers from call to call, and how a checkpoint has it.

Together with the weights, the seed and the arguments of `fit` it decides all further
bits: dropout masks depend on the step, the order of the rows on the epoch.
"""

from . import binding, checks

_CREDIT_DECAY = 1 - 1 / 10_000  # forgetting of the cumulative penalty's ledger
_ARRAYS = ("m", "v", "q", "ema")
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
        Moved on by the C core; after an epoch its sums are those of the whole epoch.
    """

    def __init__(self, plan, optimizer):
        self.optimizer = optimizer
        self.progress, self._cut = binding.Progress(), None  # (rows, batch size)
        self._plan = plan
        traits = optimizer.traits
        self.m = self._plan.zeros() if traits.first_moment else None
        self.v = self._plan.zeros() if traits.second_moment else None
        self.q = self._plan.zeros() if plan.needs_ledger() else None
        self.ema, self.tau, self.ema_start = None, None, 0
        self.scalars = binding.Optimizer(
            kind=optimizer.kind, credit_decay=_CREDIT_DECAY, **optimizer.constants()
        )

    def track_updates(self, tau):
        """Keep a moving average of the updates with this tau from now on, or stop."""
        if tau != self.tau:
            # an allocation that fails must leave nothing changed
            ema = None if tau is None else self._plan.zeros()
            self.tau, self.ema_start, self.ema = tau, self.step, ema

    def update_average(self):
        """The bias-corrected moving average of the updates, flat; None without one."""
        if self.ema is None or self.step == self.ema_start:
            return None
        return self.ema / (1 - (1 - self.tau) ** (self.step - self.ema_start))

    def cut_epochs(self, n, batch_size):
        """Epochs are of so many rows and batches of so many: an epoch that was interrupted
        begins again if it was cut in another way."""
        if self._cut != (n, batch_size):
            if self.progress.row:
                self.progress.set(self.progress.epoch, 0, 0.0, 0.0)
            self._cut = n, batch_size

    @property
    def step(self):
        """Steps taken so far."""
        return self.scalars.step

    # ---- checkpoints -----------------------------------------------------------------

    def get_state(self):
        """What a checkpoint has: JSON values, and arrays as lists of parts."""
        progress = self.progress
        values = {
            "epoch": progress.epoch,
            "row": progress.row,
            "loss_sum": progress.loss_sum,
            "weight_sum": progress.weight_sum,
            "ema_start": self.ema_start,
            **self.scalars.get(),
        }
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        return values, {
            name: [view.reshape(-1) for view in self._plan.views(array)]
            for name, array in arrays.items()
            if array is not None
        }

    def set_state(self, values, arrays, n, batch_size):
        """Continue from a state of the same plan, optimiser, tau, n and batch_size.

        It may be untrusted: ValueError for what `get_state` does not return.
        """
        expected, _ = self.get_state()
        if list(values) != list(expected):
            raise ValueError(f"its training has the values {', '.join(values)}")
        fixed = set(self.scalars.get()) - set(_COUNTERS)
        for name, here in expected.items():
            found = values[name]
            if type(found) is not type(here) or (name in fixed and found != here):
                raise ValueError(f"{name}={found!r} in the file, {here!r} here")
        for name in ("epoch", "row", "step", "ema_start"):
            checks.check_int(values[name], name, minimum=0, maximum=2**63 - 1)
        row, step = values["row"], values["step"]
        if row >= n or row % batch_size or values["ema_start"] > step:
            raise ValueError(f"training cannot resume at row {row} of {n}, step {step}")
        self._fill(arrays)
        self.scalars.set(**{name: values[name] for name in _COUNTERS})
        self.ema_start = values["ema_start"]
        sums = values["loss_sum"], values["weight_sum"]
        self.progress.set(values["epoch"], row, *sums)
        self._cut = n, batch_size

    def _fill(self, arrays):
        """Take the arrays' numbers."""
        for name in _ARRAYS:
            own, array = getattr(self, name), arrays.pop(name, None)
            if own is None and array is None:
                continue
            views = [] if own is None else self._plan.views(own)
            size = sum(view.size for view in views)
            expected = None if own is None else (size,)
            found = None if array is None else array.shape
            if found != expected or (own is not None and array.dtype != own.dtype):
                raise ValueError(f"array {name} has shape {found}, expected {expected}")
            end = 0
            for view in views:
                begin, end = end, end + view.size
                view[...] = array[begin:end].reshape(view.shape)
