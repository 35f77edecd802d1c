/* Steps that need whole rows or columns of a weight matrix: group penalties, max-norm.
 *
 * A group is a unit's incoming weights (a column of W), an input's outgoing weights (a
 * row) or those of several inputs (rows, whose strength is sqrt(rows) times that of
 * one). Its penalty lives in the optimiser's own metric like that of a single weight:
 * with the thresholds t_i the step asks for argmin_x  sum_i (x_i - w_i)^2 / (2 t_i)  +
 * |x|, which is 0 if sum (w_i / t_i)^2 <= 1, and else w_i s / (s + t_i) with the s =
 * |x| that solves sum (w_i / (s + t_i))^2 = 1.  Where all t_i are equal that is w
 * max(0, 1 - t/|w|).
 */

enum { RN_GROUP_LANES = 16, RN_GROUP_ITERATIONS = 30 };

/* True if both the l1 and the group penalty are cumulative: prox_group charges both. */
RN_INLINE int rn_charges_both(const rn_param *p) {
    return p->group != RN_GROUP_NONE && p->group_rule == RN_L1_CUMULATIVE &&
           p->l1_rule == RN_L1_CUMULATIVE;
}

/* RN_GROUP_LANES columns, or the rows of one group cut into chunks of as many, row
 * after row: lane k of every chunk is summed on its own, in this order, and if all
 * lanes are one group, their sums are joined. */
typedef struct {
    T *w;
    const T *v; /* second moments, or NULL: all thresholds equal `unit` */
    T *q;       /* ledger of the cumulative rule, or NULL */
    T *t;       /* thresholds, RN_GROUP_LANES for each chunk */
    T single;   /* threshold of a single weight over its group's, charged with it */
    size_t chunks, stride, width, last_width;
    const int64_t *rows; /* several rows of row_chunks chunks, or NULL */
    size_t row_chunks, row_stride;
    int one_group, keep_zeros;
} rn_groups;

/* Where a chunk begins, and how many weights it has. */
RN_INLINE size_t chunk_at(const rn_groups *b, size_t chunk) {
    if (!b->rows) return chunk * b->stride;
    const size_t row = chunk / b->row_chunks, part = chunk - row * b->row_chunks;
    return (size_t)b->rows[row] * b->row_stride + part * b->stride;
}

RN_INLINE size_t chunk_width(const rn_groups *b, size_t chunk) {
    if (!b->rows) return chunk + 1 == b->chunks ? b->last_width : b->width;
    return (chunk + 1) % b->row_chunks == 0 ? b->last_width : b->width;
}

RN_INLINE void load_chunk(T *to, const T *from, size_t width, T rest) {
    if (width == RN_GROUP_LANES) {
        memcpy(to, from, RN_GROUP_LANES * sizeof(T));
    } else {
        for (size_t k = 0; k < RN_GROUP_LANES; k++) to[k] = k < width ? from[k] : rest;
    }
}

/* Every lane gets the sum (or the largest) of all lanes, by a fixed tree. */
RN_INLINE void join_lanes(const rn_groups *b, T *s, int largest) {
    if (!b->one_group) return;
    for (size_t half = RN_GROUP_LANES / 2; half; half /= 2) {
        for (size_t k = 0; k < half; k++) {
            if (!largest) s[k] += s[k + half];
            else if (s[k + half] > s[k]) s[k] = s[k + half];
        }
    }
    for (size_t k = 1; k < RN_GROUP_LANES; k++) s[k] = s[0];
}

/* w *= factor[lane], with a factor of 0 giving +0. */
RN_INLINE void scale_lanes(const rn_groups *b, const T *factor) {
    for (size_t c = 0; c < b->chunks; c++) {
        T *w = b->w + chunk_at(b, c);
        const size_t width = chunk_width(b, c);
        for (size_t k = 0; k < width; k++)
            w[k] = factor[k] == 0 ? (T)0 : w[k] * factor[k];
    }
}

