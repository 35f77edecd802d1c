/* Losses of each row with their derivatives, and softmax.
 *
 * Panels: element (output j, row i) is at j * ld + i, so a block of rows is a block of
 * consecutive numbers and every sum runs over j in order, one row per vector lane.  The
 * cross-entropies take raw outputs and never compute the logarithm of a probability.
 */
#ifndef T
#error "included by rn_all.h only"
#endif

#ifndef RN_LOSS_COMMON
#define RN_LOSS_COMMON
enum { RN_ROWS = 64 }; /* rows of one block; a multiple of every RN_LANES */
RN_INLINE size_t rn_row_block(size_t n, size_t i) {
    return n - i < RN_ROWS ? n - i : RN_ROWS;
}
#define RN_WHOLE(k) (((k) + RN_LANES - 1) / RN_LANES * RN_LANES)
#endif

/* t[0 .. k-1] = p[0 .. k-1], and zeros up to a whole vector */
RN_INLINE void RN_FN(load_rows)(size_t k, T *RN_RESTRICT t, const T *RN_RESTRICT p) {
    size_t l = 0;
    for (; l + RN_LANES <= k; l += RN_LANES) V(store)(t + l, V(load)(p + l));
    if (l < k) V(store)(t + l, V(load_first)(p + l, k - l));
}

RN_INLINE void RN_FN(store_rows)(size_t k, T *RN_RESTRICT p, const T *RN_RESTRICT t) {
    size_t l = 0;
    for (; l + RN_LANES <= k; l += RN_LANES) V(store)(p + l, V(load)(t + l));
    if (l < k) V(store_first)(p + l, V(load)(t + l), k - l);
}

RN_INLINE void RN_FN(fill_rows)(size_t k, T *t, T value) {
    for (size_t l = 0; l < RN_WHOLE(k); l++) t[l] = value;
}

/* top[i] = max over j of z[j][i] */
RN_INLINE void RN_FN(largest_rows)(size_t n_out, size_t k, size_t ld, T *RN_RESTRICT top,
                                   const T *z) {
    T t[RN_ROWS];
    RN_FN(load_rows)(k, top, z);
    for (size_t j = 1; j < n_out; j++) {
        RN_FN(load_rows)(k, t, z + j * ld);
        for (size_t l = 0; l < RN_WHOLE(k); l++) top[l] = t[l] > top[l] ? t[l] : top[l];
    }
}

/* a = exp(z) / sum over outputs of exp(z); panels, a may be z. */
static void RN_FN(softmax_forward)(size_t n_out, size_t n, size_t ld, T *a, const T *z) {
    T top[RN_ROWS], sum[RN_ROWS], t[RN_ROWS];
    for (size_t i = 0; i < n; i += RN_ROWS) {
        const size_t k = rn_row_block(n, i), whole = RN_WHOLE(k);
        RN_FN(largest_rows)(n_out, k, ld, top, z + i);
        RN_FN(fill_rows)(k, sum, 0);
        for (size_t j = 0; j < n_out; j++) {
            RN_FN(load_rows)(k, t, z + j * ld + i);
            for (size_t l = 0; l < whole; l++) {
                t[l] = RN_FN(exp_below)(t[l] - top[l], 0);
                sum[l] += t[l];
            }
            RN_FN(store_rows)(k, a + j * ld + i, t);
        }
        for (size_t l = 0; l < whole; l++) sum[l] = 1 / sum[l];
        for (size_t j = 0; j < n_out; j++) {
            RN_FN(load_rows)(k, t, a + j * ld + i);
            for (size_t l = 0; l < whole; l++) t[l] *= sum[l];
            RN_FN(store_rows)(k, a + j * ld + i, t);
        }
    }
}

