"""Networks as PyTorch modules and back: weights in, weights out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from .._core import checks
from ..activations import NAMES, OUTPUTS
from ..layers import Dense, Dropout
from .plain import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import ModuleType

    import torch

    from ..layers import Layer
    from ..losses import Loss
    from ..network import Network
    from ..typing import ActivationName, AnyArray, DTypeName, LossName
    from .plain import PlainLayer

    N = TypeVar("N", bound=Network)


def _import_torch() -> ModuleType:
    try:
        import torch
    except ImportError:
        raise ImportError("to_torch needs PyTorch: pip install torch") from None
    result: ModuleType = torch
    return result


def to_torch(network: Network, raw: bool = False) -> torch.nn.Sequential:
    """A torch.nn.Sequential with copies of the weights, in evaluation mode.

    Explained in :doc:`/coming_from_pytorch`.

    Parameters
    ----------
    network : Network
    raw : bool, default False
        True: the outputs before softmax, sigmoid or exp, as torch's losses on logits
        expect, (members, n, n_out) for several members. False: what `predict` returns,
        equal to rounding.

    Returns
    -------
    torch.nn.Sequential
        Of Linear, activations and Dropout (of a schedule the initial rate); the
        network's dtype; `kept_inputs` go in.
        For members modules with their parameters w, r, s and b in place of Linear.

    Examples
    --------
    >>> import regnet_c as rn
    >>> import torch
    >>> layers = [rn.Dense(4, 8, "relu"), rn.Dense(8, 3)]
    >>> net = rn.Network(layers, loss="softmax_cross_entropy")
    >>> rn.export.to_torch(net)
    Sequential(
      (0): Linear(in_features=4, out_features=8, bias=True)
      (1): ReLU()
      (2): Linear(in_features=8, out_features=3, bias=True)
      (3): Softmax(dim=-1)
    )
    """
    torch = _import_torch()
    members, output = describe(network)
    parts, modules = zip(*members, strict=True), []
    for layer in network.layers:
        if isinstance(layer, Dropout):
            rate = layer.rate
            rate = rate if isinstance(rate, float) else rate.initial
            modules.append(torch.nn.Dropout(rate))
            continue
        part, *others = next(parts)
        linear = _of_members(torch, [part, *others]) if others else _linear(torch, part)
        modules.append(linear)
        if part.activation != "identity":
            modules.append(_activation(torch, part.activation, part.param))
    if output != "identity" and not raw:
        modules.append(_activation(torch, output, 0.0))
    if len(members) > 1 and not raw:
        modules.append(_module(torch, "Mean", lambda _, a: a.mean(0)))
    return torch.nn.Sequential(*modules).eval()


def _linear(torch: Any, layer: PlainLayer) -> torch.nn.Linear:
    n_in, n_out = layer.w.shape
    weight = torch.from_numpy(layer.w.T)
    has_bias = layer.b is not None
    linear = torch.nn.Linear(n_in, n_out, bias=has_bias, dtype=weight.dtype)
    with torch.no_grad():
        linear.weight.copy_(weight)
        if has_bias:
            linear.bias.copy_(torch.from_numpy(layer.b))
    return linear


def _of_members(torch: Any, layers: Sequence[PlainLayer]) -> torch.nn.Module:
    """From (n, n_in) or (members, n, n_in) to (members, n, n_out)."""
    has_factors, has_bias = layers[0].r is not None, layers[0].b is not None

    def forward(self: Any, x: Any) -> Any:
        z = (x * self.r) @ self.w * self.s if has_factors else x @ self.w
        return z + self.b if has_bias else z

    module = _module(torch, "DenseOfMembers", forward)
    arrays = {"w": layers[0].w if has_factors else np.stack([x.w for x in layers])}
    for name, has in (("r", has_factors), ("s", has_factors), ("b", has_bias)):
        if has:
            arrays[name] = np.stack([getattr(x, name) for x in layers])[:, None]
    for name, array in arrays.items():
        parameter = torch.nn.Parameter(torch.from_numpy(array.copy()))
        module.register_parameter(name, parameter)
    return module


def _module(
    torch: Any, name: str, forward: Callable[[Any, Any], Any]
) -> torch.nn.Module:
    return type(name, (torch.nn.Module,), {"forward": forward})()


def _activation(torch: Any, name: str, param: float) -> torch.nn.Module:
    traits = OUTPUTS[name]
    if traits.torch_module is not None:
        return traits.torch_module(torch, param)
    assert traits.torch_function is not None  # every activation has one or the other
    function = traits.torch_function(torch, param)
    return _module(torch, name, lambda _, z: function(z))


def from_torch(
    cls: type[N],
    state_dict: Mapping[str, Any],
    activations: ActivationName | Sequence[ActivationName] = "relu",
    loss: Loss | LossName = "squared_error",
    dtype: DTypeName | None = None,
) -> N:
    """A network with the Linear weights of a state_dict, in its order.

    Explained in :doc:`/coming_from_pytorch`.

    Parameters
    ----------
    cls : type
        Network or a subclass.
    state_dict : dict
        Names that end in "weight" (n_out, n_in) and, optionally, "bias" (n_out,), as
        ``torch.nn.Module.state_dict`` returns them; tensors or arrays.
    activations : str or list of str, default "relu"
        One name for all hidden layers, or one for each layer; if the last is left out
        it is "identity".
    loss : str or Loss, default "squared_error"
        The cross-entropies contain their softmax or sigmoid.
    dtype : {"float32", "float64"}, optional
        Default: float64 if some tensor is, else float32.

    Returns
    -------
    Network

    Raises
    ------
    TypeError, ValueError
        If the state_dict is not that of a chain of Linear layers.

    Examples
    --------
    >>> import numpy as np, regnet_c as rn
    >>> state = {"0.weight": np.ones((1, 3)), "0.bias": np.zeros(1)}
    >>> net = rn.Network.from_torch(state)
    >>> net.predict([[1.0, 2.0, 3.0]])
    array([[6.]])
    """
    pairs = _linear_pairs(state_dict)
    names = _layer_activations(activations, len(pairs))
    if dtype is None:
        double = any(weight.dtype == np.float64 for weight, _ in pairs)
        dtype = "float64" if double else "float32"
    layers: list[Layer] = []
    weights: list[AnyArray] = []
    for (weight, bias), name in zip(pairs, names, strict=True):
        n_out, n_in = weight.shape
        layers.append(Dense(n_in, n_out, activation=name, use_bias=bias is not None))
        weights += [weight.T] if bias is None else [weight.T, bias]
    network = cls(layers, loss=loss, dtype=dtype)
    network.set_weights(weights)
    return network


def _linear_pairs(
    state_dict: Mapping[str, Any],
) -> list[tuple[AnyArray, AnyArray | None]]:
    """[(weight, bias or None)] as arrays; ValueError for what is not a chain of Linear."""
    if not hasattr(state_dict, "items"):
        raise TypeError(
            f"state_dict is {checks.a_type(state_dict)}, expected module.state_dict()"
        )
    arrays = {}
    for name, value in state_dict.items():
        if not isinstance(name, str):
            raise TypeError(f"state_dict has the name {name!r}, expected text")
        arrays[name] = _to_numpy(value, name)
    pairs = []
    for name, array in arrays.items():
        stem, _, kind = name.rpartition(".")
        prefix = f"{stem}." if stem else ""
        if kind == "weight" and array.ndim == 2:
            pairs.append((array, arrays.get(f"{prefix}bias")))
        elif kind != "bias" or f"{prefix}weight" not in arrays:
            raise ValueError(
                f"{name} has shape {array.shape}, expected weights (n_out, n_in) and "
                "biases of Linear layers alone"
            )
    if not pairs:
        raise ValueError("state_dict is empty, expected weights of Linear layers")
    return pairs


def _to_numpy(value: Any, name: str) -> AnyArray:
    """An array of numbers from a tensor on any device, of any float type."""
    if hasattr(value, "detach"):
        if getattr(value, "is_meta", False):
            raise ValueError(
                f"{name} is on the meta device, expected a tensor with values"
            )
        if value.is_complex():
            raise TypeError(f"{name} is {value.dtype}, expected real numbers")
        if getattr(value, "is_quantized", False):
            raise TypeError(
                f"{name} is quantized ({value.dtype}), expected float weights: call "
                "dequantize() first"
            )
        value = value.detach().cpu()
        value = value.double() if value.element_size() == 8 else value.float()
        array: AnyArray = value.numpy()
        return array
    return checks.as_array(value, name)


def _layer_activations(
    activations: ActivationName | Sequence[ActivationName], n: int
) -> list[ActivationName]:
    """One activation for each of n layers."""
    if isinstance(activations, str):
        return [activations] * (n - 1) + ["identity"]
    names = checks.check_list(activations, "activations", "names")
    if len(names) == n - 1:
        names.append("identity")
    if len(names) != n:
        raise ValueError(
            f"got {len(names)} activations for {n} Linear layers, expected {n - 1} or "
            f"{n} of {', '.join(NAMES)}"
        )
    return names
