"""Optimisers: how a step is taken from a gradient; the arithmetic is the core's.

The effective strength of a penalty does not depend on the optimiser: an L1 threshold is
l1 times what the optimiser makes of a constant unit gradient, and L2 is in the gradient.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ._core import binding, checks
from ._core.fixed import Fixed
from .schedules import Schedule

if TYPE_CHECKING:
    from collections.abc import Callable

    from .typing import Float64Array, OptimizerName


class Algorithm(NamedTuple):
    """An algorithm of the core: its number, and what it keeps for every weight."""

    code: int
    first_moment: bool  # the velocity, or the mean of the gradients
    second_moment: bool  # the sum or the mean of their squares


ALGORITHMS = {
    name: Algorithm(*traits) for name, traits in binding.optimizer_traits().items()
}


class Optimizer(Fixed):
    """Base of the optimisers.

    An optimiser does not change after construction, except for its learning rate; `replace`
    returns a changed copy, which starts without the state of training.

    Explained in :doc:`/l1_rules`.

    Parameters
    ----------
    learning_rate : float or Schedule
        It may be set later: it is checked and used from the next step on.
    clip_norm : float, optional
        The gradient of a step is scaled to at most this Euclidean norm, over all weights
        and biases together (Pascanu et al. 2013).  It is the gradient of the mean loss,
        without the penalties, which shrink weights as ever.

    Examples
    --------
    >>> import regnet_c as rn
    >>> adam = rn.Adam(0.01)
    >>> isinstance(adam, rn.Optimizer)
    True
    >>> adam.learning_rate = 0.001
    >>> adam
    Adam(0.001)
    """

    algorithm = "sgd"
    momentum: float = 0.0
    beta1: float = 0.0
    beta2: float = 0.0
    epsilon: float = 0.0
    weight_decay: float | Schedule = 0.0
    clip_norm: float | None = None

    def __init__(
        self, learning_rate: float | Schedule, clip_norm: float | None = None
    ) -> None:
        self.learning_rate = learning_rate
        if clip_norm is not None:
            clip_norm = checks.check_float(
                clip_norm, "clip_norm", minimum=0, open_minimum=True
            )
        self.clip_norm = clip_norm

    @property
    def learning_rate(self) -> float | Schedule:
        """The rate, or the schedule of rates."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, rate: float | Schedule) -> None:
        if not isinstance(rate, Schedule):
            rate = checks.check_float(
                rate, "learning_rate", minimum=0, open_minimum=True
            )
        self._learning_rate = rate

    def __eq__(self, other: object) -> bool:
        return self is other  # a network keeps the state of training of the very object

    def __hash__(self) -> int:
        return object.__hash__(self)

    def _is_fixed(self, name: str) -> bool:
        return name != "learning_rate" and super()._is_fixed(name)

    @property
    def kind(self) -> int:
        """The core's number of the algorithm."""
        return self.traits.code

    @property
    def traits(self) -> Algorithm:
        """The algorithm's number, and what it keeps for every weight."""
        return ALGORITHMS[self.algorithm]

    def constants(self, step: int = 0, steps_per_epoch: int = 1) -> dict[str, float]:
        """The numbers the C core needs, by their names in rn.h.

        Parameters
        ----------
        step, steps_per_epoch : int
            When, for the decay that follows a schedule.

        Returns
        -------
        dict of str to float

        Examples
        --------
        >>> import regnet_c as rn
        >>> rn.SGD(0.1, momentum=0.9).constants()["momentum"]
        0.9
        """
        decay = self.weight_decay
        if isinstance(decay, Schedule):
            decay = check_decay(decay.at(step, steps_per_epoch))
        names = ("momentum", "beta1", "beta2", "epsilon")
        return {name: getattr(self, name) for name in names} | {"weight_decay": decay}

    def learning_rates(
        self, first: int, count: int, steps_per_epoch: int
    ) -> Float64Array:
        """Learning rates of `count` steps from step `first` on.

        Parameters
        ----------
        first, count, steps_per_epoch : int

        Returns
        -------
        ndarray of float64, shape (count,)

        Raises
        ------
        ValueError
            If a schedule returns a rate that is negative or not finite.

        Examples
        --------
        >>> import regnet_c as rn
        >>> sgd = rn.SGD(rn.schedules.LinearDecay(1.0, epochs=2))
        >>> sgd.learning_rates(first=0, count=4, steps_per_epoch=2)
        array([1.  , 0.75, 0.5 , 0.25])
        """
        if not isinstance(self.learning_rate, Schedule):
            rates = np.empty(count)
            rates.fill(self.learning_rate)  # np.full takes a microsecond more
            return rates
        steps = np.arange(first, first + count)
        rates = self.learning_rate(steps, steps_per_epoch)
        return checks.check_learning_rates(rates, count)

    def _shown(self, name: str) -> str | None:
        # the rate always, also where it is the default
        return (
            repr(self.learning_rate)
            if name == "learning_rate"
            else super()._shown(name)
        )

    def __repr__(self) -> str:
        shown = {name: self._shown(name) for name in self._names}
        parts = [f"{name}={text}" for name, text in shown.items() if text is not None]
        return (
            f"{type(self).__name__}({', '.join(parts).removeprefix('learning_rate=')})"
        )


