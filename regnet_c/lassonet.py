"""LassoNet: a network with a linear skip connection that decides which inputs count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ._core import checks
from ._core.initialization import fill_weights
from ._core.plan import Plan
from .activations import ACTIVATIONS
from .layers import split_layers
from .network import Network
from .penalties import GroupTerm, Penalty, check_groups, check_groups_fit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from .layers import Layer
    from .losses import Loss
    from .penalties import CheckedGroups, Term
    from .typing import DTypeName, FloatArray, InputGroups, LossName

_SKIP_STREAM = 1 << 16  # of the random numbers, beyond those of the layers


class SkipPenalty(Penalty):
    """strength * sum over inputs of |b_j|, b_j the skip's weights of input j.

    Every weight of input j into the first layer is kept at or below hierarchy * |b_j|.
    Groups of inputs: |b| is the norm of all skip weights of a group.
    """

    strength: float
    hierarchy: float
    groups: CheckedGroups

    def __init__(
        self, strength: float, hierarchy: float, groups: InputGroups = "inputs"
    ) -> None:
        self.strength = checks.check_float(strength, "strength", minimum=0)
        self.hierarchy = checks.check_float(hierarchy, "hierarchy", minimum=0)
        self.groups = check_groups(groups, ("inputs",))

    def terms(self) -> Sequence[Term]:
        return [self.term]

    @property
    def term(self) -> GroupTerm:
        """The only term."""
        return GroupTerm(self.strength, self.groups, None)


class LassoNet(Network):
    """A network plus a linear map from its inputs to its outputs, sparse in the inputs.

    Minimises the mean data loss + ``strength sum_j |b_j|`` subject to
    ``|W_jk| <= hierarchy |b_j|`` (Lemhadri, Ruan, Abraham and Tibshirani 2021), where
    ``b_j`` are the weights of input j in the linear map and ``W_jk`` those into the first
    layer: an input that the linear map drops is removed from the whole network, with exact
    zeros.

    The weights of the linear map come last in `get_weights`.

    Nothing is scaled inside: `strength` is in units of the loss per unit of ``b_j``, and
    inputs with large numbers are penalised less for the same effect.  For y multiplied by
    s, squared_error has the same minimum if the strength is multiplied and the hierarchy
    divided by s, but the optimiser's steps are of another size.  Bring X and y to mean 0
    and standard deviation 1 first, or use ``regularization_path(penalty="lassonet")``,
    which does.

    Explained in :doc:`/course/lassonet`.

    Parameters
    ----------
    layers : list of Dense and Dropout
        At least two Dense layers; the last has no activation.
    strength : float
    hierarchy : float, default 10
        The paper's M: 0 gives a linear model, a large value the network alone.
    loss : str or Loss, default "squared_error"
    dtype : {"float32", "float64"}, default "float32"
    seed : int, default 0
        Like the loss and the dtype as for `Network`.
    groups : list of lists of int, default "inputs"
        Inputs that are kept or given up together, every input in exactly one group, as
        for `GroupLasso`: of group g the linear map's weights ``b_g`` are one vector, which
        costs ``strength * sqrt(inputs in g) * |b_g|``, and every ``|W_jk|`` of its inputs
        is at most ``hierarchy |b_g|``.

    Notes
    -----
    Groups are those of the authors' own package (``lassonet``, its `groups`), where all
    weights of a group take the place of an input's; the factor sqrt(inputs in g), which it
    has not, makes large groups as hard to enter by chance as small ones (Yuan and Lin
    2006).

    Examples
    --------
    >>> import numpy as np, regnet_c as rn
    >>> X = np.random.RandomState(0).randn(300, 6)
    >>> layers = [rn.Dense(6, 16, activation="relu"), rn.Dense(16, 1)]
    >>> net = rn.LassoNet(layers, strength=3.0, seed=0)
    >>> _ = net.fit(X, X[:, 2] ** 2 + X[:, 2], epochs=60, optimizer=rn.Adam(0.01))
    >>> net.selected()
    array([2])
    """

    skip_penalty: SkipPenalty

    def __init__(
        self,
        layers: Sequence[Layer],
        strength: float,
        hierarchy: float = 10.0,
        loss: Loss | LossName = "squared_error",
        dtype: DTypeName = "float32",
        seed: int = 0,
        groups: InputGroups = "inputs",
    ) -> None:
        self.skip_penalty = SkipPenalty(strength, hierarchy, groups)
        super().__init__(layers, loss, dtype, seed)

    def _make_plan(self) -> Plan:
        plan = Plan(
            split_layers(self.layers),
            self.loss,
            self.dtype,
            self.seed,
            self.skip_penalty,
        )
        if len(plan.dense) < 2:
            raise ValueError("LassoNet has one Dense layer, expected at least two")
        if plan.dense[0].learning_rate_factor != 1:
            raise ValueError(
                f"the first layer has learning_rate_factor="
                f"{plan.dense[0].learning_rate_factor}, LassoNet expects 1: its weights "
                "are bounded by those of the skip connection"
            )
        if plan.activation_code(len(plan.dense) - 1):
            raise ValueError(
                f"the last layer has the activation {plan.dense[-1].activation!r}, "
                "LassoNet expects 'identity'"
            )
        check_groups_fit(self.skip_penalty, plan.dense[0].n_in, "LassoNet")
        penalty = plan.dense[0].weight_penalty
        if penalty is not None and penalty.groups:
            raise ValueError(
                f"the first layer has {penalty!r}, its groups belong to LassoNet"
            )
        return plan

    def _fill(self, views: Sequence[FloatArray]) -> None:
        super()._fill(views)
        init = ACTIVATIONS["identity"].initializer
        fill_weights(views[-1], init, self.seed, _SKIP_STREAM)

    def selected(self) -> NDArray[np.intp]:
        """Numbers of the inputs in use, in ascending order.

        Returns
        -------
        ndarray of int

        Examples
        --------
        >>> import numpy as np, regnet_c as rn
        >>> X = np.random.RandomState(0).randn(300, 6)
        >>> layers = [rn.Dense(6, 16, activation="relu"), rn.Dense(16, 1)]
        >>> net = rn.LassoNet(layers, strength=3.0, seed=0)
        >>> net.selected()
        array([0, 1, 2, 3, 4, 5])
        >>> _ = net.fit(X, X[:, 2] ** 2 + X[:, 2], epochs=60, optimizer=rn.Adam(0.01))
        >>> net.selected()
        array([2])
        """
        norms = self.skip_penalty.term.norms(self._weights.views[-1])
        return np.flatnonzero(np.any(norms, axis=1))

    def __repr__(self) -> str:
        inner = ",\n    ".join(repr(layer) for layer in self.layers)
        groups = "" if self.skip_penalty.groups == "inputs" else ", groups=..."
        return (
            f"LassoNet(\n    [{inner}],\n    {self.skip_penalty.strength!r}, "
            f"hierarchy={self.skip_penalty.hierarchy!r}, loss={self.loss.name!r}, "
            f"dtype={self.dtype.name!r}, seed={self.seed}{groups})"
        )

    def __getstate__(self) -> Any:
        penalty = self.skip_penalty
        arguments = (penalty.strength, penalty.hierarchy, penalty.groups)
        return arguments, super().__getstate__()

    def __setstate__(self, state: Any) -> None:
        arguments, state = state
        self.skip_penalty = SkipPenalty(*arguments)
        super().__setstate__(state)


def _refused(name: str) -> Callable[..., NoReturn]:
    """A method of Network whose result cannot hold the linear map."""

    def method(*args: object, **kwargs: object) -> NoReturn:
        raise TypeError(
            f"{name} has no place for a LassoNet's linear map; use a Network trained on "
            "its selected() columns, or pickle the LassoNet"
        )

    method.__name__ = name
    method.__qualname__ = f"LassoNet.{name}"
    return method


for _name in (
    "compact",
    "member",
    "keep_members",
    "save",
    "to_c",
    "to_onnx",
    "to_torch",
):
    setattr(LassoNet, _name, _refused(_name))
for _name in ("load", "from_torch", "from_sklearn"):
    setattr(LassoNet, _name, staticmethod(_refused(_name)))
