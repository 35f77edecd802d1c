"""How a list of layers becomes flat arrays and the structs of the C core.

All weights and biases live in one flat array, each matrix on a 64-byte boundary;
optimiser state, ledgers and gradients use the same offsets in arrays of their own.
"""

from __future__ import annotations

import functools
import math
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from . import binding
from .memory import ALIGNMENT, aligned_zeros

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from ..lassonet import SkipPenalty
    from ..layers import Dense
    from ..losses import Loss
    from ..penalties import Penalty, Term
    from ..schedules import Schedule
    from ..typing import DType, FloatArray, IntArray, OutputName

ACTIVATIONS = {name: code for code, name in enumerate(binding.activation_names())}
L1_RULES: dict[str | None, int] = {
    None if name == "none" else name: code
    for code, name in enumerate(binding.l1_rule_names())
}
GROUPS = {None: 0, "units": 1, "inputs": 2}
_NO_PENALTY = {
    "l1": 0.0,
    "l2": 0.0,
    "l1_rule": None,
    "sign_at_zero": 0,
    "non_negative": False,
    "group": None,
    "group_rule": None,
    "group_strength": 0.0,
    "group_rows": None,
}
_MASKED_LAYERS = 1 << 16  # numbers of layers that dropout can tell apart
_PREDICTED_ROWS = 1024  # at least, and
_PREDICTED_WORK = 1 << 27  # multiply-adds, in the first slice of a prediction


