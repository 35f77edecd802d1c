"""Penalties: strengths in the library's objective, update rules, foreign conventions.

The objective is J = mean data loss + sum over layers of (l1 sum|W| + l2 sum W^2), with no
1/2, independent of batch size and of n.
"""

import numpy as np

from . import _check
from .conventions import convert

UPDATES = ("cumulative", "proximal", "shrink_first", "subgradient")


def soft_threshold(w, threshold):
    """S(w, t) = sign(w) max(|w| - t, 0); leaves exact zeros."""
    return np.sign(w) * np.maximum(np.abs(w) - threshold, 0)


class Penalty:
    """Base of the penalties.

    Attributes
    ----------
    l1, l2 : float
        Strengths in the objective.
    update : str
        How the l1 part acts, one of `UPDATES`.
    sign_at_zero : int
        The value of sign(0), 0 or 1; used by the subgradient rule alone.
    non_negative : bool
        Whether weights are kept at 0 or above.
    group : {None, "units", "inputs"}
    group_update : {None, "cumulative", "proximal"}
        How the group part acts.
    group_strength : float
    """

    l1 = 0.0
    l2 = 0.0
    update = "cumulative"
    sign_at_zero = 0
    non_negative = False
    group = None
    group_update = None
    group_strength = 0.0
    _names = ()

    def value(self, w):
        """``l1 sum|w| + l2 sum w^2``, plus the group term.

        Parameters
        ----------
        w : array-like of shape (n_in, n_out) or (n,)

        Returns
        -------
        float
        """
        w = np.asarray(w, np.float64)
        with np.errstate(over="ignore"):  # too large a penalty is infinite
            value = self.l1 * np.abs(w).sum() if self.l1 else 0.0
            if self.l2:
                value += self.l2 * np.square(w).sum()
            if self.group:
                value += self.group_strength * self.group_norms(w).sum()
        return float(value)

    def subgradient(self, w):
        """``l1 sign(w) + 2 l2 w + strength w/|group|``.

        sign(0) is `sign_at_zero`, 0/0 for a group of zeros is 0.

        Parameters
        ----------
        w : array-like of shape (n_in, n_out) or (n,)

        Returns
        -------
        ndarray like w
        """
        w = np.asarray(w)
        sign = np.where(w == 0, self.sign_at_zero, np.sign(w)).astype(w.dtype)
        slope = self.l1 * sign + 2 * self.l2 * w
        if self.group:
            norms = np.expand_dims(
                self.group_norms(w), 0 if self.group == "units" else 1
            )
            slope += self.group_strength * w / np.where(norms == 0, 1, norms)
        return slope

    def least_subgradient(self, w, gradient):
        """The subgradient of smallest norm of (data loss + penalty) at w.

        Zero exactly where w is stationary.

        Parameters
        ----------
        w : array-like of shape (n_in, n_out) or (n,)
        gradient : ndarray like w
            The data loss's.

        Returns
        -------
        ndarray like w
        """
        w = np.asarray(w)
        d = gradient + 2 * self.l2 * w
        d = np.where(w == 0, soft_threshold(d, self.l1), d + self.l1 * np.sign(w))
        if self.group:
            axis = 0 if self.group == "units" else 1
            norms = np.expand_dims(self.group_norms(w), axis)
            pull = self.group_strength * w / np.where(norms == 0, 1, norms)
            size = np.expand_dims(self.group_norms(d), axis)
            safe = np.where(size == 0, 1, size)
            left = d * np.maximum(1 - self.group_strength / safe, 0)
            d = np.where(norms == 0, left, d + pull)
        if self.non_negative:
            d = np.where(w == 0, np.minimum(d, 0), d)
        return d

    def prox(self, w, step):
        """``argmin_x (x - w)^2 / 2 + step * penalty(x)``, with exact zeros.

        Parameters
        ----------
        w : array-like of shape (n_in, n_out) or (n,)
        step : float
            Not negative.

        Returns
        -------
        ndarray like w
        """
        w, step = np.asarray(w), _check.check_float(step, "step", minimum=0)
        x = soft_threshold(w, step * self.l1)
        if self.non_negative:
            x = np.maximum(x, 0)
        if self.group:
            threshold = step * self.group_strength
            norms = self.group_norms(x)
            axis = 0 if self.group == "units" else 1
            safe = np.where(norms == 0, 1, norms)
            factor = np.where(norms <= threshold, 0, 1 - threshold / safe)
            x = x * np.expand_dims(factor, axis)
        return x / (1 + 2 * step * self.l2)

    def group_norms(self, w):
        """Euclidean norms of the groups: columns for units, rows for inputs.

        Parameters
        ----------
        w : array-like of shape (n_in, n_out)

        Returns
        -------
        ndarray of shape (n_out,) or (n_in,)
        """
        return np.sqrt(np.square(w).sum(axis=0 if self.group == "units" else 1))

    def get_config(self):
        """The penalty as JSON-able data, for `penalty_from_config`.

        Returns
        -------
        dict
        """
        config = {name: getattr(self, name) for name in self._names}
        if self.l1:
            config |= {"update": self.update, "sign_at_zero": self.sign_at_zero}
        return {"type": type(self).__name__, **config}

    def __eq__(self, other):
        return type(self) is type(other) and self.get_config() == other.get_config()

    __hash__ = None

    def __repr__(self):
        parts = [repr(getattr(self, self._names[0]))]
        parts += [f"{name}={getattr(self, name)!r}" for name in self._names[1:]]
        if self.update != "cumulative":
            parts.append(f"update={self.update!r}")
        if self.sign_at_zero:
            parts.append(f"sign_at_zero={self.sign_at_zero}")
        return f"{type(self).__name__}({', '.join(parts)})"

    def _set_groups(self, strength, groups, update):
        self.group_strength = _check.check_float(strength, "strength", minimum=0)
        self.group = _check.check_name(groups, ("units", "inputs"), "groups")
        self.group_update = _check.check_name(update, UPDATES[:2], "update")

    def _group_words(self):
        rule = "" if self.group_update == UPDATES[0] else f", update={UPDATES[1]!r}"
        return f"groups={self.group!r}{rule}"

    def _set_rule(self, update, sign_at_zero):
        self.update = _check.check_name(update, UPDATES, "update")
        self.sign_at_zero = _check.check_int(sign_at_zero, "sign_at_zero", 0, 1)


