"""The C kernels on plain NumPy arrays, for teaching, testing and composition.

Arrays are row-major, float32 or float64; the result has the dtype of the first array,
other arrays are converted to it.  W is (n_in, n_out), rows are samples.
"""

from .dense import dense_forward, dense_input_gradient, dense_weight_gradient
from .elementwise import (
    activation_forward,
    atan,
    erf,
    exp,
    expm1,
    log,
    log1p,
    loss_rows,
    softmax_backward,
    softmax_forward,
    tanh,
)
from .randomness import dropout_mask, permutation, random_normal, random_uniform
from .steps import max_norm, penalty_sums, prox_group, prox_l1, prox_lassonet, update

__all__ = [
    "activation_forward",
    "atan",
    "dense_forward",
    "dense_input_gradient",
    "dense_weight_gradient",
    "dropout_mask",
    "erf",
    "exp",
    "expm1",
    "log",
    "log1p",
    "loss_rows",
    "max_norm",
    "penalty_sums",
    "permutation",
    "prox_group",
    "prox_l1",
    "prox_lassonet",
    "random_normal",
    "random_uniform",
    "softmax_backward",
    "softmax_forward",
    "tanh",
    "update",
]
