# The only binding: arrays in, shapes checked, GIL released, table called.
#
# Single kernels (first part) write into arrays the caller made; `regnet_c.kernels`
# wraps them for people.  Training and prediction (second part) are one call each:
# Model describes a network to C, Run holds a training run between two calls.
# Values (ranges, NaN, names) are checked before this floor; it checks shapes.
cimport cython
from cpython.buffer cimport (
    PyBUF_FORMAT, PyBUF_STRIDES, PyBuffer_Release, PyObject_GetBuffer)
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from _thread import allocate_lock, get_ident

cdef extern from *:
    """
    #ifndef RN_BUILD_FLAGS
    #define RN_BUILD_FLAGS "unknown"
    #endif
    """
    const char *RN_BUILD_FLAGS

ctypedef fused floating:
    float
    double

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
    return table.fused != 0


def lanes(bint single):
    """Elements of one vector register, float32 if `single`."""
    return table.f32.lanes if single else table.f64.lanes


def build_flags():
    """Compiler flags of the C core, without those of a variant."""
    return RN_BUILD_FLAGS.decode()


# ---- single kernels ------------------------------------------------------------------

cdef inline void expect(bint ok, str message) except *:
    if not ok:
        raise ValueError(message)


cdef enum:
    EXP, EXPM1, LOG, LOG1P, TANH, ATAN, ERF

FUNCTIONS = {"exp": EXP, "expm1": EXPM1, "log": LOG, "log1p": LOG1P, "tanh": TANH,
             "atan": ATAN, "erf": ERF}


def elementwise(int function, floating[::1] y, const floating[::1] x):  # y: out
    """y = function(x), element by element; FUNCTIONS has the codes."""
    cdef size_t n = x.shape[0]
    expect(y.shape[0] == x.shape[0], "y and x differ in length")
    if n == 0:
        return
    with nogil:
        if floating is float:
            if function == EXP:
                table.f32.exp(n, &y[0], &x[0])
            elif function == EXPM1:
                table.f32.expm1(n, &y[0], &x[0])
            elif function == LOG:
                table.f32.log(n, &y[0], &x[0])
            elif function == LOG1P:
                table.f32.log1p(n, &y[0], &x[0])
            elif function == TANH:
                table.f32.tanh(n, &y[0], &x[0])
            elif function == ATAN:
                table.f32.atan(n, &y[0], &x[0])
            else:
                table.f32.erf(n, &y[0], &x[0])
        else:
            if function == EXP:
                table.f64.exp(n, &y[0], &x[0])
            elif function == EXPM1:
                table.f64.expm1(n, &y[0], &x[0])
            elif function == LOG:
                table.f64.log(n, &y[0], &x[0])
            elif function == LOG1P:
                table.f64.log1p(n, &y[0], &x[0])
            elif function == TANH:
                table.f64.tanh(n, &y[0], &x[0])
            elif function == ATAN:
                table.f64.atan(n, &y[0], &x[0])
            else:
                table.f64.erf(n, &y[0], &x[0])


def activation_forward(
        int activation, floating[::1] a, floating[::1] slope,
        const floating[::1] z, double param):
    """a = f(z), slope = f'(z); all of one length."""
    cdef size_t n = z.shape[0]
    expect(a.shape[0] == z.shape[0] == slope.shape[0], "a, slope and z differ in length")
    if n == 0:
        return
    with nogil:
        if floating is float:
            table.f32.activation_forward(
                activation, n, &a[0], &slope[0], &z[0], <float>param)
        else:
            table.f64.activation_forward(activation, n, &a[0], &slope[0], &z[0], param)


def softmax_forward(floating[:, ::1] a, const floating[:, ::1] z):  # (n_out, n)
    """Softmax over the first axis."""
    cdef size_t n_out = z.shape[0], n = z.shape[1]
    expect(a.shape[0] == z.shape[0] and a.shape[1] == z.shape[1], "shapes differ")
    if n == 0 or n_out == 0:
        return
    with nogil:
        if floating is float:
            table.f32.softmax_forward(n_out, n, n, &a[0, 0], &z[0, 0])
        else:
            table.f64.softmax_forward(n_out, n, n, &a[0, 0], &z[0, 0])