class L1(Penalty):
    """``l1 sum|w|``: weights that the data do not hold become exactly zero.

    Parameters
    ----------
    l1 : float
        Strength in the objective.
    update : {"cumulative", "proximal", "shrink_first", "subgradient"}
        ``cumulative`` (default): every weight is charged the whole penalty it owes since
        the start, so that mini-batch noise does not wake zeros (Tsuruoka et al. 2009, in
        the optimiser's own metric); ``proximal``: gradient step, then soft threshold;
        ``shrink_first``: the other order; ``subgradient``: l1 sign(w) in the gradient,
        which never gives exact zeros.
    sign_at_zero : {0, 1}
        Subgradient rule only.

    Examples
    --------
    >>> import numpy as np, regnet_c as rn
    >>> rn.L1(0.01).prox(np.array([-0.05, -0.001, 0, 0.001, 0.05]), 1.0)
    array([-0.04, -0.  ,  0.  ,  0.  ,  0.04])
    >>> rn.L1.from_convention("r1", 5.0, n=50_000)
    L1(0.0001)
    """

    _names = ("l1",)

    def __init__(self, l1, update="cumulative", sign_at_zero=0):
        self.l1 = _check.check_float(l1, "l1", minimum=0)
        self._set_rule(update, sign_at_zero)

    @classmethod
    def from_convention(cls, convention, strength, n=None, update="cumulative"):
        """The same penalty from another source's strength.

        Parameters
        ----------
        convention : str
            See `regnet_c.conventions.convert`.
        strength : float
        n : int, optional
            Rows of the training set, for r1.
        update : str, default "cumulative"
            As for `L1`.

        Returns
        -------
        L1

        Raises
        ------
        ValueError
            If the convention has no L1 penalty, or needs n.
        """
        l1, _, at_zero = convert(convention, strength, n=n, batch_size=1, l1_ratio=1.0)
        if l1 is None:
            raise ValueError(f"the convention {convention!r} has no L1 penalty")
        return cls(l1, update=update, sign_at_zero=at_zero)


