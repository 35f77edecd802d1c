"""What `Network` has for learning: fit, single steps, gradients, diagnosis."""

import numpy as np

from ._core import checks
from ._core.data import checked_data, checked_masks
from ._core.fitting import Fit, Job
from ._core.keywords import explains_keywords
from ._core.listeners import check_callbacks
from ._core.state import TrainingState
from ._core.team import divide
from ._core.training import Progress, Trainer, make_run
from .diagnose import diagnose
from .optimizers import Adam, get_optimizer


class Learning:
    """Methods of `Network` that train it, and those that say how training goes."""

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
        epochs = checks.check_int(epochs, "epochs", minimum=0)
        batch_size = checks.check_int(batch_size, "batch_size", minimum=1)
        threads = checks.check_threads(threads)
        data = checked_data(self._plan, X, y, sample_weight)
        validation = self._validation(validation_data)
        job = Job(
            epochs=epochs,
            batch_size=min(batch_size, data.n),
            threads=threads,
            data=data,
            validation=validation,
            callbacks=check_callbacks(callbacks),
            shuffle=checks.check_bool(shuffle, "shuffle"),
            progress=checks.check_bool(progress, "progress"),
            keep_zeros=checks.check_bool(keep_zeros, "keep_zeros"),
            update_tau=checks.check_tau(update_tau),
            optimizer=Adam() if optimizer is None else get_optimizer(optimizer),
        )
        with self._store:
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
        X, y, *weight = checks.check_validation_data(validation_data)
        try:
            return checked_data(self._plan, X, y, weight[0] if weight else None)
        except (TypeError, ValueError) as error:
            raise type(error)(f"validation_data: {error}") from None

    def _state_for(self, optimizer):
        """The state of this optimiser object: kept if it is the one used last."""
        if self._state is None or self._state.optimizer is not optimizer:
            self._state = TrainingState(self._plan, optimizer)
        return self._state

    @explains_keywords(
        learning_rate="it is the optimizer's, optimizer=Adam(learning_rate=...)",
        lr="it is the optimizer's, optimizer=Adam(learning_rate=...)",
    )
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
        with self._store:
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
        gradient = self._plan.zeros()
        model.bind(self._weights.params, g=gradient)
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