def softmax_backward(
        floating[:, ::1] dz, const floating[:, ::1] da, const floating[:, ::1] a):
    """dz from da for a = softmax(z) over the first axis."""
    cdef size_t n_out = a.shape[0], n = a.shape[1]
    expect(dz.shape[0] == da.shape[0] == a.shape[0]
           and dz.shape[1] == da.shape[1] == a.shape[1], "shapes differ")
    if n == 0 or n_out == 0:
        return
    with nogil:
        if floating is float:
            table.f32.softmax_backward(n_out, n, n, &dz[0, 0], &da[0, 0], &a[0, 0])
        else:
            table.f64.softmax_backward(n_out, n, n, &dz[0, 0], &da[0, 0], &a[0, 0])


def loss_rows(
        int loss, floating[::1] row_loss, floating[:, ::1] dz, const floating[:, ::1] z,
        const floating[:, ::1] y, const int64_t[::1] label, const floating[::1] scale,
        double param):
    """Loss of each column of z (n_out, n) and its derivative; y or label is given."""
    cdef size_t n_out = z.shape[0], n = z.shape[1]
    cdef const floating *py = NULL
    cdef const int64_t *plabel = NULL
    cdef const floating *pscale = NULL
    expect(row_loss.shape[0] == z.shape[1] and dz.shape[0] == z.shape[0]
           and dz.shape[1] == z.shape[1], "shapes differ")
    if n == 0 or n_out == 0:
        return
    if y is not None:
        expect(y.shape[0] == z.shape[0] and y.shape[1] == z.shape[1], "y has another shape")
        py = &y[0, 0]
    else:
        expect(label.shape[0] == z.shape[1], "label has another length")
        plabel = &label[0]
    if scale is not None:
        expect(scale.shape[0] == z.shape[1], "scale has another length")
        pscale = &scale[0]
    with nogil:
        if floating is float:
            table.f32.loss_rows(loss, n_out, n, n, &row_loss[0], &dz[0, 0], &z[0, 0], py,
                                plabel, pscale, <float>param)
        else:
            table.f64.loss_rows(loss, n_out, n, n, &row_loss[0], &dz[0, 0], &z[0, 0], py,
                                plabel, pscale, param)


def random_fill(
        floating[::1] u, bint normal, uint64_t seed, uint32_t stream, uint64_t first):
    """Uniform [0, 1) or standard normal numbers first, first + 1, ... of a stream."""
    cdef size_t n = u.shape[0]
    if n == 0:
        return
    with nogil:
        if floating is float:
            if normal:
                table.f32.random_normal(n, &u[0], seed, stream, first)
            else:
                table.f32.random_uniform(n, &u[0], seed, stream, first)
        else:
            if normal:
                table.f64.random_normal(n, &u[0], seed, stream, first)
            else:
                table.f64.random_uniform(n, &u[0], seed, stream, first)


def dropout_apply(
        floating[:, ::1] a, double keep, uint64_t seed, uint64_t step, uint32_t layer,
        size_t first_row):  # a (n_units, n): in/out
    """Multiply a by mask/keep."""
    cdef size_t n_units = a.shape[0], n = a.shape[1]
    cdef rn_dropout d
    if n_units == 0 or n == 0:
        return
    d.seed, d.step, d.layer, d.first_unit, d.keep = seed, step, layer, 0, keep
    with nogil:
        if floating is float:
            table.f32.dropout_apply(n_units, n, n, &a[0, 0], NULL, first_row, &d)
        else:
            table.f64.dropout_apply(n_units, n, n, &a[0, 0], NULL, first_row, &d)


def permutation(int64_t[::1] order, uint64_t seed, uint64_t epoch):  # out
    """order = the permutation that epoch `epoch` of seed `seed` uses."""
    if order.shape[0]:
        rn_permutation(order.shape[0], &order[0], seed, epoch)


def dense_forward(
        floating[:, ::1] z, const floating[:, ::1] x, const floating[:, ::1] w,
        const floating[::1] b):
    """z = x w + b."""
    cdef size_t n = x.shape[0], n_in = x.shape[1], n_out = w.shape[1]
    cdef const floating *pb = NULL
    expect(w.shape[0] == x.shape[1], "x and w do not fit")
    expect(z.shape[0] == x.shape[0] and z.shape[1] == w.shape[1], "z has another shape")
    if b is not None:
        expect(b.shape[0] == w.shape[1], "b and w do not fit")
    if n == 0 or n_in == 0 or n_out == 0:
        return
    if b is not None:
        pb = &b[0]
    with nogil:
        if floating is float:
            table.f32.dense_forward(n, n_in, n_out, &z[0, 0], &x[0, 0], &w[0, 0], pb)
        else:
            table.f64.dense_forward(n, n_in, n_out, &z[0, 0], &x[0, 0], &w[0, 0], pb)


