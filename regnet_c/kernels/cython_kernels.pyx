# The kernels of the variant in use, as C functions that other Cython modules cimport.
#
# A module of its own because few need it: `import regnet_c` does not load it.  One
# function for each kernel on plain arrays (cython_kernels.pxd says what they do); what
# trains networks stays behind binding.pyx.
from .._core.binding cimport current_tables


cdef void exp(size_t n, floating *y, const floating *x) noexcept nogil:
    if floating is float:
        current_tables().f32.exp(n, y, x)
    else:
        current_tables().f64.exp(n, y, x)


cdef void expm1(size_t n, floating *y, const floating *x) noexcept nogil:
    if floating is float:
        current_tables().f32.expm1(n, y, x)
    else:
        current_tables().f64.expm1(n, y, x)


cdef void log(size_t n, floating *y, const floating *x) noexcept nogil:
    if floating is float:
        current_tables().f32.log(n, y, x)
    else:
        current_tables().f64.log(n, y, x)


cdef void log1p(size_t n, floating *y, const floating *x) noexcept nogil:
    if floating is float:
        current_tables().f32.log1p(n, y, x)
    else:
        current_tables().f64.log1p(n, y, x)


cdef void tanh(size_t n, floating *y, const floating *x) noexcept nogil:
    if floating is float:
        current_tables().f32.tanh(n, y, x)
    else:
        current_tables().f64.tanh(n, y, x)


cdef void atan(size_t n, floating *y, const floating *x) noexcept nogil:
    if floating is float:
        current_tables().f32.atan(n, y, x)
    else:
        current_tables().f64.atan(n, y, x)


cdef void erf(size_t n, floating *y, const floating *x) noexcept nogil:
    if floating is float:
        current_tables().f32.erf(n, y, x)
    else:
        current_tables().f64.erf(n, y, x)


cdef void activation_forward(
        int activation, size_t n, floating *a, floating *slope, const floating *z,
        double param) noexcept nogil:
    if floating is float:
        current_tables().f32.activation_forward(activation, n, a, slope, z, <float>param)
    else:
        current_tables().f64.activation_forward(activation, n, a, slope, z, param)


cdef void softmax_forward(
        size_t n_out, size_t n, size_t ld, floating *a,
        const floating *z) noexcept nogil:
    if floating is float:
        current_tables().f32.softmax_forward(n_out, n, ld, a, z)
    else:
        current_tables().f64.softmax_forward(n_out, n, ld, a, z)


cdef void softmax_backward(
        size_t n_out, size_t n, size_t ld, floating *dz, const floating *da,
        const floating *a) noexcept nogil:
    if floating is float:
        current_tables().f32.softmax_backward(n_out, n, ld, dz, da, a)
    else:
        current_tables().f64.softmax_backward(n_out, n, ld, dz, da, a)


cdef void loss_rows(
        int loss, size_t n_out, size_t n, size_t ld, floating *row_loss, floating *dz,
        const floating *z, const floating *y, const int64_t *label,
        const floating *scale, double param) noexcept nogil:
    if floating is float:
        current_tables().f32.loss_rows(
            loss, n_out, n, ld, row_loss, dz, z, y, label, scale, <float>param)
    else:
        current_tables().f64.loss_rows(
            loss, n_out, n, ld, row_loss, dz, z, y, label, scale, param)


cdef void random_uniform(
        size_t n, floating *u, uint64_t seed, uint32_t stream,
        uint64_t first) noexcept nogil:
    if floating is float:
        current_tables().f32.random_uniform(n, u, seed, stream, first)
    else:
        current_tables().f64.random_uniform(n, u, seed, stream, first)


cdef void random_normal(
        size_t n, floating *u, uint64_t seed, uint32_t stream,
        uint64_t first) noexcept nogil:
    if floating is float:
        current_tables().f32.random_normal(n, u, seed, stream, first)
    else:
        current_tables().f64.random_normal(n, u, seed, stream, first)


cdef void dropout_apply(
        size_t n_units, size_t n, size_t ld, floating *a, floating *slope,
        size_t first_row, const rn_dropout *d) noexcept nogil:
    if floating is float:
        current_tables().f32.dropout_apply(n_units, n, ld, a, slope, first_row, d)
    else:
        current_tables().f64.dropout_apply(n_units, n, ld, a, slope, first_row, d)


cdef void dense_forward(
        size_t n, size_t n_in, size_t n_out, floating *z, const floating *x,
        const floating *w, const floating *b) noexcept nogil:
    if floating is float:
        current_tables().f32.dense_forward(n, n_in, n_out, z, x, w, b)
    else:
        current_tables().f64.dense_forward(n, n_in, n_out, z, x, w, b)


cdef void dense_input_gradient(
        size_t n, size_t n_in, size_t n_out, floating *dx, const floating *dz,
        const floating *w, floating *work) noexcept nogil:
    if floating is float:
        current_tables().f32.dense_input_gradient(n, n_in, n_out, dx, dz, w, work)
    else:
        current_tables().f64.dense_input_gradient(n, n_in, n_out, dx, dz, w, work)


cdef void dense_weight_gradient(
        size_t n, size_t n_in, size_t n_out, floating *dw, const floating *x,
        const floating *dz) noexcept nogil:
    if floating is float:
        current_tables().f32.dense_weight_gradient(n, n_in, n_out, dw, x, dz)
    else:
        current_tables().f64.dense_weight_gradient(n, n_in, n_out, dw, x, dz)


cdef void prox_l1(size_t n, floating *w, double threshold) noexcept nogil:
    if floating is float:
        current_tables().f32.prox_l1(n, w, <float>threshold)
    else:
        current_tables().f64.prox_l1(n, w, threshold)


cdef void update(
        size_t n, floating *w, floating *m, floating *v, floating *q, const floating *g,
        const rn_step *step) noexcept nogil:
    if floating is float:
        current_tables().f32.update(n, w, m, v, q, g, step)
    else:
        current_tables().f64.update(n, w, m, v, q, g, step)


cdef void penalty_sums(size_t n, double *sums, const floating *w) noexcept nogil:
    if floating is float:
        current_tables().f32.penalty_sums(n, sums, w)
    else:
        current_tables().f64.penalty_sums(n, sums, w)


cdef void max_norm(
        size_t n_in, size_t n_out, floating *w, size_t j0, size_t j1,
        double max_norm) noexcept nogil:
    if floating is float:
        current_tables().f32.max_norm(n_in, n_out, w, j0, j1, max_norm)
    else:
        current_tables().f64.max_norm(n_in, n_out, w, j0, j1, max_norm)
