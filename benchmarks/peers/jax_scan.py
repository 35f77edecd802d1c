"""JAX: a whole epoch under lax.scan, jitted, its state donated.

Dropout masks come from the generator that is fastest on a CPU ("rbg").
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from . import BasePeer

_ACTIVATIONS = {
    "relu": lambda z: jnp.maximum(z, 0),
    "sigmoid": jax.nn.sigmoid,
    "tanh": jnp.tanh,
    "arctan": jnp.arctan,
    "identity": lambda z: z,
}


def _dropout(key, x, rate):
    if not rate:
        return x
    return jnp.where(jax.random.bernoulli(key, 1 - rate, x.shape), x / (1 - rate), 0)


def _data_loss(workload, params, x, y, key):
    keys = jax.random.split(key, len(workload.layers)) if workload.dropout else key
    x = _dropout(keys[0] if workload.dropout else key, x, workload.input_dropout)
    last = len(workload.activations) - 1
    for i, activation in enumerate(workload.activations):
        x = _ACTIVATIONS[activation](x @ params[2 * i] + params[2 * i + 1])
        if i < last and workload.dropout:
            x = _dropout(keys[i + 1], x, workload.dropout)
    if workload.loss == "softmax_cross_entropy":
        chosen = jnp.take_along_axis(x, y[:, None], axis=1)[:, 0]
        return jnp.mean(jax.nn.logsumexp(x, axis=1) - chosen)
    if workload.loss == "binary_cross_entropy":
        return jnp.sum(jax.nn.softplus(x) - x * y) / len(x)
    return jnp.sum((x - y) ** 2) * (0.5 / len(x))


def _update(p, w, g, m, v, penalised, scalars):
    """(w, m, v) of one parameter after the step."""
    response, correction1, correction2 = scalars
    if penalised:
        g = g + 2 * p.l2 * w
        if p.l1_rule == "subgradient":
            g = g + p.l1 * jnp.sign(w)
    metric = 1
    if p.optimizer == "adam":
        m = p.beta1 * m + (1 - p.beta1) * g
        v = p.beta2 * v + (1 - p.beta2) * g * g
        metric = jnp.sqrt(v / correction2) + p.epsilon
        w = w - p.learning_rate / correction1 * m / metric
    elif p.optimizer == "momentum":
        m = p.momentum * m - p.learning_rate * g
        w = w + m
    else:
        w = w - p.learning_rate * g
    if penalised and p.l1_rule == "proximal":
        limit = p.l1 * response / metric
        w = w - jnp.clip(w, -limit, limit)
    return w, m, v


def _step(workload, state, batch):
    params, ms, vs, (response, power1, power2), key = state
    key, used = jax.random.split(key) if workload.dropout else (key, key)
    loss = partial(_data_loss, workload)
    gs = jax.grad(loss)(params, *batch, used)
    memory = workload.momentum if workload.optimizer == "momentum" else 0
    response = memory * response + workload.learning_rate
    power1, power2 = power1 * workload.beta1, power2 * workload.beta2
    scalars = response, 1 - power1, 1 - power2
    new = [
        _update(workload, w, g, m, v, i % 2 == 0, scalars)
        for i, (w, g, m, v) in enumerate(zip(params, gs, ms, vs, strict=True))
    ]
    params, ms, vs = (list(part) for part in zip(*new, strict=True))
    return (params, ms, vs, (response, power1, power2), key), None


class Peer(BasePeer):
    """One compiled call per epoch."""

    def __init__(self, workload, threads):
        jax.config.update("jax_enable_x64", workload.dtype == "float64")
        self._w = workload
        x, y = workload.data()
        if y.dtype == np.int64:
            y = y.astype(np.int32)
        steps = workload.steps_per_epoch
        self._batches = [
            jnp.asarray(a.reshape(steps, workload.batch, *a.shape[1:])) for a in (x, y)
        ]
        self._epoch = jax.jit(
            lambda state, xs, ys: jax.lax.scan(
                partial(_step, workload), state, (xs, ys)
            )[0],
            donate_argnums=0,
        )

    def set_weights(self, weights):
        uses_m = self._w.optimizer != "sgd"
        uses_v = self._w.optimizer == "adam"
        empty = jnp.zeros(0, self._w.dtype)
        one = np.dtype(self._w.dtype).type
        self._state = (
            [jnp.array(w) for w in weights],
            [jnp.zeros_like(w) if uses_m else empty.copy() for w in weights],
            [jnp.zeros_like(w) if uses_v else empty.copy() for w in weights],
            tuple(jnp.asarray(one(c)) for c in (0, 1, 1)),
            jax.random.key(3, impl="rbg"),
        )
        jax.block_until_ready(self._state)

    def get_weights(self):
        return [np.array(w) for w in self._state[0]]

    def steps(self, n):
        for _ in range(n // self._w.steps_per_epoch):
            self._state = self._epoch(self._state, *self._batches)
        jax.block_until_ready(self._state)
