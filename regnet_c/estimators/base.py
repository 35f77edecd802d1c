"""What both estimators share: checks of the data, the training run, fitted attributes.

A subclass defines what a target is: `_learn_targets` sizes the outputs, `_check_targets`
refuses a later y of another kind, `_encode` turns y into what the Network's loss wants;
`_row_weights` and `_validation_score` are what their names suggest.  What "auto" means is
in `recipes.presets`, how rows reach the network in `preparation`.
"""

from __future__ import annotations

import functools
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from .._core import checks
from .._core.listeners import check_callbacks
from .._core.memory import says_memory_error
from .._core.team import available_threads
from ..blocks import Blocks
from ..network import Network
from ..recipes import presets, recipe
from ..recipes.candidates import Plan, default_plan, tuning_plan
from ..recipes.members import combine, next_seed
from ..recipes.race import Race, Rows, Trial
from ..schedules import Schedule
from ..tables.form import KEY, TableForm
from .guard import (
    checked_table,
    needs_no_check,
    take_rows,
    unchanged_if_refused,
    validated,
    warn_user,
)
from .preparation import Preparation
from .survey import Survey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from ..history import History
    from ..layers import Layer
    from ..losses import Loss
    from ..optimizers import Optimizer
    from ..recipes.monitor import Monitor, Score
    from ..recipes.presets import Recipe
    from ..tables.encoder import TableEncoder
    from ..typing import (
        ActivationName,
        AnyArray,
        AnyCallback,
        Auto,
        BiasInit,
        DType,
        DTypeName,
        Float64Array,
        FloatArray,
        InputGroups,
        IntArray,
        Keep,
        L1Rule,
        OptimizerName,
        Preset,
        RandomState,
        ScheduleName,
        TableLike,
        Targets,
        WeightInit,
    )

    # X, encoded y, row weights
    Rows3: TypeAlias = tuple[Any, AnyArray, Float64Array | None]

# shares of a constant's loss
_WORSE = 0.1  # by this much above it a fit is worse than a constant
_NO_BETTER = 1e-3  # less than this below it a fit has learned nothing


class Member(SimpleNamespace):
    """One trained network with its optimizer and monitor."""

    network: Network
    optimizer: Optimizer
    monitor: Monitor
    share: float = 0.0  # of the result; 0: the same for all


