/* Losses of each row with their derivatives, and softmax.
 *
 * Panels: element (output j, row i) is at j * ld + i, so a block of rows is a block of
 * consecutive numbers and every sum runs over j in order, one row per vector lane.  The
 * cross-entropies take raw outputs and never compute the logarithm of a probability.
 */

enum { RN_ROWS = 64 }; /* rows of one block; a multiple of every RN_LANES */
RN_INLINE size_t rn_rows_from(size_t n, size_t i) {
    return n - i < RN_ROWS ? n - i : RN_ROWS;
}
#define RN_WHOLE(k) (((k) + RN_LANES - 1) / RN_LANES * RN_LANES)

/* Where to read rows p[0 .. k-1] by whole vectors: p itself, or a copy in t. */
RN_INLINE const T *rows_in(size_t k, T *t, const T *p) {
    size_t l = 0;
    if (k % RN_LANES == 0) return p;
    for (; l + RN_LANES <= k; l += RN_LANES) vec_store(t + l, vec_load(p + l));
    vec_store(t + l, vec_load_first(p + l, k - l));
    return t;
}

/* Where to write them; rows_done copies what was written to t. */
RN_INLINE T *rows_out(size_t k, T *t, T *p) { return k % RN_LANES ? t : p; }

RN_INLINE void rows_done(size_t k, const T *t, T *p) {
    size_t l = 0;
    if (k % RN_LANES == 0) return;
    for (; l + RN_LANES <= k; l += RN_LANES) vec_store(p + l, vec_load(t + l));
    vec_store_first(p + l, vec_load(t + l), k - l);
}

RN_INLINE void fill_rows(size_t k, T *t, T value) {
    for (size_t l = 0; l < RN_WHOLE(k); l++) t[l] = value;
}

/* top[i] = max over j of z[j][i] */
RN_INLINE void largest_rows(size_t n_out, size_t k, size_t ld, T *RN_RESTRICT top,
                            const T *z) {
    T buffer[RN_ROWS];
    fill_rows(k, top, -(T)INFINITY);
    for (size_t j = 0; j < n_out; j++) {
        const T *t = rows_in(k, buffer, z + j * ld);
        RN_ELEMENTWISE
        for (size_t l = 0; l < RN_WHOLE(k); l++)
            top[l] = t[l] <= top[l] ? top[l] : t[l];
    }
}

/* out = exp(z - top), sum[i] += out[i] */
RN_INLINE void exp_rows(size_t k, T *out, T *RN_RESTRICT sum, const T *z,
                        const T *RN_RESTRICT top) {
    RN_ELEMENTWISE
    for (size_t l = 0; l < RN_WHOLE(k); l++) {
        const T e = exp_below(z[l] - top[l], 0);
        out[l] = e;
        sum[l] += e;
    }
}

/* a = exp(z) / sum over outputs of exp(z); panels, a may be z. */
static void softmax_forward(size_t n_out, size_t n, size_t ld, T *a, const T *z) {
    T top[RN_ROWS], sum[RN_ROWS], buffer[RN_ROWS];
    for (size_t i = 0; i < n; i += RN_ROWS) {
        const size_t k = rn_rows_from(n, i), whole = RN_WHOLE(k);
        largest_rows(n_out, k, ld, top, z + i);
        fill_rows(k, sum, 0);
        for (size_t j = 0; j < n_out; j++) {
            const T *t = rows_in(k, buffer, z + j * ld + i);
            T *out = rows_out(k, buffer, a + j * ld + i);
            exp_rows(k, out, sum, t, top);
            rows_done(k, buffer, a + j * ld + i);
        }
        for (size_t l = 0; l < whole; l++) sum[l] = 1 / sum[l];
        for (size_t j = 0; j < n_out; j++) {
            const T *t = rows_in(k, buffer, a + j * ld + i);
            T *out = rows_out(k, buffer, a + j * ld + i);
            RN_ELEMENTWISE
            for (size_t l = 0; l < whole; l++) out[l] = t[l] * sum[l];
            rows_done(k, buffer, a + j * ld + i);
        }
    }
}

