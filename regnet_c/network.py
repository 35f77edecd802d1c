"""Network: build, fit, predict, evaluate, save, load."""

import numpy as np

from . import _check, _check_arrays, _kernels, export, storage
from .arrays import checked_data, checked_masks, checked_x
from .compact import compact
from .diagnose import diagnose
from .fitting import Fit, Job
from .initialization import fill_weights
from .losses import get_loss
from .optimizers import Adam, get_optimizer
from .plan import Plan
from .slices import in_slices
from .sparse import SparseWeights
from .state import TrainingState
from .team import divide, useful_threads
from .training import Progress, Trainer, make_run

_PREDICTED_ROWS = 1024  # at least, and
_PREDICTED_WORK = 1 << 27  # multiply-adds, in the first slice of a prediction


class Network:
    """A multilayer perceptron that minimises one stated objective.

    J = sum_i w_i l_i / sum_i w_i  +  sum over layers of (l1 sum|W| + l2 sum W^2),

    the weighted mean of the data loss plus the penalties, independent of the batch size
    and of the number of rows.  Biases are free unless a layer has a ``bias_penalty``.
    Dropout is inverted: scaled while training, absent in `predict` and `evaluate`.

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
        self.layers = _check.check_layers(layers)
        self.loss = get_loss(loss)
        self.dtype = _check.check_dtype(dtype)
        self.seed = _check.check_int(seed, "seed", minimum=0, maximum=2**64 - 1)
        self.metadata = {}
        self.history = None
        self._plan = self._make_plan()
        self._params = np.zeros(self._plan.size, self.dtype)
        self._views = self._plan.views(self._params)
        self._predictor = self._plan.model(dropout=False)
        self._predictor.bind(self._params)
        self._sparse = SparseWeights(self._views)
        self._state = None
        self._claim = _kernels.Claim()

    def _make_plan(self):
        return Plan(self.layers, self.loss, self.dtype, self.seed)

    def _initialize(self):
        views = iter(self._views)
        for number, layer in enumerate(self._plan.dense):
            fill_weights(
                next(views), layer.weight_init, layer.activation, self.seed, number
            )
            if layer.use_bias:
                next(views)
        self._weights_changed()

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

    def get_weights(self):
        """Copies of ``[W0, b0, W1, b1, ...]``.

        Returns
        -------
        list of ndarray
            W of shape (n_in, n_out), b of shape (n_out,), the network's dtype.

        Raises
        ------
        RuntimeError
            While another thread is training this network; a callback may ask.
        """
        self._claim.expect_no_other()
        return [view.copy() for view in self._views]

    def set_weights(self, weights):
        """Replace all weights by arrays of the shapes `get_weights` returns.

        Parameters
        ----------
        weights : list of array-like

        Raises
        ------
        TypeError, ValueError
            For another number or other shapes, and for NaN or infinities.
        """
        weights = _check_arrays.check_weights(weights, self._plan.shapes, self.dtype)
        self._claim.expect_no_other()
        for view, new in zip(self._views, weights, strict=True):
            view[...] = new
        self._weights_changed()

    def _weights_changed(self):
        """To be called after every write to the weights."""
        self._sparse.weights_changed()

    def penalty(self):
        """Value of the penalties at the current weights.

        Returns
        -------
        float
        """
        value = 0.0
        for view, penalty in zip(self._views, self._plan.penalties(), strict=True):
            if penalty and not penalty.group:
                sum_abs, sum_square, _ = _kernels.penalty_sums(view.reshape(-1))
                value += penalty.l1 * sum_abs if penalty.l1 else 0.0
                value += penalty.l2 * sum_square if penalty.l2 else 0.0  # never 0 * inf
            elif penalty:
                value += penalty.value(view)
        return value

    def zeros(self):
        """Share of exact zeros among the weights, biases apart.

        Returns
        -------
        float in [0, 1]
        """
        rows = self.summary()
        zeros = sum(row["zeros"] * row["weights"] for row in rows)
        return zeros / sum(row["weights"] for row in rows)

    def summary(self):
        """Per Dense layer: n_in, n_out, weights, sum_abs (sum|w|), zeros (their share).

        Returns
        -------
        list of dict
        """
        rows = []
        matrices = [view for view in self._views if view.ndim == 2]
        for w in matrices:
            sum_abs, _, zeros = _kernels.penalty_sums(w.reshape(-1))
            rows.append(
                {
                    "n_in": w.shape[0],
                    "n_out": w.shape[1],
                    "weights": w.size,
                    "sum_abs": sum_abs,
                    "zeros": zeros / w.size,
                }
            )
        return rows

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
        threads = _check.check_threads(threads)
        out = self._predict(checked_x(self._plan, X), threads, raw=False)
        self._expect_numbers(out, "the prediction")
        return self.loss.transform(out)

    def _expect_numbers(self, out, what):
        """OverflowError if an output is NaN: all that went in was finite."""
        if np.isnan(out).any():
            row = int(np.argmax(np.isnan(out).any(axis=1)))
            raise OverflowError(
                f"{what} of row {row} is nan, sums overflow {self.dtype}: "
                "smaller inputs or dtype='float64' may help"
            )

    def _predict(self, x, threads, raw):
        model, n = self._predictor, x.shape[0]
        threads = useful_threads(self._plan, threads, n, n, 1)
        source, sparse = _kernels.Source(x), self._sparse.layers(n)
        out = np.empty((n, model.n_out), self.dtype)
        work = np.empty(model.predict_work_size(n, threads) + 64, np.uint8)

        def some(first, last):
            part = out[first:last]
            bad = model.predict(source, part, work, raw, threads, first, sparse)
            return None if bad < 0 else bad

        rows = max(_PREDICTED_ROWS, _PREDICTED_WORK // self._plan.size)
        bad = in_slices(n, some, rows)
        if bad is not None:
            raise ValueError(_check_arrays.not_finite_message(x, "X", bad, self.dtype))
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
        threads = _check.check_threads(threads)
        data = checked_data(self._plan, X, y, sample_weight)
        logs = self._evaluate(data, threads)
        if np.isnan(logs["loss"]):
            raise OverflowError(
                f"the loss is nan, sums overflow {self.dtype}: "
                "smaller inputs or dtype='float64' may help"
            )
        logs["penalty"] = self.penalty()
        logs["objective"] = logs["loss"] + logs["penalty"]
        return logs

    def _evaluate(self, data, threads):
        z = self._predict(data.raw_x, threads, raw=True)
        return self.loss.score(z, data)

    # ---- training --------------------------------------------------------------------

    def fit(
        self,
        X,
        y,
        epochs=10,
        batch_size=32,
        optimizer=None,
        sample_weight=None,
        validation_data=None,
        callbacks=(),
        shuffle=True,
        progress=False,
        threads=None,
        update_tau=None,
        keep_zeros=False,
        resume_from=None,
    ):
        """Minimise the objective by mini-batch steps.

        Parameters
        ----------
        X : array-like of shape (n, n_in)
            Any numeric dtype and memory layout; converted batch by batch, never copied.
        y : array-like
            Integer labels (n,) or one row of targets per sample (n, n_out).
        epochs : int, default 10
        batch_size : int, default 32
        optimizer : Optimizer, default Adam()
            Passing the same object again goes on with its state, and with an epoch that
            Ctrl-C cut short.
        sample_weight : array-like of shape (n,), optional
            Non-negative; each batch is averaged with these weights.
        validation_data : tuple (X, y) or (X, y, sample_weight), optional
        callbacks : list of Callback
        shuffle : bool, default True
            A fresh permutation per epoch, a function of the seed and the epoch; a single
            batch of all rows is taken as it stands.
        progress : bool, default False
            Show a progress bar.
        threads : int, optional
            At most this many; the bits of the result do not depend on it.
        update_tau : float in (0, 1], optional
            Keep a moving average a = (1 - tau) a + tau (change of the weights) over all
            steps: its norm per layer goes to the history as ``update_norm``, the arrays
            to `update_average`.  Far below the size of a single step, training has
            stopped moving on average.  Costs one more array and some time per step.
        keep_zeros : bool, default False
            Weights that are exactly zero stay zero (biases apart): to go on training a
            network that a penalty has made sparse, with a weaker penalty or none.
        resume_from : str or os.PathLike, optional
            A file of `Checkpoint`, written by a call with the same network, data and
            arguments.  Weights, history, optimiser and callbacks go on from there, and
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
            If `resume_from` is no complete checkpoint.
        DivergenceError
            If the loss becomes NaN or infinite; the last finite weights are kept.
        RuntimeError
            If another thread is training this network.
        """
        epochs = _check.check_int(epochs, "epochs", minimum=0)
        batch_size = _check.check_int(batch_size, "batch_size", minimum=1)
        threads = _check.check_threads(threads)
        data = checked_data(self._plan, X, y, sample_weight)
        validation = self._validation(validation_data)
        job = Job(
            epochs=epochs,
            batch_size=min(batch_size, data.n),
            threads=threads,
            data=data,
            validation=validation,
            callbacks=_check.check_callbacks(callbacks),
            shuffle=_check.check_bool(shuffle, "shuffle"),
            progress=_check.check_bool(progress, "progress"),
            keep_zeros=_check.check_bool(keep_zeros, "keep_zeros"),
            update_tau=_check.check_tau(update_tau),
            optimizer=Adam() if optimizer is None else get_optimizer(optimizer),
        )
        with self._claim:
            return Fit(self, job, resume_from).run()

    def update_average(self):
        """Bias-corrected moving average of the updates; see `fit`'s update_tau.

        Returns
        -------
        list of ndarray or None
            In the order and shapes of `get_weights`; None if it was not asked for.
        """
        average = None if self._state is None else self._state.update_average()
        return None if average is None else self._plan.views(average)

    def _validation(self, validation_data):
        if validation_data is None:
            return None
        X, y, *weight = _check.check_validation_data(validation_data)
        try:
            return checked_data(self._plan, X, y, weight[0] if weight else None)
        except (TypeError, ValueError) as error:
            raise type(error)(f"validation_data: {error}") from None

    def _state_for(self, optimizer):
        """The state of this optimiser object: kept if it is the one used last."""
        if self._state is None or self._state.optimizer is not optimizer:
            self._state = TrainingState(self._plan, optimizer)
        return self._state

    def train_step(self, X, y, optimizer, sample_weight=None, dropout_masks=None):
        """One optimiser step on one batch, taken as it stands.

        Parameters
        ----------
        X : array-like of shape (n, n_in)
        y : array-like
            The batch, as in `fit`.
        optimizer : Optimizer
            Its state goes on as long as the same object is passed.
        sample_weight : array-like of shape (n,), optional
            Not negative.
        dropout_masks : list of array-like, optional
            One 0/1 array (n, units) for each Dropout layer; default: drawn.

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
        """
        data = checked_data(self._plan, X, y, sample_weight)
        masks = checked_masks(self._plan, dropout_masks, data.n)
        optimizer = get_optimizer(optimizer)
        with self._claim:
            state = self._state_for(optimizer)
            trainer = Trainer(self, state, data, data.n, None, False, Progress(0, 0, 0))
            trainer.model.set_masks(*masks)
            return trainer.single_step()

    def loss_and_gradients(self, X, y, sample_weight=None, dropout_masks=None):
        """Data loss and its derivatives at the current weights; nothing is updated.

        The penalty is not included: `penalty()` and the penalties' `subgradient` have it.

        Parameters
        ----------
        X : array-like of shape (n, n_in)
        y : array-like
            As in `fit`.
        sample_weight : array-like of shape (n,), optional
            Not negative.
        dropout_masks : list of array-like, optional
            One 0/1 array (n, units) for each Dropout layer; default: dropout is off.

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
        """
        data = checked_data(self._plan, X, y, sample_weight)
        model = self._plan.model(dropout=dropout_masks is not None)
        gradient = np.zeros(self._plan.size, self.dtype)
        model.bind(self._params, g=gradient)
        model.set_masks(*checked_masks(self._plan, dropout_masks, data.n))
        division = divide(self._plan, None, data.n, data.n)
        run = make_run(
            self._plan, model, None, data, data.n, division, gradient_only=True
        )
        run.start_epoch(None)
        while run.row < data.n:
            run.advance(np.zeros(1), 0.02, run.max_threads)
        return run.loss, self._plan.views(gradient)

    def diagnose(self, X, y, validation_data=None):
        """What the regularisation does, per layer, and a verdict in words.

        Parameters
        ----------
        X, y : array-like
            Training data.
        validation_data : tuple (X, y), optional

        Returns
        -------
        Diagnosis
            Prints as a table; its attributes are the figures.
        """
        return diagnose(self, X, y, validation_data)

    # ---- smaller and elsewhere -------------------------------------------------------

    @property
    def kept_inputs(self):
        """The columns of the original data that this network reads, an array of int.

        All of them, unless `compact` dropped some; methods take these columns or all.
        """
        return self._plan.kept_inputs

    @property
    def n_inputs(self):
        """Number of columns of the original data."""
        return self._plan.n_inputs

    def compact(self):
        """A smaller network with the same predictions, without what zeros cut off.

        `regnet_c.compact.compact` says what is removed.

        Returns
        -------
        Network
        """
        return compact(self)

    def to_c(self, path, dtype="float32", prefix="net", calibration=None):
        """Write the network as one C99 file and its header; see `regnet_c.export.to_c`.

        Parameters
        ----------
        path : str or Path
            ``model.c``; ``model.h`` goes beside it.
        dtype : {"float32", "int8"}, default "float32"
            Of the stored weights.
        prefix : str, default "net"
            Begins every name in the file.
        calibration : tuple (X, y), optional
            Data to state loss and accuracy for.

        Returns
        -------
        dict
            Files, sizes and, with a calibration set, accuracies.
        """
        return export.to_c(self, path, dtype, prefix, calibration)

    def to_onnx(self, path):
        """Write the network as an ONNX model; see `regnet_c.export.to_onnx`.

        Parameters
        ----------
        path : str or Path

        Raises
        ------
        ImportError
            Without the extra ``[onnx]``.
        """
        export.to_onnx(self, path)

    def to_torch(self, raw=False):
        """The network as a PyTorch module; see `regnet_c.export.to_torch`.

        Parameters
        ----------
        raw : bool, default False
            Whether to stop before softmax, sigmoid or exp.

        Returns
        -------
        torch.nn.Sequential
        """
        return export.to_torch(self, raw)

    @classmethod
    def from_torch(
        cls, state_dict, activations="relu", loss="squared_error", dtype=None
    ):
        """A network from a state_dict of Linear layers; see `regnet_c.export.from_torch`.

        Parameters
        ----------
        state_dict : dict
        activations : str or list of str, default "relu"
        loss : str or Loss, default "squared_error"
        dtype : {"float32", "float64"}, optional

        Returns
        -------
        Network
        """
        return export.from_torch(cls, state_dict, activations, loss, dtype)

    @classmethod
    def from_sklearn(cls, mlp):
        """A network from scikit-learn's MLP; see `regnet_c.export.from_sklearn`.

        Parameters
        ----------
        mlp : MLPClassifier or MLPRegressor
            Fitted.

        Returns
        -------
        Network
        """
        return export.from_sklearn(cls, mlp)

    # ---- files -----------------------------------------------------------------------

    def save(self, path):
        """Write weights and structure to a safetensors file, atomically.

        The old file at `path` is replaced as a whole or not at all, even if the machine
        stops.  `network.metadata`, a dict of JSON values, goes with it.

        Parameters
        ----------
        path : str or Path

        Raises
        ------
        TypeError, ValueError
            If weights are not finite, or the metadata is no dict of JSON values or takes
            more memory than 4 MB and than twice the file.
        OSError
            If the file cannot be written.
        """
        storage.save(self, path)

    @classmethod
    def load(cls, path):
        """Read a network that `save` wrote; the file may come from a stranger.

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
        """
        return storage.load(cls, path)
