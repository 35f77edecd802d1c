# The kernels of rn.h, one function for each, by the variant and the type in use.
#
# This is the only place that chooses between float and double.  Arrays are pointers to
# either; what takes structs, whose arrays have no type, is told by `single` (float), and
# the calls of one training run get the variant `t` that its memory was made for.
# kernels/cython_kernels.pxd gives the functions on plain arrays to other projects.
from cython cimport floating
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from .rn cimport (
    rn_dropout, rn_layer, rn_net, rn_param, rn_run, rn_source, rn_step, rn_tables)


# The variant in use.
cdef const rn_tables *current_tables() noexcept nogil


# ---- kernels on plain arrays ---------------------------------------------------------
#
# Every size is at least 1 and every array as large as its sizes say.  Arrays are
# row-major; a *panel* holds unit j of sample i at [j * ld + i].  Arrays do not overlap
# unless a line says so.

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

# Panels: the loss of each of n samples, and its derivative times scale[i].  dz may be
# z, but not NULL; scale NULL means 1.  Targets are y, or label[i] in [0, n_out) where y
# is NULL (softmax_cross_entropy alone).  param: delta of huber, q of quantile, the label
# smoothing of the cross-entropies.
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

# Panels: a and slope (NULL: none) times mask / keep; sample i is row first_row + i, and
# unit j is first_unit + j, of which first_unit is a multiple of 4.
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

# dw (n_in, n_out) = x' dz, summed over the rows in order, beyond 4096 rows by parts.
cdef void dense_weight_gradient(
    size_t n, size_t n_in, size_t n_out, floating *dw, const floating *x,
    const floating *dz) noexcept nogil

# w = sign(w) max(|w| - threshold, 0).
cdef void prox_l1(size_t n, floating *w, double threshold) noexcept nogil

# One optimiser step with its penalty.  w, m, v and q (moments and ledger, all of w's
# size and zero at the start) are read and written, g is the gradient of the data loss.
# NULL where it is not used: m by SGD, Adagrad and RMSprop, v by SGD and both momentums,
# q by all rules but the cumulative one.
cdef void update(
    size_t n, floating *w, floating *m, floating *v, floating *q, const floating *g,
    const rn_step *step) noexcept nogil

# sums[0..2] = sum |w|, sum w^2, number of exact zeros.
cdef void penalty_sums(size_t n, double *sums, const floating *w) noexcept nogil

# Columns j0 to j1 of w (n_in, n_out) scaled to a Euclidean norm of at most max_norm.
cdef void max_norm(
    size_t n_in, size_t n_out, floating *w, size_t j0, size_t j1,
    double max_norm) noexcept nogil


# order = the permutation that epoch `epoch` of seed `seed` uses.
cdef void permutation(
    size_t n, int64_t *order, uint64_t seed, uint64_t epoch) noexcept nogil


# ---- penalties, sparse weights and networks ------------------------------------------

# Proximal steps of groups g0 to g1, and of LassoNet's groups.
cdef void prox_group(
    size_t n_in, size_t n_out, size_t g0, size_t g1, const rn_param *p,
    const rn_step *step, floating *work) noexcept nogil
cdef void prox_lassonet(
    bint single, const rn_layer *skip, const rn_layer *first, double hierarchy,
    size_t g0, size_t g1, const rn_step *step, void *work) noexcept nogil

# The weights that are not zero: their number for each unit; their values and inputs.
cdef void sparse_count(
    size_t n_in, size_t n_out, int64_t *counts, const floating *w) noexcept nogil
cdef void sparse_fill(
    size_t n_in, size_t n_out, floating *value, int32_t *index, int64_t *next,
    const int64_t *end, const floating *w) noexcept nogil

# The sums of `penalty_sums` for an array whose type `single` says.
cdef void penalty_sums_of(
    bint single, size_t n, double *sums, const void *w) noexcept nogil

# out (n, n_cols) = the columns side by side.
cdef void columns_to_rows(
    size_t n, size_t n_cols, floating *out, const floating *const *columns) noexcept nogil

# The first row with a NaN or infinity, n_rows if there is none.
cdef size_t find_not_finite(bint single, const rn_source *s) noexcept nogil

cdef size_t train_work_size(
    const rn_tables *t, bint single, const rn_run *run) noexcept nogil
cdef size_t predict_work_size(
    const rn_tables *t, bint single, const rn_net *net, const rn_source *x,
    size_t n_threads) noexcept nogil
cdef void train(const rn_tables *t, bint single, rn_run *run) noexcept nogil
cdef size_t predict(
    const rn_tables *t, bint single, const rn_net *net, const rn_source *x, void *out,
    size_t n_threads, void *work) noexcept nogil
