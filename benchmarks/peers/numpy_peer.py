"""NumPy with preallocated buffers: the step written out, products by its BLAS.

Also the reference of the check that all peers compute the same step.
"""

import numpy as np

from . import BasePeer


def _relu(z, slope):
    np.maximum(z, 0, out=z)
    np.sign(z, out=slope)


def _sigmoid(z, slope):
    np.negative(z, out=z)
    np.exp(z, out=z)
    z += 1
    np.reciprocal(z, out=z)
    np.multiply(z, z, out=slope)
    np.subtract(z, slope, out=slope)


def _tanh(z, slope):
    np.tanh(z, out=z)
    np.multiply(z, z, out=slope)
    np.subtract(1, slope, out=slope)


def _arctan(z, slope):
    np.multiply(z, z, out=slope)
    slope += 1
    np.reciprocal(slope, out=slope)
    np.arctan(z, out=z)


# f(z) into z and f'(z) into slope
_ACTIVATIONS = {"relu": _relu, "sigmoid": _sigmoid, "tanh": _tanh, "arctan": _arctan}


def _multiply(x, w, out):
    """X w into out; x may be sparse, of which SciPy multiplies the entries."""
    if isinstance(x, np.ndarray):
        np.matmul(x, w, out=out)
    else:
        out[:] = x @ w


def _output_gradient(loss, a, y):
    """The derivative of the batch's mean loss by a, in place."""
    if loss == "softmax_cross_entropy":
        a -= a.max(axis=1, keepdims=True)
        np.exp(a, out=a)
        a /= a.sum(axis=1, keepdims=True)
        a[np.arange(len(a)), y] -= 1
    elif loss == "binary_cross_entropy":
        np.negative(a, out=a)
        np.exp(a, out=a)
        a += 1
        np.reciprocal(a, out=a)
        a -= y
    else:
        a -= y
    a *= a.dtype.type(1 / len(a))


class Peer(BasePeer):
    """Forward, backward and update over preallocated arrays."""

    def __init__(self, workload, threads):
        self._w = workload
        self._x, self._y = workload.data()
        shapes = [(workload.batch, n_out) for _, n_out in workload.layers]
        self._a = [np.empty(s, workload.dtype) for s in shapes]
        self._slope = [np.empty(s, workload.dtype) for s in shapes]
        self._rng = np.random.default_rng(3)
        if workload.input_dropout:
            self._input = np.empty((workload.batch, workload.sizes[0]), workload.dtype)

    def set_weights(self, weights):
        self._weights = [np.array(w) for w in weights]
        self._g = [np.empty_like(w) for w in weights]
        self._m = [np.zeros_like(w) for w in weights]
        self._v = [np.zeros_like(w) for w in weights]
        self._work = [np.empty_like(w) for w in weights]
        self._thresholds = self._w.thresholds()
        self._t = 0

    def get_weights(self):
        return [w.copy() for w in self._weights]

    def steps(self, n):
        batch, epoch = self._w.batch, self._w.steps_per_epoch
        for i in range(n):
            first = i % epoch * batch
            x = self._x[first : first + batch]
            self._step(x, self._y[first : first + batch])

    def _step(self, x, y):
        if self._w.input_dropout:
            np.multiply(x, self._mask(x.shape, self._w.input_dropout), out=self._input)
            x = self._input
        self._forward(x)
        self._backward(x, y)
        self._t += 1
        threshold = next(self._thresholds)
        for i, w in enumerate(self._weights):
            self._update(i, w, self._g[i], threshold, penalised=i % 2 == 0)

    def _mask(self, shape, rate):
        kept = self._rng.random(shape, np.float32) >= rate
        return kept * np.dtype(self._w.dtype).type(1 / (1 - rate))

    def _forward(self, x):
        for i, activation in enumerate(self._w.activations):
            a, slope = self._a[i], self._slope[i]
            _multiply(x, self._weights[2 * i], a)
            a += self._weights[2 * i + 1]
            if activation != "identity":
                _ACTIVATIONS[activation](a, slope)
            if self._w.dropout and i < len(self._a) - 1:
                mask = self._mask(a.shape, self._w.dropout)
                a *= mask
                slope *= mask
            x = a

    def _backward(self, x, y):
        da = self._a[-1]
        _output_gradient(self._w.loss, da, y)
        for i in range(len(self._a) - 1, -1, -1):
            if self._w.activations[i] != "identity":
                da *= self._slope[i]
            _multiply((self._a[i - 1] if i else x).T, da, self._g[2 * i])
            da.sum(axis=0, out=self._g[2 * i + 1])
            if i:
                np.matmul(da, self._weights[2 * i].T, out=self._a[i - 1])
                da = self._a[i - 1]

    def _update(self, i, w, g, threshold, penalised):
        p, work = self._w, self._work[i]
        if penalised:
            np.multiply(w, 2 * p.l2, out=work)
            g += work
            if p.l1_rule == "subgradient":
                np.sign(w, out=work)
                work *= p.l1
                g += work
        if p.optimizer == "adam":
            threshold = self._adam(i, w, g, threshold)
        else:
            g *= p.learning_rate
            if p.optimizer == "momentum":
                self._m[i] *= p.momentum
                self._m[i] -= g
                w += self._m[i]
            else:
                w -= g
        if penalised and p.l1_rule == "proximal":
            np.clip(w, -threshold, threshold, out=work)
            w -= work

    def _adam(self, i, w, g, threshold):
        """The step, and the threshold in Adam's metric."""
        p, m, v, work = self._w, self._m[i], self._v[i], self._work[i]
        m *= p.beta1
        np.multiply(g, 1 - p.beta1, out=work)
        m += work
        v *= p.beta2
        np.multiply(g, g, out=work)
        work *= 1 - p.beta2
        v += work
        np.multiply(v, 1 / (1 - p.beta2**self._t), out=work)
        np.sqrt(work, out=work)
        work += p.epsilon
        np.divide(m, work, out=g)
        g *= p.learning_rate / (1 - p.beta1**self._t)
        w -= g
        return np.divide(threshold, work)
