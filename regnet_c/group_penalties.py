"""The penalties that remove whole units or inputs."""

from ._core import checks
from .penalty import Penalty


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
        self.l1 = checks.check_float(l1, "l1", minimum=0)
        self.l2 = checks.check_float(l2, "l2", minimum=0)
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
