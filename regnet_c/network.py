"""Network: build, weights, predict, evaluate.

How it learns is in `learning`, how it gets into files and to other libraries in
`exchange`.
"""

import numpy as np

from ._core import binding, checks
from ._core.data import checked_data, checked_x
from ._core.initialization import fill_weights
from ._core.plan import Plan
from ._core.slices import in_slices
from ._core.team import useful_threads
from ._core.weights import Weights
from .exchange import Exchange
from .learning import Learning
from .losses import get_loss

_PREDICTED_ROWS = 1024  # at least, and
_PREDICTED_WORK = 1 << 27  # multiply-adds, in the first slice of a prediction


class Network(Learning, Exchange):
    """A multilayer perceptron that minimises one stated objective.

    J = sum_i w_i l_i / sum_i w_i  +  sum over layers of (l1 sum|W| + l2 sum W^2),

    the weighted mean of the data loss plus the penalties, independent of the batch size
    and of the number of rows.  Biases are free unless a layer has a ``bias_penalty``.
    Dropout is inverted: scaled while training, absent in `predict` and `evaluate`.

    Threads may read a network (`predict`, `evaluate`, `get_weights`, `save` ...) while
    another one trains it or replaces its weights.  What a call reads is one set of
    weights, never a mixture: `set_weights` replaces them at once for calls that begin
    later, and beside training readers get the weights after the last epoch, or some step
    of the epoch being trained: from the second reader on they are renewed about once a
    second.  After `fit`, `train_step` or `set_weights` has returned, readers get its
    result.  A second thread that wants to train or to set weights meanwhile gets
    RuntimeError.

    Parameters
    ----------
    layers : list of Dense and Dropout
        In the order of computation; a Dropout drops the outputs of the layer before it,
        or the inputs if it comes first.
    loss : str or Loss, default "squared_error"
        See `regnet_c.losses`.  The cross-entropies contain their softmax or sigmoid: the
        last layer gives logits, and `predict` gives probabilities.
    dtype : {"float32", "float64"}, default "float32"
    seed : int, default 0
        Decides the initial weights, the shuffling and the dropout masks.

    Examples
    --------
    >>> import numpy as np, regnet_c as rn
    >>> X = np.random.RandomState(0).randn(200, 5)
    >>> y = (X[:, 0] > 0).astype(int)
    >>> net = rn.Network([rn.Dense(5, 8, activation="relu"), rn.Dense(8, 2)],
    ...                  loss="softmax_cross_entropy", seed=0)
    >>> history = net.fit(X, y, epochs=40, optimizer=rn.Adam(0.01))
    >>> net.evaluate(X, y)["accuracy"] > 0.95
    True
    """

    def __init__(self, layers, loss="squared_error", dtype="float32", seed=0):
        self._build(layers, loss, dtype, seed)
        self._initialize()

    def _build(self, layers, loss, dtype, seed):
        """Everything but the first weights, which are zero."""
        self.layers = checks.check_layers(layers)
        self.loss = get_loss(loss)
        self.dtype = checks.check_dtype(dtype)
        self.seed = checks.check_int(seed, "seed", minimum=0, maximum=2**64 - 1)
        self.metadata = {}
        self.history = None
        self._plan = self._make_plan()
        self._state = None
        self._store = binding.WeightStore(Weights(self._plan, self._plan.zeros()))

    def _make_plan(self):
        return Plan(self.layers, self.loss, self.dtype, self.seed)

    def _initialize(self):
        params = self._plan.zeros()
        self._fill(self._plan.views(params))
        self._store.publish(Weights(self._plan, params))

    def _fill(self, views):
        """Write the first weights."""
        views = iter(views)
        for number, layer in enumerate(self._plan.dense):
            fill_weights(
                next(views), layer.weight_init, layer.activation, self.seed, number
            )
            if layer.use_bias:
                next(views)

    def __repr__(self):
        inner = ",\n    ".join(repr(layer) for layer in self.layers)
        return (
            f"Network(\n    [{inner}],\n    loss={self.loss.name!r}, "
            f"dtype={self.dtype.name!r}, seed={self.seed})"
        )

    def __getstate__(self):
        """Structure, weights and history; lock and optimiser's memory stay behind."""
        names = ("layers", "loss", "dtype", "seed", "metadata", "history")
        attributes = {name: getattr(self, name) for name in names}
        return attributes, self.get_weights(), (self.n_inputs, self.kept_inputs)

    def __setstate__(self, state):
        attributes, weights, inputs = state
        Network.__init__(
            self, *(attributes[n] for n in ("layers", "loss", "dtype", "seed"))
        )
        self.__dict__.update(attributes)
        self._plan.keep_inputs(*inputs)
        self.set_weights(weights)

    # ---- weights ---------------------------------------------------------------------

    @property
    def _weights(self):
        """The weights as they are now, to be taken once and kept for a whole call."""
        return self._store.read()

    def _frozen(self):
        """This network with the weights as they are now, whatever becomes of them."""
        frozen = object.__new__(type(self))
        frozen.__dict__.update(self.__dict__)
        frozen._store = binding.WeightStore(self._weights)
        return frozen

    def get_weights(self):
        """Copies of ``[W0, b0, W1, b1, ...]``.

        Returns
        -------
        list of ndarray
            W of shape (n_in, n_out), b of shape (n_out,), the network's dtype.
        """
        return [view.copy() for view in self._weights.views]

    def set_weights(self, weights):
        """Replace all weights by arrays of the shapes `get_weights` returns.

        All at once: a call that reads the network in another thread has the old weights
        or the new ones.

        Parameters
        ----------
        weights : list of array-like

        Raises
        ------
        TypeError, ValueError
            For another number or other shapes, and for NaN or infinities.
        RuntimeError
            While another thread is training this network; a callback may set weights.
        """
        weights = checks.check_weights(weights, self._plan.shapes, self.dtype)
        self._publish(weights)

    def _publish(self, arrays):
        """Give readers copies of these arrays in place of the weights."""
        params = self._plan.zeros()
        for view, array in zip(self._plan.views(params), arrays, strict=True):
            view[...] = array
        self._store.publish(Weights(self._plan, params))

    def penalty(self):
        """Value of the penalties at the current weights.

        Returns
        -------
        float
        """
        return self._weights.penalty()

    def zeros(self):
        """Share of exact zeros among the weights, biases apart.

        Returns
        -------
        float in [0, 1]
        """
        return self._weights.zeros()

    def summary(self):
        """Per Dense layer: n_in, n_out, weights, sum_abs (sum|w|), zeros (their share).

        Returns
        -------
        list of dict
        """
        return self._weights.summary()

    # ---- prediction ------------------------------------------------------------------

    def predict(self, X, threads=None):
        """Outputs of the network, dropout off.

        Parameters
        ----------
        X : array-like of shape (n, n_in)
            After `compact` all columns or the kept ones.
        threads : int, optional
            At most this many; default: as many as pay.

        Returns
        -------
        ndarray of shape (n, n_out), the network's dtype
            Probabilities for the cross-entropies, the mean for "poisson".

        Raises
        ------
        TypeError, ValueError
            For arrays of another kind, rank or width, and for NaN or infinities.
        OverflowError
            If an output is NaN, because sums overflow.
        """
        threads = checks.check_threads(threads)
        out = self._predict(checked_x(self._plan, X), threads, raw=False)
        return self.loss.transform(out)

    def _refuse_nan(self, out, first):
        """OverflowError for a NaN in the outputs: all that went in was finite."""
        row = first + int(np.argmax(np.isnan(out).any(axis=1)))
        raise OverflowError(
            f"the prediction of row {row} is nan, sums overflow {self.dtype}: "
            "smaller inputs or dtype='float64' may help"
        )

    def _predict(self, x, threads, raw, weights=None):
        weights = self._weights if weights is None else weights
        model, n = weights.predictor, x.shape[0]
        threads = useful_threads(self._plan, threads, n, n, 1)
        source, sparse = binding.Source(x), weights.sparse.layers(n)
        out = np.empty((n, model.n_out), self.dtype)

        def some(first, last):
            part = out if last - first == n else out[first:last]
            bad = model.predict(source, part, raw, threads, first, sparse)
            if bad == -2 and not raw:
                self._refuse_nan(part, first)
            return None if bad < 0 else bad

        rows = max(_PREDICTED_ROWS, _PREDICTED_WORK // self._plan.size)
        bad = in_slices(n, some, rows)
        if bad is not None:
            raise ValueError(checks.not_finite_message(x, "X", bad, self.dtype))
        return out

    def evaluate(self, X, y, sample_weight=None, threads=None):
        """Data loss, penalty and (for classification) accuracy on given data.

        Parameters
        ----------
        X : array-like of shape (n, n_in)
        y : array-like
            As in `fit`.
        sample_weight : array-like of shape (n,), optional
            Not negative.
        threads : int, optional
            At most this many; default: as many as pay.

        Returns
        -------
        dict
            ``loss`` (weighted mean data loss), ``penalty``, ``objective`` (their sum)
            and for classification ``accuracy``.

        Raises
        ------
        TypeError, ValueError
            For data that do not fit the network.
        """
        threads = checks.check_threads(threads)
        data = checked_data(self._plan, X, y, sample_weight)
        weights = self._weights
        logs = self._evaluate(data, threads, weights)
        if np.isnan(logs["loss"]):
            raise OverflowError(
                f"the loss is nan, sums overflow {self.dtype}: "
                "smaller inputs or dtype='float64' may help"
            )
        logs["penalty"] = weights.penalty()
        logs["objective"] = logs["loss"] + logs["penalty"]
        return logs

    def _evaluate(self, data, threads, weights=None):
        z = self._predict(data.raw_x, threads, raw=True, weights=weights)
        return self.loss.score(z, data)
