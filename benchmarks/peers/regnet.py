"""regnet_c: `Network.fit`, many steps in one call.

The rows are shuffled every epoch and gathered while they are packed, which the other
peers are spared: they find their batches contiguous and in order.
"""

import regnet_c as rn

from . import BasePeer


class Peer(BasePeer):
    """A `regnet_c.Network`."""

    def __init__(self, workload, threads):
        self._workload, self._threads = workload, threads
        self._x, self._y = workload.data()
        self.network = rn.Network(
            self._layers(), loss=workload.loss, dtype=workload.dtype
        )

    def _layers(self):
        w = self._workload
        layers = [rn.Dropout(w.input_dropout)] if w.input_dropout else []
        for (n_in, n_out), activation in zip(w.layers, w.activations, strict=True):
            penalty = rn.ElasticNet(w.l1, w.l2, rule=w.l1_rule)
            layers.append(
                rn.Dense(n_in, n_out, activation=activation, weight_penalty=penalty)
            )
            if w.dropout:
                layers.append(rn.Dropout(w.dropout))
        return layers[:-1] if w.dropout else layers

    def _new_optimizer(self):
        w = self._workload
        if w.optimizer == "adam":
            return rn.Adam(w.learning_rate, w.beta1, w.beta2, w.epsilon)
        momentum = w.momentum if w.optimizer == "momentum" else 0.0
        return rn.SGD(w.learning_rate, momentum=momentum)

    def set_weights(self, weights):
        self.network.set_weights(weights)
        self._optimizer = self._new_optimizer()

    def get_weights(self):
        return self.network.get_weights()

    def steps(self, n):
        self.network.fit(
            self._x,
            self._y,
            epochs=n // self._workload.steps_per_epoch,
            batch_size=self._workload.batch,
            optimizer=self._optimizer,
            shuffle=self._workload.shuffle,
            threads=self._threads,
        )
