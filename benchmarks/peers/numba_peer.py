"""Numba: the step as compiled loops, branch-free, fast-math, products by np.dot.

Activation, loss and optimiser are chosen while compiling; loops over rows and weights
run in parallel where a step is large enough to pay for it.
"""

import math

import numpy as np
from numba import njit, prange

from . import BasePeer

_PARALLEL_ELEMENTS = 100_000  # of the largest array, for parallel loops to pay


def _activation(name, T):
    """A compiled scalar function z -> (f(z), f'(z))."""
    zero, one = T(0), T(1)

    def relu(z):
        return max(z, zero), one if z > zero else zero

    def sigmoid(z):
        a = one / (one + math.exp(-z))
        return a, a * (one - a)

    def tanh(z):
        a = (one + one) / (one + math.exp(-(z + z))) - one  # far cheaper than tanh
        return a, one - a * a

    def arctan(z):
        return math.atan(z), one / (one + z * z)

    def identity(z):
        return z, one

    functions = (relu, sigmoid, tanh, arctan, identity)
    chosen = {f.__name__: f for f in functions}[name]
    return njit(fastmath=True, inline="always")(chosen)


def _random(T):
    """A compiled function (counter, seed) -> uniform in [0, 1), that vectorises."""
    scale = T(2.0**-24)

    @njit(fastmath=True, inline="always")
    def uniform(counter, seed):
        h = np.uint32(counter) * np.uint32(0x9E3779B1) ^ seed
        h ^= h >> np.uint32(16)
        h *= np.uint32(0x85EBCA6B)
        h ^= h >> np.uint32(13)
        h *= np.uint32(0xC2B2AE35)
        h ^= h >> np.uint32(16)
        return T(h >> np.uint32(8)) * scale

    return uniform


def _make_layer(name, rate, T, parallel):
    """(z, b, slope, seed): f(z + b) with dropout into z, its derivative into slope."""
    f, uniform = _activation(name, T), _random(T)
    zero, drop, scale = T(0), T(rate), T(1 / (1 - rate))

    @njit(fastmath=True, parallel=parallel)
    def layer(z, b, slope, seed):
        for i in prange(z.shape[0]):
            for j in range(z.shape[1]):
                a, s = f(z[i, j] + b[j])
                if rate > 0:  # decided while compiling
                    mask = scale
                    if uniform(i * z.shape[1] + j, seed) < drop:
                        mask = zero
                    a, s = a * mask, s * mask
                z[i, j] = a
                slope[i, j] = s

    return layer


def _make_output(loss, T, parallel):
    """(a, slope, y): derivative of the batch's mean loss by z, into a."""
    one, zero = T(1), T(0)

    @njit(fastmath=True, parallel=parallel)
    def softmax(a, slope, y):
        scale = one / T(a.shape[0])
        for i in prange(a.shape[0]):
            top = a[i, 0]
            for j in range(a.shape[1]):
                top = max(top, a[i, j])
            total = zero
            for j in range(a.shape[1]):
                a[i, j] = math.exp(a[i, j] - top)
                total += a[i, j]
            for j in range(a.shape[1]):
                a[i, j] *= scale / total
            a[i, y[i]] -= scale

    @njit(fastmath=True, parallel=parallel)
    def binary(a, slope, y):
        scale = one / T(a.shape[0])
        for i in prange(a.shape[0]):
            for j in range(a.shape[1]):
                a[i, j] = (one / (one + math.exp(-a[i, j])) - y[i, j]) * scale

    @njit(fastmath=True, parallel=parallel)
    def squared(a, slope, y):
        scale = one / T(a.shape[0])
        for i in prange(a.shape[0]):
            for j in range(a.shape[1]):
                a[i, j] = (a[i, j] - y[i, j]) * slope[i, j] * scale

    return {"softmax_cross_entropy": softmax, "binary_cross_entropy": binary}.get(
        loss, squared
    )


