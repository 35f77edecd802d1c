"""scikit-learn's MLP as far as it goes: L2 only, no dropout, no output activation.

It has no arctan either (tanh instead), and two classes are one sigmoid output.  One
`partial_fit` per epoch takes all its mini-batches: cheaper for it than one per batch.
"""

import warnings
from dataclasses import replace

import numpy as np
from sklearn.neural_network import MLPClassifier, MLPRegressor

from . import BasePeer


class Peer(BasePeer):
    """MLPRegressor for the squared error, MLPClassifier for the cross-entropies."""

    @staticmethod
    def adapt(workload):
        """Without what it does not have.

        Its epsilon is inside Adam's correction: in the check it must not matter.
        """
        if workload.loss == "softmax_cross_entropy" and workload.sizes[-1] == 2:
            sizes = (*workload.sizes[:-1], 1)
            workload = replace(workload, sizes=sizes, loss="binary_cross_entropy")
        return replace(
            workload,
            l1=0.0,
            dropout=0.0,
            input_dropout=0.0,
            output="identity",
            hidden="tanh" if workload.hidden == "arctan" else workload.hidden,
            epsilon=1e-30 if workload.dtype == "float64" else workload.epsilon,
        )

    def __init__(self, workload, threads):
        warnings.filterwarnings("ignore", module="sklearn")
        self._w = workload
        self._x, y = workload.data()
        self._y = y.ravel() if y.shape[-1] == 1 else y
        self._classes = None
        if workload.loss != "squared_error":
            self._classes = np.arange(max(workload.sizes[-1], 2))

    def _new_model(self):
        w = self._w
        kind = MLPRegressor if w.loss == "squared_error" else MLPClassifier
        hidden = "logistic" if w.hidden == "sigmoid" else w.hidden
        return kind(
            hidden_layer_sizes=w.sizes[1:-1],
            activation=hidden,
            solver="adam" if w.optimizer == "adam" else "sgd",
            alpha=2 * w.l2 * w.batch,  # it adds alpha/(2 batch) sum w^2
            batch_size=w.batch,
            learning_rate_init=w.learning_rate,
            momentum=w.momentum if w.optimizer == "momentum" else 0.0,
            nesterovs_momentum=False,
            beta_1=w.beta1,
            beta_2=w.beta2,
            epsilon=w.epsilon,
            shuffle=False,
            random_state=0,
        )

    def _fit(self, x, y):
        if self._classes is None:
            self._model.partial_fit(x, y)
        else:
            self._model.partial_fit(x, y, classes=self._classes)

    def set_weights(self, weights):
        self._model = self._new_model()
        self._fit(self._x[: self._w.batch], self._y[: self._w.batch])  # allocates
        self._model.coefs_ = [w.copy() for w in weights[0::2]]
        self._model.intercepts_ = [b.copy() for b in weights[1::2]]
        del self._model._optimizer

    def get_weights(self):
        pairs = zip(self._model.coefs_, self._model.intercepts_, strict=True)
        return [array for pair in pairs for array in pair]

    def steps(self, n):
        for _ in range(n // self._w.steps_per_epoch):
            self._fit(self._x, self._y)
