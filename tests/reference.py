"""The oracle: the library's mathematics in plain float64 NumPy, written like the book.

Nothing here is optimised and nothing is shared with the library, so that an error has
to be made twice to go unnoticed.  Arrays are row-major with one sample per row, weights
are (n_in, n_out), and a network's weights are the flat list [W0, b0, W1, b1, ...].
"""

import math
from dataclasses import dataclass, field, replace

import numpy as np

# ---------------------------------------------------------------- dense products


def dense_forward(x, w, b=None):
    """z = x w + b."""
    z = _f64(x) @ _f64(w)
    return z if b is None else z + _f64(b)


def dense_input_gradient(dz, w):
    """dx = dz wᵀ."""
    return _f64(dz) @ _f64(w).T


def dense_weight_gradient(x, dz):
    """dw = xᵀ dz."""
    return _f64(x).T @ _f64(dz)


def _f64(x):
    return np.asarray(x, dtype=np.float64)


# ---------------------------------------------------------- elementary functions

erf = np.vectorize(math.erf, otypes=[np.float64])
erfc = np.vectorize(math.erfc, otypes=[np.float64])


def sigmoid(z):
    """1 / (1 + e^-z), by the branch whose exponential cannot overflow."""
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1 / (1 + e), e / (1 + e))


def softplus(z):
    """log(1 + e^z) = max(z, 0) + log(1 + e^-|z|)."""
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))


def normal_cdf(z):
    return erfc(-z / math.sqrt(2)) / 2


def normal_pdf(z):
    return np.exp(-z * z / 2) / math.sqrt(2 * math.pi)


# ------------------------------------------------------------------- activations

# Klambauer et al. 2017
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805

# name: (f(z, param), f'(z, param)); param is the alpha of leaky_relu and elu.
ACTIVATIONS = {
    "identity": (lambda z, p: z, lambda z, p: np.ones_like(z)),
    "relu": (lambda z, p: np.maximum(z, 0), lambda z, p: np.where(z > 0, 1.0, 0.0)),
    "leaky_relu": (
        lambda z, p: np.where(z > 0, z, p * z),
        lambda z, p: np.where(z > 0, 1.0, p),
    ),
    "elu": (
        lambda z, p: np.where(z > 0, z, p * np.expm1(np.minimum(z, 0))),
        lambda z, p: np.where(z > 0, 1.0, p * np.exp(np.minimum(z, 0))),
    ),
    "sigmoid": (
        lambda z, p: sigmoid(z),
        lambda z, p: sigmoid(z) * sigmoid(-z),
    ),
    "tanh": (
        lambda z, p: np.tanh(z),
        lambda z, p: 4 * sigmoid(2 * z) * sigmoid(-2 * z),
    ),
    "arctan": (lambda z, p: np.arctan(z), lambda z, p: 1 / (1 + z * z)),
    "softsign": (
        lambda z, p: z / (1 + np.abs(z)),
        lambda z, p: 1 / (1 + np.abs(z)) ** 2,
    ),
    "isru": (
        lambda z, p: z / np.hypot(1, z),
        lambda z, p: np.hypot(1, z) ** -3,
    ),
    "softplus": (lambda z, p: softplus(z), lambda z, p: sigmoid(z)),
    "gelu": (
        lambda z, p: z * normal_cdf(z),
        lambda z, p: normal_cdf(z) + z * normal_pdf(z),
    ),
    "silu": (
        lambda z, p: z * sigmoid(z),
        lambda z, p: sigmoid(z) * (1 + z * sigmoid(-z)),
    ),
    "selu": (
        lambda z, p: (
            SELU_SCALE * np.where(z > 0, z, SELU_ALPHA * np.expm1(np.minimum(z, 0)))
        ),
        lambda z, p: (
            SELU_SCALE * np.where(z > 0, 1.0, SELU_ALPHA * np.exp(np.minimum(z, 0)))
        ),
    ),
    "mish": (
        lambda z, p: z * np.tanh(softplus(z)),
        lambda z, p: np.tanh(softplus(z)) + z * sigmoid(z) / np.cosh(softplus(z)) ** 2,
    ),
}