class BaseRegNet(BaseEstimator):
    """Parameters, training and fitted attributes of the two estimators."""

    network_: Network
    encoder_: TableEncoder | None
    recipe_: Recipe
    n_outputs_: int
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]
    _is_classifier: bool
    _members: list[Member]
    _prepared: Preparation
    _user_loss: Loss
    _dtype: DType
    _warm_fits: int

    # scikit-learn reads an estimator's parameters from this signature, hence its length
    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] | Auto = "auto",
        activation: ActivationName | Auto = "auto",
        *,
        loss: Any = "squared_error",
        l1: float | Auto = "auto",
        l2: float = 0.0,
        group_l1: float = 0.0,
        l1_rule: L1Rule = "cumulative",
        dropout: float | Schedule | Sequence[float | Schedule] | Auto = "auto",
        max_norm: float | None = None,
        weight_init: WeightInit | None = None,
        bias_init: BiasInit = "zeros",
        optimizer: Optimizer | OptimizerName | Auto = "auto",
        learning_rate: ScheduleName | Schedule | Auto = "auto",
        learning_rate_init: float | Auto | None = "auto",
        weight_decay: float | Schedule | Auto | None = "auto",
        batch_size: int | Auto = "auto",
        max_iter: int | Auto = "auto",
        n_members: int | Auto = "auto",
        encoder: TableEncoder | Auto | None = "auto",
        preset: Preset = "auto",
        tune: bool | float | Auto = "auto",
        keep: Keep = "few",
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int | None = 10,
        tol: float = 1e-4,
        warm_start: bool = False,
        random_state: RandomState = None,
        n_jobs: int | None = None,
        dtype: DTypeName | Auto = "auto",
        callbacks: Sequence[AnyCallback] = (),
        verbose: bool | int = False,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.loss = loss
        self.l1 = l1
        self.l2 = l2
        self.group_l1 = group_l1
        self.l1_rule = l1_rule
        self.dropout = dropout
        self.max_norm = max_norm
        self.weight_init = weight_init
        self.bias_init = bias_init
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.n_members = n_members
        self.encoder = encoder
        self.preset = preset
        self.tune = tune
        self.keep = keep
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.warm_start = warm_start
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.dtype = dtype
        self.callbacks = callbacks
        self.verbose = verbose

    @classmethod
    @functools.cache  # reading the signature takes a tenth of a fit of 50 rows
    def _get_param_names(cls) -> list[str]:
        names: list[str] = super()._get_param_names()
        return names

    # ---- what a subclass defines -----------------------------------------------------

    def _check_data(self, X: Any, y: Any, reset: bool) -> tuple[Any, AnyArray]:
        raise NotImplementedError

    def _learn_targets(self, y: AnyArray, classes: ArrayLike | None = None) -> None:
        raise NotImplementedError

    def _check_targets(self, y: AnyArray, classes: ArrayLike | None = None) -> None:
        raise NotImplementedError

    def _network_loss(self) -> Loss:
        raise NotImplementedError

    def _encode(self, y: AnyArray) -> AnyArray:
        raise NotImplementedError

    def _row_weights(
        self, y: AnyArray, weight: Float64Array | None
    ) -> Float64Array | None:
        raise NotImplementedError

    def _validation_score(self, held_out: Rows3 | None) -> Score | None:
        raise NotImplementedError

    # ---- training --------------------------------------------------------------------

    @says_memory_error
    @unchanged_if_refused
    def fit(
        self,
        X: TableLike | Blocks,
        y: Targets | None = None,
        sample_weight: ArrayLike | None = None,
        X_val: TableLike | None = None,
        y_val: Targets | None = None,
    ) -> Self:
        """Train from new weights, or with ``warm_start`` from the current ones.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, n_features), or Blocks
            Sparse rows (CSR; other formats are converted) stay sparse.  `Blocks` of
            arrays, which have their y and weights, are read once before training:
            classes are counted exactly, encoder and scales are learned from 131 072 rows
            drawn at random, or from all if there are no more.
        y : array-like of shape (n,) or (n, n_outputs)
        sample_weight : array-like of shape (n,), optional
            Non-negative; each batch is averaged with these weights.  The encoder leaves
            rows of weight 0 out and counts all others once: its bins and rare levels
            follow from where values lie, not from how much an error there matters.
        X_val, y_val : array-like, optional
            Rows for `validation_scores_` and, with ``early_stopping``, for stopping
            instead of a share of X.

        Returns
        -------
        self

        Raises
        ------
        DivergenceError
            If the loss becomes NaN or infinite.

        Examples
        --------
        >>> import numpy as np, regnet_c as rn
        >>> X = np.random.RandomState(0).randn(200, 3)
        >>> y = X[:, 0] + X[:, 1]
        >>> model = rn.RegNetRegressor((8,), learning_rate_init=0.05, random_state=0)
        >>> _ = model.fit(X[:150], y[:150], X_val=X[150:], y_val=y[150:])
        >>> round(model.validation_scores_[-1], 1)  # R^2
        1.0
        """
        goes_on, blocks, classes, n = self._goes_on(), None, None, None
        if isinstance(X, Blocks):
            self._refuse_for_blocks(y, sample_weight, X_val)
            survey = Survey(X, self._is_classifier)
            blocks, classes, n = X, survey.classes, survey.n
            X, y, sample_weight = survey.X, survey.y, survey.weight
        X, y = self._check_data(X, y, reset=not goes_on)
        self._learn_targets(y, classes)
        seed, recipe_ = self._seed(), self._resolve(X, n_rows=n)
        recipe.check(recipe_)
        data, held_out = self._held_out(
            self._data(X, y, sample_weight), seed, X_val, y_val
        )
        self._warm_fits = getattr(self, "_warm_fits", 0) + 1 if goes_on else 0
        if not goes_on:
            self._prepare(recipe_, data)
        self.recipe_ = recipe_
        validation = None if held_out is None else self._ready(held_out)
        ready = None if blocks is None else self._ready_blocks(blocks)
        self._train_members(seed, self._ready(data), validation, goes_on, ready)
        return self

    def _refuse_for_blocks(self, y: Any, sample_weight: Any, X_val: Any) -> None:
        """TypeError or ValueError for what a fit on Blocks has not."""
        for name, value in {"y": y, "sample_weight": sample_weight}.items():
            if value is not None:
                raise TypeError(
                    f"X is a Blocks object, which has its {name}; expected {name}=None"
                )
        if self.early_stopping and X_val is None:
            raise ValueError(
                "early_stopping=True on Blocks expects validation rows, X_val and y_val"
            )
        if isinstance(getattr(self, "class_weight", None), str):
            raise ValueError(
                f"class_weight is {self.class_weight!r}, fit on Blocks expects a dict or "
                "None because it sees one block at a time"
            )

    def _ready_blocks(self, blocks: Blocks) -> Blocks:
        """The rows of each block as `_ready` has them."""

        def block(number: int) -> Any:
            X, y, weight = blocks.read(number)
            X, y = self._check_data(np.asarray(X), np.asarray(y), reset=False)
            X, y, weight = self._ready(self._data(X, y, weight))
            return (X, y) if weight is None else (X, y, weight)

        return Blocks(block, blocks.count, blocks.lengths)

    @unchanged_if_refused
    def _fit_one_epoch(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None,
        X_val: TableLike | None,
        y_val: Targets | None,
        classes: ArrayLike | None = None,
    ) -> Self:
        """partial_fit: one pass over these rows, from the current weights."""
        first = not hasattr(self, "network_")
        X, y = self._check_data(X, y, reset=first)
        if first:
            self._learn_targets(y, classes)
        else:
            self._check_targets(y, classes)
            if self._monitor.done:
                return self
        seed = self._seed()
        data = self._data(X, y, sample_weight)
        data, held_out = self._held_out(data, seed, X_val, y_val, stratify=False)
        if first:
            self.recipe_ = self._resolve(X, one_epoch=True)
            recipe.check(self.recipe_)
            self._prepare(self.recipe_, data)
        data = self._ready(data)
        held_out = None if held_out is None else self._ready(held_out)
        members = [] if first else self._members
        if first:
            monitor = recipe.make_monitor(self.recipe_, stops=self.early_stopping)
            network = self._build(self._layers(data[0].shape[1]), seed)
            monitor.constant, monitor.scale = self._constant_loss(data)
            optimizer = recipe.make_optimizer(self.recipe_)
            members = [Member(network=network, optimizer=optimizer, monitor=monitor)]
        else:
            self._leave_schedule(X)
        trained: list[Member] = []
        try:
            for member in members:
                self._train(member, data, held_out, 1, trained, one_epoch=True)
        finally:
            self._publish(trained)
        if self._history["learning_rate"][-1] == 0:
            warn_user(
                f"learning_rate={self.learning_rate!r} has decayed to 0, so "
                "partial_fit changed nothing: set it to 'constant' before fit",
                ConvergenceWarning,
            )
        return self

    def _leave_schedule(self, X: Any) -> None:
        """partial_fit after fit: where "auto" chose a schedule, a constant rate follows."""
        if "learning_rate" not in self.recipe_.chosen:
            return
        for member in self._members:
            if isinstance(member.optimizer.learning_rate, Schedule):
                constant = self._resolve(X, one_epoch=True)
                member.optimizer = recipe.make_optimizer(constant)

    def _resolve(
        self, X: Any, one_epoch: bool = False, n_rows: int | None = None
    ) -> Recipe:
        """The recipe for the rows of X, or for as many as stated."""
        shape = X.shape[0] if n_rows is None else n_rows, X.shape[1]
        return presets.resolve(
            self.get_params(deep=False), shape, self._is_classifier, one_epoch
        )

    def _prepare(self, recipe_: Recipe, data: Rows3) -> None:
        """Learn encoder and scales from the training rows."""
        self._user_loss = self._network_loss()
        self._prepared = Preparation(recipe_, self._user_loss, *data)
        self.encoder_ = self._prepared.encoder
        self._dtype = recipe.choose_dtype(self.dtype, data[0].shape[0])

    def _ready(self, data: Rows3) -> Rows3:
        """(X, y, weights) on the scale of training."""
        X, y, weight = data
        return (
            self._prepared.inputs(X, self._dtype),
            self._prepared.targets(y),
            weight,
        )

    def _train_members(
        self,
        seed: int,
        data: Rows3,
        held_out: Rows3 | None,
        goes_on: bool,
        blocks: Blocks | None = None,
    ) -> None:
        """Train as many networks as the recipe asks for; all that trained are published.

        With blocks on those; the data are a sample of them.
        """
        epochs = recipe.max_iter(self.recipe_)
        n_rows, n_inputs = data[0].shape
        if blocks is not None:
            n_rows = sum(blocks.lengths)
        layers = self._layers(n_inputs)
        count = presets.member_count(self.recipe_, n_rows, layers)
        if goes_on and count != len(self._members):
            raise ValueError(
                f"warm_start=True with {len(self._members)} members, the parameters now "
                f"describe {count}; keep n_members or set warm_start=False"
            )
        self.trials_: list[Trial] = []
        plain = None
        if self.encoder_ is not None:
            plain = self.encoder_.encoding_.without_bins()
        free = not (goes_on or held_out or self.warm_start or blocks)
        plan = self._race_plan(seed, n_rows, n_inputs, plain, free)
        self.recipe_.n_members = count
        constant, scale = self._constant_loss(data)
        rows: Any = data if blocks is None else (blocks, None, None)
        trained: list[Member] = []
        try:
            if plan is not None:
                self._race(plan, data, seed, plain, trained)
                count = 0
            for number in range(count):
                member = Member(
                    network=self._build(layers, next_seed(seed, number)),
                    optimizer=recipe.make_optimizer(self.recipe_),
                    monitor=recipe.make_monitor(self.recipe_),
                )
                member.monitor.constant, member.monitor.scale = constant, scale
                if goes_on:
                    self._continue(member, self._members[number])
                elif blocks is not None and self.bias_init == "kinks":
                    # at sampled rows
                    member.network.fit(data[0], data[1], 0, sample_weight=data[2])
                self._train(member, rows, held_out, epochs, trained)
        finally:
            self._publish(trained)
        self._monitor.constant, self._monitor.scale = constant, scale
        self._warn_if_unfinished()
        self._warn_if_worse(data)
        for member in self._members:
            member.monitor.restart()  # partial_fit after this is a new run

    def _race_plan(
        self, seed: int, n_rows: int, n_inputs: int, plain: IntArray | None, free: bool
    ) -> Plan | None:
        """How recipes race for this fit; None: it trains the recipe as it is.

        free : whether nothing but the training rows judges, and no weights are given
        """
        if self.tune is False:
            return None
        has_bins = plain is not None and 0 < len(plain) < n_inputs
        sizes = self._is_classifier, n_rows, n_inputs, self.n_outputs_, has_bins
        if not isinstance(self.tune, str):
            if free:
                classes = self._is_classifier
                return tuning_plan(self.recipe_, classes, self.tune, seed, has_bins)
            raise ValueError(
                f"tune is {self.tune!r} together with warm_start, early_stopping, X_val or "
                "Blocks, expected none of them: tuning holds out folds of X itself"
            )
        return default_plan(self.recipe_, *sizes) if free else None

    def _race(
        self,
        plan: Plan,
        data: Rows3,
        seed: int,
        plain: IntArray | None,
        trained: list[Member],
    ) -> None:
        """Let recipes race on folds; the networks of the best become the members."""
        X, y, weight = data
        groups = "inputs" if self.encoder_ is None else self._groups(self.encoder_)
        loss, n_out, dtype = self._prepared.loss, self.n_outputs_, self._dtype
        rows = Rows(Network, X, y, weight, loss, n_out, dtype, seed, groups, plain)
        limit = recipe.thread_limit(self.n_jobs)
        race = Race(
            rows,
            plan,
            jobs=limit or available_threads(),
            threads=limit,
            one=self.keep == "one",
            callbacks=check_callbacks(self.callbacks),
            progress=bool(self.verbose),
        )
        self.trials_ = race.trials
        try:
            best = race.run()
        except KeyboardInterrupt:
            self._keep(race.so_far(), trained)
            raise
        self._keep(best, trained)

    def _keep(self, best: list[Trial], trained: list[Member]) -> None:
        """The trials' networks as members."""
        for trial in best:
            parts = zip(trial.networks, trial.optimizers, trial.monitors, strict=True)
            trained += [
                Member(network=n, optimizer=o, monitor=m, share=trial.share)
                for n, o, m in parts
            ]
            self.recipe_ = best[0].recipe
            self.recipe_.n_members = len(trained)

    def _train(
        self,
        member: Member,
        data: Rows3,
        held_out: Rows3 | None,
        epochs: int,
        trained: list[Member],
        one_epoch: bool = False,
    ) -> None:
        X, y, weight = data
        network, monitor = member.network, member.monitor
        monitor.begin(self._validation_score(held_out), one_epoch)
        try:
            network.fit(
                X,
                y,
                epochs=epochs,
                batch_size=recipe.batch_size(self.recipe_.batch_size),
                optimizer=member.optimizer,
                sample_weight=weight,
                validation_data=held_out,
                callbacks=[monitor, *check_callbacks(self.callbacks)],
                progress=bool(self.verbose),
                threads=recipe.thread_limit(self.n_jobs),
            )
        finally:
            monitor.end()
            # a fit that Ctrl-C interrupts can be used; one that never began is not fitted
            if network.history is not None:
                trained.append(member)

    def _publish(self, trained: list[Member]) -> None:
        """Make the trained members the estimator's network, in the user's units."""
        if not trained:
            return
        self._members = trained
        if len(trained) == 1 and self._prepared.is_trivial:
            self.network_ = trained[0].network
        else:
            networks = [member.network for member in trained]
            shares = [member.share or 1 / len(trained) for member in trained]
            self.network_ = combine(
                networks, self._prepared.units, self._user_loss, shares
            )
        self.network_.metadata = self._metadata()

    def _metadata(self) -> dict[str, Any]:
        """How tables are read, for the network's file and the exporters."""
        if self.encoder_ is None:
            return {}
        numbers = (0.0,) * self.n_outputs_, (1.0,) * self.n_outputs_
        form = TableForm(self.encoder_.encoding_, "y", None, *numbers)
        return {KEY: form.to_config()}

    @property
    def _history(self) -> History:
        """Of the first member, which is trained."""
        history = self._members[0].network.history
        assert history is not None
        return history

    @property
    def _monitor(self) -> Monitor:
        monitor: Monitor = self._members[0].monitor
        return monitor

    def _build(self, layers: list[Layer], seed: int) -> Network:
        return Network(layers, self._training_loss(), self._dtype, seed)

    def _layers(self, n_inputs: int) -> list[Layer]:
        """group_l1 acts on columns of X, all encoded columns of one together."""
        groups: InputGroups = "inputs"
        if self.encoder_ is not None:
            groups = [group.tolist() for group in self._groups(self.encoder_)]
        return recipe.make_layers(self.recipe_, n_inputs, self.n_outputs_, groups)

    def _continue(self, member: Member, last: Member) -> None:
        """Let a new member continue from what the last fit trained.

        With the same layers, loss and constant rate its network and optimiser are those
        of the last fit: five fits of one epoch are one fit of five.  Otherwise a new
        optimiser begins (its moments belong to the old objective or schedule) on the
        last weights, with shuffles and dropout masks that no fit before has had.
        """
        old, new = last.network, member.network
        shapes = [[w.shape for w in net.get_weights()] for net in (old, new)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"warm_start=True with weights of shapes {shapes[0]}, the parameters now "
                f"describe {shapes[1]}; keep the sizes or set warm_start=False"
            )
        parts = [
            (m.network.layers, repr(m.network.loss), m.network.dtype, repr(m.optimizer))
            for m in (last, member)
        ]
        constant = not isinstance(member.optimizer.learning_rate, Schedule)
        if parts[0] == parts[1] and constant:
            member.network, member.optimizer = old, last.optimizer
            return
        seed = next_seed(new.seed, self._warm_fits * len(self._members))
        member.network = Network(new.layers, new.loss, new.dtype, seed)
        member.network.set_weights(old.get_weights())

    # ---- warnings --------------------------------------------------------------------

    def _constant_loss(self, data: Rows3) -> tuple[float, float]:
        """(loss of the best constant prediction, how far above the least loss it is)."""
        _, y, weight = data
        loss, n = self._training_loss(), len(y)
        if loss.takes_labels and y.ndim == 1:  # linear in the targets: one row has all
            totals = np.bincount(y, weight, minlength=self.n_outputs_)
            shares = loss.smoothed(totals[None] / totals.sum())
            certain = loss.smoothed(np.eye(1, self.n_outputs_))
            constant = loss.least(shares)
            return constant, constant - loss.least(certain)
        targets = loss.smoothed(np.asarray(y).reshape(n, -1))
        known: Any = SimpleNamespace(raw_y=targets, labels=None, sample_weight=weight)
        least = loss.least(targets, weight)
        # the best is a function of the weighted mean, or for some losses a quantile
        constants = [loss.best_constant(targets)]
        if weight is not None or loss.traits.is_robust:  # otherwise they are the same
            mean = np.average(targets, axis=0, weights=weight)
            constants.append(loss.best_constant(mean[None]))
        different = {tuple(z.tolist()) for z in constants}
        constant = min(
            loss.score(np.full((n, len(z)), z), known)["loss"] for z in different
        )
        return constant, max(constant - least, 0.0)

    def _warn_if_unfinished(self) -> None:
        monitor, history = self._monitor, self._history
        watched = monitor.patience is not None and not monitor.on_validation
        learns = monitor.scale > 0  # a constant target has been learned already
        if watched and learns and not (monitor.done or history.stopped_early):
            warn_user(
                f"max_iter={self.recipe_.max_iter} epochs were trained and the loss was "
                "still falling; raise max_iter, or set n_iter_no_change=None to train for "
                "exactly max_iter epochs",
                ConvergenceWarning,
            )

    def _warn_if_worse(self, data: Rows3) -> None:
        """Warn if a constant does as well on the training rows.

        Some noise above it is allowed, unless training stopped there by itself and no
        penalty asks for it: then the steps are too small for the unit of y.
        """
        member, params = self._members[0], self.recipe_
        monitor, losses = member.monitor, self._history["loss"]
        loss, scale = monitor.constant, monitor.scale
        held = params.l1 or params.l2 or params.group_l1 or params.weight_decay
        stalled = monitor.done and not monitor.on_validation and not held
        limit = loss + (-_NO_BETTER if stalled else _WORSE) * scale
        if not losses or scale == 0 or losses[-1] <= limit:
            return
        final = member.network.evaluate(*data)["loss"]  # without dropout
        if final > limit:
            how = "worse than" if final > loss + _WORSE * scale else "no better than"
            warn_user(
                f"the fit ended {how} a constant prediction (loss {final:.4g} on the "
                f"training rows, {loss:.4g} for the best constant): standardise X and y, "
                "change learning_rate_init or raise max_iter",
                ConvergenceWarning,
            )

    def _goes_on(self) -> bool:
        """True if `fit` starts from the weights of the last fit."""
        return bool(self.warm_start) and hasattr(self, "network_")

    def _seed(self) -> int:
        """An int given is the Network's seed itself; None and generators draw one."""
        if isinstance(self.random_state, (int, np.integer)):
            return checks.check_int(self.random_state, "random_state", minimum=0)
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    # ---- data ------------------------------------------------------------------------

    def _data(self, X: Any, y: Any, sample_weight: ArrayLike | None) -> Rows3:
        """(X, encoded y, row weights or None) as `Network.fit` wants them."""
        weight = checks.check_sample_weight(sample_weight, X.shape[0])
        y = self._encode(y)
        return X, y, self._row_weights(y, weight)

    def _held_out(
        self,
        data: Rows3,
        seed: int,
        X_val: TableLike | None,
        y_val: Targets | None,
        stratify: bool = True,
    ) -> tuple[Rows3, Rows3 | None]:
        """(data to train on, (X, y, weights) to validate on or None)."""
        if (X_val is None) != (y_val is None):
            raise ValueError("got one of X_val and y_val, expected both or neither")
        if X_val is not None:
            X_val, y_val = self._check_data(X_val, y_val, reset=False)
            return data, self._data(X_val, y_val, None)
        if not self.early_stopping:
            return data, None
        share, n = recipe.validation_share(self), data[0].shape[0]
        try:
            parts = train_test_split(
                np.arange(n),
                test_size=share,
                random_state=seed % 2**32,
                stratify=data[1] if stratify and self._stratified() else None,
            )
        except ValueError as error:
            raise ValueError(
                f"early_stopping=True cannot hold out {share} of {n} rows: "
                f"{str(error).rstrip('.')}.  Give validation rows as X_val and y_val, "
                "change validation_fraction, or set early_stopping=False"
            ) from None
        train, test = (_some_rows(data, rows) for rows in parts)
        return train, test

    def _stratified(self) -> bool:
        return False

    def _training_loss(self) -> Loss:
        """The loss of the recipe's networks."""
        return self._prepared.loss

    def _check_x(self, X: TableLike) -> Any:
        """X as `fit` and `predict` take it: an array, CSR, or a table for the encoder."""
        encodes = self._encodes()
        if needs_no_check(self, X, allow_nan=encodes):
            return X
        if encodes:
            return checked_table(self, X, reset=False)
        return validated(self, X, reset=False)

    def _encodes(self) -> bool:
        """Whether X may be any table."""
        plain = self.preset == "plain" and isinstance(self.encoder, str)
        return self.encoder is not None and not plain

    # ---- prediction ------------------------------------------------------------------

    def _outputs(self, X: TableLike) -> FloatArray:
        """The network's outputs for X, (n, n_outputs)."""
        if not hasattr(self, "network_"):
            check_is_fitted(self)
        rows = self._prepared.encoded(self._check_x(X))
        threads = recipe.thread_limit(self.n_jobs)
        return self.network_.predict(rows, threads=threads)

    # ---- fitted attributes -----------------------------------------------------------

    @property
    def coefs_(self) -> list[FloatArray]:
        """Copies of the weight matrices, (n_in, n_out) each."""
        return [w for w in self._fitted().network_.get_weights() if w.ndim == 2]

    @property
    def intercepts_(self) -> list[FloatArray]:
        """Copies of the biases, (n_out,) each."""
        return [w for w in self._fitted().network_.get_weights() if w.ndim == 1]

    @property
    def feature_importances_(self) -> Float64Array:
        """Euclidean norm of the weights that leave each column of X; 0: it is not used.

        On the scale of training, so that units do not matter; an encoder's outputs of one
        column are taken together, members are averaged.

        Examples
        --------
        >>> import numpy as np, regnet_c as rn
        >>> X = np.random.RandomState(0).randn(200, 3)
        >>> model = rn.RegNetRegressor((8,), group_l1=0.01, max_iter=30, random_state=0)
        >>> int(model.fit(X, X[:, 1]).feature_importances_.argmax())
        1
        """
        self._fitted()
        squares = np.mean(
            [
                np.square(m.network.get_weights()[0], dtype=np.float64).sum(axis=1)
                for m in self._members
            ],
            axis=0,
        )
        if self.encoder_ is not None:
            groups = self._groups(self.encoder_)
            squares = np.array([squares[group].sum() for group in groups])
        array: Float64Array = np.sqrt(squares)
        return array

    def _groups(self, encoder: TableEncoder) -> list[IntArray]:
        return encoder.groups_

    @property
    def loss_curve_(self) -> list[float]:
        """The objective (data loss and penalties) of each epoch, while training."""
        return self._fitted()._monitor.loss_curve

    @property
    def loss_(self) -> float:
        """The last entry of `loss_curve_`."""
        return self.loss_curve_[-1]

    @property
    def n_iter_(self) -> int:
        """Epochs trained since the last `fit` began, `partial_fit` included."""
        return len(self.loss_curve_)

    @property
    def validation_losses_(self) -> list[float]:
        """Data loss on the validation rows after each epoch; empty without such rows."""
        return self._fitted()._monitor.validation_losses

    @property
    def validation_scores_(self) -> list[float]:
        """Accuracy or R^2 on the validation rows after each epoch."""
        return self._fitted()._monitor.validation_scores

    @property
    def best_loss_(self) -> float:
        """Lowest validation loss with ``early_stopping``, else of `loss_curve_`."""
        stop = self._fitted()._monitor.on_validation
        return min(self.validation_losses_ if stop else self.loss_curve_)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "network_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        if self._encodes():
            tags.input_tags.allow_nan = True
            tags.input_tags.string = True
            tags.input_tags.categorical = True
        return tags

    def _fitted(self) -> Self:
        check_is_fitted(self)
        return self


def _some_rows(data: Rows3, rows: NDArray[np.intp]) -> Rows3:
    X, y, weight = data
    weight = None if weight is None else weight[rows]
    return take_rows(X, rows), y[rows], weight