/* dz = a (da - sum over outputs of a da); panels, dz may be da. */
static void RN_FN(softmax_backward)(size_t n_out, size_t n, size_t ld, T *dz, const T *da,
                                    const T *a) {
    T sum[RN_ROWS], t[RN_ROWS], p[RN_ROWS];
    for (size_t i = 0; i < n; i += RN_ROWS) {
        const size_t k = rn_row_block(n, i), whole = RN_WHOLE(k);
        RN_FN(fill_rows)(k, sum, 0);
        for (size_t j = 0; j < n_out; j++) {
            RN_FN(load_rows)(k, t, da + j * ld + i);
            RN_FN(load_rows)(k, p, a + j * ld + i);
            for (size_t l = 0; l < whole; l++) sum[l] = RN_FMA(t[l], p[l], sum[l]);
        }
        for (size_t j = 0; j < n_out; j++) {
            RN_FN(load_rows)(k, t, da + j * ld + i);
            RN_FN(load_rows)(k, p, a + j * ld + i);
            for (size_t l = 0; l < whole; l++) t[l] = p[l] * (t[l] - sum[l]);
            RN_FN(store_rows)(k, dz + j * ld + i, t);
        }
    }
}

/* y[i] of output j: a row of the panel, or 1 where the label is j. */
RN_INLINE void RN_FN(load_targets)(size_t k, T *RN_RESTRICT t, const T *y, const T *label,
                                   size_t j) {
    if (y != NULL) {
        RN_FN(load_rows)(k, t, y);
    } else {
        for (size_t l = 0; l < RN_WHOLE(k); l++) t[l] = label[l] == (T)j ? (T)1 : (T)0;
    }
}

/* Rows i .. i+k-1 of -sum_j y log softmax(z), as sum_j y (log sum exp(z - top) - (z - top)).
 * dz = softmax(z) sum_j y - y, right also for targets that do not add up to one. */
RN_INLINE void RN_FN(softmax_rows)(size_t n_out, size_t k, size_t ld, T *row_loss, T *dz,
                                   const T *z, const T *y, const int64_t *label,
                                   const T *scale) {
    T top[RN_ROWS], sum[RN_ROWS], target[RN_ROWS], dot[RN_ROWS], t[RN_ROWS], d[RN_ROWS];
    T index[RN_ROWS] = {0};
    const size_t whole = RN_WHOLE(k);
    if (y == NULL) {
        for (size_t l = 0; l < k; l++) index[l] = (T)label[l];
    }
    RN_FN(largest_rows)(n_out, k, ld, top, z);
    RN_FN(fill_rows)(k, sum, 0);
    RN_FN(fill_rows)(k, target, 0);
    RN_FN(fill_rows)(k, dot, 0);
    for (size_t j = 0; j < n_out; j++) {
        RN_FN(load_rows)(k, t, z + j * ld);
        RN_FN(load_targets)(k, d, y ? y + j * ld : NULL, index, j);
        for (size_t l = 0; l < whole; l++) {
            const T below = t[l] - top[l];
            t[l] = RN_FN(exp_below)(below, 0);
            sum[l] += t[l];
            dot[l] = RN_FMA(d[l], below, dot[l]);
            target[l] += d[l];
        }
        if (dz != NULL) RN_FN(store_rows)(k, dz + j * ld, t);
    }
    for (size_t l = 0; l < whole; l++) {
        t[l] = RN_FMA(target[l], RN_LOG(sum[l]), -dot[l]);
        target[l] /= sum[l];
    }
    RN_FN(store_rows)(k, row_loss, t);
    if (dz == NULL) return;
    for (size_t j = 0; j < n_out; j++) {
        RN_FN(load_rows)(k, t, dz + j * ld);
        RN_FN(load_targets)(k, d, y ? y + j * ld : NULL, index, j);
        for (size_t l = 0; l < whole; l++) t[l] = RN_FMA(t[l], target[l], -d[l]) * scale[l];
        RN_FN(store_rows)(k, dz + j * ld, t);
    }
}