def _make_products(workload, T, parallel):
    """Compiled products of the rows with the first layer's W and with dz.

    Sparse rows are (values, columns, starts).  All of W's gradient is made zero again,
    because all of W is updated.
    """
    if not workload.entries:

        @njit(fastmath=True)
        def forward(x, w, z):
            np.dot(x, w, z)

        @njit(fastmath=True)
        def backward(x, dz, g):
            np.dot(x.T, dz, g)

        return forward, backward

    @njit(fastmath=True, parallel=parallel)
    def sparse_forward(x, w, z):
        values, columns, starts = x
        z[:] = T(0)
        for i in prange(z.shape[0]):
            for e in range(starts[i], starts[i + 1]):
                for j in range(z.shape[1]):
                    z[i, j] += values[e] * w[columns[e], j]

    @njit(fastmath=True)
    def sparse_backward(x, dz, g):
        values, columns, starts = x
        g[:] = T(0)
        for i in range(dz.shape[0]):
            for e in range(starts[i], starts[i + 1]):
                for j in range(dz.shape[1]):
                    g[columns[e], j] += values[e] * dz[i, j]

    return sparse_forward, sparse_backward


def _make_batch(workload):
    """Compiled (x, first, last): the rows of a batch."""
    if not workload.entries:
        return njit(lambda x, first, last: x[first:last])

    @njit
    def batch(x, first, last):
        values, columns, starts = x
        return values, columns, starts[first : last + 1]

    return batch


def _make_update(p, T, parallel):
    """(w, g, m, v, l1, l2, threshold, rate, scale2) over one flat array."""
    lr, mu, b1, b2 = T(p.learning_rate), T(p.momentum), T(p.beta1), T(p.beta2)
    rest1, rest2, eps = T(1 - p.beta1), T(1 - p.beta2), T(p.epsilon)
    is_adam, is_momentum = p.optimizer == "adam", p.optimizer == "momentum"
    zero, one = T(0), T(1)

    @njit(fastmath=True, parallel=parallel, error_model="numpy")
    def update(w, g, m, v, l1, l2, threshold, rate, scale2):
        for i in prange(w.size):
            x = w[i]
            sign = one if x > zero else (-one if x < zero else zero)
            d = g[i] + l2 * x + l1 * sign
            limit = threshold
            if is_adam:  # decided while compiling
                m[i] = b1 * m[i] + rest1 * d
                v[i] = b2 * v[i] + rest2 * d * d
                metric = one / (math.sqrt(v[i] * scale2) + eps)
                x -= rate * m[i] * metric
                limit *= metric
            elif is_momentum:
                m[i] = mu * m[i] - lr * d
                x += m[i]
            else:
                x -= lr * d
            w[i] = x - max(min(x, limit), -limit)

    return update


def _make_forward(workload, T, parallel):
    """Compiled forward pass of one batch."""
    last = len(workload.layers) - 1
    hidden = _make_layer(workload.hidden, workload.dropout, T, parallel)
    output = _make_layer(workload.output, 0.0, T, parallel)
    inputs = _make_layer("identity", workload.input_dropout, T, parallel)
    drops_inputs = workload.input_dropout > 0
    product, _ = _make_products(workload, T, parallel)

    @njit(fastmath=True)
    def forward(xb, x, w, b, a, slope, slope0, zeros, seed):
        if drops_inputs:
            x[:] = xb
            inputs(x, zeros, slope0, seed)
            product(x, w[0], a[0])
        else:
            product(xb, w[0], a[0])
        for k in range(last + 1):
            if k > 0:
                np.dot(a[k - 1], w[k], a[k])
            layer_seed = seed + np.uint32(0x1000193 * (k + 1))
            if k < last:
                hidden(a[k], b[k], slope[k], layer_seed)
            else:
                output(a[k], b[k], slope[k], layer_seed)

    return forward


