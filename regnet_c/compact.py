"""Reducing a trained network to the parts that its zeros leave connected.

It removes inputs without effect, units without effect, units that are constant (their
value goes into the next layer's biases) and linear hidden layers that are larger than
their product with the next.  Only what holds for every input is used, never data.

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
from ._core.members import refuse_members
from ._core.slices import in_slices
from .activations import ACTIVATIONS, code
from .layers import Dropout, layer_from_config
from .penalties import lists_inputs, penalty_from_config

if TYPE_CHECKING:
    from .layers import Layer
    from .network import Network
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
    refuse_members(network, "compact()")
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
        dropout: float | None,
        dtype: DType,
    ) -> None:
        wide: Any = np.float64 if dtype == np.float32 else np.longdouble
        self.config, self.dropout, self.dtype = config, dropout, dtype
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

    def signature(self) -> tuple[tuple[int, ...], int]:
        """What changes whenever the layer does."""
        return self.w.shape, int(np.count_nonzero(self.w))

    def biases(self) -> AnyArray:
        return np.zeros(self.w.shape[1], self.w.dtype) if self.b is None else self.b

    def constants(self) -> AnyArray:
        """f(b): the outputs of units without inputs, by the core's own arithmetic."""
        z = self.biases().astype(self.dtype)
        param = self.config["activation_param"] or 0.0
        number = code(self.config["activation"])
        binding.activation_forward(number, z, np.empty_like(z), z.copy(), param)
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


def _pack(network: N, layers: list[_Layer], kept: IntArray) -> N:
    """The network of these layers, with the history of its inputs."""
    built: list[Layer] = []
    weights: list[AnyArray] = []
    for layer in layers:
        n_in, n_out = layer.w.shape
        shape = {"n_in": n_in, "n_out": n_out, "use_bias": layer.b is not None}
        shape["weight_penalty"] = layer.penalty()
        if layer.dropout is not None:
            built.append(Dropout(layer.dropout))
        built.append(layer_from_config({**layer.config, **shape}))
        weights += [layer.w] if layer.b is None else [layer.w, layer.b]
    small = type(network)(
        built, loss=network.loss, dtype=network.dtype, seed=network.seed
    )
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
        terms = _product(values[None, constant], after.w[constant])[0]
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


def _product(a: AnyArray, b: AnyArray) -> AnyArray:
    """a b with the same bits on every machine, in slices between which Ctrl-C is seen."""
    a, b = np.ascontiguousarray(a), np.ascontiguousarray(b)
    out = np.zeros((len(a), b.shape[1]), b.dtype)

    def some(first: int, last: int) -> None:
        if b.dtype == np.float64:
            binding.dense_forward(out[first:last], a[first:last], b, None)
        else:  # NumPy's own loop; the core knows no long doubles
            np.matmul(a[first:last], b, out=out[first:last])

    in_slices(len(a), some, 1)
    return out


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
        merged.w, merged.dropout = _product(layer.w, after.w), layer.dropout
        merged.inputs = layer.inputs
        if lists_inputs(after.config["weight_penalty"]):  # not of the merged layer
            merged.config = {**after.config, "weight_penalty": None}
        if layer.b is not None:
            merged.b = _product(layer.b[None], after.w)[0] + after.biases()
        old = np.add(layer.size(), after.size())
        new = np.array(merged.size())
        if new[0] < old[0] and new[1] <= old[1]:
            layers[number : number + 2] = [merged]