class L2(Penalty):
    """``l2 sum w^2`` (no 1/2), gradient ``2 l2 w``.

    Parameters
    ----------
    l2 : float
        Strength in the objective.

    Examples
    --------
    >>> import regnet_c as rn
    >>> rn.L2.from_sklearn(alpha=1e-4, batch_size=200)
    L2(2.5e-07)
    """

    _names = ("l2",)

    def __init__(self, l2):
        self.l2 = _check.check_float(l2, "l2", minimum=0)

    @classmethod
    def from_convention(cls, convention, strength, n=None, batch_size=None):
        """The same penalty from another source's strength.

        Parameters
        ----------
        convention : str
            See `regnet_c.conventions.convert`.
        strength : float
        n : int, optional
            Rows of the training set, for r1.
        batch_size : int, optional
            For r4 and sklearn.

        Returns
        -------
        L2

        Raises
        ------
        ValueError
            If the convention needs n or batch_size.
        """
        return cls(convert(convention, strength, n, batch_size, l1_ratio=0.0)[1])

    @classmethod
    def from_sklearn(cls, alpha, batch_size):
        """``alpha/(2m) sum w^2``, as scikit-learn's MLP adds it to each batch of m rows.

        Parameters
        ----------
        alpha : float
        batch_size : int

        Returns
        -------
        L2
        """
        return cls.from_convention("sklearn", alpha, batch_size=batch_size)


class ElasticNet(Penalty):
    """``l1 sum|w| + l2 sum w^2``.

    Parameters
    ----------
    l1, l2 : float
        Strengths in the objective.
    update : {"cumulative", "proximal", "shrink_first", "subgradient"}
        As for `L1`.
    sign_at_zero : {0, 1}
        As for `L1`.
    """

    _names = ("l1", "l2")

    def __init__(self, l1, l2, update="cumulative", sign_at_zero=0):
        self.l1 = _check.check_float(l1, "l1", minimum=0)
        self.l2 = _check.check_float(l2, "l2", minimum=0)
        self._set_rule(update, sign_at_zero)

    @classmethod
    def from_convention(
        cls, convention, strength, l1_ratio=None, n=None, update="cumulative"
    ):
        """The same penalty from another source's strength.

        For conventions without an l1_ratio of their own, the l1 term gets
        l1_ratio * strength and the l2 term (1 - l1_ratio) * strength.

        Parameters
        ----------
        convention : str
            See `regnet_c.conventions.convert`.
        strength : float
        l1_ratio : float in [0, 1]
        n : int, optional
            Rows of the training set, for r1.
        update : str, default "cumulative"
            As for `L1`.

        Returns
        -------
        ElasticNet

        Raises
        ------
        ValueError
            If the convention has no L1 penalty, or needs n or l1_ratio.
        """
        if convention in ("glmnet", "skglm"):
            l1, l2, at_zero = convert(convention, strength, l1_ratio=l1_ratio)
        else:
            ratio = _check.check_float(l1_ratio, "l1_ratio", minimum=0, maximum=1)
            l1, l2, at_zero = convert(convention, strength, n=n, batch_size=1)
            if l1 is None:
                raise ValueError(f"the convention {convention!r} has no L1 penalty")
            l1, l2 = l1 * ratio, l2 * (1 - ratio)
        return cls(l1, l2, update=update, sign_at_zero=at_zero)


