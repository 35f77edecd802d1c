"""DaskRegNetClassifier and DaskRegNetRegressor."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypeVar

import dask
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from .._core import checks
from .._core.listeners import Listeners, check_callbacks
from .._core.progress_bar import StepBar
from ..estimators.classifier import RegNetClassifier
from ..estimators.regressor import RegNetRegressor
from .cluster import executor
from .rounds import Rounds, Shard, Task, measure, take_steps

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ..estimators.base import BaseRegNet, Rows3
    from ..history import History
    from ..network import Network
    from ..optimizers import Optimizer
    from ..schedules import Schedule
    from ..typing import (
        ActivationName,
        AnyArray,
        AnyCallback,
        ClassLoss,
        DTypeName,
        OptimizerName,
        ScheduleName,
        StrPath,
    )
    from .cluster import Client, Cluster, Serial

    Local: TypeAlias = RegNetClassifier | RegNetRegressor
    L = TypeVar("L", bound=BaseRegNet)

_SHARDS = 8  # at most, by default: the more, the less a round does


def _partitions(value: Any, name: str) -> list[Any]:
    """Delayed partitions of a dask array or frame, as many columns as there are."""
    if not dask.is_dask_collection(value):
        raise TypeError(
            f"{name} is {checks.a_type(value)}, expected a dask array or data frame"
        )
    if hasattr(value, "rechunk") and value.ndim == 2:
        value = value.rechunk({1: -1})
    return list(np.ravel(value.to_delayed()))


def _shard(
    template: Local,
    first: int,
    xs: Sequence[Any],
    ys: Sequence[Any],
    weights: Sequence[Any],
) -> Shard:
    """The rows of some partitions, checked and encoded; `first` is the number of one."""
    parts = []
    for number, (x, y, w) in enumerate(zip(xs, ys, weights, strict=True), first):
        x, y = np.asarray(x), np.asarray(y)
        lengths = {len(x), len(y)} | (set() if w is None else {len(w)})
        if len(lengths) > 1:
            raise ValueError(
                f"partition {number}: X, y and sample_weight have "
                f"{' and '.join(map(str, sorted(lengths)))} rows"
            )
        if len(x):
            parts.append((x, y, None if w is None else np.asarray(w, np.float64)))
    if not parts:
        return Shard(None, None, None)
    x, y, w = (
        None if c[0] is None else np.concatenate(c) for c in zip(*parts, strict=True)
    )
    x, y = template._check_data(x, y, reset=False)
    if w is not None and not w.any():
        return Shard(None, None, None)
    return Shard(*template._data(x, y, w))


def _predicted(x: Any, local: Local, method: str, empty: AnyArray) -> AnyArray:
    x = np.asarray(x)
    return getattr(local, method)(x) if len(x) else empty


def _predicted_frame(x: Any, local: Local, method: str, meta: Any) -> Any:
    if not len(x):
        return meta
    values = getattr(local, method)(np.asarray(x))
    kind = type(meta)
    if values.ndim == 1:
        return kind(values, index=x.index, name=meta.name)
    return kind(values, index=x.index, columns=meta.columns)


class DaskRegNet(BaseEstimator):
    """What both estimators share; the parameters are the regressor's."""

    history_: History
    n_features_in_: int
    _fitted: Local

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (100,),
        activation: ActivationName = "relu",
        *,
        loss: Any = "squared_error",
        l1: float = 0.0,
        l2: float = 0.0,
        group_l1: float = 0.0,
        dropout: float | Sequence[float] = 0.0,
        max_norm: float | None = None,
        optimizer: Optimizer | OptimizerName = "adam",
        learning_rate: ScheduleName | Schedule = "constant",
        learning_rate_init: float | None = None,
        batch_size: int = 1024,
        rounds: int = 20,
        epochs_per_round: float = 1,
        n_shards: int | None = None,
        random_state: int = 0,
        dtype: DTypeName = "float32",
        client: Client = None,
        timeout: float = 300.0,
        retries: int = 3,
        callbacks: Sequence[AnyCallback] = (),
        verbose: bool = False,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.loss = loss
        self.l1 = l1
        self.l2 = l2
        self.group_l1 = group_l1
        self.dropout = dropout
        self.max_norm = max_norm
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.batch_size = batch_size
        self.rounds = rounds
        self.epochs_per_round = epochs_per_round
        self.n_shards = n_shards
        self.random_state = random_state
        self.dtype = dtype
        self.client = client
        self.timeout = timeout
        self.retries = retries
        self.callbacks = callbacks
        self.verbose = verbose

    def __getstate__(self) -> Any:
        """Everything but the client, which belongs to its process."""
        client = "serial" if self.client == "serial" else None
        return super().__getstate__() | {"client": client}

    # ---- training --------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        eval_set: tuple[Any, Any] | list[tuple[Any, Any]] | None = None,
        resume_from: StrPath | None = None,
    ) -> Self:
        """Train in rounds from new weights.

        Parameters
        ----------
        X, y : dask array or data frame
            Numbers, as many partitions of y as of X; chunk sizes may be unknown and
            partitions empty.
        sample_weight : dask array or series, optional
        eval_set : tuple (X, y), optional
            Evaluated after each round in this process, dask collections computed first:
            ``val_loss`` and, for classes, ``val_accuracy`` in `history_`.
        resume_from : str or os.PathLike, optional
            A file of a `Checkpoint` among ``callbacks``, of a fit with the same data and
            parameters: it continues after the last round saved, and the result has the
            bits of a fit that was never interrupted.

        Returns
        -------
        self

        Raises
        ------
        TimeoutError
            If no task ends for ``timeout`` seconds; the message names the workers.
        ConnectionError
            If the scheduler is lost.
        KeyboardInterrupt
            After Ctrl-C; the estimator has the network of the last round.
        ModelFileError, ValueError
            If the checkpoint is damaged, or belongs to another fit.

        Examples
        --------
        >>> import dask.array as da
        >>> import numpy as np
        >>> from regnet_c.dask import DaskRegNetRegressor
        >>> X = np.random.RandomState(0).randn(400, 2).astype("float32")
        >>> parts = da.from_array(X, (100, 2)), da.from_array(X[:, 0], 100)
        >>> model = DaskRegNetRegressor((8,), batch_size=64, rounds=3, client="serial")
        >>> _ = model.fit(*parts, eval_set=(X[:50], X[:50, 0]))
        >>> len(model.history_["val_loss"])
        3
        """
        runner = executor(self.client, *self._limits())
        parts = [_partitions(X, "X"), _partitions(y, "y")]
        weights = [None] * len(parts[0])
        if sample_weight is not None:
            weights = _partitions(sample_weight, "sample_weight")
        for name, other in (("y", parts[1]), ("sample_weight", weights)):
            if len(other) != len(parts[0]):
                raise ValueError(
                    f"{name} has {len(other)} partitions, X has {len(parts[0])}"
                )
        if len(X.shape) != 2:
            raise ValueError(f"X has {len(X.shape)} dimension(s), expected 2")
        local = self._template(runner, int(X.shape[1]), y, parts[1])
        shards = runner.compute(self._shards(local, parts[0], parts[1], weights))
        held_out = self._held_out(local, eval_set)
        task = self._task(local)
        sizes = runner.run(measure, shards, task)
        counted = [k for k, size in enumerate(sizes) if size.weight > 0]
        if not counted:
            raise ValueError("all row weights are zero, or there are no rows")
        task = replace(task, sizes=tuple(sizes[k] for k in counted))
        listeners = Listeners(check_callbacks(self.callbacks))
        rounds = Rounds(task, listeners, self.rounds)
        if resume_from is not None:
            rounds.resume(resume_from)
        self._train(rounds, runner, [shards[k] for k in counted], held_out, local)
        return self

    def _template(
        self, runner: Serial | Cluster, n_features: int, y: Any, parts: list[Any]
    ) -> Local:
        """A fitted local estimator, defined by the subclass."""
        raise NotImplementedError

    def _limits(self) -> tuple[float, int]:
        timeout = checks.check_float(self.timeout, "timeout", 0, open_minimum=True)
        return timeout, checks.check_int(self.retries, "retries", minimum=0)

    def _local(self, kind: type[L], **more: Any) -> L:
        """An estimator of one process with these parameters, not yet fitted."""
        names = "hidden_layer_sizes activation loss l1 l2 group_l1 dropout"
        names += " max_norm optimizer learning_rate learning_rate_init batch_size"
        names += " random_state dtype"
        given = {name: getattr(self, name) for name in names.split()}
        rounds = checks.check_int(self.rounds, "rounds", minimum=1)
        given |= {"preset": "plain", "encoder": None, "max_iter": rounds}
        return kind(**given, **more)

    def _shards(
        self, template: Local, xs: list[Any], ys: list[Any], weights: list[Any]
    ) -> list[Any]:
        """Delayed shards: lists of partitions by number, whoever will have them."""
        count = min(len(xs), _SHARDS)
        if self.n_shards is not None:
            count = checks.check_int(self.n_shards, "n_shards", minimum=1)
            if count > len(xs):
                raise ValueError(f"n_shards is {count}, X has {len(xs)} partitions")
        bounds = [k * len(xs) // count for k in range(count + 1)]
        template = dask.delayed(template, traverse=False)
        return [
            dask.delayed(_shard)(template, a, xs[a:b], ys[a:b], weights[a:b])
            for a, b in itertools.pairwise(bounds)
        ]

    def _task(self, local: Local) -> Task:
        member = local._members[0]
        if member.network._plan.has_schedules:
            raise ValueError(
                f"dropout is {self.dropout!r}, rounds expect numbers: the steps of a shard "
                "are parts of epochs"
            )
        return Task(
            member.network.layers,
            member.network.loss,
            member.network.dtype,
            member.network.seed,
            member.optimizer,
            checks.check_int(self.batch_size, "batch_size", minimum=1),
            checks.check_float(
                self.epochs_per_round, "epochs_per_round", 0, open_minimum=True
            ),
        )

    def _held_out(self, local: Local, eval_set: Any) -> Rows3 | None:
        if eval_set is None:
            return None
        if isinstance(eval_set, list) and len(eval_set) == 1:  # as xgboost.dask has it
            eval_set = eval_set[0]
        X, y = dask.compute(*checks.check_pair(eval_set, "eval_set"))
        X, y = local._check_data(np.asarray(X), np.asarray(y), reset=False)
        return local._data(X, y, None)

    def _train(
        self,
        rounds: Rounds,
        runner: Serial | Cluster,
        shards: list[Any],
        held_out: Rows3 | None,
        local: Local,
    ) -> None:
        history = rounds.history
        start = time.perf_counter() - history.seconds
        show = bool(self.verbose)
        bar = StepBar(show, self.rounds, "rounds", "rounds", done=rounds.done)
        try:
            rounds.listeners.train_begin(rounds.network)
            while not rounds.finished:
                arguments = rounds.task, rounds.position(), rounds.done
                try:
                    results = runner.run(take_steps, shards, *arguments)
                except (KeyboardInterrupt, SystemExit):
                    rounds.interrupt()
                    raise
                logs = rounds.finish(results)
                logs |= self._scores(rounds.network, held_out)
                history.seconds = time.perf_counter() - start
                rounds.report(logs)
                bar.step(f"loss {logs['loss']:.4g}")
        finally:
            rounds.listeners.train_end()
            bar.close()
            if rounds.done:
                self._publish(local, rounds)

    def _scores(self, network: Network, held_out: Rows3 | None) -> dict[str, float]:
        if held_out is None:
            return {}
        scores = network.evaluate(*held_out)
        return {f"val_{k}": scores[k] for k in ("loss", "accuracy") if k in scores}

    def _publish(self, local: Local, rounds: Rounds) -> None:
        local.network_.set_weights(rounds.network.get_weights())
        local.network_.history = rounds.history
        local._monitor.loss_curve[:] = np.add(
            rounds.history["loss"], rounds.history["penalty"]
        ).tolist()
        self._fitted = local
        self.history_ = rounds.history
        self.n_features_in_ = local.n_features_in_

    # ---- prediction ------------------------------------------------------------------

    @property
    def network_(self) -> Network:
        """The trained `Network`."""
        network: Network = self.to_local().network_
        return network

    def to_local(self) -> Local:
        """The estimator of one process with this network.

        Returns
        -------
        RegNetClassifier or RegNetRegressor

        Examples
        --------
        >>> import dask.array as da
        >>> import numpy as np
        >>> from regnet_c.dask import DaskRegNetRegressor
        >>> X = np.random.RandomState(0).randn(400, 2).astype("float32")
        >>> parts = da.from_array(X, (100, 2)), da.from_array(X[:, 0], 100)
        >>> model = DaskRegNetRegressor((8,), batch_size=64, rounds=3, client="serial")
        >>> local = model.fit(*parts).to_local()
        >>> type(local).__name__, local.n_features_in_
        ('RegNetRegressor', 2)
        """
        check_is_fitted(self, "_fitted")
        return self._fitted

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_fitted")

    def predict(self, X: Any) -> Any:
        """Predictions, lazy for dask collections.

        Parameters
        ----------
        X : dask array or data frame, or what the local estimator takes

        Returns
        -------
        dask array or series, or ndarray

        Examples
        --------
        >>> import dask.array as da
        >>> import numpy as np
        >>> from regnet_c.dask import DaskRegNetRegressor
        >>> X = np.random.RandomState(0).randn(400, 2).astype("float32")
        >>> parts = da.from_array(X, (100, 2)), da.from_array(X[:, 0], 100)
        >>> model = DaskRegNetRegressor((8,), batch_size=64, rounds=3, client="serial")
        >>> lazy = model.fit(*parts).predict(parts[0])
        >>> lazy.chunks
        ((100, 100, 100, 100),)
        >>> lazy.compute().shape
        (400,)
        """
        outputs = getattr(self.to_local(), "n_outputs_", 1)
        several = self._several_outputs(outputs)
        return self._lazy(X, "predict", range(outputs) if several else None)

    def _several_outputs(self, outputs: int) -> bool:
        return outputs > 1

    def _lazy(self, X: Any, method: str, columns: Collection[Any] | None) -> Any:
        local = self.to_local()
        if not dask.is_dask_collection(X):
            return getattr(local, method)(X)
        one = getattr(local, method)(np.zeros((1, self.n_features_in_)))
        if hasattr(X, "map_partitions"):
            import pandas

            meta: Any
            if columns is None:
                meta = pandas.Series(one[:0], name="prediction")
            else:
                meta = pandas.DataFrame(one[:0], columns=list(columns))
            call = partial(_predicted_frame, local=local, method=method, meta=meta)
            return X.map_partitions(call, meta=meta)
        X = X.rechunk({1: -1})
        shape: dict[str, Any] = {"drop_axis": 1}
        if columns is not None:
            shape = {"chunks": (X.chunks[0], (len(columns),))}
        return X.map_blocks(
            _predicted, local, method, one[:0], meta=one[:0], dtype=one.dtype, **shape
        )


class DaskRegNetClassifier(ClassifierMixin, DaskRegNet):
    """`RegNetClassifier` on a Dask cluster: rounds, with one result for any workers.

    Partitions are joined to shards by their numbers.  In a round every shard takes its
    part of some steps from the same weights, on whatever worker; this process averages
    their weights and moments in the order of the shards and charges L1 and group
    penalties once, by the cumulative rule.  The result depends on rows, partition bounds,
    number of shards and the parameters, and on nothing else: not on the number of
    workers, nor on those that are lost or come.

    Explained in :doc:`/scaling`.

    Parameters
    ----------
    hidden_layer_sizes, activation, loss, l1, l2, group_l1, dropout, max_norm, optimizer, \
learning_rate, learning_rate_init
        As for `RegNetClassifier` with ``preset="plain"``: X is taken as it is, so
        standardise it.  A schedule counts rounds.
    batch_size : int, default 1024
        Rows of a step in all shards together.
    rounds : int, default 20
    epochs_per_round : float, default 1
        Epochs between two averages, also a part of one: rounds of some 20 steps agree
        best with one process, and each costs some ten milliseconds.
    n_shards : int, optional
        Default: as many as partitions, at most 8.
    random_state : int, default 0
    class_weight : dict, optional
    dtype : {"float32", "float64"}, default "float32"
    client : distributed.Client, None or "serial", default None
        None: the client there is; serial: no cluster, the same result.
    timeout : float, default 300
        Seconds without the end of any task until `fit` raises TimeoutError.
    retries : int, default 3
        How often a task that raised is tried again; one whose worker is lost always is.
    callbacks : sequence of Callback, default ()
        As for `Network.fit`, with a round in place of an epoch: `Checkpoint`,
        `EarlyStopping` (with ``eval_set``).
    verbose : bool, default False
        Show a progress bar with the rounds.

    Attributes
    ----------
    network_ : Network
    history_ : History
        With an entry for each round.
    classes_ : ndarray
    n_features_in_ : int

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> from regnet_c.dask import DaskRegNetClassifier
    >>> X = np.random.RandomState(0).randn(400, 2).astype("float32")
    >>> parts = da.from_array(X, (100, 2)), da.from_array(X[:, 0] > 0, 100)
    >>> model = DaskRegNetClassifier((8,), batch_size=64, learning_rate_init=0.02,
    ...                              client="serial")  # default: your cluster
    >>> model.fit(*parts).predict(X[:3])
    array([ True,  True,  True])
    """

    class_weight: dict[Any, float] | None

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (100,),
        activation: ActivationName = "relu",
        *,
        loss: ClassLoss = "auto",
        l1: float = 0.0,
        l2: float = 0.0,
        group_l1: float = 0.0,
        dropout: float | Sequence[float] = 0.0,
        max_norm: float | None = None,
        optimizer: Optimizer | OptimizerName = "adam",
        learning_rate: ScheduleName | Schedule = "constant",
        learning_rate_init: float | None = None,
        batch_size: int = 1024,
        rounds: int = 20,
        epochs_per_round: float = 1,
        n_shards: int | None = None,
        random_state: int = 0,
        class_weight: dict[Any, float] | None = None,
        dtype: DTypeName = "float32",
        client: Client = None,
        timeout: float = 300.0,
        retries: int = 3,
        callbacks: Sequence[AnyCallback] = (),
        verbose: bool = False,
    ) -> None:
        given = {k: v for k, v in locals().items() if k not in ("self", "__class__")}
        self.class_weight = given.pop("class_weight")
        super().__init__(**given)

    @property
    def classes_(self) -> AnyArray:
        """The classes, in the order of `predict_proba`."""
        return self.to_local().classes_

    def _template(
        self, runner: Serial | Cluster, n_features: int, y: Any, parts: list[Any]
    ) -> RegNetClassifier:
        if isinstance(self.class_weight, str):
            raise ValueError(
                f"class_weight is {self.class_weight!r}, expected a dict or None"
            )
        if len(y.shape) != 1:
            raise ValueError(f"y has {len(y.shape)} dimensions, expected 1")
        found = [dask.delayed(np.unique)(part) for part in parts]
        labels = [c for c in runner.results(found) if len(c)]
        if not labels:
            raise ValueError("y has no rows")
        classes = np.unique(np.concatenate(labels))
        local = self._local(RegNetClassifier, class_weight=self.class_weight)
        rows = np.zeros((len(classes), n_features))
        return local.partial_fit(rows, classes, classes=classes)

    def _several_outputs(self, outputs: int) -> bool:
        return False

    def predict_proba(self, X: Any) -> Any:
        """Probabilities of the classes, lazy for dask collections.

        Parameters
        ----------
        X : dask array or data frame, or what the local estimator takes

        Returns
        -------
        dask array or data frame, or ndarray

        Examples
        --------
        >>> import dask.array as da
        >>> import numpy as np
        >>> from regnet_c.dask import DaskRegNetClassifier
        >>> X = np.random.RandomState(0).randn(400, 2).astype("float32")
        >>> parts = da.from_array(X, (100, 2)), da.from_array(X[:, 0] > 0, 100)
        >>> model = DaskRegNetClassifier((8,), batch_size=64, rounds=3, client="serial")
        >>> model.fit(*parts).predict_proba(X[:5]).shape
        (5, 2)
        """
        return self._lazy(X, "predict_proba", self.classes_)


