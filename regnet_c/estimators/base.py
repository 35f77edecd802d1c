"""What both estimators share: checks of the data, the training run, fitted attributes.

A subclass says what a target is: `_learn_targets` sizes the outputs, `_check_targets`
refuses a later y of another kind, `_encode` turns y into what the Network's loss wants;
`_row_weights` and `_validation_score` do what their names say.
"""

from types import SimpleNamespace

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from .._core import checks
from .._core.listeners import check_callbacks
from ..network import Network
from ..schedules import Schedule
from . import recipe
from .guard import dense, dense_blocks, unchanged_if_refused, validated, warn_user

_WORSE = 0.1  # of a constant's loss: so much above it a fit is worse than a constant
_NEXT_STREAM = 0x9E3779B97F4A7C15  # odd, so that all 2^64 seeds come before the first


class BaseRegNet(BaseEstimator):
    """Parameters, training and fitted attributes of the two estimators."""

    # scikit-learn reads an estimator's parameters from this signature, hence its length
    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        loss="squared_error",
        l1=0.0,
        l2=0.0,
        group_l1=0.0,
        l1_rule="cumulative",
        dropout=0.0,
        max_norm=None,
        optimizer="adam",
        learning_rate="constant",
        learning_rate_init=None,
        batch_size="auto",
        max_iter=200,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        tol=1e-4,
        warm_start=False,
        random_state=None,
        n_jobs=None,
        dtype="auto",
        callbacks=(),
        verbose=False,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.loss = loss
        self.l1 = l1
        self.l2 = l2
        self.group_l1 = group_l1
        self.l1_rule = l1_rule
        self.dropout = dropout
        self.max_norm = max_norm
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.batch_size = batch_size
        self.max_iter = max_iter
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

    # ---- training --------------------------------------------------------------------

    @unchanged_if_refused
    def fit(self, X, y, sample_weight=None, X_val=None, y_val=None):
        """Train from new weights, or with ``warm_start`` from those there are.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
        y : array-like of shape (n,) or (n, n_outputs)
        sample_weight : array-like of shape (n,), optional
            Non-negative; each batch is averaged with these weights.
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
        """
        goes_on = self._goes_on()
        X, y = self._check_data(X, y, reset=not goes_on)
        self._learn_targets(y)
        monitor, seed = recipe.make_monitor(self), self._seed()
        data = self._data(X, y, sample_weight)
        stratify = data[1] if self._stratified() else None
        data, held_out = self._held_out(data, seed, X_val, y_val, stratify)
        network, optimizer = self._build(X, seed), recipe.make_optimizer(self)
        self._warm_fits = getattr(self, "_warm_fits", 0) + 1 if goes_on else 0
        if goes_on:
            network, optimizer = self._continued(network, optimizer)
        constant = self._constant_loss(network, data)
        self._train(network, optimizer, monitor, data, held_out, recipe.max_iter(self))
        self._warn_if_unfinished()
        self._warn_if_worse_than(constant, data)
        monitor.restart()  # partial_fit after this is a new run
        return self

    @unchanged_if_refused
    def _fit_one_epoch(self, X, y, sample_weight, X_val, y_val, classes=None):
        """partial_fit: one pass over these rows, from the weights there are."""
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
        data, held_out = self._held_out(data, seed, X_val, y_val)
        if first:
            parts = self._build(X, seed), recipe.make_optimizer(self)
            parts += (recipe.make_monitor(self, stops=self.early_stopping),)
        else:
            parts = self.network_, self._optimizer, self._monitor
        self._train(*parts, data, held_out, 1, one_epoch=True)
        return self

    def _train(
        self, network, optimizer, monitor, data, held_out, epochs, one_epoch=False
    ):
        X, y, weight = data
        monitor.begin(self._validation_score(held_out), one_epoch)
        if not monitor.loss_curve:
            monitor.scale = self._constant_loss(network, data)[1]
        try:
            network.fit(
                X,
                y,
                epochs=epochs,
                batch_size=recipe.batch_size(self.batch_size),
                optimizer=optimizer,
                sample_weight=weight,
                validation_data=held_out,
                callbacks=[monitor, *check_callbacks(self.callbacks)],
                progress=bool(self.verbose),
                threads=recipe.thread_limit(self.n_jobs),
            )
        finally:
            monitor.end()
            # what Ctrl-C cuts short can be used; what never began does not count as fitted
            if network.history is not None:
                self.network_, self._optimizer = network, optimizer
                self._monitor = monitor

    def _build(self, X, seed):
        layers = recipe.make_layers(self, X.shape[1], self.n_outputs_)
        dtype = recipe.choose_dtype(self.dtype, X.shape[0])
        return Network(layers, loss=self._network_loss(), dtype=dtype, seed=seed)

    def _continued(self, network, optimizer):
        """(network, optimiser) that go on from the last fit.

        With the same layers, loss and constant rate they are those of the last fit: five
        fits of one epoch are one fit of five.  Otherwise a new optimiser begins (its
        moments belong to the old objective or schedule) on the last weights, with
        shuffles and dropout masks that no fit before has had.
        """
        old = self.network_
        shapes = [[w.shape for w in net.get_weights()] for net in (old, network)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"warm_start=True with weights of shapes {shapes[0]}, the parameters now "
                f"describe {shapes[1]}; keep the sizes or set warm_start=False"
            )
        parts = [(n.layers, repr(n.loss), n.dtype) for n in (old, network)]
        constant = not isinstance(optimizer.learning_rate, Schedule)
        if (
            parts[0] == parts[1]
            and repr(optimizer) == repr(self._optimizer)
            and constant
        ):
            return old, self._optimizer
        seed = (network.seed + self._warm_fits * _NEXT_STREAM) % 2**64
        fresh = Network(network.layers, network.loss, network.dtype, seed)
        fresh.set_weights(old.get_weights())
        return fresh, optimizer

    # ---- warnings --------------------------------------------------------------------

    def _constant_loss(self, network, data):
        """(loss of the best constant prediction, how far above the least loss it is)."""
        _, y, weight = data
        loss, n = network.loss, len(y)
        known = SimpleNamespace(raw_y=None, labels=None, sample_weight=weight)
        if loss.takes_labels and y.ndim == 1:
            known.labels = np.ascontiguousarray(y, np.int64)
            totals = np.bincount(y, weight, minlength=self.n_outputs_)
            constants, least = [np.log(np.maximum(totals / totals.sum(), 1e-9))], 0.0
        else:
            known.raw_y = np.asarray(y, np.float64).reshape(n, -1)
            least = loss.least(known.raw_y, weight)
            # the best is a function of the weighted mean, or for some losses a quantile
            mean = np.average(known.raw_y, axis=0, weights=weight)
            constants = [loss.best_constant(mean[None])]
            constants.append(loss.best_constant(known.raw_y))
        constant = min(
            loss.score(np.tile(z.astype(np.float64), (n, 1)), known)["loss"]
            for z in constants
        )
        return constant, max(constant - least, 0.0)

    def _warn_if_unfinished(self):
        watched = self._monitor.patience is not None
        stopped = self._monitor.done or self.network_.history.stopped_early
        learns = self._monitor.scale > 0  # a constant target has been learned already
        if watched and learns and not stopped and not self._monitor.on_validation:
            warn_user(
                f"max_iter={self.max_iter} epochs are over and the loss was still "
                "falling; raise max_iter, or set n_iter_no_change=None to train exactly "
                "that long",
                ConvergenceWarning,
            )

    def _warn_if_worse_than(self, constant, data):
        """A warning if the network's loss on its own training rows is that bad."""
        loss, scale = constant
        limit = loss + _WORSE * scale
        if not self.network_.history["loss"] or scale == 0:
            return
        if self.network_.history["loss"][-1] <= limit:
            return
        final = self.network_.evaluate(*data)["loss"]
        if final > limit:
            warn_user(
                f"the fit ends worse than a constant prediction (loss {final:.4g} on the "
                f"training rows, {loss:.4g} for the best constant): standardise X and y, "
                "lower learning_rate_init or raise max_iter",
                ConvergenceWarning,
            )

    def _goes_on(self):
        """True if `fit` begins with the weights of the last one."""
        return bool(self.warm_start) and hasattr(self, "network_")

    def _seed(self):
        """An int given is the Network's seed itself; None and generators draw one."""
        if isinstance(self.random_state, (int, np.integer)):
            return checks.check_int(self.random_state, "random_state", minimum=0)
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    # ---- data ------------------------------------------------------------------------

    def _data(self, X, y, sample_weight):
        """(X, encoded y, row weights or None) as `Network.fit` wants them."""
        n = X.shape[0]
        weight = checks.check_sample_weight(sample_weight, n)
        y = self._encode(y)
        X = dense(X, recipe.choose_dtype(self.dtype, n))
        return X, y, self._row_weights(y, weight)

    def _held_out(self, data, seed, X_val, y_val, stratify=None):
        """(data to train on, (X, y, weights) to validate on or None)."""
        if (X_val is None) != (y_val is None):
            raise ValueError("got one of X_val and y_val, expected both or neither")
        if X_val is not None:
            X_val, y_val = self._check_data(X_val, y_val, reset=False)
            return data, self._data(X_val, y_val, None)
        if not self.early_stopping:
            return data, None
        share = recipe.validation_share(self)
        try:
            parts = train_test_split(
                *(part for part in data if part is not None),
                test_size=share,
                random_state=seed % 2**32,
                stratify=stratify,
            )
        except ValueError as error:
            raise ValueError(
                f"early_stopping=True cannot hold out {share} of {len(data[0])} rows: "
                f"{error} Give validation rows as X_val and y_val, change "
                "validation_fraction, or set early_stopping=False"
            ) from None
        if data[2] is None:
            parts += [None, None]
        return parts[::2], parts[1::2]

    def _stratified(self):
        return False

    # ---- prediction ------------------------------------------------------------------

    def _outputs(self, X):
        """The network's outputs for checked X, (n, n_outputs)."""
        check_is_fitted(self)
        X = validated(self, X, reset=False)
        threads = recipe.thread_limit(self.n_jobs)
        if not hasattr(X, "toarray"):
            return self.network_.predict(X, threads=threads)
        parts = dense_blocks(X, self.network_.dtype)
        return np.concatenate([self.network_.predict(p, threads) for p in parts])

    # ---- fitted attributes -----------------------------------------------------------

    @property
    def coefs_(self):
        """Copies of the weight matrices, (n_in, n_out) each."""
        return [w for w in self._fitted().network_.get_weights() if w.ndim == 2]

    @property
    def intercepts_(self):
        """Copies of the biases, (n_out,) each."""
        return [w for w in self._fitted().network_.get_weights() if w.ndim == 1]

    @property
    def feature_importances_(self):
        """Euclidean norm of each input's outgoing weights; 0: it is not used at all."""
        return np.sqrt(np.square(self.coefs_[0], dtype=np.float64).sum(axis=1))

    @property
    def loss_curve_(self):
        """The objective (data loss and penalties) of each epoch, while training."""
        return self._fitted()._monitor.loss_curve

    @property
    def loss_(self):
        """The last entry of `loss_curve_`."""
        return self.loss_curve_[-1]

    @property
    def n_iter_(self):
        """Epochs trained since the last `fit` began, `partial_fit` included."""
        return len(self.loss_curve_)

    @property
    def validation_losses_(self):
        """Data loss on the validation rows after each epoch; empty without such rows."""
        return self._fitted()._monitor.validation_losses

    @property
    def validation_scores_(self):
        """Accuracy or R^2 on the validation rows after each epoch."""
        return self._fitted()._monitor.validation_scores

    @property
    def best_loss_(self):
        """Lowest validation loss with ``early_stopping``, else of `loss_curve_`."""
        stop = self._fitted()._monitor.on_validation
        return min(self.validation_losses_ if stop else self.loss_curve_)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "network_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _fitted(self):
        check_is_fitted(self)
        return self
