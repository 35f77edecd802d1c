"""Callbacks: what `Network.fit` calls after every epoch.

`Callback` is the base; EarlyStopping and Checkpoint remember the best epoch, Prune makes
the smallest weights zero.  Their settings are fixed after construction.

TensorBoard, MLflow, WandB and OptunaPruning hand the epochs' numbers to other programs,
whose packages (extra ``tracking``) are imported when one is made.
"""

from __future__ import annotations

import importlib
import math
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from ._core import checks
from ._core.fixed import Fixed

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from .network import Network
    from .typing import BestMode, FloatArray, Logs, StrPath, Training


_MODES: tuple[BestMode, ...] = ("auto", "min", "max")


class _Settings(Fixed):
    """The arguments of a callback are fixed; what it sets besides is its own."""

    def _is_fixed(self, name: str) -> bool:
        return name in self._names and super()._is_fixed(name)

    def __eq__(self, other: object) -> bool:
        return self is other  # each has a state of its own

    def __hash__(self) -> int:
        return object.__hash__(self)


class Callback:
    """Base of the callbacks: override the methods you need.

    `Network.fit` takes any object with some of these methods: those that it leaves out
    are not called.

    Explained in :doc:`/checkpoints`.

    Examples
    --------
    >>> import numpy as np, regnet_c as rn
    >>> class StopAt(rn.Callback):
    ...     def __init__(self, loss):
    ...         self.loss = loss
    ...
    ...     def on_epoch_end(self, epoch, logs):
    ...         return logs["loss"] < self.loss
    >>> StopAt(0.1)
    StopAt(loss=0.1)
    >>> X = np.eye(4)
    >>> net = rn.Network([rn.Dense(4, 1)])
    >>> history = net.fit(X, X[:, :1], 1000, callbacks=[StopAt(0.1)])
    >>> history.stopped_early
    True
    """

    def __repr__(self) -> str:
        public = {k: v for k, v in vars(self).items() if not k.startswith("_")}
        inner = ", ".join(f"{name}={value!r:.99}" for name, value in public.items())
        return f"{type(self).__name__}({inner})"

    def on_train_begin(self, network: Network) -> None:
        """Called once before the first epoch.

        Parameters
        ----------
        network : Network

        Examples
        --------
        >>> import numpy as np, regnet_c as rn
        >>> class Sizes(rn.Callback):
        ...     def on_train_begin(self, network):
        ...         print([w.shape for w in network.get_weights()])
        >>> net = rn.Network([rn.Dense(2, 1)])
        >>> history = net.fit(np.eye(2), [0, 1], callbacks=[Sizes()])
        [(2, 1), (1,)]
        """

    def on_epoch_end(self, epoch: int, logs: Logs) -> bool | None:
        """Called after every epoch; return True to stop training.

        Parameters
        ----------
        epoch : int
            Counted from 0 since the optimiser's first step.
        logs : dict
            The epoch's entries of `History.history`.

        Examples
        --------
        >>> import numpy as np, regnet_c as rn
        >>> class Show(rn.Callback):
        ...     def on_epoch_end(self, epoch, logs):
        ...         print(epoch, *logs)
        >>> net = rn.Network([rn.Dense(2, 1)])
        >>> history = net.fit(np.eye(2), [0, 1], epochs=2, callbacks=[Show()])
        0 loss penalty zeros learning_rate
        1 loss penalty zeros learning_rate
        """

    def on_checkpoint(self, training: Training) -> None:
        """Called where the state of training may be saved.

        That is after every epoch, when all callbacks have seen it, and when Ctrl-C (or
        SystemExit) ends training.

        Parameters
        ----------
        training : object
            ``save(path)`` writes the state; ``epochs`` is the number of epochs done;
            ``ends`` is True after the last epoch and on Ctrl-C.

        Examples
        --------
        >>> import numpy as np, os, regnet_c as rn
        >>> class SaveLast(rn.Callback):
        ...     def on_checkpoint(self, training):
        ...         if training.ends:
        ...             training.save("last.safetensors")
        >>> net = rn.Network([rn.Dense(2, 1)])
        >>> history = net.fit(np.eye(2), [0, 1], callbacks=[SaveLast()])
        >>> os.path.exists("last.safetensors")
        True
        """

    def on_train_end(self) -> None:
        """Called once after the last epoch, also when training fails.

        Examples
        --------
        >>> import numpy as np, regnet_c as rn
        >>> class Bell(rn.Callback):
        ...     def on_train_end(self):
        ...         print("done")
        >>> net = rn.Network([rn.Dense(2, 1)])
        >>> history = net.fit(np.eye(2), [0, 1], callbacks=[Bell()])
        done
        """

    def get_state(self) -> dict[str, Any] | None:
        """What a checkpoint has to keep of this callback after an epoch.

        Returns
        -------
        dict or None
            JSON values and arrays of float32 or float64, by names of letters, digits
            and underscores; a list of arrays is returned as one, end to end.  Numbers
            that may be infinite or NaN must be arrays.  None: nothing.

        Examples
        --------
        >>> import numpy as np, regnet_c as rn
        >>> class Counter(rn.Callback):
        ...     epochs = 0
        ...
        ...     def on_epoch_end(self, epoch, logs):
        ...         self.epochs += 1
        ...
        ...     def get_state(self):
        ...         return {"epochs": self.epochs}
        ...
        ...     def set_state(self, state):
        ...         self.epochs = state["epochs"]
        >>> counter = Counter()
        >>> net = rn.Network([rn.Dense(2, 1)])
        >>> history = net.fit(np.eye(2), [0, 1], epochs=3, callbacks=[counter])
        >>> counter.get_state()
        {'epochs': 3}
        """

    def set_state(self, state: dict[str, Any]) -> None:
        """Take back what `get_state` returned, when training resumes.

        Called after `on_train_begin`; right afterwards the network gets the weights of
        the checkpoint.  The file may be untrusted: ValueError for a state that
        `get_state` does not return.

        Parameters
        ----------
        state : dict

        Examples
        --------
        >>> import regnet_c as rn
        >>> best = rn.EarlyStopping(monitor="loss", restore_best_weights=False)
        >>> _ = best.on_epoch_end(0, {"loss": 0.5})
        >>> resumed = best.replace()
        >>> resumed.set_state(best.get_state())
        >>> resumed.best
        0.5
        """


