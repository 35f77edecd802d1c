"""Dense and Dropout: what a network is made of, no arithmetic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from ._core import checks
from ._core.fixed import Fixed
from ._core.initialization import BIAS_INITS, INITIALIZERS
from .activations import ACTIVATIONS, check_activation, check_param
from .penalties import Penalty, check_groups_fit, penalty_from_config
from .schedules import (
    Constant,
    CosineCycles,
    CosineDecay,
    ExponentialDecay,
    FlatCosine,
    LinearDecay,
    Schedule,
    StepDecay,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .activations import Activation
    from .typing import ActivationName, BiasInit, Config, WeightInit


# what a file can describe
_SCHEDULES: dict[str, type[Schedule]] = {
    kind.__name__: kind
    for kind in (
        Constant,
        ExponentialDecay,
        StepDecay,
        LinearDecay,
        CosineDecay,
        FlatCosine,
        CosineCycles,
    )
}


class Layer(Fixed):
    """Base of the layers.

    Layers do not change after construction; `replace` returns a changed copy.
    """


class Dense(Layer):
    """Fully connected layer, ``a = f(x W + b)`` with W of shape (n_in, n_out).

    Explained in :doc:`/quick_start`.

    Parameters
    ----------
    n_in, n_out : int
    activation : str, default "identity"
        A name of ``regnet_c.activations.ACTIVATIONS``, which has the formulas; softmax only
        in the last layer.  relu'(0) = 0.
    weight_penalty, bias_penalty : Penalty, optional
        Added to the objective; biases are not penalised by default.
    weight_init : str, float, ndarray or callable, optional
        A name (``he_``, ``glorot_`` or ``lecun_`` with ``uniform`` or ``normal``), the
        standard deviation of a normal distribution, the weights, or a function of the
        shape.  Default:
        he_uniform for the ReLU family, glorot_uniform for the others.
    use_bias : bool, default True
    max_norm : float, optional
        After each step every unit's incoming weights are scaled to at most this norm.
    activation_param : float, optional
        Slope of leaky_relu (0.01), alpha of elu (1).
    learning_rate_factor : float, default 1
        The layer's learning rate is that of the optimiser times this; 0 leaves the layer as
        it is.  An L1 threshold and AdamW's decay are proportional to the layer's own rate,
        so that the penalty weighs the same against the loss.
    bias_learning_rate_factor : float, default 1
        The bias's rate is that of the layer times this.
    bias_init : {"zeros", "kinks"}, default "zeros"
        Biases start at 0; or, of hidden layers, where each unit's ``z = x W + b`` is 0 at a
        row drawn from the training rows, so that the kinks of a ReLU lie where rows are.
        The first `fit` of the network sets them, if they are still all 0, from the seed and
        its rows; `train_step` does not.

    Examples
    --------
    >>> import regnet_c as rn
    >>> rn.Dense(784, 300, activation="relu", weight_penalty=rn.L1(1e-5))
    Dense(784, 300, activation='relu', weight_penalty=L1(1e-05))
    """

    n_in: int
    n_out: int
    weight_penalty: Penalty | None
    bias_penalty: Penalty | None
    use_bias: bool
    activation_param: float | None
    learning_rate_factor: float = 1.0
    bias_learning_rate_factor: float = 1.0
    bias_init: BiasInit = "zeros"

    def __init__(
        self,
        n_in: int,
        n_out: int,
        activation: ActivationName = "identity",
        weight_penalty: Penalty | None = None,
        bias_penalty: Penalty | None = None,
        weight_init: WeightInit | None = None,
        use_bias: bool = True,
        max_norm: float | None = None,
        activation_param: float | None = None,
        learning_rate_factor: float = 1.0,
        bias_learning_rate_factor: float = 1.0,
        bias_init: BiasInit = "zeros",
    ) -> None:
        self.n_in = checks.check_int(n_in, "n_in", minimum=1)
        self.n_out = checks.check_int(n_out, "n_out", minimum=1)
        self.activation = check_activation(activation)
        self.weight_penalty = _check_penalty(weight_penalty, "weight_penalty")
        self.bias_penalty = _check_penalty(bias_penalty, "bias_penalty")
        check_groups_fit(weight_penalty, self.n_in, "weight_penalty")
        if bias_penalty is not None and bias_penalty.groups:
            raise ValueError(f"bias_penalty is {bias_penalty!r}, a bias has no groups")
        self.weight_init = _check_init(weight_init)
        self.use_bias = checks.check_bool(use_bias, "use_bias")
        if max_norm is not None:
            max_norm = checks.check_float(
                max_norm, "max_norm", minimum=0, open_minimum=True
            )
        self.max_norm = max_norm
        self.activation_param = check_param(self.activation, activation_param)
        for name, factor in (
            ("learning_rate_factor", learning_rate_factor),
            ("bias_learning_rate_factor", bias_learning_rate_factor),
        ):
            factor = checks.check_float(factor, name, minimum=0)
            if factor != 1:  # a file may have thousands of layers; most have no own
                setattr(self, name, factor)
        if checks.check_name(bias_init, BIAS_INITS, "bias_init") != "zeros":
            if not self.use_bias:
                raise ValueError(f"bias_init is {bias_init!r} and use_bias False")
            self.bias_init = bias_init

    @property
    def traits(self) -> Activation:
        """The activation's properties, a `regnet_c.activations.Activation`."""
        return ACTIVATIONS[self.activation]

    def replace(self, **changes: Any) -> Self:
        """A copy with some arguments changed; another activation has its own parameter.

        Parameters
        ----------
        **changes
            Arguments of the constructor.

        Returns
        -------
        Dense

        Raises
        ------
        TypeError
            For an argument that the constructor does not have.

        Examples
        --------
        >>> import regnet_c as rn
        >>> rn.Dense(4, 8, "relu").replace(n_out=2, activation="tanh")
        Dense(4, 2, activation='tanh')
        """
        if changes.get("activation", self.activation) != self.activation:
            changes.setdefault("activation_param", None)
        return super().replace(**changes)

    def __eq__(self, other: object) -> bool:
        """Same configuration; initial arrays and functions must be the same object."""
        if not isinstance(other, Dense) or not super().__eq__(other):
            return False
        same = self.weight_init is other.weight_init
        return same or isinstance(self.weight_init, (str, float))

    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # arrays have none

    def get_config(self) -> Config:
        """The arguments as JSON values; initial arrays and functions are left out.

        Returns
        -------
        dict

        Examples
        --------
        >>> import regnet_c as rn
        >>> config = rn.Dense(4, 8, "relu", weight_penalty=rn.L2(0.01)).get_config()
        >>> config["n_in"], config["activation"], config["weight_penalty"]
        (4, 'relu', {'type': 'L2', 'l2': 0.01})
        """
        config = super().get_config()
        if not isinstance(self.weight_init, (str, float)):
            config["weight_init"] = None
        return config

    def _shown(self, name: str) -> str | None:
        value = getattr(self, name)
        if isinstance(value, np.ndarray):
            return f"<array {value.shape}>"
        if name == "activation_param" and value == check_param(self.activation, None):
            return None
        return super()._shown(name)