def _make_backward(workload, T, parallel):
    """Compiled backward pass of one batch."""
    last = len(workload.layers) - 1
    gradient = _make_output(workload.loss, T, parallel)
    drops_inputs = workload.input_dropout > 0
    _, product = _make_products(workload, T, parallel)

    @njit(fastmath=True, parallel=parallel)
    def times(da, slope):
        for i in prange(da.shape[0]):
            for j in range(da.shape[1]):
                da[i, j] *= slope[i, j]

    @njit(fastmath=True)
    def column_sums(dz, out):
        out[:] = 0
        for i in range(dz.shape[0]):
            for j in range(dz.shape[1]):
                out[j] += dz[i, j]

    @njit(fastmath=True)
    def backward(xb, x, yb, w, a, slope, gw, gb):
        gradient(a[last], slope[last], yb)
        for k in range(last, -1, -1):
            if k < last:
                times(a[k], slope[k])
            column_sums(a[k], gb[k])
            if k > 0:
                np.dot(a[k - 1].T, a[k], gw[k])
                np.dot(a[k], w[k].T, a[k - 1])
            elif drops_inputs:
                product(x, a[0], gw[0])
            else:
                product(xb, a[0], gw[0])

    return backward


def _make_train(workload, T, parallel):
    """The compiled loop over many steps."""
    p = workload
    forward = _make_forward(p, T, parallel)
    backward = _make_backward(p, T, parallel)
    rows_of = _make_batch(p)
    update = _make_update(p, T, parallel)
    n_layers, batch, epoch = len(p.layers), p.batch, p.steps_per_epoch
    lr, memory, adam = p.learning_rate, 0.0, p.optimizer == "adam"
    if p.optimizer == "momentum":
        memory = p.momentum
    beta1, beta2, zero, l2 = p.beta1, p.beta2, T(0), T(2 * p.l2)
    l1 = T(p.l1 if p.l1_rule == "subgradient" else 0)
    shrink = p.l1 if p.l1_rule == "proximal" else 0.0

    @njit(fastmath=True)
    def train(n, x, y, w, b, buffers, gw, gb, mw, mb, vw, vb):
        xin, a, slope, slope0, zeros = buffers
        response, power1, power2 = 0.0, 1.0, 1.0
        for s in range(n):
            first = s % epoch * batch
            xb, yb = rows_of(x, first, first + batch), y[first : first + batch]
            forward(xb, xin, w, b, a, slope, slope0, zeros, np.uint32(s * 7919))
            backward(xb, xin, yb, w, a, slope, gw, gb)
            response = memory * response + lr
            power1, power2 = power1 * beta1, power2 * beta2
            rate = T(lr / (1 - power1)) if adam else zero
            scale2 = T(1 / (1 - power2)) if adam else zero
            limit = T(shrink * response)
            for k in range(n_layers):
                flat, g = w[k].reshape(-1), gw[k].reshape(-1)
                update(flat, g, mw[k], vw[k], l1, l2, limit, rate, scale2)
                update(b[k], gb[k], mb[k], vb[k], zero, zero, zero, rate, scale2)

    return train


class Peer(BasePeer):
    """One call of a compiled loop."""

    def __init__(self, workload, threads):
        T = np.dtype(workload.dtype).type
        self._x, self._y = workload.data()
        n, widths = workload.batch, workload.sizes
        if workload.entries:
            x = self._x
            self._x = x.data, x.indices, x.indptr
            widths = (1, *widths[1:])  # no buffers for rows
        largest = max(n * max(widths), max(i * o for i, o in workload.layers))
        parallel = threads > 1 and largest >= _PARALLEL_ELEMENTS
        self._train = _make_train(workload, T, parallel)
        rows = [np.empty((n, width), T) for width in (widths[0], *widths)]
        outputs = [np.empty((n, width), T) for width in widths[1:]]
        slopes = tuple(np.empty_like(a) for a in outputs)
        zeros = np.zeros(widths[0], T)
        self._buffers = (rows[0], tuple(outputs), slopes, rows[1], zeros)

    def set_weights(self, weights):
        def zeros(flat):
            pairs = weights[0::2], weights[1::2]
            return [
                tuple(np.zeros(a.size if flat else a.shape, a.dtype) for a in part)
                for part in pairs
            ]

        self._weights = [w.copy() for w in weights]
        self._arrays = [*zeros(False), *zeros(True), *zeros(True)]

    def get_weights(self):
        return [w.copy() for w in self._weights]

    def steps(self, n):
        w = self._weights
        arrays = tuple(w[0::2]), tuple(w[1::2]), self._buffers, *self._arrays
        self._train(n, self._x, self._y, *arrays)
