# The C kernels for other Cython projects:
# `from regnet_c.kernels.cython_kernels cimport ...`.
#
# Pointers to float or double in memory of the caller, no GIL, no allocation, no checks:
# every size is at least 1 and every array as large as its sizes say.  Arrays are
# row-major; a *panel* holds unit j of sample i at [j * ld + i].  Arrays do not overlap
# unless a line says so.  The functions are found through capsules when the importing
# module loads, and one whose signature has changed is refused then.  The include
# directory is regnet_c.get_include().
from cython cimport floating
from libc.stdint cimport int64_t, uint32_t, uint64_t

from .._core.binding cimport rn_dropout, rn_step


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

    ctypedef enum rn_l1_rule:
        RN_L1_NONE
        RN_L1_CUMULATIVE
        RN_L1_PROXIMAL
        RN_L1_SHRINK_FIRST
        RN_L1_SUBGRADIENT


# y = f(x), element by element; y may be x.
cdef void exp(size_t n, floating *y, const floating *x) noexcept nogil
cdef void expm1(size_t n, floating *y, const floating *x) noexcept nogil
cdef void log(size_t n, floating *y, const floating *x) noexcept nogil
cdef void log1p(size_t n, floating *y, const floating *x) noexcept nogil
cdef void tanh(size_t n, floating *y, const floating *x) noexcept nogil
cdef void atan(size_t n, floating *y, const floating *x) noexcept nogil
cdef void erf(size_t n, floating *y, const floating *x) noexcept nogil

# a = f(z) and slope = f'(z); a may be z, slope may be NULL.  Not for RN_SOFTMAX.
# param: slope of leaky_relu, alpha of elu.
cdef void activation_forward(
    int activation, size_t n, floating *a, floating *slope, const floating *z,
    double param) noexcept nogil

# Panels: softmax over the n_out units of every sample; a may be z, dz may be da.
cdef void softmax_forward(
    size_t n_out, size_t n, size_t ld, floating *a, const floating *z) noexcept nogil
cdef void softmax_backward(
    size_t n_out, size_t n, size_t ld, floating *dz, const floating *da,
    const floating *a) noexcept nogil

# Panels: the loss of each of n samples, and its derivative times scale[i].  dz may be z
# or NULL, scale NULL means 1.  Targets are y, or label[i] in [0, n_out) where y is NULL
# (softmax_cross_entropy).  param: delta of huber, q of quantile.
cdef void loss_rows(
    int loss, size_t n_out, size_t n, size_t ld, floating *row_loss, floating *dz,
    const floating *z, const floating *y, const int64_t *label, const floating *scale,
    double param) noexcept nogil

# Element e of u is a pure function of (seed, stream, first + e).
cdef void random_uniform(
    size_t n, floating *u, uint64_t seed, uint32_t stream,
    uint64_t first) noexcept nogil
cdef void random_normal(
    size_t n, floating *u, uint64_t seed, uint32_t stream,
    uint64_t first) noexcept nogil

# Panels: a and slope (NULL: none) times mask / keep; sample i is row first_row + i.
cdef void dropout_apply(
    size_t n_units, size_t n, size_t ld, floating *a, floating *slope, size_t first_row,
    const rn_dropout *d) noexcept nogil

# z (n, n_out) = x (n, n_in) w (n_in, n_out) + b (n_out), b may be NULL.
cdef void dense_forward(
    size_t n, size_t n_in, size_t n_out, floating *z, const floating *x,
    const floating *w, const floating *b) noexcept nogil

# dx (n, n_in) = dz (n, n_out) w'; work has room for 16 * n_out elements.
cdef void dense_input_gradient(
    size_t n, size_t n_in, size_t n_out, floating *dx, const floating *dz,
    const floating *w, floating *work) noexcept nogil

# dw (n_in, n_out) = x' dz, summed over the rows in order.
cdef void dense_weight_gradient(
    size_t n, size_t n_in, size_t n_out, floating *dw, const floating *x,
    const floating *dz) noexcept nogil

# w = sign(w) max(|w| - threshold, 0).
cdef void prox_l1(size_t n, floating *w, double threshold) noexcept nogil

# One optimiser step with its penalty.  w, m, v and q (moments and ledger, all of w's
# size and zero at the start) are read and written, g is the gradient of the data loss.
cdef void update(
    size_t n, floating *w, floating *m, floating *v, floating *q, const floating *g,
    const rn_step *step) noexcept nogil

# sums[0..2] = sum |w|, sum w^2, number of exact zeros.
cdef void penalty_sums(size_t n, double *sums, const floating *w) noexcept nogil

# Columns j0 to j1 of w (n_in, n_out) scaled to a Euclidean norm of at most max_norm.
cdef void max_norm(
    size_t n_in, size_t n_out, floating *w, size_t j0, size_t j1,
    double max_norm) noexcept nogil
