/* LassoNet's hierarchical proximal operator (Lemhadri, Ruan, Abraham and Tibshirani
 * 2021), in the optimiser's own metric.
 *
 * An input has the weights b of the linear skip connection (a row of its W) and the
 * weights w into the first hidden layer (a row of that W).  With the steps t_i and r_k
 * that the optimiser makes of a unit gradient, one input asks for the least of
 *     sum (b_i - v_i)^2 / (2 t_i)  +  sum (w_k - u_k)^2 / (2 r_k)  +  strength |b|
 * subject to |w_k| <= M |b|.  Given s = |b|, w_k = sign(u_k) min(|u_k|, M s), and
 *     b_i = v_i s / (s + t_i c(s)),  c(s) = strength - M sum (|u_k| - M s)+ / r_k.
 * c grows and is concave, so the s with |b| = s is the root of a concave function of s,
 * which Newton's method reaches from below without passing it.  b = 0, and with it
 * w = 0, if c(0) >= 0 and sum (v_i / t_i)^2 <= c(0)^2, and also where v = 0.
 *
 * Inputs that form a group are one with all their weights: |b| is the norm of all their
 * skip weights, and the strength sqrt(inputs) times that of one.
 *
 * Everything is computed in double; sums have eight parts and a fixed tree.
 */

enum { RN_HIERARCHY_LANES = 8, RN_HIERARCHY_ITERATIONS = 60 };

/* One group of inputs; the arrays are padded with zeros to whole lanes. */
typedef struct {
    size_t n_hidden, n_out;        /* padded */
    double *size, *stiffness;      /* |u_k| and 1/r_k */
    double *v, *t;                 /* t is 0 where v is 0, which then has no effect */
    double strength, m, c, growth; /* c(s) and its slope */
} rn_hierarchy;