/* One output's share of the loss and its derivative; param as in rn_loss. */
RN_INLINE T RN_FN(loss_of)(int loss, T z, T y, T param, T *d) {
    const T r = z - y, size = RN_FN(magnitude)(r);
    const T sign = r > 0 ? (T)1 : r < 0 ? (T)-1 : r; /* NaN stays NaN */
    T e, p;
    switch (loss) {
    case RN_BINARY_CROSS_ENTROPY: /* e p = sigmoid(-|z|): sigmoid(z) - y without loss */
        p = RN_FN(logistic)(z, &e) * e;
        *d = z < 0 ? p - y : (1 - y) - p;
        return RN_FMA(-z, y, z > 0 ? z : (T)0) + RN_FN(log1p_unit)(e);
    case RN_ABSOLUTE_ERROR:
    case RN_MAE: *d = sign * param; return size * param;
    case RN_HUBER:
        *d = RN_FN(clamp)(r, param);
        return *d * RN_FMA((T)-0.5, *d, r);
    case RN_QUANTILE: /* param * max(y - z, 0) + (1 - param) * max(z - y, 0) */
        p = r > 0 ? 1 - param : param;
        *d = p * sign;
        return p * size;
    case RN_POISSON:
        e = RN_EXP(z);
        *d = e - y;
        return RN_FMA(-y, z, e);
    default: *d = 2 * param * r; return param * r * r;
    }
}

RN_INLINE void RN_FN(loss_sum_rows)(int loss, size_t n_out, size_t k, size_t ld,
                                    T *row_loss, T *dz, const T *z, const T *y,
                                    const T *scale, T param) {
    T sum[RN_ROWS], t[RN_ROWS], target[RN_ROWS];
    RN_FN(fill_rows)(k, sum, 0);
    for (size_t j = 0; j < n_out; j++) {
        RN_FN(load_rows)(k, t, z + j * ld);
        RN_FN(load_rows)(k, target, y + j * ld);
        for (size_t l = 0; l < RN_WHOLE(k); l++) {
            T d;
            sum[l] += RN_FN(loss_of)(loss, t[l], target[l], param, &d);
            t[l] = d * scale[l];
        }
        if (dz != NULL) RN_FN(store_rows)(k, dz + j * ld, t);
    }
    RN_FN(store_rows)(k, row_loss, sum);
}

/* row_loss[i], not scaled; dz = d row_loss / dz * scale[i] (scale NULL: 1; dz NULL: not
 * wanted; dz may be z).  Targets are the panel y or, for softmax, label[i]. */
static void RN_FN(loss_rows)(int loss, size_t n_out, size_t n, size_t ld, T *row_loss,
                             T *dz, const T *z, const T *y, const int64_t *label,
                             const T *scale, T param) {
#define RN_CASE(name, factor)                                                           \
    case name:                                                                          \
        RN_FN(loss_sum_rows)(name, n_out, k, ld, row_loss + i, d, z + i, y + i, weight, \
                             factor);                                                   \
        break;
    T weight[RN_ROWS];
    RN_FN(fill_rows)(RN_ROWS, weight, 1);
    for (size_t i = 0; i < n; i += RN_ROWS) {
        const size_t k = rn_row_block(n, i);
        T *d = dz ? dz + i : NULL;
        if (scale != NULL) RN_FN(load_rows)(k, weight, scale + i);
        switch (loss) {
            RN_CASE(RN_BINARY_CROSS_ENTROPY, 0)
            RN_CASE(RN_SQUARED_ERROR, (T)0.5)
            RN_CASE(RN_MSE, 1 / (T)n_out)
            RN_CASE(RN_ABSOLUTE_ERROR, 1)
            RN_CASE(RN_MAE, 1 / (T)n_out)
            RN_CASE(RN_HUBER, param)
            RN_CASE(RN_QUANTILE, param)
            RN_CASE(RN_POISSON, 0)
        default:
            RN_FN(softmax_rows)(n_out, k, ld, row_loss + i, d, z + i, y ? y + i : NULL,
                                label ? label + i : NULL, weight);
        }
    }
#undef RN_CASE
}
