"""Reducing a trained network to the parts that its zeros leave connected.

It removes inputs without effect, units without effect, units that are constant (their
value goes into the next layer's biases) and linear hidden layers that are larger than
their product with the next.  Only what holds for every input is used, never data.  Of
members goes what none of them needs; linear layers stay, which their factors keep apart.

A sum starts at the bias and takes its terms in index order, so leaving out exact zeros
keeps every bit; the sign of a zero alone may differ, where a bias is -0 or a sum
underflows.  Folded constants and products of layers are rounded once, at the end.
"""

from __future__ import annotations

import copy
import itertools
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ._core import binding
from ._core.portable import product
from .activations import ACTIVATIONS, code
from .layers import Dropout, layer_from_config
from .penalties import lists_inputs, penalty_from_config

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .layers import Layer
    from .network import Network
    from .schedules import Schedule
    from .typing import AnyArray, BoolArray, Config, DType, FloatArray, IntArray

    N = TypeVar("N", bound=Network)


def compact(network: N) -> N:
    """A smaller network with the predictions of `network`, which does not change.

    Explained in :doc:`/shipping`.

    Parameters
    ----------
    network : Network

    Returns
    -------
    Network
        Of the same class, loss, dtype and seed.  Its `kept_inputs` are the columns of
        the original data it reads; `predict` and `evaluate` take either those or all.
        Predictions have the bits of the original unless a constant that is not zero
        was folded or layers were merged; then they are equal to rounding.  Dropout and
        penalties stay with their layers, except between merged ones; penalties that list
        inputs keep those that are left.

    Examples
    --------
    >>> import numpy as np, regnet_c as rn
    >>> net = rn.Network([rn.Dense(3, 4, activation="relu"), rn.Dense(4, 1)])
    >>> W0, b0, W1, b1 = net.get_weights()
    >>> W0[1] = 0  # input 1 is not read
    >>> W1[2] = 0  # unit 2 has no effect
    >>> net.set_weights([W0, b0, W1, b1])
    >>> small = net.compact()
    >>> small.layers[0].n_in, small.layers[0].n_out, small.kept_inputs.tolist()
    (2, 3, [0, 2])
    """
    if network.members > 1:
        return _compact_members(network)
    layers, kept = _unpack(network), np.arange(len(network.kept_inputs))
    before = None
    while before != (before := [layer.signature() for layer in layers]):
        kept = _drop_inputs(layers, kept)
        _fold_constants(layers)
        kept = _drop_units(layers, kept)
        _merge_linear(layers)
    return _pack(network, layers, kept)


class _Layer:
    """One Dense layer while it is cut: config, w (n_in, n_out), b, dropout before it.

    Numbers are wider than the network's, so that what is folded is rounded once.
    """

    def __init__(
        self,
        config: Config,
        w: FloatArray,
        b: FloatArray | None,
        dropout: float | Schedule | None,
        dtype: DType,
    ) -> None:
        wide: Any = np.float64 if dtype == np.float32 else np.longdouble
        self.config = config | {"bias_init": "zeros"}  # its biases wait for no rows
        self.dropout, self.dtype = dropout, dtype
        self.traits = ACTIVATIONS[config["activation"]]
        self.w: AnyArray = w.astype(wide)
        self.b: AnyArray | None = None if b is None else b.astype(wide)
        self.inputs = np.arange(len(w))

    def keep_inputs(self, alive: BoolArray | slice) -> None:
        """Without the inputs that are not `alive`, a mask or a slice."""
        self.w, self.inputs = self.w[alive], self.inputs[alive]

    def penalty(self) -> Config | None:
        """Configuration of the penalty of the inputs that are left."""
        config = self.config["weight_penalty"]
        if config is None:
            return None
        penalty = penalty_from_config(config)
        return penalty.for_inputs(self.inputs.tolist()).get_config()

    def arrays(self) -> list[AnyArray]:
        """In the order of `get_weights`."""
        return [self.w] if self.b is None else [self.w, self.b]

    def signature(self) -> tuple[tuple[int, ...], int]:
        """What changes whenever the layer does."""
        return self.w.shape, int(np.count_nonzero(self.w))

    def biases(self) -> AnyArray:
        return np.zeros(self.w.shape[1], self.w.dtype) if self.b is None else self.b

    def constants(self) -> AnyArray:
        """f(b): the outputs of units without inputs, by the core's own arithmetic."""
        z = np.ascontiguousarray(self.biases(), self.dtype)
        param = self.config["activation_param"] or 0.0
        number, flat = code(self.config["activation"]), z.reshape(-1)
        binding.activation_forward(
            number, flat, np.empty_like(flat), flat.copy(), param
        )
        return z.astype(self.w.dtype)

    def size(self) -> tuple[int, int]:
        """(numbers, numbers that are not zero)."""
        biases = 0 if self.b is None else self.b.size
        return self.w.size + biases, int(np.count_nonzero(self.w)) + biases