def _monitored(owner: str, monitor: str, logs: Logs) -> float:
    """The entry that a callback looks at."""
    if monitor not in logs:
        raise ValueError(
            f"{owner} monitors {monitor!r}, this run has "
            f"{', '.join(sorted(logs))}; pass validation_data for val_ entries"
        )
    value: float = logs[monitor]
    return value


class _Best:
    """The best value of a quantity so far, a smaller or a larger one by its name."""

    def __init__(
        self, owner: str, monitor: str, min_delta: float, mode: BestMode
    ) -> None:
        if not isinstance(monitor, str):
            raise TypeError(f"monitor is {monitor!r}, expected a name like 'val_loss'")
        self._owner, self.monitor = owner, monitor
        self._min_delta = min_delta
        maximise = mode == "max" or (mode == "auto" and "accuracy" in monitor)
        self._sign = -1 if maximise else 1
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.value = math.nan
        self.epoch: int | None = None

    def improves(self, epoch: int, logs: Logs) -> bool:
        """Whether this epoch is the best so far."""
        value = _monitored(self._owner, self.monitor, logs)
        better = not math.isnan(value) and (
            self.epoch is None
            or self._sign * value < self._sign * self.value - self._min_delta
        )
        if better:
            self.value, self.epoch = value, epoch
        return better

    def get_state(self) -> dict[str, Any]:
        """As `Callback.get_state`."""
        return {"best": np.array(self.value, np.float64), "best_epoch": self.epoch}

    def set_state(self, state: dict[str, Any]) -> None:
        """Take its two entries out of a state."""
        value, epoch = state.pop("best"), state.pop("best_epoch")
        if not isinstance(value, np.ndarray) or value.shape:
            raise ValueError(f"best is {value!r}, expected a number")
        if epoch is not None:
            epoch = checks.check_int(epoch, "best_epoch", minimum=0)
        if (epoch is None) != math.isnan(value):
            raise ValueError(f"best is {value} in epoch {epoch}")
        self.value, self.epoch = float(value), epoch