class Dropout(Layer):
    """Inverted dropout of the outputs of the layer before it, or of the inputs.

    In training each unit is kept with probability 1 - rate and divided by it; in
    prediction it does nothing.  Masks are a pure function of the network's seed, the
    step, the layer, the row and the unit.

    Explained in :doc:`/course/dropout`.

    Parameters
    ----------
    rate : float in [0, 1) or Schedule
        Probability that a unit is dropped.  With a schedule (one of those in
        ``regnet_c.schedules``) each epoch uses its value at the epoch's first step; steps
        are counted as for learning rates, from the start of training with this optimiser.

    Examples
    --------
    >>> import regnet_c as rn
    >>> rn.Dropout(0.5)
    Dropout(0.5)
    >>> rn.Dropout(rn.schedules.FlatCosine(0.3, epochs=50))
    Dropout(FlatCosine(0.3, 50.0))
    """

    rate: float | Schedule

    def __init__(self, rate: float | Schedule) -> None:
        self.rate = check_dropout(rate)


def check_dropout(rate: object, name: str = "rate") -> float | Schedule:
    """A dropout rate in [0, 1), or a schedule of them that a file can describe."""
    if not isinstance(rate, Schedule):
        return checks.check_rate(rate, name)
    if type(rate) not in _SCHEDULES.values():
        raise TypeError(
            f"{name} is {rate!r}, expected a schedule of regnet_c.schedules: no other one "
            "can be saved with the network"
        )
    checks.check_rate(rate.initial, f"{name} is {rate!r}, its initial")
    return rate