def _fraction(value: object, name: str) -> float:
    return checks.check_float(value, name, minimum=0, below=1)


def _epsilon(value: object) -> float:
    return checks.check_float(value, "epsilon", minimum=0, open_minimum=True)


class SGD(Optimizer):
    """``v = momentum v - lr g, w += v``; Nesterov: ``w += momentum v - lr g``.

    Explained in :doc:`/l1_rules`.

    Parameters
    ----------
    learning_rate : float or Schedule, default 0.01
    momentum : float in [0, 1), default 0
    nesterov : bool, default False
    clip_norm : float, optional
        Most norm of a step's gradient, see `Optimizer`.

    Examples
    --------
    >>> import regnet_c as rn
    >>> rn.SGD(0.1, momentum=0.9)
    SGD(0.1, momentum=0.9)
    """

    momentum: float
    nesterov: bool

    def __init__(
        self,
        learning_rate: float | Schedule = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        clip_norm: float | None = None,
    ) -> None:
        super().__init__(learning_rate, clip_norm)
        self.momentum = _fraction(momentum, "momentum")
        self.nesterov = checks.check_bool(nesterov, "nesterov")
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov=True needs a momentum above 0")
        if self.momentum:
            self.algorithm = "nesterov" if self.nesterov else "momentum"


class Adagrad(Optimizer):
    """``v += g^2, w -= lr g / (sqrt(v) + epsilon)`` (Duchi et al. 2011).

    Explained in :doc:`/l1_rules`.

    Parameters
    ----------
    learning_rate : float or Schedule, default 0.01
    epsilon : float, default 1e-7
    clip_norm : float, optional
        Most norm of a step's gradient, see `Optimizer`.

    Examples
    --------
    >>> import regnet_c as rn
    >>> rn.Adagrad(0.1).replace(learning_rate=0.05)
    Adagrad(0.05)
    """

    epsilon: float
    algorithm = "adagrad"

    def __init__(
        self,
        learning_rate: float | Schedule = 0.01,
        epsilon: float = 1e-7,
        clip_norm: float | None = None,
    ) -> None:
        super().__init__(learning_rate, clip_norm)
        self.epsilon = _epsilon(epsilon)


class RMSprop(Optimizer):
    """``v = rho v + (1 - rho) g^2, w -= lr g / (sqrt(v) + epsilon)``.

    Tieleman and Hinton 2012, with epsilon outside the root.

    Explained in :doc:`/l1_rules`.

    Parameters
    ----------
    learning_rate : float or Schedule, default 0.001
    rho : float in [0, 1), default 0.9
    epsilon : float, default 1e-7
    clip_norm : float, optional
        Most norm of a step's gradient, see `Optimizer`.

    Examples
    --------
    >>> import regnet_c as rn
    >>> rn.RMSprop(0.01, rho=0.95)
    RMSprop(0.01, rho=0.95)
    """

    rho: float
    beta2: float
    epsilon: float
    algorithm = "rmsprop"

    def __init__(
        self,
        learning_rate: float | Schedule = 0.001,
        rho: float = 0.9,
        epsilon: float = 1e-7,
        clip_norm: float | None = None,
    ) -> None:
        super().__init__(learning_rate, clip_norm)
        self.rho = self.beta2 = _fraction(rho, "rho")
        self.epsilon = _epsilon(epsilon)


class Adam(Optimizer):
    """Bias-corrected moments of the gradient and of its square.

    ``m = b1 m + (1-b1) g, v = b2 v + (1-b2) g^2, w -= lr m' / (sqrt(v') + epsilon)``,
    m' = m / (1 - b1^t), v' = v / (1 - b2^t); epsilon is outside the root (Kingma and
    Ba 2015, and PyTorch).

    Explained in :doc:`/l1_rules`.

    Parameters
    ----------
    learning_rate : float or Schedule, default 0.001
    beta1, beta2 : float in [0, 1), default 0.9, 0.999
    epsilon : float, default 1e-8
    clip_norm : float, optional
        Most norm of a step's gradient, see `Optimizer`.

    Examples
    --------
    >>> import regnet_c as rn
    >>> rn.Adam(rn.schedules.CosineDecay(0.01, epochs=30))
    Adam(CosineDecay(0.01, 30.0))
    """

    beta1: float
    beta2: float
    epsilon: float
    algorithm = "adam"

    def __init__(
        self,
        learning_rate: float | Schedule = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        clip_norm: float | None = None,
    ) -> None:
        super().__init__(learning_rate, clip_norm)
        self.beta1 = _fraction(beta1, "beta1")
        self.beta2 = _fraction(beta2, "beta2")
        self.epsilon = _epsilon(epsilon)


