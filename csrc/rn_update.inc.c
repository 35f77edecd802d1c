/* One optimiser step over a span of parameters: the step, then the L1 rule.
 *
 * The penalty lives in the optimiser's own metric.  A penalty of strength l1 pushes a
 * weight like a constant gradient of size l1, so its threshold is
 *     t = l1 * (what this optimiser makes of a constant unit gradient),
 * a number for SGD and momentum, one per weight for Adagrad, RMSprop and Adam.  Hence
 * the same l1 has the same fixed point under every optimiser.
 *
 * Loops are branch-free and element-wise, one for each optimiser and rule.
 */

enum {
    RN_SUMS = 32, /* partial sums */
};

/* What an optimiser makes of a constant unit gradient, before any per-weight metric. */
RN_INLINE double rate(const rn_step *s) { return s->learning_rate; }
RN_INLINE double velocity(const rn_step *s) { return s->response; }
RN_INLINE double look_ahead(const rn_step *s) {
    return s->momentum * s->response + s->learning_rate;
}

RN_INLINE double unit_response(const rn_step *s) {
    double found = 0;
#define RN_RESPONSE(constant, name, step, response, keeps_m, metric)                   \
    case constant: found = response(s); break;
    switch (s->kind) { RN_OPTIMIZERS(RN_RESPONSE) }
    return found;
}

RN_INLINE rn_metric metric_of(int kind) {
    rn_metric found = RN_NO_METRIC;
#define RN_METRIC(constant, name, step, response, keeps_m, metric)                     \
    case constant: found = metric; break;
    switch (kind) { RN_OPTIMIZERS(RN_METRIC) }
    return found;
}

/* What is added to the root of v, for weights with this l2.  FTRL (McMahan 2011,
 * McMahan et al. 2013) minimises sum_s (g_s w + l1 |w| + l2 w^2) + the weights'
 * distances from where they were.  Its z is -(w / (learning rate per divisor) + what l1
 * was charged), so that its step is Adagrad's with the ledger of the cumulative rule,
 * but v without the gradient of l2, and a divisor that has all l2 owed so far. */
