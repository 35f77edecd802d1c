"""The base of the penalties: values, subgradients and proximal operators.

The objective is J = mean data loss + sum over layers of (l1 sum|W| + l2 sum W^2), with no
1/2, independent of batch size and of n.
"""

import numpy as np

from ._core import checks

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
        w, step = np.asarray(w), checks.check_float(step, "step", minimum=0)
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
        self.group_strength = checks.check_float(strength, "strength", minimum=0)
        self.group = checks.check_name(groups, ("units", "inputs"), "groups")
        self.group_update = checks.check_name(update, UPDATES[:2], "update")

    def _group_words(self):
        rule = "" if self.group_update == UPDATES[0] else f", update={UPDATES[1]!r}"
        return f"groups={self.group!r}{rule}"

    def _set_rule(self, update, sign_at_zero):
        self.update = checks.check_name(update, UPDATES, "update")
        self.sign_at_zero = checks.check_int(sign_at_zero, "sign_at_zero", 0, 1)