class Plan:
    """Sizes, offsets and C codes of a network's layers.

    Parameters
    ----------
    parts : tuple
        What `layers.split_layers` returns.
    loss : Loss
    dtype : dtype
    seed : int
    skip : SkipPenalty, optional
        Of a linear connection from the inputs to the outputs.
    members : int, default 1
        Networks that share the weights of all layers but the last.

    Attributes
    ----------
    dense : list of Dense
    rates : list of float or Schedule
        Dropout rate on the inputs and after each Dense layer.
    dropouts : list of int
        Positions in `rates` of the Dropout layers.
    shapes : list of tuple
        Shapes of [W0, b0, W1, b1, ...]; biases that do not exist are left out, and the
        weights of a skip connection come last.  Members: [W0, r0, s0, b0, W1, ...],
        of which all but W have one entry for each member, and the last layer's
        weights too.
    matrices : list of int
        The numbers among them of weights: neither biases nor factors.
    weights : int
        How many weights there are in these.
    products : int
        Multiply-adds to predict one row.
    member_plan : Plan
        Of one member as a network of its own; without members the plan itself.
    n_inputs : int
        Columns of the original data.
    kept : ndarray of int or None
        Those that the network reads; None: all.
    kept_inputs : ndarray of int
        The same, made when it is asked for.
    slice_rows : int
        Rows predicted before the first check for Ctrl-C.
    columns : tuple
        What `check_x` has to know: X has the network's columns or the original ones.
    """

    dense: list[Dense]
    rates: list[float | Schedule]
    dropouts: list[int]
    loss: Loss
    dtype: DType
    seed: int
    products: int
    size: int
    slice_rows: int
    n_inputs: int
    kept: IntArray | None
    columns: tuple[int, IntArray | None, int]
    members: int
    member_plan: Plan
    weights: int

    def __init__(
        self,
        parts: tuple[list[Dense], list[float | Schedule], list[int]],
        loss: Loss,
        dtype: DType,
        seed: int,
        skip: SkipPenalty | None = None,
        members: int = 1,
    ) -> None:
        self.dense, self.rates, self.dropouts = parts
        self.loss, self.dtype, self.seed = loss, np.dtype(dtype), seed
        self.shapes: list[tuple[int, ...]] = []
        self.offsets: list[int] = []
        self.matrices: list[int] = []
        self.members, self.member_plan = members, self
        if members > 1:
            check_members(self.dense, members)
            self.member_plan = Plan(_without_penalties(parts), loss, dtype, seed)
        self.products = sum(layer.n_in * layer.n_out for layer in self.dense) * members
        self.size, self._skip = 0, skip
        for number in range(len(self.dense)):
            self._place_layer(number)
        if skip is not None:
            shape = (self.dense[0].n_in, self.dense[-1].n_out)
            self.products += math.prod(shape)
            self.matrices.append(len(self.shapes))
            self._place(shape)
        self.weights = sum(math.prod(self.shapes[n]) for n in self.matrices)
        if self.size * self.dtype.itemsize > np.iinfo(np.intp).max // 8:
            size = self.size if self.size < 2**100 else "over 2**100"
            raise ValueError(
                f"the layers need {size} parameters, more than memory can address"
            )
        self.slice_rows = max(_PREDICTED_ROWS, _PREDICTED_WORK // self.size)
        self._read(self.dense[0].n_in, None)

    def _read(self, n: int, kept: IntArray | None) -> None:
        """Read the columns `kept`, or all, of n original ones."""
        self.n_inputs, self.kept = n, kept
        self.columns = self.dense[0].n_in, kept, n
        if self.member_plan is not self:
            self.member_plan._read(n, kept)

    def _place_layer(self, number: int) -> None:
        """Room for the arrays of a Dense layer."""
        layer, each = self.dense[number], (self.members,) * (self.members > 1)
        is_last = number + 1 == len(self.dense)
        self.matrices.append(len(self.shapes))
        self._place((*each * is_last, layer.n_in, layer.n_out))
        if each and not is_last:
            self._place((*each, layer.n_in))
            self._place((*each, layer.n_out))
        if layer.use_bias:
            self._place((*each, layer.n_out))

    def _place(self, shape: tuple[int, ...]) -> None:
        """Room for one more array."""
        self.shapes.append(shape)
        self.offsets.append(self.size)
        step = ALIGNMENT // self.dtype.itemsize
        count = math.prod(shape)
        self.size += -(-count // step) * step

    @functools.cached_property
    def _specs(self) -> list[dict[str, Any]]:
        """What C has to know about each layer; made late: refusing a file stays cheap."""
        offsets, specs = iter(self.offsets), []
        for number, layer in enumerate(self.dense):
            is_last, own = number + 1 == len(self.dense), self.members
            penalty = layer.weight_penalty
            params = dict.fromkeys(binding.PARAMS)
            rate = layer.learning_rate_factor
            params["weight"] = _param_spec(
                next(offsets), penalty, own if is_last else 1, rate
            )
            if own > 1 and not is_last:
                params["in_factor"] = _param_spec(next(offsets), rate=rate)
                params["out_factor"] = _param_spec(next(offsets), rate=rate)
            if layer.use_bias:
                rate *= layer.bias_learning_rate_factor
                params["bias"] = _param_spec(
                    next(offsets), layer.bias_penalty, own, rate
                )
            specs.append(self._layer_spec(number, layer, params))
        return specs

    @property
    def _skip_spec(self) -> dict[str, Any] | None:
        if self._skip is None:
            return None
        weight = _param_spec(self.offsets[-1], self._skip)
        return {"weight": weight, "hierarchy": self._skip.hierarchy}

    def _layer_spec(
        self,
        number: int,
        layer: Dense,
        params: dict[str, Any],
    ) -> dict[str, Any]:
        activation = layer.activation
        if number == len(self.dense) - 1 and self.loss.is_fused:
            activation = "identity"  # the loss contains it
        return {
            "n_in": layer.n_in,
            "n_out": layer.n_out,
            "activation": ACTIVATIONS[activation],
            "activation_param": layer.activation_param or 0.0,
            "keep": _keep(self.rates[number + 1]),
            "max_norm": layer.max_norm or 0.0,
            "dropout_layer": number + 1,
            **params,
        }

    @functools.cached_property
    def has_schedules(self) -> bool:
        """Whether a dropout rate changes from epoch to epoch."""
        return any(not isinstance(rate, float) for rate in self.rates)

    def keeps(self, step: int, steps_per_epoch: int) -> list[float]:
        """The probability of keeping an input, and an output of each layer, in the epoch
        that begins with this step."""
        return [_keep(rate, step, steps_per_epoch) for rate in self.rates]

    def keep_inputs(self, n: int, kept: ArrayLike) -> None:
        """Read the columns `kept` of n original ones; ValueError if they do not fit."""
        array = np.asarray(kept)
        n_in = self.dense[0].n_in
        if (
            type(n) is not int
            or array.dtype.kind != "i"
            or array.shape != (n_in,)
            or not (np.diff(array) > 0).all()
            or not 0 <= array[0] <= array[-1] < n
        ):
            raise ValueError(
                f"kept inputs have shape {array.shape} of {n}, expected {n_in} rising "
                "column numbers"
            )
        self._read(n, array.astype(np.int64))

    @property
    def kept_inputs(self) -> IntArray:
        return np.arange(self.n_inputs) if self.kept is None else self.kept

    def activation_code(self, number: int) -> int:
        """C code of Dense layer `number`'s activation (identity where fused)."""
        return int(self._specs[number]["activation"])

    @property
    def fused_output(self) -> OutputName | None:
        """The output function the loss contains (softmax, sigmoid), or None."""
        return self.loss.output if self.loss.is_fused else None

    def model(self, dropout: bool = True) -> binding.Model:
        """A `binding.Model` of these layers, not yet bound to arrays."""
        specs = self._specs
        if not dropout:
            specs = [{**spec, "keep": 1.0} for spec in specs]
        output = self.fused_output or "identity"
        return binding.Model(
            self.dtype == np.float32,
            specs,
            _keep(self.rates[0]) if dropout else 1.0,
            self.loss.code,
            self.loss.training_param,
            ACTIVATIONS[output],
            self.seed,
            self._skip_spec,
            self.members,
        )

    @functools.cached_property
    def predictor(self) -> binding.Model:
        """A `binding.Model` without dropout, not bound to arrays."""
        return self.model(dropout=False)

    def zeros(self) -> FloatArray:
        """A flat array for the weights, or for what is kept of each of them."""
        return aligned_zeros(self.size, self.dtype)

    def copy(self, flat: FloatArray) -> FloatArray:
        """The same numbers in another such array."""
        other = self.zeros()
        np.copyto(other, flat)
        return other

    def views(self, flat: FloatArray) -> list[FloatArray]:
        """[W0, b0, W1, b1, ...], at last the skip's W, as views of a flat array."""
        return [
            flat[offset : offset + math.prod(shape)].reshape(shape)
            for offset, shape in zip(self.offsets, self.shapes, strict=True)
        ]

    @functools.cached_property
    def penalties(self) -> list[Penalty | None]:
        """The penalty (or None) of each array of `views`."""
        found: list[Penalty | None] = []
        for number, layer in enumerate(self.dense):
            found.append(layer.weight_penalty)
            if self.members > 1 and number + 1 < len(self.dense):
                found += [None, None]
            if layer.use_bias:
                found.append(layer.bias_penalty)
        return found if self._skip is None else [*found, self._skip]

    @functools.cached_property
    def rate_factors(self) -> list[float]:
        """What the learning rate is multiplied by for each array of `views`."""
        found = [spec[name] for spec in self._specs for name in binding.PARAMS]
        found = sorted(filter(None, found), key=itemgetter("offset"))
        factors = [param["rate_factor"] for param in found]
        return factors if self._skip is None else [*factors, 1.0]

    @functools.cached_property
    def penalty_terms(self) -> list[tuple[int, list[Term], bool]]:
        """(Its number in `views`, terms, `is_each`) of each array with a penalty."""
        return [
            (number, list(penalty.terms()), self.is_each(number))
            for number, penalty in enumerate(self.penalties)
            if penalty is not None
        ]

    def is_each(self, number: int) -> bool:
        """Whether array `number` of `views` has one entry for each member."""
        return self.members > 1 and (
            number not in self.matrices or number == self.matrices[-1]
        )

    def member_views(self, flat: FloatArray, member: int) -> list[FloatArray]:
        """[W0, b0, W1, b1, ...] of one member, W r s in place of W."""
        if self.members == 1:
            return self.views(flat)
        views, found = iter(self.views(flat)), []
        for number, layer in enumerate(self.dense):
            w = next(views)
            if number + 1 == len(self.dense):
                w = w[member]
            else:
                r, s = next(views)[member], next(views)[member]
                w = w * r[:, None] * s  # the core's order
            found.append(w)
            if layer.use_bias:
                found.append(next(views)[member])
        return found

    def needs_ledger(self) -> bool:
        """True if some array is trained by the cumulative L1 rule."""
        specs = [s[kind] for s in self._specs for kind in ("weight", "bias")]
        cumulative = L1_RULES["cumulative"]
        return any(s and cumulative in (s["l1_rule"], s["group_rule"]) for s in specs)


def _keep(rate: float | Schedule, step: int = 0, steps_per_epoch: int = 1) -> float:
    """1 minus a dropout rate, that of its schedule at this step."""
    return 1.0 - (rate if isinstance(rate, float) else rate.at(step, steps_per_epoch))


def group_rows(groups: Sequence[Sequence[int]]) -> tuple[IntArray, IntArray]:
    """(rows of W group after group, where each group begins and the last one ends)."""
    ends = np.cumsum([0, *map(len, groups)], dtype=np.int64)
    return np.array([row for group in groups for row in group], np.int64), ends


def check_members(dense: Sequence[Dense], members: int) -> None:
    """ValueError for layers that members cannot share."""
    if len(dense) == 1:
        raise ValueError(
            f"members={members} share the weights of hidden layers, this network has none"
        )
    if members * (len(dense) + 1) > _MASKED_LAYERS:
        raise ValueError(
            f"members={members} of {len(dense)} layers are more than the random numbers "
            f"of dropout can tell apart, expected at most "
            f"{_MASKED_LAYERS // (len(dense) + 1)}"
        )
    for number, layer in enumerate(dense):
        if layer.max_norm is not None:
            raise ValueError(
                f"Dense layer {number} has max_norm={layer.max_norm}, which bounds the "
                "weights of one network; members are not supported with it"
            )
        penalty = layer.weight_penalty
        if penalty is not None and penalty.fields().get("non_negative"):
            raise ValueError(
                f"Dense layer {number} has {penalty!r}, but the factors of members may "
                "be negative; members are not supported with it"
            )


def _without_penalties(
    parts: tuple[list[Dense], list[float | Schedule], list[int]],
) -> tuple[list[Dense], list[float | Schedule], list[int]]:
    """The layers of one member, which is not trained alone."""
    dense, rates, dropouts = parts
    plain = [d.replace(weight_penalty=None, bias_penalty=None) for d in dense]
    return plain, rates, dropouts


def _param_spec(
    offset: int, penalty: Penalty | None = None, members: int = 1, rate: float = 1.0
) -> dict[str, Any]:
    """The fields of rn_param; rules and groups become the core's codes.

    rate : the array's rate_factor

    Of arrays that `members` have for themselves the objective has the mean penalty.
    """
    fields = penalty.fields() if penalty else {}
    spec = {"offset": offset, "rate_factor": rate, **_NO_PENALTY, **fields}
    for name in ("l1", "l2", "group_strength"):
        spec[name] /= members
    if isinstance(spec["group"], tuple):
        spec |= {"group": "inputs", "group_rows": group_rows(spec["group"])}
    for name, codes in (
        ("l1_rule", L1_RULES),
        ("group", GROUPS),
        ("group_rule", L1_RULES),
    ):
        spec[name] = codes[spec[name]]
    return spec