class DaskRegNetRegressor(RegressorMixin, DaskRegNet):
    """`RegNetRegressor` on a Dask cluster; as `DaskRegNetClassifier`.

    Explained in :doc:`/scaling`.

    Parameters
    ----------
    hidden_layer_sizes, activation, loss, l1, l2, group_l1, dropout, max_norm, \
optimizer, learning_rate, learning_rate_init, batch_size, rounds, epochs_per_round, \
n_shards, random_state, dtype, client, timeout, retries, callbacks, verbose
        As for `DaskRegNetClassifier`; y is taken as it is too.

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> from regnet_c.dask import DaskRegNetRegressor
    >>> X = np.random.RandomState(0).randn(400, 2).astype("float32")
    >>> parts = da.from_array(X, (100, 2)), da.from_array(X[:, 0], 100)
    >>> model = DaskRegNetRegressor((8,), batch_size=64, rounds=5, client="serial")
    >>> len(model.fit(*parts).history_["loss"])
    5
    """

    def _template(
        self, runner: Serial | Cluster, n_features: int, y: Any, parts: list[Any]
    ) -> RegNetRegressor:
        local = self._local(RegNetRegressor)
        shape = (2,) if len(y.shape) == 1 else (2, int(y.shape[1]))
        return local.partial_fit(np.zeros((2, n_features)), np.ones(shape))