def dense_input_gradient(
        floating[:, ::1] dx, const floating[:, ::1] dz, const floating[:, ::1] w,
        floating[::1] work):
    """dx = dz w'; work: lanes * n_out elements."""
    cdef const rn_tables *t = table  # one variant, whoever sets another meanwhile
    cdef size_t n = dz.shape[0], n_in = w.shape[0], n_out = w.shape[1]
    expect(dz.shape[1] == w.shape[1], "dz and w do not fit")
    expect(dx.shape[0] == dz.shape[0] and dx.shape[1] == w.shape[0], "dx has another shape")
    expect(<size_t>work.shape[0] >= n_out * (
        t.f32.lanes if sizeof(floating) == 4 else t.f64.lanes), "work is too small")
    if n == 0 or n_in == 0 or n_out == 0:
        return
    with nogil:
        if floating is float:
            t.f32.dense_input_gradient(
                n, n_in, n_out, &dx[0, 0], &dz[0, 0], &w[0, 0], &work[0])
        else:
            t.f64.dense_input_gradient(
                n, n_in, n_out, &dx[0, 0], &dz[0, 0], &w[0, 0], &work[0])


def dense_weight_gradient(
        floating[:, ::1] dw, const floating[:, ::1] x, const floating[:, ::1] dz):
    """dw = x' dz, summed over the rows in order."""
    cdef size_t n = x.shape[0], n_in = x.shape[1], n_out = dz.shape[1]
    expect(dz.shape[0] == x.shape[0], "x and dz differ in rows")
    expect(dw.shape[0] == x.shape[1] and dw.shape[1] == dz.shape[1],
           "dw has another shape")
    if n == 0 or n_in == 0 or n_out == 0:
        return
    with nogil:
        if floating is float:
            table.f32.dense_weight_gradient(
                n, n_in, n_out, &dw[0, 0], &x[0, 0], &dz[0, 0])
        else:
            table.f64.dense_weight_gradient(
                n, n_in, n_out, &dw[0, 0], &x[0, 0], &dz[0, 0])


def prox_l1(floating[::1] w, double threshold):  # in/out
    """w = sign(w) max(|w| - threshold, 0)."""
    cdef size_t n = w.shape[0]
    if n == 0:
        return
    with nogil:
        if floating is float:
            table.f32.prox_l1(n, &w[0], <float>threshold)
        else:
            table.f64.prox_l1(n, &w[0], threshold)


def update(
        floating[::1] w, floating[::1] m, floating[::1] v, floating[::1] q,
        const floating[::1] g, dict step):  # w, m, v, q: in/out
    """One optimiser step with its L1 rule; `step` has the members of rn_step."""
    cdef size_t n = w.shape[0]
    cdef rn_step s = step
    expect(w.shape[0] == m.shape[0] == v.shape[0] == q.shape[0] == g.shape[0],
           "w, m, v, q and g differ in length")
    if n == 0:
        return
    with nogil:
        if floating is float:
            table.f32.update(n, &w[0], &m[0], &v[0], &q[0], &g[0], &s)
        else:
            table.f64.update(n, &w[0], &m[0], &v[0], &q[0], &g[0], &s)


def penalty_sums(const floating[::1] w):
    """(sum |w|, sum w^2, number of exact zeros)."""
    cdef double sums[3]
    cdef size_t n = w.shape[0]
    if n == 0:
        return 0.0, 0.0, 0
    with nogil:
        if floating is float:
            table.f32.penalty_sums(n, sums, &w[0])
        else:
            table.f64.penalty_sums(n, sums, &w[0])
    return sums[0], sums[1], int(sums[2])


def prox_group(
        int group, floating[:, ::1] w, floating[:, ::1] v, floating[:, ::1] q,
        double strength, dict step, floating[::1] work):  # w, q: in/out
    """Group penalty after one step; q None: proximal; work: 16 * (n_in + n_out)."""
    cdef size_t n_in = w.shape[0], n_out = w.shape[1]
    cdef size_t groups = n_out if group == 1 else n_in
    cdef rn_step s = step
    cdef rn_param p
    expect(v.shape[0] == w.shape[0] and v.shape[1] == w.shape[1], "v has another shape")
    expect(<size_t>work.shape[0] >= 16 * (n_in + n_out), "work is too small")
    if n_in == 0 or n_out == 0:
        return
    p.w, p.v, p.q, p.group, p.group_strength = &w[0, 0], &v[0, 0], NULL, group, strength
    p.group_rule = RN_L1_PROXIMAL
    if q is not None:
        expect(q.shape[0] == w.shape[0] and q.shape[1] == w.shape[1],
               "q has another shape")
        p.q, p.group_rule = &q[0, 0], RN_L1_CUMULATIVE
    with nogil:
        if floating is float:
            table.f32.prox_group(n_in, n_out, 0, groups, &p, &s, &work[0])
        else:
            table.f64.prox_group(n_in, n_out, 0, groups, &p, &s, &work[0])


