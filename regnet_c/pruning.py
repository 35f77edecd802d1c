"""Magnitude pruning: while a network is trained, its smallest weights become zero.

A penalty decides which weights are small, pruning how many remain.
"""

import numpy as np

from ._core import checks
from .callback import Callback


class Prune(Callback):
    """Leave a given share of all weights, the largest, in steps between two epochs.

    After epoch e, counted from 1, of ``begin <= e < end`` the share left is
    density + (1 - density) (1 - (e - begin) / (end - begin))^3 (Zhu and Gupta 2017), and
    from epoch `end` on the density.  Layers are compared by the sizes of their weights;
    biases are left alone.  A weight of the first layer is large if its input's numbers are
    small: bring the columns of X to one scale first.  Pass ``keep_zeros=True`` to
    `Network.fit`, else pruned weights come back.

    Parameters
    ----------
    density : float in (0, 1]
        Share of the weights that is left in the end; at least one weight is.
    begin, end : int
        First and last epoch after which something is pruned, begin < end.

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

    def __init__(self, density, begin, end):
        self.density = checks.check_float(
            density, "density", minimum=0, open_minimum=True, maximum=1
        )
        self.begin = checks.check_int(begin, "begin", minimum=0)
        self.end = checks.check_int(end, "end", minimum=self.begin + 1)

    def share(self, epoch):
        """Share of the weights left after this epoch.

        Parameters
        ----------
        epoch : int
            Counted from 1.

        Returns
        -------
        float
        """
        if epoch < self.begin:
            return 1.0
        done = min((epoch - self.begin) / (self.end - self.begin), 1)
        return self.density + (1 - self.density) * (1 - done) ** 3

    def on_train_begin(self, network):
        self._network = network

    def on_epoch_end(self, epoch, logs):
        weights = self._network.get_weights()
        matrices = [w for w in weights if w.ndim == 2]
        sizes = np.abs(np.concatenate([w.reshape(-1) for w in matrices]))
        left = max(int(np.rint(self.share(epoch + 1) * sizes.size)), 1)
        if np.count_nonzero(sizes) <= left:
            return False
        smallest = np.partition(sizes, sizes.size - left)[sizes.size - left]
        for w in matrices:
            w[np.abs(w) < smallest] = 0
        self._network.set_weights(weights)
        return False

    def on_train_end(self):
        self._network = None