static void norms(const rn_groups *b, T *norm) {
    T sum[RN_GROUP_LANES] = {0}, w[RN_GROUP_LANES];
    for (size_t c = 0; c < b->chunks; c++) {
        load_chunk(w, b->w + chunk_at(b, c), chunk_width(b, c), 0);
        for (size_t k = 0; k < RN_GROUP_LANES; k++) sum[k] = madd(w[k], w[k], sum[k]);
    }
    join_lanes(b, sum, 0);
    for (size_t k = 0; k < RN_GROUP_LANES; k++) norm[k] = RN_SQRT(sum[k]);
}

/* Thresholds unit / (sqrt(v scale) + eps). */
RN_INLINE void fill_thresholds(const rn_groups *b, T unit, T scale, T eps) {
    for (size_t c = 0; c < b->chunks; c++) {
        const T *v = b->v ? b->v + chunk_at(b, c) : NULL;
        const size_t width = chunk_width(b, c);
        T *t = b->t + c * RN_GROUP_LANES;
        for (size_t k = 0; k < width; k++) {
            const T exact = v ? unit / (RN_SQRT(v[k] * scale) + eps) : unit;
            t[k] = exact < RN_TINY ? (T)RN_TINY : exact;
        }
        for (size_t k = width; k < RN_GROUP_LANES; k++) t[k] = t[0];
    }
}

/* The largest threshold of a group, and sum (w/t)^2. */
RN_INLINE void measure(const rn_groups *b, T *largest, T *inside) {
    T w[RN_GROUP_LANES];
    for (size_t c = 0; c < b->chunks; c++) {
        const T *t = b->t + c * RN_GROUP_LANES;
        load_chunk(w, b->w + chunk_at(b, c), chunk_width(b, c), 0);
        for (size_t k = 0; k < RN_GROUP_LANES; k++) {
            const T r = w[k] / t[k];
            largest[k] = t[k] > largest[k] ? t[k] : largest[k];
            inside[k] = madd(r, r, inside[k]);
        }
    }
    join_lanes(b, largest, 1);
    join_lanes(b, inside, 0);
}

/* One Newton step of every lane on 1/sqrt(sum (w/(s+t))^2) = 1, whose left side is
 * concave in s: from below the steps never pass the root.  True if some s still grows.
 */
RN_INLINE int grow_norm(const rn_groups *b, T *s) {
    T a[RN_GROUP_LANES] = {0}, slope[RN_GROUP_LANES] = {0}, w[RN_GROUP_LANES];
    int grows = 0;
    for (size_t c = 0; c < b->chunks; c++) {
        const T *t = b->t + c * RN_GROUP_LANES;
        load_chunk(w, b->w + chunk_at(b, c), chunk_width(b, c), 0);
        for (size_t k = 0; k < RN_GROUP_LANES; k++) {
            const T inverse = 1 / (s[k] + t[k]), r = w[k] * inverse, square = r * r;
            a[k] += square;
            slope[k] = madd(square, inverse, slope[k]);
        }
    }
    join_lanes(b, a, 0);
    join_lanes(b, slope, 0);
    for (size_t k = 0; k < RN_GROUP_LANES; k++) {
        const T next = s[k] + a[k] * (RN_SQRT(a[k]) - 1) / slope[k];
        if (!(next > s[k])) continue;
        s[k] = next;
        grows = 1;
    }
    return grows;
}

/* |x| of every group, 0 where the group becomes zero. */
static void solve_norms(const rn_groups *b, T *s) {
    T largest[RN_GROUP_LANES] = {0}, inside[RN_GROUP_LANES] = {0};
    norms(b, s);
    measure(b, largest, inside);
    for (size_t k = 0; k < RN_GROUP_LANES; k++) {
        s[k] = s[k] <= largest[k] ? 0 : s[k] - largest[k]; /* |x| >= |w| - max t */
    }
    for (int i = 0; i < RN_GROUP_ITERATIONS && grow_norm(b, s); i++) continue;
    for (size_t k = 0; k < RN_GROUP_LANES; k++) s[k] = inside[k] <= 1 ? 0 : s[k];
}

