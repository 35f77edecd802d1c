# The kernels of the variant and the type in use; dispatch.pxd states what they do.
#
# The objects of the C core are linked into this module, which keeps the one table that
# is in use.
from .rn cimport (
    rn_activation_names, rn_available, rn_l1_rule_names, rn_loss_names, rn_optimizer_traits,
    rn_optimizers, rn_permutation, rn_select)

cdef extern from *:
    """
    #ifndef RN_BUILD_FLAGS
    #define RN_BUILD_FLAGS "unknown"
    #endif
    """
    const char *RN_BUILD_FLAGS

cdef const rn_tables *table = rn_available()[0]


# ---- variants ------------------------------------------------------------------------

def available_isas():
    """Names of the variants this CPU can run, best first."""
    cdef const rn_tables *const *t = rn_available()
    names = []
    while t[0] != NULL:
        names.append(t[0].isa.decode())
        t += 1
    return names


def set_isa(str name):
    """Use the variant `name` from now on; ValueError if this CPU cannot run it."""
    global table
    encoded = name.encode()
    cdef const rn_tables *t = rn_select(encoded)
    if t == NULL:
        raise ValueError(
            f"instruction set {name!r} is not available here, "
            f"choose one of {', '.join(available_isas())}")
    table = t


cdef const rn_tables *current_tables() noexcept nogil:
    return table


def current_isa():
    """Name of the variant in use."""
    return table.isa.decode()


def is_fused():
    """True if multiply-add rounds once, so that all such variants agree in bits."""
    return table.f32.fused != 0


def lanes(bint single):
    """Elements of one vector register, float32 if `single`."""
    return table.f32.lanes if single else table.f64.lanes


def build_flags():
    """Compiler flags of the C core, without those of a variant."""
    return RN_BUILD_FLAGS.decode()


# ---- the lists of rn.h ---------------------------------------------------------------

cdef tuple names_of(const char *const *names):
    found = []
    while names[0] != NULL:
        found.append(names[0].decode())
        names += 1
    return tuple(found)


def activation_names():
    """The activations of the core; the place of a name is its code."""
    return names_of(rn_activation_names)


def loss_names():
    """The losses of the core; the place of a name is its code."""
    return names_of(rn_loss_names)


def l1_rule_names():
    """The L1 rules of the core; the place of a name is its code."""
    return names_of(rn_l1_rule_names)


def optimizer_traits():
    """{name: (code, whether it keeps m, whether it keeps v)} of the core's optimisers."""
    cdef const rn_optimizer_traits *traits = rn_optimizers
    found = {}
    while traits.name != NULL:
        found[traits.name.decode()] = (
            len(found), traits.keeps_m != 0, traits.keeps_v != 0)
        traits += 1
    return found


# ---- kernels on plain arrays ---------------------------------------------------------

cdef void exp(size_t n, floating *y, const floating *x) noexcept nogil:
    if floating is float:
        table.f32.exp(n, y, x)
    else:
        table.f64.exp(n, y, x)


cdef void expm1(size_t n, floating *y, const floating *x) noexcept nogil:
    if floating is float:
        table.f32.expm1(n, y, x)
    else:
        table.f64.expm1(n, y, x)


cdef void log(size_t n, floating *y, const floating *x) noexcept nogil:
    if floating is float:
        table.f32.log(n, y, x)
    else:
        table.f64.log(n, y, x)


cdef void log1p(size_t n, floating *y, const floating *x) noexcept nogil:
    if floating is float:
        table.f32.log1p(n, y, x)
    else:
        table.f64.log1p(n, y, x)


cdef void tanh(size_t n, floating *y, const floating *x) noexcept nogil:
    if floating is float:
        table.f32.tanh(n, y, x)
    else:
        table.f64.tanh(n, y, x)


cdef void atan(size_t n, floating *y, const floating *x) noexcept nogil:
    if floating is float:
        table.f32.atan(n, y, x)
    else:
        table.f64.atan(n, y, x)