class AdamW(Adam):
    """Adam after ``w *= 1 - lr weight_decay`` (Loshchilov and Hutter 2019).

    The decay shrinks biases too; it is not a term of the objective.

    Explained in :doc:`/l1_rules`.

    Parameters
    ----------
    learning_rate : float or Schedule, default 0.001
    weight_decay : float or Schedule, default 0.01
        Of a schedule: in each epoch what it has at the epoch's first step.
    beta1, beta2 : float in [0, 1), default 0.9, 0.999
    epsilon : float, default 1e-8
    clip_norm : float, optional
        Most norm of a step's gradient, see `Optimizer`.

    Examples
    --------
    >>> import regnet_c as rn
    >>> rn.AdamW(weight_decay=0.02)
    AdamW(0.001, weight_decay=0.02)
    """

    weight_decay: float | Schedule
    algorithm = "adamw"

    def __init__(
        self,
        learning_rate: float | Schedule = 0.001,
        weight_decay: float | Schedule = 0.01,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        clip_norm: float | None = None,
    ) -> None:
        super().__init__(learning_rate, beta1, beta2, epsilon, clip_norm)
        self.weight_decay = check_decay(weight_decay)


def check_decay(value: object) -> float | Schedule:
    """A weight decay of at least 0, or a schedule of them."""
    if isinstance(value, Schedule):
        return value
    return checks.check_float(value, "weight_decay", minimum=0)


class FTRL(Optimizer):
    """Follow the regularised leader, with steps of Adagrad: for sparse rows.

    ``w`` minimises ``sum_s (g_s w + l1 |w| + l2 w^2) + sum_s |w - w_s|^2 (1/r_s -
    1/r_(s-1)) / 2`` over the steps s so far, with the weights ``w_s`` they began at
    and ``r_s = lr / (beta + sqrt(sum_(i<=s) g_i^2))``: Algorithm 1 of McMahan et al.
    2013, FTRL-Proximal, with lr for its alpha.

    l1 and l2 are those of the layers' penalties and counted in every step, as the
    objective has them (McMahan 2011); Algorithm 1 counts its lambda_1 once, which l1
    reaches as ``lambda_1 / steps``.  There is no l1 or l2 of the optimiser's own, and what
    has no penalty is not shrunk.  L1 has this meaning by the rule ``cumulative``, the
    default; the other rules and groups shrink each step's weights in its metric, as with
    every optimiser.

    Explained in :doc:`/sparse`.

    Parameters
    ----------
    learning_rate : float or Schedule, default 0.05
    beta : float, default 1e-3
        Above 0.  While a weight's gradients are far smaller its steps are those of SGD
        with the rate ``learning_rate / beta``.  The papers' 1 is for the gradients of
        single examples; these are means over a batch, and over few words of a text.
    clip_norm : float, optional
        Most norm of a step's gradient, see `Optimizer`.

    Notes
    -----
    Without l2 the steps are those of `Adagrad` with epsilon = beta, in every bit: what L1
    has been charged is FTRL's memory (the ledger of the cumulative rule).  With l2, the
    sum of squares has the gradients of the data alone, and all l2 owed so far is in the
    divisor, so that a weight without gradient follows from what it was and the number of
    steps.

    References
    ----------
    McMahan (2011), "Follow-the-regularized-leader and mirror descent: equivalence theorems
    and L1 regularization", AISTATS.  McMahan et al. (2013), "Ad click prediction: a view
    from the trenches", KDD.

    Examples
    --------
    >>> import numpy as np, regnet_c as rn
    >>> X = np.random.RandomState(0).randn(300, 6)
    >>> layer = rn.Dense(6, 1, weight_penalty=rn.L1(0.1))
    >>> net = rn.Network([layer], "squared_error")
    >>> _ = net.fit(X, X[:, 2] - X[:, 4], 20, optimizer=rn.FTRL(0.5))
    >>> np.flatnonzero(net.get_weights()[0])
    array([2, 4])
    """

    beta: float
    epsilon: float
    algorithm = "ftrl"

    def __init__(
        self,
        learning_rate: float | Schedule = 0.05,
        beta: float = 1e-3,
        clip_norm: float | None = None,
    ) -> None:
        super().__init__(learning_rate, clip_norm)
        self.beta = self.epsilon = checks.check_float(
            beta, "beta", minimum=0, open_minimum=True
        )


BY_NAME: dict[OptimizerName, Callable[..., Optimizer]] = {
    "sgd": SGD,
    "adagrad": Adagrad,
    "rmsprop": RMSprop,
    "adam": Adam,
    "adamw": AdamW,
    "ftrl": FTRL,
}


def get_optimizer(optimizer: Optimizer | OptimizerName) -> Optimizer:
    """An Optimizer from a name or an Optimizer."""
    if isinstance(optimizer, Optimizer):
        return optimizer
    if isinstance(optimizer, str):
        result: Optimizer = BY_NAME[
            checks.check_name(optimizer, tuple(BY_NAME), "optimizer")
        ]()
        return result
    raise TypeError(
        f"optimizer is {optimizer!r}, expected an optimizer such as Adam(0.001)"
    )
