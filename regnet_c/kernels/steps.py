"""Steps of an optimiser, and operators that keep weights small."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .._core import binding, checks
from .._core.plan import GROUPS, L1_RULES, group_rows
from ..optimizers import SGD, get_optimizer
from ..penalties import RULES, check_groups
from .arguments import as_floats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from ..optimizers import Optimizer
    from ..typing import (
        FloatArray,
        Groups,
        InputGroups,
        IntArray,
        L1Rule,
        OptimizerName,
    )


def prox_l1(w: ArrayLike, threshold: float) -> FloatArray:
    """``sign(w) max(|w| - threshold, 0)``, the proximal operator of ``threshold * sum|w|``.

    Parameters
    ----------
    w : array-like
    threshold : float
        Not negative.

    Returns
    -------
    ndarray like w

    Examples
    --------
    >>> from regnet_c import kernels
    >>> kernels.prox_l1([-2.0, 0.5, 3.0], 1.0)
    array([-1.,  0.,  2.])
    """
    out = as_floats(w, "w").copy()
    binding.prox_l1(
        out.reshape(-1), checks.check_float(threshold, "threshold", minimum=0)
    )
    return out


def prox_group(w: ArrayLike, threshold: float, groups: Groups = "units") -> FloatArray:
    """The proximal operator of a threshold times the sum of the groups' norms.

    Every group becomes ``w max(0, 1 - threshold/|w|)``; for a group of several inputs
    sqrt(inputs) times the threshold takes its place.

    Parameters
    ----------
    w : array-like of shape (n_in, n_out)
    threshold : float
        Not negative.
    groups : {"units", "inputs"} or list of lists of int
        The columns, a unit's incoming weights, the rows, an input's outgoing weights, or
        several rows in a group, as for `GroupLasso`.

    Returns
    -------
    ndarray of shape (n_in, n_out)

    Examples
    --------
    >>> from regnet_c import kernels
    >>> kernels.prox_group([[3.0, 0.1], [4.0, 0.1]], 1.0, groups="units")
    array([[2.4, 0. ],
           [3.2, 0. ]])
    """
    out = as_floats(w, "w", 2).copy()
    threshold = checks.check_float(threshold, "threshold", minimum=0)
    name, rows = check_groups(groups), None
    if not isinstance(name, str):
        rows = _rows_of(name, out.shape[0])
        name = "inputs"
    work = np.empty(work_size(out.shape, rows), out.dtype)
    step = rn_step(SGD(1.0), 1.0, first_step())
    binding.prox_group(GROUPS[name], out, out, None, threshold, step, work, rows)
    return out


def _rows_of(groups: Sequence[Sequence[int]], n_in: int) -> tuple[IntArray, IntArray]:
    rows = group_rows(groups)
    if len(rows[0]) != n_in:
        raise ValueError(f"groups has {len(rows[0])} inputs, expected {n_in}, as w has")
    return rows


def work_size(shape: tuple[int, ...], rows: tuple[IntArray, IntArray] | None) -> int:
    """Elements of work that `binding.prox_group` needs."""
    n_in, n_out = shape
    return 16 * (n_in + n_out) if rows is None else n_in * (n_out + 16)


def prox_lassonet(
    beta: ArrayLike,
    theta: ArrayLike,
    threshold: float,
    hierarchy: float,
    groups: InputGroups = "inputs",
) -> tuple[FloatArray, FloatArray]:
    """LassoNet's hierarchical proximal operator (Lemhadri et al. 2021), input by input.

    Minimises ``|b - beta_j|^2/2 + |w - theta_j|^2/2 + threshold |b|`` over the rows b and
    w with ``max |w_k| <= hierarchy |b|``.  A row of beta that is zero stays zero.

    Parameters
    ----------
    beta : array-like of shape (n_in, n_out)
        Weights of the skip connection.
    theta : array-like of shape (n_in, n_hidden)
        Weights into the first hidden layer.
    threshold, hierarchy : float
    groups : list of lists of int, default "inputs"
        Several rows whose weights together take the place of a row's, with sqrt(rows)
        times the threshold; as for `LassoNet`.

    Returns
    -------
    beta, theta : ndarray

    Examples
    --------
    >>> from regnet_c import kernels
    >>> beta, theta = [[2.0], [0.5]], [[9.0], [0.1]]
    >>> beta, theta = kernels.prox_lassonet(beta, theta, threshold=1.0, hierarchy=2.0)
    >>> beta
    array([[3.8],
           [0. ]])
    >>> theta
    array([[7.6],
           [0. ]])
    """
    beta = as_floats(beta, "beta", 2).copy()
    theta = as_floats(theta, "theta", 2, beta.dtype).copy()
    threshold = checks.check_float(threshold, "threshold", minimum=0)
    hierarchy = checks.check_float(hierarchy, "hierarchy", minimum=0)
    checked, rows = check_groups(groups, ("inputs",)), None
    if not isinstance(checked, str):
        rows = _rows_of(checked, len(beta))
    size = 2 * (beta.shape[1] + theta.shape[1] + 16)
    work = np.empty(size * (1 if rows is None else len(beta)))
    step = rn_step(SGD(1.0), 1.0, first_step())
    arrays = beta, theta, beta, theta
    binding.prox_lassonet(*arrays, threshold, hierarchy, step, work, rows)
    return beta, theta


def penalty_sums(w: ArrayLike) -> tuple[float, float, int]:
    """``sum |w|``, ``sum w^2`` and the number of exact zeros.

    Parameters
    ----------
    w : array-like

    Returns
    -------
    sum_abs, sum_square : float
    zeros : int

    Examples
    --------
    >>> from regnet_c import kernels
    >>> kernels.penalty_sums([[3.0, -1.0, 0.0]])
    (4.0, 10.0, 1)
    """
    return binding.penalty_sums(as_floats(w, "w").reshape(-1))


def max_norm(w: ArrayLike, max_norm: float) -> FloatArray:
    """w with every column scaled to a norm of at most `max_norm`, as `Dense` does.

    Parameters
    ----------
    w : array-like of shape (n_in, n_out)
    max_norm : float
        Above 0.

    Returns
    -------
    ndarray of shape (n_in, n_out)

    Examples
    --------
    >>> from regnet_c import kernels
    >>> kernels.max_norm([[3.0, 0.3], [4.0, 0.4]], 1.0)
    array([[0.6, 0.3],
           [0.8, 0.4]])
    """
    out = as_floats(w, "w", 2).copy()
    limit = checks.check_float(max_norm, "max_norm", minimum=0, open_minimum=True)
    binding.max_norm(out, limit)
    return out


def update(
    w: FloatArray,
    g: FloatArray,
    optimizer: Optimizer | OptimizerName,
    state: dict[str, Any],
    l1: float = 0.0,
    l2: float = 0.0,
    l1_rule: L1Rule = "cumulative",
    sign_at_zero: Literal[0, 1] = 0,
) -> None:
    """One optimiser step with its penalty, on w in place.

    Parameters
    ----------
    w, g : ndarray
        Weights (contiguous, changed in place) and gradient of the data loss.
    optimizer : Optimizer
    state : dict
        What the optimiser remembers; pass the same dict, empty at the first step, with
        every step of the same weights.  It holds

        - ``m``, ``v``, ``q``: ndarrays like w, zero at first: the two moments (m also
          the velocity of momentum) and the ledger of the cumulative rule, in steps owed;
        - ``scalars``: dict of the number of steps taken (``step``), the powers of Adam's
          decays (``beta1``, ``beta2``), the response to a constant unit gradient
          (``response``) and the steps of penalty owed so far (``credit``);
        - ``credit_decay``, if the caller sets it: the factor by which old debt is
          forgotten, default 0.9999 as in `Network.fit`.
    l1, l2 : float
    l1_rule : {"cumulative", "proximal", "shrink_first", "subgradient"}
    sign_at_zero : {0, 1}

    Examples
    --------
    >>> import numpy as np, regnet_c as rn
    >>> from regnet_c import kernels
    >>> w, g, state = np.array([1.0, 0.25]), np.array([0.5, 0.0]), {}
    >>> kernels.update(w, g, rn.SGD(1.0), state, l1=0.25)
    >>> w
    array([0.25, 0.  ])
    >>> state["scalars"]["step"]
    1
    """
    optimizer = get_optimizer(optimizer)
    l1, l2 = (checks.check_float(v, n, 0) for v, n in ((l1, "l1"), (l2, "l2")))
    l1_rule = checks.check_name(l1_rule, RULES, "l1_rule")
    at_zero = checks.check_int(sign_at_zero, "sign_at_zero", 0, 1)
    for name in "mvq":
        state.setdefault(name, np.zeros(np.shape(w), getattr(w, "dtype", None)))
    for name, array in {"w": w, "g": g, **{k: state[k] for k in "mvq"}}.items():
        _expect_plain(array, name, w)
    scalars = state.setdefault("scalars", first_step())
    constants = optimizer.constants(int(scalars["step"]))
    lr = float(optimizer.learning_rates(scalars["step"], 1, 1)[0])
    decay = state.get("credit_decay", 1 - 1 / 10_000)
    scalars["step"] += 1
    scalars["beta1"] *= constants["beta1"]
    scalars["beta2"] *= constants["beta2"]
    scalars["response"] = constants["momentum"] * scalars["response"] + lr
    scalars["credit"] = decay * scalars["credit"] + 1
    step = rn_step(optimizer, lr, scalars) | {
        "weight_decay": constants["weight_decay"],
        "l1_rule": L1_RULES[l1_rule] if l1 else 0,
        "sign_at_zero": at_zero,
        "l1": l1,
        "l2": l2,
        "credit_decay": decay,
    }
    m, v, q = (state[name].reshape(-1) for name in "mvq")
    binding.update(w.reshape(-1), m, v, q, g.reshape(-1), step)


def _expect_plain(array: object, name: str, w: FloatArray) -> None:
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


def first_step() -> dict[str, float]:
    """The counters of `update` before the first step."""
    return {"step": 0, "beta1": 1.0, "beta2": 1.0, "response": 0.0, "credit": 0.0}


def rn_step(
    optimizer: Optimizer, learning_rate: float, scalars: dict[str, float]
) -> dict[str, Any]:
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