def _unpack(network: Network) -> list[_Layer]:
    plan, weights = network._plan, iter(network.get_weights())
    layers = []
    for number, layer in enumerate(plan.dense):
        w = next(weights)
        b = next(weights) if layer.use_bias else None
        dropout = plan.rates[number] if number in plan.dropouts else None
        layers.append(_Layer(layer.get_config(), w, b, dropout, plan.dtype))
    return layers


def _pack(network: N, layers: Sequence[_Layer], kept: IntArray) -> N:
    """The network of these layers, with the history of its inputs."""
    built: list[Layer] = []
    weights: list[AnyArray] = []
    for layer in layers:
        n_in, n_out = layer.w.shape[-2:]
        shape = {"n_in": n_in, "n_out": n_out, "use_bias": layer.b is not None}
        shape["weight_penalty"] = layer.penalty()
        if layer.dropout is not None:
            built.append(Dropout(layer.dropout))
        built.append(layer_from_config({**layer.config, **shape}))
        weights += layer.arrays()
    small = network._like(built)
    small.set_weights([w.astype(network.dtype) for w in weights])
    small.metadata = copy.deepcopy(network.metadata)
    small._plan.keep_inputs(network.n_inputs, network.kept_inputs[kept])
    return small


def _drop_inputs(layers: list[_Layer], kept: IntArray) -> IntArray:
    """Remove unused inputs, but not the last one; the inputs that remain."""
    alive: Any = layers[0].w.any(axis=1)
    alive[0] |= not alive.any()
    layers[0].keep_inputs(alive)
    left: IntArray = kept[alive]
    return left


def _never_negative(layers: list[_Layer], number: int) -> bool:
    """True if no input of this layer can be negative."""
    return number > 0 and layers[number - 1].traits.non_negative


def _fold_constants(layers: list[_Layer]) -> None:
    """Let the next layer's biases stand for units whose output never changes."""
    for number, (layer, after) in enumerate(itertools.pairwise(layers)):
        constant = ~layer.w.any(axis=0)
        values = layer.constants()
        if layer.traits.zero_below and _never_negative(layers, number):
            clipped = (layer.w <= 0).all(axis=0) & (layer.biases() <= 0)
            values[clipped] = 0
            constant |= clipped
        terms = product(values[None, constant], after.w[constant])[0]
        if terms.any():
            after.b = after.biases() + terms
        after.w[constant] = 0


def _drop_units(layers: list[_Layer], kept: IntArray) -> IntArray:
    """Remove unused units, last layer first; the inputs that remain.

    A layer that loses all units takes those before it too, and the next one keeps
    one input, with weights zero.
    """
    for number in range(len(layers) - 2, -1, -1):
        layer, after = layers[number], layers[number + 1]
        alive: Any = after.w.any(axis=1)
        if not alive.any():
            del layers[: number + 1]
            after.keep_inputs(slice(1))
            after.dropout = None
            return kept[:1]
        layer.w = layer.w[:, alive]
        after.keep_inputs(alive)
        layer.b = None if layer.b is None else layer.b[alive]
    return kept


def _is_linear(layers: list[_Layer], number: int) -> bool:
    """True if this layer's activation does nothing, whatever the input."""
    layer = layers[number]
    if layer.traits.is_identity(layer.config["activation_param"]):
        return True
    positive = (layer.w >= 0).all() and (layer.biases() >= 0).all()
    never_negative = positive and _never_negative(layers, number)
    return bool(layer.traits.identity_above and never_negative)


