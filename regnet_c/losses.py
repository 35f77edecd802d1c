"""Losses: each name is one stated convention; the arithmetic is the core's."""

import numpy as np

from ._core import binding, checks
from ._core.slices import in_slices

# name -> (meaning, range check); the order is that of rn_loss in rn.h
_LOSSES = {
    "softmax_cross_entropy": "-log softmax(z)[label], z the outputs",
    "binary_cross_entropy": "sum over outputs of log(1 + exp(z)) - y z",
    "squared_error": "half the sum over outputs of (z - y)^2",
    "mse": "mean over outputs of (z - y)^2",
    "absolute_error": "sum over outputs of |z - y|",
    "mae": "mean over outputs of |z - y|",
    "huber": "sum over outputs of r^2/2 up to |r| = delta, delta (|r| - delta/2) beyond",
    "quantile": "sum over outputs of max(q r, (q - 1) r), r = y - z",
    "poisson": "sum over outputs of exp(z) - y z; predict gives the mean exp(z)",
}
NAMES = tuple(_LOSSES)
_SCORED = 1 << 18  # outputs compared with their targets in the first slice
_PARAMS = {"huber": ("delta", 1.0), "quantile": ("q", 0.5)}


class Loss:
    """The loss of one row; the network minimises its weighted mean over the rows.

    Parameters
    ----------
    name : str
        ``softmax_cross_entropy`` (integer labels or one-hot rows), ``binary_cross_entropy``
        (targets in [0, 1], one or many outputs), ``squared_error`` (with 1/2, summed over
        outputs), ``mse`` (mean over outputs), ``absolute_error``, ``mae`` likewise,
        ``huber``, ``quantile``, ``poisson``.  The derivative of ``|r|`` at 0 is 0.
    param : float, optional
        delta > 0 of huber (default 1); q in (0, 1) of quantile (default 0.5).

    Examples
    --------
    >>> import regnet_c as rn
    >>> rn.Loss("quantile", 0.9)
    Loss('quantile', 0.9)
    """

    def __init__(self, name, param=None):
        self.name = checks.check_name(name, NAMES, "loss")
        self.kind = NAMES.index(name)
        self.classification = name.endswith("cross_entropy")
        if name not in _PARAMS:
            if param not in (None, 0.0):
                raise ValueError(f"the loss {name!r} has no parameter, got {param!r}")
            self.param = 0.0
            return
        label, default = _PARAMS[name]
        value = default if param is None else param
        below = 1 if name == "quantile" else None
        self.param = checks.check_float(
            value, label, minimum=0, open_minimum=True, below=below
        )

    def check_range(self, y):
        """ValueError if targets are outside what this loss allows.

        Parameters
        ----------
        y : ndarray
            Not empty.

        Raises
        ------
        ValueError
        """
        low, high = {
            "softmax_cross_entropy": (0, 1),
            "binary_cross_entropy": (0, 1),
            "poisson": (0, np.inf),
        }.get(self.name, (-np.inf, np.inf))
        if np.isinf(low) and np.isinf(high):
            return
        if y.min() < low or y.max() > high:
            raise ValueError(
                f"y goes from {y.min()} to {y.max()}, {self.name} expects values in "
                f"[{low}, {high}]"
            )

    def transform(self, out):
        """What predict returns: exp(out) for poisson, out itself otherwise.

        Parameters
        ----------
        out : ndarray of shape (n, n_out)
            Changed in place.

        Returns
        -------
        ndarray of shape (n, n_out)
        """
        if self.name == "poisson":
            flat = out.reshape(-1)
            binding.elementwise(binding.FUNCTIONS["exp"], flat, flat)
        return out

    def score(self, z, data):
        """Weighted mean loss (and accuracy) of raw outputs z against checked data.

        Parameters
        ----------
        z : ndarray of shape (n, n_out)
        data : regnet_c.arrays.Data
            Targets and weights, as `Network.fit` checks them.

        Returns
        -------
        dict
            ``loss``, and ``accuracy`` for classification.
        """
        row_loss = np.empty(len(z), z.dtype)

        def some(first, last):
            rows = slice(first, last)
            zt = np.ascontiguousarray(z[rows].T)
            y = labels = None
            if data.raw_y is not None:
                y = np.ascontiguousarray(data.raw_y[rows].T.astype(z.dtype, copy=False))
            else:
                labels = data.labels[rows]
            dz = np.empty_like(zt)
            binding.loss_rows(
                self.kind, row_loss[rows], dz, zt, y, labels, None, self.param
            )

        in_slices(len(z), some, max(1, _SCORED // z.shape[1]))
        weight = data.sample_weight
        with np.errstate(over="ignore", invalid="ignore"):
            loss = np.average(row_loss.astype(np.float64), weights=weight)
        logs = {"loss": float(loss)}
        if self.classification:
            right = self._right(z, data)
            logs["accuracy"] = float(np.average(right, weights=weight))
        return logs

    def row_scores(self, z, data):
        """Per row what is better the larger: 1 if right (classification), or -loss.

        Parameters
        ----------
        z : ndarray of shape (n, n_out)
            The network's raw outputs.
        data : Data

        Returns
        -------
        ndarray of shape (n,)
        """
        if self.classification:
            return self._right(z, data)
        zt = np.ascontiguousarray(z.T)
        y = np.ascontiguousarray(data.raw_y.T.astype(z.dtype, copy=False))
        row_loss, dz = np.empty(len(z), z.dtype), np.empty_like(zt)
        binding.loss_rows(self.kind, row_loss, dz, zt, y, None, None, self.param)
        return -row_loss.astype(np.float64)

    def _right(self, z, data):
        """Per row: 1 if the most probable class is the given one (share of outputs)."""
        if self.name == "binary_cross_entropy":
            return ((z > 0) == (data.raw_y > 0.5)).mean(axis=1)
        labels = data.labels if data.labels is not None else data.raw_y.argmax(axis=1)
        return (z.argmax(axis=1) == labels).astype(np.float64)

    def get_config(self):
        """The loss as JSON-able data, for `loss_from_config`.

        Returns
        -------
        dict
        """
        return {"name": self.name, "param": self.param}

    def __eq__(self, other):
        return isinstance(other, Loss) and self.get_config() == other.get_config()

    __hash__ = None

    def __repr__(self):
        param = f", {self.param}" if self.name in _PARAMS else ""
        return f"Loss({self.name!r}{param})"


def get_loss(loss):
    """A Loss from a name or a Loss."""
    return loss if isinstance(loss, Loss) else Loss(loss)


def loss_from_config(config):
    """The loss that `get_config` described."""
    param = config["param"] if config["name"] in _PARAMS else None
    return Loss(config["name"], param)