static void prox_group_in_metric(const rn_groups *b) {
    T s[RN_GROUP_LANES];
    solve_norms(b, s);
    for (size_t c = 0; c < b->chunks; c++) {
        T *w = b->w + chunk_at(b, c);
        const T *t = b->t + c * RN_GROUP_LANES;
        const size_t width = chunk_width(b, c);
        for (size_t k = 0; k < width; k++) {
            w[k] = s[k] == 0 ? (T)0 : w[k] * (s[k] / (s[k] + t[k]));
        }
    }
}

static void prox_group_plain(const rn_groups *b, T threshold) {
    T factor[RN_GROUP_LANES];
    norms(b, factor);
    for (size_t k = 0; k < RN_GROUP_LANES; k++) {
        factor[k] = factor[k] <= threshold ? (T)0 : 1 - threshold / factor[k];
    }
    scale_lanes(b, factor);
}

/* An l1 penalty by the cumulative rule is charged with its group's: the operator of the
 * sum is the soft threshold, then that of the group, in any metric, so that one ledger
 * holds both charges. */
static void charge_singles(const rn_groups *b) {
    for (size_t c = 0; c < b->chunks; c++) {
        const size_t width = chunk_width(b, c);
        const size_t at = chunk_at(b, c);
        T *w = b->w + at, *q = b->q + at;
        const T *t = b->t + c * RN_GROUP_LANES;
        for (size_t k = 0; k < width; k++) {
            const T u = w[k];
            w[k] = soft_threshold(u, b->single * t[k]);
            q[k] = (u - w[k]) / t[k];
        }
    }
}

/* Cumulative penalty of a group, the rule of rn_update.inc.c: all past charges are
 * undone, u = w - t q, and all `credit` steps of penalty that are owed by now charged
 * at once, which is the operator above with credit t in place of t.  A group that was
 * zero has been charged little, so that the rest of what it owes brings it back to zero
 * after a noisy step.  Weights kept at zero forget their charges. */
static void charge_group(const rn_groups *b, T credit, T decay) {
    T s[RN_GROUP_LANES];
    for (size_t c = 0; c < b->chunks; c++) {
        const size_t width = chunk_width(b, c);
        const size_t at = chunk_at(b, c);
        T *w = b->w + at, *t = b->t + c * RN_GROUP_LANES;
        const T *q = b->q + at;
        for (size_t k = 0; k < width; k++) {
            const T u = madd(-t[k], decay * q[k], w[k]);
            w[k] = b->keep_zeros && w[k] == 0 ? (T)0 : u;
        }
        for (size_t k = 0; k < RN_GROUP_LANES; k++) t[k] *= credit;
    }
    if (b->single > 0) charge_singles(b);
    solve_norms(b, s);
    for (size_t c = 0; c < b->chunks; c++) {
        const size_t width = chunk_width(b, c);
        const size_t at = chunk_at(b, c);
        T *w = b->w + at, *q = b->q + at;
        const T *t = b->t + c * RN_GROUP_LANES;
        for (size_t k = 0; k < width; k++) {
            const T inverse = 1 / (s[k] + t[k]);
            q[k] = b->single > 0 ? -credit * madd(w[k], inverse, q[k])
                                 : -credit * w[k] * inverse;
            w[k] = s[k] == 0 ? (T)0 : w[k] * (s[k] * inverse);
        }
    }
}

/* Rows of W in group g. */
RN_INLINE size_t group_size(const rn_param *p, size_t g) {
    return p->group_start ? (size_t)(p->group_start[g + 1] - p->group_start[g]) : 1;
}

/* Strength of a group of this many rows (Yuan and Lin 2006). */
RN_INLINE double group_weight(const rn_param *p, size_t size) {
    return p->group_strength * sqrt((double)size);
}

RN_INLINE size_t group_count(const rn_param *p, size_t n_in, size_t n_out) {
    if (p->group_start) return p->n_groups;
    return p->group == RN_GROUP_INPUTS ? n_in : n_out;
}