cdef void erf(size_t n, floating *y, const floating *x) noexcept nogil:
    if floating is float:
        table.f32.erf(n, y, x)
    else:
        table.f64.erf(n, y, x)


cdef void activation_forward(
        int activation, size_t n, floating *a, floating *slope, const floating *z,
        double param) noexcept nogil:
    if floating is float:
        table.f32.activation_forward(activation, n, a, slope, z, param)
    else:
        table.f64.activation_forward(activation, n, a, slope, z, param)


cdef void softmax_forward(
        size_t n_out, size_t n, size_t ld, floating *a,
        const floating *z) noexcept nogil:
    if floating is float:
        table.f32.softmax_forward(n_out, n, ld, a, z)
    else:
        table.f64.softmax_forward(n_out, n, ld, a, z)


cdef void softmax_backward(
        size_t n_out, size_t n, size_t ld, floating *dz, const floating *da,
        const floating *a) noexcept nogil:
    if floating is float:
        table.f32.softmax_backward(n_out, n, ld, dz, da, a)
    else:
        table.f64.softmax_backward(n_out, n, ld, dz, da, a)


cdef void loss_rows(
        int loss, size_t n_out, size_t n, size_t ld, floating *row_loss, floating *dz,
        const floating *z, const floating *y, const int64_t *label,
        const floating *scale, double param) noexcept nogil:
    if floating is float:
        table.f32.loss_rows(
            loss, n_out, n, ld, row_loss, dz, z, y, label, scale, param)
    else:
        table.f64.loss_rows(
            loss, n_out, n, ld, row_loss, dz, z, y, label, scale, param)


cdef void random_uniform(
        size_t n, floating *u, uint64_t seed, uint32_t stream,
        uint64_t first) noexcept nogil:
    if floating is float:
        table.f32.random_uniform(n, u, seed, stream, first)
    else:
        table.f64.random_uniform(n, u, seed, stream, first)


cdef void random_normal(
        size_t n, floating *u, uint64_t seed, uint32_t stream,
        uint64_t first) noexcept nogil:
    if floating is float:
        table.f32.random_normal(n, u, seed, stream, first)
    else:
        table.f64.random_normal(n, u, seed, stream, first)


cdef void dropout_apply(
        size_t n_units, size_t n, size_t ld, floating *a, floating *slope,
        size_t first_row, const rn_dropout *d) noexcept nogil:
    if floating is float:
        table.f32.dropout_apply(n_units, n, ld, a, slope, first_row, d)
    else:
        table.f64.dropout_apply(n_units, n, ld, a, slope, first_row, d)


cdef void dense_forward(
        size_t n, size_t n_in, size_t n_out, floating *z, const floating *x,
        const floating *w, const floating *b) noexcept nogil:
    if floating is float:
        table.f32.dense_forward(n, n_in, n_out, z, x, w, b)
    else:
        table.f64.dense_forward(n, n_in, n_out, z, x, w, b)


cdef void dense_input_gradient(
        size_t n, size_t n_in, size_t n_out, floating *dx, const floating *dz,
        const floating *w, floating *work) noexcept nogil:
    if floating is float:
        table.f32.dense_input_gradient(n, n_in, n_out, dx, dz, w, work)
    else:
        table.f64.dense_input_gradient(n, n_in, n_out, dx, dz, w, work)


cdef void dense_weight_gradient(
        size_t n, size_t n_in, size_t n_out, floating *dw, const floating *x,
        const floating *dz) noexcept nogil:
    if floating is float:
        table.f32.dense_weight_gradient(n, n_in, n_out, dw, x, dz)
    else:
        table.f64.dense_weight_gradient(n, n_in, n_out, dw, x, dz)


cdef void prox_l1(size_t n, floating *w, double threshold) noexcept nogil:
    if floating is float:
        table.f32.prox_l1(n, w, threshold)
    else:
        table.f64.prox_l1(n, w, threshold)


cdef void update(
        size_t n, floating *w, floating *m, floating *v, floating *q, const floating *g,
        const rn_step *step) noexcept nogil:
    if floating is float:
        table.f32.update(n, w, m, v, q, g, step)
    else:
        table.f64.update(n, w, m, v, q, g, step)