def _expect_alike(state: dict[str, Any], **settings: object) -> None:
    """Take the settings out of a state; ValueError if they differ from these."""
    for name, here in settings.items():
        found = state.pop(name)
        if type(found) is not type(here) or found != here:
            raise ValueError(
                f"{name}={found!r} in the file, {name}={here!r} in this call"
            )


def _expect_empty(state: dict[str, Any]) -> None:
    if state:
        raise ValueError(f"its state has {', '.join(sorted(state))} too")


class EarlyStopping(_Settings, Callback):
    """Stop when a quantity has not improved for some epochs; put the best weights back.

    Explained in :doc:`/course/early_stopping`.

    Parameters
    ----------
    monitor : str, default "val_loss"
        A key of `History.history`.
    patience : int, default 5
        Epochs without improvement to allow.
    min_delta : float, default 0
        Smaller changes do not count as improvements.  It is in units of the monitored
        quantity, so of y for a regression's loss: 0 alone means the same in every unit.
    mode : {"auto", "min", "max"}
        auto: max for names that contain "accuracy".
    restore_best_weights : bool, default True

    Attributes
    ----------
    best : float
    best_epoch : int

    Examples
    --------
    >>> import numpy as np, regnet_c as rn
    >>> X = np.random.RandomState(0).randn(300, 5)
    >>> net = rn.Network([rn.Dense(5, 16, "relu"), rn.Dense(16, 1)])
    >>> stopping = rn.EarlyStopping(patience=3)
    >>> history = net.fit(X[:200], X[:200, :1], 500, callbacks=[stopping],
    ...                   validation_data=(X[200:], X[200:, :1]))
    >>> history.stopped_early, stopping.best_epoch < history.epochs
    (True, True)
    """

    patience: int
    min_delta: float
    mode: BestMode
    restore_best_weights: bool

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int = 5,
        min_delta: float = 0.0,
        mode: BestMode = "auto",
        restore_best_weights: bool = True,
    ) -> None:
        self.patience = checks.check_int(patience, "patience", minimum=0)
        self.min_delta = checks.check_float(min_delta, "min_delta", minimum=0)
        self.mode = checks.check_name(mode, _MODES, "mode")
        self.restore_best_weights = checks.check_bool(
            restore_best_weights, "restore_best_weights"
        )
        self._best = _Best("EarlyStopping", monitor, self.min_delta, self.mode)
        self.monitor = monitor
        self._wait = 0
        self._best_weights: list[FloatArray] | None = None
        self._network: Network | None = None

    @property
    def best(self) -> float:
        """The best value so far, NaN before there is one."""
        return self._best.value

    @property
    def best_epoch(self) -> int | None:
        """The epoch of the best value, None before there is one."""
        return self._best.epoch

    def on_train_begin(self, network: Network) -> None:
        self._network = network
        self._wait, self._best_weights = 0, None
        self._best.reset()

    def on_epoch_end(self, epoch: int, logs: Logs) -> bool:
        if self._best.improves(epoch, logs):
            self._wait = 0
            if self.restore_best_weights and self._network is not None:
                self._best_weights = self._network.get_weights()
            return False
        self._wait += 1
        return self._wait > self.patience

    def on_train_end(self) -> None:
        if self._best_weights is not None and self._network is not None:
            self._network.set_weights(self._best_weights)
        self._best_weights = self._network = None

    def _settings(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._names}

    def get_state(self) -> dict[str, Any]:
        state = self._settings() | self._best.get_state() | {"wait": self._wait}
        if self._best_weights is not None:
            state["best_weights"] = self._best_weights
        return state

    def set_state(self, state: dict[str, Any]) -> None:
        state = dict(state)
        _expect_alike(state, **self._settings())
        self._best.set_state(state)
        self._wait = checks.check_int(state.pop("wait"), "wait", minimum=0)
        if self.restore_best_weights and self.best_epoch is not None:
            assert self._network is not None  # `on_train_begin` comes first
            flat, here = state.pop("best_weights"), self._network.get_weights()
            self._best_weights = _like(here, flat)
        _expect_empty(state)