RN_INLINE double rn_sum_lanes(const double *s) {
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

RN_INLINE size_t rn_whole_lanes(size_t n) {
    return (n + RN_HIERARCHY_LANES - 1) / RN_HIERARCHY_LANES * RN_HIERARCHY_LANES;
}

/* c and its slope at s. */
static void pull_at(rn_hierarchy *h, double s) {
    double pull[RN_HIERARCHY_LANES] = {0}, slope[RN_HIERARCHY_LANES] = {0};
    const double limit = h->m * s;
    for (size_t i = 0; i < h->n_hidden; i += RN_HIERARCHY_LANES) {
        for (size_t k = 0; k < RN_HIERARCHY_LANES; k++) {
            const double over = h->size[i + k] - limit, r = h->stiffness[i + k];
            pull[k] += (over < 0 ? 0 : over) * r;
            slope[k] += over < 0 ? 0 : r;
        }
    }
    h->c = h->strength - h->m * rn_sum_lanes(pull);
    h->growth = h->m * h->m * rn_sum_lanes(slope);
}

/* sum (v/(s + t c))^2, and its -1/2 derivative by s, at the s of the last pull_at. */
static double excess_at(const rn_hierarchy *h, double s, double *slope) {
    double square[RN_HIERARCHY_LANES] = {0}, change[RN_HIERARCHY_LANES] = {0};
    for (size_t i = 0; i < h->n_out; i += RN_HIERARCHY_LANES) {
        for (size_t k = 0; k < RN_HIERARCHY_LANES; k++) {
            const double t = h->t[i + k], a = s + t * h->c, v = h->v[i + k];
            const double r = v == 0 ? 0 : v / a;
            square[k] += r * r;
            change[k] += v == 0 ? 0 : r * r * (1 + t * h->growth) / a;
        }
    }
    *slope = rn_sum_lanes(change);
    return rn_sum_lanes(square);
}

/* The s at which the input with the longest step t alone would have |b| = s: a lower
 * bound of the root, from which on all s + t_i c(s) are positive. */
static double least_norm(rn_hierarchy *h) {
    double s = 0, t = 0, v = 0;
    for (size_t i = 0; i < h->n_out; i++) {
        const double size = h->v[i] < 0 ? -h->v[i] : h->v[i];
        if (h->t[i] < t || (h->t[i] == t && size <= v)) continue;
        t = h->t[i];
        v = size;
    }
    for (int i = 0; i < RN_HIERARCHY_ITERATIONS; i++) {
        pull_at(h, s);
        const double next = s + (v - s - t * h->c) / (1 + t * h->growth);
        if (!(next > s)) break;
        s = next;
    }
    return s;
}

/* |b| of one group, whose weights it leaves alone. */
static double hierarchy_norm(rn_hierarchy *h) {
    double zero[RN_HIERARCHY_LANES] = {0}, any = 0;
    for (size_t i = 0; i < h->n_out; i += RN_HIERARCHY_LANES) {
        for (size_t k = 0; k < RN_HIERARCHY_LANES; k++) {
            const double r = h->v[i + k] == 0 ? 0 : h->v[i + k] / h->t[i + k];
            zero[k] += r * r;
            any += h->v[i + k] != 0;
        }
    }
    pull_at(h, 0);
    if (any == 0 || (h->c >= 0 && rn_sum_lanes(zero) <= h->c * h->c)) return 0;
    double s = least_norm(h);
    for (int i = 0; i < RN_HIERARCHY_ITERATIONS; i++) {
        double slope;
        pull_at(h, s);
        const double square = excess_at(h, s, &slope);
        if (!is_finite(square)) return square; /* a NaN is passed on */
        const double next = s + square * (sqrt(square) - 1) / slope;
        if (!(next > s)) break;
        s = next;
    }
    return s;
}

/* Values and steps of n weights, the rest of the last lanes 0; `inverse`: 1/step. */
static void load_row(size_t n, double *value, double *step, const T *w, const T *v,
                     double unit, double scale, double eps, int inverse) {
    const size_t padded = rn_whole_lanes(n);
    for (size_t i = 0; i < n; i++) {
        const double metric = v ? sqrt((double)v[i] * scale) + eps : 1;
        value[i] = (double)w[i];
        step[i] = inverse ? metric / unit : unit / metric;
    }
    for (size_t i = n; i < padded; i++) value[i] = step[i] = 0;
}

/* The weights of one input after the penalty of its group, from its part of h->v and
 * h->t and |b| = s. */
static void store_row(const rn_hierarchy *h, size_t input, double s, size_t n_hidden,
                      size_t n_out, T *theta, T *beta) {
    const double *v = h->v + input * rn_whole_lanes(n_out);
    const double *t = h->t + input * rn_whole_lanes(n_out);
    const T limit = (T)(h->m * s);
    for (size_t k = 0; k < n_hidden; k++) {
        const T size = theta[k] < 0 ? -theta[k] : theta[k];
        if (size > limit) theta[k] = theta[k] < 0 ? -limit : limit;
    }
    for (size_t i = 0; i < n_out; i++) {
        beta[i] = s == 0 ? (T)0 : (T)(v[i] * (s / (s + t[i] * h->c)));
    }
    for (size_t k = 0; s == 0 && k < n_hidden; k++) theta[k] = 0;
}

/* What the norm of a group of this many inputs is found from, in `work`. */
static rn_hierarchy hierarchy_of(const rn_layer *skip, const rn_layer *first, double m,
                                 size_t inputs, double *work) {
    rn_hierarchy h = {.n_hidden = inputs * rn_whole_lanes(first->n_out),
                      .n_out = inputs * rn_whole_lanes(skip->n_out),
                      .strength = group_weight(&skip->weight, inputs),
                      .m = m};
    h.size = work;
    h.stiffness = h.size + h.n_hidden;
    h.v = h.stiffness + h.n_hidden;
    h.t = h.v + h.n_out;
    return h;
}

/* Input k of the layers becomes input i of a group. */
static void load_input(const rn_hierarchy *h, size_t i, const rn_layer *skip,
                       const rn_layer *first, size_t k, const rn_step *step) {
    const int kind = metric_of(step->kind);
    const size_t n_hidden = first->n_out, n_out = skip->n_out;
    const double unit = unit_response(step);
    const double scale = kind == RN_CORRECTED_MEAN ? 1 / step->correction2 : 1;
    const T *vt = kind != RN_NO_METRIC ? (const T *)first->weight.v : NULL;
    const T *vb = kind != RN_NO_METRIC ? (const T *)skip->weight.v : NULL;
    double *size = h->size + i * rn_whole_lanes(n_hidden);
    double *v = h->v + i * rn_whole_lanes(n_out), *t = h->t + i * rn_whole_lanes(n_out);
    load_row(n_hidden, size, h->stiffness + i * rn_whole_lanes(n_hidden),
             (const T *)first->weight.w + k * n_hidden, vt ? vt + k * n_hidden : NULL,
             unit, scale, divisor_floor(step, first->weight.l2), 1);
    load_row(n_out, v, t, (const T *)skip->weight.w + k * n_out,
             vb ? vb + k * n_out : NULL, unit, scale,
             divisor_floor(step, skip->weight.l2), 0);
    for (size_t j = 0; j < n_hidden; j++) size[j] = size[j] < 0 ? -size[j] : size[j];
    for (size_t j = 0; j < n_out; j++) {
        if (v[j] == 0) t[j] = 0;
    }
}

/* Bytes of work for the largest group of `skip`. */
static size_t lassonet_work(const rn_layer *skip, const rn_layer *first) {
    const size_t width = rn_whole_lanes(first->n_out) + rn_whole_lanes(skip->n_out);
    return largest_group(&skip->weight) * 2 * width * sizeof(double);
}

/* The groups [g0, g1) of inputs of `skip` and `first` after the penalty of strength
 * skip->weight.group_strength; see the head of the file.  hierarchy: its M; work: 16 *
 * (n_hidden + n_out + 16) bytes for each input of a group, aligned for double. */
static void prox_lassonet(const rn_layer *skip, const rn_layer *first, double hierarchy,
                          size_t g0, size_t g1, const rn_step *step, void *work) {
    const size_t n_hidden = first->n_out, n_out = skip->n_out;
    const rn_param *p = &skip->weight;
    if (!(unit_response(step) > 0)) return;
    for (size_t g = g0; g < g1; g++) {
        const size_t inputs = group_size(p, g);
        const int64_t *rows = p->group_start ? p->group_rows + p->group_start[g] : NULL;
        rn_hierarchy h = hierarchy_of(skip, first, hierarchy, inputs, work);
        for (size_t i = 0; i < inputs; i++) {
            load_input(&h, i, skip, first, rows ? (size_t)rows[i] : g, step);
        }
        const double s = hierarchy_norm(&h);
        for (size_t i = 0; i < inputs; i++) {
            const size_t k = rows ? (size_t)rows[i] : g;
            store_row(&h, i, s, n_hidden, n_out, (T *)first->weight.w + k * n_hidden,
                      (T *)skip->weight.w + k * n_out);
        }
    }
}
