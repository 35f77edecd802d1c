# Single kernels on arrays that the caller made.  Part of binding.pyx.

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
        if function == EXP:
            dispatch.exp(n, &y[0], &x[0])
        elif function == EXPM1:
            dispatch.expm1(n, &y[0], &x[0])
        elif function == LOG:
            dispatch.log(n, &y[0], &x[0])
        elif function == LOG1P:
            dispatch.log1p(n, &y[0], &x[0])
        elif function == TANH:
            dispatch.tanh(n, &y[0], &x[0])
        elif function == ATAN:
            dispatch.atan(n, &y[0], &x[0])
        else:
            dispatch.erf(n, &y[0], &x[0])


def activation_forward(
        int activation, floating[::1] a, floating[::1] slope,
        const floating[::1] z, double param):
    """a = f(z), slope = f'(z); all of one length."""
    cdef size_t n = z.shape[0]
    expect(a.shape[0] == z.shape[0] == slope.shape[0], "a, slope and z differ in length")
    if n == 0:
        return
    with nogil:
        dispatch.activation_forward(activation, n, &a[0], &slope[0], &z[0], param)


def softmax_forward(floating[:, ::1] a, const floating[:, ::1] z):  # (n_out, n)
    """Softmax over the first axis."""
    cdef size_t n_out = z.shape[0], n = z.shape[1]
    expect(a.shape[0] == z.shape[0] and a.shape[1] == z.shape[1], "shapes differ")
    if n == 0 or n_out == 0:
        return
    with nogil:
        dispatch.softmax_forward(n_out, n, n, &a[0, 0], &z[0, 0])


def softmax_backward(
        floating[:, ::1] dz, const floating[:, ::1] da, const floating[:, ::1] a):
    """dz from da for a = softmax(z) over the first axis."""
    cdef size_t n_out = a.shape[0], n = a.shape[1]
    expect(dz.shape[0] == da.shape[0] == a.shape[0]
           and dz.shape[1] == da.shape[1] == a.shape[1], "shapes differ")
    if n == 0 or n_out == 0:
        return
    with nogil:
        dispatch.softmax_backward(n_out, n, n, &dz[0, 0], &da[0, 0], &a[0, 0])


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
        dispatch.loss_rows(loss, n_out, n, n, &row_loss[0], &dz[0, 0], &z[0, 0], py,
                           plabel, pscale, param)


def random_fill(
        floating[::1] u, bint normal, uint64_t seed, uint32_t stream, uint64_t first):
    """Uniform [0, 1) or standard normal numbers first, first + 1, ... of a stream."""
    cdef size_t n = u.shape[0]
    if n == 0:
        return
    with nogil:
        if normal:
            dispatch.random_normal(n, &u[0], seed, stream, first)
        else:
            dispatch.random_uniform(n, &u[0], seed, stream, first)


def dropout_apply(
        floating[:, ::1] a, double keep, uint64_t seed, uint64_t step, uint32_t layer,
        size_t first_row):  # a (n_units, n): in/out
    """Multiply a by mask/keep."""
    cdef size_t n_units = a.shape[0], n = a.shape[1]
    cdef rn_dropout d
    cdef floating *no_slope = NULL
    if n_units == 0 or n == 0:
        return
    d.seed, d.step, d.layer, d.first_unit, d.keep = seed, step, layer, 0, keep
    with nogil:
        dispatch.dropout_apply(n_units, n, n, &a[0, 0], no_slope, first_row, &d)


def permutation(int64_t[::1] order, uint64_t seed, uint64_t epoch):  # out
    """order = the permutation that epoch `epoch` of seed `seed` uses."""
    if order.shape[0]:
        dispatch.permutation(order.shape[0], &order[0], seed, epoch)


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
        dispatch.dense_forward(n, n_in, n_out, &z[0, 0], &x[0, 0], &w[0, 0], pb)