class GroupLasso(Penalty):
    """``strength * sum over groups of the Euclidean norm of the group's weights``.

    It removes whole units or inputs (Yuan and Lin 2006).

    Parameters
    ----------
    strength : float
    groups : {"units", "inputs"}
        A unit's incoming weights (a column of W) or an input's outgoing weights (a row).
    update : {"cumulative", "proximal"}
        ``cumulative`` (default): each group is charged all it owes since the start, so
        that mini-batch noise does not wake zero groups; ``proximal``: gradient step, then
        every group is shrunk.
    """

    _names = ("group_strength", "group")

    def __init__(self, strength, groups="units", update="cumulative"):
        self._set_groups(strength, groups, update)

    def get_config(self):
        return {
            "type": "GroupLasso",
            "strength": self.group_strength,
            "groups": self.group,
            "update": self.group_update,
        }

    def __repr__(self):
        return f"GroupLasso({self.group_strength!r}, {self._group_words()})"


class SparseGroupLasso(Penalty):
    """L1, L2 and a group penalty in one.

    ``l1 sum|w| + l2 sum w^2 + strength * sum over groups of the group's Euclidean norm``.

    The l1 part acts by the proximal rule.

    Parameters
    ----------
    l1, strength : float
    groups : {"units", "inputs"}
        As for `GroupLasso`.
    l2 : float, default 0
    update : {"cumulative", "proximal"}
        Of the group part, as for `GroupLasso`.
    """

    _names = ("l1", "group_strength", "group", "l2")

    def __init__(self, l1, strength, groups="units", l2=0.0, update="cumulative"):
        self.l1 = _check.check_float(l1, "l1", minimum=0)
        self.l2 = _check.check_float(l2, "l2", minimum=0)
        self._set_groups(strength, groups, update)
        self.update = "proximal"

    def get_config(self):
        return {
            "type": "SparseGroupLasso",
            "l1": self.l1,
            "strength": self.group_strength,
            "groups": self.group,
            "l2": self.l2,
            "update": self.group_update,
        }

    def __repr__(self):
        return (
            f"SparseGroupLasso({self.l1!r}, {self.group_strength!r}, "
            f"{self._group_words()}{f', l2={self.l2!r}' if self.l2 else ''})"
        )


class NonNegative(Penalty):
    """The constraint w >= 0: after each step negative weights become 0.

    Parameters
    ----------
    penalty : Penalty, optional
        A penalty to go with it.

    Examples
    --------
    >>> import numpy as np, regnet_c as rn
    >>> rn.NonNegative(rn.L1(0.5)).prox(np.array([-1.0, 0.2, 2.0]), 1.0)
    array([0. , 0. , 1.5])
    """

    non_negative = True

    def __init__(self, penalty=None):
        if penalty is not None and not isinstance(penalty, Penalty):
            raise TypeError(f"penalty is {penalty!r}, expected one such as L1(1e-4)")
        self.penalty = penalty
        if penalty is not None:
            for name in ("l1", "l2", "update", "sign_at_zero"):
                setattr(self, name, getattr(penalty, name))
            for name in ("group", "group_update", "group_strength"):
                setattr(self, name, getattr(penalty, name))

    def get_config(self):
        inner = None if self.penalty is None else self.penalty.get_config()
        return {"type": "NonNegative", "penalty": inner}

    def __repr__(self):
        return f"NonNegative({'' if self.penalty is None else repr(self.penalty)})"


_CLASSES = {
    c.__name__: c
    for c in (L1, L2, ElasticNet, GroupLasso, SparseGroupLasso, NonNegative)
}


def penalty_from_config(config):
    """The penalty that `get_config` described; ValueError for an unknown type."""
    config = dict(config)
    kind = config.pop("type", None)
    if kind not in _CLASSES:
        raise ValueError(f"unknown penalty type {kind!r}")
    if kind == "NonNegative" and config.get("penalty") is not None:
        config["penalty"] = penalty_from_config(config["penalty"])
    return _CLASSES[kind](**config)