static size_t largest_group(const rn_param *p) {
    size_t largest = 1;
    for (size_t g = 0; p->group_start && g < p->n_groups; g++)
        largest = rn_max(largest, group_size(p, g));
    return largest;
}

/* `width` units from g on, or the rows of group g. */
static rn_groups groups_at(size_t n_in, size_t n_out, size_t g, size_t width,
                           const rn_param *p, T *work) {
    const int rows = p->group == RN_GROUP_INPUTS;
    const size_t size = group_size(p, g), parts = rn_count(n_out, RN_GROUP_LANES);
    const size_t at = p->group_start ? 0 : rows ? g * n_out : g;
    const double weight = group_weight(p, size);
    return (rn_groups){.w = (T *)p->w + at,
                       .v = p->v ? (const T *)p->v + at : NULL,
                       .q = p->group_rule == RN_L1_CUMULATIVE ? (T *)p->q + at : NULL,
                       .t = work,
                       .single = rn_charges_both(p) ? (T)(p->l1 / weight) : 0,
                       .chunks = rows ? size * parts : n_in,
                       .stride = rows ? RN_GROUP_LANES : n_out,
                       .width = rows ? RN_GROUP_LANES : width,
                       .last_width = rows ? (n_out - 1) % RN_GROUP_LANES + 1 : width,
                       .rows =
                           p->group_start ? p->group_rows + p->group_start[g] : NULL,
                       .row_chunks = parts,
                       .row_stride = n_out,
                       .one_group = rows,
                       .keep_zeros = p->keep_zeros};
}

/* The groups [g0, g1) of p->w (n_in, n_out) after their penalty; see the head of the
 * file. work: RN_GROUP_LANES * n_in elements, or n_out + RN_GROUP_LANES for each row of
 * the largest group. */
static void prox_group(size_t n_in, size_t n_out, size_t g0, size_t g1,
                       const rn_param *p, const rn_step *step, T *work) {
    const double response = unit_response(step);
    const T eps = (T)divisor_floor(step, p->l2);
    const T scale =
        metric_of(step->kind) == RN_CORRECTED_MEAN ? (T)(1 / step->correction2) : (T)1;
    const size_t at_once = p->group == RN_GROUP_INPUTS ? 1 : RN_GROUP_LANES;
    for (size_t g = g0; g < g1; g += at_once) {
        const T unit = (T)(group_weight(p, group_size(p, g)) * response);
        if (!(unit > 0)) continue;
        rn_groups b = groups_at(n_in, n_out, g, rn_min(g1 - g, at_once), p, work);
        if (metric_of(step->kind) == RN_NO_METRIC) b.v = NULL;
        if (b.q || b.v) fill_thresholds(&b, unit, scale, eps);
        if (b.q) charge_group(&b, (T)step->credit, (T)step->credit_decay);
        else if (b.v) prox_group_in_metric(&b);
        else prox_group_plain(&b, unit);
    }
}

/* Scales each column of w (n_in, n_out) in [j0, j1) to a norm of at most max_norm. */
static void max_norm(size_t n_in, size_t n_out, T *w, size_t j0, size_t j1,
                     double max_norm) {
    T sums[64];
    for (size_t j = j0; j < j1; j += 64) {
        const size_t width = j1 - j < 64 ? j1 - j : 64;
        memset(sums, 0, sizeof sums);
        for (size_t k = 0; k < n_in; k++) {
            const T *row = w + k * n_out + j;
            for (size_t c = 0; c < width; c++) sums[c] = madd(row[c], row[c], sums[c]);
        }
        for (size_t c = 0; c < width; c++) {
            const T norm = RN_SQRT(sums[c]);
            sums[c] = norm > (T)max_norm ? (T)max_norm / norm : (T)1;
        }
        for (size_t k = 0; k < n_in; k++) {
            T *row = w + k * n_out + j;
            for (size_t c = 0; c < width; c++) row[c] *= sums[c];
        }
    }
}
