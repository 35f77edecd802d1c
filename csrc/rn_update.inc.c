/* One optimiser step over a flat piece of parameters: the step, then the L1 rule.
 *
 * The penalty lives in the optimiser's own metric.  A penalty of strength l1 pushes a
 * weight like a constant gradient of size l1, so its threshold is
 *     t = l1 * (what this optimiser makes of a constant unit gradient),
 * a number for SGD and momentum, one per weight for Adagrad, RMSprop and Adam.  Hence
 * the same l1 has the same fixed point under every optimiser.
 *
 * Loops are branch-free and element-wise, one for each optimiser and rule.
 */

enum { RN_SUMS = 32 }; /* partial sums */

/* The optimiser's answer to a constant unit gradient, before any per-weight metric. */
RN_INLINE double rn_unit_response(const rn_step *s) {
    switch (s->kind) {
    case RN_MOMENTUM: return s->response;
    case RN_NESTEROV: return s->momentum * s->response + s->learning_rate;
    default: return s->learning_rate;
    }
}

/* sign(w) max(|w| - t, 0): w less its projection on [-t, t].  A NaN stays one. */
RN_INLINE T soft_threshold(T w, T t) {
    T inside = w > t ? t : w;
    inside = inside < -t ? -t : inside;
    return w - inside;
}

static void prox_l1(size_t n, T *w, T threshold) {
    for (size_t i = 0; i < n; i++) w[i] = soft_threshold(w[i], threshold);
}

/* What is the same for all weights of a call. */
typedef struct {
    T lr, mu, b1, b2, rest1, rest2, eps;
    T rate, scale2, decay;  /* Adam: the corrections of its moments; AdamW's decay */
    T l1, l2, at_zero;      /* of the smooth part: l1 sign(w) and 2 l2 */
    T unit, per_unit;       /* threshold before the metric, and its inverse */
    T credit, credit_decay; /* of the cumulative rule */
    T floor;                /* no weight falls below it */
} rn_rates;

static rn_rates rates_of(const rn_step *s) {
    const double unit = s->l1 * rn_unit_response(s);
    rn_rates rates = {.lr = (T)s->learning_rate,
                      .mu = (T)s->momentum,
                      .b1 = (T)s->beta1,
                      .b2 = (T)s->beta2,
                      .rest1 = (T)(1 - s->beta1),
                      .rest2 = (T)(1 - s->beta2),
                      .eps = (T)s->epsilon,
                      .l1 = (T)s->l1,
                      .l2 = (T)(2 * s->l2),
                      .at_zero = (T)(s->l1 * s->sign_at_zero),
                      .unit = (T)unit,
                      .per_unit = 1 / (T)unit,
                      .credit = (T)s->credit,
                      .credit_decay = (T)s->credit_decay,
                      .floor = s->non_negative ? (T)0 : -(T)INFINITY};
    if (s->kind >= RN_ADAM) {
        rates.rate = (T)(s->learning_rate / s->correction1);
        rates.scale2 = (T)(1 / s->correction2);
    }
    if (s->kind == RN_ADAMW) rates.decay = (T)(s->learning_rate * s->weight_decay);
    return rates;
}

/* The moving average of squares after a gradient. */
RN_INLINE T next_square(const int kind, T v, T g, const rn_rates *r) {
    return kind == RN_ADAGRAD ? madd(g, g, v) : madd(r->b2, v, r->rest2 * (g * g));
}

/* One loop per optimiser and rule: each weight, its gradient and what the optimiser
 * remembers of it are read and written once.  kind and rule are known to the compiler.
 */
RN_INLINE void update_loop(const int kind, const int rule, size_t n, T *RN_RESTRICT w,
                           T *RN_RESTRICT m, T *RN_RESTRICT v, T *RN_RESTRICT q,
                           const T *RN_RESTRICT g, const rn_rates *rates) {
    const rn_rates r = *rates;
    for (size_t i = 0; i < n / RN_LANES * RN_LANES; i++) {
        T x = w[i], gradient = madd(r.l2, x, g[i]), metric = 1, t = r.unit;
        if (rule == RN_L1_SUBGRADIENT) {
            gradient += x > 0 ? r.l1 : x < 0 ? -r.l1 : r.at_zero;
        }
        if (kind >= RN_ADAGRAD) { /* eps is outside the bias-corrected root */
            v[i] = next_square(kind, v[i], gradient, &r);
            metric = RN_SQRT(kind >= RN_ADAM ? v[i] * r.scale2 : v[i]) + r.eps;
            if (rule != RN_L1_NONE && rule != RN_L1_SUBGRADIENT) t = r.unit / metric;
        }
        if (rule == RN_L1_SHRINK_FIRST) x = soft_threshold(x, t);
        if (kind == RN_SGD) {
            x = madd(-r.lr, gradient, x);
        } else if (kind == RN_MOMENTUM || kind == RN_NESTEROV) {
            const T step = r.lr * gradient;
            m[i] = madd(r.mu, m[i], -step);
            x += kind == RN_MOMENTUM ? m[i] : madd(r.mu, m[i], -step);
        } else if (kind == RN_ADAGRAD || kind == RN_RMSPROP) {
            x -= r.lr * gradient / metric;
        } else {
            m[i] = madd(r.b1, m[i], r.rest1 * gradient);
            x = madd(-r.decay, x, x) - r.rate * m[i] / metric;
        }
        if (rule == RN_L1_PROXIMAL) x = soft_threshold(x, t);
        if (rule == RN_L1_CUMULATIVE) {
            /* Tsuruoka, Tsujii and Ananiadou (2009), section 3.2, with the ledger q
             * counted in thresholds: a weight was charged -q of the steps owed. */
            const T ledger = r.credit_decay * q[i];
            const T low = t * (ledger - r.credit), high = t * (ledger + r.credit);
            T d = x > low ? x : low;
            d = d < high ? d : high;
            x -= d;
            q[i] =
                madd(-d, kind >= RN_ADAGRAD ? metric * r.per_unit : r.per_unit, ledger);
        }
        w[i] = x < r.floor ? r.floor : x;
    }
}

