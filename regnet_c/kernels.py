"""The C kernels on plain NumPy arrays, for teaching, testing and composition.

Arrays are row-major, float32 or float64; the result has the dtype of the first array,
other arrays are converted to it.  W is (n_in, n_out), rows are samples.
"""

import numpy as np

from . import _check, _kernels
from .losses import Loss, get_loss
from .optimizers import SGD, get_optimizer
from .plan import ACTIVATIONS, GROUPS, L1_RULES

__all__ = [
    "activation_forward",
    "atan",
    "dense_forward",
    "dense_input_gradient",
    "dense_weight_gradient",
    "dropout_mask",
    "erf",
    "exp",
    "expm1",
    "log",
    "log1p",
    "loss_rows",
    "max_norm",
    "penalty_sums",
    "permutation",
    "prox_group",
    "prox_l1",
    "random_normal",
    "random_uniform",
    "softmax_backward",
    "softmax_forward",
    "tanh",
    "update",
]


def _float(array, name, ndim=None, dtype=None):
    """A C-contiguous, aligned float32 or float64 array; converted if it is not."""
    array = _check.as_array(array, name)
    if ndim is not None and array.ndim != ndim:
        raise ValueError(f"{name} has {array.ndim} dimensions, expected {ndim}")
    if dtype is None:
        dtype = np.float32 if array.dtype == np.float32 else np.float64
    with np.errstate(over="ignore"):
        return np.require(array, dtype, ["C", "A"])


def _fits(array, name, shape, of):
    """ValueError if the array has not the shape that `of` asks for."""
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, expected {shape} for {of}")


def _count(value, name):
    return _check.check_int(value, name, minimum=0, maximum=2**63 - 1)


def _word(value, name, bits=64):
    """An unsigned integer of so many bits: seeds, steps, streams."""
    return _check.check_int(value, name, minimum=0, maximum=2**bits - 1)