/* dz = a (da - sum over outputs of a da); panels, dz may be da. */
static void softmax_backward(size_t n_out, size_t n, size_t ld, T *dz, const T *da,
                             const T *a) {
    T sum[RN_ROWS], buffer[RN_ROWS], buffer2[RN_ROWS];
    for (size_t i = 0; i < n; i += RN_ROWS) {
        const size_t k = rn_rows_from(n, i), whole = RN_WHOLE(k);
        fill_rows(k, sum, 0);
        for (size_t j = 0; j < n_out; j++) {
            const T *d = rows_in(k, buffer, da + j * ld + i);
            const T *p = rows_in(k, buffer2, a + j * ld + i);
            RN_ELEMENTWISE
            for (size_t l = 0; l < whole; l++) sum[l] = madd(d[l], p[l], sum[l]);
        }
        for (size_t j = 0; j < n_out; j++) {
            const T *d = rows_in(k, buffer, da + j * ld + i);
            const T *p = rows_in(k, buffer2, a + j * ld + i);
            T *out = rows_out(k, buffer, dz + j * ld + i);
            RN_ELEMENTWISE
            for (size_t l = 0; l < whole; l++) out[l] = p[l] * (d[l] - sum[l]);
            rows_done(k, buffer, dz + j * ld + i);
        }
    }
}

/* Label smoothing a (Szegedy et al. 2016): a target y becomes keep y + share, with keep
 * = 1 - a and share = a / classes. */
typedef struct {
    T keep, share;
} rn_smoothing;

/* The targets of output j: rows of its panel, or 1 where the label is j, smoothed. */
RN_INLINE const T *targets(size_t k, T *t, const T *y, const T *label, size_t j,
                           size_t ld, rn_smoothing s) {
    const T unit = (T)j, on = s.keep + s.share, off = s.share;
    if (y != NULL) {
        const T *p = rows_in(k, t, y + j * ld);
        if (s.share == 0) return p;
        for (size_t l = 0; l < RN_WHOLE(k); l++) t[l] = madd(s.keep, p[l], s.share);
        return t;
    }
    for (size_t l = 0; l < RN_WHOLE(k); l++) t[l] = label[l] == unit ? on : off;
    return t;
}

/* Rows 0 .. k-1 of -sum_j y log softmax(z), as sum_j y (log sum exp(z - top) - (z -
 * top)). dz = softmax(z) sum_j y - y, right also for targets that do not add up to one.
 */
RN_INLINE void softmax_rows(size_t n_out, size_t k, size_t ld, T *row_loss, T *dz,
                            const T *z, const T *y, const int64_t *label,
                            const T *scale, double smoothing) {
    const rn_smoothing s = {.keep = (T)(1 - smoothing),
                            .share = (T)(smoothing / (double)n_out)};
    T top[RN_ROWS], sum[RN_ROWS], total[RN_ROWS], dot[RN_ROWS], label_t[RN_ROWS];
    T buffer[RN_ROWS], buffer2[RN_ROWS];
    const size_t whole = RN_WHOLE(k);
    fill_rows(k, label_t, -1);
    fill_rows(k, sum, 0);
    fill_rows(k, total, 0);
    fill_rows(k, dot, 0);
    if (y == NULL) {
        for (size_t l = 0; l < k; l++) label_t[l] = (T)label[l];
    }
    largest_rows(n_out, k, ld, top, z);
    for (size_t j = 0; j < n_out; j++) {
        const T *t = rows_in(k, buffer, z + j * ld);
        const T *p = targets(k, buffer2, y, label_t, j, ld, s);
        T *out = rows_out(k, buffer, dz + j * ld);
        RN_ELEMENTWISE
        for (size_t l = 0; l < whole; l++) {
            dot[l] = madd(p[l], t[l] - top[l], dot[l]);
            total[l] += p[l];
        }
        exp_rows(k, out, sum, t, top);
        rows_done(k, buffer, dz + j * ld);
    }
    for (size_t l = 0; l < whole; l++) {
        buffer[l] = madd(total[l], log_of(sum[l]), -dot[l]);
        total[l] /= sum[l];
    }
    memcpy(row_loss, buffer, k * sizeof(T));
    for (size_t j = 0; j < n_out; j++) {
        const T *e = rows_in(k, buffer, dz + j * ld);
        const T *p = targets(k, buffer2, y, label_t, j, ld, s);
        T *out = rows_out(k, buffer, dz + j * ld);
        RN_ELEMENTWISE
        for (size_t l = 0; l < whole; l++) {
            out[l] = madd(e[l], total[l], -p[l]) * scale[l];
        }
        rows_done(k, buffer, dz + j * ld);
    }
}

/* One output's share of the loss and its derivative d, from the output z and the target
 * y; param as in rn_net, share = 1 / n_out. */

/* e p = sigmoid(-|z|): sigmoid(z) - t without loss; t is smoothed over two classes */
RN_INLINE T binary_cross_entropy(T z, T y, T param, T share, T *d) {
    T e;
    const T p = logistic(z, &e) * e, t = madd(1 - param, y, (T)0.5 * param);
    (void)share;
    *d = z < 0 ? p - t : (1 - t) - p;
    return madd(-z, t, z > 0 ? z : (T)0) + log1p_unit(e);
}