def _merge_linear(layers: list[_Layer]) -> None:
    """Multiply linear hidden layers into the next where that takes fewer numbers."""
    for number in range(len(layers) - 2, -1, -1):
        if not _is_linear(layers, number):
            continue
        layer, after = layers[number : number + 2]
        merged = copy.copy(after)
        merged.w, merged.dropout = product(layer.w, after.w), layer.dropout
        merged.inputs = layer.inputs
        if lists_inputs(after.config["weight_penalty"]):  # not of the merged layer
            merged.config = {**after.config, "weight_penalty": None}
        if layer.b is not None:
            merged.b = product(layer.b[None], after.w)[0] + after.biases()
        old = np.add(layer.size(), after.size())
        new = np.array(merged.size())
        if new[0] < old[0] and new[1] <= old[1]:
            layers[number : number + 2] = [merged]


# ---- members that share W ------------------------------------------------------------


class _Shared(_Layer):
    """A layer of members while it is cut: W of all, or the last layer's of each."""

    def __init__(
        self,
        config: Config,
        arrays: dict[str, FloatArray],
        dropout: float | Schedule | None,
        dtype: DType,
    ) -> None:
        super().__init__(config, arrays["w"], arrays.get("b"), dropout, dtype)
        self.inputs = np.arange(self.w.shape[-2])
        self.r, self.s = (
            arrays[n].astype(self.w.dtype) if n in arrays else None for n in "rs"
        )

    def used_inputs(self) -> BoolArray:
        """Which inputs some member reads; at least one."""
        matrices = self.w.reshape(-1, *self.w.shape[-2:])
        used: Any = matrices.any(axis=(0, 2))
        used[0] |= not used.any()
        array: BoolArray = used
        return array

    def keep_inputs(self, alive: BoolArray | slice) -> None:
        self.w, self.inputs = self.w[..., alive, :], self.inputs[alive]
        self.r = None if self.r is None else self.r[:, alive]

    def keep_units(self, alive: BoolArray) -> None:
        """Without the units that are not `alive`; of a hidden layer."""
        assert self.s is not None
        self.w, self.s = self.w[:, alive], self.s[:, alive]
        self.b = None if self.b is None else self.b[:, alive]

    def biases(self) -> AnyArray:
        """(members, units)"""
        if self.b is not None:
            return self.b
        assert self.s is not None  # it is asked of hidden layers
        return np.zeros_like(self.s)

    def add_constants(self, values: AnyArray, units: BoolArray) -> None:
        """Let the biases stand for inputs `units` that are values (members, n_in)."""
        terms = []
        for i, own in enumerate(values):
            if self.r is None or self.s is None:
                terms.append(product(own[None, units], self.w[i][units])[0])
            else:
                scaled = (own * self.r[i])[None, units]
                terms.append(self.s[i] * product(scaled, self.w[units])[0])
        if np.any(terms):
            self.b = np.array(terms) + (0 if self.b is None else self.b)
        self.w[..., units, :] = 0

    def arrays(self) -> list[AnyArray]:
        """In the order of `get_weights`."""
        found = [self.w, self.r, self.s, self.b]
        return [array for array in found if array is not None]


def _compact_members(network: N) -> N:
    """What no member reads goes, and units that are constant in all of them."""
    plan, views = network._plan, iter(network._weights.views)
    layers: list[_Shared] = []
    for number, dense in enumerate(plan.dense):
        is_last = number + 1 == len(plan.dense)
        names = ["w", *([] if is_last else ["r", "s"]), *["b"] * dense.use_bias]
        arrays = {name: next(views) for name in names}
        dropout = plan.rates[number] if number in plan.dropouts else None
        layers.append(_Shared(dense.get_config(), arrays, dropout, plan.dtype))
    kept, before = np.arange(len(network.kept_inputs)), None
    while before != (before := [layer.signature() for layer in layers]):
        alive = layers[0].used_inputs()
        kept = kept[alive]
        layers[0].keep_inputs(alive)
        for layer, after in itertools.pairwise(layers):
            constant: Any = ~layer.w.any(axis=0)
            after.add_constants(layer.constants(), constant)
        for layer, after in reversed(list(itertools.pairwise(layers))):
            alive = after.used_inputs()
            layer.keep_units(alive)
            after.keep_inputs(alive)
    return _pack(network, layers, kept)