RN_INLINE double divisor_floor(const rn_step *s, double l2) {
    if (s->kind != RN_FTRL) return s->epsilon;
    return s->epsilon + 2 * l2 * s->learning_rate * s->credit;
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

/* What is the same for all weights of a step. */
typedef struct {
    int kind, rule; /* rn_optimizer_kind, rn_l1_rule */
    T lr, mu, b1, b2, rest1, rest2, eps;
    T rate, scale2, decay;  /* Adam: the corrections of its moments; AdamW's decay */
    T l1, l2, at_zero;      /* of the smooth part: l1 sign(w) and 2 l2 */
    T unit, per_unit;       /* threshold before the metric, and its inverse */
    T credit, credit_decay; /* of the cumulative rule */
    T floor;                /* no weight falls below it */
} rn_rates;

static rn_rates rates_of(const rn_step *s) {
    const double unit = s->l1 * unit_response(s);
    const int idle = s->l1_rule == RN_L1_CUMULATIVE && !((T)unit > 0);
    rn_rates rates = {.kind = s->kind,
                      .rule = idle ? RN_L1_NONE : s->l1_rule,
                      .lr = (T)s->learning_rate,
                      .mu = (T)s->momentum,
                      .b1 = (T)s->beta1,
                      .b2 = (T)s->beta2,
                      .rest1 = (T)(1 - s->beta1),
                      .rest2 = (T)(1 - s->beta2),
                      .eps = (T)divisor_floor(s, s->l2),
                      .l1 = (T)s->l1,
                      .l2 = (T)(2 * s->l2),
                      .at_zero = (T)(s->l1 * s->sign_at_zero),
                      .unit = (T)unit,
                      .per_unit = 1 / (T)unit,
                      .credit = (T)s->credit,
                      .credit_decay = (T)s->credit_decay,
                      .floor = s->non_negative ? (T)0 : -(T)INFINITY};
    if (metric_of(s->kind) == RN_CORRECTED_MEAN) {
        rates.rate = (T)(s->learning_rate / s->correction1);
        rates.scale2 = (T)(1 / s->correction2);
    }
    if (s->kind == RN_ADAMW) rates.decay = (T)(s->learning_rate * s->weight_decay);
    return rates;
}

/* A weight x after the step of an optimiser; m is its moment, in/out, `metric` what the
 * step is divided by. */
RN_INLINE T plain_step(T x, T gradient, T *m, T metric, const rn_rates *r) {
    (void)m, (void)metric;
    return madd(-r->lr, gradient, x);
}

RN_INLINE T momentum_step(T x, T gradient, T *m, T metric, const rn_rates *r) {
    const T step = r->lr * gradient;
    (void)metric;
    *m = madd(r->mu, *m, -step);
    return x + *m;
}

RN_INLINE T nesterov_step(T x, T gradient, T *m, T metric, const rn_rates *r) {
    const T step = r->lr * gradient;
    (void)metric;
    *m = madd(r->mu, *m, -step);
    return x + madd(r->mu, *m, -step);
}

RN_INLINE T scaled_step(T x, T gradient, T *m, T metric, const rn_rates *r) {
    (void)m;
    return x - r->lr * gradient / metric;
}

/* decay is 0 for Adam */
RN_INLINE T adam_step(T x, T gradient, T *m, T metric, const rn_rates *r) {
    *m = madd(r->b1, *m, r->rest1 * gradient);
    return madd(-r->decay, x, x) - r->rate * *m / metric;
}

RN_INLINE T step_by(const int kind, T x, T gradient, T *m, T metric,
                    const rn_rates *r) {
#define RN_STEP(constant, name, step, response, keeps_m, metric_)                      \
    case constant: x = step(x, gradient, m, metric, r); break;
    switch (kind) { RN_OPTIMIZERS(RN_STEP) }
    return x;
}

/* The squares of the gradients so far; what the step is divided by: eps is outside the
 * bias-corrected root. */
RN_INLINE T next_square(const rn_metric metric, T v, T g, const rn_rates *r) {
    return metric == RN_SUM_OF_SQUARES ? madd(g, g, v)
                                       : madd(r->b2, v, r->rest2 * (g * g));
}
RN_INLINE T divisor(const rn_metric metric, T v, const rn_rates *r) {
    return RN_SQRT(metric == RN_CORRECTED_MEAN ? v * r->scale2 : v) + r->eps;
}

/* Tsuruoka, Tsujii and Ananiadou (2009), section 3.2, with the ledger q counted in
 * thresholds: a weight was charged -q of the steps owed.  per_t is 1 / t. */
RN_INLINE T charge(T x, T *q, T t, T per_t, const rn_rates *r) {
    const T ledger = r->credit_decay * *q;
    const T low = t * (ledger - r->credit), high = t * (ledger + r->credit);
    T d = x > low ? x : low;
    d = d < high ? d : high;
    *q = madd(-d, per_t, ledger);
    return x - d;
}

/* One step of one weight; kind and rule are known to the compiler. */
RN_INLINE void update_weight(const int kind, const rn_l1_rule rule, T *w, T *m, T *v,
                             T *q, T g, const rn_rates *r) {
    const rn_metric metric = metric_of(kind);
    T x = *w, gradient = madd(r->l2, x, g), root = 1, t = r->unit;
    if (rule == RN_L1_SUBGRADIENT) {
        gradient += x > 0 ? r->l1 : x < 0 ? -r->l1 : r->at_zero;
    }
    if (metric != RN_NO_METRIC) {
        *v = next_square(metric, *v, kind == RN_FTRL ? g : gradient, r);
        root = divisor(metric, *v, r);
        if (rule != RN_L1_NONE && rule != RN_L1_SUBGRADIENT) t = r->unit / root;
    }
    if (rule == RN_L1_SHRINK_FIRST) x = soft_threshold(x, t);
    x = step_by(kind, x, gradient, m, root, r);
    switch (rule) {
    case RN_L1_NONE:
    case RN_L1_SUBGRADIENT:
    case RN_L1_SHRINK_FIRST: break;
    case RN_L1_PROXIMAL: x = soft_threshold(x, t); break;
    case RN_L1_CUMULATIVE:
        x = charge(x, q, t, metric == RN_NO_METRIC ? r->per_unit : root * r->per_unit,
                   r);
        break;
    }
    *w = x < r->floor ? r->floor : x;
}

/* One loop per optimiser and rule: each weight, its gradient and what the optimiser
 * remembers of it are read and written once. */
RN_INLINE void update_loop(const int kind, const rn_l1_rule rule, size_t n,
                           T *RN_RESTRICT w, T *RN_RESTRICT m, T *RN_RESTRICT v,
                           T *RN_RESTRICT q, const T *RN_RESTRICT g,
                           const rn_rates *rates) {
    const rn_rates r = *rates;
    for (size_t i = 0; i < n / RN_LANES * RN_LANES; i++) {
        update_weight(kind, rule, w + i, m + i, v + i, q + i, g[i], &r);
    }
}

/* n a multiple of RN_LANES */
RN_INLINE void update_rules(const int kind, size_t n, T *w, T *m, T *v, T *q,
                            const T *g, const rn_rates *r, size_t steps) {
#define RN_RULE(rule, name)                                                            \
    case rule:                                                                         \
        for (size_t s = 0; s < steps; s++) {                                           \
            update_loop(kind, rule, n, w, m, v, q, g, r + s);                          \
        }                                                                              \
        break;
    switch (r->rule) { RN_L1_RULES(RN_RULE) }
}

/* `steps` steps with the same gradient, each with its own rates, of which kind and rule
 * are the same. */
RN_APART void update_vectors(size_t n, T *w, T *m, T *v, T *q, const T *g,
                             const rn_rates *r, size_t steps) {
#define RN_KIND(kind, ...)                                                             \
    case kind: update_rules(kind, n, w, m, v, q, g, r, steps); break;
    switch (r->kind) { RN_OPTIMIZERS(RN_KIND) }
}

/* w, m, v, q (n) in/out; g (n) the data gradient.  NULL where an array is not used:
 * m by SGD, Adagrad, RMSprop, FTRL; v by SGD and momentum; q by all rules but
 * cumulative. */
static void update(size_t n, T *w, T *m, T *v, T *q, const T *g, const rn_step *s) {
    const rn_rates rates = rates_of(s);
    const size_t whole = n / RN_LANES * RN_LANES, rest = (n - whole) * sizeof(T);
    T *arrays[4] = {w, m, v, q}, last[5][RN_LANES] = {{0}};
    update_vectors(whole, w, m, v, q, g, &rates, 1);
    if (!rest) return;
    for (int k = 0; k < 4; k++) {
        if (arrays[k]) memcpy(last[k], arrays[k] + whole, rest);
    }
    memcpy(last[4], g + whole, rest);
    update_vectors(RN_LANES, last[0], last[1], last[2], last[3], last[4], &rates, 1);
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