def dense_input_gradient(
        floating[:, ::1] dx, const floating[:, ::1] dz, const floating[:, ::1] w,
        floating[::1] work):
    """dx = dz w'; work: 16 * n_out elements."""
    cdef size_t n = dz.shape[0], n_in = w.shape[0], n_out = w.shape[1]
    expect(dz.shape[1] == w.shape[1], "dz and w do not fit")
    expect(dx.shape[0] == dz.shape[0] and dx.shape[1] == w.shape[0], "dx has another shape")
    expect(<size_t>work.shape[0] >= 16 * n_out, "work is too small")
    if n == 0 or n_in == 0 or n_out == 0:
        return
    with nogil:
        dispatch.dense_input_gradient(
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
        dispatch.dense_weight_gradient(n, n_in, n_out, &dw[0, 0], &x[0, 0], &dz[0, 0])


def prox_l1(floating[::1] w, double threshold):  # in/out
    """w = sign(w) max(|w| - threshold, 0)."""
    cdef size_t n = w.shape[0]
    if n == 0:
        return
    with nogil:
        dispatch.prox_l1(n, &w[0], threshold)


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
        dispatch.update(n, &w[0], &m[0], &v[0], &q[0], &g[0], &s)


def penalty_sums(const floating[::1] w):
    """(sum |w|, sum w^2, number of exact zeros)."""
    cdef double sums[3]
    cdef size_t n = w.shape[0]
    if n == 0:
        return 0.0, 0.0, 0
    with nogil:
        dispatch.penalty_sums(n, sums, &w[0])
    return sums[0], sums[1], int(sums[2])


def prox_group(
        int group, floating[:, ::1] w, floating[:, ::1] v, floating[:, ::1] q,
        double strength, dict step, floating[::1] work,
        tuple group_rows=None):  # w, q: in/out
    """Group penalty after one step; q None: proximal; group_rows: as for Model, or None;
    work: 16 * (n_in + n_out), with group_rows n_in * (n_out + 16)."""
    cdef size_t n_in = w.shape[0], n_out = w.shape[1]
    cdef size_t groups = n_out if group == 1 else n_in
    cdef rn_step s = step
    cdef rn_param p
    memset(&p, 0, sizeof(p))
    expect(v.shape[0] == w.shape[0] and v.shape[1] == w.shape[1], "v has another shape")
    expect(<size_t>work.shape[0] >= (16 * (n_in + n_out) if group_rows is None
                                     else n_in * (n_out + 16)), "work is too small")
    if n_in == 0 or n_out == 0:
        return
    p.w, p.v, p.q, p.group, p.group_strength = &w[0, 0], &v[0, 0], NULL, group, strength
    p.group_rule = RN_L1_PROXIMAL
    if q is not None:
        expect(q.shape[0] == w.shape[0] and q.shape[1] == w.shape[1],
               "q has another shape")
        p.q, p.group_rule = &q[0, 0], RN_L1_CUMULATIVE
    if group_rows is not None:
        point_to_groups(&p, group_rows, n_in)
        groups = p.n_groups
    with nogil:
        dispatch.prox_group(n_in, n_out, 0, groups, &p, &s, &work[0])


def prox_lassonet(
        floating[:, ::1] beta, floating[:, ::1] theta, const floating[:, ::1] v_beta,
        const floating[:, ::1] v_theta, double strength, double hierarchy, dict step,
        double[::1] work, tuple group_rows=None):  # beta, theta: in/out
    """LassoNet's penalty after one step; group_rows: as for Model, or None;
    work: 2 * (columns of both + 16), with group_rows for every row."""
    cdef size_t n_in = theta.shape[0], groups = n_in
    cdef rn_layer skip, first
    cdef rn_step s = step
    memset(&skip, 0, sizeof(skip))
    memset(&first, 0, sizeof(first))
    expect(beta.shape[0] == theta.shape[0], "beta and theta differ in rows")
    expect(v_beta.shape[0] == beta.shape[0] and v_beta.shape[1] == beta.shape[1]
           and v_theta.shape[0] == theta.shape[0]
           and v_theta.shape[1] == theta.shape[1], "v has another shape")
    expect(<size_t>work.shape[0] >= 2 * (beta.shape[1] + theta.shape[1] + 16)
           * (1 if group_rows is None else n_in), "work is too small")
    if n_in == 0 or beta.shape[1] == 0 or theta.shape[1] == 0:
        return
    skip.n_in, skip.n_out, skip.weight.group_strength = n_in, beta.shape[1], strength
    first.n_in, first.n_out = n_in, theta.shape[1]
    skip.weight.w, skip.weight.v = &beta[0, 0], <void *>&v_beta[0, 0]
    first.weight.w, first.weight.v = &theta[0, 0], <void *>&v_theta[0, 0]
    if group_rows is not None:
        point_to_groups(&skip.weight, group_rows, n_in)
        groups = skip.weight.n_groups
    with nogil:
        dispatch.prox_lassonet(
            sizeof(floating) == 4, &skip, &first, hierarchy, 0, groups, &s, &work[0])


def max_norm(floating[:, ::1] w, double max_norm):  # in/out
    """Scale every column of w to a Euclidean norm of at most max_norm."""
    cdef size_t n_in = w.shape[0], n_out = w.shape[1]
    if n_in == 0 or n_out == 0:
        return
    with nogil:
        dispatch.max_norm(n_in, n_out, &w[0, 0], 0, n_out, max_norm)


def sparse_count(int64_t[::1] counts, const floating[:, ::1] w):  # counts: out
    """counts[j] = weights of unit j that are not zero."""
    cdef size_t n_in = w.shape[0], n_out = w.shape[1]
    expect(counts.shape[0] == w.shape[1], "counts and w do not fit")
    if n_in == 0 or n_out == 0:
        return
    with nogil:
        dispatch.sparse_count(n_in, n_out, &counts[0], &w[0, 0])


def sparse_fill(
        floating[::1] value, int32_t[::1] index, int64_t[::1] next,
        const int64_t[::1] end, const floating[:, ::1] w):
    """Write the weights of unit j that are not zero, and the numbers of their inputs, at
    next[j], next[j] + SPARSE_UNITS, ... below end[j]; a list that is full takes no more.
    value, index: out; next: in/out."""
    cdef size_t n_in = w.shape[0], n_out = w.shape[1]
    expect(next.shape[0] == w.shape[1] == end.shape[0], "next, end and w do not fit")
    expect(value.shape[0] == index.shape[0], "value and index differ in length")
    for j in range(<Py_ssize_t>n_out):
        expect(next[j] >= 0 and end[j] <= value.shape[0], "lists end beyond value")
    if n_in == 0 or n_out == 0 or value.shape[0] == 0:
        return
    with nogil:
        dispatch.sparse_fill(
            n_in, n_out, &value[0], &index[0], &next[0], &end[0], &w[0, 0])


def columns_to_rows(floating[:, ::1] out, list columns):  # out: out
    """out (n, n_cols) = the columns, arrays (n,) of its type, side by side."""
    cdef size_t n = out.shape[0], n_cols = out.shape[1]
    cdef const floating[::1] column
    cdef const floating **start
    expect(len(columns) == out.shape[1], "out has another number of columns")
    if n == 0 or n_cols == 0:
        return
    start = <const floating **>malloc(n_cols * sizeof(void *))
    if start == NULL:
        raise MemoryError()
    try:
        for k in range(n_cols):
            column = columns[k]
            expect(column.shape[0] == out.shape[0], "columns and out differ in rows")
            start[k] = &column[0]
        with nogil:
            dispatch.columns_to_rows(n, n_cols, &out[0, 0], start)
    finally:
        free(start)
