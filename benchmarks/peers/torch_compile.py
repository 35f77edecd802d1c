"""PyTorch with torch.compile: forward, backward, update and penalty as one graph.

Gradients come from torch.func.grad, so that nothing splits the graph; numbers that
change from step to step are tensors, so that nothing is compiled again.
"""

import torch

from . import BasePeer
from .torch_eager import batches, data_loss


def _update(workload, w, g, m, v, penalised, threshold, corrections):
    """One parameter, in place."""
    p = workload
    if penalised:
        g = g + 2 * p.l2 * w
        if p.l1_rule == "subgradient":
            g = g + p.l1 * torch.sign(w)
    metric = 1.0
    if p.optimizer == "adam":
        m.mul_(p.beta1).add_(g, alpha=1 - p.beta1)
        v.mul_(p.beta2).add_(g * g, alpha=1 - p.beta2)
        metric = torch.sqrt(v / corrections[1]) + p.epsilon
        new = w - p.learning_rate / corrections[0] * m / metric
    elif p.optimizer == "momentum":
        m.mul_(p.momentum).sub_(g, alpha=p.learning_rate)
        new = w + m
    else:
        new = w - p.learning_rate * g
    if penalised and p.l1_rule == "proximal":
        limit = threshold / metric
        new = new - torch.maximum(torch.minimum(new, limit), -limit)
    w.copy_(new)


def _make_step(workload):
    gradient = torch.func.grad(lambda ps, x, y: data_loss(workload, ps, x, y))

    def step(params, ms, vs, x, y, threshold, corrections):
        gs = gradient(params, x, y)
        for i, w in enumerate(params):
            _update(
                workload, w, gs[i], ms[i], vs[i], i % 2 == 0, threshold, corrections
            )

    return torch.compile(step, fullgraph=True, dynamic=False)


class Peer(BasePeer):
    """A compiled step, called once per batch."""

    def __init__(self, workload, threads):
        torch.set_num_threads(threads)
        torch.set_flush_denormal(True)
        torch._dynamo.reset()
        self._w = workload
        self._batches = batches(workload)
        self._step = _make_step(workload)
        dtype = getattr(torch, workload.dtype)
        self._params = [
            torch.zeros(shape, dtype=dtype)
            for n_in, n_out in workload.layers
            for shape in ((n_in, n_out), (n_out,))
        ]
        self._m = [torch.zeros_like(p) for p in self._params]
        self._v = [torch.zeros_like(p) for p in self._params]
        self._threshold = torch.zeros((), dtype=dtype)
        self._corrections = torch.zeros(2, dtype=dtype)

    def set_weights(self, weights):
        for param, new in zip(self._params, weights, strict=True):
            param.copy_(torch.from_numpy(new))
        for state in (*self._m, *self._v):
            state.zero_()
        self._thresholds = self._w.thresholds()
        self._t = 0

    def get_weights(self):
        return [p.numpy().copy() for p in self._params]

    def steps(self, n):
        adam = self._w.optimizer == "adam"
        with torch.no_grad():
            for i in range(n):
                self._t += 1
                self._threshold.fill_(next(self._thresholds))
                if adam:
                    self._corrections[0] = 1 - self._w.beta1**self._t
                    self._corrections[1] = 1 - self._w.beta2**self._t
                x, y = self._batches[i % len(self._batches)]
                self._step(
                    self._params,
                    self._m,
                    self._v,
                    x,
                    y,
                    self._threshold,
                    self._corrections,
                )
