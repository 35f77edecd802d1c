"""PyTorch eager: autograd, tensors preloaded, fused optimisers, L2 as weight decay.

The soft threshold is applied under no_grad.  Denormals are flushed, as regnet_c does.
"""

import numpy as np
import torch
from torch.nn import functional

from . import BasePeer

ACTIVATIONS = {
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "arctan": torch.atan,
    "identity": lambda z: z,
}


def batches(workload):
    """[(x, y), ...] of one epoch, contiguous views."""
    x, y = workload.data()
    y, size = torch.from_numpy(y), workload.batch
    starts = range(0, workload.rows, size)
    return [(_tensor(x[i : i + size]), y[i : i + size]) for i in starts]


def _tensor(x):
    """Rows as a tensor; sparse ones as coordinates, which autograd knows best."""
    if isinstance(x, np.ndarray):
        return torch.from_numpy(x)
    x = x.tocoo()
    places = np.stack([x.row, x.col])
    return torch.sparse_coo_tensor(places, x.data, x.shape, is_coalesced=True)


def data_loss(workload, params, x, y):
    """Mean data loss of a batch; params are [W0, b0, W1, b1, ...]."""
    if workload.input_dropout:
        x = functional.dropout(x, workload.input_dropout)
    last = len(workload.activations) - 1
    for i, activation in enumerate(workload.activations):
        product = torch.sparse.addmm if x.is_sparse else torch.addmm
        x = product(params[2 * i + 1], x, params[2 * i])
        x = ACTIVATIONS[activation](x)
        if workload.dropout and i < last:
            x = functional.dropout(x, workload.dropout)
    if workload.loss == "softmax_cross_entropy":
        return functional.cross_entropy(x, y)
    if workload.loss == "binary_cross_entropy":
        loss = functional.binary_cross_entropy_with_logits(x, y, reduction="sum")
        return loss / len(x)
    return functional.mse_loss(x, y, reduction="sum") * (0.5 / len(x))


class Peer(BasePeer):
    """The usual loop: zero_grad, loss, backward, step; then the penalty."""

    def __init__(self, workload, threads):
        torch.set_num_threads(threads)
        torch.set_flush_denormal(True)
        self._w = workload
        self._batches = batches(workload)

    def set_weights(self, weights):
        self._params = [torch.tensor(w, requires_grad=True) for w in weights]
        self._optimizer = self._new_optimizer()
        self._thresholds = self._w.thresholds()
        self._t = 0

    def _new_optimizer(self):
        w = self._w
        groups = [
            {"params": self._params[0::2], "weight_decay": 2 * w.l2},
            {"params": self._params[1::2]},
        ]
        if w.optimizer == "adam":
            betas = (w.beta1, w.beta2)
            return torch.optim.Adam(
                groups, w.learning_rate, betas, w.epsilon, fused=True
            )
        momentum = w.momentum if w.optimizer == "momentum" else 0.0
        return torch.optim.SGD(groups, w.learning_rate, momentum, fused=True)

    def get_weights(self):
        return [p.detach().numpy().copy() for p in self._params]

    def steps(self, n):
        params, optimizer = self._params, self._optimizer
        for i in range(n):
            x, y = self._batches[i % len(self._batches)]
            optimizer.zero_grad(set_to_none=True)
            data_loss(self._w, params, x, y).backward()
            if self._w.l1_rule == "subgradient":
                self._add_subgradient()
            optimizer.step()
            if self._w.l1_rule == "proximal":
                self._shrink()

    @torch.no_grad()
    def _add_subgradient(self):
        for w in self._params[0::2]:
            w.grad.add_(torch.sign(w), alpha=self._w.l1)

    @torch.no_grad()
    def _shrink(self):
        """The soft threshold, under Adam in its per-weight metric."""
        threshold = next(self._thresholds)
        self._t += 1
        for w in self._params[0::2]:
            if self._w.optimizer != "adam":
                w.copy_(functional.softshrink(w, threshold))
                continue
            v = self._optimizer.state[w]["exp_avg_sq"]
            metric = torch.div(v, 1 - self._w.beta2**self._t).sqrt_()
            limit = metric.add_(self._w.epsilon).reciprocal_().mul_(threshold)
            w.sub_(torch.clamp(w, -limit, limit))