def split_layers(
    layers: Sequence[Layer],
) -> tuple[list[Dense], list[float | Schedule], list[int]]:
    """The Dense layers, the dropout rate before the first and after each of them, and
    the positions in that list of rates which have a Dropout layer."""
    dense: list[Dense] = []
    dropouts: list[int] = []
    rates: list[float | Schedule] = [0.0]
    last = None
    for number, layer in enumerate(layers):
        if isinstance(layer, Dropout):
            if isinstance(last, Dropout):
                raise ValueError(f"layers {number - 1} and {number} are both Dropout")
            rates[-1] = layer.rate
            dropouts.append(len(dense))
        elif isinstance(layer, Dense):
            if dense and dense[-1].n_out != layer.n_in:
                raise ValueError(
                    f"layer {number} expects {layer.n_in} inputs, "
                    f"the layer before it has {dense[-1].n_out} outputs"
                )
            dense.append(layer)
            rates.append(0.0)
        else:
            raise TypeError(
                f"layer {number} is {checks.a_type(layer)}, expected Dense or Dropout"
            )
        last = layer
    if not dense:
        raise ValueError("a network needs at least one Dense layer")
    if isinstance(last, Dropout):
        raise ValueError("the last layer is Dropout, outputs cannot be dropped")
    for number, layer in enumerate(dense[:-1]):
        if not layer.traits.hidden:
            raise ValueError(
                f"Dense layer {number} is hidden, {layer.activation} is for outputs"
            )
    if dense[-1].bias_init != "zeros":
        raise ValueError(
            f"the last Dense layer has bias_init={dense[-1].bias_init!r}, which is for "
            "hidden layers"
        )
    return dense, rates, dropouts


def layer_from_config(config: Config) -> Dense | Dropout:
    """The layer that `get_config` described; ValueError for an unknown type."""
    config = dict(config)
    kind = config.pop("type", None)
    if kind == "Dropout":
        if isinstance(config.get("rate"), dict):
            config["rate"] = _schedule_from_config(config["rate"])
        return Dropout(**config)
    if kind != "Dense":
        raise ValueError(f"unknown layer type {kind!r}")
    for name in ("weight_penalty", "bias_penalty"):
        if config.get(name) is not None:
            config[name] = penalty_from_config(config[name])
    return Dense(**config)


def _schedule_from_config(config: Config) -> Schedule:
    config = dict(config)
    kind = checks.check_name(config.pop("type", None), tuple(_SCHEDULES), "schedule")
    return _SCHEDULES[kind](**config)


def _check_penalty(penalty: Penalty | None, name: str) -> Penalty | None:
    if penalty is not None and not isinstance(penalty, Penalty):
        raise TypeError(f"{name} is {penalty!r}, expected a penalty such as L1(1e-4)")
    return penalty


def _check_init(init: WeightInit | None) -> WeightInit | None:
    if init is None or callable(init) or isinstance(init, np.ndarray):
        return init
    if isinstance(init, str):
        return checks.check_name(init, tuple(INITIALIZERS), "weight_init")
    return checks.check_float(init, "weight_init", minimum=0)