def activation_forward(name, z, param=0.0):
    """(f(z), f'(z))."""
    f, slope = ACTIVATIONS[name]
    return f(_f64(z), param), slope(_f64(z), param)


def softmax_forward(z):
    """a_j = e^z_j / Σ e^z_k, row by row."""
    e = np.exp(_f64(z) - np.max(z, axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def softmax_backward(da, a):
    """dz_j = a_j (da_j - Σ da_k a_k)."""
    return _f64(a) * (da - (_f64(da) * a).sum(axis=1, keepdims=True))


# ------------------------------------------------------------------------ losses


def smoothed(y, a, classes):
    """Szegedy et al. 2016."""
    return (1 - a) * y + a / classes


def _softmax_cross_entropy(z, y, smoothing):
    y = smoothed(y, smoothing, z.shape[1])
    top = z.max(axis=1, keepdims=True)
    log_sum = top + np.log(np.exp(z - top).sum(axis=1, keepdims=True))
    total = y.sum(axis=1, keepdims=True)
    return y * (log_sum - z), total * softmax_forward(z) - y


def _binary_cross_entropy(z, y, smoothing):
    y = smoothed(y, smoothing, 2)
    # y softplus(-z) + (1 - y) softplus(z): no difference of large numbers.
    return y * softplus(-z) + (1 - y) * softplus(z), sigmoid(z) - y


def _squared_error(z, y, param):
    return (z - y) ** 2 / 2, z - y


def _mse(z, y, param):
    return (z - y) ** 2 / z.shape[1], 2 * (z - y) / z.shape[1]


def _absolute_error(z, y, param):
    return np.abs(z - y), np.sign(z - y)


def _mae(z, y, param):
    return np.abs(z - y) / z.shape[1], np.sign(z - y) / z.shape[1]


def _huber(z, y, delta):
    r = z - y
    inside = np.abs(r) <= delta
    value = np.where(inside, r * r / 2, delta * (np.abs(r) - delta / 2))
    return value, np.where(inside, r, delta * np.sign(r))


def _quantile(z, y, q):
    r = y - z
    slope = np.where(r > 0, -q, 1 - q)
    return np.maximum(q * r, (q - 1) * r), np.where(r == 0, 0.0, slope)


def _poisson(z, y, param):
    return np.exp(z) - y * z, np.exp(z) - y


LOSSES = {
    "softmax_cross_entropy": _softmax_cross_entropy,
    "binary_cross_entropy": _binary_cross_entropy,
    "squared_error": _squared_error,
    "mse": _mse,
    "absolute_error": _absolute_error,
    "mae": _mae,
    "huber": _huber,
    "quantile": _quantile,
    "poisson": _poisson,
}


def one_hot(labels, n_classes):
    return np.eye(n_classes)[np.asarray(labels)]


def loss_rows(name, z, y, scale=None, param=0.0):
    """(loss of each row, its derivative with respect to z times the row's scale)."""
    z, y = _f64(z), np.asarray(y)
    y = one_hot(y, z.shape[1]) if y.ndim == 1 else _f64(y)
    terms, dz = LOSSES[name](z, y, param)
    scale = np.ones(len(z)) if scale is None else _f64(scale)
    return terms.sum(axis=1), dz * scale[:, None]


# ---------------------------------------------------------- random numbers, dropout


def philox4x32(counter, key):
    """Ten rounds of Philox (Salmon et al. 2011): counter (..., 4), key (2,), uint32."""
    c = [np.asarray(counter, dtype=np.uint64)[..., i] for i in range(4)]
    k = [np.uint64(word) for word in key]
    low, shift = np.uint64(0xFFFFFFFF), np.uint64(32)
    for _ in range(10):
        a = np.uint64(0xD2511F53) * c[0]
        b = np.uint64(0xCD9E8D57) * c[2]
        c = [(b >> shift) ^ c[1] ^ k[0], b & low, (a >> shift) ^ c[3] ^ k[1], a & low]
        k = [(k[0] + np.uint64(0x9E3779B9)) & low, (k[1] + np.uint64(0xBB67AE85)) & low]
    return np.stack(c, axis=-1).astype(np.uint32)


def dropout_mask(n_rows, n_units, rate, seed, step, layer, first_row=0):
    """1/keep where a unit is kept, else 0: word j mod 4 of block (row, j div 4)."""
    row, block = np.indices((n_rows, -(-n_units // 4)))
    counter = np.empty((*row.shape, 4), dtype=np.uint64)
    counter[..., 0] = (row + first_row) & 0xFFFFFFFF
    counter[..., 1] = block
    counter[..., 2] = step & 0xFFFFFFFF
    counter[..., 3] = layer | (step >> 32) << 16
    words = philox4x32(counter, (seed & 0xFFFFFFFF, seed >> 32))
    words = words.reshape(n_rows, 4 * block.shape[1])[:, :n_units]
    keep = 1 - rate
    return (words.astype(np.float64) < math.floor(keep * 2**32)) / keep


# --------------------------------------------------------------------- penalties


@dataclass
class Penalty:
    """l1 Σ|w| + l2 Σw², and the rule by which the l1 part is applied."""

    l1: float = 0.0
    l2: float = 0.0
    l1_rule: str = "cumulative"
    sign_at_zero: int = 0
    non_negative: bool = False
    group: str | list | None = None  # "units" (columns), "inputs" or lists (rows)
    group_rule: str | None = None
    group_strength: float = 0.0


def penalty_value(w, penalty):
    group = 0.0
    if penalty.group and not isinstance(penalty.group, str):
        group = penalty.group_strength * sum(
            np.sqrt(len(rows)) * np.linalg.norm(_f64(w)[list(rows)])
            for rows in penalty.group
        )
    elif penalty.group:
        axis = 0 if penalty.group == "units" else 1
        group = penalty.group_strength * np.linalg.norm(_f64(w), axis=axis).sum()
    return (
        group + penalty.l1 * np.abs(_f64(w)).sum() + penalty.l2 * (_f64(w) ** 2).sum()
    )


def penalty_sums(w):
    """(Σ|w|, Σw², exact zeros)."""
    return np.abs(_f64(w)).sum(), (_f64(w) ** 2).sum(), int((np.asarray(w) == 0).sum())


def prox_l1(w, threshold):
    """S(w, t) = sign(w) max(|w| - t, 0): towards zero, never across it."""
    return np.sign(w) * np.maximum(np.abs(_f64(w)) - threshold, 0)


def l1_subgradient(w, l1, sign_at_zero=0):
    return l1 * np.where(w == 0, sign_at_zero, np.sign(w))


def pay_debt(w, q, threshold, credit):
    """The cumulative rule (Tsuruoka et al. 2009): (w, q) after paying what is owed.

    `credit` steps of penalty are owed by now and q, in steps, is what the weight has
    paid, so that it can pay anything between q - credit and q + credit.
    """
    payment = np.clip(w, threshold * (q - credit), threshold * (q + credit))
    return w - payment, q - payment / threshold


def prox_group(w, threshold, group):
    """argmin_x Σ (x - w)²/(2 t) + |x| for every group of w (n_in, n_out), t one number
    or an array like w; |x| is found by bisection.

    Lists of rows are groups of several inputs, whose t is sqrt(rows) times as large.
    """
    if not isinstance(group, str):
        x, t = np.empty(np.shape(w)), np.broadcast_to(threshold, np.shape(w))
        for rows in map(list, group):
            column, tall = _f64(w)[rows].reshape(-1, 1), t[rows].reshape(-1, 1)
            alone = prox_group(column, np.sqrt(len(rows)) * tall, "units")
            x[rows] = alone.reshape(len(rows), -1)
        return x
    w = _f64(w) if group == "units" else _f64(w).T
    t = np.broadcast_to(threshold, w.shape if group == "units" else w.shape[::-1])
    t = t if group == "units" else t.T
    charged = t.max(axis=0) > 0
    x = np.where(charged, 0.0, w)
    left = np.flatnonzero(charged)
    left = left[((w[:, left] / t[:, left]) ** 2).sum(axis=0) > 1]
    w, t = w[:, left], t[:, left]
    low, high = np.zeros(len(left)), np.linalg.norm(w, axis=0)
    for _ in range(200):
        s = (low + high) / 2
        if ((s == low) | (s == high)).all():
            break  # no number is between
        inside = ((w / (s + t)) ** 2).sum(axis=0) < 1
        low, high = np.where(inside, low, s), np.where(inside, s, high)
    x[:, left] = w * s / (s + t)
    return x if group == "units" else x.T


def pay_group_debt(w, q, threshold, credit, group, single=0.0):
    """(w, q) after every group has paid: past payments undone, all debt charged at once.

    `single` is the threshold of an l1 penalty that is charged with the groups'.
    q = (after - before) / threshold, without the difference of near numbers.
    """
    if not isinstance(group, str):
        threshold = np.broadcast_to(threshold, np.shape(w))
        single = np.broadcast_to(single, np.shape(w))
        new = np.empty(np.shape(w)), np.empty(np.shape(w))
        for rows in map(list, group):
            columns = [_f64(a)[rows].reshape(-1, 1) for a in (w, q, threshold, single)]
            columns[2] = np.sqrt(len(rows)) * columns[2]
            pair = pay_group_debt(*columns[:3], credit, "units", columns[3])
            for array, part in zip(new, pair, strict=True):
                array[rows] = part.reshape(len(rows), -1)
        return new
    before = w - threshold * q
    left = prox_l1(before, credit * single)
    after = prox_group(left, credit * threshold, group)
    norm = np.linalg.norm(after, axis=0 if group == "units" else 1, keepdims=True)
    paid = np.clip(before, -credit * single, credit * single) / threshold
    return after, -paid - credit * left / (norm + credit * threshold)


def max_norm(w, limit):
    """Shrink each unit's incoming weights (a column) to a norm of at most `limit`."""
    norm = np.sqrt((_f64(w) ** 2).sum(axis=0))
    return w * np.minimum(1, limit / np.maximum(norm, np.finfo(float).tiny))


def prox_lassonet(v, u, t, r, strength, hierarchy):
    """(b, w) of one input: argmin of Σ (b - v)²/2t + Σ (w - u)²/2r + strength |b| subject
    to |w| <= hierarchy |b|, by bisection on s = |b|; t, r: steps of a unit gradient."""
    v, u, t, r = (_f64(a) for a in (v, u, t + 0 * v, r + 0 * u))

    def pull(s):
        return (
            strength - hierarchy * (np.maximum(np.abs(u) - hierarchy * s, 0) / r).sum()
        )

    def too_small(s):
        """True below the root of |b(s)| = s."""
        a = s + t[v != 0] * pull(s)
        return np.any(a <= 0) or ((v[v != 0] / a) ** 2).sum() > 1

    c = pull(0.0)
    if not v.any() or (c >= 0 and ((v / t) ** 2).sum() <= c**2):
        return np.zeros_like(v), np.zeros_like(u)
    low, high = 0.0, 1.0
    while too_small(high):
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break  # no number is between
        low, high = (middle, high) if too_small(middle) else (low, middle)
    s = high
    return v * s / (s + t * pull(s)), np.clip(u, -hierarchy * s, hierarchy * s)


# -------------------------------------------------------------------- optimisers


def _at(value, step):
    """A number, or what a function of the step counted from 0 has there."""
    return value(step) if callable(value) else value


@dataclass
class Optimizer:
    """One optimiser and the scalars that the whole network shares.

    velocity: minus what momentum has made of a gradient of 1 in every step so far;
    credit: the steps of penalty owed so far, old ones forgotten at `credit_decay`.
    """

    kind: str = "sgd"
    learning_rate: object = 0.01  # a number, or a function of the step counted from 0
    momentum: float = 0.9
    beta1: float = 0.9
    beta2: float = 0.999  # Adam's, and the rho of RMSprop
    epsilon: float = 1e-8
    weight_decay: object = 0.0  # a number, or a function of the step
    credit_decay: float = 1.0
    clip_norm: float | None = None
    t: int = 0
    rate: float = 0.0
    velocity: float = 0.0
    credit: float = 0.0
    state: dict = field(default_factory=dict)  # arrays m, v, q by weight index

    def clipped(self, gradients):
        """Of norm clip_norm at most, over all arrays (Pascanu et al. 2013)."""
        norm = math.sqrt(sum((_f64(g) ** 2).sum() for g in gradients))
        if self.clip_norm is None or norm <= self.clip_norm:
            return gradients
        return [g * (self.clip_norm / norm) for g in gradients]

    def begin_step(self):
        """Advance the scalars: once per step, before the first weight."""
        self.rate = _at(self.learning_rate, self.t)
        self.t += 1
        self.velocity = self.momentum * self.velocity + self.rate
        self.credit = self.credit_decay * self.credit + 1

    def unit_response(self):
        """The step for a constant unit gradient, before a weight's own metric."""
        if self.kind == "momentum":
            return self.velocity
        if self.kind == "nesterov":
            return self.momentum * self.velocity + self.rate
        return self.rate

    def update(self, index, w, g, penalty=None, rate_factor=1.0):
        """The new value of weight array `index`, whose data gradient is g."""
        if rate_factor != 1:
            rates = self.rate * rate_factor, self.velocity * rate_factor
            own = replace(self, rate=rates[0], velocity=rates[1])
            return own.update(index, w, g, penalty)
        penalty = penalty or Penalty()
        s = self.state.setdefault(index, {k: np.zeros_like(w) for k in "mvq"})
        rule = penalty.l1_rule if penalty.l1 > 0 else "none"
        w, data_g = _f64(w), _f64(g)
        g = data_g + 2 * penalty.l2 * w
        if rule == "subgradient":
            g = g + l1_subgradient(w, penalty.l1, penalty.sign_at_zero)
        s["v"] = self._second_moment(s["v"], data_g if self.kind == "ftrl" else g)
        metric = self._metric(s["v"], penalty.l2)
        threshold = penalty.l1 * self.unit_response() / metric
        if rule == "shrink_first":
            w = prox_l1(w, threshold)
        w = self._step(w, g, s, metric)
        if rule == "proximal":
            w = prox_l1(w, threshold)
        both = rule == penalty.group_rule == "cumulative"
        if rule == "cumulative" and not both:
            w, s["q"] = pay_debt(w, self.credit_decay * s["q"], threshold, self.credit)
        w = np.maximum(w, 0) if penalty.non_negative else w
        if penalty.group:
            t = penalty.group_strength * self.unit_response() / metric
            if penalty.group_rule == "cumulative":
                q = self.credit_decay * s["q"]
                single = threshold if both else 0.0
                w, s["q"] = pay_group_debt(w, q, t, self.credit, penalty.group, single)
            else:
                w = prox_group(w, t, penalty.group)
        return w

    def _second_moment(self, v, g):
        if self.kind in ("adagrad", "ftrl"):
            return v + g**2
        if self.kind in ("rmsprop", "adam", "adamw"):
            return self.beta2 * v + (1 - self.beta2) * g**2
        return v

    def _metric(self, v, l2=0.0):
        """What the optimiser divides a weight's gradient by."""
        if self.kind == "ftrl":
            return np.sqrt(v) + self.epsilon + 2 * l2 * self.rate * self.credit
        if self.kind in ("adagrad", "rmsprop"):
            return np.sqrt(v) + self.epsilon
        if self.kind in ("adam", "adamw"):
            return np.sqrt(v / (1 - self.beta2**self.t)) + self.epsilon
        return 1.0

    def _step(self, w, g, s, metric):
        if self.kind in ("momentum", "nesterov"):
            s["m"] = self.momentum * s["m"] - self.rate * g
            if self.kind == "momentum":
                return w + s["m"]
            return w + self.momentum * s["m"] - self.rate * g
        if self.kind == "adamw":
            w = w * (1 - self.rate * _at(self.weight_decay, self.t - 1))
        if self.kind in ("adam", "adamw"):
            s["m"] = self.beta1 * s["m"] + (1 - self.beta1) * g
            g = s["m"] / (1 - self.beta1**self.t)
        return w - self.rate * g / metric


def ftrl(w, gradient, steps, alpha, beta, l1, l2):
    """The weights after FTRL-Proximal as its papers have it, by the sums z and n.

    Algorithm 1 of McMahan et al. 2013 with l1 and l2 counted in every step (McMahan 2011);
    z is such that w, not 0, is where it begins.  gradient(w): of the data loss.
    """
    z, n = -beta / alpha * w, np.zeros_like(w)
    for step in range(1, steps + 1):
        g = gradient(w)
        sigma = (np.sqrt(n + g * g) - np.sqrt(n)) / alpha
        z, n = z + g - sigma * w, n + g * g
        owed = (beta + np.sqrt(n)) / alpha + 2 * step * l2
        w = -prox_l1(z, step * l1) / owed
    return w


def kink(w, a):
    """The bias of a unit with the weights w whose z is 0 where its inputs are a."""
    return -(_f64(w) * _f64(a)).sum()


# --------------------------------------------------------------- a whole network


@dataclass
class Dense:
    activation: str = "identity"
    activation_param: float = 0.0
    weight_penalty: Penalty | None = None
    bias_penalty: Penalty | None = None
    max_norm: float | None = None
    rate_factor: float = 1.0
    bias_factor: float = 1.0


@dataclass
class Dropout:
    rate: object  # a number, or a function of the step


@dataclass
class Network:
    """layers, in order; the weights are arguments, never state."""

    layers: list
    loss: str
    loss_param: float = 0.0

    def loss_and_gradients(self, weights, x, y, sample_weight=None, masks=None):
        """(Σ wᵢ lᵢ / Σ wᵢ, its derivative by each array of `weights`)."""
        a, inputs, slopes, remaining, masks = (
            _f64(x),
            [],
            [],
            list(weights),
            iter(masks or []),
        )
        for layer in self.layers:
            if isinstance(layer, Dropout):
                mask = next(masks)
                a = a * mask
                slopes.append(mask)
                continue
            w, b, *remaining = remaining
            inputs.append(a)
            z = dense_forward(a, w, b)
            if layer.activation == "softmax":
                a, slope = softmax_forward(z), None
            else:
                a, slope = activation_forward(
                    layer.activation, z, layer.activation_param
                )
            slopes.append(slope)
        sample_weight = np.ones(len(a)) if sample_weight is None else sample_weight
        scale = _f64(sample_weight) / np.sum(sample_weight, dtype=np.float64)
        rows, da = loss_rows(self.loss, a, y, scale, self.loss_param)
        return (scale * rows).sum(), self._backward(weights, inputs, slopes, a, da)

    def _backward(self, weights, inputs, slopes, output, da):
        gradients, weights, inputs = [], list(weights), list(inputs)
        for layer, slope in zip(self.layers[::-1], slopes[::-1], strict=True):
            if isinstance(layer, Dropout):
                da = da * slope
                continue
            dz = softmax_backward(da, output) if slope is None else da * slope
            (w, _b), weights = weights[-2:], weights[:-2]
            gradients[:0] = [dense_weight_gradient(inputs.pop(), dz), dz.sum(axis=0)]
            da = dense_input_gradient(dz, w)
        return gradients

    def penalty(self, weights):
        pairs = zip(weights, self._penalties(), strict=True)
        return sum(penalty_value(w, p) for w, p in pairs if p is not None)

    def _rate_factors(self):
        dense = [layer for layer in self.layers if isinstance(layer, Dense)]
        return [
            f for d in dense for f in (d.rate_factor, d.rate_factor * d.bias_factor)
        ]

    def _penalties(self):
        dense = [layer for layer in self.layers if isinstance(layer, Dense)]
        return [p for d in dense for p in (d.weight_penalty, d.bias_penalty)]

    def train_step(self, weights, x, y, optimizer, sample_weight=None, masks=None):
        """(data loss before the step, weights after it)."""
        loss, g = self.loss_and_gradients(weights, x, y, sample_weight, masks)
        optimizer.begin_step()
        g = optimizer.clipped(g)
        new = [
            optimizer.update(i, w, g[i], p, factor)
            for i, (w, p, factor) in enumerate(
                zip(weights, self._penalties(), self._rate_factors(), strict=True)
            )
        ]
        dense = [layer for layer in self.layers if isinstance(layer, Dense)]
        for i, layer in enumerate(dense):
            if layer.max_norm is not None:
                new[2 * i] = max_norm(new[2 * i], layer.max_norm)
        return loss, new

    def epoch(self, weights, x, y, optimizer, batch_size, order=None, seed=0):
        """Weights after one pass over the rows in `order`, dropout drawn from seed."""
        order = np.arange(len(x)) if order is None else order
        for start in range(0, len(x), batch_size):
            rows = order[start : start + batch_size]
            masks = self.draw_masks(weights, x.shape[1], len(rows), seed, optimizer.t)
            _, weights = self.train_step(
                weights, x[rows], y[rows], optimizer, masks=masks
            )
        return weights

    def draw_masks(self, weights, n_in, n_rows, seed, step):
        """The masks of one step; a mask's number is that of the Dense layers before."""
        masks, units, number = [], n_in, 0
        for layer in self.layers:
            if isinstance(layer, Dropout):
                rate = _at(layer.rate, step)
                masks.append(dropout_mask(n_rows, units, rate, seed, step, number))
            else:
                units = weights[2 * number].shape[1]
                number += 1
        return masks


@dataclass
class Members(Network):
    """Networks in one: member i has z = s_i ((r_i x) W) + b_i in its hidden layers, with W
    the same for all, and a last layer of its own.

    The weights are [W0, r0, s0, b0, ..., W, b]; all but the first W have a row, or a
    matrix, for each member.  The objective is the mean of the members' objectives.
    """

    def loss_and_gradients(self, weights, x, y, sample_weight=None, masks=None):
        """(mean of the members' losses, its derivative by each array)."""
        members, masks = len(weights[-1]), masks or []
        loss, gradients = 0.0, [np.zeros_like(_f64(w)) for w in weights]
        for i in range(members):
            own = [mask[i] for mask in masks]
            part = self._member(weights, gradients, i, x, y, sample_weight, own)
            loss += part / members
        return loss, [g / members for g in gradients]

    def _member(self, weights, gradients, i, x, y, sample_weight, masks):
        """The loss of member i; adds its derivatives to `gradients`."""
        a, masks, at, done = _f64(x), iter(masks), 0, []
        for layer in self.layers:
            if isinstance(layer, Dropout):
                mask = next(masks)
                a = a * mask
                done.append((None, mask))
                continue
            if at == len(weights) - 2:
                done.append((at, a))
                a = a @ weights[at][i] + weights[at + 1][i]
                continue
            w, r, s, b = (_f64(v) for v in weights[at : at + 4])
            u = (a * r[i]) @ w
            z = s[i] * u + b[i]
            done.append((at, (a, u, z)))
            a = activation_forward(layer.activation, z, layer.activation_param)[0]
            at += 4
        sample_weight = np.ones(len(a)) if sample_weight is None else sample_weight
        scale = _f64(sample_weight) / np.sum(sample_weight, dtype=np.float64)
        rows, da = loss_rows(self.loss, a, y, scale, self.loss_param)
        for layer, (at, kept) in zip(self.layers[::-1], done[::-1], strict=True):
            if at is None:
                da = da * kept
            elif at == len(weights) - 2:
                gradients[at][i] += kept.T @ da
                gradients[at + 1][i] += da.sum(axis=0)
                da = da @ _f64(weights[at][i]).T
            else:
                da = self._hidden(layer, weights, gradients, i, at, kept, da)
        return (scale * rows).sum()

    def _hidden(self, layer, weights, gradients, i, at, kept, da):
        w, r, s, _ = (_f64(v) for v in weights[at : at + 4])
        a, u, z = kept
        dz = da * activation_forward(layer.activation, z, layer.activation_param)[1]
        du = dz * s[i]
        gradients[at] += (a * r[i]).T @ du
        gradients[at + 1][i] += ((du @ w.T) * a).sum(axis=0)
        gradients[at + 2][i] += (dz * u).sum(axis=0)
        gradients[at + 3][i] += dz.sum(axis=0)
        return (du @ w.T) * r[i]

    def _penalties_of(self, weights):
        """(the penalty, whether each member has its own) of each array."""
        dense = [layer for layer in self.layers if isinstance(layer, Dense)]
        for d in dense[:-1]:
            yield from [(d.weight_penalty, False), (None, True), (None, True)]
            yield (d.bias_penalty, True)
        yield from [(dense[-1].weight_penalty, True), (dense[-1].bias_penalty, True)]

    def _rate_factors(self):
        dense = [layer for layer in self.layers if isinstance(layer, Dense)]
        found = []
        for d in dense:
            own = 1 if d is dense[-1] else 3
            found += [d.rate_factor] * own + [d.rate_factor * d.bias_factor]
        return found

    def penalty(self, weights):
        value = 0.0
        for w, (p, own) in zip(weights, self._penalties_of(weights), strict=True):
            if p is not None:
                value += np.mean([penalty_value(v, p) for v in (w if own else [w])])
        return value

    def train_step(self, weights, x, y, optimizer, sample_weight=None, masks=None):
        """(data loss before the step, weights after it)."""
        loss, g = self.loss_and_gradients(weights, x, y, sample_weight, masks)
        optimizer.begin_step()
        g = optimizer.clipped(g)
        members, new, factors = len(weights[-1]), [], self._rate_factors()
        for n, (p, own) in enumerate(self._penalties_of(weights)):
            if not own:
                new.append(optimizer.update(n, weights[n], g[n], p, factors[n]))
                continue
            p = p and replace(
                p,
                l1=p.l1 / members,
                l2=p.l2 / members,
                group_strength=p.group_strength / members,
            )
            rows = [
                optimizer.update((n, i), weights[n][i], g[n][i], p, factors[n])
                for i in range(members)
            ]
            new.append(np.stack(rows))
        return loss, new

    def draw_masks(self, weights, n_in, n_rows, seed, step):
        """Member i draws as layer + i (number of Dense layers + 1)."""
        dense = sum(isinstance(layer, Dense) for layer in self.layers)
        masks, units, number = [], n_in, 0
        for layer in self.layers:
            if isinstance(layer, Dropout):
                rate = _at(layer.rate, step)
                drawn = [
                    dropout_mask(
                        n_rows, units, rate, seed, step, number + i * (dense + 1)
                    )
                    for i in range(len(weights[-1]))
                ]
                masks.append(drawn)
            else:
                units = weights[4 * number].shape[-1]
                number += 1
        return masks


# ------------------------------------------------------------------------- Lasso


def lasso(x, y, l1, sweeps=300):
    """argmin of |x w - y|²/(2n) + l1 Σ|w| by cyclic coordinate descent."""
    n, w = len(x), np.zeros(x.shape[1])
    curvature = (x**2).sum(axis=0) / n
    for _ in range(sweeps):
        for j in range(len(w)):
            others = y - x @ w + x[:, j] * w[j]
            w[j] = prox_l1(x[:, j] @ others / n, l1) / curvature[j]
    return w


def numerical_gradient(f, x, h=1e-3):
    """Fourth-order central differences of a scalar function of the array x."""
    g = np.empty_like(x)
    for i in np.ndindex(x.shape):
        at = {}
        for k in (-2, -1, 1, 2):
            moved = x.copy()
            moved[i] += k * h
            at[k] = f(moved)
        g[i] = (at[-2] - 8 * at[-1] + 8 * at[1] - at[2]) / (12 * h)
    return g
