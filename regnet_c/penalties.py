"""Penalties: strengths in the library's objective, L1 rules, foreign conventions.

The objective is J = mean data loss + sum over layers of (l1 sum|W| + l2 sum W^2), with no
1/2, independent of batch size and of n.

A penalty is a sum of terms.  Each term knows its value, its subgradient, its proximal
operator and the fields of rn_param that make the C core train with it.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self, TypeAlias

import numpy as np

from ._core import checks
from ._core.fixed import Fixed
from ._core.plan import group_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from .typing import (
        AnyArray,
        Config,
        Convention,
        GroupRule,
        Groups,
        IntArray,
        L1Rule,
    )

    Sums: TypeAlias = Sequence[float] | None
    InputTuples: TypeAlias = tuple[tuple[int, ...], ...]
    CheckedGroups: TypeAlias = Literal["units", "inputs"] | InputTuples
    Term: TypeAlias = "L1Term | NonNegativeTerm | GroupTerm | L2Term"
    Strength: TypeAlias = Callable[[float, Any, Any, Any], float]

RULES: tuple[L1Rule, ...] = ("cumulative", "proximal", "shrink_first", "subgradient")
GROUP_RULES: tuple[GroupRule, ...] = ("cumulative", "proximal")
GROUPS: tuple[Literal["units", "inputs"], ...] = ("units", "inputs")
_SHOWN_INPUTS = 16  # groups of more are not written out


def soft_threshold(w: AnyArray, threshold: float) -> AnyArray:
    """S(w, t) = sign(w) max(|w| - t, 0); leaves exact zeros."""
    return np.sign(w) * np.maximum(np.abs(w) - threshold, 0)


# ---- terms ---------------------------------------------------------------------------
#
# w is an array (n_in, n_out) or (n,).
# value(w, sums)     sums: (sum|w|, sum w^2) where they are known already, or None
# subgradient(w)     one subgradient, like w
# least(w, d)        d plus the subgradient that makes the sum smallest
# prox(w, step)      argmin_x (x - w)^2 / 2 + step * value(x)
# fields()           {name of a field of rn_param: value}
#
# Terms stand in the order L1, w >= 0, groups, L2: so taken one after the other, `prox`
# and `least` are exact for the sum.


class L1Term(NamedTuple):
    strength: float
    rule: str
    sign_at_zero: int = 0

    def value(self, w: AnyArray, sums: Sums) -> float:
        return self.strength * (np.abs(w).sum() if sums is None else sums[0])

    def subgradient(self, w: AnyArray) -> AnyArray:
        sign = np.where(w == 0, self.sign_at_zero, np.sign(w)).astype(w.dtype)
        return self.strength * sign

    def least(self, w: AnyArray, d: AnyArray) -> AnyArray:
        moved = d + self.strength * np.sign(w)
        return np.where(w == 0, soft_threshold(d, self.strength), moved)

    def prox(self, w: AnyArray, step: float) -> AnyArray:
        return soft_threshold(w, step * self.strength)

    def fields(self) -> Config:
        return {
            "l1": self.strength,
            "l1_rule": self.rule,
            "sign_at_zero": self.sign_at_zero,
        }


class NonNegativeTerm(NamedTuple):
    def value(self, w: AnyArray, sums: Sums) -> float:
        return 0.0

    def subgradient(self, w: AnyArray) -> AnyArray:
        return np.zeros_like(w)

    def least(self, w: AnyArray, d: AnyArray) -> AnyArray:
        return np.where(w == 0, np.minimum(d, 0), d)

    def prox(self, w: AnyArray, step: float) -> AnyArray:
        return np.maximum(w, 0)

    def fields(self) -> Config:
        return {"non_negative": True}


@functools.lru_cache(maxsize=16)
def _layout(
    groups: InputTuples,
) -> tuple[IntArray, IntArray, NDArray[np.intp], IntArray]:
    """(inputs group after group, where each begins, the group of each input, sizes)."""
    order, ends = group_rows(groups)
    sizes = np.diff(ends)
    group_of = np.empty(len(order), int)
    group_of[order] = np.repeat(np.arange(len(groups)), sizes)
    return order, ends[:-1], group_of, sizes


class GroupTerm(NamedTuple):
    strength: float
    groups: CheckedGroups
    rule: str | None

    def norms(self, w: AnyArray) -> AnyArray:
        """Euclidean norms of the groups, columns for units, else one for each row."""
        if isinstance(self.groups, str):
            axis = 0 if self.groups == "units" else 1
            array: AnyArray = np.sqrt(np.square(w).sum(axis=axis, keepdims=True))
            return array
        return self._group_norms(w)[_layout(self.groups)[2]]

    def value(self, w: AnyArray, sums: Sums) -> float:
        with np.errstate(over="ignore"):  # too large a penalty is infinite
            if isinstance(self.groups, str):
                norms = self.norms(w)
            else:
                sizes = _layout(self.groups)[3]
                norms = np.sqrt(sizes)[:, None] * self._group_norms(w)
            value: float = self.strength * norms.sum()
        return value

    def subgradient(self, w: AnyArray) -> AnyArray:
        norms = self.norms(w)
        array: AnyArray = self._strengths(w) * w / np.where(norms == 0, 1, norms)
        return array

    def least(self, w: AnyArray, d: AnyArray) -> AnyArray:
        shrunk = self._shrunk(d, self._strengths(w))
        return np.where(self.norms(w) == 0, shrunk, d + self.subgradient(w))

    def prox(self, w: AnyArray, step: float) -> AnyArray:
        return self._shrunk(w, step * self._strengths(w))

    def _group_norms(self, w: AnyArray) -> AnyArray:
        order, begins, _, _ = _layout(self.groups)
        squares = np.square(w).sum(axis=1, keepdims=True)
        return np.sqrt(np.add.reduceat(squares[order], begins))

    def _strengths(self, w: AnyArray) -> Any:
        """Of all groups, or of each input's."""
        if isinstance(self.groups, str):
            return self.strength
        _, _, group_of, sizes = _layout(self.groups)
        return self.strength * np.sqrt(sizes)[group_of, None].astype(w.dtype)

    def _shrunk(self, w: AnyArray, threshold: Any) -> AnyArray:
        norms = self.norms(w)
        safe = np.where(norms == 0, 1, norms)
        return w * np.where(norms <= threshold, 0, 1 - threshold / safe)

    def fields(self) -> Config:
        return {
            "group": self.groups,
            "group_rule": self.rule,
            "group_strength": self.strength,
        }