/* n a multiple of RN_LANES */
RN_INLINE void update_rules(const int kind, int rule, size_t n, T *w, T *m, T *v, T *q,
                            const T *g, const rn_rates *r) {
#define RN_RULE(rule)                                                                  \
    case rule: update_loop(kind, rule, n, w, m, v, q, g, r); break;
    switch (rule) {
        RN_RULE(RN_L1_NONE)
        RN_RULE(RN_L1_CUMULATIVE)
        RN_RULE(RN_L1_PROXIMAL)
        RN_RULE(RN_L1_SHRINK_FIRST)
        RN_RULE(RN_L1_SUBGRADIENT)
    }
}

RN_APART void update_vectors(int kind, int rule, size_t n, T *w, T *m, T *v, T *q,
                             const T *g, const rn_rates *r) {
#define RN_KIND(kind)                                                                  \
    case kind: update_rules(kind, rule, n, w, m, v, q, g, r); break;
    switch (kind) {
        RN_KIND(RN_SGD)
        RN_KIND(RN_MOMENTUM)
        RN_KIND(RN_NESTEROV)
        RN_KIND(RN_ADAGRAD)
        RN_KIND(RN_RMSPROP)
        RN_KIND(RN_ADAM)
        RN_KIND(RN_ADAMW)
    }
}

/* w, m, v, q (n) in/out; g (n) the data gradient.  NULL where an array is not used:
 * m by SGD, Adagrad, RMSprop; v by SGD and momentum; q by all rules but cumulative. */
static void update(size_t n, T *w, T *m, T *v, T *q, const T *g, const rn_step *s) {
    const rn_rates rates = rates_of(s);
    const int idle = s->l1_rule == RN_L1_CUMULATIVE && !(rates.unit > 0);
    const int rule = idle ? RN_L1_NONE : s->l1_rule;
    const size_t whole = n / RN_LANES * RN_LANES, rest = (n - whole) * sizeof(T);
    T *arrays[4] = {w, m, v, q}, last[5][RN_LANES] = {{0}};
    update_vectors(s->kind, rule, whole, w, m, v, q, g, &rates);
    if (!rest) return;
    for (int k = 0; k < 4; k++) {
        if (arrays[k]) memcpy(last[k], arrays[k] + whole, rest);
    }
    memcpy(last[4], g + whole, rest);
    update_vectors(s->kind, rule, RN_LANES, last[0], last[1], last[2], last[3], last[4],
                   &rates);
    for (int k = 0; k < 4; k++) {
        if (arrays[k]) memcpy(arrays[k] + whole, last[k], rest);
    }
}

RN_INLINE void add_sums(double (*part)[RN_SUMS], const T *w) {
    for (size_t k = 0; k < RN_SUMS; k++) {
        const double x = w[k];
        part[0][k] += fabs(x);
        part[1][k] += x * x;
        part[2][k] += x == 0 ? 1.0 : 0.0;
    }
}

/* sums[0] = sum |w|, sums[1] = sum w^2, sums[2] = number of exact zeros.
 * 32 partial sums and a fixed tree, in double: the same bits everywhere, and enough of
 * them to hide the time of an addition. */
static void penalty_sums(size_t n, double *sums, const T *w) {
    double part[3][RN_SUMS] = {{0}};
    T last[RN_SUMS] = {0};
    const size_t whole = n / RN_SUMS * RN_SUMS;
    for (size_t i = 0; i < whole; i += RN_SUMS) add_sums(part, w + i);
    if (whole < n) {
        memcpy(last, w + whole, (n - whole) * sizeof(T));
        add_sums(part, last);
        part[2][0] -= (double)(whole + RN_SUMS - n); /* those that fill up */
    }
    for (size_t s = 0; s < 3; s++) {
        for (size_t half = RN_SUMS / 2; half; half /= 2) {
            for (size_t k = 0; k < half; k++) part[s][k] += part[s][k + half];
        }
        sums[s] = part[s][0];
    }
}