def prox_lassonet(
        floating[:, ::1] beta, floating[:, ::1] theta, const floating[:, ::1] v_beta,
        const floating[:, ::1] v_theta, double strength, double hierarchy, dict step,
        double[::1] work):  # beta, theta: in/out
    """LassoNet's penalty after one step; work: 2 * (columns of both + 16)."""
    cdef size_t n_in = theta.shape[0]
    cdef rn_layer skip, first
    cdef rn_step s = step
    memset(&skip, 0, sizeof(skip))
    memset(&first, 0, sizeof(first))
    expect(beta.shape[0] == theta.shape[0], "beta and theta differ in rows")
    expect(v_beta.shape[0] == beta.shape[0] and v_beta.shape[1] == beta.shape[1]
           and v_theta.shape[0] == theta.shape[0]
           and v_theta.shape[1] == theta.shape[1], "v has another shape")
    expect(work.shape[0] >= 2 * (beta.shape[1] + theta.shape[1] + 16), "work is too small")
    if n_in == 0 or beta.shape[1] == 0 or theta.shape[1] == 0:
        return
    skip.n_in, skip.n_out, skip.weight.group_strength = n_in, beta.shape[1], strength
    first.n_in, first.n_out = n_in, theta.shape[1]
    skip.weight.w, skip.weight.v = &beta[0, 0], <void *>&v_beta[0, 0]
    first.weight.w, first.weight.v = &theta[0, 0], <void *>&v_theta[0, 0]
    with nogil:
        if floating is float:
            table.f32.prox_lassonet(&skip, &first, hierarchy, 0, n_in, &s, &work[0])
        else:
            table.f64.prox_lassonet(&skip, &first, hierarchy, 0, n_in, &s, &work[0])


def max_norm(floating[:, ::1] w, double max_norm):  # in/out
    """Scale every column of w to a Euclidean norm of at most max_norm."""
    cdef size_t n_in = w.shape[0], n_out = w.shape[1]
    if n_in == 0 or n_out == 0:
        return
    with nogil:
        if floating is float:
            table.f32.max_norm(n_in, n_out, &w[0, 0], 0, n_out, max_norm)
        else:
            table.f64.max_norm(n_in, n_out, &w[0, 0], 0, n_out, max_norm)


def sparse_count(int64_t[::1] counts, const floating[:, ::1] w):  # counts: out
    """counts[j] = weights of unit j that are not zero."""
    cdef size_t n_in = w.shape[0], n_out = w.shape[1]
    expect(counts.shape[0] == w.shape[1], "counts and w do not fit")
    if n_in == 0 or n_out == 0:
        return
    with nogil:
        if floating is float:
            table.f32.sparse_count(n_in, n_out, &counts[0], &w[0, 0])
        else:
            table.f64.sparse_count(n_in, n_out, &counts[0], &w[0, 0])


def sparse_fill(
        floating[::1] value, int32_t[::1] index, int64_t[::1] next,
        const floating[:, ::1] w):  # value, index: out; next: in/out
    """Write the weights of unit j that are not zero, and the numbers of their inputs,
    at next[j], next[j] + SPARSE_UNITS, ...; there must be room for them."""
    cdef size_t n_in = w.shape[0], n_out = w.shape[1]
    expect(next.shape[0] == w.shape[1], "next and w do not fit")
    expect(value.shape[0] == index.shape[0], "value and index differ in length")
    if value.shape[0] == 0:
        return
    with nogil:
        if floating is float:
            table.f32.sparse_fill(n_in, n_out, &value[0], &index[0], &next[0], &w[0, 0])
        else:
            table.f64.sparse_fill(n_in, n_out, &value[0], &index[0], &next[0], &w[0, 0])


# ---- data sources --------------------------------------------------------------------

cdef enum:
    F32, F64, F16, I8, U8, I16, U16, I32, U32, I64, U64