def _like(weights: list[FloatArray], flat: ArrayLike) -> list[FloatArray]:
    """Weights of these shapes from one array of all of them end to end."""
    ends = np.cumsum([w.size for w in weights])
    flat = checks.check_array(flat, "best_weights", (int(ends[-1]),), weights[0].dtype)
    parts = np.split(flat, ends[:-1])
    return [part.reshape(w.shape) for part, w in zip(parts, weights, strict=True)]


class Checkpoint(_Settings, Callback):
    """Write the whole state of training to a file, for `Network.fit` (``resume_from=``).

    The file is also a model that `Network.load` reads.  It is replaced as a whole or not
    at all, even if the machine stops.

    Explained in :doc:`/checkpoints`.

    Parameters
    ----------
    path : str or os.PathLike
    every : int, default 1
        Write after every `every` epochs, after the last one, and when Ctrl-C (or
        SystemExit) ends training, also in the middle of an epoch.
    monitor : str, optional
        A key of `History.history`: write only after epochs in which it is better than
        ever before.  Two Checkpoints, of two paths, keep the last and the best.
    mode : {"auto", "min", "max"}
        auto: max for names that contain "accuracy".

    Examples
    --------
    >>> import numpy as np, regnet_c as rn, tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "run.safetensors")
    >>> X, y = np.eye(4), np.arange(4.0)
    >>> call = dict(optimizer=rn.SGD(0.1), callbacks=[rn.Checkpoint(path)])
    >>> history = rn.Network([rn.Dense(4, 1)]).fit(X, y, epochs=3, **call)
    >>> call["optimizer"] = rn.SGD(0.1)
    >>> net = rn.Network([rn.Dense(4, 1)])  # for example after a restart
    >>> len(net.fit(X, y, epochs=5, **call, resume_from=path)["loss"])
    5
    """

    path: str
    every: int
    mode: BestMode

    def __init__(
        self,
        path: StrPath,
        every: int = 1,
        monitor: str | None = None,
        mode: BestMode = "auto",
    ) -> None:
        self.path = os.fspath(path)
        self.every = checks.check_int(every, "every", minimum=1)
        self.monitor = monitor
        self.mode = checks.check_name(mode, _MODES, "mode")
        if monitor is not None and every != 1:
            raise ValueError(
                f"got every={every} and monitor={monitor!r}, expected one of them"
            )
        self._best: _Best | None = None
        if monitor is not None:
            self._best = _Best("Checkpoint", monitor, 0.0, self.mode)
        self._due = False

    def on_train_begin(self, network: Network) -> None:
        self._due = False
        if self._best:
            self._best.reset()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        if self._best:
            self._due = self._best.improves(epoch, logs)

    def on_checkpoint(self, training: Training) -> None:
        if not self._best:
            self._due = training.ends or training.epochs % self.every == 0
        if self._due:
            training.save(self.path)
            self._due = False

    def get_state(self) -> dict[str, Any] | None:
        if not self._best:
            return None
        return {"monitor": self.monitor, "mode": self.mode} | self._best.get_state()

    def set_state(self, state: dict[str, Any]) -> None:
        state = dict(state)
        _expect_alike(state, monitor=self.monitor, mode=self.mode)
        if self._best:
            self._best.set_state(state)
        _expect_empty(state)