def _elementwise(name):
    code = _kernels.FUNCTIONS[name]

    def function(x):
        x = _float(x, "x")
        y = np.empty_like(x)
        _kernels.elementwise(code, y.reshape(-1), x.reshape(-1))
        return y

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""{name}(x), element by element; the same bits on every CPU.

    Parameters
    ----------
    x : array-like
        float32 is kept, everything else becomes float64.

    Returns
    -------
    ndarray like x
    """
    return function


exp = _elementwise("exp")
expm1 = _elementwise("expm1")
log = _elementwise("log")
log1p = _elementwise("log1p")
tanh = _elementwise("tanh")
atan = _elementwise("atan")
erf = _elementwise("erf")


def activation_forward(name, z, param=0.0):
    """f(z) and its slope f'(z) for one of the activations but softmax.

    Parameters
    ----------
    name : str
    z : array-like
    param : float, default 0.0
        Slope of leaky_relu, alpha of elu.

    Returns
    -------
    a, slope : ndarray like z
    """
    name = _check.check_name(name, ACTIVATIONS[:-1], "activation")
    z = _float(z, "z")
    param = _check.check_float(param, "param")
    a, slope = np.empty_like(z), np.empty_like(z)
    _kernels.activation_forward(
        ACTIVATIONS.index(name),
        a.reshape(-1),
        slope.reshape(-1),
        z.reshape(-1),
        param,
    )
    return a, slope


def softmax_forward(z):
    """Softmax of every row.

    Parameters
    ----------
    z : array-like of shape (n, n_out)

    Returns
    -------
    ndarray of shape (n, n_out)
    """
    zt = np.ascontiguousarray(_float(z, "z", 2).T)
    a = np.empty_like(zt)
    _kernels.softmax_forward(a, zt)
    return np.ascontiguousarray(a.T)


def softmax_backward(da, a):
    """Derivative with respect to z of ``a = softmax(z)``, given da.

    Parameters
    ----------
    da, a : array-like of shape (n, n_out)

    Returns
    -------
    ndarray of shape (n, n_out)
    """
    a = _float(a, "a", 2)
    da = _float(da, "da", 2, a.dtype)
    _fits(da, "da", a.shape, "a")
    dz = np.empty(a.shape[::-1], a.dtype)
    _kernels.softmax_backward(dz, np.ascontiguousarray(da.T), np.ascontiguousarray(a.T))
    return np.ascontiguousarray(dz.T)


def loss_rows(name, z, y, scale=None, param=None):
    """Loss of every row and its derivative.

    Parameters
    ----------
    name : str
        See `regnet_c.losses`; logits for the cross-entropies, the log mean for poisson.
    z : array-like of shape (n, n_out)
    y : array-like of shape (n, n_out), or (n,) integer labels for the softmax loss
    scale : array-like of shape (n,), optional
        Multiplies the derivative of each row, not its loss.
    param : float, optional
        delta of huber, q of quantile (ignored by others); default: the loss's own.

    Returns
    -------
    row_loss : ndarray of shape (n,)
    dz : ndarray of shape (n, n_out)
    """
    loss = get_loss(name)
    if param is not None:
        param = _check.check_float(param, "param")
        loss = Loss(loss.name, param) if loss.param else loss
    z = _float(z, "z", 2)
    zt = np.ascontiguousarray(z.T)
    labels = targets = None
    y = _check.as_array(y, "y")
    if y.ndim == 1 and loss.name == "softmax_cross_entropy":
        _fits(y, "y", (len(z),), "z")
        labels = _check.check_labels(y, z.shape[1]) if y.size else np.empty(0, np.int64)
    else:
        y = _float(y, "y", 2, z.dtype)
        _fits(y, "y", z.shape, "z")
        targets = np.ascontiguousarray(y.T)
    if scale is not None:
        scale = _float(scale, "scale", 1, z.dtype)
        _fits(scale, "scale", (len(z),), "z")
    row_loss, dz = np.empty(len(z), z.dtype), np.empty_like(zt)
    _kernels.loss_rows(loss.kind, row_loss, dz, zt, targets, labels, scale, loss.param)
    return row_loss, np.ascontiguousarray(dz.T)


def _random(normal, n, seed, stream, first, dtype):
    seed, stream = _word(seed, "seed"), _word(stream, "stream", 32)
    first = _word(first, "first")
    u = np.empty(_count(n, "n"), _check.check_dtype(dtype))
    _kernels.random_fill(u, normal, seed, stream, first)
    return u


def random_uniform(n, seed, stream=0, first=0, dtype="float32"):
    """Uniform numbers in [0, 1): element e depends on (seed, stream, first + e) alone.

    Parameters
    ----------
    n, seed : int
    stream : int, default 0
    first : int, default 0
    dtype : {"float32", "float64"}, default "float32"

    Returns
    -------
    ndarray of shape (n,)
    """
    return _random(False, n, seed, stream, first, dtype)


def random_normal(n, seed, stream=0, first=0, dtype="float32"):
    """Standard normal numbers: element e depends on (seed, stream, first + e) alone.

    Parameters
    ----------
    n, seed : int
    stream : int, default 0
    first : int, default 0
    dtype : {"float32", "float64"}, default "float32"

    Returns
    -------
    ndarray of shape (n,)
    """
    return _random(True, n, seed, stream, first, dtype)


def dropout_mask(n_rows, n_units, rate, seed, step, layer, dtype="float32"):
    """The mask of one training step.

    A pure function of its arguments (Philox4x32-10, Salmon et al. 2011), so that
    forward and backward, and every thread, see the same mask.

    Parameters
    ----------
    n_rows, n_units : int
    rate : float in [0, 1)
    seed, step, layer : int
    dtype : {"float32", "float64"}, default "float32"

    Returns
    -------
    ndarray of shape (n_rows, n_units)
        0 or 1/(1 - rate).
    """
    seed, step = _word(seed, "seed"), _word(step, "step")
    layer = _word(layer, "layer", 32)
    shape = _count(n_units, "n_units"), _count(n_rows, "n_rows")
    mask = np.ones(shape, _check.check_dtype(dtype))
    _kernels.dropout_apply(mask, 1 - _check.check_rate(rate), seed, step, layer, 0)
    return np.ascontiguousarray(mask.T)


def permutation(n, seed, epoch):
    """The order in which epoch `epoch` visits n rows.

    Parameters
    ----------
    n, seed, epoch : int

    Returns
    -------
    ndarray of int64, shape (n,)
    """
    seed, epoch = _word(seed, "seed"), _word(epoch, "epoch")
    order = np.empty(_count(n, "n"), np.int64)
    _kernels.permutation(order, seed, epoch)
    return order


def dense_forward(x, w, b=None):
    """``z = x w + b``.

    Parameters
    ----------
    x : array-like of shape (n, n_in)
    w : array-like of shape (n_in, n_out)
    b : array-like of shape (n_out,), optional

    Returns
    -------
    ndarray of shape (n, n_out)
    """
    x = _float(x, "x", 2)
    w = _float(w, "w", 2, x.dtype)
    _fits(w, "w", (x.shape[1], w.shape[1]), "x")
    if b is not None:
        b = _float(b, "b", 1, x.dtype)
        _fits(b, "b", (w.shape[1],), "w")
    z = np.zeros((x.shape[0], w.shape[1]), x.dtype)
    if b is not None and not x.shape[1]:
        z += b  # the binding leaves z as it is where there is nothing to sum
    _kernels.dense_forward(z, x, w, b)
    return z


def dense_input_gradient(dz, w):
    """``dx = dz w'``.

    Parameters
    ----------
    dz : array-like of shape (n, n_out)
    w : array-like of shape (n_in, n_out)

    Returns
    -------
    ndarray of shape (n, n_in)
    """
    dz = _float(dz, "dz", 2)
    w = _float(w, "w", 2, dz.dtype)
    _fits(w, "w", (w.shape[0], dz.shape[1]), "dz")
    dx = np.zeros((dz.shape[0], w.shape[0]), dz.dtype)
    lanes = _kernels.lanes(dz.dtype == np.float32)
    _kernels.dense_input_gradient(dx, dz, w, np.empty(lanes * w.shape[1], dz.dtype))
    return dx


def dense_weight_gradient(x, dz):
    """``dw = x' dz``, summed over the rows in order.

    Parameters
    ----------
    x : array-like of shape (n, n_in)
    dz : array-like of shape (n, n_out)

    Returns
    -------
    ndarray of shape (n_in, n_out)
    """
    x = _float(x, "x", 2)
    dz = _float(dz, "dz", 2, x.dtype)
    _fits(dz, "dz", (len(x), dz.shape[1]), "x")
    dw = np.zeros((x.shape[1], dz.shape[1]), x.dtype)
    _kernels.dense_weight_gradient(dw, x, dz)
    return dw


def prox_l1(w, threshold):
    """``sign(w) max(|w| - threshold, 0)``, the proximal operator of ``threshold * sum|w|``.

    Parameters
    ----------
    w : array-like
    threshold : float
        Not negative.

    Returns
    -------
    ndarray like w
    """
    out = _float(w, "w").copy()
    _kernels.prox_l1(
        out.reshape(-1), _check.check_float(threshold, "threshold", minimum=0)
    )
    return out


def prox_group(w, threshold, groups="units"):
    """The proximal operator of a threshold times the sum of the groups' norms.

    Every group becomes ``w max(0, 1 - threshold/|w|)``.

    Parameters
    ----------
    w : array-like of shape (n_in, n_out)
    threshold : float
        Not negative.
    groups : {"units", "inputs"}
        The columns, a unit's incoming weights, or the rows, an input's outgoing weights.

    Returns
    -------
    ndarray of shape (n_in, n_out)
    """
    out = _float(w, "w", 2).copy()
    threshold = _check.check_float(threshold, "threshold", minimum=0)
    code = GROUPS[_check.check_name(groups, ("units", "inputs"), "groups")]
    work = np.empty(16 * sum(out.shape), out.dtype)
    step = _step(SGD(1.0), 1.0, _first_step())
    _kernels.prox_group(code, out, out, None, threshold, step, work)
    return out


def penalty_sums(w):
    """``sum |w|``, ``sum w^2`` and the number of exact zeros.

    Parameters
    ----------
    w : array-like

    Returns
    -------
    sum_abs, sum_square : float
    zeros : int
    """
    return _kernels.penalty_sums(_float(w, "w").reshape(-1))


def max_norm(w, limit):
    """w with every column scaled to a norm of at most `limit`.

    Parameters
    ----------
    w : array-like of shape (n_in, n_out)
    limit : float
        Above 0.

    Returns
    -------
    ndarray of shape (n_in, n_out)
    """
    out = _float(w, "w", 2).copy()
    limit = _check.check_float(limit, "limit", minimum=0, open_minimum=True)
    _kernels.max_norm(out, limit)
    return out


def update(
    w, g, optimizer, state, l1=0.0, l2=0.0, l1_rule="cumulative", sign_at_zero=0
):
    """One optimiser step with its penalty, on w in place.

    Parameters
    ----------
    w, g : ndarray
        Weights (contiguous, changed in place) and gradient of the data loss.
    optimizer : Optimizer
    state : dict
        Empty at the first step; carries the moments, ledger and counters.
    l1, l2 : float
    l1_rule : {"cumulative", "proximal", "shrink_first", "subgradient"}
    sign_at_zero : {0, 1}
    """
    optimizer = get_optimizer(optimizer)
    l1, l2 = (_check.check_float(v, n, 0) for v, n in ((l1, "l1"), (l2, "l2")))
    l1_rule = _check.check_name(l1_rule, tuple(L1_RULES)[1:], "l1_rule")
    sign_at_zero = _check.check_int(sign_at_zero, "sign_at_zero", 0, 1)
    for name in "mvq":
        state.setdefault(name, np.zeros(np.shape(w), getattr(w, "dtype", None)))
    for name, array in {"w": w, "g": g, **{k: state[k] for k in "mvq"}}.items():
        _expect_plain(array, name, w)
    scalars = state.setdefault("scalars", _first_step())
    constants = optimizer.constants()
    lr = float(optimizer.learning_rates(scalars["step"], 1, 1)[0])
    decay = state.get("credit_decay", 1 - 1 / 10_000)
    scalars["step"] += 1
    scalars["beta1"] *= constants["beta1"]
    scalars["beta2"] *= constants["beta2"]
    scalars["response"] = constants["momentum"] * scalars["response"] + lr
    scalars["credit"] = decay * scalars["credit"] + 1
    step = _step(optimizer, lr, scalars) | {
        "l1_rule": L1_RULES[l1_rule] if l1 else 0,
        "sign_at_zero": sign_at_zero,
        "l1": l1,
        "l2": l2,
        "credit_decay": decay,
    }
    arrays = [a.reshape(-1) for a in (w, *(state[name] for name in "mvq"), g)]
    _kernels.update(*arrays, step)


def _expect_plain(array, name, w):
    """TypeError, ValueError unless C can work on this very array, which looks like w."""
    if not isinstance(array, np.ndarray) or array.dtype not in (np.float32, np.float64):
        kind = getattr(array, "dtype", type(array).__name__)
        raise TypeError(f"{name} is {kind}, expected a float32 or float64 ndarray")
    flags = array.flags
    plain = flags.c_contiguous and flags.aligned and array.dtype.isnative
    if not plain or not (flags.writeable or name == "g"):
        raise ValueError(f"{name} must be C-contiguous, aligned, native and writeable")
    if array.dtype != w.dtype or array.shape != w.shape:
        raise ValueError(
            f"{name} is {array.dtype} {array.shape}, expected {w.dtype} {w.shape} as w"
        )


def _first_step():
    """The counters of `update` before the first step."""
    return {"step": 0, "beta1": 1.0, "beta2": 1.0, "response": 0.0, "credit": 0.0}


def _step(optimizer, learning_rate, scalars):
    """rn_step without a penalty."""
    return {
        "kind": optimizer.kind,
        "l1_rule": 0,
        "sign_at_zero": 0,
        "non_negative": False,
        "learning_rate": learning_rate,
        "l1": 0.0,
        "l2": 0.0,
        "correction1": 1 - scalars["beta1"],
        "correction2": 1 - scalars["beta2"],
        "response": scalars["response"],
        "credit": scalars["credit"],
        "credit_decay": 0.0,
        **optimizer.constants(),
    }