cdef int dtype_code(const char *format, Py_ssize_t itemsize) except -1:
    cdef char c = format[0] if format != NULL else b"B"
    if c in b"@=<":  # the door accepts native byte order only
        c = format[1]
    if c == b"f":
        return F32 if itemsize == 4 else -1
    if c == b"d":
        return F64
    if c == b"e":
        return F16
    if c in b"bhilq":
        return {1: I8, 2: I16, 4: I32, 8: I64}[itemsize]
    if c in b"?BHILQ":
        return {1: U8, 2: U16, 4: U32, 8: U64}[itemsize]
    raise TypeError(f"element type {(<bytes>format).decode()!r} is not supported")


cdef class Source:
    """A one- or two-dimensional array of any numeric type and any strides."""

    cdef rn_source source
    cdef Py_buffer buffer
    cdef bint held

    def __cinit__(self, array):
        cdef Py_buffer *b = &self.buffer
        PyObject_GetBuffer(array, b, PyBUF_STRIDES | PyBUF_FORMAT)
        self.held = True
        expect(b.ndim == 1 or b.ndim == 2, "one or two dimensions expected")
        self.source.data = <const char *>b.buf
        self.source.dtype = dtype_code(b.format, b.itemsize)
        self.source.n_rows = b.shape[0]
        self.source.row_stride = b.strides[0]
        self.source.n_cols = b.shape[1] if b.ndim == 2 else 1
        self.source.col_stride = b.strides[1] if b.ndim == 2 else b.itemsize

    def __dealloc__(self):
        if self.held:
            PyBuffer_Release(&self.buffer)

    cdef rn_source rows(self, size_t first, size_t last) except *:
        """Rows first to last - 1 of the same array."""
        cdef rn_source part = self.source
        expect(first <= last <= part.n_rows, "there are no such rows")
        part.data += <Py_ssize_t>first * part.row_stride
        part.n_rows = last - first
        return part

    def find_not_finite(self, bint single, size_t first, size_t last):
        """First of these rows with a NaN or infinity (as float32 if `single`), or -1."""
        cdef rn_source part = self.rows(first, last)
        cdef size_t row
        with nogil:
            if single:
                row = table.f32.find_not_finite(&part)
            else:
                row = table.f64.find_not_finite(&part)
        return -1 if row == part.n_rows else first + row


# ---- networks ------------------------------------------------------------------------

cdef class Claim:
    """What one call at a time may hold; `with` raises RuntimeError if another does.

    Entering and leaving are single C calls, so that no signal handler can run between
    the lock and the `with` statement that guards it.
    """

    cdef object lock
    cdef unsigned long long holder  # a thread or 0; no object: read beside its writer

    def __cinit__(self):
        try:
            self.lock = allocate_lock()
        except RuntimeError:
            raise MemoryError() from None

    def __enter__(self):
        if not self.lock.acquire(False):
            raise RuntimeError(
                "another thread is training this network" if self.holder != get_ident()
                else "this network is being trained, by the call that called this one")
        self.holder = get_ident()

    def __exit__(self, *exc):
        self.holder = 0
        self.lock.release()

    def expect_no_other(self):
        """RuntimeError while another thread holds it: it is in the middle of a step."""
        cdef unsigned long long holder = self.holder
        if holder != 0 and holder != get_ident():
            raise RuntimeError(
                "another thread is training this network, its weights are in the middle "
                "of a step; a callback of `fit` is called between two steps")


cdef void *address(array, Py_ssize_t offset, Py_ssize_t itemsize):
    """Where element `offset` of a flat array begins; NULL for None."""
    if array is None:
        return NULL
    return <void *><uintptr_t>(<uintptr_t>array.ctypes.data + <size_t>(offset * itemsize))


SPARSE_UNITS = RN_SPARSE_UNITS