class Prune(_Settings, Callback):
    """Keep a given share of the weights, the largest, pruning step by step.

    Magnitude pruning: a penalty decides which weights are small, `Prune` how many remain.

    After epoch e, counted from 1, of ``begin <= e < end`` the share left is
    density + (1 - density) (1 - (e - begin) / (end - begin))^3 (Zhu and Gupta 2017), and
    from epoch `end` on the density.  Layers are compared by the sizes of their weights;
    biases are left alone.  A weight of the first layer is large if its input's numbers are
    small: bring the columns of X to one scale first.  Pass ``keep_zeros=True`` to
    `Network.fit`, otherwise pruned weights become non-zero again.

    Explained in :doc:`/choosing`.

    Parameters
    ----------
    density : float in (0, 1]
        Share of the weights that remains in the end; at least one weight remains.
    begin, end : int
        First and last epoch after which weights are pruned, begin < end.

    Examples
    --------
    >>> import numpy as np, regnet_c as rn
    >>> X = np.random.RandomState(0).randn(200, 5)
    >>> net = rn.Network([rn.Dense(5, 8, activation="relu"), rn.Dense(8, 1)])
    >>> history = net.fit(X, X[:, :1], 10, callbacks=[rn.Prune(0.25, 1, 8)],
    ...                   keep_zeros=True)
    >>> net.zeros()
    0.75
    """

    density: float
    begin: int
    end: int
    _network: Network | None = None

    def __init__(self, density: float, begin: int, end: int) -> None:
        self.density = checks.check_float(
            density, "density", minimum=0, open_minimum=True, maximum=1
        )
        self.begin = checks.check_int(begin, "begin", minimum=0)
        self.end = checks.check_int(end, "end", minimum=self.begin + 1)

    def share(self, epoch: int) -> float:
        """Share of the weights left after this epoch.

        Parameters
        ----------
        epoch : int
            Counted from 1.

        Returns
        -------
        float

        Examples
        --------
        >>> import regnet_c as rn
        >>> prune = rn.Prune(density=0.2, begin=2, end=4)
        >>> [round(prune.share(epoch), 2) for epoch in range(1, 6)]
        [1.0, 1.0, 0.3, 0.2, 0.2]
        """
        if epoch < self.begin:
            return 1.0
        done = min((epoch - self.begin) / (self.end - self.begin), 1)
        return self.density + (1 - self.density) * (1 - done) ** 3

    def on_train_begin(self, network: Network) -> None:
        self._network = network

    def on_epoch_end(self, epoch: int, logs: Logs) -> bool:
        assert self._network is not None  # `on_train_begin` comes first
        weights = self._network.get_weights()
        matrices = [weights[n] for n in self._network._plan.matrices]
        sizes = np.abs(np.concatenate([w.reshape(-1) for w in matrices]))
        left = max(int(np.rint(self.share(epoch + 1) * sizes.size)), 1)
        if np.count_nonzero(sizes) <= left:
            return False
        smallest = np.partition(sizes, sizes.size - left)[sizes.size - left]
        for w in matrices:
            w[np.abs(w) < smallest] = 0
        self._network.set_weights(weights)
        return False

    def on_train_end(self) -> None:
        self._network = None


