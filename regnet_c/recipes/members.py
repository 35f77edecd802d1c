"""Several networks trained alike, averaged into one.

Networks of the same layers that differ in their seeds make, side by side, one network
whose outputs are the mean of theirs (for the cross-entropies: of their logits). So
saving, exporting, compacting and predicting need no notion of members.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..layers import Dense

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._core.units import Units
    from ..losses import Loss
    from ..network import Network
    from ..typing import DTypeName, Float64Array

# odd, so that all 2^64 seeds come before one repeats
NEXT_SEED = 0x9E3779B97F4A7C15


def next_seed(seed: int, number: int) -> int:
    """The seed of member, or warm start, `number`; of number 0 the seed itself."""
    return (seed + number * NEXT_SEED) % 2**64


def combine(
    networks: Sequence[Network],
    units: Units | None,
    loss: Loss,
    shares: Sequence[float] | None = None,
) -> Network:
    """One network with the mean of the networks' outputs, in the units of the data.

    Parameters
    ----------
    networks : list of Network
        Trained on `units`' scale; layers of the same sizes.
    units : Units or None
        None: the networks were trained on the data as they are.
    loss : Loss
        In the user's units.
    shares : list of float, optional
        Weights of the networks, whose sum is 1; default: all the same.

    Returns
    -------
    Network
        Without penalties, dropout and label smoothing, which belong to the training;
        float64 where float32 would lose the digits of a prediction.
    """
    dense = [layer for layer in networks[0].layers if isinstance(layer, Dense)]
    weights = _side_by_side(networks, shares)
    dtype: DTypeName = networks[0].dtype
    if units is not None:
        weights = units.weights(weights, slice(None))
        dtype = np.float64 if units.far(slice(None)) else dtype
    layers = [
        Dense(w.shape[0], w.shape[1], activation=layer.activation)
        for layer, w in zip(dense, weights[::2], strict=True)
    ]
    kind = type(networks[0])
    loss = loss.replace(label_smoothing=0.0)
    network = kind(layers, loss=loss, dtype=dtype, seed=networks[0].seed)
    network.set_weights(weights)
    network.history = networks[0].history
    return network


def _side_by_side(
    networks: Sequence[Network], shares: Sequence[float] | None
) -> list[Float64Array]:
    """[W0, b0, W1, b1, ...] of the networks as one, in float64."""
    members = [[w.astype(np.float64) for w in n.get_weights()] for n in networks]
    if len(members) == 1:
        return members[0]
    if shares is None:
        shares = [1 / len(members)] * len(members)
    last = len(members[0]) // 2 - 1
    weights = []
    for layer in range(last + 1):
        matrices = [member[2 * layer] for member in members]
        biases = [member[2 * layer + 1] for member in members]
        if layer == last:  # also the only one
            matrices = [w * share for w, share in zip(matrices, shares, strict=True)]
            bias = np.sum([b * s for b, s in zip(biases, shares, strict=True)], axis=0)
            weights += [
                np.sum(matrices, axis=0) if last == 0 else np.concatenate(matrices),
                bias,
            ]
        else:
            join = np.hstack if layer == 0 else _block_diagonal
            weights += [join(matrices), np.concatenate(biases)]
    return weights


def _block_diagonal(matrices: Sequence[Float64Array]) -> Float64Array:
    rows, columns = np.sum([m.shape for m in matrices], axis=0)
    whole = np.zeros((rows, columns))
    row = column = 0
    for m in matrices:
        whole[row : row + m.shape[0], column : column + m.shape[1]] = m
        row, column = row + m.shape[0], column + m.shape[1]
    return whole