cdef class SparseLayers:
    """The layers of a network by their non-zero weights, for Model.predict.

    Parameters
    ----------
    layers : list
        For each layer None (dense) or (slices, start, unit, index, value): their number
        and arrays as rn_sparse in rn.h describes them, which are kept alive and must
        not change.
    """

    cdef rn_sparse *layers
    cdef readonly Py_ssize_t n_layers
    cdef object arrays

    def __cinit__(self, list layers):
        cdef const int64_t[::1] start
        cdef const int32_t[::1] unit, index
        self.layers = <rn_sparse *>calloc(len(layers), sizeof(rn_sparse))
        if self.layers == NULL:
            raise MemoryError()
        self.n_layers, self.arrays = len(layers), layers
        for i, arrays in enumerate(layers):
            if arrays is None:
                continue
            slices, start, unit, index, value = arrays
            expect(unit.shape[0] == (start.shape[0] - 1) * RN_SPARSE_UNITS,
                   "start and unit do not fit")
            expect((start.shape[0] - 1) % slices == 0, "groups and slices do not fit")
            expect(index.shape[0] == len(value) >= start[start.shape[0] - 1]
                   * RN_SPARSE_UNITS, "index or value is too short")
            self.layers[i].n_groups = start.shape[0] - 1
            self.layers[i].slice_groups = self.layers[i].n_groups // <size_t>slices
            self.layers[i].start = &start[0]
            self.layers[i].unit = &unit[0]
            self.layers[i].index = &index[0]
            self.layers[i].value = address(value, 0, 0)

    def __dealloc__(self):
        free(self.layers)


cdef class Model:
    """A network as C sees it: layer structs that point into flat NumPy arrays.

    Parameters
    ----------
    single : bool
        float32 if true, float64 if not.
    layers : list of dict
        n_in, n_out, activation, activation_param, keep, max_norm, dropout_layer and
        `weight` and `bias`, each a dict: offset (in the flat arrays; bias None if there
        is none), l1, l2, l1_rule, sign_at_zero, non_negative, group, group_rule,
        group_strength.
    loss, output : int
        Codes of rn.h.
    skip : dict, optional
        A linear connection from the inputs to the outputs: `weight` as above, whose group
        strength is that of the LassoNet penalty, and `hierarchy`, its M.
    """

    cdef readonly bint single
    cdef readonly Py_ssize_t n_in, n_out
    cdef rn_net net
    cdef rn_layer *layers
    cdef object offsets, arrays, masks
    cdef bint dropout_on

    def __cinit__(self, bint single, list layers, double input_keep, int loss,
                  double loss_param, int output, uint64_t seed, dict skip=None):
        cdef size_t n = len(layers)
        cdef rn_layer *c
        self.layers = <rn_layer *>calloc(n + 1, sizeof(rn_layer))
        if self.layers == NULL:
            raise MemoryError()
        self.single = single
        self.offsets = []
        for i, layer in enumerate(layers):
            c = &self.layers[i]
            c.n_in, c.n_out = layer["n_in"], layer["n_out"]
            c.activation = layer["activation"]
            c.activation_param = layer["activation_param"]
            c.keep = layer["keep"]
            c.max_norm = layer["max_norm"]
            c.dropout_layer = layer["dropout_layer"]
            for param, spec in zip(("weight", "bias"), (layer["weight"], layer["bias"])):
                if spec is None:
                    continue
                p = param == "weight"
                self._describe(&c.weight if p else &c.bias, spec)
            self.offsets.append((layer["weight"]["offset"],
                                 None if layer["bias"] is None
                                 else layer["bias"]["offset"]))
        self.n_in, self.n_out = layers[0]["n_in"], layers[n - 1]["n_out"]
        self.net.n_layers, self.net.layers = n, self.layers
        if skip is not None:
            self._add_skip(&self.layers[n], skip)
        self.net.input_keep = input_keep
        self.net.loss, self.net.loss_param = loss, loss_param
        self.net.output, self.net.seed = output, seed

    cdef void _add_skip(self, rn_layer *c, dict spec) except *:
        c.n_in, c.n_out, c.keep, c.adds = self.n_in, self.n_out, 1, 1
        self._describe(&c.weight, spec["weight"])
        self.offsets.append((spec["weight"]["offset"], None))
        self.net.skip, self.net.hierarchy = c, spec["hierarchy"]

    cdef void _describe(self, rn_param *p, dict spec) except *:
        p.l1, p.l2 = spec["l1"], spec["l2"]
        p.l1_rule = spec["l1_rule"]
        p.sign_at_zero = spec["sign_at_zero"]
        p.non_negative = spec["non_negative"]
        p.group, p.group_strength = spec["group"], spec["group_strength"]
        p.group_rule = spec["group_rule"]

    def __dealloc__(self):
        free(self.layers)

    def bind(self, w, m=None, v=None, q=None, g=None, ema=None):
        """Point the layers into these flat arrays, which are kept alive."""
        cdef Py_ssize_t size = 4 if self.single else 8
        cdef rn_param *p
        for i, pair in enumerate(self.offsets):
            for kind, offset in enumerate(pair):
                if offset is None:
                    continue
                p = &self.layers[i].weight if kind == 0 else &self.layers[i].bias
                p.w = address(w, offset, size)
                p.m, p.v = address(m, offset, size), address(v, offset, size)
                p.q, p.g = address(q, offset, size), address(g, offset, size)
                p.ema = address(ema, offset, size)
        self.arrays = (w, m, v, q, g, ema)

    def set_masks(self, input_mask, masks):
        """Explicit dropout masks: Source or None for the input and for every layer."""
        cdef Source s
        self.masks = (input_mask, masks)
        self.net.input_mask = NULL
        if input_mask is not None:
            s = input_mask
            self.net.input_mask = &s.source
        for i in range(self.net.n_layers):
            self.layers[i].mask = NULL
            if masks is not None and masks[i] is not None:
                s = masks[i]
                self.layers[i].mask = &s.source

    def keep_zeros(self, bint keep):
        """Whether weights that are zero stay zero in training; biases are free."""
        for i in range(self.net.n_layers):
            self.layers[i].weight.keep_zeros = keep

    def train_work_size(self, size_t block_rows, size_t turn_rows, size_t n_threads):
        """Bytes of work memory a Run needs."""
        return self._train_size(table, block_rows, turn_rows, n_threads)

    cdef size_t _train_size(self, const rn_tables *t, size_t block_rows,
                            size_t turn_rows, size_t n_threads):
        if self.single:
            return t.f32.train_work_size(&self.net, block_rows, turn_rows, n_threads)
        return t.f64.train_work_size(&self.net, block_rows, turn_rows, n_threads)

    def predict_work_size(self, size_t n, size_t n_threads):
        """Bytes of work memory predict needs."""
        return self._predict_size(table, n, n_threads)

    cdef size_t _predict_size(self, const rn_tables *t, size_t n, size_t n_threads):
        if self.single:
            return t.f32.predict_work_size(&self.net, n, n_threads)
        return t.f64.predict_work_size(&self.net, n, n_threads)

    def predict(self, Source x, floating[:, ::1] out, unsigned char[::1] work,
                bint raw, size_t n_threads, size_t first=0, SparseLayers sparse=None):
        """out = prediction for the rows of x from `first` on, as many as out has.

        work: predict_work_size(all rows of x, n_threads) + 64 bytes; raw: without
        softmax or sigmoid; sparse: made of the same weights as those bound, or None.
        Returns the first of these rows with a NaN or infinity, where out means
        nothing, or -1.
        """
        cdef size_t bad
        cdef rn_net net = self.net
        cdef const rn_tables *t = table  # one variant, whoever sets another meanwhile
        cdef rn_source rows = x.rows(first, first + <size_t>out.shape[0])
        cdef void *aligned
        if raw:
            net.output = 0
        expect(x.source.n_cols == <size_t>self.n_in, "x and the network do not fit")
        expect(out.shape[1] == self.n_out, "out has another shape")
        expect(self.single == (sizeof(floating) == 4), "out has another dtype")
        expect(<size_t>work.shape[0] >= self._predict_size(t, out.shape[0], n_threads) + 64,
               "work is too small")
        if out.shape[0] == 0:
            return -1
        if sparse is not None:
            expect(<size_t>sparse.n_layers == net.n_layers, "sparse has other layers")
            net.sparse = sparse.layers
        aligned = <void *>((<uintptr_t>&work[0] + 63) & ~<uintptr_t>63)
        with nogil:
            if floating is float:
                bad = t.f32.predict(&net, &rows, &out[0, 0], n_threads, aligned)
            else:
                bad = t.f64.predict(&net, &rows, &out[0, 0], n_threads, aligned)
        return -1 if bad == rows.n_rows else first + bad