RN_INLINE T squared_error(T z, T y, T param, T share, T *d) {
    const T r = z - y;
    (void)param, (void)share;
    *d = r;
    return (T)0.5 * r * r;
}

RN_INLINE T mse(T z, T y, T param, T share, T *d) {
    const T r = z - y;
    (void)param;
    *d = 2 * share * r;
    return share * r * r;
}

/* 1, -1, 0 or NaN */
RN_INLINE T sign_of(T r) { return r > 0 ? (T)1 : r < 0 ? (T)-1 : r; }

RN_INLINE T absolute_error(T z, T y, T param, T share, T *d) {
    (void)param, (void)share;
    *d = sign_of(z - y);
    return magnitude(z - y);
}

RN_INLINE T mae(T z, T y, T param, T share, T *d) {
    (void)param;
    *d = sign_of(z - y) * share;
    return magnitude(z - y) * share;
}

RN_INLINE T huber(T z, T y, T param, T share, T *d) {
    const T r = z - y;
    (void)share;
    *d = clamp(r, param);
    return *d * madd((T)-0.5, *d, r);
}

/* param * max(y - z, 0) + (1 - param) * max(z - y, 0) */
RN_INLINE T quantile(T z, T y, T param, T share, T *d) {
    const T r = z - y, p = r > 0 ? 1 - param : param;
    (void)share;
    *d = p * sign_of(r);
    return p * magnitude(r);
}

RN_INLINE T poisson(T z, T y, T param, T share, T *d) {
    const T e = exp_of(z);
    (void)param, (void)share;
    *d = e - y;
    return madd(-y, z, e);
}

/* `loss` is known to the compiler. */
RN_INLINE T loss_of(const int loss, T z, T y, T param, T share, T *d) {
    T value = *d = 0;
#define RN_FORMULA_OF_LOSS(constant, name, function)                                   \
    case constant: value = function(z, y, param, share, d); break;
    switch (loss) { /* softmax_rows has the other */
        RN_OUTPUT_LOSSES(RN_FORMULA_OF_LOSS)
    }
    return value;
}

RN_INLINE void loss_sum_rows(const int loss, size_t n_out, size_t k, size_t ld,
                             T *row_loss, T *dz, const T *z, const T *y, const T *scale,
                             T param) {
    T sum[RN_ROWS], buffer[RN_ROWS], buffer2[RN_ROWS];
    const T share = 1 / (T)n_out;
    fill_rows(k, sum, 0);
    for (size_t j = 0; j < n_out; j++) {
        const T *t = rows_in(k, buffer, z + j * ld);
        const T *p = rows_in(k, buffer2, y + j * ld);
        T *out = rows_out(k, buffer, dz + j * ld);
        RN_ELEMENTWISE
        for (size_t l = 0; l < RN_WHOLE(k); l++) {
            T d;
            sum[l] += loss_of(loss, t[l], p[l], param, share, &d);
            out[l] = d * scale[l];
        }
        rows_done(k, buffer, dz + j * ld);
    }
    memcpy(row_loss, sum, k * sizeof(T));
}

/* row_loss[i], not scaled; dz = d row_loss / dz * scale[i] (scale NULL: 1; dz may be
 * z).  Targets are the panel y or, for softmax, label[i]. */
static void loss_rows(int loss, size_t n_out, size_t n, size_t ld, T *row_loss, T *dz,
                      const T *z, const T *y, const int64_t *label, const T *scale,
                      double param) {
    T weight[RN_ROWS];
    fill_rows(RN_ROWS, weight, 1);
    for (size_t i = 0; i < n; i += RN_ROWS) {
        const size_t k = rn_rows_from(n, i);
        if (scale != NULL) memcpy(weight, scale + i, k * sizeof(T));
#define RN_SUM_OF_LOSS(constant, name, function)                                       \
    case constant:                                                                     \
        loss_sum_rows(constant, n_out, k, ld, row_loss + i, dz + i, z + i, y + i,      \
                      weight, (T)param);                                               \
        break;
        switch (loss) {
            RN_OUTPUT_LOSSES(RN_SUM_OF_LOSS)
        case RN_SOFTMAX_CROSS_ENTROPY:
            softmax_rows(n_out, k, ld, row_loss + i, dz + i, z + i, y ? y + i : NULL,
                         label ? label + i : NULL, weight, param);
        }
    }
}