cdef void penalty_sums(size_t n, double *sums, const floating *w) noexcept nogil:
    if floating is float:
        table.f32.penalty_sums(n, sums, w)
    else:
        table.f64.penalty_sums(n, sums, w)


cdef void max_norm(
        size_t n_in, size_t n_out, floating *w, size_t j0, size_t j1,
        double max_norm) noexcept nogil:
    if floating is float:
        table.f32.max_norm(n_in, n_out, w, j0, j1, max_norm)
    else:
        table.f64.max_norm(n_in, n_out, w, j0, j1, max_norm)


cdef void permutation(
        size_t n, int64_t *order, uint64_t seed, uint64_t epoch) noexcept nogil:
    rn_permutation(n, order, seed, epoch)


# ---- penalties, sparse weights and networks ------------------------------------------

cdef void prox_group(
        size_t n_in, size_t n_out, size_t g0, size_t g1, const rn_param *p,
        const rn_step *step, floating *work) noexcept nogil:
    if floating is float:
        table.f32.prox_group(n_in, n_out, g0, g1, p, step, work)
    else:
        table.f64.prox_group(n_in, n_out, g0, g1, p, step, work)


cdef void prox_lassonet(
        bint single, const rn_layer *skip, const rn_layer *first, double hierarchy,
        size_t g0, size_t g1, const rn_step *step, void *work) noexcept nogil:
    if single:
        table.f32.prox_lassonet(skip, first, hierarchy, g0, g1, step, work)
    else:
        table.f64.prox_lassonet(skip, first, hierarchy, g0, g1, step, work)


cdef void sparse_count(
        size_t n_in, size_t n_out, int64_t *counts, const floating *w) noexcept nogil:
    if floating is float:
        table.f32.sparse_count(n_in, n_out, counts, w)
    else:
        table.f64.sparse_count(n_in, n_out, counts, w)


cdef void sparse_fill(
        size_t n_in, size_t n_out, floating *value, int32_t *index, int64_t *next,
        const int64_t *end, const floating *w) noexcept nogil:
    if floating is float:
        table.f32.sparse_fill(n_in, n_out, value, index, next, end, w)
    else:
        table.f64.sparse_fill(n_in, n_out, value, index, next, end, w)


cdef void penalty_sums_of(
        bint single, size_t n, double *sums, const void *w) noexcept nogil:
    if single:
        penalty_sums(n, sums, <const float *>w)
    else:
        penalty_sums(n, sums, <const double *>w)


cdef void columns_to_rows(
        size_t n, size_t n_cols, floating *out,
        const floating *const *columns) noexcept nogil:
    if floating is float:
        table.f32.columns_to_rows(n, n_cols, out, columns)
    else:
        table.f64.columns_to_rows(n, n_cols, out, columns)


cdef size_t find_not_finite(bint single, const rn_source *s) noexcept nogil:
    if single:
        return table.f32.find_not_finite(s)
    return table.f64.find_not_finite(s)


cdef size_t train_work_size(
        const rn_tables *t, bint single, const rn_run *run) noexcept nogil:
    if single:
        return t.f32.train_work_size(run)
    return t.f64.train_work_size(run)


cdef size_t predict_work_size(
        const rn_tables *t, bint single, const rn_net *net, const rn_source *x,
        size_t n_threads) noexcept nogil:
    if single:
        return t.f32.predict_work_size(net, x, n_threads)
    return t.f64.predict_work_size(net, x, n_threads)


cdef void train(const rn_tables *t, bint single, rn_run *run) noexcept nogil:
    if single:
        t.f32.train(run)
    else:
        t.f64.train(run)


cdef size_t predict(
        const rn_tables *t, bint single, const rn_net *net, const rn_source *x, void *out,
        size_t n_threads, void *work) noexcept nogil:
    if single:
        return t.f32.predict(net, x, <float *>out, n_threads, work)
    return t.f64.predict(net, x, <double *>out, n_threads, work)