def _tracker(module: str, owner: str) -> Any:
    """A package of the extra `[tracking]`."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ImportError(
            f"{owner} needs {package}: pip install 'regnet-c[tracking]' ({error})"
        ) from None


def _scalars(logs: Logs) -> dict[str, float]:
    """The numbers of an epoch; those of layers are numbered."""
    found: dict[str, float] = {}
    for name, value in logs.items():
        if isinstance(value, (list, tuple)):
            found |= {f"{name}_{i}": float(part) for i, part in enumerate(value)}
        else:
            found[name] = float(value)
    return found


class TensorBoard(Callback):
    """Write the numbers of every epoch as scalars for TensorBoard.

    Explained in :doc:`/integrations`.

    Parameters
    ----------
    log_dir : str or os.PathLike
        ``tensorboard --logdir`` shows it; each run needs a folder of its own.

    Raises
    ------
    ImportError
        If tensorboard is not installed (extra ``tracking``); TensorFlow is not needed.

    Examples
    --------
    >>> import numpy as np, regnet_c as rn
    >>> import tensorboard
    >>> tracker = rn.callbacks.TensorBoard("runs/first")
    >>> net = rn.Network([rn.Dense(2, 1)])
    >>> history = net.fit(np.eye(2), [0, 1], callbacks=[tracker])
    """

    def __init__(self, log_dir: StrPath) -> None:
        self.log_dir: str = os.fspath(log_dir)
        self._summary = _tracker("tensorboard.summary", "TensorBoard")
        self._writer: Any = None

    def on_train_begin(self, network: Network) -> None:
        self._writer = self._summary.Writer(self.log_dir)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        for name, value in _scalars(logs).items():
            self._writer.add_scalar(name, value, epoch)

    def on_train_end(self) -> None:
        writer, self._writer = self._writer, None
        writer.close()


class MLflow(Callback):
    """Log the numbers of every epoch as metrics of a run of MLflow.

    Explained in :doc:`/integrations`.

    Parameters
    ----------
    run_id : str, optional
        Default: the active run, or a new one, as ``mlflow.log_metrics`` chooses.

    Raises
    ------
    ImportError
        If mlflow is not installed (extra ``tracking``).

    Examples
    --------
    >>> import numpy as np, regnet_c as rn
    >>> import mlflow
    >>> net = rn.Network([rn.Dense(2, 1)])
    >>> with mlflow.start_run():
    ...     history = net.fit(np.eye(2), [0, 1], callbacks=[rn.callbacks.MLflow()])
    """

    def __init__(self, run_id: str | None = None) -> None:
        self.run_id = run_id
        self._mlflow = _tracker("mlflow", "MLflow")

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self._mlflow.log_metrics(_scalars(logs), step=epoch, run_id=self.run_id)


class WandB(Callback):
    """Log the numbers of every epoch to a run of Weights & Biases.

    Explained in :doc:`/integrations`.

    Parameters
    ----------
    run : wandb.Run, optional
        What ``wandb.init`` returned; default: the run that it started last.

    Raises
    ------
    ImportError
        If wandb is not installed (extra ``tracking``).
    ValueError
        If there is no run.

    Examples
    --------
    >>> import numpy as np, regnet_c as rn
    >>> class Run:  # in place of what wandb.init() returns
    ...     def log(self, values, step):
    ...         print(step, *values)
    >>> tracker = rn.callbacks.WandB(Run())
    >>> net = rn.Network([rn.Dense(2, 1)])
    >>> history = net.fit(np.eye(2), [0, 1], epochs=2, callbacks=[tracker])
    0 loss penalty zeros learning_rate
    1 loss penalty zeros learning_rate
    """

    def __init__(self, run: Any = None) -> None:
        self.run: Any = _tracker("wandb", "WandB").run if run is None else run
        if self.run is None:
            raise ValueError("there is no run of wandb, call wandb.init() first")

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self.run.log(_scalars(logs), step=epoch)


class OptunaPruning(Callback):
    """Report every epoch to a trial of Optuna, and end the trial if it is pruned.

    Explained in :doc:`/integrations`.

    Parameters
    ----------
    trial : optuna.trial.Trial
    monitor : str, default "val_loss"
        A key of `History.history`; the study's direction must fit it.

    Raises
    ------
    ImportError
        If optuna is not installed (extra ``tracking``).
    optuna.TrialPruned
        From `Network.fit`, when the study's pruner gives the trial up.

    Examples
    --------
    >>> import numpy as np, regnet_c as rn
    >>> import optuna
    >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
    >>> def objective(trial):
    ...     rate = trial.suggest_float("rate", 1e-3, 1e-1, log=True)
    ...     callbacks = [rn.callbacks.OptunaPruning(trial, monitor="loss")]
    ...     net, sgd = rn.Network([rn.Dense(2, 1)]), rn.SGD(rate)
    ...     history = net.fit(np.eye(2), [0, 1], optimizer=sgd, callbacks=callbacks)
    ...     return history["loss"][-1]
    >>> study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    >>> study.optimize(objective, n_trials=4)
    >>> len(study.trials)
    4
    """

    def __init__(self, trial: Any, monitor: str = "val_loss") -> None:
        self.trial: Any = trial
        self.monitor: str = monitor
        self._optuna = _tracker("optuna", "OptunaPruning")

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self.trial.report(_monitored("OptunaPruning", self.monitor, logs), epoch)
        if self.trial.should_prune():
            raise self._optuna.TrialPruned(f"pruned after epoch {epoch + 1}")
