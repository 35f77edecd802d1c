"""Penalties: strengths in the library's objective, update rules, foreign conventions.

The objective is J = mean data loss + sum over layers of (l1 sum|W| + l2 sum W^2), with no
1/2, independent of batch size and of n.
"""

from ._core import checks
from .conventions import convert
from .group_penalties import GroupLasso, SparseGroupLasso
from .penalty import Penalty


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
        self.l1 = checks.check_float(l1, "l1", minimum=0)
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
        self.l2 = checks.check_float(l2, "l2", minimum=0)

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
        self.l1 = checks.check_float(l1, "l1", minimum=0)
        self.l2 = checks.check_float(l2, "l2", minimum=0)
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
            ratio = checks.check_float(l1_ratio, "l1_ratio", minimum=0, maximum=1)
            l1, l2, at_zero = convert(convention, strength, n=n, batch_size=1)
            if l1 is None:
                raise ValueError(f"the convention {convention!r} has no L1 penalty")
            l1, l2 = l1 * ratio, l2 * (1 - ratio)
        return cls(l1, l2, update=update, sign_at_zero=at_zero)


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