cdef class Optimizer:
    """The scalars an optimiser carries from step to step."""

    cdef rn_optimizer state

    def __init__(self, **members):
        self.state.beta1_power = self.state.beta2_power = 1
        self.set(**members)

    def set(self, **members):
        """Set members of rn_optimizer by name."""
        cdef dict now = self.get()
        unknown = set(members) - set(now)
        if unknown:
            raise TypeError(f"unknown members {sorted(unknown)}")
        now.update(members)
        self.state = now

    def get(self):
        """All members as a dict of Python numbers."""
        return self.state


cdef class Run:
    """A training run: many calls of advance(), each of many steps.

    One thread at a time: advance() lets other Python threads run, and a second call is
    refused until it returns.
    """

    cdef rn_run run
    cdef const rn_tables *table  # of one variant, whoever sets another meanwhile
    cdef bint busy
    cdef readonly size_t max_threads
    cdef object kept
    cdef Model model

    def __cinit__(self, Model model, Optimizer optimizer, Source x, Source y,
                  const int64_t[::1] labels, const double[::1] sample_weight,
                  unsigned char[::1] work, *, size_t batch_size, size_t block_rows,
                  size_t turn_rows, size_t n_threads, bint by_layer,
                  bint gradient_only=False, double ema_decay=0.0):
        cdef size_t n = x.source.n_rows
        expect(x.source.n_cols == <size_t>model.n_in, "x and the network do not fit")
        self.model, self.table = model, table
        self.kept = (optimizer, x, y, labels, sample_weight, work)
        self.run.net = &model.net
        self.run.optimizer = &optimizer.state if optimizer is not None else NULL
        self.run.x = &x.source
        if y is not None:
            expect(y.source.n_rows == n and y.source.n_cols == <size_t>model.n_out,
                   "y and the network do not fit")
            self.run.y = &y.source
        else:
            expect(<size_t>labels.shape[0] == n, "x and the labels differ in length")
            self.run.labels = &labels[0]
        if sample_weight is not None:
            expect(<size_t>sample_weight.shape[0] == n,
                   "x and the weights differ in length")
            self.run.sample_weight = &sample_weight[0]
        expect(<size_t>work.shape[0]
               >= model._train_size(self.table, block_rows, turn_rows, n_threads) + 64,
               "work is too small")
        self.run.work = <void *>((<uintptr_t>&work[0] + 63) & ~<uintptr_t>63)
        self.run.n = n
        self.run.batch_size, self.run.block_rows = batch_size, block_rows
        self.run.turn_rows = turn_rows
        self.max_threads, self.run.by_layer = n_threads, by_layer
        self.run.gradient_only = gradient_only
        self.run.ema_decay = ema_decay
        self.run.status = RN_RUNNING

    def start_epoch(self, const int64_t[::1] order, size_t row=0, double loss_sum=0,
                    double weight_sum=0):
        """Begin a pass over the rows in this order (None: as they stand) at `row`.

        The sums are those of the rows before it.
        """
        self._enter()
        try:
            if order is not None:
                expect(<size_t>order.shape[0] == self.run.n, "order has another length")
                self.run.order = &order[0]
            else:
                self.run.order = NULL
            self.kept = (*self.kept[:6], order)
            self.run.row, self.run.batch_row = row, 0
            self.run.loss_sum, self.run.weight_sum = loss_sum, weight_sum
        finally:
            self._leave()

    def advance(self, const double[::1] learning_rates, double seconds, size_t threads):
        """Train for about `seconds`, at most one step per learning rate.

        threads: at most n_threads.  Returns the seconds that threads slept, in sum.
        """
        expect(0 < threads <= self.max_threads, "more threads than there is memory for")
        self._enter()
        self.run.n_threads = threads
        self.run.learning_rates = &learning_rates[0]
        self.run.max_steps = learning_rates.shape[0]
        self.run.steps_done = 0
        self.run.seconds = seconds
        with nogil:
            if self.model.single:
                self.table.f32.train(&self.run)
            else:
                self.table.f64.train(&self.run)
        self._leave()
        return self.run.seconds_asleep

    cdef void _enter(self) except *:
        with cython.critical_section(self):  # nothing where there is a GIL
            if self.busy:
                raise RuntimeError("another thread is in this run")
            self.busy = True

    cdef void _leave(self) noexcept:
        with cython.critical_section(self):
            self.busy = False

    @property
    def n(self):
        """Rows of the data set."""
        return self.run.n

    @property
    def row(self):
        """Next row of the epoch."""
        return self.run.row

    @property
    def batch_row(self):
        """Rows of an unfinished batch that are already in the gradient."""
        return self.run.batch_row

    @property
    def diverged(self):
        """True if the last batch had a loss that is not finite; nothing was updated."""
        return self.run.status == RN_DIVERGED

    @property
    def batch_loss(self):
        """Mean data loss of the last finished batch."""
        return self.run.batch_loss / self.run.batch_weight

    @property
    def loss_sum(self):
        """Weighted data loss of the finished batches of this epoch."""
        return self.run.loss_sum

    @property
    def weight_sum(self):
        """Weight of the finished batches of this epoch."""
        return self.run.weight_sum

    @property
    def loss(self):
        """Mean data loss of the finished batches of this epoch (NaN if none)."""
        if self.run.weight_sum == 0:
            return float("nan")
        return self.run.loss_sum / self.run.weight_sum