class L2Term(NamedTuple):
    strength: float

    def value(self, w: AnyArray, sums: Sums) -> float:
        return self.strength * (np.square(w).sum() if sums is None else sums[1])

    def subgradient(self, w: AnyArray) -> AnyArray:
        return 2 * self.strength * w

    def least(self, w: AnyArray, d: AnyArray) -> AnyArray:
        return d + self.subgradient(w)

    def prox(self, w: AnyArray, step: float) -> AnyArray:
        return w / (1 + 2 * step * self.strength)

    def fields(self) -> Config:
        return {"l2": self.strength}


# ---- penalties -----------------------------------------------------------------------


class Penalty(Fixed):
    """Base of the penalties.

    Penalties do not change after construction; `replace` returns a changed copy.

    Explained in :doc:`/course/objective`.

    Examples
    --------
    >>> import regnet_c as rn
    >>> class Ridge(rn.Penalty):  # a sum of known terms
    ...     def __init__(self, strength):
    ...         self.strength = strength
    ...
    ...     def terms(self):
    ...         return rn.L2(self.strength / 2).terms()
    >>> Ridge(1.0).value([3.0, 4.0])
    12.5
    """

    # "units", "inputs" or lists of inputs where weights are joined
    groups: CheckedGroups | None = None

    def terms(self) -> Sequence[Term]:
        """The terms whose sum this penalty is, in the order of their operators.

        Returns
        -------
        list

        Examples
        --------
        >>> import regnet_c as rn
        >>> rn.ElasticNet(0.1, 0.2).terms()
        [L1Term(strength=0.1, rule='cumulative', sign_at_zero=0), L2Term(strength=0.2)]
        """
        raise NotImplementedError

    def fields(self) -> Config:
        """The fields of rn_param that make the C core train with this penalty.

        Returns
        -------
        dict of str to number or str
            Rules and groups by name; what is missing is 0.

        Examples
        --------
        >>> import regnet_c as rn
        >>> rn.ElasticNet(0.1, 0.2).fields()
        {'l1': 0.1, 'l1_rule': 'cumulative', 'sign_at_zero': 0, 'l2': 0.2}
        """
        fields: Config = {}
        for term in self.terms():
            fields |= term.fields()
        return fields

    def value(self, w: ArrayLike, sums: Sums = None) -> float:
        """``l1 sum|w| + l2 sum w^2``, plus the group term.

        Parameters
        ----------
        w : array-like of shape (n_in, n_out) or (n,)
        sums : tuple (sum|w|, sum w^2), optional
            If they are known already.

        Returns
        -------
        float

        Examples
        --------
        >>> import regnet_c as rn
        >>> rn.L1(0.5).value([1.0, -3.0])
        2.0
        """
        w = np.asarray(w)
        if sums is None:
            w = w.astype(np.float64, copy=False)
        with np.errstate(over="ignore"):  # too large a penalty is infinite
            return float(sum(term.value(w, sums) for term in self.terms()))

    def subgradient(self, w: ArrayLike) -> AnyArray:
        """``l1 sign(w) + 2 l2 w + strength w/|group|``.

        sign(0) is `sign_at_zero`, 0/0 for a group of zeros is 0.

        Parameters
        ----------
        w : array-like of shape (n_in, n_out) or (n,)

        Returns
        -------
        ndarray like w

        Examples
        --------
        >>> import numpy as np, regnet_c as rn
        >>> rn.L1(0.5).subgradient(np.array([2.0, 0.0, -3.0]))
        array([ 0.5,  0. , -0.5])
        """
        w = np.asarray(w)
        slope = np.zeros_like(w)
        for term in self.terms():
            slope = slope + term.subgradient(w)
        return slope

    def least_subgradient(self, w: ArrayLike, gradient: ArrayLike) -> AnyArray:
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

        Examples
        --------
        >>> import numpy as np, regnet_c as rn
        >>> rn.L1(0.5).least_subgradient(np.zeros(2), np.array([0.4, 0.75]))
        array([0.  , 0.25])
        """
        w, d = np.asarray(w), np.asarray(gradient)
        for term in self.terms():
            d = term.least(w, d)
        return d

    def for_inputs(self, kept: Sequence[int]) -> Penalty:
        """The penalty of a layer that has only these inputs left, renumbered.

        Parameters
        ----------
        kept : list of int
            Rising numbers of rows of W.

        Returns
        -------
        Penalty
            The same unless it lists inputs.

        Examples
        --------
        >>> import regnet_c as rn
        >>> rn.GroupLasso(0.1, groups=[[0, 3], [1, 2]]).for_inputs([0, 2, 3])
        GroupLasso(0.1, groups=[[0, 2], [1]])
        """
        return self

    def prox(self, w: ArrayLike, step: float) -> AnyArray:
        """``argmin_x (x - w)^2 / 2 + step * penalty(x)``, with exact zeros.

        Parameters
        ----------
        w : array-like of shape (n_in, n_out) or (n,)
        step : float
            Not negative.

        Returns
        -------
        ndarray like w

        Examples
        --------
        >>> import numpy as np, regnet_c as rn
        >>> rn.L1(0.5).prox(np.array([2.0, 0.3, -3.0]), step=1.0)
        array([ 1.5,  0. , -2.5])
        """
        x, step = np.asarray(w), checks.check_float(step, "step", minimum=0)
        for term in self.terms():
            x = term.prox(x, step)
        return x


def _strength(value: object, name: str) -> float:
    return checks.check_float(value, name, minimum=0)


def _group_rule(rule: object) -> GroupRule:
    return checks.check_name(rule, GROUP_RULES, "rule of a group penalty")


def check_groups(
    groups: Any, names: tuple[Literal["units", "inputs"], ...] = GROUPS
) -> CheckedGroups:
    """A name, or groups of inputs as tuples of rising numbers, by their first one."""
    if groups is None or isinstance(groups, str):
        return checks.check_name(groups, names, "groups")
    lists = checks.check_list(groups, "groups", "lists of inputs")
    lists = [checks.check_list(group, "a group", "inputs") for group in lists]
    rows = sorted(
        tuple(sorted(checks.check_int(k, "input in groups", minimum=0) for k in group))
        for group in lists
        if group  # a column that was dropped has none
    )
    found = sorted(k for group in rows for k in group)
    wrong = next((i for i, k in enumerate(found) if i != k), None)
    if wrong is not None:
        twice = found[wrong] < wrong
        raise ValueError(
            f"groups has input {found[wrong] if twice else wrong} "
            f"{'twice' if twice else 'in no group'}, expected every input in exactly one"
        )
    if not found:
        raise ValueError("groups has no inputs, expected every input in exactly one")
    return tuple(rows)


def check_groups_fit(penalty: Penalty | None, n_in: int, name: str) -> None:
    """ValueError unless the groups of a penalty, or None, are those of n_in inputs."""
    groups = None if penalty is None else penalty.groups
    if groups is None or isinstance(groups, str):
        return
    found = sum(map(len, groups))
    if found != n_in:
        raise ValueError(
            f"{name} has groups of {found} inputs, expected the layer's {n_in}, "
            "every input in exactly one group"
        )


def _present(*terms: L1Term | GroupTerm | L2Term) -> Sequence[Term]:
    """The terms whose strength is not zero."""
    return [term for term in terms if term.strength]


class L1(Penalty):
    """``l1 sum|w|``: weights that the data do not support become exactly zero.

    Explained in :doc:`/l1_rules`.

    Parameters
    ----------
    l1 : float
        Strength in the objective.
    rule : {"cumulative", "proximal", "shrink_first", "subgradient"}
        ``cumulative`` (default): every weight is charged the whole penalty it owes since
        the start, so that mini-batch noise does not revive zeros (Tsuruoka et al. 2009, in
        the optimiser's own metric); ``proximal``: gradient step, then soft threshold;
        ``shrink_first``: the reverse order; ``subgradient``: l1 sign(w) in the gradient,
        which never gives exact zeros.
    sign_at_zero : {0, 1}
        The value of sign(0); subgradient rule only.

    Examples
    --------
    >>> import numpy as np, regnet_c as rn
    >>> rn.L1(0.01).prox(np.array([-0.05, -0.001, 0, 0.001, 0.05]), 1.0)
    array([-0.04, -0.  ,  0.  ,  0.  ,  0.04])
    >>> rn.L1.from_convention("weight-decay", 5.0, n=50_000)
    L1(0.0001)
    """

    l1: float
    rule: L1Rule
    sign_at_zero: int

    def __init__(
        self, l1: float, rule: L1Rule = "cumulative", sign_at_zero: Literal[0, 1] = 0
    ) -> None:
        self.l1 = _strength(l1, "l1")
        self.rule = checks.check_name(rule, RULES, "rule")
        self.sign_at_zero = checks.check_int(sign_at_zero, "sign_at_zero", 0, 1)

    def terms(self) -> Sequence[Term]:
        return _present(L1Term(self.l1, self.rule, self.sign_at_zero))

    @classmethod
    def from_convention(
        cls,
        convention: Convention,
        strength: float,
        n: int | None = None,
        rule: L1Rule = "cumulative",
    ) -> Self:
        """The same penalty from another source's strength.

        Parameters
        ----------
        convention : str
            See `regnet_c.penalties.convert`.
        strength : float
        n : int, optional
            Rows of the training set, for weight-decay.
        rule : str, default "cumulative"
            As for `L1`.

        Returns
        -------
        L1

        Raises
        ------
        ValueError
            If the convention has no L1 penalty, or needs n.

        Examples
        --------
        >>> import regnet_c as rn
        >>> rn.L1.from_convention("keras", 0.01)
        L1(0.01)
        >>> rn.L1.from_convention("weight-decay", 5.0, n=50_000)
        L1(0.0001)
        """
        l1, _, at_zero = convert(convention, strength, n=n, batch_size=1, l1_ratio=1.0)
        if l1 is None:
            raise ValueError(f"the convention {convention!r} has no L1 penalty")
        return cls(l1, rule=rule, sign_at_zero=at_zero)


class L2(Penalty):
    """``l2 sum w^2`` (no 1/2), gradient ``2 l2 w``.

    Explained in :doc:`/course/shrinkage`.

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

    l2: float

    def __init__(self, l2: float) -> None:
        self.l2 = _strength(l2, "l2")

    def terms(self) -> Sequence[Term]:
        return _present(L2Term(self.l2))

    @classmethod
    def from_convention(
        cls,
        convention: Convention,
        strength: float,
        n: int | None = None,
        batch_size: int | None = None,
    ) -> Self:
        """The same penalty from another source's strength.

        Parameters
        ----------
        convention : str
            See `regnet_c.penalties.convert`.
        strength : float
        n : int, optional
            Rows of the training set, for weight-decay.
        batch_size : int, optional
            For dropout and sklearn.

        Returns
        -------
        L2

        Raises
        ------
        ValueError
            If the convention needs n or batch_size.

        Examples
        --------
        >>> import regnet_c as rn
        >>> rn.L2.from_convention("pytorch", 0.01)
        L2(0.005)
        """
        _, l2, _ = convert(convention, strength, n, batch_size, l1_ratio=0.0)
        assert l2 is not None  # every convention has an L2 penalty
        return cls(l2)

    @classmethod
    def from_sklearn(cls, alpha: float, batch_size: int) -> Self:
        """``alpha/(2m) sum w^2``, as scikit-learn's MLP adds it to each batch of m rows.

        Parameters
        ----------
        alpha : float
        batch_size : int

        Returns
        -------
        L2

        Examples
        --------
        >>> import regnet_c as rn
        >>> rn.L2.from_sklearn(alpha=1e-4, batch_size=200)
        L2(2.5e-07)
        """
        return cls.from_convention("sklearn", alpha, batch_size=batch_size)


class ElasticNet(Penalty):
    """``l1 sum|w| + l2 sum w^2``.

    Explained in :doc:`/choosing`.

    Parameters
    ----------
    l1, l2 : float
        Strengths in the objective.
    rule : {"cumulative", "proximal", "shrink_first", "subgradient"}
        Of the l1 part, as for `L1`.
    sign_at_zero : {0, 1}
        As for `L1`.

    Examples
    --------
    >>> import regnet_c as rn
    >>> penalty = rn.ElasticNet(l1=0.5, l2=0.25)
    >>> penalty.value([[1.0, -2.0]])  # 0.5 * 3 + 0.25 * 5
    2.75
    """

    l1: float
    l2: float
    rule: L1Rule
    sign_at_zero: int

    def __init__(
        self,
        l1: float,
        l2: float,
        rule: L1Rule = "cumulative",
        sign_at_zero: Literal[0, 1] = 0,
    ) -> None:
        self.l1 = _strength(l1, "l1")
        self.l2 = _strength(l2, "l2")
        self.rule = checks.check_name(rule, RULES, "rule")
        self.sign_at_zero = checks.check_int(sign_at_zero, "sign_at_zero", 0, 1)

    def terms(self) -> Sequence[Term]:
        return _present(L1Term(self.l1, self.rule, self.sign_at_zero), L2Term(self.l2))

    @classmethod
    def from_convention(
        cls,
        convention: Convention,
        strength: float,
        l1_ratio: float | None = None,
        n: int | None = None,
        rule: L1Rule = "cumulative",
    ) -> Self:
        """The same penalty from another source's strength.

        For conventions without an l1_ratio of their own, the l1 term gets
        l1_ratio * strength and the l2 term (1 - l1_ratio) * strength.

        Parameters
        ----------
        convention : str
            See `regnet_c.penalties.convert`.
        strength : float
        l1_ratio : float in [0, 1]
        n : int, optional
            Rows of the training set, for weight-decay.
        rule : str, default "cumulative"
            As for `L1`.

        Returns
        -------
        ElasticNet

        Raises
        ------
        ValueError
            If the convention has no L1 penalty, or needs n or l1_ratio.

        Examples
        --------
        >>> import regnet_c as rn
        >>> rn.ElasticNet.from_convention("glmnet", 0.5, l1_ratio=0.5)
        ElasticNet(0.25, 0.125)
        """
        shared = convention in ("glmnet", "skglm")  # it has an l1_ratio of its own
        ratio = l1_ratio
        if not shared:
            ratio = checks.check_float(l1_ratio, "l1_ratio", minimum=0, maximum=1)
        l1, l2, at_zero = convert(convention, strength, n, 1, ratio)
        if l1 is None or l2 is None:
            raise ValueError(f"the convention {convention!r} has no L1 penalty")
        if not shared and ratio is not None:
            l1, l2 = l1 * ratio, l2 * (1 - ratio)
        return cls(l1, l2, rule=rule, sign_at_zero=at_zero)


class _GroupPenalty(Penalty):
    """Base of the penalties with groups, which are not shown if they are many."""

    groups: CheckedGroups

    def get_config(self) -> Config:
        config = super().get_config()
        if not isinstance(self.groups, str):
            config["groups"] = [list(group) for group in self.groups]
        return config

    def for_inputs(self, kept: Sequence[int]) -> Self:
        if isinstance(self.groups, str):
            return self
        place = {k: number for number, k in enumerate(kept)}
        groups = [[place[k] for k in group if k in place] for group in self.groups]
        return self.replace(groups=groups)

    def _shown(self, name: str) -> str | None:
        value = getattr(self, name)
        if name == "groups" and not isinstance(value, str):
            inputs = sum(map(len, value))
            if inputs > _SHOWN_INPUTS:
                return f"<{len(value)} groups of {inputs} inputs>"
            return str([list(group) for group in value])
        return super()._shown(name)


class GroupLasso(_GroupPenalty):
    """``strength * sum over groups of the Euclidean norm of the group's weights``.

    It removes whole units, inputs or groups of inputs (Yuan and Lin 2006).

    Explained in :doc:`/course/groups`.

    Parameters
    ----------
    strength : float
    groups : {"units", "inputs"} or list of lists of int
        A unit's incoming weights (a column of W), an input's outgoing weights (a row), or
        those of several inputs: every input in exactly one group, in any order, such as
        the encoded columns of each column of a table; a group's norm counts sqrt(inputs
        in it) times, so that a group of one input counts as with "inputs".
    rule : {"cumulative", "proximal"}
        ``cumulative`` (default): each group is charged all it owes since the start, so
        that mini-batch noise does not revive zero groups; ``proximal``: gradient step, then
        every group is shrunk.

    Examples
    --------
    >>> import numpy as np, regnet_c as rn
    >>> penalty = rn.GroupLasso(0.5, groups=[[0, 2], [1]])
    >>> penalty.value([[3.0], [1.0], [4.0]])  # 0.5 * (sqrt(2) * 5 + 1)
    4.035533905932738
    >>> penalty.prox(np.array([[0.3], [1.0], [0.4]]), 1.0)
    array([[0. ],
           [0.5],
           [0. ]])
    """

    strength: float
    groups: CheckedGroups

    def __init__(
        self, strength: float, groups: Groups = "units", rule: GroupRule = "cumulative"
    ) -> None:
        self.strength = _strength(strength, "strength")
        self.groups = check_groups(groups)
        self.rule = _group_rule(rule)

    def terms(self) -> Sequence[Term]:
        return _present(GroupTerm(self.strength, self.groups, self.rule))


class SparseGroupLasso(_GroupPenalty):
    """L1, L2 and a group penalty in one.

    ``l1 sum|w| + l2 sum w^2 + strength * sum over groups of the group's Euclidean norm``
    (Simon, Friedman, Hastie and Tibshirani 2013).

    Explained in :doc:`/course/groups`.

    Parameters
    ----------
    l1, strength : float
        Strengths of single weights and of groups.
    groups : {"units", "inputs"} or list of lists of int
        As for `GroupLasso`.
    l2 : float, default 0
    rule : {"cumulative", "proximal"}
        Of both parts, as for `L1` and `GroupLasso`; cumulative: one ledger per weight
        holds what it has been charged for itself and for its group.

    Examples
    --------
    >>> import numpy as np, regnet_c as rn
    >>> penalty = rn.SparseGroupLasso(l1=0.5, strength=1.0, groups="inputs")
    >>> penalty.prox(np.array([[2.5, 0.4], [0.8, 0.6]]), 1.0)
    array([[1., 0.],
           [0., 0.]])
    """

    l1: float
    strength: float
    l2: float
    groups: CheckedGroups

    def __init__(
        self,
        l1: float,
        strength: float,
        groups: Groups = "units",
        l2: float = 0.0,
        rule: GroupRule = "cumulative",
    ) -> None:
        self.l1 = _strength(l1, "l1")
        self.strength = _strength(strength, "strength")
        self.groups = check_groups(groups)
        self.l2 = _strength(l2, "l2")
        self.rule = _group_rule(rule)

    def terms(self) -> Sequence[Term]:
        return _present(
            L1Term(self.l1, self.rule),
            GroupTerm(self.strength, self.groups, self.rule),
            L2Term(self.l2),
        )


class NonNegative(Penalty):
    """The constraint w >= 0: after each step negative weights become 0.

    Explained in :doc:`/choosing`.

    Parameters
    ----------
    penalty : Penalty, optional
        A penalty to combine with it.

    Examples
    --------
    >>> import numpy as np, regnet_c as rn
    >>> rn.NonNegative(rn.L1(0.5)).prox(np.array([-1.0, 0.2, 2.0]), 1.0)
    array([0. , 0. , 1.5])
    """

    groups: CheckedGroups | None

    def __init__(self, penalty: Penalty | None = None) -> None:
        if penalty is not None and not isinstance(penalty, Penalty):
            raise TypeError(
                f"penalty is {penalty!r}, expected a penalty such as L1(1e-4)"
            )
        self.penalty = penalty
        self.groups = None if penalty is None else penalty.groups

    def for_inputs(self, kept: Sequence[int]) -> Self:
        return (
            self
            if self.penalty is None
            else self.replace(penalty=self.penalty.for_inputs(kept))
        )

    def terms(self) -> Sequence[Term]:
        terms = [] if self.penalty is None else self.penalty.terms()
        return sorted([NonNegativeTerm(), *terms], key=lambda t: _ORDER[type(t)])


_ORDER = {L1Term: 0, NonNegativeTerm: 1, GroupTerm: 2, L2Term: 3}
_CLASSES = {
    c.__name__: c
    for c in (L1, L2, ElasticNet, GroupLasso, SparseGroupLasso, NonNegative)
}


def penalty_from_config(config: Config) -> Penalty:
    """The penalty that `get_config` described; ValueError for an unknown type."""
    config = dict(config)
    kind = config.pop("type", None)
    if kind not in _CLASSES:
        raise ValueError(f"unknown penalty type {kind!r}")
    if kind == "NonNegative" and config.get("penalty") is not None:
        config["penalty"] = penalty_from_config(config["penalty"])
    return _CLASSES[kind](**config)


def lists_inputs(config: Config | None) -> bool:
    """Whether the penalty that `get_config` described, or None, lists inputs."""
    groups = None if config is None else penalty_from_config(config).groups
    return groups is not None and not isinstance(groups, str)


# ---- strengths of other write-ups and libraries --------------------------------------
#
# They put a 1/2, a 1/n or a 1/m before the penalty; the objective here has none.
# name -> (l1, l2, sign(0)); l1 and l2 as functions of the strength s, n (training rows),
# m (batch size) and rho (l1_ratio); None: the source has no such term.

CONVENTIONS: dict[
    Convention, tuple[Strength | None, Strength | None, Literal[0, 1]]
] = {
    "weight-decay": (
        lambda s, n, m, rho: s / n,
        lambda s, n, m, rho: s / (2 * n),
        0,
    ),
    "spiral": (lambda s, n, m, rho: s, lambda s, n, m, rho: s, 1),
    "outliers": (lambda s, n, m, rho: s, lambda s, n, m, rho: s, 1),
    "dropout": (None, lambda s, n, m, rho: s / (2 * m), 0),
    "keras": (lambda s, n, m, rho: s, lambda s, n, m, rho: s, 0),
    "sklearn": (None, lambda s, n, m, rho: s / (2 * m), 0),
    "pytorch": (None, lambda s, n, m, rho: s / 2, 0),
    "glmnet": (lambda s, n, m, rho: s * rho, lambda s, n, m, rho: s * (1 - rho) / 2, 0),
    "skglm": (lambda s, n, m, rho: s * rho, lambda s, n, m, rho: s * (1 - rho) / 2, 0),
}
_NEEDS = {"weight-decay": "n", "dropout": "batch_size", "sklearn": "batch_size"}


def convert(
    convention: Convention,
    strength: float,
    n: int | None = None,
    batch_size: int | None = None,
    l1_ratio: float | None = None,
) -> tuple[float | None, float | None, Literal[0, 1]]:
    """(l1, l2, sign_at_zero) of a foreign strength; l1 or l2 is None if it has no such.

    Explained in :doc:`/regularisation`.

    Parameters
    ----------
    convention : str
        The reference systems of this library: ``weight-decay`` lam/(2n) sum w^2 or
        lam/n sum|w|; ``spiral``, ``outliers`` lam sum w^2 or lam sum|w|, sign(0) = 1;
        ``dropout`` lam/(2m) sum w^2 with m the batch size.
        Libraries: ``keras`` lam sum w^2 or lam sum|w|; ``sklearn`` alpha/(2m) sum w^2;
        ``pytorch`` weight_decay; ``glmnet``, ``skglm`` alpha (rho sum|w| +
        (1-rho)/2 sum w^2) with a data term of 1/(2n).
    strength : float
    n, batch_size : int
        Where the convention divides by them.
    l1_ratio : float
        rho, for glmnet and skglm.

    Returns
    -------
    l1, l2 : float or None
    sign_at_zero : {0, 1}

    Raises
    ------
    ValueError
        If the convention is unknown or needs n, batch_size or l1_ratio.

    Examples
    --------
    >>> from regnet_c.penalties import convert
    >>> convert("glmnet", 0.5, l1_ratio=0.5)
    (0.25, 0.125, 0)
    >>> convert("sklearn", 1e-4, batch_size=200)
    (None, 2.5e-07, 0)
    """
    checks.check_name(convention, tuple(CONVENTIONS), "convention")
    strength = checks.check_float(strength, "strength", minimum=0)
    given = {"n": n, "batch_size": batch_size}
    needed = _NEEDS.get(convention)
    if needed:
        if given[needed] is None:
            raise ValueError(f"the convention {convention!r} needs {needed}=")
        checks.check_int(given[needed], needed, 1, 2**62)
    if l1_ratio is not None:
        l1_ratio = checks.check_float(l1_ratio, "l1_ratio", minimum=0, maximum=1)
    elif convention in ("glmnet", "skglm"):
        raise ValueError(f"the convention {convention!r} needs l1_ratio=")
    l1, l2, at_zero = CONVENTIONS[convention]
    return (
        None if l1 is None else l1(strength, n, batch_size, l1_ratio),
        None if l2 is None else l2(strength, n, batch_size, l1_ratio),
        at_zero,
    )
