"""Network: weights, prediction, training, files and other libraries."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self

import numpy as np

from ._core import binding, checks, csr
from ._core.data import checked_data, checked_masks
from ._core.initialization import (
    fill_factors,
    fill_weights,
    kinks_to_place,
    place_kinks,
)
from ._core.keywords import explains_keywords
from ._core.listeners import check_callbacks
from ._core.members import mean_of, raw_mean
from ._core.memory import says_memory_error
from ._core.plan import Plan
from ._core.slices import slices
from ._core.stream import Stream
from ._core.team import useful_threads
from ._core.training import FitOptions, TrainingRun, loss_and_gradient
from ._core.weights import Weights
from ._files import checkpoint, model_file
from .blocks import Blocks
from .compact import compact
from .diagnose import diagnose
from .layers import split_layers
from .losses import get_loss
from .optimizers import Adam, get_optimizer
from .summary import Summary, network_html

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import torch
    from numpy.typing import ArrayLike
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    from ._core.data import Data
    from ._core.state import TrainingState
    from .diagnose import Diagnosis
    from .history import History
    from .layers import Layer
    from .losses import Loss
    from .optimizers import Optimizer
    from .typing import (
        ActivationName,
        AnyArray,
        AnyCallback,
        DType,
        DTypeName,
        FloatArray,
        IntArray,
        LossName,
        OptimizerName,
        Rows,
        Scores,
        StrPath,
        ValidationData,
    )


class Network:
    """A multilayer perceptron that minimises one stated objective.

    J = sum_i w_i l_i / sum_i w_i  +  sum over layers of (l1 sum|W| + l2 sum W^2),

    the weighted mean of the data loss plus the penalties, independent of the batch size
    and of the number of rows.  Biases are not penalised unless a
    layer has a ``bias_penalty``.  Dropout is inverted: scaled while training, absent in
    `predict` and `evaluate`.

    Threads may read a network (`predict`, `evaluate`, `get_weights`, `save` ...) while
    another one trains it or replaces its weights.  What a call reads is one set of
    weights, never a mixture: `set_weights` replaces them at once for calls that begin
    later.  During training, readers get the weights of the last epoch or, from the second
    reader on, of a step of the current epoch, renewed about once a second.  After `fit`,
    `train_step` or `set_weights` has returned, readers get its result.  A second thread
    that trains or sets weights meanwhile gets RuntimeError.

    Explained in :doc:`/quick_start`.

    Parameters
    ----------
    layers : list of Dense and Dropout
        In the order of computation; a Dropout drops the outputs of the layer before it,
        or the inputs if it comes first.
    loss : str or Loss, default "squared_error"
        See `Loss`.  The cross-entropies contain their softmax or sigmoid: the
        last layer returns logits, and `predict` returns probabilities.
    dtype : {"float32", "float64"}, default "float32"
    seed : int, default 0
        Decides the initial weights, the shuffling and the dropout masks.
    members : int, default 1
        Networks in one (Gorishniy et al. 2024, TabM).  They share the weights W of every
        hidden layer, where member i has ``a = f(s_i * ((r_i * x) W) + b_i)`` with factors
        r_i (n_in), s_i (n_out) and a bias of its own, and each has a last layer of its
        own.  Every step trains all of them on the same rows: the objective is the mean
        of the members' objectives, each with the loss of its own outputs and its own
        dropout masks.  `predict` gives the mean of what they predict.

    Notes
    -----
    With several members, `get_weights` has ``[W0, r0, s0, b0, W1, ..., b1, ..., W, b]``:
    r (members, n_in), s (members, n_out), b (members, n_out), and the last layer's W
    (members, n_in, n_out).  r of the first layer starts as random signs, all other
    factors as ones, the last layers as ``weight_init`` states, each from numbers of its
    own.  Penalties act on the shared W, which has the same exact zeros for all members,
    and on the last layers; the factors are not penalised.

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

    layers: list[Layer]
    loss: Loss
    dtype: DType
    seed: int
    members: int

    def __init__(
        self,
        layers: Sequence[Layer],
        loss: Loss | LossName = "squared_error",
        dtype: DTypeName = "float32",
        seed: int = 0,
        members: int = 1,
    ) -> None:
        self._build(layers, loss, dtype, seed, members)
        self._initialize()

    def _build(
        self,
        layers: Sequence[Layer],
        loss: Loss | LossName,
        dtype: DTypeName,
        seed: int,
        members: int = 1,
    ) -> None:
        """Everything but the first weights, which are zero."""
        self.layers = checks.check_layers(layers)
        self.loss = get_loss(loss)
        self.dtype = checks.check_dtype(dtype)
        self.seed = checks.check_int(seed, "seed", minimum=0, maximum=2**64 - 1)
        self.members = checks.check_int(members, "members", minimum=1)
        self.metadata: dict[str, Any] = {}
        self.history: History | None = None
        self._plan = self._make_plan()
        self._state: TrainingState | None = None
        self._store = binding.WeightStore(Weights(self._plan, self._plan.zeros()))

    def _make_plan(self) -> Plan:
        parts = split_layers(self.layers)
        return Plan(parts, self.loss, self.dtype, self.seed, members=self.members)

    def _initialize(self) -> None:
        params = self._plan.zeros()
        self._fill(self._plan.views(params))
        self._store.publish(Weights(self._plan, params))

    def _fill(self, views: Sequence[FloatArray]) -> None:
        """Write the first weights."""
        arrays = iter(views)
        for number, layer in enumerate(self._plan.dense):
            init = layer.weight_init
            if init is None:
                init = layer.traits.initializer
            weight = next(arrays)
            for member, own in enumerate(weight if weight.ndim == 3 else [weight]):
                stream = number + member * (len(self._plan.dense) + 1)
                fill_weights(own, init, self.seed, stream)
            if self.members > 1 and weight.ndim == 2:
                fill_factors(next(arrays), self.seed if number == 0 else None)
                fill_factors(next(arrays), None)
            if layer.use_bias:
                next(arrays)

    def __repr__(self) -> str:
        inner = ",\n    ".join(repr(layer) for layer in self.layers)
        members = f", members={self.members}" if self.members > 1 else ""
        return (
            f"Network(\n    [{inner}],\n    loss={self.loss.name!r}, "
            f"dtype={self.dtype.name!r}, seed={self.seed}{members})"
        )

    def _repr_html_(self) -> str:
        return network_html(self)

    def __getstate__(self) -> Any:
        """Structure, weights and history; lock and optimiser's memory stay behind."""
        names = ("layers", "loss", "dtype", "seed", "members", "metadata", "history")
        attributes = {name: getattr(self, name) for name in names}
        return attributes, self.get_weights(), (self.n_inputs, self.kept_inputs)

    def __setstate__(self, state: Any) -> None:
        attributes, weights, inputs = state
        names = ("layers", "loss", "dtype", "seed", "members")
        Network.__init__(self, *(attributes[n] for n in names if n in attributes))
        self.__dict__.update(attributes)
        self._plan.keep_inputs(*inputs)
        self.set_weights(weights)

    # ---- weights ---------------------------------------------------------------------

    @property
    def _weights(self) -> Weights:
        """The weights as they are now, to be taken once and kept for a whole call."""
        return self._store.read()

    def _frozen(self) -> Self:
        """This network with the weights as they are now, whatever becomes of them."""
        frozen = object.__new__(type(self))
        frozen.__dict__.update(self.__dict__)
        frozen._store = binding.WeightStore(self._weights)
        return frozen

    def get_weights(self) -> list[FloatArray]:
        """Copies of ``[W0, b0, W1, b1, ...]``.

        Returns
        -------
        list of ndarray
            W of shape (n_in, n_out), b of shape (n_out,), the network's dtype; the notes
            of the class have those of several members.

        Examples
        --------
        >>> import regnet_c as rn
        >>> net = rn.Network([rn.Dense(4, 8, "relu"), rn.Dense(8, 1)])
        >>> [w.shape for w in net.get_weights()]
        [(4, 8), (8,), (8, 1), (1,)]
        """
        return [view.copy() for view in self._weights.views]

    @says_memory_error
    def set_weights(self, weights: Iterable[ArrayLike]) -> None:
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

        Examples
        --------
        >>> import regnet_c as rn
        >>> net = rn.Network([rn.Dense(2, 1)])
        >>> net.set_weights([[[1.0], [2.0]], [0.5]])
        >>> net.predict([[1.0, 1.0]])
        array([[3.5]], dtype=float32)
        """
        weights = checks.check_weights(weights, self._plan.shapes, self.dtype)
        self._publish(weights)

    def _publish(self, arrays: Sequence[FloatArray]) -> None:
        """Give readers copies of these arrays in place of the weights."""
        params = self._plan.zeros()
        for view, array in zip(self._plan.views(params), arrays, strict=True):
            view[...] = array
        self._store.publish(Weights(self._plan, params))

    @says_memory_error
    def penalty(self) -> float:
        """Value of the penalties at the current weights.

        Returns
        -------
        float

        Examples
        --------
        >>> import regnet_c as rn
        >>> net = rn.Network([rn.Dense(2, 1, weight_penalty=rn.L1(0.5))])
        >>> net.set_weights([[[1.0], [-3.0]], [0.0]])
        >>> net.penalty()
        2.0
        """
        return self._weights.penalty()

    @says_memory_error
    def zeros(self) -> float:
        """Share of exact zeros among the weights, biases apart.

        Returns
        -------
        float in [0, 1]

        Examples
        --------
        >>> import regnet_c as rn
        >>> net = rn.Network([rn.Dense(2, 1)])
        >>> net.set_weights([[[0.0], [2.0]], [0.0]])
        >>> net.zeros()
        0.5
        """
        return self._weights.zeros()

    @says_memory_error
    def summary(self) -> Summary:
        """Per Dense layer: n_in, n_out, weights, sum_abs (sum|w|), zeros (their share).

        Returns
        -------
        Summary
            A list of dict that is shown as a table.

        Examples
        --------
        >>> import regnet_c as rn
        >>> net = rn.Network([rn.Dense(2, 2, "relu"), rn.Dense(2, 1)])
        >>> net.set_weights([[[1, 0], [0, 2]], [0, 0], [[1], [1]], [0]])
        >>> net.summary()
        layer  n_in  n_out  weights  sum|w|  zeros
            0     2      2        4       3  50.0%
            1     2      1        2       2   0.0%
          all                     6       5  33.3%
        """
        return Summary(self._weights.summary())

    # ---- prediction ------------------------------------------------------------------

    @says_memory_error
    def predict(
        self, X: Rows, threads: int | None = None, per_member: bool = False
    ) -> FloatArray:
        """Outputs of the network, dropout off.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, n_in)
            As in `fit`; after `compact` all columns or the kept ones.
        threads : int, optional
            Maximum number; default: as many as are worthwhile.
        per_member : bool, default False
            Whether to return what each member predicts rather than the mean of it.

        Returns
        -------
        ndarray of shape (n, n_out), the network's dtype
            Probabilities for the cross-entropies, the mean for "poisson".  With
            `per_member` of shape (members, n, n_out).

        Raises
        ------
        TypeError, ValueError
            For arrays of another kind, rank or width, and for NaN or infinities.
        OverflowError
            If an output is NaN, because sums overflow.

        Examples
        --------
        >>> import regnet_c as rn
        >>> net = rn.Network([rn.Dense(2, 2)], loss="softmax_cross_entropy")
        >>> net.set_weights([[[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0]])
        >>> net.predict([[3.0, 3.0]])
        array([[0.5, 0.5]], dtype=float32)
        """
        threads = checks.check_threads(threads)
        per_member = checks.check_bool(per_member, "per_member")
        x = checks.check_x(X, self._plan.columns)
        if self.members == 1 and not per_member:
            out = self._predict(x, threads, raw=False)
            return self.loss.transform(out)
        outs = map(self.loss.transform, self._predict_members(x, threads, raw=False))
        return np.stack(list(outs)) if per_member else mean_of(outs, self.members)

    def _refuse_nan(self, out: FloatArray, first: int) -> NoReturn:
        """OverflowError for a NaN in the outputs: all that went in was finite."""
        row = first + int(np.argmax(np.isnan(out).any(axis=1)))
        raise OverflowError(
            f"the prediction of row {row} is nan, sums overflow {self.dtype}: "
            "smaller inputs or dtype='float64' may help"
        )

    def _predict(
        self,
        x: AnyArray | csr.CSR,
        threads: int | None,
        raw: bool,
        weights: Weights | None = None,
    ) -> FloatArray:
        """Outputs of one network, or raw ones of the mean of all members."""
        weights = self._store.read() if weights is None else weights
        if weights.plan.members > 1:
            outs = self._predict_members(x, threads, raw, weights)
            return raw_mean(self.loss.output, outs, self.members)
        model, plan, n = weights.predictor, weights.plan, len(x)
        if isinstance(x, csr.CSR):
            source, entries = x.source(), x.row_entries
        else:
            source, entries = binding.Source(x), None
        threads = useful_threads(plan, threads, n, n, 1, entries)
        sparse = weights.sparse.layers(n)
        out = np.empty((n, model.n_out), plan.dtype)
        for first, last in slices(n, plan.slice_rows):
            part = out if last - first == n else out[first:last]
            bad = model.predict(source, part, raw, threads, first, sparse)
            if bad >= 0:
                raise ValueError(checks.not_finite_message(x, "X", bad, self.dtype))
            if bad == -2 and not raw:
                self._refuse_nan(part, first)
        return out

    def _predict_members(
        self,
        x: AnyArray | csr.CSR,
        threads: int | None,
        raw: bool,
        weights: Weights | None = None,
    ) -> Iterator[FloatArray]:
        """The outputs of each member."""
        weights = self._store.read() if weights is None else weights
        for own in weights.members:
            yield self._predict(x, threads, raw, own)

    @says_memory_error
    def evaluate(
        self,
        X: Rows,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        threads: int | None = None,
    ) -> Scores:
        """Data loss, penalty and (for classification) accuracy on given data.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, n_in)
        y : array-like
            As in `fit`.
        sample_weight : array-like of shape (n,), optional
            Not negative.
        threads : int, optional
            Maximum number; default: as many as are worthwhile.

        Returns
        -------
        dict
            ``loss`` (weighted mean data loss), ``penalty``, ``objective`` (their sum)
            and for classification ``accuracy``.

        Raises
        ------
        TypeError, ValueError
            For data that do not fit the network.

        Examples
        --------
        >>> import regnet_c as rn
        >>> net = rn.Network([rn.Dense(1, 1, weight_penalty=rn.L2(0.5))])
        >>> net.set_weights([[[1.0]], [0.0]])
        >>> net.evaluate([[1.0], [2.0]], [1.0, 4.0])
        {'loss': 1.0, 'penalty': 0.5, 'objective': 1.5}
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

    def _evaluate(
        self, data: Data, threads: int | None, weights: Weights | None = None
    ) -> Scores:
        z = self._predict(data.raw_x, threads, raw=True, weights=weights)
        return self.loss.score(z, data)

    # ---- training --------------------------------------------------------------------

    @says_memory_error
    @explains_keywords(
        learning_rate="it is the optimizer's, optimizer=Adam(learning_rate=...)",
        lr="it is the optimizer's, optimizer=Adam(learning_rate=...)",
        momentum="it is the optimizer's, optimizer=SGD(momentum=...)",
        weight_decay="it is the optimizer's, optimizer=AdamW(weight_decay=...)",
        l1="penalties belong to the layers, Dense(..., weight_penalty=L1(...))",
        l2="penalties belong to the layers, Dense(..., weight_penalty=L2(...))",
        dropout="it is a layer, Dropout(...)",
        loss="it belongs to the network, Network(..., loss=...)",
        seed="it belongs to the network, Network(..., seed=...)",
        random_state="the seed belongs to the network, Network(..., seed=...)",
        verbose="use progress=True",
        patience="use callbacks=[EarlyStopping(patience=...)]",
        early_stopping="use callbacks=[EarlyStopping(...)]",
        validation_split="use validation_data=(X, y)",
        max_iter="use epochs=",
        n_epochs="use epochs=",
        n_jobs="use threads=",
        class_weight="use sample_weight=",
    )
    def fit(
        self,
        X: Rows | Blocks,
        y: ArrayLike | None = None,
        epochs: int = 10,
        batch_size: int = 32,
        optimizer: Optimizer | OptimizerName | None = None,
        sample_weight: ArrayLike | None = None,
        validation_data: ValidationData | None = None,
        callbacks: Sequence[AnyCallback] = (),
        shuffle: bool = True,
        progress: bool = False,
        threads: int | None = None,
        update_tau: float | None = None,
        keep_zeros: bool = False,
        resume_from: StrPath | None = None,
    ) -> History:
        """Minimise the objective by mini-batch steps.

        Explained in :doc:`/quick_start`.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, n_in), or Blocks
            Any numeric dtype and memory layout; converted batch by batch, never copied.
            Of sparse rows (CSR: SciPy's, or any object with ``indptr``, ``indices``,
            ``data`` and ``shape``) only those of a block are made dense; other sparse
            formats are copied to CSR once, and so are rows with unsorted or repeated
            columns, whose entries are added.  The result has the bits of dense rows (to
            rounding by `SGD` without momentum under an L2 penalty).
            `Blocks`, which have their targets and weights, are read one after the other.
        y : array-like
            Integer labels (n,) or one row of targets per sample (n, n_out).
        epochs : int, default 10
        batch_size : int, default 32
        optimizer : Optimizer, default Adam()
            Passing the same object again continues with its state, and with an epoch
            that Ctrl-C interrupted.
        sample_weight : array-like of shape (n,), optional
            Non-negative; each batch is averaged with these weights.
        validation_data : tuple (X, y) or (X, y, sample_weight), optional
        callbacks : list of Callback
        shuffle : bool, default True
            A fresh permutation per epoch, a function of the seed and the epoch; a single
            batch of all rows keeps its order.  For `Blocks`: their order, and the
            order of the rows in each.
        progress : bool, default False
            Show a progress bar.
        threads : int, optional
            Maximum number; the bits of the result do not depend on it.
        update_tau : float in (0, 1], optional
            Keep a moving average a = (1 - tau) a + tau (change of the weights) over all
            steps: its norm per layer goes to the history as ``update_norm``, the arrays
            to `update_average`.  If the norm is far below the size of a single step,
            training has stopped moving on average.  Costs one more array and some time
            per step.
        keep_zeros : bool, default False
            Weights that are exactly zero stay zero (biases apart): to continue training a
            network that a penalty has made sparse, with a weaker penalty or none.
        resume_from : str or os.PathLike, optional
            A file of `Checkpoint`, written by a call with the same network, data and
            arguments.  Weights, history, optimiser and callbacks continue from there, and
            the result has the bits of a call that was never interrupted; `epochs` counts
            those already done.

        Returns
        -------
        History

        Raises
        ------
        TypeError, ValueError
            For data that do not fit the network, or a checkpoint that does not fit this
            call; nothing has changed then.
        ModelFileError
            If `resume_from` is not a complete checkpoint.
        DivergenceError
            If the loss becomes NaN or infinite; the last finite weights are kept.
        RuntimeError
            If another thread is training this network.

        Examples
        --------
        >>> import numpy as np, regnet_c as rn
        >>> X = np.random.RandomState(0).randn(300, 3)
        >>> y = X[:, 0] - X[:, 1]
        >>> net = rn.Network([rn.Dense(3, 1, weight_penalty=rn.L1(0.01))])
        >>> history = net.fit(X[:200], y[:200], epochs=60, optimizer=rn.Adam(0.02),
        ...                   validation_data=(X[200:], y[200:]))
        >>> round(history["zeros"][-1], 2)
        0.33
        >>> net.get_weights()[0].round(1)
        array([[ 1.],
               [-1.],
               [ 0.]], dtype=float32)
        """
        epochs = checks.check_int(epochs, "epochs", minimum=0)
        batch_size = checks.check_int(batch_size, "batch_size", minimum=1)
        threads = checks.check_threads(threads)
        data: Data | Stream
        if isinstance(X, Blocks):
            data = self._stream(X, y, sample_weight)
        else:
            data = checked_data(self._plan, X, y, sample_weight)
        validation = self._validation(validation_data)
        options = FitOptions(
            data=data,
            batch_size=min(batch_size, max(data.lengths)),
            optimizer=Adam() if optimizer is None else get_optimizer(optimizer),
            epochs=epochs,
            threads=threads,
            validation=validation,
            callbacks=check_callbacks(callbacks),
            shuffle=checks.check_bool(shuffle, "shuffle"),
            progress=checks.check_bool(progress, "progress"),
            keep_zeros=checks.check_bool(keep_zeros, "keep_zeros"),
            update_tau=checks.check_tau(update_tau),
        )
        with self._store:
            saved = None
            if resume_from is not None:
                saved = checkpoint.Saved(resume_from, self, options)
            elif self._state is None:  # the first fit, or of a file
                self._place_kinks(data)
            return TrainingRun(self, options, saved).run()

    def _place_kinks(self, data: Data | Stream) -> None:
        """Set the biases that wait for rows."""
        weights = self._store.published
        waiting = kinks_to_place(weights)
        if not waiting:
            return
        if isinstance(data, Stream):
            raise ValueError(
                f"Dense layer {waiting[0]} has bias_init='kinks' and X is a Blocks "
                "object, expected an array to draw rows from: fit(rows, y, epochs=0) sets "
                "the biases"
            )
        self._store.publish(place_kinks(weights, data, self.seed))

    def _stream(
        self, blocks: Blocks, y: ArrayLike | None, sample_weight: ArrayLike | None
    ) -> Stream:
        for name, value in {"y": y, "sample_weight": sample_weight}.items():
            if value is not None:
                raise TypeError(
                    f"X is a Blocks object, which has its {name}; expected {name}=None"
                )
        return Stream(blocks, self._plan)

    def _save_training(self, run: TrainingRun, path: StrPath) -> None:
        """See `TrainingRun.save`."""
        checkpoint.save(run, path)

    def update_average(self) -> list[FloatArray] | None:
        """Bias-corrected moving average of the updates; see `fit`'s update_tau.

        Returns
        -------
        list of ndarray or None
            In the order and shapes of `get_weights`; None if it was not requested.

        Examples
        --------
        >>> import numpy as np, regnet_c as rn
        >>> X = np.random.RandomState(0).randn(200, 2)
        >>> net = rn.Network([rn.Dense(2, 1)])
        >>> history = net.fit(X, X[:, 0], 5, update_tau=0.1)
        >>> [a.shape for a in net.update_average()], len(history["update_norm"])
        ([(2, 1), (1,)], 5)
        """
        average = None if self._state is None else self._state.update_average()
        return None if average is None else self._plan.views(average)

    def _validation(self, validation_data: ValidationData | None) -> Data | None:
        if validation_data is None:
            return None
        X, y, *weight = checks.check_validation_data(validation_data)
        try:
            return checked_data(self._plan, X, y, weight[0] if weight else None)
        except (TypeError, ValueError) as error:
            raise type(error)(f"validation_data: {error}") from None

    @says_memory_error
    @explains_keywords(
        learning_rate="it is the optimizer's, optimizer=Adam(learning_rate=...)",
        lr="it is the optimizer's, optimizer=Adam(learning_rate=...)",
    )
    def train_step(
        self,
        X: Rows,
        y: ArrayLike,
        optimizer: Optimizer | OptimizerName,
        sample_weight: ArrayLike | None = None,
        dropout_masks: Sequence[ArrayLike] | None = None,
    ) -> float:
        """One optimiser step on one batch.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, n_in)
        y : array-like
            The batch, as in `fit`.
        optimizer : Optimizer
            Its state is kept as long as the same object is passed.
        sample_weight : array-like of shape (n,), optional
            Not negative.
        dropout_masks : list of array-like, optional
            One 0/1 array (n, units) for each Dropout layer, (members, n, units) for
            several members; default: random.

        Returns
        -------
        float
            Mean data loss of the batch before the step.

        Raises
        ------
        TypeError, ValueError
            For data that do not fit the network.
        DivergenceError
            If the loss becomes NaN or infinite.

        Examples
        --------
        >>> import numpy as np, regnet_c as rn
        >>> X = np.random.RandomState(0).randn(64, 2)
        >>> net, sgd = rn.Network([rn.Dense(2, 1)]), rn.SGD(0.1)
        >>> losses = [net.train_step(X, X[:, 0], sgd) for _ in range(20)]
        >>> losses[-1] < 0.1 * losses[0]
        True
        """
        data = checked_data(self._plan, X, y, sample_weight)
        masks = checked_masks(self._plan, dropout_masks, data.n)
        optimizer = get_optimizer(optimizer)
        with self._store:
            state = self._state  # of this optimiser, if it is the one used last
            tau, epoch = None, 0
            if state is not None and state.optimizer is optimizer:
                tau, epoch = state.tau, state.epoch
            options = FitOptions(data, data.n, optimizer, update_tau=tau)
            step = TrainingRun(self, options, progress=binding.Progress(epoch))
            step.model.set_masks(*masks)
            step.train_epoch()
            return step.progress.mean_loss

    @says_memory_error
    def loss_and_gradients(
        self,
        X: Rows,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        dropout_masks: Sequence[ArrayLike] | None = None,
    ) -> tuple[float, list[FloatArray]]:
        """Data loss and its derivatives at the current weights; nothing is updated.

        The penalty is not included: `penalty` and `Penalty.subgradient` have it.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, n_in)
        y : array-like
            As in `fit`.
        sample_weight : array-like of shape (n,), optional
            Not negative.
        dropout_masks : list of array-like, optional
            One 0/1 array (n, units) for each Dropout layer, (members, n, units) for
            several members; default: dropout is off.  Rates must be numbers: a schedule
            has one for each epoch of a training.

        Returns
        -------
        loss : float
            Weighted mean over the rows.
        gradients : list of ndarray
            In the order and shapes of `get_weights`.

        Raises
        ------
        TypeError, ValueError
            For data that do not fit the network.

        Examples
        --------
        >>> import regnet_c as rn
        >>> net = rn.Network([rn.Dense(1, 1)])
        >>> net.set_weights([[[1.0]], [0.0]])
        >>> net.loss_and_gradients([[2.0]], [1.0])
        (0.5, [array([[2.]], dtype=float32), array([1.], dtype=float32)])
        """
        data = checked_data(self._plan, X, y, sample_weight)
        masks = None
        if dropout_masks is not None:
            if self._plan.has_schedules:
                raise ValueError(
                    "dropout_masks are given and a Dropout layer has a schedule, expected "
                    "numbers as rates: no epoch is being trained"
                )
            masks = checked_masks(self._plan, dropout_masks, data.n)
        loss, gradient = loss_and_gradient(
            self._plan, self._weights.params, data, masks
        )
        return loss, self._plan.views(gradient)

    @says_memory_error
    def diagnose(
        self, X: Rows, y: ArrayLike, validation_data: ValidationData | None = None
    ) -> Diagnosis:
        """What the regularisation does in each layer, and a verdict in words.

        Explained in :doc:`/regularisation`.

        Parameters
        ----------
        X, y : array-like
            Training data, as in `fit`.
        validation_data : tuple (X, y), optional

        Returns
        -------
        Diagnosis
            Prints as a table; its attributes are the figures.

        Examples
        --------
        >>> import numpy as np, regnet_c as rn
        >>> rng = np.random.RandomState(0)
        >>> X, y = rng.randn(60, 20), rng.randint(0, 2, 60)  # nothing to learn
        >>> layers = [rn.Dense(20, 64, "relu"), rn.Dense(64, 2)]
        >>> net = rn.Network(layers, loss="softmax_cross_entropy")
        >>> _ = net.fit(X[:30], y[:30], 100, optimizer=rn.Adam(0.01))
        >>> net.diagnose(X[:30], y[:30], (X[30:], y[30:])).fit
        'over-fitting'
        """
        return diagnose(self, X, y, validation_data)

    # ---- files, other libraries, smaller networks ------------------------------------

    @property
    def kept_inputs(self) -> IntArray:
        """The columns of the original data that this network reads, an array of int.

        All of them, unless `compact` dropped some; methods take these columns or all.

        Examples
        --------
        >>> import regnet_c as rn
        >>> net = rn.Network([rn.Dense(3, 1)])
        >>> net.set_weights([[[1.0], [0.0], [2.0]], [0.0]])
        >>> small = net.compact()
        >>> small.kept_inputs, small.n_inputs
        (array([0, 2]), 3)
        """
        return self._plan.kept_inputs

    @property
    def n_inputs(self) -> int:
        """Number of columns of the original data."""
        return self._plan.n_inputs

    @says_memory_error
    def member(self, number: int) -> Self:
        """One member as a network of its own, with W r s in place of the shared W.

        Its layers have dropout and penalties as here, so that its training can continue.

        Parameters
        ----------
        number : int
            From 0 to members - 1.

        Returns
        -------
        Network
            It predicts with the bits of ``predict(X, per_member=True)[number]``.

        Examples
        --------
        >>> import regnet_c as rn
        >>> net = rn.Network([rn.Dense(2, 4, "relu"), rn.Dense(4, 1)], members=3)
        >>> X = [[1.0, 2.0]]
        >>> bool((net.member(2).predict(X) == net.predict(X, per_member=True)[2]).all())
        True
        """
        number = checks.check_int(number, "number", minimum=0, maximum=self.members - 1)
        return self._with_members(1, self._weights.member(number).views)

    @says_memory_error
    def keep_members(self, numbers: Iterable[int]) -> Self:
        """A network of some of the members.

        Parameters
        ----------
        numbers : list of int
            From 0 to members - 1, each at most once; a single one gives `member`.

        Returns
        -------
        Network

        Examples
        --------
        >>> import regnet_c as rn
        >>> net = rn.Network([rn.Dense(2, 4, "relu"), rn.Dense(4, 1)], members=3)
        >>> net.keep_members([0, 2]).members
        2
        """
        kept = [
            checks.check_int(n, "numbers", minimum=0, maximum=self.members - 1)
            for n in checks.check_list(numbers, "numbers", "int")
        ]
        if not kept or len(set(kept)) < len(kept):
            raise ValueError(
                f"numbers is {kept}, expected different members, at least one"
            )
        if len(kept) == 1:
            return self.member(kept[0])
        views = self._weights.views
        each = map(self._plan.is_each, range(len(views)))
        arrays = [w[kept] if own else w for w, own in zip(views, each, strict=True)]
        return self._with_members(len(kept), arrays)

    def _like(self, layers: Sequence[Layer], members: int | None = None) -> Self:
        """A new network with other layers, or another number of members."""
        options = {} if self.members == 1 else {"members": members or self.members}
        return type(self)(
            layers, loss=self.loss, dtype=self.dtype, seed=self.seed, **options
        )

    def _with_members(self, count: int, weights: Sequence[FloatArray]) -> Self:
        """A network of these layers with other members."""
        network = self._like(self.layers, count)
        network._publish(weights)
        network.metadata = copy.deepcopy(self.metadata)
        network._plan.keep_inputs(self.n_inputs, self.kept_inputs)
        return network

    @says_memory_error
    def compact(self) -> Self:
        """A smaller network with the same predictions, without what zeros disconnect.

        `regnet_c.compact.compact` states what is removed.

        Explained in :doc:`/shipping`.

        Returns
        -------
        Network

        Examples
        --------
        >>> import regnet_c as rn
        >>> net = rn.Network([rn.Dense(3, 1)])
        >>> net.set_weights([[[1.0], [0.0], [2.0]], [0.5]])
        >>> net.compact().layers
        [Dense(2, 1)]
        """
        return compact(self)

    @says_memory_error
    def to_c(
        self,
        path: StrPath,
        dtype: Literal["float32", "int8"] = "float32",
        prefix: str = "net",
        calibration: tuple[Rows, ArrayLike] | None = None,
    ) -> dict[str, Any]:
        """Write the network as one C99 file and its header; see `regnet_c.export.to_c`.

        Explained in :doc:`/shipping`.

        Parameters
        ----------
        path : str or Path
            ``model.c``; ``model.h`` is written next to it.
        dtype : {"float32", "int8"}, default "float32"
            Type of the stored weights.
        prefix : str, default "net"
            Prefix of every name in the file.
        calibration : tuple (X, y), optional
            Data on which loss and accuracy are reported.

        Returns
        -------
        dict
            Files, sizes and, with a calibration set, accuracies.

        Examples
        --------
        >>> import regnet_c as rn
        >>> net = rn.Network([rn.Dense(4, 8, "relu"), rn.Dense(8, 1)])
        >>> report = net.to_c("model.c")
        >>> report["files"]
        ['model.c', 'model.h']
        """
        from . import export  # reads tables too

        return export.to_c(self, path, dtype, prefix, calibration)

    @says_memory_error
    def to_onnx(self, path: StrPath, encoder: bool = True) -> None:
        """Write the network as an ONNX model; see `regnet_c.export.to_onnx`.

        Explained in :doc:`/shipping`.

        Parameters
        ----------
        path : str or Path
        encoder : bool, default True
            Whether a network that was trained on a table takes raw rows.

        Raises
        ------
        ImportError
            Without the extra ``[onnx]``.

        Examples
        --------
        >>> import regnet_c as rn
        >>> import onnx
        >>> net = rn.Network([rn.Dense(4, 1)])
        >>> net.to_onnx("model.onnx")
        >>> [port.name for port in onnx.load("model.onnx").graph.input]
        ['x']
        """
        from . import export  # reads tables too

        export.to_onnx(self, path, encoder)

    @says_memory_error
    def to_torch(self, raw: bool = False) -> torch.nn.Sequential:
        """The network as a PyTorch module; see `regnet_c.export.to_torch`.

        Explained in :doc:`/coming_from_pytorch`.

        Parameters
        ----------
        raw : bool, default False
            Whether to stop before softmax, sigmoid or exp.

        Returns
        -------
        torch.nn.Sequential

        Examples
        --------
        >>> import regnet_c as rn
        >>> import torch
        >>> rn.Network([rn.Dense(4, 8, "relu"), rn.Dense(8, 1)]).to_torch()
        Sequential(
          (0): Linear(in_features=4, out_features=8, bias=True)
          (1): ReLU()
          (2): Linear(in_features=8, out_features=1, bias=True)
        )
        """
        from . import export  # reads tables too

        return export.to_torch(self, raw)

    @classmethod
    @says_memory_error
    def from_torch(
        cls,
        state_dict: Mapping[str, Any],
        activations: ActivationName | Sequence[ActivationName] = "relu",
        loss: Loss | LossName = "squared_error",
        dtype: DTypeName | None = None,
    ) -> Self:
        """A network from a state_dict of Linear layers; see `regnet_c.export.from_torch`.

        Explained in :doc:`/coming_from_pytorch`.

        Parameters
        ----------
        state_dict : dict
        activations : str or list of str, default "relu"
        loss : str or Loss, default "squared_error"
        dtype : {"float32", "float64"}, optional

        Returns
        -------
        Network

        Examples
        --------
        >>> import numpy as np, regnet_c as rn
        >>> state = {"0.weight": np.ones((1, 3)), "0.bias": np.zeros(1)}
        >>> rn.Network.from_torch(state).predict([[1.0, 2.0, 3.0]])
        array([[6.]])
        """
        from . import export  # reads tables too

        return export.from_torch(cls, state_dict, activations, loss, dtype)

    @classmethod
    @says_memory_error
    def from_sklearn(cls, mlp: MLPClassifier | MLPRegressor) -> Self:
        """A network from scikit-learn's MLP; see `regnet_c.export.from_sklearn`.

        Explained in :doc:`/coming_from_scikit_learn`.

        Parameters
        ----------
        mlp : MLPClassifier or MLPRegressor
            Fitted.

        Returns
        -------
        Network

        Examples
        --------
        >>> import numpy as np, regnet_c as rn
        >>> from sklearn.neural_network import MLPClassifier
        >>> X = np.random.RandomState(0).randn(200, 3)
        >>> mlp = MLPClassifier(max_iter=50, tol=0.1, random_state=0)
        >>> _ = mlp.fit(X, X[:, 0] > 0)
        >>> net = rn.Network.from_sklearn(mlp)
        >>> np.allclose(net.predict(X)[:, 0], mlp.predict_proba(X)[:, 1], atol=1e-5)
        True
        """
        from . import export  # reads tables too

        return export.from_sklearn(cls, mlp)

    @says_memory_error
    def save(self, path: StrPath) -> None:
        """Write weights and structure to a safetensors file, atomically.

        The old file at `path` is replaced as a whole or not at all, even if the machine
        stops.  ``network.metadata``, a dict of JSON values, is saved with it.

        Parameters
        ----------
        path : str or Path

        Raises
        ------
        TypeError, ValueError
            If weights are not finite, or the metadata is not a dict of JSON values or takes
            more memory than 4 MB and than twice the file.
        OSError
            If the file cannot be written.

        Examples
        --------
        >>> import regnet_c as rn
        >>> net = rn.Network([rn.Dense(2, 1)])
        >>> net.metadata["trained by"] = "me"
        >>> net.save("model.safetensors")
        >>> rn.Network.load("model.safetensors").metadata
        {'trained by': 'me'}
        """
        model_file.save(self, path)

    @classmethod
    @says_memory_error
    def load(cls, path: StrPath) -> Self:
        """Read a network that `save` wrote; the file may be untrusted.

        Parameters
        ----------
        path : str or Path

        Returns
        -------
        Network

        Raises
        ------
        ModelFileError
            If the file is not exactly what `save` writes: damaged, cut short, changed by
            another program or of a later format.
        OSError
            If it cannot be read.

        Examples
        --------
        >>> import numpy as np, regnet_c as rn
        >>> net = rn.Network([rn.Dense(2, 1)])
        >>> net.save("model.safetensors")
        >>> same = rn.Network.load("model.safetensors")
        >>> np.array_equal(same.predict(np.eye(2)), net.predict(np.eye(2)))
        True
        """
        return model_file.load(cls, path)
