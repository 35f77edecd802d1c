# The C kernels for other Cython projects:
# `from regnet_c.kernels.cython_kernels cimport ...`.
#
# Pointers to float or double in memory of the caller, no GIL, no allocation, no checks:
# _core/dispatch.pxd has the arguments.  The functions are found through capsules when
# the importing module loads, and one whose signature has changed is refused then.  The
# include directory is regnet_c.get_include().
from .._core.dispatch cimport (
    exp, expm1, log, log1p, tanh, atan, erf, activation_forward, softmax_forward,
    softmax_backward, loss_rows, random_uniform, random_normal, dropout_apply,
    dense_forward, dense_input_gradient, dense_weight_gradient, prox_l1, update,
    penalty_sums, max_norm, rn_dropout, rn_step)


cdef extern from "rn.h" nogil:
    ctypedef enum rn_activation:
        RN_IDENTITY
        RN_RELU
        RN_LEAKY_RELU
        RN_ELU
        RN_SIGMOID
        RN_TANH
        RN_ARCTAN
        RN_SOFTSIGN
        RN_ISRU
        RN_SOFTPLUS
        RN_GELU
        RN_SILU
        RN_SELU
        RN_MISH
        RN_SOFTMAX

    ctypedef enum rn_loss:
        RN_SOFTMAX_CROSS_ENTROPY
        RN_BINARY_CROSS_ENTROPY
        RN_SQUARED_ERROR
        RN_MSE
        RN_ABSOLUTE_ERROR
        RN_MAE
        RN_HUBER
        RN_QUANTILE
        RN_POISSON

    ctypedef enum rn_optimizer_kind:
        RN_SGD
        RN_MOMENTUM
        RN_NESTEROV
        RN_ADAGRAD
        RN_RMSPROP
        RN_ADAM
        RN_ADAMW
        RN_FTRL

    ctypedef enum rn_l1_rule:
        RN_L1_NONE
        RN_L1_CUMULATIVE
        RN_L1_PROXIMAL
        RN_L1_SHRINK_FIRST
        RN_L1_SUBGRADIENT
