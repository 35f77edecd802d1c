"""Activations: one table of what the library needs to know about them.

Their arithmetic is the core's (rn_act.inc.c); what initialisation, the dead-start check,
`compact` and the exporters need to know is here, once.  A new activation is one entry
here, its line in rn.h, its formula in C, and its text in export/c_math.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ._core import binding, checks

if TYPE_CHECKING:
    from collections.abc import Callable

    from .typing import ActivationName, InitializerName


@dataclass(frozen=True)
class Activation:
    """An element-wise function f, or softmax.

    Attributes
    ----------
    formula : str
    initializer : str
        The name of the weights it starts from by default: He et al. 2015 for those that
        pass about half of their inputs on, Glorot and Bengio 2010 for the others.
    zero_at_zero : bool
        f(0) = 0.
    non_negative : bool
        f(z) >= 0 for every z.
    zero_below : bool
        f(z) = 0, and its slope too, for every z <= 0.
    identity_above : bool
        f(z) = z for every z >= 0.
    parameter : tuple (str, float), optional
        What `activation_param` is, and its default.
    identity_at : float, optional
        The parameter with which f(z) = z everywhere.
    onnx : str or tuple
        An operator, or (operator, inputs, output) of several: z is the argument, y the
        result, names in capitals are constants of export/onnx.py.
    onnx_attributes : dict
    onnx_parameter : str, optional
        The operator's name for the parameter.
    torch_module, torch_function : callable, optional
        (torch, parameter) -> a module, or a function of a tensor.
    hidden : bool
        Whether a hidden layer may have it.
    """

    formula: str
    initializer: InitializerName = "glorot_uniform"
    zero_at_zero: bool = False
    non_negative: bool = False
    zero_below: bool = False
    identity_above: bool = False
    parameter: tuple[str, float] | None = None
    identity_at: float | None = None
    onnx: str | tuple[tuple[str, str, str], ...] = ()
    onnx_attributes: dict[str, Any] = field(default_factory=dict)
    onnx_parameter: str | None = None
    torch_module: Callable[[Any, Any], Any] | None = None
    torch_function: Callable[[Any, Any], Any] | None = None
    hidden: bool = True

    def is_identity(self, param: float | None) -> bool:
        """True if f(z) = z for every z with this parameter."""
        return self.formula == "z" or (
            self.identity_at is not None and param == self.identity_at
        )


ACTIVATIONS: dict[ActivationName, Activation] = {
    "identity": Activation(
        "z",
        zero_at_zero=True,
        identity_above=True,
        onnx="Identity",
        torch_module=lambda torch, param: torch.nn.Identity(),
    ),
    "relu": Activation(
        "max(z, 0), with slope 0 at 0",
        initializer="he_uniform",
        zero_at_zero=True,
        non_negative=True,
        zero_below=True,
        identity_above=True,
        onnx="Relu",
        torch_module=lambda torch, param: torch.nn.ReLU(),
    ),
    "leaky_relu": Activation(
        "z above 0, slope z below",
        initializer="he_uniform",
        zero_at_zero=True,
        identity_above=True,
        parameter=("slope", 0.01),
        identity_at=1.0,
        onnx="LeakyRelu",
        onnx_parameter="alpha",
        torch_module=lambda torch, param: torch.nn.LeakyReLU(param),
    ),
    "elu": Activation(
        "z above 0, alpha (exp(z) - 1) below",
        initializer="he_uniform",
        zero_at_zero=True,
        identity_above=True,
        parameter=("alpha", 1.0),
        onnx="Elu",
        onnx_parameter="alpha",
        torch_module=lambda torch, param: torch.nn.ELU(param),
    ),
    "sigmoid": Activation(
        "1 / (1 + exp(-z))",
        non_negative=True,
        onnx="Sigmoid",
        torch_module=lambda torch, param: torch.nn.Sigmoid(),
    ),
    "tanh": Activation(
        "tanh(z)",
        zero_at_zero=True,
        onnx="Tanh",
        torch_module=lambda torch, param: torch.nn.Tanh(),
    ),
    "arctan": Activation(
        "arctan(z)",
        zero_at_zero=True,
        onnx="Atan",
        torch_function=lambda torch, param: torch.atan,
    ),
    "softsign": Activation(
        "z / (1 + |z|)",
        zero_at_zero=True,
        onnx="Softsign",
        torch_module=lambda torch, param: torch.nn.Softsign(),
    ),
    "isru": Activation(
        "z / sqrt(1 + z^2)",
        zero_at_zero=True,
        # beyond 2^31 the result is 1, and the square would overflow at 2^64
        onnx=(
            ("Clip", "z MINUS_FAR FAR", "near"),
            ("Mul", "near near", "square"),
            ("Add", "square ONE", "sum"),
            ("Sqrt", "sum", "root"),
            ("Div", "near root", "y"),
        ),
        torch_function=lambda torch, param: (
            lambda z: (
                z.clamp(-(2.0**31), 2.0**31)
                * torch.rsqrt(1 + z.clamp(-(2.0**31), 2.0**31) ** 2)
            )
        ),
    ),
    "softplus": Activation(
        "log(1 + exp(z))",
        initializer="he_uniform",
        non_negative=True,
        onnx="Softplus",
        # beyond 40 it is z in any dtype
        torch_module=lambda torch, param: torch.nn.Softplus(threshold=40),
    ),
    "gelu": Activation(
        "z Phi(z), Phi the normal distribution function, exact",
        initializer="he_uniform",
        zero_at_zero=True,
        onnx=(
            ("Mul", "z ROOT_HALF", "u"),
            ("Erf", "u", "e"),
            ("Add", "e ONE", "twice"),
            ("Mul", "twice HALF", "phi"),
            ("Mul", "z phi", "y"),
        ),
        torch_module=lambda torch, param: torch.nn.GELU(),
    ),
    "silu": Activation(
        "z / (1 + exp(-z))",
        initializer="he_uniform",
        zero_at_zero=True,
        onnx=(("Sigmoid", "z", "s"), ("Mul", "z s", "y")),
        torch_module=lambda torch, param: torch.nn.SiLU(),
    ),
    "selu": Activation(
        "1.0507 z above 0, 1.7581 (exp(z) - 1) below",
        initializer="lecun_normal",
        zero_at_zero=True,
        onnx="Selu",
        torch_module=lambda torch, param: torch.nn.SELU(),
    ),
    "mish": Activation(
        "z tanh(log(1 + exp(z)))",
        initializer="he_uniform",
        zero_at_zero=True,
        onnx=(("Softplus", "z", "s"), ("Tanh", "s", "t"), ("Mul", "z t", "y")),
        torch_module=lambda torch, param: torch.nn.Mish(),
    ),
    "softmax": Activation(
        "exp(z_j) / sum over the outputs of exp(z)",
        non_negative=True,
        onnx="Softmax",
        onnx_attributes={"axis": -1},
        torch_module=lambda torch, param: torch.nn.Softmax(dim=-1),
        hidden=False,
    ),
}
NAMES: tuple[ActivationName, ...] = tuple(ACTIVATIONS)
_CODES: dict[str, int] = {
    name: code for code, name in enumerate(binding.activation_names())
}
HIDDEN: tuple[ActivationName, ...] = tuple(
    name for name in NAMES if ACTIVATIONS[name].hidden
)

# what `predict` makes of the last layer's results: an activation or the exponential
OUTPUTS: dict[str, Activation] = ACTIVATIONS | {
    "exp": Activation(
        "exp(z)",
        non_negative=True,
        onnx="Exp",
        torch_function=lambda torch, param: torch.exp,
        hidden=False,
    )
}


def code(name: str) -> int:
    """The core's number of an activation."""
    return _CODES[name]


def check_activation(name: object, what: str = "activation") -> ActivationName:
    """One of `NAMES`; the error lists them and guesses which was meant."""
    return checks.check_name(name, NAMES, what)


def check_param(name: ActivationName, value: object) -> float | None:
    """The checked parameter of this activation: its default for None.

    An activation without a parameter keeps None, and refuses another value.
    """
    traits = ACTIVATIONS[name]
    if traits.parameter is None:
        if value is not None:
            raise ValueError(f"activation_param is {value!r}, {name} has no parameter")
        return None
    if value is None:
        return traits.parameter[1]
    return checks.check_float(value, "activation_param")
